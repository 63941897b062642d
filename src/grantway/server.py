"""The authorization server: wires everything once, then answers requests one by one.

``await server.handle(request)`` is the whole protocol, without a framework: the ASGI application, a test, or an
embedding program call the same method.
"""
# hot path: bench/ every row

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Iterable
from typing import Any, cast

from msgspec.structs import replace

from grantway.admin.tenants import change_issuer
from grantway.config import Settings, check_settings
from grantway.egress import Egress
from grantway.errors import (
    ConfigurationError,
    Conflict,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    OAuthError,
    ServerError,
    Unprocessable,
)
from grantway.events import Event
from grantway.extension import Again, Call, Endpoint, Extension, Runtime
from grantway.foreign_keys import ForeignKeys
from grantway.keys import Keys
from grantway.maintenance import Maintenance
from grantway.model import DEFAULT_TENANT, Tenant
from grantway.notices import Notices
from grantway.passwords import Passwords
from grantway.ports import Clock, Entropy, EventSink, Pages, Store
from grantway.protocol.message import (
    NO_REFERRER,
    NO_SNIFF,
    NO_STORE,
    Head,
    HeaderBlock,
    Request,
    Response,
    build_error_response,
)
from grantway.protocol.sealing import Ring
from grantway.registry import build_extensions, select_endpoints
from grantway.storage import open_redis, open_store
from grantway.storage.grid import NearCaches
from grantway.throttle import Throttle
from grantway.tokens import Tokens

log = logging.getLogger("grantway.server")

CLOCK_TOLERANCE = 0.1
"""Seconds by which a node's clock may be off before it is set. Less would make it step back and forth."""
_MOST_AGAIN = 4096  # about 2 kB each
_LONGEST_AGAIN = 4096
_MOST_MARKS = 16384
_VARY_ORIGIN = (b"vary", b"origin")
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class SystemClock:
    """The machine's clocks. Steered, it goes by the database's clock and whatever happens to the machine's own."""

    def __init__(self) -> None:
        self._origin = time.time_ns() - time.monotonic_ns()

    def now(self) -> int:
        return (time.monotonic_ns() + self._origin) // 1_000_000

    def steer(self, now: int | None, uncertainty: float) -> None:
        true = time.time_ns() if now is None else now * 1_000_000
        off = (true - self._origin - time.monotonic_ns()) / 1e9
        if abs(off) > uncertainty + CLOCK_TOLERANCE:
            self._origin = true - time.monotonic_ns()
            log.warning("the clock was %.1f s off and has been set", -off)

    monotonic = staticmethod(time.monotonic)


class SystemEntropy:
    """The operating system's CSPRNG."""

    def token_bytes(self, size: int) -> bytes:
        return os.urandom(size)


class NoEvents:
    """Drops events: for embedding programs that want none."""

    def emit(self, event: Event) -> None:
        return None


