"""Endpoints about tokens that light-oauth2 and Axway API Gateway have: tokeninfo and dereference."""

from __future__ import annotations

import asyncio

import pytest
from tests.client_certificates import build_certificate
from tests.compat import COMPAT

from grantway.admin.clients import disable_client
from grantway.admin.sessions import end_sessions
from grantway.admin.users import disable_user
from grantway.events import TokenIssued
from grantway.testing.in_process import ISSUER, InProcessServer

INFO, DEREFERENCE = "/oauth2/tokeninfo", "/oauth2/dereference"
API = "https://api.example"
PROXY = {"serve.trusted_proxies": ["192.0.2.0/24"], "serve.client_certificate_header": "client-cert"}
BOUND = "tls_client_certificate_bound_access_tokens"


@pytest.fixture(scope="module")
def server():
    running = InProcessServer({**COMPAT, **PROXY, "compat.insecure_tokeninfo_query": False})
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def gateway(server):
    """Stands at the edge, where opaque tokens come in and JWTs go on."""
    return server.register_client("edge-" + server.runtime.tokens.generate_name(), grant_types=["client_credentials"])


@pytest.fixture
def shop(server, gateway):
    """A client whose tokens are opaque outside."""
    return register_shop(server, gateway)


def register_shop(server, gateway, **metadata):
    return server.register_client(audience=[API], dereference_client=gateway.client_id, **metadata)


def get_token(server, client, **parameters):
    return server.grant(client, scope="openid read", resource=API, **parameters)["access_token"]


def ask(server, token, **options):
    return server.get(INFO, headers={"authorization": f"Bearer {token}"}, **options)


def dereference(server, client, token):
    return server.send_as(client, DEREFERENCE, token=token)


def is_valid(server, token):
    return ask(server, token).status_code == 200


# -- tokeninfo --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_tokeninfo_says_for_whom_and_for_how_long_and_what_was_added(server, token_format):
    client = server.register_client(access_token_format=token_format, access_token_claims={"department": "engineering"})
    tokens = server.grant(client, scope="read")
    server.clock.advance(60)
    answer = ask(server, tokens["access_token"])
    assert answer.json() == {
        "audience": client.client_id,
        "user_id": server.introspect(client, tokens["access_token"])["sub"],
        "scope": "read",
        "expires_in": tokens["expires_in"] - 60,
        "department": "engineering",
    }
    assert answer.headers["cache-control"] == "no-store"
    assert server.post(INFO, data={"access_token": tokens["access_token"]}).json() == answer.json()


def test_of_a_token_of_nobody_it_names_nobody_whatever_was_added(server):
    claims = {"user_id": "ada", "audience": "x", "expires_in": 9, "plan": "gold"}
    client = server.register_client(grant_types=["client_credentials"], scope="read", access_token_claims=claims)
    token = server.token(client, grant_type="client_credentials").json()["access_token"]
    assert ask(server, token).json() == {
        "audience": client.client_id, "scope": "read", "expires_in": 3600, "plan": "gold",
    }  # fmt: skip


def test_a_pairwise_client_s_user_id_is_the_one_it_knows(server):
    client = server.register_client(subject_type="pairwise")
    tokens = server.grant(client, scope="openid read")
    assert (
        ask(server, tokens["access_token"]).json()["user_id"]
        == server.introspect(client, tokens["access_token"])["sub"]
    )


@pytest.mark.threat("T54")
@pytest.mark.threat("T127")
def test_why_a_token_is_not_good_is_not_told(server, client):
    tokens = server.grant(client)
    revoked = server.grant(client)["access_token"]
    server.revoke(client, revoked)
    wrong = [tokens["refresh_token"], tokens["id_token"], revoked, "x", tokens["access_token"][:-1], "gwat_AAAA"]
    answers = [ask(server, token) for token in wrong] + [
        server.get(INFO),
        server.post(INFO),
        server.post(INFO, data={}),
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(400, answers[0].text)}
    assert answers[0].json()["error"] == "invalid_request"


