"""Keys that others sent."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from tests.forged_jwts import build_jwk
from tests.saml_issuer import make_identity

from grantway.protocol.foreign_jwk import MAX_KEYS, hmac_key, parse_certificate_key, parse_jwks
from grantway.protocol.sealing import encode_base64url

EC = build_jwk(ec.generate_private_key(ec.SECP256R1()))
ED = build_jwk(ed25519.Ed25519PrivateKey.generate())
RSA = build_jwk(rsa.generate_private_key(65537, 2048))


def encode(number: int) -> str:
    return encode_base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


@pytest.mark.spec("RFC 7517 §5")
def test_a_set_gives_its_signature_keys_each_with_the_algorithms_of_its_kind() -> None:
    keys = parse_jwks({"keys": [EC | {"kid": "a"}, ED | {"kid": "b"}, RSA | {"kid": "c"}], "more": 1})
    assert [(key.kid, len(key.algorithms)) for key in keys.keys] == [("a", 1), ("b", 1), ("c", 6)]
    assert keys.has("a")
    assert not keys.has("A")
    for curve, alg in ((ec.SECP384R1(), "ES384"), (ec.SECP521R1(), "ES512")):
        (key,) = parse_jwks({"keys": [build_jwk(ec.generate_private_key(curve))]}).keys
        assert key.algorithms == {alg}


@pytest.mark.spec("RFC 7517 §4.4")
def test_a_key_that_names_its_algorithm_is_for_no_other() -> None:
    keys = parse_jwks({"keys": [RSA | {"alg": "PS256"}]})
    assert keys.find(None, "PS256") is not None
    assert keys.find(None, "RS256") is None
    for alg in ("none", "HS256", "ES256", "RSA-OAEP", 5, ["RS256"]):
        assert parse_jwks({"keys": [RSA | {"alg": alg}]}).find(None, "RS256") is None, alg


@pytest.mark.threat("T52")
def test_a_kid_is_an_exact_look_up_and_without_one_only_a_single_fitting_key_will_do() -> None:
    keys = parse_jwks({"keys": [RSA | {"kid": "a"}, EC | {"kid": "b"}, build_other_ec_jwk() | {"kid": "c"}]})
    assert keys.find("a", "RS256") is keys.find(None, "RS256") is keys.keys[0]
    assert keys.find("b", "ES256") is keys.keys[1]
    for kid, alg in (("A", "RS256"), ("", "RS256"), ("a", "ES256"), (None, "ES256"), (None, "EdDSA")):
        assert keys.find(kid, alg) is None, (kid, alg)


@functools.cache
def build_other_ec_jwk() -> dict[str, Any]:
    return build_jwk(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "new", "x": 5},
        {"kty": "AKP"},
        {},
        {"kty": ["EC"]},
        EC | {"crv": "secp256k1"},
        EC | {"crv": ["P-256"]},
        ED | {"crv": "X25519"},
        ED | {"crv": "Ed448"},
        RSA | {"use": "enc"},
        RSA | {"use": 5},
        RSA | {"key_ops": ["encrypt"]},
        RSA | {"key_ops": "verify"},
    ],
)
def test_a_key_of_an_unknown_kind_or_for_something_else_is_left_out(jwk: dict[str, Any]) -> None:
    assert [key.kid for key in parse_jwks({"keys": [jwk, EC | {"kid": "mine"}]}).keys] == ["mine"]


@pytest.mark.spec("RFC 7518 §6.2.1.2")
@pytest.mark.threat("T63")
@pytest.mark.parametrize(
    ("jwk", "reason"),
    [
        (EC | {"d": "AQ"}, "not public"),
        (RSA | {"p": "AQ"}, "not public"),
        ({"kty": "new", "d": "AQ"}, "not public"),
        ({"kty": "oct", "k": "c2VjcmV0"}, "not public"),
        ({"kty": "oct"}, "not public"),
        ({"kty": "oct", "alg": "PBES2-HS256+A128KW", "p2c": 2**31}, "not public"),
        (RSA | {"n": encode(2**1023 + 1)}, "2048 to 8192 bits"),
        (RSA | {"n": encode(2**2047 - 1)}, "2048 to 8192 bits"),
        (RSA | {"n": encode(2**16383 + 1)}, "2048 to 8192 bits"),
        (RSA | {"e": encode(3)}, "exponent"),
        (RSA | {"e": encode(2**32 + 1)}, "exponent"),
        (RSA | {"e": encode(65538)}, "malformed"),
        (RSA | {"n": None}, "'n' is not base64url"),
        (RSA | {"n": RSA["n"] + "="}, "'n' is not base64url"),
        (RSA | {"e": ""}, "'e' is not base64url"),
        (EC | {"x": encode(5)}, "size of its curve"),
        (EC | {"y": encode(2**300)}, "size of its curve"),
        (EC | {"y": EC["x"]}, "not a point"),
        (EC | {"x": 5}, "'x' is not base64url"),
        (ED | {"x": "AQ"}, "32 bytes"),
        (EC | {"kid": 5}, "'kid'"),
        (EC | {"kid": "k" * 257}, "'kid'"),
        ("key", "not an object"),
        (None, "not an object"),
    ],
)
def test_a_private_weak_or_malformed_key_is_refused_and_its_set_with_it(jwk: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_jwks({"keys": [EC | {"kid": "good"}, jwk]})


@pytest.mark.parametrize("document", [None, [], "keys", {}, {"keys": {}}, {"keys": None}, {"keys": "x"}])
def test_what_is_no_set_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="JWK Set"):
        parse_jwks(document)


@pytest.mark.threat("T52")
def test_two_keys_of_one_kid_are_refused_and_so_are_too_many() -> None:
    with pytest.raises(ValueError, match="same 'kid'"):
        parse_jwks({"keys": [EC | {"kid": "a"}, RSA | {"kid": "a"}]})
    assert len(parse_jwks({"keys": [EC | {"kid": "a"}, RSA | {"kid": "a", "use": "enc"}]}).keys) == 1
    assert len(parse_jwks({"keys": [EC] * MAX_KEYS}).keys) == MAX_KEYS
    with pytest.raises(ValueError, match="at most 50"):
        parse_jwks({"keys": [EC] * (MAX_KEYS + 1)})


def build_certificate(key: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    now = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM)


def test_a_certificate_gives_its_key() -> None:
    for key, alg in (
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
        (rsa.generate_private_key(65537, 2048), "RS256"),
    ):
        pem = build_certificate(key)
        assert parse_certificate_key(pem).find(None, alg) is not None
        assert parse_certificate_key(pem.decode()).find(None, alg) is not None


@pytest.mark.threat("T63")
def test_a_certificate_of_a_weak_or_unknown_key_is_refused_and_so_is_what_is_none() -> None:
    for key, reason in (
        (rsa.generate_private_key(65537, 1024), "2048"),
        (ec.generate_private_key(ec.SECP256K1()), "curve"),
        (dsa.generate_private_key(2048), "kind"),
    ):
        with pytest.raises(ValueError, match=reason):
            parse_certificate_key(build_certificate(key))
    for text in ("", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "é"):
        with pytest.raises(ValueError, match=r"not an X\.509 certificate"):
            parse_certificate_key(text)


def test_a_certificate_counts_from_its_first_second_to_its_last() -> None:
    pem = make_identity(valid_from=1_000_000, days=1).certificate
    for now in (None, 1_000_000, 1_086_400):
        assert parse_certificate_key(pem, now=now).find(None, "RS256") is not None
    for now in (999_999, 1_086_401):
        with pytest.raises(ValueError, match="not valid yet"):
            parse_certificate_key(pem, now=now)


@pytest.mark.spec("RFC 7518 §3.2")
@pytest.mark.threat("T63")
def test_a_secret_is_for_the_algorithms_it_is_long_enough_for() -> None:
    assert hmac_key(b"s" * 32).algorithms == {"HS256"}
    assert hmac_key(b"s" * 48).algorithms == {"HS256", "HS384"}
    assert hmac_key(b"s" * 64).algorithms == {"HS256", "HS384", "HS512"}
    for short in (b"", b"s" * 31):
        with pytest.raises(ValueError, match="32 bytes"):
            hmac_key(short)


@pytest.mark.threat("T50")
def test_a_public_key_is_no_secret() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        build_certificate(key),
        b"  " + build_certificate(key),
    ):
        with pytest.raises(ValueError, match=r"secret|oct keys"):
            hmac_key(secret)
