"""A refresh token for fresh tokens (RFC 6749 §6), with rotation (RFC 9700 §4.14.2)."""

from __future__ import annotations

from msgspec.structs import replace

from grantway.errors import InvalidGrant, InvalidRequest, ReplayDetected
from grantway.extension import Call, Decision, Grant
from grantway.gate import find_rotation, is_possession_proved, is_refresh_idle
from grantway.model import Client
from grantway.protocol.lifespan import describe_lifespans
from grantway.protocol.message import Parameters


class RefreshToken(Grant):
    name = "refresh_token"
    spec = "RFC 6749 §6"
    parameters = ("refresh_token", "scope", "resource", "audience")
    repeatable = ("resource", "audience")
    client_metadata = describe_lifespans("refresh_token", "access", "id", "refresh")

    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        """The authorization the token continues, if it is this client's and the token has not expired."""
        token = parameters.get("refresh_token")
        if token is None:
            raise InvalidRequest("The parameter refresh_token is missing.")
        claims = call.runtime.tokens.open_refresh(call.tenant.tenant, token)
        if claims is None:
            raise InvalidGrant(detail="not a refresh token of this server")
        authorization = await call.runtime.store.load_authorization(call.tenant.tenant, claims.authorization_id)
        if authorization is None:
            raise InvalidGrant(detail="the authorization is gone")
        if authorization.client_id != client.client_id:
            raise InvalidGrant(detail="another client's refresh token")
        if claims.generation >= authorization.generation and is_refresh_idle(call, client, authorization, claims):
            raise InvalidGrant(detail="refresh token has expired unused")
        if claims.confirmation and not is_possession_proved(call, claims.confirmation):
            raise InvalidGrant(detail="the key that the refresh token is bound to was not proved")
        rotation = find_rotation(call, client)
        return Decision(
            client=client,
            subject=authorization.subject,
            scope=authorization.scope,
            audience=authorization.audience,
            # the generation presented: what ``spend`` compares with the one stored
            authorization=replace(authorization, generation=claims.generation),
            is_scope_given=True,
            is_refreshable=rotation != "none",
            has_id_token="openid" in authorization.scope,
            refresh_token=token if rotation == "off" else None,
            confirmation=claims.confirmation,
        )

    async def spend(self, call: Call, decision: Decision) -> Decision:
        """One conditional update, serialised with every revocation of the same row."""
        presented = decision.authorization
        if presented is None:
            raise InvalidGrant()
        outcome = await call.runtime.store.rotate_refresh(
            call.tenant.tenant,
            presented.authorization_id,
            presented.generation,
            rotation=find_rotation(call, decision.client),
            grace_ms=call.runtime.settings.tokens.refresh_token_grace * 1000,
            now=call.now,
        )
        if outcome.kind == "replayed":
            raise ReplayDetected(presented.authorization_id, detail="refresh token was superseded before")
        if outcome.kind == "refused" or outcome.authorization is None:
            raise InvalidGrant(detail="authorization is revoked, expired or gone")
        return replace(decision, authorization=outcome.authorization)
