"""One worker of all cleans, another when it is killed, and no replay becomes possible by it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from grantway.extension import Runtime
from grantway.maintenance import MARGIN_MS
from grantway.server import SystemClock
from grantway.storage import open_store
from grantway.testing.load import Connection
from grantway.testing.running_server import (
    INTROSPECT,
    TOKEN,
    Family,
    RunningServer,
    stock_client,
    stock_families,
)
from grantway.testing.store_samples import build_authorization

LEASE_TTL = 1
MOST_SLOWER = 1.1
"""What cleaning may cost: the slowest hundredth of requests, compared with those before it."""
DELETED = re.compile(r"(\S+\.(\d+)\.\w+) deleted (\d+) rows")


def find_leader(server: RunningServer) -> int:
    """The process that holds the lease; 0: none."""
    with closing(sqlite3.connect(server.database)) as connection:
        row = connection.execute("SELECT holder FROM lease WHERE name = 'maintenance'").fetchone()
    return int(row[0].split(".")[-2]) if row else 0


def wait_for_leader(server: RunningServer, *, other_than: int = 0) -> float:
    """Seconds until a living worker leads."""
    began = time.monotonic()
    while (leader := find_leader(server)) == other_than or leader not in server.workers():
        assert time.monotonic() - began < 20, "nobody leads"
        time.sleep(0.01)
    return time.monotonic() - began


def stock_ended(server: RunningServer, prefix: str, count: int) -> None:
    """Authorizations whose end was long ago."""

    async def stock() -> None:
        store = open_store(server.settings, SystemClock())
        await store.start()
        end = SystemClock().now() - MARGIN_MS - 1000
        names = (f"{prefix}{number}" for number in range(count))
        await asyncio.gather(*(store.insert_authorization(build_authorization(n, expires_at=end)) for n in names))
        await store.stop()

    asyncio.run(stock())


def wait_until_cleaned(server: RunningServer, prefix: str, *, by: int) -> None:
    """Returns when the rows have gone and the process said so."""
    deadline = time.monotonic() + 20
    with closing(sqlite3.connect(server.database)) as connection:
        query = "SELECT count(*) FROM authorization WHERE authorization_id LIKE ?"
        while connection.execute(query, (prefix + "%",)).fetchone()[0]:
            assert time.monotonic() < deadline, "not cleaned"
            time.sleep(0.02)
    while by not in {int(pid) for _, pid, _ in DELETED.findall(server.read_log())}:
        assert time.monotonic() < deadline, "somebody else cleaned"
        time.sleep(0.02)


def insert_ended(server: RunningServer, count: int) -> None:
    """As ``stock_ended``, but so many that only SQL is quick enough: copies of one row."""
    stock_ended(server, "first", 1)
    columns = "tenant, client_id, session_bound, generation, created_at, expires_at, document"
    with closing(sqlite3.connect(server.database, timeout=60)) as connection, connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            f"INSERT INTO authorization (authorization_id, code_digest, {columns}) "
            f"SELECT 'many' || i, randomblob(32), {columns} FROM n, authorization WHERE authorization_id = 'first0'",
            (count,),
        )


def refresh_until(connection: Connection, family: Family, token: str, is_over: Callable[[], bool]) -> tuple[float, str]:
    """Refreshes until it is over. Returns the slowest hundredth in milliseconds, and the newest token."""
    took = []
    while len(took) < 200 or not is_over():
        began = time.perf_counter()
        answer = connection.ask("POST", TOKEN, **family.refresh(token))
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status == 200, answer
        token = answer.document["refresh_token"]
    return sorted(took)[-len(took) // 100], token


@pytest.fixture(scope="module")
def server(run_server) -> RunningServer:
    settings = {"maintenance.interval": 1, "maintenance.lease_ttl": LEASE_TTL, "maintenance.clean_batch": 50}
    return run_server(workers=4, settings=settings)


def stock_family(server: RunningServer, client_id: str) -> Family:
    async def stock(runtime: Runtime) -> list[Family]:
        return await stock_families(runtime, await stock_client(runtime, client_id), ["ada"])

    return server.administer(stock)[0]


@pytest.mark.threat("R19")
def test_cleaning_under_load_fails_nobody_and_is_hardly_noticed(server: RunningServer, is_soak: bool) -> None:
    family = stock_family(server, "loaded")
    connection = server.connect()
    token = connection.ask("POST", TOKEN, **family.redeem()).document["refresh_token"]
    quiet_until = time.monotonic() + (20 if is_soak else 0.5)
    before, token = refresh_until(connection, family, token, lambda: time.monotonic() > quiet_until)
    count = 200_000 if is_soak else 3_000
    insert_ended(server, count)
    with closing(sqlite3.connect(server.database)) as reader:
        rows = "tenant = 'default' AND authorization_id >= 'many0' AND authorization_id < 'many:'"
        query = f"SELECT 1 FROM authorization WHERE {rows} LIMIT 1"
        during, token = refresh_until(connection, family, token, lambda: not reader.execute(query).fetchone())
    print(f"p99 of a refresh: {before:.1f} ms, while {count} rows were deleted: {during:.1f} ms")
    if is_soak:
        assert during <= before * MOST_SLOWER + 1


@pytest.mark.threat("R19")
def test_one_of_four_processes_cleans_and_when_it_is_killed_another(server: RunningServer, is_soak: bool) -> None:
    family = stock_family(server, "killed")
    connection = server.connect()
    redeemed = connection.ask("POST", TOKEN, **family.redeem())
    assert redeemed.status == 200
    leaders: list[int] = []
    for round_ in range(10 if is_soak else 2):
        if leaders:
            os.kill(leaders[-1], signal.SIGKILL)
            took = wait_for_leader(server, other_than=leaders[-1])
            print(f"taken over after {took:.2f} s")
            assert took < 2 * LEASE_TTL + 2  # and what four processes take to get their turn on a busy machine
        else:
            wait_for_leader(server)
        leaders.append(find_leader(server))
        stock_ended(server, f"r{round_}-", 500)
        wait_until_cleaned(server, f"r{round_}-", by=leaders[-1])
        assert find_leader(server) == leaders[-1], "a living leader is not replaced"
    # The row of a code that was redeemed is still there, so a replay is seen, and punished.
    connection = server.connect()
    token = redeemed.document["access_token"]
    assert connection.ask("POST", INTROSPECT, **family.present(token)).document["active"]
    assert connection.ask("POST", TOKEN, **family.redeem()).error == "invalid_grant"
    assert not connection.ask("POST", INTROSPECT, **family.present(token)).document["active"]
    assert server.stop() == 0
    log = DELETED.findall(server.read_log())
    order = list(dict.fromkeys(int(pid) for _, pid, _ in log))
    assert order == leaders, "whoever cleaned did so while it led, one after the other"
    assert [int(pid) for _, pid, _ in log] == sorted((int(pid) for _, pid, _ in log), key=leaders.index)
    assert sum(int(count) for *_, count in log) >= 500 * (len(leaders) - 1)
    assert find_leader(server) == 0, "who leaves in peace leaves no lease behind"
