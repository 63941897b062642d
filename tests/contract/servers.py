"""Databases of their own for tests, on a server that this machine has or that ``GRANTWAY_TEST_…_URL`` names."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, TypeVar

import asyncmy
import asyncpg
from sqlalchemy.engine import URL, make_url

T = TypeVar("T")
CONNECT_TIMEOUT = 30
"""How long a busy machine may take, seconds."""


class Server(ABC):
    """A database server on which tests may make and drop databases."""

    name: ClassVar[str]
    variable: ClassVar[str]
    default: ClassVar[str]
    has_group_deadline: ClassVar[bool]
    """Whether a group of writes goes on without the one that waits for a row of somebody else's."""
    describe_sql: ClassVar[tuple[str, ...]]
    lock_table: ClassVar[str]
    lock_row: ClassVar[str]
    """Keep others from every authorization."""

    def __init__(self) -> None:
        self.url: URL = make_url(os.environ.get(self.variable, self.default))

    def find_missing(self) -> str | None:
        """What to say where the server does not answer."""
        try:
            self.run("SELECT 1")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncmy.errors.MySQLError) as error:
            return f"{self.name} does not answer at {self.url!r} ({error}). Start it, or set {self.variable}."
        return None

    def create(self) -> str:
        """The URL of a new database."""
        name = f"grantway_test_{secrets.token_hex(6)}"
        self.run(self.build_create(name))
        return self.url.set(database=name).render_as_string(hide_password=False)

    def run(self, sql: str, url: str | None = None) -> list[Any]:
        """What a statement returns, on a connection of its own."""

        async def ask() -> list[Any]:
            connection = await self.connect(url or self.url.render_as_string(hide_password=False))
            try:
                return await self.ask(connection, sql)
            finally:
                await self.close(connection)

        return run(ask())

    def describe(self, url: str) -> list[Any]:
        """What the server itself says of every table and index."""
        return [sorted(map(repr, self.run(sql, url))) for sql in self.describe_sql]

    @contextmanager
    def holding(self, sql: str, url: str) -> Iterator[None]:
        """Keeps a transaction open that has run ``sql``."""
        is_held, is_over = threading.Event(), threading.Event()

        async def hold() -> None:
            connection = await self.connect(url)
            await self.ask(connection, "BEGIN")
            await self.ask(connection, sql)
            is_held.set()
            await asyncio.to_thread(is_over.wait, 60)
            await self.ask(connection, "ROLLBACK")
            await self.close(connection)

        thread = threading.Thread(target=lambda: asyncio.run(hold()))
        thread.start()
        try:
            assert is_held.wait(10)
            yield
        finally:
            is_over.set()
            thread.join()

    @abstractmethod
    def build_create(self, name: str) -> str: ...

    @abstractmethod
    def drop(self, url: str) -> None: ...

    @abstractmethod
    def empty(self, url: str) -> None:
        """Leaves the schema and nothing in it; a TRUNCATE would take longer than all of a test."""

    @abstractmethod
    def kill_connections(self, url: str) -> None:
        """Ends every other connection to this database."""

    @abstractmethod
    async def connect(self, url: str) -> Any: ...

    @abstractmethod
    async def ask(self, connection: Any, sql: str) -> list[Any]: ...

    @abstractmethod
    async def close(self, connection: Any) -> None: ...


class PostgresServer(Server):
    """PostgreSQL."""

    name = "PostgreSQL"
    variable = "GRANTWAY_TEST_POSTGRES_URL"
    default = "postgresql://postgres@127.0.0.1:5432/postgres"
    has_group_deadline = True
    describe_sql = (
        (
            "SELECT table_name, column_name, ordinal_position, data_type, character_maximum_length, collation_name, "
            "is_nullable, is_identity, identity_generation, column_default FROM information_schema.columns "
            "WHERE table_schema = 'public'"
        ),
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    )
    lock_table = 'LOCK TABLE "authorization" IN ACCESS EXCLUSIVE MODE'
    lock_row = 'SELECT 1 FROM "authorization" FOR UPDATE'

    def build_create(self, name: str) -> str:
        # The template and a collation that is not ours: they must not decide how identifiers are compared.
        return f"CREATE DATABASE {name} ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' TEMPLATE template0"

    def drop(self, url: str) -> None:
        self.run(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def empty(self, url: str) -> None:
        self.run(_EMPTY_POSTGRES, url)

    def kill_connections(self, url: str) -> None:
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            url,
        )

    async def connect(self, url: str) -> Any:
        return await asyncpg.connect(url, timeout=CONNECT_TIMEOUT)

    async def ask(self, connection: Any, sql: str) -> list[Any]:
        if not sql.startswith("SELECT"):
            await connection.execute(sql)
            return []
        return [tuple(row) for row in await connection.fetch(sql)]

    async def close(self, connection: Any) -> None:
        await connection.close()


class MariadbServer(Server):
    """MariaDB or MySQL."""

    name = "MariaDB"
    variable = "GRANTWAY_TEST_MARIADB_URL"
    default = "mariadb://root@127.0.0.1:3306/mysql"
    has_group_deadline = False
    describe_sql = (
        (
            "SELECT table_name, column_name, ordinal_position, column_type, collation_name, is_nullable, extra, "
            "column_default FROM information_schema.columns WHERE table_schema = DATABASE()"
        ),
        (
            "SELECT table_name, index_name, seq_in_index, column_name, non_unique FROM information_schema.statistics "
            "WHERE table_schema = DATABASE()"
        ),
    )
    lock_table = "SELECT 1 FROM authorization FOR UPDATE"
    lock_row = lock_table

    def build_create(self, name: str) -> str:
        # The worst default on purpose: it must not decide how identifiers are compared.
        return f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"

    def drop(self, url: str) -> None:
        self.run(f"DROP DATABASE {make_url(url).database}")

    def empty(self, url: str) -> None:
        async def work() -> None:
            connection = await self.connect(url)
            for (table,) in await self.ask(connection, "SHOW TABLES"):
                if table != "alembic_version":
                    await self.ask(connection, f"DELETE FROM `{table}`")
            await self.close(connection)

        run(work())

    def kill_connections(self, url: str) -> None:
        async def work() -> None:
            connection = await self.connect(url)
            found = await self.ask(
                connection,
                "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
            )
            for (number,) in found:
                with suppress(asyncmy.errors.OperationalError, asyncmy.errors.InternalError):  # it has gone by itself
                    await self.ask(connection, f"KILL {number}")
            await self.close(connection)

        run(work())

    async def connect(self, url: str) -> Any:
        parts = make_url(url)
        return await asyncmy.connect(
            host=parts.host,
            port=parts.port or 3306,
            user=parts.username,
            password=parts.password or "",
            database=parts.database,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
        )

    async def ask(self, connection: Any, sql: str) -> list[Any]:
        async with connection.cursor() as cursor:
            await cursor.execute(sql)
            return list(await cursor.fetchall() or ())

    async def close(self, connection: Any) -> None:
        await connection.ensure_closed()


_EMPTY_POSTGRES = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
END $$
"""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """To its end, in a thread: the contract opens stores from within an event loop."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, coroutine).result()
