"""Verbs for what administrators register."""

from __future__ import annotations

import msgspec

from grantway.errors import Conflict, NotFound
from grantway.model import Entry, EntryKind, Page
from grantway.storage.sql import statements as sql
from grantway.storage.sql.cursors import build_cursor, build_page, parse_cursor
from grantway.storage.sql.records import build_entry_row, parse_entry
from grantway.storage.sql.transaction import Transaction


async def load_entry(tx: Transaction, tenant: str, kind: EntryKind, key: str) -> Entry | None:
    rows = await tx.fetch(sql.LOAD_ENTRY, tenant=tenant, kind=kind, key=key)
    return parse_entry(rows[0]) if rows else None


async def list_entries(tx: Transaction, tenant: str, kind: EntryKind, cursor: str | None, limit: int) -> Page:
    listing = f"entries {kind}"
    (after,) = parse_cursor(cursor, listing, tenant, str) if cursor is not None else (sql.BEFORE_ALL,)
    rows = await tx.fetch(sql.LIST_ENTRIES, tenant=tenant, kind=kind, after=after, limit=limit + 1)
    return build_page(rows, limit, parse_entry, lambda last: build_cursor(listing, tenant, last.key))


async def insert_entry(tx: Transaction, entry: Entry) -> None:
    if not await tx.insert(sql.INSERT_ENTRY, **build_entry_row(entry)):
        raise Conflict(f"The {_name(entry.kind)} {entry.key!r} exists already.")
    await tx.append_change(entry.tenant, "entry", entry.kind)


async def update_entry(tx: Transaction, entry: Entry) -> Entry:
    following = msgspec.structs.replace(entry, version=entry.version + 1)
    if not await tx.execute(sql.UPDATE_ENTRY, stored_version=entry.version, **build_entry_row(following)):
        if await tx.fetch(sql.LOAD_ENTRY, tenant=entry.tenant, kind=entry.kind, key=entry.key):
            raise Conflict(f"The {_name(entry.kind)} {entry.key!r} was changed by someone else.")
        raise NotFound(_name(entry.kind), entry.key)
    await tx.append_change(entry.tenant, "entry", entry.kind)
    return following


async def delete_entry(tx: Transaction, tenant: str, kind: EntryKind, key: str) -> None:
    if not await tx.execute(sql.DELETE_ENTRY, tenant=tenant, kind=kind, key=key):
        raise NotFound(_name(kind), key)
    await tx.append_change(tenant, "entry", kind)


def _name(kind: EntryKind) -> str:
    """What an administrator calls it."""
    return kind.replace("_", " ")
