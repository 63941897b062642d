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
from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.schema import CreateIndex, CreateTable

from grantway.errors import ConfigurationError, SchemaError, StoreUnavailable
from grantway.storage.sql.tables import METADATA

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Connection

REVISIONS = ("0001",)
"""Every migration, oldest first; a test compares this with ``migrations/versions``."""
HEAD = REVISIONS[-1]
LOCK_TIMEOUT = 60.0
"""How long an upgrade waits for another one, seconds."""

# As Alembic makes it.
_VERSION_TABLE = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class SchemaStatus(Struct, frozen=True):
    """Where a database stands. ``pending``: the migrations ``upgrade`` would run, oldest first."""

    current: str | None
    head: str
    pending: tuple[str, ...]


def upgrade(url: str, revision: str = "head") -> SchemaStatus:
    """Brings the schema to ``revision``; a SQLite file that is not there is created, for its owner only.

    All in one transaction under the write lock: killed half-way it has done nothing, and of two at once the second
    finds nothing to do.

    Raises:
        ConfigurationError: no such database can be opened. SchemaError: no such revision.
        StoreUnavailable: the database stays locked.
    """
    path = _parse_file_path(url)
    target = HEAD if revision == "head" else revision
    if target not in REVISIONS:
        raise SchemaError(f"There is no migration {revision!r}; known are {', '.join(REVISIONS)}.")
    _create_file(path)
    if target == HEAD and _create_if_empty(path):
        return status(url)
    current = status(url).current
    if current != target:
        _check_known(current)
        with _migrating(path) as (config, _):
            from alembic import command

            command.upgrade(config, target)
    return status(url)


def downgrade(url: str, steps: int = 1) -> SchemaStatus:
    """Undoes the last ``steps`` migrations, and with them what they made room for.

    Raises:
        SchemaError: there are not that many, or the database is of a newer Grantway.
    """
    path = _parse_file_path(url)
    current = status(url).current
    _check_known(current)
    done = REVISIONS.index(current) + 1 if current is not None else 0
    if not 1 <= steps <= done:
        raise SchemaError(f"Cannot undo {steps} migrations: {done} are applied.")
    with _migrating(path) as (config, _):
        from alembic import command

        command.downgrade(config, f"-{steps}")
    return status(url)


def status(url: str) -> SchemaStatus:
    """The database's version; one that does not exist yet has none. Raises ``ConfigurationError``."""
    path = _parse_file_path(url)
    current = None
    if os.path.exists(path):
        with _connect(path) as connection:
            current = read_sqlite_version(connection)
    pending = REVISIONS[REVISIONS.index(current) + 1 :] if current in REVISIONS else () if current else REVISIONS
    return SchemaStatus(current, HEAD, pending)


def check(url: str) -> None:
    """Returns when the schema is the one this version works with; in memory it always is.

    Raises:
        SchemaError: says what to do. ConfigurationError: the database cannot be opened.
    """
    if parse_sqlite_path(url) is not None:
        check_version(status(url).current)


def check_version(current: str | None) -> None:
    """Raises ``SchemaError`` unless ``current`` is the newest version."""
    if current == HEAD:
        return
    _check_known(current)
    raise build_missing_error(current)


def build_missing_error(current: str | None) -> SchemaError:
    found = "has no schema yet" if current is None else f"has schema {current}, {HEAD} is needed"
    return SchemaError(f"The database {found}. Run: grantway migrate up")


def _check_known(current: str | None) -> None:
    if current is not None and current not in REVISIONS:
        raise SchemaError(
            f"The database has schema {current}, which is newer than this version of Grantway ({HEAD}). "
            "Upgrade Grantway, or undo the migration with the version that made it."
        )


# -- SQLite -----------------------------------------------------------------------------------------------------------


def parse_sqlite_path(url: str) -> str | None:
    """The file of a ``sqlite:///…`` URL; None: in memory.

    Raises:
        ConfigurationError: malformed, or of a database that has no driver.
    """
    try:
        parsed: URL = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("database.url: not a database URL; for example sqlite:///grantway.db") from error
    if parsed.get_backend_name() != "sqlite" or "+" in parsed.drivername:
        raise ConfigurationError(
            f"database.url: {parsed.drivername!r} is not supported; this version supports sqlite:///file.db and sqlite://"
        )
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


def build_definitions(dialect: Dialect) -> list[str]:
    """The statements that make the newest schema from nothing."""
    definitions = []
    for table in METADATA.sorted_tables:
        definitions.append(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            definitions.append(str(CreateIndex(index).compile(dialect=dialect)))  # noqa: PERF401  reads as one list
    definitions.append(str(CreateTable(_VERSION_TABLE).compile(dialect=dialect)))
    return definitions


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
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(build_sqlite_uri(path), timeout=LOCK_TIMEOUT, isolation_level=None, uri=True)

    engine: Any = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    migrations = resources.files("grantway.storage.sql") / "migrations"
    try:
        with resources.as_file(migrations) as location, engine.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(location).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            config.attributes["connection"] = connection
            # SQLAlchemy thinks the transaction is its own; the driver in autocommit mode begins none, so this one does.
            with connection.begin():
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield config, connection
    finally:
        engine.dispose()
