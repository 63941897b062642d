"""Leaving alone for a while what fails again and again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

_MOST: Final = 2000


class Breaker:
    """Counts failures in a row, by key. ``pause``: how long what failed ``failures`` times is left alone, seconds."""

    def __init__(self, failures: int, pause: float, monotonic: Callable[[], float]) -> None:
        self._failures, self._pause, self._monotonic = failures, pause, monotonic
        self._failing: dict[Hashable, tuple[int, float]] = {}
        """How often, and until when it is left alone."""

    def is_open(self, key: Hashable) -> bool:
        """Whether it is to be left alone now."""
        return key in self._failing and self._failing[key][1] > self._monotonic()

    def count(self, key: Hashable) -> None:
        failures = self._failing.pop(key, (0, 0.0))[0] + 1
        if len(self._failing) >= _MOST:
            del self._failing[next(iter(self._failing))]  # the one whose last failure is longest ago
        self._failing[key] = failures, self._monotonic() + self._pause if failures >= self._failures else 0.0

    def forget(self, key: Hashable) -> None:
        """It works."""
        self._failing.pop(key, None)

    def __len__(self) -> int:
        return len(self._failing)
