"""Outgoing requests: the one place that makes them.

There are two kinds of URL. One that a client brought (``jwks_uri``, ``backchannel_logout_uri``, …) may lead anywhere,
so it must not lead into the network this server stands in: https, a listed port, a host whose every address is public,
and the connection goes to the address that was checked. One that the operator wrote into the settings (a hook) may
lead where the operator wants. For both: no redirects, no proxy or credentials from the environment, no cookies, a
deadline for the whole, and a bound on what is read. Why: ``docs/decisions/0007-outgoing-requests.md``.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import httpx2
from msgspec import Struct

from grantway.breaker import Breaker
from grantway.config import EgressSettings
from grantway.errors import FetchFailed, InvalidRequest
from grantway.lookups import Lookups, find_owner, is_own_address
from grantway.ports import Clock
from grantway.protocol.addresses import is_public_address, is_within, parse_networks
from grantway.protocol.json_input import parse_json

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) to the addresses it has. Raises ``OSError``: it has none."""

MAX_ANSWER_SIZE: Final = 65536
MAX_JSON_DEPTH: Final = 16
_MAX_URL_LENGTH: Final = 2048
_MOST_ADDRESSES: Final = 4  # tried one after the other; a host that has more does not need them
_IDLE: Final = 3.0  # seconds; less than any usual server waits before it closes a connection


