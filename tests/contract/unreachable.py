"""Addresses where no database server answers, each in its own way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Any

import pytest

from grantway.config import DatabaseSettings, Settings
from grantway.errors import StoreUnavailable
from grantway.storage import open_store
from grantway.storage.sql import schema
from grantway.testing.clock import FakeClock

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


def open_at(url: str, timeout: int = 1) -> Any:
    return open_store(Settings(database=DatabaseSettings(url=url, timeout=timeout)), FakeClock())


def check_unavailable_in_time(way: str, url: str) -> None:
    """Neither a store nor a command waits long for a server at ``url`` (with ``{port}``) that cannot be reached."""

    async def start(url: str) -> None:
        store = open_at(url)
        with pytest.raises(StoreUnavailable):
            await store.start()
        await store.stop()

    with Unreachable(way) as port:
        began = time.monotonic()
        asyncio.run(start(url.format(port=port)))
        with pytest.raises(StoreUnavailable):
            schema.status(url.format(port=port))
        assert time.monotonic() - began < 6
