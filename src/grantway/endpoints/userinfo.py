"""The UserInfo endpoint (OpenID Connect Core §5.3)."""

from __future__ import annotations

from typing import Any

from grantway.endpoints.bearer import read_bearer
from grantway.errors import InsufficientScope, InvalidToken
from grantway.extension import Call, Endpoint, Runtime
from grantway.gate import find_presented_access
from grantway.model import Tenant
from grantway.protocol.claims import build_userinfo_claims
from grantway.protocol.message import Response, build_json_response
from grantway.protocol.vocabulary import SCOPE_CLAIMS


class UserInfo(Endpoint):
    name = "userinfo"
    spec = "OpenID Connect Core §5.3"
    path = "/userinfo"
    methods = ("GET", "POST")
    service = "userinfo"
    has_cors = True
    jwt_parameters = ("access_token",)

    async def handle(self, call: Call) -> Response:
        """The claims that the token's scope and its claims request cover, as they are now."""
        runtime, tenant = call.runtime, call.tenant.tenant
        claims = await find_presented_access(call, read_bearer(call))
        if claims is None or claims.subject is None:
            raise InvalidToken()
        scope = tuple(claims.scope.split(" "))
        if "openid" not in scope:
            raise InsufficientScope("openid")
        client = call.client = await runtime.grid.client(tenant, claims.client_id)
        subject = await runtime.grid.subject(tenant, claims.subject)
        if client is None or not client.enabled or subject is None or not subject.enabled:
            raise InvalidToken(detail="client or subject is gone or disabled")
        authorization = None
        if claims.authorization_id is not None:
            authorization = await runtime.store.load_authorization(tenant, claims.authorization_id)
        return build_json_response(
            build_userinfo_claims(
                subject,
                subject_identifier=runtime.identify(client, subject.subject),
                scope=scope,
                claims=authorization.claims if authorization else None,
            )
        )

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        claims = ["sub", *(claim for group in SCOPE_CLAIMS.values() for claim in group)]
        return {
            "userinfo_endpoint": tenant.issuer + self.path,
            "claims_supported": [*claims, "acr", "amr", "auth_time", "azp", "nonce", "sid", "at_hash", "iss", "aud"],
            "claim_types_supported": ["normal"],
        }
