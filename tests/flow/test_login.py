"""Logging in: the pages in their order, from the browser they began in, and the same answer for every failure."""

from __future__ import annotations

import asyncio
import re

import pytest

from grantway.admin.users import disable_user
from grantway.testing.in_process import ISSUER, PASSWORD


def begin(server, client, **parameters):
    """A browser that stands at the first page of a request."""
    browser = server.browser()
    browser.open(browser.build_authorization_url(client, **parameters))
    return browser


def post(browser, data, **options):
    """A form sent to the page at hand, followed nowhere."""
    form = browser.forms()[0]
    return browser.server.run(browser.http.post(form.action, data={**form.fields, **data}, **options))


@pytest.mark.spec("RFC 6749 §4.1")
def test_login_then_consent_then_the_client(server, client):
    browser = begin(server, client, scope="openid profile")
    assert 'id="login"' in browser.page.text
    assert "Web Shop" in browser.page.text
    browser.submit(username="ada", password=PASSWORD, action="login")
    assert 'id="allow"' in browser.page.text
    browser.submit(scope=["openid", "profile"], action="allow")
    assert set(browser.received()) == {"code", "state", "iss"}


@pytest.mark.spec("RFC 6749 §4.1.2.1")
def test_cancel_and_deny_are_access_denied(server, client):
    browser = begin(server, client)
    browser.submit(action="cancel")
    assert browser.received()["error"] == "access_denied"
    browser = begin(server, client)
    browser.submit(username="ada", password=PASSWORD, action="login")
    browser.submit(action="deny")
    assert browser.received()["error"] == "access_denied"


