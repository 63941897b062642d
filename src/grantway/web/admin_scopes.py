"""The admin API's routes for registered scopes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from grantway.admin import scopes
from grantway.admin.scopes import StoredScope
from grantway.protocol.message import Response
from grantway.protocol.registered_scope import MAX_DESCRIPTION_LENGTH, MAX_NAME_LENGTH
from grantway.web.admin_call import (
    MERGE_PATCH,
    PAGING,
    AdminCall,
    Route,
    build_empty,
    build_etag,
    build_json,
    format_instant,
)
from grantway.web.admin_input import convert, merge
from grantway.web.admin_wire import Instant

Description = Annotated[str, Meta(min_length=1, max_length=MAX_DESCRIPTION_LENGTH)]


class ScopeDocument(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is said about a scope: the text people read at consent, in English and by language tag in others; whether
    it is granted where a request names no scope; whether discovery names it."""

    description: Description
    translations: dict[str, str] = field(default_factory=dict)
    is_default: bool = False
    is_advertised: bool = True


class NewScope(ScopeDocument, kw_only=True, forbid_unknown_fields=True):
    """A scope to be registered."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]


class ScopeView(Struct, kw_only=True):
    """A registered scope."""

    name: str
    description: str
    translations: dict[str, str]
    is_default: bool
    is_advertised: bool
    created_at: Instant | None
    updated_at: Instant | None


def show_scope(stored: StoredScope) -> ScopeView:
    scope = stored.scope
    return ScopeView(
        name=scope.name,
        description=scope.description,
        translations=dict(scope.translations),
        is_default=scope.is_default,
        is_advertised=scope.is_advertised,
        created_at=format_instant(stored.created_at),
        updated_at=format_instant(stored.updated_at),
    )


def _answer(stored: StoredScope) -> Response:
    return build_json(show_scope(stored), headers=(build_etag(stored.version),))


async def _list(call: AdminCall) -> Response:
    page = await scopes.list_scopes(call.runtime, call.tenant, cursor=call.cursor(), limit=call.page_size())
    return call.page(page, [show_scope(stored) for stored in page.items])


async def _create(call: AdminCall) -> Response:
    document: dict[str, Any] = msgspec.structs.asdict(call.body)
    name = document.pop("name")
    stored = await scopes.create_scope(call.runtime, call.tenant, name, document, actor=call.actor)
    headers = (build_etag(stored.version), (b"location", call.location(stored.scope.name).encode()))
    return build_json(show_scope(stored), status=201, headers=headers)


async def _get(call: AdminCall) -> Response:
    return _answer(await scopes.load_scope(call.runtime, call.tenant, call.path["name"]))


async def _put(call: AdminCall) -> Response:
    return await _replace(call, call.body, call.expected_version())


async def _patch(call: AdminCall) -> Response:
    old = await scopes.load_scope(call.runtime, call.tenant, call.path["name"])
    current = {name: getattr(old.scope, name) for name in ScopeDocument.__struct_fields__}
    wanted: ScopeDocument = convert(merge(current, call.body), ScopeDocument)
    expected = call.expected_version()
    # What the patch was merged with is what it must be stored over, even when the caller does not care.
    return await _replace(call, wanted, old.version if expected is None else expected)


async def _replace(call: AdminCall, wanted: ScopeDocument, expected_version: int | None) -> Response:
    stored = await scopes.replace_scope(
        call.runtime,
        call.tenant,
        call.path["name"],
        msgspec.structs.asdict(wanted),
        expected_version=expected_version,
        actor=call.actor,
    )
    return _answer(stored)


async def _delete(call: AdminCall) -> Response:
    await scopes.delete_scope(
        call.runtime,
        call.tenant,
        call.path["name"],
        expected_version=call.expected_version(),
        actor=call.actor,
    )
    return build_empty()


_PATH = "/admin/scopes/{name}"
_READ, _WRITE = "grantway.scopes.read", "grantway.scopes.write"

ROUTES = (
    Route(
        method="GET", path="/admin/scopes", summary="List registered scopes by name", handler=_list, scope=_READ,
        area="scopes", query=PAGING, answer=list[ScopeView],
    ),
    Route(
        method="POST", path="/admin/scopes", summary="Register a scope", handler=_create, scope=_WRITE, area="scopes",
        body=NewScope, answer=ScopeView, status=201, is_conditional=True, errors=(409,),
    ),
    Route(
        method="GET", path=_PATH, has_slashes=True, summary="Show a registered scope", handler=_get, scope=_READ,
        area="scopes", answer=ScopeView, is_conditional=True, errors=(404,),
    ),
    Route(
        method="PUT", path=_PATH, has_slashes=True, summary="Replace what is said about a scope", handler=_put,
        scope=_WRITE, area="scopes", body=ScopeDocument, answer=ScopeView, is_conditional=True, errors=(404, 409),
    ),
    Route(
        method="PATCH", path=_PATH, has_slashes=True,
        summary="Change what is said about a scope by a merge patch (RFC 7396)", handler=_patch, scope=_WRITE,
        area="scopes", body=ScopeDocument, media_types=(MERGE_PATCH, "application/json"), answer=ScopeView,
        is_conditional=True, errors=(404, 409),
    ),
    Route(
        method="DELETE", path=_PATH, has_slashes=True,
        summary="Forget what is said about a scope; clients keep it", handler=_delete, scope=_WRITE, area="scopes",
        status=204, is_conditional=True, errors=(404,),
    ),
)  # fmt: skip
