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
import time
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from grantway.errors import InvalidRequest, OAuthError, RequestHeaderFieldsTooLarge, ServerError
from grantway.protocol.message import Request, Response
from grantway.web.asgi import PublicApplication, log_access
from grantway.web.stepping import resume

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_WITHOUT_CONTENT = (204, 304)
MAX_HEAD_BYTES = 65536
"""Largest request line and header together; the parser itself has no bound."""


class OneWriteTransport:
    """A transport that gathers what is written in one turn of the event loop and writes it together.

    uvicorn hands over the head and the body of an answer one after the other: two system calls, and a waiting client is
    woken twice. Measured with one worker, client credentials in the ASGI lane: 12,800 requests a second with two
    writes, 18,200 with one.
    """

    __slots__ = ("_loop", "_pending", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pending = self._pending
        if not pending:
            return
        self._pending = []
        if not self._transport.is_closing():  # the client may have gone in the same turn
            self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class OneWriteProtocol(HttpToolsProtocol):
    """``HttpToolsProtocol`` over a ``OneWriteTransport``: the ASGI lane alone."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(OneWriteTransport(transport, self.loop))  # type: ignore[arg-type]


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
    cycle: Any  # uvicorn's, or a _Waiting, or None before the first request

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._paths = {path.encode("ascii"): path for path in self.application.paths}
        self._direct: str | None = None
        """Path of the direct request whose body is arriving."""
        self._query = b""
        self._body: list[bytes] = []
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
        elif self._deadline is not None:
            self._end_deadline()

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
        if self._direct is not None:
            self._is_stopping = True
        else:
            super().shutdown()

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
        self._has_head, self._head_size = False, 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        self._has_head = True
        path, _, query = self.url.partition(b"?")
        direct = self._paths.get(path)
        if direct is not None and self._is_simple():
            self._direct, self._query, self._body = direct, query, []
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()  # builds the scope that the ASGI lane needs
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

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
            self._answer()

    def _is_simple(self) -> bool:
        """Whether nothing about the request needs the ASGI lane, and nothing is under way before it."""
        if (self.cycle is not None and not self.cycle.response_complete) or self.pipeline or self.expect_100_continue:
            return False
        if self.flow.write_paused:  # the client does not read: the ASGI lane waits until it does
            return False
        parser = self.parser
        if parser.get_http_version() != "1.1" or not parser.should_keep_alive() or parser.should_upgrade():
            return False
        length = None
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name in (b"transfer-encoding", b"content-encoding"):
                return False
        if length is not None:  # the parser lets digits alone through, and one such header
            return len(length) < 12 and int(length) <= self.application.max_body
        return True

    # -- answering ------------------------------------------------------------------------------------------------
    def _answer(self) -> None:
        began = time.perf_counter() if self.application.has_access_log else 0.0
        path, self._direct = self._direct or "", None
        headers = self.headers
        request = Request(
            method=self.parser.get_method().decode("ascii"),
            path=path,
            query=self._query,
            headers=headers,
            body=b"".join(self._body),
            address=self.application.find_address(self.client, headers),
        )
        coroutine = self.application.server.handle(request)
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
        self.server_state.total_requests += 1
        is_last = self._is_stopping
        # gathered, not at once: the answers of one turn wake a waiting proxy once, not one by one (60 to 35 µs each)
        self.transport.write(self._build_answer(response, is_head=request.method == "HEAD", is_last=is_last))
        if is_last:
            self.transport.close()
        if self.application.has_access_log:
            log_access(request.method, request.path, response, time.perf_counter() - began)

    def _refuse(self, error: OAuthError) -> None:
        """Answers a request that is not complete, and closes."""
        self._direct = None
        answer = self._build_answer(self.application.server.refuse(error), is_head=False, is_last=True)
        self.transport.write(answer)
        self.transport.close()

    def _build_answer(self, response: Response, *, is_head: bool, is_last: bool) -> bytes:
        lines = [_STATUS_LINES[response.status]]
        headers = [*self.server_state.default_headers, *response.headers]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        if response.status not in _WITHOUT_CONTENT:
            lines.append(b"content-length: %d\r\n" % len(response.body))
        if is_last:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        expected = len(headers) + 1 + (response.status not in _WITHOUT_CONTENT) + is_last
        if head.count(b"\n") != expected or head.count(b"\r") != expected:  # a line break inside a header value
            safe = self.application.server.refuse(ServerError())
            return self._build_answer(safe, is_head=is_head, is_last=is_last)
        return head + b"\r\n" if is_head else head + b"\r\n" + response.body


def build_direct_protocol(served: PublicApplication) -> type[DirectProtocol]:
    """The protocol class of a listener that serves ``served``."""

    class Protocol(DirectProtocol):
        application = served

    return Protocol
