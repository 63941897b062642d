"""Every route with every right: generated from the route table, so that a new route is tried at once."""

import re

import pytest

from grantway.admin.rights import ADMIN, ADMIN_SCOPES
from grantway.web.admin_api import ROUTES

PROTECTED = [route for route in ROUTES if route.scope is not None]
OPEN = [route for route in ROUTES if route.scope is None]


def fill(route):
    return re.sub(r"{[a-z_]+}", "nobody", route.path)


def describe(route):
    return f"{route.method} {route.path}"


def on_other_tenant(path):
    return path.replace("/admin/", "/admin/t/other/", 1)


def test_every_route_declares_its_scope_and_only_operations_are_open():
    assert {describe(route) for route in OPEN} == {
        "GET /admin/openapi.json",
        "GET /health/alive",
        "GET /health/ready",
        "GET /metrics",
        "GET /version",
    }
    for route in PROTECTED:
        assert route.scope in ADMIN_SCOPES
        reads = route.method == "GET" or route.path == "/admin/oauth2/introspect"
        assert route.scope.endswith(".read") == reads, describe(route)


@pytest.mark.threat("T135")
@pytest.mark.spec("RFC 6750 §3")
@pytest.mark.parametrize("route", PROTECTED, ids=describe)
def test_without_a_token_nobody_gets_in(house, route):
    response = house.call(route.method, fill(route), token=None)
    assert response.status_code in (400, 401)  # 400: a required query parameter is missing
    if response.status_code == 401:
        assert response.headers["www-authenticate"] == 'Bearer realm="grantway-admin"'
        assert response.json()["type"] == "urn:grantway:problem:unauthorized"


def query(route):
    required = {parameter.name: "nobody" for parameter in route.query if parameter.is_required}
    return {"params": required} if required else {}


@pytest.mark.threat("T135")
@pytest.mark.parametrize("scope", [None, *ADMIN_SCOPES])
@pytest.mark.parametrize("route", PROTECTED, ids=describe)
def test_a_token_opens_what_its_scope_names_and_nothing_else(house, route, scope):
    token = house.token(scope) if scope else None
    response = house.call(route.method, fill(route), token=token, **query(route))
    is_allowed = scope in (ADMIN, route.scope, route.scope.replace(".read", ".write"))
    if is_allowed:
        assert response.status_code not in (401, 403, 405, 500), response.text
    elif scope is None:
        assert response.status_code == 401
    else:
        assert response.status_code == 403
        assert response.json()["error"] == "insufficient_scope"
        assert f'scope="{route.scope}"' in response.headers["www-authenticate"]


@pytest.mark.threat("T153")
@pytest.mark.parametrize("route", PROTECTED, ids=describe)
def test_a_token_of_another_tenant_is_no_token_here(house, route):
    foreign, own = house.token(ADMIN, tenant="other"), house.token(ADMIN)
    assert house.call(route.method, fill(route), token=foreign, **query(route)).status_code == 401
    there = on_other_tenant(fill(route))
    if route.is_server_wide:
        assert house.call(route.method, there, token=foreign).status_code == 404
    else:
        assert house.call(route.method, there, token=own, **query(route)).status_code == 401
        assert house.call(route.method, there, token=foreign, **query(route)).status_code not in (401, 403, 500)


@pytest.mark.threat("T135")
@pytest.mark.parametrize("path", ["/admin/t/nobody/clients", "/admin/t/Default/clients", "/admin/t/default%20/clients"])
def test_a_tenant_that_is_not_there_has_no_tokens(house, path):
    assert house.call("GET", path).status_code == 401


@pytest.mark.threat("T135")
def test_the_default_tenant_may_be_named_too(house):
    assert house.call("GET", "/admin/t/default/clients").status_code == 200


@pytest.mark.spec("RFC 6750 §2.1")
@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Basic Zm9vOmJhcg==", "Bearer a b", "Bearer gwat_AAAA", "Bearer \xff", "bearer,x"],
)
def test_what_is_no_good_bearer_token_is_refused(house, value):
    response = house.call("GET", "/admin/clients", token=None, headers={"authorization": value.encode("latin-1")})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.threat("T34")
def test_a_changed_token_is_refused(house):
    token = house.token(ADMIN)
    for changed in (token + "A", token[:-1], token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]):
        assert house.call("GET", "/admin/clients", token=changed).status_code == 401


@pytest.mark.threat("T150")
def test_a_token_in_the_url_is_refused_even_if_it_is_good(house):
    token = house.token(ADMIN)
    response = house.call("GET", f"/admin/clients?access_token={token}", token=token)
    assert response.status_code == 400
    assert token not in response.text


