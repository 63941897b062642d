"""The live revocations of all tenants in a worker's memory: looked up for every token, some 200 bytes each.

hot path: bench/ "introspection (opaque)"
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from grantway.model import Revocation

_SPAN = 60_000
"""Milliseconds whose ends are forgotten together: a list of keys for each span costs less than an end for each key."""
_SHIFT = 64
_MASK = (1 << _SHIFT) - 1
_Span = tuple[int, str, str]
"""(number of the minute, tenant, kind)"""


class Revocations:
    """Until when what was issued is refused, by tenant, kind and key."""

    def __init__(self) -> None:
        # Both instants of a revocation in one number, not_before above keep_until: 40 bytes instead of 120.
        self._kinds: dict[str, dict[str, dict[str, int]]] = {}
        self._ending: dict[_Span, list[str]] = {}
        self._spans: list[_Span] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def remember(self, revocation: Revocation) -> None:
        """Adds one, or prolongs it: of two of the same kind and key, the later instants count."""
        tenant, kind, key = revocation.tenant, revocation.kind, revocation.key
        keys = self._kinds.setdefault(tenant, {}).setdefault(kind, {})
        not_before, keep_until, known = revocation.not_before, revocation.keep_until, keys.get(key)
        if known is None:
            self._count += 1
            is_later = True
        else:
            is_later = keep_until // _SPAN > (known & _MASK) // _SPAN
            not_before, keep_until = max(not_before, known >> _SHIFT), max(keep_until, known & _MASK)
        keys[key] = not_before << _SHIFT | keep_until
        if is_later:
            self._end(keep_until // _SPAN, tenant, kind, key)

    def _end(self, number: int, tenant: str, kind: str, key: str) -> None:
        span = (number, tenant, kind)
        ending = self._ending.get(span)
        if ending is None:
            ending = self._ending[span] = []
            heapq.heappush(self._spans, span)
        ending.append(key)

    def is_refused(self, tenant: str, keys: Iterable[tuple[str, str]], instant: int) -> bool:
        """Whether one of the (kind, key) pairs refuses what is as old as ``instant``, milliseconds."""
        kinds = self._kinds.get(tenant)
        if kinds:
            for kind, key in keys:
                known = kinds.get(kind)
                if known is not None and (found := known.get(key)) is not None and instant <= found >> _SHIFT:
                    return True
        return False

    def has_kind(self, tenant: str, kind: str) -> bool:
        """Whether there is any of that kind."""
        return bool(self._kinds.get(tenant, {}).get(kind))

    def forget_ended(self, now: int) -> None:
        """Forgets those that need not be kept any more, a minute late at most."""
        while self._spans and (self._spans[0][0] + 1) * _SPAN <= now:
            span = heapq.heappop(self._spans)
            _, tenant, kind = span
            keys = self._kinds[tenant][kind]
            for key in self._ending.pop(span):
                if (keys[key] & _MASK) // _SPAN == span[0]:  # else it was prolonged, and stands in a later span, too
                    del keys[key]
                    self._count -= 1
            if not keys:
                del self._kinds[tenant][kind]
                if not self._kinds[tenant]:
                    del self._kinds[tenant]
