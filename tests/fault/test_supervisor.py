"""Workers die, servers are told to stop, supervisors are killed: requests go on, and nobody is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from grantway.config import load_settings
from grantway.web.listeners import bind_listeners
from grantway.web.supervisor import CrashLoop, Supervisor

SEALING = "a-sealing-secret-of-the-tests-0123456789"


class Server:
    """``grantway serve --workers N`` on a database of its own."""

    def __init__(self, folder: Path, *arguments: str, workers: int = 2) -> None:
        self.folder, ready = folder, folder / "ready.json"
        (folder / "grantway.toml").write_text(f'[secrets]\nsealing = ["{SEALING}"]\n', encoding="utf-8")
        command = [sys.executable, "-m", "grantway"]
        subprocess.run([*command, "migrate", "up"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "serve", "--workers", str(workers), "--port", "0", "--admin-port", "0", "--ready-file",
                 str(ready), *arguments],
                cwd=folder, stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(folder)},
            )  # fmt: skip
        self.workers_wanted = workers
        wait_for(ready.exists)
        self.url: str = json.loads(ready.read_text(encoding="utf-8"))["public_url"]
        self.admin_url: str = json.loads(ready.read_text(encoding="utf-8"))["admin_url"]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def workers(self) -> list[int]:
        """Process ids of the living workers."""
        return [pid for pid in find_children(self.process.pid) if is_alive(pid)]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def find_children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(each) for each in text.split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


class Load(threading.Thread):
    """Requests one after the other, each on a connection of its own, until stopped; counts what went wrong."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.done, self.failed, self.is_over = url, 0, [], threading.Event()

    def run(self) -> None:
        while not self.is_over.is_set():
            try:
                answer = httpx2.get(f"{self.url}/health/ready", timeout=10)
                if answer.status_code != 200:
                    self.failed.append(str(answer.status_code))
            except httpx2.HTTPError as error:
                self.failed.append(repr(error))
            self.done += 1

    def finish(self) -> None:
        self.is_over.set()
        self.join(20)


@contextlib.contextmanager
def load_on(url: str) -> Iterator[Load]:
    load = Load(url)
    load.start()
    try:
        yield load
    finally:
        load.finish()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    """One server for the tests that leave it running."""
    running = Server(tmp_path_factory.mktemp("supervised"))
    yield running
    workers = running.workers()
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 10
    assert not any(is_alive(pid) for pid in workers), "orphans"
    assert "Traceback" not in running.log, running.log


def test_a_killed_worker_is_replaced_and_requests_go_on(server):
    before = server.workers()
    assert len(before) == 2
    with load_on(server.url) as load:
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: len(set(server.workers()) - {before[0]}) == 2)
        done = load.done
        wait_for(lambda: load.done > done + 20)
    # What was under way in the killed worker is lost with it; everything else was answered.
    assert len(load.failed) <= 1, load.failed
    assert before[1] in server.workers()


def test_workers_are_restarted_one_by_one_without_a_failed_request(server):
    before = set(server.workers())
    with load_on(server.url) as load:
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(server.workers()) == 2 and not before & set(server.workers()))
    assert load.done > 20
    assert load.failed == []


def test_the_secrets_are_neither_in_arguments_nor_in_the_environment(server):
    for pid in [server.process.pid, *server.workers()]:
        for name in ("cmdline", "environ"):
            assert SEALING.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_the_supervisor_stays_small(server):
    maps = Path(f"/proc/{server.process.pid}/maps").read_text(encoding="utf-8")
    for library in ("sqlalchemy", "cryptography", "uvloop", "httptools"):
        assert library not in maps


def find_status_folder(running: Server) -> Path:
    (folder,) = running.folder.glob("grantway-workers-*")
    return folder


def test_every_worker_is_seen_and_nothing_counted_is_lost_with_one(tmp_path):
    running = Server(tmp_path, "--set", "admin.insecure_open=true")

    def read(path):
        answer = httpx2.get(f"{running.admin_url}{path}")
        assert answer.status_code == 200
        return answer

    def count_refused():
        found = re.search(r"^grantway_token_requests_refused_total.* ([0-9.]+)$", read("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0

    before = {status["pid"] for status in read("/admin/status").json()["workers"]}
    assert before == set(running.workers())
    for _ in range(20):
        data = {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "x"}
        assert httpx2.post(f"{running.url}/oauth2/token", data=data).status_code == 401
    wait_for(lambda: count_refused() == 20)
    places = set(re.findall(r'^grantway_feed_polls_total{worker="(\d+)"}', read("/metrics").text, re.MULTILINE))
    assert places == {"0", "1"}
    running.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(running.workers()) == 2 and not before & set(running.workers()))
    wait_for(lambda: {each["pid"] for each in read("/admin/status").json()["workers"]} == set(running.workers()))
    assert count_refused() == 20
    folder = find_status_folder(running)
    assert SEALING not in "".join(file.read_text() for file in folder.iterdir())
    assert folder.stat().st_mode & 0o077 == 0
    assert running.stop(signal.SIGINT) == 0
    assert not folder.exists()


def test_workers_leave_when_their_supervisor_is_killed(tmp_path):
    running = Server(tmp_path)
    workers = running.workers()
    running.process.kill()
    running.process.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in workers))


@pytest.mark.parametrize("workers", [1, 2])
def test_readiness_fails_first_while_requests_are_still_answered(tmp_path, workers):
    running = Server(tmp_path, "--set", "serve.drain_delay=2", workers=workers)
    assert httpx2.get(f"{running.url}/health/ready").status_code == 200
    running.process.send_signal(signal.SIGTERM)
    wait_for(lambda: httpx2.get(f"{running.url}/health/ready").status_code == 503, 2)
    assert httpx2.get(f"{running.url}/.well-known/openid-configuration").status_code == 200
    assert running.process.wait(30) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_request_under_way_is_answered_before_the_server_stops(tmp_path, workers):
    running = Server(tmp_path, workers=workers)
    parts = urlsplit(running.url)
    body = b"grant_type=client_credentials&client_id=nobody&client_secret=wrong"
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        head = (
            f"POST /oauth2/token HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        connection.sendall(head.encode() + body[:10])
        time.sleep(0.2)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        connection.sendall(body[10:])
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert running.process.wait(30) == 0


def test_a_crash_loop_at_the_start_gives_up(monkeypatch):
    settings = load_settings(
        overrides={"secrets.sealing": [SEALING], "serve.workers": 2, "serve.port": 0, "serve.admin_port": 0}
    )
    monkeypatch.setattr(sys, "executable", "/bin/false")
    listeners = bind_listeners(settings)
    try:
        with pytest.raises(CrashLoop):
            Supervisor(settings, listeners).run()
    finally:
        listeners.close()
