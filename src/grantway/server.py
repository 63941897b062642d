"""The authorization server: wires everything once, then answers requests one by one.

``await server.handle(request)`` is the whole protocol, without a framework: the ASGI application, a test, or an
embedding program call the same method.
"""
# hot path: bench/ every row

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Iterable
from typing import cast

from msgspec.structs import replace

from grantway.config import Settings, check_settings
from grantway.errors import ConfigurationError, Conflict, MethodNotAllowed, OAuthError, ServerError
from grantway.events import Event
from grantway.extension import Call, Endpoint, Extension, Runtime
from grantway.keys import Keys
from grantway.model import DEFAULT_TENANT, Tenant
from grantway.passwords import Passwords
from grantway.ports import Clock, Entropy, EventSink, Pages, Store
from grantway.protocol.message import NO_REFERRER, NO_SNIFF, NO_STORE, Request, Response, build_error_response
from grantway.protocol.sealing import Ring
from grantway.registry import build_extensions
from grantway.storage import open_store
from grantway.storage.grid import NearCaches
from grantway.throttle import Throttle
from grantway.tokens import Tokens

log = logging.getLogger("grantway.server")

_MAINTENANCE_INTERVAL = 60.0
_VARY_ORIGIN = (b"vary", b"origin")
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class SystemClock:
    """The machine's clocks."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


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
        ring = Ring([secret.reveal().encode() for secret in settings.secrets.sealing])
        keys = Keys(settings, ring, store, grid, clock, entropy)
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
            throttle=Throttle(settings.throttle, store),
            extensions=build_extensions(extensions),
        )
        self._endpoints = self.runtime.extensions.endpoints
        self._hsts = [_HSTS] if settings.issuer.startswith("https://") else []
        self._maintenance: asyncio.Task[None] | None = None

    # -- life cycle -----------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Opens the store, fills the near caches, and makes sure the default tenant and its keys exist.

        Raises:
            SchemaError: the database needs ``grantway migrate up``. StoreUnavailable: it does not answer.
        """
        runtime = self.runtime
        runtime.is_stopping = False
        await runtime.store.start()
        await runtime.grid.start()
        await self._ensure_default_tenant()
        await runtime.keys.ensure(DEFAULT_TENANT)
        self._maintenance = asyncio.create_task(self._maintain())

    async def stop(self) -> None:
        """Stops background work, finishes accepted writes and closes the store. Idempotent."""
        self.runtime.is_stopping = True
        if self._maintenance is not None:
            self._maintenance.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._maintenance
            self._maintenance = None
        await self.runtime.grid.stop()
        await self.runtime.store.stop()
        self.runtime.passwords.stop()

    async def _ensure_default_tenant(self) -> None:
        """The default tenant's issuer is the configured one."""
        runtime = self.runtime
        stored = await runtime.store.load_tenant(DEFAULT_TENANT)
        now = runtime.clock.now()
        if stored is None:
            tenant = Tenant(tenant=DEFAULT_TENANT, issuer=runtime.settings.issuer, created_at=now, updated_at=now)
            with contextlib.suppress(Conflict):  # another worker starting at the same moment made it
                await runtime.store.insert_tenant(tenant)
        elif stored.issuer != runtime.settings.issuer:
            await runtime.store.update_tenant(replace(stored, issuer=runtime.settings.issuer, updated_at=now))

    async def _maintain(self) -> None:
        """Now and then: rotates keys that are due, deletes rows that no longer matter."""
        while True:
            await asyncio.sleep(_MAINTENANCE_INTERVAL)
            try:
                await self._rotate_keys()
                await self.runtime.store.clean(now=self.runtime.clock.now())
            except Exception:
                log.exception("maintenance failed; it is tried again in %d s", _MAINTENANCE_INTERVAL)

    async def _rotate_keys(self) -> None:
        cursor = None
        while True:
            page = await self.runtime.store.list_tenants(cursor=cursor)
            for tenant in page.items:
                await self.runtime.keys.rotate_due(tenant.tenant)
            cursor = page.cursor
            if cursor is None:
                return

    # -- requests -------------------------------------------------------------------------------------------------
    async def handle(self, request: Request, tenant: str = DEFAULT_TENANT, base: str = "") -> Response:
        """Answers one request. It never raises: whatever goes wrong is an answer of the right kind.

        Args:
            request: its ``path`` is below the tenant's issuer.
            base: path prefix of this issuer on this host, for links.
        """
        endpoint = self._endpoints.get(request.path)
        if endpoint is None:
            return _build_not_found(self._hsts)
        runtime = self.runtime
        call: Call | None = None
        try:
            found = await runtime.grid.tenant(tenant, or_stale=endpoint.is_answered_when_stale)
            if found is None or not found.enabled:
                return _build_not_found(self._hsts)
            call = Call(runtime=runtime, request=request, tenant=found, now=runtime.clock.now(), base=base)
            if request.method not in endpoint.methods:
                response = await self._answer_other_method(endpoint, call)
            else:
                response = await endpoint.handle(call)
        except OAuthError as error:
            response = self._refuse(endpoint, call, error)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            response = self._refuse(endpoint, call, ServerError())
        if call is not None:
            response.headers += call.response_headers
            if endpoint.has_cors:
                if NO_STORE not in response.headers:  # what no cache keeps need not say by what it varies
                    response.headers.append(_VARY_ORIGIN)
                if request.has_header(b"origin"):
                    await self._allow_origin(call, response)
        response.headers += self._hsts
        return response

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
            response.headers.append((b"access-control-expose-headers", b"www-authenticate, retry-after"))

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


def _build_not_found(more: list[tuple[bytes, bytes]]) -> Response:
    body = b'{"error":"not_found","error_description":"There is nothing here."}'
    headers = [(b"content-type", b"application/json"), NO_STORE, NO_SNIFF, NO_REFERRER, *more]
    return Response(status=404, headers=headers, body=body)
