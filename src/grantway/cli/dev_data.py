"""The data directory of ``grantway dev``: secrets, demo credentials, and a settings file for the other commands."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grantway.cli.ready_file import write_private
from grantway.errors import ConfigurationError, GrantwayError

if TYPE_CHECKING:
    from grantway.config import CompatSettings, Settings

SETTINGS_FILE = "grantway.toml"
CREDENTIALS_FILE = "credentials.json"
SECRETS_FILE = "secrets.json"
DATABASE_FILE = "grantway.db"


class FolderInUse(GrantwayError):
    """Another development server holds the directory."""


def build_credentials() -> dict[str, Any]:
    """Nobody's yet: secrets of clients by client_id, ``{password, password_changed_at}`` of users by username, private
    JWKs and certificates (PEM) by the name of whom they belong to, and an initial access token."""
    return {"clients": {}, "users": {}, "keys": {}, "certificates": {}, "initial_access_token": None}


def _list_switches(compat: CompatSettings) -> str:
    return "".join(f"{name} = {json.dumps(getattr(compat, name))}\n" for name in compat.__struct_fields__)


class DataFolder:
    """What one development server keeps. Without a ``path`` it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.secrets = self._load_secrets()
        self.credentials: dict[str, Any] = build_credentials() | self._read(CREDENTIALS_FILE, {})
        self._written = json.dumps(self.credentials)

    @property
    def settings(self) -> dict[str, Any]:
        """Overrides for ``Invocation.load_settings``."""
        database = "sqlite://" if self.path is None else f"sqlite:///{(self.path / DATABASE_FILE).absolute()}"
        return {
            "database__url": database,
            "secrets__sealing": [self.secrets["sealing"]],
            "tokens__pairwise_salt": self.secrets["pairwise_salt"],
        }

    def write_settings(self, settings: Settings) -> None:
        """A file that makes ``grantway --config .grantway/grantway.toml clients list`` work on this server."""
        if self.path is None:
            return
        text = (
            "# Written by `grantway dev` at each start; for the other commands: grantway --config <this file> …\n"
            f"issuer = {json.dumps(settings.issuer)}\n\n"
            f"[database]\nurl = {json.dumps(settings.database.url)}\n\n"
            f"[secrets]\nsealing = {json.dumps([self.secrets['sealing']])}\n\n"
            f"[tokens]\npairwise_salt = {json.dumps(self.secrets['pairwise_salt'])}\n\n"
            # commands have to know the client metadata that the server's extensions add
            f"[compat]\n{_list_switches(settings.compat)}"
        )
        target = self.path / SETTINGS_FILE
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            write_private(target, text)

    def write_credentials(self) -> None:
        """Keeps the demo credentials, so that every start prints the same."""
        text = json.dumps(self.credentials)
        if self.path is not None and text != self._written:
            write_private(self.path / CREDENTIALS_FILE, text + "\n")
            self._written = text

    def _load_secrets(self) -> dict[str, str]:
        stored: dict[str, str] | None = self._read(SECRETS_FILE, None)
        if stored is None:
            stored = {"sealing": secrets.token_urlsafe(32), "pairwise_salt": secrets.token_urlsafe(32)}
            if self.path is not None:
                write_private(self.path / SECRETS_FILE, json.dumps(stored) + "\n")
        return stored

    def _read(self, name: str, default: Any) -> Any:
        if self.path is None:
            return default
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return default
        except ValueError as error:
            raise ConfigurationError(
                f"{self.path / name} is damaged: {error}. Remove {self.path} to start anew."
            ) from error


@contextlib.contextmanager
def open_data_folder(path: Path | None) -> Iterator[DataFolder]:
    """Makes the directory (0700) and holds it for this process alone. ``path`` None: nothing is kept.

    Raises:
        FolderInUse: another development server is running on it. ConfigurationError: a file in it is damaged.
    """
    if path is None:
        yield DataFolder(None)
        return
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    ignore = path / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")  # nobody commits these secrets by accident
    descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(f"Another `grantway dev` is running on {path}. Stop it, or give --data-dir.") from error
        yield DataFolder(path)
    finally:
        os.close(descriptor)
