"""What registration and certificates ask of a server besides what the files of these flows show."""

from __future__ import annotations

import pytest
from tests.client_certificates import build_certificate
from tests.forged_jwts import build_jwk

from grantway.admin.initial_access_tokens import create_initial_access_token
from grantway.testing.in_process import ISSUER, InProcessServer

CERTIFICATE = "client-cert"
MINIMAL = {"redirect_uris": ["https://app.example/cb"]}


@pytest.fixture(scope="module")
def house():
    running = InProcessServer(
        {
            "registration.enabled": True,
            "registration.per_address": 100_000,
            "registration.grant_types": ["authorization_code", "refresh_token", "implicit"],
            "serve.trusted_proxies": ["192.0.2.0/24"],
            "serve.client_certificate_header": CERTIFICATE,
        }
    )
    running.register_user()
    yield running
    running.stop()


def register(house, **metadata):
    made = house.run(create_initial_access_token(house.runtime, "default", actor="test"))
    headers = {"authorization": f"Bearer {made.token}"}
    return house.post("/oauth2/register", json={**MINIMAL, **metadata}, headers=headers)


@pytest.mark.spec("RFC 7591 §3")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_client_registers_by_post(house, method):
    answer = house.request(method, "/oauth2/register")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.spec("RFC 7591 §3.2.1")
def test_no_two_registrations_share_an_identifier_or_a_secret(house):
    made = [register(house).json() for _ in range(5)]
    for name in ("client_id", "client_secret", "registration_access_token", "registration_client_uri"):
        assert len({each[name] for each in made}) == 5


@pytest.mark.spec("RFC 7591 §2")
@pytest.mark.spec("RFC 7591 §5")
@pytest.mark.parametrize("metadata", [{}, {"grant_types": ["implicit"]}, {"token_endpoint_auth_method": "none"}])
def test_whoever_is_answered_by_redirect_says_where(house, metadata):
    for uris in ([], None):
        answer = register(house, **{**metadata, "redirect_uris": uris})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")


@pytest.mark.spec("OpenID Connect Dynamic Client Registration §2")
@pytest.mark.spec("OpenID Connect Dynamic Client Registration §3.2")
def test_a_client_that_says_little_is_told_the_defaults(house):
    told = register(house).json()
    defaults = {
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "application_type": "web",
        "id_token_signed_response_alg": "RS256",
        "token_endpoint_auth_method": "client_secret_basic",
        "require_auth_time": False,
    }
    assert {name: told[name] for name in defaults} == defaults
    assert {"registration_access_token", "registration_client_uri"} <= set(told), "both or none"


@pytest.mark.spec("OpenID Connect Dynamic Client Registration §2")
def test_no_id_token_goes_unsigned(house):
    answer = register(house, id_token_signed_response_alg="none")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


@pytest.mark.spec("RFC 7592 §2")
@pytest.mark.spec("OpenID Connect Dynamic Client Registration §4.4")
@pytest.mark.spec("RFC 6750 §3")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_wrong_registration_token_is_a_401_that_says_so(house, method):
    known = register(house).json()["client_id"]
    for client_id in (known, "nobody"):
        headers = {"authorization": "Bearer gwrg_wrong"}
        answer = house.request(method, f"/oauth2/register/{client_id}", headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.spec("RFC 7592 §2.3")
def test_a_client_that_deleted_itself_is_unknown_everywhere(house):
    gone = register(house).json()
    token = {"authorization": f"Bearer {gone['registration_access_token']}"}
    assert house.request("DELETE", gone["registration_client_uri"], headers=token).status_code == 204
    query = f"?client_id={gone['client_id']}&response_type=code&scope=openid&redirect_uri=https://app.example/cb"
    answer = house.get("/oauth2/auth" + query)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    auth = (gone["client_id"], gone["client_secret"])
    for path in ("/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"):
        assert house.post(path, data={"grant_type": "refresh_token", "token": "x"}, auth=auth).status_code == 401
    assert house.get(gone["registration_client_uri"], headers=token).status_code == 401


@pytest.mark.spec("RFC 8705 §2")
def test_a_certificate_proves_the_client_that_says_who_it_is_and_no_other(house):
    certificate = build_certificate(now=house.clock.now() / 1000)
    document = {"grant_types": ["client_credentials"], "scope": "read"}
    document |= {"token_endpoint_auth_method": "self_signed_tls_client_auth"}
    client = house.register_client(jwks={"keys": [build_jwk(certificate.key, kid="k1")]}, **document)
    other_key = build_certificate(now=house.clock.now() / 1000).key
    other = house.register_client(jwks={"keys": [build_jwk(other_key, kid="k1")]}, **document)
    headers, form = {CERTIFICATE: certificate.rfc_9440}, {"grant_type": "client_credentials"}
    for named, status in (({"client_id": client.client_id}, 200), ({}, 401), ({"client_id": other.client_id}, 401)):
        assert house.post("/oauth2/token", data={**form, **named}, headers=headers).status_code == status, named


@pytest.mark.spec("RFC 8705 §3.3")
@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2.1")
@pytest.mark.spec("OpenID Connect Front-Channel Logout §3")
@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.1")
@pytest.mark.spec("OpenID Connect Discovery §3")
def test_the_discovery_document_names_what_there_is(house):
    told = house.get("/.well-known/openid-configuration").json()
    assert told["tls_client_certificate_bound_access_tokens"] is True
    assert told["end_session_endpoint"] == f"{ISSUER}/oauth2/sessions/logout"
    assert told["registration_endpoint"] == f"{ISSUER}/oauth2/register"
    for name in ("frontchannel_logout_supported", "backchannel_logout_supported"):
        assert told[name] is told[name.replace("_supported", "_session_supported")] is True
