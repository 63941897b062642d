"""Flow tests speak to the whole server through its front door, in one process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from grantway.testing.in_process import InProcessServer, RegisteredClient


@pytest.fixture
def server() -> Iterator[InProcessServer]:
    """A server with one user, ``ada``."""
    running = InProcessServer()
    running.register_user(name="Ada Lovelace", email="ada@example.com", email_verified=True)
    yield running
    running.stop()


@pytest.fixture
def client(server: InProcessServer) -> RegisteredClient:
    """A confidential client for the code flow."""
    return server.register_client("web", client_name="Web Shop")


@pytest.fixture
def public_client(server: InProcessServer) -> RegisteredClient:
    """A public client, which has to use PKCE."""
    return server.register_client("spa", token_endpoint_auth_method="none")
