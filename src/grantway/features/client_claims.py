"""Claims of the administrator's own in every token of a client: a plan, a region, a tenant of the application."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Final

import msgspec
from msgspec.structs import replace

from grantway.extension import Call, Decision, Feature
from grantway.protocol.claims import ID_TOKEN_CLAIMS
from grantway.protocol.client_metadata import Metadatum, read_json, require
from grantway.protocol.message import Parameters
from grantway.tokens import OWN_CLAIMS

MAX_SIZE: Final = 4096
"""Bytes, as JSON: they travel with every request to an API."""


def read_claims(name: str, value: Any, *, reserved: frozenset[str]) -> Any:
    """A JSON object of claims, none of which the server itself says. Raises ``InvalidClientMetadata``."""
    require(isinstance(value, Mapping), name, "must be an object")
    for claim in value:
        require(claim not in reserved, name, f"must not hold {claim[:64]}, which the server itself says")
    require(len(msgspec.json.encode(value)) <= MAX_SIZE, name, f"is larger than {MAX_SIZE} bytes")
    return read_json(name, value)


class ClientClaims(Feature):
    name = "client_claims"
    is_replayable = True
    client_metadata: ClassVar[Mapping[str, Metadatum]] = {
        "access_token_claims": Metadatum(
            "More claims of its access tokens, told by introspection too: an object.",
            partial(read_claims, reserved=OWN_CLAIMS),
        ),
        "id_token_claims": Metadatum(
            "More claims of its ID tokens: an object.", partial(read_claims, reserved=ID_TOKEN_CLAIMS)
        ),
    }

    async def shape_decision(self, call: Call, grant_type: str, decision: Decision, parameters: Parameters) -> Decision:
        """Adds them below what was stored with the permission: that is nearer to this one token."""
        extra = decision.client.extra
        if not extra:
            return decision
        token_claims, id_token_claims = extra.get("access_token_claims"), extra.get("id_token_claims")
        if not token_claims and not id_token_claims:
            return decision
        return replace(
            decision,
            token_claims={**(token_claims or {}), **decision.token_claims},
            id_token_claims={**(id_token_claims or {}), **decision.id_token_claims},
        )
