"""Two nodes of two workers each on one database server, behind nginx as docs/how-to/behind-nginx.md sets it up."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tests.nginx import run_nginx

from grantway.extension import Runtime
from grantway.server import SystemEntropy
from grantway.testing.load import Address, Connection
from grantway.testing.running_server import TOKEN, Machine, RunningServer, stock_client

from .databases import LOOPBACK, DatabaseServer, find_free_port

T = TypeVar("T")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "behind-nginx.md"
NODES = 2
WORKERS = 2
DATABASE_TIMEOUT = 2.0
"""Seconds until a call that the database does not answer ends in 503."""
JWKS_MAX_AGE = 1
POLL = 0.02


def build_documented(nodes: list[Address], port: int) -> str:
    """The page's configuration for two nodes, without TLS and at these addresses: all else as it is written there."""
    one, two, timeout = re.findall(r"^```nginx\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for number, (host, own_port) in enumerate(nodes, start=1):
        assert f"server 10.0.0.{number}:4444" in two
        two = two.replace(f"server 10.0.0.{number}:4444", f"server {host}:{own_port}")
    server = re.search(r"^server \{\n    listen 443.*?^\}\n", one, re.MULTILINE | re.DOTALL)
    assert server is not None
    lines = [line for line in server[0].splitlines() if "ssl_" not in line and "http2" not in line]
    text = "\n".join(lines).replace("listen 443 ssl;", f"listen {LOOPBACK}:{port};")
    return two + text.replace("        proxy_pass", f"{timeout}        proxy_pass")


class Cluster:
    """Started; ``close`` it. Everything goes through nginx unless a node is named."""

    def __init__(
        self, make_folder: Callable[[str], Path], database: DatabaseServer, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.database = database
        self.make_folder = make_folder
        self.url = database.create()
        self.settings = {
            "database.url": self.url,
            "database.timeout": int(DATABASE_TIMEOUT),
            "secrets.sealing": SystemEntropy().token_bytes(32).hex(),
            "tokens.refresh_token_grace": 60,
            "serve.trusted_proxies": LOOPBACK,
            "keys.algorithms": "ES256",
            "keys.jwks_max_age": JWKS_MAX_AGE,
            **(settings or {}),
        }
        self.nodes = [self.build_node() for _ in range(NODES)]
        self._nginx = contextlib.ExitStack()
        try:
            for node in self.nodes:
                node.start()
            folder, self.address = make_folder("nginx"), (LOOPBACK, find_free_port())
            self.nginx_log = folder / "error.log"
            documented = build_documented([node.public for node in self.nodes], self.address[1])
            self._nginx.enter_context(run_nginx(folder, documented, self.address[1]))
        except BaseException:
            for node in self.nodes:
                node.close()
            raise
        self.machines = self.administer(stock_machines)
        self._connections: list[Connection] = []

    def build_node(
        self, settings: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
    ) -> RunningServer:
        """Another node on this database, not started, and unknown to nginx."""
        folder, chosen = self.make_folder("node"), {**self.settings, **(settings or {})}
        return RunningServer(folder, workers=WORKERS, settings=chosen, environment=environment)

    @property
    def workers(self) -> list[int]:
        return [pid for node in self.nodes for pid in node.workers()]

    def administer(self, work: Callable[[Runtime], Awaitable[T]]) -> T:
        return self.nodes[0].administer(work)

    def run(self, sql: str) -> list[Any]:
        """On the database itself, past everything."""
        return self.database.run(sql, database=self.url.rpartition("/")[2])

    def connect(self) -> Connection:
        connection = Connection(self.address)
        self._connections.append(connection)
        return connection

    def connect_to_nodes(self, count: int) -> list[Connection]:
        """Past nginx, which ends a connection after a thousand requests; to one node after the other."""
        connections = [Connection(self.nodes[number % NODES].public) for number in range(count)]
        self._connections += connections
        return connections

    def disconnect(self) -> None:
        """Ends what ``connect`` began."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def ask_for_admin_token(self) -> str:
        connection = Connection(self.address)
        answer = connection.ask("POST", TOKEN, **self.machines["admin"].ask_token())
        connection.close()
        assert answer.status == 200, answer
        token: str = answer.document["access_token"]
        return token

    def wait_until_ready(self, seconds: float) -> float:
        """Returns after how many seconds every worker of every node was ready; fails if some are not in time."""
        began = time.monotonic()
        for node in self.nodes:
            wait_for(lambda at=node: len(at.workers()) == WORKERS and _is_ready(at), seconds)
        return time.monotonic() - began

    def restart(self, node: RunningServer) -> None:
        """Where it was before. It has to have ended."""
        node.start(port=node.public[1])

    def check_logs(self) -> None:
        """Nothing that a node wrote may be a traceback."""
        for node in self.nodes:
            assert "Traceback" not in node.read_log(), node.read_log()[-4000:]

    def close(self) -> None:
        self.disconnect()
        self._nginx.close()
        for node in self.nodes:
            node.close()


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(POLL)


def _is_ready(node: RunningServer) -> bool:
    """Asked often enough for every worker to have had its say."""
    for _ in range(4 * WORKERS):
        connection = Connection(node.public)
        try:
            if connection.ask("GET", "/health/ready").status != 200:
                return False
        finally:
            connection.close()
    return True


async def stock_machines(runtime: Runtime) -> dict[str, Machine]:
    machines = {
        rotation: await stock_client(runtime, rotation, refresh_token_rotation=rotation)
        for rotation in ("strict", "grace", "off")
    }
    machines["jwt"] = await stock_client(runtime, "jwt", access_token_format="jwt")
    return machines | {"admin": await stock_client(runtime, "admin", scope=("grantway.admin",))}
