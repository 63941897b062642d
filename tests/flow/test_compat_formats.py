"""Answers in other forms than JSON: ``format`` at the token endpoint (Axway), signed introspection (RFC 9701)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from urllib.parse import parse_qs

import pytest
from tests.compat import COMPAT
from tests.flow.test_again import Repeated

from grantway.admin.clients import create_client
from grantway.errors import InvalidClientMetadata, StoreUnavailable
from grantway.extension import Feature
from grantway.features.token_formats import build_xml
from grantway.testing.in_process import ISSUER, InProcessServer

FORM = {"content-type": "application/x-www-form-urlencoded"}
SIGNED = "application/token-introspection+jwt"


@pytest.fixture(scope="module")
def server():
    running = InProcessServer(COMPAT)
    running.register_user()
    yield running
    running.stop()


def read(answer):
    """Members of an answer in whichever form, as text."""
    kind = answer.headers["content-type"]
    assert (kind == "application/json") == answer.text.startswith("{")
    if kind == "application/xml":
        root = ET.fromstring(answer.text)
        assert root.tag == "OAuth"
        return {child.tag: child.text for child in root}
    if kind == "application/x-www-form-urlencoded":
        return {name: value for name, (value,) in parse_qs(answer.text, strict_parsing=True).items()}
    assert kind == "application/json"
    return {name: str(value) for name, value in answer.json().items()}


def ask(server, client, **parameters):
    return server.token(client, **{"grant_type": "client_credentials", **parameters})


# -- format -----------------------------------------------------------------------------------------------------------
TYPES = {"json": "application/json", "urlencoded": "application/x-www-form-urlencoded", "xml": "application/xml"}


@pytest.mark.parametrize("form", TYPES)
def test_the_answer_comes_in_the_form_that_was_asked_for(server, machine, form):
    answer = ask(server, machine, scope="read write", format=form)
    assert (answer.status_code, answer.headers["content-type"]) == (200, TYPES[form])
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    members = read(answer)
    assert server.is_active(machine, members.pop("access_token"))
    assert members == {"token_type": "Bearer", "expires_in": "3600", "scope": "read write"}


@pytest.mark.parametrize("form", TYPES)
def test_every_member_of_a_long_answer_arrives(server, client, form):
    code = server.browser().authorize(client, scope="openid offline_access")["code"]
    answer = server.redeem(client, code)
    members = read(server.refresh(client, answer.json()["refresh_token"], format=form))
    assert set(members) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert server.refresh(client, members["refresh_token"]).status_code == 200


@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize("form", TYPES)
def test_an_error_comes_in_that_form_too(server, machine, form):
    answer = ask(server, machine, scope="admin", format=form)
    assert (answer.status_code, answer.headers["content-type"]) == (400, TYPES[form])
    assert read(answer)["error"] == "invalid_scope"
    data = {"grant_type": "client_credentials", "format": form}
    answer = server.post("/oauth2/token", data=data, auth=(machine.client_id, "wrong"))
    assert (answer.status_code, read(answer)["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("body", ["format=html", "format=XML", "format=json&format=xml", "format=xml&format=xml"])
def test_an_unknown_form_is_an_invalid_request_in_json(server, machine, body):
    content = f"grant_type=client_credentials&{body}"
    answer = server.post("/oauth2/token", content=content, headers=FORM, auth=machine.auth)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_what_cannot_be_read_at_all_is_refused_in_json(server, machine):
    for content, headers in ((b"format=xml&%zz", FORM), (b"format=xml", {"content-type": "text/plain"})):
        answer = server.post("/oauth2/token", content=content, headers=headers, auth=machine.auth)
        assert (answer.status_code // 100, answer.json()["error"]) == (4, "invalid_request")


def test_names_and_values_are_escaped_in_xml():
    members = {"a": '<&>"\x00', "b c": 1, '"><x/>': [1, {"d": "<e>"}], "xml:": None}
    _, document = build_xml(members)
    root = ET.fromstring(document.decode())
    assert [(child.tag, dict(child.attrib), child.text) for child in root] == [
        ("a", {}, '<&>"\ufffd'),
        ("member", {"name": "b c"}, "1"),
        ("member", {"name": '"><x/>'}, '[1,{"d":"<e>"}]'),
        ("member", {"name": "xml:"}, "null"),
    ]


def test_the_same_bytes_again_are_answered_in_the_same_form_with_another_token(server, machine):
    tokens = []
    for form in (*TYPES, *TYPES, *TYPES, *TYPES):
        answer = ask(server, machine, format=form)
        assert answer.headers["content-type"] == TYPES[form]
        tokens.append(read(answer)["access_token"])
    assert len(set(tokens)) == len(tokens)
    plain = Repeated(server, machine, "/oauth2/token", grant_type="client_credentials")
    assert plain.is_answered_again()
    other = Repeated(server, machine, "/oauth2/token", grant_type="client_credentials", format="xml")
    assert not other.is_answered_again()


def test_unless_it_is_switched_on_the_parameter_is_ignored():
    plain = InProcessServer()
    client = plain.register_client(grant_types=["client_credentials"])
    answer = ask(plain, client, format="xml")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    plain.stop()


def test_a_feature_that_fails_at_giving_a_form_gives_an_error_and_no_token():
    class Broken(Feature):
        name = "broken"
        is_replayable = True
        error: Exception = RuntimeError("broken")

        async def shape_response(self, call, endpoint, response):
            raise self.error

    broken = Broken()
    server = InProcessServer(extensions=[broken])
    client = server.register_client(grant_types=["client_credentials"])
    assert (ask(server, client).status_code, ask(server, client).json()["error"]) == (500, "server_error")
    broken.error = StoreUnavailable()
    assert ask(server, client).status_code == 503
    server.stop()


# -- signed introspection answers -------------------------------------------------------------------------------------
def introspect(server, client, token, accept=SIGNED):
    return server.post("/oauth2/introspect", data={"token": token}, headers={"accept": accept}, auth=client.auth)


@pytest.mark.spec("RFC 9701 §4")
@pytest.mark.spec("RFC 9701 §5")
@pytest.mark.threat("T127")
def test_the_answer_is_a_jwt_for_who_asked_and_says_what_the_json_says(server, client, verify):
    token = server.grant(client, scope="openid read")["access_token"]
    for _ in range(4):  # however often the same bytes come
        answer = introspect(server, client, token)
        assert (answer.status_code, answer.headers["content-type"]) == (200, SIGNED)
        assert answer.headers["cache-control"] == "no-store"
        signed = verify(answer.text)
        assert signed.header["typ"] == "token-introspection+jwt"
        assert signed.claims == {
            "iss": ISSUER,
            "aud": client.client_id,
            "iat": server.clock.now() // 1000,
            "token_introspection": server.introspect(client, token),
        }


@pytest.mark.spec("RFC 9701 §5")
@pytest.mark.threat("T127")
def test_whom_a_token_does_not_concern_is_told_only_that_it_is_inactive(server, client, verify):
    tokens = server.grant(client)
    stranger = server.register_client()
    for token in (*(tokens[name] for name in ("access_token", "refresh_token", "id_token")), "x"):
        assert verify(introspect(server, stranger, token).text).claims["token_introspection"] == {"active": False}


@pytest.mark.spec("RFC 9701 §4")
@pytest.mark.parametrize(("accept", "is_signed"), [
    (SIGNED, True), (SIGNED.upper(), True), (f"application/json;q=0.5, {SIGNED};q=1", True),
    ("application/json", False), ("*/*", False), ("application/*", False), (SIGNED + "x", False),
])  # fmt: skip
def test_it_is_asked_for_by_the_accept_header(server, client, accept, is_signed):
    answer = introspect(server, client, "x", accept)
    assert answer.headers["content-type"] == (SIGNED if is_signed else "application/json")


@pytest.mark.spec("RFC 9701 §6")
def test_it_is_signed_by_the_algorithm_the_client_registered_or_rs256(server, verify):
    for alg, expected in ((None, "RS256"), ("ES256", "ES256")):
        client = server.register_client(introspection_signed_response_alg=alg)
        assert verify(introspect(server, client, "x").text).header["alg"] == expected
    fields = {"grant_types": ["client_credentials"], "response_types": [], "introspection_signed_response_alg": "EdDSA"}
    with pytest.raises(InvalidClientMetadata):
        server.run(create_client(server.runtime, "default", fields, actor="test"))


@pytest.mark.spec("RFC 9701 §7")
def test_discovery_names_the_algorithms(server):
    document = server.get("/.well-known/openid-configuration").json()
    assert document["introspection_signing_alg_values_supported"] == ["ES256", "RS256"]


def test_an_error_stays_json(server, client, public_client):
    answer = server.post("/oauth2/introspect", data={"token": "x"}, headers={"accept": SIGNED})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    data = {"token": "x", "client_id": public_client.client_id}
    answer = server.post("/oauth2/introspect", data=data, headers={"accept": SIGNED})
    assert answer.json()["error"] == "unauthorized_client"


@pytest.mark.threat("T54")
@pytest.mark.spec("RFC 8725 §3.12")
def test_the_jwt_is_no_token(server, client):
    signed = introspect(server, client, server.grant(client)["access_token"]).text
    bearer = {"authorization": f"Bearer {signed}"}
    assert server.get("/userinfo", headers=bearer).status_code == 401
    assert server.get("/oauth2/tokeninfo", headers=bearer).status_code == 400
    assert server.introspect(client, signed) == {"active": False}
    hinted = server.request_authorization(client, prompt="none", id_token_hint=signed)
    assert "error=invalid_request" in hinted.headers["location"]
