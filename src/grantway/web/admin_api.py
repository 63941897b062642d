"""The admin API on ASGI: routing, who may, and the answer. Everything it knows of its routes is in ``ROUTES``.

From that one table come the routing, the authorization (a route without a scope in it is open, and only operations
are), the OpenAPI document and the tests that try every route with every right.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route as StarletteRoute

from grantway.admin.rights import ADMIN, ALL_RIGHTS, Rights, build_rights
from grantway.errors import (
    GrantwayError,
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
)
from grantway.gate import find_access
from grantway.model import DEFAULT_TENANT
from grantway.protocol.message import Response, is_vschar
from grantway.web import (
    admin_access,
    admin_clients,
    admin_registration,
    admin_scopes,
    admin_server,
    admin_trust,
    admin_users,
)
from grantway.web.admin_call import SECURITY_HEADERS, STRICT_TRANSPORT, AdminCall, Route
from grantway.web.admin_input import LARGEST_BODY, parse_body, parse_query
from grantway.web.admin_problem import Unauthorized, build_problem_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from grantway.server import AuthorizationServer

ROUTES: tuple[Route, ...] = (
    *admin_clients.ROUTES,
    *admin_users.ROUTES,
    *admin_access.ROUTES,
    *admin_trust.ROUTES,
    *admin_scopes.ROUTES,
    *admin_registration.ROUTES,
    *admin_server.ROUTES,
)
TENANT_PREFIX = "/admin/t/{tenant}"
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_log = logging.getLogger("grantway.admin")


def build_admin_app(server: AuthorizationServer) -> ASGIApp:
    """The ASGI application of the admin listener, over a server that is started and stopped elsewhere."""
    by_path: dict[str, dict[str, Route]] = {}
    services = server.runtime.settings.serve.services
    for route in ROUTES:
        if services and route.service and route.service not in services:
            continue
        by_path.setdefault(route.path, {})[route.method] = route
    paths: list[StarletteRoute] = []
    for path, routes in by_path.items():
        resource = _Resource(server, routes)
        pattern = _build_pattern(path, routes.values())
        paths.append(StarletteRoute(pattern, resource))
        if not any(route.is_server_wide for route in routes.values()):
            paths.append(StarletteRoute(TENANT_PREFIX + pattern.removeprefix("/admin"), resource))
    app = Starlette(routes=paths, exception_handlers={404: _answer_unknown_path})
    app.router.redirect_slashes = False
    return app


def _build_pattern(path: str, routes: Iterable[Route]) -> str:
    return path.removesuffix("}") + ":path}" if any(route.has_slashes for route in routes) else path


async def _answer_unknown_path(request: Request, error: Exception) -> StarletteResponse:
    return _send(build_problem_response(NotFound("resource at", request.url.path[:200])), request.url.scheme)


class _Resource:
    """One path with its methods, as an ASGI application."""

    def __init__(self, server: AuthorizationServer, routes: Mapping[str, Route]) -> None:
        self._server, self._routes = server, routes
        self._allowed = tuple(sorted({*routes, *(["HEAD"] if "GET" in routes else [])}))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        if_match = request.headers.get("if-match")
        try:
            answer = await self._answer(request, if_match)
        except GrantwayError as error:
            answer = build_problem_response(error, is_conditional=if_match is not None)
        except Exception as error:
            _log.exception("%s %s failed", request.method, scope["path"])
            answer = build_problem_response(error)
        await _send(answer, request.url.scheme)(scope, receive, send)

    async def _answer(self, request: Request, if_match: str | None) -> Response:
        route = self._routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            raise MethodNotAllowed(self._allowed)
        _check_path(request.path_params)
        query = parse_query(request.scope["query_string"], route.query)
        path = dict(request.path_params)
        is_prefixed = "tenant" in path
        tenant = path.pop("tenant", DEFAULT_TENANT)
        actor, rights = await _authorize(self._server, request, tenant, route.scope)
        if is_prefixed and await self._server.runtime.grid.tenant(tenant) is None:
            raise NotFound("tenant", tenant)
        body = None
        if route.body is not None:
            raw = await _read_body(request, self._server.runtime.settings.serve.body_timeout)
            body = parse_body(route, request.headers.get("content-type"), raw)
        call = AdminCall(
            server=self._server,
            route=route,
            prefix=f"/admin/t/{tenant}" if is_prefixed else "/admin",
            tenant=tenant,
            actor=actor,
            rights=rights,
            path=path,
            query=query,
            body=body,
            if_match=if_match,
        )
        return await route.handler(call)


def _check_path(parameters: Mapping[str, str]) -> None:
    """Nothing is named with control characters or more than 255 of any, so the store need not be asked."""
    for value in parameters.values():
        if len(value) > 255 or not value.isprintable():
            raise NotFound("resource named", value[:64])


async def _read_body(request: Request, deadline: int) -> bytes:
    """The body, up to 1 MiB; more is refused before it is taken in (whatever Content-Length claims).

    Raises:
        PayloadTooLarge. InvalidRequest: it is compressed, or does not arrive within ``deadline`` seconds.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise InvalidRequest("Compressed request bodies are not accepted.")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and (len(declared) > 12 or int(declared) > LARGEST_BODY):
        raise PayloadTooLarge()
    body = bytearray()
    try:
        async with asyncio.timeout(deadline):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise PayloadTooLarge()
    except (TimeoutError, ClientDisconnect) as error:
        raise InvalidRequest("The request body did not arrive in time.") from error
    return bytes(body)


