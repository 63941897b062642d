"""Verbs for subjects."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from grantway.errors import Conflict, NotFound
from grantway.model import Page, Revocation, Subject, Task
from grantway.storage.sql import statements as sql
from grantway.storage.sql.authorizations import revoke_authorizations
from grantway.storage.sql.cursors import build_cursor, build_page, parse_cursor
from grantway.storage.sql.feed import put_revocation
from grantway.storage.sql.records import build_subject_row, check_identifiers, parse_subject
from grantway.storage.sql.tasks import build_logout, put_task
from grantway.storage.sql.transaction import Duplicate, Transaction


async def load_subject(tx: Transaction, tenant: str, subject: str) -> Subject | None:
    rows = await tx.fetch(sql.LOAD_SUBJECT, tenant=tenant, subject=subject)
    return parse_subject(rows[0]) if rows else None


async def load_subject_by_username(tx: Transaction, tenant: str, username_key: str) -> Subject | None:
    rows = await tx.fetch(sql.LOAD_SUBJECT_BY_USERNAME, tenant=tenant, username_key=username_key)
    return parse_subject(rows[0]) if rows else None


async def list_subjects(tx: Transaction, tenant: str, cursor: str | None, limit: int, prefix: str | None) -> Page:
    (after,) = parse_cursor(cursor, "subjects", tenant, str) if cursor is not None else (sql.BEFORE_ALL,)
    rows = await tx.fetch(
        sql.LIST_SUBJECTS,
        tenant=tenant,
        after=after,
        first=prefix or sql.BEFORE_ALL,
        beyond=(prefix or "") + sql.AFTER_ALL,
        limit=limit + 1,
    )
    return build_page(rows, limit, parse_subject, lambda last: build_cursor("subjects", tenant, last.username_key))


async def insert_subject(tx: Transaction, subject: Subject) -> None:
    check_identifiers(tenant=subject.tenant, subject=subject.subject)
    row = build_subject_row(subject)
    if not await tx.insert(sql.INSERT_SUBJECT, tenant=subject.tenant, subject=subject.subject, **row):
        raise Conflict(f"The username {subject.username!r} is taken.")
    await tx.append_change(subject.tenant, "subject", subject.subject)


async def update_subject(tx: Transaction, subject: Subject, revocation: Revocation | None, now: int) -> Subject:
    key = {"tenant": subject.tenant, "subject": subject.subject}
    following = msgspec.structs.replace(subject, version=subject.version + 1)
    row = build_subject_row(following)
    try:
        changed = await tx.execute(sql.UPDATE_SUBJECT, stored_version=subject.version, **key, **row)
    except Duplicate:
        raise Conflict(f"The username {subject.username!r} is taken.") from None
    if not changed:
        if await tx.fetch(sql.LOAD_SUBJECT, **key):
            raise Conflict(f"The subject {subject.subject!r} was changed by someone else.")
        raise NotFound("subject", subject.subject)
    if revocation is not None:
        logouts: Sequence[Task] = ()
        if revocation.kind == "subject":
            logouts = await _end_sessions(tx, subject.tenant, subject.subject, now)
            await _revoke_authorizations(tx, revocation, now)
        await put_revocation(tx, revocation)
        for task in logouts:
            await put_task(tx, task)
    await tx.append_change(subject.tenant, "subject", subject.subject)
    return following


async def delete_subject(tx: Transaction, tenant: str, subject: str, revocation: Revocation, now: int) -> None:
    key = {"tenant": tenant, "subject": subject}
    if not await tx.execute(sql.DELETE_SUBJECT, **key):
        raise NotFound("subject", subject)
    logouts = await _end_sessions(tx, tenant, subject, now)
    await tx.execute(sql.DELETE_SESSIONS, **key)
    await _revoke_authorizations(tx, revocation, now)
    await tx.execute(sql.DELETE_CONSENTS_OF_SUBJECT, **key)
    await put_revocation(tx, revocation)
    for task in logouts:
        await put_task(tx, task)
    await tx.append_change(tenant, "subject", subject)


async def _end_sessions(tx: Transaction, tenant: str, subject: str, now: int) -> list[Task]:
    """Ends each that is open. Returns what is to be done for those, to be written after all other rows."""
    tasks = []
    for (session_id,) in await tx.fetch(sql.FIND_OPEN_SESSIONS, tenant=tenant, subject=subject):
        if await tx.execute(sql.END_SESSION, tenant=tenant, session_id=session_id, now=now):
            tasks.append(await build_logout(tx, tenant, session_id, now))
    return [task for task in tasks if task is not None]


async def _revoke_authorizations(tx: Transaction, revocation: Revocation, now: int) -> None:
    """By their own instant: a refresh that began after ``revocation.not_before`` may have been written before this."""
    await revoke_authorizations(tx, revocation.tenant, revocation.key, None, now, revocation.keep_until)
