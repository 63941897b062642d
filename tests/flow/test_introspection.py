"""Introspection: the whole truth for those a token concerns, nothing for anybody else."""

from __future__ import annotations

import pytest

from grantway.errors import StoreUnavailable
from grantway.testing.in_process import ISSUER

INACTIVE = {"active": False}


def told(server, client, token, **parameters):
    answer = server.send_as(client, "/oauth2/introspect", token=token, **parameters)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


@pytest.mark.spec("RFC 7662 §2.2")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_the_owner_is_told_everything(server, token_format):
    client = server.register_client(access_token_format=token_format)
    answer = server.grant(client, scope="openid read")
    claims, now = told(server, client, answer["access_token"]), server.clock.now() // 1000
    assert claims["active"] is True
    assert (claims["iss"], claims["client_id"], claims["token_type"]) == (ISSUER, client.client_id, "Bearer")
    assert (claims["scope"], claims["aud"]) == ("openid read", [ISSUER] if token_format == "jwt" else ISSUER)
    assert (claims["iat"], claims["exp"]) == (now, now + answer["expires_in"])
    assert claims["jti"]
    assert claims["sub"]


@pytest.mark.threat("T127")
@pytest.mark.spec("RFC 7662 §4")
def test_a_stranger_is_told_exactly_that_it_is_inactive(server, client):
    answer = server.grant(client)
    stranger = server.register_client()
    for token in (answer["access_token"], answer["refresh_token"], answer["id_token"], "x"):
        assert told(server, stranger, token) == INACTIVE
    assert told(server, client, answer["id_token"]) == INACTIVE
    assert told(server, client, "gwat_" + "A" * 100) == INACTIVE


@pytest.mark.threat("T127")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_a_resource_server_sees_tokens_for_itself_alone(server, token_format):
    owner = server.register_client(
        grant_types=["client_credentials"], scope="read", audience=["https://api.example", "https://two.example"],
        access_token_format=token_format,
    )  # fmt: skip
    api = server.register_client(
        grant_types=["client_credentials"], scope="read", resource_identifiers=["https://api.example"]
    )
    grant = {"grant_type": "client_credentials"}
    ours = server.token(owner, **grant, resource="https://api.example").json()["access_token"]
    others = server.token(owner, **grant, resource="https://two.example").json()["access_token"]
    both = server.token(owner, **grant).json()["access_token"]
    assert told(server, api, ours)["aud"] == ["https://api.example"]
    assert told(server, api, both)["active"] is True
    assert told(server, api, others) == INACTIVE


@pytest.mark.threat("T128")
def test_a_refresh_token_is_its_clients_business_alone(server):
    client = server.register_client(audience=["https://api.example"])
    api = server.register_client(
        grant_types=["client_credentials"], scope="read", resource_identifiers=["https://api.example"]
    )
    answer = server.grant(client, resource="https://api.example")
    assert told(server, api, answer["access_token"])["active"] is True
    assert told(server, api, answer["refresh_token"]) == INACTIVE
    assert told(server, client, answer["refresh_token"])["token_use"] == "refresh_token"


@pytest.mark.threat("T127")
@pytest.mark.spec("RFC 7662 §2.1")
def test_a_public_client_is_told_nothing(server, public_client):
    token = server.grant(public_client)["access_token"]
    answer = server.send_as(public_client, "/oauth2/introspect", token=token)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert server.post("/oauth2/introspect", data={"token": token}).status_code == 401


@pytest.mark.spec("RFC 7662 §2.1")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "unknown", ""])
def test_a_wrong_hint_does_not_matter(server, client, hint):
    answer = server.grant(client)
    for token in (answer["access_token"], answer["refresh_token"]):
        assert told(server, client, token, token_type_hint=hint)["active"] is True


def test_a_superseded_refresh_token_is_inactive(server, client):
    first = server.grant(client)
    server.refresh(client, first["refresh_token"])
    assert told(server, client, first["refresh_token"]) == INACTIVE


@pytest.mark.spec("RFC 7662 §2.1")
def test_a_token_is_needed_and_one_only(server, client):
    for data in ({"x": "1"}, {"token": ""}, {"token": ["a", "b"]}, {"token": "a", "token_type_hint": ["a", "b"]}):
        answer = server.post("/oauth2/introspect", data=data, auth=client.auth)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_worker_that_cannot_know_says_so(fresh_server, monkeypatch):
    """Out of touch with the feed and the database away: 503, never a guess."""
    machine = fresh_server.register_client(grant_types=["client_credentials"], scope="read")
    token = fresh_server.token(machine, grant_type="client_credentials").json()["access_token"]
    store = fresh_server.runtime.store

    async def gone(*_, **__):
        raise StoreUnavailable(detail="test")

    monkeypatch.setattr(store, "has_moved", gone)
    monkeypatch.setattr(store, "find_revocations", gone)
    monkeypatch.setattr(store, "load_tenant", gone)
    monkeypatch.setattr(store, "load_client", gone)
    fresh_server.clock.advance(2)
    answer = fresh_server.post("/oauth2/introspect", data={"token": token}, auth=machine.auth)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "1"
    monkeypatch.undo()
    assert fresh_server.is_active(machine, token)
