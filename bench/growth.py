"""How cost grows: the same load with more clients, more live revocations, more authorizations in the database.

Throughput, time to start and memory of a worker, for sizes that grow a hundredfold. Many clients are asked in two ways:
a thousand busy ones among them, as traffic mostly is, and all alike, which no memory of bounded size can hold.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.conditions import Curve, Options, Part, Plot, Table
from bench.databases import NAMES, database, find_size
from bench.load import Load, run_wrk
from bench.material import (
    FORM,
    ISSUE,
    SECRET,
    TENANT,
    Stock,
    build_basic,
    build_environment,
    insert_clients,
    insert_many_authorizations,
    insert_many_clients,
    insert_many_revocations,
    insert_stock,
    prepare,
)
from bench.processes import Server, find_cores, send, serving
from grantway.server import AuthorizationServer

BUSY_CLIENTS = 1_000
ASKED_CLIENTS = 100_000
"""How many of a million clients the load names: ten times what a worker remembers."""
PATHS = ("client credentials", "introspection", "code exchange", "refresh")


@dataclass(frozen=True)
class Growth:
    """What grows, to which sizes, on which databases, and how that many of it are inserted."""

    name: str
    sizes: tuple[int, ...]
    databases: tuple[str, ...]
    insert: Callable[[str, int, dict[str, Any]], None]


GROWTHS = (
    Growth(
        "clients",
        (100, 10_000, 1_000_000),
        ("sqlite",),
        lambda url, count, facts: insert_many_clients(url, count, facts["digest"], facts["now"]),
    ),
    Growth(
        "live revocations",
        (1_000, 100_000, 1_000_000),
        ("sqlite",),
        lambda url, count, facts: insert_many_revocations(url, count, facts["now"]),
    ),
    Growth(
        "authorizations",
        (10_000, 1_000_000),
        ("sqlite", "postgresql"),
        lambda url, count, facts: insert_many_authorizations(
            url, count, "bench-opaque", facts["subject"], facts["now"]
        ),
    ),
)


def run(options: Options) -> dict[str, Any]:
    """Each size on a database of its own."""
    rows = []
    for growth in GROWTHS:
        sizes = growth.sizes[:1] if options.is_smoke else growth.sizes[: options.sizes]
        kinds = [kind for kind in growth.databases if kind in options.databases]
        for kind in kinds[-1:] if options.is_smoke else kinds:
            rows += [_measure(options, growth, kind, size) for size in sizes]
    return {"rows": rows, "bad": sum(row["bad"] for row in rows)}


def _measure(options: Options, growth: Growth, kind: str, size: int) -> dict[str, Any]:
    seconds, stock = (1, 300) if options.is_smoke else (2, 40_000)
    with options.folder() as folder, database(kind, folder) as url:
        settings, environment = build_environment(url)
        facts = prepare(settings, lambda server: _fill(server, url, stock))
        growth.insert(url, size, facts)
        server_cores, load_cores = find_cores()
        with serving(environment, server_cores) as server:
            row: dict[str, Any] = {"what": growth.name, "size": size, "database": kind, "start_s": server.took}
            row["memory_mb"] = {"at_rest": server.pss_megabytes()[0]}
            paths, bad = {}, 0
            for name, load in _build_loads(server, growth, size, facts).items():
                measured = run_wrk(server.url, load, seconds=seconds, connections=options.connections, cores=load_cores)
                bad += measured.bad
                paths[name] = {"per_second": measured.per_second, "p99_ms": measured.p99_ms}
            row["memory_mb"]["after"] = server.pss_megabytes()[0]
            row["database_mb"] = find_size(url)
    return row | {"paths": paths, "bad": bad}


async def _fill(server: AuthorizationServer, url: str, stock: int) -> dict[str, Any]:
    clients = await insert_clients(server)
    users = await server.runtime.store.list_subjects(TENANT)
    return {
        "opaque": clients["opaque"],
        "stock": await insert_stock(server, url, stock),
        "digest": server.runtime.keys.hash_secret(SECRET),
        "now": server.runtime.clock.now(),
        "subject": users.items[0].subject,
    }


def _build_loads(server: Server, growth: Growth, size: int, facts: dict[str, Any]) -> dict[str, Load]:
    headers = {"Authorization": f"Basic {facts['opaque']}", "Content-Type": FORM}
    stock: Stock = facts["stock"]
    tokens = [send(f"{server.url}/oauth2/token", headers, ISSUE.encode())["access_token"] for _ in range(50)]
    if growth.name == "clients":
        issue = {
            "client credentials": _build_issue(range(min(size, BUSY_CLIENTS))),
            "client credentials, all clients alike": _build_issue(
                random.Random(7).sample(range(size), min(size, ASKED_CLIENTS))
            ),
        }
    else:
        issue = {"client credentials": Load("POST", "/oauth2/token", headers, [ISSUE])}
    return issue | {
        "introspection": Load("POST", "/oauth2/introspect", headers, [f"token={token}" for token in tokens]),
        "code exchange": Load("POST", "/oauth2/token", headers, stock.codes, is_once=True),
        "refresh": Load("POST", "/oauth2/token", headers, stock.refreshes, is_once=True),
    }


def _build_issue(numbers: Sequence[int]) -> Load:
    authorizations = [f"Basic {build_basic(f'many-{number}', SECRET)}" for number in numbers]
    return Load("POST", "/oauth2/token", {"Content-Type": FORM}, [ISSUE] * len(numbers), authorizations)


def list_tables(result: dict[str, Any]) -> list[Table]:
    """One table for each thing that grows, on each database."""
    tables = []
    for what, kind in dict.fromkeys((row["what"], row["database"]) for row in result["rows"]):
        rows = [row for row in result["rows"] if (row["what"], row["database"]) == (what, kind)]
        names = list(rows[0]["paths"])
        head = [what, *(f"{name} /s" for name in names), "start s", "MB at rest", "MB after", "MB database"]
        lines = [
            [
                f"{row['size']:,}",
                *(f"{row['paths'][name]['per_second']:,.0f}" for name in names),
                f"{row['start_s']:.2f}",
                *(f"{row['memory_mb'][moment]:.0f}" for moment in ("at_rest", "after")),
                f"{row['database_mb']:,.0f}",
            ]
            for row in rows
        ]
        tables.append(Table(f"{what.capitalize()}, {NAMES[kind]}", head, lines))
    return tables


def list_plots(result: dict[str, Any]) -> list[Plot]:
    """Requests a second over size, each thing that grows in its own plot; and the memory of a worker over all."""
    plots, memory = [], []
    for what, kind in dict.fromkeys((row["what"], row["database"]) for row in result["rows"]):
        rows = [row for row in result["rows"] if (row["what"], row["database"]) == (what, kind)]
        curves = [
            Curve(name, [(row["size"], row["paths"][name]["per_second"]) for row in rows]) for name in rows[0]["paths"]
        ]
        name = f"growth-{what.replace(' ', '-')}-{kind}"
        plots.append(Plot(name, f"Requests per second by number of {what} ({NAMES[kind]})", what, "requests/s", curves))
        if kind == "sqlite":
            memory.append(Curve(what, [(row["size"], row["memory_mb"]["after"]) for row in rows]))
    if memory:
        plots.append(Plot("growth-memory", "Memory of a worker after the load", "how many", "MB (PSS)", memory))
    return plots


PART = Part("growth", run, list_tables, list_plots)
