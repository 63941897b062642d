"""Introspection answers as signed JWTs, where they are asked for (RFC 9701): what a resource server can show to others.

The answer is the one it would be as JSON: whom a token does not concern is told in a JWT that it is not active.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec
from msgspec.structs import replace

from grantway.config import Settings
from grantway.errors import InvalidClientMetadata
from grantway.extension import Call, Endpoint, Feature, Runtime
from grantway.model import Client, Tenant
from grantway.protocol.client_metadata import Metadatum, read_alg
from grantway.protocol.message import Response

TYP: Final = "token-introspection+jwt"
MEDIA_TYPE: Final = b"application/token-introspection+jwt"
_ALG: Final = "introspection_signed_response_alg"


class IntrospectionJwt(Feature):
    name = "introspection_jwt"
    spec = "RFC 9701 §5"
    is_replayable = True
    client_metadata: ClassVar[Mapping[str, Metadatum]] = {
        _ALG: Metadatum(  # RFC 9701 §6
            "Signature of introspection answers to it that are JWTs (RFC 9701).", read_alg, is_self_service=True
        )
    }

    def is_enabled(self, settings: Settings) -> bool:
        return settings.compat.introspection_jwt

    def check_client(self, runtime: Runtime, client: Client) -> None:
        algorithms = runtime.settings.keys.algorithms
        if client.extra.get(_ALG, algorithms[0]) not in algorithms:
            raise InvalidClientMetadata(f"{_ALG}: is not one of {', '.join(algorithms)}.")

    async def shape_response(self, call: Call, endpoint: Endpoint, response: Response) -> Response:
        """``iss``, ``aud`` and ``iat`` are of the answer, and ``token_introspection`` is what it says of the token: at
        the top there is nothing that an access token has (RFC 9701 §5)."""
        client = call.client
        if endpoint.name != "introspection" or response.status != 200 or client is None or not _is_wanted(call):
            return response
        claims = {
            "iss": call.tenant.issuer,
            "aud": client.client_id,
            "iat": call.now // 1000,
            "token_introspection": msgspec.json.decode(response.body),
        }
        signed = await call.runtime.keys.sign(call.tenant.tenant, _choose_alg(call.runtime, client), TYP, claims)
        headers = [header for header in response.headers if header[0] != b"content-type"]
        return replace(response, headers=[(b"content-type", MEDIA_TYPE), *headers], body=signed.encode())

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {"introspection_signing_alg_values_supported": list(runtime.settings.keys.algorithms)}  # RFC 9701 §7


def _choose_alg(runtime: Runtime, client: Client) -> str:
    """RS256 where the client names none (RFC 9701 §6), and the server has it."""
    algorithms = runtime.settings.keys.algorithms
    alg: str = client.extra.get(_ALG) or ("RS256" if "RS256" in algorithms else algorithms[0])
    return alg


def _is_wanted(call: Call) -> bool:
    """Whether the Accept header names the media type (RFC 9701 §4)."""
    if not call.request.has_header(b"accept"):
        return False
    values = [value for name, value in call.request.headers if name == b"accept"]
    wanted = {part.partition(b";")[0].strip().lower() for value in values for part in value.split(b",")}
    return MEDIA_TYPE in wanted