@pytest.mark.threat("T44")
def test_a_token_in_the_query_is_refused_unless_that_is_switched_on(server, client):
    token = server.grant(client)["access_token"]
    for method in ("GET", "POST"):
        assert server.request(method, f"{INFO}?access_token={token}").status_code == 400
    lax = InProcessServer(COMPAT)
    lax.register_user()
    token = lax.grant(lax.register_client())["access_token"]
    for method in ("GET", "POST"):
        assert lax.request(method, f"{INFO}?access_token={token}").status_code == 200
    twice = {"authorization": f"Bearer {token}"}
    assert lax.get(f"{INFO}?access_token={token}", headers=twice).status_code == 400
    assert lax.get(f"{INFO}?access_token={token}&access_token={token}").status_code == 400
    assert lax.get(f"{INFO}?access_token=").status_code == 400
    assert lax.get(INFO, headers=twice).status_code == 200
    lax.stop()


def test_wrong_tokens_are_counted_by_address_and_good_ones_are_not():
    server = InProcessServer({**COMPAT, "throttle.client_attempts": 5})
    server.register_user()
    client = server.register_client()
    token = server.grant(client)["access_token"]
    assert [ask(server, token).status_code for _ in range(9)] == [200] * 9
    assert [ask(server, "x").status_code for _ in range(7)] == [400] * 5 + [429] * 2
    assert ask(server, token).status_code == 200
    server.clock.advance(300)
    assert ask(server, "x").status_code == 400
    server.stop()


@pytest.mark.spec("RFC 7800 §1")
@pytest.mark.threat("T134")
def test_a_bound_token_needs_its_certificate(server):
    machine = server.register_client(grant_types=["client_credentials"], scope="read", **{BOUND: True})
    certificate = build_certificate(now=server.clock.now() / 1000)
    header = {"client-cert": certificate.rfc_9440}
    grant = {"grant_type": "client_credentials"}
    token = server.post("/oauth2/token", data=grant, headers=header, auth=machine.auth).json()["access_token"]
    other = build_certificate(now=server.clock.now() / 1000)
    bearer = {"authorization": f"Bearer {token}"}
    assert server.get(INFO, headers=bearer).status_code == 400
    assert server.get(INFO, headers={**bearer, "client-cert": other.rfc_9440}).status_code == 400
    assert server.get(INFO, headers={**bearer, **header}).status_code == 200


# -- dereference ------------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 9068 §2.2")
def test_the_named_client_gets_a_jwt_that_says_what_the_token_stands_for(server, shop, gateway, verify):
    token = get_token(server, shop)
    server.clock.advance(30)
    answer = dereference(server, gateway, token)
    assert answer.status_code == 200, answer.text
    jwt, known = verify(answer.json()["access_token"]), server.introspect(shop, token)
    assert jwt.header["typ"] == "at+jwt"
    for name in ("iss", "sub", "client_id", "scope", "auth_time", "acr", "sid"):
        assert jwt.claims[name] == known[name], name
    assert jwt.claims["aud"] == API
    assert jwt.claims["iat"] == known["iat"] + 30
    assert answer.json()["expires_in"] == jwt.claims["exp"] - jwt.claims["iat"] == 600
    event = server.events.of(TokenIssued)[-1]
    assert (event.grant_type, event.client_id, event.subject) == ("dereference", shop.client_id, known["sub"])


def test_the_jwt_lives_no_longer_than_the_token(server, shop, gateway):
    token = get_token(server, shop)
    server.clock.advance(3600 - 100)
    answer = dereference(server, gateway, token).json()
    assert answer["expires_in"] == 100
    server.clock.advance(100)
    assert not is_valid(server, answer["access_token"])
    assert dereference(server, gateway, token).status_code == 400


ENDS = {
    "the token is revoked": lambda server, shop, person, token: server.revoke(shop, token),
    "the session ends": lambda server, shop, person, token: server.run(
        end_sessions(server.runtime, "default", person, actor="test")
    ),
    "the person is disabled": lambda server, shop, person, token: server.run(
        disable_user(server.runtime, "default", person, actor="test")
    ),
    "the client is disabled": lambda server, shop, person, token: server.run(
        disable_client(server.runtime, "default", shop.client_id, actor="test")
    ),
}


@pytest.mark.threat("T110")
@pytest.mark.parametrize("end", ENDS)
def test_what_ends_the_token_ends_the_jwt(server, shop, gateway, username, end):
    token = get_token(server, shop, username=username)
    person = server.introspect(shop, token)["sub"]
    jwt = dereference(server, gateway, token).json()["access_token"]
    assert is_valid(server, jwt)
    server.clock.advance(1)
    ENDS[end](server, shop, person, token)
    assert not is_valid(server, jwt)
    assert dereference(server, gateway, token).status_code == 400


