"""SAML 2.0 assertions of trusted issuers, traded for access tokens (RFC 7522 §2.1, §3)."""

from __future__ import annotations

import asyncio
import importlib.util

import httpx2
import pytest
from lxml import etree
from tests.bearers import ISSUER, SAML_BEARER, TOKEN_ENDPOINT, JwtIssuer, SamlIssuer, said
from tests.forged_saml import iterate_forged_assertions
from tests.saml_issuer import build_assertion, build_signed, encode, make_identity, sign

from grantway import lookups
from grantway.admin.clients import create_client
from grantway.admin.trusted_issuers import delete_trusted_issuer
from grantway.admin.users import disable_user
from grantway.errors import InvalidClientMetadata
from grantway.grants import saml2_bearer
from grantway.grants.saml2_bearer import Saml2Bearer
from grantway.testing.in_process import InProcessServer


@pytest.fixture(scope="module")
def server():
    running = InProcessServer({"serve.max_body_bytes": 1_000_000})
    running.register_user("admin")
    yield running
    running.stop()


@pytest.fixture
def bearer(server):
    """A client with a trusted issuer."""
    bearer = SamlIssuer(server)
    bearer.trust()
    return bearer


# -- what is granted --------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 7521 §4.1")
@pytest.mark.spec("RFC 7522 §2.1")
@pytest.mark.spec("RFC 7522 §3")
def test_an_assertion_of_a_trusted_issuer_is_traded_for_an_access_token_and_nothing_else(bearer):
    answer = bearer.send()
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "scope"}
    claims = bearer.server.introspect(bearer.client, answer.json()["access_token"])
    assert (claims["sub"], claims["client_id"]) == (bearer.subject, bearer.client.client_id)
    assert claims["scope"] == "read write"
    assert bearer.send(scope="read").json()["scope"] == "read"
    assert said(bearer.send(scope="admin")) == "invalid_scope"


def test_padding_in_the_parameter_is_no_harm(bearer):
    for _ in range(3):
        assertion = bearer.sign()
        assert said(bearer.send(assertion + "=" * (-len(assertion) % 4))) == "ok"


def test_the_lifespan_of_the_grant_counts(server):
    bearer = SamlIssuer(server, saml2_bearer_grant_access_token_lifespan="90s")
    bearer.trust()
    assert bearer.send().json()["expires_in"] == 90


def test_names_may_be_usernames(server):
    bearer = SamlIssuer(server)
    bearer.trust(subject_is="username")
    answer = bearer.send(bearer.sign(subject=bearer.username))
    assert server.introspect(bearer.client, answer.json()["access_token"])["sub"] == bearer.subject
    assert said(bearer.send()) == "invalid_grant"


@pytest.mark.threat("T82")
def test_an_issuer_may_have_several_certificates_and_several_be_trusted_of_one_name(server, bearer):
    elliptic = SamlIssuer(server, make_identity("elliptic", "P-256"))
    elliptic.issuer = bearer.issuer
    elliptic.trust(
        clients=[bearer.client.client_id],
        certificates=[make_identity("old").certificate, elliptic.identity.certificate],
        scope=["read"],
    )
    signed = build_signed(bearer.build_facts(), elliptic.identity, method="ECDSA_SHA256")
    assert bearer.send(signed).json()["scope"] == "read"
    assert bearer.send().json()["scope"] == "read write"


def test_an_issuer_may_be_trusted_for_one_subject_only(server):
    bearer = SamlIssuer(server)
    other = server.register_user(server.runtime.tokens.generate_id())
    bearer.trust(subject=bearer.subject)
    assert said(bearer.send()) == "ok"
    assert said(bearer.send(bearer.sign(subject=other.subject))) == "invalid_grant"


# -- what is not ------------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 7522 §3")
@pytest.mark.spec("RFC 7522 §3.1")
@pytest.mark.threat("T80")
@pytest.mark.threat("T81")
@pytest.mark.threat("T82")
@pytest.mark.threat("T83")
@pytest.mark.threat("T84")
def test_no_forged_assertion_is_accepted_and_nothing_is_fetched_for_one(server, bearer, monkeypatch):
    looked_up = []
    monkeypatch.setattr(lookups, "_look_up", lambda *target: looked_up.append(target) or ())
    wrong, count = [], 0
    for name, forged in iterate_forged_assertions(bearer.build_facts(), bearer.identity, victim="admin"):
        answer = bearer.send(forged)
        count += 1
        if answer.status_code != 400 or said(answer) not in ("invalid_grant", "invalid_request"):
            wrong.append((name, answer.status_code))
    assert wrong == []
    assert count > 140
    assert looked_up == []
    assert said(bearer.send()) == "ok"


@pytest.mark.threat("T59")
@pytest.mark.threat("T83")
def test_without_trust_for_this_client_nothing_is_good(server, bearer):
    assert said(bearer.send(client=bearer.register_client())) == "invalid_grant"
    untrusted = SamlIssuer(server)
    assert said(untrusted.send()) == "invalid_grant"
    runtime = server.runtime
    server.run(delete_trusted_issuer(runtime, "default", untrusted.trust(), actor="test"))
    assert said(untrusted.send()) == "invalid_grant"


@pytest.mark.threat("T59")
def test_somebody_who_is_not_here_or_disabled_is_refused(server, bearer):
    assert said(bearer.send(bearer.sign(subject="nobody-of-this-house"))) == "invalid_grant"
    server.run(disable_user(server.runtime, "default", bearer.subject, actor="test"))
    assert said(bearer.send()) == "invalid_grant"


def test_a_trust_in_jwts_is_none_in_assertions(server):
    bearer = SamlIssuer(server)
    other = JwtIssuer(server)
    other.issuer = bearer.issuer
    other.trust(any_client=True, jwk=None, certificates=[bearer.identity.certificate])
    assert said(bearer.send()) == "invalid_grant"


