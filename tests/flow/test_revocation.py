"""Revocation: 200 means gone, for one's own tokens; anything less is said."""

from __future__ import annotations

import asyncio

import pytest

from grantway.errors import StoreUnavailable
from grantway.storage.sql.schema import upgrade
from grantway.testing.clock import FakeClock
from grantway.testing.in_process import InProcessServer


def is_refused(answer, error="invalid_grant"):
    return (answer.status_code, answer.json().get("error")) == (400, error)


@pytest.mark.spec("RFC 7009 §2.1")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_revoked_access_token_is_gone(server, token_format, method):
    client = server.register_client(access_token_format=token_format, token_endpoint_auth_method=method)
    answer = server.grant(client)
    revoked = server.revoke(client, answer["access_token"])
    assert (revoked.status_code, revoked.content) == (200, b"")
    assert not server.is_active(client, answer["access_token"])
    header = {"authorization": f"Bearer {answer['access_token']}"}
    assert server.get("/userinfo", headers=header).status_code == 401
    assert server.refresh(client, answer["refresh_token"]).status_code == 200, "this one token, not its family"


@pytest.mark.threat("T130")
@pytest.mark.spec("RFC 7009 §2.1")
def test_revoking_a_refresh_token_takes_the_family(server, client):
    first = server.grant(client)
    second = server.refresh(client, first["refresh_token"]).json()
    assert server.revoke(client, first["refresh_token"]).status_code == 200, "any generation of it"
    for tokens in (first, second):
        assert not server.is_active(client, tokens["access_token"])
        assert is_refused(server.refresh(client, tokens["refresh_token"]))


@pytest.mark.threat("T129")
@pytest.mark.spec("RFC 7009 §2.1")
def test_only_its_own_client_revokes_a_token(server, client, public_client):
    answer = server.grant(client)
    for stranger in (server.register_client(), public_client):
        for token in (answer["access_token"], answer["refresh_token"]):
            assert server.revoke(stranger, token).status_code == 200
    assert server.is_active(client, answer["access_token"])
    assert server.is_active(client, answer["refresh_token"])


@pytest.mark.spec("RFC 7009 §2")
def test_a_public_client_revokes_its_own(server, public_client):
    answer = server.grant(public_client)
    assert server.revoke(public_client, answer["refresh_token"]).status_code == 200
    assert is_refused(server.refresh(public_client, answer["refresh_token"]))


@pytest.mark.spec("RFC 7009 §2.2")
@pytest.mark.parametrize("token", ["x", "gwat_", "gwrt_" + "A" * 80, "ey.ey.ey", "é", "a" * 30000])
def test_an_unknown_token_is_revoked_already(server, client, token):
    assert server.revoke(client, token).status_code == 200


@pytest.mark.spec("RFC 7009 §2.1")
def test_a_request_without_token_or_client_is_refused(server, client):
    assert is_refused(server.post("/oauth2/revoke", data={"x": "1"}, auth=client.auth), "invalid_request")
    assert is_refused(server.post("/oauth2/revoke", data={"token": ["a", "b"]}, auth=client.auth), "invalid_request")
    assert server.post("/oauth2/revoke", data={"token": "x"}).status_code == 401


def test_revoking_twice_is_revoking(server, client):
    token = server.grant(client)["refresh_token"]
    assert [server.revoke(client, token).status_code for _ in range(2)] == [200, 200]


@pytest.mark.threat("T129")
@pytest.mark.spec("RFC 7009 §2.2.1")
def test_a_store_that_does_not_answer_is_an_honest_503(server, client, monkeypatch):
    answer = server.grant(client)
    store = server.runtime.store

    async def gone(*_, **__):
        raise StoreUnavailable(detail="test")

    with monkeypatch.context() as patch:
        for verb in ("revoke_authorization", "insert_revocation"):
            patch.setattr(store, verb, gone)
        for token in (answer["access_token"], answer["refresh_token"]):
            refused = server.revoke(client, token)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert server.is_active(client, answer["access_token"])
    for token in (answer["access_token"], answer["refresh_token"]):
        assert server.revoke(client, token).status_code == 200
        assert not server.is_active(client, token)


