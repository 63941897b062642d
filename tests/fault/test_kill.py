"""kill -9 of workers under load, then of everything: what was acknowledged holds, what was cut off is one or the
other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grantway.testing.running_server import RunningServer

from .mixed_load import Lane, check_lanes, run_beside, stock_lanes

LANES = 16
FEWEST_REQUESTS = 300
FEWEST_KILLS = 5


async def kill_workers(server: RunningServer, dice: random.Random, until: float) -> int:
    """kill -9 of a random worker every 0.2 to 0.4 s, as long as there is another. Returns how many they were."""
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

    async def kill() -> int:
        kills = await kill_workers(server, dice, time.monotonic() + seconds)
        for lane in lanes:
            lane.is_over = True
        # Everything goes down with requests under way; their lanes ask again until the next server answers.
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(lambda: server.start(port=server.public[1]))
        return kills

    return await run_beside(lanes, kill)


@pytest.fixture
def server(run_server: Callable[..., RunningServer]) -> Iterator[RunningServer]:
    running = run_server(workers=4)
    yield running
    running.close()


@pytest.mark.threat("R1")
@pytest.mark.threat("R2")
@pytest.mark.threat("R25")
def test_killed_workers_and_a_killed_server_lose_nothing_that_was_acknowledged(
    server: RunningServer, dice: random.Random, is_soak: bool, tmp_path: Path
) -> None:
    families = 5000 if is_soak else 100
    lanes = server.administer(lambda runtime: stock_lanes(runtime, server.public, LANES, families, dice))
    kills = asyncio.run(run_load(server, lanes, dice, 600 if is_soak else 4))
    lanes[0].history.write(tmp_path / "history.jsonl")
    assert kills >= FEWEST_KILLS
    held = check_lanes(lanes, [server.connect() for _ in range(16)])
    assert held["requests"] >= FEWEST_REQUESTS
    with contextlib.closing(sqlite3.connect(server.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    print(f"{kills} kills: {held}")
