"""Connections of a driver that waits: each is used by one thread at a time, and the threads are not without end.

hot path: bench/
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """A pool of at most ``most`` threads, made when the first is needed."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._executor: ThreadPoolExecutor | None = None

    def take(self) -> Thread:
        """A place for one connection."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._most, thread_name_prefix=self._name)
        return Thread(self._executor)

    def stop(self) -> None:
        """Lets the threads end when they have done what they are doing."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)


class Thread:
    """One connection's place in the pool. One call at a time.

    A thread that waits for the server cannot be stopped. So who gives a connection up only says so: it is closed by the
    thread that has it, when the call has come back, or at once if there is none.
    """

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor
        self._lock = threading.Lock()
        self._connection: Any = None
        self._is_busy = False
        self._is_abandoned = False

    async def open(self, connect: Callable[[], Any]) -> Any:
        """Connects, and keeps what ``connect`` returns until ``abandon``."""

        def keep() -> Any:
            self._connection = connect()
            return self._connection

        return await self.run(keep)

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """What ``function`` returns. Who is cancelled has to ``abandon``."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._run, function, arguments)

    def _run(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        with self._lock:
            if self._is_abandoned:
                raise ConnectionError("the connection was given up")
            self._is_busy = True
        try:
            return function(*arguments)
        finally:
            with self._lock:
                self._is_busy = False
                is_abandoned = self._is_abandoned
            if is_abandoned:
                self._close()

    def abandon(self) -> None:
        """Gives the connection up. Waits for nothing."""
        with self._lock:
            if self._is_abandoned:
                return
            self._is_abandoned = True
            if self._is_busy:
                return
        try:
            self._executor.submit(self._close)
        except RuntimeError:  # the pool was stopped
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is gone in any case
                connection.close()
