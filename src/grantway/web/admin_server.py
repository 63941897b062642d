"""The admin API's routes about the server itself: tenants, status, health, version, the OpenAPI document."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import msgspec

from grantway.admin import tenants
from grantway.errors import NotFound, OAuthError
from grantway.protocol.message import Response
from grantway.server import AuthorizationServer
from grantway.version import __version__
from grantway.web import telemetry
from grantway.web.admin_call import MERGE_PATCH, PAGING, AdminCall, Route, build_json, format_instant
from grantway.web.admin_input import convert, merge
from grantway.web.admin_wire import (
    AdminClient,
    Health,
    NewTenant,
    Status,
    TenantChange,
    TenantView,
    Version,
    WorkerView,
    show_tenant,
)
from grantway.web.metrics import render_metrics
from grantway.web.telemetry import Telemetry
from grantway.web.worker_status import StatusBoard


async def _list_tenants(call: AdminCall) -> Response:
    page = await tenants.list_tenants(call.runtime, cursor=call.cursor(), limit=call.page_size())
    return call.page(page, [show_tenant(tenant) for tenant in page.items])


async def _create_tenant(call: AdminCall) -> Response:
    wanted: NewTenant = call.body
    tenant = await tenants.create_tenant(
        call.runtime, wanted.name, issuer=wanted.issuer, display_name=wanted.display_name, actor=call.actor
    )
    shown = show_tenant(tenant)
    if wanted.with_admin_client:
        created = await tenants.create_admin_client(call.runtime, wanted.name, actor=call.actor)
        shown.admin_client = AdminClient(client_id=created.client.client_id, client_secret=created.client_secret)
    return build_json(shown, status=201, headers=((b"location", call.location(tenant.tenant).encode()),))


async def _get_tenant(call: AdminCall) -> Response:
    return build_json(show_tenant(await tenants.load_tenant(call.runtime, call.path["name"])))


async def _patch_tenant(call: AdminCall) -> Response:
    old = await tenants.load_tenant(call.runtime, call.path["name"])
    current = {"display_name": old.display_name, "enabled": old.enabled}
    wanted: TenantChange = convert(merge(current, call.body), TenantChange)
    tenant = await tenants.update_tenant(
        call.runtime,
        old.tenant,
        display_name=wanted.display_name,
        enabled=wanted.enabled if wanted.enabled != old.enabled else None,
        actor=call.actor,
    )
    return build_json(show_tenant(tenant))


async def _status(call: AdminCall) -> Response:
    events = call.runtime.events
    if isinstance(events, Telemetry):
        board = events.board
    else:
        board = StatusBoard()
        board.read = call.server.status
    workers = [
        WorkerView(
            worker=status.worker,
            pid=status.pid,
            seen_at=format_instant(status.at) or "",
            grid=status.grid,
            statements=status.statements,
            limits=status.limits,
            redis=status.redis,
        )
        for status in board.list_workers()
    ]
    return build_json(Status(version=__version__, **call.server.status(), workers=workers))


async def _metrics(call: AdminCall) -> Response:
    events = call.runtime.events
    if not isinstance(events, Telemetry):  # the embedding program takes the events itself
        raise NotFound("resource at", "/metrics")
    return Response(headers=[(b"content-type", telemetry.CONTENT_TYPE)], body=render_metrics(events.board))


async def _alive(call: AdminCall) -> Response:
    return build_json(Health(status="ok"))


async def _ready(call: AdminCall) -> Response:
    if call.runtime.is_stopping:
        return build_json(Health(status="unavailable", errors={"server": "It is stopping."}), status=503)
    try:
        await call.runtime.store.ping()
    except OAuthError as error:
        details = error.detail or error.description
        return build_json(Health(status="unavailable", errors={"database": details}), status=503)
    return build_json(Health(status="ok"))


async def _version(call: AdminCall) -> Response:
    return build_json(Version(version=__version__))


_documents: WeakKeyDictionary[AuthorizationServer, bytes] = WeakKeyDictionary()
"""The OpenAPI document of each server: it takes 5 ms to build and says the same for as long as a server lives."""


async def _openapi(call: AdminCall) -> Response:
    document = _documents.get(call.server)
    if document is None:
        from grantway.web.openapi import build_openapi

        document = _documents[call.server] = msgspec.json.encode(build_openapi(call.runtime))
    return Response(headers=[(b"content-type", b"application/json")], body=document)


_READ, _WRITE = "grantway.tenants.read", "grantway.tenants.write"
_TENANT = "/admin/tenants/{name}"

ROUTES = (
    Route(
        method="GET", path="/admin/tenants", summary="List tenants", handler=_list_tenants, scope=_READ,
        area="tenants", is_server_wide=True, query=PAGING, answer=list[TenantView],
    ),
    Route(
        method="POST", path="/admin/tenants", summary="Create a tenant with its signing keys",
        handler=_create_tenant, scope=_WRITE, area="tenants", is_server_wide=True, body=NewTenant,
        answer=TenantView, status=201, errors=(409,),
    ),
    Route(
        method="GET", path=_TENANT, summary="Show a tenant", handler=_get_tenant, scope=_READ, area="tenants",
        is_server_wide=True, answer=TenantView, errors=(404,),
    ),
    Route(
        method="PATCH", path=_TENANT, summary="Change, disable or enable a tenant by a merge patch (RFC 7396)",
        handler=_patch_tenant, scope=_WRITE, area="tenants", is_server_wide=True, body=TenantChange,
        media_types=(MERGE_PATCH, "application/json"), answer=TenantView, errors=(404,),
    ),
    Route(
        method="GET", path="/admin/status", handler=_status,
        summary="Show how the worker that answers is doing, and the others of its machine",
        scope=_READ, area="server", is_server_wide=True, answer=Status,
    ),
    Route(
        method="GET", path="/admin/openapi.json", summary="This document", handler=_openapi, scope=None,
        area="server", is_server_wide=True, answer=dict,
    ),
    Route(
        method="GET", path="/health/alive", summary="Whether the process answers", handler=_alive, scope=None,
        area="server", is_server_wide=True, answer=Health,
    ),
    Route(
        method="GET", path="/health/ready", summary="Whether the server can do its work, and if not, why",
        handler=_ready, scope=None, area="server", is_server_wide=True, answer=Health, errors=(503,),
    ),
    Route(
        method="GET", path="/metrics", summary="Counters in the Prometheus text format", handler=_metrics,
        scope=None, area="server", is_server_wide=True, answer=str, answer_media_type="text/plain", errors=(404,),
    ),
    Route(
        method="GET", path="/version", summary="The release that answers", handler=_version, scope=None,
        area="server", is_server_wide=True, answer=Version,
    ),
)  # fmt: skip
