"""The registry: an extension is one class, its name is its own, and the metadata is a fold over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest
from msgspec.structs import replace

from grantway.endpoints.health import Alive
from grantway.errors import ConfigurationError, Conflict, InvalidGrant, InvalidRequest, NotFound
from grantway.extension import Authenticator, Call, ClientAuthentication, Decision, Endpoint, Feature, Grant
from grantway.grants.client_credentials import ClientCredentials
from grantway.model import Client
from grantway.protocol.client_metadata import Metadatum
from grantway.protocol.message import Parameters, Response, build_json_response
from grantway.registry import BUILTINS, build_extensions
from grantway.testing.in_process import ISSUER, InProcessServer


class Password(Grant):
    """A grant of somebody else's: as bad an idea as it is a good example."""

    name = "https://plugin.example/grant"
    parameters = ("username", "tag")
    repeatable = ("tag",)

    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        subject = await call.runtime.store.load_subject_by_username(
            call.tenant.tenant, parameters.get("username") or ""
        )
        if subject is None:
            raise InvalidGrant()
        return Decision(client=client, subject=subject.subject, scope=client.scope)

    def discovery(self, runtime, tenant):
        return {"plugin_tags_supported": ["a", "b"], "scopes_supported": ["from-the-plugin"]}


class Hello(Endpoint):
    name = "hello"
    path = "/hello"
    methods = ("GET",)

    async def handle(self, call: Call) -> Response:
        return build_json_response({"issuer": call.tenant.issuer})

    def discovery(self, runtime, tenant):
        return {"hello_endpoint": tenant.issuer + self.path}


class NoWrite(Feature):
    """A feature that refuses what it does not like, at both places where it is asked."""

    name = "no_write"

    def check_authorization_request(self, call, client, request, parameters):
        if "write" in request.scope:
            raise InvalidRequest("No writing.")
        return request

    def check_token_request(self, call, client, parameters):
        if parameters.get("scope") == "write":
            raise InvalidRequest("No writing.")


@pytest.fixture(scope="module")
def house():
    running = InProcessServer(extensions=[Password(), Hello(), NoWrite()])
    running.register_user()
    yield running
    running.stop()


def register(house, **metadata):
    """A client with the plug-in's grant type."""
    client = house.register_client(**metadata)
    grants = (*client.client.grant_types, Password.name)
    house.run(house.runtime.store.update_client(replace(client.client, grant_types=grants)))
    return client


def test_a_grant_of_a_plug_in_works_end_to_end(house):
    client = register(house)
    answer = house.token(client, grant_type=Password.name, username="ada", scope="read")
    assert answer.status_code == 200
    claims = house.introspect(client, answer.json()["access_token"])
    assert (claims["scope"], claims["client_id"]) == ("read", client.client_id)
    assert house.token(client, grant_type=Password.name, username="nobody").json()["error"] == "invalid_grant"


@pytest.mark.threat("T42")
def test_a_grant_of_a_plug_in_passes_the_same_gate(house):
    from grantway.admin.users import disable_user

    client = register(house)
    person = house.register_user("plugin-person")
    grant = {"grant_type": Password.name, "username": "plugin-person"}
    answer = house.token(client, **grant, scope="read")
    house.run(disable_user(house.runtime, "default", person.subject, actor="test"))
    assert not house.is_active(client, answer.json()["access_token"])
    assert house.token(client, **grant).json()["error"] == "invalid_grant"
    assert house.token(client, **grant, scope="admin").json()["error"] == "invalid_grant"
    plain = house.register_client()
    assert house.token(plain, grant_type=Password.name, username="ada").json()["error"] == "unauthorized_client"
    wrong = house.post(
        "/oauth2/token", data={"grant_type": Password.name, "username": "ada"}, auth=(client.client_id, "x")
    )
    assert wrong.json()["error"] == "invalid_client"


@pytest.mark.threat("T12")
def test_only_what_a_grant_declares_may_be_repeated(house):
    client = register(house)
    data = {"grant_type": Password.name, "username": "ada", "tag": ["a", "b"]}
    assert house.post("/oauth2/token", data=data, auth=client.auth).status_code == 200
    data["username"] = ["ada", "ada"]
    assert house.post("/oauth2/token", data=data, auth=client.auth).json()["error"] == "invalid_request"


def test_an_endpoint_of_a_plug_in_answers_and_is_found(house):
    assert house.get("/hello").json() == {"issuer": ISSUER}
    assert house.post("/hello").status_code == 405


def test_a_feature_is_asked_at_both_places(house):
    client = house.register_client(grant_types=["authorization_code", "client_credentials"])
    answer = house.token(client, grant_type="client_credentials", scope="write")
    assert answer.json()["error_description"] == "No writing."
    answer = house.request_authorization(client, scope="openid write")
    assert "error_description=No%20writing." in answer.headers["location"]


@pytest.mark.spec("RFC 8414 §2")
def test_discovery_is_a_fold_over_the_extensions(house, server):
    bare, document = (each.get("/.well-known/openid-configuration").json() for each in (server, house))
    assert document["hello_endpoint"] == ISSUER + "/hello"
    assert document["plugin_tags_supported"] == ["a", "b"]
    assert set(document["grant_types_supported"]) == {*bare["grant_types_supported"], Password.name}
    assert document["scopes_supported"] == [*bare["scopes_supported"], "from-the-plugin"]
    added = {"hello_endpoint", "plugin_tags_supported"}
    changed = {"grant_types_supported", "scopes_supported"}
    assert {name: value for name, value in document.items() if name not in added | changed} == {
        name: value for name, value in bare.items() if name not in changed
    }


@pytest.mark.parametrize("kind", BUILTINS, ids=lambda kind: kind.__name__)
def test_a_name_used_twice_stops_the_start(kind):
    with pytest.raises(ConfigurationError, match=kind.name):
        build_extensions([kind()])


@pytest.mark.parametrize("name", ["scope", "access_token_claims"])
def test_client_metadata_that_means_something_else_already_stops_the_start(name):
    taken = name

    class Twin(Feature):
        name = "twin"
        client_metadata: ClassVar[Mapping[str, Metadatum]] = {taken: Metadatum("Something else.")}

    with pytest.raises(ConfigurationError, match=name):
        build_extensions([Twin()])


def test_a_path_used_twice_stops_the_start():
    class Twin(Alive):
        name = "twin"

    with pytest.raises(ConfigurationError, match=Alive.path):
        InProcessServer(extensions=[Twin()])


def test_extensions_of_different_kinds_may_share_a_name():
    class Namesake(Feature):
        name = ClientCredentials.name

    assert sum(isinstance(feature, Namesake) for feature in build_extensions([Namesake()]).features) == 1


def test_every_built_in_is_of_exactly_one_kind():
    kinds = (Grant, ClientAuthentication, Authenticator, Feature, Endpoint)
    for built_in in BUILTINS:
        assert sum(issubclass(built_in, kind) for kind in kinds) == 1, built_in


class Faster(Endpoint):
    """An endpoint that finds out too late that somebody else was faster."""

    name = "faster"
    path = "/faster"
    methods = ("GET",)

    async def handle(self, call: Call) -> Response:
        raise {"conflict": Conflict, "missing": lambda text: NotFound("thing", text)}[call.request.query.decode()]("x")


def test_what_somebody_else_changed_meanwhile_is_no_fault_of_the_servers():
    running = InProcessServer(extensions=[Faster()])
    for what in ("conflict", "missing"):
        answer = running.get(f"/faster?{what}")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    running.stop()
