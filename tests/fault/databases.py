"""Database servers of the tests' own, which may be killed, held and started again."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import asyncmy
import asyncpg

from grantway.testing.running_server import is_alive

START_TIMEOUT = 60.0
CONNECT_TIMEOUT = 30
MOST_CONNECTIONS = 80
LOOPBACK = "127.0.0.1"


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class DatabaseServer(ABC):
    """One database server on a free port, run by somebody who is not root, with its files in a folder of /tmp.

    Not in pytest's own, which nobody but its owner may enter. It is killed, but the power stays: so it need not wait
    for the disk, which a busy machine holds up for seconds.
    """

    kind: ClassVar[str]
    lock_table: ClassVar[str]
    """Keeps everybody else from every authorization, until the end of its transaction."""

    def __init__(self) -> None:
        self.folder = folder = Path(tempfile.mkdtemp(prefix=f"grantway-{self.kind}-"))
        self.port = find_free_port()
        self.data = folder / "data"
        self.process: subprocess.Popen[bytes] | None = None
        self._serial = 0
        folder.chmod(0o755)
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self.data, "nobody", "nogroup")
        self._run(self._initialise())

    @classmethod
    @abstractmethod
    def find_missing(cls) -> str | None:
        """What is not installed and how to get it."""

    # -- life ---------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Returns when it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*_AS_NOBODY, *self._serve()], stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + START_TIMEOUT
        while not self.is_answering():
            assert self.process.poll() is None, (self.folder / "log").read_text(encoding="utf-8")[-2000:]
            assert time.monotonic() < until, "the database did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9 of every process of it; returns when all are gone."""
        assert self.process is not None
        pids = self._signal(signal.SIGKILL)
        self.process.wait()
        while any(is_alive(pid) for pid in pids):
            time.sleep(0.01)

    def stop(self) -> None:
        """At once, but in order."""
        if self.process is not None and self.process.poll() is None:
            self._signal(signal.SIGCONT)
            self.process.send_signal(self.quick_stop)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def remove(self) -> None:
        """The end of it and of its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    quick_stop: ClassVar[signal.Signals] = signal.SIGTERM

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing of it runs, and its connections stay open."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def is_answering(self) -> bool:
        try:
            self.run("SELECT 1")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncmy.errors.MySQLError):
            return False
        return True

    def _signal(self, number: signal.Signals) -> list[int]:
        """To the server and all its children. Returns who they were."""
        assert self.process is not None
        pids = [self.process.pid, *_list_children(self.process.pid)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    # -- databases ----------------------------------------------------------------------------------------------------
    def create(self) -> str:
        """The URL of a new database."""
        self._serial += 1
        name = f"fault_{self._serial}"
        self.run(*self._create(name))
        return self.url(name)

    @abstractmethod
    def url(self, name: str) -> str: ...

    def run(self, *statements: str, database: str | None = None) -> list[Any]:
        """What the last one returns, on a connection of its own."""

        async def work() -> list[Any]:
            connection = await self.connect(database)
            rows: list[Any] = []
            try:
                for statement in statements:
                    rows = await self.ask(connection, statement)
                return rows
            finally:
                await self.disconnect(connection)

        return asyncio.run(work())

    @contextmanager
    def holding(self, statement: str, url: str) -> Iterator[None]:
        """An open transaction that has run ``statement``."""
        with asyncio.Runner() as runner:
            connection = runner.run(self.connect(url.rpartition("/")[2]))
            runner.run(self.ask(connection, "BEGIN"))
            runner.run(self.ask(connection, statement))
            try:
                yield
            finally:
                runner.run(self.ask(connection, "ROLLBACK"))
                runner.run(self.disconnect(connection))

    @contextmanager
    def full(self, url: str) -> Iterator[None]:
        """Others have all the connections there can be, and those to this database were ended."""
        with asyncio.Runner() as runner:
            name, taken = url.rpartition("/")[2], []
            try:
                while True:  # until none of theirs is left to be ended, and no place that one could come back to
                    ended = runner.run(self._end_connections(taken[0] if taken else None, name))
                    if not self._take(runner, taken) and not ended:
                        break
                    time.sleep(0.02)
                yield
            finally:
                for connection in taken:
                    runner.run(self.disconnect(connection))
        gc.collect()  # what the drivers leave of an attempt that was refused shall be this test's, and none else's

    def _take(self, runner: asyncio.Runner, taken: list[Any]) -> bool:
        """Opens as many connections as there can be. Returns whether there was one."""
        before = len(taken)
        with suppress(OSError, asyncpg.PostgresError, asyncmy.errors.MySQLError):
            while True:
                taken.append(runner.run(self.connect(None)))
        return len(taken) > before

    async def _end_connections(self, connection: Any, name: str) -> int:
        """Returns how many there were."""
        connection = connection or await self.connect(None)
        found = await self.ask(connection, self._list_connections(name))
        for (number,) in found:
            with suppress(asyncmy.errors.MySQLError):  # it has gone by itself
                await self.ask(connection, self._end_connection(number))
        return len(found)

    @abstractmethod
    def _list_connections(self, name: str) -> str: ...

    @abstractmethod
    def _end_connection(self, number: int) -> str: ...

    @abstractmethod
    async def connect(self, database: str | None) -> Any: ...

    @abstractmethod
    async def ask(self, connection: Any, statement: str) -> list[Any]: ...

    @abstractmethod
    async def disconnect(self, connection: Any) -> None: ...

    @abstractmethod
    def set_read_only(self, is_read_only: bool) -> None:
        """For everything that begins from now on."""

    def count_connections(self, url: str) -> int:
        """How many there are to this database."""
        return len(self.run(self._list_connections(url.rpartition("/")[2])))

    @abstractmethod
    def _initialise(self) -> Sequence[str]: ...

    @abstractmethod
    def _serve(self) -> Sequence[str]: ...

    @abstractmethod
    def _create(self, name: str) -> Sequence[str]: ...

    def _run(self, command: Sequence[str]) -> None:
        done = subprocess.run(
            [*_AS_NOBODY, *command], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        assert done.returncode == 0, done.stdout.decode()[-2000:]


class Postgres(DatabaseServer):
    """PostgreSQL."""

    kind = "postgres"
    lock_table = 'LOCK TABLE "authorization" IN ACCESS EXCLUSIVE MODE'
    quick_stop = signal.SIGINT

    @classmethod
    def find_missing(cls) -> str | None:
        return None if _find_postgres() else "PostgreSQL is not there. Get it by `apt-get install postgresql`."

    def url(self, name: str) -> str:
        return f"postgresql://postgres@{LOOPBACK}:{self.port}/{name}"

    async def connect(self, database: str | None) -> Any:
        return await asyncpg.connect(self.url(database or "postgres"), timeout=CONNECT_TIMEOUT)

    async def ask(self, connection: Any, statement: str) -> list[Any]:
        if not statement.startswith("SELECT"):
            await connection.execute(statement)
            return []
        return [tuple(row) for row in await connection.fetch(statement)]

    async def disconnect(self, connection: Any) -> None:
        await connection.close()

    def set_read_only(self, is_read_only: bool) -> None:
        self.run(
            f"ALTER SYSTEM SET default_transaction_read_only = {'on' if is_read_only else 'off'}",
            "SELECT pg_reload_conf()",
        )

    def _list_connections(self, name: str) -> str:
        return f"SELECT pid FROM pg_stat_activity WHERE datname = '{name}'"

    def _end_connection(self, number: int) -> str:
        return f"SELECT pg_terminate_backend({number})"

    def _initialise(self) -> Sequence[str]:
        return [
            f"{_find_postgres()}/initdb", f"--pgdata={self.data}", "--username=postgres", "--auth=trust",
            "--encoding=UTF8", "--no-sync",
        ]  # fmt: skip

    def _serve(self) -> Sequence[str]:
        return [
            f"{_find_postgres()}/postgres", "-D", str(self.data), "-c", f"port={self.port}",
            "-c", f"listen_addresses={LOOPBACK}", "-c", "unix_socket_directories=",
            "-c", f"max_connections={MOST_CONNECTIONS}", "-c", "fsync=off",
        ]  # fmt: skip

    def _create(self, name: str) -> Sequence[str]:
        return [f"CREATE DATABASE {name}"]


class Mariadb(DatabaseServer):
    """MariaDB."""

    kind = "mariadb"
    lock_table = "LOCK TABLES authorization WRITE"

    @classmethod
    def find_missing(cls) -> str | None:
        if _find_mariadb() and shutil.which("mariadb-install-db"):
            return None
        return "MariaDB is not there. Get it by `apt-get install mariadb-server`."

    def url(self, name: str) -> str:
        return f"mariadb://grantway@{LOOPBACK}:{self.port}/{name}"  # not root, who may write whatever is read-only

    async def connect(self, database: str | None) -> Any:
        return await asyncmy.connect(
            host=LOOPBACK,
            port=self.port,
            user="root",
            database=database or "mysql",
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
        )

    async def ask(self, connection: Any, statement: str) -> list[Any]:
        async with connection.cursor() as cursor:
            await cursor.execute(statement)
            return list(await cursor.fetchall() or ())

    async def disconnect(self, connection: Any) -> None:
        await connection.ensure_closed()

    def set_read_only(self, is_read_only: bool) -> None:
        self.run(f"SET GLOBAL read_only = {int(is_read_only)}")

    def _list_connections(self, name: str) -> str:
        return f"SELECT id FROM information_schema.processlist WHERE db = '{name}'"

    def _end_connection(self, number: int) -> str:
        return f"KILL {number}"

    def _initialise(self) -> Sequence[str]:
        return [
            "mariadb-install-db", "--no-defaults", f"--datadir={self.data}",
            "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
        ]  # fmt: skip

    def _serve(self) -> Sequence[str]:
        return [
            str(_find_mariadb()), "--no-defaults", f"--datadir={self.data}", f"--port={self.port}",
            f"--bind-address={LOOPBACK}", f"--socket={self.data}/socket", "--innodb-log-file-size=16M",
            f"--max-connections={MOST_CONNECTIONS}", "--innodb-flush-method=nosync",
        ]  # fmt: skip

    def _create(self, name: str) -> Sequence[str]:
        owner = "'grantway'@'localhost'"
        return [
            f"CREATE DATABASE {name} CHARACTER SET utf8mb4",
            f"CREATE USER IF NOT EXISTS {owner}",
            f"GRANT ALL ON {name}.* TO {owner}",
        ]


KINDS: dict[str, type[DatabaseServer]] = {each.kind: each for each in (Postgres, Mariadb)}

_AS_NOBODY = (
    ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", "HOME=/tmp"] if os.geteuid() == 0 else []
)  # a database server refuses to run as root


def _find_postgres() -> str | None:
    """The folder of the newest version's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    return str(found[-1].parent) if found else None


def _find_mariadb() -> str | None:
    return shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")


def _list_children(parent: int) -> list[int]:
    """Not by the session they are in: each of PostgreSQL's has one of its own."""
    pids = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1]) == parent:
                pids.append(int(path.parent.name))
    return pids
