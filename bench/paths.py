"""Each path of the protocol, as a ratio to the bare ASGI hello of the same run.

With one worker, server and load have a core each; with more they share all cores. Everything is measured in rounds,
hello first in each, and the median of the rounds counts.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.conditions import Options, Part, Table
from bench.databases import database
from bench.load import Load, Measurement, run_wrk
from bench.material import (
    FORM,
    ISSUE,
    Stock,
    build_environment,
    insert_clients,
    insert_stock,
    issue_tokens,
    prepare,
)
from bench.processes import Process, Server, answers, find_cores, find_free_port, send, serving, wait_until
from grantway.server import AuthorizationServer

HELLO = "hello (bare ASGI)"


@dataclass(frozen=True)
class Material:
    """Basic credentials by client, what can be used once, and access tokens that came never or long ago."""

    clients: dict[str, str]
    stock: Stock
    tokens: list[str]


@dataclass(frozen=True)
class Target:
    """What is loaded: a running server and the paths it is asked for."""

    name: str
    server: Process
    url: str
    loads: dict[str, Load]
    statements: _StatementCounter | None = None


def run(options: Options) -> dict[str, Any]:
    """One and more workers, and the ASGI lane."""
    setups = [("direct", workers) for workers in options.workers] + [("ASGI", 1)]
    measured = [_measure_setup(options, lane, workers) for lane, workers in setups]
    return {"setups": measured, "bad": sum(row["bad"] for setup in measured for row in setup["rows"].values())}


# -- every path -------------------------------------------------------------------------------------------------------


def _measure_setup(options: Options, lane: str, workers: int) -> dict[str, Any]:
    stock = 300 if options.is_smoke else 24_000 * options.rounds
    with contextlib.ExitStack() as stack:
        environment, material = stack.enter_context(prepared(options, stock))
        environment |= {
            "GRANTWAY_SERVE__DIRECT_LANE": str(lane == "direct").lower(),
            "GRANTWAY_SERVE__WORKERS": str(workers),
        }
        cores = find_cores(workers)[0]
        hello = stack.enter_context(run_hello(workers))
        server = stack.enter_context(serving(environment, cores))
        statements = _StatementCounter(server, material) if workers == 1 else None
        target = Target("grantway", server, server.url, build_loads(server, material), statements)
        at_rest = server.pss_megabytes()
        rows = measure_rounds(options, workers, hello, [target])
        requests = sum(round_["requests"] for name, rounds in rows.items() if name != HELLO for round_ in rounds)
        memory = {"at_rest": max(at_rest), "after": max(server.pss_megabytes()), "requests": requests}
    return {"lane": lane, "workers": workers, "memory_mb": memory, "rows": summarise(rows)}


def measure_rounds(
    options: Options, workers: int, hello: Target, targets: list[Target]
) -> dict[str, list[dict[str, Any]]]:
    """By row: what each round measured. With several targets they take turns on each path."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for number in range(options.rounds):
        rows.setdefault(HELLO, []).append(_measure(options, workers, hello, hello.loads[HELLO], options.seconds))
        for name in targets[0].loads:
            for target in targets:
                load = target.loads[name]
                seconds = options.seconds
                if load.is_once:
                    share = len(load.bodies) // options.rounds
                    load, seconds = replace(load, bodies=load.bodies[number * share : (number + 1) * share]), 1
                label = name if len(targets) == 1 else f"{name}, {target.name}"
                rows.setdefault(label, []).append(_measure(options, workers, target, load, seconds))
    return rows


def _measure(options: Options, workers: int, target: Target, load: Load, seconds: int) -> dict[str, Any]:
    before = target.statements.count() if target.statements else 0
    cpu = target.server.cpu_seconds()
    measured: Measurement = run_wrk(
        target.url,
        load,
        seconds=seconds,
        connections=options.connections,
        cores=find_cores(workers)[1],
        most=options.most,
    )
    cpu = target.server.cpu_seconds() - cpu
    executed = target.statements.count() - before if target.statements else None
    requests = max(measured.requests, 1)
    return {
        **asdict(measured),
        "per_second": measured.per_second,
        "cpu_us": cpu / requests * 1e6,
        "sql": None if executed is None else executed / requests,
    }


