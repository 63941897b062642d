"""Leadership: of all workers on all nodes, one at a time does the work that one does for all.

It holds a lease, a row in the database, and raises the row's ``beat`` for as long as it lives. Whoever sees the same
beat for the lease's whole time takes over, with a write that only succeeds if nobody was quicker. That time is measured
by each worker on its own clock that never steps: neither the wall clock of a node nor the database's has a part in it,
so a node whose clock is wrong takes nothing too early and holds nothing for ever.

A leader that was held up (a slow disk, SIGSTOP) stops being one by its own clock before anybody else starts. Between
two looks at that clock two may still work for a moment: what leaders do has to stand that, and does.
"""

from __future__ import annotations

import os
import platform

from grantway.model import Lease
from grantway.ports import Clock, Entropy, Store

RENEWALS = 3
"""How often a lease is renewed in the time it lasts."""


class Leadership:
    """One worker's part in it. ``ttl``: seconds a lease lasts without a sign of life."""

    def __init__(self, name: str, store: Store, clock: Clock, entropy: Entropy, *, ttl: float) -> None:
        self.holder = f"{platform.node()[:64]}.{os.getpid()}.{entropy.token_bytes(8).hex()}"
        self.interval = ttl / RENEWALS
        """How often ``hold`` has to be awaited, seconds."""
        self._name, self._store, self._clock, self._ttl = name, store, clock, ttl
        self._own: Lease | None = None
        self._seen: Lease | None = None
        self._renewed_at = self._seen_at = float("-inf")

    @property
    def is_held(self) -> bool:
        """Whether this worker leads at this moment."""
        return self._own is not None and self._clock.monotonic() - self._renewed_at < self._ttl

    async def hold(self) -> bool:
        """Gets, keeps or tries to get the lead; whether this worker has it now. Writes only when it is time to.

        Raises:
            StoreUnavailable: the database does not answer; ``is_held`` stays true for what is left of the lease.
        """
        if not self.is_held:
            self._own = None
        began = self._clock.monotonic()  # before the question: the answer may take its time
        if self._own is not None:
            if began - self._renewed_at < self.interval:
                return True
            return await self._take(self._own, began)
        stored = await self._store.load_lease(self._name)
        # Our own name in it: an answer got lost, or this worker was held up and nobody took over.
        if stored is None or stored.holder == self.holder:
            return await self._take(stored, began)
        if stored != self._seen:
            self._seen, self._seen_at = stored, began
        elif began - self._seen_at >= self._ttl:
            return await self._take(stored, began)
        return False

    async def release(self) -> None:
        """Lets somebody else have it at once. Raises ``StoreUnavailable``."""
        own, self._own = self._own, None
        if own is not None:
            await self._store.release_lease(own)

    async def _take(self, seen: Lease | None, began: float) -> bool:
        lease = Lease(name=self._name, holder=self.holder, beat=seen.beat + 1 if seen is not None else 1)
        is_taken = await self._store.take_lease(lease, seen)
        self._own, self._renewed_at = (lease, began) if is_taken else (None, self._renewed_at)
        return is_taken
