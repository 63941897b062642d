"""The store's contract on a database server: how a test gets its database, and several nodes on it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ClassVar

import pytest

from grantway.config import DatabaseSettings, Settings
from grantway.ports import Store
from grantway.storage import open_store
from grantway.storage.sql import schema
from grantway.storage.sql.store import SqlStore
from grantway.testing.clock import FakeClock
from grantway.testing.store_contract import StoreContract
from grantway.testing.store_samples import NOW, build_tenant

from .servers import Server


def open_at(url: str, timeout: int = 30) -> SqlStore:
    return open_store(Settings(database=DatabaseSettings(url=url, timeout=timeout)), FakeClock(NOW))


class WallClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


class ServerStore(StoreContract):
    """The store's contract on a server. Inherit, and name the fixture that gives it."""

    fixture: ClassVar[str]
    server: ClassVar[Server]
    url: ClassVar[str]
    rounds = 200 if os.environ.get("GRANTWAY_TEST_SOAK") == "1" else 4

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _database(cls, request: pytest.FixtureRequest) -> Iterator[None]:
        cls.server = request.getfixturevalue(cls.fixture)
        cls.url = cls.server.create()
        schema.upgrade(cls.url)
        yield
        cls.server.drop(cls.url)

    @pytest.fixture
    def new_url(self) -> Iterator[str]:
        """A database with nothing in it."""
        url = self.server.create()
        yield url
        self.server.drop(url)

    def open_store(self, clock: FakeClock) -> Store:
        self.server.empty(self.url)
        return open_store(Settings(database=DatabaseSettings(url=self.url, timeout=30)), clock)

    def run_nodes(
        self, body: Callable[[list[SqlStore]], Coroutine[Any, Any, None]], *, nodes: int = 2, timeout: int = 30
    ) -> None:
        """Runs ``body`` on several stores over one database, as several machines would have them."""

        async def run() -> None:
            self.server.empty(self.url)
            stores = [open_at(self.url, timeout) for _ in range(nodes)]
            try:
                for store in stores:
                    await store.start()
                await stores[0].insert_tenant(build_tenant())
                await body(stores)
            finally:
                for store in stores:
                    await store.stop()

        asyncio.run(run())
