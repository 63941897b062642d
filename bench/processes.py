"""Processes under test: started, watched through /proc, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A server and its children."""

    def __init__(self, command: list[str], environment: Mapping[str, str], cores: str | None, **options: Any) -> None:
        prefix = ["taskset", "-c", cores] if cores is not None else []
        self._popen = subprocess.Popen([*prefix, *command], env={**os.environ, **environment}, **options)

    @property
    def exit_code(self) -> int | None:
        return self._popen.poll()

    def workers(self) -> list[int]:
        """The processes that answer: the children, or the process itself when it has none."""
        children = list(_iterate_children(self._popen.pid))
        leaves = [pid for pid in children if not list(_iterate_children(pid))]
        return leaves or [self._popen.pid]

    def cpu_seconds(self) -> float:
        """User and system time of all workers so far."""
        return sum(_read_cpu_ticks(pid) for pid in self.workers()) / _TICKS

    def pss_megabytes(self) -> list[float]:
        """Proportional set size of each worker: its own memory and its share of what is shared."""
        return [_read_pss_kilobytes(pid) / 1024 for pid in self.workers()]

    def stop(self) -> None:
        self._popen.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(10)
        self._popen.kill()
        self._popen.wait()


class Server(Process):
    """``grantway serve all``, answering; its log goes to a file. ``took``: seconds from its start to the first 200."""

    def __init__(self, environment: Mapping[str, str], cores: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="grantway-bench-")
        ready, self._log = Path(self._folder.name, "ready.json"), Path(self._folder.name, "log")
        command = [sys.executable, "-m", "grantway", "serve", "all", "--ready-file", str(ready)]
        began = time.perf_counter()
        with self._log.open("wb") as log:
            super().__init__(command, environment, cores, stdout=log, stderr=log)
        try:
            wait_until(lambda: self._is_ready(ready), seconds=180, what="the server's ready file")
            urls = json.loads(ready.read_text())
            self.url, self.admin_url = urls["public_url"], urls["admin_url"]
            wait_until(lambda: answers(f"{self.url}/health/ready"), seconds=60, what="the server's first answer")
            self.took = time.perf_counter() - began
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        super().stop()
        self._folder.cleanup()

    def _is_ready(self, ready: Path) -> bool:
        if self.exit_code is not None:
            raise SystemExit(f"bench: the server ended instead of starting: {self._log.read_text()[-2000:]}")
        return ready.exists()


@contextlib.contextmanager
def serving(environment: Mapping[str, str], cores: str | None = None) -> Iterator[Server]:
    """A server for as long as the block lasts."""
    server = Server(environment, cores)
    try:
        yield server
    finally:
        server.stop()


def _iterate_children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                if "resource_tracker" not in Path(f"/proc/{child}/cmdline").read_text(errors="replace"):
                    yield int(child)
                    yield from _iterate_children(int(child))


def _read_cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _read_pss_kilobytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def find_cores(workers: int = 1) -> tuple[str | None, str | None]:
    """Where server and load run. One worker: a core each. More: the kernel shares the cores among all of them."""
    return ("0", "1") if workers == 1 and (os.cpu_count() or 1) > 1 else (None, None)


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def answers(url: str) -> bool:
    """Whether a GET succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:  # an error of HTTP is one too
        return False


def send(url: str, headers: Mapping[str, str], body: bytes | None = None) -> dict[str, Any]:
    """The JSON answer of a GET, or of a POST when there is a body."""
    with urllib.request.urlopen(urllib.request.Request(url, body, dict(headers)), timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.005)
    raise SystemExit(f"bench: {what} did not happen within {seconds:g} s")
