"""Outgoing requests to hosts that mean harm: slow, huge, endless, lying. None holds up anything else."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import Authority
from tests.local_server import LocalServer, Received, respond

from grantway.config import load_settings
from grantway.egress import Egress
from grantway.errors import FetchFailed
from grantway.testing.clock import FakeClock

LOOPBACK = {"egress.insecure_private_networks": ["127.0.0.0/8"]}
DEADLINE = 2  # seconds
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


# A deadline may come at the very moment at which a connection is made: what the HTTP library then holds in its hands is
# closed by the garbage collector, which says so.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def run(body: Callable[[Egress, FakeClock], Coroutine[Any, Any, Any]], *, resolve: Any = None, **settings: Any) -> Any:
    overrides = LOOPBACK | {f"egress.{name}": value for name, value in settings.items()}

    async def start() -> Any:
        clock = FakeClock()
        egress = Egress(load_settings(overrides=overrides).egress, "https://as.example", clock, resolve)
        try:
            return await body(egress, clock)
        finally:
            await egress.stop()

    try:
        return asyncio.run(start())
    finally:
        gc.collect()  # see pytestmark: here, and not in somebody else's test


async def find_refusal(egress: Egress, url: str) -> str:
    with pytest.raises(FetchFailed) as failed:
        await egress.fetch_json(url, purpose="jwks_uri")
    return str(failed.value.detail)


async def wait_until(happened: Callable[[], Any]) -> None:
    for _ in range(300):
        if happened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def drip(piece: bytes, pause: float = 0.05) -> Iterator[bytes]:
    """For longer than any deadline of these tests."""
    for _ in range(200):
        yield piece
        time.sleep(pause)


def answer_head_slowly(_: Received) -> Iterator[bytes]:
    yield HEAD
    yield from drip(b"x-a: b\r\n")


def answer_body_slowly(_: Received) -> Iterator[bytes]:
    yield HEAD + b"content-length: 10000\r\n\r\n"
    yield from drip(b" ")


def answer_chunks_for_ever(_: Received) -> Iterator[bytes]:
    yield CHUNKED
    yield from drip(b"1\r\n \r\n")


def answer_nothing(_: Received) -> Iterator[bytes]:
    yield from drip(b"")


def answer_early_hints_for_ever(_: Received) -> Iterator[bytes]:
    yield from drip(b"HTTP/1.1 103 Early Hints\r\n\r\n")


@pytest.mark.threat("T74")
def test_a_slow_host_costs_no_more_than_the_deadline_and_holds_up_nobody() -> None:
    slow = (
        answer_head_slowly, answer_body_slowly, answer_chunks_for_ever, answer_nothing, answer_early_hints_for_ever,
    )  # fmt: skip
    with ExitStack() as stack:
        servers = [stack.enter_context(LocalServer(answer)) for answer in slow]
        good = stack.enter_context(LocalServer(lambda _: respond(body=b"1")))

        async def body(egress: Egress, _: FakeClock) -> None:
            began = time.monotonic()
            fetches = [asyncio.create_task(find_refusal(egress, server.url)) for server in servers for _ in range(4)]
            await wait_until(lambda: all(server.connections for server in servers))
            await egress.fetch_json(good.url, purpose="jwks_uri")
            await egress.fetch_json(good.url, purpose="hook", is_operators=True)
            assert not any(fetch.done() for fetch in fetches)
            assert {"TimeoutError"} == {refusal.rpartition(" ")[2] for refusal in await asyncio.gather(*fetches)}
            assert time.monotonic() - began < DEADLINE + 1.5

        run(body, timeout=DEADLINE, max_concurrency=64)


@pytest.mark.threat("T74")
def test_one_host_does_not_use_up_the_slots_of_the_others() -> None:
    with LocalServer(answer_nothing) as tarpit, LocalServer(lambda _: respond(body=b"1")) as good:

        async def body(egress: Egress, _: FakeClock) -> None:
            waiting = [asyncio.create_task(find_refusal(egress, tarpit.url)) for _ in range(50)]
            await wait_until(lambda: tarpit.connections)
            assert await egress.fetch_json(good.url, purpose="jwks_uri") == 1
            assert not any(fetch.done() for fetch in waiting)
            assert tarpit.connections <= 2  # a quarter of the slots
            assert all("TimeoutError" in refusal for refusal in await asyncio.gather(*waiting))

        run(body, timeout=DEADLINE, max_concurrency=8)


@pytest.mark.threat("T74")
def test_a_resolver_that_hangs_holds_up_nobody() -> None:
    with LocalServer(lambda _: respond(body=b"1")) as good:

        async def resolve(host: str, port: int) -> list[str]:
            if host == "slow.example":
                await asyncio.sleep(60)
            return ["127.0.0.1"]

        async def body(egress: Egress, _: FakeClock) -> None:
            waiting = asyncio.create_task(find_refusal(egress, "https://slow.example/"))
            assert await egress.fetch_json(f"http://good.example:{good.port}/", purpose="jwks_uri") == 1
            assert "TimeoutError" in await waiting

        run(body, timeout=DEADLINE, resolve=resolve)


HUGE = 10_000_000
ANSWERS = {
    "a huge body": (respond(body=b" " * HUGE), "more than 65536 bytes"),
    "one byte too many": (respond(body=b" " * 65536 + b"1"), "more than 65536 bytes"),
    "huge chunks": (CHUNKED + b"989680\r\n" + b" " * HUGE, "more than 65536 bytes"),
    "until it closes": (HEAD + b"connection: close\r\n\r\n" + b" " * HUGE, "more than 65536 bytes"),
    "a gzip bomb": (
        respond(body=gzip.compress(b" " * HUGE), headers={"Content-Encoding": "gzip"}),
        "more than 65536 bytes",
    ),
    "gzip in gzip": (
        respond(body=gzip.compress(gzip.compress(b"1")), headers={"Content-Encoding": "gzip, gzip"}),
        "encoding",
    ),
    "another encoding": (respond(body=b"1", headers={"Content-Encoding": "br"}), "encoding"),
    "broken gzip": (respond(body=b"no gzip", headers={"Content-Encoding": "gzip"}), "header check"),
    "a huge head": (HEAD + b"x-a: " + b"b" * 1_000_000 + b"\r\n\r\n", ""),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", ""),
    "a length that is no number": (HEAD + b"content-length: many\r\n\r\n", ""),
    "no JSON": (respond(body=b"<html>"), "malformed"),
    "nothing": (respond(), "malformed"),
    "no UTF-8": (respond(body=b'"\xff"'), "not UTF-8"),
    "JSON that is too deep": (respond(body=b"[" * 17 + b"]" * 17), "nested"),
    "very deep JSON": (respond(body=b"[" * 60_000), "nested"),
    "a repeated name": (respond(body=b'{"keys":[],"keys":[]}'), "malformed"),
    "not a number": (respond(body=b"[NaN]"), "malformed"),
    "another status": (respond(404, b"1"), "status 404"),
    "no content": (respond(204), "status 204"),
    "a server error": (respond(500, b"1"), "status 500"),
}


@pytest.mark.threat("T74")
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_too_much_or_wrong_is_refused_and_quickly(name: str) -> None:
    answer, reason = ANSWERS[name]

    def close_after(_: Received) -> Iterator[bytes]:
        yield answer
        raise OSError("closed")  # which ends the connection

    with LocalServer(close_after) as server:

        async def body(egress: Egress, _: FakeClock) -> str:
            return await find_refusal(egress, server.url)

        began = time.monotonic()
        refusal = run(body)
        assert time.monotonic() - began < 10  # a busy machine's
    assert reason in refusal
    assert refusal.startswith(("jwks_uri ", "jwks_uri: "))


@pytest.mark.threat("T74")
def test_tls_must_be_the_hosts_own_valid_and_vouched_for(tmp_path: Path) -> None:
    folders = tmp_path / "trusted", tmp_path / "stranger"
    for folder in folders:
        folder.mkdir()
    trusted, stranger = map(Authority, folders)
    contexts = {
        "another name": trusted.build_context("other.example"),
        "expired": trusted.build_context("rp.example", is_expired=True),
        "a stranger's": stranger.build_context("rp.example"),
        "none": None,
    }

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    for name, context in contexts.items():
        with LocalServer(lambda _: respond(body=b"1"), context=context) as server:
            url = f"https://rp.example:{server.port}/"

            async def body(egress: Egress, _: FakeClock, url: str = url) -> str:
                return await find_refusal(egress, url)

            assert run(body, resolve=resolve, ca_file=str(trusted.file)), name
            # who speaks no TLS is sent a greeting of random bytes, and may read a request in them
            assert [request for request in server.received if request.method == "GET"] == [], name


def test_who_does_not_answer_at_all_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    async def body(egress: Egress, _: FakeClock) -> None:
        assert await find_refusal(egress, f"http://127.0.0.1:{port}/")
        assert await find_refusal(egress, "https://no-such-host.invalid/")
        assert await find_refusal(egress, f"https://{'a' * 70}.example/")
        with pytest.raises(FetchFailed):
            await egress.fetch(f"http://127.0.0.1:{port}/", purpose="hook", is_operators=True)
        with pytest.raises(FetchFailed):
            await egress.fetch("no url", purpose="hook", is_operators=True)

    run(body)


def test_a_name_without_addresses_is_refused() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return []

    async def body(egress: Egress, _: FakeClock) -> str:
        return await find_refusal(egress, "https://rp.example/")

    assert "no address" in run(body, resolve=resolve)


@pytest.mark.threat("T74")
def test_a_host_that_fails_again_and_again_is_left_alone_for_a_while() -> None:
    healthy = False

    def answer(_: Received) -> bytes:
        return respond(body=b"1") if healthy else b"no HTTP\r\n\r\n"

    with LocalServer(answer) as server, LocalServer(lambda _: respond(body=b"2")) as other:

        async def body(egress: Egress, clock: FakeClock) -> None:
            nonlocal healthy
            for _ in range(3):
                assert "left alone" not in await find_refusal(egress, server.url)
            assert "left alone" in await find_refusal(egress, server.url)
            assert server.connections == 3
            assert await egress.fetch_json(other.url, purpose="jwks_uri") == 2
            healthy = True
            clock.advance(29)
            assert "left alone" in await find_refusal(egress, server.url)
            clock.advance(1)
            assert await egress.fetch_json(server.url, purpose="jwks_uri") == 1
            healthy = False
            for _ in range(3):  # the success let it start anew
                assert "left alone" not in await find_refusal(egress, server.url)
            assert "left alone" in await find_refusal(egress, server.url)

        run(body, breaker_failures=3, breaker_pause=30)


@pytest.mark.threat("T74")
def test_what_one_document_does_is_not_laid_at_the_door_of_its_neighbours() -> None:
    """A host may have many tenants: none may have it left alone for the others."""

    def answer(received: Received) -> Any:
        wrong = {"/huge": respond(body=b" " * HUGE), "/slow": answer_nothing(received), "/none": b"220 hello\r\n\r\n"}
        return wrong.get(received.path, respond(body=b"1"))

    with LocalServer(answer) as server:

        async def body(egress: Egress, _: FakeClock) -> None:
            for path in ("huge", "slow", "none"):
                for _ in range(2):
                    assert "left alone" not in await find_refusal(egress, server.url + path)
                assert "left alone" in await find_refusal(egress, server.url + path)
            assert await egress.fetch_json(server.url + "good", purpose="jwks_uri") == 1

        run(body, breaker_failures=2, timeout=1)


def find_closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return int(closed.getsockname()[1])


@pytest.mark.threat("T74")
def test_a_host_that_cannot_be_reached_is_left_alone_whatever_is_asked_of_it() -> None:
    port = find_closed_port()

    async def body(egress: Egress, _: FakeClock) -> None:
        for number in range(3):
            assert "left alone" not in await find_refusal(egress, f"http://127.0.0.1:{port}/{number}")
        assert "left alone" in await find_refusal(egress, f"http://127.0.0.1:{port}/new")

    run(body, breaker_failures=3)


@pytest.mark.threat("T74")
def test_names_that_hang_hold_up_only_their_own_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver's threads stay long after the deadlines: what counts is how many of them one owner has."""
    ended, asked, ask = threading.Event(), [], socket.getaddrinfo

    def hang(host: str | bytes, *arguments: Any, **options: Any) -> Any:
        name = host if isinstance(host, str) else host.decode()
        if name.endswith("evil.example"):
            asked.append(name)
            ended.wait(30)
        return ask("127.0.0.1" if name.endswith(".example") else name, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with LocalServer(lambda _: respond(body=b"1")) as good:

        async def body(egress: Egress, _: FakeClock) -> None:
            hanging = [find_refusal(egress, f"https://h{number}.evil.example/") for number in range(64)]
            assert all("TimeoutError" in refusal for refusal in await asyncio.gather(*hanging))
            assert len(asked) <= 4
            again = [
                asyncio.create_task(find_refusal(egress, f"https://i{number}.evil.example/")) for number in range(64)
            ]
            port = f":{good.port}/"
            assert await egress.fetch_json("http://localhost" + port, purpose="hook", is_operators=True) == 1
            assert await egress.fetch_json("http://good.example" + port, purpose="jwks_uri") == 1
            assert all("TimeoutError" in refusal for refusal in await asyncio.gather(*again))
            assert len(asked) <= 4
            ended.set()  # and when the resolver has given up, the owner is served again
            assert await egress.fetch_json(f"http://www.evil.example:{good.port}/", purpose="jwks_uri") == 1

        try:
            run(body, timeout=1)
        finally:
            ended.set()


@pytest.mark.threat("T74")
def test_an_owner_with_many_hosts_does_not_use_up_the_slots_of_the_others() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with LocalServer(answer_nothing) as tarpit, LocalServer(lambda _: respond(body=b"1")) as good:

        async def body(egress: Egress, _: FakeClock) -> None:
            urls = [f"http://h{number}.evil.example:{tarpit.port}/" for number in range(50)]
            waiting = [asyncio.create_task(find_refusal(egress, url)) for url in urls]
            await wait_until(lambda: tarpit.connections)
            assert await egress.fetch_json(f"http://good.example:{good.port}/", purpose="jwks_uri") == 1
            assert not any(fetch.done() for fetch in waiting)
            assert tarpit.connections <= 2  # a quarter of the slots
            assert all("TimeoutError" in refusal for refusal in await asyncio.gather(*waiting))

        run(body, timeout=1, max_concurrency=8, resolve=resolve)


def test_memory_of_failures_and_owners_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grantway.breaker._MOST", 10)
    port = find_closed_port()

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def body(egress: Egress, _: FakeClock) -> None:
        for number in range(30):
            await find_refusal(egress, f"http://h{number}.example:{port}/")
        assert len(egress._breaker) == 10
        assert len(egress._owners_slots) == 0

    run(body, resolve=resolve)
