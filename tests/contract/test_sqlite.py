"""The store's contract on SQLite, and what is SQLite's own: durability, group commit, faults."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from grantway.config import DatabaseSettings, Settings
from grantway.errors import StoreUnavailable
from grantway.ports import Store
from grantway.storage import open_store
from grantway.storage.sql import schema, sqlite
from grantway.storage.sql.store import SqlStore
from grantway.testing.clock import FakeClock
from grantway.testing.store_contract import StoreContract
from grantway.testing.store_samples import NOW, TENANT, build_authorization, build_client, build_tenant

SOAK = os.environ.get("GRANTWAY_TEST_SOAK") == "1"


def open_file(path: Path, clock: FakeClock, timeout: int = 30) -> SqlStore:
    return open_store(Settings(database=DatabaseSettings(url=f"sqlite:///{path}", timeout=timeout)), clock)


class TestSqliteFile(StoreContract):
    rounds = 200 if SOAK else 4

    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = tmp_path / "grantway.db"

    def open_store(self, clock: FakeClock) -> Store:
        schema.upgrade(f"sqlite:///{self.path}")
        return open_file(self.path, clock)


class TestSqliteMemory(StoreContract):
    rounds = 200 if SOAK else 4

    def open_store(self, clock: FakeClock) -> Store:
        return open_store(Settings(database=DatabaseSettings(url="sqlite://")), clock)


def run_on(path: Path, scenario: Callable[[SqlStore], Coroutine[Any, Any, None]], timeout: int = 30) -> None:
    async def run() -> None:
        schema.upgrade(f"sqlite:///{path}")
        store = open_file(path, FakeClock(NOW), timeout)
        await store.start()
        try:
            await scenario(store)
        finally:
            await store.stop()

    asyncio.run(run())


def connection_of(store: SqlStore) -> sqlite3.Connection:
    driver = store._driver
    assert isinstance(driver, sqlite.SqliteDriver)
    return driver._transactions[0].connection


def test_the_database_is_opened_durable(tmp_path: Path) -> None:
    async def scenario(store: SqlStore) -> None:
        connection = connection_of(store)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)

    run_on(tmp_path / "a.db", scenario)


def test_writes_that_wait_are_committed_together(tmp_path: Path) -> None:
    commits: list[str] = []

    async def scenario(store: SqlStore) -> None:
        connection_of(store).set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        await asyncio.gather(*(store.insert_client(build_client(f"c{number}")) for number in range(100)))

    run_on(tmp_path / "a.db", scenario)
    assert 1 <= len(commits) < 30


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    async def write(store: SqlStore) -> None:
        await store.insert_tenant(build_tenant())
        await store.insert_client(build_client())

    async def read(store: SqlStore) -> None:
        assert await store.load_client(TENANT, "shop") == build_client()

    run_on(path, write)
    run_on(path, read)


def test_a_locked_database_is_unavailable_in_time_and_recovers(tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    async def scenario(store: SqlStore) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await store.insert_client(build_client())
            assert time.monotonic() - began < 4
            assert await store.load_client(TENANT, "shop") is None  # reads go on
            other.execute("ROLLBACK")
        await store.insert_client(build_client())

    run_on(path, scenario, timeout=1)


def test_a_write_nobody_waits_for_any_more_does_not_happen(tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    async def scenario(store: SqlStore) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            first = asyncio.ensure_future(store.insert_client(build_client("first")))
            await asyncio.sleep(0.05)  # it waits for the lock now, the next ones wait behind it
            late = [asyncio.ensure_future(store.insert_client(build_client(f"late{n}"))) for n in range(3)]
            await asyncio.sleep(0)
            for task in late:
                task.cancel()
            other.execute("ROLLBACK")
        await first
        await store.insert_client(build_client("last"))
        assert [client.client_id for client in (await store.list_clients(TENANT)).items] == ["first", "last"]

    run_on(path, scenario)


def test_a_full_disk_is_unavailable_and_nothing_of_the_batch_is_told_to_be_stored(tmp_path: Path) -> None:
    async def scenario(store: SqlStore) -> None:
        connection = connection_of(store)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        big = {"x": "y" * 20_000}
        heard: list[object] = []
        store.on_change(heard.extend)
        results = await asyncio.gather(
            store.insert_client(build_client("small")),
            store.insert_client(build_client("big", metadata=big)),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [StoreUnavailable, StoreUnavailable]
        assert heard == []
        assert (await store.list_clients(TENANT)).items == ()
        connection.execute("PRAGMA max_page_count = 1000000")
        await store.insert_client(build_client("big", metadata=big))

    run_on(tmp_path / "a.db", scenario)


def test_a_read_only_database_is_unavailable_for_writes_alone(tmp_path: Path) -> None:
    async def scenario(store: SqlStore) -> None:
        await store.insert_client(build_client())
        connection_of(store).execute("PRAGMA query_only = ON")
        with pytest.raises(StoreUnavailable):
            await store.insert_client(build_client("two"))
        assert await store.load_client(TENANT, "shop") is not None
        connection_of(store).execute("PRAGMA query_only = OFF")
        await store.insert_client(build_client("two"))

    run_on(tmp_path / "a.db", scenario)


def test_a_corrupt_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    async def write(store: SqlStore) -> None:
        await asyncio.gather(*(store.insert_client(build_client(f"c{number:03}")) for number in range(300)))

    async def read(store: SqlStore) -> None:
        with pytest.raises(StoreUnavailable):
            await store.list_clients(TENANT, limit=1000)

    schema.upgrade(f"sqlite:///{path}")
    size = path.stat().st_size
    run_on(path, write)
    data = bytearray(path.read_bytes())
    for start in range(size, len(data), 4096):  # what the rows took; the schema stays whole
        data[start : start + 200] = b"\xaa" * 200
    path.write_bytes(data)
    run_on(path, read)


def test_a_mistake_in_the_program_is_not_taken_for_a_fault_of_the_database(tmp_path: Path) -> None:
    async def scenario(store: SqlStore) -> None:
        with pytest.raises(sqlite3.IntegrityError):
            await store.insert_authorization(build_authorization(created_at=None))
        with pytest.raises(ValueError, match="needs a subject"):
            await store.revoke_authorizations(TENANT, now=NOW, keep_until=NOW)
        await store.insert_authorization(build_authorization())

    run_on(tmp_path / "a.db", scenario)


def test_too_many_waiting_calls_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "MAX_WAITING", 8)
    path = tmp_path / "a.db"

    async def scenario(store: SqlStore) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writes = [asyncio.ensure_future(store.insert_client(build_client(f"c{n}"))) for n in range(40)]
            await asyncio.sleep(0.05)
            refused = [task for task in writes if task.done()]
            assert len(refused) >= 20
            assert all(isinstance(task.exception(), StoreUnavailable) for task in refused)
            other.execute("ROLLBACK")
        await asyncio.gather(*writes, return_exceptions=True)
        assert len((await store.list_clients(TENANT)).items) == 40 - len(refused)

    run_on(path, scenario)


def test_a_stopped_store_has_finished_what_it_accepted_and_takes_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    threads = threading.active_count()

    async def scenario(store: SqlStore) -> None:
        writes = [asyncio.ensure_future(store.insert_client(build_client(f"c{n}"))) for n in range(20)]
        await asyncio.sleep(0)
        await store.stop()
        await store.stop()
        await asyncio.gather(*writes)
        with pytest.raises(StoreUnavailable):
            await store.load_client(TENANT, "c0")
        await store.start()
        assert len((await store.list_clients(TENANT)).items) == 20

    run_on(path, scenario)
    assert threading.active_count() == threads
