"""The OpenAPI document and the routes are one thing."""

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from grantway.model import Client, ClientSecret, Subject
from grantway.web.admin_api import ROUTES


@pytest.fixture
def document(house):
    response = house.call("GET", "/admin/openapi.json", token=None)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    return response.json()


def test_the_document_is_valid(document):
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_in_the_document_and_nothing_else(document):
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(route.method, route.path) for route in ROUTES}
    assert len(described) == len(ROUTES)


def test_every_operation_names_the_scope_that_is_checked(document):
    for route in ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        assert operation["security"] == ([{"token": [route.scope]}] if route.scope else [])
        assert str(route.status) in operation["responses"]
        assert set(operation["responses"]) >= ({"400", "401", "403", "503"} if route.scope else set())


def test_operation_ids_are_unique(document):
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.threat("T135")
def test_no_schema_has_a_field_for_what_must_not_leave(document):
    hidden = {"secrets", "digest", "username_key", "sealed_private_key", "secret_id", "tenant", "code_digest"}
    assert hidden <= {*Client.__struct_fields__, *ClientSecret.__struct_fields__, *Subject.__struct_fields__,
                      "sealed_private_key", "code_digest"}  # fmt: skip
    for name, schema in document["components"]["schemas"].items():
        assert not hidden & set(schema.get("properties", {})), name
        shows_password = "password" in schema.get("properties", {})
        assert not shows_password or name in ("NewUser", "PasswordChange")


def test_what_is_answered_is_what_the_document_says(house, document):
    from openapi_schema_validator import OAS31Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    registry = Registry().with_resource("urn:api", Resource.from_contents(document, default_specification=DRAFT202012))
    client_id = house.make_client(scope="api").client.client_id
    sub = house.create("/admin/users", {"username": house.name("user"), "claims": {"name": "x"}})["sub"]
    paths = {
        "/admin/clients": "/admin/clients",
        "/admin/clients/{client_id}": f"/admin/clients/{client_id}",
        "/admin/users": "/admin/users",
        "/admin/users/{sub}": f"/admin/users/{sub}",
        "/admin/keys": "/admin/keys",
        "/admin/tenants": "/admin/tenants",
        "/admin/tenants/{name}": "/admin/tenants/other",
        "/admin/status": "/admin/status",
        "/health/ready": "/health/ready",
        "/version": "/version",
    }
    for template, path in paths.items():
        answer = house.call("GET", path).json()
        where = template.replace("~", "~0").replace("/", "~1")
        pointer = f"urn:api#/paths/{where}/get/responses/200/content/application~1json/schema"
        OAS31Validator({"$ref": pointer.replace("{", "%7B").replace("}", "%7D")}, registry=registry).validate(answer)


def test_the_document_is_built_once(open_house, monkeypatch):
    first = open_house.call("GET", "/admin/openapi.json", token=None)
    monkeypatch.setattr("grantway.web.openapi.build_openapi", lambda runtime: {})
    assert open_house.call("GET", "/admin/openapi.json", token=None).content == first.content
    assert b'"/admin/clients"' in first.content
