"""Proof that the tests of client authentication can fail: each mutant breaks one defence, and a named test notices."""

from __future__ import annotations

import pytest
from joserfc.jwk import OctKey
from msgspec.structs import replace
from tests.assertions import register_signer
from tests.client_certificates import build_certificate
from tests.flow.test_mtls import SETTINGS, build, register
from tests.mutants import is_caught

from grantway import client_certificate
from grantway.client_auth import client_assertion, tls_client_auth
from grantway.endpoints import token
from grantway.features.certificate_binding import CertificateBinding
from grantway.grants import refresh_token
from grantway.protocol.foreign_jwt import hmac_key
from grantway.protocol.sealing import encode_base64url
from grantway.storage.sql.store import SqlStore
from grantway.testing.in_process import InProcessServer
from grantway.web.asgi import PublicApplication

ONCE = "flow/test_private_key_jwt.py::test_an_assertion_is_good_once"
BURNT = "flow/test_private_key_jwt.py::test_one_client_cannot_use_up_another_s_jti"
AUDIENCE = "flow/test_private_key_jwt.py::test_only_the_issuer_is_the_audience_and_only_as_text"
LIFETIME = "flow/test_private_key_jwt.py::test_an_assertion_lives_as_long_as_the_server_allows"
FORGED = "flow/test_private_key_jwt.py::test_no_forged_assertion_is_accepted_and_none_uses_up_the_genuine_one"
STRANGER = "flow/test_mtls.py::test_a_certificate_in_a_header_of_anybody_else_is_ignored"
VOUCHED = "flow/test_mtls.py::test_a_proxy_that_does_not_vouch_for_the_certificate_is_not_enough"
SUBJECT = "flow/test_mtls.py::test_subjects_are_compared_by_what_they_are_made_of"
EXPIRED = "flow/test_mtls.py::test_an_expired_certificate_and_one_of_the_future_prove_nothing"
AMBIENT = "flow/test_mtls.py::test_a_certificate_is_no_second_method_for_a_client_that_has_another"
BOUND = "flow/test_certificate_binding.py::test_a_bound_token_is_used_with_its_certificate_alone"
REFRESHED = (
    "flow/test_certificate_binding.py::test_a_bound_refresh_token_stays_bound_when_the_client_asks_for_it_no_more"
)
AGAIN = "flow/test_certificate_binding.py::test_the_same_bytes_are_answered_by_what_they_come_with"
REDIRECT = "flow/test_certificate_binding.py::test_such_a_client_gets_no_token_in_a_redirect"


@pytest.fixture(scope="module")
def server():
    running = InProcessServer(SETTINGS)
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def arguments(server):
    signer = register_signer(server)
    tls = register(server, tls_client_auth_subject_dn="CN=shop,O=Sample\\, Ltd.,C=DE")
    bound = server.register_client(
        grant_types=["client_credentials"], scope="read", tls_client_certificate_bound_access_tokens=True
    )
    mine = build_certificate(now=server.clock.now() / 1000)
    return {
        ONCE: (server, signer),
        BURNT: (server, signer),
        AUDIENCE: (signer,),
        LIFETIME: (server,),
        FORGED: (server, "ES256", signer.key),
        STRANGER: (server, tls, build(server), "/oauth2/token"),
        VOUCHED: (server, tls, build(server)),
        SUBJECT: (server, tls),
        EXPIRED: (server, tls),
        AMBIENT: (server, build(server)),
        BOUND: (server, mine),
        REFRESHED: (server, mine),
        AGAIN: (server, bound, mine),
        REDIRECT: (server, "token"),
    }


@pytest.mark.parametrize(
    "name",
    [
        ONCE, BURNT, AUDIENCE, LIFETIME, FORGED, STRANGER, VOUCHED, SUBJECT, EXPIRED, AMBIENT, BOUND, REFRESHED,
        AGAIN, REDIRECT,
    ],
)  # fmt: skip
def test_unmutated_they_pass(arguments, name):
    assert not is_caught(name, *arguments[name])


@pytest.mark.threat("T56")
def test_not_spending_the_jti_is_caught(monkeypatch, arguments):
    async def use_once(self, tenant, purpose, owner, value, *, expires_at):
        return True

    monkeypatch.setattr(SqlStore, "use_once", use_once)
    assert is_caught(ONCE, *arguments[ONCE])


@pytest.mark.threat("T56")
def test_one_jti_for_all_clients_is_caught(monkeypatch, arguments):
    real = SqlStore.use_once

    async def use_once(self, tenant, purpose, owner, value, *, expires_at):
        return await real(self, tenant, purpose, "everybody", value, expires_at=expires_at)

    monkeypatch.setattr(SqlStore, "use_once", use_once)
    assert is_caught(BURNT, *arguments[BURNT])


