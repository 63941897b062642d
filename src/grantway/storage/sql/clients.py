"""Verbs for tenants and clients."""

from __future__ import annotations

import msgspec

from grantway.errors import Conflict, NotFound
from grantway.model import Client, Page, Revocation, Tenant
from grantway.storage.sql import statements as sql
from grantway.storage.sql.cursors import build_cursor, build_page, parse_cursor
from grantway.storage.sql.feed import put_revocation
from grantway.storage.sql.records import (
    build_client_row,
    build_document,
    check_identifiers,
    parse_client,
    parse_tenant,
)
from grantway.storage.sql.transaction import Duplicate, Transaction


async def load_tenant(tx: Transaction, tenant: str) -> Tenant | None:
    rows = await tx.fetch(sql.LOAD_TENANT, tenant=tenant)
    return parse_tenant(rows[0]) if rows else None


async def list_tenants(tx: Transaction, cursor: str | None, limit: int) -> Page:
    (after,) = parse_cursor(cursor, "tenants", "", str) if cursor is not None else (sql.BEFORE_ALL,)
    rows = await tx.fetch(sql.LIST_TENANTS, after=after, limit=limit + 1)
    return build_page(rows, limit, parse_tenant, lambda last: build_cursor("tenants", "", last.tenant))


async def insert_tenant(tx: Transaction, tenant: Tenant) -> None:
    check_identifiers(tenant=tenant.tenant, issuer=tenant.issuer)
    row = {"tenant": tenant.tenant, "issuer": tenant.issuer, "document": build_document(tenant)}
    if not await tx.insert(sql.INSERT_TENANT, **row):
        raise Conflict("The tenant's name or issuer is taken.")
    await tx.append_change(tenant.tenant, "tenant", tenant.tenant)


async def update_tenant(tx: Transaction, tenant: Tenant) -> None:
    """Stores it. What was refused stays refused, whoever read the tenant before that and writes it now."""
    check_identifiers(tenant=tenant.tenant, issuer=tenant.issuer)
    await tx.execute(sql.LOCK_TENANT, tenant=tenant.tenant)
    stored = await load_tenant(tx, tenant.tenant)
    if stored is not None and stored.not_before > tenant.not_before:
        tenant = msgspec.structs.replace(tenant, not_before=stored.not_before)
    row = {"tenant": tenant.tenant, "issuer": tenant.issuer, "document": build_document(tenant)}
    try:
        changed = await tx.execute(sql.UPDATE_TENANT, **row)
    except Duplicate:
        raise Conflict("Another tenant has this issuer.") from None
    if not changed:
        raise NotFound("tenant", tenant.tenant)
    await tx.append_change(tenant.tenant, "tenant", tenant.tenant)


async def load_client(tx: Transaction, tenant: str, client_id: str) -> Client | None:
    rows = await tx.fetch(sql.LOAD_CLIENT, tenant=tenant, client_id=client_id)
    return parse_client(rows[0]) if rows else None


async def list_clients(
    tx: Transaction, tenant: str, cursor: str | None, limit: int, client_name: str | None, owner: str | None
) -> Page:
    (after,) = parse_cursor(cursor, "clients", tenant, str) if cursor is not None else (sql.BEFORE_ALL,)
    filters = {name: value for name, value in (("client_name", client_name), ("owner", owner)) if value is not None}
    rows = await tx.fetch(sql.LIST_CLIENTS[tuple(filters)], tenant=tenant, after=after, limit=limit + 1, **filters)
    return build_page(rows, limit, parse_client, lambda last: build_cursor("clients", tenant, last.client_id))


async def insert_client(tx: Transaction, client: Client) -> None:
    check_identifiers(tenant=client.tenant, client_id=client.client_id)
    row = build_client_row(client)
    if not await tx.insert(sql.INSERT_CLIENT, tenant=client.tenant, client_id=client.client_id, **row):
        raise Conflict(f"The client_id {client.client_id!r} is taken.")
    await _insert_origins(tx, client)
    await tx.append_change(client.tenant, "client", client.client_id)


async def update_client(tx: Transaction, client: Client, revocation: Revocation | None) -> Client:
    key = {"tenant": client.tenant, "client_id": client.client_id}
    following = msgspec.structs.replace(client, version=client.version + 1)
    row = build_client_row(following)
    if not await tx.execute(sql.UPDATE_CLIENT, stored_version=client.version, **key, **row):
        if await tx.fetch(sql.LOAD_CLIENT, **key):
            raise Conflict(f"The client {client.client_id!r} was changed by someone else.")
        raise NotFound("client", client.client_id)
    await tx.execute(sql.DELETE_ORIGINS, **key)
    await _insert_origins(tx, following)
    if revocation is not None:
        await put_revocation(tx, revocation)
    await tx.append_change(client.tenant, "client", client.client_id)
    return following


async def delete_client(tx: Transaction, tenant: str, client_id: str, revocation: Revocation, now: int) -> None:
    key = {"tenant": tenant, "client_id": client_id}
    if not await tx.execute(sql.DELETE_CLIENT, **key):
        raise NotFound("client", client_id)
    await tx.execute(sql.DELETE_ORIGINS, **key)
    await tx.execute(sql.REVOKE_AUTHORIZATIONS["client_id",], now=now, **key)
    await tx.execute(sql.DELETE_CONSENTS_OF_CLIENT, **key)
    await put_revocation(tx, revocation)
    await tx.append_change(tenant, "client", client_id)


async def has_origin(tx: Transaction, tenant: str, origin: str) -> bool:
    return bool(await tx.fetch(sql.HAS_ORIGIN, tenant=tenant, origin=origin, limit=1))


async def _insert_origins(tx: Transaction, client: Client) -> None:
    for origin in dict.fromkeys(client.allowed_cors_origins):
        check_identifiers(allowed_cors_origins=origin)
        await tx.insert(sql.INSERT_ORIGIN, tenant=client.tenant, origin=origin, client_id=client.client_id)
