"""Refresh tokens: rotated, bound, never wider, and gone when what they rest on is gone."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from grantway.admin.clients import patch_client
from grantway.admin.users import disable_user, enable_user
from grantway.events import ReplayPunished

GRACE = 10


def is_refused(answer, error="invalid_grant"):
    return (answer.status_code, answer.json().get("error")) == (400, error)


@pytest.fixture(params=["confidential", "public"])
def owner(request, server):
    method = "none" if request.param == "public" else "client_secret_basic"
    return server.register_client(token_endpoint_auth_method=method)


def refreshed(server, client, token, **parameters):
    answer = server.refresh(client, token, **parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def is_active(server, client, token):
    """Asked of memory, as introspection is for confidential clients alone."""
    from grantway.gate import find_access

    return server.run(find_access(server.runtime, "default", token)) is not None


@pytest.mark.spec("RFC 6749 §6")
def test_a_refresh_token_gives_fresh_tokens(server, owner):
    first = server.grant(owner)
    second = refreshed(server, owner, first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert second["scope"] == first["scope"]
    assert is_active(server, owner, second["access_token"])


@pytest.mark.threat("T27")
@pytest.mark.spec("RFC 9700 §4.14.2")
def test_a_token_two_generations_old_kills_the_family(server, owner):
    first = server.grant(owner)
    second = refreshed(server, owner, first["refresh_token"])
    third = refreshed(server, owner, second["refresh_token"])
    assert is_refused(server.refresh(owner, first["refresh_token"])), "even inside the grace window"
    for tokens in (first, second, third):
        assert not is_active(server, owner, tokens["access_token"])
        assert is_refused(server.refresh(owner, tokens["refresh_token"]))
    assert server.events.of(ReplayPunished)[-1].client_id == owner.client_id


@pytest.mark.threat("T27")
def test_a_spent_token_outside_the_grace_window_kills_the_family(server, owner):
    first = server.grant(owner)
    second = refreshed(server, owner, first["refresh_token"])
    server.clock.advance(GRACE + 0.001)
    assert is_refused(server.refresh(owner, first["refresh_token"]))
    assert is_refused(server.refresh(owner, second["refresh_token"]))
    assert not is_active(server, owner, second["access_token"])


@pytest.mark.threat("T28")
def test_in_the_grace_window_the_predecessor_gets_the_same_successor(server, owner):
    first = server.grant(owner)
    second = refreshed(server, owner, first["refresh_token"])
    server.clock.advance(GRACE)
    again = refreshed(server, owner, first["refresh_token"])
    third = refreshed(server, owner, again["refresh_token"])
    assert is_active(server, owner, third["access_token"])
    # both are the same generation: the one that was not used is its twin, graced as its predecessor was
    assert "access_token" in refreshed(server, owner, second["refresh_token"])


@pytest.mark.threat("T28")
def test_parallel_refreshes_in_grace_leave_one_live_leaf(server, client):
    token = server.grant(client)["refresh_token"]
    http = server.build_http_client()
    data = {"grant_type": "refresh_token", "refresh_token": token}

    async def race():
        return await asyncio.gather(*(http.post("/oauth2/token", data=data, auth=client.auth) for _ in range(20)))

    answers = server.run(race())
    assert {answer.status_code for answer in answers} == {200}
    claims = {
        server.runtime.tokens.open_refresh("default", answer.json()["refresh_token"]).generation for answer in answers
    }
    assert claims == {1}


@pytest.mark.threat("T28")
def test_parallel_refreshes_under_strict_rotation_are_theft(server):
    client = server.register_client(refresh_token_rotation="strict")
    token = server.grant(client)["refresh_token"]
    http = server.build_http_client()
    data = {"grant_type": "refresh_token", "refresh_token": token}

    async def race():
        return await asyncio.gather(*(http.post("/oauth2/token", data=data, auth=client.auth) for _ in range(20)))

    answers = server.run(race())
    winners = [answer for answer in answers if answer.status_code == 200]
    assert len(winners) <= 1
    for winner in winners:
        assert not server.is_active(client, winner.json()["access_token"])


@pytest.mark.threat("T28")
def test_strict_rotation_has_no_grace(server):
    client = server.register_client(refresh_token_rotation="strict")
    first = server.grant(client)
    second = refreshed(server, client, first["refresh_token"])
    assert is_refused(server.refresh(client, first["refresh_token"]))
    assert is_refused(server.refresh(client, second["refresh_token"]))


@pytest.mark.threat("T29")
def test_without_rotation_the_token_stays_usable(server):
    client = server.register_client(refresh_token_rotation="off")
    first = server.grant(client)
    for _ in range(3):
        again = refreshed(server, client, first["refresh_token"])
        assert again["refresh_token"] == first["refresh_token"]
        server.clock.advance(60)
    server.revoke(client, first["refresh_token"])
    assert is_refused(server.refresh(client, first["refresh_token"]))


@pytest.mark.threat("T28")
@pytest.mark.parametrize("presented", ["predecessor", "current"])
def test_a_revoked_token_never_passes_as_a_superseded_one(server, owner, presented):
    first = server.grant(owner)
    second = refreshed(server, owner, first["refresh_token"])
    assert server.revoke(owner, second["refresh_token"]).status_code == 200
    token = (first if presented == "predecessor" else second)["refresh_token"]
    assert is_refused(server.refresh(owner, token))
    assert not is_active(server, owner, second["access_token"])


@pytest.mark.threat("T23")
def test_another_clients_refresh_token_is_refused_and_unharmed(server, client):
    tokens = server.grant(client)
    for other in (server.register_client(), server.register_client(token_endpoint_auth_method="none")):
        assert is_refused(server.refresh(other, tokens["refresh_token"]))
    stale = tokens["refresh_token"]
    fresh = refreshed(server, client, stale)
    server.clock.advance(60)
    assert is_refused(server.refresh(server.register_client(), stale)), "a replay by a stranger"
    assert server.is_active(client, fresh["access_token"]), "punishes nobody"


@pytest.mark.threat("T31")
def test_an_unused_token_expires(server):
    client = server.register_client(refresh_token_idle_ttl=100)
    token = server.grant(client)["refresh_token"]
    server.clock.advance(99)
    token = refreshed(server, client, token)["refresh_token"]
    server.clock.advance(100)
    assert is_refused(server.refresh(client, token))
    assert not server.is_active(client, token)


@pytest.mark.threat("T31")
def test_an_authorization_ends_however_often_it_is_used(server):
    client = server.register_client(refresh_token_absolute_ttl=1000, refresh_token_idle_ttl=600)
    tokens = server.grant(client)
    for _ in range(3):
        server.clock.advance(300)
        tokens = refreshed(server, client, tokens["refresh_token"])
    assert tokens["expires_in"] == 100, "nothing outlives the permission it descends from"
    server.clock.advance(100)
    assert is_refused(server.refresh(client, tokens["refresh_token"]))
    assert not server.is_active(client, tokens["access_token"])


@pytest.mark.threat("T32")
@pytest.mark.spec("RFC 6749 §6")
def test_scope_narrows_and_never_widens(server, client):
    tokens = server.grant(client, scope="openid offline_access read write")
    narrow = refreshed(server, client, tokens["refresh_token"], scope="read")
    assert narrow["scope"] == "read"
    assert server.introspect(client, narrow["access_token"])["scope"] == "read"
    assert is_refused(server.refresh(client, narrow["refresh_token"], scope="read email"), "invalid_scope")
    whole = refreshed(server, client, narrow["refresh_token"])
    assert whole["scope"] == "openid offline_access read write", "the next may have all of it again"


@pytest.mark.threat("T32")
def test_a_scope_the_client_lost_is_gone_at_the_next_refresh(server, client):
    tokens = server.grant(client, scope="openid offline_access read write")
    change = [{"op": "replace", "path": "/scope", "value": "openid offline_access read"}]
    server.run(patch_client(server.runtime, "default", client.client_id, change, actor="test"))
    tokens = refreshed(server, client, tokens["refresh_token"])
    assert tokens["scope"] == "openid offline_access read"
    assert is_refused(server.refresh(client, tokens["refresh_token"], scope="write"), "invalid_scope")


@pytest.mark.threat("T110")
def test_a_disabled_person_gets_no_fresh_tokens_ever_again(server, client, username):
    tokens = server.grant(client, username=username)
    subject = server.run(server.runtime.store.load_subject_by_username("default", username)).subject
    server.run(disable_user(server.runtime, "default", subject, actor="test"))
    assert is_refused(server.refresh(client, tokens["refresh_token"]))
    assert not server.is_active(client, tokens["access_token"])
    server.run(enable_user(server.runtime, "default", subject, actor="test"))
    assert not server.is_active(client, tokens["access_token"])
    assert is_refused(server.refresh(client, tokens["refresh_token"]))


@pytest.mark.spec("OpenID Connect Core §11")
def test_without_offline_access_a_refresh_token_ends_with_the_session(server, client):
    bound, offline = server.browser(), server.browser()
    with_session = server.redeem(client, bound.authorize(client, scope="openid")["code"]).json()
    without = server.redeem(client, offline.authorize(client, scope="openid offline_access")["code"]).json()
    for browser in (bound, offline):
        browser.open("/account")
        browser.submit(0, action="logout")
        assert "signed out" in browser.page.text
    assert is_refused(server.refresh(client, with_session["refresh_token"]))
    assert not server.is_active(client, with_session["access_token"])
    assert not server.is_active(client, with_session["refresh_token"])
    renewed = refreshed(server, client, without["refresh_token"])
    assert server.is_active(client, renewed["access_token"])


@pytest.mark.spec("OpenID Connect Core §11")
def test_a_refresh_token_bound_to_a_session_ends_when_the_session_expires(server, client):
    tokens = server.grant(client, scope="openid")
    server.clock.advance(12 * 3600)
    assert is_refused(server.refresh(client, tokens["refresh_token"]))


@pytest.mark.spec("RFC 6749 §5.2")
def test_a_client_without_the_grant_gets_and_uses_no_refresh_token(server, client):
    plain = server.register_client(grant_types=["authorization_code"])
    assert "refresh_token" not in server.grant(plain)
    token = server.grant(client)["refresh_token"]
    assert is_refused(server.refresh(plain, token), "unauthorized_client")


@pytest.mark.threat("T34")
def test_a_refresh_token_with_another_character_is_none(server, client):
    token = server.grant(client)["refresh_token"]
    access = server.grant(client)["access_token"]
    altered = [token[:-1], token + "A", token + "=", token + " ", token.swapcase(), token[:-1] + "_", token.upper(),
               "gwat_" + token[5:], "gwrt_" + access[5:], access, "gwrt_", token + "%", token.replace("_", "-", 2),
               "gwrt_" + "A" * 20000]  # fmt: skip
    for other in altered:
        if other != token:
            assert is_refused(server.refresh(client, other)), other[:60]
    assert server.refresh(client, token).status_code == 200


@pytest.mark.spec("OpenID Connect Core §12.2")
def test_a_refreshed_id_token_speaks_of_the_same_login(server, client, verify):
    first = server.grant(client)
    server.clock.advance(30)
    second = refreshed(server, client, first["refresh_token"])
    before, after = verify(first["id_token"]).claims, verify(second["id_token"]).claims
    for name in ("iss", "sub", "aud", "auth_time", "azp", "sid"):
        assert after[name] == before[name], name
    assert after["iat"] == before["iat"] + 30
    assert after.get("nonce", before["nonce"]) == before["nonce"]


def test_the_ring_may_rotate_under_a_refresh_token(server, client):
    """What was sealed under the older secret still opens; what a stranger's ring sealed does not."""
    from grantway.protocol.sealing import Ring, TokenSealer, encode_base64url

    tokens = server.grant(client)
    stranger = TokenSealer(Ring([b"another secret of more than 32 bytes"]), b"s" * 16)
    forged = "gwrt_" + encode_base64url(
        stranger.seal(b"\x94\xa1x\x00\x00\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", b"rt/default")
    )
    assert is_refused(server.refresh(client, forged))
    assert server.refresh(client, tokens["refresh_token"]).status_code == 200


