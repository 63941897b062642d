"""Initial access tokens: who may register clients by themselves (RFC 7591 §3), how many, and what these may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from grantway.admin.effects import check_text, emit
from grantway.admin.rights import ALL_RIGHTS, Rights
from grantway.errors import NotFound, Unprocessable
from grantway.extension import Runtime
from grantway.model import Entry, EntryKind, Page, RegistrationPolicy
from grantway.protocol.registration import build_initial_access_token, read_policy

KIND: EntryKind = "initial_access_token"
NOTHING = RegistrationPolicy(grant_types=(), token_endpoint_auth_methods=(), scope=(), audience=())


class InitialAccessToken(Struct, frozen=True, kw_only=True):
    """An initial access token without itself. Instants in milliseconds."""

    token_id: str
    note: str
    uses_left: int | None
    """None: as many as one likes."""
    policy: Mapping[str, Any]
    """Members of ``RegistrationPolicy`` that take the place of the server's settings."""
    created_at: int
    expires_at: int | None


class CreatedInitialAccessToken(Struct, frozen=True, kw_only=True):
    """One that was made just now, and the token itself: nobody can read it again."""

    described: InitialAccessToken
    token: str


async def create_initial_access_token(
    runtime: Runtime,
    tenant: str,
    *,
    note: str = "",
    uses: int | None = 1,
    ttl: int = 86400,
    policy: Mapping[str, Any] | None = None,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> CreatedInitialAccessToken:
    """Lets whoever has the token register ``uses`` clients within ``ttl`` seconds.

    Raises:
        Unprocessable, InvalidClientMetadata: a value is not acceptable. InsufficientScope: its clients could have a
        scope that its maker does not hold.
    """
    check_text("note", note, longest=256)
    if uses is not None and not 1 <= uses <= 1_000_000:
        raise Unprocessable("uses", "must be 1 to 1000000, or null for no limit.")
    if not 1 <= ttl <= 10 * 366 * 86400:
        raise Unprocessable("ttl", "must be one second to ten years.")
    wanted = dict(policy or {})
    for name in wanted:
        if name not in RegistrationPolicy.__struct_fields__:
            raise Unprocessable("policy", f"has no member {name[:64]}.")
    rights.check_may_hand_out(read_policy(wanted, NOTHING).scope)
    now, token_id = runtime.clock.now(), runtime.tokens.generate_name()
    token = build_initial_access_token(token_id, runtime.tokens.generate_secret())
    document = {"note": note, "uses_left": uses, "policy": wanted, "digest": runtime.keys.hash_secret(token)}
    entry = Entry(
        tenant=tenant,
        kind=KIND,
        key=token_id,
        document=document,
        expires_at=now + ttl * 1000,
        created_at=now,
        updated_at=now,
    )
    await runtime.store.insert_entry(entry)
    emit(runtime, tenant, "initial_access_token.create", token_id, actor)
    return CreatedInitialAccessToken(described=_describe(entry), token=token)


async def list_initial_access_tokens(
    runtime: Runtime, tenant: str, *, cursor: str | None = None, limit: int = 100
) -> Page:
    """Those there are, by identifier, used up and expired ones too until they are cleaned."""
    page = await runtime.store.list_entries(tenant, KIND, cursor=cursor, limit=limit)
    return msgspec.structs.replace(page, items=tuple(_describe(entry) for entry in page.items))


async def delete_initial_access_token(runtime: Runtime, tenant: str, token_id: str, *, actor: str) -> None:
    """Nobody registers by it any more; clients that did stay. Raises ``NotFound``."""
    try:
        await runtime.store.delete_entry(tenant, KIND, token_id)
    except NotFound as error:
        raise NotFound("initial access token", token_id) from error
    emit(runtime, tenant, "initial_access_token.delete", token_id, actor)


def _describe(entry: Entry) -> InitialAccessToken:
    return InitialAccessToken(
        token_id=entry.key,
        note=entry.document["note"],
        uses_left=entry.document["uses_left"],
        policy=entry.document["policy"],
        created_at=entry.created_at,
        expires_at=entry.expires_at,
    )
