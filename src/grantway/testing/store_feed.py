# ruff: noqa: S101  these are tests, though they ship
"""The store's contract, third part: the change feed that keeps every worker's memory right."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from grantway.errors import Conflict, NotFound
from grantway.model import Change
from grantway.ports import Store
from grantway.testing.clock import FakeClock
from grantway.testing.store_samples import (
    HOUR,
    NOW,
    TENANT,
    build_authorization,
    build_client,
    build_device_request,
    build_entry,
    build_key,
    build_revocation,
    build_session,
    build_subject,
    build_task,
    build_tenant,
)
from grantway.testing.store_scenario import StoreScenarios, scenario


class StoreFeed(StoreScenarios):
    """Each write that touches what workers remember is in the feed, in the same transaction, told before answered."""

    @scenario()
    async def test_every_write_workers_remember_is_in_the_feed(self, store: Store, clock: FakeClock) -> None:
        heard: list[Change] = []
        end = store.on_change(heard.extend)
        await store.insert_session(build_session())
        await store.insert_authorization(build_authorization())
        await store.insert_task(build_task())
        assert await store.insert_device_request(build_device_request())
        assert heard == []  # nobody remembers these
        gone = build_revocation("shop", "client")
        steps: list[tuple[Callable[[], Awaitable[Any]], list[tuple[str, str]]]] = [
            (lambda: store.insert_client(build_client()), [("client", "shop")]),
            (lambda: store.update_client(build_client()), [("client", "shop")]),
            (lambda: store.insert_subject(build_subject()), [("subject", "alice-id")]),
            (lambda: store.update_subject(build_subject()), [("subject", "alice-id")]),
            (lambda: store.insert_entry(build_entry()), [("entry", "scope")]),
            (lambda: store.update_entry(build_entry()), [("entry", "scope")]),
            (lambda: store.delete_entry(TENANT, "scope", "read"), [("entry", "scope")]),
            (lambda: store.insert_key(build_key()), [("key", "k1")]),
            (
                lambda: store.update_keys(TENANT, {"k1": ("active", "retired")}, now=NOW, remove_at=None),
                [("key", "k1")],
            ),
            (lambda: store.replace_sealed_key(TENANT, "k1", b"\x00\xffk1", b"x"), [("key", "k1")]),
            (lambda: store.delete_key(TENANT, "k1"), [("key", "k1")]),
            (lambda: store.update_tenant(build_tenant(not_before=1)), [("tenant", TENANT)]),
            (lambda: store.insert_revocation(build_revocation("t")), [("revocation", "t")]),
            (
                lambda: store.revoke_authorization(TENANT, "a1", now=NOW, keep_until=NOW + HOUR),
                [("revocation", "a1")],
            ),
            (lambda: store.end_session(TENANT, "s1", now=NOW, keep_until=NOW + HOUR), [("revocation", "s1")]),
            (
                lambda: store.delete_client(TENANT, "shop", revocation=gone),
                [("revocation", "shop"), ("client", "shop")],
            ),
            (
                lambda: store.delete_subject(TENANT, "alice-id", revocation=build_revocation("alice-id", "subject")),
                [("revocation", "alice-id"), ("subject", "alice-id")],
            ),
        ]
        position = await store.last_change()
        for write, expected in steps:
            heard.clear()
            await write()
            assert [(change.kind, change.key) for change in heard] == expected
            assert all((change.revocation is not None) == (change.kind == "revocation") for change in heard)
            assert await store.load_changes(position) == tuple(heard)
            assert await store.last_change() == heard[-1].sequence
            position = heard[-1].sequence
        end()
        heard.clear()
        await store.insert_client(build_client())
        assert heard == []

    @scenario()
    async def test_a_write_that_fails_is_not_in_the_feed(self, store: Store, clock: FakeClock) -> None:
        await store.insert_client(build_client())
        before = await store.last_change()
        with contextlib.suppress(Conflict):
            await store.insert_client(build_client())
        with contextlib.suppress(NotFound):
            await store.delete_entry(TENANT, "scope", "none")
        states: Any = {"none": ("next", "active")}
        assert not await store.update_keys(TENANT, states, now=NOW, remove_at=None)
        assert await store.last_change() == before

    @scenario()
    async def test_the_feed_is_read_in_order_and_in_parts(self, store: Store, clock: FakeClock) -> None:
        await store.has_moved()
        for number in range(7):
            await store.insert_client(build_client(f"c{number}"))
        after, keys = 0, []
        while changes := await store.load_changes(after, limit=3):
            assert len(changes) <= 3
            keys += [change.key for change in changes]
            after = changes[-1].sequence
        assert keys[-7:] == [f"c{number}" for number in range(7)]
        assert await store.load_changes(after) == ()

    @scenario()
    async def test_a_number_of_the_feed_is_never_used_again(self, store: Store, clock: FakeClock) -> None:
        await store.insert_client(build_client())
        before = await store.last_change()
        clock.advance(100 * 86_400)
        assert await store.clean(now=clock.now()) > 0
        assert await store.load_changes(0) == ()
        await store.insert_client(build_client("two"))
        assert await store.last_change() == before + 1
        assert await store.last_change(created_before=clock.now()) == 0

    @scenario()
    async def test_statements_are_counted_by_name(self, store: Store, clock: FakeClock) -> None:
        before = sum(store.statement_counts().values())
        await store.load_client(TENANT, "none")
        assert sum(store.statement_counts().values()) == before + 1
