"""Client programs that redeem, refresh, introspect and revoke, each its own families, and know what must be true of
every token they were given.

A request whose connection was cut, or that was answered 503, is unknown; most are repeated, and the answer settles what
had happened. Everything is recorded, for ``history`` to check afterwards.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from grantway.extension import Runtime
from grantway.testing.load import Address, Answer, AsyncConnection, Connection, History, ask_all
from grantway.testing.running_server import (
    INTROSPECT,
    REVOKE,
    TOKEN,
    Family,
    Machine,
    stock_client,
    stock_families,
)

from .history import Record, Rotation, check_history, measure_propagation

T = TypeVar("T")
BOUND = 1.0
"""Seconds until every worker knows of a revocation."""
PAUSE = 0.01
"""Before a request is sent again, seconds."""


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
        self.records: list[Record] = []

    @property
    def generation(self) -> int:
        """That of the refresh token in hand."""
        return len(self.spent)

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

    def record(self, operation: str, began: float, answer: Answer | None) -> None:
        if answer is None:
            outcome = "unknown"
        elif operation == "introspect":
            outcome = "active" if answer.document["active"] else "inactive"
        else:
            outcome = "done" if answer.status == 200 else "refused"
        self.records.append(Record(operation, began, time.monotonic(), outcome, self.generation))


class Lane:
    """One client program: one connection, its own families, one request after the other."""

    def __init__(
        self,
        address: Address,
        history: History,
        machine: Machine,
        rotation: Rotation,
        families: list[Family],
        seed: int,
        *,
        pause: float = 0.0,
    ) -> None:
        self.history, self.rotation, self.pause = history, rotation, pause
        self.machine, self.families = machine, families
        self.dice = random.Random(seed)
        self.connection = AsyncConnection(address)
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
            await asyncio.sleep(self.pause)

    async def ask(self, operation: str, life: Life | None, path: str, **parts: Any) -> Answer | None:
        """None: unknown. 503 says that nothing is sure either."""
        began = time.monotonic()
        family = life.family.code if life is not None else self.machine.client_id
        answer = await self.history.ask(self.connection, operation, family, "POST", path, **parts)
        if answer is not None and answer.status == 503:
            answer = None
        if life is not None and operation != "revoke_access":
            life.record(operation, began, answer)
        return answer

    async def ask_until_answered(self, operation: str, life: Life, path: str, **parts: Any) -> tuple[Answer, bool]:
        """The answer, and whether an earlier attempt was cut off."""
        was_cut = False
        while (answer := await self.ask(operation, life, path, **parts)) is None:
            was_cut = True
            await asyncio.sleep(PAUSE)
        return answer, was_cut

    def choose(self) -> Life | None:
        living = [life for life in self.lives[-8:] if life.state == "live"]
        return self.dice.choice(living) if living else None

    async def begin(self) -> None:
        if not self.families:
            return
        life = Life(self.families.pop())
        answer, was_cut = await self.ask_until_answered("redeem", life, TOKEN, **life.family.redeem())
        self.lives.append(life)
        self.settle(life, answer, was_cut)

    async def refresh(self) -> None:
        life = self.choose()
        if life is not None:
            parts = life.family.refresh(life.refresh_token)
            self.settle(life, *await self.ask_until_answered("refresh", life, TOKEN, **parts))

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
        answer = await self.ask("revoke", life, REVOKE, **parts)
        if answer is None and self.dice.random() < 0.5:
            life.state = "unsure"
            return
        if answer is None:
            answer, _ = await self.ask_until_answered("revoke", life, REVOKE, **parts)
        assert answer.status == 200, answer
        life.die()

    async def revoke_access(self) -> None:
        life = self.choose()
        if life is None:
            return
        token = self.dice.choice(life.access_tokens)
        answer = await self.ask("revoke_access", life, REVOKE, **life.family.present(token))
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
        is_alone = token in life.revoked or token in life.unsure  # its answers say nothing about the family
        asked = None if is_alone else life
        answer = await self.ask("introspect", asked, INTROSPECT, **life.family.present(token))
        expected = life.expect(token, asked_at)
        if answer is not None and expected is not None:
            assert answer.status == 200, answer
            assert answer.document["active"] is expected

    async def ask_for_itself(self) -> None:
        answer = await self.ask("client_credentials", None, TOKEN, **self.machine.ask_token())
        if answer is not None:
            assert answer.status == 200, answer
            self.machine_tokens.append(answer.document["access_token"])


async def stock_lanes(
    runtime: Runtime, address: Address, count: int, families: int, dice: random.Random, *, pause: float = 0.0
) -> list[Lane]:
    """Lanes with clients and families of their own, half of them strict, all with one history."""
    history, tag, lanes = History(), f"{dice.getrandbits(32):x}", []
    for number in range(count):
        rotation: Rotation = "strict" if number % 2 else "grace"
        machine = await stock_client(runtime, f"client-{tag}-{number}", refresh_token_rotation=rotation)
        stocked = await stock_families(runtime, machine, [f"person-{tag}-{number}-{each}" for each in range(families)])
        lanes.append(Lane(address, history, machine, rotation, stocked, dice.getrandbits(32), pause=pause))
    return lanes


async def run_beside(lanes: Sequence[Lane], work: Callable[[], Awaitable[T]]) -> T:
    """Runs the lanes until ``work`` has ended, and returns what it returned."""
    try:
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(lane.run())
            try:
                return await work()
            finally:
                for lane in lanes:
                    lane.is_over = True
    finally:
        for lane in lanes:
            await lane.connection.close()


# -- afterwards -----------------------------------------------------------------------------------------------------


class Held(Counter[str]):
    """What was held; ``str()`` of it is for people."""

    worst = 0.0
    """Seconds a revoked token was taken for good after its revocation was acknowledged."""

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.items())
        return f"{counts}, lost=0, worst propagation {self.worst * 1000:.0f} ms"


def check_lanes(lanes: Sequence[Lane], connections: Sequence[Connection]) -> Held:
    """Every token is what it must be, every history can have happened, and what was spent is spent."""
    history = lanes[0].history
    failures = [each for each in history.events if each.status is not None and each.status >= 500]
    assert history.count_failures() == 0, failures
    redeemed = Counter(each.family for each in history.events if each.operation == "redeem" and each.status == 200)
    assert set(redeemed.values()) == {1}
    held = Held(requests=len(history.events), unanswered=history.count(None), unavailable=history.count(503))
    tokens = check_tokens(lanes, connections)
    held["live tokens"], held["dead tokens"], held["unsure tokens"] = tokens[True], tokens[False], tokens[None]
    held["revocations"] = sum(each.operation.startswith("revoke") and each.status == 200 for each in history.events)
    for lane in lanes:
        for life in lane.lives:
            check_history(life.records, lane.rotation, BOUND)
            held["histories"] += 1
            held.worst = max(held.worst, measure_propagation(life.records, lane.rotation))
    held["spent things"] = check_spent(lanes, connections)
    return held


def check_tokens(lanes: Sequence[Lane], connections: Sequence[Connection]) -> Counter[bool | None]:
    """Every token is what it must be. Returns how many of each kind."""
    seen: Counter[bool | None] = Counter()
    for lane in lanes:
        requests = [connections[0].build("POST", INTROSPECT, form={"token": token}, auth=lane.machine.auth)
                    for token in lane.machine_tokens]  # fmt: skip
        assert all(answer.document["active"] for answer in ask_all(connections, requests)), "a token is lost"
        seen[True] += len(requests)
        for life in lane.lives:
            seen += check_life(life, connections)
    return seen


def check_life(life: Life, connections: Sequence[Connection]) -> Counter[bool | None]:
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


def check_spent(lanes: Sequence[Lane], connections: Sequence[Connection]) -> int:
    """Codes and refresh tokens that were spent are spent. Trying kills the family, so this comes last."""
    requests = []
    for life in (life for lane in lanes for life in lane.lives if life.refresh_token):
        requests.append(connections[0].build("POST", TOKEN, **life.family.redeem()))
        # its own successor was given out, and that one's: two generations back is theft whatever the mode
        requests += [connections[0].build("POST", TOKEN, **life.family.refresh(token)) for token in life.spent[:-1]]
    answers = ask_all(connections, requests)
    assert {(answer.status, answer.error) for answer in answers} <= {(400, "invalid_grant")}
    return len(answers)
