"""One connection to a database server, in the hands of one task at a time. It is the ``Transaction`` of its database.

hot path: bench/
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from grantway.errors import Unprocessable
from grantway.model import Change, Revocation
from grantway.ports import Clock
from grantway.storage.sql.abreast import Kind
from grantway.storage.sql.records import build_document
from grantway.storage.sql.statements import Compiled, Statement
from grantway.storage.sql.transaction import ChangeKind, Duplicate, Row


class Unstorable(Exception):
    """A text that PostgreSQL cannot hold: it has a NUL or a lone surrogate."""


_Entry = tuple[dict[str, Any], Revocation | None]


class Link(ABC):
    """What the engines' connections have in common. Outside ``begin`` … ``commit`` every statement stands for itself.

    Entries of the change feed are held back until the commit. There they get their numbers under a lock that all
    writers of the feed take last: so numbers become visible in their order, the lock is held for a moment, and nobody
    who has it waits for a row.
    """

    def __init__(self, compiled: dict[str, Compiled], counts: dict[str, int], clock: Clock) -> None:
        self.is_committing = False
        """Whether COMMIT was sent since ``begin``: where it is not answered, nobody knows what became of it."""
        self._compiled = compiled
        self._counts = counts
        self._clock = clock
        self._entries: list[_Entry] = []
        self._kept = 0

    # -- Transaction --------------------------------------------------------------------------------------------------

    async def fetch(self, statement: Statement, **values: Any) -> Sequence[Row]:
        try:
            return await self._fetch(*self._bind(statement, values))
        except Unstorable:  # no stored text is like that, so nothing matches
            return ()

    async def execute(self, statement: Statement, **values: Any) -> int:
        try:
            return await self._execute(*self._bind(statement, values))
        except Unstorable as error:
            raise _build_unstorable() from error

    async def insert(self, statement: Statement, **values: Any) -> bool:
        try:
            return await self.execute(statement, **values) == 1
        except Duplicate:
            return False

    async def append_change(
        self, tenant: str, kind: ChangeKind, key: str, revocation: Revocation | None = None
    ) -> None:
        document = None if revocation is None else build_document(revocation)
        values = {"tenant": tenant, "kind": kind, "key": key, "document": document, "created_at": self._clock.now()}
        self._entries.append((values, revocation))

    # -- for verbs side by side ---------------------------------------------------------------------------------------

    async def run_many(self, kind: Kind, statement: Statement, values: Sequence[dict[str, Any]]) -> Sequence[Any]:
        """See ``abreast.Connection``. One after the other here; all in one round trip where the database can."""
        run = {"fetch": self.fetch, "execute": self.execute, "insert": self.insert}[kind]
        outcomes: list[Any] = []
        for one in values:
            try:
                outcomes.append(await run(statement, **one))
            except (Duplicate, Unprocessable) as error:
                outcomes.append(error)
        return outcomes

    def _bind_many(
        self, kind: Kind, statement: Statement, values: Sequence[dict[str, Any]]
    ) -> tuple[list[Any], list[tuple[int, list[Any]]]]:
        """The outcomes of those that need no database, and the places and arguments of all others."""
        outcomes: list[Any] = [None] * len(values)
        bound = []
        for place, one in enumerate(values):
            try:
                bound.append((place, self._bind(statement, one)[1]))
            except Unstorable:
                outcomes[place] = () if kind == "fetch" else _build_unstorable()
        return outcomes, bound

    # -- for the driver -----------------------------------------------------------------------------------------------

    async def begin(self, *, is_group: bool) -> None:
        """``is_group``: several writes share the transaction, so none of them may wait long for a row."""
        self._forget()
        await self._begin(is_group)

    async def set_savepoint(self) -> None:
        self._kept = len(self._entries)
        await self._run("SAVEPOINT w")

    async def roll_back_to_savepoint(self) -> None:
        del self._entries[self._kept :]
        await self._run("ROLLBACK TO SAVEPOINT w")

    async def rollback(self) -> None:
        self._forget()
        await self._run("ROLLBACK")

    async def commit(self) -> list[Change]:
        """Commits, and returns the entries of the change feed that this made."""
        changes = []
        if self._entries:
            await self._lock_feed()
            numbers = await self._append([values for values, _ in self._entries])
            for sequence, (values, revocation) in zip(numbers, self._entries, strict=True):
                tenant, kind, key = values["tenant"], values["kind"], values["key"]
                changes.append(Change(sequence=sequence, tenant=tenant, kind=kind, key=key, revocation=revocation))
            await self._notify(changes)
        self.is_committing = True
        await self._run("COMMIT")
        self._forget()
        return changes

    def _forget(self) -> None:
        self._entries, self._kept, self.is_committing = [], 0, False

    def _bind(self, statement: Statement, values: dict[str, Any]) -> tuple[str, list[Any]]:
        compiled = self._compiled[statement.name]
        self._counts[statement.name] += 1
        if compiled.constants:
            values = {**compiled.constants, **values}
        arguments = [values[name] for name in compiled.names]
        for value in arguments:
            if type(value) is str and not _is_storable(value):
                raise Unstorable
        return compiled.text, arguments

    @abstractmethod
    async def read_version(self) -> str | None:
        """The schema's version; None: there is no schema."""

    @abstractmethod
    async def close(self) -> None:
        """Says good-bye. Never fails."""

    @abstractmethod
    def terminate(self) -> None:
        """Drops the connection at once, whatever it is doing."""

    # -- of one engine ------------------------------------------------------------------------------------------------

    @abstractmethod
    async def _fetch(self, text: str, values: list[Any]) -> Sequence[Row]: ...

    @abstractmethod
    async def _execute(self, text: str, values: list[Any]) -> int: ...

    @abstractmethod
    async def _run(self, text: str) -> None: ...

    @abstractmethod
    async def _begin(self, is_group: bool) -> None: ...

    @abstractmethod
    async def _lock_feed(self) -> None: ...

    @abstractmethod
    async def _append(self, entries: Sequence[dict[str, Any]]) -> Sequence[int]:
        """Inserts entries of the change feed and returns their numbers."""

    async def _notify(self, changes: Sequence[Change]) -> None:  # noqa: B027  most cannot
        """Tells other processes what is about to be committed, where the database can."""


def _build_unstorable() -> Unprocessable:
    return Unprocessable("text", "contains a character that cannot be stored")


def _is_storable(text: str) -> bool:
    if "\x00" in text:
        return False
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True
