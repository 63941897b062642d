"""The kit that ships: what tests of Grantway, of its extensions and of programs that embed it need.

Owns the store's contract, a clock that stands still and an in-process server. Nothing here runs in production.
"""

from __future__ import annotations

from grantway.testing.clock import FakeClock

__all__ = ["FakeClock"]
