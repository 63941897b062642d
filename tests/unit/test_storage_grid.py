"""The near caches: what they may answer from memory, and when they must not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from grantway.config import DatabaseSettings, Settings
from grantway.errors import StoreUnavailable
from grantway.model import FOREVER, Change, Client, build_authorizations_key
from grantway.ports import Granted
from grantway.storage import grid as grid_module
from grantway.storage import near_cache, open_store
from grantway.storage.grid import NearCaches
from grantway.testing.clock import FakeClock
from grantway.testing.store_samples import (
    HOUR,
    NOW,
    OTHER_TENANT,
    TENANT,
    build_client,
    build_entry,
    build_key,
    build_revocation,
    build_subject,
    build_tenant,
)

# The tests poll by hand; the grid's own polling has its own test.
SETTINGS = Settings(database=DatabaseSettings(url="sqlite://", poll_interval_ms=900))


class Frail:
    """The store, with a switch: while ``is_down`` it answers nobody."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.is_down = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        if not asyncio.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any, **options: Any) -> Any:
            if self.is_down:
                raise StoreUnavailable(detail="down")
            if name != "has_moved":
                self.calls.append(name)
            result = await method(*arguments, **options)
            if name == "load_client":
                self.reached.set()  # the row has been read, but not handed over
                await self.gate.wait()
            return result

        return call


