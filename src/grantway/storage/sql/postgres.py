"""The PostgreSQL driver, on asyncpg.

READ COMMITTED throughout: what may happen once is one conditional UPDATE whose row count decides, and a concurrent one
waits for the row and looks at the condition again. Other workers hear of changes by LISTEN/NOTIFY, and read the feed in
any case.

hot path: bench/
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
from collections.abc import Sequence
from typing import Any

from grantway.errors import ConfigurationError, StoreUnavailable
from grantway.model import Change
from grantway.ports import Clock
from grantway.storage.sql.abreast import Kind
from grantway.storage.sql.feed import load_changes
from grantway.storage.sql.link import Link
from grantway.storage.sql.network import NetworkDriver, Trouble
from grantway.storage.sql.statements import INSERT_CHANGE, Compiled, Statement, compile_statements
from grantway.storage.sql.transaction import Duplicate, Row
from grantway.storage.sql.urls import load_package, parse_url

READERS = 4
WRITERS = 3
FEED_LOCK = 0x6772_616E_7477_6179  # "grantway"
"""The advisory lock of whoever gives out numbers of the change feed."""
CHANNEL = "grantway_change"
GROUP_LOCK_TIMEOUT_MS = 20
"""How long a group waits for a row. PostgreSQL looks for deadlocks only after a second."""
LISTEN_PAUSE = 0.5
"""Between two attempts to listen, seconds."""
CHANGES_AT_ONCE = 1000

_log = logging.getLogger(__name__)

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_LIMIT_GROUP = f"; SET LOCAL lock_timeout = {GROUP_LOCK_TIMEOUT_MS}"
_LOCK_FEED = f"SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock({FEED_LOCK})"
_LIMIT = "SELECT set_config($1, $2, false)"
# What was answered has to be on disk. Settings that ask for more than that are left alone.
_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', {is_local}) WHERE current_setting('synchronous_commit') = 'off'"
)

_AGAIN = frozenset(("40001", "40P01"))
_STALE_PLAN = "0A000"  # "cached plan must not change result type": a migration ran
_BLOCKED = "55P03"
_UNAVAILABLE = frozenset(("08", "25", "53", "54", "55", "57", "58", "XX"))
_LOST = frozenset(("57P01", "57P02", "57P03", "57P05", "25P03"))
_REFUSED = frozenset(("28", "3D"))


def parse_pool_mode(url: str) -> tuple[str, bool]:
    """The URL for asyncpg, and whether a pooler is behind it that gives each transaction another connection: then
    nothing may be left behind on one, no prepared statement, no setting and no LISTEN.

    Raises:
        ConfigurationError: ``pool_mode`` is something else.
    """
    parts = parse_url(url)[1]
    mode = parts.query.get("pool_mode", "session")
    if mode not in ("session", "transaction"):
        raise ConfigurationError("database.url: pool_mode must be session or transaction")
    direct = parts.difference_update_query(["pool_mode"]).render_as_string(hide_password=False)
    return (direct if "pool_mode" in parts.query else url), mode == "transaction"


async def connect(url: str, *, timeout: float, application: str = "grantway") -> Any:  # noqa: ASYNC109  asyncpg's own
    """A connection of asyncpg's.

    Raises:
        ConfigurationError: the URL does not fit, the server refuses the name or password, or knows no such database.
    """
    asyncpg = load_package("asyncpg", "postgres")
    url, is_pooled = parse_pool_mode(url)
    try:
        connection = await asyncpg.connect(
            url,
            timeout=timeout,
            statement_cache_size=0 if is_pooled else 512,
            max_cached_statement_lifetime=0,
            server_settings={"application_name": application, "timezone": "UTC"},
        )
    except asyncpg.ClientConfigurationError as error:
        raise ConfigurationError(f"database.url: {error}") from error
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "")[:2] in _REFUSED:
            raise ConfigurationError(f"database.url: {error}") from error
        raise
    if connection.get_settings().server_encoding != "UTF8":
        connection.terminate()
        raise ConfigurationError("database.url: the database's encoding must be UTF8")
    return connection


def classify(error: BaseException) -> Trouble | None:
    """See ``network.Connector``."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        # asyncpg raises InterfaceError both for a closed connection and for a wrong argument; the other one is what
        # it says when a connection was closed at an unlucky moment.
        name = type(error).__name__
        is_closed = (name == "InterfaceError" and "closed" in str(error)) or name == "InternalClientError"
        if isinstance(error, (OSError, EOFError)) or is_closed:
            return "lost"
        return "unavailable" if isinstance(error, StoreUnavailable) else None
    if state in _AGAIN or (state == _STALE_PLAN and "cached plan" in str(error)):
        return "again"
    if state == _BLOCKED:
        return "blocked"
    if state in _LOST or state[:2] == "08":
        return "lost"
    return "unavailable" if state[:2] in _UNAVAILABLE else None


