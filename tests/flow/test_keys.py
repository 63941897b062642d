"""Signing keys: published before they sign and until the last token is over; gone at once when revoked."""

from __future__ import annotations

import pytest

from grantway.errors import Conflict, NotFound
from grantway.testing.in_process import InProcessServer

GRANT = {"grant_type": "client_credentials"}


def published(server, alg="ES256"):
    keys = server.get("/.well-known/jwks.json").json()["keys"]
    return {key["kid"] for key in keys if key["alg"] == alg}


def states(server, alg="ES256"):
    keys = server.run(server.runtime.store.list_keys("default"))
    return {key.kid: key.state for key in keys if key.alg == alg}


def active(server, alg="ES256"):
    return next(kid for kid, state in states(server, alg).items() if state == "active")


def kid_of(token):
    from grantway.protocol.jose import read_header

    return read_header(token)["kid"]


@pytest.fixture
def machine(fresh_server):
    return fresh_server.register_client(grant_types=["client_credentials"], scope="read", access_token_format="jwt")


def issue(server, machine):
    return server.token(machine, **GRANT).json()["access_token"]


@pytest.mark.threat("T64")
@pytest.mark.spec("OpenID Connect Core §10.1.1")
def test_a_verifier_that_caches_the_jwks_never_meets_an_unknown_key(fresh_server, machine):
    max_age = int(fresh_server.get("/.well-known/jwks.json").headers["cache-control"].partition("max-age=")[2])
    cached = published(fresh_server)
    tokens = []
    for _ in range(4):
        tokens.append(issue(fresh_server, machine))
        assert kid_of(tokens[-1]) in cached
        fresh_server.clock.advance(max_age + 1)
        cached = published(fresh_server)
        fresh_server.run(fresh_server.runtime.keys.rotate("default"))
        tokens.append(issue(fresh_server, machine))
        assert kid_of(tokens[-1]) in cached, "known for a max-age before it signs"
        fresh_server.clock.advance(1)
    assert len({kid_of(token) for token in tokens}) == 5
    alive = [token for token in tokens if fresh_server.is_active(machine, token)]
    assert len(alive) >= 2
    assert {kid_of(token) for token in tokens} <= published(fresh_server), "as long as a token may live"


@pytest.mark.threat("T64")
def test_a_successor_nobody_has_seen_does_not_sign_unless_forced(fresh_server, machine):
    keys = fresh_server.runtime.keys
    with pytest.raises(Conflict):
        fresh_server.run(keys.rotate("default"))
    before = active(fresh_server)
    fresh_server.run(keys.rotate("default", "ES256", force=True))
    assert active(fresh_server) != before
    assert kid_of(issue(fresh_server, machine)) == active(fresh_server)


@pytest.mark.threat("T64")
def test_a_retired_key_leaves_when_the_last_token_is_over(fresh_server, machine):
    token, before = issue(fresh_server, machine), active(fresh_server)
    fresh_server.run(fresh_server.runtime.keys.rotate("default", "ES256", force=True))
    assert fresh_server.is_active(machine, token)
    fresh_server.clock.advance(86_399)
    assert before in published(fresh_server)
    fresh_server.clock.advance(1)
    assert before not in published(fresh_server)
    fresh_server.run(fresh_server.runtime.keys.rotate_due("default"))
    assert before not in states(fresh_server)


def test_a_rotation_that_meets_another_in_the_middle_is_a_conflict(fresh_server, monkeypatch):
    """Between the other node's two writes the successor is in charge already, and the next one is not there yet."""
    store, keys = fresh_server.runtime.store, fresh_server.runtime.keys
    real = store.list_keys
    seen = []

    async def list_keys(tenant):
        found = await real(tenant)
        seen.append(found)
        return found if len(seen) == 1 else tuple(key for key in found if key.state != "next")

    monkeypatch.setattr(store, "list_keys", list_keys)
    with pytest.raises(Conflict):
        fresh_server.run(keys.rotate("default", "ES256", force=True))
    seen.clear()
    with pytest.raises(NotFound):
        fresh_server.run(keys.rotate("default", "none", force=True))


