"""A third node whose way to the database is slow or cut, and whose clock is off: it harms itself at most."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from grantway.admin import users
from grantway.model import DEFAULT_TENANT
from grantway.testing.load import Connection, ask_all
from grantway.testing.running_server import INTROSPECT, REVOKE, TOKEN, RunningServer, stock_families

from .cluster import DATABASE_TIMEOUT, Cluster, wait_for
from .slow_link import SlowLink
from .witness import MARGIN, Witness, is_active, is_honest

RECOVERY = 5.0
BOUND = 1.0
SLOW = 0.04
"""Seconds each way: every statement takes twice as long."""
TOO_SLOW = 1.2
SPARE_FILES = 24
"""Connections to the database that were opened since, and sockets that are not reaped yet."""
SKEW = 60.0
"""Seconds that the clocks of nodes may differ without any consequence."""
MINUTE = 60


class Stray(Struct):
    cluster: Cluster
    node: RunningServer
    link: SlowLink
    clock: Path

    def set_clock(self, offset: int) -> None:
        """``offset``: how many seconds the node's clock is ahead."""
        new = self.clock.with_suffix(".new")
        new.write_text(f"{offset:+d}\n", encoding="ascii")
        new.replace(self.clock)


def find_faketime() -> Path:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found and os.environ.get("CI"):
        pytest.fail("libfaketime is not there. Get it by `apt-get install faketime`. CI is set, so this is a failure.")
    if not found:
        pytest.skip("libfaketime is not there. Get it by `apt-get install faketime`.")
    return found[0]


