"""No form of another site is taken, and nothing changes by a GET."""

from __future__ import annotations

import itertools

import pytest

from grantway.testing.in_process import ISSUER, PASSWORD

FORMS = {
    "/login": {"username": "ada", "password": PASSWORD, "action": "login"},
    "/account/sessions": {"action": "end_others"},
    "/account/clients": {"client_id": "web", "action": "revoke"},
    "/account/password": {"current_password": PASSWORD, "new_password": "another long password", "action": "change"},
    "/account/logout": {"action": "logout"},
    "/oauth2/sessions/logout": {"action": "logout"},
    "/oauth2/device/verify": {"user_code": "BCDF-GHJK", "action": "continue"},
    "/register": {"username": "eve", "password": "a long enough password", "action": "register"},
}


@pytest.fixture(scope="module")
def open_server():
    from grantway.testing.in_process import InProcessServer

    running = InProcessServer({"interaction.registration": True})
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def victim(open_server):
    browser = open_server.browser()
    browser.log_in()
    return browser


def token_of(browser):
    browser.open("/account")
    return browser.forms()[0].fields["csrf_token"]


@pytest.mark.threat("T90")
def test_a_form_needs_the_token_of_its_own_browser(open_server, victim):
    """Also what the mutant that skips the check must fail."""
    other = open_server.browser()
    other.log_in()
    genuine, foreign = token_of(victim), token_of(other)
    tokens = [None, "", foreign, genuine[:-1], genuine + "A", genuine.swapcase(), "A" * 43, "\u00e9", "A" * 30_000]
    for (path, fields), token in itertools.product(FORMS.items(), tokens):
        data = fields if token is None else {**fields, "csrf_token": token}
        if path == "/oauth2/sessions/logout" and token is None:
            continue  # without it the form is a request, and the person is asked
        answer = open_server.run(victim.http.post(path, data=data))
        assert answer.status_code == 403, (path, token)
    assert open_server.run(victim.http.get("/account")).status_code == 200, "still logged in"


@pytest.mark.threat("T90")
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://as.example"}, {"origin": ""},
        {"origin": "https://as.example.evil.example"}, {"origin": "https://as.example:444"},
        {"origin": "https://sub.as.example"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
        {"origin": ISSUER, "sec-fetch-site": "cross-site"}, {"origin": ISSUER, "sec-fetch-site": ""},
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", FORMS)
def test_a_form_of_another_origin_is_refused_even_with_the_token(open_server, victim, path, headers):
    data = {**FORMS[path], "csrf_token": token_of(victim)}
    assert open_server.run(victim.http.post(path, data=data, headers=headers)).status_code == 403
    assert open_server.run(victim.http.get("/account")).status_code == 200


@pytest.mark.threat("T90")
def test_two_origins_are_refused(open_server, victim):
    data = {**FORMS["/account/logout"], "csrf_token": token_of(victim)}
    headers = [("origin", ISSUER), ("origin", "https://evil.example")]
    assert open_server.run(victim.http.post("/account/logout", data=data, headers=headers)).status_code == 400


@pytest.mark.threat("T90")
def test_a_browser_without_the_cookie_is_refused(open_server, victim):
    token = token_of(victim)
    for path, fields in FORMS.items():
        answer = open_server.post(path, data={**fields, "csrf_token": token})
        logged_out = answer.status_code == 303 and answer.headers["location"] == "/login"
        assert answer.status_code == 403 or logged_out or "signed out" in answer.text


@pytest.mark.spec("RFC 6749 §10.12")
@pytest.mark.spec("OpenID Connect Core §3.1.2.3")
@pytest.mark.threat("T90")
def test_the_interaction_takes_no_foreign_form(open_server):
    client = open_server.register_client()
    for action in ("login", "cancel", "allow", "deny"):
        browser = open_server.browser()
        browser.open(browser.build_authorization_url(client))
        form = browser.forms()[0]
        data = {"username": "ada", "password": PASSWORD, "action": action}
        for extra, headers in (
            ({}, {}),
            ({"csrf_token": "A" * 43}, {}),
            (form.fields, {"origin": "https://evil.example"}),
            (form.fields, {"origin": "null"}),
        ):
            answer = open_server.run(browser.http.post(form.action, data={**data, **extra}, headers=headers))
            assert answer.status_code == 403
            assert "location" not in answer.headers


@pytest.mark.threat("T90")
def test_no_get_changes_anything(open_server, victim):
    """Every page is looked at by somebody who is logged in; the database stays as it was."""
    client = open_server.register_client()
    victim.authorize(client)
    before = dump(open_server)
    for path in open_server.runtime.extensions.endpoints:
        for query in ("", "?action=logout", "?action=allow&id=x", "?post_logout_redirect_uri=https://evil.example"):
            open_server.run(victim.http.get(path + query))
            open_server.run(victim.http.request("HEAD", path + query))
    assert dump(open_server) == before


def dump(server):
    """The rows a GET must not touch: counters and waiting requests aside."""
    store = server.runtime.store
    return server.run(_dump(store))


async def _dump(store):
    people = (await store.list_subjects("default")).items
    sessions = [await store.list_sessions("default", person.subject, now=0) for person in people]
    consents = [await store.list_consents("default", person.subject) for person in people]
    return people, sessions, consents, (await store.list_authorizations("default")).items


def test_a_form_from_a_browser_without_origin_headers_is_taken(open_server, victim):
    data = {**FORMS["/account/sessions"], "csrf_token": token_of(victim)}
    assert open_server.run(victim.http.post("/account/sessions", data=data)).status_code == 200
    headers = {"origin": ISSUER, "sec-fetch-site": "same-origin"}
    assert open_server.run(victim.http.post("/account/sessions", data=data, headers=headers)).status_code == 200
