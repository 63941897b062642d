"""The schema on a database server. ``schema`` is the way in.

Alembic is synchronous and the drivers are not: a thread with an event loop of its own runs it over SQLAlchemy's bridge.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from importlib import resources
from typing import Any, TypeVar

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from grantway.errors import StoreUnavailable
from grantway.storage.sql.definitions import (
    HEAD,
    LOCK_TIMEOUT,
    MIGRATIONS,
    VERSION_TABLE,
    build_alembic_config,
    check_known,
    check_steps,
)
from grantway.storage.sql.tables import METADATA
from grantway.storage.sql.urls import load_package, parse_url

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
MIGRATION_LOCK = 0x6772_616E_7477_6D67
"""PostgreSQL's advisory lock of whoever changes the schema."""


def read_version(url: str) -> str | None:
    """The version; None: there is no schema yet. Raises ``ConfigurationError``, ``StoreUnavailable``."""
    return run(url, _read_version)


def upgrade(url: str, target: str) -> str | None:
    """Returns the version reached. Raises as ``schema.upgrade``."""

    def work(connection: Connection) -> str | None:
        with _Lock(connection):
            current = _read_version(connection)
            check_known(current)
            if current is None and target == HEAD and _can_create(connection):
                _create(connection)
            elif current != target:
                migrate(connection, "upgrade", target)
            return _read_version(connection)

    return run(url, work)


def downgrade(url: str, steps: int) -> str | None:
    """Returns the version reached. Raises as ``schema.downgrade``."""

    def work(connection: Connection) -> str | None:
        with _Lock(connection):
            check_steps(_read_version(connection), steps)
            migrate(connection, "downgrade", f"-{steps}")
            return _read_version(connection)

    return run(url, work)


class _Lock:
    """Held by whoever changes the schema. PostgreSQL's ends with the transaction, MariaDB's with the connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        if self._connection.dialect.name == "postgresql":
            limit = str(int(LOCK_TIMEOUT * 1000))
            self._connection.execute(text("SELECT set_config('lock_timeout', :limit, true)"), {"limit": limit})
            self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            return
        name = "SELECT GET_LOCK(CONCAT('grantway.', LEFT(MD5(DATABASE()), 32)), :timeout)"
        if self._connection.execute(text(name), {"timeout": LOCK_TIMEOUT}).scalar() != 1:
            raise StoreUnavailable(detail="another migration does not end")

    def __exit__(self, *_: object) -> None:
        """Nothing: what was done is committed first."""


def _read_version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE.name):
        return None
    version: str | None = connection.execute(VERSION_TABLE.select()).scalar()
    return version


def _can_create(connection: Connection) -> bool:
    """Whether nothing is there, or, where definitions commit by themselves, nothing but what broke off."""
    present = set(inspect(connection).get_table_names())
    if connection.dialect.name == "postgresql":
        return not present
    return present <= {*METADATA.tables, VERSION_TABLE.name}


def _create(connection: Connection) -> None:
    """Makes the newest schema. The version is written last, so that what broke off before can be repeated."""
    inspector = inspect(connection)
    for table in (*METADATA.sorted_tables, VERSION_TABLE):
        is_there = inspector.has_table(table.name)
        known = {index["name"] for index in inspector.get_indexes(table.name)} if is_there else set()
        if not is_there:
            table.create(connection)  # with its indexes
            continue
        for index in table.indexes:
            if index.name not in known:
                index.create(connection)
    connection.execute(VERSION_TABLE.insert().values(version_num=HEAD))


def migrate(connection: Connection, direction: str, target: str) -> None:
    """Lets Alembic ``upgrade`` or ``downgrade``."""
    from alembic import command

    with resources.as_file(MIGRATIONS) as location:
        getattr(command, direction)(build_alembic_config(str(location), connection), target)


def run(url: str, work: Callable[[Connection], T]) -> T:
    """Runs ``work`` in one transaction, in a thread of its own: an event loop may be running in this one."""
    results: list[T] = []
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            results.append(asyncio.run(_connect_and_run(url, work)))
        except BaseException as error:  # it is raised again below
            failures.append(error)

    thread = threading.Thread(target=serve, name="grantway-schema")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


async def _connect_and_run(url: str, work: Callable[[Connection], T]) -> T:
    load_package("greenlet", "postgres" if parse_url(url)[0] == "postgresql" else "mysql")
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    async def connect() -> Any:
        if parse_url(url)[0] == "postgresql":
            from grantway.storage.sql import postgres

            return await postgres.connect(url, timeout=CONNECT_TIMEOUT, application="grantway migrate")
        from grantway.storage.sql import mysql

        return await mysql.connect(url, timeout=CONNECT_TIMEOUT)

    dialect = "postgresql+asyncpg://" if parse_url(url)[0] == "postgresql" else "mysql+asyncmy://"
    engine = create_async_engine(dialect, async_creator=connect, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    except (DBAPIError, OSError, EOFError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise StoreUnavailable(detail=str(cause) or type(cause).__name__) from error
    finally:
        await engine.dispose()