class EgressAnswer(Struct, frozen=True):
    """What came back. ``headers``: names in lower case, repeated ones joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Egress:
    """Makes outgoing requests. One per worker.

    Args:
        issuer: of this server: a URL of a client may not lead back to it.
        resolve: how a host's addresses are found; None: as the machine finds them.
    """

    def __init__(self, settings: EgressSettings, issuer: str, clock: Clock, resolve: Resolve | None = None) -> None:
        self._settings, self._monotonic = settings, clock.monotonic
        self._lookups = Lookups()
        self.resolve: Resolve = resolve or self._lookups.find
        self.is_own_address = is_own_address
        self._own_host = (urlsplit(issuer).hostname or "").rstrip(".")
        self._insecure = parse_networks(settings.insecure_private_networks)
        self._denied = parse_networks(settings.denied_networks)
        self._slots = asyncio.Semaphore(settings.max_concurrency)
        self._operators_slots = asyncio.Semaphore(settings.max_concurrency)
        self._owners_slots: WeakValueDictionary[tuple[str, int], asyncio.Semaphore] = WeakValueDictionary()
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_pause, clock.monotonic)
        self._ssl_context: ssl.SSLContext | None = None
        self._building = asyncio.Lock()
        self._pool: httpx2.AsyncHTTPTransport | None = None

    async def fetch_json(
        self,
        url: str,
        *,
        purpose: str,
        max_bytes: int = MAX_ANSWER_SIZE,
        accept: str = "application/json",
        is_operators: bool = False,
    ) -> Any:
        """Fetches a JSON document, whatever content type it is called.

        Raises:
            FetchFailed: as ``fetch``, or it is not JSON, or deeper than 16 levels.
        """
        answer = await self.fetch(url, purpose=purpose, max_bytes=max_bytes, accept=accept, is_operators=is_operators)
        return parse_answer(answer, purpose=purpose)

    async def fetch(
        self,
        url: str,
        *,
        purpose: str,
        max_bytes: int = MAX_ANSWER_SIZE,
        accept: str = "*/*",
        is_operators: bool = False,
    ) -> EgressAnswer:
        """Fetches a document of at most ``max_bytes``, counted after decompression.

        Args:
            purpose: the metadata or setting the URL is from; one that an extension declares in ``fetches``.
            is_operators: the URL is from the operator's own settings, and may lead anywhere.

        Raises:
            FetchFailed: it may not be fetched, could not be, or the answer is not a 200.
        """
        answer = await self._request(
            "GET", url, purpose=purpose, headers={"accept": accept}, max_bytes=max_bytes, is_operators=is_operators
        )
        if answer.status != 200:
            raise FetchFailed(detail=f"{purpose} {show_url(url)!r}: status {answer.status}")
        return answer

    async def post(
        self,
        url: str,
        *,
        purpose: str,
        body: bytes,
        headers: Mapping[str, str],
        max_bytes: int = MAX_ANSWER_SIZE,
        is_operators: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - a deadline for the whole, and there may be no task yet
    ) -> EgressAnswer:
        """Sends ``body`` and returns the answer, whatever its status. A redirect is an answer, it is not followed.

        Args:
            timeout: seconds for the whole; None: ``egress.timeout``.

        Raises:
            FetchFailed: it may not be sent there, or no whole answer came in time.
        """
        return await self._request(
            "POST",
            url,
            purpose=purpose,
            headers=headers,
            body=body,
            max_bytes=max_bytes,
            is_operators=is_operators,
            timeout=timeout,
        )

    async def stop(self) -> None:
        """Closes kept connections. Idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()
        self._lookups.stop()

    async def _request(
        self,
        method: str,
        url: str,
        *,
        purpose: str,
        headers: Mapping[str, str],
        max_bytes: int,
        is_operators: bool,
        body: bytes = b"",
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> EgressAnswer:
        request = _Outgoing(method, url, headers, body, max_bytes, timeout or self._settings.timeout)
        run = self._run_operators if is_operators else self._run_clients
        try:
            # A request may have been stepped this far without a task, and a deadline needs one.
            return await asyncio.get_running_loop().create_task(run(request))
        except FetchFailed as error:
            error.detail = f"{purpose} {show_url(url)!r}: {error.detail}"
            raise
        except _FAILURES as error:
            # What these say has parts of the URL and of the headers in it.
            reason = "" if isinstance(error, _TELLTALES) else str(error)
            raise FetchFailed(detail=f"{purpose} {show_url(url)!r}: {reason or type(error).__name__}") from error

    # -- URLs of the operator -------------------------------------------------------------------------------------
    async def _run_operators(self, request: _Outgoing) -> EgressAnswer:
        async with asyncio.timeout(request.timeout), self._operators_slots:
            if self._pool is None:
                limits = httpx2.Limits(max_connections=self._settings.max_concurrency, keepalive_expiry=_IDLE)
                self._pool = await self._build_transport(limits)
            return await _exchange(self._pool, request, request.url, {})

    # -- URLs of clients ------------------------------------------------------------------------------------------
    async def _run_clients(self, request: _Outgoing) -> EgressAnswer:
        target, breaker = parse_url(request.url), self._breaker
        host = (target.host, target.port)
        if breaker.is_open(host) or breaker.is_open(request.url):
            raise FetchFailed(detail="left alone for a while, it failed too often")
        culprit: Hashable = None  # before the turn of this request nobody is to blame, nor for what a resolver does

        async def watch(event: str, _: Mapping[str, Any]) -> None:
            nonlocal culprit
            if event.endswith("send_request_headers.started"):
                # From here on it is this document: its neighbours, who may be other people's, are as good as before.
                culprit = request.url
                breaker.forget(host)

        try:
            async with asyncio.timeout(request.timeout), self._find_slots(target):
                addresses = list(dict.fromkeys(await self.resolve(target.host, target.port)))
                self._check_target(target, addresses)
                async with self._slots:
                    culprit = host
                    answer = await self._send_pinned(request, target, addresses[:_MOST_ADDRESSES], watch)
        except (FetchFailed, *_FAILURES):
            if culprit is not None:
                breaker.count(culprit)
            raise
        breaker.forget(request.url)
        return answer

    def _find_slots(self, target: Target) -> asyncio.Semaphore:
        """One owner must not keep the others waiting: all its hosts together get a quarter of the slots."""
        key, share = (find_owner(target.host), target.port), max(1, self._settings.max_concurrency // 4)
        return self._owners_slots.setdefault(key, asyncio.Semaphore(share))

    async def _send_pinned(
        self, request: _Outgoing, target: Target, addresses: Sequence[str], watch: Callable[..., Awaitable[None]]
    ) -> EgressAnswer:
        """Connects to an address that was checked, and to none that a second look-up would bring."""
        # No connection is kept: it would lead to an address that was checked long ago.
        limits = httpx2.Limits(max_connections=len(addresses), max_keepalive_connections=0)
        transport = await self._build_transport(limits)
        headers = {**request.headers, "host": target.authority}
        pinned = _Outgoing(request.method, request.url, headers, request.body, request.max_bytes, request.timeout)
        connect = {"connect": request.timeout / len(addresses)}
        extensions = {"sni_hostname": target.host, "timeout": connect, "trace": watch}
        try:
            for address in addresses[:-1]:
                with contextlib.suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                    return await _exchange(transport, pinned, target.locate(address), extensions)
            return await _exchange(transport, pinned, target.locate(addresses[-1]), extensions)
        finally:
            await transport.aclose()

    def _check_target(self, target: Target, addresses: Sequence[str]) -> None:
        """Every address is looked at: of several, a resolver may give any of them first.

        Raises:
            FetchFailed: the URL may not be used.
        """
        if not addresses:
            raise FetchFailed(detail="the host has no address")
        for address in addresses:
            if is_within(address, self._denied):  # whatever else is allowed
                raise FetchFailed(detail=f"{address} is in egress.denied_networks")
        if all(is_within(address, self._insecure) for address in addresses):
            return
        if target.scheme != "https":
            raise FetchFailed(detail="not https")
        if target.port not in self._settings.ports:
            raise FetchFailed(detail=f"port {target.port} is not in egress.ports")
        if target.host.rstrip(".") == self._own_host:
            raise FetchFailed(detail="this server's own host")
        for address in addresses:
            if not is_public_address(address):
                raise FetchFailed(detail=f"{address} is not public")
            if self.is_own_address(address):
                raise FetchFailed(detail=f"{address} is this machine's own")

    # -- connections ----------------------------------------------------------------------------------------------
    async def _build_transport(self, limits: httpx2.Limits) -> httpx2.AsyncHTTPTransport:
        async with self._building:  # it reads every authority there is: once, however many begin together
            if self._ssl_context is None:
                self._ssl_context = await asyncio.to_thread(_build_ssl_context, self._settings.ca_file)
        # A transport alone has no redirects, no cookies, no netrc and no proxy: a client would have to be told.
        return httpx2.AsyncHTTPTransport(verify=self._ssl_context, trust_env=False, limits=limits)


class Target(Struct, frozen=True):
    """A URL that was taken apart."""

    scheme: str
    host: str
    """Lower case; an IPv6 address without brackets."""
    port: int
    authority: str
    path: str
    """With its query."""

    def locate(self, address: str) -> str:
        """The URL with an address in the place of the host."""
        return f"{self.scheme}://{_bracket(address)}:{self.port}{self.path}"


def parse_url(url: str) -> Target:
    """Takes apart a URL that a client brought.

    Raises:
        FetchFailed: it is no http or https URL, is longer than 2048 characters, or has userinfo or a fragment.
    """
    if len(url) > _MAX_URL_LENGTH or not _URL.fullmatch(url):
        raise FetchFailed(detail="not a URL that is fetched")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise FetchFailed(detail="not a URL that is fetched") from error
    scheme = parts.scheme
    if scheme not in _DEFAULT_PORTS or "@" in parts.netloc or not _HOST.fullmatch(host):
        raise FetchFailed(detail="not a URL that is fetched")
    default = _DEFAULT_PORTS[scheme]
    port = default if port is None else port
    authority = _bracket(host) if port == default else f"{_bracket(host)}:{port}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme, host, port, authority, path)


def parse_answer(answer: EgressAnswer, *, purpose: str) -> Any:
    """The JSON of an answer, of at most 16 levels.

    Raises:
        FetchFailed: it is something else.
    """
    try:
        return parse_json(answer.body.decode("utf-8"), max_size=len(answer.body), max_depth=MAX_JSON_DEPTH)
    except InvalidRequest as error:
        raise FetchFailed(detail=f"{purpose}: {error.description} {error.detail or ''}") from error
    except UnicodeDecodeError as error:
        raise FetchFailed(detail=f"{purpose}: not UTF-8") from error


def show_url(url: str) -> str:
    """A URL for the log: without userinfo, query and fragment, as credentials may be there."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "no URL"
    if not parts.scheme or not host:
        return "no URL"
    return f"{parts.scheme}://{_bracket(host)}{'' if port is None else f':{port}'}{parts.path}"


class _Outgoing(Struct, frozen=True):
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    max_bytes: int
    timeout: float


async def _exchange(
    transport: httpx2.AsyncHTTPTransport, request: _Outgoing, url: str, extensions: dict[str, Any]
) -> EgressAnswer:
    """Sends one request and reads the whole answer, which must not be longer than ``max_bytes``."""
    headers = {"user-agent": "grantway", "accept-encoding": "gzip", **request.headers}
    outgoing = httpx2.Request(request.method, url, headers=headers, content=request.body, extensions=extensions)
    response = await transport.handle_async_request(outgoing)
    try:
        # A hundred nested encodings would be a hundred decoders.
        if response.headers.get("content-encoding", "identity").lower() not in ("identity", "gzip"):
            raise FetchFailed(detail="an encoding that was not asked for")
        body = bytearray()
        async for chunk in response.aiter_bytes():  # decompressed, in bounded pieces
            body += chunk
            if len(body) > request.max_bytes:
                raise FetchFailed(detail=f"more than {request.max_bytes} bytes")
    finally:
        await response.aclose()
    return EgressAnswer(response.status_code, dict(response.headers), bytes(body))


def _build_ssl_context(ca_file: str) -> ssl.SSLContext:
    context = httpx2.create_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host


_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_URL: Final = re.compile(r"[!$-;=?-\[\]_a-z~]+")  # what a URL is made of (RFC 3986 §2), but no fragment
_HOST: Final = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_FAILURES: Final = (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError)
_TELLTALES: Final = (httpx2.InvalidURL, httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, UnicodeError)
