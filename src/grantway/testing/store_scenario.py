"""How one test of the store's contract is run."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from grantway.model import Page
from grantway.ports import Store
from grantway.testing.clock import FakeClock
from grantway.testing.store_samples import NOW, OTHER_TENANT, TENANT, build_tenant

Body = Callable[[Any, Any, FakeClock], Coroutine[Any, Any, None]]


class StoreScenarios(ABC):
    """What a back-end brings to the contract."""

    @abstractmethod
    def open_store(self, clock: FakeClock) -> Store:
        """A store over an empty database with its schema, not started; a new database for each test."""

    def run_scenario(self, body: Callable[[Store, FakeClock], Coroutine[Any, Any, None]]) -> None:
        """Runs ``body`` on a started store that holds two tenants, and stops it."""

        async def run() -> None:
            clock = FakeClock(NOW)
            store = self.open_store(clock)
            await store.start()
            try:
                for tenant in (TENANT, OTHER_TENANT):
                    await store.insert_tenant(build_tenant(tenant))
                await body(store, clock)
            finally:
                await store.stop()

        asyncio.run(run())


def scenario(*threats: str) -> Callable[[Body], Callable[[StoreScenarios], None]]:
    """Makes a test of an ``async def test_…(self, store, clock)``. ``threats``: the attacks it answers."""

    def decorate(body: Body) -> Callable[[StoreScenarios], None]:
        def test(self: StoreScenarios) -> None:
            self.run_scenario(lambda store, clock: body(self, store, clock))

        test.__name__, test.__qualname__, test.__doc__ = body.__name__, body.__qualname__, body.__doc__
        test.__module__ = body.__module__
        test.threats = threats  # type: ignore[attr-defined]
        return test

    return decorate


async def is_refused(error: type[Exception], action: Awaitable[Any]) -> bool:
    """Whether awaiting ``action`` raises ``error``."""
    try:
        await action
    except error:
        return True
    return False


async def read_pages(load: Callable[[str | None], Awaitable[Page]]) -> list[Any]:
    """Everything a listing has, page by page."""
    items: list[Any] = []
    cursor = None
    while True:
        page = await load(cursor)
        items += page.items
        if page.cursor is None:
            return items
        cursor = page.cursor
