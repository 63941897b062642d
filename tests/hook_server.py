"""A hook on loopback that notes what it is sent and answers as it is told."""

from __future__ import annotations

import json
from typing import Any

from tests.local_server import LocalServer, Received, respond


class HookServer:
    """``answer`` takes (status, JSON document, bytes or None), used up in order; the last one stays."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self._answers: list[tuple[int, Any]] = [(204, None)]
        self._server = LocalServer(self._respond)
        self._server.__enter__()
        self.url = self._server.url.rstrip("/")

    def answer(self, *answers: tuple[int, Any]) -> None:
        self.requests.clear()
        self._answers = list(answers)

    def stop(self) -> None:
        self._server.__exit__(None, None, None)

    def _respond(self, received: Received) -> bytes:
        self.requests.append((received.path, dict(received.headers), json.loads(received.body)))
        status, document = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
        return respond(status, body)
