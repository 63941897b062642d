"""The schema and its versions: upgrade, downgrade, status, check.

Alembic runs the migrations. A database that has nothing in it yet gets the newest schema at once instead, which a test
proves to be the same; asking for the version needs neither Alembic nor SQLAlchemy's engine. That matters because
importing them takes longer than starting the server.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import Struct
from sqlalchemy.engine import Dialect

from grantway.errors import ConfigurationError, SchemaError, StoreUnavailable
from grantway.storage.sql import schema_server
from grantway.storage.sql.definitions import (
    HEAD,
    LOCK_TIMEOUT,
    MIGRATIONS,
    REVISIONS,
    build_alembic_config,
    build_definitions,
    build_missing_error,
    check_known,
    check_steps,
    check_version,
    is_usable,
)
from grantway.storage.sql.urls import is_in_memory, parse_url

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Connection


WAIT_INTERVAL = 0.25
"""How often ``wait`` looks, seconds."""


class SchemaStatus(Struct, frozen=True):
    """Where a database stands. ``pending``: the migrations ``upgrade`` would run, oldest first."""

    current: str | None
    head: str
    pending: tuple[str, ...]

    @property
    def is_usable(self) -> bool:
        """Whether this version works with it: it is the newest, or newer still and only added to."""
        return is_usable(self.current)


def upgrade(url: str, revision: str = "head") -> SchemaStatus:
    """Brings the schema to ``revision``; a SQLite file that is not there is created, for its owner only.

    Under a lock, so that of two at once the second finds nothing to do. On SQLite and PostgreSQL it is one transaction:
    killed half-way it has done nothing. MariaDB and MySQL commit each definition: run again, it goes on. A newer schema
    that this version works with is left as it is.

    Raises:
        ConfigurationError: no such database can be opened. SchemaError: no such revision, or the schema is too new.
        StoreUnavailable: the database stays locked.
    """
    target = HEAD if revision == "head" else revision
    if target not in REVISIONS:
        raise SchemaError(f"There is no migration {revision!r}; known are {', '.join(REVISIONS)}.")
    if parse_url(url)[0] != "sqlite":
        return _describe(schema_server.upgrade(url, target))
    path = _parse_file_path(url)
    _create_file(path)
    if target == HEAD and _create_if_empty(path):
        return status(url)
    current = status(url).current
    if current != target and not (target == HEAD and is_usable(current)):
        check_known(current)
        with _migrating(path) as (config, _):
            from alembic import command

            command.upgrade(config, target)
    return status(url)


def downgrade(url: str, steps: int = 1) -> SchemaStatus:
    """Undoes the last ``steps`` migrations, and with them what they made room for.

    Raises:
        SchemaError: there are not that many, or the database is of a newer Grantway.
    """
    if parse_url(url)[0] != "sqlite":
        return _describe(schema_server.downgrade(url, steps))
    path = _parse_file_path(url)
    check_steps(status(url).current, steps)
    with _migrating(path) as (config, _):
        from alembic import command

        command.downgrade(config, f"-{steps}")
    return status(url)


def status(url: str) -> SchemaStatus:
    """The database's version; one that does not exist yet has none. Raises ``ConfigurationError``."""
    if parse_url(url)[0] != "sqlite":
        return _describe(schema_server.read_version(url))
    path = _parse_file_path(url)
    current = None
    if os.path.exists(path):
        with _connect(path) as connection:
            current = read_sqlite_version(connection)
    return _describe(current)


def _describe(current: str | None) -> SchemaStatus:
    pending = REVISIONS[REVISIONS.index(current) + 1 :] if current in REVISIONS else () if current else REVISIONS
    return SchemaStatus(current, HEAD, pending)


def check(url: str) -> None:
    """Returns when the schema is one this version works with; in memory it always is.

    Raises:
        SchemaError: says what to do. ConfigurationError: the database cannot be opened.
    """
    if not is_in_memory(url):
        check_version(status(url).current)


