"""Token revocation (RFC 7009): 200 means it is revoked, everywhere and for ever; anything less is a 503."""

from __future__ import annotations

from typing import Any

from grantway.errors import InvalidRequest
from grantway.events import TokenRevoked
from grantway.extension import Call, Endpoint, Runtime
from grantway.gate import authenticate_client
from grantway.model import FOREVER, Client, Revocation, Tenant
from grantway.protocol.message import NO_REFERRER, NO_SNIFF, NO_STORE, Response
from grantway.tokens import REFRESH_PREFIX


class RevokeToken(Endpoint):
    name = "revocation"
    spec = "RFC 7009 §2"
    path = "/oauth2/revoke"
    methods = ("POST",)
    service = "revoke"
    parameters = ("token", "token_type_hint")
    jwt_parameters = ("token",)
    has_cors = True
    challenge = b"Basic"

    async def handle(self, call: Call) -> Response:
        """Revokes the client's own token. Unknown tokens and other clients' get the same 200, and nothing happens."""
        parameters = call.form()
        parameters.check_unique()
        client = await authenticate_client(call, parameters)
        token = parameters.get("token")
        if token is None:
            raise InvalidRequest("The parameter token is missing.")
        kind = "refresh_token" if token.startswith(REFRESH_PREFIX) else "access_token"
        is_revoked = await (_revoke_refresh if kind == "refresh_token" else _revoke_access)(call, client, token)
        if is_revoked:
            call.runtime.events.emit(
                TokenRevoked(tenant=call.tenant.tenant, at=call.now, client_id=client.client_id, kind=kind)
            )
        return Response(headers=[NO_STORE, NO_SNIFF, NO_REFERRER])

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {
            "revocation_endpoint": tenant.issuer + self.path,
            "revocation_endpoint_auth_methods_supported": runtime.list_auth_methods(),
        }


async def _revoke_refresh(call: Call, client: Client, token: str) -> bool:
    """Takes the whole authorization: every refresh and access token that came from it (RFC 7009 §2.1)."""
    runtime, tenant = call.runtime, call.tenant.tenant
    claims = runtime.tokens.open_refresh(tenant, token)
    if claims is None:
        return False
    authorization = await runtime.store.load_authorization(tenant, claims.authorization_id)
    if authorization is None or authorization.client_id != client.client_id:
        return False
    return await runtime.store.revoke_authorization(
        tenant, authorization.authorization_id, now=call.now, keep_until=call.keep_until
    )


async def _revoke_access(call: Call, client: Client, token: str) -> bool:
    """This one token; the authorization, and with it the refresh token, goes on (RFC 7009 §2.1 leaves the choice)."""
    runtime, tenant = call.runtime, call.tenant.tenant
    claims = await runtime.tokens.open_access(tenant, token)
    if claims is None or claims.client_id != client.client_id:
        return False
    await runtime.store.insert_revocation(
        Revocation(
            tenant=tenant, kind="token", key=claims.token_id, not_before=FOREVER, keep_until=claims.expires_at + 60_000
        )
    )
    return True