def test_keys_are_rotated_by_age(fresh_server, machine):
    before = active(fresh_server)
    fresh_server.clock.advance(90 * 86400 - 1)
    assert fresh_server.run(fresh_server.runtime.keys.rotate_due("default")) == []
    fresh_server.clock.advance(1)
    assert len(fresh_server.run(fresh_server.runtime.keys.rotate_due("default"))) == 2
    assert states(fresh_server)[before] == "retired"
    assert sorted(states(fresh_server).values()) == ["active", "next", "retired"]
    assert fresh_server.is_active(machine, issue(fresh_server, machine))


@pytest.mark.threat("T65")
def test_a_revoked_key_is_gone_at_once_with_all_it_signed(fresh_server, machine):
    client = fresh_server.register_client(access_token_format="jwt", id_token_signed_response_alg="ES256")
    token, granted, compromised = issue(fresh_server, machine), fresh_server.grant(client), active(fresh_server)
    assert fresh_server.is_active(machine, token)
    fresh_server.run(fresh_server.runtime.keys.revoke("default", compromised))
    assert compromised not in published(fresh_server)
    assert not fresh_server.is_active(machine, token)
    assert not fresh_server.is_active(client, granted["access_token"])
    bearer = {"authorization": f"Bearer {granted['access_token']}"}
    assert fresh_server.get("/userinfo", headers=bearer).status_code == 401
    hint = fresh_server.request_authorization(client, prompt="none", id_token_hint=granted["id_token"])
    assert "error=invalid_request" in hint.headers["location"]
    fresh = issue(fresh_server, machine)
    assert kid_of(fresh) != compromised
    assert fresh_server.is_active(machine, fresh)
    renewed = fresh_server.refresh(client, granted["refresh_token"])
    assert renewed.status_code == 200, "what the key did not sign goes on"


@pytest.mark.threat("T66")
def test_a_private_key_is_sealed_to_its_row(fresh_server):
    from msgspec.structs import replace

    one, two = fresh_server.run(fresh_server.runtime.store.list_keys("default"))[:2]
    keys = fresh_server.runtime.keys
    from grantway.errors import ServerError

    with pytest.raises(ServerError):
        keys._open(replace(one, kid="another", sealed_private_key=two.sealed_private_key))
    with pytest.raises(ServerError):
        keys._open(replace(one, kid="another", sealed_private_key=one.sealed_private_key))
    with pytest.raises(ServerError):
        keys._open(replace(one, kid=one.kid, tenant="other"))


@pytest.mark.threat("T66")
def test_the_ring_rotates_and_an_old_secret_can_be_dropped(tmp_path):
    from grantway.storage.sql.schema import upgrade
    from grantway.testing.clock import FakeClock

    old, new = "old secret " * 4, "new secret " * 4
    url, clock = f"sqlite:///{tmp_path}/g.db", FakeClock()
    upgrade(url)

    def start(*secrets):
        return InProcessServer({"database.url": url, "secrets.sealing": list(secrets)}, clock=clock)

    first = start(old)
    client = first.register_client(grant_types=["client_credentials"], scope="read", access_token_format="opaque")
    before = first.token(client, **GRANT).json()["access_token"]
    first.stop()
    both = start(new, old)
    assert both.is_active(client, before), "what the old secret sealed still opens"
    between = both.token(client, **GRANT).json()["access_token"]
    assert both.is_active(client, between)
    both.stop()
    reversed_ring = start(old, new)
    assert reversed_ring.is_active(client, between), "a worker that has not changed yet opens it too"
    reversed_ring.stop()


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")
@pytest.mark.parametrize("alg", ["EdDSA", "PS256", "ES256", "RS256"])
def test_every_algorithm_signs_and_verifies(alg):
    from joserfc import jwt
    from joserfc.jwk import KeySet

    server = InProcessServer({"keys.algorithms": [alg], "tokens.access_token_signed_response_alg": alg})
    server.register_user()
    machine = server.register_client(grant_types=["client_credentials"], scope="read", access_token_format="jwt")
    token = issue(server, machine)
    keys = KeySet.import_key_set(server.get("/.well-known/jwks.json").json())
    assert jwt.decode(token, keys, algorithms=[alg]).header["alg"] == alg
    assert server.is_active(machine, token)
    client = server.register_client(id_token_signed_response_alg=alg)
    assert jwt.decode(server.grant(client)["id_token"], keys, algorithms=[alg]).claims["at_hash"]
    server.stop()
