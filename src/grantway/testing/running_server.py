"""A real ``grantway serve`` with its worker processes, for tests of what only several processes can get wrong.

It runs on a database file of its own and on free ports; the test shares its settings, and so can put codes, users and
sessions straight into the store, sealed under the same secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from grantway.config import load_settings
from grantway.errors import Conflict
from grantway.extension import Runtime
from grantway.model import DEFAULT_TENANT, Authorization, Client, ClientSecret, Session, Subject
from grantway.server import SystemEntropy
from grantway.storage.sql.schema import upgrade
from grantway.testing.load import Address, Connection
from grantway.tokens import Tokens
from grantway.web import create_server

T = TypeVar("T")
START_TIMEOUT = 60.0
STOP_TIMEOUT = 60.0
PATIENCE = 60
DAY_MS = 86_400_000


TOKEN, INTROSPECT, REVOKE = "/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"


class Machine(Struct, frozen=True):
    """A confidential client and its secret."""

    client_id: str
    client_secret: str

    @property
    def auth(self) -> tuple[str, str]:
        return self.client_id, self.client_secret

    def ask_token(self) -> dict[str, Any]:
        """The parts of a client credentials request."""
        return {"form": {"grant_type": "client_credentials"}, "auth": self.auth}


class Family(Struct, frozen=True):
    """A stored authorization of a person in a session, its code, and the refresh token of its first generation."""

    authorization: Authorization
    machine: Machine
    code: str
    refresh_token: str

    @property
    def subject(self) -> str:
        return self.authorization.subject or ""

    @property
    def session_id(self) -> str:
        return self.authorization.session_id or ""

    def redeem(self) -> dict[str, Any]:
        """The parts of the token request that redeems the code, for ``Connection.ask``."""
        return {"form": {"grant_type": "authorization_code", "code": self.code}, "auth": self.machine.auth}

    def refresh(self, token: str) -> dict[str, Any]:
        """The parts of the token request that uses a refresh token."""
        return {"form": {"grant_type": "refresh_token", "refresh_token": token}, "auth": self.machine.auth}

    def present(self, token: str) -> dict[str, Any]:
        """The parts of an introspection or revocation of one of its tokens."""
        return {"form": {"token": token}, "auth": self.machine.auth}


class RunningServer:
    """``grantway serve all --workers N`` in ``folder``. ``start()`` it, and again after ``stop()`` or ``kill()``.

    Args:
        settings: dotted settings (``{"database.timeout": 1}``) over those of a test server.
        environment: further variables of its processes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 4,
        settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.database = folder / "grantway.db"
        chosen = {
            "database.url": f"sqlite:///{self.database}",
            "secrets.sealing": SystemEntropy().token_bytes(32).hex(),
            "serve.port": 0,
            "serve.admin_port": 0,
            "serve.workers": workers,
            **(settings or {}),
        }
        self.environment = {f"GRANTWAY_{name.upper().replace('.', '__')}": str(value) for name, value in chosen.items()}
        self.settings = load_settings(environment=self.environment)
        self.environment |= environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._connections: list[Connection] = []
        upgrade(self.settings.database.url)

    # -- processes ------------------------------------------------------------------------------------------------
    def start(self, *, port: int = 0) -> None:
        """Returns when every worker answers. ``port``: the public one of an earlier start, for clients that wait."""
        ready, began = self.folder / "ready.json", time.monotonic()
        ready.unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter
                [sys.executable, "-m", "grantway", "serve", "all", "--port", str(port), "--ready-file", str(ready)],
                cwd=self.folder, env=self.full_environment, stdout=log, stderr=log,
            )  # fmt: skip
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() - began > START_TIMEOUT:
                raise RuntimeError(f"the server did not start: {self.read_log()[-2000:]}")
            time.sleep(0.02)
        document = json.loads(ready.read_text(encoding="utf-8"))
        self.public = _parse_address(document["public_url"])
        self.admin = _parse_address(document["admin_url"])

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process

    @property
    def full_environment(self) -> dict[str, str]:
        """For other commands on the same database."""
        return {**os.environ, **self.environment}

    def read_log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def workers(self) -> list[int]:
        """Process ids of the living workers."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            children = [int(each) for each in path.read_text(encoding="ascii").split()]
        except OSError:
            return []
        return [pid for pid in children if is_alive(pid)]

    def stop(self) -> int:
        """Stops it gracefully (SIGTERM). Returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT)

    def kill(self) -> None:
        """kill -9 of the supervisor and of every worker; returns when all are gone."""
        pids = self.workers()
        self.process.kill()
        self.process.wait()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(is_alive(pid) for pid in pids):
            time.sleep(0.01)

    def close(self) -> None:
        """Ends it the hard way, whatever its state, and every connection to it."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def connect(self, *, to_admin: bool = False) -> Connection:
        """A connection to whichever worker takes it; closed with the server at the latest."""
        connection = Connection(self.admin if to_admin else self.public)
        self._connections.append(connection)
        return connection

    def connect_to_each(self, count: int, *, to_admin: bool = False) -> dict[int, list[Connection]]:
        """``count`` open connections to *each* worker.

        The kernel gives a connection to whichever worker takes it first, so all others are held for that moment.
        """
        pids = self.workers()
        connections: dict[int, list[Connection]] = {}
        for pid in pids:
            with _held(other for other in pids if other != pid):
                connections[pid] = [self.connect(to_admin=to_admin) for _ in range(count)]
                for connection in connections[pid]:  # answered: so it is this worker's
                    connection.send(connection.build("GET", "/health/alive"))
                    connection.receive()
        return connections

    @cached_property
    def _tokens(self) -> Tokens:
        return create_server(self.settings).runtime.tokens

    # -- what is stored -------------------------------------------------------------------------------------------
    def administer(self, work: Callable[[Runtime], Awaitable[T]]) -> T:
        """Awaits ``work(runtime)`` in this process, on the same database: another process, as far as workers know.

        It waits for the database as long as it takes, whatever ``database.timeout`` the server has.
        """
        patient = replace(self.settings, database=replace(self.settings.database, timeout=PATIENCE))

        async def run() -> T:
            server = create_server(patient)
            await server.start()
            try:
                return await work(server.runtime)
            finally:
                await server.stop()

        return asyncio.run(run())

    def open_generation(self, refresh_token: str) -> int:
        """Which generation of its authorization a refresh token is."""
        claims = self._tokens.open_refresh(DEFAULT_TENANT, refresh_token)
        if claims is None:
            raise ValueError("not a refresh token of this server")
        return claims.generation


async def stock_client(runtime: Runtime, client_id: str, **metadata: Any) -> Machine:
    """Stores a confidential client."""
    secret, now = runtime.tokens.generate_secret(), runtime.clock.now()
    digest = ClientSecret(secret_id="1", digest=runtime.keys.hash_secret(secret), created_at=now)
    given = {
        "grant_types": ("client_credentials", "authorization_code", "refresh_token"),
        "redirect_uris": ("https://client.example/cb",),
        "scope": ("read", "write"),
        **metadata,
    }
    tenant = given.pop("tenant", DEFAULT_TENANT)
    client = Client(tenant=tenant, client_id=client_id, secrets=(digest,), created_at=now, updated_at=now, **given)
    await runtime.store.insert_client(client)
    return Machine(client_id, secret)


async def stock_families(
    runtime: Runtime, machine: Machine, subjects: Iterable[str], *, has_session: bool = False
) -> list[Family]:
    """Stores one authorization with a code for each subject (who is stored too), and with ``has_session`` a live
    session that it is bound to."""
    client = await runtime.store.load_client(DEFAULT_TENANT, machine.client_id)
    if client is None:
        raise ValueError(f"no client {machine.client_id}")

    async def stock(subject: str) -> Family:
        now = runtime.clock.now()
        person = Subject(tenant=DEFAULT_TENANT, subject=subject, username=subject, username_key=subject)
        with contextlib.suppress(Conflict):  # one person may have several
            await runtime.store.insert_subject(person)
        session_id = await _stock_session(runtime, subject) if has_session else None
        code, digest = runtime.tokens.generate_code()
        authorization = Authorization(
            tenant=DEFAULT_TENANT,
            authorization_id=runtime.tokens.generate_id(),
            client_id=machine.client_id,
            grant_type="authorization_code",
            subject=subject,
            scope=("read",),
            audience=(),
            created_at=now,
            expires_at=now + DAY_MS,
            session_id=session_id,
            session_bound=has_session,
            auth_time=now // 1000,
            code_digest=digest,
            code_expires_at=now + DAY_MS,
        )
        await runtime.store.insert_authorization(authorization)
        refresh_token = runtime.tokens.issue_refresh(DEFAULT_TENANT, authorization, client, now=now)
        return Family(authorization, machine, code, refresh_token)

    names, families = list(subjects), []
    for start in range(0, len(names), 500):
        families += await asyncio.gather(*(stock(name) for name in names[start : start + 500]))
    return families


async def _stock_session(runtime: Runtime, subject: str) -> str:
    now = runtime.clock.now()
    session = Session(
        tenant=DEFAULT_TENANT,
        session_id=runtime.tokens.generate_id(),
        digest=runtime.entropy.token_bytes(32),
        subject=subject,
        auth_time=now // 1000,
        acr=None,
        amr=("pwd",),
        remembered=False,
        user_agent="",
        address="127.0.0.1",
        created_at=now,
        last_seen_at=now,
        expires_at=now + DAY_MS,
    )
    await runtime.store.insert_session(session)
    return session.session_id


def is_alive(pid: int) -> bool:
    """Whether the process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _parse_address(url: str) -> Address:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


@contextlib.contextmanager
def _held(pids: Iterable[int]) -> Iterator[None]:
    stopped = list(pids)
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
