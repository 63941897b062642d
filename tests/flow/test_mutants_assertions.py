"""Proof that the tests of assertions can fail: each mutant breaks one defence, and the named test catches it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests import mutants
from tests.bearers import JwtIssuer, SamlIssuer

from grantway.grants import assertion, jwt_bearer, saml2_bearer
from grantway.grants.assertion import AssertionGrant
from grantway.protocol import saml
from grantway.protocol.trusted_issuer import TrustedIssuer
from grantway.testing.in_process import InProcessServer

DS = "{http://www.w3.org/2000/09/xmldsig#}"

JWT_ONCE = "flow/test_jwt_bearer.py::test_a_jwt_is_good_once"
JWT_AUDIENCE = "flow/test_jwt_bearer.py::test_the_audience_is_the_issuer_alone_unless_it_is_switched_off"
JWT_CLIENTS = "flow/test_jwt_bearer.py::test_an_issuer_is_good_at_the_clients_it_was_trusted_for"
JWT_OWNERS = "flow/test_jwt_bearer.py::test_one_issuer_cannot_use_up_the_identifiers_of_another"
JWT_LATE = "flow/test_jwt_bearer.py::test_what_was_refused_is_not_used_up"
SAML_ONCE = "flow/test_saml_bearer.py::test_an_assertion_is_good_once_until_nobody_would_take_it_any_more"
SAML_FORGED = "flow/test_saml_bearer.py::test_no_forged_assertion_is_accepted_and_nothing_is_fetched_for_one"
SAML_WRAPPED = "unit/protocol/test_saml.py::test_even_a_wrapped_one_that_got_through_would_be_read_as_it_was_signed"
JWT_DELETED = "flow/test_jwt_bearer.py::test_an_issuer_that_is_deleted_or_expired_is_trusted_no_more"
JWT_DATED = "flow/test_assertion_clauses.py::test_a_pinned_certificate_counts_from_its_first_day_to_its_last"
ALL = (
    JWT_DATED,
    JWT_DELETED,
    JWT_ONCE,
    JWT_AUDIENCE,
    JWT_CLIENTS,
    JWT_OWNERS,
    JWT_LATE,
    SAML_ONCE,
    SAML_FORGED,
    SAML_WRAPPED,
)


@pytest.fixture(scope="module")
def server():
    running = InProcessServer({"serve.max_body_bytes": 1_000_000})
    running.register_user("admin")
    yield running
    running.stop()


@pytest.fixture
def is_caught(server, monkeypatch):
    """Whether the named test fails on its own assertion."""

    def judge(name: str) -> bool:
        with monkeypatch.context() as own:
            return mutants.is_caught(name, **build_arguments(name, server, own))

    return judge


def build_arguments(name: str, server: InProcessServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    if name == SAML_WRAPPED:
        return {"monkeypatch": monkeypatch}
    if name == JWT_DELETED:
        return {"fresh_server": server}
    if name == JWT_DATED:
        return {"server": server}
    bearer = SamlIssuer(server) if "saml" in name else JwtIssuer(server)
    bearer.trust()
    arguments: dict[str, Any] = {"bearer": bearer}
    if name not in (JWT_ONCE, SAML_ONCE):
        arguments["server"] = server
    if name == SAML_FORGED:
        arguments["monkeypatch"] = monkeypatch
    return arguments


@pytest.mark.parametrize("name", ALL)
def test_unmutated_they_pass(is_caught, name):
    assert not is_caught(name)


@pytest.mark.threat("T56")
@pytest.mark.threat("T85")
@pytest.mark.parametrize("name", [JWT_ONCE, SAML_ONCE])
def test_not_spending_an_assertion_is_caught(is_caught, monkeypatch, name):
    async def spend(self, call, decision):
        return decision

    monkeypatch.setattr(AssertionGrant, "spend", spend)
    assert is_caught(name)


@pytest.mark.threat("T56")
def test_spending_before_everything_was_checked_is_caught(is_caught, monkeypatch):
    real = jwt_bearer.JwtBearer.resolve

    async def resolve(self, call, client, parameters):
        return await AssertionGrant.spend(self, call, await real(self, call, client, parameters))

    monkeypatch.setattr(jwt_bearer.JwtBearer, "resolve", resolve)
    assert is_caught(JWT_LATE)


@pytest.mark.threat("T56")
def test_one_space_of_identifiers_for_all_issuers_is_caught(is_caught, monkeypatch):
    real = assertion.SingleUse
    monkeypatch.setattr(assertion, "SingleUse", lambda purpose, owner, value, at: real(purpose, "", value, at))
    assert is_caught(JWT_OWNERS)


@pytest.mark.threat("T57")
def test_not_checking_the_audience_of_a_jwt_is_caught(is_caught, monkeypatch):
    real = jwt_bearer.check_claims

    def check_claims(claims, **expected):
        real({**claims, "aud": expected["audiences"][0]}, **expected)

    monkeypatch.setattr(jwt_bearer, "check_claims", check_claims)
    assert is_caught(JWT_AUDIENCE)


@pytest.mark.threat("T84")
def test_not_checking_the_audience_of_an_assertion_is_caught(is_caught, monkeypatch):
    real = saml2_bearer.check_assertion

    def check_assertion(verified, **expected):
        return real(replace(verified, audiences=(frozenset(expected["audiences"]),)), **expected)

    monkeypatch.setattr(saml2_bearer, "check_assertion", check_assertion)
    assert is_caught(SAML_FORGED)


@pytest.mark.threat("T59")
def test_trusting_an_issuer_at_every_client_is_caught(is_caught, monkeypatch):
    monkeypatch.setattr(TrustedIssuer, "is_good_for", lambda self, client_id: True)
    assert is_caught(JWT_CLIENTS)


@pytest.mark.threat("T59")
def test_leaving_the_tokens_of_a_deleted_issuer_is_caught(is_caught, monkeypatch):
    monkeypatch.setattr(assertion, "_build_ancestors", lambda call, client, trust: ())
    assert is_caught(JWT_DELETED)


@pytest.mark.threat("T81")
@pytest.mark.parametrize("check", ["_check_shape", "_check_signature_shape"])
def test_taking_whatever_shape_is_caught(is_caught, monkeypatch, check):
    monkeypatch.setattr(saml, check, lambda root: None)
    assert is_caught(SAML_FORGED)


@pytest.mark.threat("T81")
def test_reading_outside_the_verified_element_is_caught(is_caught, monkeypatch):
    real = saml._verify

    def verify(root, certificate, now):
        real(root, certificate, now)
        return root

    monkeypatch.setattr(saml, "_verify", verify)
    assert is_caught(SAML_WRAPPED)


@pytest.mark.threat("T82")
def test_trusting_the_key_in_key_info_is_caught(is_caught, monkeypatch):
    real = saml._verify

    def verify(root, certificate, now):
        named = next(root.iter(f"{DS}X509Certificate"), None)
        if named is not None:
            certificate = f"-----BEGIN CERTIFICATE-----\n{named.text.strip()}\n-----END CERTIFICATE-----\n"
        return real(root, certificate, now)

    monkeypatch.setattr(saml, "_verify", verify)
    assert is_caught(SAML_FORGED)


@pytest.mark.threat("T82")
def test_taking_sha1_is_caught(is_caught, monkeypatch):
    monkeypatch.setattr(saml, "_SIGNATURE_METHODS", (*saml._SIGNATURE_METHODS, "RSA_SHA1"))
    monkeypatch.setattr(saml, "_DIGESTS", (*saml._DIGESTS, "SHA1"))
    assert is_caught(SAML_FORGED)


def test_not_looking_at_a_certificates_dates_is_caught(is_caught, monkeypatch):
    real = jwt_bearer.parse_certificate_key
    monkeypatch.setattr(jwt_bearer, "parse_certificate_key", lambda pem, now: real(pem))
    assert is_caught(JWT_DATED)
