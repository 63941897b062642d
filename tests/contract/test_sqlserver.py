"""SQL Server: the store's contract where ``GRANTWAY_TEST_SQLSERVER_URL`` names a server, and all that needs none.

The URL's login makes and drops databases: ``mssql://sa:password@host/master?trust_server_certificate=yes``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any

import mssql_python
import pytest
from mssql_python.connection_string_parser import _ConnectionStringParser
from mssql_python.exceptions import sqlstate_to_exception
from sqlalchemy.engine import make_url

from grantway.errors import ConfigurationError, StoreUnavailable, Unprocessable
from grantway.storage.sql import schema_server, schema_vendors, sqlserver
from grantway.storage.sql import statements as sql
from grantway.storage.sql.threaded import Threads
from grantway.storage.sql.types import Identifier
from grantway.testing.clock import FakeClock

from .server_contract import ServerContract
from .servers import Server, run
from .unreachable import WAYS, check_unavailable_in_time, open_at

URL = "mssql://grantway:secret-word@host/name"


class SqlServerServer(Server):
    """SQL Server."""

    name = "SQL Server"
    variable = "GRANTWAY_TEST_SQLSERVER_URL"
    default = "mssql://sa@127.0.0.1:1433/master"
    has_group_deadline = True
    describe_sql = (
        (
            "SELECT table_name, column_name, ordinal_position, data_type, character_maximum_length, collation_name, "
            "is_nullable, column_default FROM information_schema.columns"
        ),
        (
            "SELECT t.name, i.type_desc, i.is_unique, i.is_primary_key, c.key_ordinal, col.name, col.is_identity "
            "FROM sys.tables t JOIN sys.indexes i ON i.object_id = t.object_id "
            "JOIN sys.index_columns c ON c.object_id = i.object_id AND c.index_id = i.index_id "
            "JOIN sys.columns col ON col.object_id = c.object_id AND col.column_id = c.column_id"
        ),
    )
    lock_table = "SELECT 1 FROM [authorization] WITH (TABLOCKX, HOLDLOCK)"
    lock_row = "SELECT 1 FROM [authorization] WITH (UPDLOCK, ROWLOCK)"

    def build_create(self, name: str) -> str:
        # The worst default on purpose: it must not decide how identifiers are compared.
        return f"CREATE DATABASE {name} COLLATE Latin1_General_CI_AI"

    def create(self) -> str:
        url = super().create()
        name = make_url(url).database
        self.run(f"ALTER DATABASE {name} SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE")
        return url

    def drop(self, url: str) -> None:
        name = make_url(url).database
        self.run(f"ALTER DATABASE {name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
        self.run(f"DROP DATABASE {name}")

    def empty(self, url: str) -> None:
        for (table,) in self.run("SELECT name FROM sys.tables WHERE name <> 'alembic_version'", url):
            self.run(f"DELETE FROM [{table}]", url)

    def kill_connections(self, url: str) -> None:
        name = make_url(url).database
        found = self.run(f"SELECT session_id FROM sys.dm_exec_sessions WHERE database_id = DB_ID('{name}')")
        for (number,) in found:
            try:
                self.run(f"KILL {number}")
            except mssql_python.Error as error:
                if "is not an active process ID" not in str(error):  # it has gone by itself
                    raise

    async def connect(self, url: str) -> Any:
        return await asyncio.to_thread(sqlserver.connect, url, timeout=60)

    async def ask(self, connection: Any, sql: str) -> list[Any]:
        text = f"{sql} TRANSACTION" if sql in ("BEGIN", "ROLLBACK") else sql
        ask = sqlserver.query if text.startswith("SELECT") else sqlserver.run_batch
        return await asyncio.to_thread(ask, connection, text) or []

    async def close(self, connection: Any) -> None:
        connection.close()


if os.environ.get(SqlServerServer.variable):

    @pytest.fixture(scope="session")
    def sqlserver_server() -> SqlServerServer:
        return SqlServerServer()

    class TestSqlServer(ServerContract):
        fixture = "sqlserver_server"


def build_link() -> sqlserver.SqlServerLink:
    """One that never asks its connection anything."""
    connector = sqlserver.SqlServerConnector(URL, 1)
    compiled = connector.compile()
    return sqlserver.SqlServerLink(
        None, connector.threads.take(), compiled, connector._shapes, dict.fromkeys(compiled, 0), FakeClock(), 1000
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_cannot_be_reached_is_unavailable_in_time(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_server, "CONNECT_TIMEOUT", 1.0)
    check_unavailable_in_time(way, "mssql://grantway:secret-word@127.0.0.1:{port}/name")


def build_error(state: str, text: str) -> Exception:
    """What mssql-python raises for an error of the server."""
    message = f"[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{text}"
    error = sqlstate_to_exception(state, message)
    return error or mssql_python.DatabaseError(f"An error occurred with SQLSTATE code: {state}", message)


@pytest.mark.parametrize(
    ("state", "text", "trouble"),
    [
        ("40001", "Transaction (Process ID 52) was deadlocked on lock resources with another process.", "again"),
        ("42000", "Your transaction has been chosen as the deadlock victim.", "again"),
        ("42000", "Lock request time out period exceeded.", "blocked"),
        ("HYT00", "Query timeout expired", "unavailable"),
        ("08S01", "TCP Provider: Error code 0x68", "lost"),
        ("08S02", "SMux Provider: Physical connection is not usable", "lost"),
        ("08001", "Login timeout expired", "lost"),
        ("42000", 'Failed to update database "grantway" because the database is read-only.', "unavailable"),
        ("42000", "The transaction log for database 'grantway' is full due to 'LOG_BACKUP'.", "unavailable"),
        ("42000", "Could not allocate space for object 'dbo.session' in database 'grantway'.", "unavailable"),
        ("HY000", "There is insufficient system memory in resource pool 'default' to run this query.", "unavailable"),
        ("42000", "SHUTDOWN is in progress.", "unavailable"),
        ("23000", "Violation of PRIMARY KEY constraint 'pk_client'. Cannot insert duplicate key in object.", None),
        ("42S02", "Invalid object name 'client'.", None),
        ("23000", "Cannot insert the value NULL into column 'tenant'.", None),
    ],
)
def test_each_error_of_the_server_means_what_it_means_elsewhere(state: str, text: str, trouble: str | None) -> None:
    assert sqlserver.classify(build_error(state, text)) == trouble


def test_other_errors_are_classified_too() -> None:
    assert sqlserver.classify(ConnectionResetError()) == "lost"
    assert sqlserver.classify(StoreUnavailable()) == "unavailable"
    protocol = sqlstate_to_exception("HY000", "[Microsoft][ODBC Driver 18 for SQL Server]Protocol error in TDS stream")
    assert protocol is not None
    assert sqlserver.classify(protocol) == "lost"
    assert sqlserver.classify(ValueError()) is None
    assert schema_vendors.is_lock_timeout(build_error("42000", "Lock request time out period exceeded."))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Login failed for user 'grantway'.", "Login failed"),
        ('Cannot open database "none" requested by the login. The login failed.', "Cannot open database"),
        ("Failed to load the driver. Please read the documentation", "libltdl7"),
    ],
)
def test_what_the_settings_are_to_blame_for_is_said_so(
    text: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise build_error("28000", text)

    monkeypatch.setattr(mssql_python, "connect", refuse)
    with pytest.raises(ConfigurationError, match=expected) as caught:
        sqlserver.connect(URL, timeout=1)
    assert "secret-word" not in str(caught.value)


def test_the_connection_string_is_read_as_it_was_meant() -> None:
    password = "a;b}c{d=e'f 1"
    url = make_url("mssql://host/name?encrypt=strict&trust_server_certificate=yes").set(
        username="x", password=password, port=1444
    )
    text = sqlserver.build_connection_string(url.render_as_string(hide_password=False))
    assert _ConnectionStringParser(validate_keywords=True)._parse(text) == {
        "server": "host,1444",
        "database": "name",
        "uid": "x",
        "pwd": password,
        "encrypt": "strict",
        "trustservercertificate": "yes",
    }


def test_a_parameter_of_the_url_is_known_or_refused() -> None:
    with pytest.raises(ConfigurationError, match="driver") as caught:
        open_at(URL + "?driver=x")
    assert "secret-word" not in str(caught.value)


def test_without_its_package_sql_server_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mssql_python", None)
    with pytest.raises(ConfigurationError, match=r"grantway\[mssql\]"):
        open_at(URL)


def test_the_driver_knows_every_type_it_is_told() -> None:
    """A NULL without a type would be text, which SQL Server does not put into bytes."""
    cursor = object.__new__(mssql_python.Cursor)
    link = build_link()
    for compiled in link._compiled.values():
        sizes = link._shapes[compiled.text].sizes
        assert len(sizes) == len(compiled.names)
        mssql_python.Cursor.setinputsizes(cursor, sizes)  # it refuses what it does not know
        bound = {name: kind for name, (kind, *_) in zip(compiled.names, cursor._inputsizes, strict=True)}
        for name, kind in bound.items():
            if name in ("tenant", "client_id", "subject", "session_id") or name.endswith(("digest", "private_key")):
                assert kind == mssql_python.SQL_VARBINARY, compiled.text
            if name.endswith("_at") or name in ("now", "limit", "generation", "version", "keep_until", "not_before"):
                assert kind == mssql_python.SQL_BIGINT, compiled.text
            if name in ("document", "public_jwk"):
                assert kind == mssql_python.SQL_WVARCHAR, compiled.text


@pytest.mark.threat("T35")
def test_identifiers_travel_and_are_stored_as_bytes() -> None:
    link = build_link()
    names = ["abc", "ABC", "abc ", " abc", "ábc", "a\u0301bc", "abc\t", "аbc", "😀"]
    sent = [link._bind(sql.LOAD_CLIENT, {"tenant": "default", "client_id": name})[1] for name in names]
    assert sent == [[b"default", name.encode()] for name in names]
    padded = {value.ljust(1020, b"\0") for _, value in sent}  # as SQL Server compares them
    assert len(padded) == len(names)
    assert sorted(names) == [name.decode() for name in sorted(value for _, value in sent)]
    assert sqlserver._decode((b"abc ", None, 7), (0, 1)) == ("abc ", None, 7)
    dialect = sqlserver.build_dialect()
    assert Identifier().process_bind_param("ü ", dialect) == "ü ".encode()
    assert Identifier().process_result_value("ü ".encode(), dialect) == "ü "
    assert Identifier().process_result_value(None, dialect) is None


@pytest.mark.threat("T36")
def test_what_is_too_long_to_compare_equals_nothing() -> None:
    link = build_link()
    assert run(link.fetch(sql.LOAD_CLIENT, tenant="default", client_id="x" * 8001)) == ()
    with pytest.raises(Unprocessable):
        run(link.execute(sql.DELETE_CLIENT, tenant="default", client_id="ü" * 4001))


def test_settings_that_endanger_a_promise_are_told() -> None:
    assert sqlserver.find_doubts(True, "DISABLED") == []
    assert sqlserver.find_doubts(True, "ALLOWED") == []  # a commit asks for it by itself, and none does
    ((message, advice),) = sqlserver.find_doubts(False, "DISABLED")
    assert "READ_COMMITTED_SNAPSHOT" in message
    assert "ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON" in advice
    assert len(sqlserver.find_doubts(False, "FORCED")) == 2


class Slow:
    """A connection that is busy until it is told."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.closed_in: list[str] = []

    def wait(self) -> str:
        assert self.go_on.wait(30)
        return threading.current_thread().name

    def close(self) -> None:
        self.closed_in.append(threading.current_thread().name)


