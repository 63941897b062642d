"""What a part of the bench is, what it is asked for, and the conditions that its figures hold under."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grantway
from bench.load import ENDLESS


@dataclass(frozen=True)
class Options:
    """What is asked for on the command line. ``is_smoke``: the shortest run that still goes through everything."""

    is_smoke: bool = False
    rounds: int = 3
    seconds: int = 4
    connections: int = 64
    workers: tuple[int, ...] = (1, 2)
    variants: tuple[str, ...] = ()
    databases: tuple[str, ...] = ("sqlite", "postgresql", "mariadb")
    sizes: int = 3
    idle: int = 50_000
    peers: tuple[str, ...] = ()

    @property
    def most(self) -> int:
        """Requests of one measurement at most."""
        return 200 if self.is_smoke else ENDLESS

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A place for database files, gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="grantway-bench-") as folder:
            yield Path(folder)


@dataclass(frozen=True)
class Table:
    """A table for people: what it is, a head and rows of text. The first column names the row."""

    title: str
    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Curve:
    """One line of a plot: (size, figure) pairs."""

    label: str
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Plot:
    """Curves over sizes that grow tenfold and more."""

    name: str
    title: str
    across: str
    up: str
    curves: list[Curve]


@dataclass(frozen=True)
class Part:
    """One part of the bench, to be run by itself. ``list_tables`` and ``list_plots`` read what ``run`` returned.

    What ``run`` returns can be written as JSON, and says in ``bad`` how many answers were not as they have to be.
    """

    name: str
    run: Callable[[Options], dict[str, Any]]
    list_tables: Callable[[dict[str, Any]], list[Table]]
    list_plots: Callable[[dict[str, Any]], list[Plot]] = field(default=lambda _: [])


def describe() -> dict[str, Any]:
    """The machine, the versions and the day."""
    return {
        "at": time.strftime("%Y-%m-%d", time.gmtime()),
        "grantway": grantway.__version__,
        "python": platform.python_version(),
        "processor": _find_processor(),
        "cores": os.cpu_count(),
        "wrk": _run("wrk", "--version").partition(" [")[0].removeprefix("wrk "),
    }


def _find_processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _run(*command: str) -> str:
    """What a program says about itself, wherever it says it."""
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return (finished.stdout or finished.stderr).strip().partition("\n")[0]