@pytest.mark.threat("T100")
def test_unknown_wrong_and_disabled_look_the_same(server, client, username):
    subject = server.run(server.runtime.store.load_subject_by_username("default", username)).subject
    server.run(disable_user(server.runtime, "default", subject, actor="test"))
    answers = []
    for name, password in ((username, PASSWORD), ("ada", "wrong password"), ("nobody-here", PASSWORD), ("ada", "")):
        browser = begin(server, client)
        answer = post(browser, {"username": name, "password": password, "action": "login"})
        text = re.sub(r'value="[^"]*"|id=[\w-]+', "", answer.text)
        headers = {key: value for key, value in answer.headers.items() if key != "content-length"}
        answers.append((answer.status_code, text, str(headers)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 401


@pytest.mark.threat("T100")
def test_every_failure_costs_one_hash(server, client, monkeypatch, username):
    from grantway import passwords

    verified = []
    real = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda *given: verified.append(1) or real(*given))
    costs = []
    post(begin(server, client), {"username": "nobody", "password": "x", "action": "login"})  # makes the dummy
    for name, password in ((username, "wrong"), ("nobody", "wrong"), (username, "x" * 2000), ("nobody", "x" * 2000)):
        verified.clear()
        post(begin(server, client), {"username": name, "password": password, "action": "login"})
        costs.append(len(verified))
    assert costs == [1, 1, 1, 1]


@pytest.mark.spec("OpenID Connect Core §3.1.2.3")
@pytest.mark.threat("T18")
@pytest.mark.threat("T17")
@pytest.mark.parametrize("action", ["allow", "continue", "other", "", "login", "register", None])
def test_no_post_skips_the_login(server, client, action):
    browser = begin(server, client)
    answer = post(browser, {} if action is None else {"action": action, "scope": "openid"})
    assert answer.status_code in (200, 401)
    assert 'id="login"' in answer.text
    assert not any("session" in header for header in answer.headers.get_list("set-cookie"))
    browser.open(str(browser.page.url))
    assert 'id="login"' in browser.page.text


@pytest.mark.threat("T18")
def test_every_url_in_every_order_with_empty_forms_logs_nobody_in(server, client):
    paths = ["/interaction", "/login", "/account", "/account/sessions", "/account/clients", "/account/password",
             "/account/logout", "/oauth2/sessions/logout"]  # fmt: skip
    browser = begin(server, client)
    identifier = str(browser.page.url).partition("id=")[2]
    token = browser.forms()[0].fields["csrf_token"]
    for first in paths:
        for second in paths:
            for path in (first, second):
                data = {"csrf_token": token}
                server.run(browser.http.post(f"{path}?id={identifier}", data=data))
    assert server.run(browser.http.get("/account")).headers["location"] == "/login"
    browser.open(f"/interaction?id={identifier}")
    assert 'id="login"' in browser.page.text


@pytest.mark.spec("OpenID Connect Core §3.1.2.4")
@pytest.mark.threat("T18")
def test_no_post_skips_the_consent(server, client):
    browser = begin(server, client, scope="openid profile")
    browser.submit(username="ada", password=PASSWORD, action="login")
    for action in ("", "login", "continue", "other", None, "ALLOW"):
        answer = post(
            browser, {"username": "ada", "password": PASSWORD} | ({} if action is None else {"action": action})
        )
        assert answer.status_code == 200
        assert 'id="allow"' in answer.text, action


@pytest.mark.threat("T17")
def test_the_form_cannot_change_the_request(server, client):
    """Everything but the person's answer is read from the store."""
    browser = begin(server, client, scope="openid profile")
    browser.submit(username="ada", password=PASSWORD, action="login")
    evil = {
        "client_id": "other", "redirect_uri": "https://evil.example", "scope": ["openid", "profile", "email", "write"],
        "state": "evil", "code_challenge": "", "code_challenge_method": "", "nonce": "evil", "subject": "other",
        "username": "other", "response_mode": "fragment", "prompt": "none", "response_type": "token", "audience": "x",
    }  # fmt: skip
    answer = post(browser, {**evil, "action": "allow"})
    assert answer.headers["location"].startswith("https://client.example/cb?")
    browser.page = answer
    received = browser.received()
    assert received["state"] == "state-1234"
    assert (
        "error"
        in server.token(
            client, grant_type="authorization_code", code=received["code"], redirect_uri="https://client.example/cb"
        ).json()
    ), "the challenge is still there"
    tokens = server.redeem(client, received["code"]).json()
    assert tokens["scope"] == "openid profile"


@pytest.mark.threat("T17")
@pytest.mark.parametrize("name", ["username", "password", "action", "csrf_token"])
def test_a_repeated_form_field_is_refused(server, client, name):
    browser = begin(server, client)
    fields = {**browser.forms()[0].fields, "username": "ada", "password": PASSWORD, "action": "login"}
    fields[name] = [fields[name], fields[name]]
    answer = server.run(browser.http.post(browser.forms()[0].action, data=fields))
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


@pytest.mark.threat("T91")
def test_an_interaction_opened_in_another_browser_is_an_error(server, client):
    attacker, victim = begin(server, client), server.browser()
    victim.log_in()
    victim.open(str(attacker.page.url))
    assert victim.page.status_code == 400
    assert "<form" not in victim.page.text
    form = attacker.forms()[0]
    data = {**form.fields, "username": "ada", "password": PASSWORD, "action": "login"}
    stranger = server.browser()
    for browser in (victim, stranger):
        assert server.run(browser.http.post(form.action, data=data)).status_code in (400, 403)
    attacker.open(str(attacker.page.url))
    assert 'id="login"' in attacker.page.text


@pytest.mark.threat("T91")
def test_a_consent_page_does_not_outlive_the_session_it_was_shown_in(server, client, username):
    browser = begin(server, client)
    browser.submit(username="ada", password=PASSWORD, action="login")
    consent = browser.page
    form = browser.forms()[0]
    browser.open("/account")
    browser.submit(0, action="logout")
    answer = server.run(browser.http.post(form.action, data={**form.fields, "action": "allow", "scope": "openid"}))
    assert 'id="login"' in answer.text, "logged out: the consent is no consent"
    browser.page = answer
    browser.submit(username=username, password=PASSWORD, action="login")
    assert 'id="allow"' in browser.page.text, "another person is asked anew"
    assert consent.status_code == 200


@pytest.mark.threat("T20")
def test_a_finished_interaction_gives_no_second_code(server, client):
    browser = begin(server, client)
    browser.submit(username="ada", password=PASSWORD, action="login")
    form = browser.forms()[0]
    data = {**form.fields, "action": "allow", "scope": "openid"}
    first = server.run(browser.http.post(form.action, data=data))
    assert "code=" in first.headers["location"]
    second = server.run(browser.http.post(form.action, data=data))
    assert second.status_code == 400
    assert "location" not in second.headers
    assert server.run(browser.http.get(form.action)).status_code == 400


def test_an_interaction_expires(server, client):
    browser = begin(server, client)
    server.clock.advance(1800)
    browser.submit(username="ada", password=PASSWORD, action="login")
    assert browser.page.status_code == 400


@pytest.mark.parametrize("identifier", ["", "x", "a" * 65, "a" * 5000, "%00", "../..", "' OR 1=1--", "%ff", "a&id=b"])
def test_an_unknown_interaction_is_a_page(server, identifier):
    for method in ("GET", "POST"):
        answer = server.request(method, f"/interaction?id={identifier}")
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.threat("T42")
def test_a_client_that_was_disabled_meanwhile_gets_nothing(server, client):
    from grantway.admin.clients import disable_client

    browser = begin(server, client)
    server.run(disable_client(server.runtime, "default", client.client_id, actor="test"))
    browser.submit(username="ada", password=PASSWORD, action="login")
    assert browser.page.status_code == 400
    assert "location" not in browser.page.headers


@pytest.mark.threat("T110")
def test_a_person_who_was_disabled_meanwhile_gets_nothing(server, client, username):
    browser = begin(server, client)
    browser.submit(username=username, password=PASSWORD, action="login")
    assert 'id="allow"' in browser.page.text
    subject = server.run(server.runtime.store.load_subject_by_username("default", username)).subject
    server.run(disable_user(server.runtime, "default", subject, actor="test"))
    browser.submit(action="allow", scope="openid")
    assert 'id="login"' in browser.page.text


@pytest.mark.threat("T36")
@pytest.mark.threat("T146")
def test_names_and_passwords_of_any_kind_are_just_wrong(server, client):
    for name in (
        "x" * 10_000,
        "\u212admin",
        "\u202eada",
        "ada\u00a0",
        "\U0001f600" * 100,
        "' OR 1=1--",
        "%",
        "ﷺ" * 128,
    ):
        answer = post(begin(server, client), {"username": name, "password": PASSWORD, "action": "login"})
        assert answer.status_code == 401 or (name.strip() == "ada" and answer.status_code == 303), name[:20]
    for password in ("x" * 10_000, "\U0001f600" * 2000, "\u202e"):
        answer = post(begin(server, client), {"username": "ada", "password": password, "action": "login"})
        assert answer.status_code in (401, 429)


@pytest.mark.threat("T36")
def test_a_name_is_never_cut_to_fit(server, client):
    """255 characters are the most a stored name has; a longer one that begins with it is another one."""
    long = "㍿" * 63 + "abc"  # four characters each, once normalised
    key = server.register_user(long).username_key
    assert len(key) == 255
    for name in (key + "d", key + "def", long + "d", key[:-1]):
        answer = post(begin(server, client), {"username": name, "password": PASSWORD, "action": "login"})
        assert answer.status_code == 401
    assert post(begin(server, client), {"username": long, "password": PASSWORD, "action": "login"}).status_code == 303


@pytest.mark.spec("RFC 8265 §3.3")
def test_a_name_is_compared_without_case_and_form(server, client):
    server.register_user("Zoë.Quinn")
    for name in ("zoë.quinn", "ZOE\u0308.QUINN", " Zoë.Quinn "):
        answer = post(begin(server, client), {"username": name, "password": PASSWORD, "action": "login"})
        assert answer.status_code == 303, name


@pytest.mark.threat("T95")
def test_what_a_client_calls_itself_is_text(server):
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{7*7}}'
    client = server.register_client(client_name=evil)
    browser = begin(server, client)
    browser.submit(username="<svg/onload=1>", password="x", action="login")
    assert "<svg/onload" not in browser.page.text
    browser.submit(username="ada", password=PASSWORD, action="login")
    assert 'id="allow"' in browser.page.text
    assert "<script>alert" not in browser.page.text
    assert "<img src=x" not in browser.page.text
    assert "49" not in re.sub(r'value="[^"]*"|id="[^"]*"|href="[^"]*"|\bd="[^"]*"', "", browser.page.text)


def test_the_page_belongs_to_the_issuer_alone(server, client):
    page = begin(server, client).page
    for address in re.findall(r'(?:src|href|action)="([^"]+)"', page.text):
        assert address.startswith(("/", "#", ISSUER)), address


@pytest.mark.threat("T21")
def test_of_parallel_consents_to_one_request_one_gives_a_code(server, client):
    browser = begin(server, client)
    browser.submit(username="ada", password=PASSWORD, action="login")
    form = browser.forms()[0]
    data = {**form.fields, "action": "allow", "scope": "openid"}

    async def race():
        return await asyncio.gather(*(browser.http.post(form.action, data=data) for _ in range(20)))

    answers = server.run(race())
    codes = {answer.headers["location"] for answer in answers if "code=" in answer.headers.get("location", "")}
    assert len(codes) == 1
    for answer in answers:
        assert answer.status_code in (303, 400)
