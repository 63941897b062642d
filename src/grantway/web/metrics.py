"""The Prometheus text, made from plain numbers when somebody asks for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from grantway.web.worker_status import StatusBoard, WorkerStatus

EVENTS = {
    "grantway_tokens_issued": ("Token answers.", ("grant_type",)),
    "grantway_token_requests_refused": ("Token requests refused.", ("grant_type", "error")),
    "grantway_introspections": ("Introspection answers.", ("active",)),
    "grantway_events": ("Everything else that happened.", ("event",)),
}
"""Metrics of ``StatusBoard.counts``: name to text and labels. Summed over workers, those of before included."""
_CACHES = {
    "hits": "Answers from memory.",
    "misses": "Keys that were not in memory.",
    "loads": "Loads from the database.",
}
_FEED = {
    "polls": "Looks at the change feed.",
    "wake_ups": "Looks because there was word of a change.",
    "reloads": "Fresh starts of the near caches.",
    "failures": "Looks that found no database.",
}
_REDIS = {
    "round_trips": "Calls that took from buckets.",
    "buckets": "Buckets taken from.",
    "failures": "Calls and connections that failed.",
    "reconnects": "Connections made.",
    "told": "Hints sent to other workers.",
    "heard": "Hints of other workers.",
}


_Find = Callable[[WorkerStatus], Iterable[tuple[tuple[str, ...], float]]]
"""The (labels, value) pairs of one worker."""


def render_metrics(board: StatusBoard) -> bytes:
    """The text format, of all workers of this machine."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(board.list_workers(), board))
    return generate_latest(registry)


class _Snapshot(Collector):
    def __init__(self, workers: list[WorkerStatus], board: StatusBoard) -> None:
        self._workers = workers
        self._counts = board.sum_counts(workers)

    def collect(self) -> Iterator[Any]:
        yield from _collect_events(self._counts)
        yield from self._collect_caches()
        yield from self._collect_feed()
        yield from self._collect_limits()
        yield from self._collect_redis()
        yield self._count(
            "grantway_sql_statements", "SQL statements run.", ("statement",),
            lambda status: (((name,), count) for name, count in status.statements.items() if count),
        )  # fmt: skip
        now = time.time()
        yield self._gauge(
            "grantway_worker_status_age_seconds", "Age of what is told of the worker.", (),
            lambda status: [((), max(0.0, now - status.at / 1000))],
        )  # fmt: skip

    def _collect_caches(self) -> Iterator[Any]:
        yield self._gauge("grantway_cache_entries", "Things in memory.", ("cache",), _find_by_cache("entries"))
        for name, text in _CACHES.items():
            yield self._count(f"grantway_cache_{name}", text, ("cache",), _find_by_cache(name))

    def _collect_feed(self) -> Iterator[Any]:
        text = "Number of the last entry of the change feed that was read."
        yield self._gauge("grantway_feed_position", text, (), _find_in_grid("position"))
        age = _find_in_grid("staleness_ms", scale=0.001)
        yield self._gauge("grantway_feed_staleness_seconds", "Age of what is in memory.", (), age)
        for name, text in _FEED.items():
            yield self._count(f"grantway_feed_{name}", text, (), _find_in_grid(name))

    def _collect_limits(self) -> Iterator[Any]:
        yield self._count(
            "grantway_rate_limit_decisions", "Requests granted and refused by a rate limit.", ("limit", "outcome"),
            lambda status: (
                ((limit, outcome), counts[outcome])
                for limit, counts in status.limits.items() for outcome in ("granted", "refused")
            ),
        )  # fmt: skip
        yield self._count(
            "grantway_rate_limit_alone", "Decisions without the shared buckets.", ("limit",),
            lambda status: (((limit,), counts["alone"]) for limit, counts in status.limits.items()),
        )  # fmt: skip
        yield self._gauge(
            "grantway_rate_limit_buckets", "Buckets in memory.", ("limit",),
            lambda status: (((limit,), counts["buckets"]) for limit, counts in status.limits.items()),
        )  # fmt: skip

    def _collect_redis(self) -> Iterator[Any]:
        yield self._gauge("grantway_redis_up", "Whether Redis answers.", (), _find_in_redis("is_up"))
        for name, text in _REDIS.items():
            yield self._count(f"grantway_redis_{name}", text, (), _find_in_redis(name))

    def _count(self, name: str, text: str, labels: tuple[str, ...], find: _Find) -> Any:
        return self._fill(CounterMetricFamily(name, text, labels=("worker", *labels)), find)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...], find: _Find) -> Any:
        return self._fill(GaugeMetricFamily(name, text, labels=("worker", *labels)), find)

    def _fill(self, family: Any, find: _Find) -> Any:
        """While a worker is being replaced there are two in its place, and one of them is shown."""
        values: dict[tuple[str, ...], float] = {}
        for status in self._workers:
            for labels, value in find(status):
                values[str(status.worker), *labels] = value
        for labels, value in values.items():
            family.add_metric(labels, value)
        return family


def _collect_events(counts: Counter[tuple[str, ...]]) -> Iterator[CounterMetricFamily]:
    for name, (text, labels) in EVENTS.items():
        family = CounterMetricFamily(name, text, labels=labels)
        for key, count in sorted(counts.items()):
            if key[0] == name:
                family.add_metric(key[1:], count)
        yield family


def _find_by_cache(name: str) -> _Find:
    return lambda status: (((cache,), count) for cache, count in status.grid.get(name, {}).items())


def _find_in_grid(name: str, scale: float = 1) -> _Find:
    return lambda status: [((), status.grid[name] * scale)] if status.grid.get(name) is not None else []


def _find_in_redis(name: str) -> _Find:
    return lambda status: [((), int(status.redis[name]))] if status.redis else []
