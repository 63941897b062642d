"""The driver of MariaDB and MySQL, on asyncmy.

READ COMMITTED, because REPEATABLE READ locks gaps, and on MariaDB refuses what was changed meanwhile. A row count is
the number of rows that were found, as on every other database, not of those that became different. Other workers hear
of changes when they read the feed.

hot path: bench/
"""

from __future__ import annotations

import functools
import logging
import ssl
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy.engine import URL

from grantway.errors import ConfigurationError, StoreUnavailable
from grantway.ports import Clock
from grantway.storage.sql.abreast import Kind
from grantway.storage.sql.link import Link
from grantway.storage.sql.network import NetworkDriver, Trouble
from grantway.storage.sql.statements import INSERT_CHANGE, Compiled, Statement, compile_statements
from grantway.storage.sql.transaction import Duplicate, Row
from grantway.storage.sql.urls import check_parts, load_package, parse_url

READERS = 4
WRITERS = 2
LONGEST_TEXT = 1 << 20
"""A statement with a longer parameter is sent on its own: what has more than 16 MB is more than one packet."""

_log = logging.getLogger(__name__)

_DUPLICATE = 1062
_AGAIN = frozenset((1020, 1205, 1213))
_LOST = frozenset((0, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2002, 2003, 2006, 2013, 2055, 4031))
_UNAVAILABLE = frozenset((1021, 1037, 1040, 1041, 1114, 1203, 1206, 1290, 1317, 1792, 1836, 1969, 3024))
_REFUSED = frozenset((1044, 1045, 1049, 1698))
_PARTS = frozenset(("unix_socket", "ssl_ca"))

# It logs what the server remarks: that a primary key has no name of its own, thirteen times a migration.
logging.getLogger("asyncmy").addFilter(lambda record: "ignored for PRIMARY key" not in record.getMessage())

# Never cut off, never put a default in place of what does not fit.
_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', "
    "SESSION time_zone = '+00:00'"
)


def check_url(url: str) -> URL:
    """The URL's parts. Raises ``ConfigurationError``."""
    return check_parts(parse_url(url)[1], _PARTS)


async def connect(url: str, *, timeout: float) -> Any:  # noqa: ASYNC109  asyncmy's own
    """A connection of asyncmy's.

    Raises:
        ConfigurationError: the URL does not fit, the server refuses the name or password, or knows no such database.
    """
    asyncmy = load_package("asyncmy", "mysql")
    from asyncmy.constants.CLIENT import FOUND_ROWS

    parts = check_url(url)
    query = {name: value for name, value in parts.query.items() if isinstance(value, str)}
    try:
        connection = await asyncmy.connect(
            host=parts.host or "127.0.0.1",
            port=parts.port or 3306,
            user=parts.username,
            password=parts.password or "",
            database=parts.database,
            unix_socket=query.get("unix_socket"),
            ssl=ssl.create_default_context(cafile=query["ssl_ca"]) if "ssl_ca" in query else None,
            charset="utf8mb4",
            client_flag=FOUND_ROWS,
            connect_timeout=timeout,
            autocommit=True,
            init_command=_SESSION,
        )
        await connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    except asyncmy.errors.MySQLError as error:
        if _find_number(error) in _REFUSED:
            raise ConfigurationError(f"database.url: {error.args[-1]}") from error
        raise
    except RuntimeError as error:  # so asyncmy says that the connection ended as soon as it began
        raise ConnectionError(str(error)) from error
    return connection


def classify(error: BaseException) -> Trouble | None:
    """See ``network.Connector``."""
    if isinstance(error, (OSError, EOFError)):
        return "lost"
    if isinstance(error, StoreUnavailable):
        return "unavailable"
    if type(error).__module__.partition(".")[0] != "asyncmy":
        return None
    number = _find_number(error)
    if number in _AGAIN:
        return "again"
    if number in _LOST:
        return "lost"
    return "unavailable" if number in _UNAVAILABLE else None


