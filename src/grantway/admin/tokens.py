"""Tokens: what one says, and killing one, or all of a client. Nothing here is stored but revocations."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from grantway.admin.effects import emit
from grantway.admin.rights import ALL_RIGHTS, Rights
from grantway.admin.tenants import iterate_tenants, load_tenant
from grantway.extension import Runtime
from grantway.gate import find_access
from grantway.model import FOREVER, Revocation
from grantway.protocol.scope import parse_scope
from grantway.tokens import REFRESH_PREFIX, AccessClaims, RefreshClaims

_CLOCK_SKEW_MS = 60_000  # a worker whose clock is behind may hold the token for good a little longer
INACTIVE: dict[str, Any] = {"active": False}


async def introspect_token(runtime: Runtime, tenant: str, token: str, *, scope: str | None = None) -> dict[str, Any]:
    """All there is to say about an access or refresh token (RFC 7662 §2.2), instants in seconds.

    ``scope``: the token counts as active only if it carries all of it.

    Raises:
        InvalidScope: ``scope`` is malformed. StoreUnavailable: whether it was revoked cannot be known.
    """
    wanted = parse_scope(scope) if scope else ()
    if token.startswith(REFRESH_PREFIX):
        refresh = runtime.tokens.open_refresh(tenant, token)
        found = await _describe_refresh(runtime, tenant, refresh) if refresh is not None else None
    else:
        access = await find_access(runtime, tenant, token)
        found = await _describe_access(runtime, tenant, access) if access is not None else None
    if found is None or not set(wanted) <= set(found["scope"].split(" ")):
        return dict(INACTIVE)
    return found


async def revoke_token(runtime: Runtime, tenant: str, token: str, *, actor: str) -> bool:
    """Kills a token: an access token alone, a refresh token with its whole authorization (RFC 7009 §2.1).

    Returns False for what is no live token of this tenant; nothing is left to revoke then.
    """
    refresh = runtime.tokens.open_refresh(tenant, token)
    if refresh is not None:
        revocation = runtime.build_revocation(tenant, "authorization", refresh.authorization_id)
        is_known = await runtime.store.revoke_authorization(
            tenant, refresh.authorization_id, now=revocation.not_before, keep_until=revocation.keep_until
        )
        if is_known:
            emit(runtime, tenant, "token.revoke", refresh.authorization_id, actor)
        return is_known
    access = await runtime.tokens.open_access(tenant, token)
    if access is None:
        return False
    await runtime.store.insert_revocation(
        Revocation(
            tenant=tenant,
            kind="token",
            key=access.token_id,
            not_before=FOREVER,
            keep_until=access.expires_at + _CLOCK_SKEW_MS,
        )
    )
    emit(runtime, tenant, "token.revoke", access.token_id, actor)
    return True


async def revoke_client_tokens(runtime: Runtime, tenant: str, client_id: str, *, actor: str) -> None:
    """Refuses every access token the client was issued until now; its refresh tokens get it new ones."""
    await runtime.store.insert_revocation(runtime.build_revocation(tenant, "client", client_id))
    emit(runtime, tenant, "token.revoke_client", client_id, actor)


async def revoke_subject_tokens(
    runtime: Runtime, tenant: str, subject: str, *, actor: str, rights: Rights = ALL_RIGHTS
) -> None:
    """Refuses every access token that was issued until now in the name of the subject, who may have no account here;
    their refresh tokens get new ones. Raises ``InsufficientScope``: they are mightier than who asks."""
    person = await runtime.store.load_subject(tenant, subject)
    rights.check_may_hand_out(person.roles if person is not None else ())
    await runtime.store.insert_revocation(runtime.build_revocation(tenant, "subject", subject))
    emit(runtime, tenant, "token.revoke_subject", subject, actor)


async def revoke_all(runtime: Runtime, tenant: str | None = None, *, is_served: bool = True, actor: str) -> list[str]:
    """Ends every token, code and session that the tenant (None: that every tenant) issued until now.

    For a database that was restored: what was revoked after the backup is not known any more. Returns the tenants.

    ``is_served``: also what a worker may yet issue on the strength of an old one, as its memory is at most
    ``database.freshness_bound_ms`` old.

    Raises:
        NotFound: there is no such tenant.
    """
    if tenant is not None:
        found = [await load_tenant(runtime, tenant)]
    else:
        found = [each async for each in iterate_tenants(runtime)]
    for each in found:
        now = runtime.clock.now()
        not_before = now + runtime.settings.database.freshness_bound_ms if is_served else now
        await runtime.store.update_tenant(replace(each, not_before=not_before, updated_at=now))
        emit(runtime, each.tenant, "token.revoke_all", each.tenant, actor)
    return [each.tenant for each in found]


async def _describe_access(runtime: Runtime, tenant: str, claims: AccessClaims) -> dict[str, Any]:
    described = {
        **await _describe_holder(runtime, tenant, claims.client_id, claims.subject),
        "token_type": "Bearer",
        "token_use": "access_token",
        "scope": claims.scope,
        "exp": claims.expires_at // 1000,
        "iat": claims.issued_at // 1000,
        "nbf": claims.issued_at // 1000,
        "aud": list(claims.audience) or None,
        "jti": claims.token_id,
        "sid": claims.session_id,
        "authorization_id": claims.authorization_id,
        "auth_time": claims.auth_time,
        "acr": claims.acr,
        "cnf": dict(claims.confirmation) if claims.confirmation else None,
    }
    return {name: value for name, value in described.items() if value is not None}


async def _describe_refresh(runtime: Runtime, tenant: str, claims: RefreshClaims) -> dict[str, Any] | None:
    """None: it is spent, expired or revoked."""
    authorization = await runtime.store.load_authorization(tenant, claims.authorization_id)
    issuer = await runtime.grid.tenant(tenant)
    now = runtime.clock.now()
    if (
        authorization is None
        or issuer is None
        or authorization.created_at <= issuer.not_before
        or authorization.revoked_at is not None
        or min(authorization.expires_at, claims.expires_at) <= now
        or authorization.generation != claims.generation
    ):
        return None
    return {
        **await _describe_holder(runtime, tenant, authorization.client_id, authorization.subject),
        "token_use": "refresh_token",
        "scope": " ".join(authorization.scope),
        "exp": claims.expires_at // 1000,
        "iat": claims.issued_at // 1000,
        "aud": list(authorization.audience),
        "authorization_id": authorization.authorization_id,
    }


async def _describe_holder(runtime: Runtime, tenant: str, client_id: str, subject: str | None) -> dict[str, Any]:
    issuer = await runtime.grid.tenant(tenant)
    described: dict[str, Any] = {"active": True, "client_id": client_id, "sub": subject or client_id}
    if issuer is not None:
        described["iss"] = issuer.issuer
    person = await runtime.grid.subject(tenant, subject) if subject is not None else None
    if person is not None:
        described["username"] = person.username
    return described
