"""Verbs for leases: who does the work that one does for all."""

from __future__ import annotations

from grantway.model import Lease
from grantway.storage.sql import statements as sql
from grantway.storage.sql.records import check_identifiers
from grantway.storage.sql.transaction import Transaction


async def load_lease(tx: Transaction, name: str) -> Lease | None:
    rows = await tx.fetch(sql.LOAD_LEASE, name=name)
    return Lease(name=name, holder=rows[0][0], beat=rows[0][1]) if rows else None


async def take_lease(tx: Transaction, lease: Lease, seen: Lease | None) -> bool:
    check_identifiers(holder=lease.holder)
    values = {"name": lease.name, "holder": lease.holder, "beat": lease.beat}
    if seen is None:
        return await tx.insert(sql.INSERT_LEASE, **values)
    return await tx.execute(sql.TAKE_LEASE, **values, seen_holder=seen.holder, seen_beat=seen.beat) == 1


async def release_lease(tx: Transaction, lease: Lease) -> bool:
    return await tx.execute(sql.DELETE_LEASE, name=lease.name, holder=lease.holder, beat=lease.beat) == 1
