"""The schema on a database server. ``schema`` is the way in.

Alembic is synchronous and the drivers are not: a thread with an event loop of its own runs it over SQLAlchemy's bridge.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import resources
from typing import Any, TypeVar

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from grantway.errors import StoreUnavailable
from grantway.storage.sql.definitions import (
    HEAD,
    LOCK_TABLE,
    LOCK_TIMEOUT,
    MIGRATIONS,
    VERSION_TABLE,
    build_alembic_config,
    check_known,
    check_steps,
    is_usable,
)
from grantway.storage.sql.tables import METADATA
from grantway.storage.sql.urls import load_package, parse_url

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
TABLE_TIMEOUT = 2.0
"""How long a definition waits for a table that is in use, and everybody behind it with it, seconds."""
MIGRATION_LOCK = 0x6772_616E_7477_6D67
"""PostgreSQL's advisory lock of whoever changes the schema."""


def read_version(url: str) -> str | None:
    """The version; None: there is no schema yet. Raises ``ConfigurationError``, ``StoreUnavailable``."""
    return run(url, _read_version)


def upgrade(url: str, target: str) -> str | None:
    """Returns the version reached. Raises as ``schema.upgrade``."""

    def work(connection: Connection) -> str | None:
        with _lock(connection):
            current = _read_version(connection)
            if current == target or (target == HEAD and is_usable(current)):
                return current
            check_known(current)
            if current is None and target == HEAD and _can_create(connection):
                _create(connection)
            else:
                migrate(connection, "upgrade", target)
            return _read_version(connection)

    return _run_between_others(url, work)


def downgrade(url: str, steps: int) -> str | None:
    """Returns the version reached. Raises as ``schema.downgrade``."""

    def work(connection: Connection) -> str | None:
        with _lock(connection):
            check_steps(_read_version(connection), steps)
            migrate(connection, "downgrade", f"-{steps}")
            return _read_version(connection)

    return _run_between_others(url, work)


def _run_between_others(url: str, work: Callable[[Connection], T]) -> T:
    """Runs ``work`` again and again until it gets the locks it needs at a moment when nobody has them.

    A definition that waits for a table keeps all who come after it waiting too, so it waits for a moment only
    (``TABLE_TIMEOUT``). What was done until then is undone, or, where definitions commit by themselves, found done.

    Raises:
        StoreUnavailable: the moment did not come within ``LOCK_TIMEOUT``.
    """
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            return run(url, work)
        except StoreUnavailable as error:
            if not _is_lock_timeout(error.__cause__) or time.monotonic() >= deadline:
                raise
        time.sleep(random.uniform(0.2, 1.0))  # noqa: S311  so that two do not meet again


def _is_lock_timeout(error: BaseException | None) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    cause = getattr(cause, "__cause__", None) or cause  # asyncpg's own is behind SQLAlchemy's
    from grantway.storage.sql.schema_vendors import is_lock_timeout

    if is_lock_timeout(cause):
        return True
    return getattr(cause, "sqlstate", None) == "55P03" or getattr(cause, "args", (None,))[:1] == (1205,)


def _lock(connection: Connection) -> AbstractContextManager[None]:
    """The lock of whoever changes the schema."""
    if connection.dialect.name not in ("oracle", "mssql"):
        return _Lock(connection)
    from grantway.storage.sql.schema_vendors import OracleLock, SqlServerLock

    return (OracleLock if connection.dialect.name == "oracle" else SqlServerLock)(connection, TABLE_TIMEOUT)


class _Lock:
    """Held by whoever changes the schema. PostgreSQL's ends with the transaction, MariaDB's with the connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        if self._connection.dialect.name == "postgresql":
            self._limit(LOCK_TIMEOUT)
            self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            self._limit(TABLE_TIMEOUT)
            return
        limit = max(1, int(TABLE_TIMEOUT))
        self._connection.execute(
            text(f"SET SESSION lock_wait_timeout = {limit}, SESSION innodb_lock_wait_timeout = {limit}")
        )
        name = "SELECT GET_LOCK(CONCAT('grantway.', LEFT(MD5(DATABASE()), 32)), :timeout)"
        if self._connection.execute(text(name), {"timeout": LOCK_TIMEOUT}).scalar() != 1:
            raise StoreUnavailable(detail="another migration does not end")

    def __exit__(self, *_: object) -> None:
        """Nothing: what was done is committed first."""

    def _limit(self, seconds: float) -> None:
        limit = {"limit": str(int(seconds * 1000))}
        self._connection.execute(text("SELECT set_config('lock_timeout', :limit, true)"), limit)


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
    return present <= {*METADATA.tables, VERSION_TABLE.name, LOCK_TABLE}


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
            if parse_url(url)[0] == "mssql":
                from grantway.storage.sql.schema_vendors import run_on_sqlserver

                results.append(run_on_sqlserver(url, work, CONNECT_TIMEOUT))
            else:
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
    backend = parse_url(url)[0]
    load_package("greenlet", {"postgresql": "postgres", "oracle": "oracle"}.get(backend, "mysql"))
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    async def connect(**_: Any) -> Any:
        if backend == "postgresql":
            from grantway.storage.sql import postgres

            return await postgres.connect(url, timeout=CONNECT_TIMEOUT, application="grantway migrate")
        if backend == "oracle":
            from grantway.storage.sql.schema_vendors import connect_oracle

            return await connect_oracle(url, CONNECT_TIMEOUT)
        from grantway.storage.sql import mysql

        return await mysql.connect(url, timeout=CONNECT_TIMEOUT)

    dialect = "postgresql+asyncpg://" if backend == "postgresql" else "mysql+asyncmy://"
    if backend == "oracle":
        from grantway.storage.sql import oracle_dialect

        dialect = f"{oracle_dialect.NAME}://"
    arguments: dict[str, Any] = {"async_creator_fn": connect}
    if dialect.startswith("postgresql"):  # behind a pooler others have used this connection, and names of theirs stay
        arguments["prepared_statement_name_func"] = lambda: f"grantway_{secrets.token_hex(12)}"
    engine = create_async_engine(dialect, connect_args=arguments, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    except (DBAPIError, OSError, EOFError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise StoreUnavailable(detail=str(cause) or type(cause).__name__) from error
    finally:
        await engine.dispose()
