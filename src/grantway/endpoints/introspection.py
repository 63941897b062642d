"""Token introspection (RFC 7662): what a token means, told to those it concerns and to nobody else."""
# hot path: bench/ "introspection (opaque)", "introspection (JWT)"

from __future__ import annotations

from typing import Any

from grantway.errors import InvalidGrant, InvalidRequest, UnauthorizedClient
from grantway.events import TokenIntrospected
from grantway.extension import Again, Call, Endpoint, Runtime
from grantway.gate import (
    authenticate_client,
    check_authorization,
    find_access,
    find_end_of_proof,
    is_concerned,
    is_refresh_idle,
)
from grantway.model import Client, SigningKey, Tenant
from grantway.protocol.message import Response, build_json_response, encode_json
from grantway.protocol.scope import format_scope
from grantway.tokens import REFRESH_PREFIX, AccessClaims


class Introspection(Endpoint):
    name = "introspection"
    spec = "RFC 7662 §2"
    path = "/oauth2/introspect"
    methods = ("POST",)
    service = "introspect"
    parameters = ("token", "token_type_hint")
    jwt_parameters = ("token",)
    has_cors = True
    challenge = b"Basic"
    is_replayable = True

    async def handle(self, call: Call) -> Response:
        """The full answer for the token's owner or audience, ``{"active": false}`` for everything else (§2.2, §4)."""
        parameters = call.form()
        parameters.check_unique()
        client = await authenticate_client(call, parameters)
        if client.is_public:  # RFC 7662 §2.1: the endpoint needs authorization; stating an id is none
            raise UnauthorizedClient("A public client may not introspect tokens.")
        token = parameters.get("token")
        if token is None:
            raise InvalidRequest("The parameter token is missing.")
        if token.startswith(REFRESH_PREFIX):  # the hint is only a hint (RFC 7662 §2.1): the token shows what it is
            answer = await _describe_refresh(call, client, token)
        else:
            answer = await _describe_access(call, client, token)
        is_active = answer is not None
        call.runtime.events.emit(_build_event(call.tenant.tenant, call.now, client, is_active=is_active))
        return build_json_response(answer or _INACTIVE)

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {
            "introspection_endpoint": tenant.issuer + self.path,
            "introspection_endpoint_auth_methods_supported": [
                method for method in runtime.list_auth_methods() if method != "none"
            ],
        }


_INACTIVE = {"active": False}


async def _describe_access(call: Call, client: Client, token: str) -> dict[str, Any] | None:
    keys = call.runtime.grid.recall_keys(call.tenant.tenant)  # before a signature is verified by them
    claims = await find_access(call.runtime, call.tenant.tenant, token)
    if claims is None or not is_concerned(client, claims.client_id, claims.audience or (call.tenant.issuer,)):
        return None
    answer = await build_access_answer(call, claims)
    if call.wants_again and call.is_replayable and not claims.ancestors and (keys is not None or not claims.is_jwt):
        owner = call.runtime.grid.recall_client(call.tenant.tenant, claims.client_id)
        if owner is not None and owner.enabled:
            call.again = _ActiveAgain(call, (client, owner), claims, answer, keys)
    return answer


class _ActiveAgain(Again):
    """The same answer about the same token, while it has not expired and nothing revoked it."""

    __slots__ = ("_body", "_claims", "_granted", "_keys", "_runtime", "_signing_keys")

    def __init__(
        self,
        call: Call,
        clients: tuple[Client, Client],
        claims: AccessClaims,
        answer: dict[str, Any],
        signing_keys: tuple[SigningKey, ...] | None,
    ) -> None:
        until = min(find_end_of_proof(clients[0], call.now), claims.expires_at)
        super().__init__(call.tenant, clients, until)
        self._runtime, self._claims, self._signing_keys = call.runtime, claims, signing_keys
        self._keys, self._granted = claims.revocation_keys(), claims.granted()
        self._body = encode_json(answer)

    def answer(self, now: int) -> bytes | None:
        grid, tenant = self._runtime.grid, self.tenant.tenant
        if grid.is_known_revoked(tenant, self._keys, self._claims.issued_at, self._granted) is not False:
            return None
        if self._claims.is_jwt:  # nothing but the keys themselves says that one was revoked
            keys = grid.recall_keys(tenant)
            if keys is None or keys is not self._signing_keys:
                return None
        self._runtime.events.emit(_build_event(tenant, now, self.clients[0], is_active=True))
        return self._body


def _build_event(tenant: str, now: int, client: Client, *, is_active: bool) -> TokenIntrospected:
    return TokenIntrospected(tenant=tenant, at=now, client_id=client.client_id, active=is_active)


async def build_access_answer(call: Call, claims: AccessClaims) -> dict[str, Any]:
    """The members of RFC 7662 §2.2. ``sub`` is the subject as the token's own client knows it."""
    answer: dict[str, Any] = {
        "active": True,
        "scope": claims.scope,
        "client_id": claims.client_id,
        "sub": claims.client_id,
        "aud": list(claims.audience) or call.tenant.issuer,
        "iss": call.tenant.issuer,
        "exp": claims.expires_at // 1000,
        "iat": claims.issued_at // 1000,
        "nbf": claims.issued_at // 1000,
        "jti": claims.token_id,
        "token_type": "Bearer",
        "token_use": "access_token",
    }
    if claims.subject is not None:
        owner = await call.runtime.grid.client(call.tenant.tenant, claims.client_id)
        answer["sub"] = call.runtime.identify(owner, claims.subject) if owner is not None else claims.subject
        optional = {"auth_time": claims.auth_time, "acr": claims.acr, "sid": claims.session_id}
        answer |= {name: value for name, value in optional.items() if value is not None}
    if claims.confirmation:
        answer["cnf"] = claims.confirmation  # RFC 8705 §3.2
    if claims.extra:
        answer = {**claims.extra, **answer, "ext": claims.extra}  # `ext`: where Hydra's clients look for them
    return answer


async def _describe_refresh(call: Call, client: Client, token: str) -> dict[str, Any] | None:
    """A refresh token is its client's business alone. Its row is asked, as it is at every refresh."""
    claims = call.runtime.tokens.open_refresh(call.tenant.tenant, token)
    if claims is None:
        return None
    authorization = await call.runtime.store.load_authorization(call.tenant.tenant, claims.authorization_id)
    if authorization is None or authorization.client_id != client.client_id:
        return None
    if authorization.generation != claims.generation or is_refresh_idle(call, client, authorization, claims):
        return None
    try:
        await check_authorization(call, authorization)
    except InvalidGrant:  # what refreshing would be refused for
        return None
    subject = authorization.subject
    if subject is not None:
        person = await call.runtime.grid.subject(call.tenant.tenant, subject)
        if person is None or not person.enabled:
            return None
    return {
        "active": True,
        "scope": format_scope(authorization.scope),
        "client_id": client.client_id,
        "sub": call.runtime.identify(client, subject) if subject is not None else client.client_id,
        "iss": call.tenant.issuer,
        "exp": claims.expires_at // 1000,
        "iat": claims.issued_at // 1000,
        "token_use": "refresh_token",
    }