def test_a_client_moved_to_strict_rotation_is_strict_at_once(server, client):
    first = server.grant(client)
    second = refreshed(server, client, first["refresh_token"])
    stored = server.run(server.runtime.store.load_client("default", client.client_id))
    server.run(server.runtime.store.update_client(replace(stored, refresh_token_rotation="strict")))
    assert is_refused(server.refresh(client, first["refresh_token"]))
    assert is_refused(server.refresh(client, second["refresh_token"]))


@pytest.mark.spec("RFC 6749 §6")
@pytest.mark.threat("T31")
def test_a_kept_refresh_token_lives_as_long_as_it_is_used(fresh_server):
    server = fresh_server
    client = server.register_client(refresh_token_rotation="off", refresh_token_idle_ttl=100)
    kept = server.grant(client)["refresh_token"]
    for _ in range(3):
        server.clock.advance(90)
        answer = server.token(client, grant_type="refresh_token", refresh_token=kept)
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] == kept
        assert server.is_active(client, kept)
    server.clock.advance(101)
    assert not server.is_active(client, kept)
    assert server.token(client, grant_type="refresh_token", refresh_token=kept).json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC 9700 §4.14.2")
def test_a_public_clients_refresh_token_rotates_even_if_rotation_is_off(server):
    client = server.register_client(token_endpoint_auth_method="none", refresh_token_rotation="off")
    first = server.grant(client)["refresh_token"]
    second = server.token(client, grant_type="refresh_token", refresh_token=first).json()["refresh_token"]
    assert second != first


