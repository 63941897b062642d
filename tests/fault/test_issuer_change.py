"""The issuer of running servers: settings that name another one change nothing, a command changes it everywhere."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable

from grantway.testing.running_server import RunningServer

OLD, NEW = "http://127.0.0.1:4444", "https://new.example"
PATIENCE = 60.0


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def read_issuer(server: RunningServer) -> str:
    connection = server.connect()
    issuer: str = connection.ask("GET", "/.well-known/openid-configuration").document["issuer"]
    connection.close()
    return issuer


def test_running_workers_keep_the_issuer_until_a_command_changes_it(run_server: Callable[..., RunningServer]) -> None:
    server = run_server(workers=2)
    before = set(server.workers())
    (server.folder / "grantway.toml").write_text(f'issuer = "{NEW}"\n', encoding="utf-8")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "worker_refused" in server.read_log(), "the fresh worker was not refused")
    assert before <= set(server.workers())
    assert read_issuer(server) == OLD

    command = [sys.executable, "-m", "grantway", "tenants", "update", "default", "--issuer", NEW]
    subprocess.run(command, cwd=server.folder, env=server.full_environment, check=True, capture_output=True, timeout=60)
    wait_until(lambda: read_issuer(server) == NEW, "the running workers did not hear of it")
    server.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: len(server.workers()) == 2 and not before & set(server.workers()), "the workers were not replaced"
    )
    assert read_issuer(server) == NEW
