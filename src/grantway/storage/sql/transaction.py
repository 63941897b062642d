"""What a verb sees of a database: three ways to run a statement, and the change feed.

A driver implements ``Transaction`` for its database. Verbs are coroutines so that network drivers can wait inside
them; the SQLite driver runs them to the end in one step in its own thread, because nothing in it waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from typing import Any, Literal, Protocol, TypeVar

from grantway.model import Change, Revocation
from grantway.storage.sql.statements import Statement

T = TypeVar("T")
Row = tuple[Any, ...]
ChangeKind = Literal["client", "subject", "key", "tenant", "revocation", "entry"]


class Duplicate(Exception):
    """An UPDATE ran into a unique index. The verb must end with an error."""


class Abandon(Exception):
    """Ends a verb with ``result`` as its return value, and undoes what it wrote."""

    def __init__(self, result: Any) -> None:
        self.result = result
        super().__init__("abandoned")


class Transaction(Protocol):
    """One atomic unit. Parameters go by the names in ``statements``."""

    def fetch(self, statement: Statement, **values: Any) -> Awaitable[Sequence[Row]]:
        """All rows of a SELECT."""

    def execute(self, statement: Statement, **values: Any) -> Awaitable[int]:
        """Runs an UPDATE or DELETE and returns how many rows it changed.

        Raises:
            Duplicate: a unique index refuses it.
        """

    def insert(self, statement: Statement, **values: Any) -> Awaitable[bool]:
        """Runs an INSERT; False: its key is taken. The transaction stays usable either way."""

    async def append_change(
        self, tenant: str, kind: ChangeKind, key: str, revocation: Revocation | None = None
    ) -> None:
        """Adds an entry to the change feed, committed with the rest."""


Verb = Callable[[Transaction], Coroutine[Any, Any, T]]
Keys = tuple[Hashable, ...]
"""The rows a verb touches (see ``row_keys``). A driver may run verbs side by side that have none in common; None: it
may touch any row. A read with keys, be they none, is short and may be answered together with others."""


class Driver(Protocol):
    """Runs verbs on one database."""

    feed_overlap_ms: int
    """How much later than a higher number a lower one of the change feed may become visible."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def read(self, verb: Verb[T], keys: Keys | None = None) -> Awaitable[T]: ...

    def write(self, verb: Verb[T], keys: Keys | None = None) -> Awaitable[T]: ...

    def watch(self, verb: Verb[T]) -> Awaitable[T]:
        """A read of what says how things stand (the feed, the time), behind no other read: those may wait for a table
        that somebody has locked, and a worker that cannot hear of changes meanwhile can answer nobody."""

    def has_moved(self) -> Awaitable[bool]: ...

    def on_change(self, callback: Callable[[Sequence[Change]], None]) -> Callable[[], None]: ...

    def statement_counts(self) -> dict[str, int]: ...
