"""The load sends what it should, as often as it should, and counts what went wrong."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bench.load import Load, run_wrk


class Recorder(ThreadingHTTPServer):
    """Answers every POST with 200, those with the body ``bad`` with 400, and remembers them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str | None, str]] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """The load ends in the middle of its connections."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.seen.append((self.headers["authorization"], body))
        self._answer(400 if body == "bad" else 200)

    def do_GET(self) -> None:
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, template: str, *args: object) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_can_be_used_once_is_sent_once_and_the_load_ends_with_it(wrk: str, recorder: Recorder) -> None:
    bodies = [f"code={number}" for number in range(100)]
    load = Load("POST", "/token", {}, bodies, is_once=True)
    measured = run_wrk(recorder.url, load, seconds=30, connections=4, cores=None)
    deadline = time.monotonic() + 10
    while len(recorder.seen) < len(bodies) and time.monotonic() < deadline:  # the last ones may still be on their way
        time.sleep(0.01)
    assert sorted(body for _, body in recorder.seen) == sorted(bodies)
    assert measured.seconds < 10
    assert measured.bad == 0


def test_each_body_goes_with_its_authorization(wrk: str, recorder: Recorder) -> None:
    names = [base64.b64encode(f"client-{number}:secret".encode()).decode() for number in range(10)]
    load = Load("POST", "/token", {}, names, [f"Basic {name}" for name in names])
    run_wrk(recorder.url, load, seconds=30, connections=2, cores=None, most=50)
    assert {body for _, body in recorder.seen} == set(names)
    assert all(authorization == f"Basic {body}" for authorization, body in recorder.seen)


def test_answers_other_than_success_are_counted(wrk: str, recorder: Recorder) -> None:
    load = Load("POST", "/token", {}, ["good", "bad"])
    measured = run_wrk(recorder.url, load, seconds=30, connections=1, cores=None, most=40)
    refused = sum(body == "bad" for _, body in recorder.seen)
    assert refused == 20
    assert refused - 1 <= measured.bad <= refused


def test_a_server_that_is_not_there_stops_the_bench(wrk: str) -> None:
    with pytest.raises(SystemExit, match="wrk failed"):
        run_wrk("http://127.0.0.1:1", Load("GET", "/"), seconds=1, connections=1, cores=None)
