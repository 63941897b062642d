"""Many requests at the same moment, over four workers of one node on SQLite and of two nodes on a database server: one
winner, one live leaf, and the dead stay dead."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from grantway.testing.load import Answer, AsyncConnection, Connection, History, ask_all, race
from grantway.testing.running_server import (
    INTROSPECT,
    REVOKE,
    TOKEN,
    Family,
    Machine,
    RunningServer,
    stock_families,
)

from .cluster import Cluster, stock_machines
from .conftest import IS_SOAK
from .history import Record, Rotation, check_history

WORKERS = 4
REDEMPTIONS = 64
REFRESHES = 100
PROPAGATION = 1.0
"""Seconds after an acknowledged revocation in which a worker may not know it yet."""
LANES = 8
OUTSIDE_GRACE_MS = 120_000


class House(Struct, frozen=True):
    """The server under test with connections to each of its workers."""

    nodes: list[RunningServer]
    let_grace_pass: Callable[[str], None]
    """Makes the last rotation of an authorization look older than the grace window."""
    clients: dict[str, Machine]
    admin_token: str
    by_worker: dict[int, list[Connection]]
    all: list[Connection]
    """Alternating between the workers."""

    def stock(self, rotation: str, count: int, *, has_session: bool = False) -> list[Family]:
        number = next(_NUMBERS)
        names = [f"person-{number}-{each}" for each in range(count)]
        machine = self.clients[rotation]
        return self.nodes[0].administer(
            lambda runtime: stock_families(runtime, machine, names, has_session=has_session)
        )


_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def rounds(is_soak: bool) -> int:
    return 2000 if is_soak else 24


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "postgres"] if IS_SOAK else ["sqlite", "mariadb"])
def house(
    request: pytest.FixtureRequest, run_server: Callable[..., RunningServer], find_cluster: Callable[[str], Cluster]
) -> Iterator[House]:
    if request.param != "sqlite":
        cluster = find_cluster(request.param)
        yield build_house(cluster.nodes, cluster.machines, lambda sql: cluster.run(sql))
        return
    server = run_server(workers=WORKERS, settings={"tokens.refresh_token_grace": 60})
    yield build_house([server], server.administer(stock_machines), lambda sql: run_on_file(server.database, sql))
    assert server.stop() == 0


def build_house(nodes: list[RunningServer], clients: dict[str, Machine], run: Callable[[str], object]) -> House:
    table = "authorization" if nodes[0].settings.database.url.startswith("mariadb") else '"authorization"'

    def let_grace_pass(authorization_id: str) -> None:
        run(
            f"UPDATE {table} SET rotated_at = rotated_at - {OUTSIDE_GRACE_MS} "
            f"WHERE authorization_id = '{authorization_id}'"
        )

    by_worker = {
        pid: connections for node in nodes for pid, connections in node.connect_to_each(REFRESHES // WORKERS).items()
    }
    assert len(by_worker) == WORKERS
    everywhere = [connection for together in zip(*by_worker.values(), strict=True) for connection in together]
    granted = everywhere[0].ask("POST", TOKEN, **clients["admin"].ask_token())
    assert granted.status == 200, granted
    return House(nodes, let_grace_pass, clients, granted.document["access_token"], by_worker, everywhere)


def run_on_file(file: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(file, timeout=30)) as database, database:
        database.execute(sql)


def race_for(house: House, count: int, request: dict[str, Any], dice: random.Random) -> list[Answer]:
    """The same token request ``count`` times at once, spread evenly over the workers."""
    connections = house.all[:count]
    return race(connections, [each.build("POST", TOKEN, **request) for each in connections], dice)


def count_outcomes(answers: Iterable[Answer]) -> Counter[Any]:
    return Counter(answer.status if answer.status == 200 else (answer.status, answer.error) for answer in answers)


def is_active_somewhere(house: House, family: Family, tokens: list[str]) -> bool:
    """Whether any worker takes any of the tokens for good."""
    for connections in house.by_worker.values():
        requests = [connections[0].build("POST", INTROSPECT, **family.present(token)) for token in tokens]
        answers = ask_all(connections, requests)
        assert {answer.status for answer in answers} == {200}
        if any(answer.document["active"] for answer in answers):
            return True
    return False


def check_dead(house: House, family: Family, tokens: list[str], killed_at: float) -> float:
    """Fails if a worker takes one of the tokens for good a second after the kill. Returns when none did, seconds."""
    while True:
        asked_at = time.monotonic()
        if not is_active_somewhere(house, family, tokens):
            return asked_at - killed_at
        assert asked_at < killed_at + PROPAGATION, "a killed family is alive"


@pytest.mark.threat("R10")
@pytest.mark.threat("T21")
@pytest.mark.spec("RFC 6749 §4.1.2")
def test_of_64_parallel_redemptions_one_succeeds_and_what_it_got_dies(
    house: House, rounds: int, dice: random.Random
) -> None:
    worst = 0.0
    for family in house.stock("grace", rounds):
        answers = race_for(house, REDEMPTIONS, family.redeem(), dice)
        killed_at = time.monotonic()
        assert count_outcomes(answers) == {200: 1, (400, "invalid_grant"): REDEMPTIONS - 1}
        winner = next(answer.document for answer in answers if answer.status == 200)
        # The second redemption revokes what the first one got (RFC 6749 §4.1.2).
        tokens = [winner["access_token"], winner["refresh_token"]]
        worst = max(worst, check_dead(house, family, tokens, killed_at))
        after = house.all[0].ask("POST", TOKEN, **family.refresh(winner["refresh_token"]))
        assert (after.status, after.error) == (400, "invalid_grant")
    print(f"{rounds} rounds of {REDEMPTIONS} redemptions; the winner was dead everywhere after {worst * 1000:.0f} ms")


@pytest.mark.threat("R11")
@pytest.mark.threat("T28")
@pytest.mark.spec("RFC 9700 §4.14.2")
def test_of_100_parallel_strict_refreshes_one_succeeds_and_the_family_dies(
    house: House, rounds: int, dice: random.Random
) -> None:
    for family in house.stock("strict", rounds // 2):
        answers = race_for(house, REFRESHES, family.refresh(family.refresh_token), dice)
        killed_at = time.monotonic()
        assert count_outcomes(answers) == {200: 1, (400, "invalid_grant"): REFRESHES - 1}
        winner = next(answer.document for answer in answers if answer.status == 200)
        check_dead(house, family, [winner["access_token"], winner["refresh_token"]], killed_at)


@pytest.mark.threat("R11")
@pytest.mark.threat("T28")
@pytest.mark.spec("RFC 9700 §4.14.2")
def test_100_parallel_refreshes_with_grace_leave_one_live_leaf(house: House, rounds: int, dice: random.Random) -> None:
    dead = []
    for number, family in enumerate(house.stock("grace", rounds)):
        answers = race_for(house, REFRESHES, family.refresh(family.refresh_token), dice)
        assert count_outcomes(answers) == {200: REFRESHES}
        successors = [answer.document["refresh_token"] for answer in answers]
        assert {house.nodes[0].open_generation(token) for token in dice.sample(successors, 10)} == {1}
        first, second = house.all[number % WORKERS], house.all[(number + 1) % WORKERS]
        used = first.ask("POST", TOKEN, **family.refresh(dice.choice(successors)))
        assert used.status == 200, used
        tokens = [used.document["access_token"], used.document["refresh_token"]]
        assert is_active_somewhere(house, family, [tokens[1]])
        # Not its predecessor any more, or its predecessor but too late: either is theft.
        stolen = family.refresh_token if number % 2 else successors[0]
        if stolen == successors[0]:
            house.let_grace_pass(family.authorization.authorization_id)
        caught = second.ask("POST", TOKEN, **family.refresh(stolen))
        killed_at = time.monotonic()
        assert (caught.status, caught.error) == (400, "invalid_grant")
        dead.append((family, tokens, killed_at))
    for family, tokens, killed_at in dead:
        check_dead(house, family, tokens, killed_at)


def test_100_parallel_refreshes_without_rotation_all_succeed(house: House, rounds: int, dice: random.Random) -> None:
    for family in house.stock("off", rounds // 4):
        answers = race_for(house, REFRESHES, family.refresh(family.refresh_token), dice)
        assert count_outcomes(answers) == {200: REFRESHES}
        assert {answer.document["refresh_token"] for answer in answers} == {family.refresh_token}
        assert is_active_somewhere(house, family, [family.refresh_token])


# -- everything at once on one family -----------------------------------------------------------------------------


class Tangle:
    """One family: two who refresh, some who kill, all with random pauses; then nothing of it may be alive."""

    def __init__(
        self, house: House, rotation: Rotation, family: Family, connections: list[AsyncConnection], seed: int
    ) -> None:
        self.house, self.rotation, self.family, self.connections = house, rotation, family, connections
        self.dice = random.Random(seed)
        self.history = History()
        self.tokens: list[str] = []
        self.latest = family.refresh_token
        self.killed_at = 0.0
        self.records: list[Record] = []

    async def run(self) -> float:
        """Returns how long after the last acknowledged kill some worker still took a token for good, seconds."""
        begun = await self.ask("redeem", TOKEN, **self.family.redeem())
        self.keep(begun)
        killers = self.dice.sample(
            [self.revoke, self.end_session, self.disable_user, self.replay], self.dice.randint(1, 3)
        )
        # Drawn before anything runs: the same seed gives the same pauses.
        pauses = [[self.dice.uniform(0, 0.008) for _ in range(6)] for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            for each in pauses:
                group.create_task(self.refresh_on(each))
            for killer in killers:
                group.create_task(self.kill(killer, self.dice.uniform(0, 0.03)))
        alive_for = await self.check_dead()
        check_history(self.records, self.rotation, PROPAGATION)
        return alive_for

    async def ask(self, operation: str, path: str, *, presented: str = "", **parts: Any) -> Answer:
        connection = self.connections.pop(self.dice.randrange(len(self.connections)))
        began = time.monotonic()
        try:
            answer = await self.history.ask(connection, operation, self.family.subject, "POST", path, **parts)
        finally:
            self.connections.append(connection)
        assert answer is not None, "cut"
        assert answer.status < 500, answer
        self.record(operation, began, "done" if answer.status == 200 else "refused", presented)
        return answer

    def record(self, operation: str, began: float, outcome: str, presented: str = "") -> None:
        generation = self.house.nodes[0].open_generation(presented) if presented else 0
        self.records.append(Record(operation, began, time.monotonic(), outcome, generation))

    def keep(self, answer: Answer) -> None:
        self.tokens += [answer.document["access_token"], answer.document["refresh_token"]]
        self.latest = self.tokens[-1]

    async def refresh_on(self, pauses: list[float]) -> None:
        token = self.latest
        for pause in pauses:
            await asyncio.sleep(pause)
            answer = await self.ask("refresh", TOKEN, presented=token, **self.family.refresh(token))
            if answer.status != 200:
                assert answer.error == "invalid_grant", answer
                return
            self.keep(answer)
            token = self.latest

    async def kill(self, killer: Callable[[], Any], pause: float) -> None:
        await asyncio.sleep(pause)
        await killer()
        self.killed_at = max(self.killed_at, time.monotonic())

    async def revoke(self) -> None:
        answer = await self.ask("revoke", REVOKE, **self.family.present(self.latest))
        assert answer.status == 200, answer

    async def replay(self) -> None:
        answer = await self.ask("redeem", TOKEN, **self.family.redeem())
        assert (answer.status, answer.error) == (400, "invalid_grant"), answer

    async def end_session(self) -> None:
        await self.administer("DELETE", f"/admin/sessions/{self.family.session_id}")

    async def disable_user(self) -> None:
        await self.administer("PATCH", f"/admin/users/{self.family.subject}", {"enabled": False})

    async def administer(self, method: str, path: str, document: Any = None) -> None:
        connection, began = AsyncConnection(self.house.nodes[0].admin), time.monotonic()
        parts = {"document": document, "bearer": self.house.admin_token}
        answer = await connection.ask(method, path, **parts)
        await connection.close()
        assert answer.status in (200, 204, 404), answer  # 404: the session has ended already
        self.record("revoke", began, "done")

    async def check_dead(self) -> float:
        waiting = [(connection, token) for connection in self.connections for token in self.tokens]
        last_seen = self.killed_at
        while waiting:
            alive = []
            for connection, token in waiting:
                began = time.monotonic()
                answer = await self.history.ask(
                    connection, "introspect", self.family.subject, "POST", INTROSPECT, **self.family.present(token)
                )
                assert answer is not None
                assert answer.status == 200, answer
                self.record("introspect", began, "active" if answer.document["active"] else "inactive")
                if answer.document["active"]:
                    assert began < self.killed_at + PROPAGATION, (self.history.events, self.tokens.index(token))
                    alive.append((connection, token))
                    last_seen = max(last_seen, began)
            waiting = alive
            await asyncio.sleep(0.01 if waiting else 0)
        return last_seen - self.killed_at


@pytest.mark.threat("R12")
@pytest.mark.threat("R25")
@pytest.mark.threat("T30")
@pytest.mark.spec("RFC 7009 §2.1")
def test_after_the_last_acknowledged_kill_nothing_of_a_family_is_alive(
    house: House, rounds: int, dice: random.Random
) -> None:
    rotations: tuple[Rotation, Rotation] = ("grace", "strict")
    waiting = [
        (rotation, family, dice.getrandbits(32))
        for rotation in rotations
        for family in house.stock(rotation, rounds, has_session=True)
    ]
    dice.shuffle(waiting)
    worst, tangled = 0.0, 0

    async def run_lane() -> None:
        nonlocal worst, tangled
        connections = [AsyncConnection(house.nodes[0].public, spread.pop()) for spread in fresh]  # one to each worker
        while waiting:
            rotation, family, seed = waiting.pop()
            tangle = Tangle(house, rotation, family, connections, seed)
            worst = max(worst, await tangle.run())
            tangled += len(tangle.tokens)
        for connection in connections:
            await connection.close()

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(LANES):
                group.create_task(run_lane())

    fresh = [connections for node in house.nodes for connections in node.connect_to_each(LANES).values()]
    asyncio.run(run())
    print(f"{2 * rounds} tangled families, {tangled} tokens; last one alive {worst * 1000:.0f} ms after its kill")
