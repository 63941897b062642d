"""Which other origins' scripts may read an answer."""

from __future__ import annotations

import pytest

SPA, OTHER, EVIL = "https://spa.example", "https://other.example", "https://evil.example"
READABLE = [
    "/oauth2/token", "/oauth2/device/auth", "/oauth2/introspect", "/oauth2/revoke", "/userinfo",
    "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json",
]  # fmt: skip


@pytest.fixture(scope="module")
def spa(server):
    server.register_client(allowed_cors_origins=[OTHER], token_endpoint_auth_method="none")
    return server.register_client(
        allowed_cors_origins=[SPA, "http://127.0.0.1:5173"], token_endpoint_auth_method="none"
    )


def allowed(answer):
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers.get("access-control-allow-origin") != "*"
    return answer.headers.get("access-control-allow-origin")


@pytest.mark.threat("T151")
@pytest.mark.parametrize("path", READABLE)
def test_a_registered_origin_may_ask_and_others_may_not(server, spa, path):
    for origin in (SPA, OTHER, "http://127.0.0.1:5173"):
        preflight = server.request("OPTIONS", path, headers={"origin": origin, "access-control-request-method": "POST"})
        assert (preflight.status_code, allowed(preflight)) == (204, origin)
        assert "authorization" in preflight.headers["access-control-allow-headers"]
    for origin in (EVIL, "null", "", SPA + "/", SPA + ":443", SPA.upper(), "http://spa.example", "https://a.spa.example",
                   SPA + ".evil.example", "*", "http://127.0.0.1:5174", "a" * 5000, "\u00e9"):  # fmt: skip
        answer = server.request("OPTIONS", path, headers={"origin": origin.encode("utf-8")})
        assert allowed(answer) is None, origin
        assert answer.headers["vary"] == "origin"


@pytest.mark.threat("T151")
def test_an_answer_is_for_the_clients_own_origins(server, spa):
    code = server.browser().authorize(spa)["code"]
    data = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://client.example/cb",
            "client_id": spa.client_id, "code_verifier": "v" * 43}  # fmt: skip
    other = server.post("/oauth2/token", data={**data, "code": "x"}, headers={"origin": OTHER})
    assert allowed(other) is None, "registered, but by another client"
    answer = server.post("/oauth2/token", data=data, headers={"origin": SPA})
    assert (answer.status_code, allowed(answer)) == (200, SPA)
    bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
    assert allowed(server.get("/userinfo", headers={**bearer, "origin": SPA})) == SPA
    assert allowed(server.get("/userinfo", headers={**bearer, "origin": OTHER})) is None
    assert allowed(server.get("/userinfo", headers={**bearer, "origin": EVIL})) is None


@pytest.mark.threat("T151")
def test_an_error_is_readable_by_the_origin_that_caused_it(server, spa):
    data = {"grant_type": "authorization_code", "code": "x", "client_id": spa.client_id}
    answer = server.post("/oauth2/token", data=data, headers={"origin": SPA})
    assert (answer.status_code, allowed(answer)) == (400, SPA)


@pytest.mark.threat("T151")
def test_pages_are_nobodys_to_read(server, spa):
    for path in set(server.runtime.extensions.endpoints) - set(READABLE):
        for method in ("GET", "OPTIONS"):
            answer = server.request(method, path, headers={"origin": SPA})
            assert not [name for name in answer.headers if name.startswith("access-control")], path


@pytest.mark.threat("T151")
def test_two_origins_are_none(server, spa):
    answer = server.request("OPTIONS", "/oauth2/token", headers=[("origin", SPA), ("origin", SPA)])
    assert allowed(answer) is None


def test_an_origin_that_was_taken_back_is_out(server):
    from grantway.admin.clients import patch_client

    client = server.register_client(allowed_cors_origins=["https://gone.example"])
    headers = {"origin": "https://gone.example"}
    assert allowed(server.get("/.well-known/jwks.json", headers=headers)) == "https://gone.example"
    change = [{"op": "replace", "path": "/allowed_cors_origins", "value": []}]
    server.run(patch_client(server.runtime, "default", client.client_id, change, actor="test"))
    assert allowed(server.get("/.well-known/jwks.json", headers=headers)) is None
