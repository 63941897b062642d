"""Form fields that become claims of the token, for the grants that take them from clients they trust with that.

What the protocol means something by is no claim: neither what only the server says of a token, nor any parameter that
some part of the server reads, so that a password sent to the wrong grant does not end up in a token.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from grantway.errors import InvalidRequest
from grantway.extension import Call, Extension, Grant
from grantway.model import Client
from grantway.protocol.message import Parameters
from grantway.protocol.vocabulary import CLAIM_SCOPES
from grantway.tokens import OWN_CLAIMS

MAX_CLAIMS: Final = 32
MAX_CLAIMS_SIZE: Final = 4096
"""Bytes of JSON: the token travels with every request."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.:/#-]{1,64}")
"""A word, or a URI (RFC 7519 §4.2)."""
RESERVED: Final = OWN_CLAIMS | {
    "act", "may_act", "azp", "nonce", "at_hash", "c_hash", "s_hash", "events", "authorization_details", "ext",
}  # fmt: skip
"""Claims that mean something to those who read tokens, and are not a client's to say."""
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
ABOUT_PEOPLE: Final = frozenset(CLAIM_SCOPES) | {"user_id", "user_type", "roles", "groups", "entitlements"}
"""Claims by which an API takes a token for somebody's: not for those that are nobody's."""


def collect_claims(
    call: Call,
    grant: Grant,
    client: Client,
    parameters: Parameters,
    *,
    told: Mapping[str, str] = NOTHING,
    refused: Collection[str] = (),
) -> dict[str, str]:
    """Every field of the form that nothing reads for this request, as a claim: its value is text. ``told``: claims from
    fields that the grant reads. ``refused``: what is no claim of this grant.

    Raises:
        InvalidRequest: a field may not be a claim, or they are too many or too long.
    """
    extensions = call.runtime.extensions
    read = {"grant_type", *extensions.credential_parameters, *grant.parameters, *_list_parameters(*extensions.features)}
    others = _list_parameters(
        *extensions.grants.values(), *extensions.endpoints.values(), *extensions.authenticators.values()
    )
    claims = {name: value for name, value in parameters.values.items() if value and name not in read}
    for name in claims:
        if name in RESERVED or name in others or name in refused or not _NAME.fullmatch(name):
            raise InvalidRequest(f"The field {name[:64]} may not be a claim.")
    claims |= told
    if administered := claims.keys() & client.extra.get("access_token_claims", {}).keys():
        raise InvalidRequest(f"The claim {min(administered)[:64]} is for an administrator to say.")
    if len(claims) > MAX_CLAIMS or len(msgspec.json.encode(claims)) > MAX_CLAIMS_SIZE:
        raise InvalidRequest(f"At most {MAX_CLAIMS} fields of {MAX_CLAIMS_SIZE} bytes together can be claims.")
    return claims


def _list_parameters(*extensions: Extension) -> set[str]:
    return {name for extension in extensions for name in extension.parameters}
