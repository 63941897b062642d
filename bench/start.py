"""Starting: from the start of the process to the first 200, and until many clients have had their first token."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from bench.conditions import Options, Part, Table
from bench.load import Load, run_wrk
from bench.material import (
    FORM,
    ISSUE,
    SECRET,
    build_basic,
    build_environment,
    insert_clients,
    insert_many_clients,
    prepare,
)
from bench.processes import find_cores, serving
from grantway.server import AuthorizationServer
from grantway.storage.sql.schema import upgrade

CLIENTS = 10_000


def run(options: Options) -> dict[str, Any]:
    """Each moment several times, on a new database each time."""
    times = 1 if options.is_smoke else 5
    clients = 1_000 if options.is_smoke else CLIENTS
    fresh, again, warm, bad = [], [], [], 0
    for _ in range(times):
        with options.folder() as folder:
            fresh.append(_start_fresh(folder))
        with options.folder() as folder:
            started, warmed, broken = _start_warm(folder, clients)
            again.append(started)
            warm.append(warmed)
            bad += broken
    return {
        "times": times,
        "clients": clients,
        "fresh_s": {"median": statistics.median(fresh), "slowest": max(fresh)},
        "again_s": {"median": statistics.median(again), "slowest": max(again)},
        "warm_s": {"median": statistics.median(warm), "slowest": max(warm)},
        "bad": bad,
    }


def _start_fresh(folder: Path) -> float:
    """A database that was migrated and nothing else: the server makes its signing keys first."""
    settings, environment = build_environment(f"sqlite:///{folder}/bench.db")
    upgrade(settings.database.url)
    with serving(environment, find_cores()[0]) as server:
        return server.took


def _start_warm(folder: Path, clients: int) -> tuple[float, float, int]:
    """(first answer, until every client had a token, answers that were none) of a server that was started before."""
    url = f"sqlite:///{folder}/bench.db"
    settings, environment = build_environment(url)
    digest, now = prepare(settings, _find_digest)
    insert_many_clients(url, clients, digest, now)
    authorizations = [f"Basic {build_basic(f'many-{number}', SECRET)}" for number in range(clients)]
    load = Load("POST", "/oauth2/token", {"Content-Type": FORM}, [ISSUE] * clients, authorizations, is_once=True)
    server_cores, load_cores = find_cores()
    with serving(environment, server_cores) as server:
        took = server.took
        measured = run_wrk(server.url, load, seconds=30, connections=64, cores=load_cores)
    return took, took + measured.seconds, measured.bad + max(0, clients - 64 - measured.requests)


async def _find_digest(server: AuthorizationServer) -> tuple[str, int]:
    await insert_clients(server)
    return server.runtime.keys.hash_secret(SECRET), server.runtime.clock.now()


def list_tables(result: dict[str, Any]) -> list[Table]:
    """From the start of the process."""
    rows = [
        ("a database never used before, keys made", "fresh_s"),
        ("a database in use", "again_s"),
        (f"... until {result['clients']:,} clients had a token each", "warm_s"),
    ]
    lines = [[label, f"{result[name]['median']:.2f}", f"{result[name]['slowest']:.2f}"] for label, name in rows]
    title = f"Seconds until the first 200, one worker, {result['times']} starts"
    return [Table(title, ["", "median s", "slowest s"], lines)]


PART = Part("start", run, list_tables)
