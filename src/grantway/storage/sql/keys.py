"""Verbs for signing keys. Each first locks the tenant's row, so that two nodes rotating at once make one key."""

from __future__ import annotations

from collections.abc import Mapping

from grantway.model import KeyState, SigningKey
from grantway.storage.sql import statements as sql
from grantway.storage.sql.records import build_key_row, parse_key
from grantway.storage.sql.transaction import Abandon, Transaction


async def list_keys(tx: Transaction, tenant: str) -> tuple[SigningKey, ...]:
    return tuple(parse_key(row) for row in await tx.fetch(sql.LIST_KEYS, tenant=tenant))


async def insert_key(tx: Transaction, key: SigningKey, unless_state: bool) -> bool:
    row = build_key_row(key)
    await tx.execute(sql.LOCK_TENANT, tenant=key.tenant)
    if unless_state and await tx.fetch(sql.FIND_KEY_IN_STATE, tenant=key.tenant, alg=key.alg, state=key.state, limit=1):
        return False
    if not await tx.insert(sql.INSERT_KEY, **row):
        return False
    await tx.append_change(key.tenant, "key", key.kid)
    return True


async def update_keys(
    tx: Transaction,
    tenant: str,
    states: Mapping[str, tuple[KeyState, KeyState]],
    now: int,
    remove_at: int | None,
) -> bool:
    await tx.execute(sql.LOCK_TENANT, tenant=tenant)
    for kid, (from_state, to_state) in states.items():
        is_out = to_state in ("retired", "revoked")
        changed = await tx.execute(
            sql.MOVE_KEY,
            tenant=tenant,
            kid=kid,
            from_state=from_state,
            to_state=to_state,
            activated_at=now if to_state == "active" else None,
            retired_at=now if is_out else None,
            remove_at=remove_at if is_out else None,
        )
        if changed != 1:
            raise Abandon(False)
        await tx.append_change(tenant, "key", kid)
    return True


async def delete_key(tx: Transaction, tenant: str, kid: str) -> bool:
    await tx.execute(sql.LOCK_TENANT, tenant=tenant)
    if not await tx.execute(sql.DELETE_KEY, tenant=tenant, kid=kid):
        return False
    await tx.append_change(tenant, "key", kid)
    return True


async def replace_sealed_key(tx: Transaction, tenant: str, kid: str, old: bytes, new: bytes) -> bool:
    await tx.execute(sql.LOCK_TENANT, tenant=tenant)
    # Compared here: Oracle cannot compare a BLOB in a condition. The lock above makes it as good.
    if list(await tx.fetch(sql.LOAD_SEALED_KEY, tenant=tenant, kid=kid)) != [(old,)]:
        return False
    await tx.execute(sql.REPLACE_SEALED_KEY, tenant=tenant, kid=kid, sealed_private_key=new)
    await tx.append_change(tenant, "key", kid)
    return True
