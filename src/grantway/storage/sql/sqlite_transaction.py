"""The ``Transaction`` of SQLite: one connection, used by one thread.

hot path: bench/
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from grantway.errors import Unprocessable
from grantway.model import Change, Revocation
from grantway.ports import Clock
from grantway.storage.sql.records import build_document
from grantway.storage.sql.statements import INSERT_CHANGE, Compiled, Statement
from grantway.storage.sql.transaction import ChangeKind, Duplicate, Row

_DUPLICATE = frozenset((sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY))


class SqliteTransaction:
    """The ``Transaction`` of one connection, used by one thread."""

    def __init__(self, connection: sqlite3.Connection, compiled: dict[str, Compiled], clock: Clock) -> None:
        self.connection = connection
        self.changes: list[Change] = []
        self._compiled = compiled
        self._clock = clock
        self._data_version = -1
        self.counts = dict.fromkeys(compiled, 0)

    def _run(self, statement: Statement, values: dict[str, Any]) -> sqlite3.Cursor:
        compiled = self._compiled[statement.name]
        self.counts[statement.name] += 1
        if compiled.constants:
            values = {**compiled.constants, **values}
        return self.connection.execute(compiled.text, [values[name] for name in compiled.names])

    async def fetch(self, statement: Statement, **values: Any) -> Sequence[Row]:
        try:
            return self._run(statement, values).fetchall()
        except UnicodeEncodeError:  # a lone surrogate: no stored text has one, so nothing matches
            return ()

    async def execute(self, statement: Statement, **values: Any) -> int:
        try:
            return self._run(statement, values).rowcount
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode in _DUPLICATE:
                raise Duplicate from error
            raise
        except UnicodeEncodeError as error:
            raise Unprocessable("text", "contains a character that cannot be stored") from error

    async def insert(self, statement: Statement, **values: Any) -> bool:
        try:
            await self.execute(statement, **values)
        except Duplicate:
            return False
        return True

    async def append_change(
        self, tenant: str, kind: ChangeKind, key: str, revocation: Revocation | None = None
    ) -> None:
        document = None if revocation is None else build_document(revocation)
        values = {"tenant": tenant, "kind": kind, "key": key, "document": document, "created_at": self._clock.now()}
        sequence = self._run(INSERT_CHANGE, values).lastrowid
        change = Change(sequence=sequence or 0, tenant=tenant, kind=kind, key=key, revocation=revocation)
        self.changes.append(change)

    def has_moved(self) -> bool:
        """Whether another connection committed since this one was asked last (``PRAGMA data_version``)."""
        (version,) = self.connection.execute("PRAGMA data_version").fetchone()
        moved, self._data_version = version != self._data_version, version
        return bool(moved)
