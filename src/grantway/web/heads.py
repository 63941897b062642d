"""Heads of requests that are recognised when they come again: a client that stays sends the same ones all the time.

A head is only ever put here after the HTTP parser took it apart, so recognising one is never more lenient than parsing.
"""
# hot path: bench/ every row. Parsing a head costs 6 µs in callbacks, finding it again 0.5.

from __future__ import annotations

from collections.abc import Hashable

from grantway.protocol.message import Head

MOST_HEADS = 1024
LONGEST_HEAD = 2048
MOST_HEADERS = 32
"""Many short headers take far more memory than their bytes."""


class Heads:
    """A bounded memory of heads, by whatever the lane has of them: their bytes, or an ASGI scope's members."""

    def __init__(self) -> None:
        self.known: dict[Hashable, Head] = {}

    def keep(self, mark: Hashable, size: int, head: Head) -> None:
        """Remembers a head that is likely to come again. One with a query or cookies is one person's, and is not."""
        if size > LONGEST_HEAD or len(head.headers) > MOST_HEADERS or head.query or b"cookie" in head.index:
            return
        if len(self.known) >= MOST_HEADS:
            self.known.clear()
        self.known[mark] = head
