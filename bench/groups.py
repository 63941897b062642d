"""Group commit, measured: each write of the hot flows by many callers at once, with and without it.

``python -m bench.groups`` measures SQLite and what ``--url`` names; each has to be a database for this alone.
Without group commit means: one transaction, one write. Everything else stays as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from grantway.config import DatabaseSettings, Settings
from grantway.model import Authorization, Tenant
from grantway.storage import open_store
from grantway.storage.sql import network, schema, sqlite

TENANT = "default"
CALLERS = 64
ROUNDS = 3
SECONDS = 2.0
STOCK = 8_000
NOW = 1_700_000_000_000
FAR = NOW + 10**12

Verb = Callable[[Any, str], Awaitable[Any]]


class _Clock:
    def now(self) -> int:
        return NOW

    def monotonic(self) -> float:
        return time.monotonic()


def build_authorization(name: str, client_id: str = "shop", created_at: int = NOW) -> Authorization:
    return Authorization(
        tenant=TENANT,
        authorization_id=name,
        client_id=client_id,
        grant_type="authorization_code",
        subject=f"subject of {name}",
        scope=("openid", "offline_access"),
        audience=("https://api.example",),
        created_at=created_at,
        expires_at=FAR,
        code_digest=hashlib.sha256(name.encode()).digest(),
        code_expires_at=FAR,
    )


async def _redeem(store: Any, name: str) -> None:
    assert await store.redeem_code(TENANT, name, NOW)


async def _rotate(store: Any, name: str) -> None:
    outcome = await store.rotate_refresh(TENANT, name, 0, rotation="grace", grace_ms=10_000, now=NOW)
    assert outcome.kind == "rotated"


async def _grant(store: Any, name: str) -> None:
    assert await store.grant_authorization(build_authorization(f"new {name}"), consent=None, interaction=None)


async def _use_once(store: Any, name: str) -> None:
    assert await store.use_once(TENANT, "jti", "shop", name.encode(), expires_at=FAR)


async def _revoke(store: Any, name: str) -> None:
    assert await store.revoke_authorization(TENANT, name, now=NOW, keep_until=FAR)


async def _mixed(store: Any, name: str) -> None:
    """A redemption, a refresh and the single use of an assertion, as a busy server has them side by side."""
    await asyncio.gather(_redeem(store, name), _use_once(store, name))
    await _rotate(store, name)


VERBS: dict[str, tuple[Verb, int]] = {
    "redeem": (_redeem, 1),
    "rotate": (_rotate, 1),
    "grant": (_grant, 1),
    "use once": (_use_once, 1),
    "mixed": (_mixed, 3),
    "revoke": (_revoke, 1),
}


def run(
    urls: Iterable[str], *, callers: int = CALLERS, rounds: int = ROUNDS, seconds: float = SECONDS, stock: int = STOCK
) -> list[dict[str, Any]]:
    """A row for each verb and database: writes per second with and without group commit, and the ratio of the two.

    The rounds alternate between the two, so that both have the same machine; the best of each counts, because what else
    the machine does only ever slows down. ``stock``: rows a round has at most.
    """
    rows = []
    for url in urls:
        schema.upgrade(url)
        asyncio.run(_prepare(url))
        best = {(verb, is_grouped): 0.0 for verb in VERBS for is_grouped in (True, False)}
        for number in range(rounds):
            for is_grouped in (False, True):
                prefix = f"{number}{'g' if is_grouped else 's'}"
                measured = asyncio.run(_measure(url, prefix, callers, seconds, stock, is_grouped=is_grouped))
                for verb, per_second in measured.items():
                    best[verb, is_grouped] = max(best[verb, is_grouped], per_second)
        rows += [
            {
                "database": url.partition(":")[0],
                "verb": verb,
                "without": best[verb, False],
                "with": best[verb, True],
                "ratio": best[verb, True] / best[verb, False],
            }
            for verb in VERBS
        ]
    return rows


def run_revocation(urls: Iterable[str], *, count: int) -> list[dict[str, Any]]:
    """A row for each database: how long it takes to revoke ``count`` live authorizations of one client together."""
    rows = []
    for url in urls:
        schema.upgrade(url)
        asyncio.run(_prepare(url))
        seconds, statements = asyncio.run(_revoke_all(url, count))
        rows.append({"database": url.partition(":")[0], "seconds": seconds, "statements": statements})
    return rows


async def _revoke_all(url: str, count: int) -> tuple[float, int]:
    store = _open(url)
    await store.start()
    client_id = f"busy {time.time_ns()}"
    for start in range(0, count, 1000):
        numbers = range(start, min(start + 1000, count))
        given = [build_authorization(f"{client_id} {number}", client_id, NOW + number) for number in numbers]
        await asyncio.gather(*(store.insert_authorization(authorization) for authorization in given))
    before, began = sum(store.statement_counts().values()), time.perf_counter()
    assert await store.revoke_authorizations(TENANT, now=NOW, keep_until=FAR, client_id=client_id) == count
    seconds = time.perf_counter() - began
    statements = sum(store.statement_counts().values()) - before
    await store.stop()
    return seconds, statements


async def _prepare(url: str) -> None:
    store = _open(url)
    await store.start()
    if await store.load_tenant(TENANT) is None:
        await store.insert_tenant(Tenant(tenant=TENANT, issuer="https://login.example", created_at=NOW))
    await store.stop()


def _open(url: str) -> Any:
    return open_store(Settings(database=DatabaseSettings(url=url, timeout=60)), _Clock())


async def _measure(
    url: str, prefix: str, callers: int, seconds: float, stock: int, *, is_grouped: bool = True
) -> dict[str, float]:
    """Writes per second of each verb, on rows of its own."""
    store = _open(url)
    await store.start()
    measured = {}
    for verb, (call, writes) in VERBS.items():
        names = [f"{prefix} {verb} {number}" for number in range(stock)]
        for start in range(0, stock, 1000):
            some = names[start : start + 1000]
            await asyncio.gather(*(store.insert_authorization(build_authorization(name)) for name in some))
        left = iter(names)
        done = 0
        began = time.perf_counter()

        async def work(call: Verb = call, left: Any = left, began: float = began) -> None:
            nonlocal done
            for name in left:
                await call(store, name)
                done += 1
                if time.perf_counter() - began > seconds:
                    return

        with contextlib.ExitStack() as patches:
            for module in () if is_grouped else (network, sqlite):
                patches.enter_context(patch.object(module, "MAX_BATCH", 1))
            await asyncio.gather(*(work() for _ in range(callers)))
        measured[verb] = done * writes / (time.perf_counter() - began)
    await store.stop()
    return measured


def print_rows(rows: Iterable[dict[str, Any]]) -> None:
    print(f"{'database':<12}{'verb':<10}{'one by one /s':>15}{'in groups /s':>15}{'ratio':>8}")
    for row in rows:
        print(f"{row['database']:<12}{row['verb']:<10}{row['without']:>15.0f}{row['with']:>15.0f}{row['ratio']:>8.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.groups", description="Measure group commit.")
    parser.add_argument("--url", action="append", default=[], help="a database to measure; may be given several times")
    parser.add_argument("--no-sqlite", action="store_true", help="only what --url names")
    parser.add_argument("--callers", type=int, default=CALLERS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--stock", type=int, default=STOCK, help="rows each round has at most")
    parser.add_argument("--revoke", type=int, default=0, help="instead: how long it takes to revoke so many together")
    options = parser.parse_args()
    print(
        f"conditions: Python {platform.python_version()}; {os.cpu_count()} cores, database included; one process; "
        f"{options.callers} callers; best of {options.rounds} rounds of {options.seconds:g} s"
    )
    with tempfile.TemporaryDirectory(prefix="grantway-bench-") as folder:
        urls = [] if options.no_sqlite else [f"sqlite:///{Path(folder, 'groups.db')}"]
        if options.revoke:
            for row in run_revocation([*urls, *options.url], count=options.revoke):
                print(
                    f"{row['database']:<12}{options.revoke} authorizations revoked in {row['seconds']:.2f} s "
                    f"by {row['statements']} statements"
                )
            return 0
        rows = run(
            [*urls, *options.url],
            callers=options.callers,
            rounds=options.rounds,
            seconds=options.seconds,
            stock=options.stock,
        )
    print_rows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
