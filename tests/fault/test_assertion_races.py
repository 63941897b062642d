"""One client assertion at the same moment in four workers, of one node on SQLite and of two on a database server."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct
from tests.assertions import ASSERTION_TYPE
from tests.forged_jwts import build_jwk, sign_jwt

from grantway.admin.clients import create_client
from grantway.extension import Runtime
from grantway.model import DEFAULT_TENANT
from grantway.testing.load import Answer, Connection, race
from grantway.testing.running_server import INTROSPECT, TOKEN, RunningServer

from .cluster import Cluster
from .conftest import IS_SOAK

USES, WORKERS = 64, 4
CLIENTS = ("first", "second")


class House(Struct, frozen=True):
    """The server under test, a key that two clients share, and connections to each of its workers."""

    issuer: str
    key: ec.EllipticCurvePrivateKey
    connections: list[Connection]

    def build_form(self, client_id: str, jti: str) -> dict[str, str]:
        now = int(time.time())
        claims = {"iss": client_id, "sub": client_id, "aud": self.issuer, "iat": now, "exp": now + 120, "jti": jti}
        assertion = sign_jwt(self.key, claims, alg="ES256")
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, "token": "x"}

    def race(self, forms: list[dict[str, str]], dice: random.Random, *paths: str) -> list[Answer]:
        """These forms at once, spread over the workers, to these endpoints in turn."""
        requests = []
        for number, (connection, form) in enumerate(zip(self.connections, forms, strict=True)):
            form = {"grant_type": "client_credentials", **form}
            requests.append(connection.build("POST", paths[number % len(paths)], form=form))
        return race(self.connections, requests, dice)


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "postgres"] if IS_SOAK else ["sqlite", "mariadb"])
def house(
    request: pytest.FixtureRequest, run_server: Callable[..., RunningServer], find_cluster: Callable[[str], Cluster]
) -> Iterator[House]:
    patient = {"throttle.client_attempts": 1_000_000}
    nodes = (
        [run_server(workers=WORKERS, settings=patient)]
        if request.param == "sqlite"
        else find_cluster(request.param).nodes
    )
    key = ec.generate_private_key(ec.SECP256R1())

    async def register(runtime: Runtime) -> None:
        for client_id in CLIENTS:
            document = {
                "grant_types": ["client_credentials"], "response_types": [], "scope": "read",
                "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [build_jwk(key)]},
            }  # fmt: skip
            await create_client(runtime, DEFAULT_TENANT, document, client_id=client_id, actor="test")

    nodes[0].administer(register)
    by_worker = [each for node in nodes for each in node.connect_to_each(USES // WORKERS).values()]
    assert len(by_worker) == WORKERS
    everywhere = [connection for together in zip(*by_worker, strict=True) for connection in together]
    yield House(nodes[0].settings.issuer, key, everywhere)
    if request.param == "sqlite":
        assert nodes[0].stop() == 0


def count_successes(answers: list[Answer]) -> int:
    """The others were refused; those of a cluster, whose settings are shared, as too many at some point."""
    assert {answer.status for answer in answers} <= {200, 401, 429}
    return sum(answer.status == 200 for answer in answers)


@pytest.mark.threat("T56")
@pytest.mark.spec("RFC 7523 §3")
def test_of_64_parallel_uses_in_four_workers_one_succeeds(house: House, dice: random.Random) -> None:
    for number in range(200 if IS_SOAK else 8):
        form = house.build_form("first", f"once-{number}")
        paths = (TOKEN,) if number % 2 else (TOKEN, INTROSPECT)
        answers = house.race([form] * USES, dice, *paths)
        assert count_successes(answers) == 1
        assert count_successes(house.race([form] * USES, dice, *paths)) == 0


@pytest.mark.threat("T56")
def test_a_jti_is_each_client_s_own_in_every_worker(house: House, dice: random.Random) -> None:
    forms = [house.build_form(client_id, "shared") for client_id in CLIENTS] * (USES // 2)
    answers = house.race(forms, dice, TOKEN)
    for offset in range(2):
        assert count_successes(answers[offset::2]) == 1
