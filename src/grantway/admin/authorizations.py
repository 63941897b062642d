"""Authorizations: the permissions subjects gave to clients. Revoking one kills every token that came from it."""

from __future__ import annotations

from grantway.admin.effects import emit
from grantway.errors import NotFound, Unprocessable
from grantway.extension import Runtime
from grantway.model import Authorization, Page


async def list_authorizations(
    runtime: Runtime,
    tenant: str,
    *,
    subject: str | None = None,
    client_id: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page:
    """Live authorizations, newest first, of a subject and/or to a client."""
    return await runtime.store.list_authorizations(
        tenant, subject=subject, client_id=client_id, cursor=cursor, limit=limit
    )


async def load_authorization(runtime: Runtime, tenant: str, authorization_id: str) -> Authorization:
    """The authorization, live or not. Raises ``NotFound``."""
    authorization = await runtime.store.load_authorization(tenant, authorization_id)
    if authorization is None:
        raise NotFound("authorization", authorization_id)
    return authorization


async def revoke_authorization(runtime: Runtime, tenant: str, authorization_id: str, *, actor: str) -> None:
    """Revokes it with every token that came from it. Raises ``NotFound``."""
    revocation = runtime.build_revocation(tenant, "authorization", authorization_id)
    known = await runtime.store.revoke_authorization(
        tenant, authorization_id, now=revocation.not_before, keep_until=revocation.keep_until
    )
    if not known:
        raise NotFound("authorization", authorization_id)
    emit(runtime, tenant, "authorization.revoke", authorization_id, actor)


async def revoke_authorizations(
    runtime: Runtime, tenant: str, *, subject: str | None = None, client_id: str | None = None, actor: str
) -> int:
    """Revokes all live authorizations of the subject and/or to the client; with both the consent is forgotten too.

    Returns how many there were.

    Raises:
        Unprocessable: neither is given; that would be everything.
    """
    if not subject and not client_id:
        raise Unprocessable("subject", "is required, or client_id.")
    revocation = runtime.build_revocation(tenant, "subject", subject or "")
    count = await runtime.store.revoke_authorizations(
        tenant,
        now=revocation.not_before,
        keep_until=revocation.keep_until,
        subject=subject or None,
        client_id=client_id or None,
    )
    emit(runtime, tenant, "authorization.revoke_all", " ".join(filter(None, (subject, client_id))), actor)
    return count
