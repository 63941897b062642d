"""PgBouncer in transaction mode before the tests' PostgreSQL: the real one, started for one module."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from .servers import PostgresServer

_CONFIGURATION = """
[databases]
* = host={host} port={port} user={user} {password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
logfile = {folder}/log
"""


class PooledServer(PostgresServer):
    """PostgreSQL by way of PgBouncer. What tests ask of the server itself goes straight to it."""

    name = "PgBouncer"

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def create(self) -> str:
        direct = make_url(super().create())
        pooled = direct.set(host="127.0.0.1", port=self.port, query={"pool_mode": "transaction"})
        return pooled.render_as_string(hide_password=False)

    def find_direct(self, url: str) -> str:
        """The URL of the same database past the pooler."""
        return self.url.set(database=make_url(url).database).render_as_string(hide_password=False)

    async def connect(self, url: str) -> Any:
        return await super().connect(self.find_direct(url))


def find_missing_pooler() -> str | None:
    """What to say where there is no PgBouncer."""
    return None if _find_pooler() else "PgBouncer is not installed. On Debian: apt-get install pgbouncer"


def _find_pooler() -> str | None:
    return shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")


@contextmanager
def running_pooler(folder: Path) -> Iterator[PooledServer]:
    """Four connections for everybody: with more callers than that, each transaction comes to another one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen_port = probe.getsockname()[1]
    server = PooledServer(listen_port)
    password = f"password={server.url.password}" if server.url.password else ""
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        _CONFIGURATION.format(
            host=server.url.host,
            port=server.url.port or 5432,
            user=server.url.username,
            password=password,
            listen_port=listen_port,
            folder=folder,
        )
    )
    command = [_find_pooler() or "pgbouncer", str(configuration)]
    if os.geteuid() == 0:  # it refuses to be root
        for path in (folder, configuration):
            shutil.chown(path, "nobody")
        command = [command[0], "-u", "nobody", str(configuration)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", listen_port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield server
    finally:
        process.terminate()
        process.wait(10)