@pytest.mark.threat("T30")
def test_however_a_revocation_and_a_dereference_meet_no_jwt_is_left(server, shop, gateway):
    async def race(token):
        async with server.build_http_client() as http:
            trade = [http.post(DEREFERENCE, data={"token": token}, auth=gateway.auth) for _ in range(8)]
            revoke = http.post("/oauth2/revoke", data={"token": token}, auth=shop.auth)
            return await asyncio.gather(*trade[:4], revoke, *trade[4:])

    for _ in range(3):
        answers = server.run(race(get_token(server, shop)))
        jwts = [answer.json()["access_token"] for answer in answers if "access_token" in answer.text]
        assert not any(is_valid(server, jwt) for jwt in jwts)


def test_a_token_that_was_exchanged_keeps_its_ties_too(server, shop, gateway):
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    first = get_token(server, shop)
    orders = register_shop(server, gateway, grant_types=[exchange], resource_identifiers=[API])
    subject = {"subject_token": first, "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
    second = server.token(orders, grant_type=exchange, **subject).json()["access_token"]
    jwt = dereference(server, gateway, second).json()["access_token"]
    assert server.introspect(orders, jwt)["act"]["sub"] == orders.client_id
    server.clock.advance(1)
    server.revoke(shop, first)
    assert not server.is_active(orders, jwt)


@pytest.mark.threat("T127")
def test_nobody_else_learns_whether_a_token_is_good(server, shop, gateway):
    token = get_token(server, shop)
    unnamed = server.register_client()
    stranger = server.register_client(grant_types=["client_credentials"])
    refused = [
        dereference(server, stranger, token),
        dereference(server, shop, token),
        dereference(server, gateway, server.grant(unnamed)["access_token"]),
        dereference(server, gateway, "gwat_unknown"),
        dereference(server, gateway, dereference(server, gateway, token).json()["access_token"]),
        dereference(server, gateway, server.grant(shop)["refresh_token"]),
        dereference(server, gateway, server.grant(shop)["id_token"]),
    ]
    assert {(answer.status_code, answer.text) for answer in refused} == {(400, refused[0].text)}
    assert server.post(DEREFERENCE, data={"token": token}).status_code == 401
    assert server.post(DEREFERENCE, data={"token": token}, auth=(gateway.client_id, "wrong")).status_code == 401
    assert dereference(server, gateway, "").status_code == 400
    assert server.get(f"{DEREFERENCE}/{token}", auth=gateway.auth).status_code == 404


def test_a_public_client_dereferences_nothing_even_if_it_is_named(server):
    public = server.register_client(token_endpoint_auth_method="none")
    shop = register_shop(server, public)
    assert dereference(server, public, get_token(server, shop)).json()["error"] == "unauthorized_client"


def test_the_jwt_of_a_bound_token_is_bound_to_the_same_certificate(server, gateway, verify):
    shop = register_shop(server, gateway, grant_types=["client_credentials"], scope="read", **{BOUND: True})
    certificate = build_certificate(now=server.clock.now() / 1000)
    grant = {"data": {"grant_type": "client_credentials"}, "headers": {"client-cert": certificate.rfc_9440}}
    token = server.post("/oauth2/token", auth=shop.auth, **grant).json()["access_token"]
    jwt = dereference(server, gateway, token).json()["access_token"]
    assert verify(jwt).claims.get("cnf") == {"x5t#S256": certificate.thumbprint}
    assert not is_valid(server, jwt)


def test_a_pairwise_client_s_jwt_has_the_name_it_knows_the_person_by(server, gateway, verify):
    shop = register_shop(server, gateway, subject_type="pairwise")
    token = get_token(server, shop)
    jwt = dereference(server, gateway, token).json()["access_token"]
    assert verify(jwt).claims["sub"] == server.introspect(shop, token)["sub"]


# -- off by default ---------------------------------------------------------------------------------------------------
def test_none_of_them_is_there_unless_it_is_switched_on():
    plain = InProcessServer()
    document = plain.get("/.well-known/openid-configuration").json()
    assert not {"dereference_endpoint", "signing_endpoint", "introspection_signing_alg_values_supported"} & set(
        document
    )
    for path in (INFO, DEREFERENCE, "/oauth2/signing", "/oauth2/keys/x"):
        assert plain.get(path).status_code == plain.post(path).status_code == 404
    plain.stop()
    full = InProcessServer(COMPAT)
    document = full.get("/.well-known/openid-configuration").json()
    assert document["dereference_endpoint"] == ISSUER + DEREFERENCE
    full.stop()
