"""The schema's versions: made at once or step by step it is the same, and nobody can leave it half-way."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from grantway.config import DatabaseSettings, Settings
from grantway.errors import ConfigurationError, SchemaError
from grantway.storage import open_store
from grantway.storage.sql import schema
from grantway.storage.sql.tables import METADATA
from grantway.testing.clock import FakeClock


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def describe(path: Path) -> dict[str, object]:
    """What SQLite itself says of every table and index, whatever the wording they were made with."""
    description: dict[str, object] = {}
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        for kind, name in names:
            if kind == "table":
                description[name] = (
                    connection.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)).fetchall(),
                    connection.execute("SELECT wr, strict FROM pragma_table_list(?)", (name,)).fetchall(),
                    sorted(
                        (row[1:4], connection.execute("SELECT * FROM pragma_index_xinfo(?)", (row[1],)).fetchall())
                        for row in connection.execute("SELECT * FROM pragma_index_list(?)", (name,)).fetchall()
                    ),
                )
        definitions = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        for name, sql in definitions:
            description["sql " + name] = "".join(sql.split())
        description["version"] = schema.read_sqlite_version(connection)
    return description


def migrate_step_by_step(path: Path) -> None:
    """Makes the schema with Alembic alone: a database that is not quite empty does not take the short way."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE stranger (x)")
    schema.upgrade(url_of(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE stranger")


def test_a_fresh_schema_is_the_migrated_schema(tmp_path: Path) -> None:
    fresh, migrated = tmp_path / "fresh.db", tmp_path / "migrated.db"
    schema.upgrade(url_of(fresh))
    migrate_step_by_step(migrated)
    assert describe(fresh) == describe(migrated)
    assert len(describe(fresh)) > 20


def test_the_known_revisions_are_those_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    found = [revision.revision for revision in script.walk_revisions()]
    assert tuple(reversed(found)) == schema.REVISIONS
    assert script.get_current_head() == schema.HEAD


def test_a_schema_goes_up_and_down_and_up_again(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    url = url_of(path)
    assert schema.status(url) == schema.SchemaStatus(None, schema.HEAD, schema.REVISIONS)
    assert schema.upgrade(url) == schema.SchemaStatus(schema.HEAD, schema.HEAD, ())
    first = describe(path)
    assert schema.downgrade(url, len(schema.REVISIONS)).pending == schema.REVISIONS
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables <= {"alembic_version", "sqlite_sequence"}
    assert schema.upgrade(url).pending == ()
    assert describe(path) == first


def test_more_steps_down_than_there_are_is_refused(tmp_path: Path) -> None:
    url = url_of(tmp_path / "a.db")
    schema.upgrade(url)
    with pytest.raises(SchemaError, match="Cannot undo"):
        schema.downgrade(url, len(schema.REVISIONS) + 1)
    assert schema.status(url).current == schema.HEAD


def test_upgrading_what_is_up_to_date_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    schema.upgrade(url_of(path))
    before = describe(path)
    schema.upgrade(url_of(path))
    assert describe(path) == before


def test_an_unknown_revision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no migration '9999'"):
        schema.upgrade(url_of(tmp_path / "a.db"), "9999")


def test_a_database_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    schema.upgrade(url_of(path))
    assert path.stat().st_mode & 0o777 == 0o600


def test_check_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    url = url_of(path)
    with pytest.raises(SchemaError, match="grantway migrate up"):
        schema.check(url)
    schema.upgrade(url)
    schema.check(url)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'future'")
    with pytest.raises(SchemaError, match="newer than this version"):
        schema.check(url)
    with pytest.raises(SchemaError, match="newer than this version"):
        schema.upgrade(url)


def test_a_store_does_not_start_on_a_missing_schema(tmp_path: Path) -> None:
    async def start(path: Path) -> None:
        settings = Settings(database=DatabaseSettings(url=url_of(path)))
        store = open_store(settings, FakeClock())
        with pytest.raises(SchemaError, match="grantway migrate up"):
            await store.start()
        await store.stop()

    asyncio.run(start(tmp_path / "missing.db"))
    assert not (tmp_path / "missing.db").exists()
    (tmp_path / "empty.db").touch()
    asyncio.run(start(tmp_path / "empty.db"))


@pytest.mark.parametrize(
    "url",
    [
        "oracle+cx_oracle://localhost/grantway",
        "oracle://localhost",
        "postgresql+psycopg2://localhost/grantway",
        "postgresql://localhost",
        "sqlite+aiosqlite:///a.db",
        "mssql+pyodbc://localhost/grantway",
        "mssql://localhost",
        "sqlite:///a.db?mode=ro",
        "sqlite://host/a.db",
        "nonsense",
    ],
)
def test_a_database_without_a_driver_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"database\.url"):
        open_store(Settings(database=DatabaseSettings(url=url)), FakeClock())


def test_a_path_that_cannot_be_opened_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot open"):
        schema.upgrade(url_of(tmp_path / "no" / "such" / "folder.db"))
    (tmp_path / "text.db").write_text("this is no database, but it is long enough to look like one" * 20)
    with pytest.raises(ConfigurationError, match="not a database"):
        schema.upgrade(url_of(tmp_path / "text.db"))


def _upgrade(path: str, barrier: object) -> None:
    barrier.wait(30)  # type: ignore[attr-defined]
    migrate = schema.upgrade(f"sqlite:///{path}")
    os._exit(0 if migrate.current == schema.HEAD else 1)


@pytest.mark.parametrize("is_empty", [True, False])
def test_two_upgrades_at_once_make_one_schema(tmp_path: Path, is_empty: bool) -> None:
    path = tmp_path / "a.db"
    if not is_empty:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE stranger (x)")
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=_upgrade, args=(str(path), barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    schema.check(url_of(path))


def test_an_upgrade_that_breaks_off_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE stranger (x)")
    from alembic import op

    create_index = op.create_index

    def break_off(name: str, *args: object, **options: object) -> None:
        if name == "ix_change_created":
            raise KeyboardInterrupt
        create_index(name, *args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_index", break_off)
        with pytest.raises(KeyboardInterrupt):
            schema.upgrade(url_of(path))
    with closing(sqlite3.connect(path)) as connection:
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["stranger"]
    assert schema.upgrade(url_of(path)).pending == ()


@pytest.mark.threat("T35")
@pytest.mark.parametrize(
    ("name", "collation"),
    [
        ("sqlite+pysqlite", ""),
        ("postgresql+asyncpg", 'COLLATE "C"'),
        ("mysql+asyncmy", "COLLATE utf8mb4_0900_bin"),
        ("mariadb+asyncmy", "COLLATE utf8mb4_nopad_bin"),
        ("oracle+oracledb", "VARCHAR2(255 CHAR)"),
        ("mssql+pyodbc", "VARBINARY(1020)"),
    ],
)
def test_one_definition_serves_every_dialect_and_compares_bytes(name: str, collation: str) -> None:
    dialect = make_url(f"{name}://").get_dialect()()
    definitions = schema.build_definitions(dialect)
    assert len(definitions) == len(METADATA.tables) + sum(len(table.indexes) for table in METADATA.tables.values()) + 1
    assert all(collation in text for text in definitions if "client_id" in text and "CREATE TABLE" in text)
