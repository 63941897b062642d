"""``id_token_hint``: an ID token of ours that comes back (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2).

It says whom the client means; it never logs anybody in. It may have expired, but it must be ours, by a key still
published, an ID token and no other JWT, and issued to this client.
"""

from __future__ import annotations

from msgspec import Struct

from grantway.errors import InvalidRequest
from grantway.extension import Call
from grantway.protocol.jose import read_header


class UnknownHintKey(InvalidRequest):
    """The hint names a key that is not, or no longer, published: whether it was ours cannot be told."""


class IdTokenHint(Struct, frozen=True, kw_only=True):
    subject_identifier: str
    client_id: str
    session_id: str | None
    is_expired: bool


async def read_id_token_hint(call: Call, token: str, *, audience: str | None = None) -> IdTokenHint:
    """Verifies the hint.

    Raises:
        InvalidRequest: it is not an ID token this issuer made, or one for another client than ``audience``.
        UnknownHintKey: it may have been one, but the key that it names is not known.
    """
    header = read_header(token)
    verifier = await call.runtime.keys.load_verifier(call.tenant.tenant, header.get("kid")) if header else None
    if verifier is None and header is not None and header.get("typ") == "JWT" and isinstance(header.get("kid"), str):
        raise UnknownHintKey("The id_token_hint is not an ID token of this issuer.")
    claims = verifier.verify(token, typ="JWT") if verifier else None
    is_ours = claims is not None and claims.get("iss") == call.tenant.issuer
    if claims is None or not is_ours or not all(isinstance(claims.get(name), str) for name in ("aud", "sub")):
        raise InvalidRequest("The id_token_hint is not an ID token of this issuer.")
    if audience is not None and claims["aud"] != audience:
        raise InvalidRequest("The id_token_hint was issued to another client.")
    return IdTokenHint(
        subject_identifier=claims["sub"],
        client_id=claims["aud"],
        session_id=claims.get("sid"),
        is_expired=claims.get("exp", 0) * 1000 <= call.now,
    )
