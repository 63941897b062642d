"""Redis processes of a test's own: alone, watched by a sentinel, or six in a cluster. All of them end with the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_package


def find_redis() -> str:
    """The program, or a skipped test; with ``CI`` in the environment a failed one."""
    found = shutil.which("redis-server")
    if found is None and os.environ.get("CI"):
        pytest.fail("redis-server is not there (`apt-get install redis-server`). CI is set: a failure.", pytrace=False)
    if found is None:
        pytest.skip("redis-server is not there. Get it by `apt-get install redis-server`.")
    return found


def find_port() -> int:
    """A free one, below the range connections get theirs from, and with its cluster bus's free, too."""
    for port in range(21_000 + os.getpid() % 500 * 20, 32_000):
        if port not in _given and all(is_free(each) for each in (port, port + 10_000)):
            _given.add(port)
            return port
    raise RuntimeError("no free port")


_given: set[int] = set()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """What ``condition`` returns once it is true; it may raise until then."""
    until, found = time.monotonic() + seconds, None
    while True:
        try:
            found = condition()
        except (redis_package.RedisError, OSError):
            found = None
        if found:
            return found
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


class RedisProcess:
    """One ``redis-server``. It may be killed, held, and started again on the same port."""

    def __init__(self, folder: Path, *arguments: str, program: str | None = None) -> None:
        self.folder, self.port = folder, find_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.command = [program or find_redis(), *arguments]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, *more: str) -> None:
        options = [
            *("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
            *("--repl-diskless-sync-delay", "0", "--repl-timeout", "3"),
            *("--dir", str(self.folder), "--daemonize", "no", "--loglevel", "warning", *more),
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*self.command, *options], stdout=log, stderr=log)
        wait_until(self.answers)

    def answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except redis_package.AuthenticationError:
            return True

    def ask(self, *command: Any) -> Any:
        client = redis_package.Redis(port=self.port, socket_timeout=5, protocol=2)
        try:
            return client.execute_command(*command)
        finally:
            client.close()

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def hold(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def release(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


def start_watched(folder: Path) -> tuple[list[RedisProcess], RedisProcess]:
    """A primary with a replica, and the sentinel that watches over them under the name ``limits``."""
    primary, replica = RedisProcess(folder / "primary"), RedisProcess(folder / "replica")
    primary.start()
    replica.start("--replicaof", "127.0.0.1", str(primary.port))
    configuration = folder / "sentinel.conf"
    configuration.write_text(
        f"sentinel monitor limits 127.0.0.1 {primary.port} 1\n"
        "sentinel down-after-milliseconds limits 300\nsentinel failover-timeout limits 3000\n",
        encoding="ascii",
    )
    sentinel = RedisProcess(folder / "sentinel")
    sentinel.command += [str(configuration), "--sentinel"]
    with (sentinel.folder / "log").open("ab") as log:
        sentinel.process = subprocess.Popen([*sentinel.command, "--port", str(sentinel.port)], stdout=log, stderr=log)
    wait_until(sentinel.answers)
    wait_until(lambda: sentinel.ask("SENTINEL", "REPLICAS", "limits"))
    wait_until(lambda: replica.ask("INFO", "replication").get("master_link_status") == "up")
    return [primary, replica], sentinel


def start_cluster(folder: Path) -> list[RedisProcess]:
    """Six nodes: three with a third of the slots each, and a replica of each."""
    nodes = [RedisProcess(folder / str(number)) for number in range(6)]
    for node in nodes:
        node.start(
            "--cluster-enabled", "yes", "--cluster-node-timeout", "500", "--cluster-replica-validity-factor", "0"
        )
    bounds = [(0, 5460), (5461, 10922), (10923, 16383)]
    for number, node in enumerate(nodes):
        node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        if number < 3:
            node.ask("CLUSTER", "ADDSLOTSRANGE", *bounds[number])
    for node in nodes[1:]:
        node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
    for number, node in enumerate(nodes[3:]):
        wait_until(lambda node=node: len(node.ask("CLUSTER", "NODES").splitlines()) == 6)
        wait_until(
            lambda node=node, number=number: node.ask("CLUSTER", "REPLICATE", nodes[number].ask("CLUSTER", "MYID"))
        )
    for node in nodes:
        wait_until(lambda node=node: b"cluster_state:ok" in node.ask("CLUSTER", "INFO"))
    for node in nodes[3:]:
        wait_until(lambda node=node: node.ask("INFO", "replication").get("master_link_status") == "up")
    return nodes
