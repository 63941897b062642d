"""A real server on an in-memory database, and its admin API through the front door."""

import asyncio
import itertools

import httpx2
import pytest

from grantway.admin import clients, tenants
from grantway.config import Settings, load_settings
from grantway.events import Administered
from grantway.web import create_server
from grantway.web.admin_api import build_admin_app

SEALING = "0123456789abcdef-0123456789abcdef-for-tests"
OTHER_TENANT = "other"


class Recorder:
    """An event sink that keeps what it is told."""

    def __init__(self):
        self.events = []

    def emit(self, event):
        self.events.append(event)

    def administered(self):
        return [event for event in self.events if isinstance(event, Administered)]


class House:
    """The server, its admin API and everything a test needs to talk to it, synchronously."""

    def __init__(self, settings: Settings):
        self._runner = asyncio.Runner()
        self._numbers = itertools.count(1)
        self._tokens = {}
        self.events = Recorder()
        self.server = create_server(settings, events=self.events)
        self.runtime = self.server.runtime
        self.run(self.server.start())
        transport = httpx2.ASGITransport(build_admin_app(self.server), raise_app_exceptions=False)
        self._http = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:4445")

    def run(self, awaitable):
        return self._runner.run(self._wait(awaitable))

    @staticmethod
    async def _wait(awaitable):
        return await awaitable

    def close(self):
        self.run(self._http.aclose())
        self.run(self.server.stop())
        self._runner.close()

    def name(self, prefix="c"):
        return f"{prefix}{next(self._numbers)}"

    def make_client(self, tenant="default", **document):
        document = {"grant_types": ["client_credentials"], "response_types": [], **document}
        return self.run(clients.create_client(self.runtime, tenant, document, actor="test"))

    def token(self, *scope, tenant="default", subject=None, audience=()):
        """An access token of a client that may have ``scope``, or of a person by that client."""
        key = (scope, tenant, subject, audience)
        if key not in self._tokens:
            client = self.make_client(tenant, scope=" ".join(scope)).client
            self._tokens[key] = self.run(self._issue(tenant, client, scope, subject, audience))
        return self._tokens[key]

    async def _issue(self, tenant, client, scope, subject, audience):
        token, _ = await self.runtime.tokens.issue_access(
            await self.runtime.grid.tenant(tenant),
            client,
            now=self.runtime.clock.now(),
            scope=" ".join(scope),
            audience=audience,
            subject=subject,
        )
        return token

    def call(self, method, path, *, token="admin", **more):
        """One request. ``token``: a token, None for none, or "admin" for one that may do everything."""
        if token == "admin":
            token = self.token("grantway.admin")
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return self.run(self._http.request(method, path, headers=headers, **more))

    def create(self, path, document):
        """The answer to a POST that must succeed."""
        response = self.call("POST", path, json=document)
        assert response.status_code == 201, response.text
        return response.json()


def build_settings(**overrides):
    return load_settings(
        overrides={
            "issuer": "http://127.0.0.1:4444",
            "database.url": "sqlite://",
            "secrets.sealing": [SEALING],
            "passwords.argon2_memory_kib": 7168,
            "passwords.argon2_iterations": 1,
            "keys.algorithms": ["ES256"],
            **{name.replace("__", "."): value for name, value in overrides.items()},
        }
    )


@pytest.fixture(scope="session")
def shared_house():
    house = House(build_settings())
    house.run(tenants.create_tenant(house.runtime, OTHER_TENANT, actor="test"))
    yield house
    house.close()


@pytest.fixture
def house(shared_house):
    """Shared by all tests of this folder: they make objects of their own."""
    shared_house.events.events.clear()
    return shared_house


@pytest.fixture
def open_house(request):
    """A house of one's own; ``request.param``: its settings."""
    house = House(build_settings(**getattr(request, "param", {})))
    yield house
    house.close()