def test_the_client_needs_the_grant_a_secret_and_an_assertion(server, bearer):
    assert said(bearer.send(client=bearer.register_client(token_endpoint_auth_method="none"))) == "unauthorized_client"
    other = bearer.register_client(grant_types=["client_credentials"])
    assert said(bearer.send(client=other)) == "unauthorized_client"
    missing = server.token(bearer.client, grant_type=SAML_BEARER)
    assert (said(missing), missing.status_code) == ("invalid_request", 400)


@pytest.mark.spec("RFC 7522 §3")
def test_the_audience_may_be_the_token_endpoint(bearer):
    assert said(bearer.send(bearer.sign(audience=TOKEN_ENDPOINT))) == "ok"
    assert said(bearer.send(bearer.sign(audience=f"{ISSUER}/"))) == "invalid_grant"


@pytest.mark.threat("T84")
@pytest.mark.spec("RFC 7522 §3")
def test_where_the_age_of_the_sign_in_matters_it_has_to_be_told():
    server = InProcessServer({"assertions.saml_authn_max_age": 600})
    try:
        bearer = SamlIssuer(server)
        bearer.trust()
        now = server.clock.now() // 1000
        assert said(bearer.send(bearer.sign(authenticated_at=now - 600))) == "ok"
        assert said(bearer.send(bearer.sign(authenticated_at=now - 661))) == "invalid_grant"
        assert said(bearer.send()) == "invalid_grant"
    finally:
        server.stop()


# -- once -------------------------------------------------------------------------------------------------------------
@pytest.mark.threat("T85")
@pytest.mark.spec("RFC 7522 §3")
def test_an_assertion_is_good_once_until_nobody_would_take_it_any_more(bearer):
    assertion = bearer.sign()
    assert [said(bearer.send(assertion)) for _ in range(3)] == ["ok", "invalid_grant", "invalid_grant"]
    bearer.server.clock.advance(359)
    assert said(bearer.send(assertion)) == "invalid_grant"


@pytest.mark.threat("T85")
def test_another_signature_does_not_make_it_another_assertion(server, bearer):
    root = build_assertion(bearer.build_facts())
    again = etree.fromstring(etree.tostring(root))
    assert said(bearer.send(encode(sign(root, bearer.identity)))) == "ok"
    assert said(bearer.send(encode(sign(again, bearer.identity, digest="SHA512")))) == "invalid_grant"


@pytest.mark.threat("T85")
def test_of_64_at_once_one_is_answered(server, bearer):
    data = {"grant_type": SAML_BEARER, "assertion": bearer.sign()}

    async def race() -> list[httpx2.Response]:
        async with server.build_http_client() as http:
            return await asyncio.gather(
                *(http.post("/oauth2/token", data=data, auth=bearer.client.auth) for _ in range(64))
            )

    results = [said(answer) for answer in server.run(race())]
    assert sorted(results) == ["invalid_grant"] * 63 + ["ok"]


@pytest.mark.threat("T85")
def test_what_was_refused_is_not_used_up_and_issuers_have_identifiers_of_their_own(server, bearer):
    root = sign(build_assertion(bearer.build_facts()), bearer.identity)
    assertion = encode(root)
    assert said(bearer.send(assertion, client=bearer.register_client())) == "invalid_grant"
    assert said(bearer.send(assertion, scope="admin")) == "invalid_scope"
    other = SamlIssuer(server)
    other.trust()
    same = build_assertion(other.build_facts())
    same.set("ID", root.get("ID"))
    assert said(other.send(encode(sign(same, other.identity)))) == "ok"
    assert said(bearer.send(assertion)) == "ok"


@pytest.mark.threat("T80")
def test_more_than_can_be_looked_at_are_asked_to_come_again(server, bearer, monkeypatch):
    monkeypatch.setattr(saml2_bearer, "_MOST_WAITING", 0)
    answer = bearer.send()
    assert (answer.status_code, said(answer)) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"]


# -- the client's own, and the dependency -----------------------------------------------------------------------------
def test_a_client_may_sign_for_itself_with_its_certificate(server):
    identity = make_identity("client")
    bearer = SamlIssuer(server, identity, self_issued_assertions=True, assertion_certificates=[identity.certificate])
    bearer.issuer = bearer.client.client_id
    answer = bearer.send(bearer.sign(subject=bearer.client.client_id))
    assert answer.json()["scope"] == "read write"
    assert said(bearer.send()) == "invalid_grant"
    attacker = build_signed(bearer.build_facts(subject=bearer.client.client_id), make_identity("attacker"))
    assert said(bearer.send(attacker)) == "invalid_grant"


def test_without_its_dependency_the_grant_is_not_offered_and_says_what_to_install(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(saml2_bearer, "find_spec", lambda name: None if name == "signxml" else find(name))
    assert Saml2Bearer.find_missing() == "grantway[saml]"
    server = InProcessServer()
    try:
        discovery = server.get("/.well-known/openid-configuration").json()
        assert SAML_BEARER not in discovery["grant_types_supported"]
        client = server.register_client()
        assert said(server.token(client, grant_type=SAML_BEARER, assertion="x")) == "unsupported_grant_type"
        document = {"grant_types": [SAML_BEARER], "response_types": []}
        with pytest.raises(InvalidClientMetadata, match=r"pip install 'grantway\[saml\]'"):
            server.run(create_client(server.runtime, "default", document, actor="test"))
    finally:
        server.stop()


@pytest.mark.spec("RFC 8414 §2")
def test_the_discovery_document_names_the_grant(server):
    assert SAML_BEARER in server.get("/.well-known/openid-configuration").json()["grant_types_supported"]