def _find_number(error: BaseException) -> int | None:
    number = error.args[0] if error.args else None
    return number if isinstance(number, int) else None


class _Inside(NamedTuple):
    """What ``_execute_many`` needs of asyncmy beyond what it promises."""

    result: Any
    pack: Any


def _find_inside(connection: Any) -> _Inside | None:
    """None: this asyncmy has another inside than the ones known, 0.2.18 and its like."""
    try:
        from asyncmy.connection import MySQLResult, PreparedStatement
        from asyncmy.protocol import pack_binary_params
    except ImportError:
        return None
    has_all = (
        all(hasattr(connection, name) for name in ("_write_bytes", "_next_seq_id", "_result"))
        and hasattr(PreparedStatement, "_execute_header")
        and hasattr(MySQLResult, "read_binary")
    )
    return _Inside(MySQLResult, pack_binary_params) if has_all else None


class MysqlLink(Link):
    """A connection of asyncmy's. See ``link.Link``."""

    def __init__(self, connection: Any, compiled: dict[str, Compiled], counts: dict[str, int], clock: Clock) -> None:
        super().__init__(compiled, counts, clock)
        self._connection = connection
        self._prepared: dict[str, Any] = {}
        self._is_writer = False
        self._inside = _find_inside(connection)
        errors = load_package("asyncmy", "mysql").errors
        self._failure, self._error = errors.IntegrityError, errors.MySQLError

    async def read_version(self) -> str | None:
        found = await self._query(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'alembic_version'"
        )
        if not found:
            return None
        rows = await self._query("SELECT version_num FROM alembic_version")
        return rows[0][0] if rows else None

    async def check_durability(self) -> None:
        """Warns where a commit that was answered may get lost: only the server's own settings can change that."""
        ((flush,),) = await self._query("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit")
        if int(flush) != 1:
            _log.warning("innodb_flush_log_at_trx_commit is %s: a power cut may undo revocations", flush)

    async def close(self) -> None:
        try:
            await self._connection.ensure_closed()
        except Exception:
            self._connection.close()

    def terminate(self) -> None:
        self._connection.close()

    async def _fetch(self, text: str, values: list[Any]) -> Sequence[Row]:
        rows: Sequence[Row] = (await self._execute_prepared(text, values)).rows or ()
        return rows

    async def _execute(self, text: str, values: list[Any]) -> int:
        try:
            changed: int = (await self._execute_prepared(text, values)).affected_rows
        except self._failure as error:
            if _find_number(error) == _DUPLICATE:
                raise Duplicate from error
            raise
        return changed

    async def run_many(self, kind: Kind, statement: Statement, values: Sequence[dict[str, Any]]) -> Sequence[Any]:
        """All at once: every command is sent before the first answer is read."""
        if len(values) == 1:
            return await super().run_many(kind, statement, values)
        if any(type(value) is str and len(value) > LONGEST_TEXT for one in values for value in one.values()):
            return await super().run_many(kind, statement, values)
        outcomes, bound = self._bind_many(kind, statement, values)
        results = await self._execute_many(self._compiled[statement.name].text, [row for _, row in bound])
        for (place, _), result in zip(bound, results, strict=True):
            if not isinstance(result, Exception):
                changed = result.affected_rows
                outcomes[place] = {"fetch": result.rows or (), "execute": changed, "insert": changed == 1}[kind]
            elif _find_number(result) == _DUPLICATE and kind != "fetch":
                outcomes[place] = False if kind == "insert" else Duplicate()
            else:
                raise result
        return outcomes

    async def _execute_many(self, text: str, rows: Sequence[list[Any]]) -> list[Any]:
        """The result or the error of each.

        asyncmy has no such call, so this is what ``execute`` of its statements does, first the writing half of all,
        then the reading half: one round trip, and 6,800 redemptions a second where it were 2,800. An asyncmy that looks
        different inside is asked one by one.
        """
        if self._inside is None:
            return await self._execute_each(text, rows)
        statement, connection = await self._prepare(text), self._connection
        header = b"\x17" + statement._execute_header  # COM_STMT_EXECUTE
        payloads = [header + (self._inside.pack(tuple(row), "utf8") if row else b"") for row in rows]
        # Each is a packet: its length in three bytes, and its number, which is 0.
        connection._write_bytes(b"".join(len(payload).to_bytes(4, "little") + payload for payload in payloads))
        results: list[Any] = []
        for _ in payloads:
            connection._next_seq_id, connection._result = 1, None
            result = self._inside.result(connection)
            try:
                await result.read_binary(statement)
            except self._error as error:
                if classify(error) == "lost":
                    raise
                results.append(error)
            else:
                results.append(result)
        return results

    async def _execute_each(self, text: str, rows: Sequence[list[Any]]) -> list[Any]:
        results: list[Any] = []
        for row in rows:
            try:
                results.append(await self._execute_prepared(text, row))
            except self._error as error:
                if classify(error) == "lost":
                    raise
                results.append(error)
        return results

    async def _execute_prepared(self, text: str, values: list[Any]) -> Any:
        return await (await self._prepare(text)).execute(values)

    async def _prepare(self, text: str) -> Any:
        statement = self._prepared.get(text)
        if statement is None:
            statement = self._prepared[text] = await self._connection.prepare(text)
        return statement

    async def _query(self, text: str) -> Sequence[Row]:
        async with self._connection.cursor() as cursor:
            await cursor.execute(text)
            rows: Sequence[Row] = await cursor.fetchall()
            return rows

    async def _run(self, text: str) -> None:
        await self._connection.query(text)

    async def _begin(self, is_group: bool) -> None:
        if not self._is_writer:
            # A deadlock undoes the transaction; what was sent behind the statement that met it must not stand alone.
            await self._run("SET autocommit = 0")
            self._is_writer = True
        await self._run("START TRANSACTION READ WRITE")

    async def _lock_feed(self) -> None:
        # There is no lock that ends with the transaction but a row's; this one every database has.
        await self._query("SELECT version_num FROM alembic_version FOR UPDATE")

    async def _append(self, entries: Sequence[dict[str, Any]]) -> Sequence[int]:
        bound = [self._bind(INSERT_CHANGE, values) for values in entries]
        results = await self._execute_many(bound[0][0], [row for _, row in bound])
        for result in results:
            if isinstance(result, Exception):
                raise result
        return [result.insert_id for result in results]


