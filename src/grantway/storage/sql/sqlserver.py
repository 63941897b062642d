"""The driver of SQL Server, on Microsoft's mssql-python, which waits in threads.

READ COMMITTED, preferably from row versions (READ_COMMITTED_SNAPSHOT): an UPDATE locks what it reads in either case, so
what may happen once is one conditional UPDATE here, too. Transactions are begun and ended by statements, the connection
is in autocommit mode. Other workers hear of changes when they read the feed.

The driver tells SQLSTATEs in words and numbers of errors not at all. So errors are known by their English text, and
each session asks for English.

hot path: bench/
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import LargeBinary
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.types import TypeEngine

from grantway.errors import ConfigurationError, StoreUnavailable, Unprocessable
from grantway.ports import Clock
from grantway.storage.sql.link import Link, Unstorable
from grantway.storage.sql.network import SERVER_PATIENCE_MS, NetworkDriver, Trouble
from grantway.storage.sql.statements import INSERT_CHANGE, Compiled, Statement, compile_statements
from grantway.storage.sql.threaded import Thread, Threads
from grantway.storage.sql.transaction import Duplicate, Row
from grantway.storage.sql.types import DIGEST_SIZE, Digest, Document, Identifier
from grantway.storage.sql.urls import check_parts, load_package, parse_url

READERS = 4
WRITERS = 2
GROUP_LOCK_TIMEOUT_MS = 20
"""How long a group waits for a row."""
LONGEST_IDENTIFIER = 8000
"""Bytes of an identifier as a parameter. All are declared that long: each length would be a plan of its own."""

_log = logging.getLogger(__name__)

_PARTS = frozenset(
    ("encrypt", "trust_server_certificate", "hostname_in_certificate", "server_certificate", "multi_subnet_failover")
)
_SESSION = (
    "SET LANGUAGE us_english; SET XACT_ABORT OFF; SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF; "
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCK_TIMEOUT {timeout}"
)
_TEXTS = {
    "COMMIT": "COMMIT TRANSACTION",
    "ROLLBACK": "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION",  # a deadlock has done it already
    "SAVEPOINT w": "SAVE TRANSACTION w",
    "ROLLBACK TO SAVEPOINT w": "ROLLBACK TRANSACTION w",
}
_VERSION = "SELECT version_num FROM alembic_version"
_HAS_VERSION = "SELECT OBJECT_ID(N'alembic_version', N'U')"
_LOCK_FEED = "SELECT version_num FROM alembic_version WITH (UPDLOCK, ROWLOCK)"
SETTINGS = (
    "SELECT is_read_committed_snapshot_on, delayed_durability_desc FROM sys.databases WHERE database_id = DB_ID()"
)

# What mssql-python says of a SQLSTATE.
_AGAIN = frozenset(("Serialization failure",))
_LOST = frozenset(
    (
        "Client unable to establish connection",
        "Communication link failure",
        "Connection failure during transaction",
        "Connection not open",
        "Connection operation failed",
        "Connection timeout expired",
        "Disconnect error",
        "Server rejected the connection",
    )
)
_UNAVAILABLE = frozenset(("Memory allocation error", "Operation canceled", "Timeout expired"))
_GENERAL = "General error"
_FROM_SERVER = "[SQL Server]"
_STATE = re.compile(r"SQLSTATE code: (\w{5})")
# What SQL Server itself says: 1205, 1222, 2601 and 2627, 1946, 4060 and 18456.
_DEADLOCK = "chosen as the deadlock victim"
_BLOCKED = "Lock request time out period exceeded"
_DUPLICATE = "Cannot insert duplicate key"
_TOO_LONG = "exceeds the maximum length of"
_REFUSED = re.compile(r"Login failed for user|Cannot open database .* requested by the login")
_NOT_LOADED = "Failed to load the driver"
_LIBRARIES = "the driver of SQL Server needs libraries of the system. Run: apt install libltdl7 libgssapi-krb5-2"
# 3906, 1105, 9002, 701, 8645, 6005, 978 and 983, 40613, 10928, 40501, 17809
_CANNOT = re.compile(
    r"because the database is read-only|Could not allocate space|transaction log for database .* is full"
    r"|insufficient system memory|timeout occurred while waiting for memory|SHUTDOWN is in progress"
    r"|is participating in an availability group|because its replica role|is not currently available"
    r"|Resource ID|service is currently busy|maximum number of .* connections"
)


def check_url(url: str) -> URL:
    """The URL's parts. Raises ``ConfigurationError``."""
    return check_parts(parse_url(url)[1], _PARTS)


