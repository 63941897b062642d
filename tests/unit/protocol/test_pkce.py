"""PKCE: S256 or nothing, and an empty string is not nothing."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode

import pytest

from grantway.errors import InvalidGrant, InvalidRequest
from grantway.protocol.message import Parameters
from grantway.protocol.pkce import check_code_challenge, check_code_verifier, is_verifier_correct

# RFC 7636 Appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.spec("RFC 7636 §4.6")
def test_the_example_of_the_rfc_fits() -> None:
    assert is_verifier_correct(VERIFIER, CHALLENGE)
    assert not is_verifier_correct(VERIFIER, CHALLENGE[:-1] + "N")


@pytest.mark.spec("RFC 7636 §4.1")
@pytest.mark.threat("T26")
@pytest.mark.parametrize(
    "verifier",
    ["", "a" * 42, "a" * 129, "a" * 43 + "\n", "\n" + "a" * 43, "a" * 42 + "+", "a" * 42 + "é", "a" * 42 + "١"],
    ids=["empty", "42", "129", "trailing line feed", "leading line feed", "plus", "e acute", "arabic digit"],
)
def test_a_malformed_verifier_is_never_correct(verifier: str) -> None:
    assert not is_verifier_correct(verifier, CHALLENGE)


@pytest.mark.spec("RFC 7636 §4.1")
@pytest.mark.parametrize("length", [43, 128])
def test_the_shortest_and_the_longest_verifier_are_well_formed(length: int) -> None:
    verifier = ("a.~_-" * 26)[:length]
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert is_verifier_correct(verifier, challenge)


@pytest.mark.spec("RFC 7636 §4.4")
def test_a_challenge_is_returned_when_it_is_sound_and_demanded_when_it_is_required() -> None:
    assert check_code_challenge(CHALLENGE, "S256", is_required=True) == CHALLENGE
    assert check_code_challenge(CHALLENGE, "S256", is_required=False) == CHALLENGE
    assert check_code_challenge(None, None, is_required=False) is None
    with pytest.raises(InvalidRequest):
        check_code_challenge(None, None, is_required=True)


@pytest.mark.spec("RFC 7636 §4.3")
@pytest.mark.threat("T26")
@pytest.mark.parametrize("method", [None, "", "plain", "s256", "S256 ", "S512"])
def test_every_method_but_s256_is_refused_and_leaving_it_out_means_plain(method: str | None) -> None:
    with pytest.raises(InvalidRequest):
        check_code_challenge(CHALLENGE, method, is_required=False)


@pytest.mark.spec("RFC 7636 §4.2")
@pytest.mark.threat("T26")
@pytest.mark.parametrize(
    "challenge",
    [
        "",
        CHALLENGE[:-1],
        CHALLENGE + "A",
        CHALLENGE + "=",
        CHALLENGE + "\n",
        CHALLENGE[:-1] + "+",
        CHALLENGE[:-1] + "é",
    ],
)
@pytest.mark.parametrize("is_required", [True, False])
def test_a_malformed_challenge_is_refused(challenge: str, is_required: bool) -> None:
    with pytest.raises(InvalidRequest):
        check_code_challenge(challenge, "S256", is_required=is_required)


@pytest.mark.threat("T25")
@pytest.mark.parametrize("method", ["S256", "plain", ""])
def test_a_method_without_a_challenge_is_refused(method: str) -> None:
    with pytest.raises(InvalidRequest):
        check_code_challenge(None, method, is_required=False)


@pytest.mark.spec("RFC 7636 §4.5")
@pytest.mark.spec("RFC 9700 §4.8.2")
@pytest.mark.threat("T25")
@pytest.mark.parametrize(
    ("challenge", "sent", "error"),
    [
        (None, {}, None),
        (None, {"code_verifier": ""}, InvalidGrant),
        (None, {"code_verifier": "b" * 43}, InvalidGrant),
        (None, {"code_verifier": VERIFIER}, InvalidGrant),
        (CHALLENGE, {}, InvalidRequest),
        (CHALLENGE, {"code_verifier": ""}, InvalidRequest),
        (CHALLENGE, {"code_verifier": "b" * 43}, InvalidGrant),
        (CHALLENGE, {"code_verifier": CHALLENGE}, InvalidGrant),
        (CHALLENGE, {"code_verifier": VERIFIER}, None),
    ],
)
def test_verifier_and_challenge_come_together_or_not_at_all(
    challenge: str | None, sent: dict[str, str], error: type[Exception] | None
) -> None:
    parameters = Parameters(sent, {})
    if error is None:
        check_code_verifier(parameters, challenge)
    else:
        with pytest.raises(error):
            check_code_verifier(parameters, challenge)
