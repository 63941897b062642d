"""The one gate: who may be issued a token, and which token is good. No grant and no endpoint has its own.

Owns the checks that must hold *now*, whatever was true when a flow began: tenant, client, subject and session alive,
scope and audience still allowed, nothing revoked. Does not own what a grant decides.
"""
# hot path: bench/ "client credentials (opaque)", "introspection (opaque)"

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
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
from grantway.model import Ancestor, Authorization, Client, RefreshRotation, Tenant
from grantway.protocol.lifespan import find_lifespans
from grantway.protocol.message import Parameters
from grantway.protocol.scope import BY_NAME, narrow_scope
from grantway.scopes import find_scope_policy
from grantway.tokens import AccessClaims, RefreshClaims, read_ancestor


async def authenticate_client(call: Call, parameters: Parameters) -> Client:
    """The client that sent the request, proved by exactly one method, the one it registered (RFC 6749 §2.3).

    Unknown, disabled and wrongly authenticated clients get the same answer after the same work.

    Raises:
        InvalidRequest: two methods at once (RFC 6749 §2.3.1). InvalidClient: anything else that is wrong.
        TooManyRequests: this client has failed too often from this address, or asks more often than it may.
    """
    client = _recall_client(call, parameters)
    if client is None:
        client = await _prove_client(call, parameters)
    call.client = client
    if call.runtime.throttle.has_client_limit or call.address_verdict is not None:
        await _check_rate(call, client)
    return client


REMEMBERED_FOR = 10_000
"""How long what bytes proved is taken as proved when the same bytes come again, milliseconds."""


class _Proved(Struct, frozen=True):
    """A client that was authenticated by nothing but the head of a request."""

    tenant: Tenant
    client: Client
    until: int


def _recall_client(call: Call, parameters: Parameters) -> Client | None:
    head = call.request.head
    if head is None:
        return None
    proved: _Proved | None = head.proved
    if proved is None or proved.tenant is not call.tenant or call.now >= proved.until:
        return None
    if not call.runtime.extensions.credential_parameters.isdisjoint(parameters.values):
        return None
    if not call.runtime.grid.holds(proved.tenant, proved.client):
        return None
    call.is_replayable = True
    return proved.client


def find_end_of_proof(client: Client, now: int) -> int:
    """Until when the same bytes prove the same client: not past the end of any of its secrets. Milliseconds."""
    ends = [secret.expires_at for secret in client.secrets if secret.expires_at is not None and secret.expires_at > now]
    return min([now + REMEMBERED_FOR, *ends])


async def _prove_client(call: Call, parameters: Parameters) -> Client:
    credentials = _find_credentials(call, parameters)
    method, credential = credentials[0]
    client_id = credential.client_id
    if len(client_id) > 255:
        raise InvalidClient(detail="client_id longer than any")
    grid, tenant = call.runtime.grid, call.tenant.tenant
    client = grid.recall_client(tenant, client_id) or await grid.client(tenant, client_id)
    if client is None or not client.enabled:
        await method.reject(call, credential)
        _count_failure(call, client_id)
        raise InvalidClient(detail="unknown or disabled client")
    if len(credentials) > 1:
        method, credential = _choose_ambient(credentials, client)
    try:
        proved = await method.authenticate(call, client, credential)
    except InvalidClient:
        _count_failure(call, client_id)
        raise
    if proved is None or proved != client.token_endpoint_auth_method:
        _count_failure(call, client_id)
        raise InvalidClient(detail=f"wrong credentials, or {proved} instead of {client.token_endpoint_auth_method}")
    head = call.request.head
    if head is not None and method.is_replayable:
        if call.runtime.extensions.credential_parameters.isdisjoint(parameters.values):
            head.proved = _Proved(call.tenant, client, find_end_of_proof(client, call.now))
        call.is_replayable = True
    return client


async def _check_rate(call: Call, client: Client) -> None:
    """Only now, when it is known who asks: nobody else can use up a client's requests. Waits only for shared limits."""
    verdict = call.runtime.throttle.limit_client(client, call.request.address, call.response_headers)
    if call.address_verdict is not None:
        await call.address_verdict
    if verdict is not None:
        await verdict


def _find_credentials(call: Call, parameters: Parameters) -> list[tuple[ClientAuthentication, Credential]]:
    """The one credential that was presented; where there is none, those of ambient methods: the client says which."""
    presented: tuple[ClientAuthentication, Credential] | None = None
    ambient: list[tuple[ClientAuthentication, Credential]] = []
    for method in call.runtime.extensions.client_authentications:
        credential = method.parse_credential(call.request, parameters)
        if credential is None:
            continue
        if method.is_ambient:
            ambient.append((method, credential))
        elif presented is None:
            presented = method, credential
        else:
            raise InvalidRequest("More than one client authentication method was used.")
    if presented is not None:
        return [presented]
    if not ambient:
        raise InvalidClient("Client authentication is missing.")
    return ambient


def _choose_ambient(
    credentials: list[tuple[ClientAuthentication, Credential]], client: Client
) -> tuple[ClientAuthentication, Credential]:
    for method, credential in credentials:
        if client.token_endpoint_auth_method in method.methods and credential.client_id == client.client_id:
            return method, credential
    return credentials[0]


