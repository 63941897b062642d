"""The public keys that a client registers: ``jwks``, or the ``jwks_uri`` they are at (RFC 7591 §2).

Every extension that verifies by a client's keys declares ``KEY_METADATA``: the two mean the same to all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from grantway.errors import InvalidClientMetadata
from grantway.model import Client
from grantway.protocol.client_metadata import Metadatum, read_https_url, read_json
from grantway.protocol.foreign_jwt import parse_jwks


def read_jwks(name: str, value: Any) -> Any:
    """A JWK Set of public keys, each fit to be used. Raises ``InvalidClientMetadata``."""
    document = read_json(name, value)
    try:
        parse_jwks(document)
    except ValueError as error:
        raise InvalidClientMetadata(f"{name}: {error}.") from error
    return document


def check_keys(client: Client, *, is_required: bool) -> None:
    """Whether a client has its keys in one place (RFC 7591 §2), if it needs any.

    Raises:
        InvalidClientMetadata: it has them in both, or in none.
    """
    jwks, jwks_uri = client.extra.get("jwks"), client.extra.get("jwks_uri")
    if jwks is not None and jwks_uri is not None:
        raise InvalidClientMetadata("jwks and jwks_uri must not both be given.")
    if not is_required or jwks_uri is not None:
        return
    if jwks is None or not parse_jwks(jwks).keys:
        method = client.token_endpoint_auth_method
        raise InvalidClientMetadata(f"jwks: a client that uses {method} needs a key here, or a jwks_uri.")


KEY_METADATA: Final[Mapping[str, Metadatum]] = MappingProxyType(
    {
        "jwks": Metadatum("Its public keys, as a JWK Set (RFC 7517 §5).", read_jwks, is_self_service=True),
        "jwks_uri": Metadatum(
            "Where its public keys are, as a JWK Set; https. Not together with jwks.",
            read_https_url,
            is_self_service=True,
        ),
    }
)
