"""The admin API's routes for users."""

from __future__ import annotations

from grantway.admin import users
from grantway.model import Subject
from grantway.protocol.message import Response
from grantway.web.admin_call import (
    MERGE_PATCH,
    PAGING,
    AdminCall,
    QueryParameter,
    Route,
    build_empty,
    build_etag,
    build_json,
)
from grantway.web.admin_input import convert, merge
from grantway.web.admin_wire import NewUser, PasswordChange, User, UserChange, show_user


def _answer(user: Subject) -> Response:
    return build_json(show_user(user), headers=(build_etag(user.version),))


async def _list(call: AdminCall) -> Response:
    if (username := call.query.get("username")) is not None:
        user = await users.find_username(call.runtime, call.tenant, username)
        return build_json([show_user(user)] if user else [])
    page = await users.list_users(
        call.runtime, call.tenant, prefix=call.query.get("prefix"), cursor=call.cursor(), limit=call.page_size()
    )
    return call.page(page, [show_user(user) for user in page.items])


async def _create(call: AdminCall) -> Response:
    wanted: NewUser = call.body
    user = await users.create_user(
        call.runtime,
        call.tenant,
        username=wanted.username,
        password=wanted.password,
        claims=wanted.claims,
        roles=wanted.roles,
        enabled=wanted.enabled,
        subject=wanted.sub,
        actor=call.actor,
        rights=call.rights,
    )
    location = call.location(user.subject).encode()
    return build_json(show_user(user), status=201, headers=(build_etag(user.version), (b"location", location)))


async def _get(call: AdminCall) -> Response:
    return _answer(await users.load_user(call.runtime, call.tenant, call.path["sub"]))


async def _patch(call: AdminCall) -> Response:
    old = await users.load_user(call.runtime, call.tenant, call.path["sub"])
    current = {
        "username": old.username, "enabled": old.enabled, "roles": list(old.roles), "claims": dict(old.claims)
    }  # fmt: skip
    wanted: UserChange = convert(merge(current, call.body), UserChange)
    expected = call.expected_version()
    user = await users.update_user(
        call.runtime,
        call.tenant,
        old.subject,
        username=wanted.username,
        claims=wanted.claims,
        roles=wanted.roles,
        enabled=wanted.enabled,
        # What the patch was merged with is what it must be stored over, even when the caller does not care.
        expected_version=old.version if expected is None else expected,
        actor=call.actor,
        rights=call.rights,
    )
    return _answer(user)


async def _delete(call: AdminCall) -> Response:
    await users.delete_user(
        call.runtime,
        call.tenant,
        call.path["sub"],
        expected_version=call.expected_version(),
        actor=call.actor,
        rights=call.rights,
    )
    return build_empty()


async def _set_password(call: AdminCall) -> Response:
    change: PasswordChange = call.body
    await users.set_password(
        call.runtime, call.tenant, call.path["sub"], change.password, actor=call.actor, rights=call.rights
    )
    return build_empty()


_PATH = "/admin/users/{sub}"
_READ, _WRITE = "grantway.users.read", "grantway.users.write"

ROUTES = (
    Route(
        method="GET",
        path="/admin/users",
        summary="List users by username",
        handler=_list,
        scope=_READ,
        area="users",
        query=(
            *PAGING,
            QueryParameter("prefix", "Only users whose username begins so, in whatever case."),
            QueryParameter("username", "Only the user of this username, in whatever case."),
        ),
        answer=list[User],
    ),
    Route(
        method="POST",
        path="/admin/users",
        summary="Create a user",
        handler=_create,
        scope=_WRITE,
        area="users",
        body=NewUser,
        answer=User,
        status=201,
        is_conditional=True,
        errors=(409,),
    ),
    Route(
        method="GET", path=_PATH, summary="Show a user", handler=_get, scope=_READ, area="users", answer=User,
        is_conditional=True, errors=(404,),
    ),
    Route(
        method="PATCH",
        path=_PATH,
        summary="Change a user by a merge patch (RFC 7396); disabling ends sessions and revokes tokens",
        handler=_patch,
        scope=_WRITE,
        area="users",
        body=UserChange,
        media_types=(MERGE_PATCH, "application/json"),
        answer=User,
        is_conditional=True,
        errors=(404, 409),
    ),
    Route(
        method="DELETE", path=_PATH, summary="Delete a user with sessions, consents and tokens", handler=_delete,
        scope=_WRITE, area="users", status=204, is_conditional=True, errors=(404,),
    ),
    Route(
        method="PUT",
        path=_PATH + "/password",
        summary="Give a user a new password and end their sessions",
        handler=_set_password,
        scope=_WRITE,
        area="users",
        body=PasswordChange,
        status=204,
        errors=(404, 409),
    ),
)  # fmt: skip
