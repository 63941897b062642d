"""Keys of the demo clients and of the partner: made at the first start, and kept with the other credentials."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from grantway.protocol.sealing import decode_base64url, encode_base64url

_FROM, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)


def load_public_key(owner: str, credentials: dict[str, Any]) -> dict[str, str]:
    """The public half of the key that is kept under this name, as a JWK; it is made when it is first wanted."""
    if owner not in credentials["keys"]:
        credentials["keys"][owner] = _build_private_jwk()
    return {name: value for name, value in credentials["keys"][owner].items() if name != "d"}


def load_certificate(owner: str, credentials: dict[str, Any]) -> str:
    """A certificate of that key, signed by itself, in PEM; likewise."""
    load_public_key(owner, credentials)
    if owner not in credentials["certificates"]:
        credentials["certificates"][owner] = _build_certificate(owner, credentials["keys"][owner])
    certificate: str = credentials["certificates"][owner]
    return certificate


def _build_private_jwk() -> dict[str, str]:
    """A fresh P-256 key as a private JWK (RFC 7518 §6.2)."""
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    x, y, d = numbers.public_numbers.x, numbers.public_numbers.y, numbers.private_value
    parts = {name: encode_base64url(number.to_bytes(32)) for name, number in (("x", x), ("y", y), ("d", d))}
    return {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": secrets.token_urlsafe(9), **parts}


def _build_certificate(owner: str, private_jwk: dict[str, str]) -> str:
    key = ec.derive_private_key(int.from_bytes(decode_base64url(private_jwk["d"]) or b""), ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, owner)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(_FROM).not_valid_after(_UNTIL)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
