"""The store's contract on PostgreSQL behind PgBouncer, which gives every transaction another connection."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from grantway.config import DatabaseSettings, Secret, Settings
from grantway.errors import ConfigurationError, StoreUnavailable
from grantway.model import Change
from grantway.storage import open_store
from grantway.storage.sql import schema
from grantway.storage.sql.postgres import parse_pool_mode
from grantway.storage.sql.store import SqlStore
from grantway.testing.clock import FakeClock
from grantway.testing.store_samples import (
    NOW,
    TENANT,
    build_authorization,
    build_client,
    build_revocation,
    build_tenant,
)

from .pooler import PooledServer, find_missing_pooler, running_pooler
from .server_contract import ServerContract
from .server_store import ServerStore
from .servers import PostgresServer

SOAK = os.environ.get("GRANTWAY_TEST_SOAK") == "1"


@pytest.fixture(scope="session")
def pooled_server(postgres_server: PostgresServer) -> Iterator[PooledServer]:
    missing = find_missing_pooler()
    if missing is not None and os.environ.get("CI"):
        pytest.fail(f"{missing}. CI is set, so this is a failure.", pytrace=False)
    if missing is not None:
        pytest.skip(missing)
    with tempfile.TemporaryDirectory(prefix="grantway-pooler-") as folder, running_pooler(Path(folder)) as server:
        yield server


class TestPgbouncer(ServerContract if SOAK else ServerStore):  # type: ignore[misc]
    fixture = "pooled_server"
    rounds = 200 if SOAK else 1

    @pytest.fixture
    def server_(self) -> PooledServer:
        assert isinstance(self.server, PooledServer)
        return self.server

    @pytest.mark.threat("T21")
    def test_what_may_happen_once_does_while_connections_change_hands(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            for number in range(5):
                names = [f"a{number}.{place}" for place in range(8)]
                await asyncio.gather(*(stores[0].insert_authorization(build_authorization(name)) for name in names))
                calls = [stores[rival % 3].redeem_code(TENANT, name, NOW) for rival in range(24) for name in names]
                assert Counter(await asyncio.gather(*calls)) == {True: 8, False: 8 * 23}

        self.run_nodes(body, nodes=3)

    def test_nothing_is_left_behind_on_a_connection_of_the_pool(self, server_: PooledServer) -> None:
        async def body(stores: list[SqlStore]) -> None:
            for number in range(10):
                writes = [store.insert_client(build_client(f"c{number}.{place}")) for place, store in enumerate(stores)]
                await asyncio.gather(*writes, *(store.load_client(TENANT, "none") for store in stores))

        async def look() -> None:
            connection = await asyncpg.connect(parse_pool_mode(self.url)[0], statement_cache_size=0)
            try:
                for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
                    assert await connection.fetchval(f"SHOW {setting}") == "0"
                assert (
                    await connection.fetch("SELECT name FROM pg_prepared_statements WHERE name LIKE '%asyncpg%'") == []
                )
            finally:
                await connection.close()

        self.run_nodes(body, nodes=3)
        for _ in range(8):
            asyncio.run(look())

    def test_a_statement_that_hangs_is_ended_by_the_server(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            (store,) = stores
            await store.insert_authorization(build_authorization())
            with self.server.holding(self.server.lock_table, self.url):
                began = time.monotonic()
                with pytest.raises(StoreUnavailable):
                    await store.redeem_code(TENANT, "a1", NOW)
                assert time.monotonic() - began < 1.9
                waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                while self.server.run(f"SELECT count(*) {waiting}", self.url) != [(0,)]:
                    assert time.monotonic() - began < 5
            while not await is_answered(store):
                assert time.monotonic() - began < 10

        self.run_nodes(body, nodes=1, timeout=1)

    def test_past_the_pooler_another_node_hears_of_a_change_at_once(self, server_: PooledServer) -> None:
        async def run() -> None:
            self.server.empty(self.url)
            database = DatabaseSettings(url=self.url, listen_url=Secret(server_.find_direct(self.url)))
            stores = [open_store(Settings(database=database), FakeClock(NOW)) for _ in range(2)]
            for store in stores:
                await store.start()
            heard: list[Change] = []
            stores[1].on_change(heard.extend)
            await stores[0].insert_tenant(build_tenant())
            began = time.monotonic()
            while not heard:  # the listener may not have been there for the first
                await stores[0].insert_revocation(build_revocation(f"t{time.monotonic()}"))
                await asyncio.sleep(0.02)
                assert time.monotonic() - began < 5
            for store in stores:
                await store.stop()

        asyncio.run(run())

    def test_the_schema_is_made_through_the_pooler(self, new_url: str) -> None:
        assert schema.status(new_url).current is None
        assert schema.upgrade(new_url).pending == ()
        assert schema.upgrade(new_url).pending == ()
        assert self.server.describe(new_url) == self.server.describe(self.url)


async def is_answered(store: SqlStore) -> bool:
    try:
        await store.redeem_code(TENANT, "a1", NOW)
    except StoreUnavailable:
        return False
    return True


def test_a_pool_mode_there_is_not_is_a_configuration_error() -> None:
    for settings in (
        DatabaseSettings(url="postgresql://host/name?pool_mode=statement"),
        DatabaseSettings(
            url="postgresql://host/name?pool_mode=transaction",
            listen_url=Secret("postgresql://host/name?pool_mode=transaction"),
        ),
    ):
        with pytest.raises(ConfigurationError, match="database"):
            open_store(Settings(database=settings), FakeClock())
