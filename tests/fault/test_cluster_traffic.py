"""What traffic on two nodes must not notice: new signing keys, a cache that starts empty, clients that leave."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from grantway.model import DEFAULT_TENANT
from grantway.testing.load import AsyncConnection, Connection, History, ask_all
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

from .cluster import JWKS_MAX_AGE, WORKERS, Cluster, wait_for

VERIFIERS = 4
ROTATIONS = 3
SPARE_FILES = 40
"""Sockets that are not reaped yet, and connections to the database that were opened since."""
MOST_LINKS = 2 * WORKERS * 9
"""Connections that the workers of both nodes open to a PostgreSQL at most."""
TOGETHER = 32


# -- keys -------------------------------------------------------------------------------------------------------------


class OutsideVerifier:
    """An API that checks tokens by itself, and asks for the JWKS again when max-age has passed and no sooner."""

    def __init__(self, cluster: Cluster, machine: Machine) -> None:
        self.connection = AsyncConnection(cluster.address)
        self.history = History()
        self.machine = machine
        self.keys: KeySet | None = None
        self.fetched_at = 0.0
        self.max_age = 0
        self.kids: Counter[str] = Counter()

    async def run(self, is_over: asyncio.Event) -> None:
        while not is_over.is_set():
            await self.fetch_when_due()
            answer = await self.history.ask(self.connection, "token", "", "POST", TOKEN, **self.machine.ask_token())
            assert answer is not None
            assert answer.status == 200, answer
            assert self.keys is not None
            token = jwt.decode(answer.document["access_token"], self.keys, algorithms=["ES256"])  # knows kid and key
            assert token.claims["client_id"] == self.machine.client_id
            self.kids[token.header["kid"]] += 1
        await self.connection.close()

    async def fetch_when_due(self) -> None:
        if self.keys is not None and time.monotonic() < self.fetched_at + self.max_age:
            return
        answer = await self.history.ask(self.connection, "jwks", "", "GET", "/.well-known/jwks.json")
        assert answer is not None
        self.keys, self.fetched_at = KeySet.import_key_set(answer.document), time.monotonic()
        self.max_age = int(answer.headers["cache-control"].rpartition("=")[2])
        assert self.max_age == JWKS_MAX_AGE


async def rotate_on_both(cluster: Cluster, admin_token: str) -> list[int]:
    """The statuses of two nodes that were told to rotate at the same moment."""
    connections = [AsyncConnection(node.admin) for node in cluster.nodes]
    asked = [each.ask("POST", "/admin/keys/rotate", document={}, bearer=admin_token) for each in connections]
    answers = await asyncio.gather(*asked)
    for connection in connections:
        await connection.close()
    return sorted(answer.status for answer in answers)


@pytest.mark.on("mariadb")
@pytest.mark.threat("R20")
@pytest.mark.threat("T64")
def test_a_verifier_that_caches_the_keys_never_meets_one_it_does_not_know(cluster: Cluster, is_soak: bool) -> None:
    rounds = 200 if is_soak else ROTATIONS
    verifiers = [OutsideVerifier(cluster, cluster.machines["jwt"]) for _ in range(VERIFIERS)]
    admin_token = cluster.ask_for_admin_token()

    async def rotate() -> int:
        rotated = 0
        while rotated < rounds:
            statuses = await rotate_on_both(cluster, admin_token)
            assert statuses in ([200, 409], [409, 409]), statuses
            rotated += 200 in statuses
            await asyncio.sleep(0.1)
        await asyncio.sleep(JWKS_MAX_AGE + 0.3)
        return rotated

    async def run() -> None:
        is_over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for verifier in verifiers:
                group.create_task(verifier.run(is_over))
            try:
                await rotate()
            finally:
                is_over.set()

    before = load_states(cluster)
    asyncio.run(run())
    states = load_states(cluster)
    assert states["retired"] - before["retired"] == rounds  # one new key a rotation, whoever began it
    assert (states["active"], states["next"]) == (1, 1)
    kids = Counter[str]()
    for verifier in verifiers:
        kids += verifier.kids
    assert len(kids) >= rounds
    print(f"{rounds} rotations on two nodes at once, {kids.total()} tokens under {len(kids)} keys: 0 unknown, 0 bad")


def load_states(cluster: Cluster) -> Counter[str]:
    keys = cluster.administer(lambda runtime: runtime.store.list_keys(DEFAULT_TENANT))
    return Counter(key.state for key in keys)


# -- a herd -----------------------------------------------------------------------------------------------------------


@pytest.mark.on("mariadb")
@pytest.mark.threat("R18")
def test_a_herd_at_an_empty_cache_asks_the_database_once_for_each_key(
    cluster: Cluster, dice: random.Random, is_soak: bool
) -> None:
    count = 10_000 if is_soak else 1000
    tag = f"herd-{dice.getrandbits(32):x}"
    machine = cluster.administer(lambda runtime: stock_client(runtime, tag))
    people = [f"{tag}-{number}" for number in range(count // 10)]
    families = cluster.administer(lambda runtime: stock_families(runtime, machine, people))
    connections = cluster.connect_to_nodes(TOGETHER)
    redeemed = ask_all(connections, [connections[0].build("POST", TOKEN, **each.redeem()) for each in families])
    tokens = [answer.document["access_token"] for answer in redeemed]
    asked = [connections[0].build("POST", TOKEN, **machine.ask_token()) for _ in range(count - len(tokens))]
    tokens += [answer.document["access_token"] for answer in ask_all(connections, asked)]
    cluster.disconnect()

    node, admin_token = cluster.nodes[1], cluster.ask_for_admin_token()
    assert node.stop() == 0
    cluster.restart(node)
    herd = [Connection(node.public) for _ in range(TOGETHER)]
    dice.shuffle(tokens)
    began = time.monotonic()
    requests = [herd[0].build("POST", INTROSPECT, form={"token": token}, auth=machine.auth) for token in tokens]
    answers = ask_all(herd, requests)
    took = time.monotonic() - began
    assert all(answer.status == 200 and answer.document["active"] for answer in answers)
    for connection in herd:
        connection.close()
    for worker in ask_for_status(cluster, node, admin_token):
        loads, statements = worker["grid"]["loads"], worker["statements"]
        assert loads["clients"] <= 2  # the one that asks, and the one that asks for the status
        assert loads["subjects"] <= len(people)
        assert loads["tenants"] <= 2
        assert statements["load_client"] <= loads["clients"]
        assert statements["load_subject"] <= loads["subjects"]
        print(f"worker {worker['worker']}: {loads}")
    print(f"{count} introspections in {took:.2f} s after the start, {len(people)} people, 1 client")


def ask_for_status(cluster: Cluster, node: RunningServer, admin_token: str) -> list[dict[str, Any]]:
    """What each worker of a node says of itself, not older than this call."""
    connection, asked_at = node.connect(to_admin=True), time.time()
    found: list[dict[str, Any]] = []

    def is_new() -> bool:
        answer = connection.ask("GET", "/admin/status", bearer=admin_token)
        assert answer.status == 200, answer
        found[:] = answer.document["workers"]
        seen = [datetime.fromisoformat(worker["seen_at"]).timestamp() for worker in found]
        return len(found) == WORKERS and all(each > asked_at for each in seen)

    wait_for(is_new)
    connection.close()
    return found


# -- clients that leave -----------------------------------------------------------------------------------------------


@pytest.mark.on("postgres")
@pytest.mark.threat("R14")
@pytest.mark.threat("T154")
def test_clients_that_leave_in_the_middle_hold_no_connection_and_no_lock(
    cluster: Cluster, dice: random.Random, is_soak: bool
) -> None:
    count, tag = 100_000 if is_soak else 400, f"left-{dice.getrandbits(32):x}"
    machine = cluster.machines["grace"]
    families = cluster.administer(
        lambda runtime: stock_families(runtime, machine, [f"{tag}-{number}" for number in range(40)])
    )
    files, links = count_files(cluster), cluster.database.count_connections(cluster.url)
    for _ in range(count):
        leave(cluster, dice, dice.choice(families))
    workers = [each for node in cluster.nodes for (each,) in node.connect_to_each(1).values()]
    for family in families:  # no row is locked, and nobody gets what is another's
        for worker in workers:
            answer = worker.ask("POST", INTROSPECT, **family.present(family.refresh_token))
            assert answer.document.get("sub", family.subject) == family.subject
        revoked = dice.choice(workers).ask("POST", REVOKE, **family.present(family.refresh_token))
        assert revoked.status == 200, revoked
    for connection in workers:
        connection.close()
    wait_for(lambda: count_files(cluster) <= files + SPARE_FILES)
    after = cluster.database.count_connections(cluster.url)
    assert after <= MOST_LINKS
    print(f"{count} clients left; {links} connections to the database before and {after} after")


def leave(cluster: Cluster, dice: random.Random, family: Family) -> None:
    path, parts = dice.choice(
        [
            (TOKEN, family.redeem()),
            (TOKEN, family.refresh(family.refresh_token)),
            (INTROSPECT, family.present(family.refresh_token)),
            (REVOKE, family.present(family.refresh_token)),
        ]
    )
    address = dice.choice([cluster.address, *(node.public for node in cluster.nodes)])
    connection = Connection(address)
    request = connection.build("POST", path, **parts)
    connection.send(request[: dice.choice([len(request), dice.randrange(len(request))])])
    time.sleep(dice.uniform(0, 0.003))
    connection.abort()


def count_files(cluster: Cluster) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in cluster.workers)