def run(body: Callable[[NearCaches, Frail, FakeClock], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        clock = FakeClock(NOW)
        store = Frail(open_store(SETTINGS, clock))
        await store.start()
        grid = NearCaches(store, SETTINGS, clock)
        try:
            for tenant in (TENANT, OTHER_TENANT):
                await store.insert_tenant(build_tenant(tenant))
            await store.insert_client(build_client())
            await grid.start()
            await body(grid, store, clock)
        finally:
            await grid.stop()
            await store.stop()

    asyncio.run(main())


def test_a_warm_worker_asks_nothing() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        await store.insert_subject(build_subject())
        await store.insert_key(build_key())
        await store.insert_entry(build_entry())

        async def ask() -> None:
            assert await grid.tenant(TENANT) == build_tenant()
            assert await grid.client(TENANT, "shop") == build_client()
            assert await grid.client(TENANT, "none") is None
            assert await grid.subject(TENANT, "alice-id") == build_subject()
            assert await grid.keys(TENANT) == (build_key(),)
            assert await grid.keys(OTHER_TENANT) == ()
            assert not await grid.is_revoked(TENANT, [("token", "t"), ("client", "shop")], NOW)
            assert not await grid.is_origin_allowed(TENANT, "https://none.example")
            assert await grid.entries(TENANT, "scope") == (build_entry(),)

        await ask()
        await grid._poll()
        store.calls.clear()
        before = store.statement_counts()
        for _ in range(5):
            await ask()
        assert store.calls == []
        assert store.statement_counts() == before
        status = grid.status()
        assert status["misses"] == {"tenants": 1, "clients": 2, "subjects": 1, "keys": 2, "origins": 1, "registries": 1}
        assert status["loads"] == status["misses"]
        assert status["hits"]["clients"] == 10

    run(body)


def test_own_writes_are_known_at_once() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        assert await grid.client(TENANT, "new") is None
        await store.insert_client(build_client("new", allowed_cors_origins=("https://new.example",)))
        assert await grid.client(TENANT, "new") is not None
        assert await grid.is_origin_allowed(TENANT, "https://new.example")
        updated = await store.update_client(build_client(enabled=False))
        assert await grid.client(TENANT, "shop") == updated
        assert not await grid.is_revoked(TENANT, [("token", "t")], NOW)
        await store.insert_revocation(build_revocation("t"))
        assert await grid.is_revoked(TENANT, [("session", "s"), ("token", "t")], NOW)
        await store.insert_key(build_key())
        assert await grid.keys(TENANT) == (build_key(),)
        await store.update_keys(TENANT, {"k1": ("active", "retired")}, now=NOW, remove_at=None)
        assert (await grid.keys(TENANT))[0].state == "retired"

    run(body)


def test_the_entries_of_a_kind_are_remembered_together_until_one_changes() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        assert grid.recall_entries(TENANT, "scope") is None, "nobody asked yet"
        assert await grid.entries(TENANT, "scope") == ()
        assert grid.recall_entries(TENANT, "scope") == ()
        first, issuer = build_entry("b"), build_entry("https://issuer.example", "trusted_issuer")
        await store.insert_entry(first)
        await store.insert_entry(issuer)
        await store.insert_entry(build_entry("theirs", tenant=OTHER_TENANT))
        assert grid.recall_entries(TENANT, "scope") is None
        assert await grid.entries(TENANT, "scope") == (first,)
        assert await grid.entries(TENANT, "trusted_issuer") == (issuer,)
        store.calls.clear()
        await store.insert_entry(build_entry("a"))
        assert grid.recall_entries(TENANT, "trusted_issuer") == (issuer,), "another kind stays"
        assert [entry.key for entry in await grid.entries(TENANT, "scope")] == ["a", "b"]
        updated = await store.update_entry(build_entry("a", document={}))
        assert await grid.entries(TENANT, "scope") == (updated, first)
        await store.delete_entry(TENANT, "scope", "b")
        assert await grid.entries(TENANT, "scope") == (updated,)
        assert store.calls.count("list_entries") == 3
        clock.advance(2)
        assert grid.recall_entries(TENANT, "scope") is None, "memory is too old"
        assert await grid.entries(TENANT, "scope") == (updated,)
        store.is_down = True
        with pytest.raises(StoreUnavailable):
            await grid.entries(TENANT, "scope")
        store.is_down = False

    run(body)


def test_entries_that_another_worker_wrote_or_cleaned_are_in_the_feed() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        assert grid._unsubscribe is not None
        grid._unsubscribe()  # what this worker's store writes it hears of as if it were another's: when it polls
        grid._unsubscribe = None

        async def has_moved() -> bool:
            return True

        store.has_moved = has_moved  # type: ignore[attr-defined]
        assert await grid.entries(TENANT, "scope") == ()
        await store.insert_entry(build_entry())
        await store.insert_entry(build_entry("short", expires_at=NOW + 500))
        assert grid.recall_entries(TENANT, "scope") == ()
        await grid._poll()
        assert len(await grid.entries(TENANT, "scope")) == 2
        clock.advance(0.5)
        assert await store.clean(now=clock.now()) == 1
        assert len(await grid.entries(TENANT, "scope")) == 2
        await grid._poll()
        assert await grid.entries(TENANT, "scope") == (build_entry(),)

    run(body)


def test_more_entries_of_a_kind_than_memory_takes_are_loaded_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_module, "CACHED_ENTRIES", 5)

    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        for number in range(5):
            await store.insert_entry(build_entry(f"e{number}"))
        assert len(await grid.entries(TENANT, "scope")) == 5
        assert len(grid.recall_entries(TENANT, "scope") or ()) == 5
        for number in range(5, 12):
            await store.insert_entry(build_entry(f"e{number:02}"))
        for _ in range(2):
            store.calls.clear()
            found = await grid.entries(TENANT, "scope")
            assert sorted(entry.key for entry in found) == [entry.key for entry in found]
            assert len(found) == 12
            assert store.calls.count("list_entries") == 3
            assert grid.recall_entries(TENANT, "scope") is None
        assert grid.status()["entries"]["registries"] == 0

    run(body)


def test_a_revocation_refuses_what_was_issued_until_its_instant() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        await store.insert_revocation(build_revocation("shop", "client", not_before=NOW))
        await store.insert_revocation(build_revocation("a1", "authorization", not_before=FOREVER))
        for fresh in (True, False):
            if not fresh:
                clock.advance(2)
                assert not grid.status()["is_fresh"]
            assert await grid.is_revoked(TENANT, [("client", "shop")], NOW)
            assert not await grid.is_revoked(TENANT, [("client", "shop")], NOW + 1)
            assert not await grid.is_revoked(TENANT, [("token", "shop")], NOW)
            assert not await grid.is_revoked(OTHER_TENANT, [("client", "shop")], NOW)
            assert await grid.is_revoked(TENANT, [("authorization", "a1")], NOW + HOUR)
            assert await grid.is_revoked("unknown", [], NOW)

    run(body)


def test_a_tenant_s_not_before_refuses_all_that_is_older() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        assert not await grid.is_revoked(TENANT, [], NOW)
        await store.update_tenant(build_tenant(not_before=NOW))
        assert await grid.is_revoked(TENANT, [], NOW)
        assert not await grid.is_revoked(TENANT, [], NOW + 1)
        assert not await grid.is_revoked(OTHER_TENANT, [], NOW)
        clock.advance(2)
        assert await grid.is_revoked(TENANT, [], NOW)
        assert not await grid.is_revoked(TENANT, [], NOW + 1)

    run(body)


def test_revocations_made_before_the_start_are_known() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        await grid.stop()
        await store.insert_revocation(build_revocation("t"))
        await grid.start()
        store.calls.clear()
        assert await grid.is_revoked(TENANT, [("token", "t")], NOW)
        assert store.calls == []

    run(body)


def test_a_revocation_is_forgotten_after_its_end_and_not_before() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        await store.insert_revocation(build_revocation("t", keep_until=NOW + 500))
        await store.insert_revocation(build_revocation("long", keep_until=NOW + 500))
        await store.insert_revocation(build_revocation("long", keep_until=NOW + HOUR))
        assert grid.status()["entries"]["revocations"] == 2
        clock.advance(0.499)
        await grid._poll()
        assert grid.status()["entries"]["revocations"] == 2
        clock.advance(60.001)  # ends of one minute are forgotten together
        await grid._poll()
        assert grid.status()["entries"]["revocations"] == 1
        assert await grid.is_revoked(TENANT, [("token", "long")], NOW)

    run(body)


def test_a_worker_that_is_not_fresh_asks_and_where_that_fails_answers_nobody() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        assert await grid.client(TENANT, "shop") is not None
        assert not await grid.is_revoked(TENANT, [("token", "t")], NOW)
        store.is_down = True
        clock.advance(0.9)
        assert await grid.client(TENANT, "shop") is not None
        assert not await grid.is_revoked(TENANT, [("token", "t")], NOW)
        clock.advance(0.2)
        for question in (
            grid.client(TENANT, "shop"),
            grid.tenant(TENANT),
            grid.keys(TENANT),
            grid.is_revoked(TENANT, [("token", "t")], NOW),
            grid.is_origin_allowed(TENANT, "https://a.example"),
            grid.entries(TENANT, "scope"),
        ):
            with pytest.raises(StoreUnavailable):
                await question
        assert grid.status()["staleness_ms"] >= 1000
        store.is_down = False
        await grid._poll()
        assert grid.status()["is_fresh"]
        assert await grid.client(TENANT, "shop") is not None

    run(body)


def test_what_verifiers_cache_anyway_is_answered_however_old_it_is() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        await store.insert_key(build_key())
        assert await grid.tenant(TENANT) == build_tenant()
        assert await grid.keys(TENANT) == (build_key(),)
        store.is_down = True
        clock.advance(60)
        with pytest.raises(StoreUnavailable):
            await grid._poll()
        assert await grid.tenant(TENANT, or_stale=True) == build_tenant()
        assert await grid.keys(TENANT, or_stale=True) == (build_key(),)
        with pytest.raises(StoreUnavailable):
            await grid.tenant(OTHER_TENANT, or_stale=True)  # never seen: nothing to answer from
        store.is_down = False

    run(body)


def test_a_store_that_fails_while_everything_is_read_anew_takes_nothing_away() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        await grid.tenant(TENANT)
        store.is_down = True
        with pytest.raises(StoreUnavailable):
            await grid._poll()
        store.is_down = False

        async def fail(now: int, *, limit: int) -> None:
            raise StoreUnavailable(detail="down again")

        store.load_revocations = fail  # type: ignore[attr-defined]
        with pytest.raises(StoreUnavailable):
            await grid._poll()
        store.is_down = True
        assert await grid.tenant(TENANT, or_stale=True) == build_tenant()
        store.is_down = False

    run(body)


def test_what_was_known_before_everything_was_read_anew_is_better_than_nothing_until_it_changes() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        await grid.tenant(TENANT)
        await grid.keys(OTHER_TENANT)
        grid._must_reload = True
        await grid._poll()
        grid._must_reload = True  # and once more, before anybody asked again
        await grid._poll()
        store.is_down = True
        assert await grid.tenant(TENANT, or_stale=True) == build_tenant()
        with pytest.raises(StoreUnavailable):
            await grid.tenant(TENANT)
        store.is_down = False
        await store.update_tenant(build_tenant(enabled=False))
        await grid._poll()
        store.is_down = True
        with pytest.raises(StoreUnavailable):
            await grid.tenant(TENANT, or_stale=True)
        store.is_down = False

    run(body)


def test_after_a_failed_poll_everything_is_read_anew() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        await grid.client(TENANT, "shop")
        store.is_down = True
        with pytest.raises(StoreUnavailable):
            await grid._poll()
        store.calls.clear()
        store.is_down = False
        await grid._poll()
        assert "load_revocations" in store.calls
        assert grid.status()["entries"]["clients"] == 0

    run(body)


def test_after_a_long_gap_everything_is_read_anew() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        for pause in (lambda: clock.advance(601), lambda: clock.step(601)):
            await grid._poll()
            store.calls.clear()
            pause()
            await grid._poll()
            assert store.calls.count("load_revocations") == 1

    run(body)


def test_many_who_ask_for_one_key_load_it_once() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        store.gate.clear()
        asking = [asyncio.ensure_future(grid.client(TENANT, "shop")) for _ in range(100)]
        await store.reached.wait()
        asking[0].cancel()
        store.gate.set()
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1:] == [build_client()] * 99
        assert store.calls.count("load_client") == 1

    run(body)


