"""Verbs for what is used once, what is counted, and what has expired."""

from __future__ import annotations

from grantway.storage.sql import statements as sql
from grantway.storage.sql.records import build_digest, check_identifiers
from grantway.storage.sql.transaction import Transaction

FEED_KEEP_MS = 3_600_000
"""How long the change feed is kept. A worker that was away for longer reads everything anew."""
DEVICE_KEEP_MS = 3_600_000
"""How long a device hears that its request has expired, and not that there was none (RFC 8628 §3.5)."""

TASK_KEEP_MS = 3_600_000
"""How long a task that has expired waits for somebody who says so."""

_KEPT_MS = {"change": FEED_KEEP_MS, "device_request": DEVICE_KEEP_MS, "task": TASK_KEEP_MS}


async def use_once(
    tx: Transaction, tenant: str, purpose: str, owner: str, value: bytes, expires_at: int, now: int
) -> bool:
    check_identifiers(tenant=tenant)
    key = {"tenant": tenant, "digest": build_digest(purpose, owner, value)}
    if await tx.insert(sql.INSERT_SINGLE_USE, expires_at=expires_at, **key):
        return True
    return await tx.execute(sql.RENEW_SINGLE_USE, expires_at=expires_at, now=now, **key) == 1


async def count_attempt(tx: Transaction, tenant: str, kind: str, key: str, now: int, window_ms: int) -> int:
    """The window begins with the first attempt; the first one after its end begins the next."""
    check_identifiers(tenant=tenant)
    row = {"tenant": tenant, "digest": build_digest(kind, key)}
    window = {"now": now, "over_at": now - window_ms, "ends_at": now + window_ms}
    if not await tx.execute(sql.COUNT_ATTEMPT, **row, **window):
        if await tx.insert(sql.INSERT_ATTEMPT, attempts=1, expires_at=now + window_ms, started_at=now, **row):
            return 1
        await tx.execute(sql.COUNT_ATTEMPT, **row, **window)
    rows = await tx.fetch(sql.LOAD_ATTEMPTS, **row)
    return int(rows[0][0]) if rows else 1


async def take_back_attempt(tx: Transaction, tenant: str, kind: str, key: str) -> None:
    await tx.execute(sql.TAKE_BACK_ATTEMPT, tenant=tenant, digest=build_digest(kind, key))


async def forgive_attempts(tx: Transaction, tenant: str, kind: str, key: str) -> None:
    await tx.execute(sql.DELETE_ATTEMPTS, tenant=tenant, digest=build_digest(kind, key))


async def clean_table(tx: Transaction, table: str, now: int, limit: int) -> int:
    """Deletes up to ``limit`` rows of ``table`` whose end has come. Returns how many.

    An authorization stays until its absolute end, redeemed, rotated, revoked or not: until then a replay must be seen;
    and for as long as its session is open, whose end its client is told.
    """
    cleaning = sql.CLEANINGS[table]
    until = now - _KEPT_MS.get(table, 0)
    rows = await tx.fetch(cleaning.find, now=until, limit=limit)
    deleted = 0
    for start in range(0, len(rows), sql.CLEANED_AT_ONCE):
        batch = list(rows[start : start + sql.CLEANED_AT_ONCE])
        batch += batch[-1:] * (sql.CLEANED_AT_ONCE - len(batch))  # the statement has room for this many, always
        values = {
            f"{column}_{number}": value
            for number, row in enumerate(batch)
            for column, value in zip(cleaning.columns, row, strict=True)
        }
        # The end is compared again: a row may have been renewed meanwhile.
        deleted += await tx.execute(cleaning.delete, now=until, **values)
    if table == "signing_key":
        for tenant, kid in rows:
            await tx.append_change(tenant, "key", kid)
    if table == "entry":
        for tenant, kind in dict.fromkeys((tenant, kind) for tenant, kind, _ in rows):
            await tx.append_change(tenant, "entry", kind)
    return deleted
