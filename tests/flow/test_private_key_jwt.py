"""private_key_jwt: a client proves itself by a JWT that it signs with its own key, and each is good once."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from msgspec.structs import replace
from tests.assertions import ASSERTION_TYPE, GRANT, is_refused, register_secret_signer, register_signer
from tests.forged_jwts import build_jwk, iterate_forged_jwts, sign_jwt
from tests.local_server import LocalServer, respond

from grantway.admin.clients import create_client, disable_client, patch_client, replace_client
from grantway.errors import InvalidClientMetadata
from grantway.events import TokenRequestRefused
from grantway.testing.in_process import ISSUER, VERIFIER, InProcessServer

ENDPOINTS = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"]
RSA = rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def server():
    running = InProcessServer(
        {"throttle.client_attempts": 100_000, "egress.insecure_private_networks": ["127.0.0.0/8"]}
    )
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def signer(server):
    return register_signer(server)


# -- what is accepted -------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 7523 §2.2")
@pytest.mark.spec("OpenID Connect Core §9")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_signed_assertion_proves_the_client_wherever_clients_authenticate(signer, path):
    assert signer.send(path=path, token="x").status_code == 200
    assert signer.send(path=path, token="x", client_id=signer.client.client_id).status_code == 200


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("ES256", ec.generate_private_key(ec.SECP256R1())), ("ES384", ec.generate_private_key(ec.SECP384R1())),
        ("ES512", ec.generate_private_key(ec.SECP521R1())), ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
        ("RS256", RSA), ("RS384", RSA), ("RS512", RSA), ("PS256", RSA), ("PS384", RSA), ("PS512", RSA),
    ],
)  # fmt: skip
def test_every_asymmetric_algorithm_is_taken_unless_the_client_named_one(server, alg, key):
    assert register_signer(server, key, alg).send().status_code == 200
    assert register_signer(server, key, alg, token_endpoint_auth_signing_alg=alg).send().status_code == 200
    other = "PS256" if alg != "PS256" else "RS256"
    assert is_refused(register_signer(server, key, alg, token_endpoint_auth_signing_alg=other).send())


def test_a_client_may_have_several_keys_and_names_one(server):
    first, second = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    jwks = {"keys": [build_jwk(first, kid="k1"), build_jwk(second, kid="k2")]}
    signer = register_signer(server, first, jwks=jwks)
    assert signer.send().status_code == 200
    assert signer.send(sign_jwt(second, signer.build_claims(), alg="ES256", kid="k2")).status_code == 200
    for kid in ("k2", "k3", None):  # with two keys of a kind, none is guessed
        assert is_refused(signer.send(sign_jwt(first, signer.build_claims(), alg="ES256", kid=kid)))


@pytest.mark.spec("RFC 7523 §3")
def test_the_code_flow_works_with_assertions(server):
    signer = register_signer(server, grant_types=["authorization_code", "refresh_token"], scope="openid")
    code = server.browser().authorize(signer.client)["code"]
    redeem = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    tokens = signer.send(**redeem, redirect_uri=signer.client.client.redirect_uris[0])
    assert tokens.status_code == 200
    refreshed = signer.send(grant_type="refresh_token", refresh_token=tokens.json()["refresh_token"])
    assert refreshed.status_code == 200
    revoked = signer.send(path="/oauth2/revoke", token=refreshed.json()["refresh_token"])
    assert revoked.status_code == 200


@pytest.mark.spec("RFC 8414 §2")
def test_the_discovery_document_lists_methods_and_algorithms(server):
    document = server.get("/.well-known/openid-configuration").json()
    for endpoint in ("token", "revocation", "introspection"):
        methods = document[f"{endpoint}_endpoint_auth_methods_supported"]
        assert {"private_key_jwt", "client_secret_jwt"} <= set(methods)
        assert "tls_client_auth" not in methods  # nobody hands on certificates here
        algorithms = document[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert {"ES256", "RS256", "PS256", "EdDSA", "HS256"} <= set(algorithms)
        assert "none" not in algorithms


# -- what is not ------------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.threat("T50")
@pytest.mark.threat("T51")
@pytest.mark.threat("T52")
@pytest.mark.threat("T53")
@pytest.mark.threat("T54")
@pytest.mark.threat("T55")
@pytest.mark.threat("T57")
@pytest.mark.threat("T58")
@pytest.mark.threat("T62")
@pytest.mark.parametrize(("alg", "key"), [("ES256", ec.generate_private_key(ec.SECP256R1())), ("RS256", RSA)])
def test_no_forged_assertion_is_accepted_and_none_uses_up_the_genuine_one(server, alg, key):
    signer = register_signer(server, key, alg)
    claims = signer.build_claims()
    count = 0
    for name, forged in iterate_forged_jwts(
        key, claims, alg=alg, kid="k1", accepted_types=("client-authentication+jwt",)
    ):
        if "\ud800" in forged:  # cannot be sent at all
            continue
        answer = signer.send(forged)
        assert answer.status_code in (400, 401, 413), name
        assert answer.json()["error"] in ("invalid_client", "invalid_request"), name
        count += 1
    assert count > 150
    assert signer.send(sign_jwt(key, claims, alg=alg, kid="k1")).status_code == 200


@pytest.mark.threat("T40")
@pytest.mark.threat("T54")
def test_an_assertion_is_not_taken_from_a_client_of_another_method(server, machine, public_client, post_client):
    key = ec.generate_private_key(ec.SECP256R1())
    for other in (machine, public_client, post_client):
        signer = register_signer(server, key)
        signer.client = other
        assert is_refused(signer.send())
    secret = register_secret_signer(server)
    secret.key, secret.alg = key, "ES256"
    assert is_refused(secret.send())


@pytest.mark.threat("T40")
@pytest.mark.spec("RFC 7521 §4.2")
def test_an_assertion_stands_alone(server, signer, machine):
    assert is_refused(signer.send(client_secret="x"), "invalid_request")
    assert is_refused(signer.send(client_assertion_type=None), "invalid_request")
    assert is_refused(signer.send(client_assertion=None), "invalid_request")
    assert is_refused(signer.send(client_assertion_type="urn:ietf:params:oauth:client-assertion-type:saml2-bearer"))
    assert is_refused(signer.send(client_id=machine.client_id), "invalid_request")
    form = {**GRANT, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signer.sign()}
    assert is_refused(server.post("/oauth2/token", data=form, auth=machine.auth), "invalid_request")
    assert is_refused(server.post("/oauth2/token", data={**GRANT, "client_id": signer.client.client_id}))


@pytest.mark.threat("T57")
def test_only_the_issuer_is_the_audience_and_only_as_text(signer):
    for audience in (
        [ISSUER], [ISSUER, "https://evil.example"], ISSUER + "/", ISSUER + "/oauth2/token", ISSUER + "/oauth2/par",
    ):  # fmt: skip
        assert is_refused(signer.send(signer.sign(aud=audience))), audience


@pytest.mark.threat("T57")
def test_a_lax_client_may_name_the_endpoint_it_calls(server):
    signer = register_signer(server, lax_assertion_audience=True)
    for audience in (
        ISSUER, ISSUER + "/oauth2/token", ISSUER + "/oauth2/introspect", [ISSUER + "/oauth2/token"],
        [ISSUER, "https://other.example"],
    ):  # fmt: skip
        assert signer.send(signer.sign(aud=audience)).status_code == 200, audience
    for audience in ("https://evil.example", ISSUER + "/userinfo", ISSUER + "/oauth2/token/", ["https://evil.example"]):
        assert is_refused(signer.send(signer.sign(aud=audience))), audience


@pytest.mark.threat("T57")
def test_a_server_may_be_lax_and_a_client_strict_all_the_same():
    server = InProcessServer({"client_auth.lax_assertion_audience": True})
    endpoint = ISSUER + "/oauth2/token"
    lax, strict = register_signer(server), register_signer(server, lax_assertion_audience=False)
    assert lax.send(lax.sign(aud=endpoint)).status_code == 200
    assert is_refused(strict.send(strict.sign(aud=endpoint)))
    server.stop()


@pytest.mark.threat("T58")
def test_an_assertion_lives_as_long_as_the_server_allows(server):
    now, long_lived = server.clock.now() // 1000, InProcessServer({"client_auth.max_assertion_lifetime": 3600})
    signer = register_signer(server)
    assert signer.send(signer.sign(iat=now, exp=now + 300)).status_code == 200
    assert signer.send(signer.sign(iat=None, exp=now + 300)).status_code == 200
    for claims in ({"iat": now, "exp": now + 301}, {"iat": None, "exp": now + 361}, {"iat": now - 3600}):
        assert is_refused(signer.send(signer.sign(**claims))), claims
    patient = register_signer(long_lived)
    now = long_lived.clock.now() // 1000
    assert patient.send(patient.sign(iat=now, exp=now + 3600)).status_code == 200
    long_lived.stop()


def test_clocks_may_differ_by_a_minute(fresh_server):
    signer = register_signer(fresh_server)
    assertions = [signer.sign(), signer.sign()]
    fresh_server.clock.advance(119)
    assert signer.send(assertions[0]).status_code == 200
    fresh_server.clock.advance(1)
    assert is_refused(signer.send(assertions[1]))


# -- once -------------------------------------------------------------------------------------------------------------
@pytest.mark.threat("T56")
@pytest.mark.spec("RFC 7523 §3")
def test_an_assertion_is_good_once(server, signer):
    assertion = signer.sign()
    assert signer.send(assertion).status_code == 200
    for path in ENDPOINTS:
        assert is_refused(signer.send(assertion, path=path, token="x"))


@pytest.mark.threat("T56")
def test_an_assertion_stays_used_until_it_has_expired(fresh_server):
    signer = register_signer(fresh_server)
    assertion = signer.sign()
    assert signer.send(assertion).status_code == 200
    for _ in range(4):
        fresh_server.clock.advance(31)
        runtime = fresh_server.runtime
        fresh_server.run(runtime.store.clean(now=runtime.clock.now()))
        assert is_refused(signer.send(assertion))


@pytest.mark.threat("T56")
def test_of_64_parallel_uses_one_succeeds(server, signer):
    form = {**GRANT, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signer.sign()}

    async def send_all():
        async with server.build_http_client() as http:
            return await asyncio.gather(*(http.post("/oauth2/token", data=form) for _ in range(64)))

    statuses = [answer.status_code for answer in server.run(send_all())]
    assert sorted(statuses) == [200, *[401] * 63]


@pytest.mark.threat("T56")
def test_one_client_cannot_use_up_another_s_jti(server, signer):
    other = register_signer(server)
    assert other.send(other.sign(jti="shared")).status_code == 200
    assert signer.send(signer.sign(jti="shared")).status_code == 200
    thief = register_signer(server)
    thief.client = signer.client  # somebody without the key
    assert is_refused(thief.send(thief.sign(jti="mine")))
    assert is_refused(signer.send(signer.sign(jti="mine", aud="https://evil.example")))
    assert signer.send(signer.sign(jti="mine")).status_code == 200


@pytest.mark.threat("T56")
def test_a_disabled_client_s_assertion_is_refused_and_not_used_up(server, signer):
    assertion = signer.sign()
    server.run(disable_client(server.runtime, "default", signer.client.client_id, actor="test"))
    assert is_refused(signer.send(assertion))


@pytest.mark.spec("RFC 6749 §2.2")
@pytest.mark.threat("T100")
def test_unknown_and_wrong_are_told_the_same(server, signer):
    unknown = sign_jwt(signer.key, {**signer.build_claims(), "sub": "nobody", "iss": "nobody"}, alg="ES256", kid="k1")
    wrong = sign_jwt(ec.generate_private_key(ec.SECP256R1()), signer.build_claims(), alg="ES256", kid="k1")
    answers = [signer.send(unknown), signer.send(wrong), signer.send(signer.sign(aud="x"))]
    assert len({(answer.status_code, answer.text, str(answer.headers)) for answer in answers}) == 1


def test_the_log_says_why_an_assertion_was_refused_and_the_answer_does_not(server, signer):
    assertion = signer.sign()
    signer.send(assertion)
    for refused, reason in (
        (assertion, "used before"),
        (signer.sign(aud=ISSUER + "/oauth2/token"), "another aud"),
        (signer.sign(exp=server.clock.now() // 1000 + 3600), "an exp too far away"),
    ):
        answer = signer.send(refused)
        told = server.events.of(TokenRequestRefused)[-1]
        assert told.detail == f"client_assertion of {signer.client.client_id}: {reason}"
        assert reason not in answer.text


# -- keys at a URL ----------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 7591 §2")
def test_keys_may_be_at_a_url_and_change_there(server):
    old, new = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    keys = [build_jwk(old, kid="k1")]
    with LocalServer(lambda received: respond(body=json.dumps({"keys": keys}).encode())) as others:
        signer = register_signer(server, old, jwks_uri=others.url.replace("http://", "https://"))
        stored = server.run(server.runtime.store.load_client("default", signer.client.client_id))
        plain = {**stored.extra, "jwks_uri": others.url}  # loopback without TLS, as the setting for tests allows
        server.run(server.runtime.store.update_client(replace(stored, extra=plain)))
        assert signer.send().status_code == 200
        assert signer.send().status_code == 200
        assert len(others.received) == 1  # kept
        keys[:] = [build_jwk(new, kid="k2")]
        server.clock.advance(31)
        rotated = sign_jwt(new, signer.build_claims(), alg="ES256", kid="k2")
        assert signer.send(rotated).status_code == 200
        assert is_refused(signer.send())


def test_a_key_url_that_does_not_answer_is_a_failed_authentication(server):
    signer = register_signer(server, jwks_uri="https://127.0.0.1:1/jwks")
    assert is_refused(signer.send())


# -- registration -----------------------------------------------------------------------------------------------------
def try_to_register(server, **metadata):
    document = {"grant_types": ["client_credentials"], "response_types": [], "scope": "read", **metadata}
    return server.run(create_client(server.runtime, "default", document, actor="test"))


GOOD = {"keys": [build_jwk(ec.generate_private_key(ec.SECP256R1()), kid="a")]}
SHORT_RSA = {"kty": "RSA", "n": build_jwk(RSA)["n"][:171], "e": "AQAB"}


@pytest.mark.threat("T63")
@pytest.mark.spec("RFC 7591 §2")
@pytest.mark.parametrize(
    "metadata",
    [
        {}, {"jwks": None}, {"jwks": {}}, {"jwks": {"keys": []}}, {"jwks": "x"}, {"jwks": {"keys": [1]}},
        {"jwks": GOOD, "jwks_uri": "https://client.example/jwks"},
        {"jwks_uri": "http://client.example/jwks"}, {"jwks_uri": "file:///etc/passwd"},
        {"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}},
        {"jwks": {"keys": [SHORT_RSA]}},
        {"jwks": {"keys": [{**GOOD["keys"][0], "d": "AAAA"}]}},
        {"jwks": GOOD, "token_endpoint_auth_signing_alg": "HS256"},
        {"jwks": GOOD, "token_endpoint_auth_signing_alg": "none"},
        {"jwks": GOOD, "lax_assertion_audience": "yes"},
    ],
)  # fmt: skip
def test_keys_that_cannot_be_used_are_refused_at_registration(server, metadata):
    with pytest.raises(InvalidClientMetadata):
        try_to_register(server, token_endpoint_auth_method="private_key_jwt", **metadata)


def test_a_client_with_keys_has_no_secret_and_shows_its_keys(server):
    created = try_to_register(server, token_endpoint_auth_method="private_key_jwt", jwks=GOOD)
    assert created.client_secret is None
    assert created.client.secrets == ()
    assert created.client.extra["jwks"] == GOOD
    with pytest.raises(InvalidClientMetadata, match="signing_alg"):
        try_to_register(server, token_endpoint_auth_signing_alg="ES256")


def test_the_keys_of_a_client_are_replaced_by_a_patch(server, signer):
    new = ec.generate_private_key(ec.SECP256R1())
    patch = [{"op": "replace", "path": "/jwks", "value": {"keys": [build_jwk(new, kid="k1")]}}]
    server.run(patch_client(server.runtime, "default", signer.client.client_id, patch, actor="test"))
    assert is_refused(signer.send())
    signer.key = new
    assert signer.send().status_code == 200
    document = {"grant_types": ["client_credentials"], "response_types": [], "scope": "read"}
    changed = server.run(replace_client(server.runtime, "default", signer.client.client_id, document, actor="test"))
    assert changed.client_secret  # it has another method now, which needs one
    assert is_refused(signer.send())


def test_a_client_without_a_kid_needs_none_when_it_has_one_key(server, signer):
    numbers = itertools.count()
    for _ in range(2):
        claims = {**signer.build_claims(), "jti": f"plain-{next(numbers)}"}
        assert signer.send(sign_jwt(signer.key, claims, alg="ES256", kid=None)).status_code == 200


@pytest.fixture
def post_client(server):
    return server.register_client(
        grant_types=["client_credentials"], scope="read", token_endpoint_auth_method="client_secret_post"
    )
