"""Signing with our own keys, and reading what comes back."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from joserfc import jwk, jwt

from grantway.protocol.jose import (
    MAX_JWT_SIZE,
    Signer,
    Verifier,
    build_public_jwk,
    build_public_pem,
    decode_claims,
    dump_private_key,
    generate_private_key,
    load_private_key,
    read_header,
)
from grantway.protocol.sealing import decode_base64url, encode_base64url
from grantway.protocol.vocabulary import SIGNING_ALGS


@functools.cache
def build_pair(alg: str) -> tuple[Signer, dict[str, Any]]:
    private = load_private_key(dump_private_key(generate_private_key(alg)))
    kid, public = build_public_jwk(private, alg)
    return Signer(kid, alg, private), public


def forge(header: dict[str, Any], payload: bytes = b'{"sub":"eve"}', signature: bytes = b"x" * 64) -> str:
    return ".".join(encode_base64url(part) for part in (json.dumps(header).encode(), payload, signature))


@pytest.mark.spec("RFC 7515 §7.1")
@pytest.mark.parametrize("alg", SIGNING_ALGS)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_another_library_verifies_what_we_sign(alg: str) -> None:
    signer, public = build_pair(alg)
    key = jwk.import_key({name: value for name, value in public.items() if name != "use"})
    read = jwt.decode(signer.sign("at+jwt", {"sub": "ada"}), key, algorithms=[alg])
    assert read.claims == {"sub": "ada"}
    assert read.header == {"alg": alg, "typ": "at+jwt", "kid": public["kid"]}


@pytest.mark.spec("RFC 7638 §3")
@pytest.mark.parametrize("alg", SIGNING_ALGS)
def test_the_kid_is_the_thumbprint_that_another_library_computes(alg: str) -> None:
    _, public = build_pair(alg)
    assert (
        jwk.import_key({name: value for name, value in public.items() if name != "use"}).thumbprint() == public["kid"]
    )


@pytest.mark.spec("RFC 7468 §13")
@pytest.mark.parametrize("alg", SIGNING_ALGS)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_another_library_verifies_by_the_pem_of_a_key(alg: str) -> None:
    signer, public = build_pair(alg)
    pem = build_public_pem(public)
    assert pem.startswith(b"-----BEGIN PUBLIC KEY-----\n")
    key = jwk.import_key(pem, public["kty"])
    assert jwt.decode(signer.sign("JWT", {"sub": "ada"}), key, algorithms=[alg]).claims == {"sub": "ada"}


@pytest.mark.parametrize("alg", SIGNING_ALGS)
def test_we_read_what_we_signed_and_nothing_signed_by_another_key(alg: str) -> None:
    signer, public = build_pair(alg)
    token = signer.sign("JWT", {"sub": "ada", "exp": 5})
    assert Verifier(public).verify(token, typ="JWT") == {"sub": "ada", "exp": 5}
    _, stranger = build_public_jwk(generate_private_key(alg), alg)
    assert Verifier(stranger).verify(token, typ="JWT") is None


@pytest.mark.threat("T54")
@pytest.mark.spec("RFC 8725 §3.11")
def test_a_token_of_another_type_is_refused() -> None:
    signer, public = build_pair("ES256")
    assert Verifier(public).verify(signer.sign("at+jwt", {}), typ="JWT") is None


@pytest.mark.threat("T50")
@pytest.mark.spec("RFC 8725 §3.1")
@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "", "HS256", "RS256", "ES384", None, 5])
def test_the_token_does_not_choose_the_algorithm(alg: Any) -> None:
    _, public = build_pair("ES256")
    assert Verifier(public).verify(forge({"alg": alg, "typ": "JWT", "kid": public["kid"]}), typ="JWT") is None


@pytest.mark.threat("T50")
def test_an_hmac_under_the_public_key_is_no_signature() -> None:
    _, public = build_pair("RS256")
    secret = jwk.import_key({"kty": "oct", "k": public["n"]})
    forged = jwt.encode({"alg": "HS256", "typ": "JWT", "kid": public["kid"]}, {"sub": "eve"}, secret)
    assert Verifier(public).verify(forged, typ="JWT") is None


@pytest.mark.threat("T50")
def test_a_signature_of_zeros_or_of_another_length_is_refused() -> None:
    _, public = build_pair("ES256")
    header = {"alg": "ES256", "typ": "JWT", "kid": public["kid"]}
    for signature in (bytes(64), b"", bytes(63), bytes(65), bytes(72)):
        assert Verifier(public).verify(forge(header, signature=signature), typ="JWT") is None


@pytest.mark.threat("T53")
@pytest.mark.spec("RFC 7515 §4.1.11")
@pytest.mark.parametrize("member", [{"crit": ["x"]}, {"crit": []}, {"b64": False}])
def test_critical_extensions_are_refused_even_when_signed(member: dict[str, Any]) -> None:
    signer, public = build_pair("ES256")
    header = encode_base64url(json.dumps({"alg": "ES256", "typ": "JWT", "kid": public["kid"], **member}).encode())
    signing_input = header + "." + encode_base64url(b"{}")
    token = signing_input + "." + encode_base64url(signer._sign(signing_input.encode()))
    assert Verifier(public).verify(token, typ="JWT") is None


@pytest.mark.threat("T34")
def test_every_altered_character_is_refused() -> None:
    signer, public = build_pair("ES256")
    token, verifier = signer.sign("JWT", {"sub": "ada"}), Verifier(public)
    for position, character in enumerate(token):
        altered = token[:position] + ("A" if character != "A" else "B") + token[position + 1 :]
        assert verifier.verify(altered, typ="JWT") is None
    for suffix in ("=", "\n", " ", ".", "A"):
        assert verifier.verify(token + suffix, typ="JWT") is None
    head, payload, signature = token.split(".")
    assert verifier.verify(f"{head}.{payload}=.{signature}", typ="JWT") is None


@pytest.mark.threat("T62")
@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        "é.b.c",
        "e30.e30",
        "!.e30.e30",
        encode_base64url(b"[]") + ".e30.e30",
        encode_base64url(b"\xff") + ".e30.e30",
        encode_base64url(b"{") + ".e30.e30",
        encode_base64url(b"[" * 3000) + ".e30.e30",
        encode_base64url(b'{"a":"' + b"x" * 5000 + b'"}') + ".e30.e30",
        "e30." + "A" * MAX_JWT_SIZE + ".e30",
    ],
    ids=lambda token: token[:20],
)
def test_what_is_not_a_compact_jws_has_no_header(token: str) -> None:
    assert read_header(token) is None
    assert Verifier(build_pair("ES256")[1]).verify(token, typ="JWT") is None


@pytest.mark.threat("T55")
@pytest.mark.spec("RFC 7519 §2")
@pytest.mark.parametrize(
    "payload",
    [
        b'{"exp":NaN}',
        b'{"exp":1e999}',
        b'{"exp":true}',
        b'{"exp":"9999999999"}',
        b'{"iat":-1}',
        b'{"nbf":null}',
        b'{"exp":' + b"9" * 5000 + b"}",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
    ],
    ids=lambda payload: repr(payload[:20]),
)
def test_claims_that_are_no_object_with_sane_instants_are_refused(payload: bytes) -> None:
    assert decode_claims(payload) is None


def test_a_payload_that_is_no_json_is_refused_even_when_signed() -> None:
    signer, public = build_pair("ES256")
    token = signer.sign("JWT", {})
    signing_input = token.split(".")[0] + "." + encode_base64url(b"no json")
    forged = signing_input + "." + encode_base64url(signer._sign(signing_input.encode()))
    assert Verifier(public).verify(forged, typ="JWT") is None


def test_a_key_of_another_kind_is_not_loaded() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import x25519

    der = x25519.X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(TypeError, match="not a signing key"):
        load_private_key(der)


@pytest.mark.threat("T64")
@pytest.mark.parametrize("alg", SIGNING_ALGS)
def test_a_public_jwk_holds_nothing_private(alg: str) -> None:
    _, public = build_pair(alg)
    assert not public.keys() & {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
    assert all(decode_base64url(public[name]) for name in ("x", "y", "n", "e") if name in public)