@pytest.mark.spec("RFC 6749 §6")
@pytest.mark.threat("T27")
def test_where_rotation_gives_no_other_a_refresh_token_is_good_once(server, owner):
    client = server.register_client(
        token_endpoint_auth_method=owner.client.token_endpoint_auth_method, refresh_token_rotation="none"
    )
    first = server.grant(client)
    second = refreshed(server, client, first["refresh_token"])
    assert "refresh_token" not in second
    assert is_active(server, client, second["access_token"])
    assert is_active(server, client, first["access_token"])
    assert is_refused(server.refresh(client, first["refresh_token"])), "a second use is a theft, without grace"
    assert not is_active(server, client, second["access_token"])
    assert server.events.of(ReplayPunished)[-1].client_id == client.client_id


@pytest.mark.threat("T28")
def test_of_many_at_once_one_has_the_last_use_of_a_refresh_token(server):
    client = server.register_client(refresh_token_rotation="none")
    token = server.grant(client)["refresh_token"]

    async def refresh_at_once():
        async with server.build_http_client() as http:
            data = {"grant_type": "refresh_token", "refresh_token": token}
            return await asyncio.gather(*(http.post("/oauth2/token", data=data, auth=client.auth) for _ in range(20)))

    answers = server.run(refresh_at_once())
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
