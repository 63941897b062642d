"""Keys that others sent: JWK Sets, certificates and shared secrets, checked before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from msgspec import Struct

from grantway.protocol.sealing import decode_base64url

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
JoseKey = ECKey | OKPKey | RSAKey

MAX_KEYS: Final = 50
MAX_KID_LENGTH: Final = 256
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192  # a signature of a longer one costs milliseconds to check
_MIN_EXPONENT: Final = 65537
_MAX_EXPONENT: Final = 2**32
_CURVES: Final[Mapping[str, tuple[ec.EllipticCurve, str]]] = {
    "P-256": (ec.SECP256R1(), "ES256"),
    "P-384": (ec.SECP384R1(), "ES384"),
    "P-521": (ec.SECP521R1(), "ES512"),
}
_CURVES_BY_NAME: Final = {curve.name: alg for curve, alg in _CURVES.values()}
_RSA_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_PRIVATE_MEMBERS: Final = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_HMAC_SIZES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}


class ForeignKey(Struct, frozen=True, eq=False):
    """A public key of somebody else's, and the algorithms it may be used with."""

    kid: str | None
    algorithms: frozenset[str]
    jose: JoseKey


class JwkSet(Struct, frozen=True, eq=False):
    """The public signature keys of one party. No two have the same ``kid``."""

    keys: tuple[ForeignKey, ...]

    def has(self, kid: str) -> bool:
        return any(key.kid == kid for key in self.keys)

    def find(self, kid: str | None, alg: str) -> ForeignKey | None:
        """The key of exactly this ``kid``; without one, the only key that fits. None: there is none, or several do."""
        fitting = [key for key in self.keys if alg in key.algorithms and (kid is None or key.kid == kid)]
        return fitting[0] if len(fitting) == 1 else None


class HmacKey(Struct, frozen=True, eq=False):
    """A secret that both sides know, and the algorithms it is long enough for."""

    algorithms: frozenset[str]
    jose: OctKey


def hmac_key(secret: bytes) -> HmacKey:
    """The key of HS256, and of HS384 and HS512 where it is as long as their hash (RFC 7518 §3.2).

    Raises:
        ValueError: it has fewer than 32 bytes, or is a public key or certificate.
    """
    algorithms = frozenset(alg for alg, size in _HMAC_SIZES.items() if len(secret) >= size)
    if not algorithms:
        raise ValueError("a secret for signatures needs at least 32 bytes")
    if b"-----BEGIN " in secret:
        raise ValueError("a public key is no secret")
    return HmacKey(algorithms, OctKey.import_key(secret))


def parse_jwks(document: Any) -> JwkSet:
    """The signature keys of a JWK Set (RFC 7517 §5).

    Keys of types and curves we do not know, and keys for other uses, are left out. A private or shared key, one that is
    weak or malformed, or two keys of one ``kid`` are refused, and with them the whole set: whoever published it has to
    know.

    Raises:
        ValueError: what is wrong, in words that may be told to whoever sent the set.
    """
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list | tuple):
        raise ValueError("a JWK Set is an object with the list 'keys'")
    if len(keys) > MAX_KEYS:
        raise ValueError(f"a JWK Set has at most {MAX_KEYS} keys")
    found = tuple(key for key in map(_parse_jwk, keys) if key is not None)
    kids = [key.kid for key in found if key.kid is not None]
    if len(set(kids)) != len(kids):
        raise ValueError("two keys have the same 'kid'")
    return JwkSet(found)