def build_connection_string(url: str) -> str:
    """What mssql-python's ``connect`` is called with. Raises ``ConfigurationError``."""
    parts = check_url(url)
    words = {
        "Server": f"{parts.host or '127.0.0.1'},{parts.port or 1433}",
        "Database": parts.database,
        "UID": parts.username,
        "PWD": parts.password,
    }
    words |= {name.replace("_", ""): str(value) for name, value in parts.query.items()}
    quoted = {name: value.replace("}", "}}") for name, value in words.items() if value is not None}
    return ";".join(f"{name}={{{value}}}" for name, value in quoted.items())


def connect(url: str, *, timeout: float) -> Any:
    """A connection of mssql-python's, in autocommit mode. Waits.

    Raises:
        ConfigurationError: the URL does not fit, the server refuses the name or password, or knows no such database.
    """
    driver = load_package("mssql_python", "mssql")
    driver.pooling(enabled=False)  # the connections are kept here
    seconds = max(1, math.ceil(timeout))
    try:
        connection = driver.connect(build_connection_string(url), autocommit=True, timeout=seconds)
        connection.timeout = seconds
        try:
            run_batch(connection, _SESSION.format(timeout=int(timeout * SERVER_PATIENCE_MS)))
        except BaseException:
            connection.close()
            raise
    except driver.ConnectionStringParseError as error:
        raise ConfigurationError(f"database.url: {error}") from error
    except driver.Error as error:
        if _NOT_LOADED in str(error):
            raise ConfigurationError(f"database.url: {_LIBRARIES}") from error
        if _REFUSED.search(str(error)):
            raise ConfigurationError(f"database.url: {error}") from error
        raise
    return connection


def run_batch(connection: Any, text: str) -> None:
    """Runs statements without parameters, and looks at the outcome of each."""
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(text)
        while cursor.nextset():
            pass


def query(connection: Any, text: str) -> list[Row]:
    """The rows of a query without parameters."""
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(text)
        return [tuple(row) for row in cursor.fetchall()]


def classify(error: BaseException) -> Trouble | None:
    """See ``network.Connector``."""
    if isinstance(error, (OSError, EOFError)):
        return "lost"
    if isinstance(error, StoreUnavailable):
        return "unavailable"
    if type(error).__module__.partition(".")[0] != "mssql_python":
        return None
    words, text = getattr(error, "driver_error", ""), str(error)
    state = found[1] if (found := _STATE.search(words)) else ""
    if words in _AGAIN or _DEADLOCK in text:
        return "again"
    if _BLOCKED in text:
        return "blocked"
    is_broken = words == _GENERAL and _FROM_SERVER not in text  # what came made no sense to the driver
    if words in _LOST or state.startswith("08") or "closed connection" in text or is_broken:
        return "lost"
    return "unavailable" if words in _UNAVAILABLE or _CANNOT.search(text) else None


def build_dialect() -> Dialect:
    """The dialect as of SQL Server 2016, the oldest that has all that is used."""
    from sqlalchemy.dialects.mssql.mssqlpython import MSDialect_mssqlpython

    dialect: Any = MSDialect_mssqlpython(paramstyle="qmark")  # type: ignore[no-untyped-call]
    dialect.server_version_info = (13, 0)
    dialect._setup_version_attributes()
    built: Dialect = dialect
    return built


