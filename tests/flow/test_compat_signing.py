"""Data that the server signs for a client, and its keys one by one: light-oauth2's signing service and key by id."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc import jwt
from joserfc.jwk import import_key
from tests.assertions import ASSERTION_TYPE
from tests.compat import COMPAT

from grantway.endpoints.signing import RESERVED
from grantway.events import PayloadSigned
from grantway.protocol.jose import read_header
from grantway.testing.in_process import ISSUER, InProcessServer
from grantway.tokens import OWN_CLAIMS

PAYLOAD = {"order": 4711, "lines": [{"item": "tea", "price": 3.5}]}
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture(scope="module")
def server():
    running = InProcessServer({**COMPAT, "registration.enabled": True})
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def signer(server):
    return register(server)


def register(server, **metadata):
    return server.register_client(**{"grant_types": ["client_credentials"], "may_sign_payloads": True, **metadata})


def sign(server, client, *, auth="its own", **document):
    body = {"payload": PAYLOAD, "expires": 60, **document}
    sent = {name: value for name, value in body.items() if value is not None}
    return server.post("/oauth2/signing", json=sent, auth=client.auth if auth == "its own" else auth)


def said(answer):
    return "ok" if answer.status_code == 200 else answer.json()["error"]


# -- signing ----------------------------------------------------------------------------------------------------------
def test_a_client_gets_its_data_signed_for_as_long_as_it_says(server, signer, verify):
    answer = sign(server, signer)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"jwt", "expires_in"}
    signed, now = verify(answer.json()["jwt"]), server.clock.now() // 1000
    assert signed.header["typ"] == "signed+jwt"
    added = {name: signed.claims[name] for name in signed.claims.keys() - PAYLOAD.keys()}
    jti = added.pop("jti")
    assert added == {"iss": ISSUER, "client_id": signer.client_id, "iat": now, "exp": now + 60}
    assert {name: signed.claims[name] for name in PAYLOAD} == PAYLOAD
    event = server.events.of(PayloadSigned)[-1]
    assert (event.client_id, event.token_id) == (signer.client_id, jti)


@pytest.mark.threat("T54")
@pytest.mark.spec("RFC 8725 §3.12")
def test_what_was_signed_is_nothing_else_anywhere(server, signer, client):
    """The one key signs it all: every other place a JWT may come to, with every claim that a payload may have."""
    payload = {"purpose": "token", "username_": "ada", "roles": ["admin"], "email": "ada@example.com", "sub_": "ada"}
    token = sign(server, signer, payload=payload, expires=3600).json()["jwt"]
    bearer = {"authorization": f"Bearer {token}"}
    other = server.register_client(grant_types=[EXCHANGE, JWT_BEARER, "client_credentials"], audience=[ISSUER])
    assert server.get("/userinfo", headers=bearer).status_code == 401
    assert server.get("/oauth2/tokeninfo", headers=bearer).status_code == 400
    assert server.introspect(signer, token) == {"active": False}
    assert server.introspect(other, token) == {"active": False}
    assert server.send_as(signer, "/oauth2/dereference", token=token).status_code == 400
    for name in ("subject", "actor"):
        genuine = server.token(other, grant_type="client_credentials", scope="read").json()["access_token"]
        kind = "urn:ietf:params:oauth:token-type:access_token"
        parts = {
            "subject_token": genuine,
            "subject_token_type": kind,
            f"{name}_token": token,
            f"{name}_token_type": kind,
        }
        assert server.token(other, grant_type=EXCHANGE, **parts).json()["error"] == "invalid_request"
    assert server.token(other, grant_type=JWT_BEARER, assertion=token).json()["error"] == "invalid_grant"
    assert server.refresh(client, token).json()["error"] == "invalid_grant"
    assert server.redeem(client, token).json()["error"] == "invalid_grant"
    assertion = {"client_assertion": token, "client_assertion_type": ASSERTION_TYPE, "grant_type": "client_credentials"}
    for client_id in (signer.client_id, other.client_id):
        proved = server.post("/oauth2/token", data={**assertion, "client_id": client_id})
        assert proved.json()["error"] in ("invalid_client", "invalid_request")
    hinted = server.request_authorization(client, prompt="none", id_token_hint=token)
    assert "error=invalid_request" in hinted.headers["location"]
    assert server.get("/oauth2/sessions/logout", params={"id_token_hint": token}).status_code == 400
    assert server.post("/oauth2/register", json={}, headers=bearer).status_code == 401
    assert server.get(f"/oauth2/register/{signer.client_id}", headers=bearer).status_code == 401
    assert server.run(ask_admin(server, bearer)).status_code == 401


async def ask_admin(server, headers):
    async with server.build_http_client(admin=True) as http:
        return await http.get("/admin/clients", headers=headers)


@pytest.mark.threat("T54")
@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_payload_does_not_say_what_makes_it_something_else(server, signer, name):
    answer = sign(server, signer, payload={**PAYLOAD, name: "x"})
    assert (answer.status_code, said(answer)) == (400, "invalid_request")


def test_nothing_that_the_server_says_of_a_token_is_left_out():
    assert RESERVED > OWN_CLAIMS
    assert {"sub", "aud", "nonce", "events", "htm", "token_introspection"} <= RESERVED


@pytest.mark.parametrize("document", [
    {"payload": None}, {"payload": {}}, {"payload": []}, {"payload": "x"}, {"payload": {"a": "x" * 8192}},
    {"expires": None}, {"expires": 0}, {"expires": -1}, {"expires": 86401}, {"expires": True}, {"expires": "60"},
    {"expires": 1.5}, {"more": 1}, {"payload": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {}}}}}}}}},
])  # fmt: skip
def test_what_is_missing_or_wrong_is_an_invalid_request(server, signer, document):
    answer = sign(server, signer, **document)
    assert (answer.status_code, said(answer)) == (400, "invalid_request")


@pytest.mark.threat("T44")
def test_it_takes_json_and_nothing_that_only_looks_like_it(server, signer):
    form = server.post("/oauth2/signing", data={"payload": "x", "expires": "1"}, auth=signer.auth)
    assert form.status_code == 415
    for body in (
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"expires": NaN, "payload": {"a": 1}}',
        b"\xff",
        b'{"payload":{},"payload":{}}',
    ):
        headers = {"content-type": "application/json"}
        answer = server.post("/oauth2/signing", content=body, headers=headers, auth=signer.auth)
        assert (answer.status_code, said(answer)) == (400, "invalid_request"), body
    assert server.get("/oauth2/signing").status_code == 405


def test_only_a_client_that_may_and_that_proves_itself_has_something_signed(server, signer, client):
    assert said(sign(server, client)) == "unauthorized_client"
    assert said(sign(server, register(server, may_sign_payloads=False))) == "unauthorized_client"
    assert sign(server, signer, auth=None).status_code == 401
    assert sign(server, signer, auth=(signer.client_id, "wrong")).status_code == 401
    public = register(server, token_endpoint_auth_method="none", grant_types=["authorization_code"])
    assert said(sign(server, public, client_id=public.client_id)) == "unauthorized_client"


def test_credentials_may_stand_in_the_json_as_they_would_in_a_form(server):
    client = register(server, token_endpoint_auth_method="client_secret_post")
    credentials = {"client_id": client.client_id, "client_secret": client.client_secret}
    assert sign(server, client, auth=None, **credentials).status_code == 200
    assert sign(server, client, auth=None, **{**credentials, "client_secret": "wrong"}).status_code == 401
    assert sign(server, client, auth=None, **{**credentials, "client_secret": 5}).status_code == 401


# -- key by id --------------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 7468 §13")
def test_each_published_key_is_there_as_pem_for_everybody(server, signer):
    published = server.get("/.well-known/jwks.json").json()["keys"]
    for known in published:
        answer = server.get(f"/oauth2/keys/{known['kid']}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-pem-file"
        assert answer.headers["cache-control"] == "public, max-age=300"
        assert answer.text.startswith("-----BEGIN PUBLIC KEY-----\n")
        numbers = import_key(known).public_key.public_numbers()
        assert load_pem_public_key(answer.content).public_numbers() == numbers
    signed = sign(server, signer).json()["jwt"]
    kid = read_header(signed)["kid"]
    pem = server.get(f"/oauth2/keys/{kid}").content
    assert jwt.decode(signed, import_key(pem, "EC"), algorithms=["ES256"]).claims["order"] == 4711


def test_any_other_kid_is_not_found_a_revoked_one_too(fresh_server_with_keys):
    server = fresh_server_with_keys
    keys = server.run(server.runtime.store.list_keys("default"))
    for kid in ("x", "..", "%2e%2e", "a" * 500, keys[0].kid + "x", ""):
        answer = server.get(f"/oauth2/keys/{kid}")
        assert answer.status_code == 404
        assert said(answer) == "not_found"
    server.run(server.runtime.keys.revoke("default", keys[0].kid))
    assert server.get(f"/oauth2/keys/{keys[0].kid}").status_code == 404


@pytest.fixture
def fresh_server_with_keys():
    running = InProcessServer(COMPAT)
    yield running
    running.stop()
