"""kill -9 of workers under load, then of everything: what was acknowledged holds, what was cut off is one or the other.

Each lane of the load owns its families, so it knows what must be true of every token it was given. A request whose
connection was cut is unknown; it is repeated, and the answer settles what had happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grantway.extension import Runtime
from grantway.testing.load import Answer, AsyncConnection, History, ask_all
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

LANES = 16
BOUND = 1.0
"""Seconds until every worker knows of a revocation."""
FEWEST_REQUESTS = 300
FEWEST_KILLS = 5


class Life:
    """What is known of one family: its tokens, and whether they must be good."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.state = "live"
        """live | dead (acknowledged) | unsure (a revocation was cut off, and nobody asked again)"""
        self.dead_at = 0.0
        self.refresh_token = ""
        self.spent: list[str] = []
        self.access_tokens: list[str] = []
        self.revoked: dict[str, float] = {}
        """Access tokens revoked alone, and when that was acknowledged."""
        self.unsure: set[str] = set()

    def keep(self, answer: Answer) -> None:
        if self.refresh_token:
            self.spent.append(self.refresh_token)
        self.refresh_token = answer.document["refresh_token"]
        self.access_tokens.append(answer.document["access_token"])

    def die(self) -> None:
        self.state, self.dead_at = "dead", time.monotonic()

    def expect(self, token: str, now: float) -> bool | None:
        """Whether the access token must be active; None: it may be either."""
        if token in self.unsure or self.state == "unsure":
            return None
        ended_at = self.dead_at if self.state == "dead" else self.revoked.get(token)
        if ended_at is None:
            return True
        return False if now > ended_at + BOUND else None


class Lane:
    """One client program: one connection, its own families, one request after the other."""

    def __init__(
        self, server: RunningServer, history: History, machine: Machine, families: list[Family], seed: int
    ) -> None:
        self.server, self.history = server, history
        self.machine, self.families = machine, families
        self.dice = random.Random(seed)
        self.connection = AsyncConnection(server.public)
        self.lives: list[Life] = []
        self.machine_tokens: list[str] = []
        self.is_over = False

    async def run(self) -> None:
        while not self.is_over:
            act = self.dice.choices(
                [self.begin, self.refresh, self.introspect, self.revoke, self.revoke_access, self.ask_for_itself],
                [3, 6, 6, 1, 1, 3],
            )[0]
            await act()
        await self.connection.close()

    async def ask(self, operation: str, family: str, path: str, **parts: Any) -> Answer | None:
        """None: unknown. 503 says that nothing is sure either."""
        answer = await self.history.ask(self.connection, operation, family, "POST", path, **parts)
        return None if answer is None or answer.status == 503 else answer

    async def ask_until_answered(self, operation: str, family: str, path: str, **parts: Any) -> tuple[Answer, bool]:
        """The answer, and whether an earlier attempt was cut off."""
        was_cut = False
        while (answer := await self.ask(operation, family, path, **parts)) is None:
            was_cut = True
            await asyncio.sleep(0.01)
        return answer, was_cut

    def choose(self) -> Life | None:
        living = [life for life in self.lives[-8:] if life.state == "live"]
        return self.dice.choice(living) if living else None

    async def begin(self) -> None:
        if not self.families:
            return
        life = Life(self.families.pop())
        parts = life.family.redeem()
        answer, was_cut = await self.ask_until_answered("redeem", life.family.code, TOKEN, **parts)
        self.lives.append(life)
        self.settle(life, answer, was_cut)

    async def refresh(self) -> None:
        life = self.choose()
        if life is not None:
            parts = life.family.refresh(life.refresh_token)
            self.settle(life, *await self.ask_until_answered("refresh", life.family.code, TOKEN, **parts))

    def settle(self, life: Life, answer: Answer, was_cut: bool) -> None:
        """A repetition of what had happened is a replay, so the family is gone; without a cut it must not be."""
        if answer.status == 200:
            life.keep(answer)
            return
        assert (answer.status, answer.error) == (400, "invalid_grant"), answer
        assert was_cut, "a live family was refused"
        life.die()

    async def revoke(self) -> None:
        life = self.choose()
        if life is None:
            return
        parts = life.family.present(life.refresh_token)
        answer = await self.ask("revoke", life.family.code, REVOKE, **parts)
        if answer is None and self.dice.random() < 0.5:
            life.state = "unsure"
            return
        if answer is None:
            answer, _ = await self.ask_until_answered("revoke", life.family.code, REVOKE, **parts)
        assert answer.status == 200, answer
        life.die()

    async def revoke_access(self) -> None:
        life = self.choose()
        if life is None:
            return
        token = self.dice.choice(life.access_tokens)
        answer = await self.ask("revoke_access", life.family.code, REVOKE, **life.family.present(token))
        if answer is None:
            life.unsure.add(token)
        else:
            assert answer.status == 200, answer
            life.revoked.setdefault(token, time.monotonic())

    async def introspect(self) -> None:
        if not self.lives:
            return
        life = self.dice.choice(self.lives[-12:])
        if not life.access_tokens:
            return
        token, asked_at = self.dice.choice(life.access_tokens), time.monotonic()
        answer = await self.ask("introspect", life.family.code, INTROSPECT, **life.family.present(token))
        expected = life.expect(token, asked_at)
        if answer is not None and expected is not None:
            assert answer.status == 200, answer
            assert answer.document["active"] is expected

    async def ask_for_itself(self) -> None:
        answer = await self.ask("client_credentials", self.machine.client_id, TOKEN, **self.machine.ask_token())
        if answer is not None:
            assert answer.status == 200, answer
            self.machine_tokens.append(answer.document["access_token"])


