"""Databases of the bench's own: made, filled with many rows at once, dropped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from grantway.storage.sql import mysql, postgres
from grantway.storage.sql.schema import parse_sqlite_path

SERVERS = {
    "postgresql": ("GRANTWAY_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
    "mariadb": ("GRANTWAY_TEST_MARIADB_URL", "mariadb://root@127.0.0.1:3306/mysql"),
}
"""The variable that names a server, as for the tests, and the server that is asked where it is not set."""
ROWS_AT_ONCE = 500
TIMEOUT = 60.0

NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a new, empty database."""
    name = f"grantway_bench_{secrets.token_hex(6)}"
    if kind == "sqlite":
        yield f"sqlite:///{folder}/{name}.db"
        return
    server = make_url(os.environ.get(*SERVERS[kind]))
    options = " ENCODING 'UTF8' TEMPLATE template0" if kind == "postgresql" else ""
    ask(server.render_as_string(hide_password=False), f"CREATE DATABASE {name}{options}")
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        forced = " WITH (FORCE)" if kind == "postgresql" else ""
        ask(server.render_as_string(hide_password=False), f"DROP DATABASE {name}{forced}")


def ask(url: str, sql: str) -> list[Sequence[Any]]:
    """What one statement returns."""

    async def work() -> list[Sequence[Any]]:
        if is_postgres(url):
            connection = await postgres.connect(url, timeout=TIMEOUT)
            try:
                return [tuple(row) for row in await connection.fetch(sql)]
            finally:
                await connection.close()
        connection = await mysql.connect(url, timeout=TIMEOUT)
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(sql)
                return list(await cursor.fetchall() or ())
        finally:
            await connection.ensure_closed()

    return asyncio.run(work())


def describe(kind: str) -> str:
    """Name, version, and what was asked of it for a commit that lasts."""
    if kind == "sqlite":
        return f"SQLite {sqlite3.sqlite_version}, WAL, synchronous=FULL"
    url = os.environ.get(*SERVERS[kind])
    if kind == "postgresql":
        ((version,),) = ask(url, "SHOW server_version")
        ((commit,),) = ask(url, "SHOW synchronous_commit")
        ((sync,),) = ask(url, "SHOW fsync")
        return f"PostgreSQL {version.partition(' ')[0]}, synchronous_commit={commit}, fsync={sync}"
    ((version, flush),) = ask(url, "SELECT VERSION(), @@GLOBAL.innodb_flush_log_at_trx_commit")
    return f"MariaDB {version.partition('-')[0]}, innodb_flush_log_at_trx_commit={flush}"


def find_size(url: str) -> float:
    """What the database takes on disk, MB."""
    if url.startswith("sqlite"):
        file = Path(parse_sqlite_path(url) or "")
        return sum(path.stat().st_size for path in file.parent.glob(f"{file.name}*")) / 1024 / 1024
    sql = "SELECT pg_database_size(current_database())"
    if not is_postgres(url):
        sql = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
    return float(ask(url, sql)[0][0]) / 1024 / 1024


def is_postgres(url: str) -> bool:
    return url.startswith("postgres")


def insert_rows(url: str, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Many rows, in the order of ``columns``, in one transaction or a few; past all verbs and the change feed."""
    if url.startswith("sqlite"):
        _insert_sqlite(url, table, columns, rows)
    elif is_postgres(url):
        asyncio.run(_insert_postgres(url, table, columns, rows))
    else:
        asyncio.run(_insert_mysql(url, table, columns, rows))


def _insert_sqlite(url: str, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    marks = ", ".join("?" * len(columns))
    with contextlib.closing(sqlite3.connect(parse_sqlite_path(url) or "")) as connection, connection:
        connection.execute("PRAGMA cache_size = -1000000")  # 1 GB: the indexes are filled in no order
        connection.executemany(f'INSERT INTO "{table}" ({", ".join(columns)}) VALUES ({marks})', rows)
    with contextlib.closing(sqlite3.connect(parse_sqlite_path(url) or "")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("ANALYZE")


async def _insert_postgres(url: str, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    connection = await postgres.connect(url, timeout=TIMEOUT)
    try:
        await connection.copy_records_to_table(table, records=rows, columns=columns)
        await connection.execute(f'VACUUM ANALYZE "{table}"')
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _insert_mysql(url: str, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    connection = await mysql.connect(url, timeout=TIMEOUT)
    marks = f"({', '.join(['%s'] * len(columns))})"
    source = iter(rows)
    try:
        await connection.begin()
        async with connection.cursor() as cursor:
            while batch := list(islice(source, ROWS_AT_ONCE)):
                text = f"INSERT INTO `{table}` ({', '.join(columns)}) VALUES {', '.join([marks] * len(batch))}"
                await cursor.execute(text, [value for row in batch for value in row])
        await connection.commit()
    finally:
        await connection.ensure_closed()