def summarise(rows: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Medians of the rounds. The ratio is the median of each round's ratio to the hello of that round."""
    hello = [row["per_second"] for row in rows[HELLO]]
    summary = {}
    for name, rounds in rows.items():
        medians = {
            figure: statistics.median(row[figure] for row in rounds)
            for figure in ("per_second", "p50_ms", "p99_ms", "cpu_us")
        }
        summary[name] = {
            **medians,
            "ratio": statistics.median(row["per_second"] / yard for row, yard in zip(rounds, hello, strict=True)),
            "sql": rounds[-1]["sql"],
            "bad": sum(row["bad"] for row in rounds),
        }
    return summary


# -- servers and loads ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def prepared(options: Options, stock: int) -> Iterator[tuple[dict[str, str], Material]]:
    with options.folder() as folder, database("sqlite", folder) as url:
        settings, environment = build_environment(url)

        async def fill(server: AuthorizationServer) -> Material:
            clients, tokens = (
                await insert_clients(server),
                await issue_tokens(server, 300 if options.is_smoke else 40_000),
            )
            return Material(clients, await insert_stock(server, url, stock), tokens)

        yield environment, prepare(settings, fill)


@contextlib.contextmanager
def run_hello(workers: int) -> Iterator[Target]:
    port = find_free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.hello:app", f"--port={port}", f"--workers={workers}"]
    command += ["--loop=uvloop", "--http=httptools", "--no-access-log", "--no-server-header", "--log-level=error"]
    command += ["--lifespan=off", "--backlog=2048"]
    process = Process(command, {}, find_cores(workers)[0], cwd=Path(__file__).parent.parent, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(url), seconds=20, what="an answer of the yardstick")
        yield Target(HELLO, process, url, {HELLO: Load("GET", "/")})
    finally:
        process.stop()


def build_loads(server: Server, material: Material) -> dict[str, Load]:
    """Every measured path."""
    opaque = {"Authorization": f"Basic {material.clients['opaque']}", "Content-Type": FORM}
    jwt = {"Authorization": f"Basic {material.clients['jwt']}", "Content-Type": FORM}
    loads = {
        "client credentials (opaque)": Load("POST", "/oauth2/token", opaque, [ISSUE]),
        "client credentials (JWT ES256)": Load("POST", "/oauth2/token", jwt, [ISSUE]),
        "introspection (opaque)": Load("POST", "/oauth2/introspect", opaque, fetch_tokens(server.url, opaque)),
        "introspection (opaque), 40,000 tokens": Load(
            "POST", "/oauth2/introspect", opaque, [f"token={token}" for token in material.tokens]
        ),
        "introspection (JWT)": Load("POST", "/oauth2/introspect", jwt, fetch_tokens(server.url, jwt)),
        "code exchange (PKCE)": Load("POST", "/oauth2/token", opaque, material.stock.codes, is_once=True),
        "refresh": Load("POST", "/oauth2/token", opaque, material.stock.refreshes, is_once=True),
        "discovery": Load("GET", "/.well-known/openid-configuration"),
        "JWKS": Load("GET", "/.well-known/jwks.json"),
    }
    return {name: load for name, load in loads.items() if load.bodies or not load.is_once}


def fetch_tokens(url: str, headers: dict[str, str], count: int = 50) -> list[str]:
    """Bodies that introspect ``count`` different tokens."""
    return [f"token={send(f'{url}/oauth2/token', headers, ISSUE.encode())['access_token']}" for _ in range(count)]


def fetch_admin_token(server: Server, material: Material) -> str:
    headers = {"Authorization": f"Basic {material.clients['admin']}", "Content-Type": FORM}
    body = b"grant_type=client_credentials&scope=grantway.admin"
    token: str = send(f"{server.url}/oauth2/token", headers, body)["access_token"]
    return token


class _StatementCounter:
    """SQL statements the server has executed, as its status says. Asking costs none."""

    def __init__(self, server: Server, material: Material) -> None:
        self._url = f"{server.admin_url}/admin/status"
        self._headers = {"Authorization": f"Bearer {fetch_admin_token(server, material)}"}

    def count(self) -> int:
        status = send(self._url, self._headers)
        return sum(count for name, count in status["statements"].items() if not name.startswith("feed"))


# -- tables -----------------------------------------------------------------------------------------------------------


def list_tables(result: dict[str, Any]) -> list[Table]:
    """One table for each set-up."""
    return [_list_setup(setup) for setup in result["setups"]]


def _list_setup(setup: dict[str, Any]) -> Table:
    memory = setup["memory_mb"]
    title = (
        f"{setup['lane']} lane, {setup['workers']} worker(s); memory of a worker (PSS) {memory['at_rest']:.0f} MB at "
        f"rest, {memory['after']:.0f} MB after {memory['requests']:,} requests"
    )
    rows = [
        [
            name,
            f"{row['per_second']:,.0f}",
            f"{row['ratio']:.2f}",
            *(f"{row[figure]:.1f}" for figure in ("p50_ms", "p99_ms", "cpu_us")),
            "" if row["sql"] is None or name == HELLO else f"{row['sql']:.2f}",
            str(row["bad"]),
        ]
        for name, row in setup["rows"].items()
    ]
    return Table(title, ["path", "requests/s", "of hello", "p50 ms", "p99 ms", "CPU µs", "SQL", "bad"], rows)


PART = Part("paths", run, list_tables)
