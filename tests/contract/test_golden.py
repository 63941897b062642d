"""What is sent to each of the six databases is what the golden files say, and each of them could read it.

After a change that is meant: ``python -m tests.contract.golden``.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.types import NullType

from grantway.storage.sql import oracle_dialect
from grantway.storage.sql.statements import Compiled
from grantway.storage.sql.tables import METADATA
from grantway.storage.sql.types import Identifier

from . import golden

FILES = golden.build_files()
PLACES = {
    "sqlite": r"\?",
    "mysql": r"\?",
    "mariadb": r"\?",
    "mssql": r"\?",
    "postgresql": r"\$\d+",
    "oracle": r":\d+",
}
NOT_THERE = {
    "sqlite": r"\bTOP\b|FETCH FIRST|NOW\(\)",
    "postgresql": r"\bTOP\b|`",
    "mysql": r"\bRETURNING\b|FETCH FIRST|ON CONFLICT|\bTOP\b",
    "mariadb": r"FETCH FIRST|ON CONFLICT|\bTOP\b",
    "oracle": r"\bLIMIT\b|ON CONFLICT|ON DUPLICATE|\bBOOLEAN\b|\btrue\b|\bfalse\b|\bTEXT\b|\bBIGINT\b|'{2}",
    "mssql": r"\bLIMIT\b|ON CONFLICT|ON DUPLICATE|\bBOOLEAN\b|\btrue\b|\bfalse\b|\bTEXT\b|\bRETURNING\b|TOP \?",
}
"""Words that only other databases know."""


def iterate_statements() -> Iterator[tuple[str, str, Compiled]]:
    for database in golden.DATABASES:
        for name, compiled in golden.compile_for(database).items():
            yield database, name, compiled


@pytest.mark.parametrize("name", FILES)
def test_a_golden_file_is_up_to_date(name: str) -> None:
    path = golden.GOLDEN / name
    assert path.exists(), "run `python -m tests.contract.golden`"
    assert path.read_text(encoding="utf-8") == FILES[name], "run `python -m tests.contract.golden`"


def test_nothing_else_lies_among_the_golden_files() -> None:
    assert {path.relative_to(golden.GOLDEN).as_posix() for path in golden.GOLDEN.rglob("*.sql")} == set(FILES)
    assert {name.partition("/")[0] for name in FILES} == set(golden.DATABASES)


def test_every_statement_is_complete_before_it_meets_a_connection() -> None:
    counts: Counter[str] = Counter()
    for database, name, compiled in iterate_statements():
        counts[database] += 1
        where = f"{database} {name}: {compiled.text}"
        assert "POSTCOMPILE" not in compiled.text, where  # SQLAlchemy would put a value in before it sends this
        assert "%(" not in compiled.text, where
        assert not re.search(r":[a-z_]", compiled.text), where
        places = re.findall(PLACES[database], compiled.text)
        if database in ("postgresql", "oracle"):
            assert {int(place[1:]) for place in places} == set(range(1, len(compiled.names) + 1)), where
        else:
            assert len(places) == len(compiled.names), where
        if database == "oracle":  # values are bound by their order
            assert places == [f":{number}" for number in range(1, len(places) + 1)], where
        assert not re.search(NOT_THERE[database], compiled.text), where
    assert len(set(counts.values())) == 1
    assert counts["oracle"] > 100


def test_no_definition_has_words_of_another_database() -> None:
    for database in golden.DATABASES:
        for name in ("schema", "migrations"):
            assert not re.search(NOT_THERE[database], FILES[f"{database}/{name}.sql"]), database


def test_a_parameter_without_a_type_is_a_number() -> None:
    """The drivers of Oracle and SQL Server bind it as one."""
    untyped = {
        parameter
        for database, _, compiled in iterate_statements()
        if database in ("oracle", "mssql")
        for parameter, type_ in zip(compiled.names, compiled.types, strict=True)
        if isinstance(type_, NullType)
    }
    assert untyped <= {"limit", "skip", "now", "ends_at", "not_before", "keep_until"}


@pytest.mark.threat("T35")
def test_no_identifier_is_compared_as_text_on_sql_server() -> None:
    """It would pad with blanks, and most collations do not tell cases apart."""
    identifiers = {
        f"{table.name}.{column.name}"
        for table in METADATA.tables.values()
        for column in table.columns
        if isinstance(column.type, Identifier)
    }
    assert len(identifiers) > 30
    found = set()
    for name, body in re.findall(r"CREATE TABLE \[?(\w+)\]? \((.*?)\n\)", FILES["mssql/schema.sql"], re.DOTALL):
        columns = re.findall(r"^\s+\[?(\w+)\]? VARBINARY\(\d+\)", body, re.MULTILINE)
        found |= {f"{name}.{column}" for column in columns}
    assert identifiers == found
    for name in ("schema", "migrations"):
        text_columns = re.findall(r"\[?(\w+)\]? N?VARCHAR", FILES[f"mssql/{name}.sql"])
        assert set(text_columns) == {"document", "public_jwk", "version_num"}


@pytest.mark.threat("T36")
def test_the_longest_keys_fit_the_index_of_each_database() -> None:
    """Oracle refuses an index whose columns could be longer; SQL Server refuses the row, where a key is all emoji."""
    for table in METADATA.tables.values():
        for columns in (table.primary_key.columns, *(index.columns for index in table.indexes)):
            lengths = [column.type.length for column in columns if isinstance(column.type, Identifier)]
            assert sum(lengths) * 4 + 64 < 6398, table.name
            assert sum(lengths) + 64 < 1700, table.name


def test_oracle_s_reserved_words_are_quoted() -> None:
    reserved = oracle_dialect.OracleDialect.preparer.reserved_words
    text = FILES["oracle/schema.sql"] + FILES["oracle/statements.sql"] + FILES["oracle/migrations.sql"]
    names = {table.name for table in METADATA.tables.values()}
    names |= {column.name for table in METADATA.tables.values() for column in table.columns}
    names |= {str(index.name) for table in METADATA.tables.values() for index in table.indexes}
    assert "session" in names & reserved
    for name in names & reserved:
        assert f'"{name}"' in text
        assert not re.search(rf"(FROM|INTO|UPDATE|ON|TABLE) {name}\b", text)
    assert all(len(name) <= 30 for name in names)


if os.environ.get("GRANTWAY_TEST_SOAK") == "1":

    @pytest.mark.parametrize(("database", "dialect"), [("oracle", "oracle"), ("mssql", "tsql")])
    def test_an_outside_parser_reads_what_no_server_here_does(database: str, dialect: str) -> None:
        """sqlfluff knows no numbers for parameters and no question marks, so they get names; nor Oracle's OFFSET."""
        assert importlib.util.find_spec("sqlfluff"), "pip install --group test"
        import sqlfluff
        from sqlfluff.core import FluffConfig

        config = FluffConfig(overrides={"dialect": dialect, "large_file_skip_byte_limit": 0})
        statements = FILES[f"{database}/statements.sql"]
        named = re.sub(r":(\d)", r":p\1", statements) if database == "oracle" else re.sub(r"\?", "@p", statements)
        named = re.sub(r"OFFSET :p\d+ ROWS\s", "", named)
        sqlfluff.parse(named, config=config)
        sqlfluff.parse(FILES[f"{database}/schema.sql"].replace("\n\n", ";\n\n"), config=config)


def test_the_golden_files_are_written_where_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "GOLDEN", tmp_path)
    assert golden.main() == 0
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.sql")} == set(FILES)