@functools.cache
def _compile() -> dict[str, Compiled]:
    from sqlalchemy.dialects.mysql.asyncmy import dialect

    return compile_statements(dialect(paramstyle="qmark"))


class MysqlConnector:
    """See ``network.Connector``."""

    readers = READERS
    writers = WRITERS

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._is_checked = False
        check_url(url)
        load_package("asyncmy", "mysql")

    def compile(self) -> dict[str, Compiled]:
        return _compile()

    def classify(self, error: BaseException) -> Trouble | None:
        return classify(error)

    async def connect(self, compiled: dict[str, Compiled], counts: dict[str, int], clock: Clock) -> MysqlLink:
        connection = await connect(self._url, timeout=self._timeout)
        limit = max(1, int(self._timeout))
        await connection.query(f"SET SESSION innodb_lock_wait_timeout = {limit}")
        is_mariadb = "MariaDB" in connection.get_server_info()
        limit_statement = f"max_statement_time = {limit}" if is_mariadb else f"max_execution_time = {limit * 1000}"
        await connection.query(f"SET SESSION {limit_statement}")
        link = MysqlLink(connection, compiled, counts, clock)
        if not self._is_checked:
            self._is_checked = True
            await link.check_durability()
        return link


class MysqlDriver(NetworkDriver):
    """Runs verbs on MariaDB or MySQL."""

    def __init__(self, url: str, clock: Clock, *, timeout: float) -> None:
        super().__init__(MysqlConnector(url, timeout), clock, timeout=timeout)
