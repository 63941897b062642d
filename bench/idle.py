"""Idle connections: what one costs in memory, and what 50,000 of them do to the answers of the others.

Every idle connection has made one request and stays open, as a reverse proxy's or a mobile client's does. The busy load
is an open loop: a request is due every 2 ms whether the one before was answered or not, and its time counts from when
it was due, so a pause of the server cannot hide by stopping the load.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import select
import socket
import statistics
import time
from collections import deque
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.conditions import Options, Part, Table
from bench.material import FORM, build_environment, insert_clients, prepare
from bench.processes import Server, find_cores, serving

PORTS_EACH = 25_000
"""Connections from one source address: the kernel has about 28,000 ports for each."""
OPENING = 500
"""Connections being opened at once: fewer than the server's queue holds."""
RATE = 500
"""Requests a second of the busy load."""
BUSY_CONNECTIONS = 16
"""To each server."""
SPARE_FILES = 500
"""Files that a process may have open besides the connections."""
PATIENCE = 10.0
"""Seconds without any answer after which the bench gives up."""

Address = tuple[str, int]


def run(options: Options) -> dict[str, Any]:
    """Opens the connections, measures without and with them."""
    count, seconds = (1_000, 1.0) if options.is_smoke else (options.idle, 10.0)
    limit = _raise_limit(count + SPARE_FILES) - SPARE_FILES
    processes = -(-count // limit)  # where one process may not have so many files open, they share
    server_cores, load_cores = find_cores()
    before = os.sched_getaffinity(0)
    if load_cores is not None:
        os.sched_setaffinity(0, {int(load_cores)})
    try:
        with options.folder() as folder, contextlib.ExitStack() as stack:
            settings, environment = build_environment(f"sqlite:///{folder}/bench.db")
            basic = prepare(settings, insert_clients)["opaque"]
            servers = [stack.enter_context(serving(environment, server_cores)) for _ in range(processes)]
            return _measure(servers, basic, count, seconds)
    finally:
        os.sched_setaffinity(0, before)


def _measure(servers: list[Server], basic: str, count: int, seconds: float) -> dict[str, Any]:
    requests = {}
    for server in servers:
        place = urlsplit(server.url)
        requests[place.hostname or "", place.port or 0] = build_request(place.netloc, basic)
    run_load(requests, 1.0)  # warm
    alone = _run_watched(servers, requests, seconds)
    at_rest = sum(server.pss_megabytes()[0] for server in servers)
    began = time.monotonic()
    share = -(-count // len(servers))
    holders = [Holder(address, request, share) for address, request in requests.items()]
    try:
        for holder in holders:
            holder.wait_open()
        took = time.monotonic() - began
        full = sum(server.pss_megabytes()[0] for server in servers)
        crowded = _run_watched(servers, requests, seconds)
        still_open = sum(holder.count_open() for holder in holders)
    finally:
        for holder in holders:
            holder.stop()
    opened = share * len(servers)
    return {
        "connections": opened,
        "workers": len(servers),
        "still_open": still_open,
        "opened_per_second": opened / took,
        "memory_mb": {"without": at_rest / len(servers), "with": full / len(servers)},
        "bytes_each": (full - at_rest) * 1024 * 1024 / opened,
        "without": alone,
        "with": crowded,
        "bad": alone["bad"] + crowded["bad"] + opened - still_open,
    }


def _run_watched(servers: list[Server], requests: Mapping[Address, bytes], seconds: float) -> dict[str, float]:
    """The load, and the processor time the servers took for each of its requests and for being there."""
    before = sum(server.cpu_seconds() for server in servers)
    measured = run_load(requests, seconds)
    used = sum(server.cpu_seconds() for server in servers) - before
    return measured | {"cpu_us": used / measured["requests"] * 1e6}


def build_request(host: str, basic: str) -> bytes:
    body = b"grant_type=client_credentials&scope=read"
    lines = [f"POST /oauth2/token HTTP/1.1\r\nHost: {host}", f"Authorization: Basic {basic}", f"Content-Type: {FORM}"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


class Holder:
    """A process that opens connections and holds them: the limit of open files is one of each process."""

    def __init__(self, address: Address, request: bytes, count: int) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_hold, args=(theirs, address, request, count), daemon=True)
        self._process.start()
        theirs.close()

    def wait_open(self) -> None:
        self._hear()

    def count_open(self) -> int:
        """How many the server has not closed meanwhile."""
        self._pipe.send("count")
        return self._hear()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._process.join(PATIENCE)
        self._process.kill()

    def _hear(self) -> int:
        try:
            heard: int = self._pipe.recv()
        except EOFError:
            raise SystemExit("bench: a process that held idle connections gave up") from None
        return heard


def _hold(pipe: Connection, address: Address, request: bytes, count: int) -> None:
    idle = open_idle(address, request, count)
    pipe.send(len(idle))
    with contextlib.suppress(EOFError):
        while pipe.recv():
            pipe.send(sum(_is_open(connection) for connection in idle))


def open_idle(address: Address, request: bytes, count: int) -> list[socket.socket]:
    """Connections from 127.0.0.2, 127.0.0.3 … that sent one request, got the answer and stay open."""
    poll, waiting, done = select.epoll(), {}, []
    sources = iter(range(count))
    while len(done) < count:
        for number in _take(sources, OPENING - len(waiting)):
            connection = socket.socket()
            connection.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            connection.bind((f"127.0.0.{2 + number // PORTS_EACH}", 0))
            connection.setblocking(False)
            connection.connect_ex(address)
            waiting[connection.fileno()] = connection
            poll.register(connection, select.EPOLLOUT)
        for number, _ in poll.poll(PATIENCE) or _give_up("opening idle connections"):
            connection = waiting[number]
            failure = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failure:
                raise SystemExit(f"bench: an idle connection failed: {os.strerror(failure)}")
            try:
                answer = connection.recv(65536)
            except BlockingIOError:  # connected, nothing sent yet
                connection.send(request)
                poll.modify(connection, select.EPOLLIN)
                continue
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"bench: an idle connection was answered {answer[:80]!r}")
            poll.unregister(connection)
            done.append(waiting.pop(number))
    poll.close()
    return done


_BIND_ADDRESS_NO_PORT = 24
"""The port is chosen when the connection is made, so that each source address has its own."""


def _take(numbers: Iterator[int], most: int) -> Iterator[int]:
    for _ in range(most):
        number = next(numbers, None)
        if number is None:
            return
        yield number


def _give_up(what: str) -> list[tuple[int, int]]:
    raise SystemExit(f"bench: nothing happened for {PATIENCE:g} s while {what}")


def _is_open(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1, socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False


def run_load(requests: Mapping[Address, bytes], seconds: float, rate: int = RATE) -> dict[str, float]:
    """Requests due at ``rate`` a second, on the connection that is free the longest; times in milliseconds."""
    poll = select.epoll()
    free: deque[tuple[socket.socket, bytes]] = deque()
    for _ in range(BUSY_CONNECTIONS):
        for address, request in requests.items():
            connection = socket.create_connection(address)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(connection, select.EPOLLIN)
            free.append((connection, request))
    busy: dict[int, tuple[float, socket.socket, bytes]] = {}
    times: list[float] = []
    bad = 0
    start = time.perf_counter()
    due = deque(start + number / rate for number in range(int(rate * seconds)))
    while due or busy:
        while due and free and due[0] <= time.perf_counter():
            connection, request = free.popleft()
            busy[connection.fileno()] = due.popleft(), connection, request
            connection.send(request)
        wait = max(due[0] - time.perf_counter(), 0) if due and free else PATIENCE
        events = poll.poll(wait)
        if not events and wait == PATIENCE:
            _give_up("measuring")
        for number, _ in events:
            since, connection, request = busy.pop(number)
            answer = connection.recv(65536)
            times.append((time.perf_counter() - since) * 1000)
            bad += not answer.startswith(b"HTTP/1.1 200")
            free.append((connection, request))
    for connection, _ in free:
        connection.close()
    poll.close()
    cuts = statistics.quantiles(times, n=1000, method="inclusive")
    return {
        "requests": len(times),
        "p50_ms": cuts[499],
        "p99_ms": cuts[989],
        "p999_ms": cuts[998],
        "max_ms": max(times),
        "bad": bad,
    }


def _raise_limit(wanted: int) -> int:
    """The number of files this process, and the server it starts, may have open: as many as allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    for limit in (min(wanted, most), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, hard)))
        except (OSError, ValueError):
            continue
        return limit
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def list_tables(result: dict[str, Any]) -> list[Table]:
    """The busy load without and with the idle connections."""
    head = [f"{RATE} requests/s and", "p50 ms", "p99 ms", "p99.9 ms", "slowest ms", "CPU µs", "MB a worker", "bad"]
    rows = []
    for key, label in (("without", "no idle connections"), ("with", f"{result['connections']:,} idle connections")):
        load = result[key]
        figures = [f"{load[name]:.2f}" for name in ("p50_ms", "p99_ms", "p999_ms", "max_ms")]
        rows.append([label, *figures, f"{load['cpu_us']:.0f}", f"{result['memory_mb'][key]:.0f}", str(load["bad"])])
    title = (
        f"{result['workers']} worker(s) on one core; one idle connection: {result['bytes_each'] / 1000:.1f} kB; "
        f"{result['still_open']:,} of {result['connections']:,} open at the end"
    )
    return [Table(title, head, rows)]


PART = Part("idle", run, list_tables)