def test_what_was_invalidated_during_its_load_is_not_kept() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        store.gate.clear()
        early = asyncio.ensure_future(grid.client(TENANT, "shop"))
        await store.reached.wait()
        updated = await store.update_client(build_client(client_name="new"))
        store.reached.clear()
        late = asyncio.ensure_future(grid.client(TENANT, "shop"))
        await store.reached.wait()
        store.gate.set()
        assert await early == build_client()
        assert await late == updated
        assert await grid.client(TENANT, "shop") == updated
        assert store.calls.count("load_client") == 2

    run(body)


def test_a_load_that_fails_is_told_to_all_and_not_remembered() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        store.is_down = True
        results = await asyncio.gather(*(grid.client(TENANT, "shop") for _ in range(5)), return_exceptions=True)
        assert [type(result) for result in results] == [StoreUnavailable] * 5
        store.is_down = False
        assert await grid.client(TENANT, "shop") == build_client()

    run(body)


def test_unknown_ids_are_remembered_for_a_moment_and_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_module, "CACHED_CLIENTS", 10)

    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        for number in range(100):
            assert await grid.client(TENANT, f"none{number}") is None
        cache = grid._clients
        assert len(cache._absent) == 10
        store.calls.clear()
        assert await grid.client(TENANT, "none99") is None
        assert store.calls == []
        clock.advance(near_cache.ABSENT_TTL)
        await grid._poll()
        assert await grid.client(TENANT, "none99") is None
        assert store.calls.count("load_client") == 1
        for number in range(20):
            await store.insert_client(build_client(f"c{number}"))
            assert await grid.client(TENANT, f"c{number}") is not None
        assert len(cache.entries) == 10

    run(body)


