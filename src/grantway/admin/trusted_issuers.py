"""Trusted issuers: whose assertions are good for tokens (RFC 7523 §3, RFC 7522 §3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from grantway.admin.effects import emit
from grantway.admin.rights import ALL_RIGHTS, Rights
from grantway.errors import Conflict, NotFound, Unprocessable
from grantway.extension import Runtime
from grantway.model import Entry, Page
from grantway.protocol.trusted_issuer import (
    MAX_ISSUERS,
    Protocol,
    TrustedIssuer,
    build_revocation_key,
    parse_trusted_issuer,
    read_trusted_issuer,
)

KIND: Final = "trusted_issuer"
LONGEST_TRUST_MS: Final = 36_525 * 86_400_000
"""A hundred years."""


class StoredIssuer(Struct, frozen=True, kw_only=True):
    """A trusted issuer as it is stored. Instants in milliseconds."""

    issuer_id: str
    trusted: TrustedIssuer
    created_at: int
    expires_at: int | None


async def create_trusted_issuer(
    runtime: Runtime,
    tenant: str,
    protocol: Protocol,
    document: Mapping[str, Any],
    *,
    expires_at: int,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> StoredIssuer:
    """Trusts an issuer until ``expires_at`` (milliseconds).

    Raises:
        Unprocessable: a member is not acceptable, or there are too many. Conflict: this issuer is trusted for the same
        subject with the same keys already. InsufficientScope: it would hand out more than its maker holds.
    """
    now = runtime.clock.now()
    for_any_client = runtime.settings.assertions.trust_for_any_client
    trusted = parse_trusted_issuer(document, protocol, for_any_client=for_any_client)
    rights.check_may_hand_out(trusted.scope)
    if expires_at <= now:
        raise Unprocessable("expires_at", "must be in the future.")
    if expires_at > now + LONGEST_TRUST_MS:
        raise Unprocessable("expires_at", "must be within a hundred years.")
    if len(await _load_all(runtime, tenant)) >= MAX_ISSUERS:
        raise Unprocessable("issuer", f"cannot be added: there are {MAX_ISSUERS} trusted issuers already.")
    entry = Entry(
        tenant=tenant,
        kind=KIND,
        key=trusted.build_key(),
        document=msgspec.to_builtins(trusted),
        expires_at=expires_at,
        created_at=now,
        updated_at=now,
    )
    old = await runtime.store.load_entry(tenant, KIND, entry.key)
    if old is not None and _is_over(runtime, old):
        await runtime.store.delete_entry(tenant, KIND, entry.key)
    try:
        await runtime.store.insert_entry(entry)
    except Conflict as error:
        raise Conflict("This issuer is trusted for the same subject with the same keys already.") from error
    emit(runtime, tenant, "trusted_issuer.create", entry.key, actor)
    return _read(entry)


async def list_trusted_issuers(
    runtime: Runtime,
    tenant: str,
    protocol: Protocol | None = None,
    *,
    issuer: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page:
    """Those that have not expired, by identifier; of one protocol, of exactly this issuer."""
    found = [
        stored
        for stored in await _load_all(runtime, tenant)
        if (protocol is None or stored.trusted.protocol == protocol)
        and (issuer is None or stored.trusted.issuer == issuer)
        and (cursor is None or stored.issuer_id > cursor)
    ]
    is_all = len(found) <= limit
    return Page(tuple(found[:limit]), None if is_all else found[limit - 1].issuer_id)


async def load_trusted_issuer(
    runtime: Runtime, tenant: str, issuer_id: str, protocol: Protocol | None = None
) -> StoredIssuer:
    """Raises ``NotFound``."""
    entry = await runtime.store.load_entry(tenant, KIND, issuer_id)
    stored = _read(entry) if entry is not None and not _is_over(runtime, entry) else None
    if stored is None or (protocol is not None and stored.trusted.protocol != protocol):
        raise NotFound("trusted issuer", issuer_id)
    return stored


async def delete_trusted_issuer(
    runtime: Runtime,
    tenant: str,
    issuer_id: str,
    protocol: Protocol | None = None,
    *,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> None:
    """Its assertions are refused from now on, and so are the access tokens they were traded for. Raises
    ``NotFound``."""
    stored = await load_trusted_issuer(runtime, tenant, issuer_id, protocol)
    rights.check_may_hand_out(stored.trusted.scope)
    # First: if this is all that happens, nothing is trusted more than it was.
    key = build_revocation_key(issuer_id)
    await runtime.store.insert_revocation(runtime.build_revocation(tenant, "token", key, is_disabling=True))
    await runtime.store.delete_entry(tenant, KIND, issuer_id)
    emit(runtime, tenant, "trusted_issuer.delete", issuer_id, actor)


async def _load_all(runtime: Runtime, tenant: str) -> list[StoredIssuer]:
    page = await runtime.store.list_entries(tenant, KIND, limit=MAX_ISSUERS)
    entries = list(page.items)
    while page.cursor is not None:
        page = await runtime.store.list_entries(tenant, KIND, cursor=page.cursor, limit=MAX_ISSUERS)
        entries += page.items
    return [_read(entry) for entry in entries if not _is_over(runtime, entry)]


def _is_over(runtime: Runtime, entry: Entry) -> bool:
    return entry.expires_at is not None and entry.expires_at <= runtime.clock.now()


def _read(entry: Entry) -> StoredIssuer:
    return StoredIssuer(
        issuer_id=entry.key,
        trusted=read_trusted_issuer(entry),
        created_at=entry.created_at,
        expires_at=entry.expires_at,
    )
