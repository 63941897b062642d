"""The command line as tests call it: in this process for its logic, as a process of its own where that matters."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from grantway.cli.root import run


class Ran(Struct, frozen=True):
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code in (0, 1), self.err
        return json.loads(self.out)

    def error(self) -> dict[str, str]:
        """The error object that ``--json`` writes."""
        found: dict[str, str] = json.loads(self.err)
        return found


class Cli:
    """Runs ``grantway`` in a folder with its own grantway.toml."""

    sealing = "a-sealing-secret-of-the-tests-0123456789"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, stdin: str = "") -> Ran:
        """In this process: quick, and the same code."""
        out, err = io.StringIO(), io.StringIO()
        before, sys.stdin = sys.stdin, io.StringIO(stdin)
        try:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run(arguments)
        finally:
            sys.stdin = before
        return Ran(code, out.getvalue(), err.getvalue())

    def process(self, *arguments: str, stdin: str = "", timeout: float = 20) -> Ran:
        """As a process of its own."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GRANTWAY_")}
        done = subprocess.run(
            [sys.executable, "-m", "grantway", *arguments],
            cwd=self.folder, env=environment, input=stdin, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("GRANTWAY_")]:
        patch.delenv(name)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A folder with settings and a migrated database, shared by the tests of a file."""
    folder = tmp_path_factory.mktemp("cli")
    settings = folder / "grantway.toml"
    settings.write_text(
        f'[database]\nurl = "sqlite:///grantway.db"\n[secrets]\nsealing = ["{Cli.sealing}"]\n', encoding="utf-8"
    )
    settings.chmod(0o600)
    cli = Cli(folder)
    assert cli("migrate", "up").code == 0
    return cli


@pytest.fixture
def empty(tmp_path: Path) -> Cli:
    """A folder without anything."""
    return Cli(tmp_path)
