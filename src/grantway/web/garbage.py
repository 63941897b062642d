"""Full garbage collections that do not grow with what a worker holds.

A full collection walks every object there is: with 16,000 connections open that took 130 ms, in which nobody is
answered. What has survived one is put aside (``gc.freeze``) and not walked again by the next, which then takes as long
as what came since. Nearly everything is freed without the collector, connections included; cycles among what was put
aside are found when it is all looked through once more, now and then.
"""

from __future__ import annotations

import gc
from typing import Any

EVERYTHING = 200
"""Full collections after which everything is looked through once more."""


class ShortCollections:
    """Puts aside what survives, from ``start`` until ``stop``. One a process."""

    def __init__(self) -> None:
        self._count = 0

    def start(self) -> None:
        """What is there now is put aside at once."""
        gc.collect()
        gc.freeze()
        gc.callbacks.append(self._after)

    def stop(self) -> None:
        gc.callbacks.remove(self._after)
        gc.unfreeze()

    def _after(self, phase: str, info: dict[str, Any]) -> None:
        if phase != "stop" or info["generation"] != 2:
            return
        self._count += 1
        if self._count % EVERYTHING == 0:
            gc.unfreeze()  # the next one walks it all
        else:
            gc.freeze()
