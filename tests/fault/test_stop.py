"""A server that is told to stop answers what it began; clients that leave in the middle harm nobody."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grantway.extension import Runtime
from grantway.testing.load import AsyncConnection, Connection, Cut, History
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

HELD = 60
LANES = 12
SPARE_FILES = 8
"""Open files a worker may have more than before: sockets that the kernel has not reaped yet."""


def stock(server: RunningServer, rotation: str, count: int) -> list[Family]:
    async def work(runtime: Runtime) -> list[Family]:
        machine = await stock_client(runtime, f"client-{rotation}", refresh_token_rotation=rotation)
        return await stock_families(runtime, machine, [f"{rotation}-{each}" for each in range(count)])

    return server.administer(work)


def ask_about(server: RunningServer, family: Family, token: str) -> dict[str, object]:
    connection = server.connect()
    answer = connection.ask("POST", INTROSPECT, **family.present(token))
    connection.close()
    assert answer.status == 200, answer
    return answer.document


class Refresher:
    """Refreshes one strict family on and on. Stops at the first request that gets no answer, and keeps its token."""

    def __init__(self, server: RunningServer, history: History, family: Family) -> None:
        self.family, self.history = family, history
        self.connection = AsyncConnection(server.public)
        self.token, self.access_tokens = family.refresh_token, [""][:0]
        self.was_cut = False

    async def run(self) -> None:
        while not self.was_cut:
            parts = self.family.refresh(self.token)
            answer = await self.history.ask(self.connection, "refresh", self.family.subject, "POST", TOKEN, **parts)
            if answer is None:
                self.was_cut = True
            else:
                assert answer.status == 200, answer
                self.token = answer.document["refresh_token"]
                self.access_tokens.append(answer.document["access_token"])
        await self.connection.close()


def test_a_server_told_to_stop_answers_what_it_began_and_nothing_else_happens(
    run_server: Callable[..., RunningServer],
) -> None:
    server, history = run_server(workers=4), History()
    families = stock(server, "strict", HELD + LANES)
    held = [(server.connect(), family) for family in families[:HELD]]
    refreshers = [Refresher(server, history, family) for family in families[HELD:]]

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for each in refreshers:
                group.create_task(each.run())
            await asyncio.sleep(1)
            await asyncio.to_thread(hold_and_stop, server, held)

    asyncio.run(run())
    answers = [connection.receive() for connection, _ in held]
    assert {answer.status for answer in answers} == {200}
    assert server.process.wait(60) == 0
    assert history.count_failures() == history.count(503) == 0
    assert len(history.events) > LANES

    server.start()
    for (_, family), answer in zip(held, answers, strict=True):
        assert ask_about(server, family, answer.document["access_token"])["active"]
    for each in refreshers:
        assert all(ask_about(server, each.family, token)["active"] for token in each.access_tokens[-5:])
        # Cut off means: nothing happened. The same refresh token, which works once only, works now.
        connection = server.connect()
        assert connection.ask("POST", TOKEN, **each.family.refresh(each.token)).status == 200
        connection.close()
    assert server.stop() == 0
    print(f"{HELD} held and {len(history.events) - len(refreshers)} other requests answered, lost=0")


def hold_and_stop(server: RunningServer, held: list[tuple[Connection, Family]]) -> None:
    """Requests are under way (all but their last byte is there) when SIGTERM comes."""
    for connection, family in held:
        connection.hold(connection.build("POST", TOKEN, **family.redeem()))
    time.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    for connection, _ in held:
        connection.release()


@pytest.mark.threat("R15")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_connection_kept_open_hears_of_the_end_with_an_answer(
    run_server: Callable[..., RunningServer], workers: int
) -> None:
    server = run_server(workers=workers)
    busy, idle = server.connect(), server.connect()
    for connection in (busy, idle):
        assert connection.ask("GET", "/health/alive").status == 200
    server.process.send_signal(signal.SIGTERM)
    while True:  # whoever goes on asking is answered, until an answer says that it is the last one
        answer = busy.ask("GET", "/health/alive")
        assert answer.status == 200, answer
        if answer.headers.get("connection") == "close":
            break
    with pytest.raises(Cut):
        idle.receive()
    assert server.process.wait(60) == 0


class Marked(threading.Thread):
    """Somebody whose answers must be about them, whatever others do."""

    def __init__(self, connection: Connection, family: Family, token: str) -> None:
        super().__init__(daemon=True)
        self.connection, self.family, self.token = connection, family, token
        self.is_over = threading.Event()
        self.strange: list[object] = []
        self.asked = 0

    def run(self) -> None:
        while not self.is_over.is_set():
            try:
                answer = self.connection.ask("POST", INTROSPECT, **self.family.present(self.token))
            except Cut as error:
                self.strange.append(error)
                return
            self.asked += 1
            if answer.status != 200 or answer.document.get("sub") != self.family.subject:
                self.strange.append(answer)


@pytest.mark.threat("T154")
def test_clients_that_leave_at_any_moment_harm_nobody(
    run_server: Callable[..., RunningServer], dice: random.Random, is_soak: bool
) -> None:
    server, count = run_server(workers=4), 100_000 if is_soak else 300
    families = stock(server, "grace", 40)
    marked = []
    for family, connections in zip(families, server.connect_to_each(1).values(), strict=False):
        token = connections[0].ask("POST", TOKEN, **family.redeem()).document["access_token"]
        marked.append(Marked(connections[0], family, token))
    files = count_files(server)
    for each in marked:
        each.start()
    for _ in range(count):
        leave_in_the_middle(server, dice, dice.choice(families[len(marked) :]))
    for each in marked:
        each.is_over.set()
        each.join(60)
        assert each.strange == []
        assert each.asked > 10

    for connections in server.connect_to_each(1).values():
        (connection,) = connections
        for family in families[len(marked) :]:
            answer = connection.ask("POST", INTROSPECT, **family.present(family.refresh_token))
            assert answer.status == 200, answer
            assert answer.document.get("sub", family.subject) == family.subject
        fresh = connection.ask("POST", TOKEN, **families[0].refresh(families[0].refresh_token))
        assert fresh.status == 200, fresh
        connection.close()
    until = time.monotonic() + 30
    while any(now > files[pid] + SPARE_FILES for pid, now in count_files(server).items()):
        assert time.monotonic() < until, (files, count_files(server))
        time.sleep(0.1)
    assert server.stop() == 0
    print(f"{count} clients left; {sum(each.asked for each in marked)} answers to others were all their own")


def leave_in_the_middle(server: RunningServer, dice: random.Random, family: Family) -> None:
    machine: Machine = family.machine
    path, parts = dice.choice(
        [
            (TOKEN, family.redeem()),
            (TOKEN, family.refresh(family.refresh_token)),
            (TOKEN, machine.ask_token()),
            (INTROSPECT, family.present(family.refresh_token)),
            (REVOKE, family.present(family.refresh_token)),
        ]
    )
    connection = Connection(server.public)
    request = connection.build("POST", path, **parts)
    connection.send(request[: dice.choice([len(request), dice.randrange(len(request))])])
    time.sleep(dice.uniform(0, 0.004))
    connection.abort()


def count_files(server: RunningServer) -> dict[int, int]:
    """Open files of each worker."""
    return {pid: len(os.listdir(Path(f"/proc/{pid}/fd"))) for pid in server.workers()}
