"""Several processes on one database: races have one winner, news travels, and a kill loses nothing acknowledged."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grantway.config import DatabaseSettings, Settings
from grantway.storage import open_store
from grantway.storage.grid import NearCaches
from grantway.storage.sql import schema
from grantway.storage.sql.store import SqlStore
from grantway.testing.store_samples import (
    HOUR,
    NOW,
    TENANT,
    build_authorization,
    build_client,
    build_revocation,
    build_session,
    build_subject,
    build_tenant,
)

PROCESSES = 4
IS_LONG = os.environ.get("GRANTWAY_TEST_SOAK") == "1"
ROUNDS = {
    "sqlite": 2000 if IS_LONG else 100,
    "postgres_server": 500 if IS_LONG else 16,
    "mariadb_server": 500 if IS_LONG else 16,
}
"""Each round of a race is one of 64 or 100 callers."""


class WallClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


def open_at(url: str) -> tuple[SqlStore, NearCaches]:
    settings, clock = Settings(database=DatabaseSettings(url=url, timeout=30)), WallClock()
    store = open_store(settings, clock)
    return store, NearCaches(store, settings, clock)


async def redeem(store: SqlStore, grid: NearCaches, name: str) -> list[Any]:
    return await asyncio.gather(*(store.redeem_code(TENANT, name, NOW) for _ in range(16)))


async def rotate(store: SqlStore, grid: NearCaches, name: str, rotation: Any) -> list[Any]:
    calls = (store.rotate_refresh(TENANT, name, 0, rotation=rotation, grace_ms=10_000, now=NOW) for _ in range(25))
    return [outcome.kind for outcome in await asyncio.gather(*calls)]


async def rotate_or_kill(store: SqlStore, grid: NearCaches, name: str, way: str | None) -> list[Any]:
    """``way``: how this process ends what the others refresh."""
    match way:
        case None:
            return await rotate(store, grid, name, "grace")
        case "revoke":
            return [await store.revoke_authorization(TENANT, name, now=NOW, keep_until=FAR)]
        case "log out":
            return [await store.end_session(TENANT, name, now=NOW, keep_until=FAR)]
        case "withdraw":
            revoked = await store.revoke_authorizations(TENANT, now=NOW, keep_until=FAR, subject=name, client_id="shop")
            return [revoked == 1]
    subject = await store.load_subject(TENANT, name)
    assert subject is not None
    disabled = msgspec.structs.replace(subject, enabled=False)
    await store.update_subject(disabled, revocation=build_revocation(name, "subject", keep_until=FAR))
    return [True]


WAYS = ("revoke", "log out", "withdraw", "disable")


async def use_once(store: SqlStore, grid: NearCaches, name: str) -> list[Any]:
    return await asyncio.gather(*(store.use_once(TENANT, "jti", name, b"1", expires_at=FAR) for _ in range(16)))


async def wait_for_revocation(store: SqlStore, grid: NearCaches, key: str) -> list[Any]:
    """The instant at which this process refuses a token it took for good before."""
    pairs = [("token", key), ("client", "shop")]
    seen = await grid.is_revoked(TENANT, pairs, NOW)
    before = await grid.client(TENANT, "shop")
    while not await grid.is_revoked(TENANT, pairs, NOW):  # noqa: ASYNC110  another process decides when
        await asyncio.sleep(0.001)
    after = await grid.client(TENANT, "shop")
    assert before is not None
    assert after is not None
    return [seen, time.time(), before.version, after.version]


async def revoke_soon(store: SqlStore, grid: NearCaches, key: str) -> list[Any]:
    await asyncio.sleep(0.2)
    client = await store.load_client(TENANT, "shop")
    assert client is not None
    await store.update_client(client)
    await store.insert_revocation(build_revocation(key, not_before=NOW, keep_until=FAR))
    assert await grid.is_revoked(TENANT, [("token", key)], NOW)
    return [time.time()]


FAR = 10**14
ACTIONS = {
    action.__name__: action for action in (redeem, rotate, rotate_or_kill, use_once, wait_for_revocation, revoke_soon)
}


def work(url: str, connection: Connection, barrier: Any) -> None:
    """A worker: takes actions from its pipe, begins each together with the others."""

    async def serve() -> None:
        store, grid = open_at(url)
        await store.start()
        await grid.start()
        connection.send("ready")
        while (order := await asyncio.to_thread(connection.recv)) is not None:
            name, *arguments = order
            await asyncio.to_thread(barrier.wait, 30)
            connection.send(await ACTIONS[name](store, grid, *arguments))
        await grid.stop()
        await store.stop()

    asyncio.run(serve())


class Workers:
    """The processes, started once for all rounds."""

    def __init__(self, url: str, rounds: int) -> None:
        self.rounds = rounds
        context = multiprocessing.get_context("spawn")
        barrier = context.Barrier(PROCESSES)
        self.pipes: list[Connection] = []
        self.processes = []
        for _ in range(PROCESSES):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(url, theirs, barrier), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)
        for pipe in self.pipes:
            assert pipe.poll(60)
            assert pipe.recv() == "ready"

    def run(self, *orders: tuple[Any, ...]) -> list[list[Any]]:
        """Runs one order in each process at once; one order alone is for all."""
        for number, pipe in enumerate(self.pipes):
            pipe.send(orders[number % len(orders)])
        results = []
        for pipe in self.pipes:
            assert pipe.poll(60)
            results.append(pipe.recv())
        return results

    def stop(self) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join(30)
            process.close()
        for pipe in self.pipes:
            pipe.close()


@pytest.fixture(scope="module", params=list(ROUNDS))
def workers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    rounds = ROUNDS[request.param]
    if request.param == "sqlite":
        server, url = None, f"sqlite:///{tmp_path_factory.mktemp('processes')}/grantway.db"
    else:
        server = request.getfixturevalue(request.param)
        url = server.create()
    schema.upgrade(url)
    asyncio.run(prepare(url, rounds))
    crew = Workers(url, rounds)
    yield crew
    crew.stop()
    if server is not None:
        server.drop(url)


async def prepare(url: str, rounds: int) -> None:
    """An authorization for each round of each race, with a session and a subject where they have a part in it."""
    store, _ = open_at(url)
    await store.start()
    await store.insert_tenant(build_tenant())
    await store.insert_client(build_client())
    names = [f"{race}{number}" for race in ("code", "strict", "grace", "off") for number in range(rounds)]
    await asyncio.gather(*(store.insert_authorization(build_authorization(name, expires_at=FAR)) for name in names))
    for name in (f"kill{number}" for number in range(rounds)):
        bound = build_authorization(name, subject=name, session_id=name, expires_at=FAR)
        await asyncio.gather(
            store.insert_subject(build_subject(name, name)),
            store.insert_session(build_session(name, name, expires_at=FAR)),
            store.insert_authorization(bound),
        )
    await store.stop()


def flatten(results: list[list[Any]]) -> Counter[Any]:
    return Counter(value for result in results for value in result)


@pytest.mark.threat("T21")
@pytest.mark.spec("RFC 6749 §4.1.2")
def test_of_64_redemptions_by_four_processes_one_succeeds(workers: Workers) -> None:
    for number in range(workers.rounds):
        assert flatten(workers.run(("redeem", f"code{number}"))) == {True: 1, False: 63}


@pytest.mark.threat("T28")
@pytest.mark.spec("RFC 9700 §4.14.2")
@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        ("strict", {"rotated": 1, "replayed": 99}),
        ("grace", {"rotated": 1, "graced": 99}),
        ("off", {"kept": 100}),
    ],
)
def test_of_100_refreshes_by_four_processes_one_leaf_lives(
    workers: Workers, rotation: str, expected: dict[str, int]
) -> None:
    for number in range(workers.rounds):
        assert flatten(workers.run(("rotate", f"{rotation}{number}", rotation))) == expected


@pytest.mark.threat("T30")
def test_a_kill_beats_the_refreshes_of_other_processes(workers: Workers) -> None:
    for number in range(workers.rounds):
        name, way = f"kill{number}", WAYS[number % len(WAYS)]
        killer = number // len(WAYS) % PROCESSES
        orders = [("rotate_or_kill", name, way if process == killer else None) for process in range(PROCESSES)]
        outcomes = flatten(workers.run(*orders))
        assert outcomes[True] == 1
        assert outcomes["rotated"] <= 1
        assert set(outcomes) <= {True, "rotated", "graced", "refused"}
        after = flatten(workers.run(("rotate", name, "grace")))
        assert after == {"refused": 100}


@pytest.mark.threat("T56")
def test_a_value_is_used_once_by_four_processes(workers: Workers) -> None:
    for number in range(workers.rounds):
        assert flatten(workers.run(("use_once", f"owner{number}"))) == {True: 1, False: 63}


def test_a_revocation_is_known_to_every_process_within_a_second(workers: Workers) -> None:
    for number in range(3):
        key = f"token{number}"
        waiting = ("wait_for_revocation", key)
        (revoked_at,), *others = workers.run(("revoke_soon", key), waiting, waiting, waiting)
        for seen_before, refused_at, version_before, version_after in others:
            assert not seen_before
            assert refused_at - revoked_at < 1
            assert version_after == version_before + 1


WRITER = """
import asyncio, sys
sys.path.insert(0, {folder!r})
from test_processes import open_at
from grantway.testing.store_samples import build_authorization, build_revocation

