"""``make bench``: starts hello and Grantway, loads each path, prints and writes what was measured."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.load import Load, run_wrk
from bench.material import FORM, Material, build_settings, prepare
from bench.processes import Process, wait_until

HERE = Path(__file__).parent


class Bench:
    """One run: ``rounds`` times every scenario, hello first in each round."""

    def __init__(self, options: argparse.Namespace, workers: int) -> None:
        self.options, self.workers = options, workers
        # one worker: server and load on a core each; more: the kernel shares the cores among all of them
        self.server_cores, self.load_cores = ("0", "1") if workers == 1 and (os.cpu_count() or 1) > 1 else (None, None)
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def run(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="grantway-bench-") as folder:
            settings, environment = build_settings(Path(folder), self.workers)
            environment["GRANTWAY_SERVE__DIRECT_LANE"] = str(not self.options.asgi_lane).lower()
            stock = self.options.stock
            material = prepare(settings, stock)
            hello = self._start_hello()
            ready = Path(folder, "ready.json")
            command = [sys.executable, "-m", "grantway", "serve", "all", "--ready-file", str(ready)]
            server = Process(command, environment, self.server_cores)
            try:
                wait_until(ready.exists, seconds=20, what="the server's ready file")
                urls = json.loads(ready.read_text())
                idle = server.pss_megabytes()
                self._measure_all(hello, server, urls, material)
                memory = {"idle": idle, "after": server.pss_megabytes(), "requests": self._total()}
            finally:
                hello[0].stop()
                server.stop()
        return {"workers": self.workers, "memory_pss_mb": memory, "rows": self._summarise()}

    def _start_hello(self) -> tuple[Process, str]:
        port = _free_port()
        command = [
            *(sys.executable, "-m", "uvicorn", "bench.hello:app", "--port", str(port), "--workers", str(self.workers)),
            *(
                "--loop",
                "uvloop",
                "--http",
                "httptools",
                "--no-access-log",
                "--no-server-header",
                "--log-level",
                "error",
            ),
            *("--lifespan", "off", "--backlog", "2048"),
        ]
        process, url = Process(command, {}, self.server_cores), f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(url), seconds=20, what="an answer of the yardstick")
        return process, url

    def _measure_all(
        self, hello: tuple[Process, str], server: Process, urls: dict[str, str], material: Material
    ) -> None:
        scenarios = build_scenarios(urls["public_url"], material)
        statements = _StatementCounter(urls, material) if self.workers == 1 else None
        stocks = {name: list(load.bodies) for name, load in scenarios.items() if load.is_once}
        for _ in range(self.options.rounds):
            self._measure("hello (bare ASGI)", *hello, Load("GET", "/"), None)
            for name, load in scenarios.items():
                if load.is_once:
                    share = len(stocks[name]) // self.options.rounds
                    taken, scenarios[name].bodies[:] = stocks[name][:share], []
                    stocks[name] = stocks[name][share:] + taken
                    load.bodies[:] = taken
                self._measure(name, server, urls["public_url"], load, statements)

    def _measure(self, name: str, process: Process, url: str, load: Load, statements: _StatementCounter | None) -> None:
        seconds = 1 if load.is_once else self.options.seconds  # the stock lasts for about two
        before, cpu = statements.count() if statements else 0, process.cpu_seconds()
        measured = run_wrk(url, load, seconds=seconds, connections=self.options.connections, cores=self.load_cores)
        cpu = process.cpu_seconds() - cpu
        executed = statements.count() - before if statements else None
        row: dict[str, Any] = {
            **asdict(measured),
            "per_second": measured.per_second,
            "cpu_us": cpu / max(measured.requests, 1) * 1e6,
            "sql": None if executed is None or name.startswith("hello") else executed / max(measured.requests, 1),
        }
        if load.is_once and measured.requests > len(load.bodies):
            row["note"] = "stock used up"
        self.rows.setdefault(name, []).append(row)

    def _summarise(self) -> dict[str, dict[str, Any]]:
        hello = statistics.median(row["per_second"] for row in self.rows["hello (bare ASGI)"])
        summary = {}
        for name, rows in self.rows.items():
            summary[name] = {
                "per_second": statistics.median(row["per_second"] for row in rows),
                "ratio": statistics.median(row["per_second"] for row in rows) / hello,
                "p50_ms": statistics.median(row["p50_ms"] for row in rows),
                "p99_ms": statistics.median(row["p99_ms"] for row in rows),
                "cpu_us": statistics.median(row["cpu_us"] for row in rows),
                "sql": rows[-1]["sql"],
                "bad": sum(row["bad"] for row in rows),
                "note": next((row["note"] for row in rows if "note" in row), ""),
            }
        return summary

    def _total(self) -> int:
        return sum(row["requests"] for name, rows in self.rows.items() for row in rows if not name.startswith("hello"))


def build_scenarios(issuer: str, material: Material) -> dict[str, Load]:
    """Every measured path."""
    opaque = {"Authorization": f"Basic {material.opaque}", "Content-Type": FORM}
    jwt = {"Authorization": f"Basic {material.jwt}", "Content-Type": FORM}
    issue = "grant_type=client_credentials&scope=read"
    return {
        "client credentials (opaque)": Load("POST", "/oauth2/token", opaque, [issue]),
        "client credentials (JWT ES256)": Load("POST", "/oauth2/token", jwt, [issue]),
        "introspection (opaque)": Load(
            "POST", "/oauth2/introspect", opaque, [f"token={token}" for token in _fetch_tokens(issuer, opaque, issue)]
        ),
        "introspection (JWT)": Load(
            "POST", "/oauth2/introspect", jwt, [f"token={token}" for token in _fetch_tokens(issuer, jwt, issue)]
        ),
        "code exchange": Load(
            "POST",
            "/oauth2/token",
            opaque,
            [f"grant_type=authorization_code&code={code}" for code in material.codes[: len(material.codes) // 2]],
            is_once=True,
        ),
        "refresh": Load(
            "POST",
            "/oauth2/token",
            opaque,
            [
                f"grant_type=refresh_token&refresh_token={token}"
                for token in material.refresh_tokens[len(material.refresh_tokens) // 2 :]
            ],
            is_once=True,
        ),
        "discovery": Load("GET", "/.well-known/openid-configuration"),
        "JWKS": Load("GET", "/.well-known/jwks.json"),
    }


class _StatementCounter:
    """SQL statements the server has executed, as its status says. Asking costs none."""

    def __init__(self, urls: dict[str, str], material: Material) -> None:
        self._url = f"{urls['admin_url']}/admin/status"
        headers = {"Authorization": f"Basic {material.admin}", "Content-Type": FORM}
        body = b"grant_type=client_credentials&scope=grantway.admin"
        self._token = _send(f"{urls['public_url']}/oauth2/token", headers, body)["access_token"]

    def count(self) -> int:
        status = _send(self._url, {"Authorization": f"Bearer {self._token}"}, None)
        return sum(count for name, count in status["statements"].items() if not name.startswith("feed"))


def _fetch_tokens(issuer: str, headers: dict[str, str], body: str, count: int = 50) -> list[str]:
    return [_send(f"{issuer}/oauth2/token", headers, body.encode())["access_token"] for _ in range(count)]


def _send(url: str, headers: dict[str, str], body: bytes | None) -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def print_report(result: dict[str, Any], write: Callable[[str], None]) -> None:
    """The table for people."""
    write(f"\n{result['workers']} worker(s)")
    write(f"{'path':<32}{'req/s':>9}{'of hello':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'SQL':>8}{'bad':>6}")
    for name, row in result["rows"].items():
        sql = "-" if row["sql"] is None else f"{row['sql']:.3f}"
        write(
            f"{name:<32}{row['per_second']:>9.0f}{row['ratio']:>10.2f}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}"
            f"{row['cpu_us']:>9.1f}{sql:>8}{row['bad']:>6} {row['note']}"
        )
    memory = result["memory_pss_mb"]
    idle, after = max(memory["idle"]), max(memory["after"])
    write(f"memory per worker (PSS): {idle:.0f} MB idle, {after:.0f} MB after {memory['requests']} requests in all")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure Grantway against a bare ASGI hello.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="length of one measurement")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--stock", type=int, default=80_000, help="codes and refresh tokens prepared")
    parser.add_argument("--asgi-lane", action="store_true", help="without the direct lane")
    parser.add_argument("--smoke", action="store_true", help="one short round: shows that everything still runs")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "latest.json")
    options = parser.parse_args()
    if options.smoke:
        options.rounds, options.seconds, options.stock, options.workers = 1, 1, 24_000, [1]
    if shutil.which("wrk") is None:
        print("bench: wrk is missing; on Debian: apt-get install wrk", file=sys.stderr)
        return 1
    conditions = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": f"wrk, 1 thread, {options.connections} connections, {options.seconds} s x {options.rounds} rounds",
        "database": "SQLite, WAL, synchronous=FULL",
        "lane": "ASGI" if options.asgi_lane else "direct",
    }
    print("conditions: " + "; ".join(f"{name} {value}" for name, value in conditions.items()))
    results = []
    for workers in options.workers:
        results.append(Bench(options, workers).run())
        print_report(results[-1], print)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({"conditions": conditions, "results": results}, indent=2) + "\n")
    print(f"\nwritten to {options.output}")
    failed = [name for result in results for name, row in result["rows"].items() if row["bad"] and not row["note"]]
    for name in failed:
        print(f"bench: {name} had answers other than success", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
