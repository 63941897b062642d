"""JWTs that others signed: assertions, request objects, software statements. Signatures are checked by joserfc.

Nothing in such a JWT is trusted before its signature holds, and nothing in it chooses how it is checked: the place
where it enters names the algorithms and types it takes, the keys are handed in, ``kid`` is an exact look-up among
them, and ``jwk``, ``jku``, ``x5u``, ``x5c`` are never looked at (RFC 8725 §3.1, §3.10, §3.11). What comes out has
claims of the right types; ``check_claims`` says whether they are right for this server and this moment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from joserfc.jws import JWSRegistry
from msgspec import Struct

from grantway.errors import InvalidRequest
from grantway.protocol.foreign_jwk import (
    ForeignKey,
    HmacKey,
    JwkSet,
    hmac_key,
    parse_certificate_key,
    parse_jwks,
)
from grantway.protocol.json_input import parse_json_object
from grantway.protocol.sealing import decode_base64url

__all__ = (
    "HMAC_ALGORITHMS",
    "MAX_JTI_LENGTH",
    "SIGNATURE_ALGORITHMS",
    "ForeignKey",
    "HmacKey",
    "InvalidJwt",
    "JwkSet",
    "UnverifiedJwt",
    "check_claims",
    "hmac_key",
    "parse_certificate_key",
    "parse_jwks",
    "read_jwt",
    "verify_jwt",
)

SIGNATURE_ALGORITHMS: Final = (
    "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA",
)  # fmt: skip
"""What others may sign with (RFC 7518 §3.1, RFC 8037 §3.1): RS256 always (RFC 7523 §5), never ``none``."""
HMAC_ALGORITHMS: Final = ("HS256", "HS384", "HS512")
"""With an ``HmacKey`` only."""
MAX_TOKEN_SIZE: Final = 16384
MAX_HEADER_SIZE: Final = 4096
MAX_JTI_LENGTH: Final = 256
_MAX_DEPTH: Final = 16
_LAST_INSTANT: Final = 2**53
_INSTANTS: Final = ("exp", "iat", "nbf", "auth_time")
_TEXTS: Final = ("iss", "sub", "jti")


class InvalidJwt(InvalidRequest):
    """A JWT that is not accepted. Why is in ``detail``, for the log; an endpoint answers with an error of its own."""

    text = "The JWT is invalid."

    def __init__(self, detail: str) -> None:
        super().__init__(detail=detail)


class UnverifiedJwt(Struct, frozen=True):
    """A JWT that was read and not verified: only good for finding out whose keys it is to be verified with."""

    alg: str
    kid: str | None
    typ: str | None
    """In lower case, without ``application/``."""
    claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes


def read_jwt(token: str) -> UnverifiedJwt:
    """Takes a compact JWS apart (RFC 7515 §7.1), strictly: one JWT has one spelling.

    Raises:
        InvalidJwt: it is too large, malformed, uses an extension, or a claim has the wrong type.
    """
    if len(token) > MAX_TOKEN_SIZE:
        raise InvalidJwt(f"longer than {MAX_TOKEN_SIZE} characters")
    parts = token.split(".")
    if len(parts) != 3:  # an encrypted one has five
        raise InvalidJwt("not a compact JWS")
    if len(parts[0]) > MAX_HEADER_SIZE:
        raise InvalidJwt(f"a header longer than {MAX_HEADER_SIZE} characters")
    header, claims = _read_object(parts[0]), _read_object(parts[1])
    signature = decode_base64url(parts[2])
    if not signature:
        raise InvalidJwt("no signature")
    if "crit" in header or "b64" in header:  # RFC 7515 §4.1.11: we understand no extension
        raise InvalidJwt("a critical extension")
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str):
        raise InvalidJwt("no alg")
    if kid is not None and not isinstance(kid, str):
        raise InvalidJwt("a kid that is no text")
    _check_claim_types(claims)
    return UnverifiedJwt(alg, kid, _read_typ(header), claims, f"{parts[0]}.{parts[1]}".encode("ascii"), signature)


def verify_jwt(
    token: str, keys: JwkSet | HmacKey, *, algorithms: Collection[str], typ: Collection[str | None]
) -> dict[str, Any]:
    """The claims of a JWT that one of ``keys`` signed.

    Args:
        algorithms: those this place takes.
        typ: the types this place takes, as ``jwt`` or ``at+jwt``, in lower case; None: a JWT without one.

    Raises:
        InvalidJwt: whatever is wrong with it.
    """
    jwt = read_jwt(token)
    # RFC 8725 §3.1: the list first; then the key says what it is for, and a public key is for no HMAC
    if jwt.alg not in algorithms:
        raise InvalidJwt(f"alg {jwt.alg[:32]!r} is not accepted here")
    if jwt.typ not in typ:  # RFC 8725 §3.11
        raise InvalidJwt(f"typ {(jwt.typ or '')[:64]!r} is not accepted here")
    key: ForeignKey | HmacKey | None
    if isinstance(keys, HmacKey):
        key = keys if jwt.alg in keys.algorithms else None
    else:
        key = keys.find(jwt.kid, jwt.alg)
    if key is None:
        raise InvalidJwt(f"no key fits alg {jwt.alg!r} and kid {(jwt.kid or '')[:64]!r}")
    if not JWSRegistry.algorithms[jwt.alg].verify(jwt.signing_input, jwt.signature, key.jose):
        raise InvalidJwt("a wrong signature")
    return dict(jwt.claims)


def check_claims(
    claims: Mapping[str, Any],
    *,
    now: int,
    issuer: str | None,
    subject: str | None,
    audiences: Collection[str],
    is_audience_strict: bool,
    max_lifetime: int,
    skew: int = 60,
    required: Collection[str] = ("iss", "sub", "aud", "exp", "jti"),
    not_before: float = float("-inf"),
) -> None:
    """Whether verified claims are right for this server and this moment (RFC 7523 §3, RFC 7521 §5.2).

    Args:
        now, max_lifetime, skew: seconds.
        issuer, subject: what ``iss`` and ``sub`` must be; None: anything.
        audiences: the names this server goes by here.
        is_audience_strict: ``aud`` must be one of them, and a string: a list that names others too could be for any of
            them. Else a list that holds one of them will do.
        max_lifetime: the farthest ``exp`` may be from now, and from ``iat``.
        not_before: seconds; what was, or without ``iat`` may have been, issued until then is refused: which of it were
            used already is not known any more.

    Raises:
        InvalidJwt: says which claim is wrong.
    """
    for name in required:
        if claims.get(name) in (None, "", []):
            raise InvalidJwt(f"no {name}")
    for name, expected in (("iss", issuer), ("sub", subject)):
        if expected is not None and claims.get(name) != expected:
            raise InvalidJwt(f"another {name}")
    if "aud" in claims:
        _check_audience(claims["aud"], audiences, is_audience_strict)
    _check_instants(claims, now, max_lifetime, skew, not_before)
    if len(claims.get("jti", "")) > MAX_JTI_LENGTH:
        raise InvalidJwt(f"a jti longer than {MAX_JTI_LENGTH} characters")


def _check_audience(audience: Any, audiences: Collection[str], is_strict: bool) -> None:
    if isinstance(audience, str):
        is_ours = audience in audiences
    else:
        is_ours = not is_strict and any(name in audiences for name in audience)
    if not is_ours:
        raise InvalidJwt("another aud")


def _check_instants(claims: Mapping[str, Any], now: int, max_lifetime: int, skew: int, not_before: float) -> None:
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    if expires_at is not None:
        if expires_at <= now - skew:
            raise InvalidJwt("expired")
        if expires_at > now + max_lifetime + skew:  # the memory of used ones lasts no longer than that
            raise InvalidJwt("an exp too far away")
    if claims.get("nbf", 0) > now + skew:
        raise InvalidJwt("not valid yet")
    if issued_at is not None:
        if issued_at > now + skew:
            raise InvalidJwt("issued in the future")
        if expires_at is not None and expires_at - issued_at > max_lifetime:
            raise InvalidJwt("a lifetime too long")
    elif expires_at is not None:
        issued_at = expires_at - max_lifetime  # or later
    if issued_at is not None and issued_at <= not_before:
        raise InvalidJwt("issued before all that is good")


def _read_object(encoded: str) -> dict[str, Any]:
    raw = decode_base64url(encoded)
    try:
        if not raw:
            raise InvalidJwt("a part that is not base64url")
        return parse_json_object(raw.decode("utf-8"), max_size=MAX_TOKEN_SIZE, max_depth=_MAX_DEPTH)
    except UnicodeDecodeError as error:
        raise InvalidJwt("not UTF-8") from error
    except InvalidJwt:
        raise
    except InvalidRequest as error:
        raise InvalidJwt(f"{error.description} {error.detail or ''}") from error


def _read_typ(header: Mapping[str, Any]) -> str | None:
    """As media types are compared: in any case, and without ``application/`` (RFC 7515 §4.1.9)."""
    typ = header.get("typ")
    if typ is None and "typ" not in header:
        return None
    if not isinstance(typ, str):
        raise InvalidJwt("a typ that is no text")
    return typ.lower().removeprefix("application/")


def _check_claim_types(claims: Mapping[str, Any]) -> None:
    """RFC 7519 §4.1: so that nobody compares or adds what is something else."""
    for name in _INSTANTS:
        value = claims.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LAST_INSTANT:
            raise InvalidJwt(f"{name} is no instant")
    for name in _TEXTS:
        if not isinstance(claims.get(name, ""), str):
            raise InvalidJwt(f"{name} is no text")
    audience = claims.get("aud", "")
    if not isinstance(audience, str) and not (
        isinstance(audience, list) and all(isinstance(name, str) for name in audience)
    ):
        raise InvalidJwt("aud is neither text nor a list of texts")
