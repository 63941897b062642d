"""Users: accounts of people in the built-in user store. In the core they are subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from grantway.accounts import (
    change_password,
    check_username,
    create_account,
    end_password_grants,
    normalise_username,
)
from grantway.admin.effects import VersionConflict, check_text, check_version, emit
from grantway.admin.rights import ALL_RIGHTS, Rights
from grantway.admin.user_claims import check_claims
from grantway.errors import Conflict, NotFound, Unprocessable
from grantway.extension import Runtime
from grantway.model import Page, Subject

LONGEST_ROLE = 128
MOST_ROLES = 100
LONGEST_SUBJECT = 255
"""OpenID Connect Core §2: ``sub`` is at most 255 ASCII characters."""


async def create_user(
    runtime: Runtime,
    tenant: str,
    *,
    username: str,
    password: str | None = None,
    claims: Mapping[str, Any] | None = None,
    roles: Sequence[str] = (),
    enabled: bool = True,
    subject: str | None = None,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> Subject:
    """Stores a new user. Without a password the account cannot log in with one. ``subject`` None: generated.

    Raises:
        Unprocessable: a value is not acceptable. Conflict: the username or the identifier is taken.
    """
    check_username(username)
    checked_roles = _check_roles(roles)
    rights.check_may_hand_out(checked_roles)
    check_claims(claims or {})
    if subject is not None:
        _check_subject(subject)
        if await runtime.store.load_client(tenant, subject) is not None:  # RFC 9700 §4.15: whose sub would it be?
            raise Conflict("A client has this identifier.")
        # what was issued about somebody else of that name, whom an issuer vouched for, is not about this one
        revocation = runtime.build_revocation(tenant, "subject", subject, is_disabling=True)
        await runtime.store.insert_revocation(revocation)
    user = await create_account(
        runtime,
        tenant,
        username=username,
        password=password,
        claims=claims,
        roles=checked_roles,
        subject=subject or runtime.tokens.generate_name(),
        enabled=enabled,
    )
    emit(runtime, tenant, "user.create", user.subject, actor)
    return user


async def load_user(runtime: Runtime, tenant: str, subject: str) -> Subject:
    """The user with that identifier. Raises ``NotFound``."""
    user = await runtime.store.load_subject(tenant, subject)
    if user is None:
        raise NotFound("user", subject)
    return user


async def find_user(runtime: Runtime, tenant: str, key: str) -> Subject:
    """The user with that identifier or, when there is none, with that username. Raises ``NotFound``."""
    user = await runtime.store.load_subject(tenant, key)
    if user is not None:
        return user
    user = await find_username(runtime, tenant, key)
    if user is None:
        raise NotFound("user", key)
    return user


async def find_username(runtime: Runtime, tenant: str, username: str) -> Subject | None:
    """The user with that username, however it is written; None when there is none."""
    try:
        username_key = check_username(username)
    except Unprocessable:
        return None
    return await runtime.store.load_subject_by_username(tenant, username_key)


async def list_users(
    runtime: Runtime, tenant: str, *, prefix: str | None = None, cursor: str | None = None, limit: int = 100
) -> Page:
    """Users by username, ascending; ``prefix``: only those whose username begins so, in whatever case."""
    if prefix:
        prefix = normalise_username(prefix)
    return await runtime.store.list_subjects(tenant, cursor=cursor, limit=limit, prefix=prefix or None)


async def update_user(
    runtime: Runtime,
    tenant: str,
    subject: str,
    *,
    username: str | None = None,
    claims: Mapping[str, Any] | None = None,
    roles: Sequence[str] | None = None,
    enabled: bool | None = None,
    expected_version: int | None = None,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> Subject:
    """Changes what is given and leaves the rest. ``claims`` replaces all claims.

    Disabling (``enabled=False``) ends the user's sessions and revokes what was granted in their name, in the same
    transaction.

    Raises:
        NotFound, Unprocessable, Conflict: the username is taken. VersionConflict: the user moved on.
    """
    old = await load_user(runtime, tenant, subject)
    check_version(old.version, expected_version)
    rights.check_may_hand_out(old.roles)
    changes: dict[str, Any] = {}
    if username is not None and username != old.username:
        changes |= {"username": username.strip(), "username_key": await _choose_username_key(runtime, old, username)}
    if claims is not None and claims != old.claims:
        check_claims(claims)
        changes["claims"] = dict(claims)
    if roles is not None:
        changes["roles"] = _check_roles(roles)
        rights.check_may_hand_out(changes["roles"])
    if enabled is not None:
        changes["enabled"] = enabled
    user = await _store(runtime, old, changes, is_disabled=old.enabled and enabled is False)
    emit(runtime, tenant, "user.update", subject, actor)
    return user


async def enable_user(
    runtime: Runtime, tenant: str, subject: str, *, actor: str, rights: Rights = ALL_RIGHTS
) -> Subject:
    """Lets the user log in again. Tokens that disabling killed stay dead. Raises ``NotFound``."""
    old = await load_user(runtime, tenant, subject)
    rights.check_may_hand_out(old.roles)
    user = await _store(runtime, old, {"enabled": True}, is_disabled=False)
    emit(runtime, tenant, "user.enable", subject, actor)
    return user


async def disable_user(
    runtime: Runtime, tenant: str, subject: str, *, actor: str, rights: Rights = ALL_RIGHTS
) -> Subject:
    """Shuts the user out: no log-in, no session, no token issued until now. Raises ``NotFound``."""
    old = await load_user(runtime, tenant, subject)
    rights.check_may_hand_out(old.roles)
    user = await _store(runtime, old, {"enabled": False}, is_disabled=True)
    emit(runtime, tenant, "user.disable", subject, actor)
    return user


async def set_password(
    runtime: Runtime,
    tenant: str,
    subject: str,
    password: str,
    *,
    ends_sessions: bool = True,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> Subject:
    """Gives the user a new password; whoever was logged in with the old one has to log in again, and what came of the
    password grant ends.

    Raises:
        NotFound. Unprocessable: the password breaks the policy. Conflict: the user was changed meanwhile.
    """
    old = await load_user(runtime, tenant, subject)
    rights.check_may_hand_out(old.roles)
    user = await change_password(runtime, old, password)
    if ends_sessions:  # only now: a session begun in between would have needed the new password
        revocation = runtime.build_revocation(tenant, "subject", subject)
        now, keep_until = revocation.not_before, revocation.keep_until
        await runtime.store.end_sessions(tenant, subject, now=now, keep_until=keep_until)
        await end_password_grants(runtime, user, now=now, keep_until=keep_until)
    emit(runtime, tenant, "user.set_password", subject, actor)
    return user


async def delete_user(
    runtime: Runtime,
    tenant: str,
    subject: str,
    *,
    expected_version: int | None = None,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> None:
    """Deletes the user with sessions, consents and authorizations; their tokens are refused from now on."""
    old = await load_user(runtime, tenant, subject)
    check_version(old.version, expected_version)
    rights.check_may_hand_out(old.roles)
    revocation = runtime.build_revocation(tenant, "subject", subject, is_disabling=True)
    await runtime.store.delete_subject(tenant, subject, revocation=revocation)
    emit(runtime, tenant, "user.delete", subject, actor)


async def _store(runtime: Runtime, old: Subject, changes: Mapping[str, Any], *, is_disabled: bool) -> Subject:
    user = msgspec.structs.replace(old, **changes, updated_at=runtime.clock.now())
    revocation = None
    if is_disabled:
        revocation = runtime.build_revocation(old.tenant, "subject", old.subject, is_disabling=True)
    try:
        return await runtime.store.update_subject(user, revocation=revocation)
    except Conflict as error:
        raise VersionConflict("The user was changed by someone else at the same time.") from error


async def _choose_username_key(runtime: Runtime, old: Subject, username: str) -> str:
    username_key = check_username(username)
    holder = await runtime.store.load_subject_by_username(old.tenant, username_key)
    if holder is not None and holder.subject != old.subject:
        raise Conflict("The username is taken.")
    return username_key


def _check_roles(roles: Sequence[str]) -> tuple[str, ...]:
    if len(roles) > MOST_ROLES:
        raise Unprocessable("roles", f"must have at most {MOST_ROLES} entries.")
    for role in roles:
        if not role:
            raise Unprocessable("roles", "must have no empty entry.")
        check_text("roles", role, longest=LONGEST_ROLE)
    return tuple(dict.fromkeys(roles))


def _check_subject(subject: str) -> None:
    if not (0 < len(subject) <= LONGEST_SUBJECT) or not subject.isascii() or not subject.isprintable():
        raise Unprocessable("sub", f"must have 1 to {LONGEST_SUBJECT} printable ASCII characters.")
    if "/" in subject or " " in subject or subject in (".", ".."):
        raise Unprocessable("sub", "must have no slash and no space.")