@pytest.mark.threat("T57")
def test_not_asking_for_whom_an_assertion_is_is_caught(monkeypatch, arguments):
    real = client_assertion.check_claims
    lenient = {"audiences": ["x"], "is_audience_strict": False}

    def check_claims(claims, **options):
        real({**claims, "aud": "x"}, **{**options, **lenient})

    monkeypatch.setattr(client_assertion, "check_claims", check_claims)
    assert is_caught(AUDIENCE, *arguments[AUDIENCE])
    monkeypatch.undo()
    monkeypatch.setattr(client_assertion, "_is_lax", lambda call, client: True)
    assert is_caught(AUDIENCE, *arguments[AUDIENCE])


@pytest.mark.threat("T58")
def test_any_lifetime_is_caught(monkeypatch, arguments):
    real = client_assertion.check_claims

    def check_claims(claims, **options):
        real(claims, **{**options, "max_lifetime": 10**9})

    monkeypatch.setattr(client_assertion, "check_claims", check_claims)
    assert is_caught(LIFETIME, *arguments[LIFETIME])


@pytest.mark.threat("T50")
def test_the_algorithm_of_the_assertion_s_choice_is_caught(monkeypatch, arguments):
    """Public keys become secrets where an assertion says HS256."""
    real = client_assertion.verify_jwt

    def verify_jwt(assertion, keys, *, algorithms, typ):
        alg = client_assertion.read_jwt(assertion).alg
        if alg.startswith("HS"):
            pem = keys.keys[0].jose.as_pem(private=False)
            return real(assertion, _as_secret(pem), algorithms=[alg], typ=typ)
        return real(assertion, keys, algorithms=algorithms, typ=typ)

    monkeypatch.setattr(client_assertion, "verify_jwt", verify_jwt)
    assert is_caught(FORGED, *arguments[FORGED])


def _as_secret(pem):
    """The text of a public key as a secret, which ``hmac_key`` would refuse to be."""
    return replace(hmac_key(bytes(64)), jose=OctKey.import_key({"kty": "oct", "k": encode_base64url(pem)}))


@pytest.mark.threat("T134")
def test_believing_the_header_of_anybody_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(PublicApplication, "is_proxied", lambda self, client: True)
    assert is_caught(STRANGER, *arguments[STRANGER])


@pytest.mark.threat("T134")
def test_taking_every_certificate_for_verified_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(tls_client_auth, "is_certificate_verified", lambda call: True)
    assert is_caught(VOUCHED, *arguments[VOUCHED])


@pytest.mark.threat("T134")
def test_comparing_subjects_as_text_is_caught(monkeypatch, arguments):
    def is_named(client, certificate):
        return client.extra["tls_client_auth_subject_dn"] in certificate.subject.rfc4514_string()

    monkeypatch.setattr(tls_client_auth, "_is_named", is_named)
    assert is_caught(SUBJECT, *arguments[SUBJECT])


def test_taking_expired_certificates_is_caught(monkeypatch, arguments):
    real = client_certificate.parse_certificate_header

    def parse(value):
        return replace(real(value), valid_from=0, valid_until=2**63)

    monkeypatch.setattr(client_certificate, "parse_certificate_header", parse)
    assert is_caught(EXPIRED, *arguments[EXPIRED])


@pytest.mark.threat("T40")
def test_counting_a_certificate_as_a_method_that_was_used_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(tls_client_auth.TlsClientAuth, "is_ambient", False)
    assert is_caught(AMBIENT, *arguments[AMBIENT])


@pytest.mark.threat("T134")
def test_a_binding_that_everybody_proves_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(CertificateBinding, "find_possession", lambda self, call, confirmation: frozenset(confirmation))
    assert is_caught(BOUND, *arguments[BOUND])


@pytest.mark.threat("T33")
def test_forgetting_the_binding_of_a_refresh_token_is_caught(monkeypatch, arguments):
    real = refresh_token.RefreshToken.resolve

    async def resolve(self, call, client, parameters):
        return replace(await real(self, call, client, parameters), confirmation=None)

    monkeypatch.setattr(refresh_token, "is_possession_proved", lambda call, confirmation: True)
    monkeypatch.setattr(refresh_token.RefreshToken, "resolve", resolve)
    assert is_caught(REFRESHED, *arguments[REFRESHED])


@pytest.mark.threat("T134")
def test_deciding_a_bound_token_once_for_many_requests_is_caught(monkeypatch, arguments):
    async def shape_decision(self, call, grant_type, decision, parameters):
        was = call.is_replayable
        decision = await real(self, call, grant_type, decision, parameters)
        call.is_replayable = was
        return decision

    real = CertificateBinding.shape_decision
    monkeypatch.setattr(CertificateBinding, "shape_decision", shape_decision)
    monkeypatch.setattr(token, "_is_shaped", lambda decision: False)
    assert is_caught(AGAIN, *arguments[AGAIN])


@pytest.mark.threat("T15")
def test_a_bearer_token_in_a_redirect_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(
        CertificateBinding, "check_authorization_request", lambda self, call, client, request, parameters: request
    )
    assert is_caught(REDIRECT, *arguments[REDIRECT])
