"""The one gate: who may be issued a token, and which token is good. No grant and no endpoint has its own.

Owns the checks that must hold *now*, whatever was true when a flow began: tenant, client, subject and session alive,
scope and audience still allowed, nothing revoked. Does not own what a grant decides.
"""
# hot path: bench/ "client credentials (opaque)", "introspection (opaque)"

from __future__ import annotations

from msgspec.structs import replace

from grantway.errors import (
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    UnauthorizedClient,
)
from grantway.extension import Call, ClientAuthentication, Credential, Decision, Runtime
from grantway.model import Authorization, Client, RefreshRotation
from grantway.protocol.message import Parameters
from grantway.protocol.scope import intersect_scope, narrow_scope, parse_scope
from grantway.tokens import AccessClaims, RefreshClaims


async def authenticate_client(call: Call, parameters: Parameters) -> Client:
    """The client that sent the request, proved by exactly one method, the one it registered (RFC 6749 §2.3).

    Unknown, disabled and wrongly authenticated clients get the same answer after the same work.

    Raises:
        InvalidRequest: two methods at once (RFC 6749 §2.3.1). InvalidClient: anything else that is wrong.
        TooManyRequests: this client has failed too often from this address.
    """
    method, credential = _find_credential(call, parameters)
    client_id = credential.client_id
    if len(client_id) > 255:
        raise InvalidClient(detail="client_id longer than any")
    client = await call.runtime.grid.client(call.tenant.tenant, client_id)
    if client is None or not client.enabled:
        await method.reject(call, credential)
        _count_failure(call, client_id)
        raise InvalidClient(detail="unknown or disabled client")
    proved = await method.authenticate(call, client, credential)
    if proved is None or proved != client.token_endpoint_auth_method:
        _count_failure(call, client_id)
        raise InvalidClient(detail=f"wrong credentials, or {proved} instead of {client.token_endpoint_auth_method}")
    call.client = client
    return client


def _find_credential(call: Call, parameters: Parameters) -> tuple[ClientAuthentication, Credential]:
    found: tuple[ClientAuthentication, Credential] | None = None
    for method in call.runtime.extensions.client_authentications:
        credential = method.parse_credential(call.request, parameters)
        if credential is None:
            continue
        if found is not None:
            raise InvalidRequest("More than one client authentication method was used.")
        found = method, credential
    if found is None:
        raise InvalidClient("Client authentication is missing.")
    return found


def _count_failure(call: Call, client_id: str) -> None:
    call.runtime.throttle.count_client_failure(call.tenant.tenant, client_id, call.request.address, call.now)


def check_grant_allowed(client: Client, grant_type: str) -> None:
    """Raises ``UnauthorizedClient`` unless the client registered the grant type (RFC 6749 §5.2)."""
    if grant_type not in client.grant_types:
        raise UnauthorizedClient()


async def check_issuance(call: Call, decision: Decision) -> Decision:
    """Whether a token may be issued *now*, and for how much of the scope that was granted.

    Raises:
        InvalidGrant: subject, session or authorization is no longer good.
        InvalidScope / InvalidTarget: nothing of what was granted is still allowed.
    """
    runtime, tenant, client = call.runtime, call.tenant.tenant, decision.client
    if decision.subject is not None:
        subject = await runtime.grid.subject(tenant, decision.subject)
        if subject is None or not subject.enabled:
            raise InvalidGrant(detail="subject is gone or disabled")
    if decision.authorization is not None:
        await check_authorization(call, decision.authorization)
    scope = decision.scope if decision.scope is client.scope else intersect_scope(decision.scope, client.scope)
    if decision.scope and not scope:
        raise InvalidScope(detail="the client has lost every scope that was granted")
    if any(audience not in client.audience for audience in decision.audience):
        raise InvalidTarget(detail="the client may no longer ask for an audience that was granted")
    return decision if scope == decision.scope else replace(decision, scope=scope)


async def check_authorization(call: Call, authorization: Authorization) -> None:
    """Whether a stored permission still holds: not revoked, not expired, and the session it ends with still lives.

    Raises:
        InvalidGrant: it does not.
    """
    if authorization.revoked_at is not None:
        raise InvalidGrant(detail="authorization is revoked")
    if authorization.expires_at <= call.now:
        raise InvalidGrant(detail="authorization has expired")
    if authorization.session_bound and authorization.session_id is not None:
        session = await call.runtime.store.load_session(call.tenant.tenant, authorization.session_id)
        if session is None or session.ended_at is not None or session.expires_at <= call.now:
            raise InvalidGrant(detail="session has ended")


def narrow_decision(decision: Decision, parameters: Parameters) -> Decision:
    """Applies ``scope``, ``resource`` and ``audience``: they can only narrow (RFC 6749 §6, RFC 8707 §2.2).

    Raises:
        InvalidScope, InvalidTarget: more was asked for than may be granted.
    """
    scope, audience = decision.scope, decision.audience
    if not decision.is_scope_fixed and (text := parameters.get("scope")) is not None:
        scope = narrow_scope(parse_scope(text), scope)
    if requested := read_audience(parameters):
        if any(target not in audience for target in requested):
            raise InvalidTarget()
        audience = requested
    return (
        decision
        if (scope, audience) == (decision.scope, decision.audience)
        else replace(decision, scope=scope, audience=audience)
    )


def read_audience(parameters: Parameters) -> tuple[str, ...]:
    """The targets asked for: ``resource`` (RFC 8707) and ``audience`` (names, separated by spaces)."""
    if "resource" not in parameters.values and "audience" not in parameters.values:
        return ()
    spaced = [target for value in parameters.list("audience") for target in value.split(" ") if target]
    return tuple(dict.fromkeys([*parameters.list("resource"), *spaced]))


async def find_access(runtime: Runtime, tenant: str, token: str) -> AccessClaims | None:
    """The claims of an access token that is good at this moment: ours, unexpired, not revoked; else None.

    Raises:
        StoreUnavailable: whether it was revoked cannot be known (never a guess).
    """
    claims = await runtime.tokens.open_access(tenant, token)
    if claims is None or await runtime.grid.is_revoked(tenant, claims.revocation_keys(), claims.issued_at):
        return None
    client = await runtime.grid.client(tenant, claims.client_id)
    if client is None or not client.enabled:  # a worker may have issued it before it heard of the disabling
        return None
    return claims


def find_rotation(call: Call, client: Client) -> RefreshRotation:
    """The client's rotation, or the server's. A public client's tokens always rotate (RFC 9700 §4.14.2)."""
    rotation = client.refresh_token_rotation or call.runtime.settings.tokens.refresh_token_rotation
    return "grace" if rotation == "off" and client.is_public else rotation


def is_refresh_idle(call: Call, client: Client, authorization: Authorization, claims: RefreshClaims) -> bool:
    """Unused for too long. A token that rotates says so itself; of one that is kept, its row knows the last use."""
    if find_rotation(call, client) != "off":
        return claims.expires_at <= call.now
    idle = client.refresh_token_idle_ttl or call.runtime.settings.tokens.refresh_token_idle_ttl
    return (authorization.rotated_at or claims.issued_at) + idle * 1000 <= call.now
