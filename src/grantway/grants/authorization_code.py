"""An authorization code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.6)."""

from __future__ import annotations

from grantway.errors import InvalidGrant, InvalidRequest
from grantway.extension import Call, Decision
from grantway.grants.redemption import RedeemingGrant, build_decision, check_unspent, is_code_expired
from grantway.model import Client
from grantway.protocol.lifespan import describe_lifespans
from grantway.protocol.message import Parameters
from grantway.protocol.pkce import check_code_verifier
from grantway.tokens import digest_code


class AuthorizationCode(RedeemingGrant):
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
        if authorization is None or authorization.grant_type != self.name:  # a device code is none
            raise InvalidGrant(detail="unknown code")
        if authorization.client_id != client.client_id:
            raise InvalidGrant(detail="another client's code")
        if authorization.redirect_uri is not None and parameters.get("redirect_uri") != authorization.redirect_uri:
            raise InvalidGrant(detail="redirect_uri is not the one of the authorization request")  # RFC 6749 §4.1.3
        check_code_verifier(parameters, authorization.code_challenge)
        check_unspent(authorization)
        if is_code_expired(call, authorization):
            raise InvalidGrant(detail="code has expired")
        return build_decision(client, authorization)
