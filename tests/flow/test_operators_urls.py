"""URLs of the operator's settings: they may be private, but what is there is not trusted more than it has to be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.certificates import Authority
from tests.local_server import LocalServer, respond
from tests.operators import OPERATORS

from grantway.testing.in_process import InProcessServer

INSIDE = "what only the inside may know"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
every_setting = pytest.mark.parametrize("place", OPERATORS, ids=lambda place: f"{place[0]}, {place[1]}")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


class World:
    """A server that fetches from ``web``, on this machine. ``say`` sets what it finds there."""

    def __init__(self, place: tuple[str, str], authority: Authority) -> None:
        self.operators = OPERATORS[place]
        self._say: Callable[[], Any] = lambda: respond(body=json.dumps(self.operators.document).encode())
        self.web = LocalServer(lambda _: self._say(), context=authority.build_context("localhost"))
        self.web.__enter__()
        url = f"https://localhost:{self.web.port}/here"
        self.house = InProcessServer({"egress.ca_file": str(authority.file), **self.operators.settings(url)})
        self.use = self.operators.prepare(self.house)

    def say(self, what: Callable[[], Any]) -> None:
        self._say = what

    def close(self) -> None:
        self.house.stop()
        self.web.__exit__(None, None, None)


@pytest.fixture
def world(place, authority):
    running = World(place, authority)
    yield running
    running.close()


@every_setting
def test_it_may_be_a_private_address(world, place):
    assert world.use().status_code in (200, 201)
    (received,) = world.web.received
    assert received.path == "/here"
    assert not {"cookie", "authorization"} & set(received.headers)


@pytest.mark.threat("T73")
@every_setting
def test_its_redirects_are_not_followed(world, place, connects):
    document = json.dumps(world.operators.document).encode()
    with LocalServer(lambda _: respond(body=document)) as other:
        for status in (301, 302, 303, 307, 308):
            world.say(lambda status=status: respond(status, document, {"Location": other.url}))
            assert world.use().status_code == 503
    assert other.connections == 0
    assert {address[1] for address in connects} == {world.web.port}


def hang_up(answer: bytes) -> Iterator[bytes]:
    yield answer
    raise ConnectionResetError


def endless() -> Iterator[bytes]:
    yield CHUNKED
    while True:
        yield b"1000\r\n" + INSIDE.encode() + b" " * (4096 - len(INSIDE)) + b"\r\n"


@pytest.mark.threat("T74")
@pytest.mark.threat("T95")
@every_setting
def test_nothing_of_what_it_says_gets_into_our_answers(world, place):
    inside = INSIDE.encode()
    headers = {"Set-Cookie": f"a={INSIDE}", "X-Inside": INSIDE, "WWW-Authenticate": INSIDE, "Retry-After": "86400"}
    wrong = {
        "broken": lambda: respond(500, inside, headers),
        "not found": lambda: respond(404, json.dumps({"error": INSIDE}).encode(), headers),
        "wants a login": lambda: respond(401, inside, headers),
        "no JSON": lambda: respond(body=inside),
        "a list": lambda: respond(body=json.dumps([INSIDE]).encode()),
        "huge": lambda: respond(body=json.dumps(world.operators.document).encode() + b" " * 70_000),
        "endless": endless,
        "no HTTP": lambda: hang_up(b"220 " + inside + b"\r\n"),
        "cut off": lambda: hang_up(respond(body=inside * 10)[:-20]),
        "nothing": lambda: hang_up(b""),
    }
    answers = {}
    for name, what in wrong.items():
        world.say(what)
        answer = world.use()
        assert INSIDE not in f"{answer.headers} {answer.text}", name
        assert "set-cookie" not in answer.headers
        answers[name] = answer.status_code, answer.headers.get("retry-after"), answer.text
    assert len(set(answers.values())) == 1, answers
    assert answers["broken"][0] == 503
    assert answers["broken"][1]
    assert json.loads(answers["broken"][2])["error"] == "temporarily_unavailable"


@pytest.mark.threat("T74")
@every_setting
def test_it_has_a_deadline_for_the_whole(world, place):
    def drip() -> Iterator[bytes]:
        yield CHUNKED
        while not world.web.is_stopping.wait(0.02):
            yield b"1\r\n \r\n"

    world.say(drip)
    began = time.monotonic()
    assert world.use().status_code == 503
    assert world.operators.deadline <= time.monotonic() - began < world.operators.deadline + 2
