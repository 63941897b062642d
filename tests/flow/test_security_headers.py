"""The headers of every answer, from every route of the registry, good or bad."""

from __future__ import annotations

import pytest
from tests.compat import COMPAT

from grantway.extension import Endpoint
from grantway.registry import BUILTINS
from grantway.testing.in_process import PASSWORD, InProcessServer

PATHS = [kind.path for kind in BUILTINS if issubclass(kind, Endpoint)]
CACHED = {"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"}


@pytest.fixture(scope="module")
def house():
    running = InProcessServer({"interaction.registration": True, **COMPAT})
    running.register_user()
    yield running
    running.stop()


def check_headers(path, answer):
    headers = answer.headers
    assert "max-age=" in headers["strict-transport-security"], path
    assert "server" not in headers
    assert "x-powered-by" not in headers
    if answer.content:
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["content-type"], path
    is_public = path.partition("?")[0] in CACHED and answer.status_code == 200
    if answer.status_code != 204:
        assert headers["cache-control"].startswith("public, max-age=") == is_public, path
        assert is_public or headers["cache-control"] == "no-store", path
        assert is_public or headers["referrer-policy"] in ("no-referrer", "same-origin"), path
    if headers.get("content-type", "").startswith("text/html"):
        check_page_headers(headers)


def check_page_headers(headers):
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"].startswith("'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert "*" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "geolocation=()" in headers["permissions-policy"]


@pytest.mark.threat("T94")
@pytest.mark.threat("T97")
@pytest.mark.parametrize("path", PATHS)
def test_every_route_answers_with_its_headers(house, path):
    browser = house.browser()
    browser.log_in()
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        for query in ("", "?x=%zz", "?id=x&client_id=x&client_id=y", "?access_token=x"):
            for client in (house, browser):
                for options in (
                    {},
                    {"data": {"x": "1"}},
                    {"content": b"{}", "headers": {"content-type": "text/plain"}},
                ):
                    if client is house:
                        answer = house.request(method, path + query, **options)
                    else:
                        answer = house.run(browser.http.request(method, path + query, **options))
                    assert answer.status_code < 500, (method, path, query)
                    check_headers(path + query, answer)


@pytest.mark.spec("RFC 6749 §10.13")
@pytest.mark.spec("OpenID Connect Core §3.1.2.3")
@pytest.mark.threat("T94")
@pytest.mark.threat("T97")
def test_every_page_of_a_flow_answers_with_its_headers(house):
    client = house.register_client()
    seen = []

    async def look(response):
        await response.aread()
        seen.append(response)

    browser = house.browser()
    browser.http.event_hooks["response"].append(look)
    browser.open(browser.build_authorization_url(client, response_mode="form_post", scope="openid email"))
    browser.submit(username="ada", password="wrong", action="login")
    browser.submit(username="ada", password=PASSWORD, action="login")
    browser.submit(scope=["openid"], action="allow")
    code = browser.received()["code"]
    tokens = house.redeem(client, code)
    browser.open(browser.build_authorization_url(client, prompt="select_account"))
    for path in ("/account", "/oauth2/sessions/logout", "/login", "/register", "/interaction?id=x", "/oauth2/auth"):
        browser.open(path)
    browser.open("/account")
    browser.submit(0, action="logout")
    seen += [
        tokens,
        house.redeem(client, code),
        house.post("/oauth2/introspect", data={"token": "x"}, auth=client.auth),
    ]
    seen += [house.revoke(client, tokens.json()["access_token"]), house.get("/nowhere")]
    statuses = {answer.status_code for answer in seen}
    assert statuses >= {200, 303, 400, 401, 404}
    for answer in seen:
        check_headers(str(answer.url), answer)


@pytest.mark.spec("RFC 9110 §9.3.2")
@pytest.mark.parametrize("path", sorted(CACHED | {"/login", "/version", "/static/site.css"}))
def test_head_says_what_get_would(house, path):
    got, head = house.get(path), house.request("HEAD", path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    for name in ("content-type", "content-length", "cache-control"):
        assert head.headers[name] == got.headers[name], name
    assert int(head.headers["content-length"]) > 0


@pytest.mark.threat("T95")
def test_a_static_file_is_what_it_says(house):
    for name, kind in (("site.css", "text/css"), ("icon.svg", "image/svg+xml")):
        answer = house.get(f"/static/{name}")
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.threat("T45")
def test_a_server_on_loopback_promises_no_https():
    plain = InProcessServer({"issuer": "http://127.0.0.1:4444"})
    assert "strict-transport-security" not in plain.get("/version").headers
    plain.stop()