@pytest.mark.threat("T30")
def test_after_a_revocation_nothing_of_the_family_lives_however_it_raced(server, client):
    http = server.build_http_client()
    for _ in range(20):
        first = server.grant(client, scope="openid offline_access")
        token = first["refresh_token"]

        async def race(token=token):
            refresh = {"grant_type": "refresh_token", "refresh_token": token}
            return await asyncio.gather(
                *(http.post("/oauth2/token", data=refresh, auth=client.auth) for _ in range(3)),
                http.post("/oauth2/revoke", data={"token": token}, auth=client.auth),
                *(http.post("/oauth2/token", data=refresh, auth=client.auth) for _ in range(3)),
            )

        answers = server.run(race())
        for answer in answers:
            body = answer.json() if answer.content else {}
            if "access_token" in body:
                assert not server.is_active(client, body["access_token"])
                assert is_refused(server.refresh(client, body["refresh_token"]))


@pytest.mark.threat("T108")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_withdrawing_one_client_s_access_touches_nothing_else(server, token_format):
    server.register_user(f"bob-{token_format}")
    grant_types = ["authorization_code", "refresh_token", "client_credentials"]
    shop, other = (server.register_client(access_token_format=token_format, grant_types=grant_types) for _ in range(2))
    first = server.grant(shop)
    server.clock.advance(60)
    refreshed = server.refresh(shop, first["refresh_token"]).json()
    kept = [
        (other, server.grant(other)["access_token"]),
        (shop, server.grant(shop, username=f"bob-{token_format}")["access_token"]),
        (shop, server.token(shop, grant_type="client_credentials").json()["access_token"]),
    ]
    ada = server.run(server.runtime.store.load_subject_by_username("default", "ada")).subject
    now = server.clock.now()
    revoked = server.run(
        server.runtime.store.revoke_authorizations(
            "default", now=now, keep_until=now + 86_400_000, subject=ada, client_id=shop.client_id
        )
    )
    assert revoked == 1
    for tokens in (first, refreshed):
        assert not server.is_active(shop, tokens["access_token"])
        assert is_refused(server.refresh(shop, tokens["refresh_token"]))
    server.clock.advance(0.001)
    kept.append((shop, server.grant(shop)["access_token"]))  # given anew
    for client, token in kept:
        assert server.is_active(client, token)


@pytest.mark.threat("T30")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_a_token_dated_after_the_withdrawal_of_its_authorization_is_refused(server, token_format):
    """A refresh that raced with it, on a node whose clock is ahead, issued such a token."""
    client = server.register_client(access_token_format=token_format)
    first = server.grant(client)
    behind = server.clock.now()
    server.clock.advance(3)
    ahead = server.refresh(client, first["refresh_token"]).json()
    server.run(
        server.runtime.store.revoke_authorizations(
            "default", now=behind, keep_until=behind + 86_400_000, client_id=client.client_id
        )
    )
    assert not server.is_active(client, ahead["access_token"])


def test_a_revocation_outlives_a_clock_that_steps_back(server, client):
    answer = server.grant(client)
    server.revoke(client, answer["refresh_token"])
    server.clock.step(-3600)
    try:
        assert not server.is_active(client, answer["access_token"])
        assert is_refused(server.refresh(client, answer["refresh_token"]))
    finally:
        server.clock.step(3600)


def test_a_revocation_outlives_a_restart(tmp_path):
    settings = {"database.url": f"sqlite:///{tmp_path}/g.db", "secrets.sealing": ["0123456789abcdef" * 4]}
    clock = FakeClock()
    upgrade(settings["database.url"])
    first = InProcessServer(settings, clock=clock)
    first.register_user()
    client = first.register_client()
    answer, kept = first.grant(client), first.grant(client)
    first.revoke(client, answer["refresh_token"])
    first.stop()
    second = InProcessServer(settings, clock=clock)
    assert not second.is_active(client, answer["access_token"])
    assert second.is_active(client, kept["access_token"])
    assert is_refused(second.refresh(client, answer["refresh_token"]))
    assert second.refresh(client, kept["refresh_token"]).status_code == 200
    second.stop()