@pytest.fixture(
    scope="module", params=["mariadb", "postgres"] if os.environ.get("GRANTWAY_TEST_SOAK") == "1" else ["postgres"]
)
def stray(
    request: pytest.FixtureRequest, find_cluster: Callable[[str], Cluster], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stray]:
    cluster, clock = find_cluster(request.param), tmp_path_factory.mktemp("clock") / "offset"
    clock.write_text("+300\n", encoding="ascii")  # off from its start on
    faked = {
        "LD_PRELOAD": str(find_faketime()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    with SlowLink(cluster.database.port) as link:
        url = cluster.url.replace(f":{cluster.database.port}/", f":{link.port}/")
        node = cluster.build_node({"database.url": url}, faked)
        try:
            node.start()
            yield Stray(cluster, node, link, clock)
        finally:
            link.mend()
            node.close()
        assert "Traceback" not in node.read_log(), node.read_log()[-4000:]


def count_files(node: RunningServer) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in node.workers())


@pytest.mark.threat("R6")
def test_a_slow_database_makes_slow_answers_and_a_slower_one_honest_ones(
    stray: Stray, dice: random.Random, is_soak: bool
) -> None:
    cluster, node, count = stray.cluster, stray.node, 200 if is_soak else 24
    witness = Witness([node], cluster.machines["grace"], DATABASE_TIMEOUT)
    tag = f"slow-{dice.getrandbits(32):x}"
    machine = cluster.machines["strict"]
    families = cluster.administer(
        lambda runtime: stock_families(runtime, machine, [f"{tag}-{each}" for each in range(2 * count)])
    )
    connections = [Connection(node.public) for _ in range(count)]
    files = count_files(node)

    stray.link.delay, began = SLOW, time.monotonic()
    requests = [connections[0].build("POST", TOKEN, **family.redeem()) for family in families[:count]]
    answers = ask_all(connections, requests)
    slow = time.monotonic() - began
    assert {answer.status for answer in answers} == {200}
    assert slow > 4 * SLOW, "there was no delay"

    stray.link.delay, began = TOO_SLOW, time.monotonic()
    asked = [("redeem", TOKEN, family.redeem()) for family in families[count:]]
    asked[::2] = [
        ("revoke", REVOKE, family.present(answer.document["refresh_token"]))
        for family, answer in zip(families[:count:2], answers[::2], strict=True)
    ]
    late = ask_all(connections, [connections[0].build("POST", path, **parts) for _, path, parts in asked])
    too_slow = time.monotonic() - began
    assert all(is_honest(answer) for answer in late), late
    assert too_slow < DATABASE_TIMEOUT + MARGIN

    stray.link.mend()
    recovered = witness.check_recovered(RECOVERY)
    check_definite(cluster, [each["form"]["token"] for name, _, each in asked if name == "revoke"], machine.auth)
    wait_for(lambda: count_files(node) <= files + SPARE_FILES)
    for connection in connections:
        connection.close()
    print(f"{count} requests took {slow:.2f} s, or 503 after {too_slow:.2f} s; whole again after {recovered:.2f} s")


def check_definite(cluster: Cluster, tokens: list[str], auth: tuple[str, str]) -> None:
    """Whatever became of a revocation that was answered 503: all workers agree on it, and go on to."""
    time.sleep(BOUND)
    workers = [each for node in cluster.nodes for (each,) in node.connect_to_each(1).values()]
    for token in tokens:
        said = {
            is_active(worker.ask("POST", INTROSPECT, form={"token": token}, auth=auth))
            for worker in workers
            for _ in range(2)
        }
        assert len(said) == 1, "a revocation is half done"
    for worker in workers:
        worker.close()


@pytest.mark.threat("R27")
@pytest.mark.threat("R6")
def test_a_node_cut_off_from_the_database_says_nothing_that_may_be_wrong(stray: Stray) -> None:
    cluster = stray.cluster
    stray.link.mend()
    witness = Witness([stray.node], cluster.machines["grace"], DATABASE_TIMEOUT)
    stray.link.cut()
    other = Connection(cluster.nodes[0].public)
    assert other.ask("POST", REVOKE, **witness.family.present(witness.refresh_token)).status == 200
    other.close()
    revoked_at, last_active, waiting = time.monotonic(), 0.0, True
    while waiting:
        asked_at = time.monotonic()
        answers = witness.ask_everywhere("POST", INTROSPECT, **witness.family.present(witness.access_token))
        assert all(is_active(answer) or is_honest(answer) for answer in answers), answers
        if waiting := any(is_active(answer) for answer in answers):
            assert asked_at < revoked_at + BOUND, "a node that was cut off trusts its memory for too long"
            last_active = asked_at - revoked_at
    for worker in witness.workers:
        witness.check_from_memory(worker)
    assert all(is_honest(answer) for answer in witness.write_everywhere())
    assert {answer.status for answer in witness.ask_everywhere("GET", "/health/ready")} == {503}
    stray.link.mend()
    recovered = witness.check_recovered(RECOVERY)
    print(f"a revoked token was taken for {last_active * 1000:.0f} ms; whole again after {recovered:.2f} s")


@pytest.mark.threat("R9")
@pytest.mark.parametrize("minutes", [5, -5])
def test_a_clock_that_is_off_makes_no_token_live_longer_and_no_dead_one_live_again(stray: Stray, minutes: int) -> None:
    cluster, node = stray.cluster, stray.node
    machine = cluster.machines["grace"]
    name = f"clock-{time.monotonic_ns()}"
    stray.link.mend()
    before = Witness([node], machine, DATABASE_TIMEOUT)
    stray.set_clock(minutes * MINUTE)
    time.sleep(BOUND)  # what a worker may take to notice
    try:
        (family,) = cluster.administer(lambda runtime: stock_families(runtime, machine, [name], has_session=True))
        workers = [each for at in (*cluster.nodes, node) for (each,) in at.connect_to_each(1).values()]
        issued_at = time.time()
        answer = workers[-1].ask("POST", TOKEN, **family.redeem())
        assert answer.status == 200, answer
        tokens = [answer.document["access_token"], answer.document["refresh_token"]]
        for worker in workers:  # taken everywhere, and for as long as was said
            seen = worker.ask("POST", INTROSPECT, **family.present(tokens[0])).document
            assert seen["active"]
            assert abs(seen["exp"] - (issued_at + answer.document["expires_in"])) < SKEW
        cluster.administer(lambda runtime: users.disable_user(runtime, DEFAULT_TENANT, name, actor="test"))
        disabled_at = time.monotonic()
        for worker in workers:
            for token in tokens:
                while is_active(worker.ask("POST", INTROSPECT, **family.present(token))):
                    assert time.monotonic() < disabled_at + BOUND, "a disabled user's token lives on"
        revoked = workers[-1].ask("POST", REVOKE, **before.family.present(before.refresh_token))
        assert revoked.status == 200
        revoked_at = time.monotonic()
        for worker in workers:
            while is_active(worker.ask("POST", INTROSPECT, **before.family.present(before.access_token))):
                assert time.monotonic() < revoked_at + BOUND, "what the node with the wrong clock revoked lives on"
    finally:
        stray.set_clock(0)
        time.sleep(BOUND)
    for worker in workers:  # nor does the right clock revive them
        for each, token in ((family, tokens[0]), (family, tokens[1]), (before.family, before.access_token)):
            assert not is_active(worker.ask("POST", INTROSPECT, **each.present(token)))
        worker.close()
    assert before.check_recovered(RECOVERY) < RECOVERY
