"""``grantway perform device-code`` against a server that makes it wait in every way there is."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from grantway.cli import relying_party
from grantway.cli.relying_party import FlowFailed, RelyingParty

BEGUN = {"device_code": "secret", "user_code": "AB-CD", "verification_uri": "https://as.example/d", "expires_in": 100}
PENDING, SLOW = (400, {"error": "authorization_pending"}), (400, {"error": "slow_down"})
TOKENS = (200, {"access_token": "at", "token_type": "Bearer"})


class ForeignServer:
    """Answers token requests with ``answers``, one after the other; None: it hangs up."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any]] | None] = []
        self.begun: dict[str, Any] = dict(BEGUN)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                names = ("device_authorization_endpoint", "token_endpoint")
                self._answer(200, {"issuer": outer.url, **{name: f"{outer.url}/{name}" for name in names}})

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                answer = outer.answers.pop(0) if self.path == "/token_endpoint" else (200, outer.begun)
                if answer is not None:
                    self._answer(*answer)

            def _answer(self, status: int, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Stays quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def foreign() -> Iterator[ForeignServer]:
    server = ForeignServer()
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.server.shutdown()
    thread.join()
    server.server.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it waited before each poll; nobody really waits."""
    waited: list[float] = []
    monkeypatch.setattr(relying_party.time, "sleep", waited.append)
    monkeypatch.setattr(relying_party.time, "monotonic", lambda: sum(waited))
    return waited


def run(foreign: ForeignServer) -> dict[str, Any]:
    with RelyingParty(foreign.url, "tv", None, None) as party:
        return party.finish_device(party.begin_device(scope="read"))


@pytest.mark.spec("RFC 8628 §3.5")
def test_it_waits_as_long_as_the_server_says_and_longer_when_told_so(
    foreign: ForeignServer, waits: list[float]
) -> None:
    foreign.answers = [PENDING, SLOW, PENDING, SLOW, TOKENS]
    assert run(foreign)["access_token"] == "at"
    assert waits == [5, 5, 10, 10, 15], "five seconds where the server names no interval"


@pytest.mark.spec("RFC 8628 §3.5")
def test_a_server_that_does_not_answer_is_asked_less_often(foreign: ForeignServer, waits: list[float]) -> None:
    foreign.begun["interval"] = 2
    foreign.answers = [None, None, PENDING, TOKENS]
    assert run(foreign)["access_token"] == "at"
    assert waits == [2, 4, 8, 8]


def test_it_ends_with_the_code(foreign: ForeignServer, waits: list[float]) -> None:
    foreign.answers = [PENDING] * 30
    with pytest.raises(FlowFailed, match="expired"):
        run(foreign)
    assert sum(waits) < BEGUN["expires_in"]  # type: ignore[operator]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda begun: begun.pop("device_code"),
        lambda begun: begun.update(user_code=7),
        lambda begun: begun.update(expires_in="soon"),
        lambda begun: begun.update(interval=-1),
        lambda begun: begun.update(interval=[5]),
    ],
)
def test_an_answer_that_is_not_whole_is_refused(
    foreign: ForeignServer, waits: list[float], spoil: Callable[[dict[str, Any]], Any]
) -> None:
    spoil(foreign.begun)
    with pytest.raises(FlowFailed):
        run(foreign)
    assert not waits
