"""Data of a client's own, signed with the server's key (light-oauth2): who gets it verifies it with the JWK Set it has
anyway, and knows which client vouches for it.

What is signed here is no token. Its ``typ`` is its own and every place of this server demands another; and as there are
verifiers elsewhere that do not look at that, it has neither ``sub`` nor ``aud``, without which nobody should take it
for an ID token or an access token.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

from grantway.config import Settings
from grantway.errors import InvalidRequest, UnauthorizedClient, UnsupportedMediaType
from grantway.events import PayloadSigned
from grantway.extension import Call, Endpoint, Runtime
from grantway.gate import authenticate_client
from grantway.model import Tenant
from grantway.protocol.client_metadata import Metadatum, read_boolean
from grantway.protocol.json_input import parse_json_object
from grantway.protocol.message import Parameters, Response, build_json_response
from grantway.tokens import OWN_CLAIMS

TYP: Final = "signed+jwt"
MAX_PAYLOAD_SIZE: Final = 8192
MAX_DEPTH: Final = 8
RESERVED: Final = OWN_CLAIMS | {
    "act", "may_act", "azp", "nonce", "at_hash", "c_hash", "s_hash", "events", "authorization_details", "redirect_uri",
    "response_type", "htm", "htu", "ath", "jwk", "jkt", "token_introspection", "software_id",
}  # fmt: skip
"""Claims by which a JWT is taken for something: a token, a request, a proof, an answer (RFC 8725 §3.12)."""


class Signing(Endpoint):
    name = "signing"
    path = "/oauth2/signing"
    methods = ("POST",)
    service = "token"
    challenge = b"Basic"
    client_metadata: ClassVar[dict[str, Metadatum]] = {
        "may_sign_payloads": Metadatum(
            "Whether the client may have data of its own signed with the server's key.",
            read_boolean,
            right="grantway.keys.write",
        )
    }

    def is_enabled(self, settings: Settings) -> bool:
        return settings.compat.signing

    async def handle(self, call: Call) -> Response:
        """``payload`` and ``expires`` (seconds) in, ``jwt`` and ``expires_in`` out."""
        document = _read_document(call)
        names = call.runtime.extensions.credential_parameters & document.keys()
        credentials = {name: value for name in names if isinstance(value := document.pop(name), str)}
        client = await authenticate_client(call, Parameters(credentials, {}))
        if client.is_public or client.extra.get("may_sign_payloads") is not True:
            raise UnauthorizedClient("This client may not have anything signed.")
        payload, expires = _check_document(document, call.runtime.settings.tokens.max_token_ttl)
        runtime, now = call.runtime, call.now // 1000
        token_id = runtime.tokens.generate_id()
        claims = {
            **payload,
            "iss": call.tenant.issuer,
            "client_id": client.client_id,
            "iat": now,
            "exp": now + expires,
            "jti": token_id,
        }
        alg = client.access_token_signed_response_alg or runtime.settings.tokens.access_token_signed_response_alg
        signed = await runtime.keys.sign(call.tenant.tenant, alg, TYP, claims)
        runtime.events.emit(
            PayloadSigned(tenant=call.tenant.tenant, at=call.now, client_id=client.client_id, token_id=token_id)
        )
        return build_json_response({"jwt": signed, "expires_in": expires})

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {"signing_endpoint": tenant.issuer + self.path}


def _read_document(call: Call) -> dict[str, Any]:
    """Raises ``UnsupportedMediaType``, and ``InvalidRequest`` where it is no JSON object."""
    content_type = (call.request.header(b"content-type") or b"").split(b";", 1)[0].strip().lower()
    if content_type != b"application/json":
        raise UnsupportedMediaType("The request body must be application/json.")
    try:
        text = call.request.body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest("The JSON is malformed.") from error
    return parse_json_object(text, max_size=call.runtime.settings.serve.max_body_bytes, max_depth=MAX_DEPTH)


def _check_document(document: dict[str, Any], longest: int) -> tuple[dict[str, Any], int]:
    """The payload, and how long it is good for. No longer than the key that signs it is published for sure."""
    payload, expires = document.pop("payload", None), document.pop("expires", None)
    if document:
        raise InvalidRequest(f"The member {next(iter(document))[:64]} is unknown.")
    if not isinstance(payload, dict) or not payload:
        raise InvalidRequest("The member payload must be an object with something in it.")
    for name in payload:
        if name in RESERVED:
            raise InvalidRequest(f"The payload must not hold {name[:64]}.")
    if len(msgspec.json.encode(payload)) > MAX_PAYLOAD_SIZE:
        raise InvalidRequest(f"The payload is larger than {MAX_PAYLOAD_SIZE} bytes.")
    if not isinstance(expires, int) or isinstance(expires, bool) or not 1 <= expires <= longest:
        raise InvalidRequest(f"The member expires must be a number of seconds from 1 to {longest}.")
    return payload, expires
