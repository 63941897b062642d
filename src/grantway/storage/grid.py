"""The near caches and the tail of the change feed: what a warm worker knows without asking.

A cache can make an answer slower or stricter, never wrong: a worker that has not heard from the feed within the
freshness bound asks the store, and where the store does not answer either, nobody gets an answer.

hot path: bench/
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar, cast

from grantway.config import Settings
from grantway.errors import StoreUnavailable
from grantway.model import Change, Client, Entry, EntryKind, SigningKey, Subject, Tenant
from grantway.ports import Clock, Granted, SteeredClock, Store
from grantway.storage.near_cache import NearCache
from grantway.storage.revocations import Revocations

CACHED_CLIENTS = 10_000
CACHED_SUBJECTS = 10_000
CACHED_TENANTS = 1_000
CACHED_ORIGINS = 10_000
CACHED_REGISTRIES = 1_000
CACHED_ENTRIES = 1_000
"""Of one kind of one tenant; where there are more, none of them is remembered."""
CHANGES_AT_ONCE = 1_000
REVOCATIONS_AT_ONCE = 5_000
SHORTEST_INTERVAL = 0.002
"""Seconds between two looks at the feed, however often there is word of a change."""
LONGEST_GAP = 600.0
"""A worker that did not follow the feed for longer reads everything anew: entries may be gone by then. Seconds."""

STEERING_INTERVAL = 1.0

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
        self._fresh_at = self._steered_at = float("-inf")
        self._polled_at_wall = 0
        self._must_reload = True
        self._position = 0
        self._floor = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._seen: set[int] = set()
        self._revoked = Revocations()
        self._poller: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._word = asyncio.Event()
        self._counts = {"polls": 0, "wake_ups": 0, "reloads": 0, "failures": 0}

        def cache(load: Callable[[K], Awaitable[V | None]], bound: int) -> NearCache[K, V]:
            return NearCache(load, bound=bound, is_fresh=self._is_fresh, monotonic=clock.monotonic)

        self._tenants = cache(store.load_tenant, CACHED_TENANTS)
        self._clients = cache(self._load_client, CACHED_CLIENTS)
        self._subjects = cache(self._load_subject, CACHED_SUBJECTS)
        self._keys = cache(self._load_keys, CACHED_TENANTS)
        self._origins = cache(self._load_origin, CACHED_ORIGINS)
        self._registries: NearCache[tuple[str, EntryKind], tuple[Entry, ...]] = NearCache(
            self._load_entries,
            bound=CACHED_REGISTRIES,
            is_fresh=self._is_fresh,
            monotonic=clock.monotonic,
            keeps=lambda found: len(found) <= CACHED_ENTRIES,
        )
        self._caches: dict[str, NearCache[Any, Any]] = {
            "tenants": self._tenants,
            "clients": self._clients,
            "subjects": self._subjects,
            "keys": self._keys,
            "origins": self._origins,
            "registries": self._registries,
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

    def wake(self) -> None:
        """Somebody says that the feed has moved: reads it at once."""
        self._word.set()

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

    async def entries(self, tenant: str, kind: EntryKind, *, or_stale: bool = False) -> tuple[Entry, ...]:
        return await self._registries.get((tenant, kind), or_stale) or ()

    def holds(self, tenant: Tenant, *clients: Client) -> bool:
        if (
            self._clock.monotonic() - self._fresh_at > self._bound
            or self._tenants.entries.get(tenant.tenant) is not tenant
        ):
            return False
        known = self._clients.entries
        for client in clients:
            if known.get((client.tenant, client.client_id)) is not client:
                return False
        self._clients.hits += len(clients)
        return True

    def recall_tenant(self, tenant: str) -> Tenant | None:
        found = self._tenants.entries.get(tenant)
        return found if found is not None and self._is_fresh() else None

    def recall_client(self, tenant: str, client_id: str) -> Client | None:
        found = self._clients.entries.get((tenant, client_id))
        if found is None or not self._is_fresh():
            return None
        self._clients.hits += 1
        return found

    def recall_keys(self, tenant: str) -> tuple[SigningKey, ...] | None:
        return self._keys.entries.get(tenant) if self._is_fresh() else None

    def recall_entries(self, tenant: str, kind: EntryKind) -> tuple[Entry, ...] | None:
        return self._registries.entries.get((tenant, kind)) if self._is_fresh() else None

    async def is_origin_allowed(self, tenant: str, origin: str) -> bool:
        return await self._origins.get((tenant, origin)) is not None

    async def is_revoked(
        self, tenant: str, keys: Sequence[_Pair], issued_at: int, granted: Granted | None = None
    ) -> bool:
        known = self.is_known_revoked(tenant, keys, issued_at, granted)
        if known is None and self._is_fresh():
            if await self._tenants.get(tenant) is None:
                return True
            known = self.is_known_revoked(tenant, keys, issued_at, granted)
        return known if known is not None else await self._ask(tenant, keys, issued_at, granted)

    def is_known_revoked(
        self, tenant: str, keys: Sequence[_Pair], issued_at: int, granted: Granted | None = None
    ) -> bool | None:
        if not self._is_fresh():
            return None
        revoked = self._revoked
        if revoked.is_refused(tenant, keys, issued_at):
            return True
        if (
            granted is not None
            and revoked.has_kind(tenant, "authorizations")  # mostly there is none
            and revoked.is_refused(tenant, granted.revocation_keys(), granted.granted_at)
        ):
            return True
        stored = self._tenants.entries.get(tenant)
        return None if stored is None else issued_at <= stored.not_before

    def status(self) -> dict[str, Any]:
        caches = self._caches
        age = self._clock.monotonic() - self._fresh_at
        return {
            "entries": {name: len(cache.entries) for name, cache in caches.items()}
            | {"revocations": len(self._revoked)},
            "hits": {name: cache.hits for name, cache in caches.items()},
            "misses": {name: cache.misses for name, cache in caches.items()},
            "loads": {name: cache.loads for name, cache in caches.items()},
            "position": self._position,
            "staleness_ms": None if age == float("inf") else round(age * 1000),
            "is_fresh": self._is_fresh(),
            **self._counts,
        }

    def _is_fresh(self) -> bool:
        return self._clock.monotonic() - self._fresh_at <= self._bound

    async def _ask(self, tenant: str, keys: Sequence[_Pair], issued_at: int, granted: Granted | None) -> bool:
        """What ``is_revoked`` does when memory is too old to trust. Raises ``StoreUnavailable``."""
        stored = await self._store.load_tenant(tenant)
        if stored is None or issued_at <= stored.not_before:
            return True
        asked = [*keys, *granted.revocation_keys()] if granted is not None else keys
        for found in await self._store.find_revocations(tenant, asked):
            instant = granted.granted_at if granted is not None and found.kind == "authorizations" else issued_at
            if instant <= found.not_before:
                return True
        return False

    async def _load_client(self, key: _Pair) -> Client | None:
        return await self._store.load_client(*key)

    async def _load_subject(self, key: _Pair) -> Subject | None:
        return await self._store.load_subject(*key)

    async def _load_keys(self, tenant: str) -> tuple[SigningKey, ...] | None:
        return await self._store.list_keys(tenant)

    async def _load_origin(self, key: _Pair) -> bool | None:
        return await self._store.has_origin(*key) or None

    async def _load_entries(self, key: tuple[str, EntryKind]) -> tuple[Entry, ...]:
        """In one statement, unless there are so many that they are not remembered anyway."""
        page = await self._store.list_entries(*key, limit=CACHED_ENTRIES)
        found: list[Entry] = [*page.items]
        while page.cursor is not None:
            page = await self._store.list_entries(*key, cursor=page.cursor, limit=CACHED_ENTRIES)
            found += page.items
        return tuple(found)

    # -- the feed -----------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            await self._wait()
            try:
                await self._poll()
            except StoreUnavailable as error:
                self._counts["failures"] += 1
                _log.warning("cannot follow the change feed: %s", error.detail)
            except Exception:
                self._counts["failures"] += 1
                _log.exception("cannot follow the change feed")

    async def _wait(self) -> None:
        """Until the next poll is due, or there is word of a change."""
        await asyncio.sleep(SHORTEST_INTERVAL)
        try:
            async with asyncio.timeout(self._interval - SHORTEST_INTERVAL):
                await self._word.wait()
        except TimeoutError:
            return
        self._word.clear()
        self._counts["wake_ups"] += 1

    async def _steer_clock(self) -> None:
        """Once a second: nodes must agree on the time, and the database's clock is the one they share."""
        began = self._clock.monotonic()
        if not isinstance(self._clock, SteeredClock) or began - self._steered_at < STEERING_INTERVAL:
            return
        now = await self._store.load_time()
        uncertainty = (self._clock.monotonic() - began) / 2
        self._steered_at = began
        self._clock.steer(None if now is None else now + round(uncertainty * 1000), uncertainty)

    async def _poll(self) -> None:
        """Catches up. What is known afterwards is as new as the moment this began."""
        await self._steer_clock()
        began, wall = self._clock.monotonic(), self._clock.now()
        self._counts["polls"] += 1
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
        self._revoked.forget_ended(wall)

    async def _reload(self) -> None:
        """Starts anew from the feed's end. Revocations are only ever added: one may arrive while these are read."""
        self._counts["reloads"] += 1
        await self._store.has_moved()
        overlap = self._store.feed_overlap_ms
        position = await self._store.last_change(created_before=self._clock.now() - overlap if overlap else None)
        await self._load_revocations()
        for cache in self._caches.values():  # only now: the store may fail until here, and old keys beat none
            cache.clear()
        self._position = self._floor = position
        self._marks.clear()
        self._seen.clear()

    async def _load_revocations(self) -> None:
        """Page by page: a million of them must not hold up whoever is answered meanwhile."""
        beyond, limit = self._clock.now(), REVOCATIONS_AT_ONCE
        while True:
            page = await self._store.load_revocations(beyond, limit=limit)
            for revocation in page:
                self._revoked.remember(revocation)
            if len(page) < limit:
                return
            if page[-1].keep_until - 1 > beyond:
                beyond = page[-1].keep_until - 1  # the last ones come again, with those that end at the same instant
            else:
                limit *= 2

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
                self._revoked.remember(change.revocation)
        elif change.kind == "client":
            self._clients.drop((change.tenant, change.key))
            self._origins.clear()
        elif change.kind == "subject":
            self._subjects.drop((change.tenant, change.key))
        elif change.kind == "key":
            self._keys.drop(change.tenant)
        elif change.kind == "entry":
            self._registries.drop((change.tenant, cast("EntryKind", change.key)))
        else:
            self._tenants.drop(change.tenant)
