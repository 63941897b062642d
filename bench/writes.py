"""What ends in the database: codes redeemed and refresh tokens rotated, on each database, over HTTP and in the store.

Server, load and database share the machine. Every answer waits for a commit that lasts: SQLite with synchronous=FULL,
PostgreSQL with synchronous_commit=on, MariaDB with innodb_flush_log_at_trx_commit=1.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

from bench import databases, groups
from bench.conditions import Options, Part, Table
from bench.load import Load, run_wrk
from bench.material import FORM, Stock, build_environment, insert_clients, insert_stock, prepare
from bench.processes import find_cores, serving
from grantway.server import AuthorizationServer

SECONDS = 2
STOCK = 30_000
"""Of each kind in a round: more than are used up in ``SECONDS``."""


def run(options: Options) -> dict[str, Any]:
    """Each database by itself."""
    rows = [_measure(options, kind) for kind in options.databases]
    compared = options.databases[:1] if options.is_smoke else options.databases
    return {
        "rows": rows,
        "groups": [_compare(options, kind) for kind in compared],
        "bad": sum(path["bad"] for row in rows for path in row["paths"].values()),
    }


def _measure(options: Options, kind: str) -> dict[str, Any]:
    stock = 300 if options.is_smoke else STOCK
    with options.folder() as folder, databases.database(kind, folder) as url:
        settings, environment = build_environment(url)

        async def fill(server: AuthorizationServer) -> tuple[str, Stock]:
            clients = await insert_clients(server)
            return clients["opaque"], await insert_stock(server, url, stock * options.rounds)

        basic, material = prepare(settings, fill)
        headers = {"Authorization": f"Basic {basic}", "Content-Type": FORM}
        rounds: dict[str, list[dict[str, Any]]] = {"code exchange (PKCE)": [], "refresh": []}
        server_cores, load_cores = find_cores()
        with serving(environment, server_cores) as server:
            for number in range(options.rounds):
                for name, bodies in zip(rounds, (material.codes, material.refreshes), strict=True):
                    load = Load("POST", "/oauth2/token", headers, bodies, is_once=True)
                    load = replace(load, bodies=bodies[number * stock : (number + 1) * stock])
                    measured = run_wrk(
                        server.url,
                        load,
                        seconds=SECONDS,
                        connections=options.connections,
                        cores=load_cores,
                        most=options.most,
                    )
                    figures = {name: getattr(measured, name) for name in ("per_second", "p50_ms", "p99_ms", "bad")}
                    rounds[name].append(figures)
    paths = {
        name: {figure: statistics.median(row[figure] for row in rows) for figure in ("per_second", "p50_ms", "p99_ms")}
        | {"bad": sum(row["bad"] for row in rows)}
        for name, rows in rounds.items()
    }
    return {"database": kind, "version": databases.describe(kind), "paths": paths}


def _compare(options: Options, kind: str) -> dict[str, Any]:
    """The store alone, with and without group commit."""
    with options.folder() as folder, databases.database(kind, folder) as url:
        rounds, seconds, stock = (1, 0.1, 64) if options.is_smoke else (2, 1.0, 4_000)
        rows = groups.run([url], rounds=rounds, seconds=seconds, stock=stock)
    return {"database": kind, "verbs": {row["verb"]: {name: row[name] for name in ("without", "with")} for row in rows}}


def list_tables(result: dict[str, Any]) -> list[Table]:
    """Over HTTP, then the store alone."""
    rows = [
        [
            row["version"],
            path,
            f"{figures['per_second']:,.0f}",
            f"{figures['p50_ms']:.1f}",
            f"{figures['p99_ms']:.1f}",
            str(figures["bad"]),
        ]
        for row in result["rows"]
        for path, figures in row["paths"].items()
    ]
    head = ["database", "path", "requests/s", "p50 ms", "p99 ms", "bad"]
    tables = [Table("Over HTTP, one worker, one load generator, the database on the same cores", head, rows)]
    verbs = list(result["groups"][0]["verbs"])
    for row in result["groups"]:
        lines = []
        for verb in verbs:
            alone, together = row["verbs"][verb]["without"], row["verbs"][verb]["with"]
            lines.append([verb, f"{alone:,.0f}", f"{together:,.0f}", f"{together / alone:.1f}"])
        title = f"The store alone, {databases.NAMES[row['database']]}: writes/s of 64 callers"
        tables.append(Table(title, ["verb", "one by one", "in groups", "ratio"], lines))
    return tables


PART = Part("writes", run, list_tables)