async def write(store, lane):
    number = 0
    while True:
        name = f"{{lane}}.{{number}}"
        await store.insert_authorization(build_authorization(name))
        await store.insert_revocation(build_revocation(name))
        print(name, flush=True)
        number += 1

async def main():
    store, _ = open_at({url!r})
    await store.start()
    await asyncio.gather(*(write(store, lane) for lane in range(16)))

asyncio.run(main())
"""


def test_a_writer_that_is_killed_has_lost_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    schema.upgrade(f"sqlite:///{path}")
    acknowledged: set[str] = set()
    for round_ in range(3):
        source = WRITER.format(folder=str(Path(__file__).parent), url=f"sqlite:///{path}").replace(
            "{lane}", f"{round_}-{{lane}}"
        )
        writer = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(100):
            acknowledged.add(writer.stdout.readline().strip())
        writer.send_signal(signal.SIGKILL)
        acknowledged.update(
            line.strip() for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")
        )
        writer.stdout.close()
        writer.wait(10)
    assert len(acknowledged) >= 300
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = {name for (name,) in connection.execute("SELECT authorization_id FROM authorization")}
        revoked = {name for (name,) in connection.execute("SELECT key FROM revocation")}
        fed = {name for (name,) in connection.execute("SELECT key FROM change WHERE kind = 'revocation'")}
    assert acknowledged <= stored
    assert acknowledged <= revoked
    assert revoked == fed

    async def read() -> None:
        store, _ = open_at(f"sqlite:///{path}")
        await store.start()
        for name in sorted(acknowledged)[:20]:
            assert await store.rotate_refresh(TENANT, name, 0, rotation="grace", grace_ms=1, now=NOW + HOUR)
        await store.stop()

    asyncio.run(read())
