"""Workers of two nodes die, are told to stop, are replaced: what was acknowledged holds, and an orderly end fails no
request."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time

import pytest

from grantway.testing.running_server import RunningServer

from .cluster import WORKERS, Cluster, wait_for
from .mixed_load import Lane, check_lanes, run_beside, stock_lanes

LANES = 8
FAMILIES = 30
SOAK_FAMILIES = 5000
SETTLED = 0.3
"""Seconds of load before, between and after what is done to the nodes."""
FEWEST_REQUESTS = 100


def stock(cluster: Cluster, dice: random.Random, is_soak: bool) -> list[Lane]:
    families = SOAK_FAMILIES if is_soak else FAMILIES
    return cluster.administer(lambda runtime: stock_lanes(runtime, cluster.address, LANES, families, dice, pause=0.01))


def check_unharmed(cluster: Cluster, lanes: list[Lane]) -> None:
    """Every request was answered, and not by 503."""
    history = lanes[0].history
    odd = [each for each in history.events if each.status in (None, 503)]
    held = check_lanes(lanes, cluster.connect_to_nodes(8))
    assert odd == [], cluster.nginx_log.read_text(encoding="utf-8")[-3000:]
    assert held["requests"] >= FEWEST_REQUESTS
    print(f"failed=0; {held}")


@pytest.mark.on("postgres")
@pytest.mark.threat("R1")
@pytest.mark.threat("R2")
@pytest.mark.threat("R25")
def test_killed_workers_and_killed_nodes_lose_nothing_that_was_acknowledged(
    cluster: Cluster, dice: random.Random, is_soak: bool
) -> None:
    lanes = stock(cluster, dice, is_soak)

    async def kill() -> int:
        kills, until = 0, time.monotonic() + (300 if is_soak else 2)
        while time.monotonic() < until:
            await asyncio.sleep(dice.uniform(0.2, 0.5))
            for pid in dice.sample(workers, 1) if (workers := cluster.workers) else []:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
        # One node, and then both: nobody is left who could remember.
        for dead in (cluster.nodes[:1], cluster.nodes):
            for node in dead:
                await asyncio.to_thread(node.kill)
            for node in dead:
                await asyncio.to_thread(cluster.restart, node)
            await asyncio.sleep(SETTLED)
        return kills

    kills = asyncio.run(run_beside(lanes, kill))
    assert kills >= 4
    held = check_lanes(lanes, cluster.connect_to_nodes(8))
    assert held["requests"] >= FEWEST_REQUESTS
    print(f"{kills} workers, a node, and both nodes killed: {held}")


async def stop_and_start(cluster: Cluster, node: RunningServer) -> None:
    node.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(node.process.wait, 60) == 0
    await asyncio.to_thread(cluster.restart, node)


async def reload_workers(cluster: Cluster, node: RunningServer) -> None:
    before = set(node.workers())
    node.process.send_signal(signal.SIGHUP)

    def is_replaced() -> bool:
        now = set(node.workers())
        return len(now) == WORKERS and not now & before

    await asyncio.to_thread(wait_for, is_replaced)


# test_supervisor.py reloads the workers of one node in the short form
WAYS = [stop_and_start, reload_workers] if os.environ.get("GRANTWAY_TEST_SOAK") == "1" else [stop_and_start]


@pytest.mark.on("mariadb")
@pytest.mark.threat("R15")
@pytest.mark.threat("R16")
@pytest.mark.parametrize("way", WAYS)
def test_nodes_restarted_one_after_the_other_fail_no_request(
    cluster: Cluster, dice: random.Random, is_soak: bool, way: object
) -> None:
    assert callable(way)
    lanes = stock(cluster, dice, is_soak)

    async def roll() -> None:
        for _ in range(20 if is_soak else 1):
            for node in cluster.nodes:
                await asyncio.sleep(SETTLED)
                await way(cluster, node)
        await asyncio.sleep(SETTLED)

    asyncio.run(run_beside(lanes, roll))
    check_unharmed(cluster, lanes)
