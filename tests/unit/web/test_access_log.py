"""Lines of the access log: gathered, whole, and without anything that could be a credential or a second line."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from grantway.testing.in_process import InProcessServer
from grantway.web.access_log import AccessLog, write_access_to


class Stream(io.StringIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


def test_the_lines_of_one_turn_are_written_at_once():
    stream = Stream()
    log = AccessLog(stream, is_json=True)

    async def serve():
        for turn in range(3):
            for number in range(50):
                log.add("POST", "/oauth2/token", 200, number, 0.00125)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert stream.writes == turn + 1

    asyncio.run(serve())
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 150
    assert lines[49] == {
        "method": "POST", "path": "/oauth2/token", "status": 200, "bytes": 49, "ms": 1.25, "event": "request",
        "level": "info", "logger": "grantway.access", "timestamp": lines[49]["timestamp"],
    }  # fmt: skip


@pytest.mark.threat("T98")
@pytest.mark.parametrize("is_json", [True, False])
def test_a_path_cannot_forge_a_line(is_json):
    stream = Stream()
    log = AccessLog(stream, is_json=is_json)

    async def serve():
        for path in ('/a"b', "/a\nb", "/a\r\nlevel=error", "/\u2028\x85\x1b[31m", "/" + "x" * 60_000, "/\udcff"):
            log.add("GET", path, 404, 0, 0.0)
        await asyncio.sleep(0.01)

    asyncio.run(serve())
    lines = stream.getvalue().split("\n")
    assert len(lines) == 7
    assert all(line.isascii() and line.isprintable() and len(line) < 1000 for line in lines)


@pytest.mark.threat("T146")
def test_what_it_remembers_is_bounded():
    log = AccessLog(Stream(), is_json=True)

    async def serve():
        for number in range(5000):
            log.add("GET", f"/{number}", 404, 0, 0.0)
        await asyncio.sleep(0.01)

    asyncio.run(serve())
    assert len(log._beginnings) <= 1000


@pytest.mark.threat("R7")
def test_a_log_that_cannot_be_written_stops_nothing():
    class Full(Stream):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    async def serve(log: AccessLog):
        log.add("GET", "/", 200, 0, 0.0)
        await asyncio.sleep(0.01)
        log.add("GET", "/", 200, 0, 0.0)
        await asyncio.sleep(0.01)

    closed = Stream()
    closed.close()
    for stream in (Full(), closed):
        asyncio.run(serve(AccessLog(stream, is_json=True)))


@pytest.mark.threat("T149")
def test_neither_queries_nor_bodies_nor_headers_are_written():
    stream = Stream()
    server = InProcessServer({"serve.access_log": True})
    write_access_to(stream)
    try:
        server.get("/oauth2/auth?code=secret-code&client_id=x", headers={"authorization": "Bearer secret-token"})
        server.post("/oauth2/token?token=secret-query", data={"client_secret": "secret-body"})
        server.get("/nothing/here")
    finally:
        write_access_to(None)
        server.stop()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["path"], line["status"]) for line in lines] == [
        ("/oauth2/auth", 400),
        ("/oauth2/token", 401),
        ("/nothing/here", 404),
    ]
    assert "secret" not in stream.getvalue()
