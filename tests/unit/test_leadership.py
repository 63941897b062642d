"""Of all workers one leads, and another one when that is gone; no wall clock has a part in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from grantway.config import Settings, load_settings
from grantway.errors import StoreUnavailable
from grantway.leadership import Leadership
from grantway.server import SystemEntropy
from grantway.storage import open_store
from grantway.storage.sql.store import SqlStore
from grantway.testing.clock import FakeClock

TTL = 30.0


class Nodes:
    """Workers that each have a clock of their own, on one store."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.clocks: list[FakeClock] = []

    def add(self, start_ms: int = 1_700_000_000_000) -> Leadership:
        clock = FakeClock(start_ms)
        self.clocks.append(clock)
        return Leadership("work", self.store, clock, SystemEntropy(), ttl=TTL)

    def advance(self, seconds: float) -> None:
        for clock in self.clocks:
            clock.advance(seconds)


def run(body: Callable[[Nodes], Coroutine[Any, Any, None]]) -> None:
    async def start() -> None:
        settings: Settings = load_settings(overrides={"database.url": "sqlite://"})
        store = open_store(settings, FakeClock())
        await store.start()
        try:
            await body(Nodes(store))
        finally:
            await store.stop()

    asyncio.run(start())


def test_one_leads_and_keeps_the_lead_as_long_as_it_lives() -> None:
    async def body(nodes: Nodes) -> None:
        workers = [nodes.add() for _ in range(8)]
        assert sum(await asyncio.gather(*(worker.hold() for worker in workers))) == 1
        (leader,) = (worker for worker in workers if worker.is_held)
        for _ in range(20):
            nodes.advance(leader.interval)
            held = [await worker.hold() for worker in workers]
            assert [worker for worker, has in zip(workers, held, strict=True) if has] == [leader]

    run(body)


def test_a_dead_leader_is_followed_after_the_lease_and_not_before() -> None:
    async def body(nodes: Nodes) -> None:
        dead, other, third = nodes.add(), nodes.add(), nodes.add()
        assert await dead.hold()
        assert not await other.hold()
        nodes.advance(TTL - 1)
        assert not await other.hold()
        assert dead.is_held
        nodes.advance(1)
        assert sorted([await other.hold(), await third.hold()]) == [False, True]
        assert not dead.is_held, "by its own clock, before anybody told it"
        assert not await dead.hold()

    run(body)


@pytest.mark.threat("R9")
@pytest.mark.parametrize("step", [-86_400, -3600, 3600, 86_400])
def test_a_wall_clock_that_is_wrong_or_steps_changes_nothing(step: int) -> None:
    async def body(nodes: Nodes) -> None:
        leader, other = nodes.add(), nodes.add(1_700_000_000_000 + step * 1000)
        assert await leader.hold()
        assert not await other.hold()
        nodes.clocks[0].step(step)
        assert leader.is_held
        assert not await other.hold()
        nodes.advance(TTL)
        assert await other.hold()

    run(body)


def test_a_leader_that_goes_hands_over_at_once() -> None:
    async def body(nodes: Nodes) -> None:
        leader, other = nodes.add(), nodes.add()
        assert await leader.hold()
        assert not await other.hold()
        await leader.release()
        assert not leader.is_held
        assert await other.hold()
        await leader.release()
        assert await other.hold()

    run(body)


def test_a_held_up_leader_goes_on_if_nobody_took_over() -> None:
    async def body(nodes: Nodes) -> None:
        leader, other = nodes.add(), nodes.add()
        assert await leader.hold()
        nodes.advance(3 * TTL)
        assert not leader.is_held
        assert await leader.hold()
        assert not await other.hold()

    run(body)


@pytest.mark.parametrize("is_written", [True, False])
def test_an_answer_that_got_lost_costs_no_lease(is_written: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(nodes: Nodes) -> None:
        leader, other = nodes.add(), nodes.add()
        assert await leader.hold()
        take = nodes.store.take_lease

        async def lose(*arguments: Any) -> bool:
            if is_written:
                await take(*arguments)
            raise StoreUnavailable(detail="lost")

        nodes.advance(leader.interval)
        with monkeypatch.context() as patch:
            patch.setattr(nodes.store, "take_lease", lose)
            with pytest.raises(StoreUnavailable):
                await leader.hold()
        assert leader.is_held, "what is left of the lease is its own"
        await leader.hold()
        assert await leader.hold()
        assert not await other.hold()

    run(body)


def test_it_writes_only_when_a_part_of_the_lease_is_over() -> None:
    async def body(nodes: Nodes) -> None:
        leader = nodes.add()
        for _ in range(100):
            assert await leader.hold()
        assert nodes.store.statement_counts()["take_lease"] == 0
        nodes.advance(leader.interval)
        for _ in range(100):
            assert await leader.hold()
        assert nodes.store.statement_counts()["take_lease"] == 1

    run(body)
