"""One signing key by its ``kid``, as PEM (light-oauth2), for verifiers that read no JWK Set.

It asks for no credentials: the key is public, and the JWK Set has told it to everybody.
"""

from __future__ import annotations

from grantway.config import Settings
from grantway.extension import Call, Endpoint
from grantway.protocol.jose import build_public_pem
from grantway.protocol.message import NO_SNIFF, Response, build_json_response

PEM = (b"content-type", b"application/x-pem-file")


class PublicKey(Endpoint):
    name = "public_key"
    path = "/oauth2/keys/{kid}"
    methods = ("GET",)
    service = "keys"
    is_answered_when_stale = True

    def is_enabled(self, settings: Settings) -> bool:
        return settings.compat.keys_as_pem

    async def handle(self, call: Call) -> Response:
        """A key of the JWK Set as it is now; nothing of any other, whether there was one or not."""
        kid = call.request.path.rpartition("/")[2]
        key = await call.runtime.keys.find_published(call.tenant.tenant, kid)
        if key is None:
            unknown = {"error": "not_found", "error_description": "No published key has this kid."}
            return build_json_response(unknown, status=404)
        age = call.runtime.settings.keys.jwks_max_age
        headers = [PEM, (b"cache-control", b"public, max-age=%d" % age), NO_SNIFF]
        return Response(headers=headers, body=build_public_pem(key.public_jwk))
