"""Oracle Database: the store's contract where ``GRANTWAY_TEST_ORACLE_URL`` names a server, and all that needs none.

The URL's user makes and drops other users, which is what a database is there: ``oracle://system:password@host/service``.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import secrets
import sys
from typing import Any

import oracledb
import pytest
from oracledb import errors as oracledb_errors
from sqlalchemy.engine import make_url

from grantway.errors import ConfigurationError, Unprocessable
from grantway.storage.sql import oracle, records, schema_server, schema_vendors
from grantway.storage.sql import statements as sql
from grantway.testing.clock import FakeClock
from grantway.testing.store_samples import build_authorization, build_client, build_session, build_subject

from .server_contract import ServerContract
from .servers import Server, run
from .unreachable import WAYS, check_unavailable_in_time, open_at

URL = "oracle://grantway:secret-word@host/service"


class OracleServer(Server):
    """Oracle Database."""

    name = "Oracle"
    variable = "GRANTWAY_TEST_ORACLE_URL"
    default = "oracle://system@127.0.0.1:1521/FREEPDB1"
    has_group_deadline = False
    describe_sql = (
        (
            "SELECT table_name, column_name, column_id, data_type, data_length, char_used, nullable, identity_column "
            "FROM user_tab_columns WHERE table_name <> 'GRANTWAY_MIGRATION'"
        ),
        (
            "SELECT i.table_name, i.uniqueness, c.column_position, c.column_name FROM user_indexes i "
            "JOIN user_ind_columns c ON c.index_name = i.index_name"
        ),
    )
    lock_table = "LOCK TABLE authorization IN EXCLUSIVE MODE"
    lock_row = "SELECT 1 FROM authorization FOR UPDATE"

    def build_create(self, name: str) -> str:
        return f'CREATE USER {name} IDENTIFIED BY "secret-word" QUOTA UNLIMITED ON users'

    def create(self) -> str:
        name = f"grantway_test_{secrets.token_hex(6)}"
        self.run(self.build_create(name))
        self.run(f"GRANT CREATE SESSION, CREATE TABLE, CREATE SEQUENCE TO {name}")
        return self.url.set(username=name, password="secret-word").render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        self.kill_connections(url)
        self.run(f"DROP USER {make_url(url).username} CASCADE")

    def empty(self, url: str) -> None:
        for (table,) in self.run("SELECT table_name FROM user_tables", url):
            if table not in ("ALEMBIC_VERSION", "GRANTWAY_MIGRATION"):
                self.run(f'DELETE FROM "{table}"', url)

    def kill_connections(self, url: str) -> None:
        name = str(make_url(url).username).upper()
        found = self.run(f"SELECT sid, serial# FROM v$session WHERE username = '{name}'")
        for sid, serial in found:
            try:
                self.run(f"ALTER SYSTEM KILL SESSION '{sid},{serial}' IMMEDIATE")
            except oracledb.DatabaseError as error:
                if oracle.find_code(error) not in ("ORA-00030", "DPY-4011"):  # it has gone by itself, or is about to
                    raise

    async def connect(self, url: str) -> Any:
        return await oracle.connect(url, timeout=10)

    async def ask(self, connection: Any, sql: str) -> list[Any]:
        if sql == "BEGIN":
            return []
        with connection.cursor() as cursor:
            await cursor.execute(sql)
            rows = await cursor.fetchall() if cursor.description else []
        if not rows and not sql.startswith(("SELECT", "LOCK")):
            await connection.commit()
        return list(rows)

    async def close(self, connection: Any) -> None:
        await connection.close()


if os.environ.get(OracleServer.variable):

    @pytest.fixture(scope="session")
    def oracle_server() -> OracleServer:
        return OracleServer()

    class TestOracle(ServerContract):
        fixture = "oracle_server"


def build_link() -> oracle.OracleLink:
    """One that never asks its connection anything."""
    connector = oracle.OracleConnector(URL, 1)
    compiled = connector.compile()
    return oracle.OracleLink(None, compiled, connector._inputs, dict.fromkeys(compiled, 0), FakeClock())


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_cannot_be_reached_is_unavailable_in_time(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_server, "CONNECT_TIMEOUT", 1.0)
    check_unavailable_in_time(way, "oracle://grantway:secret-word@127.0.0.1:{port}/service")


def build_error(code: int, kind: type[Exception] = oracledb.DatabaseError) -> Exception:
    """What oracledb raises for an error of the server."""
    return kind(oracledb_errors._Error(f"ORA-{code:05}: what the server says", code=code))


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (60, "again"),  # deadlock
        (8177, "again"),  # cannot serialize
        (54, "blocked"),  # resource busy
        (28, "lost"),  # session killed
        (1012, "lost"),  # not logged on
        (1089, "lost"),  # shutting down
        (3113, "lost"),  # end of file
        (3135, "lost"),  # lost contact
        (12570, "lost"),  # packet reader
        (1033, "unavailable"),  # starting
        (1013, "unavailable"),  # cancelled
        (1653, "unavailable"),  # tablespace full
        (257, "unavailable"),  # archiver
        (16000, "unavailable"),  # open for reading
        (4031, "unavailable"),  # shared memory
        (12520, "unavailable"),  # no handler
        (1, None),  # taken: the caller's affair
        (942, None),  # no table: a mistake
        (1400, None),  # NULL: a mistake
    ],
)
def test_each_error_of_the_server_means_what_it_means_elsewhere(code: int, trouble: str | None) -> None:
    assert oracle.classify(build_error(code)) == trouble


def test_errors_of_the_driver_are_classified_too() -> None:
    def build(number: int, **values: Any) -> Exception:
        return oracledb_errors._create_exception(number, **values)

    assert oracle.classify(build(oracledb_errors.ERR_CONNECTION_CLOSED)) == "lost"
    assert oracle.classify(build(oracledb_errors.ERR_NOT_CONNECTED)) == "lost"
    assert oracle.classify(build(oracledb_errors.ERR_CALL_TIMEOUT_EXCEEDED, timeout=5)) == "unavailable"
    assert oracle.classify(build(oracledb_errors.ERR_WRONG_NUMBER_OF_POSITIONAL_BINDS)) is None
    assert oracle.classify(ConnectionResetError()) == "lost"
    assert oracle.classify(ValueError()) is None
    assert schema_vendors.is_lock_timeout(build_error(54))
    assert not schema_vendors.is_lock_timeout(build_error(60))


@pytest.mark.parametrize("code", [1017, 12514, 28000, 28001])
def test_a_refused_name_password_or_service_is_a_mistake_of_the_settings(code: int) -> None:
    assert oracle.find_code(build_error(code)) in oracle.REFUSED
    assert oracle.classify(build_error(code)) is None


def test_a_parameter_of_the_url_is_known_or_refused() -> None:
    with pytest.raises(ConfigurationError, match="sid") as caught:
        open_at(URL + "?sid=x")
    assert "secret-word" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="twice"):
        open_at(URL + "?protocol=tcp&protocol=tcps")
    arguments = oracle.build_arguments("oracle://grantway:p%40ss@host/service?protocol=tcps", 5)
    assert arguments["password"] == "p@ss"
    params = oracledb.ConnectParams(**{name: value for name, value in arguments.items() if name != "stmtcachesize"})
    text = params.get_connect_string()
    assert "(PROTOCOL=tcps)" in text
    assert "(PORT=1521)" in text
    assert "(SERVICE_NAME=service)" in text


def test_what_the_driver_refuses_is_a_configuration_error() -> None:
    async def start() -> None:
        with pytest.raises(ConfigurationError, match=r"database\.url"):
            await open_at(URL + "?protocol=pigeon").start()

    asyncio.run(start())


def test_the_driver_has_every_call_that_is_made() -> None:
    execute = inspect.signature(oracledb.AsyncCursor.execute).parameters
    assert "fetch_lobs" in execute
    for name in ("executemany", "fetchall", "setinputsizes", "var", "close", "__enter__"):
        assert hasattr(oracledb.AsyncCursor, name), name
    for name in ("execute", "fetchall", "close", "cursor", "terminate", "call_timeout"):
        assert hasattr(oracledb.AsyncConnection, name), name
    known = inspect.signature(oracledb.connect_async).parameters
    assert set(oracle.build_arguments(URL, 1)) <= set(known)


def test_without_its_package_oracle_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "oracledb", None)
    with pytest.raises(ConfigurationError, match=r"grantway\[oracle\]"):
        open_at(URL)


@pytest.mark.threat("T35")
def test_no_empty_text_is_ever_stored() -> None:
    """On Oracle it would be NULL, and equal to nothing."""
    rows = [
        records.build_client_row(build_client(client_name="", owner="", scope=(), metadata={"a": ""})),
        records.build_authorization_row(build_authorization(scope=(), nonce="", code_challenge="", acr="")),
        records.build_session_row(build_session(user_agent="", address="")),
    ]
    for row in rows:
        assert "" not in row.values()
        assert b"" not in row.values()
    for build in (
        lambda: records.build_subject_row(build_subject(username_key="")),
        lambda: records.build_authorization_row(build_authorization(subject="")),
        lambda: records.build_session_row(build_session("")),
    ):
        with pytest.raises(Unprocessable, match="empty"):
            build()
    stored = records.parse_authorization(tuple(rows[1].values()))
    assert (stored.nonce, stored.scope) == ("", ())


@pytest.mark.threat("T36")
def test_what_is_too_long_to_compare_equals_nothing() -> None:
    link = build_link()
    assert run(link.fetch(sql.LOAD_CLIENT, tenant="default", client_id="x" * 1001)) == ()
    with pytest.raises(Unprocessable):
        run(link.execute(sql.DELETE_CLIENT, tenant="default", client_id="ü" * 1001))


def test_every_parameter_that_may_be_null_has_its_type() -> None:
    """A NULL without one is a text to Oracle, and COALESCE of a text and a number an error."""
    compiled = build_link()._compiled
    for one in compiled.values():
        types = oracle.find_input_types(oracledb, one.types)
        assert len(types) == len(one.names)
        for name, type_ in zip(one.names, types, strict=True):
            if name.endswith("_at") or name in ("now", "limit", "generation", "version", "keep_until", "not_before"):
                assert type_ is oracledb.DB_TYPE_NUMBER, one.text
            if name in ("tenant", "client_id", "subject", "session_id"):
                assert type_ == oracle.LONGEST_PARAMETER, one.text
            if name.endswith("digest"):
                assert type_ is oracledb.DB_TYPE_RAW, one.text
