"""Accounts of the built-in user store: what registration, administration and the account page share."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from grantway.errors import Unprocessable
from grantway.extension import Runtime
from grantway.model import Revocation, Subject

MAX_SUBJECT_LENGTH = 255
"""Characters of a subject's identifier."""


def normalise_username(username: str) -> str:
    """What uniqueness and log-in compare: NFKC, case-folded, trimmed (RFC 8265 §3.3)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username.strip()).casefold())


def check_username(username: str) -> str:
    """The normalised user name.

    Raises:
        Unprocessable: it is empty, too long, or has characters that do not show.
    """
    key = normalise_username(username)
    if not key:
        raise Unprocessable("username", "Choose a username.")
    if len(username) > 128 or len(key) > 255:
        raise Unprocessable("username", "Use at most 128 characters.")
    if any(unicodedata.category(c)[0] in "CZ" for c in key):
        raise Unprocessable("username", "Use letters, digits and symbols, no spaces.")
    return key


async def find_named_subject(runtime: Runtime, tenant: str, name: str, *, by: str) -> str | None:
    """The identifier of the subject that somebody who is trusted with it names, ``by`` their ``subject`` or their
    ``username``; None: nobody. An identifier is not looked up: whether there is one, and enabled, the gate asks."""
    if by == "subject":
        return name if len(name) <= MAX_SUBJECT_LENGTH and name.isprintable() else None
    try:
        key = check_username(name)
    except Unprocessable:
        return None
    subject = await runtime.store.load_subject_by_username(tenant, key)
    # Exactly as it is written here: what is alike to us may be two people to whoever names them.
    if subject is None or name not in (subject.username, subject.username_key):
        return None
    return subject.subject


async def create_account(
    runtime: Runtime,
    tenant: str,
    *,
    username: str,
    password: str | None,
    claims: Mapping[str, Any] | None = None,
    roles: tuple[str, ...] = (),
    subject: str | None = None,
    enabled: bool = True,
) -> Subject:
    """Stores a new person.

    Raises:
        Unprocessable: the user name or the password is not acceptable. Conflict: the user name is taken.
    """
    key = check_username(username)
    if password is not None:
        runtime.passwords.check_policy(password, username)
    now = runtime.clock.now()
    person = Subject(
        tenant=tenant,
        subject=subject or runtime.tokens.generate_id(),
        username=username.strip(),
        username_key=key,
        password=await runtime.passwords.hash(password) if password is not None else None,
        enabled=enabled,
        roles=roles,
        claims=dict(claims or {}),
        password_changed_at=now,
        created_at=now,
        updated_at=now,
    )
    await runtime.store.insert_subject(person)
    return person


async def change_password(
    runtime: Runtime, person: Subject, password: str, *, revocation: Revocation | None = None
) -> Subject:
    """Sets a new password. ``revocation`` of kind subject also ends sessions and authorizations.

    Raises:
        Unprocessable: the policy refuses it. Conflict: the account changed meanwhile.
    """
    runtime.passwords.check_policy(password, person.username)
    now = runtime.clock.now()
    changed = replace(person, password=await runtime.passwords.hash(password), password_changed_at=now, updated_at=now)
    return await runtime.store.update_subject(changed, revocation=revocation)


async def end_password_grants(runtime: Runtime, person: Subject, *, now: int, keep_until: int) -> None:
    """Revokes what applications got for the person's password itself (RFC 6749 §4.3): it hangs on no session.

    ``now``, ``keep_until``: as of ``Store.revoke_authorization``.
    """
    store, tenant, cursor = runtime.store, person.tenant, None
    while True:
        page = await store.list_authorizations(tenant, subject=person.subject, cursor=cursor)
        for each in page.items:
            if each.grant_type == "password":
                await store.revoke_authorization(tenant, each.authorization_id, now=now, keep_until=keep_until)
        cursor = page.cursor
        if cursor is None:
            return
