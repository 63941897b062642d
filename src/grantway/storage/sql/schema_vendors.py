"""What the schema needs on Oracle and SQL Server, and on no other database. ``schema`` is the way in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from grantway.errors import StoreUnavailable
from grantway.storage.sql import oracle, sqlserver
from grantway.storage.sql.definitions import LOCK_TABLE, LOCK_TIMEOUT
from grantway.storage.sql.urls import load_package

T = TypeVar("T")

_HAS_LOCK_TABLE = "SELECT COUNT(*) FROM user_tables WHERE table_name = 'GRANTWAY_MIGRATION'"
_MAKE_LOCK_TABLE = f"CREATE TABLE {LOCK_TABLE} (id NUMBER(1))"
_NAME_TAKEN = "ORA-00955"
_LOCK = f"LOCK TABLE {LOCK_TABLE} IN EXCLUSIVE MODE WAIT {int(LOCK_TIMEOUT)}"
_LIMIT_ORACLE = "ALTER SESSION SET DDL_LOCK_TIMEOUT = {}"
_TAKE_LOCK = (
    "SET NOCOUNT ON; DECLARE @taken int; EXEC @taken = sp_getapplock @Resource = N'grantway.schema', "
    f"@LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = {int(LOCK_TIMEOUT * 1000)}; SELECT @taken; "
    "SET NOCOUNT OFF"
)
_LIMIT_SQLSERVER = "SET LOCK_TIMEOUT {}"


async def connect_oracle(url: str, timeout: float) -> Any:  # noqa: ASYNC109  oracledb has none that holds
    """A connection whose calls may take long, as making an index does. Raises as ``oracle.connect``."""
    connection = await oracle.connect(url, timeout=timeout)
    connection.call_timeout = 0
    return connection


def run_on_sqlserver(url: str, work: Callable[[Connection], T], timeout: float) -> T:
    """Runs ``work`` in one transaction, without an event loop. ``timeout``: for connecting, seconds.

    Raises:
        ConfigurationError: the URL does not fit, or the server refuses it. StoreUnavailable: the database fails.
    """
    load_package("mssql_python", "mssql")

    def connect() -> Any:
        connection = sqlserver.connect(url, timeout=timeout)
        connection.timeout = 0  # making an index may take long
        connection.autocommit = False
        return connection

    engine = create_engine("mssql+mssqlpython://", creator=connect, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            return work(connection)
    except DBAPIError as error:
        raise StoreUnavailable(detail=str(error.orig)) from error
    except OSError as error:
        raise StoreUnavailable(detail=str(error) or type(error).__name__) from error
    finally:
        engine.dispose()


class SqlServerLock:
    """Ends with the connection."""

    def __init__(self, connection: Connection, table_timeout: float) -> None:
        self._connection = connection
        self._table_timeout = table_timeout

    def __enter__(self) -> None:
        taken = self._connection.exec_driver_sql(_TAKE_LOCK).scalar()
        if taken is None or taken < 0:
            raise StoreUnavailable(detail="another migration does not end")
        self._connection.exec_driver_sql(_LIMIT_SQLSERVER.format(int(self._table_timeout * 1000)))

    def __exit__(self, *_: object) -> None:
        """Nothing: what was done is committed first."""


class OracleLock:
    """Held by a connection of its own: on the one that migrates, each definition commits, and that ends a lock."""

    def __init__(self, connection: Connection, table_timeout: float) -> None:
        self._connection = connection
        self._table_timeout = table_timeout
        self._holder: Connection | None = None

    def __enter__(self) -> None:
        holder = self._connection.engine.connect()
        try:
            if not holder.exec_driver_sql(_HAS_LOCK_TABLE).scalar():
                self._make_table(holder)
            holder.exec_driver_sql(_LOCK)
        except BaseException as error:
            holder.close()
            if isinstance(error, DBAPIError) and is_lock_timeout(error.orig):
                raise StoreUnavailable(detail="another migration does not end") from None
            raise
        self._holder = holder
        self._connection.exec_driver_sql(_LIMIT_ORACLE.format(max(1, int(self._table_timeout))))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._connection.exec_driver_sql("COMMIT")  # the version's row, before anybody else reads it
        finally:
            if self._holder is not None:
                self._holder.close()

    def _make_table(self, holder: Connection) -> None:
        try:
            holder.exec_driver_sql(_MAKE_LOCK_TABLE)
        except DBAPIError as error:
            if error.orig is None or oracle.find_code(error.orig) != _NAME_TAKEN:  # somebody else was quicker
                raise


def is_lock_timeout(error: BaseException | None) -> bool:
    """Whether a definition waited for a table in vain."""
    return error is not None and "blocked" in (oracle.classify(error), sqlserver.classify(error))