class _Shape:
    """How the parameters of one statement are bound, and which of its columns are text that is stored as bytes."""

    __slots__ = ("columns", "identifiers", "sizes")

    def __init__(self, compiled: Compiled) -> None:
        self.sizes = [_find_size(type_) for type_ in compiled.types]
        self.identifiers = _find_identifiers(compiled.types)
        self.columns = _find_identifiers(compiled.columns)


def _find_identifiers(types: Sequence[TypeEngine[Any]]) -> tuple[int, ...]:
    return tuple(place for place, type_ in enumerate(types) if isinstance(type_, Identifier))


def _find_size(type_: TypeEngine[Any]) -> tuple[int, int]:
    """ODBC's type and the size; 0: without a limit."""
    sql = load_package("mssql_python", "mssql")
    if isinstance(type_, Identifier):
        return sql.SQL_VARBINARY, LONGEST_IDENTIFIER
    if isinstance(type_, Digest):
        return sql.SQL_VARBINARY, DIGEST_SIZE
    if isinstance(type_, Document):
        return sql.SQL_WVARCHAR, 0
    if isinstance(type_, LargeBinary):
        return sql.SQL_VARBINARY, 0
    return sql.SQL_BIGINT, 0  # a parameter without a type is a number


class SqlServerLink(Link):
    """A connection of mssql-python's. See ``link.Link``."""

    def __init__(
        self,
        connection: Any,
        thread: Thread,
        compiled: dict[str, Compiled],
        shapes: dict[str, _Shape],
        counts: dict[str, int],
        clock: Clock,
        timeout_ms: int,
    ) -> None:
        super().__init__(compiled, counts, clock)
        self._connection = connection
        self._thread = thread
        self._shapes = shapes
        self._timeout_ms = timeout_ms
        self._cursors: dict[str, Any] = {}
        self._error = load_package("mssql_python", "mssql").Error

    async def read_version(self) -> str | None:
        if await self._query(_HAS_VERSION) == [(None,)]:
            return None
        rows = await self._query(_VERSION)
        return rows[0][0] if rows else None

    async def check_settings(self) -> None:
        """Warns of what only the database's owner can change."""
        for doubt in find_doubts(*(await self._query(SETTINGS))[0]):
            _log.warning("%s %s", *doubt)

    async def close(self) -> None:
        self._thread.abandon()

    def terminate(self) -> None:
        self._thread.abandon()

    def _bind(self, statement: Statement, values: dict[str, Any]) -> tuple[str, list[Any]]:
        text, arguments = super()._bind(statement, values)
        for place in self._shapes[text].identifiers:
            if arguments[place] is not None:
                arguments[place] = arguments[place].encode()
                if len(arguments[place]) > LONGEST_IDENTIFIER:
                    raise Unstorable
        return text, arguments

    async def _fetch(self, text: str, values: list[Any]) -> Sequence[Row]:
        return (await self._thread.run(self._execute_here, text, values))[1]

    async def _execute(self, text: str, values: list[Any]) -> int:
        try:
            return (await self._thread.run(self._execute_here, text, values))[0]
        except self._error as error:
            message = str(error)
            if _DUPLICATE in message:
                raise Duplicate from error
            if _TOO_LONG in message:
                raise Unprocessable("text", "is too long for an index of this database") from error
            raise

    def _execute_here(self, text: str, values: list[Any]) -> tuple[int, list[Row]]:
        """The row count and the rows. In a thread. Each text has a cursor, which keeps it prepared."""
        shape = self._shapes[text]
        cursor = self._cursors.pop(text, None) or self._connection.cursor()
        try:
            cursor.setinputsizes(shape.sizes)
            cursor.execute(text, values)
            if cursor.description is None:
                changed, rows = cursor.rowcount, []
            else:
                changed, rows = -1, [_decode(row, shape.columns) for row in cursor.fetchall()]
            while cursor.nextset():  # an error may come behind the rows
                pass
        except BaseException:
            with contextlib.suppress(Exception):
                cursor.close()
            raise
        self._cursors[text] = cursor
        return changed, rows

    async def _query(self, text: str) -> list[Row]:
        return await self._thread.run(query, self._connection, text)

    async def _run(self, text: str) -> None:
        await self._thread.run(run_batch, self._connection, _TEXTS.get(text, text))

    async def _begin(self, is_group: bool) -> None:
        limit = GROUP_LOCK_TIMEOUT_MS if is_group else self._timeout_ms
        await self._run(f"SET LOCK_TIMEOUT {limit}; BEGIN TRANSACTION")

    async def _lock_feed(self) -> None:
        # There is no lock that ends with the transaction and needs no name but a row's; this one every database has.
        await self._run(f"SET LOCK_TIMEOUT {self._timeout_ms}")
        await self._query(_LOCK_FEED)

    async def _append(self, entries: Sequence[dict[str, Any]]) -> Sequence[int]:
        numbers = []
        for values in entries:
            text, arguments = self._bind(INSERT_CHANGE, values)
            _, ((number,),) = await self._thread.run(self._execute_here, text, arguments)
            numbers.append(number)
        return numbers


