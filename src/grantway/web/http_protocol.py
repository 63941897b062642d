"""The direct lane: protocol requests answered from the parser's callbacks, without an ASGI scope, a task or events.

uvicorn parses HTTP/1.1 and owns the connections. This class looks at each request when its head is complete: one for an
exact protocol path, with a body of known and allowed size, is kept back from the ASGI cycle. When its body is there,
``server.handle`` is stepped once. Nearly always it returns, and the answer is written on the spot; if it waits, a task
carries it on. Everything else (pages below a tenant, chunked bodies, ``Expect``, HTTP/1.0) takes the ASGI lane, which
answers alike: ``tests/flow/test_lanes.py`` sends the same bytes through both.

It also owns what uvicorn lacks: deadlines for a head and a body that do not arrive, in either lane.
"""
# hot path: bench/ every row

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Coroutine
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from grantway.errors import InvalidRequest, OAuthError, RequestHeaderFieldsTooLarge, ServerError
from grantway.protocol.message import Head, HeaderBlock, Request, Response, build_head, build_request
from grantway.web.access_log import log_access
from grantway.web.asgi import PublicApplication
from grantway.web.heads import Heads
from grantway.web.leaving import LINGER, has_input
from grantway.web.rendering import Rendering, UnsafeHeader
from grantway.web.stepping import resume

log = logging.getLogger("grantway.http")
MAX_HEAD_BYTES = 65536
"""Largest request line and header together; the parser itself has no bound."""


class _Turn:
    """What was written in one turn of an event loop, connection by connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._written: list[OneWriteTransport] = []

    def add(self, transport: OneWriteTransport) -> None:
        if not self._written:
            self._loop.call_soon(self._flush)
        self._written.append(transport)

    def _flush(self) -> None:
        written, self._written = self._written, []
        for transport in written:
            try:
                transport.flush()
            except Exception:  # one connection's trouble must not keep the others' answers back
                log.exception("an answer could not be written")
                transport.abort()


_turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Turn] = weakref.WeakKeyDictionary()


class OneWriteTransport:
    """A transport that gathers what is written in one turn of the event loop and writes it together.

    uvicorn hands over the head and the body of an answer one after the other: two system calls, and a waiting client is
    woken twice. Measured with one worker, client credentials in the ASGI lane: 12,800 requests a second with two
    writes, 18,200 with one.
    """

    __slots__ = ("_pending", "_transport", "_turn")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        turn = _turns.get(loop)
        if turn is None:
            turn = _turns[loop] = _Turn(loop)
        self._turn = turn
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pending:
            self._turn.add(self)
        self._pending.append(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def flush(self) -> None:
        """Writes what is pending now, rather than at the end of the turn."""
        pending = self._pending
        if not pending:
            return
        self._pending = []
        if not self._transport.is_closing():  # the client may have gone in the same turn
            self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class OneWriteProtocol(HttpToolsProtocol):
    """``HttpToolsProtocol`` over a ``OneWriteTransport``: the ASGI lane alone. A request has exactly one Host."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(OneWriteTransport(transport, self.loop))  # type: ignore[arg-type]

    def on_headers_complete(self) -> None:
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            raise InvalidRequest("A request names one host.")  # RFC 9112 §3.2: 400, by whoever feeds the parser
        super().on_headers_complete()


class _Waiting:
    """Stands where uvicorn expects the cycle of a request under way, while a direct one waits for I/O.

    So what is pipelined behind it is queued, and a graceful stop waits for it.
    """

    def __init__(self) -> None:
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = True
        self.more_body = False
        self.body = bytearray()
        self.message_event = asyncio.Event()


