"""Revocations and the change feed: what makes a decision of one worker known to all."""

from __future__ import annotations

from collections.abc import Sequence

from grantway.model import FOREVER, Change, Revocation, RevocationKind
from grantway.storage.sql import statements as sql
from grantway.storage.sql.records import check_identifiers, parse_change, parse_revocation
from grantway.storage.sql.transaction import Transaction


async def put_revocation(tx: Transaction, revocation: Revocation) -> None:
    """Writes the row every worker refuses tokens by. Of two with the same key the stricter wins in each field."""
    check_identifiers(tenant=revocation.tenant, key=revocation.key)
    values = {
        "tenant": revocation.tenant,
        "kind": revocation.kind,
        "key": revocation.key,
        "not_before": revocation.not_before,
        "keep_until": revocation.keep_until,
    }
    if not await tx.execute(sql.TIGHTEN_REVOCATION, **values) and not await tx.insert(sql.INSERT_REVOCATION, **values):
        await tx.execute(sql.TIGHTEN_REVOCATION, **values)
    await tx.append_change(revocation.tenant, "revocation", revocation.key, revocation)


async def revoke_forever(tx: Transaction, tenant: str, kind: RevocationKind, key: str, keep_until: int) -> None:
    """Refuses whatever was or will be issued for ``kind``/``key``."""
    revocation = Revocation(tenant=tenant, kind=kind, key=key, not_before=FOREVER, keep_until=keep_until)
    await put_revocation(tx, revocation)


async def find_revocations(tx: Transaction, tenant: str, keys: Sequence[tuple[str, str]]) -> tuple[Revocation, ...]:
    found = []
    for kind, key in keys:
        for row in await tx.fetch(sql.FIND_REVOCATION, tenant=tenant, kind=kind, key=key):
            found.append(parse_revocation(row))  # noqa: PERF401  an await is inside
    return tuple(found)


async def load_revocations(tx: Transaction, now: int, limit: int) -> tuple[Revocation, ...]:
    return tuple(parse_revocation(row) for row in await tx.fetch(sql.LOAD_REVOCATIONS, now=now, limit=limit))


async def load_changes(tx: Transaction, after: int, limit: int) -> tuple[Change, ...]:
    return tuple(parse_change(row) for row in await tx.fetch(sql.LOAD_CHANGES, after=after, limit=limit))


async def last_change(tx: Transaction, created_before: int | None) -> int:
    if created_before is None:
        rows = await tx.fetch(sql.LAST_CHANGE)
    else:
        rows = await tx.fetch(sql.LAST_CHANGE_BEFORE, created_before=created_before)
    return rows[0][0] or 0
