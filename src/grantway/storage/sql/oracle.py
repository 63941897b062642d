"""The driver of Oracle Database, on oracledb in thin mode, which needs no client library.

READ COMMITTED: an UPDATE that waited for a row begins anew and looks at its condition again. There is no BEGIN; a
transaction begins with its first write, and a statement that fails undoes itself and nothing else. ``''`` is NULL here,
so no column holds one (``tables``), and nothing equals one. Other workers hear of changes when they read the feed.

hot path: bench/
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import BigInteger, Integer, SmallInteger
from sqlalchemy.engine import URL
from sqlalchemy.types import NullType, TypeEngine

from grantway.errors import ConfigurationError, StoreUnavailable
from grantway.ports import Clock
from grantway.storage.sql.link import Link, Unstorable
from grantway.storage.sql.network import SERVER_PATIENCE_MS, NetworkDriver, Trouble
from grantway.storage.sql.statements import INSERT_CHANGE, Compiled, Statement, compile_statements
from grantway.storage.sql.transaction import Duplicate, Row
from grantway.storage.sql.types import Digest, Identifier
from grantway.storage.sql.urls import check_parts, load_package, parse_url

READERS = 4
WRITERS = 2
LONGEST_PARAMETER = 1000
"""Characters of an identifier as a parameter: 4000 bytes, and what may have more is a LONG that equals nothing."""
ROWS_AT_ONCE = 500
"""Rows that come with one answer."""

_PARTS = frozenset(("protocol", "ssl_server_cert_dn", "wallet_location"))
_SESSION = (
    "ALTER SESSION SET NLS_COMP = BINARY NLS_SORT = BINARY",
    "ALTER SESSION SET ISOLATION_LEVEL = READ COMMITTED",
)
_ENCODING = "SELECT value FROM nls_database_parameters WHERE parameter = 'NLS_CHARACTERSET'"
# What was answered has to be on disk, whatever COMMIT_LOGGING and COMMIT_WAIT say.
_TEXTS = {"COMMIT": "COMMIT WRITE IMMEDIATE WAIT"}
_LOCK_FEED = "SELECT version_num FROM alembic_version FOR UPDATE"
_VERSION = "SELECT version_num FROM alembic_version"


def _codes(*numbers: int) -> frozenset[str]:
    return frozenset(f"ORA-{number:05}" for number in numbers)


_DUPLICATE = "ORA-00001"
_NO_TABLE = "ORA-00942"
_AGAIN = _codes(60, 8177)
_BLOCKED = _codes(54, 30006)
_LOST = _codes(1090, 2399, 3136, 12152, 12170, 12571, 12592) | {"DPY-1001", "DPY-4011", "DPY-6000", "DPY-6005"}
_UNAVAILABLE = _codes(
    *(18, 20, 257, 1013, 1033, 1034, 1109, 1456, 1536, 1552, 1555, 1628, 1631, 1650, 1652, 1653, 1654, 1691, 2391),
    *(3111, 4030, 4031, 4036, 12516, 12518, 12519, 12520, 12528, 16000, 16456, 19809, 19815, 25408, 30036),
) | {"DPY-4024", "DPY-4033"}
REFUSED = _codes(1005, 1017, 1045, 12505, 12514, 28000, 28001) | {
    *("DPY-2018", "DPY-4001", "DPY-4017", "DPY-4021", "DPY-4026", "DPY-6001", "DPY-6002", "DPY-6003"),
}
"""The server refuses what the URL says, or the URL says what cannot be."""


def check_url(url: str) -> URL:
    """The URL's parts. Raises ``ConfigurationError``."""
    return check_parts(parse_url(url)[1], _PARTS)


def build_arguments(url: str, timeout: float) -> dict[str, Any]:
    """What oracledb's ``connect`` is called with. Raises ``ConfigurationError``."""
    parts = check_url(url)
    return {
        "user": parts.username,
        "password": parts.password,
        "host": parts.host or "127.0.0.1",
        "port": parts.port or 1521,
        "service_name": parts.database,
        "tcp_connect_timeout": timeout,
        "stmtcachesize": 200,
        "program": "grantway",
        **parts.query,
    }


async def connect(url: str, *, timeout: float) -> Any:  # noqa: ASYNC109  one deadline for all that connecting takes
    """A connection of oracledb's.

    Raises:
        ConfigurationError: the URL does not fit, the server refuses the name or password, or knows no such service.
        TimeoutError: it does not answer.
    """
    oracledb = load_package("oracledb", "oracle")
    arguments = build_arguments(url, timeout)
    connection = None
    try:
        async with asyncio.timeout(timeout):  # its own timeout ends with the handshake of TCP
            connection = await oracledb.connect_async(**arguments)
            for text in _SESSION:
                await connection.execute(text)
            ((encoding,),) = await connection.fetchall(_ENCODING)
    except BaseException as error:
        if connection is not None:
            connection.terminate()
        if find_code(error) in REFUSED:
            raise ConfigurationError(f"database.url: {error}") from error
        raise
    if encoding != "AL32UTF8":
        connection.terminate()
        raise ConfigurationError("database.url: the database's character set must be AL32UTF8")
    connection.call_timeout = int(timeout * SERVER_PATIENCE_MS)
    return connection


def find_code(error: BaseException) -> str | None:
    """``ORA-00001``: an error of the server; ``DPY-4011``: one of oracledb's own; None: something else."""
    if type(error).__module__.partition(".")[0] != "oracledb" or not error.args:
        return None
    code: str | None = getattr(error.args[0], "full_code", None)
    return code


