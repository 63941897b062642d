"""The admin API's routes for initial access tokens (RFC 7591 §3)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from grantway.admin import initial_access_tokens as use_cases
from grantway.admin.initial_access_tokens import InitialAccessToken
from grantway.protocol.message import Response
from grantway.web.admin_call import PAGING, AdminCall, Handler, Route, build_empty, build_json, format_instant
from grantway.web.admin_wire import Instant

_PATH = "/admin/initial-access-tokens"


class RegistrationPolicyDocument(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What clients registered by it may be, where that differs from the server's settings. ``scope`` is separated by
    spaces."""

    grant_types: list[str] | None = None
    token_endpoint_auth_methods: list[str] | None = None
    scope: str | None = None
    audience: list[str] | None = None


class NewInitialAccessToken(Struct, kw_only=True, forbid_unknown_fields=True):
    """An initial access token to be made. ``uses``: how many clients it registers, null for no limit; ``ttl``: seconds
    it is good for."""

    note: Annotated[str, Meta(max_length=256)] = ""
    uses: Annotated[int, Meta(ge=1, le=1_000_000)] | None = 1
    ttl: Annotated[int, Meta(ge=1, le=10 * 366 * 86400)] = 86400
    policy: RegistrationPolicyDocument = msgspec.field(default_factory=RegistrationPolicyDocument)


class InitialAccessTokenView(Struct, kw_only=True, omit_defaults=True):
    """An initial access token. ``token``: in the answer that makes it, and never again."""

    id: str
    note: str
    uses_left: int | None
    policy: dict[str, Any]
    created_at: Instant | None
    expires_at: Instant | None
    token: str = ""


def show(described: InitialAccessToken, token: str = "") -> InitialAccessTokenView:
    return InitialAccessTokenView(
        id=described.token_id,
        note=described.note,
        uses_left=described.uses_left,
        policy=dict(described.policy),
        created_at=format_instant(described.created_at),
        expires_at=format_instant(described.expires_at),
        token=token,
    )


async def _list(call: AdminCall) -> Response:
    page = await use_cases.list_initial_access_tokens(
        call.runtime, call.tenant, cursor=call.cursor(), limit=call.page_size()
    )
    return call.page(page, [show(described) for described in page.items])


async def _create(call: AdminCall) -> Response:
    wanted: NewInitialAccessToken = call.body
    made = await use_cases.create_initial_access_token(
        call.runtime,
        call.tenant,
        note=wanted.note,
        uses=wanted.uses,
        ttl=wanted.ttl,
        policy=msgspec.to_builtins(wanted.policy),
        actor=call.actor,
        rights=call.rights,
    )
    location = call.location(made.described.token_id).encode()
    return build_json(show(made.described, made.token), status=201, headers=((b"location", location),))


async def _delete(call: AdminCall) -> Response:
    await use_cases.delete_initial_access_token(call.runtime, call.tenant, call.path["id"], actor=call.actor)
    return build_empty()


def _route(method: str, path: str, summary: str, handler: Handler, right: str, **more: Any) -> Route:
    return Route(
        method=method,
        path=path,
        summary=summary,
        handler=handler,
        scope=f"grantway.initial-access-tokens.{right}",
        area="initial-access-tokens",
        **more,
    )


ROUTES = (
    _route(
        "GET",
        _PATH,
        "List initial access tokens",
        _list,
        "read",
        query=PAGING,
        answer=list[InitialAccessTokenView],
    ),
    _route(
        "POST",
        _PATH,
        "Make an initial access token, by which clients register themselves",
        _create,
        "write",
        body=NewInitialAccessToken,
        answer=InitialAccessTokenView,
        status=201,
    ),
    _route(
        "DELETE", f"{_PATH}/{{id}}", "Let nobody register by it any more", _delete, "write", status=204, errors=(404,)
    ),
)
