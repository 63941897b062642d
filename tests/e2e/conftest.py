"""End to end: a real ``grantway dev`` process, spoken to over HTTP by programs that others wrote and by a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .dev_server import DevServer, run_dev
from .person import Person


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """One development server for all tests. It has one demo user, whom no test changes."""
    with run_dev(tmp_path_factory.mktemp("dev")) as server:
        yield server


@pytest.fixture
def person(dev: DevServer) -> Iterator[Person]:
    """The demo user with a fresh browser."""
    with Person(dev.issuer, dev.user) as somebody:
        yield somebody


@pytest.fixture(scope="session")
def web_clients(dev: DevServer) -> dict[str, dict[str, Any]]:
    """Confidential clients by the algorithm of their ID tokens: the seeded one, and one made through the admin API."""
    made = dev.add_client(
        client_name="Shop with ES256", id_token_signed_response_alg="ES256",
        post_logout_redirect_uris=["http://127.0.0.1:4446/"],
    )  # fmt: skip
    return {"RS256": dev.client("demo-web"), "ES256": made}
