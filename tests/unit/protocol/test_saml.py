"""SAML assertions: what is read, whose signature counts, and what makes one right for this server and moment."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from lxml import etree
from msgspec.structs import replace
from tests.forged_saml import iterate_forged_assertions
from tests.saml_issuer import SAML, Facts, build_assertion, build_signed, encode, make_identity, sign

from grantway.protocol import saml
from grantway.protocol.saml import (
    Assertion,
    InvalidSaml,
    UnverifiedAssertion,
    check_assertion,
    parse_assertion,
    verify_assertion,
)

NOW = 1_800_000_000
ISSUER, SERVER = "https://idp.example", "https://as.example"
TOKEN_ENDPOINT = f"{SERVER}/oauth2/token"
FACTS = Facts(issuer=ISSUER, subject="alice", audience=SERVER, recipient=TOKEN_ENDPOINT, now=NOW)
IDP = make_identity()


def verify(encoded: str, *certificates: str) -> Assertion:
    return verify_assertion(parse_assertion(encoded), certificates or (IDP.certificate,), now=NOW)


def check(assertion: Assertion, **changes: Any) -> int:
    expected: dict[str, Any] = {
        "now": NOW, "issuer": ISSUER, "audiences": (SERVER, TOKEN_ENDPOINT), "recipient": TOKEN_ENDPOINT,
        "max_lifetime": 3600, "skew": 60,
    }  # fmt: skip
    return check_assertion(assertion, **{**expected, **changes})


def is_accepted(encoded: str) -> bool:
    try:
        check(verify(encoded))
    except InvalidSaml:
        return False
    return True


@pytest.mark.spec("RFC 7522 §3")
def test_a_genuine_assertion_says_who_for_whom_and_until_when():
    assertion = verify(build_signed(replace(FACTS, authenticated_at=NOW - 30), IDP))
    assert (assertion.issuer, assertion.subject) == (ISSUER, "alice")
    assert assertion.audiences == (frozenset({SERVER}),)
    assert assertion.authenticated_at == (NOW - 30,)
    assert check(assertion) == NOW + 300 + 60


@pytest.mark.parametrize(
    ("kind", "method", "digest"),
    [
        ("RSA", "RSA_SHA256", "SHA256"),
        ("RSA", "RSA_SHA512", "SHA512"),
        ("P-256", "ECDSA_SHA256", "SHA256"),
        ("P-384", "ECDSA_SHA384", "SHA384"),
        ("P-521", "ECDSA_SHA512", "SHA512"),
    ],
)
def test_rsa_and_ecdsa_signatures_of_another_implementation_are_verified(kind, method, digest):
    identity = make_identity("idp", kind)
    signed = build_signed(FACTS, identity, method=method, digest=digest)
    assert verify(signed, identity.certificate).subject == "alice"


@pytest.mark.threat("T80")
@pytest.mark.threat("T81")
@pytest.mark.threat("T82")
@pytest.mark.threat("T83")
@pytest.mark.threat("T84")
@pytest.mark.spec("RFC 7522 §3")
@pytest.mark.spec("SAML core §1.3.3")
@pytest.mark.spec("SAML core §1.3.4")
@pytest.mark.spec("SAML core §2.4.1.2")
@pytest.mark.spec("SAML core §2.5.1.1")
@pytest.mark.spec("SAML core §5.4")
@pytest.mark.spec("SAML core §5.4.3")
@pytest.mark.spec("SAML core §5.4.4")
@pytest.mark.spec("SAML profiles §4.1.4.2")
def test_of_the_forged_ones_none_is_accepted():
    forged = dict(iterate_forged_assertions(FACTS, IDP, victim="admin"))
    assert len(forged) > 140
    assert [name for name, encoded in forged.items() if is_accepted(encoded)] == []
    assert is_accepted(build_signed(FACTS, IDP))


@pytest.mark.threat("T81")
def test_even_a_wrapped_one_that_got_through_would_be_read_as_it_was_signed(monkeypatch):
    monkeypatch.setattr(saml, "_check_shape", lambda root: None)
    monkeypatch.setattr(saml, "_check_signature_shape", lambda root: None)
    read = []
    for name, encoded in iterate_forged_assertions(FACTS, IDP, victim="admin"):
        if name.startswith(("T81 XSW", "T81 comment", "T81 instruction")):
            with contextlib.suppress(InvalidSaml):
                read.append(verify(encoded).subject)
    assert len(read) > 5
    assert set(read) <= {"alice", "admin.evil"}


@pytest.mark.threat("T80")
def test_whatever_a_parser_could_be_made_to_do_takes_no_time():
    hostile = [text for name, text in iterate_forged_assertions(FACTS, IDP, victim="admin") if name.startswith("T80")]
    is_accepted(build_signed(FACTS, IDP))  # loads the libraries
    for encoded in hostile:
        fastest = min(measure(encoded) for _ in range(3))
        assert fastest < 0.2  # seconds of this thread, on a slow machine; an explosion would take minutes


def measure(encoded: str) -> float:
    began = time.thread_time()
    is_accepted(encoded)
    return time.thread_time() - began


@pytest.mark.threat("T82")
def test_any_pinned_certificate_will_do_and_none_is_not_enough():
    signed = build_signed(FACTS, IDP)
    assert verify(signed, make_identity("old").certificate, IDP.certificate).subject == "alice"
    with pytest.raises(InvalidSaml) as refused:
        verify_assertion(parse_assertion(signed), (), now=NOW)
    assert refused.value.detail == "no certificate is known"


def test_a_certificate_is_not_used_outside_its_validity():
    short = make_identity("short", valid_from=NOW - 10 * 86400, days=5)
    with pytest.raises(InvalidSaml) as refused:
        verify(build_signed(FACTS, short), short.certificate)
    assert "expired" in str(refused.value.detail) or "valid" in str(refused.value.detail)


@pytest.mark.threat("T81")
def test_what_was_signed_has_to_be_an_assertion():
    root = etree.fromstring("<Note ID='_1'><Issuer/></Note>")
    note = UnverifiedAssertion(ISSUER, "alice", sign(root, IDP))
    with pytest.raises(InvalidSaml) as refused:
        verify_assertion(note, (IDP.certificate,), now=NOW)
    assert refused.value.detail == "what was signed is no assertion"


@pytest.mark.spec("RFC 7522 §2.1")
def test_padding_and_a_declaration_are_no_harm():
    root = sign(build_assertion(FACTS), IDP)
    declared = encode(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
    assert is_accepted(declared)
    assert is_accepted(declared + "=" * (-len(declared) % 4))


@pytest.mark.spec("RFC 7522 §3")
@pytest.mark.threat("T84")
def test_the_token_endpoint_may_be_the_audience():
    assert is_accepted(build_signed(replace(FACTS, audience=TOKEN_ENDPOINT), IDP))


@pytest.mark.spec("RFC 7522 §3")
def test_one_confirmation_for_this_server_is_enough():
    root = build_assertion(FACTS)
    subject = root.find(f"{SAML}Subject")
    other = build_assertion(replace(FACTS, recipient="https://other.example/token")).find(f"{SAML}Subject")
    subject.insert(1, other.find(f"{SAML}SubjectConfirmation"))
    assert is_accepted(encode(sign(root, IDP)))


@pytest.mark.threat("T84")
@pytest.mark.parametrize(("lifetime", "is_good"), [(-59, True), (-60, False), (3660, True), (3661, False)])
def test_the_end_may_be_off_by_the_skew_and_no_farther_than_the_setting(lifetime, is_good):
    root = build_assertion(replace(FACTS, lifetime=lifetime))
    assert is_accepted(encode(sign(root, IDP))) is is_good


@pytest.mark.threat("T84")
@pytest.mark.parametrize(("offset", "is_good"), [(60, True), (61, False)])
def test_the_beginning_may_be_off_by_the_skew(offset, is_good):
    assert is_accepted(build_signed(replace(FACTS, now=NOW + offset), IDP)) is is_good


@pytest.mark.threat("T84")
def test_nothing_is_accepted_that_was_issued_before_what_is_good_began():
    assertion = verify(build_signed(FACTS, IDP))
    assert check(assertion, not_before=NOW - 0.5)
    with pytest.raises(InvalidSaml):
        check(assertion, not_before=NOW)


def test_conditions_need_no_instants_of_their_own():
    root = build_assertion(FACTS)
    conditions = root.find(f"{SAML}Conditions")
    del conditions.attrib["NotBefore"], conditions.attrib["NotOnOrAfter"]
    assertion = verify(encode(sign(root, IDP)))
    assert check(assertion) == NOW + 360


@pytest.mark.spec("RFC 7522 §3")
@pytest.mark.threat("T84")
def test_a_sign_in_that_is_too_old_or_not_told_is_refused_where_its_age_matters():
    fresh, old, untold = (
        verify(build_signed(replace(FACTS, authenticated_at=at), IDP)) for at in (NOW - 100, NOW - 661, None)
    )
    assert check(fresh, authn_max_age=600)
    for assertion in (old, untold):
        assert check(assertion)
        with pytest.raises(InvalidSaml):
            check(assertion, authn_max_age=600)


def test_a_session_at_the_issuer_that_goes_on_is_no_harm():
    root = build_assertion(replace(FACTS, authenticated_at=NOW))
    root.find(f"{SAML}AuthnStatement").set("SessionNotOnOrAfter", FACTS.instant(3600))
    assert is_accepted(encode(sign(root, IDP)))
