"""Addresses where no database server answers, each in its own way."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

WAYS = ("refuses", "is silent", "hangs up", "speaks something else")


class Unreachable:
    """A port on this machine where a connection gets no further."""

    def __init__(self, way: str) -> None:
        self._way = way
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepted: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> int:
        port: int = self._listener.getsockname()[1]
        if self._way == "refuses":
            self._listener.close()
        else:
            self._thread.start()
        return port

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._way == "refuses":
            return
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()
        for accepted in self._accepted:
            accepted.close()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            if self._way == "hangs up":
                accepted.close()
                continue
            self._accepted.append(accepted)
            if self._way == "speaks something else":
                with contextlib.suppress(OSError):
                    accepted.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
