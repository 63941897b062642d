"""The direct lane answers like the ASGI lane: the same bytes, whole and cut anywhere, through both."""

from __future__ import annotations

import asyncio
import base64
import re
import socket

import pytest
import uvicorn

from grantway.testing.in_process import InProcessServer
from grantway.web.http_protocol import OneWriteProtocol, build_direct_protocol

FORM = "application/x-www-form-urlencoded"
# What differs from answer to answer in either lane.
VARYING = (
    (rb"date: [^\r]*", b"date: x"),
    (rb"gwat_[A-Za-z0-9_-]+", b"gwat_x"),
    (rb'csrf_token" value="[^"]*"', b'csrf_token" value="x"'),
    (rb"__Host-grantway_browser=[^;]*", b"__Host-grantway_browser=x"),
    (rb"content-length: \d+", b"content-length: x"),
)


@pytest.fixture(scope="module")
def lanes():
    """One server behind two listeners: the direct lane with its fall-back, and the ASGI lane alone."""
    server = InProcessServer({"serve.body_timeout": 1, "throttle.client_attempts": 10_000})
    server.register_user()
    client = server.register_client("api", grant_types=["client_credentials"], scope="read")
    running = Lanes(server, client)
    yield running
    running.stop()
    server.stop()


class Lanes:
    def __init__(self, server, client):
        self.server, self.client = server, client
        self.basic = base64.b64encode(f"{client.client_id}:{client.client_secret}".encode()).decode()
        self.ports, self._fronts = {}, []
        self.direct = build_direct_protocol(server.public_app)
        for name, protocol in (
            ("direct", self.direct),
            ("asgi", OneWriteProtocol),
        ):
            listener = socket.create_server(("127.0.0.1", 0))
            config = uvicorn.Config(
                server.public_app, http=protocol, loop="none", lifespan="off", ws="none", log_config=None,
                access_log=False, proxy_headers=False, server_header=False,
            )  # fmt: skip
            front = uvicorn.Server(config)
            config.load()
            front.lifespan = config.lifespan_class(config)
            server.run(front.startup(sockets=[listener]))
            self.ports[name] = listener.getsockname()[1]
            self._fronts.append((front, listener))

    def stop(self):
        for front, listener in self._fronts:
            self.server.run(front.shutdown(sockets=[listener]))

    def exchange(self, lane, *pieces, wait=0.5, silence=0.03):
        """Sends the pieces over one connection and returns what comes back, until it closes or there is ``silence``."""
        return self.server.run(self._exchange(lane, pieces, wait, silence))

    async def _exchange(self, lane, pieces, wait, silence):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[lane])
        writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.0005 if len(pieces) > 1 else 0)
        received = await _read_answers(reader, wait, silence)
        writer.close()
        for pattern, replacement in VARYING:
            received = re.sub(pattern, replacement, received)
        return received

    def both(self, *pieces, **options):
        return [self.exchange(lane, *pieces, **options) for lane in ("direct", "asgi")]

    def post(self, path, body, *headers):
        lines = [f"POST {path} HTTP/1.1", "Host: as.example", f"Content-Length: {len(body)}", *headers]
        if not any(header.lower().startswith("content-type") for header in headers):
            lines.append(f"Content-Type: {FORM}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body.encode("latin-1")


async def _read_answers(reader, seconds, silence):
    """Every answer that comes, by its own length; then whatever else comes until the connection ends."""
    received = b""
    try:
        while True:
            async with asyncio.timeout(seconds):
                piece = await reader.read(65536)
            if not piece:
                return received + b"<closed>"
            received += piece
            seconds = silence if _is_whole(received) else seconds
    except TimeoutError:
        return received


def _is_whole(received):
    head, separator, rest = received.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return bool(separator) and (length is None or len(rest) >= int(length[1]))


def build_corpus(lanes):
    token = lanes.server.token(lanes.client, grant_type="client_credentials").json()["access_token"]
    basic = f"Authorization: Basic {lanes.basic}"
    get = "GET {} HTTP/1.1\r\nHost: as.example\r\n{}\r\n"
    return {
        "token": lanes.post("/oauth2/token", "grant_type=client_credentials&scope=read", basic),
        "introspection": lanes.post("/oauth2/introspect", f"token={token}", basic),
        "revocation of nothing": lanes.post("/oauth2/revoke", "token=nothing", basic),
        "wrong secret": lanes.post("/oauth2/token", "grant_type=client_credentials", "Authorization: Basic YTpi"),
        "no authentication": lanes.post("/oauth2/token", "grant_type=client_credentials"),
        "unknown grant": lanes.post("/oauth2/token", "grant_type=nope", basic),
        "repeated parameter": lanes.post("/oauth2/token", "grant_type=a&grant_type=b", basic),
        "bad escape": lanes.post("/oauth2/token", "grant_type=%zz", basic),
        "json": lanes.post("/oauth2/token", "{}", basic, "Content-Type: application/json"),
        "empty body": lanes.post("/oauth2/token", "", basic),
        "two authorization headers": lanes.post("/oauth2/token", "a=b", basic, basic),
        "discovery": get.format("/.well-known/openid-configuration", "").encode(),
        "jwks": get.format("/.well-known/jwks.json", "Origin: https://nobody.example\r\n").encode(),
        "query": get.format("/oauth2/auth?client_id=nobody", "").encode(),
        "page": get.format("/login", "").encode(),
        "userinfo": get.format("/userinfo", f"Authorization: Bearer {token}\r\n").encode(),
        "wrong method": get.format("/oauth2/token", "").encode(),
        "head": b"HEAD /.well-known/jwks.json HTTP/1.1\r\nHost: as.example\r\n\r\n",
        "options": b"OPTIONS /oauth2/token HTTP/1.1\r\nHost: as.example\r\nOrigin: https://a.example\r\n\r\n",
        "put": b"PUT /oauth2/token HTTP/1.1\r\nHost: as.example\r\nContent-Length: 1\r\n\r\na",
        "unknown path": get.format("/nothing", "").encode(),
        "escaped path": get.format("/oauth2%2ftoken", "").encode(),
        "static": get.format("/static/site.css", "").encode(),
        "absolute form": get.format("http://as.example/version", "").encode(),
        "closes": get.format("/version", "Connection: close\r\n").encode(),
        "http/1.0": b"GET /version HTTP/1.0\r\nHost: as.example\r\n\r\n",
        "too large": lanes.post("/oauth2/token", "a" * 70_000, basic),
        "compressed": lanes.post("/oauth2/token", "a=b", basic, "Content-Encoding: gzip"),
        "expects": lanes.post("/oauth2/token", "a=b", basic, "Expect: 100-continue"),
    }


NAMES = (
    "token", "introspection", "revocation of nothing", "wrong secret", "no authentication", "unknown grant",
    "repeated parameter", "bad escape", "json", "empty body", "two authorization headers", "discovery", "jwks", "query",
    "page", "userinfo", "wrong method", "head", "options", "put", "unknown path", "escaped path", "static",
    "absolute form", "closes", "http/1.0", "too large", "compressed", "expects",
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(lanes):
    built = build_corpus(lanes)
    assert tuple(built) == NAMES
    return built


@pytest.mark.threat("T140")
@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_get_the_same_answer_in_both_lanes(lanes, corpus, name):
    direct, asgi = lanes.both(corpus[name])
    assert direct == asgi
    assert direct.startswith(b"HTTP/1.1 ")


@pytest.mark.threat("T140")
@pytest.mark.parametrize("name", ["token", "discovery", "wrong secret"])
def test_a_request_cut_anywhere_is_the_same_request(lanes, corpus, name):
    whole = lanes.exchange("direct", corpus[name])
    for position in range(1, len(corpus[name])):
        assert lanes.exchange("direct", corpus[name][:position], corpus[name][position:], silence=0.001) == whole


@pytest.mark.threat("T140")
@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_get_the_same_answer_however_often_they_come(lanes, corpus, name):
    """The third time the head is recognised, the fourth time the answer may be made again."""
    first, *others = [lanes.exchange("direct", corpus[name]) for _ in range(4)]
    assert all(other == first for other in others)
    assert lanes.exchange("asgi", corpus[name]) == first


@pytest.mark.threat("T140")
@pytest.mark.parametrize("name", ["token", "introspection", "discovery"])
def test_a_recognised_head_needs_the_rest_of_its_request(lanes, corpus, name):
    for _ in range(3):
        whole = lanes.exchange("direct", corpus[name])
    together = lanes.exchange("direct", corpus[name] * 3, wait=1.0)
    assert together == whole * 3
    end = corpus[name].index(b"\r\n\r\n") + 4
    for position in (1, 3, end - 1, end, len(corpus[name]) - 1):
        if position < len(corpus[name]):
            assert lanes.exchange("direct", corpus[name][:position], corpus[name][position:], silence=0.001) == whole
    assert lanes.exchange("direct", corpus[name] + b"GET", corpus["jwks"][3:]).count(b"HTTP/1.1 200 ") == 2


@pytest.mark.threat("T140")
def test_a_head_is_recognised_whole_or_not_at_all(lanes, corpus):
    """What arrives in the middle of another request, or behind one, is never taken for a head of its own."""
    body = "grant_type=client_credentials"
    basic = f"Authorization: Basic {lanes.basic}"
    chunked = lanes.post("/oauth2/token", "", basic, "Transfer-Encoding: chunked").replace(
        b"Content-Length: 0\r\n", b""
    )
    whole = lanes.post("/oauth2/token", body, basic, "X-Marker: inner")
    for request in [*corpus.values()][:8] * 2:  # so that there are heads to recognise
        lanes.both(request, wait=0.1)
    for pieces in (
        [chunked + b"5\r\n", b"a=bcd\r\n0\r\n\r\n" + whole],
        [chunked + b"%x\r\n" % len(whole) + whole, b"\r\n0\r\n\r\n"],
        [b"\r\n\r\n" + whole],
        [b"GET", b" /version HTTP/1.1\r\nHost: a\r\n\r\n" + whole[:20], whole[20:]],
        [lanes.post("/oauth2/token", "b" * len(body), basic)[: -len(body)], whole[: len(body)]],
    ):
        for _ in range(3):
            direct, asgi = lanes.both(*pieces, wait=0.3)
            assert direct == asgi
    known = lanes.direct.heads.known
    assert len(known) > 5
    for mark in known:
        assert mark.endswith(b"\r\n\r\n")
        assert mark.count(b"\r\n\r\n") == 1
        assert mark.split(b" ")[0].strip() in (b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT")


def test_pipelined_requests_are_answered_in_their_order_across_the_lanes(lanes, corpus):
    order = ["jwks", "static", "token", "unknown path", "introspection", "discovery", "page", "jwks"]
    together = b"".join(corpus[name] for name in order)
    direct, asgi = lanes.both(together, wait=1.0)
    assert direct == asgi
    assert direct.count(b"HTTP/1.1 ") == len(order)


@pytest.mark.threat("T140")
@pytest.mark.parametrize(
    "raw",
    [
        b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Length: 1e3\r\n\r\n",
        b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /version HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"GET /version\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /version HTTP/1.1\r\n\r\n",
        b"GET /version HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\n\r\n",
        b"GET /version HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\nGET /version HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
    ids=lambda raw: repr(raw[-24:]),
)
def test_malformed_requests_are_refused_alike(lanes, raw):
    direct, asgi = lanes.both(raw, wait=0.2)
    assert direct == asgi
    assert b" 200 " not in direct


@pytest.mark.threat("T140")
@pytest.mark.spec("RFC 9112 §3.2")
def test_a_request_names_exactly_one_host_and_only_http_1_0_may_leave_it_out(lanes):
    for hosts, status in ((b"", b"400"), (b"Host: a\r\n", b"200"), (b"Host: a\r\nHost: a\r\n", b"400")):
        for answer in lanes.both(b"GET /version HTTP/1.1\r\n" + hosts + b"\r\n"):
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert answer.endswith(b"<closed>") == (status == b"400")
    for answer in lanes.both(b"GET /version HTTP/1.0\r\n\r\n"):
        assert b" 200 " in answer


def test_a_chunked_body_is_read_like_any_other(lanes):
    body = b"grant_type=client_credentials"
    head = (
        "POST /oauth2/token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        f"Content-Type: {FORM}\r\nAuthorization: Basic {lanes.basic}\r\n\r\n"
    ).encode()
    direct, asgi = lanes.both(head, b"%x\r\n" % len(body) + body + b"\r\n", b"0\r\n\r\n")
    assert direct == asgi
    assert direct.startswith(b"HTTP/1.1 200 ")


@pytest.mark.threat("T143")
def test_a_body_that_does_not_arrive_is_given_up_at_the_deadline_in_both_lanes(lanes):
    request = lanes.post("/oauth2/token", "grant_type=client_credentials", f"Authorization: Basic {lanes.basic}")
    direct, asgi = lanes.both(request[:-5], wait=3.0)
    assert direct.startswith(b"HTTP/1.1 400 ")
    assert sorted(direct.split(b"\r\n")) == sorted(asgi.split(b"\r\n"))
    assert direct.endswith(b"<closed>")


@pytest.mark.threat("T143")
def test_a_head_that_does_not_arrive_ends_the_connection(lanes):
    assert lanes.exchange("direct", b"POST /oauth2/token HTTP/1.1\r\nHost: as.ex", wait=3.0) == b"<closed>"


@pytest.mark.threat("T142")
@pytest.mark.spec("RFC 6585 §5")
def test_a_head_without_end_is_refused(lanes):
    pieces = [b"GET /version HTTP/1.1\r\nHost: a\r\n", *[b"X-Long: " + b"a" * 8000 + b"\r\n"] * 9]
    answer = lanes.exchange("direct", *pieces)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.endswith(b"<closed>")


def test_a_long_head_is_taken_up_to_its_bound(lanes):
    pieces = [b"GET /version HTTP/1.1\r\nHost: a\r\n", *[b"X-Long: " + b"a" * 8000 + b"\r\n"] * 7, b"\r\n"]
    assert lanes.exchange("direct", *pieces).startswith(b"HTTP/1.1 200 ")


@pytest.mark.threat("T98")
def test_a_line_break_in_a_header_value_never_reaches_the_wire(lanes, monkeypatch):
    from grantway.endpoints.health import Version
    from grantway.protocol.message import Response

    async def answer(self, call):
        return Response(headers=[(b"x-planted", b"a\r\nset-cookie: b=c")])

    monkeypatch.setattr(Version, "handle", answer)
    answer = lanes.exchange("direct", b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in answer


def test_a_request_that_waits_is_finished_by_a_task_and_keeps_its_place(lanes, corpus):
    """Revoking a token writes to the store, so it cannot be answered in one step."""
    token = lanes.server.token(lanes.client, grant_type="client_credentials").json()["access_token"]
    revoke = lanes.post("/oauth2/revoke", f"token={token}", f"Authorization: Basic {lanes.basic}")
    ask = lanes.post("/oauth2/introspect", f"token={token}", f"Authorization: Basic {lanes.basic}")
    answers = lanes.exchange("direct", revoke + ask + corpus["jwks"], wait=1.0)
    assert [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"200"]
    assert b'{"active":false}' in answers
