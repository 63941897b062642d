"""Verbs for sessions, consents and interactions."""

from __future__ import annotations

import msgspec

from grantway.errors import Conflict
from grantway.model import Consent, Interaction, Session
from grantway.storage.sql import statements as sql
from grantway.storage.sql.feed import revoke_forever
from grantway.storage.sql.records import (
    build_document,
    build_session_row,
    check_digest,
    check_identifiers,
    parse_consent,
    parse_interaction,
    parse_session,
)
from grantway.storage.sql.tasks import build_logout, put_task
from grantway.storage.sql.transaction import Duplicate, Transaction


async def insert_session(tx: Transaction, session: Session) -> None:
    if not await tx.insert(sql.INSERT_SESSION, **build_session_row(session)):
        raise Conflict("The session exists already.")


async def renew_session(tx: Transaction, session: Session) -> bool:
    row = build_session_row(session)
    for fixed in ("created_at", "ended_at"):
        del row[fixed]
    try:
        return await tx.execute(sql.RENEW_SESSION, **row) == 1
    except Duplicate:
        raise Conflict("Another session has this digest.") from None


async def load_session(tx: Transaction, tenant: str, session_id: str) -> Session | None:
    rows = await tx.fetch(sql.LOAD_SESSION, tenant=tenant, session_id=session_id)
    return parse_session(rows[0]) if rows else None


async def load_session_by_digest(tx: Transaction, tenant: str, digest: bytes) -> Session | None:
    rows = await tx.fetch(sql.LOAD_SESSION_BY_DIGEST, tenant=tenant, digest=digest)
    return parse_session(rows[0]) if rows else None


async def touch_session(tx: Transaction, tenant: str, session_id: str, last_seen_at: int) -> None:
    await tx.execute(sql.TOUCH_SESSION, tenant=tenant, session_id=session_id, seen_at=last_seen_at)


async def list_sessions(tx: Transaction, tenant: str, subject: str, now: int) -> tuple[Session, ...]:
    rows = await tx.fetch(sql.LIST_SESSIONS, tenant=tenant, subject=subject, now=now)
    return tuple(parse_session(row) for row in rows)


async def end_session(tx: Transaction, tenant: str, session_id: str, now: int, keep_until: int) -> bool:
    key = {"tenant": tenant, "session_id": session_id}
    if not await tx.execute(sql.END_SESSION, now=now, **key):
        return False
    await tx.execute(sql.REVOKE_SESSION_AUTHORIZATIONS, now=now, **key)
    await revoke_forever(tx, tenant, "session", session_id, keep_until)
    task = await build_logout(tx, tenant, session_id, now)
    if task is not None:
        await put_task(tx, task)
    return True


async def end_sessions(tx: Transaction, tenant: str, subject: str, now: int, keep_until: int, keep: str | None) -> int:
    ended = 0
    for (session_id,) in await tx.fetch(sql.FIND_OPEN_SESSIONS, tenant=tenant, subject=subject):
        if session_id != keep:
            ended += await end_session(tx, tenant, session_id, now, keep_until)
    return ended


async def list_session_clients(tx: Transaction, tenant: str, session_id: str) -> tuple[str, ...]:
    rows = await tx.fetch(sql.FIND_CLIENTS_OF_SESSION, tenant=tenant, session_id=session_id)
    return tuple(client_id for _, client_id in rows)


async def load_consent(tx: Transaction, tenant: str, subject: str, client_id: str) -> Consent | None:
    rows = await tx.fetch(sql.LOAD_CONSENT, tenant=tenant, subject=subject, client_id=client_id)
    return parse_consent(rows[0]) if rows else None


async def list_consents(tx: Transaction, tenant: str, subject: str) -> tuple[Consent, ...]:
    rows = await tx.fetch(sql.LIST_CONSENTS, tenant=tenant, subject=subject)
    return tuple(parse_consent(row) for row in rows)


async def insert_interaction(tx: Transaction, interaction: Interaction) -> None:
    check_identifiers(tenant=interaction.tenant, interaction_id=interaction.interaction_id)
    check_digest("browser_digest", interaction.browser_digest)
    stored = await tx.insert(
        sql.INSERT_INTERACTION,
        tenant=interaction.tenant,
        interaction_id=interaction.interaction_id,
        version=interaction.version,
        completed_at=interaction.completed_at,
        expires_at=interaction.expires_at,
        document=build_document(interaction),
    )
    if not stored:
        raise Conflict("The interaction exists already.")


async def load_interaction(tx: Transaction, tenant: str, interaction_id: str) -> Interaction | None:
    rows = await tx.fetch(sql.LOAD_INTERACTION, tenant=tenant, interaction_id=interaction_id)
    return parse_interaction(rows[0]) if rows else None


async def update_interaction(tx: Transaction, interaction: Interaction) -> bool:
    following = msgspec.structs.replace(interaction, version=interaction.version + 1)
    changed = await tx.execute(
        sql.UPDATE_INTERACTION,
        tenant=interaction.tenant,
        interaction_id=interaction.interaction_id,
        stored_version=interaction.version,
        version=following.version,
        completed_at=following.completed_at,
        expires_at=following.expires_at,
        document=build_document(following),
    )
    return changed == 1
