"""How each worker is doing, told to all: one small file a worker, in a folder of the supervisor's.

Whoever is asked for the status or the metrics answers for itself at once, and for the others by what they wrote last, a
second ago at most. Nobody has to be reachable for it, and one that hangs shows by its age.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

POST_INTERVAL = 1.0
"""Seconds between two files of a worker."""
_GONE = "gone"
_MOST_GONE = 100


class WorkerStatus(Struct, kw_only=True):
    """One worker at one moment."""

    worker: int
    """Its place among the workers of this machine: whoever replaces it has the same."""
    pid: int
    at: int
    """Milliseconds since the epoch."""
    grid: dict[str, Any] = field(default_factory=dict)
    statements: dict[str, int] = field(default_factory=dict)
    limits: dict[str, dict[str, int]] = field(default_factory=dict)
    redis: dict[str, Any] | None = None
    counts: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    """How often what happened: the metric's name and its labels' values, and the count."""


class _Gone(Struct):
    """What workers that are no more counted, and the last of their process ids."""

    counts: list[tuple[tuple[str, ...], int]] = []
    pids: list[int] = []


class StatusBoard:
    """The folder. ``directory`` None: there is only this process.

    Args:
        read: what the server says of itself (``AuthorizationServer.status``).
    """

    def __init__(self, directory: str | None = None, worker: int = 0) -> None:
        self._directory = Path(directory) if directory else None
        self._worker = worker
        self.counts: dict[tuple[str, ...], int] = {}
        """Plain numbers, raised on the way of a request and read when somebody asks."""
        self.read: Callable[[], dict[str, Any]] = dict

    def take(self) -> WorkerStatus:
        """This worker, now."""
        return WorkerStatus(
            worker=self._worker,
            pid=os.getpid(),
            at=time.time_ns() // 1_000_000,
            counts=list(self.counts.items()),
            **self.read(),
        )

    def post(self) -> None:
        """Writes this worker's file. A disk that is full must not stop a server."""
        if self._directory is not None:
            with contextlib.suppress(OSError):
                _write(self._directory / f"{os.getpid()}.json", self.take())

    def list_workers(self) -> list[WorkerStatus]:
        """All workers of this machine that live, by their place."""
        statuses = {os.getpid(): self.take()}
        if self._directory is not None:
            gone = _read(self._directory / f"{_GONE}.json", _Gone) or _Gone()
            for file in self._directory.glob("[0-9]*.json"):
                status = _read(file, WorkerStatus)
                if status is not None and status.pid not in gone.pids:
                    statuses.setdefault(status.pid, status)
        return sorted(statuses.values(), key=lambda status: (status.worker, status.pid))

    def sum_counts(self, workers: list[WorkerStatus]) -> Counter[tuple[str, ...]]:
        """What ``workers`` and all before them counted."""
        total: Counter[tuple[str, ...]] = Counter()
        gone = _read(self._directory / f"{_GONE}.json", _Gone) if self._directory is not None else None
        for counts in (gone.counts if gone else [], *(status.counts for status in workers)):
            for key, count in counts:
                total[tuple(key)] += count
        return total


async def keep_posted(board: StatusBoard) -> None:
    """Posts for as long as the process serves."""
    while True:
        await asyncio.sleep(POST_INTERVAL)
        board.post()


def retire_worker(directory: str, pid: int) -> None:
    """Keeps what a worker counted that has ended. For the supervisor, which alone does this."""
    folder = Path(directory)
    status = _read(folder / f"{pid}.json", WorkerStatus)
    if status is None:
        return
    gone = _read(folder / f"{_GONE}.json", _Gone) or _Gone()
    total = Counter({tuple(key): count for key, count in gone.counts})
    for key, count in status.counts:
        total[tuple(key)] += count
    with contextlib.suppress(OSError):
        _write(folder / f"{_GONE}.json", _Gone(list(total.items()), [*gone.pids, pid][-_MOST_GONE:]))
        (folder / f"{pid}.json").unlink(missing_ok=True)


def _write(path: Path, content: Struct) -> None:
    """All at once: whoever reads sees the old file or the new one."""
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(content))
    draft.replace(path)


def _read(path: Path, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None
