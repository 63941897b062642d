"""Registered scopes: what people read about them, which are granted by default, which discovery names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from grantway.admin.effects import VersionConflict, check_version, emit
from grantway.errors import Conflict, NotFound, Unprocessable
from grantway.extension import Runtime
from grantway.model import Entry, Page
from grantway.protocol.registered_scope import (
    MAX_SCOPES,
    RegisteredScope,
    parse_registered_scope,
    read_registered_scope,
)

KIND: Final = "scope"


class StoredScope(Struct, frozen=True, kw_only=True):
    """A registered scope as it is stored. Instants in milliseconds."""

    scope: RegisteredScope
    version: int
    created_at: int
    updated_at: int


async def create_scope(
    runtime: Runtime, tenant: str, name: str, document: Mapping[str, Any], *, actor: str
) -> StoredScope:
    """Registers a scope. ``document``: ``description``, and the other members of ``RegisteredScope``.

    Raises:
        Unprocessable: a member is not acceptable, or there are too many scopes. Conflict: it is registered already.
    """
    scope = parse_registered_scope(name, document)
    if await _count_scopes(runtime, tenant) >= MAX_SCOPES:
        raise Unprocessable("name", f"cannot be added: there are {MAX_SCOPES} registered scopes already.")
    now = runtime.clock.now()
    entry = Entry(
        tenant=tenant, kind=KIND, key=scope.name, document=_build_document(scope), created_at=now, updated_at=now
    )
    await runtime.store.insert_entry(entry)
    emit(runtime, tenant, "scope.create", scope.name, actor)
    return _read(entry)


async def list_scopes(runtime: Runtime, tenant: str, *, cursor: str | None = None, limit: int = 100) -> Page:
    """Registered scopes by name, ascending."""
    page = await runtime.store.list_entries(tenant, KIND, cursor=cursor, limit=limit)
    return Page(tuple(_read(entry) for entry in page.items), page.cursor)


async def load_scope(runtime: Runtime, tenant: str, name: str) -> StoredScope:
    """Raises ``NotFound``."""
    return _read(await _load(runtime, tenant, name))


async def update_scope(
    runtime: Runtime,
    tenant: str,
    name: str,
    changes: Mapping[str, Any],
    *,
    expected_version: int | None = None,
    actor: str,
) -> StoredScope:
    """Changes the members that ``changes`` has.

    Raises:
        NotFound. Unprocessable: a member is not acceptable. VersionConflict: the scope moved on.
    """
    old = await _load(runtime, tenant, name)
    return await _store(runtime, old, {**old.document, **changes}, expected_version, actor)


async def replace_scope(
    runtime: Runtime,
    tenant: str,
    name: str,
    document: Mapping[str, Any],
    *,
    expected_version: int | None = None,
    actor: str,
) -> StoredScope:
    """Gives the scope new members: what ``document`` leaves out falls back to its default. Raises as
    ``update_scope``."""
    old = await _load(runtime, tenant, name)
    return await _store(runtime, old, document, expected_version, actor)


async def delete_scope(
    runtime: Runtime, tenant: str, name: str, *, expected_version: int | None = None, actor: str
) -> None:
    """Forgets what is said about the scope. Clients that registered it keep it, and so do tokens.

    Raises:
        NotFound. VersionConflict: the scope moved on.
    """
    old = await _load(runtime, tenant, name)
    check_version(old.version, expected_version)
    await runtime.store.delete_entry(tenant, KIND, name)
    emit(runtime, tenant, "scope.delete", name, actor)


async def _store(
    runtime: Runtime, old: Entry, document: Mapping[str, Any], expected_version: int | None, actor: str
) -> StoredScope:
    check_version(old.version, expected_version)
    scope = parse_registered_scope(old.key, document)
    entry = msgspec.structs.replace(old, document=_build_document(scope), updated_at=runtime.clock.now())
    try:
        stored = await runtime.store.update_entry(entry)
    except Conflict as error:
        raise VersionConflict("The scope was changed by someone else at the same time.") from error
    emit(runtime, old.tenant, "scope.update", old.key, actor)
    return _read(stored)


async def _load(runtime: Runtime, tenant: str, name: str) -> Entry:
    entry = await runtime.store.load_entry(tenant, KIND, name)
    if entry is None:
        raise NotFound("scope", name)
    return entry


async def _count_scopes(runtime: Runtime, tenant: str) -> int:
    page = await runtime.store.list_entries(tenant, KIND, limit=MAX_SCOPES)
    return len(page.items)


def _build_document(scope: RegisteredScope) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(scope)
    del document["name"]
    return document


def _read(entry: Entry) -> StoredScope:
    return StoredScope(
        scope=read_registered_scope(entry),
        version=entry.version,
        created_at=entry.created_at,
        updated_at=entry.updated_at,
    )
