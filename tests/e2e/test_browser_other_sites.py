"""What the pages of other sites can and cannot do to a person's server, in a real Chromium.

Two ports of one address are two origins but one *site*: SameSite cookies do travel between them, so what stops a
request here is what the server itself checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .browsing import Application, Visitor, run_application
from .dev_server import DevServer

pytestmark = pytest.mark.browser

SUBMIT = """([action, fields]) => {
    const form = document.createElement("form");
    Object.assign(form, {method: "post", action});
    for (const [name, value] of Object.entries(fields)) {
        const input = document.createElement("input");
        Object.assign(input, {type: "hidden", name, value});
        form.append(input);
    }
    document.body.append(form);
    form.submit();
}"""
FETCH = """async ([url, form, token]) => {
    const headers = token ? {authorization: `Bearer ${token}`} : {};
    const answer = await fetch(url, form ? {method: "POST", body: new URLSearchParams(form), headers} : {headers});
    return {status: answer.status, body: await answer.json()};
}"""


@pytest.fixture
def spa(dev: DevServer) -> Iterator[Application]:
    """An application that lives in the browser: a public client that may call from its origin."""
    with run_application(dev, token_endpoint_auth_method="none") as running:
        yield running


@pytest.mark.threat("T90")
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/account/logout", {"action": "logout"}),
        ("/account/sessions", {"action": "end_others"}),
        ("/account/clients", {"action": "revoke", "client_id": "demo-web"}),
        ("/account/password", {"action": "change", "current_password": "", "new_password": "mine now, mine now"}),
        ("/oauth2/sessions/logout", {"action": "logout", "csrf_token": "AAAA"}),
        ("/login", {"action": "login", "username": "demo", "password": ""}),
    ],
)
def test_a_form_of_another_site_changes_nothing(
    visitor: Visitor, application: Application, path: str, fields: dict[str, str]
) -> None:
    visitor.go("/login")
    visitor.sign_in()
    visitor.expect("account")
    visitor.allowed.add(application.origin)
    visitor.go(application.origin + "/")
    with visitor.page.expect_navigation() as navigation:
        visitor.page.evaluate(SUBMIT, [application.dev.issuer + path, fields])
    assert navigation.value.status == 403
    visitor.expect("error")
    visitor.go("/account")
    visitor.expect("account")


@pytest.mark.threat("T91")
def test_a_form_of_another_site_cannot_answer_a_waiting_request(visitor: Visitor, application: Application) -> None:
    visitor.ask(application)
    visitor.sign_in()
    visitor.expect("consent")
    interaction = visitor.page.url
    visitor.go(application.origin + "/")
    with visitor.page.expect_navigation() as navigation:
        visitor.page.evaluate(SUBMIT, [interaction, {"action": "allow", "scope": "openid"}])
    assert navigation.value.status == 403
    assert application.received == []


@pytest.mark.threat("T94")
@pytest.mark.parametrize("path", ["/login", "/account", "/register"])
def test_no_page_lets_itself_be_framed(visitor: Visitor, application: Application, path: str) -> None:
    visitor.allowed.add(application.origin)
    visitor.go(application.origin + "/")
    visitor.page.evaluate(
        """(src) => new Promise((resolve) => {
            const frame = document.createElement("iframe");
            frame.onload = resolve;
            frame.src = src;
            document.body.append(frame);
        })""",
        application.dev.issuer + path,
    )
    assert visitor.page.frames[1].locator("main").count() == 0
    visitor.forgive("frame-ancestors")


@pytest.mark.spec("CORS protocol, Fetch §3.2")
def test_an_application_in_the_browser_may_call_from_its_origin(visitor: Visitor, spa: Application) -> None:
    visitor.ask(spa)
    visitor.sign_in()
    visitor.press("allow")
    visitor.expect("callback")
    issuer, client_id = spa.dev.issuer, spa.client["client_id"]

    def fetch(path: str, form: dict[str, str] | None = None, token: str | None = None) -> dict[str, Any]:
        answer = visitor.page.evaluate(FETCH, [issuer + path, form, token])
        assert answer["status"] == 200
        body: dict[str, Any] = answer["body"]
        return body

    assert fetch("/.well-known/openid-configuration")["issuer"] == issuer
    assert fetch("/.well-known/jwks.json")["keys"]
    form = spa.build_token_request(spa.take_answer())
    token = fetch("/oauth2/token", {**form, "client_id": client_id})
    assert fetch("/userinfo", token=token["access_token"])["sub"]
    refresh = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": client_id}
    assert fetch("/oauth2/token", refresh)["access_token"] != token["access_token"]


@pytest.mark.spec("CORS protocol, Fetch §3.2")
def test_another_site_cannot_read_what_it_calls(visitor: Visitor, spa: Application, application: Application) -> None:
    visitor.ask(spa)
    visitor.sign_in()
    visitor.press("allow")
    visitor.expect("callback")
    form = {**spa.build_token_request(spa.take_answer()), "client_id": spa.client["client_id"]}
    visitor.allowed.add(application.origin)
    visitor.go(application.origin + "/")
    outcome = visitor.page.evaluate(
        "([url, form]) => fetch(url, {method: 'POST', body: new URLSearchParams(form)}).then(() => 'read', String)",
        [spa.dev.issuer + "/oauth2/token", form],
    )
    assert "Failed to fetch" in outcome
    visitor.forgive("blocked by CORS policy")
    visitor.forgive("Failed to load resource")
