"""Verbs for authorizations: redeeming, rotating and revoking all write the same row, so the database orders them.

Rows are written in one order everywhere (subject, session, authorization, revocation, task, change), so that two verbs
never wait for each other.
"""

from __future__ import annotations

import msgspec

from grantway.errors import Conflict
from grantway.model import (
    FOREVER,
    Authorization,
    Consent,
    Interaction,
    Page,
    RefreshRotation,
    Revocation,
    build_authorizations_key,
)
from grantway.ports import RotationOutcome
from grantway.storage.sql import statements as sql
from grantway.storage.sql.cursors import build_cursor, build_page, parse_cursor
from grantway.storage.sql.feed import put_revocation, revoke_forever
from grantway.storage.sql.records import (
    build_authorization_row,
    build_document,
    check_identifiers,
    parse_authorization,
    parse_consent,
    parse_session,
)
from grantway.storage.sql.transaction import Abandon, Transaction


def has_spent(changed: int) -> bool:
    """Whether a conditional update spent what it names. Every single-use thing is decided here and nowhere else."""
    return changed == 1


async def insert_authorization(tx: Transaction, authorization: Authorization) -> None:
    if not await tx.insert(sql.INSERT_AUTHORIZATION, **build_authorization_row(authorization)):
        raise Conflict("The authorization or its code exists already.")


async def grant_authorization(
    tx: Transaction, authorization: Authorization, consent: Consent | None, interaction: Interaction | None
) -> bool:
    if await _has_ended(tx, authorization):
        return False
    if interaction is not None:
        completed = msgspec.structs.replace(interaction, completed_at=authorization.created_at)
        changed = await tx.execute(
            sql.COMPLETE_INTERACTION,
            tenant=interaction.tenant,
            interaction_id=interaction.interaction_id,
            completed_at=authorization.created_at,
            document=build_document(completed),
        )
        if not has_spent(changed):
            raise Abandon(False)
    await insert_authorization(tx, authorization)
    if consent is not None:
        await _remember(tx, consent)
    return True


async def load_authorization(tx: Transaction, tenant: str, authorization_id: str) -> Authorization | None:
    rows = await tx.fetch(sql.LOAD_AUTHORIZATION, tenant=tenant, authorization_id=authorization_id)
    return parse_authorization(rows[0]) if rows else None


async def load_authorization_by_code(tx: Transaction, tenant: str, code_digest: bytes) -> Authorization | None:
    rows = await tx.fetch(sql.LOAD_AUTHORIZATION_BY_CODE, tenant=tenant, code_digest=code_digest)
    return parse_authorization(rows[0]) if rows else None


async def list_authorizations(
    tx: Transaction,
    tenant: str,
    subject: str | None,
    client_id: str | None,
    cursor: str | None,
    limit: int,
    now: int,
) -> Page:
    created_at, authorization_id = FOREVER, sql.BEFORE_ALL
    if cursor is not None:
        created_at, authorization_id = parse_cursor(cursor, "authorizations", tenant, int, str)
    filters = {name: value for name, value in (("subject", subject), ("client_id", client_id)) if value is not None}
    rows = await tx.fetch(
        sql.LIST_AUTHORIZATIONS[tuple(filters)],
        tenant=tenant,
        now=now,
        created_at=created_at,
        authorization_id=authorization_id,
        limit=limit + 1,
        **filters,
    )

    def cursor_of(last: Authorization) -> str:
        return build_cursor("authorizations", tenant, last.created_at, last.authorization_id)

    return build_page(rows, limit, parse_authorization, cursor_of)


async def redeem_code(tx: Transaction, tenant: str, authorization_id: str, now: int) -> bool:
    return has_spent(await tx.execute(sql.REDEEM_CODE, tenant=tenant, authorization_id=authorization_id, now=now))


async def rotate_refresh(
    tx: Transaction,
    tenant: str,
    authorization_id: str,
    generation: int,
    rotation: RefreshRotation,
    grace_ms: int,
    now: int,
) -> RotationOutcome:
    statement = sql.KEEP_REFRESH if rotation == "off" else sql.ROTATE_REFRESH
    changed = await tx.execute(
        statement, tenant=tenant, authorization_id=authorization_id, presented=generation, now=now
    )
    authorization = await load_authorization(tx, tenant, authorization_id)
    if has_spent(changed):
        return RotationOutcome("kept" if rotation == "off" else "rotated", authorization)
    if authorization is None or authorization.revoked_at is not None or authorization.expires_at <= now:
        return RotationOutcome("refused")
    if authorization.generation <= generation:  # from the future: nothing Grantway gave out
        return RotationOutcome("refused")
    is_predecessor = authorization.generation == generation + 1
    rotated_at = authorization.rotated_at
    if rotation == "grace" and is_predecessor and rotated_at is not None and now - rotated_at <= grace_ms:
        return RotationOutcome("graced", authorization)
    return RotationOutcome("replayed", authorization)


