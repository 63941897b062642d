"""An authorization code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.6)."""

from __future__ import annotations

from msgspec.structs import replace

from grantway.errors import InvalidGrant, InvalidRequest, ReplayDetected
from grantway.extension import Call, Decision, Grant
from grantway.model import Client
from grantway.protocol.lifespan import describe_lifespans
from grantway.protocol.message import Parameters
from grantway.protocol.pkce import check_code_verifier
from grantway.tokens import digest_code


class AuthorizationCode(Grant):
    name = "authorization_code"
    spec = "RFC 6749 §4.1.3"
    parameters = ("code", "redirect_uri", "code_verifier", "resource", "audience")
    repeatable = ("resource", "audience")
    client_metadata = describe_lifespans("authorization_code", "access", "id", "refresh")

    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        """The authorization the code stands for, if it is this client's and everything it was bound to is presented.

        What fails before the replay check fails without consequence: whoever merely holds a code, or is another client,
        must not be able to kill the grant.
        """
        code = parameters.get("code")
        if code is None:
            raise InvalidRequest("The parameter code is missing.")
        authorization = await call.runtime.store.load_authorization_by_code(call.tenant.tenant, digest_code(code))
        if authorization is None:
            raise InvalidGrant(detail="unknown code")
        if authorization.client_id != client.client_id:
            raise InvalidGrant(detail="another client's code")
        if authorization.redirect_uri is not None and parameters.get("redirect_uri") != authorization.redirect_uri:
            raise InvalidGrant(detail="redirect_uri is not the one of the authorization request")  # RFC 6749 §4.1.3
        check_code_verifier(parameters, authorization.code_challenge)
        if authorization.code_redeemed_at is not None:  # before expiry: a replay counts for as long as the row lives
            raise ReplayDetected(authorization.authorization_id, detail="code was redeemed before")
        if authorization.code_expires_at is None or authorization.code_expires_at <= call.now:
            raise InvalidGrant(detail="code has expired")
        return Decision(
            client=client,
            subject=authorization.subject,
            scope=authorization.scope,
            audience=authorization.audience,
            authorization=authorization,
            is_scope_fixed=True,
            is_refreshable="refresh_token" in client.grant_types,
            has_id_token="openid" in authorization.scope,
            nonce=authorization.nonce,
        )

    async def spend(self, call: Call, decision: Decision) -> Decision:
        """One conditional update; its loser came second, and coming second is a replay (RFC 6749 §4.1.2)."""
        authorization = decision.authorization
        if authorization is None:
            raise InvalidGrant()
        if not await call.runtime.store.redeem_code(call.tenant.tenant, authorization.authorization_id, call.now):
            raise ReplayDetected(authorization.authorization_id, detail="code was redeemed at the same moment")
        return replace(decision, authorization=replace(authorization, code_redeemed_at=call.now))