def test_two_authorization_headers_are_refused(house):
    token = house.token(ADMIN)
    headers = [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")]
    response = house.run(house._http.request("GET", "/admin/clients", headers=headers))
    assert response.status_code == 400


@pytest.mark.threat("T135")
def test_a_token_for_another_audience_is_refused(house):
    issuer = house.runtime.settings.issuer
    assert (
        house.call("GET", "/admin/clients", token=house.token(ADMIN, audience=("https://api.example",))).status_code
        == 401
    )
    assert house.call("GET", "/admin/clients", token=house.token(ADMIN, audience=(issuer,))).status_code == 200


@pytest.mark.threat("T135")
def test_consent_of_an_ordinary_user_makes_no_administrator(house):
    user = house.create("/admin/users", {"username": house.name("user")})
    token = house.token(ADMIN, subject=user["sub"])
    assert house.call("GET", "/admin/clients", token=token).status_code == 403
    changed = house.call("PATCH", f"/admin/users/{user['sub']}", json={"roles": ["grantway.clients.read"]})
    assert changed.status_code == 200
    assert house.call("GET", "/admin/clients", token=token).status_code == 200
    assert house.call("POST", "/admin/clients", token=token, json={}).status_code == 403
    house.call("PATCH", f"/admin/users/{user['sub']}", json={"enabled": False})
    assert house.call("GET", "/admin/clients", token=token).status_code == 401


def test_a_revoked_token_administers_nothing(house):
    token = house.token("grantway.clients.read", "openid")
    assert house.call("GET", "/admin/clients", token=token).status_code == 200
    assert house.call("POST", "/admin/oauth2/revoke", data={"token": token}).status_code == 204
    assert house.call("GET", "/admin/clients", token=token).status_code == 401


@pytest.mark.threat("T135")
@pytest.mark.parametrize("name", [ADMIN, "grantway.users.read", "grantway.clients.read grantway.keys.write"])
def test_who_may_edit_clients_cannot_make_one_that_may_do_more(house, name):
    token = house.token("grantway.clients.write")
    document = {"grant_types": ["client_credentials"], "response_types": [], "scope": name}
    assert house.call("POST", "/admin/clients", token=token, json=document).status_code == 403
    mine = house.make_client(scope="api").client.client_id
    patch = [{"op": "replace", "path": "/scope", "value": name}]
    assert house.call("PATCH", f"/admin/clients/{mine}", token=token, json=patch).status_code == 403
    assert house.call("PUT", f"/admin/clients/{mine}", token=token, json=document).status_code == 403
    within = {**document, "scope": "grantway.clients.read grantway.clients.write"}
    assert house.call("POST", "/admin/clients", token=token, json=within).status_code == 201


@pytest.mark.threat("T135")
def test_who_may_edit_clients_cannot_take_over_a_mightier_one(house):
    token = house.token("grantway.clients.write", "grantway.tokens.write")
    mighty = f"/admin/clients/{house.make_client(scope=ADMIN).client.client_id}"
    document = {"grant_types": ["client_credentials"], "response_types": []}
    for method, path, body in [
        ("POST", mighty + "/secrets/rotate", None),
        ("DELETE", mighty + "/secrets/rotate", None),
        ("PUT", mighty, document),
        ("PATCH", mighty, []),
        ("DELETE", mighty, None),
        ("DELETE", "/admin/oauth2/tokens?client_id=" + mighty.rpartition("/")[2], None),
    ]:
        assert house.call(method, path, token=token, json=body).status_code == 403, (method, path)
    assert house.call("GET", mighty).status_code == 200


@pytest.mark.threat("T135")
def test_who_may_edit_users_cannot_make_or_take_over_an_administrator(house):
    token = house.token("grantway.users.write")
    wanted = {"username": house.name("user"), "roles": [ADMIN]}
    assert house.call("POST", "/admin/users", token=token, json=wanted).status_code == 403
    path = f"/admin/users/{house.create('/admin/users', wanted)['sub']}"
    for method, where, body in [
        ("PUT", path + "/password", {"password": "a new long password"}),
        ("PATCH", path, {"claims": {"name": "x"}}),
        ("PATCH", path, {"roles": []}),
        ("DELETE", path, None),
    ]:
        assert house.call(method, where, token=token, json=body).status_code == 403, (method, where)
    strange = {"username": house.name("user"), "roles": ['grantway.é"\r\n\\']}
    assert house.call("POST", "/admin/users", token=token, json=strange).status_code == 422
    strange["roles"] = ['grantway.é"\\']
    response = house.call("POST", "/admin/users", token=token, json=strange)
    assert response.status_code == 403
    assert response.headers["www-authenticate"].endswith('scope="grantway.?\'?"')
    ordinary = f"/admin/users/{house.create('/admin/users', {'username': house.name('user')})['sub']}"
    assert house.call("PATCH", ordinary, token=token, json={"roles": [ADMIN]}).status_code == 403
    assert house.call("PATCH", ordinary, token=token, json={"roles": ["editor"]}).status_code == 200


@pytest.mark.parametrize("open_house", [{"admin__insecure_open": True}], indirect=True)
def test_an_open_api_answers_programs_on_this_machine_only(open_house):
    assert open_house.call("GET", "/admin/clients", token=None).status_code == 200
    assert open_house.call("GET", "/admin/t/nobody/clients", token=None).status_code == 404
    for headers in (
        {"host": "rebound.example"},
        {"host": "127.0.0.1.rebound.example"},
        {"origin": "https://evil.example"},
    ):
        assert open_house.call("GET", "/admin/clients", token=None, headers=headers).status_code == 401
    assert open_house.call("GET", "/admin/clients", token="gwat_wrong").status_code == 401


def test_the_token_endpoint_gives_a_machine_the_token_it_administers_with(house):
    from base64 import b64encode

    from grantway.protocol.message import Request

    created = house.make_client(scope="grantway.clients.read")
    credentials = b64encode(f"{created.client.client_id}:{created.client_secret}".encode())
    request = Request(
        method="POST",
        path="/oauth2/token",
        headers=((b"content-type", b"application/x-www-form-urlencoded"), (b"authorization", b"Basic " + credentials)),
        body=b"grant_type=client_credentials&scope=grantway.clients.read",
    )
    answer = house.run(house.server.handle(request))
    assert answer.status == 200, answer.body
    import json

    token = json.loads(answer.body)["access_token"]
    assert house.call("GET", "/admin/clients", token=token).status_code == 200
    assert house.call("GET", "/admin/users", token=token).status_code == 403
