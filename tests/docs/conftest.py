"""The documentation is run: one development server, as its pages tell the reader to start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .markdown import DOCS
from .terminal import Terminal

sys.path.insert(0, str(DOCS))  # docs/generate.py and docs/spec_map.py are scripts beside the pages they write

_SETTINGS = {"GRANTWAY_PASSWORDS__ARGON2_MEMORY_KIB": "7168", "GRANTWAY_PASSWORDS__ARGON2_ITERATIONS": "1"}

OpenTerminal = Callable[..., Terminal]


@pytest.fixture(scope="session")
def dev_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """``grantway dev`` on free ports, with its data in ``.grantway`` of a folder of its own."""
    folder = tmp_path_factory.mktemp("reader")
    ready_file, log = folder / "ready.json", folder / "log"
    command = [sys.executable, "-m", "grantway", "dev", "--port", "0", "--admin-port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRANTWAY_")} | _SETTINGS
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready_file)], cwd=folder, env=environment, stdout=output, stderr=output
        )
        try:
            until = time.monotonic() + 20
            while not ready_file.exists():
                assert process.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < until, log.read_text(encoding="utf-8")
                time.sleep(0.02)
            yield folder, json.loads(ready_file.read_text(encoding="utf-8"))
        finally:
            process.terminate()
            process.wait(15)


@pytest.fixture
def open_terminal(dev_server: tuple[Path, dict[str, Any]]) -> OpenTerminal:
    """A terminal in the server's folder; keywords say what the reader fills in."""

    def build(**values: str) -> Terminal:
        return Terminal(*dev_server, values)

    return build


@pytest.fixture(scope="session")
def secrets(dev_server: tuple[Path, dict[str, Any]]) -> dict[str, str]:
    """The secrets that were printed, by client_id."""
    return {client["client_id"]: client["client_secret"] for client in dev_server[1]["clients"]}
