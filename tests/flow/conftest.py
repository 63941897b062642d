"""Flow tests speak to the whole server through its front door, in one process.

One server serves a file of tests: each test registers a client of its own, and a person of its own where it changes the
account. Time may move on in between, never back. A test that changes the server itself takes ``fresh_server``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from grantway.testing.in_process import InProcessServer, RegisteredClient

ADA = {
    "name": "Ada Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "email": "ada@example.com",
    "email_verified": True,
    "phone_number": "+44 20 7946 0000",
    "phone_number_verified": False,
    "address": {"locality": "London", "country": "GB"},
    "employee_number": "1815",
}

Verify = Callable[[str], Any]


@pytest.fixture(scope="module")
def server() -> Iterator[InProcessServer]:
    """A server with one user, ``ada``, shared by the tests of a file."""
    running = InProcessServer()
    running.register_user(**ADA)
    yield running
    running.stop()


@pytest.fixture
def fresh_server() -> Iterator[InProcessServer]:
    """A server of the test's own, with ``ada``."""
    running = InProcessServer()
    running.register_user(**ADA)
    yield running
    running.stop()


@pytest.fixture
def client(server: InProcessServer) -> RegisteredClient:
    """A confidential client for the code flow."""
    return server.register_client(client_name="Web Shop")


@pytest.fixture
def public_client(server: InProcessServer) -> RegisteredClient:
    """A public client, which has to use PKCE."""
    return server.register_client(token_endpoint_auth_method="none")


@pytest.fixture
def machine(server: InProcessServer) -> RegisteredClient:
    """A client that acts for itself."""
    return server.register_client(grant_types=["client_credentials"], scope="read write")


@pytest.fixture
def username(server: InProcessServer) -> str:
    """A person of the test's own."""
    name = f"person{next(_numbers)}"
    server.register_user(name, name="A Person")
    return name


_numbers = itertools.count(1)


@pytest.fixture
def verify(server: InProcessServer) -> Verify:
    """Checks a JWT against the JWKS with a library that is not ours; returns it with ``header`` and ``claims``."""

    def check(token: str) -> Any:
        keys = KeySet.import_key_set(server.get("/.well-known/jwks.json").json())
        return jwt.decode(token, keys, algorithms=["ES256", "RS256", "PS256", "EdDSA", "Ed25519"])

    return check