class PostgresLink(Link):
    """A connection of asyncpg's. See ``link.Link``."""

    def __init__(
        self,
        connection: Any,
        compiled: dict[str, Compiled],
        counts: dict[str, int],
        clock: Clock,
        *,
        sender: str,
        begin: str = _BEGIN,
    ) -> None:
        super().__init__(compiled, counts, clock)
        self._connection = connection
        self._many: dict[str, str] = {}
        self._sender = sender
        self._begin_text = begin
        self._duplicate = load_package("asyncpg", "postgres").UniqueViolationError

    async def read_version(self) -> str | None:
        if await self._connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return None
        version: str | None = await self._connection.fetchval("SELECT version_num FROM alembic_version")
        return version

    async def close(self) -> None:
        try:
            await self._connection.close(timeout=1)
        except Exception:
            self._connection.terminate()

    def terminate(self) -> None:
        self._connection.terminate()

    async def _fetch(self, text: str, values: list[Any]) -> Sequence[Row]:
        return [tuple(row) for row in await self._connection.fetch(text, *values)]

    async def _execute(self, text: str, values: list[Any]) -> int:
        try:
            status: str = await self._connection.execute(text, *values)
        except self._duplicate as error:
            raise Duplicate from error
        return int(status.rpartition(" ")[2])

    async def run_many(self, kind: Kind, statement: Statement, values: Sequence[dict[str, Any]]) -> Sequence[Any]:
        """All at once, one behind the other: each answers with its place among them."""
        if len(values) == 1:
            return await super().run_many(kind, statement, values)
        outcomes, bound = self._bind_many(kind, statement, values)
        places: list[list[Row]] = [[] for _ in values]
        rows = await self._connection.fetchmany(
            self._find_many(statement), [(*arguments, place) for place, arguments in bound]
        )
        for *row, place in rows:
            places[place].append(tuple(row))
        for place, _ in bound:
            found = places[place]
            outcomes[place] = found if kind == "fetch" else len(found) if kind == "execute" else bool(found)
        return outcomes

    def _find_many(self, statement: Statement) -> str:
        """The statement with one more parameter that comes back in every row it reads or writes."""
        text = self._many.get(statement.name)
        if text is None:
            compiled = self._compiled[statement.name]
            text, place = compiled.text, f"${len(compiled.names) + 1}::integer"
            is_query = text.startswith("SELECT")
            text = f"SELECT q.*, {place} FROM ({text}) AS q" if is_query else f"{text} RETURNING {place}"  # noqa: S608
            self._many[statement.name] = text
        return text

    async def _run(self, text: str) -> None:
        await self._connection.execute(text)

    async def _begin(self, is_group: bool) -> None:
        await self._run(self._begin_text + _LIMIT_GROUP if is_group else self._begin_text)

    async def _lock_feed(self) -> None:
        await self._run(_LOCK_FEED)

    async def _append(self, entries: Sequence[dict[str, Any]]) -> Sequence[int]:
        bound = [self._bind(INSERT_CHANGE, values) for values in entries]
        return [sequence for (sequence,) in await self._connection.fetchmany(bound[0][0], [row for _, row in bound])]

    async def _notify(self, changes: Sequence[Change]) -> None:
        notice = f"{self._sender} {changes[0].sequence}"
        await self._connection.execute("SELECT pg_notify($1, $2)", CHANNEL, notice)


