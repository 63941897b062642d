"""The database does not answer: 503 where something would have to be sure, never 200; afterwards all is as before.

Another process takes the locks that SQLite's own protocol is made of: the one that writing needs, or all of them, so
that reading waits as well.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import Struct

from grantway.extension import Runtime
from grantway.testing.load import Answer, Connection, ask_all
from grantway.testing.running_server import (
    INTROSPECT,
    REVOKE,
    TOKEN,
    Family,
    Machine,
    RunningServer,
    stock_client,
    stock_families,
)

FROM_MEMORY = ("/.well-known/openid-configuration", "/.well-known/jwks.json", "/health/alive", "/version")
RECOVERY = 30.0
FRESHNESS_BOUND = 1.0
"""Seconds: how old the memory may be that a worker answers from (database.freshness_bound_ms)."""

HOLD_WRITES = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""
HOLD_EVERYTHING = """
import fcntl, sys
index = open(sys.argv[1] + "-shm", "r+b")
fcntl.lockf(index, fcntl.LOCK_EX, 8, 120)  # the eight locks of a write-ahead log's index
print("held", flush=True)
sys.stdin.read()
"""


class House(Struct, frozen=True):
    server: RunningServer
    machine: Machine
    by_worker: list[list[Connection]]
    """Four to each worker."""

    @property
    def connections(self) -> list[Connection]:
        """One to each worker."""
        return [connections[0] for connections in self.by_worker]


@pytest.fixture(scope="module")
def house(run_server: Callable[..., RunningServer]) -> Iterator[House]:
    server = run_server(workers=4, settings={"database.timeout": 1})
    machine = server.administer(lambda runtime: stock_client(runtime, "client"))
    yield House(server, machine, list(server.connect_to_each(4).values()))
    assert server.stop() == 0


@contextlib.contextmanager
def held(house: House, source: str) -> Iterator[None]:
    """Another process has the database for itself."""
    process = subprocess.Popen(
        [sys.executable, "-c", source, str(house.server.database)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.kill()


class Target(Struct, frozen=True):
    """Tokens of somebody, and a code that nobody has used yet."""

    family: Family
    access_token: str
    refresh_token: str
    other: Family


def build_target(house: House, name: str) -> Target:
    async def stock(runtime: Runtime) -> list[Family]:
        return await stock_families(runtime, house.machine, [f"{name}-1", f"{name}-2"])

    family, other = house.server.administer(stock)
    answer = house.connections[0].ask("POST", TOKEN, **family.redeem())
    target = Target(family, answer.document["access_token"], answer.document["refresh_token"], other)
    for connection in house.connections:
        assert is_active(introspect(connection, target))
        assert connection.ask("POST", TOKEN, **house.machine.ask_token()).status == 200
        check_from_memory(connection)
    return target


def introspect(connection: Connection, target: Target) -> Answer:
    return connection.ask("POST", INTROSPECT, **target.family.present(target.access_token))


def ask_each(connections: list[Connection], asked: list[tuple[str, dict[str, Any]]]) -> list[Answer]:
    """Answers to POSTs that are sent at once, one on each connection."""
    requests = [each.build("POST", path, **parts) for each, (path, parts) in zip(connections, asked, strict=True)]
    return ask_all(connections, requests)


def is_active(answer: Answer) -> bool:
    return answer.status == 200 and bool(answer.document["active"])


def is_honest(answer: Answer) -> bool:
    """503 that says when to try again."""
    return answer.status == 503 and answer.headers["retry-after"].isdigit()


def check_from_memory(connection: Connection) -> None:
    for path in FROM_MEMORY:
        answer = connection.ask("GET", path)
        assert answer.status == 200, (path, answer)
    assert connection.ask("GET", "/.well-known/jwks.json").document["keys"]


def check_recovered(house: House, target: Target) -> None:
    """Without a restart: what was not done can be done, and it reaches every worker."""
    for connection in house.connections:
        wait_for(lambda each=connection: each.ask("GET", "/health/ready").status == 200)
    revoked = house.connections[1].ask("POST", REVOKE, **target.family.present(target.refresh_token))
    assert revoked.status == 200, revoked
    for connection in house.connections:
        wait_for(lambda each=connection: introspect(each, target).document == {"active": False})
    assert house.connections[2].ask("POST", TOKEN, **target.other.redeem()).status == 200


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + RECOVERY
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.spec("RFC 7009 §2.2.1")
def test_while_nothing_can_be_written_no_revocation_is_confirmed_and_reading_goes_on(house: House) -> None:
    target = build_target(house, "writes")
    with held(house, HOLD_WRITES):
        asked = [
            (REVOKE, target.family.present(target.refresh_token)),
            (REVOKE, target.family.present(target.access_token)),
            (TOKEN, target.other.redeem()),
            (TOKEN, target.family.refresh(target.refresh_token)),
        ]
        for connections in house.by_worker:
            assert all(is_honest(answer) for answer in ask_each(connections, asked))
        for connection in house.connections:
            assert is_active(introspect(connection, target))
            assert connection.ask("POST", TOKEN, **house.machine.ask_token()).status == 200
            check_from_memory(connection)
    for connection in house.connections:  # what was answered with 503 did not happen later on
        assert is_active(introspect(connection, target))
    check_recovered(house, target)


def test_while_nothing_can_be_read_a_worker_answers_from_memory_as_long_as_that_is_fresh(house: House) -> None:
    target = build_target(house, "reads")
    with held(house, HOLD_EVERYTHING):
        held_at, from_memory, waiting = time.monotonic(), 0, house.connections
        while waiting:
            asked_at = time.monotonic()
            answers = ask_each(waiting, [(INTROSPECT, target.family.present(target.access_token)) for _ in waiting])
            waiting = [each for each, answer in zip(waiting, answers, strict=True) if is_active(answer)]
            assert all(is_active(answer) or is_honest(answer) for answer in answers), answers
            assert not waiting or asked_at < held_at + FRESHNESS_BOUND, "a worker trusts a memory that is too old"
            from_memory += len(waiting)
        assert from_memory > 0
        for connection in house.connections:
            check_from_memory(connection)
        asked = [
            (REVOKE, target.family.present(target.access_token)),
            (INTROSPECT, target.family.present(target.access_token)),
            (TOKEN, house.machine.ask_token()),
            (TOKEN, target.other.redeem()),
        ]
        for connections in house.by_worker:
            assert all(is_honest(answer) for answer in ask_each(connections, asked))
        assert house.connections[0].ask("GET", "/health/ready").status == 503
    print(f"{from_memory} introspections were answered from memory before it was too old")
    for connection in house.connections:
        wait_for(lambda each=connection: is_active(introspect(each, target)))
    check_recovered(house, target)
