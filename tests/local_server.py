"""A small HTTP server on loopback that answers whatever a test wants, byte for byte, and tells what it received.

with LocalServer(lambda received: respond(body=b"{}")) as server:
    ...  # fetch server.url
assert server.received[0].path == "/"
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import BinaryIO, Self

from msgspec import Struct


class Received(Struct, frozen=True):
    """One request as it came. ``headers``: names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answer = Callable[[Received], bytes | Iterable[bytes]]


class LocalServer:
    """Listens from its creation on, on a free port of ``127.0.0.1``.

    Args:
        answer: what is written for a request: bytes, or pieces of them, one after the other.
        context: TLS with this server certificate; None: plain HTTP.
    """

    def __init__(self, answer: Answer, *, context: ssl.SSLContext | None = None) -> None:
        self._answer, self._context = answer, context
        self.received: list[Received] = []
        self.connections = 0
        self.is_stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}/"
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.is_stopping.set()
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
        self._socket.close()
        for connection in list(self._open):
            _shut(connection)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self.is_stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        connection = plain
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(plain, server_side=True)
                self._open.discard(plain)
                self._open.add(connection)
            with connection.makefile("rb") as stream:
                self._answer_all(connection, stream)
        except OSError:
            pass  # the other side has gone, as it should from most of these answers
        finally:
            self._open.discard(connection)
            connection.close()

    def _answer_all(self, connection: socket.socket, stream: BinaryIO) -> None:
        while (received := _read(stream)) is not None:
            self.received.append(received)
            answer = self._answer(received)
            for piece in [answer] if isinstance(answer, bytes) else answer:
                if self.is_stopping.is_set():
                    return
                connection.sendall(piece)


def respond(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} Answer", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _read(stream: BinaryIO) -> Received | None:
    first = stream.readline().decode("latin-1").split(" ")
    if len(first) != 3:  # the end, or no HTTP
        return None
    method, path, _ = first
    headers = {}
    while (line := stream.readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Received(method, path, headers, stream.read(int(headers.get("content-length", 0))))


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
