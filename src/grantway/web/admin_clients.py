"""The admin API's routes for clients. Paths and JSON are those Hydra's clients know."""

from __future__ import annotations

from typing import Any

import msgspec

from grantway.admin import clients
from grantway.model import Client
from grantway.protocol.client_metadata import describe_client
from grantway.protocol.message import Response
from grantway.web.admin_call import (
    JSON_PATCH,
    PAGING,
    AdminCall,
    QueryParameter,
    Route,
    build_empty,
    build_etag,
    build_json,
    format_instant,
)
from grantway.web.admin_wire import Lifespans


def show_client(client: Client, client_secret: str | None = None) -> dict[str, Any]:
    """The client's document; with ``client_secret`` just after that was made, and never again (RFC 7591 §3.2.1)."""
    document = describe_client(client)
    document["created_at"] = format_instant(client.created_at)
    document["updated_at"] = format_instant(client.updated_at)
    if client_secret is not None:
        document |= {"client_secret": client_secret, "client_secret_expires_at": 0}
    return document


def _answer(client: Client, client_secret: str | None = None, **more: Any) -> Response:
    response = build_json(show_client(client, client_secret), **more)
    response.headers.append(build_etag(client.version))
    return response


async def _list(call: AdminCall) -> Response:
    page = await clients.list_clients(
        call.runtime,
        call.tenant,
        client_name=call.query.get("client_name"),
        owner=call.query.get("owner"),
        cursor=call.cursor(),
        limit=call.page_size(),
    )
    return call.page(page, [show_client(client) for client in page.items])


async def _create(call: AdminCall) -> Response:
    created = await clients.create_client(call.runtime, call.tenant, call.body, actor=call.actor, rights=call.rights)
    location = call.location(created.client.client_id).encode()
    return _answer(created.client, created.client_secret, status=201, headers=((b"location", location),))


async def _get(call: AdminCall) -> Response:
    return _answer(await clients.load_client(call.runtime, call.tenant, call.path["client_id"]))


async def _replace(call: AdminCall) -> Response:
    replaced = await clients.replace_client(
        call.runtime,
        call.tenant,
        call.path["client_id"],
        call.body,
        expected_version=call.expected_version(),
        actor=call.actor,
        rights=call.rights,
    )
    return _answer(replaced.client, replaced.client_secret)


async def _patch(call: AdminCall) -> Response:
    patched = await clients.patch_client(
        call.runtime,
        call.tenant,
        call.path["client_id"],
        call.body,
        expected_version=call.expected_version(),
        actor=call.actor,
        rights=call.rights,
    )
    return _answer(patched.client, patched.client_secret)


async def _delete(call: AdminCall) -> Response:
    await clients.delete_client(
        call.runtime,
        call.tenant,
        call.path["client_id"],
        expected_version=call.expected_version(),
        actor=call.actor,
        rights=call.rights,
    )
    return build_empty()


async def _rotate_secret(call: AdminCall) -> Response:
    rotated = await clients.rotate_secret(
        call.runtime,
        call.tenant,
        call.path["client_id"],
        expected_version=call.expected_version(),
        actor=call.actor,
        rights=call.rights,
    )
    return _answer(rotated.client, rotated.client_secret)


async def _drop_old_secrets(call: AdminCall) -> Response:
    client = await clients.drop_old_secrets(
        call.runtime,
        call.tenant,
        call.path["client_id"],
        expected_version=call.expected_version(),
        actor=call.actor,
        rights=call.rights,
    )
    return _answer(client)


async def _set_lifespans(call: AdminCall) -> Response:
    client = await clients.set_lifespans(
        call.runtime,
        call.tenant,
        call.path["client_id"],
        msgspec.structs.asdict(call.body),
        expected_version=call.expected_version(),
        actor=call.actor,
        rights=call.rights,
    )
    return _answer(client)


_PATH = "/admin/clients/{client_id}"
_READ, _WRITE = "grantway.clients.read", "grantway.clients.write"

ROUTES = (
    Route(
        method="GET",
        path="/admin/clients",
        summary="List clients",
        handler=_list,
        scope=_READ,
        area="clients",
        query=(
            *PAGING,
            QueryParameter("client_name", "Only clients of exactly this name."),
            QueryParameter("owner", "Only clients of exactly this owner."),
        ),
        answer=list[Client],
    ),
    Route(
        method="POST",
        path="/admin/clients",
        summary="Create a client; its secret is in this answer only",
        handler=_create,
        scope=_WRITE,
        area="clients",
        body=dict,
        answer=Client,
        status=201,
        errors=(409,),
        is_conditional=True,
    ),
    Route(
        method="GET", path=_PATH, summary="Show a client", handler=_get, scope=_READ, area="clients", answer=Client,
        is_conditional=True, errors=(404,),
    ),
    Route(
        method="PUT",
        path=_PATH,
        summary="Replace a client's metadata; the secret stays unless a new one is sent",
        handler=_replace,
        scope=_WRITE,
        area="clients",
        body=dict,
        answer=Client,
        is_conditional=True,
        errors=(404, 409),
    ),
    Route(
        method="PATCH",
        path=_PATH,
        summary="Change a client by a JSON Patch (RFC 6902)",
        handler=_patch,
        scope=_WRITE,
        area="clients",
        body=list,
        media_types=(JSON_PATCH, "application/json"),
        answer=Client,
        is_conditional=True,
        errors=(404, 409),
    ),
    Route(
        method="DELETE", path=_PATH, summary="Delete a client with everything it was granted", handler=_delete,
        scope=_WRITE, area="clients", status=204, is_conditional=True, errors=(404,),
    ),
    Route(
        method="PUT",
        path=_PATH + "/lifespans",
        summary="Set how long a client's tokens live, by grant; what is left out falls back to the client's own values",
        handler=_set_lifespans,
        scope=_WRITE,
        area="clients",
        body=Lifespans,
        answer=Client,
        is_conditional=True,
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path=_PATH + "/secrets/rotate",
        summary="Give a client a new secret; older ones stay valid until they are dropped",
        handler=_rotate_secret,
        scope=_WRITE,
        area="clients",
        answer=Client,
        is_conditional=True,
        errors=(404, 409),
    ),
    Route(
        method="DELETE",
        path=_PATH + "/secrets/rotate",
        summary="Drop a client's older secrets",
        handler=_drop_old_secrets,
        scope=_WRITE,
        area="clients",
        answer=Client,
        is_conditional=True,
        errors=(404, 409),
    ),
)  # fmt: skip
