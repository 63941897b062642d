"""Requests that two parsers may read differently, sent as raw bytes through nginx, as docs/how-to/behind-nginx.md sets
it up, and straight to the server: each is refused, or means the same to both.

Every case hides a request for /version in what may be taken for a body. Its answer must never come back.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.nginx import find_free_port, run_nginx

from grantway.testing.running_server import RunningServer

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "behind-nginx.md"
HIDDEN = b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
START = b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\n" + FORM
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"


def build_chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


LENGTH = b"Content-Length: %d\r\n" % len(HIDDEN)

REFUSED = {
    "length and chunks": START + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n" + END + HIDDEN,
    "chunks and length": START + CHUNKED + b"Content-Length: 5\r\n\r\n" + END + HIDDEN,
    "chunks and a length over all": START + CHUNKED + b"Content-Length: %d\r\n\r\n" % (5 + len(HIDDEN)) + END + HIDDEN,
    "two lengths": START + b"Content-Length: 0\r\n" + LENGTH + b"\r\n" + HIDDEN,
    "two lengths in a list": START + b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "negative length": START + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "length with a sign": START + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "length in hexadecimal": START + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "length that overflows": START + b"Content-Length: 18446744073709551616\r\n\r\n" + HIDDEN,
    "length with a space inside": START + b"Content-Length: 0 0\r\n\r\n" + HIDDEN,
    "empty length": START + b"Content-Length: \r\n\r\n" + HIDDEN,
    "coding that is no coding": START + b"Transfer-Encoding: xchunked\r\n\r\n" + END + HIDDEN,
    "chunked not last": START + b"Transfer-Encoding: chunked, identity\r\n\r\n" + END + HIDDEN,
    "two codings": START + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n" + END + HIDDEN,
    "space before the colon": START + b"Transfer-Encoding : chunked\r\n\r\n" + END + HIDDEN,
    "chunk size that is no number": START + CHUNKED + b"\r\nzz\r\n" + HIDDEN,
    "negative chunk size": START + CHUNKED + b"\r\n-1\r\n" + HIDDEN,
    "chunk size with a prefix": START + CHUNKED + b"\r\n0x5\r\nhello\r\n" + END + HIDDEN,
    "chunk size that overflows": START + CHUNKED + b"\r\n10000000000000005\r\nhello\r\n" + END + HIDDEN,
    "chunk that is longer than its size": START + CHUNKED + b"\r\n3\r\nhello\r\n" + END + HIDDEN,
    "no host": b"GET /version HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /version HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "zero byte in a header": b"GET /version HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    "header name with a space": b"GET /version HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n",
    "version that is none": b"GET /version HTTP/9.9\r\nHost: a\r\n\r\n",
}
LAST = b"GET /health/alive HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HARMLESS = {
    "the hidden request as a chunk": START + CHUNKED + b"\r\n" + build_chunk(HIDDEN) + END,
    "the hidden request as a body": START + LENGTH + b"\r\n" + HIDDEN,
    "the same length twice": START + LENGTH + LENGTH + b"\r\n" + HIDDEN,
    "coding in capitals": START + b"TRANSFER-ENCODING: Chunked\r\n\r\n" + build_chunk(HIDDEN) + END,
    "chunk with an extension": START + CHUNKED + b"\r\n%x;a=b\r\n%s\r\n" % (len(HIDDEN), HIDDEN) + END,
    "forbidden trailer": START + CHUNKED + b"\r\n" + build_chunk(HIDDEN) + b"0\r\nContent-Length: 99\r\n\r\n",
    "absolute form of another host": b"GET http://b/oauth2/token HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: c\r\n\r\n",
}
"""What both parsers may take, or refuse, as long as the hidden request stays hidden."""


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The ports of the server itself, and of nginx in front of it."""
    server = RunningServer(tmp_path_factory.mktemp("server"), workers=1)
    server.start()
    port = find_free_port()
    with run_nginx(tmp_path_factory.mktemp("nginx"), _read_configuration(server.public[1], port), port):
        yield {"server": server.public[1], "nginx": port}
    server.close()
    assert "Traceback" not in server.read_log()


def _read_configuration(upstream: int, port: int) -> str:
    """The page's upstream and its https server, at other ports and without TLS."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = [
        re.search(rf"^{head}.*?^}}\n", text, re.MULTILINE | re.DOTALL)
        for head in ("upstream grantway", "server {\n    listen 443")
    ]
    found = "".join(block[0] for block in blocks if block is not None)
    lines = [line for line in found.splitlines() if "ssl_" not in line and "http2" not in line]
    configuration = "\n".join(lines).replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    assert "127.0.0.1:4444" in configuration
    return configuration.replace("127.0.0.1:4444", f"127.0.0.1:{upstream}")


def exchange(port: int, request: bytes) -> bytes:
    """Everything that comes back until the other side ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        received = b""
        while True:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                return received
            if not piece:
                return received
            received += piece


@pytest.mark.threat("T140")
@pytest.mark.parametrize("target", ["server", "nginx"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused(targets, target, name):
    received = exchange(targets[target], REFUSED[name])
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", received)
    assert len(statuses) == 1, received
    assert statuses[0] in (b"400", b"411", b"413", b"501", b"505"), received
    assert b'"version"' not in received


@pytest.mark.threat("T140")
@pytest.mark.parametrize("target", ["server", "nginx"])
@pytest.mark.parametrize("name", HARMLESS)
def test_a_request_inside_a_body_stays_inside(targets, target, name):
    received = exchange(targets[target], HARMLESS[name] + LAST)
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", received)
    # the form is no token request; a connection that goes on answers the last request next, and nothing else
    assert statuses in ([b"400"], [b"400", b"200"], [b"401", b"200"], [b"405", b"200"]), received
    assert b'"version"' not in received


@pytest.mark.threat("T140")
def test_the_connection_to_the_server_is_still_in_step_afterwards(targets):
    """nginx keeps its connections to the server: nothing of one request may be left on them for the next."""
    for name in (*REFUSED, *HARMLESS):
        exchange(targets["nginx"], {**REFUSED, **HARMLESS}[name] + LAST)
        answer = exchange(targets["nginx"], LAST)
        assert answer.startswith(b"HTTP/1.1 200"), name
        assert answer.endswith(b'{"status":"ok"}'), name
