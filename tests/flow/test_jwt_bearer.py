"""JWTs of trusted issuers, traded for access tokens (RFC 7523 §2.1, §3)."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlencode

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from msgspec.structs import replace
from tests.bearers import JWT_BEARER, TOKEN_ENDPOINT, JwtIssuer, said
from tests.forged_jwts import build_jwk, iterate_forged_jwts, sign_jwt
from tests.local_server import LocalServer, respond
from tests.saml_issuer import make_identity

from grantway.admin.tenants import create_tenant
from grantway.admin.trusted_issuers import delete_trusted_issuer
from grantway.admin.users import disable_user
from grantway.testing.in_process import ISSUER, InProcessServer

FORM = {"content-type": "application/x-www-form-urlencoded"}
RSA = rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def server():
    running = InProcessServer({"egress.insecure_private_networks": ["127.0.0.0/8"]})
    yield running
    running.stop()


@pytest.fixture
def bearer(server):
    """A client with a trusted issuer."""
    bearer = JwtIssuer(server)
    bearer.trust()
    return bearer


# -- what is granted --------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 7521 §4.1")
@pytest.mark.spec("RFC 7523 §2.1")
@pytest.mark.spec("RFC 7523 §3")
def test_a_jwt_of_a_trusted_issuer_is_traded_for_an_access_token_and_nothing_else(bearer):
    answer = bearer.send()
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "scope"}
    claims = bearer.server.introspect(bearer.client, answer.json()["access_token"])
    assert (claims["sub"], claims["client_id"]) == (bearer.subject, bearer.client.client_id)
    assert claims["scope"] == "read write"


@pytest.mark.parametrize(("alg", "key"), [("ES256", ec.generate_private_key(ec.SECP256R1())), ("PS256", RSA)])
def test_the_algorithms_are_those_of_the_key(server, alg, key):
    bearer = JwtIssuer(server, key, alg)
    bearer.trust()
    assert said(bearer.send()) == "ok"


@pytest.mark.spec("RFC 7521 §4.1")
def test_the_scope_is_what_both_the_issuer_and_the_client_may_and_asking_narrows_it(server):
    bearer = JwtIssuer(server, scope="openid read admin")
    bearer.trust(scope=["read", "write", "openid", "offline_access"])
    assert set(bearer.send().json()["scope"].split()) == {"read", "openid"}
    assert bearer.send(scope="read").json()["scope"] == "read"
    for too_much in ("admin", "read admin"):
        assert said(bearer.send(scope=too_much)) == "invalid_scope"


def test_a_client_that_asks_for_nothing_gets_its_default_scope(server):
    bearer = JwtIssuer(server, default_scope="read")
    bearer.trust()
    assert bearer.send().json()["scope"] == "read"
    assert bearer.send(scope="write").json()["scope"] == "write"
    other = JwtIssuer(server, default_scope="read")
    other.trust(scope=["write"])
    assert said(other.send()) == "invalid_scope"


def test_the_lifespan_of_the_grant_counts(server):
    bearer = JwtIssuer(server, jwt_bearer_grant_access_token_lifespan="90s")
    bearer.trust()
    assert bearer.send().json()["expires_in"] == 90


def test_subjects_may_be_usernames_exactly_as_they_are_written_here(server):
    bearer = JwtIssuer(server)
    person = server.register_user("Grace.Hopper")
    bearer.trust(subject_is="username")
    for name in ("Grace.Hopper", "grace.hopper"):
        answer = bearer.send(bearer.sign(sub=name))
        assert server.introspect(bearer.client, answer.json()["access_token"])["sub"] == person.subject
    for other in ("GRACE.HOPPER", "ｇrace.hopper", "grace.hopper ", "nobody", person.subject, "", "x" * 300, "a b"):
        assert said(bearer.send(bearer.sign(sub=other))) == "invalid_grant"


def test_an_issuer_may_be_trusted_for_one_subject_only(server):
    bearer = JwtIssuer(server)
    other = server.register_user(server.runtime.tokens.generate_id())
    bearer.trust(subject=bearer.subject)
    assert said(bearer.send()) == "ok"
    assert said(bearer.send(bearer.sign(sub=other.subject))) == "invalid_grant"


def test_of_several_keys_of_an_issuer_each_is_good_for_what_it_was_trusted_for(server):
    bearer = JwtIssuer(server)
    bearer.trust(subject=bearer.subject, scope=["read"])
    second = JwtIssuer(server)
    second.issuer, second.kid = bearer.issuer, "k2"
    second.trust(clients=[bearer.client.client_id], scope=["write"])
    assert bearer.send().json()["scope"] == "read"
    signed = sign_jwt(second.key, bearer.build_claims(), alg="ES256", kid="k2")
    assert bearer.send(signed).json()["scope"] == "write"


@pytest.mark.threat("T82")
def test_a_certificate_may_be_pinned_instead_of_a_key(server):
    identity = make_identity()
    bearer = JwtIssuer(server)
    bearer.trust(jwk=None, certificates=[make_identity("old").certificate, identity.certificate])
    key = load_key(identity.key)
    for kid in (None, "whatever"):
        assert said(bearer.send(sign_jwt(key, bearer.build_claims(), alg="RS256", kid=kid))) == "ok"
    assert said(bearer.send()) == "invalid_grant"


def load_key(pem):
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem, None)


@pytest.mark.threat("T73")
def test_keys_may_be_published_at_a_jwks_uri(server):
    bearer = JwtIssuer(server)
    document = json.dumps({"keys": [build_jwk(bearer.key, kid="k1")]}).encode()
    with LocalServer(lambda received: respond(body=document)) as publisher:
        bearer.trust(jwk=None, jwks_uri=publisher.url)
        assert [said(bearer.send()) for _ in range(3)] == ["ok"] * 3
        assert len(publisher.received) == 1
    missing = JwtIssuer(server)
    missing.trust(jwk=None, jwks_uri=publisher.url + "gone")  # nobody listens any more
    assert said(missing.send()) == "invalid_grant"


# -- what is not ------------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.spec("RFC 7523 §3.1")
@pytest.mark.threat("T50")
@pytest.mark.threat("T51")
@pytest.mark.threat("T52")
@pytest.mark.threat("T53")
@pytest.mark.threat("T54")
@pytest.mark.threat("T55")
@pytest.mark.threat("T57")
@pytest.mark.threat("T58")
@pytest.mark.threat("T59")
@pytest.mark.threat("T62")
@pytest.mark.parametrize(("alg", "key"), [("ES256", ec.generate_private_key(ec.SECP256R1())), ("RS256", RSA)])
def test_no_forged_jwt_is_accepted_and_none_uses_up_the_genuine_one(server, alg, key):
    bearer = JwtIssuer(server, key, alg)
    bearer.trust()
    claims = bearer.build_claims()
    accepted = []
    for name, forged in iterate_forged_jwts(key, claims, alg=alg, kid="k1"):
        body = urlencode({"grant_type": JWT_BEARER, "assertion": forged}, errors="surrogatepass")
        answer = server.post("/oauth2/token", content=body, headers=FORM, auth=bearer.client.auth)
        if answer.status_code not in (400, 413) or said(answer) not in ("invalid_grant", "invalid_request"):
            accepted.append((name, answer.status_code))
    assert accepted == []
    assert said(bearer.send(sign_jwt(key, claims, alg=alg, kid="k1"))) == "ok"


@pytest.mark.threat("T59")
def test_an_issuer_is_good_at_the_clients_it_was_trusted_for(server, bearer):
    stranger = bearer.register_client()
    assert said(bearer.send(client=stranger)) == "invalid_grant"
    everywhere = JwtIssuer(server)
    everywhere.trust(any_client=True)
    assert said(everywhere.send(client=stranger)) == "ok"


@pytest.mark.threat("T59")
@pytest.mark.spec("RFC 7523 §3")
def test_somebody_who_is_not_here_or_disabled_is_refused(server, bearer):
    for nobody in ("nobody-of-this-house", "x" * 300, "a\x00b", "a\nb", " ", "*"):
        assert said(bearer.send(bearer.sign(sub=nobody))) == "invalid_grant"
    server.run(disable_user(server.runtime, "default", bearer.subject, actor="test"))
    assert said(bearer.send()) == "invalid_grant"


@pytest.mark.threat("T59")
def test_an_issuer_that_is_deleted_or_expired_is_trusted_no_more(fresh_server):
    bearer = JwtIssuer(fresh_server)
    issuer_id = bearer.trust()
    token = bearer.send().json()["access_token"]
    assert fresh_server.is_active(bearer.client, token)
    runtime = fresh_server.runtime
    fresh_server.run(delete_trusted_issuer(runtime, "default", issuer_id, actor="test"))
    assert said(bearer.send()) == "invalid_grant"
    assert not fresh_server.is_active(bearer.client, token)
    fresh_server.clock.advance(2)
    bearer.trust(expires_at=fresh_server.clock.now() + 5000)
    answer = bearer.send()
    assert answer.json()["expires_in"] == 5
    assert fresh_server.is_active(bearer.client, answer.json()["access_token"])
    fresh_server.clock.advance(5)
    assert said(bearer.send()) == "invalid_grant"
    bearer.trust()  # the one that expired does not stand in the way
    assert said(bearer.send()) == "ok"


def test_the_client_needs_the_grant_a_secret_and_an_assertion(server, bearer):
    public = bearer.register_client(token_endpoint_auth_method="none")
    assert said(bearer.send(client=public)) == "unauthorized_client"
    other = bearer.register_client(grant_types=["client_credentials"])
    assert said(bearer.send(client=other)) == "unauthorized_client"
    missing = server.token(bearer.client, grant_type=JWT_BEARER)
    assert (said(missing), missing.status_code) == ("invalid_request", 400)
    wrong = server.post(
        "/oauth2/token",
        data={"grant_type": JWT_BEARER, "assertion": bearer.sign()},
        auth=(bearer.client.client_id, "wrong"),
    )
    assert said(wrong) == "invalid_client"


@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.threat("T57")
def test_the_audience_is_the_issuer_alone_unless_it_is_switched_off(server, bearer):
    others = (TOKEN_ENDPOINT, [ISSUER], [ISSUER, "https://other.example"])
    assert [said(bearer.send(bearer.sign(aud=aud))) for aud in others] == ["invalid_grant"] * 3
    lax = InProcessServer({"assertions.lax_audience": True})
    try:
        older = JwtIssuer(lax)
        older.trust()
        assert [said(older.send(older.sign(aud=aud))) for aud in (ISSUER, *others)] == ["ok"] * 4
        for aud in ("https://other.example", ["https://other.example"], [], f"{TOKEN_ENDPOINT}/"):
            assert said(older.send(older.sign(aud=aud))) == "invalid_grant"
    finally:
        lax.stop()


@pytest.mark.threat("T58")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(
    ("claims", "is_good"),
    [
        ({"exp": -59}, True), ({"exp": -60}, False), ({"exp": 300}, True), ({"exp": 361}, False),
        ({"iat": 60}, True), ({"iat": 61}, False), ({"nbf": 60}, True), ({"nbf": 61}, False), ({"iat": -241}, False),
    ],
)  # fmt: skip
def test_the_clocks_may_differ_by_a_minute_and_a_jwt_lives_five(bearer, claims, is_good):
    now = bearer.server.clock.now() // 1000
    signed = bearer.sign(**{name: now + offset for name, offset in claims.items()})
    assert said(bearer.send(signed)) == ("ok" if is_good else "invalid_grant")


@pytest.mark.threat("T59")
def test_what_is_trusted_in_one_tenant_is_nothing_in_another(server, bearer):
    server.run(create_tenant(server.runtime, "x", actor="test"))
    document = {"grant_types": [JWT_BEARER], "scope": "read", "tenant": "x"}
    client = server.register_client(bearer.client.client_id, **document)
    server.register_user("somebody", tenant="x")

    def send(audience):
        data = {"grant_type": JWT_BEARER, "assertion": bearer.sign(aud=audience, sub="somebody")}
        return said(server.post("/t/x/oauth2/token", data=data, auth=client.auth))

    assert send(f"{ISSUER}/t/x") == "invalid_grant"
    bearer.trust(tenant="x", subject_is="username")
    assert send(ISSUER) == "invalid_grant"
    assert send(f"{ISSUER}/t/x") == "ok"


# -- once -------------------------------------------------------------------------------------------------------------
@pytest.mark.threat("T56")
@pytest.mark.spec("RFC 7523 §3")
def test_a_jwt_is_good_once(bearer):
    assertion = bearer.sign()
    assert [said(bearer.send(assertion)) for _ in range(3)] == ["ok", "invalid_grant", "invalid_grant"]
    bearer.server.clock.advance(119)  # as long as its exp and the skew allow
    assert said(bearer.send(assertion)) == "invalid_grant"


@pytest.mark.threat("T56")
def test_of_64_at_once_one_is_answered(server, bearer):
    data = {"grant_type": JWT_BEARER, "assertion": bearer.sign()}

    async def race() -> list[httpx2.Response]:
        async with server.build_http_client() as http:
            return await asyncio.gather(
                *(http.post("/oauth2/token", data=data, auth=bearer.client.auth) for _ in range(64))
            )

    results = [said(answer) for answer in server.run(race())]
    assert sorted(results) == ["invalid_grant"] * 63 + ["ok"]


@pytest.mark.threat("T56")
def test_what_was_refused_is_not_used_up(server, bearer):
    assertion = bearer.sign()
    stranger = bearer.register_client()
    assert said(bearer.send(assertion, client=stranger)) == "invalid_grant"
    assert said(bearer.send(assertion, scope="admin")) == "invalid_scope"
    assert said(bearer.send(assertion, resource="https://other.example")) == "invalid_target"
    assert said(bearer.send(assertion)) == "ok"


@pytest.mark.threat("T56")
def test_one_issuer_cannot_use_up_the_identifiers_of_another(server, bearer):
    other = JwtIssuer(server)
    other.trust()
    assert said(other.send(other.sign(jti="the-same"))) == "ok"
    assert said(bearer.send(bearer.sign(jti="the-same"))) == "ok"
    assert said(bearer.send(bearer.sign(jti="THE-SAME"))) == "ok"
    assert said(bearer.send(bearer.sign(jti="the-same"))) == "invalid_grant"


# -- the client's own -------------------------------------------------------------------------------------------------
@pytest.fixture
def own(server):
    """A client that signs itself."""

    def register(**metadata):
        bearer = JwtIssuer(server)
        document = {"jwks": {"keys": [build_jwk(bearer.key, kid="k1")]}, **metadata}
        bearer.client = bearer.register_client(**document)
        bearer.issuer = bearer.client.client_id
        return bearer

    return register


@pytest.mark.spec("RFC 7523 §3")
def test_a_client_may_sign_for_itself_and_gets_a_token_of_its_own(server, own):
    bearer = own(self_issued_assertions=True)
    answer = bearer.send(bearer.sign(sub=bearer.client.client_id))
    assert answer.json()["scope"] == "read write"  # and nothing that is for people
    assert server.introspect(bearer.client, answer.json()["access_token"]).get("sub") in (None, bearer.client.client_id)
    assert said(bearer.send()) == "invalid_grant"  # for nobody else


def test_a_client_signs_nothing_unless_it_is_said_and_nobody_signs_for_another(own):
    bearer = own()
    assert said(bearer.send(bearer.sign(sub=bearer.client.client_id))) == "invalid_grant"
    first, second = own(self_issued_assertions=True), own(self_issued_assertions=True)
    signed = first.sign(sub=first.client.client_id)
    assert said(first.send(signed, client=second.client)) == "invalid_grant"
    assert said(first.send(signed)) == "ok"


def test_a_client_may_sign_for_those_that_an_administrator_named(bearer, own):
    named = own(self_issued_assertions=True, assertion_subjects=[bearer.subject])
    assert said(named.send(named.sign(sub=bearer.subject))) == "ok"
    assert said(named.send()) == "invalid_grant"
    anybody = own(self_issued_assertions=True, assertion_subjects=["*"], assertion_subject_is="username")
    assert said(anybody.send(anybody.sign(sub=anybody.username))) == "ok"
    assert said(anybody.send(anybody.sign(sub="*"))) == "invalid_grant"


def test_a_client_may_sign_with_its_certificate(server, own):
    identity = make_identity("client")
    bearer = own(jwks=None, self_issued_assertions=True, assertion_certificates=[identity.certificate])
    claims = bearer.build_claims(sub=bearer.client.client_id)
    assert said(bearer.send(sign_jwt(load_key(identity.key), claims, alg="RS256"))) == "ok"
    forged = sign_jwt(load_key(make_identity("attacker").key), {**claims, "jti": "another"}, alg="RS256")
    assert said(bearer.send(forged)) == "invalid_grant"


def test_the_token_of_a_disabled_person_ends(server, bearer):
    token = bearer.send().json()["access_token"]
    assert server.is_active(bearer.client, token)
    server.run(disable_user(server.runtime, "default", bearer.subject, actor="test"))
    assert not server.is_active(bearer.client, token)


def test_a_pairwise_client_sees_its_own_name_of_the_subject():
    server = InProcessServer({"tokens.pairwise_salt": "a salt of thirty-two characters!"})
    try:
        bearer = JwtIssuer(server, subject_type="pairwise", redirect_uris=["https://client.example/cb"])
        bearer.trust()
        claims = server.introspect(bearer.client, bearer.send().json()["access_token"])
        assert claims["sub"] != bearer.subject
    finally:
        server.stop()


@pytest.mark.spec("RFC 8414 §2")
def test_the_discovery_document_names_the_grant(server):
    assert JWT_BEARER in server.get("/.well-known/openid-configuration").json()["grant_types_supported"]


def test_a_changed_client_loses_what_it_lost(server, bearer):
    stored = server.run(server.runtime.store.load_client("default", bearer.client.client_id))
    server.run(server.runtime.store.update_client(replace(stored, scope=("openid",))))
    assert said(bearer.send()) == "invalid_scope"
