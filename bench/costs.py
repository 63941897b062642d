"""What options cost: servers that differ by settings alone, side by side, under the same load in turn."""

from __future__ import annotations

import contextlib
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

from bench.conditions import Options, Part, Table
from bench.paths import Material, Target, build_loads, fetch_admin_token, measure_rounds, prepared, run_hello, summarise
from bench.processes import Server, find_cores, serving

PLENTY = "1000000000"
"""A limit that nobody reaches."""
VARIANTS: dict[str, dict[str, str]] = {
    "limits": {"limits__client_rate": PLENTY, "limits__address_rate": PLENTY},
    "metrics": {},
    "accesslog": {"serve__access_log": "true", "log__level": "info"},
}
"""The settings of each. Counters are always kept; ``metrics`` is that somebody reads them every second."""
PATHS = ("client credentials (opaque)", "introspection (opaque)")


def run(options: Options) -> dict[str, Any]:
    """A server without, one with each option, one with all of them; an idle one costs the others nothing."""
    chosen = list(options.variants or VARIANTS)
    sets: dict[str, list[str]] = {"none": []}
    if not options.is_smoke:
        sets |= {name: [name] for name in chosen}
    if len(chosen) > 1 or options.is_smoke:
        sets["all"] = chosen
    with contextlib.ExitStack() as stack:
        environment, material = stack.enter_context(prepared(options, 0))
        hello = stack.enter_context(run_hello(1))
        targets = []
        for label, names in sets.items():
            changes = {f"GRANTWAY_{key.upper()}": value for name in names for key, value in VARIANTS[name].items()}
            server = stack.enter_context(serving(environment | changes, find_cores()[0]))
            if "metrics" in names:
                stack.enter_context(_scraping(server, material))
            loads = {name: load for name, load in build_loads(server, material).items() if name in PATHS}
            targets.append(Target(label, server, server.url, loads))
        rows = summarise(measure_rounds(options, 1, hello, targets))
    return {"names": list(sets), "rows": rows, "bad": sum(row["bad"] for row in rows.values())}


@contextlib.contextmanager
def _scraping(server: Server, material: Material) -> Iterator[None]:
    """Somebody reads the counters every second."""
    headers = {"Authorization": f"Bearer {fetch_admin_token(server, material)}"}
    is_over = threading.Event()

    def scrape() -> None:
        while not is_over.wait(1):
            request = urllib.request.Request(f"{server.admin_url}/metrics", headers=headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def list_tables(result: dict[str, Any]) -> list[Table]:
    """Requests a second with each, and the share of those without any."""
    names = [name for name in result["names"] if name != "none"]
    rows = []
    for path in PATHS:
        bare = result["rows"][f"{path}, none"]
        cells = []
        for name in names:
            row = result["rows"][f"{path}, {name}"]
            cells.append(f"{row['per_second']:,.0f} ({row['per_second'] / bare['per_second']:.2f})")
        rows.append([path, f"{bare['per_second']:,.0f}", f"{bare['ratio']:.2f}", *cells])
    title = "Requests/s, and the share of those of the server without options in the same run"
    return [Table(title, ["path", "none", "of hello", *names], rows)]


PART = Part("options", run, list_tables)
