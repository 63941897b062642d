"""One bounded cache of things the store has, and of things it does not have.

hot path: bench/
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from grantway.errors import StoreUnavailable

K = TypeVar("K")
V = TypeVar("V")

ABSENT_TTL = 5.0
"""How long the store is not asked again for what it did not have, seconds. A change feed entry ends it at once."""


class NearCache(Generic[K, V]):
    """Answers from memory while ``is_fresh``, and loads each key once however many ask for it.

    An invalidation that arrives during a load makes what was loaded go to those who asked before it, and nowhere else.
    """

    def __init__(
        self,
        load: Callable[[K], Awaitable[V | None]],
        *,
        bound: int,
        is_fresh: Callable[[], bool],
        monotonic: Callable[[], float],
        keeps: Callable[[V], bool] = lambda _: True,
    ) -> None:
        """``keeps``: whether a value that was loaded is remembered; one that is not is loaded each time."""
        self.hits = 0
        self.misses = 0
        self.loads = 0
        self.entries: dict[K, V] = {}
        self._load = load
        self._bound = bound
        self._is_fresh = is_fresh
        self._monotonic = monotonic
        self._keeps = keeps
        self._last: dict[K, V] = {}
        """What was known before everything was forgotten, for those who take stale values where the store fails."""
        self._absent: dict[K, float] = {}
        self._loading: dict[K, asyncio.Task[V | None]] = {}

    async def get(self, key: K, or_stale: bool = False) -> V | None:
        """The value, or None: the store has none. ``or_stale``: a value that is remembered will do, however old.

        Raises:
            StoreUnavailable: it has to be loaded and cannot.
        """
        value = self.entries.get(key)
        if value is not None and (or_stale or self._is_fresh()):
            self.hits += 1
            return value
        try:
            return await self._miss(key)
        except StoreUnavailable:
            if or_stale and key in self._last:
                return self._last[key]
            raise

    def drop(self, key: K) -> None:
        """Forgets what is known, or being found out, about ``key``."""
        self.entries.pop(key, None)
        self._last.pop(key, None)
        self._absent.pop(key, None)
        self._loading.pop(key, None)

    def clear(self) -> None:
        self._last |= self.entries
        _make_room(self._last, self._bound + 1)
        self.entries.clear()
        self._absent.clear()
        self._loading.clear()

    async def _miss(self, key: K) -> V | None:
        absent_until = self._absent.get(key)
        if absent_until is not None and self._monotonic() < absent_until and self._is_fresh():
            self.hits += 1
            return None
        self.misses += 1
        task = self._loading.get(key)
        if task is None:
            self.loads += 1
            task = asyncio.get_running_loop().create_task(self._load_and_keep(key))
            self._loading[key] = task
            task.add_done_callback(_retrieve)
        # Shielded: one caller who gives up must not take the answer from the others.
        return await asyncio.shield(task)

    async def _load_and_keep(self, key: K) -> V | None:
        this = asyncio.current_task()
        try:
            value = await self._load(key)
            if self._loading.get(key) is this:  # else it was invalidated meanwhile
                self._keep(key, value)
            return value
        finally:
            if self._loading.get(key) is this:
                del self._loading[key]

    def _keep(self, key: K, value: V | None) -> None:
        self._last.pop(key, None)
        if value is None:
            self.entries.pop(key, None)
            _make_room(self._absent, self._bound)
            self._absent[key] = self._monotonic() + ABSENT_TTL
        elif not self._keeps(value):
            self.entries.pop(key, None)
        else:
            self._absent.pop(key, None)
            _make_room(self.entries, self._bound)
            self.entries[key] = value


def _make_room(entries: dict[K, V], bound: int) -> None:
    while len(entries) >= bound:
        del entries[next(iter(entries))]  # the oldest


def _retrieve(task: asyncio.Task[V]) -> None:
    """Marks the exception as seen even if every caller has given up."""
    if not task.cancelled():
        task.exception()
