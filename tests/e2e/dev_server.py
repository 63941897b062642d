"""``grantway dev`` as a process of its own, and its admin API."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import requests
from msgspec import Struct

START_TIMEOUT = 20.0
STOP_TIMEOUT = 15.0
SETTINGS = {
    # every test logs in from 127.0.0.1, which is one address to the throttle
    "GRANTWAY_THROTTLE__ADDRESS_ATTEMPTS": "100000",
    "GRANTWAY_DEVICE__INTERVAL": "1",
    "GRANTWAY_EGRESS__INSECURE_PRIVATE_NETWORKS": "127.0.0.0/8",
    "GRANTWAY_INTERACTION__REGISTRATION": "true",
    "GRANTWAY_REGISTRATION__ENABLED": "true",
    "GRANTWAY_LOGOUT__FRONTCHANNEL_TIMEOUT": "1",
    "GRANTWAY_PASSWORDS__ARGON2_MEMORY_KIB": "7168",
    "GRANTWAY_PASSWORDS__ARGON2_ITERATIONS": "1",
}


class DevServer(Struct, frozen=True):
    """A running development server: what its ready file says, and where its output goes."""

    ready: Mapping[str, Any]
    folder: Path

    @property
    def issuer(self) -> str:
        issuer: str = self.ready["issuer"]
        return issuer

    @property
    def user(self) -> dict[str, Any]:
        """The demo user, password included."""
        user: dict[str, Any] = self.ready["users"][0]
        return user

    def client(self, client_id: str) -> dict[str, Any]:
        """A seeded client, secret included."""
        found: dict[str, Any] = next(c for c in self.ready["clients"] if c["client_id"] == client_id)
        return found

    @property
    def printed(self) -> str:
        """What it has printed for people."""
        return (self.folder / "stdout").read_text(encoding="utf-8")

    def add_client(self, **metadata: Any) -> dict[str, Any]:
        """A new client made through the admin API, secret included."""
        document = {
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "redirect_uris": ["http://127.0.0.1/callback"],
            "scope": "openid profile email address phone offline_access",
            **metadata,
        }
        return self.administer("POST", "/admin/clients", document)

    def add_user(self, username: str, password: str = "a password for tests", **claims: Any) -> dict[str, Any]:
        """A new user made through the admin API; ``password`` is in the answer."""
        user = self.administer("POST", "/admin/users", {"username": username, "password": password, **claims})
        return {**user, "password": password}

    def administer(self, method: str, path: str, document: Any = None) -> dict[str, Any]:
        """One call of the admin API, which must succeed."""
        answer = requests.request(
            method,
            self.ready["admin_url"] + path,
            json=document,
            headers={"authorization": f"Bearer {self.ready['admin_token']}"},
            timeout=10,
        )
        assert answer.ok, f"{answer.status_code} {answer.text}"
        content: dict[str, Any] = answer.json() if answer.content else {}
        return content


@contextlib.contextmanager
def run_dev(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[DevServer]:
    """Starts ``grantway dev --ephemeral`` on free ports in ``folder``; ends it by SIGTERM, which it must obey.

    ``settings``: environment variables for it, ``SETTINGS`` by default.
    Afterwards: exit code 0, no error in its log, nothing left behind.
    """
    ready_file = folder / "ready.json"
    command = [sys.executable, "-m", "grantway", "dev", "--ephemeral", "--port", "0", "--admin-port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRANTWAY_")}
    environment |= SETTINGS if settings is None else settings
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready_file)], cwd=folder, env=environment, stdout=stdout, stderr=stderr
        )
        try:
            yield DevServer(_await_ready(process, ready_file), folder)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
    log = (folder / "stderr").read_text(encoding="utf-8")
    assert code == 0, log
    assert not re.search(r"^Traceback|\[error|\[critical", log, re.MULTILINE), log
    assert sorted(path.name for path in folder.iterdir()) == ["stderr", "stdout"]


def _await_ready(process: subprocess.Popen[bytes], ready_file: Path) -> dict[str, Any]:
    until = time.monotonic() + START_TIMEOUT
    while not ready_file.exists():
        code = process.poll()
        log = (ready_file.parent / "stderr").read_text(encoding="utf-8")
        assert code is None, f"ended with {code}: {log}"
        assert time.monotonic() < until, f"not ready after {START_TIMEOUT:g} s: {log}"
        time.sleep(0.02)
    document: dict[str, Any] = json.loads(ready_file.read_text(encoding="utf-8"))
    return document
