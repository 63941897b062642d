"""End to end: a real ``grantway dev`` process, spoken to over HTTP by programs that others wrote and by a browser."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from .browsing import ARGUMENTS, Application, Visitor, run_application
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


_numbers = itertools.count(1)


@pytest.fixture
def user(dev: DevServer) -> dict[str, Any]:
    """A user of this test alone."""
    number = next(_numbers)
    claims = {"name": f"Ada Lovelace {number}", "email": f"ada{number}@example.com", "email_verified": True}
    return dev.add_user(f"ada{number}", claims=claims)


# One browser a module and not one a session: while playwright is at work, no other event loop may run in this thread.
@pytest.fixture(scope="module")
def browser(chromium_path: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium_path, args=list(ARGUMENTS))
        yield running
        running.close()


@pytest.fixture
def application(dev: DevServer) -> Iterator[Application]:
    """A web application of this test alone, with a callback that answers."""
    with run_application(dev) as running:
        yield running


@pytest.fixture
def new_visitor(browser: Browser, dev: DevServer, user: dict[str, Any]) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors, each with an empty browser. Afterwards: none of them had anything to complain about."""
    visitors: list[Visitor] = []

    def make(**options: Any) -> Visitor:
        visitors.append(Visitor(browser, dev, options.pop("user", user), **options))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.close()
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []


@pytest.fixture
def visitor(new_visitor: Callable[..., Visitor]) -> Visitor:
    return new_visitor()
