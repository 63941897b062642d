"""A reader at a terminal: pastes the blocks of a page one after the other and fills in what the page leaves open."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from tests.e2e.person import Person

_OPEN = re.compile(r"^(?:export )?([A-Z][A-Z0-9_]*)=\.\.\.\n", re.MULTILINE)
_INSTANT = 1_600_000_000
_COPIED = {"TOKEN": "access_token", "REFRESH_TOKEN": "refresh_token", "OAUTH2_CLIENT_SECRET": "client_secret"}
"""What a reader copies from an answer: the variable's name and the member's."""


class Terminal:
    """Runs bash blocks in ``folder`` against the development server that ``ready`` describes.

    Pages name the ports of a fresh installation, 4444 and 4445. The server under test has free ones, so these two
    numbers are replaced in what is run and in what is expected; nothing else is. A line ``NAME=...`` is what a reader
    fills in by hand: ``values`` says with what, and what a block printed for copying (``_COPIED``) wins.
    """

    def __init__(self, folder: Path, ready: Mapping[str, Any], values: Mapping[str, str]) -> None:
        self.folder, self.ready, self.values = folder, ready, dict(values)
        self.variables: dict[str, str] = {}
        self.printed: Any = None
        """The last JSON value a block printed."""

    def run(self, block: str) -> str:
        """Runs one block; every command in it has to succeed. Returns what it printed."""
        script = self._place(_OPEN.sub(self._fill_in, block))
        if "perform authorization-code" in script or "perform device-code" in script:
            output = self._run_with_a_person(script)
        else:
            done = subprocess.run(
                self._shell(script),
                cwd=self.folder,
                env=self._environment(),
                capture_output=True,
                text=True,
                timeout=20,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            output = done.stdout
        self.printed = read_last_json(output) or self.printed
        if isinstance(self.printed, dict):
            self.values |= {name: self.printed[member] for name, member in _COPIED.items() if member in self.printed}
        return output

    def check_answer(self, shown: str) -> None:
        """Compares what a page shows with what was printed last: the same members and the same values.

        ``…`` in a text stands for any characters, an instant for any instant, ``{}`` for any object.
        """
        expected = json.loads(self._place(shown))
        assert expected.keys() == self.printed.keys(), self.printed
        for name, value in expected.items():
            assert _is_like(value, self.printed[name]), f"{name}: {self.printed[name]!r} instead of {value!r}"

    def _fill_in(self, match: re.Match[str]) -> str:
        self.variables[match[1]] = self.values[match[1]]
        return ""

    def _place(self, text: str) -> str:
        public, admin = (self.ready[name].rpartition(":")[2] for name in ("issuer", "admin_url"))
        return re.sub(r":4444\b", f":{public}", re.sub(r":4445\b", f":{admin}", text))

    def _shell(self, script: str) -> list[str]:
        return ["bash", "-euo", "pipefail", "-c", script]

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GRANTWAY_")}
        return {**environment, "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", **self.variables}

    def _run_with_a_person(self, script: str) -> str:
        """The command opens no browser and takes any free port for its callback; its address goes to a person. A device
        has no callback: the person ends on a page."""
        script = script.replace("perform authorization-code", "perform authorization-code --no-open --port 0")
        with subprocess.Popen(
            self._shell(script), cwd=self.folder, env=self._environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith("Open http"), line + process.stderr.read()
            url = line.removeprefix("Open ").strip()
            with Person(self.ready["issuer"], self.ready["users"][0]) as person:
                if "perform device-code" in script:
                    person.visit(url)
                else:
                    requests.get(person.authorize(url), timeout=10).raise_for_status()
            output, complaint = process.communicate(timeout=20)
        assert process.returncode == 0, complaint
        return output


def read_last_json(output: str) -> Any:
    """The last JSON object or list in what was printed, or None."""
    decoder, found, position = json.JSONDecoder(), None, 0
    while (start := re.compile(r"[{\[]").search(output, position)) is not None:
        try:
            found, position = decoder.raw_decode(output, start.start())
        except ValueError:
            position = start.start() + 1
    return found


def _is_like(shown: Any, printed: Any) -> bool:
    if isinstance(shown, str) and "…" in shown:
        pattern = ".+".join(re.escape(part) for part in shown.split("…"))
        return isinstance(printed, str) and re.fullmatch(pattern, printed, re.DOTALL) is not None
    if isinstance(shown, int) and not isinstance(shown, bool) and shown > _INSTANT:
        return isinstance(printed, int) and printed > _INSTANT
    if shown == {}:
        return isinstance(printed, dict)
    return bool(shown == printed)