async def kill_workers(server: RunningServer, dice: random.Random, until: float) -> int:
    """kill -9 of a random worker every 0.2 to 0.4 s, as long as there is another. Returns how many it were."""
    kills = 0
    while time.monotonic() < until:
        await asyncio.sleep(dice.uniform(0.2, 0.4))
        workers = server.workers()
        if len(workers) > 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(dice.choice(workers), signal.SIGKILL)
                kills += 1
    return kills


async def run_load(server: RunningServer, lanes: list[Lane], dice: random.Random, seconds: float) -> int:
    """Returns the number of kills. The lanes' last requests may be cut off by the end of everything: repeated."""
    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(lane.run())
        kills = await kill_workers(server, dice, time.monotonic() + seconds)
        for lane in lanes:
            lane.is_over = True
        # Everything goes down with requests under way; their lanes ask again until the next server answers.
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(lambda: server.start(port=server.public[1]))
    return kills


@pytest.fixture
def lanes(run_server: Callable[..., RunningServer], dice: random.Random, is_soak: bool) -> Iterator[list[Lane]]:
    server = run_server(workers=4)

    async def stock(runtime: Runtime) -> list[tuple[Machine, list[Family]]]:
        stocked = []
        for number in range(LANES):
            rotation = "strict" if number % 2 else "grace"
            machine = await stock_client(runtime, f"client-{number}", refresh_token_rotation=rotation)
            names = [f"person-{number}-{each}" for each in range(5000 if is_soak else 100)]
            stocked.append((machine, await stock_families(runtime, machine, names)))
        return stocked

    history = History()
    yield [Lane(server, history, *each, dice.getrandbits(32)) for each in server.administer(stock)]
    server.close()


@pytest.mark.threat("T21")
def test_killed_workers_and_a_killed_server_lose_nothing_that_was_acknowledged(
    lanes: list[Lane], dice: random.Random, is_soak: bool, tmp_path: Path
) -> None:
    server, history = lanes[0].server, lanes[0].history
    kills = asyncio.run(run_load(server, lanes, dice, 600 if is_soak else 8))
    history.write(tmp_path / "history.jsonl")
    assert kills >= FEWEST_KILLS
    assert len(history.events) >= FEWEST_REQUESTS
    assert history.count_failures() == 0, [each for each in history.events if each.status == 500]
    redeemed = Counter(each.family for each in history.events if each.operation == "redeem" and each.status == 200)
    assert set(redeemed.values()) == {1}
    held = check_tokens(server, lanes)
    check_spent(server, lanes)
    with contextlib.closing(sqlite3.connect(server.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    print(
        f"{kills} kills, {len(history.events)} requests, {history.count(None)} cut off, {history.count(503)} of 503; "
        f"{held[True]} live tokens held, {held[False]} dead ones stayed dead, {held[None]} unsure; lost=0"
    )


def check_tokens(server: RunningServer, lanes: list[Lane]) -> Counter[bool | None]:
    """Every token is what it must be on a worker that started after the crash. Returns how many of each kind."""
    seen: Counter[bool | None] = Counter()
    connections = [server.connect() for _ in range(16)]
    for lane in lanes:
        requests = [connections[0].build("POST", INTROSPECT, form={"token": token}, auth=lane.machine.auth)
                    for token in lane.machine_tokens]  # fmt: skip
        assert all(answer.document["active"] for answer in ask_all(connections, requests)), "a token is lost"
        seen[True] += len(requests)
        for life in lane.lives:
            seen += check_life(life, connections)
    return seen


def check_life(life: Life, connections: list[Any]) -> Counter[bool | None]:
    tokens = [*life.access_tokens, *([life.refresh_token] if life.refresh_token else [])]
    requests = [connections[0].build("POST", INTROSPECT, **life.family.present(token)) for token in tokens]
    found = [answer.document["active"] for answer in ask_all(connections, requests)]
    seen: Counter[bool | None] = Counter()
    for token, is_active in zip(tokens, found, strict=True):
        expected = life.expect(token, life.dead_at + 2 * BOUND)
        if life.revoked.get(token) is not None:
            expected = False  # acknowledged, whatever became of its family
        if expected is not None:
            assert is_active is expected, (life.state, "lost" if expected else "revived")
        seen[expected] += 1
    if life.state == "unsure":  # one or the other, but the whole family
        alone = {*life.revoked, *life.unsure}
        assert len({active for token, active in zip(tokens, found, strict=True) if token not in alone}) <= 1
    return seen


def check_spent(server: RunningServer, lanes: list[Lane]) -> None:
    """Codes and refresh tokens that were spent are spent. Trying kills the family, so this comes last."""
    connections = [server.connect() for _ in range(16)]
    requests = []
    for life in (life for lane in lanes for life in lane.lives if life.refresh_token):
        requests.append(connections[0].build("POST", TOKEN, **life.family.redeem()))
        # its own successor was given out, and that one's: two generations back is theft whatever the mode
        requests += [connections[0].build("POST", TOKEN, **life.family.refresh(token)) for token in life.spent[:-1]]
    answers = ask_all(connections, requests)
    assert {(answer.status, answer.error) for answer in answers} == {(400, "invalid_grant")}
