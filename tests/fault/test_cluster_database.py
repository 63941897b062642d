"""The database dies, hangs, is locked, full or read-only: 503 in time, never 200 on what is not sure, and afterwards
everything goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from grantway.testing.load import Connection
from grantway.testing.running_server import INTROSPECT, TOKEN, stock_families

from .cluster import DATABASE_TIMEOUT, Cluster
from .databases import DatabaseServer
from .mixed_load import check_lanes, run_beside, stock_lanes
from .witness import MARGIN, Witness, is_active, is_honest

LANES = 8
FAMILIES = 40
RECOVERY = 5.0
FRESHNESS_BOUND = 1.3
"""Seconds: how old the memory may be that a worker answers from (database.freshness_bound_ms), and the moment that a
server takes to notice that it was stopped."""
SETTLED = 0.3


def build_witness(cluster: Cluster) -> Witness:
    return Witness(cluster.nodes, cluster.machines["grace"], DATABASE_TIMEOUT)


# -- gone ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def killed(database: DatabaseServer) -> Iterator[None]:
    database.kill()
    try:
        yield
    finally:
        database.start()


@contextlib.contextmanager
def stopped(database: DatabaseServer) -> Iterator[None]:
    database.stop()
    try:
        yield
    finally:
        database.start()


def held(database: DatabaseServer) -> AbstractContextManager[None]:
    return database.held()


@pytest.mark.on("mariadb")
@pytest.mark.threat("R3")
def test_a_killed_database_costs_nothing_that_was_acknowledged(
    cluster: Cluster, dice: random.Random, is_soak: bool
) -> None:
    check_outage(cluster, dice, is_soak, killed)


@pytest.mark.on("postgres")
@pytest.mark.threat("R3")
def test_a_restarted_database_costs_nothing_that_was_acknowledged(
    cluster: Cluster, dice: random.Random, is_soak: bool
) -> None:
    check_outage(cluster, dice, is_soak, stopped)


@pytest.mark.on("postgres")
@pytest.mark.threat("R3")
def test_a_database_that_hangs_costs_nothing_that_was_acknowledged(
    cluster: Cluster, dice: random.Random, is_soak: bool
) -> None:
    check_outage(cluster, dice, is_soak, held)


def check_outage(
    cluster: Cluster,
    dice: random.Random,
    is_soak: bool,
    outage: Callable[[DatabaseServer], AbstractContextManager[None]],
) -> None:
    """An outage under load."""
    witness = build_witness(cluster)
    lanes = cluster.administer(
        lambda runtime: stock_lanes(runtime, cluster.address, LANES, FAMILIES, dice, pause=0.005)
    )

    def break_it() -> float:
        time.sleep(SETTLED)
        with outage(cluster.database):
            observe(witness, time.monotonic(), 10 if is_soak else 0)
        recovered = witness.check_recovered(RECOVERY, is_code_spent=True)
        time.sleep(SETTLED)
        return recovered

    recovered = asyncio.run(run_beside(lanes, lambda: asyncio.to_thread(break_it)))
    cluster.wait_until_ready(RECOVERY)
    checked = check_lanes(lanes, cluster.connect_to_nodes(8))
    assert lanes[0].history.count(503) > 0
    print(f"{outage.__name__}: slowest answer {witness.slowest:.2f} s, whole again after {recovered:.2f} s; {checked}")


def observe(witness: Witness, broken_at: float, seconds: float) -> None:
    """What each worker says without a database: from memory as long as that is fresh, and then 503."""
    waiting = set(witness.workers)
    while waiting or time.monotonic() < broken_at + seconds:
        asked_at = time.monotonic()
        answers = witness.ask_everywhere("POST", INTROSPECT, **witness.family.present(witness.access_token))
        for worker, answer in zip(witness.workers, answers, strict=True):
            assert is_active(answer) or is_honest(answer), answer
            if is_active(answer):
                assert asked_at < broken_at + FRESHNESS_BOUND, "a worker trusts a memory that is too old"
            else:
                waiting.discard(worker)
    for worker in witness.workers:
        witness.check_from_memory(worker)
    answers = [*witness.write_everywhere(), *witness.ask_everywhere("POST", TOKEN, **witness.machine.ask_token())]
    assert all(is_honest(answer) for answer in answers), answers
    assert {answer.status for answer in witness.ask_everywhere("GET", "/health/ready")} == {503}


# -- there, but of no use ---------------------------------------------------------------------------------------------


@pytest.mark.on("postgres")
@pytest.mark.threat("R5")
def test_a_locked_table_stops_what_needs_it_and_nothing_else(cluster: Cluster, is_soak: bool) -> None:
    witness, count = build_witness(cluster), 500 if is_soak else 100
    machine = cluster.machines["strict"]
    families = cluster.administer(
        lambda runtime: stock_families(
            runtime, machine, [f"locked-{time.monotonic_ns()}-{each}" for each in range(count)]
        )
    )
    with cluster.database.holding(cluster.database.lock_table, cluster.url):
        connections = [Connection(cluster.nodes[number % 2].public) for number in range(count)]
        began = time.monotonic()
        for connection, family in zip(connections, families, strict=True):
            connection.send(connection.build("POST", TOKEN, **family.redeem()))
        while time.monotonic() < began + DATABASE_TIMEOUT:
            for worker in witness.workers:
                answer, token = witness.introspect(worker), witness.ask_token(worker)
                assert is_active(answer), answer
                assert token.status == 200, token
                witness.check_from_memory(worker)
            time.sleep(0.05)
        answers = [connection.receive() for connection in connections]
        took = time.monotonic() - began
        assert all(is_honest(answer) for answer in answers)
        assert took < DATABASE_TIMEOUT + MARGIN
    recovered = witness.check_recovered(RECOVERY)
    for connection, family in zip(connections, families, strict=True):  # what was answered 503 did not happen
        answer = connection.ask("POST", TOKEN, **family.redeem())
        assert answer.status == 200, answer
        connection.close()
    print(
        f"{count} refused after {took:.2f} s at the latest, all of them good afterwards; {recovered:.2f} s to recover"
    )


@pytest.mark.on("postgres")
@pytest.mark.threat("R5")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_database_that_takes_no_more_connections_is_waited_for(cluster: Cluster) -> None:
    witness = build_witness(cluster)
    with cluster.database.full(cluster.url):
        observe(witness, time.monotonic(), 0)
    recovered = witness.check_recovered(RECOVERY)
    print(f"slowest answer {witness.slowest:.2f} s, whole again after {recovered:.2f} s")


@pytest.mark.on("mariadb", only=True)  # PostgreSQL's default_transaction_read_only is but a default
@pytest.mark.threat("R7")
def test_while_the_database_is_read_only_nothing_that_writes_succeeds_and_the_rest_goes_on(cluster: Cluster) -> None:
    witness = build_witness(cluster)
    cluster.database.set_read_only(True)
    try:
        assert all(is_honest(answer) for answer in witness.write_everywhere())
        for worker in witness.workers:
            assert is_active(witness.introspect(worker))
            assert witness.ask_token(worker).status == 200
            witness.check_from_memory(worker)
    finally:
        cluster.database.set_read_only(False)
    for worker in witness.workers:  # what was answered 503 did not happen later on
        assert is_active(witness.introspect(worker))
    recovered = witness.check_recovered(RECOVERY)
    print(f"{witness.asked} answers, slowest {witness.slowest:.2f} s; whole again after {recovered:.2f} s")
