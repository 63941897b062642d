"""Software statements: metadata that somebody the operator trusts vouches for (RFC 7591 §2.3, §3.1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grantway.errors import (
    FetchFailed,
    InvalidClientMetadata,
    InvalidRedirectUri,
    InvalidSoftwareStatement,
    TemporarilyUnavailable,
    UnapprovedSoftwareStatement,
)
from grantway.extension import Call
from grantway.protocol.client_metadata import FIELDS
from grantway.protocol.foreign_jwt import SIGNATURE_ALGORITHMS, InvalidJwt, check_claims, read_jwt, verify_jwt
from grantway.protocol.registration import select_statement

PURPOSE = "registration.software_statement_jwks_uri"
_TYPES = (None, "jwt", "software-statement+jwt")
_LONGEST = 100 * 366 * 86400  # seconds: a statement is good for as long as its issuer says, or without an end


async def read_software_statement(call: Call, statement: Any) -> dict[str, Any]:
    """The metadata that the statement fixes; none where there is no statement, and none is needed.

    Raises:
        InvalidSoftwareStatement: it is not what its issuer signed, or no longer good.
        UnapprovedSoftwareStatement: it is missing, or from an issuer that is not trusted.
        TemporarilyUnavailable: the issuer's keys cannot be had now.
    """
    settings = call.runtime.settings.registration
    if statement is None:
        if settings.require_software_statement:
            raise UnapprovedSoftwareStatement("A client needs a software statement to register here.")
        return {}
    if not isinstance(statement, str):
        raise InvalidSoftwareStatement()
    if not settings.software_statement_issuer:
        raise UnapprovedSoftwareStatement("This server accepts no software statements.")
    try:
        claims = await _verify(call, statement)
    except FetchFailed as error:
        raise TemporarilyUnavailable(detail=error.detail) from error
    except InvalidJwt as error:
        raise InvalidSoftwareStatement(detail=error.detail) from error
    metadata = select_statement(claims, call.runtime.extensions.client_metadata)
    _check_values(call, metadata)
    return metadata


def _check_values(call: Call, metadata: Mapping[str, Any]) -> None:
    """A value that no client could have is the statement's fault, not the client's. Raises
    ``InvalidSoftwareStatement``."""
    extra = call.runtime.extensions.client_metadata
    for name, value in metadata.items():
        try:
            (extra[name].read if name in extra else FIELDS[name])(name, value)
        except (InvalidClientMetadata, InvalidRedirectUri) as error:
            raise InvalidSoftwareStatement(detail=error.description) from error


async def _verify(call: Call, statement: str) -> dict[str, Any]:
    """Raises ``InvalidJwt``, ``FetchFailed``, and ``UnapprovedSoftwareStatement`` for another issuer's."""
    settings, unverified = call.runtime.settings.registration, read_jwt(statement)
    if unverified.claims.get("iss") != settings.software_statement_issuer:
        raise UnapprovedSoftwareStatement()
    keys = await call.runtime.foreign_keys.load(
        jwks=None, jwks_uri=settings.software_statement_jwks_uri, purpose=PURPOSE, kid=unverified.kid, is_operators=True
    )
    claims = verify_jwt(statement, keys, algorithms=SIGNATURE_ALGORITHMS, typ=_TYPES)
    check_claims(
        claims,
        now=call.now // 1000,
        issuer=settings.software_statement_issuer,
        subject=None,
        audiences=(call.tenant.issuer,),
        is_audience_strict=False,
        max_lifetime=_LONGEST,
        required=(),
    )
    return claims