class DirectProtocol(OneWriteProtocol):
    """Both lanes. ``build_direct_protocol`` makes the class for one application."""

    application: PublicApplication
    paths: dict[bytes, str]
    heads: Heads
    rendering: Rendering
    cycle: Any  # uvicorn's, or a _Waiting, or None before the first request

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._direct: str | None = None
        """Path of the direct request whose body is arriving."""
        self._query = b""
        self._length = 0
        self._body: list[bytes] = []
        self._begun = 0
        """Requests that began in the piece of data at hand."""
        self._answered: Head | None = None
        """The last direct request that became complete in it."""
        self._is_open = False
        """A request has begun and is not complete."""
        self._has_head = False
        self._head_size = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._is_stopping = False
        self._active_at = 0.0

    # -- the connection -------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._active_at = self.loop.time()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_deadline()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        self._active_at = self.loop.time()
        if not self._is_open:
            end = data.find(b"\r\n\r\n") + 4
            head = self.heads.known.get(data[:end])
            if head is not None and len(data) - end == head.length and not self._is_busy():
                self._answer(head, data[end:])
                return
        began_inside, self._begun, self._answered = self._is_open, 0, None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._unsupported_upgrade_warning()
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self._is_open:
            if self._deadline is None:
                self._deadline = self.loop.call_later(self.application.body_timeout, self._give_up)
            if not self._has_head:
                self._head_size += len(data)
                if self._head_size > MAX_HEAD_BYTES:
                    self._refuse(RequestHeaderFieldsTooLarge())
        else:
            if self._deadline is not None:
                self._end_deadline()
            if self._answered is not None and self._begun == 1 and not began_inside:
                self._keep_head(data, self._answered)
            self._answered = None

    def timeout_keep_alive_handler(self) -> None:
        """One timer a connection, set again only when it fires: two timer calls a request would cost 1.5 µs."""
        idle = self.loop.time() - self._active_at
        is_busy = self._is_open or (self.cycle is not None and not self.cycle.response_complete)
        if is_busy or idle < self.timeout_keep_alive:
            wait = self.timeout_keep_alive if is_busy else self.timeout_keep_alive - idle
            self.timeout_keep_alive_task = self.loop.call_later(wait, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        """The next answer is the last one. What is idle is closed a little later: a proxy may be sending just now."""
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
        else:
            self._is_stopping = True
            self.loop.call_later(LINGER, self._leave)

    def _leave(self) -> None:
        if self.transport.is_closing() or self._is_open or (self.cycle and not self.cycle.response_complete):
            return  # gone, or its answer will close it
        if has_input(self.transport):
            self.loop.call_later(0.01, self._leave)
        else:
            self.transport.close()

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        """The head or the body did not arrive in time. A body in the ASGI lane is given up there."""
        self._deadline = None
        if not self._is_open or self.transport.is_closing():
            return
        if self._direct is not None:
            self._refuse(InvalidRequest("The request body came too slowly."))
        elif self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    # -- the parser's callbacks -----------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        self._is_open = True
        self._begun += 1
        self._has_head, self._head_size = False, 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        self._has_head = True
        path, _, query = self.url.partition(b"?")
        direct = self.paths.get(path)
        if direct is not None and self._is_simple():
            self._direct, self._query, self._body = direct, query, []
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()  # builds the scope that the ASGI lane needs
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()
        if self._is_stopping and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if self._direct is None:
            super().on_body(body)
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        self._is_open = False
        if self._direct is None:
            super().on_message_complete()
        else:
            self._answer_parsed()

    def _is_busy(self) -> bool:
        """Something is under way, or the client does not read (the ASGI lane waits until it does)."""
        return (
            (self.cycle is not None and not self.cycle.response_complete)
            or bool(self.pipeline)
            or self.flow.write_paused
        )

    def _is_simple(self) -> bool:
        """Whether nothing about the request needs the ASGI lane, and nothing is under way before it."""
        if self.expect_100_continue or self._is_busy():
            return False
        parser = self.parser
        if parser.get_http_version() != "1.1" or not parser.should_keep_alive() or parser.should_upgrade():
            return False
        length, hosts = None, 0
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name == b"host":
                hosts += 1
            elif name in (b"transfer-encoding", b"content-encoding"):
                return False
        if hosts != 1:
            return False
        self._length = 0
        if length is not None:  # the parser lets digits alone through, and one such header
            if len(length) >= 12:
                return False
            self._length = int(length)
        return self._length <= self.application.max_body

    def _keep_head(self, data: bytes, head: Head) -> None:
        """Remembers the head of the one request that the parser read from ``data``, from its first to its last byte."""
        end = len(data) - head.length
        if data.find(b"\r\n\r\n") == end - 4:  # what is looked for when it comes again has to end it
            self.heads.keep(data[:end], end, head)

    # -- answering ------------------------------------------------------------------------------------------------
    def _answer_parsed(self) -> None:
        path, self._direct = self._direct or "", None
        method = self.parser.get_method().decode("ascii")
        head = self._answered = build_head(method, path, self._query, self.headers, self._length)
        body = b"".join(self._body)
        self.url, self.headers, self._body = b"", [], []  # an idle connection keeps nothing of its last request
        self._answer(head, body, is_kept=False)

    def _answer(self, head: Head, body: bytes, *, is_kept: bool = True) -> None:
        application = self.application
        address = application.find_address(self.client, head.headers)
        began = time.perf_counter() if application.has_access_log else 0.0
        if is_kept:
            known = application.server.answer_again(head, body, address)
            if known is not None:
                self._send(head.method, head.path, 200, *known, began)
                return
        request = build_request(head, body, address, application.is_proxied(self.client))
        if not is_kept:
            request.head = None
        coroutine = application.server.handle(request)
        try:
            waits_for = coroutine.send(None)
        except StopIteration as finished:
            self._write(request, finished.value, began)
            return
        waiting = self.cycle = _Waiting()
        task = self.loop.create_task(self._answer_later(request, coroutine, waits_for, waiting, began))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _answer_later(
        self,
        request: Request,
        coroutine: Coroutine[Any, Any, Response],
        waits_for: Any,
        waiting: _Waiting,
        began: float,
    ) -> None:
        response = await resume(coroutine, waits_for)
        waiting.response_complete = True
        if waiting.disconnected:
            return
        self._is_stopping = self._is_stopping or not waiting.keep_alive
        self._write(request, response, began)
        if not self.transport.is_closing():
            self.on_response_complete()

    def _write(self, request: Request, response: Response, began: float) -> None:
        self._active_at = self.loop.time()
        self._send(request.method, request.path, response.status, tuple(response.headers), response.body, began)

    def _send(
        self,
        method: str,
        path: str,
        status: int,
        headers: HeaderBlock,
        body: bytes,
        began: float,
    ) -> None:
        state, is_last = self.server_state, self._is_stopping
        state.total_requests += 1
        try:
            answer = self.rendering.build_answer(
                state.default_headers, status, headers, body, is_head=method == "HEAD", is_last=is_last
            )
        except UnsafeHeader as error:
            log.error("%s %s: %s", method, path, error.detail)
            self._refuse(ServerError())
            return
        # gathered, not at once: the answers of one turn wake a waiting proxy once, not one by one (60 to 35 µs each)
        self.transport.write(answer)
        if is_last:
            self.transport.close()
        if self.application.has_access_log:
            log_access(method, path, status, len(body), time.perf_counter() - began)

    def _refuse(self, error: OAuthError) -> None:
        """Answers a request that is not complete, and closes."""
        self._direct = None
        refusal = self.application.server.refuse(error)
        self.transport.write(
            self.rendering.build_answer(
                self.server_state.default_headers, refusal.status, tuple(refusal.headers), refusal.body, is_last=True
            )
        )
        self.transport.close()


def build_direct_protocol(served: PublicApplication) -> type[DirectProtocol]:
    """The protocol class of a listener that serves ``served``."""

    known_paths = {path.encode("ascii"): path for path in served.paths}

    class Protocol(DirectProtocol):
        application = served
        paths = known_paths
        heads = Heads()
        rendering = Rendering()

    return Protocol
