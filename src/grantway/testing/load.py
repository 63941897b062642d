"""A client that makes races and remembers what it was told.

Its connections can hold back the last byte of a request: with all of them open and all bytes but the last sent,
releasing them makes many requests complete at the same moment (last-byte sync). What became of a request whose
connection was cut is unknown, which is a state of its own: neither done nor failed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import socket
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

Address = tuple[str, int]
TIMEOUT = 60.0
GATEWAY_FAILURES = (502, 504)
"""What a proxy says when the connection behind it was cut, or took too long."""


class Cut(Exception):
    """The connection ended, or time did, before the answer was whole: nothing is known about the outcome."""


class Answer(Struct, frozen=True):
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.body)
        return found

    @property
    def error(self) -> str | None:
        """The OAuth error code; None in a success."""
        return self.document["error"] if self.status >= 400 else None


def build_request(
    address: Address,
    method: str,
    path: str,
    *,
    form: Mapping[str, str] | None = None,
    document: Any = None,
    auth: tuple[str, str] | None = None,
    bearer: str | None = None,
) -> bytes:
    """The bytes of an HTTP/1.1 request. ``auth``: HTTP Basic credentials (RFC 6749 §2.3.1)."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address[0]}:{address[1]}"]
    if auth is not None:
        pair = ":".join(quote(part, safe="") for part in auth)
        lines.append("Authorization: Basic " + base64.b64encode(pair.encode()).decode())
    if bearer is not None:
        lines.append(f"Authorization: Bearer {bearer}")
    body = b""
    if form is not None:
        body = urlencode(form).encode()
        lines.append("Content-Type: application/x-www-form-urlencoded")
    elif document is not None:
        body = json.dumps(document).encode()
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        lines.append(f"Content-Type: {kind}")
    if method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Connection:
    """One keep-alive connection. Blocking; a time-out or an end of file in the middle is ``Cut``."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.socket = socket.create_connection(address, timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._held = b""
        self._received = b""

    def build(self, method: str, path: str, **parts: Any) -> bytes:
        return build_request(self.address, method, path, **parts)

    def send(self, request: bytes) -> None:
        try:
            self.socket.sendall(request)
        except OSError as error:
            raise Cut from error

    def hold(self, request: bytes) -> None:
        """Sends everything but the last byte."""
        self.send(request[:-1])
        self._held = request[-1:]

    def release(self) -> None:
        """Sends the last byte."""
        self.send(self._held)

    def receive(self) -> Answer:
        while b"\r\n\r\n" not in self._received:
            self._read()
        head, _, rest = self._received.partition(b"\r\n\r\n")
        status, headers, length = parse_head(head)
        self._received = rest
        while len(self._received) < length:
            self._read()
        body, self._received = self._received[:length], self._received[length:]
        return Answer(status, headers, body)

    def ask(self, method: str, path: str, **parts: Any) -> Answer:
        self.send(self.build(method, path, **parts))
        return self.receive()

    def abort(self) -> None:
        """Ends with a reset: the server learns at once that nobody listens any more."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def _read(self) -> None:
        try:
            received = self.socket.recv(65536)
        except OSError as error:
            raise Cut from error
        if not received:
            raise Cut
        self._received += received


def parse_head(head: bytes) -> tuple[int, dict[str, str], int]:
    """(status, headers by lower-case name, length of the body)."""
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split(" ", 2)[1]), headers, int(headers.get("content-length", "0"))


def race(connections: Sequence[Connection], requests: Sequence[bytes], order: random.Random) -> list[Answer]:
    """Answers to requests that all became complete at the same moment, each on a connection of its own."""
    pairs = list(zip(connections, requests, strict=True))
    for connection, request in pairs:
        connection.hold(request)
    shuffled = [connection for connection, _ in pairs]
    order.shuffle(shuffled)
    for connection in shuffled:
        connection.release()
    return [connection.receive() for connection, _ in pairs]


def ask_all(connections: Sequence[Connection], requests: Iterable[bytes]) -> list[Answer]:
    """Answers to any number of requests, as many at once as there are connections."""
    waiting, answers = list(requests), []
    for start in range(0, len(waiting), len(connections)):
        batch = list(zip(connections, waiting[start : start + len(connections)], strict=False))
        for connection, request in batch:
            connection.send(request)
        answers += [connection.receive() for connection, _ in batch]
    return answers


class AsyncConnection:
    """A connection for asyncio. It opens at the first request, and anew after it was cut or the server closed it.

    Behind a proxy, 502 and 504 are a connection that was cut: the server itself never answers so.
    """

    def __init__(self, address: Address, opened: Connection | None = None) -> None:
        self.address = address
        self._opened = opened
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, **parts: Any) -> Answer:
        """Raises ``Cut``."""
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await self._ask(build_request(self.address, method, path, **parts))
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            raise Cut from error
        if answer.headers.get("connection") == "close":
            await self.close()
        if answer.status in GATEWAY_FAILURES:
            raise Cut
        return answer

    async def _ask(self, request: bytes) -> Answer:
        if self._streams is None:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.socket.setblocking(False)
                self._streams = await asyncio.open_connection(sock=opened.socket)
            else:
                self._streams = await asyncio.open_connection(*self.address)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        status, headers, length = parse_head(head[:-4])
        return Answer(status, headers, await reader.readexactly(length))

    async def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()


class Event(Struct, frozen=True):
    """One request: what it was, when it began and ended (monotonic seconds), and the outcome. ``status`` None: cut."""

    operation: str
    family: str
    began: float
    ended: float
    status: int | None
    error: str | None = None


class History:
    """Every request that was made, in the order of their ends."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def ask(
        self, connection: AsyncConnection, operation: str, family: str, method: str, path: str, **parts: Any
    ) -> Answer | None:
        """Asks and records. None: cut, the outcome is unknown."""
        began, answer = time.monotonic(), None
        with contextlib.suppress(Cut):
            answer = await connection.ask(method, path, **parts)
        error = answer.error if answer is not None else None
        status = answer.status if answer is not None else None
        self.events.append(Event(operation, family, began, time.monotonic(), status, error))
        return answer

    def count(self, *statuses: int | None) -> int:
        """How many requests had one of these outcomes."""
        return sum(event.status in statuses for event in self.events)

    def count_failures(self) -> int:
        """Answers of 500 and above, except 503, which is an honest one."""
        return sum(event.status is not None and event.status >= 500 and event.status != 503 for event in self.events)

    def write(self, path: Path) -> None:
        """As JSON lines."""
        path.write_bytes(msgspec.json.Encoder().encode_lines(self.events))