def _decode(row: Sequence[Any], columns: tuple[int, ...]) -> Row:
    values = list(row)
    for place in columns:
        if values[place] is not None:
            values[place] = values[place].decode()
    return tuple(values)


def find_doubts(is_versioned: Any, durability: str) -> list[tuple[str, str]]:
    """What a database's settings (``SETTINGS``) leave to be desired, and what to do."""
    doubts = []
    if not is_versioned:
        command = "ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE"
        doubts.append(("READ_COMMITTED_SNAPSHOT is off: who reads waits for who writes.", f"Run: {command}"))
    if durability == "FORCED":
        command = "ALTER DATABASE CURRENT SET DELAYED_DURABILITY = DISABLED"
        doubts.append(("DELAYED_DURABILITY is FORCED: a power cut may undo revocations.", f"Run: {command}"))
    return doubts


class SqlServerConnector:
    """See ``network.Connector``."""

    readers = READERS
    writers = WRITERS

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._shapes: dict[str, _Shape] = {}
        self._is_checked = False
        # A thread whose connection was given up may be busy until the query's own timeout, while others work.
        self.threads = Threads("grantway-mssql", 2 * (READERS + WRITERS))
        check_url(url)
        load_package("mssql_python", "mssql")

    def compile(self) -> dict[str, Compiled]:
        compiled = compile_statements(build_dialect())
        self._shapes = {one.text: _Shape(one) for one in compiled.values()}
        return compiled

    def classify(self, error: BaseException) -> Trouble | None:
        return classify(error)

    async def connect(self, compiled: dict[str, Compiled], counts: dict[str, int], clock: Clock) -> SqlServerLink:
        thread = self.threads.take()
        try:
            connection = await thread.open(lambda: connect(self._url, timeout=self._timeout))
            link = SqlServerLink(
                connection, thread, compiled, self._shapes, counts, clock, int(self._timeout * SERVER_PATIENCE_MS)
            )
            if not self._is_checked:
                self._is_checked = True
                await link.check_settings()
        except BaseException:
            thread.abandon()
            raise
        return link


class SqlServerDriver(NetworkDriver):
    """Runs verbs on SQL Server."""

    def __init__(self, url: str, clock: Clock, *, timeout: float) -> None:
        self._sqlserver = SqlServerConnector(url, timeout)
        super().__init__(self._sqlserver, clock, timeout=timeout)

    async def start(self) -> None:
        try:
            await super().start()
        except BaseException:
            self._sqlserver.threads.stop()
            raise

    async def stop(self) -> None:
        await super().stop()
        self._sqlserver.threads.stop()
