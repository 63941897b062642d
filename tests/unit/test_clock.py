"""The clock of a node: its own, until the database's says otherwise."""

from __future__ import annotations

import time

from grantway.ports import SteeredClock
from grantway.server import CLOCK_TOLERANCE, SystemClock

MINUTE_MS = 60_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_the_clock_is_the_machines_until_it_is_steered() -> None:
    clock = SystemClock()
    assert isinstance(clock, SteeredClock)
    assert abs(clock.now() - now_ms()) < 50
    clock.steer(None, 0.0)
    assert abs(clock.now() - now_ms()) < 50


def test_it_goes_by_the_databases_and_comes_back_with_it() -> None:
    clock = SystemClock()
    for offset in (5 * MINUTE_MS, -5 * MINUTE_MS, 0):
        clock.steer(now_ms() + offset, 0.01)
        assert abs(clock.now() - now_ms() - offset) < 50


def test_a_difference_within_what_is_known_changes_nothing() -> None:
    clock = SystemClock()
    for offset, uncertainty in ((CLOCK_TOLERANCE * 900, 0.0), (900, 1.0), (-900, 1.0)):
        clock.steer(now_ms() + round(offset), uncertainty)
        assert abs(clock.now() - now_ms()) < 50
