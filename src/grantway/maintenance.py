"""What one worker of all does for all, now and then: rotates keys that are due, deletes rows that no longer matter.

Owns when and how gently. Does not own what may be deleted (``ports.Store.clean``) or when a key is due (``keys``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from grantway.errors import StoreUnavailable
from grantway.extension import Runtime
from grantway.leadership import Leadership

log = logging.getLogger("grantway.maintenance")

MARGIN_MS = 3_600_000
"""Rows are kept this long beyond their end, so that clocks that differ by minutes make no difference. ``Store.clean``
sees to those that differ by more."""
SHARE = 0.2
"""The part of the time that cleaning may keep the database busy: the slower it is, the longer the pauses."""
SHORTEST_PAUSE = 0.02


class Maintenance:
    """One per worker; ``start`` it with the server. Only the leader does anything."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings = settings = runtime.settings.maintenance
        self.leadership = Leadership(
            "maintenance", runtime.store, runtime.clock, runtime.entropy, ttl=settings.lease_ttl
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Ends it, and lets another worker have the lead at once. Idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        with contextlib.suppress(StoreUnavailable):  # then it is taken over when it ends
            await self.leadership.release()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due_at, led = loop.time() + self._settings.interval, False
        while True:
            await asyncio.sleep(self.leadership.interval)
            try:
                leads = await self.leadership.hold()
                if leads and not led:
                    log.info("%s leads the maintenance", self.leadership.holder)
                led = leads
                if leads and loop.time() >= due_at:
                    due_at = loop.time() + self._settings.interval
                    await self._rotate_keys()
                    await self._clean()
            except StoreUnavailable as error:
                log.warning("maintenance is put off: %s", error.detail)
            except Exception:
                log.exception("maintenance failed; it is tried again")

    async def _rotate_keys(self) -> None:
        cursor = None
        while await self.leadership.hold():
            page = await self._runtime.store.list_tenants(cursor=cursor)
            for tenant in page.items:
                await self._runtime.keys.rotate_due(tenant.tenant)
            cursor = page.cursor
            if cursor is None:
                return

    async def _clean(self) -> None:
        """In small steps with pauses, for as long as there is something to delete and the lead is ours."""
        clock, deleted = self._runtime.clock, 0
        while await self.leadership.hold():
            began = clock.monotonic()
            count = await self._runtime.store.clean(now=clock.now() - MARGIN_MS, limit=self._settings.clean_batch)
            if count == 0:
                break
            deleted += count
            elapsed = clock.monotonic() - began
            await asyncio.sleep(max(SHORTEST_PAUSE, elapsed / SHARE - elapsed))
        if deleted:
            log.info("%s deleted %d rows that had ended", self.leadership.holder, deleted)
