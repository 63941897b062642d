"""JWTs that others signed: what is accepted, and that nothing forged is."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from tests.forged_jwts import Key, build_jwk, iterate_forged_jwts, sign_jwt

from grantway.protocol import foreign_jwt
from grantway.protocol.foreign_jwt import (
    HMAC_ALGORITHMS,
    SIGNATURE_ALGORITHMS,
    HmacKey,
    InvalidJwt,
    JwkSet,
    check_claims,
    hmac_key,
    parse_jwks,
    read_jwt,
    verify_jwt,
)
from grantway.protocol.sealing import encode_base64url

NOW = 1_700_000_000
ISSUER = "https://as.example"
CLAIMS = {"iss": "client", "sub": "client", "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "j1"}
ALGORITHMS = SIGNATURE_ALGORITHMS + HMAC_ALGORITHMS
TYPES = (None, "jwt")


@functools.cache
def build_key(alg: str) -> Key:
    if alg.startswith("HS"):
        return b"a secret that both sides know and that is long enough for each of the hashes"
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    return ec.generate_private_key(curves[alg]) if alg in curves else build_rsa_key()


@functools.cache
def build_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@functools.cache
def build_keys(alg: str) -> JwkSet | HmacKey:
    key = build_key(alg)
    return hmac_key(key) if isinstance(key, bytes) else parse_jwks({"keys": [build_jwk(key, kid="k1")]})


def sign(claims: Any = CLAIMS, alg: str = "ES256", **options: Any) -> str:
    return sign_jwt(build_key(alg), claims, alg=alg, **{"kid": "k1", **options})


def verify(token: str, alg: str = "ES256", **options: Any) -> dict[str, Any]:
    """As a strict place would."""
    algorithms = HMAC_ALGORITHMS if alg.startswith("HS") else SIGNATURE_ALGORITHMS
    return verify_jwt(token, build_keys(alg), **{"algorithms": algorithms, "typ": TYPES, **options})


def check(claims: Any, **options: Any) -> None:
    rules = {"issuer": "client", "subject": "client", "audiences": [ISSUER], "is_audience_strict": True}
    check_claims(claims, **{"now": NOW, "max_lifetime": 300, **rules, **options})


def is_accepted(token: str, alg: str) -> bool:
    try:
        check(verify(token, alg))
    except InvalidJwt:
        return False
    return True


# -- signatures -------------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 7515 §7.1")
@pytest.mark.spec("RFC 7518 §3.1")
@pytest.mark.spec("RFC 8037 §3.1")
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_genuine_jwt_gives_its_claims(alg: str) -> None:
    for options in ({}, {"kid": None}, {"typ": None}, {"typ": "jwt"}, {"typ": "application/JWT"}):
        token = sign(alg=alg, **options)
        assert verify(token, alg) == CLAIMS
        assert is_accepted(token, alg)


@pytest.mark.threat("T50")
@pytest.mark.threat("T51")
@pytest.mark.threat("T52")
@pytest.mark.threat("T53")
@pytest.mark.threat("T54")
@pytest.mark.threat("T55")
@pytest.mark.threat("T57")
@pytest.mark.threat("T58")
@pytest.mark.threat("T62")
@pytest.mark.spec("RFC 8725 §3.1")
@pytest.mark.spec("RFC 8725 §3.10")
@pytest.mark.spec("RFC 8725 §3.11")
@pytest.mark.spec("RFC 7515 §4.1.11")
@pytest.mark.spec("RFC 7519 §4.1")
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_nothing_forged_is_accepted(alg: str) -> None:
    forged = list(iterate_forged_jwts(build_key(alg), CLAIMS, alg=alg, kid="k1"))
    assert len(dict(forged)) == len(forged) > 240
    assert [name for name, token in forged if is_accepted(token, alg)] == []


@pytest.mark.threat("T50")
def test_a_place_takes_only_the_algorithms_it_names() -> None:
    with pytest.raises(InvalidJwt) as refused:
        verify(sign(), algorithms=["RS256"])
    assert refused.value.detail == "alg 'ES256' is not accepted here"
    with pytest.raises(InvalidJwt):  # careless as this list is, the key knows better
        verify_jwt(sign_jwt(b"", CLAIMS, alg="HS256"), build_keys("ES256"), algorithms=ALGORITHMS, typ=TYPES)
    with pytest.raises(InvalidJwt):
        verify_jwt(sign(), build_keys("HS256"), algorithms=ALGORITHMS, typ=TYPES)


@pytest.mark.threat("T54")
@pytest.mark.spec("RFC 7515 §4.1.9")
def test_a_place_takes_only_the_types_it_names() -> None:
    assert verify(sign(typ="application/Logout+JWT"), typ=["logout+jwt"]) == CLAIMS
    for typ in ("JWT", None, "at+jwt", "application/application/logout+jwt", ""):
        with pytest.raises(InvalidJwt):
            verify(sign(typ=typ), typ=["logout+jwt"])
    with pytest.raises(InvalidJwt):
        verify(sign(typ=None), typ=["jwt"])


@pytest.mark.threat("T52")
def test_without_a_kid_a_key_is_found_only_where_one_alone_fits() -> None:
    jwk, other = build_jwk(build_rsa_key()), build_jwk(rsa.generate_private_key(65537, 2048))
    two = parse_jwks({"keys": [jwk | {"kid": "a"}, other | {"kid": "b"}]})
    token = sign(alg="RS256", kid=None)
    with pytest.raises(InvalidJwt):
        verify_jwt(token, two, algorithms=["RS256"], typ=TYPES)
    apart = parse_jwks({"keys": [jwk | {"alg": "RS256"}, other | {"alg": "PS256"}]})
    assert verify_jwt(token, apart, algorithms=["RS256"], typ=TYPES) == CLAIMS
    with pytest.raises(InvalidJwt):
        verify_jwt(token, JwkSet(()), algorithms=["RS256"], typ=TYPES)


@pytest.mark.threat("T51")
def test_what_the_header_offers_is_not_looked_at_even_if_the_signature_holds() -> None:
    stranger = build_jwk(ec.generate_private_key(ec.SECP256R1()))
    header = {"jwk": stranger, "jku": "http://169.254.169.254/", "x5u": "file:///etc/passwd", "x5c": ["x"], "more": 1}
    assert verify(sign(header=header)) == CLAIMS


@pytest.mark.threat("T62")
@pytest.mark.parametrize("size", [17_000, 1_000_000, 10_000_000])
def test_what_is_too_large_is_refused_before_it_is_decoded(size: int) -> None:
    large = "A" * size
    for token in (f"{large}.e30.eA", f"e30.{large}.eA", f"e30.e30.{large}", "." * size, f"{'A' * 5000}.e30.eA"):
        began = time.perf_counter()
        with pytest.raises(InvalidJwt) as refused:
            read_jwt(token)
        assert "longer than" in str(refused.value.detail)
        assert time.perf_counter() - began < 0.01


def test_an_unverified_jwt_tells_whose_keys_to_look_for() -> None:
    read = read_jwt(sign(typ="application/AT+JWT"))
    assert (read.alg, read.kid, read.typ, dict(read.claims)) == ("ES256", "k1", "at+jwt", CLAIMS)


def test_the_reason_is_for_the_log_alone() -> None:
    with pytest.raises(InvalidJwt) as refused:
        verify("x.y.z")
    assert (refused.value.description, refused.value.status) == ("The JWT is invalid.", 400)
    assert refused.value.detail


def test_each_part_says_what_is_wrong_with_it() -> None:
    header = encode_base64url(b'{"alg":"ES256"}')
    for token, reason in (
        ("a.b", "not a compact JWS"),
        (f"{header}.e30.", "no signature"),
        (f"{encode_base64url(b'{}')}.e30.eA", "no alg"),
        (f"{encode_base64url(b'[]')}.e30.eA", "The JSON is not an object."),
        (f"{header}.{encode_base64url(bytes([0xFF]))}.eA", "not UTF-8"),
        (f"{header}.{encode_base64url(b'{')}.eA", "The JSON is malformed."),
    ):
        with pytest.raises(InvalidJwt) as refused:
            read_jwt(token)
        assert str(refused.value.detail).startswith(reason)


# -- claims -----------------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 7523 §3")
def test_claims_at_the_edge_of_what_is_allowed_are_right() -> None:
    for changed in (
        {},
        {"exp": NOW - 59},
        {"exp": NOW - 59.5},
        {"exp": NOW + 300},
        {"iat": NOW + 60},
        {"nbf": NOW + 60},
        {"exp": NOW + 100, "iat": NOW - 200},
        {"jti": "j" * 256},
        {"other": [1, None]},
    ):
        check({**CLAIMS, **changed})


@pytest.mark.threat("T57")
@pytest.mark.threat("T58")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": "another"}, "another iss"),
        ({"sub": "another"}, "another sub"),
        ({"aud": "another"}, "another aud"),
        ({"aud": [ISSUER]}, "another aud"),
        ({"aud": [ISSUER, "evil"]}, "another aud"),
        ({"aud": ISSUER + "/oauth2/token"}, "another aud"),
        ({"aud": []}, "no aud"),
        ({"jti": ""}, "no jti"),
        ({"exp": NOW - 60}, "expired"),
        ({"exp": NOW + 361}, "an exp too far away"),
        ({"exp": NOW + 10 * 365 * 86400}, "an exp too far away"),
        ({"exp": NOW + 300, "iat": NOW - 1}, "a lifetime too long"),
        ({"iat": NOW + 61}, "issued in the future"),
        ({"nbf": NOW + 61}, "not valid yet"),
        ({"jti": "j" * 257}, "a jti longer than 256 characters"),
    ],
)
def test_claims_about_another_place_or_moment_are_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidJwt) as refused:
        check({**CLAIMS, **changed})
    assert refused.value.detail == reason


@pytest.mark.spec("RFC 7523 §3")
def test_a_required_claim_must_be_there_and_another_need_not() -> None:
    for name in ("iss", "sub", "aud", "exp", "jti"):
        claims = {claim: value for claim, value in CLAIMS.items() if claim != name}
        with pytest.raises(InvalidJwt) as refused:
            check(claims)
        assert refused.value.detail == f"no {name}"
    check({"iat": NOW}, issuer=None, subject=None, required=())
    check({}, issuer=None, subject=None, required=())


@pytest.mark.threat("T57")
def test_where_it_is_not_strict_a_list_that_holds_our_name_will_do() -> None:
    for audience in (ISSUER, [ISSUER], ["other", ISSUER]):
        check({**CLAIMS, "aud": audience}, is_audience_strict=False)
    for audience in ("other", ["other"], [], ISSUER[:-1]):
        with pytest.raises(InvalidJwt):
            check({**CLAIMS, "aud": audience}, is_audience_strict=False)


@pytest.mark.threat("T58")
@pytest.mark.parametrize(
    ("claims", "is_good"),
    [
        ({"iat": NOW - 10}, False),
        ({"iat": NOW - 9}, True),
        ({"exp": NOW + 290}, False),  # with at most 300 seconds to live, it may have been issued then
        ({"exp": NOW + 291}, True),
        ({"exp": NOW + 200, "iat": NOW}, True),
        ({"exp": NOW + 300, "iat": NOW - 20}, False),
        ({}, True),
    ],
)
def test_nothing_is_accepted_that_may_be_from_before_what_is_good_began(claims: dict[str, Any], is_good: bool) -> None:
    with contextlib.nullcontext() if is_good else pytest.raises(InvalidJwt):
        check(claims, issuer=None, subject=None, required=(), not_before=NOW - 10, max_lifetime=300)


# -- proof that the corpus can fail -----------------------------------------------------------------------------------
def accept(*_: Any, **__: Any) -> None:
    return None


def loosen_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JwkSet, "find", lambda self, kid, alg: self.keys[0])


def loosen_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    models = foreign_jwt.JWSRegistry.algorithms
    monkeypatch.setattr(type(models["ES256"]), "verify", lambda *_: True)


def loosen_base64url(monkeypatch: pytest.MonkeyPatch) -> None:
    from base64 import urlsafe_b64decode

    monkeypatch.setattr(foreign_jwt, "decode_base64url", lambda text: urlsafe_b64decode(text + "==="))


def loosen_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_jwt, "parse_json_object", lambda text, **_: json.loads(text))


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "T52": loosen_keys,
    "T51": loosen_signatures,
    "T50": loosen_signatures,
    "T62": loosen_base64url,
    "T55": loosen_json,
}


@pytest.mark.parametrize("row", MUTANTS)
def test_the_corpus_notices_a_missing_defence(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[row](monkeypatch)
    corpus = iterate_forged_jwts(build_key("ES256"), CLAIMS, alg="ES256", kid="k1")
    assert any(name.startswith(row) for name, token in corpus if not _is_refused(token))


def _is_refused(token: str) -> bool:
    try:
        return not is_accepted(token, "ES256")
    except Exception:  # broken as the code is, anything may come out of it
        return True


def test_the_corpus_notices_types_that_nobody_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_jwt, "_check_claim_types", accept)
    accepted = [
        name
        for name, token in iterate_forged_jwts(build_key("ES256"), CLAIMS, alg="ES256", kid="k1")
        if not _is_refused(token)
    ]
    assert "T55 nbf false" in accepted