@functools.cache
def _compile() -> dict[str, Compiled]:
    from sqlalchemy.dialects.postgresql.asyncpg import dialect

    compiled = compile_statements(dialect())  # type: ignore[no-untyped-call]
    # A violated key would end the transaction.
    return {
        name: Compiled(f"{statement.text} ON CONFLICT DO NOTHING", statement.names, statement.constants)
        if statement.text.startswith("INSERT") and "RETURNING" not in statement.text
        else statement
        for name, statement in compiled.items()
    }


class PostgresConnector:
    """See ``network.Connector``."""

    readers = READERS
    writers = WRITERS

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self.is_pooled = parse_pool_mode(url)[1]
        self._timeout = timeout
        self.sender = secrets.token_hex(8)
        load_package("asyncpg", "postgres")

    def compile(self) -> dict[str, Compiled]:
        return _compile()

    def classify(self, error: BaseException) -> Trouble | None:
        return classify(error)

    async def connect(self, compiled: dict[str, Compiled], counts: dict[str, int], clock: Clock) -> PostgresLink:
        connection = await connect(self._url, timeout=self._timeout)
        # What a worker that has gone leaves behind must not hold locks for long.
        limit = int(self._timeout * 1000)
        limits = {"statement_timeout": limit, "idle_in_transaction_session_timeout": 2 * limit}
        if self.is_pooled:
            local = "; ".join(f"SET LOCAL {name} = {value}" for name, value in limits.items())
            begin = f"{_BEGIN}; {local}; {_DURABLE.format(is_local='true')}"
            return PostgresLink(connection, compiled, counts, clock, sender=self.sender, begin=begin)
        for name, value in limits.items():
            await connection.execute(_LIMIT, name, str(value))
        await connection.execute(_DURABLE.format(is_local="false"))
        return PostgresLink(connection, compiled, counts, clock, sender=self.sender)


class PostgresDriver(NetworkDriver):
    """Runs verbs on PostgreSQL, and listens."""

    def __init__(self, url: str, clock: Clock, *, timeout: float, listen_url: str | None = None) -> None:
        """``listen_url``: where to listen when ``url`` leads to a pooler; None: changes are heard of by reading."""
        self._postgres = PostgresConnector(url, timeout)
        self._connect_timeout = timeout
        self._listen_url = listen_url or (None if self._postgres.is_pooled else url)
        if listen_url is not None and parse_pool_mode(listen_url)[1]:
            raise ConfigurationError("database.listen_url: behind a pooler nothing can be heard")
        self._listening: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._heard: int | None = None
        super().__init__(self._postgres, clock, timeout=timeout)

    async def start(self) -> None:
        await super().start()
        if self._listening is None and self._listen_url is not None:
            self._listening = asyncio.get_running_loop().create_task(self._listen(self._listen_url))

    async def stop(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
        await super().stop()

    async def _listen(self, url: str) -> None:
        """Keeps one connection for news. Without it they come a little later: the feed is read in any case."""
        while True:
            connection = None
            try:
                connection = await connect(url, timeout=self._connect_timeout)
                connection.add_termination_listener(lambda _: self._wake.set())
                await connection.add_listener(CHANNEL, self._hear)
                while not connection.is_closed():
                    await self._wake.wait()
                    self._wake.clear()
                    await self._tell_heard()
            except Exception as error:
                _log.warning("cannot listen for changes: %s: %s", type(error).__name__, error)
            finally:
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(LISTEN_PAUSE)

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        """A notice is a hint where to look: whoever can connect to the database can send one."""
        sender, _, number = payload.partition(" ")
        if sender == self._postgres.sender or not number.isascii() or not number.isdigit():
            return  # our own was told before its writer was answered
        sequence = int(number[:18])
        self._heard = sequence if self._heard is None else min(self._heard, sequence)
        self._wake.set()

    async def _tell_heard(self) -> None:
        first, self._heard = self._heard, None
        if first is not None:
            self.tell(await self.read(lambda tx: load_changes(tx, first - 1, CHANGES_AT_ONCE)))
