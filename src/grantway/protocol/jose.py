"""JSON Web Signatures with our own keys: making tokens, and reading them when they come back.

A token that comes back is untrusted until its signature holds. Nothing in it chooses anything: ``kid`` is an exact
look-up among the issuer's own keys, the algorithm is the key's own and must be the one the header names, ``typ`` must
be the one the place expects, ``crit`` is refused, and ``jwk``, ``jku``, ``x5u``, ``x5c`` are never looked at
(RFC 8725 §3.1, §3.10, §3.11). Why this does not go through a JOSE library: ``docs/decisions/0002-own-tokens.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from grantway.protocol.sealing import decode_base64url, encode_base64url

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

SLOW_ALGORITHMS = frozenset({"RS256", "PS256"})
"""A signature takes ten times an ES256's 25 µs: made off the event loop."""
MAX_JWT_SIZE = 16384
_MAX_HEADER_SIZE = 4096
_ES256 = ec.ECDSA(hashes.SHA256())
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)


def generate_private_key(alg: str) -> PrivateKey:
    """A new private key for ``alg``: P-256, RSA 2048 or Ed25519."""
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def dump_private_key(key: PrivateKey) -> bytes:
    """PKCS#8 DER, to be sealed."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_private_key(der: bytes) -> PrivateKey:
    key = serialization.load_der_private_key(der, password=None)
    if not isinstance(key, PrivateKey):
        raise TypeError(f"not a signing key: {type(key).__name__}")
    return key


def build_public_jwk(key: PrivateKey, alg: str) -> tuple[str, dict[str, Any]]:
    """(kid, JWK of the public half, RFC 7517 §4). The kid is the key's thumbprint (RFC 7638)."""
    public = key.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        required = {"crv": "P-256", "kty": "EC", "x": _encode_number(point.x, 32), "y": _encode_number(point.y, 32)}
    elif isinstance(public, ed25519.Ed25519PublicKey):
        required = {"crv": "Ed25519", "kty": "OKP", "x": encode_base64url(public.public_bytes_raw())}
    else:
        numbers = public.public_numbers()
        required = {"e": _encode_number(numbers.e), "kty": "RSA", "n": _encode_number(numbers.n)}
    kid = encode_base64url(hashlib.sha256(msgspec.json.encode(required)).digest())
    return kid, {**required, "kid": kid, "use": "sig", "alg": alg}


def build_public_pem(jwk: Mapping[str, Any]) -> bytes:
    """A key that ``build_public_jwk`` described, as SubjectPublicKeyInfo in PEM (RFC 7468 §13)."""
    key = _load_public_key(jwk)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _encode_number(number: int, size: int | None = None) -> str:
    return encode_base64url(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


class Signer:
    """Signs JWTs with one key. The encoded header of each ``typ`` is kept."""

    def __init__(self, kid: str, alg: str, key: PrivateKey) -> None:
        self.kid, self.alg, self._key = kid, alg, key
        self._headers: dict[str, bytes] = {}

    def sign(self, typ: str, claims: Mapping[str, Any]) -> str:
        """A compact JWS (RFC 7515 §7.1) with ``typ``, ``alg`` and ``kid`` in its header."""
        header = self._headers.get(typ)
        if header is None:
            encoded = msgspec.json.encode({"alg": self.alg, "typ": typ, "kid": self.kid})
            header = self._headers[typ] = encode_base64url(encoded).encode() + b"."
        signing_input = header + encode_base64url(msgspec.json.encode(claims)).encode()
        return signing_input.decode() + "." + encode_base64url(self._sign(signing_input))

    def _sign(self, data: bytes) -> bytes:
        key = self._key
        if isinstance(key, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(key.sign(data, _ES256))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(data)
        if self.alg == "PS256":
            return key.sign(data, _PSS, hashes.SHA256())
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def read_header(token: str) -> dict[str, Any] | None:
    """The protected header of a compact JWS, unverified; None when it is not one.

    Only ``kid`` (an exact look-up among the issuer's own keys) and ``typ`` may be taken from it before verification.
    """
    if len(token) > MAX_JWT_SIZE or token.count(".") != 2 or not token.isascii():
        return None
    encoded = token.partition(".")[0]
    raw = decode_base64url(encoded) if len(encoded) <= _MAX_HEADER_SIZE else None
    if raw is None:
        return None
    try:
        header = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return header if isinstance(header, dict) else None


class Verifier:
    """Checks JWTs signed by one key."""

    def __init__(self, public_jwk: Mapping[str, Any]) -> None:
        self.alg: str = public_jwk["alg"]
        self._key = _load_public_key(public_jwk)

    def verify(self, token: str, *, typ: str) -> dict[str, Any] | None:
        """The claims, if this key signed the token, by this key's algorithm, as exactly this ``typ``; else None."""
        header = read_header(token)
        if header is None or header.get("alg") != self.alg or header.get("typ") != typ:
            return None
        if "crit" in header or "b64" in header:  # RFC 7515 §4.1.11: we understand no extension
            return None
        signing_input, _, encoded_signature = token.rpartition(".")
        signature, payload = decode_base64url(encoded_signature), decode_base64url(signing_input.partition(".")[2])
        if signature is None or payload is None or not self._is_signature(signature, signing_input.encode("ascii")):
            return None
        return decode_claims(payload)

    def _is_signature(self, signature: bytes, data: bytes) -> bool:
        key = self._key
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                if len(signature) != 64:
                    return False
                r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
                key.verify(encode_dss_signature(r, s), data, _ES256)
            elif isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, data)
            elif self.alg == "PS256":
                key.verify(signature, data, _PSS, hashes.SHA256())
            else:
                key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


def _load_public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """The key of a JWK that ``build_public_jwk`` made."""

    def number(name: str) -> int:
        return int.from_bytes(decode_base64url(jwk[name]) or b"", "big")

    if jwk["kty"] == "EC":
        return ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1()).public_key()
    if jwk["kty"] == "OKP":
        return ed25519.Ed25519PublicKey.from_public_bytes(decode_base64url(jwk["x"]) or b"")
    return rsa.RSAPublicNumbers(number("e"), number("n")).public_key()


def decode_claims(payload: bytes) -> dict[str, Any] | None:
    """A JSON object with sane instants: NaN, Infinity, booleans and strings are no NumericDate (RFC 7519 §2)."""
    try:
        claims = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    for name in ("exp", "iat", "nbf", "auth_time"):
        if name in claims and not _is_instant(claims[name]):
            return None
    return claims


def _is_instant(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53