async def _authorize(
    server: AuthorizationServer, request: Request, tenant: str, scope: str | None
) -> tuple[str, Rights]:
    """Who asks, and what they may.

    Raises:
        Unauthorized: there is no token. InvalidToken: it is not good here. InsufficientScope: it may not do this.
    """
    if scope is None:
        return "anybody", Rights(frozenset())
    token = _read_token(request)
    if token is None:
        if server.runtime.settings.admin.insecure_open and _is_local(request):
            return "anybody on loopback", ALL_RIGHTS
        raise Unauthorized()
    actor, rights = await _identify(server, tenant, token)
    if not rights.has(scope):
        raise InsufficientScope(scope, f"The token needs the scope {scope} or {ADMIN}.")
    return actor, rights


def _read_token(request: Request) -> str | None:
    """The bearer token of the one Authorization header (RFC 6750 §2.1); None without that header."""
    values = request.headers.getlist("authorization")
    if len(values) > 1:
        raise InvalidRequest("The Authorization header was sent more than once.")
    if not values:
        return None
    scheme, _, token = values[0].strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or " " in token or not is_vschar(token):
        raise InvalidToken("The Authorization header must be: Bearer, a space, an access token.")
    return token


async def _identify(server: AuthorizationServer, tenant: str, token: str) -> tuple[str, Rights]:
    runtime = server.runtime
    issuer = await runtime.grid.tenant(tenant)
    if issuer is None or not issuer.enabled:
        raise InvalidToken()
    claims = await find_access(runtime, tenant, token)
    if claims is None:
        raise InvalidToken()
    if claims.audience and issuer.issuer not in claims.audience:
        raise InvalidToken("The token is meant for another audience.")
    if claims.confirmation:
        raise InvalidToken("The token is bound to a key, and this listener cannot see the proof.")
    client = await runtime.grid.client(tenant, claims.client_id)
    if client is None or not client.enabled:
        raise InvalidToken()
    scope = claims.scope.split(" ")
    if claims.subject is None:
        return f"client:{claims.client_id}", build_rights(scope)
    person = await runtime.grid.subject(tenant, claims.subject)
    if person is None or not person.enabled:
        raise InvalidToken()
    return f"user:{claims.subject}", build_rights(scope, person.roles)


def _is_local(request: Request) -> bool:
    """A program on this machine and no page in a browser: that names another Host (DNS rebinding) or an Origin."""
    peer = request.client
    if peer is not None:
        try:
            if not ipaddress.ip_address(peer.host).is_loopback:
                return False
        except ValueError:
            return False
    host = request.headers.get("host", "")
    name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
    return name.lower() in _LOOPBACK_NAMES and "origin" not in request.headers


def _send(answer: Response, scheme: str) -> StarletteResponse:
    response = StarletteResponse(answer.body, status_code=answer.status)
    headers = [*answer.headers, *SECURITY_HEADERS]
    if scheme == "https":
        headers.append(STRICT_TRANSPORT)
    if answer.status != 204:  # RFC 9110 §8.6: a 204 has none
        headers.append((b"content-length", str(len(answer.body)).encode()))
    response.raw_headers = headers
    return response
