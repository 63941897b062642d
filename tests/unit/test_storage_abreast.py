"""Verbs side by side: who may be, and that each gets its own answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from grantway.storage.sql import statements as sql
from grantway.storage.sql.abreast import Kind, build_rounds, run_abreast
from grantway.storage.sql.statements import Statement
from grantway.storage.sql.transaction import Abandon, Duplicate, Transaction


class Call(NamedTuple):
    name: str
    keys: tuple[str, ...] | None


class Recorder:
    """A connection that answers with what it was asked."""

    def __init__(self) -> None:
        self.trips: list[tuple[str, str, list[Any]]] = []
        self.changes: list[str] = []

    async def run_many(self, kind: Kind, statement: Statement, values: Sequence[dict[str, Any]]) -> Sequence[Any]:
        self.trips.append((kind, statement.name, [one["tenant"] for one in values]))
        return [Duplicate() if one["tenant"] == "taken" else ((one["tenant"],),) for one in values]

    async def append_change(self, tenant: str, *_: Any) -> None:
        self.changes.append(tenant)


async def load_twice(tx: Transaction, tenant: str) -> str:
    ((first,),) = await tx.fetch(sql.LOAD_TENANT, tenant=tenant)
    await tx.append_change(tenant, "tenant", tenant)
    ((second,),) = await tx.fetch(sql.LIST_KEYS, tenant=tenant)
    return f"{first} {second}"


def test_calls_without_a_row_in_common_are_one_round_in_the_order_of_their_rows() -> None:
    calls = [Call("b", ("2",)), Call("c", ("3", "4")), Call("a", ("1",))]
    assert [[call.name for call in round_] for round_ in build_rounds(calls)] == [["a", "b", "c"]]


def test_calls_with_a_row_in_common_keep_their_order_in_rounds() -> None:
    calls = [
        Call("any", None),
        Call("a1", ("a",)),
        Call("ab", ("a", "b")),
        Call("b2", ("b",)),
        Call("a2", ("a",)),
        Call("c1", ("c",)),
        Call("any too", None),
    ]
    rounds = [[call.name for call in round_] for round_ in build_rounds(calls)]
    assert rounds == [["a1", "c1"], ["ab"], ["a2", "b2"], ["any"], ["any too"]]
    assert build_rounds([]) == []


def test_equal_statements_go_together_and_each_verb_gets_its_own_answer() -> None:
    connection = Recorder()

    async def load_once(tx: Transaction) -> Any:
        return await tx.fetch(sql.LIST_KEYS, tenant="once")

    verbs = [lambda tx, name=name: load_twice(tx, name) for name in "xyz"]
    results = asyncio.run(run_abreast(connection, [verbs[0], load_once, *verbs[1:]]))  # type: ignore[arg-type]
    assert results == ["x x", (("once",),), "y y", "z z"]
    assert connection.trips == [
        ("fetch", "load_tenant", ["x", "y", "z"]),
        ("fetch", "list_keys", ["once"]),
        ("fetch", "list_keys", ["x", "y", "z"]),
    ]
    assert connection.changes == ["x", "y", "z"]


def test_an_error_of_one_statement_reaches_its_verb_alone() -> None:
    async def insert(tx: Transaction, tenant: str) -> str:
        try:
            await tx.execute(sql.UPDATE_TENANT, tenant=tenant)
        except Duplicate:
            return "taken"
        return "done"

    verbs = [lambda tx, name=name: insert(tx, name) for name in ("a", "taken", "b")]
    assert asyncio.run(run_abreast(Recorder(), verbs)) == ["done", "taken", "done"]  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [Abandon(False), ValueError("a verb's own")])
def test_an_error_of_one_verb_ends_all(error: Exception) -> None:
    ended = []

    async def wait(tx: Transaction) -> None:
        try:
            await load_twice(tx, "x")
            await load_twice(tx, "x")
        finally:
            ended.append("waiting")

    async def fail(tx: Transaction) -> None:
        await tx.fetch(sql.LOAD_TENANT, tenant="y")
        raise error

    with pytest.raises(type(error)):
        asyncio.run(run_abreast(Recorder(), [wait, fail]))  # type: ignore[arg-type]
    assert ended == ["waiting"]
