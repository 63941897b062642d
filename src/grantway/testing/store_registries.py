# ruff: noqa: S101  these are tests, though they ship
"""The store's contract, fourth part: what administrators register, tasks that outlive a commit, devices that wait."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec

from grantway.errors import Conflict, NotFound, Unprocessable
from grantway.model import Task
from grantway.ports import Store
from grantway.testing.clock import FakeClock
from grantway.testing.store_samples import (
    HOUR,
    NOW,
    OTHER_TENANT,
    TENANT,
    build_authorization,
    build_device_request,
    build_digest,
    build_entry,
    build_revocation,
    build_session,
    build_subject,
    build_task,
)
from grantway.testing.store_scenario import StoreScenarios, is_refused, read_pages, scenario

DAY = 24 * HOUR


async def list_tasks(store: Store, now: int = NOW) -> tuple[Task, ...]:
    return await store.list_due_tasks("logout", now=now)


def build_logout(session_id: str, *clients: str, now: int = NOW) -> Task:
    """What a session leaves that ended ``now``."""
    document = {
        "session_id": session_id,
        "subject": "alice-id",
        "clients": [{"client_id": client_id} for client_id in clients],
    }
    return build_task(session_id, due_at=now, expires_at=now + DAY, attempts=0, document=document, created_at=now)


class StoreRegistries(StoreScenarios):
    """Entries, tasks, device requests: one after the other, and all at once."""

    rounds = 1

    # -- entries ------------------------------------------------------------------------------------------------------

    @scenario()
    async def test_an_entry_comes_back_as_it_was_and_needs_its_version(self, store: Store, clock: FakeClock) -> None:
        entry, token = build_entry(), build_entry("read", "initial_access_token", expires_at=NOW + HOUR)
        await store.insert_entry(entry)
        await store.insert_entry(token)
        assert await store.load_entry(TENANT, "scope", "read") == entry
        assert await store.load_entry(TENANT, "initial_access_token", "read") == token
        assert await store.load_entry(TENANT, "trusted_issuer", "read") is None
        assert await is_refused(Conflict, store.insert_entry(entry))
        changed = msgspec.structs.replace(entry, document={"new": True}, expires_at=NOW + 5, updated_at=NOW + 2)
        updated = await store.update_entry(changed)
        assert updated == msgspec.structs.replace(changed, version=2)
        assert await store.load_entry(TENANT, "scope", "read") == updated
        assert await is_refused(Conflict, store.update_entry(entry))
        assert await is_refused(NotFound, store.update_entry(build_entry("none")))
        await store.delete_entry(TENANT, "scope", "read")
        assert await is_refused(NotFound, store.delete_entry(TENANT, "scope", "read"))
        assert await store.load_entry(TENANT, "scope", "read") is None
        assert await store.load_entry(TENANT, "initial_access_token", "read") == token

    @scenario("T153")
    async def test_entries_are_listed_by_key_within_their_kind(self, store: Store, clock: FakeClock) -> None:
        keys = ["A", "a", "a ", "a:b", "b", "https://x.example", "é"]
        for key in reversed(keys):
            await store.insert_entry(build_entry(key))
            await store.insert_entry(build_entry(key, "trusted_issuer", document={}))
        await store.insert_entry(build_entry("a", tenant=OTHER_TENANT))
        for limit in (1, 2, 6, 7, 8):
            found = await read_pages(lambda c, n=limit: store.list_entries(TENANT, "scope", cursor=c, limit=n))  # type: ignore[misc]
            assert [entry.key for entry in found] == keys
        cursor = (await store.list_entries(TENANT, "scope", limit=1)).cursor
        assert cursor is not None
        assert await is_refused(Unprocessable, store.list_entries(TENANT, "trusted_issuer", cursor=cursor))
        assert await is_refused(Unprocessable, store.list_entries(OTHER_TENANT, "scope", cursor=cursor))
        await store.delete_entry(TENANT, "scope", "a")
        assert await store.load_entry(OTHER_TENANT, "scope", "a") is not None
        assert (await store.list_entries(OTHER_TENANT, "initial_access_token")).items == ()
        for bad in ("x" * 256, "", "a\x00b", "\ud800"):
            assert await is_refused(Unprocessable, store.insert_entry(build_entry(bad)))
            assert await store.load_entry(TENANT, "scope", bad) is None

    @scenario()
    async def test_of_32_who_change_or_delete_an_entry_one_does(self, store: Store, clock: FakeClock) -> None:
        for number in range(self.rounds):
            entry = build_entry(f"e{number}")
            inserted = await asyncio.gather(*(store.insert_entry(entry) for _ in range(32)), return_exceptions=True)
            assert Counter(map(type, inserted)) == {type(None): 1, Conflict: 31}
            rivals = [msgspec.structs.replace(entry, document={"by": rival}) for rival in range(32)]
            updated = await asyncio.gather(*(store.update_entry(rival) for rival in rivals), return_exceptions=True)
            winners = [found for found in updated if not isinstance(found, Conflict)]
            assert winners == [await store.load_entry(TENANT, "scope", entry.key)]
            calls = (store.delete_entry(TENANT, "scope", entry.key) for _ in range(32))
            deleted = await asyncio.gather(*calls, return_exceptions=True)
            assert Counter(map(type, deleted)) == {type(None): 1, NotFound: 31}

    # -- tasks --------------------------------------------------------------------------------------------------------

    @scenario()
    async def test_tasks_are_found_when_they_are_due_the_earliest_first(self, store: Store, clock: FakeClock) -> None:
        for name, due_at in (("late", NOW + 9), ("early", NOW - 9), ("now", NOW)):
            await store.insert_task(build_task(name, due_at=due_at))
        await store.insert_task(build_task("early", OTHER_TENANT, due_at=NOW - 8))
        assert await is_refused(Conflict, store.insert_task(build_task("now")))
        assert [(task.tenant, task.task_id) for task in await list_tasks(store)] == [
            (TENANT, "early"),
            (OTHER_TENANT, "early"),
            (TENANT, "now"),
        ]
        assert await store.list_due_tasks("logout", now=NOW, limit=1) == (build_task("early", due_at=NOW - 9),)
        taken = build_task("early", due_at=NOW + HOUR, attempts=3, document={"left": ["b"]})
        assert await store.update_task(taken)
        assert not await store.update_task(taken), "somebody has it already"
        assert not await store.update_task(build_task("none"))
        assert [task.task_id for task in await list_tasks(store)] == ["early", "now"]
        assert msgspec.structs.replace(taken, version=2) in await list_tasks(store, NOW + HOUR)
        assert await store.delete_task(TENANT, "early")
        assert not await store.delete_task(TENANT, "early")
        assert not await store.update_task(msgspec.structs.replace(taken, version=2)), "it is done"
        assert [task.tenant for task in await list_tasks(store) if task.task_id == "early"] == [OTHER_TENANT]

    @scenario()
    async def test_of_32_who_want_a_task_one_gets_it(self, store: Store, clock: FakeClock) -> None:
        for number in range(self.rounds):
            task = build_task(f"t{number}")
            await store.insert_task(task)
            rivals = [msgspec.structs.replace(task, due_at=NOW + HOUR, attempts=rival) for rival in range(32)]
            taken = await asyncio.gather(*(store.update_task(rival) for rival in rivals))
            assert Counter(taken) == {True: 1, False: 31}
            winner = msgspec.structs.replace(rivals[taken.index(True)], version=2)
            assert await list_tasks(store, NOW + HOUR) == (winner,)
            deleted = await asyncio.gather(*(store.delete_task(TENANT, task.task_id) for _ in range(32)))
            assert Counter(deleted) == {True: 1, False: 31}

    @scenario()
    async def test_a_session_that_ends_leaves_word_for_its_clients(self, store: Store, clock: FakeClock) -> None:
        for name in ("s1", "quiet", "other"):
            await store.insert_session(build_session(name))
        for name, client_id, changes in (
            ("a1", "shop", {}),
            ("a2", "shop", {}),
            ("a3", "app", {"session_bound": False}),
            ("a4", "bank", {"revoked_at": NOW - 1}),
        ):
            authorization = build_authorization(name, client_id=client_id, session_id="s1", **changes)
            await store.insert_authorization(authorization)
        await store.insert_authorization(build_authorization("a5", client_id="elsewhere", session_id="other"))
        await store.insert_authorization(build_authorization("a6", OTHER_TENANT, client_id="theirs", session_id="s1"))
        await store.insert_authorization(build_authorization("a7", client_id="machine"))
        assert await store.list_session_clients(TENANT, "s1") == ("app", "bank", "shop")
        assert await store.list_session_clients(TENANT, "quiet") == ()
        assert await store.list_session_clients(OTHER_TENANT, "other") == ()
        assert await store.end_session(TENANT, "s1", now=NOW, keep_until=NOW + HOUR)
        assert await list_tasks(store) == (build_logout("s1", "app", "bank", "shop"),)
        assert await list_tasks(store, NOW - 1) == ()
        assert not await store.end_session(TENANT, "s1", now=NOW + 1, keep_until=NOW + HOUR)
        assert await store.end_session(TENANT, "quiet", now=NOW, keep_until=NOW + HOUR), "nobody has to hear of it"
        assert len(await list_tasks(store, NOW + 1)) == 1
        assert await store.list_session_clients(TENANT, "s1") == ("app", "bank", "shop")

    @scenario()
    async def test_whatever_ends_sessions_leaves_one_task_for_each(self, store: Store, clock: FakeClock) -> None:
        await store.insert_subject(build_subject())
        gone = build_revocation("alice-id", "subject")

        async def open_sessions(step: str) -> None:
            for number, client_id in enumerate(("app", "shop")):
                name = f"{step}{number}"
                await store.insert_session(build_session(name))
                await store.insert_authorization(build_authorization(name, client_id=client_id, session_id=name))
            await store.insert_session(build_session(f"{step} quiet"))

        async def take_tasks() -> tuple[Task, ...]:
            tasks = await list_tasks(store)
            for task in tasks:
                assert await store.delete_task(TENANT, task.task_id)
            return tasks

        await open_sessions("a")
        await store.insert_session(build_session("bob", "bob-id"))
        await store.insert_authorization(build_authorization("bob", subject="bob-id", session_id="bob"))
        assert await store.end_sessions(TENANT, "alice-id", now=NOW, keep_until=NOW + HOUR, keep="a0") == 2
        assert await take_tasks() == (build_logout("a1", "shop"),)
        await store.update_subject(build_subject(username="alice2"))
        await store.update_subject(build_subject(version=2), revocation=build_revocation("alice-id", "token"))
        assert await take_tasks() == (), "neither ends a session"
        await open_sessions("b")
        await store.update_subject(build_subject(version=3, enabled=False), revocation=gone)
        assert await take_tasks() == (build_logout("a0", "app"), build_logout("b0", "app"), build_logout("b1", "shop"))
        clock.advance(0.001)
        await open_sessions("c")
        await store.end_session(TENANT, "c0", now=NOW, keep_until=NOW + HOUR)
        await store.delete_subject(TENANT, "alice-id", revocation=gone)
        assert await take_tasks() == (build_logout("c0", "app"),)
        assert await list_tasks(store, NOW + 1) == (build_logout("c1", "shop", now=NOW + 1),)

    @scenario()
    async def test_a_grant_under_way_hears_of_the_log_out_or_is_refused(self, store: Store, clock: FakeClock) -> None:
        for number in range(self.rounds):
            session_id = f"s{number}"
            await store.insert_session(build_session(session_id))
            names = [f"{session_id} {rival}" for rival in range(8)]

            async def grant(name: str, session_id: str = session_id) -> bool:
                authorization = build_authorization(name, client_id=name, session_id=session_id)
                return await store.grant_authorization(authorization, consent=None, interaction=None)

            end = store.end_session(TENANT, session_id, now=NOW, keep_until=NOW + HOUR)
            results = await asyncio.gather(*map(grant, names[:4]), end, *map(grant, names[4:]))
            assert results.pop(4)
            granted = [name for name, is_granted in zip(names, results, strict=True) if is_granted]
            expected = (build_logout(session_id, *granted),) if granted else ()
            assert await list_tasks(store) == expected
            await store.delete_task(TENANT, session_id)

    @scenario()
    async def test_of_32_log_outs_at_once_one_leaves_a_task(self, store: Store, clock: FakeClock) -> None:
        await store.insert_subject(build_subject())
        for number in range(self.rounds):
            session_id = f"s{number}"
            await store.insert_session(build_session(session_id))
            await store.insert_authorization(build_authorization(session_id, session_id=session_id))
            subject = build_subject(version=number + 1)
            calls: list[Any] = [
                store.end_session(TENANT, session_id, now=NOW, keep_until=NOW + HOUR) for _ in range(30)
            ]
            calls.insert(9, store.end_sessions(TENANT, "alice-id", now=NOW, keep_until=NOW + HOUR))
            calls.insert(3, store.update_subject(subject, revocation=build_revocation("alice-id", "subject")))
            await asyncio.gather(*calls)
            assert await list_tasks(store) == (build_logout(session_id, "shop"),)
            await store.delete_task(TENANT, session_id)

    # -- device requests ----------------------------------------------------------------------------------------------

    @scenario()
    async def test_a_device_request_is_found_by_both_of_its_codes(self, store: Store, clock: FakeClock) -> None:
        request = build_device_request()
        assert await store.insert_device_request(request)
        assert await store.load_device_request(TENANT, request.device_digest) == request
        assert await store.load_device_request_by_user_code(TENANT, request.user_code_digest) == request
        assert await store.load_device_request(OTHER_TENANT, request.device_digest) is None
        assert await store.load_device_request_by_user_code(OTHER_TENANT, request.user_code_digest) is None
        assert await store.load_device_request(TENANT, request.user_code_digest) is None
        polled = msgspec.structs.replace(request, polled_at=NOW + 1, interval=10)
        assert await store.update_device_request(polled)
        assert not await store.update_device_request(polled)
        moved = msgspec.structs.replace(polled, version=2)
        assert await store.load_device_request_by_user_code(TENANT, request.user_code_digest) == moved
        denied = msgspec.structs.replace(moved, denied_at=NOW + 2, expires_at=NOW + 3)
        assert await store.update_device_request(denied)
        assert await store.load_device_request(TENANT, request.device_digest) == msgspec.structs.replace(
            denied, version=3
        )
        assert not await store.update_device_request(build_device_request("none"))
        assert await is_refused(
            Unprocessable, store.insert_device_request(msgspec.structs.replace(request, device_digest=b"short"))
        )

    @scenario()
    async def test_a_user_code_belongs_to_one_request_while_that_lives(self, store: Store, clock: FakeClock) -> None:
        first = build_device_request("first")
        assert await store.insert_device_request(first)
        second = build_device_request("second", created_at=NOW + 600_000, expires_at=NOW + 1_200_000)
        clock.advance(599.999)
        assert not await store.insert_device_request(second)
        assert not await store.insert_device_request(build_device_request("first", "OTHER-CODE")), "one device code"
        assert await store.load_device_request_by_user_code(TENANT, build_digest("OTHER-CODE")) is None
        assert await store.insert_device_request(build_device_request("first", tenant=OTHER_TENANT))
        clock.advance(0.001)
        assert await store.insert_device_request(second)
        assert await store.load_device_request_by_user_code(TENANT, first.user_code_digest) == second
        kept = await store.load_device_request(TENANT, first.device_digest)
        assert kept is not None, "its device has to hear that it has expired"
        assert kept.expires_at == first.expires_at
        assert await store.update_device_request(msgspec.structs.replace(kept, polled_at=NOW + 600_000))
        assert await store.load_device_request_by_user_code(TENANT, first.user_code_digest) == second

    @scenario()
    async def test_of_32_devices_with_one_user_code_one_gets_it(self, store: Store, clock: FakeClock) -> None:
        for number in range(self.rounds):
            for expires_at in (clock.now() + 1000, clock.now() + 2000):  # the second time it has just become free
                rivals = [
                    build_device_request(f"{number} {expires_at} {rival}", f"CODE{number}", expires_at=expires_at)
                    for rival in range(32)
                ]
                stored = await asyncio.gather(*(store.insert_device_request(rival) for rival in rivals))
                assert Counter(stored) == {True: 1, False: 31}
                winner = rivals[stored.index(True)]
                found = await store.load_device_request_by_user_code(TENANT, winner.user_code_digest)
                assert found == winner
                for rival in rivals:
                    is_there = await store.load_device_request(TENANT, rival.device_digest) is not None
                    assert is_there == (rival is winner)
                clock.advance(1)

    @scenario("T122")
    async def test_of_32_polls_at_once_one_is_the_first(self, store: Store, clock: FakeClock) -> None:
        for number in range(self.rounds):
            request = build_device_request(f"d{number}", f"CODE{number}")
            assert await store.insert_device_request(request)
            polls = [msgspec.structs.replace(request, polled_at=NOW + poll) for poll in range(32)]
            taken = await asyncio.gather(*(store.update_device_request(poll) for poll in polls))
            assert Counter(taken) == {True: 1, False: 31}
            winner = msgspec.structs.replace(polls[taken.index(True)], version=2)
            assert await store.load_device_request(TENANT, request.device_digest) == winner

    # -- cleaning -----------------------------------------------------------------------------------------------------

    @scenario()
    async def test_what_waits_is_cleaned_when_it_has_ended(self, store: Store, clock: FakeClock) -> None:
        await store.insert_entry(build_entry("for ever"))
        for name, end in (("ended", NOW + 10), ("live", NOW + 2 * HOUR)):
            await store.insert_entry(build_entry(name, "initial_access_token", expires_at=end))
            await store.insert_task(build_task(name, expires_at=end))
            assert await store.insert_device_request(build_device_request(name, name, expires_at=end))
        assert await store.clean(now=NOW + 9) == 0
        clock.advance(0.010)
        position = await store.last_change()
        assert await store.clean(now=NOW + 10) == 1, "the device may still ask, and of the task nobody has told"
        changes = await store.load_changes(position)
        assert [(change.tenant, change.kind, change.key) for change in changes] == [
            (TENANT, "entry", "initial_access_token")
        ]
        names = [entry.key for entry in (await store.list_entries(TENANT, "initial_access_token")).items]
        assert names == ["live"]
        assert await store.load_entry(TENANT, "scope", "for ever") is not None
        assert {task.task_id for task in await list_tasks(store, NOW + 10)} == {"ended", "live"}
        ended, live = (build_device_request(name, name) for name in ("ended", "live"))
        clock.advance(3599.999)
        await store.clean(now=NOW + HOUR + 9)
        assert await store.load_device_request(TENANT, ended.device_digest) is not None
        assert len(await list_tasks(store, NOW + HOUR)) == 2
        clock.advance(0.001)
        await store.clean(now=NOW + HOUR + 10)
        assert await store.load_device_request(TENANT, ended.device_digest) is None
        assert [task.task_id for task in await list_tasks(store, NOW + HOUR)] == ["live"]
        assert await store.load_device_request(TENANT, live.device_digest) is not None