def classify(error: BaseException) -> Trouble | None:
    """See ``network.Connector``."""
    if isinstance(error, (OSError, EOFError)):
        return "lost"
    if isinstance(error, StoreUnavailable):
        return "unavailable"
    code = find_code(error)
    if code in _AGAIN:
        return "again"
    if code in _BLOCKED:
        return "blocked"
    if code in _LOST:
        return "lost"
    return "unavailable" if code in _UNAVAILABLE else None


def number_parameters(text: str) -> str:
    """Writes ``:1``, ``:2`` … where the dialect wrote ``?``: oracledb binds a list by its order."""
    count = 0

    def number(_: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f":{count}"

    return re.sub(r"\?", number, text)


def find_input_types(oracledb: Any, types: Sequence[TypeEngine[Any]]) -> list[Any]:
    """How each parameter is bound, so that a NULL has a type, too: COALESCE of a text and a number is an error."""
    return [_find_input_type(oracledb, type_) for type_ in types]


def _find_input_type(oracledb: Any, type_: TypeEngine[Any]) -> Any:
    if isinstance(type_, Identifier):
        return LONGEST_PARAMETER  # a text of this length; DB_TYPE_VARCHAR would be declared four times as long
    if isinstance(type_, Digest):
        return oracledb.DB_TYPE_RAW
    if isinstance(type_, (BigInteger, Integer, SmallInteger, NullType)):  # a parameter without a type is a number
        return oracledb.DB_TYPE_NUMBER
    return None  # as long as its value is


class OracleLink(Link):
    """A connection of oracledb's. See ``link.Link``."""

    def __init__(
        self,
        connection: Any,
        compiled: dict[str, Compiled],
        inputs: Mapping[str, list[Any]],
        counts: dict[str, int],
        clock: Clock,
    ) -> None:
        super().__init__(compiled, counts, clock)
        self._connection = connection
        self._inputs = inputs
        self._failure = load_package("oracledb", "oracle").IntegrityError
        self._error = load_package("oracledb", "oracle").DatabaseError

    async def read_version(self) -> str | None:
        try:
            rows = await self._connection.fetchall(_VERSION)
        except self._error as error:
            if find_code(error) == _NO_TABLE:
                return None
            raise
        return rows[0][0] if rows else None

    async def close(self) -> None:
        try:
            async with asyncio.timeout(1):
                await self._connection.close()
        except Exception:
            self.terminate()

    def terminate(self) -> None:
        with suppress(Exception):  # it is gone in any case
            self._connection.terminate()

    def _bind(self, statement: Statement, values: dict[str, Any]) -> tuple[str, list[Any]]:
        text, arguments = super()._bind(statement, values)
        for value, type_ in zip(arguments, self._compiled[statement.name].types, strict=True):
            if isinstance(type_, Identifier) and value is not None and len(value) > LONGEST_PARAMETER:
                raise Unstorable
        return text, arguments

    async def _fetch(self, text: str, values: list[Any]) -> Sequence[Row]:
        with self._open_cursor(text) as cursor:
            await cursor.execute(text, values, fetch_lobs=False)
            rows: Sequence[Row] = await cursor.fetchall()
            return rows

    async def _execute(self, text: str, values: list[Any]) -> int:
        with self._open_cursor(text) as cursor:
            try:
                await cursor.execute(text, values)
            except self._failure as error:
                if find_code(error) == _DUPLICATE:
                    raise Duplicate from error
                raise
            changed: int = cursor.rowcount
            return changed

    def _open_cursor(self, text: str) -> Any:
        cursor = self._connection.cursor()
        cursor.arraysize, cursor.prefetchrows = ROWS_AT_ONCE, ROWS_AT_ONCE + 1
        if inputs := self._inputs[text]:
            cursor.setinputsizes(*inputs)
        return cursor

    async def _run(self, text: str) -> None:
        await self._connection.execute(_TEXTS.get(text, text))

    async def _begin(self, is_group: bool) -> None:
        """Nothing: the first write begins. How long one waits for a row cannot be set here."""

    async def _lock_feed(self) -> None:
        await self._connection.fetchall(_LOCK_FEED)

    async def _append(self, entries: Sequence[dict[str, Any]]) -> Sequence[int]:
        bound = [self._bind(INSERT_CHANGE, values) for values in entries]
        text = bound[0][0]
        with self._connection.cursor() as cursor:
            numbers = cursor.var(int, arraysize=len(bound))
            cursor.setinputsizes(*self._inputs[text][:-1], numbers)
            await cursor.executemany(text, [row[:-1] for _, row in bound])
            return [numbers.getvalue(place)[0] for place in range(len(bound))]


class OracleConnector:
    """See ``network.Connector``."""

    readers = READERS
    writers = WRITERS

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._inputs: dict[str, list[Any]] = {}
        check_url(url)
        load_package("oracledb", "oracle")

    def compile(self) -> dict[str, Compiled]:
        compiled = compile_oracle()
        oracledb = load_package("oracledb", "oracle")
        self._inputs = {one.text: find_input_types(oracledb, one.types) for one in compiled.values()}
        return compiled

    def classify(self, error: BaseException) -> Trouble | None:
        return classify(error)

    async def connect(self, compiled: dict[str, Compiled], counts: dict[str, int], clock: Clock) -> OracleLink:
        connection = await connect(self._url, timeout=self._timeout)
        return OracleLink(connection, compiled, self._inputs, counts, clock)


def compile_oracle() -> dict[str, Compiled]:
    """All statements as they are sent."""
    from grantway.storage.sql.oracle_dialect import build_dialect

    return {
        name: Compiled(number_parameters(one.text), one.names, one.constants, one.types, one.columns)
        for name, one in compile_statements(build_dialect()).items()
    }


class OracleDriver(NetworkDriver):
    """Runs verbs on Oracle Database."""

    def __init__(self, url: str, clock: Clock, *, timeout: float) -> None:
        super().__init__(OracleConnector(url, timeout), clock, timeout=timeout)
