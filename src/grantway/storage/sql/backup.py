"""A copy of a SQLite database while it is in use, and putting one back. Other databases have tools of their own.

SQLite's online backup reads everything at one instant of the database, and nobody waits for it. A copy of the file
would miss what is still in the write-ahead log, or have half of a transaction.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from grantway.errors import ConfigurationError, Conflict, GrantwayError, SchemaError, StoreUnavailable
from grantway.storage.sql.definitions import LOCK_TIMEOUT, check_known, is_usable
from grantway.storage.sql.schema import parse_sqlite_path, read_sqlite_version
from grantway.storage.sql.urls import parse_url

_TOOLS = {
    "postgresql": "pg_dump --format=custom, and pg_restore",
    "mysql": "mariadb-dump --single-transaction (mysqldump), and mariadb (mysql)",
    "oracle": "RMAN, or expdp and impdp",
    "mssql": "BACKUP DATABASE and RESTORE DATABASE",
}
_BUSY = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED))


class Damaged(GrantwayError):
    """A database that SQLite itself finds fault with."""


class Copy(Struct, frozen=True):
    """What was written: the file, its size in bytes, the version of its schema."""

    path: str
    size: int
    schema: str


def find_file(url: str) -> Path:
    """The file of a SQLite URL.

    Raises:
        ConfigurationError: it is in memory, or another database; then it names that one's own tools.
    """
    backend = parse_url(url)[0]
    if backend != "sqlite":
        tools = _TOOLS.get(backend, "see its manual")
        raise ConfigurationError(
            f"This command is for SQLite. Back up and restore this database with its own tools: {tools}. "
            "After a restore run: grantway token revoke-all"
        )
    path = parse_sqlite_path(url)
    if path is None:
        raise ConfigurationError("database.url: it is in memory; there is nothing to keep.")
    return Path(path)


def back_up(url: str, target: Path, *, replaces: bool = False) -> Copy:
    """Writes a checked copy of the database to ``target``, whole or not at all, readable for its owner only.

    Raises:
        Conflict: ``target`` is there and ``replaces`` is not set. Damaged: the database is.
        SchemaError: there is no schema in it. ConfigurationError: as ``find_file``, or it cannot be opened.
        StoreUnavailable: it stays locked. OSError: ``target`` cannot be written.
    """
    source = find_file(url)
    if target.exists() and (not replaces or target.samefile(source)):
        raise Conflict(f"{target} is there already." + ("" if target.samefile(source) else " To replace it: --force"))
    with _beside(target) as copy:
        version = _copy(source, copy, "rw")  # so that no log is left beside it that nobody has open
        _settle(copy)
        size = copy.stat().st_size
        os.replace(copy, target)
        _sync(target.parent)
    return Copy(str(target), size, version)


def restore(source: Path, url: str, prepare: Callable[[str], None], *, replaces: bool = False) -> Copy:
    """Puts a copy in the place of the database, whole or not at all. ``prepare`` is given the URL of what will be put
    there, to bring it up to date and end what must not live on.

    Raises:
        Conflict: there is a database and ``replaces`` is not set, or somebody has it open. Damaged: the copy is.
        SchemaError: it is no copy of ours, or a newer version's. And what ``prepare`` raises.
    """
    target = find_file(url)
    is_there = target.exists() and target.stat().st_size > 0
    if is_there and not replaces:
        raise Conflict(f"{target} is there already. To replace it, stop the server and add --force")
    with _alone(target, is_there):
        """Asked before the long part, too."""
    with _beside(target) as copy:
        version = _copy(source, copy, "ro")
        if not is_usable(version):
            check_known(version)
        prepare(f"sqlite:///{copy}")
        version = _settle(copy)
        size = copy.stat().st_size
        _give_to_owner(copy, target)
        with _alone(target, is_there, is_last=True):
            # Those of the one that goes would be taken for the new one's. Only a damaged one still has any.
            for name in ("-wal", "-shm", "-journal"):
                Path(f"{target}{name}").unlink(missing_ok=True)
            os.replace(copy, target)
        _sync(target.parent)
    return Copy(str(target), size, version)


def _copy(source: Path, target: Path, mode: str) -> str:
    """Copies what the database is at this instant. Returns the version of its schema."""
    deadline = time.monotonic() + LOCK_TIMEOUT

    def check_deadline(status: int, _remaining: int, _total: int) -> None:
        if status in _BUSY and time.monotonic() > deadline:
            raise StoreUnavailable(detail=f"{source} stays locked")

    uri = f"file:{quote(os.path.abspath(source))}?mode={mode}"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection, closing(sqlite3.connect(target)) as copy:
            # In one step: with more, every write of another process meanwhile would begin it anew.
            connection.backup(copy, pages=-1, progress=check_deadline, sleep=0.05)
            found: str = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise Damaged(f"{source} is damaged: {found}")
            version = read_sqlite_version(copy)
    except sqlite3.OperationalError as error:
        raise ConfigurationError(f"cannot open {source}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise Damaged(f"{source}: {error}") from error
    if version is None:
        raise SchemaError(f"{source} is no database of Grantway's: it has no schema.")
    return version


def _settle(path: Path) -> str:
    """Leaves one file and nothing beside it, on the disk for sure. Returns the version of its schema."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        version = read_sqlite_version(connection)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return version or ""


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A new file in the same folder, for its owner only. It is gone afterwards unless it was renamed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(name + suffix).unlink(missing_ok=True)


@contextmanager
def _alone(path: Path, is_there: bool, *, is_last: bool = False) -> Iterator[None]:
    """Holds the database so that nobody else can have it, not even idly. Raises ``Conflict`` if somebody has.

    ``is_last``: it is going, so it gives up its log, which its closing would otherwise delete under the next one.
    """
    if not is_there:
        yield
        return
    uri = f"file:{quote(os.path.abspath(path))}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=1, isolation_level=None)) as connection:
        # Of a damaged database nobody can tell; it is about to be replaced.
        with suppress(_NotBusy), _telling_busy(path):
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
            connection.execute("BEGIN EXCLUSIVE").close()
            connection.execute("COMMIT").close()
            if is_last:
                connection.execute("PRAGMA journal_mode = DELETE").fetchone()
                connection.execute("BEGIN EXCLUSIVE").close()
        yield


class _NotBusy(Exception):
    """Another fault than a lock."""


@contextmanager
def _telling_busy(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BUSY:
            raise _NotBusy from error
        raise Conflict(f"{path} is in use. Stop every server and command that has it open, then try again.") from error


def _give_to_owner(copy: Path, target: Path) -> None:
    """What an administrator restores belongs to whom the database, or its folder, belongs to."""
    if os.geteuid() == 0:
        owner = (target if target.exists() else target.parent).stat()
        os.chown(copy, owner.st_uid, owner.st_gid)


def _sync(folder: Path) -> None:
    """Makes the new name last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