def test_a_number_that_becomes_visible_late_is_still_read() -> None:
    """On a database with several writers 7 may be committed after 8."""

    class Late:
        feed_overlap_ms = 1000

        def __init__(self) -> None:
            self.visible: list[int] = [8]
            self.client = build_client()

        def on_change(self, callback: object) -> Callable[[], None]:
            return lambda: None

        async def has_moved(self) -> bool:
            return True

        async def last_change(self, *, created_before: int | None = None) -> int:
            assert created_before == NOW - 1000
            return 5

        async def load_changes(self, after: int, *, limit: int = 1000) -> tuple[Change, ...]:
            self.after = after
            changes = [Change(sequence=n, tenant=TENANT, kind="client", key=f"c{n}") for n in self.visible if n > after]
            return tuple(changes[:limit])

        async def load_revocations(self, now: int, *, limit: int) -> tuple[Any, ...]:
            return ()

        async def load_client(self, tenant: str, client_id: str) -> Client:
            return build_client(client_id)

        load_tenant = load_subject = list_keys = load_client

    async def main() -> None:
        store, clock = Late(), FakeClock(NOW)
        grid = NearCaches(store, SETTINGS, clock)  # type: ignore[arg-type]
        await grid._poll()
        await grid._poll()
        assert grid.status()["position"] == 8
        for client_id in ("c7", "c8"):
            await grid.client(TENANT, client_id)
        clock.advance(0.9)
        store.visible = [7, 8]
        await grid._poll()
        assert sorted(key for _, key in grid._clients.entries) == ["c8"]  # 7 was applied, 8 not once more
        clock.advance(0.2)
        await grid._poll()
        assert store.after == 5  # this poll still read from there …
        await grid._poll()
        assert store.after == 8  # … the next one need not
        assert grid._seen == set()

    asyncio.run(main())


