"""Token buckets: how often something may happen in a window, and how often at once.

A bucket is one number, the instant at which it will be full again: taking a token moves it, and whoever would move it
further ahead than the bucket is deep is refused (the generic cell rate algorithm, ITU-T I.371). So a look-up costs one
dictionary access, and a bucket that is full is worth nothing and may be forgotten.
"""
# hot path: bench/ "rate limit on"

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Hashable

from msgspec import Struct

from grantway.protocol.message import Headers

MOST_BUCKETS = 16_384
"""Buckets of one generation; two generations are kept, some 200 bytes a bucket."""
_GRAIN = 1e-3
"""Part of a token by which sums of binary fractions may be off."""


class Rate(Struct, frozen=True, kw_only=True):
    """``rate`` tokens in ``window`` seconds, at most ``burst`` of them at once."""

    name: str
    """The policy's name in the RateLimit fields."""
    rate: float
    burst: float
    window: int

    def split(self, share: int) -> Rate:
        """The part of one of ``share`` processes that do not know of each other."""
        return Rate(name=self.name, rate=self.rate / share, burst=self.burst / share, window=self.window)

    @property
    def interval(self) -> float:
        """Seconds until one more token is there."""
        return self.window / self.rate

    @property
    def depth(self) -> float:
        """Seconds an empty bucket takes to be full. It has room for one token, or nobody ever got any."""
        return self.interval * (max(1.0, self.burst) + _GRAIN)

    @property
    def lack(self) -> float:
        """Seconds a bucket lacks from the start: whose burst is less than one token has to wait for the rest."""
        return self.interval * max(0.0, 1.0 - self.burst)


class Quota:
    """What a rate means for whoever asked, as an answer's fields (draft-ietf-httpapi-ratelimit-headers-10 §3 and §4).

    ``part``: the rate that is granted, where it is a part of the one that is told.
    """

    def __init__(self, rate: Rate, part: Rate | None = None) -> None:
        part = part or rate
        self._interval, self._depth = part.interval, part.depth
        self._policy = (b"ratelimit-policy", f'"{rate.name}";q={rate.rate:.0f};w={rate.window}'.encode())
        self._limit = f'"{rate.name}";r=%d;t=%d'.encode()

    def tell(self, used: float, headers: Headers) -> int:
        """Adds the fields for what ``Buckets.take`` returned. Returns how many seconds to wait; 0: it was granted."""
        room = self._depth - used
        if room >= 0:
            # t: until all of it is there again
            headers += (self._policy, (b"ratelimit", self._limit % (room / self._interval, used + 1)))
            return 0
        wait = math.ceil(-room)
        headers += (self._policy, (b"ratelimit", self._limit % (0, wait)))  # §5: Retry-After is not before t
        return wait


class Buckets:
    """The buckets of one rate in this process's memory.

    Memory is bounded. Forgotten are buckets nobody has drawn from for long, and of those the full ones first. What they
    lacked is not forgotten: a bucket that is not known is at most as full as the emptiest that was forgotten, so nobody
    gains by making it forget. Nearly empty ones are kept, so that one of them does not empty those of newcomers.
    """

    def __init__(self, rate: Rate, monotonic: Callable[[], float], *, bound: int = MOST_BUCKETS) -> None:
        self.depth, self._ease = rate.depth, rate.depth / 2
        self._interval, self._lack = rate.interval, rate.lack
        self._monotonic = monotonic
        self._bound = bound
        self._floor = -math.inf
        self._young: dict[Hashable, float] = {}
        self._old: dict[Hashable, float] = {}

    def take(self, key: Hashable) -> float:
        """Takes a token if there is one. Returns how many seconds until the bucket is full again; more than ``depth``:
        there was none, and nothing was taken."""
        now = self._monotonic()
        full_at = self._young.get(key)
        if full_at is None:
            full_at = self._find(key, now)
        if full_at < now:
            full_at = now
        full_at += self._interval
        used = full_at - now
        if used <= self.depth:
            self._young[key] = full_at
        return used

    def take_easily(self, key: Hashable, now: float) -> bool:
        """Takes a token from a bucket that is known and stays more than half full; else nothing, and False."""
        full_at = self._young.get(key)
        if full_at is None:
            return False
        full_at = (max(now, full_at)) + self._interval
        if full_at - now > self._ease:
            return False
        self._young[key] = full_at
        return True

    def give_back(self, key: Hashable) -> None:
        """Undoes a ``take_easily``."""
        self._young[key] -= self._interval

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _find(self, key: Hashable, now: float) -> float:
        full_at = self._old.get(key)
        if full_at is None:
            full_at = max(self._floor, now + self._lack)
        if len(self._young) >= self._bound:
            self._forget(now)
        self._young[key] = full_at
        return full_at

    def _forget(self, now: float) -> None:
        half = now + self.depth / 2
        kept = {key: full_at for key, full_at in self._old.items() if full_at > half}
        if len(kept) > self._bound // 2:
            kept = dict(heapq.nlargest(self._bound // 2, kept.items(), key=lambda bucket: bucket[1]))
        lost = (full_at for key, full_at in self._old.items() if key not in kept)
        self._floor = max(self._floor, max(lost, default=-math.inf))
        self._old, self._young = self._young, kept
