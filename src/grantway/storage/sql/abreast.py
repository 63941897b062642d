"""Verbs side by side in one transaction: what several of them ask for at the same time goes to the database at once.

A verb is a coroutine that waits for nothing but statements. So it can be run up to its next statement, put aside with
what it wants, and go on when the answer is there. Equal statements of many verbs then cost one round trip together,
and each verb still gets its own answer. Verbs that may touch the same row are never side by side: see ``Keys``.

hot path: bench/
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator, Hashable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from grantway.model import Revocation
from grantway.storage.sql.statements import Statement
from grantway.storage.sql.transaction import ChangeKind, Keys, Transaction, Verb

Kind = Literal["fetch", "execute", "insert"]


class Keyed(Protocol):
    """Something that knows which rows it touches; None: any."""

    keys: Keys | None


K = TypeVar("K", bound=Keyed)


class Connection(Transaction, Protocol):
    """A transaction that takes many of one statement at once."""

    async def run_many(self, kind: Kind, statement: Statement, values: Sequence[dict[str, Any]]) -> Sequence[Any]:
        """What each would have returned alone, in their order, or the exception it would have raised."""


class _Wish:
    """What a verb waits for."""

    __slots__ = ("kind", "statement", "values")

    def __init__(self, kind: Kind, statement: Statement, values: dict[str, Any]) -> None:
        self.kind: Kind = kind
        self.statement = statement
        self.values = values

    def __await__(self) -> Generator[_Wish, Any, Any]:
        return (yield self)


class _Group(NamedTuple):
    """Verbs that wait for the same statement."""

    statement: Statement
    numbers: list[int]
    values: list[dict[str, Any]]


class _Wishes:
    """The ``Transaction`` that verbs see which are run side by side."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fetch(self, statement: Statement, **values: Any) -> _Wish:
        return _Wish("fetch", statement, values)

    def execute(self, statement: Statement, **values: Any) -> _Wish:
        return _Wish("execute", statement, values)

    def insert(self, statement: Statement, **values: Any) -> _Wish:
        return _Wish("insert", statement, values)

    async def append_change(
        self, tenant: str, kind: ChangeKind, key: str, revocation: Revocation | None = None
    ) -> None:
        await self._connection.append_change(tenant, kind, key, revocation)


async def run_abreast(connection: Connection, verbs: Sequence[Verb[Any]]) -> list[Any]:
    """The results of the verbs, in their order. The first error ends all of them."""
    if len(verbs) == 1:
        return [await verbs[0](connection)]
    wishes = _Wishes(connection)
    results: list[Any] = [None] * len(verbs)
    running: dict[int, Coroutine[Any, Any, Any]] = {number: verb(wishes) for number, verb in enumerate(verbs)}
    answers: dict[int, Any] = dict.fromkeys(running)
    try:
        while running:
            waiting: dict[tuple[str, Kind], _Group] = {}
            for number in sorted(answers):
                wish = _step(running, number, answers[number], results)
                if wish is not None:
                    group = waiting.setdefault((wish.statement.name, wish.kind), _Group(wish.statement, [], []))
                    group.numbers.append(number)
                    group.values.append(wish.values)
            answers = {}
            for (_, kind), group in waiting.items():
                outcomes = await connection.run_many(kind, group.statement, group.values)
                answers.update(zip(group.numbers, outcomes, strict=True))
    finally:
        for verb in running.values():
            verb.close()
    return results


def _step(running: dict[int, Coroutine[Any, Any, Any]], number: int, answer: Any, results: list[Any]) -> _Wish | None:
    """Lets one verb go on. Returns what it wants next; None: it has ended."""
    verb = running[number]
    try:
        wish: _Wish = verb.throw(answer) if isinstance(answer, Exception) else verb.send(answer)
    except StopIteration as end:
        results[number] = end.value
        del running[number]
        return None
    return wish


def build_rounds(calls: Sequence[K]) -> list[list[K]]:
    """Splits calls into rounds to be run one after the other, the calls of one round side by side.

    Calls with a key in common are in different rounds, in the order they came in. One that may touch any row is a round
    of its own, after all the others. Within a round rows are touched in the order of their keys, as every other batch
    does it, so that two batches do not wait for each other.
    """
    rounds: list[list[K]] = []
    latest: dict[Hashable, int] = {}
    for call in calls:
        if call.keys is None:
            continue
        turn = max((latest.get(key, -1) for key in call.keys), default=-1) + 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(call)
        for key in call.keys:
            latest[key] = turn
    for round_ in rounds:
        round_.sort(key=lambda call: call.keys or ())
    rounds.extend([call] for call in calls if call.keys is None)
    return rounds
