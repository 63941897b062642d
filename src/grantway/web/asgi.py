"""The ASGI lane: from a scope to ``server.handle`` and back, with no framework in between.

It also holds what a request may cost before anybody looks at it: the size of a body, the time it may take to arrive.
Whatever is not a path of the protocol is a static file or a 404.
"""
# hot path: bench/ every row

from __future__ import annotations

import asyncio
import ipaddress
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, MutableMapping
from typing import Any, TypeVar

from grantway.errors import InvalidRequest, OAuthError, PayloadTooLarge
from grantway.model import DEFAULT_TENANT
from grantway.protocol.message import Head, Headers, Request, build_head, build_request
from grantway.server import AuthorizationServer
from grantway.web.access_log import log_access
from grantway.web.heads import Heads
from grantway.web.static_files import build_static
from grantway.web.stepping import resume

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_WITHOUT_CONTENT = (204, 304)
_MOST_ADDRESSES = 10_000
_WELL_KNOWN = "/.well-known/oauth-authorization-server"


class PublicApplication:
    """The public listener as an ASGI application; may be mounted below a path of another one.

    It starts and stops the server with the ASGI lifespan when it runs alone; ``manages_lifespan=False`` leaves that to
    whoever embeds it.
    """

    def __init__(self, server: AuthorizationServer, *, manages_lifespan: bool = True) -> None:
        self.server = server
        self._manages_lifespan = manages_lifespan
        serve = server.runtime.settings.serve
        self.max_body, self.body_timeout, self.has_access_log = (
            serve.max_body_bytes,
            serve.body_timeout,
            serve.access_log,
        )
        self.paths = server.runtime.extensions.endpoints
        self._heads = Heads()
        self._proxies = [ipaddress.ip_network(proxy, strict=False) for proxy in serve.trusted_proxies]
        self._are_proxies: dict[str, bool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            began = time.perf_counter() if self.has_access_log else 0.0
            status, headers, body = await self._answer(scope, receive)
            if status not in _WITHOUT_CONTENT:
                headers.append((b"content-length", b"%d" % len(body)))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
            if self.has_access_log:
                log_access(scope["method"], scope["path"], status, len(body), time.perf_counter() - began)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, Headers, bytes]:
        """(status, headers without Content-Length, body)."""
        request, tenant, base = self._build_request(scope)
        if request.method not in _WITHOUT_BODY:
            try:
                request.body = await self._read_body(request, receive)
            except OAuthError as error:
                refusal = self.server.refuse(error)
                refusal.headers.append((b"connection", b"close"))  # the rest of the body is not read
                return refusal.status, refusal.headers, refusal.body
        elif request.path.startswith("/static/"):
            static = build_static(request.path[len("/static/") :], request)
            if static is not None:
                return static.status, static.headers, static.body
        if request.head is not None:
            known = self.server.answer_again(request.head, request.body, request.address)
            if known is not None:
                return 200, list(known[0]), known[1]
        response = await self.server.handle(request, tenant, base)
        return response.status, response.headers, response.body

    def _build_request(self, scope: Scope) -> tuple[Request, str, str]:
        """(request without its body, tenant, base)."""
        path: str = scope["path"]
        base: str = scope.get("root_path", "")
        address = self.find_address(scope.get("client"), scope["headers"])
        if not base and path in self.paths:
            is_proxied = self.is_proxied(scope.get("client"))
            return build_request(self._find_head(scope), b"", address, is_proxied), DEFAULT_TENANT, base
        if base and path.startswith(base):
            path = path[len(base) :]
        tenant = DEFAULT_TENANT
        if path not in self.paths:
            tenant, path, prefix = _route(path)
            base += prefix
        request = Request(
            method=scope["method"],
            path=path,
            query=scope["query_string"],
            headers=scope["headers"],
            address=address,
            is_proxied=self.is_proxied(scope.get("client")),
        )
        return request, tenant, base

    def _find_head(self, scope: Scope) -> Head:
        mark = (scope["method"], scope["path"], scope["query_string"], *map(tuple, scope["headers"]))
        head = self._heads.known.get(mark)
        if head is None:
            head = build_head(scope["method"], scope["path"], scope["query_string"], scope["headers"], 0)
            self._heads.keep(mark, sum(len(name) + len(value) for name, value in head.headers), head)
        return head

    async def _read_body(self, request: Request, receive: Receive) -> bytes:
        """The whole body, within its size and its deadline.

        Raises:
            PayloadTooLarge: before it is all read. InvalidRequest: it came too slowly, or the client left.
        """
        length = request.header(b"content-length")
        if length is not None and (not length.isdigit() or len(length) > 18 or int(length) > self.max_body):
            raise PayloadTooLarge()
        if request.header(b"content-encoding") not in (None, b"identity"):
            raise InvalidRequest("Compressed request bodies are not accepted.")
        try:
            return await _within(self._collect(receive), self.body_timeout)
        except TimeoutError as error:
            raise InvalidRequest("The request body came too slowly.") from error

    async def _collect(self, receive: Receive) -> bytes:
        body: bytes = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("The client left before the body was complete.")
            body += message.get("body", b"")
            if len(body) > self.max_body:
                raise PayloadTooLarge()
            if not message.get("more_body", False):
                return body

    def find_address(self, client: tuple[str, int] | None, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The client's address: the peer's, unless the peer is a listed proxy that names another.

        X-Forwarded-For is read from the right, past listed proxies only; what is not an IP literal ends the search, so
        nobody else's header can choose the address that guesses are counted by.
        """
        peer = client[0] if client else ""
        if not self._proxies or not self._is_proxy(peer):
            return peer
        hops = [
            hop.strip()
            for name, value in headers
            if name == b"x-forwarded-for"
            for hop in value.decode("latin-1").split(",")
        ]
        address = peer
        for hop in reversed(hops):
            try:
                address = str(ipaddress.ip_address(hop))
            except ValueError:
                return address
            if not self._is_proxy(address):
                return address
        return address

    def is_proxied(self, client: tuple[str, int] | None) -> bool:
        """Whether the peer itself is a listed proxy: asked of each request, as others may send the same head."""
        return bool(self._proxies) and client is not None and self._is_proxy(client[0])

    def _is_proxy(self, address: str) -> bool:
        known = self._are_proxies.get(address)
        if known is None:
            if len(self._are_proxies) >= _MOST_ADDRESSES:
                self._are_proxies.clear()
            known = self._are_proxies[address] = self._is_listed(address)
        return known

    def _is_listed(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    if self._manages_lifespan:
                        await self.server.start()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._manages_lifespan:
                    await self.server.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


@types.coroutine
def _within(coroutine: Coroutine[Any, Any, T], seconds: float) -> Generator[Any, Any, T]:
    """Awaits it with a deadline, and sets the deadline only if there is something to wait for.

    Nearly every body is there when it is asked for; a timer for each request would cost 3 µs (``asyncio.timeout``).

    Raises:
        TimeoutError: it was not done in time.
    """
    try:
        waits_for = coroutine.send(None)
    except StopIteration as finished:
        value: T = finished.value
        return value
    return (yield from _within_timeout(coroutine, waits_for, seconds).__await__())


async def _within_timeout(coroutine: Coroutine[Any, Any, T], waits_for: Any, seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await resume(coroutine, waits_for)


def _route(path: str) -> tuple[str, str, str]:
    """(tenant, path below its issuer, base). RFC 8414 §3.1 puts the issuer's path *behind* the well-known one."""
    if path.startswith("/t/"):
        tenant, separator, rest = path[3:].partition("/")
    elif path.startswith(_WELL_KNOWN + "/t/"):
        tenant, separator, rest = path[len(_WELL_KNOWN) + 3 :], "", _WELL_KNOWN
    else:
        return DEFAULT_TENANT, path, ""
    if tenant == DEFAULT_TENANT:  # it lives at the root and nowhere else: one issuer, one set of cookies
        return "", path, ""
    return tenant, separator + rest, f"/t/{tenant}"