def wait(url: str, timeout: float) -> SchemaStatus:
    """Returns as soon as ``check`` would pass: while another node migrates, or the database itself is starting.

    ``timeout``: seconds.

    Raises:
        SchemaError: the schema is still too old, or it is too new, which no waiting changes.
        StoreUnavailable: the database still does not answer. ConfigurationError: it cannot be opened.
    """
    deadline = time.monotonic() + timeout
    while True:
        failure: SchemaError | StoreUnavailable
        try:
            found = status(url)
            check_known(None if found.is_usable else found.current)
            if found.is_usable:
                return found
            failure = build_missing_error(found.current)
        except StoreUnavailable as error:
            failure = error
        if time.monotonic() >= deadline:
            raise failure
        time.sleep(min(WAIT_INTERVAL, max(0.0, deadline - time.monotonic())))


# -- SQLite -----------------------------------------------------------------------------------------------------------


def parse_sqlite_path(url: str) -> str | None:
    """The file of a ``sqlite:///…`` URL; None: in memory.

    Raises:
        ConfigurationError: malformed, or of a database that has no driver.
    """
    backend, parsed = parse_url(url)
    if backend != "sqlite":
        raise ConfigurationError("database.url: not a SQLite file")
    if parsed.query or parsed.host:
        raise ConfigurationError("database.url: a SQLite URL has a path and nothing else: sqlite:///relative.db")
    return None if parsed.database in (None, "", ":memory:") else parsed.database


def build_sqlite_dialect() -> Dialect:
    from sqlalchemy.dialects.sqlite import dialect

    return dialect(paramstyle="qmark")


def build_sqlite_uri(path: str) -> str:
    """A URI that opens ``path`` but never creates it."""
    return f"file:{quote(os.path.abspath(path))}?mode=rw"


def use_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Turns the write-ahead log on. SQLite does not wait for the lock this takes the first time, so this does."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def create_all(connection: sqlite3.Connection) -> None:
    """Makes the newest schema in an empty database, within the transaction that is open."""
    for definition in build_definitions(build_sqlite_dialect()):
        connection.execute(definition)
    connection.execute("INSERT INTO alembic_version (version_num) VALUES (?)", (HEAD,))


def read_sqlite_version(connection: sqlite3.Connection) -> str | None:
    """The version, or None: there is no schema."""
    exists = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
    if exists.fetchone() is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _parse_file_path(url: str) -> str:
    path = parse_sqlite_path(url)
    if path is None:
        raise ConfigurationError("database.url: a database in memory has no migrations; it is made at every start.")
    return path


def _create_file(path: str) -> None:
    """Before SQLite does, so that only its owner can read it; its journal takes the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ConfigurationError(f"database.url: cannot open {path}: {error.strerror}") from error


@contextmanager
def _connect(path: str) -> Iterator[sqlite3.Connection]:
    try:
        with closing(
            sqlite3.connect(build_sqlite_uri(path), timeout=LOCK_TIMEOUT, isolation_level=None, uri=True)
        ) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreUnavailable(detail=f"{path} stays locked") from error
        raise ConfigurationError(f"database.url: cannot open {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"database.url: {path}: {error}") from error


def _create_if_empty(path: str) -> bool:
    with _connect(path) as connection:
        use_wal(connection, LOCK_TIMEOUT)
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
                return False
            create_all(connection)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    return True


# -- Alembic ----------------------------------------------------------------------------------------------------------


@contextmanager
def _migrating(path: str) -> Iterator[tuple[Config, Connection]]:
    """Alembic's configuration over one open transaction that holds the write lock."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(build_sqlite_uri(path), timeout=LOCK_TIMEOUT, isolation_level=None, uri=True)

    engine: Any = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    try:
        with resources.as_file(MIGRATIONS) as location, engine.connect() as connection:
            config = build_alembic_config(str(location), connection)
            # SQLAlchemy thinks the transaction is its own; the driver in autocommit mode begins none, so this one does.
            with connection.begin():
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield config, connection
    finally:
        engine.dispose()
