"""The sealing ring changes under load, the command is killed in the middle, and nobody notices."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grantway.admin.keys import RingUse, find_ring_use
from grantway.admin.tenants import create_tenant
from grantway.config import load_settings
from grantway.extension import Runtime
from grantway.testing.running_server import TOKEN, Machine, RunningServer, stock_client

OLD, NEW = "an old secret of thirty-two characters", "a new secret of thirty-two characters"
TENANTS = 4
KILLED = """
import os, signal, sys
from grantway.cli import main
from grantway.storage.sql.store import SqlStore

replace, left = SqlStore.replace_sealed_key, [int(sys.argv.pop(1))]

async def count(self, *arguments):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return await replace(self, *arguments)

SqlStore.replace_sealed_key = count
main()
"""


def run_reencrypt(server: RunningServer, *, killed_after: int = 1_000_000) -> int:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(killed_after), "keys", "reencrypt"],
        cwd=server.folder, env=server.full_environment, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode


def set_ring(server: RunningServer, *ring: str) -> None:
    """For the next start, and for what this process does."""
    server.environment["GRANTWAY_SECRETS__SEALING"] = ",".join(ring)
    server.settings = load_settings(environment=server.environment)


class Load(threading.Thread):
    """Asks for signed tokens, again and again."""

    def __init__(self, server: RunningServer, machine: Machine) -> None:
        super().__init__()
        self.connection, self.machine = server.connect(), machine
        self.over = threading.Event()
        self.answers: list[Any] = []

    def run(self) -> None:
        while not self.over.is_set():
            self.answers.append(self.connection.ask("POST", TOKEN, **self.machine.ask_token()))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    settings = {"secrets.sealing": OLD, "keys.algorithms": "ES256", "tokens.access_token_format": "jwt"}
    server = RunningServer(tmp_path, workers=2, settings=settings)
    yield server
    server.close()
    assert "Traceback" not in server.read_log()


@pytest.mark.threat("R21")
def test_a_reencryption_under_load_that_is_killed_goes_on_and_nothing_fails(
    server: RunningServer, is_soak: bool
) -> None:
    async def stock(runtime: Runtime) -> Machine:
        for number in range(TENANTS):
            await create_tenant(runtime, f"x{number}", actor="test")
        return await stock_client(runtime, "shop")

    machine = server.administer(stock)
    set_ring(server, NEW, OLD)
    server.start()
    loads = [Load(server, machine) for _ in range(2)]
    for load in loads:
        load.start()
    for killed_after in (1, 2, 3) if is_soak else (3,):
        assert run_reencrypt(server, killed_after=killed_after) == -signal.SIGKILL
    assert 0 < server.administer(find_ring_use).older_keys < 2 * (TENANTS + 1)
    assert run_reencrypt(server) == 0
    for load in loads:
        load.over.set()
        load.join()
    answers = [answer for load in loads for answer in load.answers]
    assert len(answers) > 20
    assert {answer.status for answer in answers} == {200}
    assert server.stop() == 0

    set_ring(server, NEW)
    use: RingUse = server.administer(find_ring_use)
    assert use.is_over, use  # and the client, which has authenticated, is under the newest secret, too
    assert server.administer(lambda runtime: runtime.keys.load_signer("default", "ES256"))
