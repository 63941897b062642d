"""A copy made under load is whole, and what is restored from it knows none of the tokens that were out there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from grantway.extension import Runtime
from grantway.server import SystemClock
from grantway.testing.in_process import InProcessServer, RegisteredClient
from grantway.testing.running_server import (
    REVOKE,
    TOKEN,
    Family,
    Machine,
    RunningServer,
    stock_client,
    stock_families,
)

FAMILIES = 4


def grantway(server: RunningServer, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grantway", *words],
        cwd=server.folder,
        env={**server.full_environment, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Load(threading.Thread):
    """Refreshes one family again and again. ``tokens`` are those it was given, newest last."""

    def __init__(self, server: RunningServer, family: Family) -> None:
        super().__init__()
        self.family, self.connection = family, server.connect()
        self.over = threading.Event()
        self.tokens = [self.connection.ask("POST", TOKEN, **family.redeem()).document]
        self.failures: list[Any] = []

    def run(self) -> None:
        while not self.over.is_set():
            answer = self.connection.ask("POST", TOKEN, **self.family.refresh(self.tokens[-1]["refresh_token"]))
            if answer.status != 200:
                self.failures.append(answer)
                return
            self.tokens.append(answer.document)


@pytest.mark.threat("R23")
def test_a_backup_under_load_is_restored_elsewhere_and_old_tokens_are_dead(
    run_server, tmp_path: Path, is_soak: bool
) -> None:
    server: RunningServer = run_server(workers=2)

    async def stock(runtime: Runtime) -> tuple[Machine, list[Family]]:
        machine = await stock_client(runtime, "shop")
        return machine, await stock_families(runtime, machine, [f"p{number}" for number in range(FAMILIES)])

    machine, families = server.administer(stock)
    loads = [Load(server, family) for family in families]
    for load in loads:
        load.start()
    copy = tmp_path / "copy.db"
    for number in range(20 if is_soak else 1):
        done = grantway(server, "--json", "backup", str(copy), *(["--force"] if number else []))
        assert done.returncode == 0, done.stderr
    at_backup = json.loads(done.stdout)
    for load in loads:
        load.over.set()
        load.join()
    assert not [load.failures for load in loads if load.failures]
    assert min(len(load.tokens) for load in loads) > 10, "there was load"
    connection = server.connect()
    revoked = loads[0].tokens[-1]
    assert connection.ask("POST", REVOKE, **families[0].present(revoked["refresh_token"])).status == 200
    keys = connection.ask("GET", "/.well-known/jwks.json").document

    done = grantway(server, "restore", str(copy), "--force")
    assert (done.returncode, "in use" in done.stderr) == (7, True), done.stderr
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere = {"GRANTWAY_DATABASE__URL": f"sqlite:///{folder / 'grantway.db'}"}
    done = grantway(server, "--json", "restore", str(copy), **elsewhere)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"] == at_backup["schema"]

    settings = {
        "issuer": server.settings.issuer,
        "database.url": elsewhere["GRANTWAY_DATABASE__URL"],
        "secrets.sealing": [server.environment["GRANTWAY_SECRETS__SEALING"]],
    }
    other = InProcessServer(settings, clock=SystemClock())
    assert other.get("/.well-known/jwks.json").json() == keys
    shop = RegisteredClient(other.run(other.runtime.store.load_client("default", "shop")), machine.client_secret)
    for load in loads:
        for held in (*load.tokens[:3], *load.tokens[-3:]):
            assert not other.is_active(shop, held["access_token"])
            assert other.refresh(shop, held["refresh_token"]).status_code == 400
    fresh = other.token(shop, grant_type="client_credentials")
    assert fresh.status_code == 200, "clients and their secrets are those of the copy"
    assert other.is_active(shop, fresh.json()["access_token"])
    other.stop()
