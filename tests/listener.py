"""An application that listens for logout tokens: a real HTTP server on loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from msgspec import Struct
from tests.local_server import LocalServer, Received, respond

LONGEST = 30.0


class Notice(Struct, frozen=True):
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    form: dict[str, list[str]]

    @property
    def token(self) -> str:
        (token,) = self.form["logout_token"]
        return token


class Listener:
    """Answers with ``statuses`` one after the other, then with 200; while it is held, not at all."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.headers: dict[str, str] = {}
        self.notices: list[Notice] = []
        self._may_answer = threading.Event()
        self._may_answer.set()
        self._server = LocalServer(self._respond)
        self._server.__enter__()
        self.origin = self._server.url.rstrip("/")
        self.uri = f"{self.origin}/logout?from=grantway"

    def hold(self) -> None:
        """From now on nobody gets an answer."""
        self._may_answer.clear()

    def release(self) -> None:
        self._may_answer.set()

    def wait(self, is_enough: Callable[[], bool], seconds: float = LONGEST) -> None:
        """Returns when it is; it must be in time."""
        until = time.monotonic() + seconds
        while not is_enough():
            assert time.monotonic() < until, f"{len(self.notices)} notices came"
            time.sleep(0.02)

    def close(self) -> None:
        self.release()
        self._server.__exit__(None, None, None)

    def _respond(self, received: Received) -> bytes:
        self.notices.append(Notice(received.path, dict(received.headers), parse_qs(received.body.decode())))
        status = self.statuses.pop(0) if self.statuses else 200
        self._may_answer.wait(LONGEST)
        return respond(status, headers=self.headers)
