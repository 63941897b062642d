"""Tenants: issuers with keys, clients, users and sessions of their own on one server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import msgspec

from grantway.admin.clients import CreatedClient, create_client
from grantway.admin.effects import check_text, emit
from grantway.admin.rights import ADMIN
from grantway.config import check_issuer, is_loopback_url
from grantway.errors import ConfigurationError, NotFound, Unprocessable
from grantway.extension import Runtime
from grantway.model import DEFAULT_TENANT, Page, Tenant

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LONGEST_ISSUER = 512


async def create_tenant(
    runtime: Runtime, name: str, *, issuer: str | None = None, display_name: str = "", actor: str
) -> Tenant:
    """Stores a tenant and makes its signing keys.

    ``issuer`` None: below the default tenant's, at ``/t/<name>``; otherwise an https URL on a host of its own.

    Raises:
        Unprocessable: the name or the issuer is not acceptable. Conflict: one of them is taken.
    """
    if not _NAME.fullmatch(name):
        raise Unprocessable("name", "must have 1 to 63 lower-case letters, digits and inner hyphens.")
    base = await load_tenant(runtime, DEFAULT_TENANT)
    if issuer is None:
        issuer = f"{base.issuer}/t/{name}"
    elif issuer != f"{base.issuer}/t/{name}":
        _check_issuer(issuer, base.issuer)
    check_text("display_name", display_name, longest=256)
    now = runtime.clock.now()
    tenant = Tenant(tenant=name, issuer=issuer, display_name=display_name, created_at=now, updated_at=now)
    await runtime.store.insert_tenant(tenant)
    await runtime.keys.ensure(name)
    emit(runtime, name, "tenant.create", name, actor)
    return tenant


async def create_admin_client(runtime: Runtime, name: str, *, actor: str) -> CreatedClient:
    """A machine client that may administer everything in the tenant: how its owner gets the first token."""
    await load_tenant(runtime, name)
    document = {
        "client_name": "Administration",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": ADMIN,
    }
    return await create_client(runtime, name, document, actor=actor)


async def load_tenant(runtime: Runtime, name: str) -> Tenant:
    """Raises ``NotFound``."""
    tenant = await runtime.store.load_tenant(name)
    if tenant is None:
        raise NotFound("tenant", name)
    return tenant


async def list_tenants(runtime: Runtime, *, cursor: str | None = None, limit: int = 100) -> Page:
    """Tenants by name, ascending."""
    return await runtime.store.list_tenants(cursor=cursor, limit=limit)


async def iterate_tenants(runtime: Runtime) -> AsyncIterator[Tenant]:
    """Every tenant, by name, page by page."""
    cursor = None
    while True:
        page = await runtime.store.list_tenants(cursor=cursor)
        for tenant in page.items:
            yield tenant
        cursor = page.cursor
        if cursor is None:
            return


async def update_tenant(
    runtime: Runtime, name: str, *, display_name: str | None = None, enabled: bool | None = None, actor: str
) -> Tenant:
    """Changes what is given. A disabled tenant answers nobody, and every token it issued until now is refused, with
    those that a worker may yet issue which has not heard of it (its memory is at most
    ``database.freshness_bound_ms`` old).

    Raises:
        NotFound. Unprocessable: the text is not acceptable, or the default tenant was to be disabled.
    """
    old = await load_tenant(runtime, name)
    now = runtime.clock.now()
    tenant = msgspec.structs.replace(old, updated_at=now)
    if display_name is not None:
        check_text("display_name", display_name, longest=256)
        tenant = msgspec.structs.replace(tenant, display_name=display_name)
    if enabled is not None:
        if not enabled and name == DEFAULT_TENANT:
            raise Unprocessable("enabled", "the default tenant cannot be disabled.")
        # In the same row as the switch: its tokens stay dead when it is enabled again.
        not_before = old.not_before if enabled else now + runtime.settings.database.freshness_bound_ms
        tenant = msgspec.structs.replace(tenant, enabled=enabled, not_before=not_before)
    await runtime.store.update_tenant(tenant)
    emit(runtime, name, "tenant.update", name, actor)
    return tenant


async def change_issuer(runtime: Runtime, name: str, issuer: str, *, actor: str) -> Tenant:
    """Gives a tenant another issuer; the default tenant's takes those with it that lie below the old one.

    What was signed before carries the old issuer: clients have to be told, and refuse it from then on.

    Raises:
        NotFound. Unprocessable: the issuer is not acceptable. Conflict: another tenant has it.
    """
    tenant = await load_tenant(runtime, name)
    if issuer == tenant.issuer:
        return tenant
    if name == DEFAULT_TENANT:
        try:
            check_issuer(issuer)
        except ConfigurationError as error:
            raise Unprocessable("issuer", str(error).removeprefix("issuer: ")) from error
        await _move_tenants(runtime, tenant.issuer, issuer, actor)  # first: a second try finds what is left to do
    else:
        base = await load_tenant(runtime, DEFAULT_TENANT)
        if issuer != f"{base.issuer}/t/{name}":
            _check_issuer(issuer, base.issuer)
    return await _store_issuer(runtime, tenant, issuer, actor)


async def _move_tenants(runtime: Runtime, old_base: str, new_base: str, actor: str) -> None:
    cursor = None
    while True:
        page = await list_tenants(runtime, cursor=cursor)
        for tenant in page.items:
            if tenant.issuer == f"{old_base}/t/{tenant.tenant}":
                await _store_issuer(runtime, tenant, f"{new_base}/t/{tenant.tenant}", actor)
        cursor = page.cursor
        if cursor is None:
            return


async def _store_issuer(runtime: Runtime, tenant: Tenant, issuer: str, actor: str) -> Tenant:
    changed = msgspec.structs.replace(tenant, issuer=issuer, updated_at=runtime.clock.now())
    await runtime.store.update_tenant(changed)
    emit(runtime, tenant.tenant, "tenant.change_issuer", tenant.tenant, actor)
    return changed


async def enable_tenant(runtime: Runtime, name: str, *, actor: str) -> Tenant:
    """Lets the tenant answer again."""
    return await update_tenant(runtime, name, enabled=True, actor=actor)


async def disable_tenant(runtime: Runtime, name: str, *, actor: str) -> Tenant:
    """Shuts the tenant: see ``update_tenant``."""
    return await update_tenant(runtime, name, enabled=False, actor=actor)


def _check_issuer(issuer: str, base: str) -> None:
    """RFC 8414 §2: an https URL without query and fragment; ours also without a path, as the host alone chooses it."""
    check_text("issuer", issuer, longest=LONGEST_ISSUER)
    try:
        parts = urlsplit(issuer)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Unprocessable("issuer", "must be a URL.") from error
    is_local = is_loopback_url(issuer) and is_loopback_url(base)
    if (parts.scheme != "https" and not is_local) or not host or not issuer.isascii() or "@" in parts.netloc:
        raise Unprocessable("issuer", "must be an https URL with a host and without credentials.")
    if parts.path or parts.query or parts.fragment or "?" in issuer or "#" in issuer or issuer != issuer.lower():
        raise Unprocessable("issuer", "must be a lower-case origin: no path, query, fragment or trailing slash.")
    if parts.netloc == urlsplit(base).netloc:
        raise Unprocessable("issuer", "must be on another host than the default tenant's; leave it out for /t/<name>.")