async def revoke_authorization(tx: Transaction, tenant: str, authorization_id: str, now: int, keep_until: int) -> bool:
    key = {"tenant": tenant, "authorization_id": authorization_id}
    if not await tx.execute(sql.REVOKE_AUTHORIZATION, now=now, **key) and not await tx.fetch(
        sql.LOAD_AUTHORIZATION, **key
    ):
        return False
    await revoke_forever(tx, tenant, "authorization", authorization_id, keep_until)
    return True


async def count_authorizations(
    tx: Transaction, tenant: str, subject: str | None, client_id: str | None, now: int
) -> int:
    """How many live ones there are of the subject and/or to the client."""
    filters = _build_filters(subject, client_id)
    ((live,),) = await tx.fetch(sql.COUNT_LIVE_AUTHORIZATIONS[tuple(filters)], tenant=tenant, now=now, **filters)
    return int(live)


async def revoke_part(
    tx: Transaction, tenant: str, subject: str | None, client_id: str | None, now: int, most: int
) -> bool:
    """Revokes the oldest ``most`` where there are more than that. False: there are not.

    Their access tokens are refused when ``revoke_authorizations`` has ended what this began.
    """
    filters = _build_filters(subject, client_id)
    found = await tx.fetch(sql.FIND_END_OF_PART[tuple(filters)], tenant=tenant, limit=1, skip=most, **filters)
    for (end,) in found:
        await tx.execute(sql.REVOKE_PART[tuple(filters)], tenant=tenant, now=now, end=end, **filters)
    return bool(found)


async def revoke_authorizations(
    tx: Transaction,
    tenant: str,
    subject: str | None,
    client_id: str | None,
    now: int,
    keep_until: int,
    *,
    may_be_rest: bool = False,
) -> None:
    """Revokes all there are, with one revocation. ``may_be_rest``: ``revoke_part`` may have revoked some of them.

    By the instant they were given, not by that of a token: a refresh under way may date its token later than this, on a
    clock that is ahead even much later. What is given after the latest of them is not concerned.
    """
    filters = _build_filters(subject, client_id)
    changed = await tx.execute(sql.REVOKE_AUTHORIZATIONS[tuple(filters)], tenant=tenant, now=now, **filters)
    if not changed and not may_be_rest:
        return
    ((latest,),) = await tx.fetch(sql.FIND_LATEST_REVOKED[tuple(filters)], tenant=tenant, **filters)
    if latest is not None:
        key = build_authorizations_key(subject, client_id)
        revocation = Revocation(tenant=tenant, kind="authorizations", key=key, not_before=latest, keep_until=keep_until)
        await put_revocation(tx, revocation)
    if len(filters) == 2:
        await tx.execute(sql.DELETE_CONSENT, tenant=tenant, **filters)


def _build_filters(subject: str | None, client_id: str | None) -> dict[str, str]:
    filters = {name: value for name, value in (("subject", subject), ("client_id", client_id)) if value is not None}
    if not filters:
        raise ValueError("revoke_authorizations needs a subject or a client_id")
    return filters


async def _has_ended(tx: Transaction, authorization: Authorization) -> bool:
    """Whether the session it was granted in is over, or gone with its subject.

    The row is locked first, so that a log-out comes before this or after it.
    """
    if authorization.session_id is None:
        return False
    key = {"tenant": authorization.tenant, "session_id": authorization.session_id}
    if not await tx.execute(sql.LOCK_SESSION, **key):
        return True
    return all(parse_session(row).ended_at is not None for row in await tx.fetch(sql.LOAD_SESSION, **key))


async def _remember(tx: Transaction, consent: Consent) -> None:
    """Adds the scopes to those remembered, unless those were given to a client that looked different."""
    check_identifiers(tenant=consent.tenant, subject=consent.subject, client_id=consent.client_id)
    key = {"tenant": consent.tenant, "subject": consent.subject, "client_id": consent.client_id}
    rows = await tx.fetch(sql.LOAD_CONSENT, **key)
    if rows:
        stored = parse_consent(rows[0])
        if stored.client_fingerprint == consent.client_fingerprint:
            consent = msgspec.structs.replace(
                consent,
                scope=tuple(dict.fromkeys((*stored.scope, *consent.scope))),
                audience=tuple(dict.fromkeys((*stored.audience, *consent.audience))),
                created_at=stored.created_at,
            )
        await tx.execute(sql.UPDATE_CONSENT, document=build_document(consent), **key)
    elif not await tx.insert(sql.INSERT_CONSENT, document=build_document(consent), **key):
        raise Conflict("The consent was changed by someone else.")
