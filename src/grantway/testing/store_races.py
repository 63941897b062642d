# ruff: noqa: S101  these are tests, though they ship
"""The store's contract, second part: single-use things succeed once, and what is revoked stays so.

Sequences first, then the same with everybody at once. ``rounds`` of a subclass says how often a race is run.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from grantway.errors import Conflict
from grantway.model import FOREVER, Lease, RefreshRotation
from grantway.ports import RotationOutcome, Store
from grantway.testing.clock import FakeClock
from grantway.testing.store_samples import (
    HOUR,
    NOW,
    TENANT,
    build_authorization,
    build_client,
    build_consent,
    build_interaction,
    build_key,
    build_revocation,
    build_session,
    build_subject,
)
from grantway.testing.store_scenario import StoreScenarios, scenario


async def rotate(
    store: Store, generation: int, rotation: RefreshRotation = "grace", now: int = NOW, name: str = "a1"
) -> RotationOutcome:
    return await store.rotate_refresh(TENANT, name, generation, rotation=rotation, grace_ms=10_000, now=now)


class StoreRaces(StoreScenarios):
    """Codes, refresh tokens, log-outs, keys, single-use values; one after the other and all together."""

    rounds = 1

    @scenario("T20", "T21")
    async def test_a_code_is_redeemed_once(self, store: Store, clock: FakeClock) -> None:
        await store.insert_authorization(build_authorization())
        assert await store.redeem_code(TENANT, "a1", NOW + 1)
        assert not await store.redeem_code(TENANT, "a1", NOW + 2)
        authorization = await store.load_authorization(TENANT, "a1")
        assert authorization is not None
        assert authorization.code_redeemed_at == NOW + 1

    @scenario("T22")
    async def test_a_code_that_is_expired_or_revoked_is_not_redeemed(self, store: Store, clock: FakeClock) -> None:
        await store.insert_authorization(build_authorization("late"))
        assert not await store.redeem_code(TENANT, "late", NOW + 60_000)
        await store.insert_authorization(build_authorization("dead"))
        await store.revoke_authorization(TENANT, "dead", now=NOW, keep_until=NOW + HOUR)
        assert not await store.redeem_code(TENANT, "dead", NOW)
        assert not await store.redeem_code(TENANT, "none", NOW)

    @scenario("T21")
    async def test_of_64_redemptions_at_once_one_succeeds(self, store: Store, clock: FakeClock) -> None:
        for number in range(self.rounds):
            name = f"a{number}"
            await store.insert_authorization(build_authorization(name))
            results = await asyncio.gather(*(store.redeem_code(TENANT, name, NOW) for _ in range(64)))
            assert Counter(results) == {True: 1, False: 63}

    @scenario("T27")
    async def test_strict_rotation_takes_each_generation_once(self, store: Store, clock: FakeClock) -> None:
        await store.insert_authorization(build_authorization())
        for generation in range(3):
            outcome = await rotate(store, generation, "strict")
            assert outcome.kind == "rotated"
            assert outcome.authorization is not None
            assert outcome.authorization.generation == generation + 1
            assert outcome.authorization.rotated_at == NOW
        assert (await rotate(store, 2, "strict")).kind == "replayed"
        assert (await rotate(store, 4, "strict")).kind == "refused"

    @scenario("T28")
    async def test_grace_is_for_the_predecessor_and_for_moments(self, store: Store, clock: FakeClock) -> None:
        await store.insert_authorization(build_authorization())
        assert (await rotate(store, 0)).kind == "rotated"
        graced = await rotate(store, 0, now=NOW + 10_000)
        assert graced.kind == "graced"
        assert graced.authorization is not None
        assert graced.authorization.generation == 1
        assert (await rotate(store, 0, now=NOW + 10_001)).kind == "replayed"
        assert (await rotate(store, 1, now=NOW + 1)).kind == "rotated"
        assert (await rotate(store, 0, now=NOW + 1)).kind == "replayed"
        assert (await rotate(store, 3, now=NOW + 1)).kind == "refused"
        await store.revoke_authorization(TENANT, "a1", now=NOW + 1, keep_until=NOW + HOUR)
        assert (await rotate(store, 1, now=NOW + 2)).kind == "refused"

    @scenario()
    async def test_without_rotation_a_refresh_token_stays_usable(self, store: Store, clock: FakeClock) -> None:
        await store.insert_authorization(build_authorization(generation=1))
        for step in range(3):
            outcome = await rotate(store, 1, "off", now=NOW + step)
            assert outcome.kind == "kept"
            assert outcome.authorization is not None
            assert (outcome.authorization.generation, outcome.authorization.rotated_at) == (1, NOW + step)
        assert (await rotate(store, 0, "off")).kind == "replayed"
        assert (await rotate(store, 2, "off")).kind == "refused"

    @scenario("T31")
    async def test_nothing_is_refreshed_beyond_the_absolute_end(self, store: Store, clock: FakeClock) -> None:
        await store.insert_authorization(build_authorization(expires_at=NOW + 5))
        assert (await rotate(store, 0, now=NOW + 5)).kind == "refused"
        assert (await rotate(store, 0, "off", now=NOW + 5)).kind == "refused"
        assert (await rotate(store, 0, name="none")).kind == "refused"
        assert (await rotate(store, 0, now=NOW + 4)).kind == "rotated"

    @scenario("T27", "T28")
    async def test_of_100_refreshes_at_once_one_leaf_lives(self, store: Store, clock: FakeClock) -> None:
        expected: dict[RefreshRotation, dict[str, int]] = {
            "strict": {"rotated": 1, "replayed": 99},
            "grace": {"rotated": 1, "graced": 99},
            "off": {"kept": 100},
            "none": {"rotated": 1, "replayed": 99},
        }
        for rotation, outcomes in expected.items():
            for number in range(self.rounds):
                name = f"{rotation}{number}"
                await store.insert_authorization(build_authorization(name))
                results = await asyncio.gather(*(rotate(store, 0, rotation, name=name) for _ in range(100)))
                assert Counter(outcome.kind for outcome in results) == outcomes
                authorization = await store.load_authorization(TENANT, name)
                assert authorization is not None
                assert authorization.generation == (0 if rotation == "off" else 1)

    @scenario("T30")
    async def test_a_kill_beats_every_refresh_under_way(self, store: Store, clock: FakeClock) -> None:
        await store.insert_subject(build_subject())
        for number in range(max(self.rounds, 4)):
            name, session_id = f"a{number}", f"s{number}"
            await store.insert_session(build_session(session_id))
            await store.insert_authorization(build_authorization(name, session_id=session_id))
            generation = 0

            async def kill(number: int = number, name: str = name, session_id: str = session_id) -> Any:
                if number % 4 == 0:
                    return await store.revoke_authorization(TENANT, name, now=NOW, keep_until=NOW + HOUR)
                if number % 4 == 1:
                    return await store.end_session(TENANT, session_id, now=NOW, keep_until=NOW + HOUR)
                if number % 4 == 2:
                    return await store.revoke_authorizations(
                        TENANT, now=NOW, keep_until=NOW + HOUR, subject="alice-id", client_id="shop"
                    )
                subject = await store.load_subject(TENANT, "alice-id")
                assert subject is not None
                return await store.update_subject(subject, revocation=build_revocation("alice-id", "subject"))

            refreshes = [rotate(store, generation + step % 3, "grace", name=name) for step in range(30)]
            await asyncio.gather(*refreshes[:15], kill(), *refreshes[15:])
            authorization = await store.load_authorization(TENANT, name)
            assert authorization is not None
            assert authorization.revoked_at is not None
            for presented in range(authorization.generation + 1):
                assert (await rotate(store, presented, name=name)).kind == "refused"
            assert not await store.redeem_code(TENANT, name, NOW)

    @scenario()
    async def test_revoking_an_authorization_refuses_its_tokens(self, store: Store, clock: FakeClock) -> None:
        await store.insert_authorization(build_authorization())
        for later in (0, 5):  # again: prolongs
            assert await store.revoke_authorization(TENANT, "a1", now=NOW + later, keep_until=NOW + HOUR + later)
        revocation = build_revocation("a1", "authorization", not_before=FOREVER, keep_until=NOW + HOUR + 5)
        assert await store.find_revocations(TENANT, [("authorization", "a1")]) == (revocation,)
        authorization = await store.load_authorization(TENANT, "a1")
        assert authorization is not None
        assert authorization.revoked_at == NOW
        assert not await store.revoke_authorization(TENANT, "none", now=NOW, keep_until=NOW + HOUR)

    @scenario()
    async def test_revoking_what_a_client_was_given_by_a_subject(self, store: Store, clock: FakeClock) -> None:
        for name, changes in (("a1", {}), ("a2", {}), ("bob", {"subject": "bob-id"}), ("app", {"client_id": "app"})):
            await store.grant_authorization(build_authorization(name, **changes), consent=None, interaction=None)
        await store.grant_authorization(build_authorization("a3"), consent=build_consent(), interaction=None)
        pair = {"subject": "alice-id", "client_id": "shop"}
        assert await store.revoke_authorizations(TENANT, now=NOW, keep_until=NOW + HOUR, **pair) == 3
        assert await store.revoke_authorizations(TENANT, now=NOW, keep_until=NOW + HOUR, **pair) == 0
        assert await store.load_consent(TENANT, "alice-id", "shop") is None
        names = [item.authorization_id for item in (await store.list_authorizations(TENANT)).items]
        assert sorted(names) == ["app", "bob"]
        assert [found.key for found in await store.load_revocations(NOW)] == ["8:alice-idshop"]
        assert await store.revoke_authorizations(TENANT, now=NOW, keep_until=NOW + HOUR, client_id="app") == 1
        assert await store.revoke_authorizations(TENANT, now=NOW, keep_until=NOW + HOUR, subject="bob-id") == 1
        assert sorted(found.key for found in await store.load_revocations(NOW)) == [
            "6:bob-id",
            "8:alice-idshop",
            ":app",
        ]

    @scenario()
    async def test_revoking_many_authorizations_takes_no_more_statements_than_one(
        self, store: Store, clock: FakeClock
    ) -> None:
        counts = []
        for number in (1, 300):
            subject = f"of {number}"
            names = [f"{number}.{place}" for place in range(number)]
            calls = (
                store.insert_authorization(build_authorization(name, subject=subject, created_at=NOW + place))
                for place, name in enumerate(names)
            )
            await asyncio.gather(*calls)
            before = sum(store.statement_counts().values())
            revoked = await store.revoke_authorizations(TENANT, now=NOW, keep_until=NOW + HOUR, subject=subject)
            assert revoked == number
            counts.append(sum(store.statement_counts().values()) - before)
            (found,) = [r for r in await store.load_revocations(NOW) if r.key.endswith(subject)]
            assert (found.kind, found.not_before) == ("authorizations", NOW + number - 1)  # the latest that was given
            assert (await rotate(store, 0, name=names[-1])).kind == "refused"
        assert counts[0] == counts[1]
        assert (await store.list_authorizations(TENANT)).items == ()
        assert len(await store.load_changes(0)) == 4  # of both tenants, and one of each revocation

    @scenario()
    async def test_a_log_out_ends_what_is_bound_to_the_session(self, store: Store, clock: FakeClock) -> None:
        await store.insert_session(build_session())
        await store.insert_authorization(build_authorization("bound", session_id="s1"))
        await store.insert_authorization(build_authorization("offline", session_id="s1", session_bound=False))
        assert await store.end_session(TENANT, "s1", now=NOW, keep_until=NOW + HOUR)
        assert not await store.end_session(TENANT, "s1", now=NOW, keep_until=NOW + HOUR)
        assert not await store.end_session(TENANT, "none", now=NOW, keep_until=NOW + HOUR)
        assert (await rotate(store, 0, name="bound")).kind == "refused"
        assert (await rotate(store, 0, name="offline")).kind == "rotated"
        revocation = build_revocation("s1", "session", not_before=FOREVER)
        assert await store.find_revocations(TENANT, [("session", "s1")]) == (revocation,)

    @scenario()
    async def test_ending_all_sessions_may_spare_one(self, store: Store, clock: FakeClock) -> None:
        for name in ("s1", "s2", "s3"):
            await store.insert_session(build_session(name))
            await store.insert_authorization(build_authorization("of " + name, session_id=name))
        await store.insert_session(build_session("bob", "bob-id"))
        assert await store.end_sessions(TENANT, "alice-id", now=NOW, keep_until=NOW + HOUR, keep="s2") == 2
        assert [found.session_id for found in await store.list_sessions(TENANT, "alice-id", now=NOW)] == ["s2"]
        names = [item.authorization_id for item in (await store.list_authorizations(TENANT)).items]
        assert names == ["of s2"]
        assert await store.end_sessions(TENANT, "alice-id", now=NOW, keep_until=NOW + HOUR) == 1
        assert len(await store.list_sessions(TENANT, "bob-id", now=NOW)) == 1

    @scenario("T21")
    async def test_an_interaction_is_granted_once(self, store: Store, clock: FakeClock) -> None:
        for number in range(self.rounds):
            interaction = build_interaction(f"i{number}")
            await store.insert_interaction(interaction)
            results = await asyncio.gather(
                *(
                    store.grant_authorization(
                        build_authorization(f"{number}.{rival}"),
                        consent=build_consent(scope=(f"s{rival}",)),
                        interaction=interaction,
                    )
                    for rival in range(16)
                )
            )
            assert Counter(results) == {True: 1, False: 15}
            stored = await store.load_interaction(TENANT, interaction.interaction_id)
            assert stored is not None
            assert (stored.completed_at, stored.version) == (NOW, 2)
            assert not await store.update_interaction(interaction)
        assert len((await store.list_authorizations(TENANT, limit=1000)).items) == self.rounds
        consent = await store.load_consent(TENANT, "alice-id", "shop")
        assert consent is not None
        assert len(consent.scope) <= self.rounds

    @scenario("T30")
    async def test_nothing_is_granted_in_a_session_that_has_ended(self, store: Store, clock: FakeClock) -> None:
        await store.insert_session(build_session())
        await store.end_session(TENANT, "s1", now=NOW, keep_until=NOW + HOUR)
        for session_id in ("s1", "deleted"):
            authorization = build_authorization(session_id=session_id)
            assert not await store.grant_authorization(authorization, consent=build_consent(), interaction=None)
        assert await store.load_authorization(TENANT, "a1") is None
        assert await store.load_consent(TENANT, "alice-id", "shop") is None
        await store.insert_session(build_session("s2"))
        authorization = build_authorization(session_id="s2")
        assert await store.grant_authorization(authorization, consent=None, interaction=None)

    @scenario("T56")
    async def test_a_value_is_used_once(self, store: Store, clock: FakeClock) -> None:
        for number in range(self.rounds):
            value = f"jti{number}".encode()
            uses = [store.use_once(TENANT, "jti", "shop", value, expires_at=NOW + 5) for _ in range(64)]
            assert Counter(await asyncio.gather(*uses)) == {True: 1, False: 63}
        assert await store.use_once(TENANT, "jti", "app", b"jti0", expires_at=NOW + 5)
        assert await store.use_once(TENANT, "nonce", "shop", b"jti0", expires_at=NOW + 5)
        assert await store.use_once(TENANT, "jtis", "hop", b"jti0", expires_at=NOW + 5)
        clock.advance(0.004)
        assert not await store.use_once(TENANT, "jti", "shop", b"jti0", expires_at=NOW + 10)
        clock.advance(0.001)
        assert await store.use_once(TENANT, "jti", "shop", b"jti0", expires_at=NOW + 10)
        assert not await store.use_once(TENANT, "jti", "shop", b"jti0", expires_at=NOW + 10)

    @scenario("T99")
    async def test_attempts_at_once_are_all_counted(self, store: Store, clock: FakeClock) -> None:
        counts = await asyncio.gather(
            *(store.count_attempt(TENANT, "account", "alice", now=NOW, window_ms=HOUR) for _ in range(50))
        )
        assert sorted(counts) == list(range(1, 51))

    @scenario()
    async def test_nodes_that_rotate_at_once_make_one_key(self, store: Store, clock: FakeClock) -> None:
        made = [store.insert_key(build_key(f"k{number}", state="next"), unless_state=True) for number in range(10)]
        assert Counter(await asyncio.gather(*made)) == {True: 1, False: 9}
        await store.insert_key(build_key("old"))
        (new,) = [key.kid for key in await store.list_keys(TENANT) if key.state == "next"]
        states: Any = {"old": ("active", "retired"), new: ("next", "active")}
        moved = [store.update_keys(TENANT, states, now=NOW, remove_at=NOW + HOUR) for _ in range(10)]
        assert Counter(await asyncio.gather(*moved)) == {True: 1, False: 9}

    @scenario()
    async def test_one_write_s_conflict_does_not_hurt_the_others(self, store: Store, clock: FakeClock) -> None:
        await store.insert_client(build_client("taken"))
        names = ["a", "taken", "b", "taken", "c"]
        results = await asyncio.gather(
            *(store.insert_client(build_client(name)) for name in names), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), Conflict, type(None), Conflict, type(None)]
        stored = [client.client_id for client in (await store.list_clients(TENANT)).items]
        assert stored == ["a", "b", "c", "taken"]

    @scenario()
    async def test_of_32_who_want_a_lease_one_gets_it(self, store: Store, clock: FakeClock) -> None:
        seen: Lease | None = None
        for beat in range(1, 3 + self.rounds):
            rivals = [Lease(name="work", holder=f"node {number}", beat=beat) for number in range(32)]
            taken = await asyncio.gather(*(store.take_lease(rival, seen) for rival in rivals))
            assert Counter(taken) == {True: 1, False: 31}
            seen = rivals[taken.index(True)]
            assert await store.load_lease("work") == seen
        assert seen is not None
        assert not await store.release_lease(rivals[taken.index(False)])
        assert await store.release_lease(seen)
        assert await store.load_lease("work") is None
        assert not await store.take_lease(seen, seen), "what was released is nobody's to renew"

    @scenario("T154")
    async def test_callers_who_give_up_disturb_nobody(self, store: Store, clock: FakeClock) -> None:
        for number in range(50):
            await store.insert_client(build_client(f"c{number}", client_name=f"name {number}"))
        tasks = [asyncio.ensure_future(store.load_client(TENANT, f"c{number}")) for number in range(50)]
        tasks += [asyncio.ensure_future(store.load_client(TENANT, f"c{number}")) for number in range(50)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for number, result in enumerate(results):
            if not isinstance(result, asyncio.CancelledError):
                assert not isinstance(result, BaseException)
                assert result is not None
                assert result.client_name == f"name {number % 50}"
        writes = [asyncio.ensure_future(store.insert_client(build_client(f"w{number}"))) for number in range(20)]
        await asyncio.sleep(0)
        for write in writes[::2]:
            write.cancel()
        await asyncio.gather(*writes, return_exceptions=True)
        for number in range(1, 20, 2):
            assert await store.load_client(TENANT, f"w{number}") is not None