class AuthorizationServer:
    """An OAuth 2.0 authorization server and OpenID Connect provider.

    Args:
        settings: everything that can be configured; ``secrets.sealing`` must hold at least one secret.
        pages: renders what people see.
        store, clock, entropy, events: what a host may provide instead of the built-in ones.
        extensions: grants, endpoints … besides the built-in and the installed ones.

    Raises:
        ConfigurationError: the settings are unsafe or incomplete, or extensions collide.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        pages: Pages,
        store: Store | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        events: EventSink | None = None,
        extensions: Iterable[Extension] = (),
    ) -> None:
        check_settings(settings)
        if not settings.secrets.sealing:
            raise ConfigurationError("secrets.sealing: no secret is set. Make one with: grantway keys generate-secret")
        clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
        store = store if store is not None else cast(Store, open_store(settings, clock))
        grid = NearCaches(store, settings, clock)
        self._redis = redis = open_redis(settings)
        if redis is not None:
            store.on_change(redis.tell)
        ring = Ring([secret.reveal().encode() for secret in settings.secrets.sealing])
        keys = Keys(settings, ring, store, grid, clock, entropy)
        egress = Egress(settings.egress, settings.issuer, clock)
        self.runtime = Runtime(
            settings=settings,
            store=store,
            grid=grid,
            clock=clock,
            entropy=entropy,
            events=events or NoEvents(),
            pages=pages,
            keys=keys,
            tokens=Tokens(settings, keys, store, grid, clock, entropy),
            passwords=Passwords(settings.passwords, entropy),
            throttle=Throttle(settings, store, clock, redis if settings.limits.shared == "redis" else None),
            egress=egress,
            foreign_keys=ForeignKeys(settings.egress, egress, clock),
            extensions=build_extensions(extensions, settings),
        )
        self._endpoints = select_endpoints(self.runtime.extensions.endpoints, settings.serve.services)
        self._below = {
            path.rpartition("/")[0]: endpoint for path, endpoint in self._endpoints.items() if path.endswith("}")
        }
        self._hsts = [_HSTS] if settings.issuer.startswith("https://") else []
        self._maintenance = Maintenance(self.runtime)
        self.notices = Notices(self.runtime, lambda: self._maintenance.leadership.is_held)
        self._again: dict[tuple[Head, bytes], Again] = {}
        self._came_before: set[int] = set()

    # -- life cycle -----------------------------------------------------------------------------------------------
    async def start(self, *, adopts_issuer: bool = False) -> None:
        """Opens the store, fills the near caches, and makes sure the default tenant and its keys exist.

        ``adopts_issuer``: where the database knows another issuer, it gets the one of the settings; without it that is
        an error, as nodes of different settings would change it back and forth under everybody's tokens.

        Raises:
            SchemaError: the database needs ``grantway migrate up``. StoreUnavailable: it does not answer.
            ConfigurationError: the database is another issuer's.
        """
        runtime = self.runtime
        runtime.is_stopping = False
        try:
            await runtime.store.start()
            await runtime.grid.start()
            if self._redis is not None:
                await self._redis.start(runtime.grid.wake)
            await self._ensure_default_tenant(adopts_issuer)
            await runtime.keys.ensure(DEFAULT_TENANT)
            await self._check_issuer()
        except BaseException:
            await self.stop()
            raise
        self._maintenance.start()
        self.notices.start()

    async def stop(self) -> None:
        """Stops background work, finishes accepted writes and closes the store. Idempotent."""
        self.runtime.is_stopping = True
        await self.notices.stop()
        await self._maintenance.stop()
        if self._redis is not None:
            await self._redis.stop()
        await self.runtime.egress.stop()
        await self.runtime.grid.stop()
        await self.runtime.store.stop()
        self.runtime.passwords.stop()

    def status(self) -> dict[str, Any]:
        """How this worker is doing: near caches, SQL statements, rate limits, and Redis where there is one."""
        # Not in the port: a store that a host provides may have no statements to count.
        count_statements = getattr(self.runtime.store, "statement_counts", dict)
        return {
            "grid": self.runtime.grid.status(),
            "statements": count_statements(),
            "limits": self.runtime.throttle.status(),
            "redis": self._redis.status() if self._redis is not None else None,
        }

    async def _ensure_default_tenant(self, adopts_issuer: bool) -> None:
        """Until there are signing keys, nothing carries the issuer, and the settings may still change it."""
        runtime = self.runtime
        stored, now = await runtime.store.load_tenant(DEFAULT_TENANT), runtime.clock.now()
        if stored is None:
            tenant = Tenant(tenant=DEFAULT_TENANT, issuer=runtime.settings.issuer, created_at=now, updated_at=now)
            with contextlib.suppress(Conflict):  # another worker starting at the same moment made it
                await runtime.store.insert_tenant(tenant)
        elif adopts_issuer or not await runtime.store.list_keys(DEFAULT_TENANT):
            await change_issuer(runtime, DEFAULT_TENANT, runtime.settings.issuer, actor="settings")

    async def _check_issuer(self) -> None:
        """Raises ``ConfigurationError``."""
        stored, configured = await self.runtime.store.load_tenant(DEFAULT_TENANT), self.runtime.settings.issuer
        if stored is not None and stored.issuer != configured:
            raise ConfigurationError(
                f"issuer: the settings say {configured}, the database is {stored.issuer}'s, and what it signed says so "
                "too. Correct the setting; or, if the server is to have another issuer from now on, run: "
                f"grantway tenants update default --issuer {configured}"
            )

    # -- requests -------------------------------------------------------------------------------------------------
    async def handle(self, request: Request, tenant: str = DEFAULT_TENANT, base: str = "") -> Response:
        """Answers one request. It never raises: whatever goes wrong is an answer of the right kind.

        Args:
            request: its ``path`` is below the tenant's issuer.
            base: path prefix of this issuer on this host, for links.
        """
        endpoint = self._find_endpoint(request.path)
        if endpoint is None:
            return _build_not_found(self._hsts)
        runtime = self.runtime
        call: Call | None = None
        try:
            found = runtime.grid.recall_tenant(tenant)
            if found is None:
                found = await runtime.grid.tenant(tenant, or_stale=endpoint.is_answered_when_stale)
            if found is None or not found.enabled:
                return _build_not_found(self._hsts)
            call = Call(runtime=runtime, request=request, tenant=found, now=runtime.clock.now(), base=base)
            if request.head is not None and endpoint.is_replayable:
                call.wants_again = self._came(request.head, request.body)
            if not endpoint.is_answered_when_stale:
                verdict = runtime.throttle.limit_address(request.address, call.response_headers)
                if verdict is not None:
                    await self._await_verdict(endpoint, call, verdict)
            if request.method not in endpoint.methods:
                response = await self._answer_other_method(endpoint, call)
            else:
                response = await endpoint.handle(call)
        except Exception as error:
            response = self._refuse(endpoint, call, _read_error(request, error))
        if call is not None:
            response = await self._complete(endpoint, call, response)
        response.headers += self._hsts
        if call is not None and call.again is not None:
            self._remember(call, call.again, response)
        return response

    def _find_endpoint(self, path: str) -> Endpoint | None:
        return self._endpoints.get(path) or self._below.get(path.rpartition("/")[0])

    async def _await_verdict(self, endpoint: Endpoint, call: Call, verdict: Awaitable[None]) -> None:
        """Where a client authenticates, the gate waits for the address's limit together with the client's."""
        if endpoint.challenge == b"Basic":
            call.address_verdict = verdict
        else:
            await verdict

    async def _shape(self, endpoint: Endpoint, call: Call, response: Response) -> Response:
        """The answer in the form that the request asked for."""
        usual = response
        try:
            for feature in self.runtime.extensions.rendering:
                response = await feature.shape_response(call, endpoint, response)
        except Exception as error:
            response = self._refuse(endpoint, call, _read_error(call.request, error))
        if response is not usual:
            call.again = None  # what it knows how to say again is the usual form
        return response

    async def _complete(self, endpoint: Endpoint, call: Call, response: Response) -> Response:
        """The answer in the form that was asked for, with what the call collected on its way, and CORS where the
        endpoint has it."""
        if self.runtime.extensions.rendering:
            response = await self._shape(endpoint, call, response)
        response.headers += call.response_headers
        if not endpoint.has_cors:
            return response
        if NO_STORE not in response.headers:  # what no cache keeps need not say by what it varies
            response.headers.append(_VARY_ORIGIN)
        if call.request.has_header(b"origin"):
            await self._allow_origin(call, response)
        return response

    def answer_again(self, head: Head, body: bytes, address: str) -> tuple[HeaderBlock, bytes] | None:
        """The answer to bytes that came before, if nothing it rests on has changed; None: ``handle`` has to look.

        Head and body together are the request. Returns (headers, body) of a 200.
        """
        again = self._again.get((head, body))
        if again is None:
            return None
        runtime = self.runtime
        now = runtime.clock.now()
        is_same = again.scopes is None or _are_scopes(runtime, again)
        if is_same and now < again.until and runtime.grid.holds(again.tenant, *again.clients):
            if not runtime.throttle.limit_again(again.clients[0], address):
                return None
            try:
                content = again.answer(now)
            except Exception:
                log.exception("%s %s could not be answered again", head.method, head.path)
                content = None
            if content is not None:
                return again.headers, content
            runtime.throttle.undo_again(again.clients[0], address)
        del self._again[head, body]
        return None

    def _came(self, head: Head, body: bytes) -> bool:
        """Whether these bytes came before, lately: remembering those that come once would cost more than it saves."""
        mark = hash((head, body))
        if mark in self._came_before:
            return True
        if len(self._came_before) >= _MOST_MARKS:
            self._came_before.clear()
        self._came_before.add(mark)
        return False

    def _remember(self, call: Call, again: Again, response: Response) -> None:
        request = call.request
        if request.head is None or response.status != 200 or request.has_header(b"origin"):
            return
        if len(request.body) > _LONGEST_AGAIN:
            return
        if any(not name.startswith(b"ratelimit") for name, _ in call.response_headers):
            return
        again.headers = tuple(header for header in response.headers if not header[0].startswith(b"ratelimit"))
        if len(self._again) >= _MOST_AGAIN:
            self._again.clear()
        self._again[request.head, request.body] = again

    async def _answer_other_method(self, endpoint: Endpoint, call: Call) -> Response:
        method = call.request.method
        if method == "HEAD" and "GET" in endpoint.methods:
            get = replace(call.request, method="GET")
            # the sender leaves out the body, but says its length (RFC 9110 §8.6)
            return await endpoint.handle(replace(call, request=get))
        if method == "OPTIONS" and endpoint.has_cors:
            allowed = ", ".join(endpoint.methods).encode()
            headers = [
                (b"access-control-allow-methods", allowed),
                (b"access-control-allow-headers", b"authorization, content-type"),
                (b"access-control-max-age", b"600"),
                (b"allow", allowed + b", OPTIONS"),
            ]
            return Response(status=204, headers=headers)
        raise MethodNotAllowed(endpoint.methods)

    async def _allow_origin(self, call: Call, response: Response) -> None:
        """CORS for the origins clients registered; the client's own ones where the client is known. No credentials."""
        try:
            raw = call.request.header(b"origin")
            if raw is None or raw == b"null":
                return
            origin = raw.decode("latin-1")
            if call.client is not None:
                is_allowed = origin in call.client.allowed_cors_origins
            else:
                is_allowed = len(origin) <= 255 and await self.runtime.grid.is_origin_allowed(
                    call.tenant.tenant, origin
                )
        except OAuthError:
            return
        if is_allowed:
            response.headers.append((b"access-control-allow-origin", raw))
            response.headers.append(
                (b"access-control-expose-headers", b"www-authenticate, retry-after, ratelimit, ratelimit-policy")
            )

    def refuse(self, error: OAuthError) -> Response:
        """The answer to a request that was not looked at: its body was too large or did not arrive."""
        response = build_error_response(error, realm=self.runtime.settings.issuer)
        response.headers += self._hsts
        return response

    def _refuse(self, endpoint: Endpoint, call: Call | None, error: OAuthError) -> Response:
        if error.detail is not None:
            log.info("%s refused: %s (%s)", endpoint.name, error.code, error.detail)
        if call is None or not endpoint.is_page:
            realm = call.tenant.issuer if call is not None else self.runtime.settings.issuer
            return build_error_response(error, realm=realm, scheme=endpoint.challenge)
        response = self.runtime.pages.render(
            "error",
            {
                "issuer_name": call.tenant.display_name or call.tenant.issuer.split("://", 1)[1],
                "base": call.base,
                "title": "This did not work",
                "error": error.code,
                "description": error.description,
                "client": None,
            },
            status=400 if error.status == 401 else error.status,  # a 401 page would need a challenge
        )
        extra = build_error_response(error).headers
        response.headers += [(name, value) for name, value in extra if name in (b"retry-after", b"allow")]
        return response


def _read_error(request: Request, error: Exception) -> OAuthError:
    """What a request is answered that ended in ``error``: a fault of the server's own is logged whole."""
    if isinstance(error, OAuthError):
        return error
    if isinstance(error, NotFound | Conflict | Unprocessable):  # somebody else was faster, or a value does not fit
        return InvalidRequest(str(error))
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return ServerError()


def _are_scopes(runtime: Runtime, again: Again) -> bool:
    """Whether the registry of scopes is what it was."""
    return runtime.grid.recall_entries(again.tenant.tenant, "scope") is again.scopes


def _build_not_found(more: list[tuple[bytes, bytes]]) -> Response:
    body = b'{"error":"not_found","error_description":"There is nothing here."}'
    headers = [(b"content-type", b"application/json"), NO_STORE, NO_SNIFF, NO_REFERRER, *more]
    return Response(status=404, headers=headers, body=body)
