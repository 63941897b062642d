"""Processes under test: started, watched through /proc, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A server and its children."""

    def __init__(self, command: list[str], environment: dict[str, str], cores: str | None) -> None:
        prefix = ["taskset", "-c", cores] if cores is not None else []
        self._popen = subprocess.Popen([*prefix, *command], env={**os.environ, **environment})

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


def wait_until(condition, *, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise SystemExit(f"bench: {what} did not happen within {seconds:g} s")