def _count_failure(call: Call, client_id: str) -> None:
    call.runtime.throttle.count_client_failure(call.tenant.tenant, client_id, call.request.address)


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
        if decision.is_subject_external:
            if subject is not None:
                raise InvalidGrant(detail="an account here has the name of an external subject")
        elif subject is None or not subject.enabled:
            raise InvalidGrant(detail="subject is gone or disabled")
    if decision.authorization is not None:
        await check_authorization(call, decision.authorization)
    scope = decision.scope
    if scope is not client.scope and not set(scope).issubset(client.scope):  # by name, mostly
        scope = find_scope_policy(runtime, client).select(scope, client.scope)
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
    if authorization.revoked_at is not None or authorization.created_at <= call.tenant.not_before:
        raise InvalidGrant(detail="authorization is revoked")
    if authorization.expires_at <= call.now:
        raise InvalidGrant(detail="authorization has expired")
    if authorization.session_bound and authorization.session_id is not None:
        session = await call.runtime.store.load_session(call.tenant.tenant, authorization.session_id)
        if session is None or session.ended_at is not None or session.expires_at <= call.now:
            raise InvalidGrant(detail="session has ended")


def narrow_decision(call: Call, decision: Decision, parameters: Parameters) -> Decision:
    """Applies ``scope``, ``resource`` and ``audience``: they can only narrow (RFC 6749 §6, RFC 8707 §2.2).

    From here on the scope is names: patterns of the client's registration are gone.

    Raises:
        InvalidScope, InvalidTarget: more was asked for than may be granted.
    """
    scope, audience = decision.scope, decision.audience
    policy = find_scope_policy(call.runtime, decision.client)
    if not decision.is_scope_fixed and (text := parameters.get("scope")) is not None:
        # RFC 6749 §6: what was given before was given by name, whatever the client's registration stands for
        scope = narrow_scope(policy.parse(text), scope, BY_NAME if decision.is_scope_given else policy)
    if policy.strategy == "wildcard" and scope:
        scope = policy.name_scope(scope)
        if not scope:
            raise InvalidScope("The scope parameter is missing, and this client has no default scope.")
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


def is_concerned(client: Client, owner: str, audience: tuple[str, ...]) -> bool:
    """Whether a token is the client's own, or meant for it: by its client_id or as the resource server it is."""
    if client.client_id == owner or client.client_id in audience:
        return True
    return any(identifier in audience for identifier in client.resource_identifiers)


async def find_access(runtime: Runtime, tenant: str, token: str) -> AccessClaims | None:
    """The claims of an access token that is good at this moment: ours, unexpired, not revoked; else None.

    Raises:
        StoreUnavailable: whether it was revoked cannot be known (never a guess).
    """
    claims, grid = await runtime.tokens.open_access(tenant, token), runtime.grid
    if claims is None or await grid.is_revoked(tenant, claims.revocation_keys(), claims.issued_at, claims.granted()):
        return None
    client = grid.recall_client(tenant, claims.client_id) or await grid.client(tenant, claims.client_id)
    if client is None or not client.enabled:  # a worker may have issued it before it heard of the disabling
        return None
    if claims.ancestors and not await _are_ancestors_good(runtime, tenant, claims.ancestors):
        return None
    return claims


async def _are_ancestors_good(runtime: Runtime, tenant: str, ancestors: tuple[Ancestor, ...]) -> bool:
    """Whether nothing revoked the tokens it was exchanged for; that they expired meanwhile is no harm."""
    for ancestor in ancestors:
        claims = read_ancestor(ancestor)
        if await runtime.grid.is_revoked(tenant, claims.revocation_keys(), claims.issued_at, claims.granted()):
            return False
        client = await runtime.grid.client(tenant, ancestor.client_id)
        if client is None or not client.enabled:
            return False
    return True


async def find_presented_access(call: Call, token: str) -> AccessClaims | None:
    """``find_access`` of a token that somebody uses at an endpoint of this server: if it is bound to a key, the request
    has to prove that it has that key (RFC 7800 §1)."""
    claims = await find_access(call.runtime, call.tenant.tenant, token)
    if claims is None or not claims.confirmation or is_possession_proved(call, claims.confirmation):
        return claims
    return None


def is_possession_proved(call: Call, confirmation: Mapping[str, str]) -> bool:
    """Whether the request proves possession of every key in a token's ``cnf``."""
    features = call.runtime.extensions.features
    proved = {member for feature in features for member in feature.find_possession(call, confirmation)}
    return proved.issuperset(confirmation)


def find_rotation(call: Call, client: Client) -> RefreshRotation:
    """The client's rotation, or the server's. A public client's tokens are never kept (RFC 9700 §4.14.2)."""
    rotation = client.refresh_token_rotation or call.runtime.settings.tokens.refresh_token_rotation
    return "grace" if rotation == "off" and client.is_public else rotation


def is_refresh_idle(call: Call, client: Client, authorization: Authorization, claims: RefreshClaims) -> bool:
    """Unused for too long. A token that rotates says so itself; of one that is kept, its row knows the last use."""
    if find_rotation(call, client) != "off":
        return claims.expires_at <= call.now
    grant_type = "refresh_token" if authorization.rotated_at else authorization.grant_type
    lifespan = find_lifespans(client, grant_type).get("refresh")
    idle = lifespan or client.refresh_token_idle_ttl or call.runtime.settings.tokens.refresh_token_idle_ttl
    return (authorization.rotated_at or claims.issued_at) + idle * 1000 <= call.now
