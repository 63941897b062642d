"""The near caches and the tail of the change feed: what a warm worker knows without asking.

A cache can make an answer slower or stricter, never wrong: a worker that has not heard from the feed within the
freshness bound asks the store, and where the store does not answer either, nobody gets an answer.

hot path: bench/
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from grantway.config import Settings
from grantway.errors import StoreUnavailable
from grantway.model import Change, Client, Revocation, SigningKey, Subject, Tenant
from grantway.ports import Clock, Store
from grantway.storage.near_cache import NearCache

CACHED_CLIENTS = 10_000
CACHED_SUBJECTS = 10_000
CACHED_TENANTS = 1_000
CACHED_ORIGINS = 10_000
CHANGES_AT_ONCE = 1_000
LONGEST_GAP = 600.0
"""A worker that did not follow the feed for longer reads everything anew: entries may be gone by then. Seconds."""

K = TypeVar("K")
V = TypeVar("V")
_Pair = tuple[str, str]
_log = logging.getLogger(__name__)


class NearCaches:
    """``ports.Grid`` over a store."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._interval = settings.database.poll_interval_ms / 1000
        self._bound = settings.database.freshness_bound_ms / 1000
        self._fresh_at = float("-inf")
        self._polled_at_wall = 0
        self._must_reload = True
        self._position = 0
        self._floor = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._seen: set[int] = set()
        self._revoked: dict[str, dict[_Pair, tuple[int, int]]] = {}
        self._ends: list[tuple[int, str, _Pair]] = []
        self._poller: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

        def cache(load: Callable[[K], Awaitable[V | None]], bound: int) -> NearCache[K, V]:
            return NearCache(load, bound=bound, is_fresh=self._is_fresh, monotonic=clock.monotonic)

        self._tenants = cache(store.load_tenant, CACHED_TENANTS)
        self._clients = cache(self._load_client, CACHED_CLIENTS)
        self._subjects = cache(self._load_subject, CACHED_SUBJECTS)
        self._keys = cache(self._load_keys, CACHED_TENANTS)
        self._origins = cache(self._load_origin, CACHED_ORIGINS)
        self._caches: dict[str, NearCache[Any, Any]] = {
            "tenants": self._tenants,
            "clients": self._clients,
            "subjects": self._subjects,
            "keys": self._keys,
            "origins": self._origins,
        }

    # -- life cycle ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        if self._poller is not None:
            return
        unsubscribe = self._store.on_change(self._apply)
        try:
            await self._poll()
        except BaseException:
            unsubscribe()
            raise
        self._unsubscribe = unsubscribe
        self._poller = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        poller, self._poller = self._poller, None
        if poller is None:
            return
        if self._unsubscribe is not None:
            self._unsubscribe()
        poller.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await poller
        self._fresh_at = float("-inf")
        self._must_reload = True

    # -- answers ------------------------------------------------------------------------------------------------------

    # These hand on the coroutine of the cache itself: one less to make and step for each look-up.

    def tenant(self, tenant: str, *, or_stale: bool = False) -> Coroutine[Any, Any, Tenant | None]:
        return self._tenants.get(tenant, or_stale)

    def client(self, tenant: str, client_id: str) -> Coroutine[Any, Any, Client | None]:
        return self._clients.get((tenant, client_id))

    def subject(self, tenant: str, subject: str) -> Coroutine[Any, Any, Subject | None]:
        return self._subjects.get((tenant, subject))

    async def keys(self, tenant: str, *, or_stale: bool = False) -> tuple[SigningKey, ...]:
        return await self._keys.get(tenant, or_stale) or ()

    async def is_origin_allowed(self, tenant: str, origin: str) -> bool:
        return await self._origins.get((tenant, origin)) is not None

    async def is_revoked(self, tenant: str, keys: Sequence[_Pair], issued_at: int) -> bool:
        if not self._is_fresh():
            return await self._ask(tenant, keys, issued_at)
        revoked = self._revoked.get(tenant)
        if revoked:
            for pair in keys:
                found = revoked.get(pair)
                if found is not None and issued_at <= found[0]:
                    return True
        stored = self._tenants.entries.get(tenant) or await self._tenants.get(tenant)
        return stored is None or issued_at <= stored.not_before

    def status(self) -> dict[str, Any]:
        caches = self._caches
        age = self._clock.monotonic() - self._fresh_at
        return {
            "entries": {name: len(cache.entries) for name, cache in caches.items()} | {"revocations": len(self._ends)},
            "hits": sum(cache.hits for cache in caches.values()),
            "misses": sum(cache.misses for cache in caches.values()),
            "position": self._position,
            "staleness_ms": None if age == float("inf") else round(age * 1000),
            "is_fresh": self._is_fresh(),
        }

    def _is_fresh(self) -> bool:
        return self._clock.monotonic() - self._fresh_at <= self._bound

    async def _ask(self, tenant: str, keys: Sequence[_Pair], issued_at: int) -> bool:
        """What ``is_revoked`` does when memory is too old to trust. Raises ``StoreUnavailable``."""
        stored = await self._store.load_tenant(tenant)
        if stored is None or issued_at <= stored.not_before:
            return True
        return any(issued_at <= found.not_before for found in await self._store.find_revocations(tenant, keys))

    async def _load_client(self, key: _Pair) -> Client | None:
        return await self._store.load_client(*key)

    async def _load_subject(self, key: _Pair) -> Subject | None:
        return await self._store.load_subject(*key)

    async def _load_keys(self, tenant: str) -> tuple[SigningKey, ...] | None:
        return await self._store.list_keys(tenant)

    async def _load_origin(self, key: _Pair) -> bool | None:
        return await self._store.has_origin(*key) or None

    # -- the feed -----------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._poll()
            except StoreUnavailable as error:
                _log.warning("cannot follow the change feed: %s", error.detail)
            except Exception:
                _log.exception("cannot follow the change feed")

    async def _poll(self) -> None:
        """Catches up. What is known afterwards is as new as the moment this began."""
        began, wall = self._clock.monotonic(), self._clock.now()
        if began - self._fresh_at > LONGEST_GAP or wall - self._polled_at_wall > LONGEST_GAP * 1000:
            self._must_reload = True
        try:
            if self._must_reload:
                await self._reload()
            else:
                await self._catch_up(began)
        except BaseException:
            # An answer that got lost may have been the one that said what changed.
            self._must_reload = True
            raise
        self._must_reload = False
        self._fresh_at, self._polled_at_wall = began, wall
        self._forget_ended(wall)

    async def _reload(self) -> None:
        """Starts anew from the feed's end. Revocations are only ever added: one may arrive while these are read."""
        await self._store.has_moved()
        overlap = self._store.feed_overlap_ms
        position = await self._store.last_change(created_before=self._clock.now() - overlap if overlap else None)
        revocations = await self._store.load_revocations(self._clock.now())
        for cache in self._caches.values():  # only now: the store may fail until here, and old keys beat none
            cache.clear()
        for revocation in revocations:
            self._remember(revocation)
        self._position = self._floor = position
        self._marks.clear()
        self._seen.clear()

    async def _catch_up(self, began: float) -> None:
        # _seen: this process wrote something itself; reading it once more moves the position beyond it.
        if not await self._store.has_moved() and not self._seen:
            return
        after = self._floor
        while True:
            changes = await self._store.load_changes(after, limit=CHANGES_AT_ONCE)
            self._apply(changes)
            if changes:
                after = changes[-1].sequence
                self._position = max(self._position, after)
            if len(changes) < CHANGES_AT_ONCE:
                break
        self._raise_floor(began)
        self._seen = {sequence for sequence in self._seen if sequence > self._floor}

    def _raise_floor(self, began: float) -> None:
        """The floor is where the feed ended one overlap before this poll, which therefore saw everything below it."""
        self._marks.append((began, self._position))
        latest = began - self._store.feed_overlap_ms / 1000
        while self._marks and self._marks[0][0] <= latest:
            self._floor = self._marks.popleft()[1]

    def _apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.sequence not in self._seen:
                self._seen.add(change.sequence)
                self._apply_one(change)

    def _apply_one(self, change: Change) -> None:
        if change.kind == "revocation":
            if change.revocation is not None:
                self._remember(change.revocation)
        elif change.kind == "client":
            self._clients.drop((change.tenant, change.key))
            self._origins.clear()
        elif change.kind == "subject":
            self._subjects.drop((change.tenant, change.key))
        elif change.kind == "key":
            self._keys.drop(change.tenant)
        else:
            self._tenants.drop(change.tenant)

    def _remember(self, revocation: Revocation) -> None:
        pair = (revocation.kind, revocation.key)
        revoked = self._revoked.setdefault(revocation.tenant, {})
        not_before, keep_until = revoked.get(pair, (-1, -1))
        if pair not in revoked:
            heapq.heappush(self._ends, (revocation.keep_until, revocation.tenant, pair))
        revoked[pair] = (max(not_before, revocation.not_before), max(keep_until, revocation.keep_until))

    def _forget_ended(self, now: int) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, tenant, pair = heapq.heappop(self._ends)
            keep_until = self._revoked[tenant][pair][1]
            if keep_until > now:  # it was prolonged
                heapq.heappush(self._ends, (keep_until, tenant, pair))
            else:
                del self._revoked[tenant][pair]
                if not self._revoked[tenant]:
                    del self._revoked[tenant]