def parse_certificate_key(pem: str | bytes, *, now: int | None = None) -> JwkSet:
    """The key of an X.509 certificate in PEM. Who issued it is not checked: it was pinned.

    Args:
        now: seconds; the certificate must be valid then. None: whenever.

    Raises:
        ValueError: it is no certificate, is not valid ``now``, or its key is of no kind or size that is accepted.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)
        key = certificate.public_key()
        begin, end = (each.timestamp() for each in (certificate.not_valid_before_utc, certificate.not_valid_after_utc))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("not an X.509 certificate in PEM") from error
    if now is not None and not begin <= now <= end:
        raise ValueError("the certificate is not valid yet, or not any more")
    if not isinstance(key, PublicKey):
        raise ValueError("the certificate's key is of a kind that is not accepted")
    return JwkSet((_build_key(None, key, None),))


def _parse_jwk(jwk: Any) -> ForeignKey | None:
    """None: a key for something else, or of a kind we do not know (RFC 7517 §5)."""
    if not isinstance(jwk, Mapping):
        raise ValueError("a key is not an object")
    if any(name in jwk for name in _PRIVATE_MEMBERS) or jwk.get("kty") == "oct":
        raise ValueError("a key is not public")
    kid, operations = jwk.get("kid"), jwk.get("key_ops", ["verify"])
    if kid is not None and (not isinstance(kid, str) or len(kid) > MAX_KID_LENGTH):
        raise ValueError(f"a 'kid' is not text of at most {MAX_KID_LENGTH} characters")
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list | tuple) or "verify" not in operations:
        return None
    kty, crv = jwk.get("kty"), jwk.get("crv")
    if kty == "RSA":
        key: PublicKey = _build_rsa_key(_read_number(jwk, "n"), _read_number(jwk, "e"))
    elif kty == "EC" and isinstance(crv, str) and crv in _CURVES:
        key = _build_ec_key(_CURVES[crv][0], _read_bytes(jwk, "x"), _read_bytes(jwk, "y"))
    elif kty == "OKP" and crv == "Ed25519":
        key = _build_ed25519_key(_read_bytes(jwk, "x"))
    else:
        return None
    return _build_key(kid, key, jwk.get("alg"))


def _build_key(kid: str | None, key: PublicKey, alg: Any) -> ForeignKey:
    """``alg``: the only algorithm the key is for; None: all of its kind (RFC 7517 §4.4)."""
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jose: JoseKey
    if isinstance(key, rsa.RSAPublicKey):
        _check_rsa_size(key.public_numbers())
        algorithms, jose = _RSA_ALGORITHMS, RSAKey.import_key(pem)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES_BY_NAME:
            raise ValueError("the key's curve is not one that is accepted")
        algorithms, jose = frozenset({_CURVES_BY_NAME[key.curve.name]}), ECKey.import_key(pem)
    else:
        algorithms, jose = frozenset({"EdDSA"}), OKPKey.import_key(pem)
    if alg is not None:
        algorithms = algorithms & {alg} if isinstance(alg, str) else frozenset()
    return ForeignKey(kid, algorithms, jose)


def _check_rsa_size(numbers: rsa.RSAPublicNumbers) -> None:
    if not MIN_RSA_BITS <= numbers.n.bit_length() <= MAX_RSA_BITS:
        raise ValueError(f"an RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    if not _MIN_EXPONENT <= numbers.e < _MAX_EXPONENT:
        raise ValueError(f"an RSA key's exponent is at least {_MIN_EXPONENT} and below 2^32")


def _build_rsa_key(n: int, e: int) -> rsa.RSAPublicKey:
    numbers = rsa.RSAPublicNumbers(e, n)
    _check_rsa_size(numbers)  # before anything is computed with it
    try:
        return numbers.public_key()
    except ValueError as error:
        raise ValueError("an RSA key is malformed") from error


def _build_ec_key(curve: ec.EllipticCurve, x: bytes, y: bytes) -> ec.EllipticCurvePublicKey:
    size = (curve.key_size + 7) // 8
    if len(x) != size or len(y) != size:  # RFC 7518 §6.2.1.2: the full size, leading zeros included
        raise ValueError("an EC key's coordinate has not the size of its curve")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + x + y)
    except ValueError as error:
        raise ValueError("an EC key is not a point of its curve") from error


def _build_ed25519_key(x: bytes) -> ed25519.Ed25519PublicKey:
    try:
        return ed25519.Ed25519PublicKey.from_public_bytes(x)
    except ValueError as error:
        raise ValueError("an Ed25519 key has 32 bytes") from error


def _read_number(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(_read_bytes(jwk, name), "big")


def _read_bytes(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    decoded = decode_base64url(value) if isinstance(value, str) else None
    if not decoded:
        raise ValueError(f"a key's {name!r} is not base64url")
    return decoded
