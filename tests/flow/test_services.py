"""A node runs the services it is told to: the rest of the server is not there, and is still described."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from grantway.config import load_settings
from grantway.errors import ConfigurationError
from grantway.extension import Call, Endpoint
from grantway.protocol.message import Response, build_json_response
from grantway.registry import BUILTINS
from grantway.testing.in_process import InProcessServer
from grantway.web import create_server
from grantway.web.admin_api import ROUTES
from grantway.web.services import list_services

ALWAYS = {"/health/alive", "/health/ready", "/version"}


class Hello(Endpoint):
    """An endpoint of a plug-in, in a service of its own."""

    name = "hello"
    path = "/hello"
    methods = ("GET",)
    service = "greetings"

    async def handle(self, call: Call) -> Response:
        return build_json_response({"hello": call.tenant.tenant})


@pytest.fixture(scope="module")
def node() -> Iterator[InProcessServer]:
    """A node for tokens and clients."""
    server = InProcessServer({"serve.services": ["token", "clients"]}, extensions=[Hello()])
    yield server
    server.stop()


@pytest.fixture(scope="module")
def whole() -> Iterator[InProcessServer]:
    server = InProcessServer(extensions=[Hello()])
    yield server
    server.stop()


def ask_admin(server: InProcessServer, path: str) -> httpx2.Response:
    async def ask() -> httpx2.Response:
        async with server.build_http_client(admin=True) as client:
            return await client.get(path)

    return server.run(ask())


def test_a_node_answers_for_its_own_services_and_says_404_for_the_others(node):
    client = node.register_client(grant_types=["client_credentials"], scope="read")
    token = node.token(client, grant_type="client_credentials")
    assert token.status_code == 200
    assert node.post("/oauth2/introspect", data={"token": "x"}, auth=client.auth).status_code == 404
    for path in ("/oauth2/auth", "/userinfo", "/login", "/.well-known/jwks.json", "/hello", "/t/x/oauth2/introspect"):
        assert node.get(path).status_code == 404


def test_every_node_says_how_it_is(node):
    assert all(node.get(path).status_code == 200 for path in ALWAYS)


def test_discovery_describes_the_whole_server_on_every_node(whole):
    node = InProcessServer({"serve.services": ["discovery"]}, extensions=[Hello()])
    path = "/.well-known/openid-configuration"
    assert node.get(path).json() == whole.get(path).json()
    assert "token_endpoint" in node.get(path).json()
    node.stop()


def test_the_admin_api_has_the_areas_of_the_node_and_describes_all(node):
    assert ask_admin(node, "/admin/clients").status_code == 401
    assert ask_admin(node, "/admin/users").status_code == 404
    assert ask_admin(node, "/admin/t/x/keys").status_code == 404
    assert "/admin/users" in ask_admin(node, "/admin/openapi.json").json()["paths"]


def test_a_plug_in_names_a_service_of_its_own(whole):
    assert whole.get("/hello").status_code == 200
    node = InProcessServer({"serve.services": ["greetings"]}, extensions=[Hello()])
    assert node.get("/hello").json() == {"hello": "default"}
    assert node.get("/login").status_code == 404
    node.stop()


def test_every_endpoint_and_every_admin_route_belongs_to_a_service_or_to_every_node():
    endpoints = [each for each in BUILTINS if issubclass(each, Endpoint)]
    assert {each.path for each in endpoints if not each.service} == ALWAYS
    open_to_all = {route.path for route in ROUTES if not route.service}
    assert open_to_all == ALWAYS | {"/metrics", "/admin/status", "/admin/openapi.json"}


def test_services_are_listed_with_all_their_paths(whole):
    services = list_services(whole.runtime.extensions)
    assert services["token"].public == ("/oauth2/token", "/oauth2/device/auth")
    assert services["keys"].public == ("/.well-known/jwks.json",)
    assert "/admin/keys" in services["keys"].admin
    paths = {path for service in services.values() for path in (*service.public, *service.admin)}
    everything = {*whole.runtime.extensions.endpoints, *(route.path for route in ROUTES)}
    assert everything - paths == ALWAYS | {"/metrics", "/admin/status", "/admin/openapi.json"}


def test_an_unknown_service_stops_the_start_with_a_suggestion():
    overrides = {"database.url": "sqlite://", "secrets.sealing": ["0123456789abcdef-0123456789abcdef"]}
    settings = load_settings(overrides={**overrides, "serve.services": ["tokn"]})
    with pytest.raises(ConfigurationError, match=r"no service 'tokn'\. Did you mean 'token'\?"):
        create_server(settings)
