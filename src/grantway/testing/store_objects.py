# ruff: noqa: S101  these are tests, though they ship
"""The store's contract, first part: what is stored comes back, exactly, to its own tenant alone."""

from __future__ import annotations

import time

import msgspec

from grantway.errors import Conflict, NotFound, Unprocessable
from grantway.model import FOREVER, build_authorizations_key
from grantway.ports import Store
from grantway.testing.clock import FakeClock
from grantway.testing.store_samples import (
    HOUR,
    NOW,
    OTHER_TENANT,
    TENANT,
    build_authorization,
    build_client,
    build_consent,
    build_digest,
    build_interaction,
    build_key,
    build_revocation,
    build_session,
    build_subject,
    build_tenant,
)
from grantway.testing.store_scenario import StoreScenarios, is_refused, read_pages, scenario


class StoreObjects(StoreScenarios):
    """Clients, subjects, tenants, keys, sessions, interactions, listings."""

    @scenario()
    async def test_every_value_comes_back_as_it_was(self, store: Store, clock: FakeClock) -> None:
        await store.ping()
        there = await store.load_time()
        assert there is None or abs(there - time.time_ns() // 1_000_000) < 60_000
        client, subject, authorization = build_client(), build_subject(), build_authorization()
        session, interaction, key = build_session(), build_interaction(), build_key()
        await store.insert_client(client)
        await store.insert_subject(subject)
        await store.insert_authorization(authorization)
        await store.insert_session(session)
        await store.insert_interaction(interaction)
        assert await store.insert_key(key)
        assert await store.load_tenant(TENANT) == build_tenant()
        assert await store.load_client(TENANT, "shop") == client
        assert await store.load_subject(TENANT, "alice-id") == subject
        assert await store.load_subject_by_username(TENANT, "alice") == subject
        assert await store.load_authorization(TENANT, "a1") == authorization
        assert await store.load_authorization_by_code(TENANT, authorization.code_digest or b"") == authorization
        assert await store.load_session(TENANT, "s1") == session
        assert await store.load_session_by_digest(TENANT, session.digest) == session
        assert await store.load_interaction(TENANT, "i1") == interaction
        assert await store.list_keys(TENANT) == (key,)

    @scenario()
    async def test_an_authorization_without_a_code_comes_back_without_one(self, store: Store, clock: FakeClock) -> None:
        for name in ("b1", "b2"):
            bare = build_authorization(name, subject=None, code_digest=None, code_expires_at=None, claims=None)
            await store.insert_authorization(bare)
            assert await store.load_authorization(TENANT, name) == bare
            assert not await store.redeem_code(TENANT, name, NOW)

    @scenario()
    async def test_what_is_not_there_is_none(self, store: Store, clock: FakeClock) -> None:
        assert await store.load_tenant("none") is None
        assert await store.load_client(TENANT, "none") is None
        assert await store.load_subject(TENANT, "none") is None
        assert await store.load_subject_by_username(TENANT, "none") is None
        assert await store.load_authorization(TENANT, "none") is None
        assert await store.load_authorization_by_code(TENANT, build_digest("none")) is None
        assert await store.load_session(TENANT, "none") is None
        assert await store.load_session_by_digest(TENANT, build_digest("none")) is None
        assert await store.load_consent(TENANT, "none", "none") is None
        assert await store.load_interaction(TENANT, "none") is None
        assert await store.list_keys("none") == ()
        assert not await store.has_origin(TENANT, "https://none.example")
        assert await store.find_revocations(TENANT, [("token", "none")]) == ()

    @scenario("T153")
    async def test_tenants_with_equal_ids_do_not_meet(self, store: Store, clock: FakeClock) -> None:
        for tenant in (TENANT, OTHER_TENANT):
            await store.insert_client(build_client(tenant=tenant, client_name=tenant))
            await store.insert_subject(build_subject(tenant=tenant, claims={"name": tenant}))
            await store.insert_authorization(build_authorization(tenant=tenant, nonce=tenant))
            await store.insert_session(build_session(tenant=tenant, user_agent=tenant))
            assert await store.insert_key(build_key(tenant=tenant))
            assert await store.use_once(tenant, "jti", "shop", b"1", expires_at=NOW + HOUR)
            assert await store.count_attempt(tenant, "account", "alice", now=NOW, window_ms=HOUR) == 1
        assert await store.redeem_code(OTHER_TENANT, "a1", NOW)
        assert await store.revoke_authorization(OTHER_TENANT, "a1", now=NOW, keep_until=NOW + HOUR)
        assert await store.end_session(OTHER_TENANT, "s1", now=NOW, keep_until=NOW + HOUR)
        await store.delete_client(OTHER_TENANT, "shop", revocation=build_revocation("shop", "client", OTHER_TENANT))
        assert await store.delete_key(OTHER_TENANT, "k1")
        client = await store.load_client(TENANT, "shop")
        assert client is not None
        assert client.client_name == TENANT
        assert await store.load_authorization(TENANT, "a1") == build_authorization(nonce=TENANT)
        assert await store.load_authorization_by_code(TENANT, build_digest(OTHER_TENANT + "a1")) is None
        assert await store.load_session_by_digest(TENANT, build_digest(OTHER_TENANT + "s1")) is None
        assert len(await store.list_sessions(TENANT, "alice-id", now=NOW)) == 1
        assert len(await store.list_keys(TENANT)) == 1
        assert await store.find_revocations(TENANT, [("client", "shop"), ("session", "s1")]) == ()
        assert await store.redeem_code(TENANT, "a1", NOW)

    @scenario("T35")
    async def test_identifiers_are_compared_byte_for_byte(self, store: Store, clock: FakeClock) -> None:
        names = ["abc", "ABC", "abc ", " abc", "ábc", "a\u0301bc", "abc\t", "аbc"]
        for name in names:
            await store.insert_client(build_client(name, client_name=name))
            await store.insert_subject(build_subject(name, name, username_key=name))
            assert await store.use_once(TENANT, "jti", "shop", name.encode(), expires_at=NOW + HOUR)
        for name in names:
            client = await store.load_client(TENANT, name)
            assert client is not None
            assert client.client_name == name
            subject = await store.load_subject_by_username(TENANT, name)
            assert subject is not None
            assert subject.subject == name
        page = await store.list_clients(TENANT, client_name="abc")
        assert [client.client_id for client in page.items] == ["abc"]

    @scenario("T36", "T146")
    async def test_what_does_not_fit_is_refused_and_never_cut(self, store: Store, clock: FakeClock) -> None:
        longest = "ü" * 255
        await store.insert_client(build_client(longest))
        assert await store.load_client(TENANT, longest) is not None
        assert await store.load_client(TENANT, longest + "x") is None
        for bad in ("x" * 256, "x" * 10_000, "", "a\x00b", "\ud800"):
            assert await is_refused(Unprocessable, store.insert_client(build_client(bad)))
            assert await is_refused(Unprocessable, store.insert_subject(build_subject(bad)))
            assert await is_refused(Unprocessable, store.insert_authorization(build_authorization(client_id=bad)))
            assert await is_refused(Unprocessable, store.insert_revocation(build_revocation(bad)))
            assert await store.load_client(TENANT, bad) is None
        assert await is_refused(Unprocessable, store.insert_tenant(build_tenant("t" * 65)))
        assert await is_refused(Unprocessable, store.insert_session(build_session(digest=b"short")))
        assert len(await read_pages(lambda c: store.list_clients(TENANT, cursor=c))) == 1

    @scenario()
    async def test_taken_names_are_conflicts(self, store: Store, clock: FakeClock) -> None:
        await store.insert_client(build_client())
        await store.insert_subject(build_subject())
        await store.insert_subject(build_subject("bob-id", "bob"))
        assert await is_refused(Conflict, store.insert_client(build_client()))
        assert await is_refused(Conflict, store.insert_subject(build_subject(username="else")))
        assert await is_refused(Conflict, store.insert_subject(build_subject("else")))
        assert await is_refused(Conflict, store.update_subject(build_subject("bob-id", "alice")))
        assert await is_refused(Conflict, store.insert_tenant(build_tenant()))
        assert await is_refused(Conflict, store.insert_tenant(build_tenant("new", issuer=build_tenant().issuer)))
        assert await is_refused(Conflict, store.update_tenant(build_tenant(issuer=build_tenant(OTHER_TENANT).issuer)))

    @scenario()
    async def test_an_update_needs_the_version_that_is_stored(self, store: Store, clock: FakeClock) -> None:
        await store.insert_client(build_client())
        await store.insert_subject(build_subject())
        client = await store.update_client(build_client(client_name="Two"))
        assert (client.version, client.client_name) == (2, "Two")
        assert await store.load_client(TENANT, "shop") == client
        assert await is_refused(Conflict, store.update_client(build_client()))
        subject = await store.update_subject(build_subject(username="alice2"))
        assert await store.load_subject_by_username(TENANT, "alice2") == subject
        assert await store.load_subject_by_username(TENANT, "alice") is None
        assert await is_refused(Conflict, store.update_subject(build_subject()))
        assert await is_refused(NotFound, store.update_client(build_client("none")))
        assert await is_refused(NotFound, store.update_subject(build_subject("none")))
        assert await is_refused(NotFound, store.update_tenant(build_tenant("none")))
        await store.update_tenant(build_tenant(not_before=7))
        tenant = await store.load_tenant(TENANT)
        assert tenant is not None
        assert tenant.not_before == 7

    @scenario()
    async def test_origins_follow_their_clients(self, store: Store, clock: FakeClock) -> None:
        origins = ("https://a.example", "https://b.example")
        await store.insert_client(build_client("one", allowed_cors_origins=origins))
        await store.insert_client(build_client("two", allowed_cors_origins=origins[:1]))
        assert await store.has_origin(TENANT, origins[1])
        assert not await store.has_origin(OTHER_TENANT, origins[1])
        await store.update_client(build_client("one"))
        assert not await store.has_origin(TENANT, origins[1])
        assert await store.has_origin(TENANT, origins[0])
        await store.delete_client(TENANT, "two", revocation=build_revocation("two", "client"))
        assert not await store.has_origin(TENANT, origins[0])

    @scenario()
    async def test_pages_neither_lose_nor_repeat(self, store: Store, clock: FakeClock) -> None:
        for number in range(23):
            owner = "even" if number % 2 == 0 else ""
            await store.insert_client(build_client(f"c{number:02}", owner=owner))
            await store.insert_subject(build_subject(f"id{number}", f"user{number:02}"))
            # several of one instant, so that the identifier has to decide
            await store.insert_authorization(build_authorization(f"a{number:02}", created_at=NOW + number // 4))
        for limit in (1, 2, 5, 22, 23, 24):
            clients = await read_pages(lambda c, n=limit: store.list_clients(TENANT, cursor=c, limit=n))  # type: ignore[misc]
            assert [client.client_id for client in clients] == [f"c{number:02}" for number in range(23)]
            subjects = await read_pages(lambda c, n=limit: store.list_subjects(TENANT, cursor=c, limit=n))  # type: ignore[misc]
            assert [subject.username for subject in subjects] == [f"user{number:02}" for number in range(23)]
            found = await read_pages(lambda c, n=limit: store.list_authorizations(TENANT, cursor=c, limit=n))  # type: ignore[misc]
            assert [item.authorization_id for item in found] == [f"a{number:02}" for number in reversed(range(23))]
        even = await read_pages(lambda c: store.list_clients(TENANT, cursor=c, limit=5, owner="even"))
        assert len(even) == 12
        named = await read_pages(lambda c: store.list_clients(TENANT, cursor=c, limit=5, client_name="x", owner="even"))
        assert named == []
        teens = await read_pages(lambda c: store.list_subjects(TENANT, cursor=c, limit=4, prefix="user1"))
        assert [subject.username for subject in teens] == [f"user{number}" for number in range(10, 20)]
        tenants = await read_pages(lambda c: store.list_tenants(cursor=c, limit=1))
        assert [tenant.tenant for tenant in tenants] == [TENANT, OTHER_TENANT]

    @scenario("T153")
    async def test_a_cursor_of_something_else_is_refused(self, store: Store, clock: FakeClock) -> None:
        for name in ("a", "b"):
            await store.insert_client(build_client(name))
            await store.insert_subject(build_subject(name, name))
        cursor = (await store.list_clients(TENANT, limit=1)).cursor
        assert cursor is not None
        assert await is_refused(Unprocessable, store.list_clients(OTHER_TENANT, cursor=cursor))
        assert await is_refused(Unprocessable, store.list_subjects(TENANT, cursor=cursor))
        for bad in ("", "x", "ü", cursor[:-1], cursor + "x", cursor.upper(), cursor + "=", "c1.", "c1.bnVsbA"):
            assert await is_refused(Unprocessable, store.list_clients(TENANT, cursor=bad))
            assert await is_refused(Unprocessable, store.list_authorizations(TENANT, cursor=bad))
            assert await is_refused(Unprocessable, store.list_tenants(cursor=bad))

    @scenario("T130")
    async def test_a_tenants_not_before_never_goes_back(self, store: Store, clock: FakeClock) -> None:
        earlier = await store.load_tenant(TENANT)
        assert earlier is not None
        await store.update_tenant(msgspec.structs.replace(earlier, not_before=NOW))
        await store.update_tenant(msgspec.structs.replace(earlier, display_name="renamed"))
        stored = await store.load_tenant(TENANT)
        assert stored is not None
        assert (stored.not_before, stored.display_name) == (NOW, "renamed")
        await store.update_tenant(msgspec.structs.replace(stored, not_before=NOW + 1))
        stored = await store.load_tenant(TENANT)
        assert stored is not None
        assert stored.not_before == NOW + 1

    @scenario()
    async def test_authorizations_are_listed_while_they_live(self, store: Store, clock: FakeClock) -> None:
        await store.insert_authorization(build_authorization("bob", subject="bob-id"))
        await store.insert_authorization(build_authorization("app", client_id="app", created_at=NOW + 1))
        await store.insert_authorization(build_authorization("gone", expires_at=NOW))
        await store.insert_authorization(build_authorization("dead", revoked_at=NOW))

        async def names(**filters: str) -> list[str]:
            page = await store.list_authorizations(TENANT, **filters)  # type: ignore[arg-type]
            return [item.authorization_id for item in page.items]

        assert await names() == ["app", "bob"]
        assert await names(subject="bob-id") == ["bob"]
        assert await names(client_id="app") == ["app"]
        assert await names(subject="bob-id", client_id="app") == []
        clock.advance(86_400)
        assert await names() == []

    @scenario()
    async def test_sessions_begin_are_seen_and_are_renewed(self, store: Store, clock: FakeClock) -> None:
        await store.insert_session(build_session())
        await store.touch_session(TENANT, "s1", last_seen_at=NOW + 5)
        await store.touch_session(TENANT, "s1", last_seen_at=NOW + 3)
        session = await store.load_session(TENANT, "s1")
        assert session is not None
        assert session.last_seen_at == NOW + 5
        assert await store.list_sessions(TENANT, "alice-id", now=NOW + HOUR) == ()
        renewed = build_session(
            digest=build_digest("new cookie"),
            auth_time=NOW // 1000 + 9,
            remembered=True,
            user_agent="other",
            address="::1",
            last_seen_at=NOW + 9,
            expires_at=NOW + 2 * HOUR,
        )
        assert await store.renew_session(msgspec.structs.replace(renewed, created_at=NOW + 9))
        assert await store.load_session(TENANT, "s1") == renewed
        assert await store.load_session_by_digest(TENANT, renewed.digest) == renewed
        assert await store.load_session_by_digest(TENANT, session.digest) is None
        assert await store.list_sessions(TENANT, "alice-id", now=NOW + HOUR) == (renewed,)
        assert not await store.renew_session(build_session("none"))
        assert not await store.renew_session(build_session(subject="bob-id"))
        await store.end_session(TENANT, "s1", now=NOW + 10, keep_until=NOW + HOUR)
        assert not await store.renew_session(renewed)

    @scenario()
    async def test_an_interaction_moves_on_only_from_where_it_is(self, store: Store, clock: FakeClock) -> None:
        interaction = build_interaction()
        await store.insert_interaction(interaction)
        moved = msgspec.structs.replace(interaction, authenticated_at=NOW, session_id="s1", granted_scope=("openid",))
        assert await store.update_interaction(moved)
        assert await store.load_interaction(TENANT, "i1") == msgspec.structs.replace(moved, version=2)
        assert not await store.update_interaction(moved)
        assert not await store.update_interaction(build_interaction("none"))

    @scenario()
    async def test_consent_is_remembered_and_grows(self, store: Store, clock: FakeClock) -> None:
        for name, scope, fingerprint in (("a1", "openid", "f"), ("a2", "email", "f"), ("a3", "phone", "g")):
            consent = build_consent(scope=(scope,), client_fingerprint=fingerprint)
            assert await store.grant_authorization(build_authorization(name), consent=consent, interaction=None)
            stored = await store.load_consent(TENANT, "alice-id", "shop")
            assert stored is not None
            # a client that looks different begins anew
            assert stored.scope == {"a1": ("openid",), "a2": ("openid", "email"), "a3": ("phone",)}[name]
        assert [consent.client_id for consent in await store.list_consents(TENANT, "alice-id")] == ["shop"]

    @scenario()
    async def test_deleting_a_client_takes_what_it_was_given(self, store: Store, clock: FakeClock) -> None:
        await store.insert_client(build_client())
        await store.grant_authorization(build_authorization(), consent=build_consent(), interaction=None)
        revocation = build_revocation("shop", "client")
        await store.delete_client(TENANT, "shop", revocation=revocation)
        assert await store.load_client(TENANT, "shop") is None
        assert await store.load_consent(TENANT, "alice-id", "shop") is None
        assert (await store.list_authorizations(TENANT)).items == ()
        assert await store.find_revocations(TENANT, [("client", "shop")]) == (revocation,)
        assert await is_refused(NotFound, store.delete_client(TENANT, "shop", revocation=revocation))

    @scenario("T110")
    async def test_a_subject_disabled_or_deleted_loses_everything(self, store: Store, clock: FakeClock) -> None:
        await store.insert_subject(build_subject())
        revocation = build_revocation("alice-id", "subject")
        for step in ("disable", "delete"):
            await store.insert_session(build_session(step))
            await store.grant_authorization(build_authorization(step), consent=build_consent(), interaction=None)
            if step == "disable":
                await store.update_subject(build_subject(enabled=False), revocation=revocation)
                assert await store.load_consent(TENANT, "alice-id", "shop") is not None
            else:
                await store.delete_subject(TENANT, "alice-id", revocation=revocation)
                assert await store.load_consent(TENANT, "alice-id", "shop") is None
                assert await store.load_subject(TENANT, "alice-id") is None
            assert await store.list_sessions(TENANT, "alice-id", now=NOW) == ()
            assert (await store.list_authorizations(TENANT)).items == ()
            assert await store.find_revocations(TENANT, [("subject", "alice-id")]) == (revocation,)
            # A refresh under way may issue a token later than the subject's not_before: its authorization is dead too.
            key = build_authorizations_key("alice-id", None)
            (found,) = await store.find_revocations(TENANT, [("authorizations", key)])
            assert found.not_before == NOW
        assert await is_refused(NotFound, store.delete_subject(TENANT, "alice-id", revocation=revocation))

    @scenario()
    async def test_keys_move_together_or_not_at_all(self, store: Store, clock: FakeClock) -> None:
        assert await store.insert_key(build_key("old"))
        assert not await store.insert_key(build_key("old"))
        assert await store.insert_key(build_key("new", state="next", created_at=NOW + 1), unless_state=True)
        assert not await store.insert_key(build_key("rival", state="next"), unless_state=True)
        assert await store.insert_key(build_key("rsa", state="next", alg="RS256"), unless_state=True)
        wrong = {"new": ("next", "active"), "old": ("retired", "revoked")}
        assert not await store.update_keys(TENANT, wrong, now=NOW, remove_at=None)  # type: ignore[arg-type]
        assert {key.kid: key.state for key in await store.list_keys(TENANT)}["new"] == "next"
        right = {"old": ("active", "retired"), "new": ("next", "active")}
        assert await store.update_keys(TENANT, right, now=NOW + 5, remove_at=NOW + HOUR)  # type: ignore[arg-type]
        keys = {key.kid: key for key in await store.list_keys(TENANT)}
        assert (keys["new"].state, keys["new"].activated_at, keys["new"].remove_at) == ("active", NOW + 5, None)
        old = keys["old"]
        assert (old.state, old.retired_at, old.remove_at) == ("retired", NOW + 5, NOW + HOUR)
        assert [key.kid for key in await store.list_keys(TENANT)] == ["new", "rsa", "old"]
        assert not await store.replace_sealed_key(TENANT, "new", b"wrong", b"x")
        assert await store.replace_sealed_key(TENANT, "new", keys["new"].sealed_private_key, b"resealed")
        assert await store.delete_key(TENANT, "new")
        assert not await store.delete_key(TENANT, "new")

    @scenario()
    async def test_of_two_revocations_the_stricter_wins_in_each_field(self, store: Store, clock: FakeClock) -> None:
        for not_before, keep_until in ((5, 10), (3, 20), (4, 15)):
            await store.insert_revocation(build_revocation("t", not_before=not_before, keep_until=keep_until))
        stricter = build_revocation("t", not_before=5, keep_until=20)
        assert await store.find_revocations(TENANT, [("token", "t"), ("session", "t")]) == (stricter,)
        await store.insert_revocation(build_revocation("t", not_before=FOREVER, keep_until=FOREVER))
        assert await store.load_revocations(NOW) == (build_revocation("t", not_before=FOREVER, keep_until=FOREVER),)

    @scenario()
    async def test_attempts_are_counted_within_their_window(self, store: Store, clock: FakeClock) -> None:
        async def count(now: int, key: str = "alice") -> int:
            return await store.count_attempt(TENANT, "account", key, now=now, window_ms=1000)

        assert [await count(NOW + step) for step in (0, 1, 999)] == [1, 2, 3]
        assert await count(NOW, "bob") == 1
        assert await store.count_attempt(TENANT, "address", "alice", now=NOW, window_ms=1000) == 1
        assert await count(NOW + 1000) == 1
        assert await count(NOW + 1500) == 2
        await store.take_back_attempt(TENANT, "account", "alice")
        assert await count(NOW + 1500) == 2
        await store.forgive_attempts(TENANT, "account", "alice")
        await store.take_back_attempt(TENANT, "account", "alice")
        assert await count(NOW + 1501) == 1

    @scenario("T22")
    async def test_cleaning_keeps_what_replays_are_seen_by(self, store: Store, clock: FakeClock) -> None:
        await store.insert_authorization(build_authorization("live"))
        assert await store.redeem_code(TENANT, "live", NOW)
        await store.revoke_authorization(TENANT, "live", now=NOW, keep_until=NOW + HOUR)
        await store.insert_authorization(build_authorization("ended", expires_at=NOW + 10))
        await store.insert_session(build_session("ended", expires_at=NOW + 10))
        await store.insert_session(build_session("live"))
        await store.insert_interaction(build_interaction(expires_at=NOW + 10))
        await store.insert_revocation(build_revocation("ended", keep_until=NOW + 10))
        await store.insert_key(build_key("ended", state="retired", remove_at=NOW + 10))
        await store.insert_key(build_key("live"))
        assert await store.use_once(TENANT, "jti", "shop", b"1", expires_at=NOW + 10)
        assert await store.use_once(TENANT, "jti", "shop", b"2", expires_at=NOW + HOUR)
        await store.count_attempt(TENANT, "account", "alice", now=NOW, window_ms=10)
        assert await store.clean(now=NOW + 9) == 0
        clock.advance(0.011)
        assert await store.clean(now=NOW + 11) == 7
        assert await store.clean(now=NOW + 11) == 0
        authorization = await store.load_authorization(TENANT, "live")
        assert authorization is not None
        assert authorization.code_redeemed_at == NOW
        assert authorization.revoked_at == NOW
        assert await store.load_authorization(TENANT, "ended") is None
        assert await store.load_session(TENANT, "ended") is None
        assert await store.load_session(TENANT, "live") is not None
        assert [key.kid for key in await store.list_keys(TENANT)] == ["live"]
        assert len(await store.load_revocations(NOW)) == 1
        assert not await store.use_once(TENANT, "jti", "shop", b"2", expires_at=NOW + HOUR)
        assert await store.use_once(TENANT, "jti", "shop", b"1", expires_at=NOW + HOUR)

    @scenario("T131")
    async def test_cleaning_keeps_what_open_sessions_gave_their_clients(self, store: Store, clock: FakeClock) -> None:
        for name in ("open", "ended", "over"):
            await store.insert_session(build_session(name, expires_at=NOW + (9 if name == "over" else HOUR)))
            await store.insert_authorization(build_authorization(name, session_id=name, expires_at=NOW + 5))
        await store.insert_authorization(
            build_authorization("elsewhere", OTHER_TENANT, session_id="open", expires_at=NOW + 5)
        )
        await store.end_session(TENANT, "ended", now=NOW, keep_until=NOW + HOUR)
        clock.advance(0.008)
        assert await store.clean(now=NOW + 8) == 2, "of the session that ended, and of none"
        assert await store.load_authorization(TENANT, "open") is not None
        assert await store.load_authorization(TENANT, "over") is not None
        clock.advance(0.001)
        assert await store.clean(now=NOW + 9) == 2, "the session that is over and what it gave"
        assert await store.list_session_clients(TENANT, "open") == ("shop",)
        assert await store.end_session(TENANT, "open", now=NOW + 9, keep_until=NOW + HOUR)
        assert await store.clean(now=NOW + 9) == 1

    @scenario()
    async def test_cleaning_goes_in_small_steps(self, store: Store, clock: FakeClock) -> None:
        for number in range(5):
            await store.insert_authorization(build_authorization(f"a{number}", expires_at=NOW + 1))
        assert [await store.clean(now=NOW + 1, limit=2) for _ in range(4)] == [2, 2, 1, 0]

    @scenario("R19")
    async def test_cleaning_takes_what_has_ended_and_nothing_else(self, store: Store, clock: FakeClock) -> None:
        for number in range(50):
            end = NOW + (1 if number % 5 else HOUR)
            await store.insert_revocation(build_revocation(f"t{number}", keep_until=end))
            assert await store.use_once(TENANT, "jti", "shop", bytes([number]), expires_at=end)
            await store.insert_interaction(build_interaction(f"i{number}", expires_at=end))
        clock.advance(0.001)
        assert await store.clean(now=NOW + 1, limit=45) == 120
        assert {kept.key for kept in await store.load_revocations(0)} == {f"t{number}" for number in range(0, 50, 5)}
        for number in range(50):
            is_kept = number % 5 == 0
            assert await store.use_once(TENANT, "jti", "shop", bytes([number]), expires_at=NOW + HOUR) != is_kept
            assert (await store.load_interaction(TENANT, f"i{number}") is not None) == is_kept
