"""The same load on other authorization servers, side by side on the same cores in the same run.

Every peer runs by itself on the core that Grantway runs on when it is its turn, with its state in memory, in its
production mode, with random opaque access tokens and client secrets sent as HTTP Basic authentication. What differs is
said on the page: a peer keeps its tokens in the memory of one process, where no other process can see them and nothing
survives its end; Grantway runs as it is delivered, on SQLite with synchronous=FULL.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grantway
from bench.conditions import Options, Part, Table
from bench.databases import database
from bench.load import Load, run_wrk
from bench.material import FORM, ISSUE, Stock, build_basic, build_environment, insert_clients, insert_stock, prepare
from bench.processes import Process, find_cores, find_free_port, send, serving, wait_until
from grantway.server import AuthorizationServer

FOLDER = Path(__file__).parent
CLIENT_ID, SECRET = "bench-opaque", "a-secret-of-the-bench-that-is-as-long-as-generated-ones"
PATHS = ("client credentials", "introspection", "code exchange (PKCE)", "refresh")
SECONDS = 2
STOCK = 12_000
"""Codes and refresh tokens of each in a round."""
WARMING = 2_000
"""Requests of each path before it is measured: Node.js compiles what runs often."""


@dataclass(frozen=True)
class Peer:
    """A server that answers. ``stock``: None where nobody could prepare codes in it."""

    name: str
    token_url: str
    introspection_url: str
    basic: str
    stock: Stock | None


def run(options: Options) -> dict[str, Any]:
    """One after the other, in every round anew."""
    rounds: dict[str, list[dict[str, Any]]] = {}
    for _ in range(options.rounds):
        for opened in [_grantway, _oidc_provider, _authlib, *(_find_opener(given) for given in options.peers)]:
            with opened(options) as peer:
                rounds.setdefault(peer.name, []).append(_measure(options, peer))
    rows = [_summarise(name, measured) for name, measured in rounds.items()]
    return {"rows": rows, "bad": sum(row["bad"] for row in rows)}


def _measure(options: Options, peer: Peer) -> dict[str, Any]:
    headers = {"Authorization": f"Basic {peer.basic}", "Content-Type": FORM}
    tokens = [f"token={send(peer.token_url, headers, ISSUE.encode())['access_token']}" for _ in range(50)]
    if not all(send(peer.introspection_url, headers, token.encode())["active"] for token in tokens):
        raise SystemExit(f"bench: {peer.name} does not know its own tokens")
    loads = {"introspection": (peer.introspection_url, Load("POST", "", headers, tokens))}
    if peer.stock is not None:
        once = Load("POST", "", headers, is_once=True)
        loads["code exchange (PKCE)"] = peer.token_url, replace(once, bodies=peer.stock.codes)
        loads["refresh"] = peer.token_url, replace(once, bodies=peer.stock.refreshes)
    # the last, because tokens that pile up in memory must not be in the way of the others
    loads["client credentials"] = peer.token_url, Load("POST", "", headers, [ISSUE])
    warming = 0 if options.is_smoke else WARMING
    paths = {}
    for name, (url, load) in loads.items():
        place, _, path = url.partition("://")[2].partition("/")
        load, how = replace(load, path=f"/{path}"), {"connections": options.connections, "cores": find_cores()[1]}
        if warming:
            run_wrk(f"http://{place}", load, seconds=10, most=warming, **how)
        if load.is_once:
            load = replace(load, bodies=load.bodies[warming:])
        measured = run_wrk(f"http://{place}", load, seconds=1 if load.is_once else SECONDS, most=options.most, **how)
        paths[name] = {"per_second": measured.per_second, "p99_ms": measured.p99_ms, "bad": measured.bad}
    return {"paths": paths}


def _summarise(name: str, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    paths = {
        path: {
            figure: statistics.median(each["paths"][path][figure] for each in rounds)
            for figure in ("per_second", "p99_ms")
        }
        for path in PATHS
        if path in rounds[0]["paths"]
    }
    bad = sum(figures["bad"] for each in rounds for figures in each["paths"].values())
    return {"name": name, "paths": paths, "bad": bad}


# -- the servers ------------------------------------------------------------------------------------------------------


def _count_stock(options: Options) -> int:
    return 300 if options.is_smoke else STOCK


@contextlib.contextmanager
def _grantway(options: Options) -> Iterator[Peer]:
    with options.folder() as folder, database("sqlite", folder) as url:
        settings, environment = build_environment(url)

        async def fill(server: AuthorizationServer) -> tuple[str, Stock]:
            clients = await insert_clients(server)
            return clients["opaque"], await insert_stock(server, url, _count_stock(options))

        basic, stock = prepare(settings, fill)
        with serving(environment, find_cores()[0]) as server:
            endpoints = [f"{server.url}/oauth2/{name}" for name in ("token", "introspect")]
            yield Peer(f"Grantway {grantway.__version__}, SQLite", *endpoints, basic, stock)


@contextlib.contextmanager
def _started(options: Options, command: Callable[[int, Path], list[str]]) -> Iterator[Peer]:
    """A peer that writes its name, its endpoints and a stock into a file once it answers."""
    with options.folder() as folder:
        port, ready = find_free_port(), folder / "ready.json"
        facts = {
            "BENCH_PORT": str(port),
            "BENCH_READY": str(ready),
            "BENCH_STOCK": str(_count_stock(options)),
            "BENCH_CLIENT": CLIENT_ID,
            "BENCH_SECRET": SECRET,
            "NODE_ENV": "production",
        }
        server = Process(
            command(port, ready),
            facts,
            find_cores()[0],
            cwd=FOLDER,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: ready.exists() or server.exit_code is not None, seconds=60, what="a peer's ready file")
            if not ready.exists():
                raise SystemExit(f"bench: {command(port, ready)[0]} ended with {server.exit_code} instead of starting")
            told = json.loads(ready.read_text())
            wait_until(lambda: _listens(port), seconds=20, what="a peer's first answer")
            stock = Stock(told["codes"], told["refreshes"])
            endpoints = [f"http://127.0.0.1:{port}{told[name]}" for name in ("token", "introspection")]
            yield Peer(told["name"], *endpoints, build_basic(CLIENT_ID, SECRET), stock)
        finally:
            server.stop()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _oidc_provider(options: Options) -> contextlib.AbstractContextManager[Peer]:
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules").is_dir():
        raise SystemExit("bench: the peer oidc-provider needs Node.js and `make bench/peers/node_modules/.done`")
    return _started(options, lambda port, ready: [node, "oidc_provider.mjs"])


def _authlib(options: Options) -> contextlib.AbstractContextManager[Peer]:
    command = [sys.executable, "-m", "uvicorn", "bench.peers.authlib_server:app", "--loop=uvloop", "--http=httptools"]
    command += ["--no-access-log", "--log-level=error", f"--app-dir={FOLDER.parent.parent}"]
    return _started(options, lambda port, ready: [*command, f"--port={port}"])


def _find_opener(given: str) -> Callable[[Options], contextlib.AbstractContextManager[Peer]]:
    """One that runs already: ``NAME=TOKEN_URL,INTROSPECTION_URL,CLIENT_ID,SECRET``. Only plain http is measured."""
    name, _, rest = given.partition("=")
    parts = rest.split(",")
    if len(parts) != 4 or not all(url.startswith("http://") for url in parts[:2]):
        raise SystemExit("bench: --peer=NAME=TOKEN_URL,INTROSPECTION_URL,CLIENT_ID,SECRET with http:// URLs")
    peer = Peer(name, parts[0], parts[1], build_basic(parts[2], parts[3]), None)
    return lambda _: contextlib.nullcontext(peer)


# -- tables -----------------------------------------------------------------------------------------------------------


def list_tables(result: dict[str, Any]) -> list[Table]:
    """Requests a second of each, with the 99th percentile."""
    rows = []
    for row in result["rows"]:
        cells = []
        for path in PATHS:
            figures = row["paths"].get(path)
            cells.append("" if figures is None else f"{figures['per_second']:,.0f} ({figures['p99_ms']:.0f} ms)")
        rows.append([row["name"], *cells, str(row["bad"])])
    return [Table("Requests/s, one process on one core (99th percentile)", ["server", *PATHS, "bad"], rows)]


PART = Part("peers", run, list_tables)
