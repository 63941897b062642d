"""The parts of the SQL store that need no database: schema rules, documents, cursors, statements."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import grantway.storage
from grantway.errors import Unprocessable
from grantway.model import Authorization, Session
from grantway.storage.sql import records, schema, sqlite, statements, tables
from grantway.storage.sql.cursors import build_cursor, build_page, parse_cursor
from grantway.storage.sql.tables import METADATA
from grantway.testing.store_samples import build_authorization, build_client, build_digest

FOLDER = Path(grantway.storage.__file__).parent


@pytest.mark.threat("T153")
def test_the_tenant_begins_every_key() -> None:
    for table in METADATA.tables.values():
        unique = [list(index.columns) for index in table.indexes if index.unique]
        for columns in (list(table.primary_key.columns), *unique):
            first = columns[0].name
            # feed and leases are one for all tenants; two tenants must not share an issuer
            shared = {("change", "sequence"), ("lease", "name"), ("tenant", "issuer")}
            assert first == "tenant" or (table.name, first) in shared


def test_every_expiry_can_be_found_without_reading_the_table() -> None:
    for name, cleaning in statements.CLEANINGS.items():
        table = METADATA.tables[name]
        leading = {next(iter(index.columns)).name for index in table.indexes}
        column = {"revocation": "keep_until", "signing_key": "remove_at", "change": "created_at"}.get(
            name, "expires_at"
        )
        assert column in leading
        assert cleaning.columns == tuple(column.name for column in table.primary_key.columns)


def test_every_look_up_uses_an_index() -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.create_all(connection)
        for name, compiled in statements.compile_statements(schema.build_sqlite_dialect()).items():
            if name == "ping" or name.startswith("insert_"):
                continue
            plan = connection.execute("EXPLAIN QUERY PLAN " + compiled.text, [1] * len(compiled.names)).fetchall()
            steps = [row[3] for row in plan]
            assert not any(step.startswith("SCAN") and step != "SCAN CONSTANT ROW" for step in steps), (
                f"{name}: {steps}"
            )


@pytest.mark.threat("T148")
def test_no_statement_is_put_together_from_text() -> None:
    """Values travel as parameters. What the driver says by itself (PRAGMA, BEGIN …) is constant."""
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in {"execute", "exec_driver_sql", "executescript"}:
                    assert not any(isinstance(argument, ast.JoinedStr | ast.BinOp) for argument in node.args), file
                assert node.func.attr != "text", file


def test_statements_are_compiled_with_positions() -> None:
    compiled = statements.compile_statements(schema.build_sqlite_dialect())
    assert compiled.keys() >= {"redeem_code", "rotate_refresh", "insert_change"}
    for statement in compiled.values():
        assert statement.text.count("?") == len(statement.names)


def test_a_verb_that_waits_is_a_mistake() -> None:
    import asyncio

    async def wait() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waited"):
        sqlite._step(wait())


def test_members_a_document_does_not_know_are_ignored() -> None:
    document: dict[str, Any] = msgspec.json.decode(records.build_document(build_client()))
    document["from_a_later_version"] = True
    assert records.parse_client((msgspec.json.encode(document).decode(),)) == build_client()


@pytest.mark.parametrize(
    ("value", "document", "table"),
    [
        (Authorization, records._AuthorizationDocument, tables.authorization),
        (Session, records._SessionDocument, tables.session),
    ],
)
def test_every_field_of_a_value_is_a_column_or_in_its_document(value: Any, document: Any, table: Any) -> None:
    columns = {column.name for column in table.columns} - {"document"}
    assert columns | set(document.__struct_fields__) == set(value.__struct_fields__)
    assert not columns & set(document.__struct_fields__)


def test_an_authorization_of_an_earlier_version_has_no_claims_of_its_own() -> None:
    row = records.build_authorization_row(build_authorization(token_claims={}, id_token_claims={}))
    assert not {"token_claims", "id_token_claims"} & set(msgspec.json.decode(row["document"]))
    parsed = records.parse_authorization(tuple(row.values()))
    assert (parsed.token_claims, parsed.id_token_claims) == ({}, {})


def test_two_authorizations_without_a_code_do_not_collide() -> None:
    one, two = (build_authorization(name, code_digest=None, code_expires_at=None) for name in ("a", "b"))
    assert records.build_code_digest(one) != records.build_code_digest(two)
    assert len(records.build_code_digest(one)) == 32


def test_a_code_needs_an_end() -> None:
    with pytest.raises(Unprocessable, match="code_expires_at"):
        records.build_code_digest(build_authorization(code_digest=build_digest("x"), code_expires_at=None))


def test_digests_of_different_lists_differ() -> None:
    assert records.build_digest("ab", "c") != records.build_digest("a", "bc")
    assert records.build_digest("a", b"") != records.build_digest("a")


@given(st.text(max_size=60), st.text(min_size=1, max_size=20), st.integers(-(2**63), 2**63 - 1))
def test_a_cursor_gives_back_its_position(name: str, tenant: str, number: int) -> None:
    if not records._is_encodable(name + tenant):
        return
    cursor = build_cursor("listing", tenant, number, name)
    assert cursor.isascii()
    assert parse_cursor(cursor, "listing", tenant, int, str) == (number, name)
    for other in (("other", tenant, int, str), ("listing", tenant + "x", int, str), ("listing", tenant, str, str)):
        with pytest.raises(Unprocessable):
            parse_cursor(cursor, *other)  # type: ignore[arg-type]


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda data: "c1." + data.hex()))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Unprocessable, match="cursor"):
        parse_cursor(text, "listing", "default", str)


@pytest.mark.parametrize(("rows", "items", "has_more"), [(0, 0, False), (2, 2, False), (3, 2, True)])
def test_a_page_knows_whether_there_is_another(rows: int, items: int, has_more: bool) -> None:
    page = build_page([(n,) for n in range(rows)], 2, lambda row: row[0], str)
    assert (len(page.items), page.cursor is not None) == (items, has_more)


def test_starting_a_store_imports_no_migrations() -> None:
    code = (
        "import asyncio, sys\n"
        "from grantway.config import DatabaseSettings, Settings\n"
        "from grantway.storage import open_store\n"
        "from grantway.testing.clock import FakeClock\n"
        "assert 'sqlalchemy' not in sys.modules\n"
        "store = open_store(Settings(database=DatabaseSettings(url='sqlite://')), FakeClock())\n"
        "async def main():\n"
        "    await store.start(); await store.ping(); await store.stop()\n"
        "asyncio.run(main())\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
