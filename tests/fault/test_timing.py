"""How long a refusal takes says nothing about what exists (OWASP ASVS 5.0 6.3.8).

Two kinds of refusals are asked for in turns and in random order, over one connection to one worker, and their times are
compared by the test of Mann and Whitney: no assumption about how they are spread, only whether one kind tends to be
slower. A round that finds a difference at 1 % is no proof, as one in a hundred does by chance; three in a row are.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from grantway.accounts import create_account
from grantway.admin.users import disable_user
from grantway.extension import Runtime
from grantway.testing.load import Connection
from grantway.testing.running_server import TOKEN, Machine, RunningServer, stock_client

SIGNIFICANCE = 0.01
ROUNDS = 3
GUESS = "gwcs_" + "A" * 43
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def server(run_server: Callable[..., RunningServer]) -> RunningServer:
    plenty = 10_000_000
    return run_server(
        workers=1,
        settings={
            "throttle.client_attempts": plenty, "throttle.account_attempts": plenty,
            "throttle.address_attempts": plenty,
            "log.level": "error", "passwords.argon2_memory_kib": 7168, "passwords.argon2_iterations": 1,
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def machine(server: RunningServer) -> Machine:
    async def stock(runtime: Runtime) -> Machine:
        for username in ("ada", "locked"):
            person = await create_account(runtime, "default", username=username, password=PASSWORD)
        await disable_user(runtime, "default", person.subject, actor="test")
        return await stock_client(runtime, "known")

    return server.administer(stock)


@pytest.fixture
def connection(server: RunningServer, machine: Machine) -> Iterator[Connection]:
    opened = server.connect()
    yield opened
    opened.close()


def measure(
    connection: Connection, one: bytes, other: bytes, count: int, dice: random.Random
) -> tuple[list[int], list[int]]:
    """Nanoseconds of ``count`` exchanges of each kind. The first few warm up and do not count."""
    times: tuple[list[int], list[int]] = ([], [])
    turns = [0, 1] * count
    dice.shuffle(turns)
    for number, turn in enumerate([0, 1] * 5 + turns):
        request = (one, other)[turn]
        began = time.perf_counter_ns()
        connection.send(request)
        answer = connection.receive()
        taken = time.perf_counter_ns() - began
        assert answer.status in (200, 401), answer
        if number >= 10:
            times[turn].append(taken)
    return times


def compare(one: Sequence[int], other: Sequence[int]) -> tuple[float, float]:
    """(two-sided p, probability that one of the first kind is slower than one of the second), by Mann and Whitney's U
    and its normal approximation, with average ranks for ties."""
    merged = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks, ties, position = 0.0, 0, 0
    while position < len(merged):
        end = position
        while end < len(merged) and merged[end][0] == merged[position][0]:
            end += 1
        size = end - position
        ranks += (position + end + 1) / 2 * sum(kind == 0 for _, kind in merged[position:end])
        ties += size**3 - size
        position = end
    n, m = len(one), len(other)
    u = ranks - n * (n + 1) / 2
    deviation = math.sqrt(n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1))))
    return math.erfc(abs(u - n * m / 2) / deviation / math.sqrt(2)), u / (n * m)


def check_alike(connection: Connection, one: bytes, other: bytes, count: int, dice: random.Random) -> None:
    found = []
    for _ in range(ROUNDS):
        p, slower = compare(*measure(connection, one, other, count, dice))
        print(f"n={count} p={p:.4f} P(first slower)={slower:.3f}")
        found.append((p, slower > 0.5))
        if p > SIGNIFICANCE:
            return
    assert len({side for _, side in found}) > 1, found  # three rounds, and each time the same kind was slower


def test_the_statistic_tells_what_differs_from_what_does_not(dice: random.Random) -> None:
    base = [round(dice.gauss(1000, 100)) for _ in range(4000)]
    p, slower = compare([value + 15 for value in base[:2000]], base[2000:])
    assert p < SIGNIFICANCE
    assert slower > 0.5
    assert compare([1, 2, 3], [1, 2, 3])[0] > 0.9
    # of 200 comparisons of equals, about two are below 1 %
    chances = [
        compare([dice.gauss(0, 1) for _ in range(50)], [dice.gauss(0, 1) for _ in range(50)])[0] for _ in range(200)
    ]
    assert sum(p < SIGNIFICANCE for p in chances) < 12


@pytest.mark.threat("T39")
def test_an_unknown_client_takes_as_long_as_a_wrong_secret(connection, dice: random.Random, is_soak: bool) -> None:
    def build(client_id: str) -> bytes:
        return connection.build("POST", TOKEN, form={"grant_type": "client_credentials"}, auth=(client_id, GUESS))

    check_alike(connection, build("nobody"), build("known"), 5000 if is_soak else 200, dice)


@pytest.mark.threat("T100")
@pytest.mark.parametrize("username", ["nobody", "locked"])
def test_an_unknown_or_disabled_account_takes_as_long_as_a_wrong_password(
    connection, dice: random.Random, is_soak: bool, username: str
) -> None:
    page = connection.ask("GET", "/login")
    cookie = page.headers["set-cookie"].partition(";")[0]
    token = re.search(rb'name="csrf_token" value="([^"]+)"', page.body)
    assert token is not None
    headers = f"Cookie: {cookie}\r\nOrigin: http://127.0.0.1:4444\r\n".encode()

    def build(name: str) -> bytes:
        form = {"csrf_token": token[1].decode(), "username": name, "password": "wrong but long", "action": "login"}
        request = connection.build("POST", "/login", form=form)
        return request.replace(b"Content-Type", headers + b"Content-Type", 1)

    connection.send(build("ada"))
    assert b"password" in connection.receive().body
    check_alike(connection, build(username), build("ada"), 1500 if is_soak else 20, dice)
