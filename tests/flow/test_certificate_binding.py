"""Access tokens that are worth nothing without the client's TLS certificate (RFC 8705 §3)."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace
from tests.assertions import GRANT
from tests.client_certificates import build_certificate

from grantway.admin.clients import create_client, patch_client
from grantway.errors import InvalidClientMetadata
from grantway.protocol.sealing import decode_base64url
from grantway.testing.in_process import PASSWORD, VERIFIER, InProcessServer

PROXY, STRANGER = "192.0.2.1", "198.51.100.7"
HEADER = "client-cert"
SETTINGS = {"serve.trusted_proxies": ["192.0.2.0/24"], "serve.client_certificate_header": HEADER}
FLAG = "tls_client_certificate_bound_access_tokens"


@pytest.fixture(scope="module")
def server():
    running = InProcessServer(SETTINGS)
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def certificate(server):
    return build_certificate(now=server.clock.now() / 1000)


@pytest.fixture
def machine(server):
    return server.register_client(grant_types=["client_credentials"], scope="read", **{FLAG: True})


def send(server, path, certificate=None, *, address=PROXY, auth=None, token=None, **data):
    """A form, or with ``token`` a GET that presents it."""
    headers = {HEADER: certificate.rfc_9440} if certificate is not None else {}

    async def go():
        async with server.build_http_client(address=address) as http:
            if token is not None:
                return await http.get(path, headers={**headers, "authorization": f"Bearer {token}"})
            return await http.post(path, data=data, headers=headers, auth=auth)

    return server.run(go())


def ask(server, client, certificate=None, **data):
    return send(server, "/oauth2/token", certificate, auth=client.auth, **{**GRANT, **client.identity, **data})


def grant(server, client, certificate, scope="openid offline_access"):
    code = server.browser().authorize(client, scope=scope)["code"]
    uri = client.client.redirect_uris[0]
    return ask(
        server, client, certificate,
        grant_type="authorization_code", code=code, redirect_uri=uri, code_verifier=VERIFIER,
    )  # fmt: skip


def refresh(server, client, certificate, refresh_token, **options):
    return ask(server, client, certificate, grant_type="refresh_token", refresh_token=refresh_token, **options)


def read_cnf(token):
    return json.loads(decode_base64url(token.split(".")[1]))["cnf"]


@pytest.mark.spec("RFC 8705 §3.1")
@pytest.mark.spec("RFC 8705 §3.2")
def test_a_bound_token_names_its_certificate(server, machine, certificate):
    answer = ask(server, machine, certificate)
    assert answer.status_code == 200
    told = server.introspect(machine, answer.json()["access_token"])
    assert told["cnf"] == {"x5t#S256": certificate.thumbprint}
    options = {"grant_types": ["client_credentials"], "scope": "read", "access_token_format": "jwt", FLAG: True}
    jwt = ask(server, server.register_client(**options), certificate).json()["access_token"]
    assert read_cnf(jwt) == {"x5t#S256": certificate.thumbprint}


@pytest.mark.spec("RFC 8705 §3")
def test_without_a_certificate_there_is_no_token(server, machine, certificate):
    assert ask(server, machine).json().get("error") == "invalid_request"
    expired = build_certificate(now=server.clock.now() / 1000, days=(-3, -1))
    assert ask(server, machine, expired).json().get("error") == "invalid_request"
    stranger = send(server, "/oauth2/token", certificate, auth=machine.auth, address=STRANGER, **GRANT)
    assert stranger.json().get("error") == "invalid_request"
    unbound = server.register_client(grant_types=["client_credentials"], scope="read")
    token = ask(server, unbound, certificate).json()["access_token"]
    assert "cnf" not in server.introspect(unbound, token)


@pytest.mark.threat("T134")
def test_the_same_bytes_are_answered_by_what_they_come_with(server, machine, certificate):
    """Requests that were answered before are recognised by their bytes; who sent them is no part of these."""
    for _ in range(5):
        answer = ask(server, machine, certificate)
        told = server.introspect(machine, answer.json()["access_token"])
        assert told["cnf"] == {"x5t#S256": certificate.thumbprint}
        stranger = send(server, "/oauth2/token", certificate, auth=machine.auth, address=STRANGER, **GRANT)
        assert stranger.status_code == 400


@pytest.mark.spec("RFC 8705 §3")
@pytest.mark.threat("T134")
def test_a_bound_token_is_used_with_its_certificate_alone(server, certificate):
    client = server.register_client(**{FLAG: True})
    token = grant(server, client, certificate).json()["access_token"]
    assert send(server, "/userinfo", certificate, token=token).status_code == 200
    other = build_certificate(now=server.clock.now() / 1000)
    same_key = build_certificate(now=server.clock.now() / 1000, key=certificate.key)
    for wrong in (None, other, same_key):
        answer = send(server, "/userinfo", wrong, token=token)
        assert (answer.status_code, answer.json().get("error")) == (401, "invalid_token")
    assert send(server, "/userinfo", certificate, token=token, address=STRANGER).status_code == 401


@pytest.mark.threat("T33")
@pytest.mark.spec("RFC 8705 §4")
@pytest.mark.parametrize("rotation", ["strict", "grace"])
def test_a_public_client_refreshes_with_its_certificate_alone(server, certificate, rotation):
    client = server.register_client(token_endpoint_auth_method="none", refresh_token_rotation=rotation, **{FLAG: True})
    tokens = grant(server, client, certificate).json()
    other = build_certificate(now=server.clock.now() / 1000)
    for wrong in (None, other):
        answer = refresh(server, client, wrong, tokens["refresh_token"])
        assert (answer.status_code, answer.json().get("error")) == (400, "invalid_grant")
    for _ in range(3):
        answer = refresh(server, client, certificate, tokens["refresh_token"])
        assert answer.status_code == 200
        tokens = answer.json()
        assert send(server, "/userinfo", certificate, token=tokens["access_token"]).status_code == 200
        assert send(server, "/userinfo", other, token=tokens["access_token"]).status_code == 401
        assert refresh(server, client, other, tokens["refresh_token"]).json().get("error") == "invalid_grant"


@pytest.mark.threat("T33")
def test_a_bound_refresh_token_stays_bound_when_the_client_asks_for_it_no_more(server, certificate):
    client = server.register_client(token_endpoint_auth_method="none", **{FLAG: True})
    tokens = grant(server, client, certificate).json()
    patch = [{"op": "replace", "path": f"/{FLAG}", "value": False}]
    server.run(patch_client(server.runtime, "default", client.client_id, patch, actor="test"))
    assert refresh(server, client, None, tokens["refresh_token"]).json().get("error") == "invalid_grant"
    again = refresh(server, client, certificate, tokens["refresh_token"])
    assert again.status_code == 200
    assert send(server, "/userinfo", None, token=again.json()["access_token"]).status_code == 401
    assert send(server, "/userinfo", certificate, token=again.json()["access_token"]).status_code == 200


def test_a_client_that_authenticates_may_renew_its_certificate(server, certificate):
    client = server.register_client(**{FLAG: True})
    tokens = grant(server, client, certificate).json()
    renewed = build_certificate(now=server.clock.now() / 1000)
    answer = refresh(server, client, renewed, tokens["refresh_token"])
    assert answer.status_code == 200
    assert send(server, "/userinfo", renewed, token=answer.json()["access_token"]).status_code == 200
    assert send(server, "/userinfo", certificate, token=answer.json()["access_token"]).status_code == 401
    assert refresh(server, client, None, answer.json()["refresh_token"]).json().get("error") == "invalid_request"


def register_for(server, response_type, **metadata):
    grants = ["authorization_code", "implicit"] if "code" in response_type else ["implicit"]
    uris = ["https://client.example/cb"]
    return server.register_client(response_types=[response_type], grant_types=grants, redirect_uris=uris, **metadata)


@pytest.mark.threat("T15")
@pytest.mark.parametrize("response_type", ["token", "id_token token", "code token", "code id_token token"])
def test_such_a_client_gets_no_token_in_a_redirect(server, response_type):
    client = register_for(server, response_type, **{FLAG: True})
    answer = server.request_authorization(client, response_type=response_type)
    assert "error=unauthorized_client" in answer.headers["location"]
    assert "access_token" not in answer.headers["location"]


@pytest.mark.threat("T15")
def test_nor_when_it_became_such_a_client_while_the_person_was_asked(server):
    client = register_for(server, "token")
    browser = server.browser()
    browser.open(browser.build_authorization_url(client, response_type="token", scope="read"))
    stored = server.run(server.runtime.store.load_client("default", client.client_id))
    server.run(server.runtime.store.update_client(replace(stored, extra={**stored.extra, FLAG: True})))
    browser.submit(username="ada", password=PASSWORD, action="login")
    browser.submit(scope=["read"], action="allow")
    assert browser.received()["error"] == "unauthorized_client"


@pytest.mark.threat("T15")
def test_such_a_client_cannot_be_registered_for_one(server):
    document = {
        "redirect_uris": ["https://client.example/cb"], "grant_types": ["authorization_code", "implicit"],
        "response_types": ["code token"], FLAG: True,
    }  # fmt: skip
    with pytest.raises(InvalidClientMetadata, match="redirect"):
        server.run(create_client(server.runtime, "default", document, actor="test"))


@pytest.mark.spec("RFC 8705 §3.4")
def test_without_a_proxy_that_tells_certificates_nothing_can_be_bound():
    server = InProcessServer()
    document = {"grant_types": ["client_credentials"], "response_types": [], "scope": "read", FLAG: True}
    with pytest.raises(InvalidClientMetadata, match="client_certificate_header"):
        server.run(create_client(server.runtime, "default", document, actor="test"))
    client = server.register_client(grant_types=["client_credentials"], scope="read", **{FLAG: True})
    answer = server.token(client, grant_type="client_credentials")  # set while another node had the setting
    assert answer.json().get("error") == "invalid_request"
    server.stop()
