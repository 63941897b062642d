"""What an access token says, told to whoever presents it (Axway API Gateway).

No client authenticates: the token itself is the credential, and whoever holds it may use it. So it tells nothing about
people but an identifier, and of a token that is not good it does not say why. Introspection (RFC 7662) is the better
way for an API: it knows who asks.
"""

from __future__ import annotations

from typing import Any

from grantway.config import Settings
from grantway.endpoints.bearer import read_bearer
from grantway.errors import InvalidRequest, InvalidToken
from grantway.extension import Call, Endpoint
from grantway.gate import find_presented_access
from grantway.protocol.message import Response, build_json_response, parse_parameters
from grantway.tokens import AccessClaims

_REFUSED = "There is no access token that is valid here."
_OWN = ("audience", "user_id", "scope", "expires_in")


class TokenInfo(Endpoint):
    name = "tokeninfo"
    path = "/oauth2/tokeninfo"
    methods = ("GET", "POST")
    service = "introspect"
    parameters = ("access_token",)

    def is_enabled(self, settings: Settings) -> bool:
        return settings.compat.tokeninfo

    async def handle(self, call: Call) -> Response:
        """Axway's members, and the claims that were added to the token. Wrong tokens are counted by address."""
        claims = await _find_claims(call)
        if claims is None:
            call.runtime.throttle.count_wrong_token(call.tenant.tenant, call.request.address)
            raise InvalidRequest(_REFUSED)
        return build_json_response(await _describe(call, claims))


async def _find_claims(call: Call) -> AccessClaims | None:
    try:
        return await find_presented_access(call, _read_token(call))
    except InvalidToken:
        return None


def _read_token(call: Call) -> str:
    """Raises what ``read_bearer`` raises."""
    request, settings = call.request, call.runtime.settings
    if settings.compat.insecure_tokeninfo_query and request.query:
        query = parse_parameters(request.query, limit=settings.serve.max_parameters)
        query.check_unique()
        if (token := query.get("access_token")) is not None:
            if request.body or request.has_header(b"authorization"):
                raise InvalidRequest("The access token was sent twice.")
            return token
    return read_bearer(call)


async def _describe(call: Call, claims: AccessClaims) -> dict[str, Any]:
    """``audience`` is the client, as Axway has it. What was added never takes the place of what the server says."""
    answer: dict[str, Any] = {
        "audience": claims.client_id,
        "scope": claims.scope,
        "expires_in": (claims.expires_at - call.now) // 1000,
    }
    if claims.subject is not None:
        owner = await call.runtime.grid.client(call.tenant.tenant, claims.client_id)
        answer["user_id"] = call.runtime.identify(owner, claims.subject) if owner is not None else claims.subject
    added = {name: value for name, value in (claims.extra or {}).items() if name not in _OWN}
    return {**added, **answer}
