"""A clock that moves only when it is told to."""

from __future__ import annotations


class FakeClock:
    """``ports.Clock`` for tests: both of its times stand still until ``advance``."""

    def __init__(self, start_ms: int = 1_700_000_000_000) -> None:
        self._now = start_ms
        self._monotonic = 1000.0

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Moves both times forward."""
        if seconds < 0:
            raise ValueError("time does not run backwards; use step")
        self._now += round(seconds * 1000)
        self._monotonic += seconds

    def step(self, seconds: float) -> None:
        """Moves the wall clock alone, as an operator or NTP does; may be negative."""
        self._now += round(seconds * 1000)