def test_a_feed_longer_than_one_answer_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_module, "CHANGES_AT_ONCE", 3)

    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        for number in range(10):
            await store.insert_client(build_client(f"c{number}"))
        await grid._poll()
        assert grid.status()["position"] == await store.last_change()
        assert grid._seen == set()

    run(body)


def test_a_grid_does_not_start_without_its_store() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        await grid.stop()
        await grid.stop()
        store.is_down = True
        with pytest.raises(StoreUnavailable):
            await grid.start()
        store.is_down = False
        await grid.start()
        await grid.start()

    run(body)


def test_a_started_grid_follows_the_feed_by_itself_and_outlives_an_outage() -> None:
    async def main() -> None:
        settings = Settings(database=DatabaseSettings(url="sqlite://", poll_interval_ms=5))
        clock = FakeClock(NOW)
        store = Frail(open_store(settings, clock))
        await store.start()
        grid = NearCaches(store, settings, clock)  # type: ignore[arg-type]
        await grid.start()
        async with asyncio.timeout(30):
            await store.insert_tenant(build_tenant())
            while grid.status()["position"] < 1:  # noqa: ASYNC110  the poller tells nobody
                await asyncio.sleep(0.001)
            store.is_down = True
            clock.advance(2)
            await asyncio.sleep(0.02)
            assert not grid.status()["is_fresh"]
            store.is_down = False
            while not grid.status()["is_fresh"]:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await grid.stop()
        await store.stop()

    asyncio.run(main())


def test_word_of_a_change_makes_it_look_at_once() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        before = grid.status()
        for _ in range(100):  # much said, looked at once
            grid.wake()
        async with asyncio.timeout(0.5):
            while grid.status()["polls"] == before["polls"]:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        after = grid.status()
        assert after["wake_ups"] == before["wake_ups"] + 1
        assert after["polls"] == before["polls"] + 1

    run(body)


@pytest.mark.threat("T108")
def test_authorizations_revoked_together_are_found_in_memory_and_without_it() -> None:
    async def body(grid: NearCaches, store: Frail, clock: FakeClock) -> None:
        given = Granted("alice-id", "shop", NOW)
        pairs = [("token", "t")]
        others = [
            Granted("alice-id", "shop", NOW + 1),  # given later
            Granted("alice-id", "app", NOW),
            Granted("bob-id", "shop", NOW),
            Granted(None, "shop", NOW),
            Granted("alice-i", "dshop", NOW),
        ]
        key = build_authorizations_key("alice-id", "shop")
        await store.insert_revocation(build_revocation(key, "authorizations", keep_until=NOW + HOUR))
        for _ in ("in memory", "asked for"):
            assert await grid.is_revoked(TENANT, pairs, NOW + HOUR, given)  # however late the token was issued
            assert not await grid.is_revoked(TENANT, pairs, NOW)
            assert not await grid.is_revoked(OTHER_TENANT, pairs, NOW, given)
            for other in others:
                assert not await grid.is_revoked(TENANT, pairs, NOW, other)
            clock.advance(5)
        assert not grid.status()["is_fresh"]
        await grid._poll()
        clock.advance(3660)
        await grid._poll()
        assert grid.status()["entries"]["revocations"] == 0
        assert not await grid.is_revoked(TENANT, pairs, NOW, given)
        await store.insert_revocation(
            build_revocation(build_authorizations_key(None, "shop"), "authorizations", keep_until=NOW + 3 * HOUR)
        )
        for granted in (given, others[2], others[3]):
            assert await grid.is_revoked(TENANT, pairs, NOW, granted)
        assert not await grid.is_revoked(TENANT, pairs, NOW, others[1])

    run(body)


def test_no_two_sets_of_authorizations_have_the_same_key() -> None:
    names = [None, "a", "ab", "b", "1:a", "1", "x" * 255, "x" * 254]
    pairs = [(subject, client) for subject in names for client in names if subject or client]
    keys = [build_authorizations_key(*pair) for pair in pairs]
    assert len(set(keys)) == len(pairs)
    assert max(map(len, keys)) <= 255