def test_a_connection_given_up_while_busy_is_closed_by_the_thread_that_has_it() -> None:
    async def body() -> None:
        threads, slow = Threads("slow", 2), Slow()
        thread = threads.take()
        assert await thread.open(lambda: slow) is slow
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await thread.run(slow.wait)
        thread.abandon()
        assert not slow.closed_in  # another thread must not touch it now
        with pytest.raises(ConnectionError):
            await thread.run(slow.wait)
        slow.go_on.set()
        while not slow.closed_in:  # noqa: ASYNC110  a thread decides when
            await asyncio.sleep(0.001)
        thread.abandon()
        assert len(slow.closed_in) == 1
        threads.stop()

    asyncio.run(body())


def test_the_threads_are_bounded_and_the_loop_goes_on() -> None:
    async def body() -> None:
        threads, slow = Threads("slow", 3), Slow()
        places = [threads.take() for _ in range(10)]
        for place in places:
            await place.open(lambda: slow)
        calls = [asyncio.ensure_future(place.run(slow.wait)) for place in places]
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not any(call.done() for call in calls)
        slow.go_on.set()
        assert len(set(await asyncio.gather(*calls))) <= 3
        for place in places:
            place.abandon()
        threads.stop()
        while len(slow.closed_in) < 10:  # noqa: ASYNC110  threads decide when
            await asyncio.sleep(0.001)

    asyncio.run(body())
