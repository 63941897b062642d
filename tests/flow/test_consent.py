"""Consent: what was asked, what was ticked, what is remembered."""

from __future__ import annotations

import re

import pytest

from grantway.admin.clients import patch_client
from grantway.testing.in_process import PASSWORD


def asked(browser):
    """The scopes the page at hand asks about, or None: it is another page."""
    if 'id="allow"' not in browser.page.text:
        return None
    return set(re.findall(r'name="scope"[^>]*value="([^"]+)"', browser.page.text))


def consent(server, client, scope, ticked=None, username="ada", browser=None, **parameters):
    browser = browser or server.browser()
    browser.open(browser.build_authorization_url(client, scope=scope, **parameters))
    if 'id="login"' in browser.page.text:
        browser.submit(username=username, password=PASSWORD, action="login")
    if ticked is not None:
        browser.submit(scope=ticked, action="allow")
    return browser


def granted(server, client, browser):
    return server.redeem(client, browser.received()["code"]).json()["scope"]


@pytest.mark.spec("OpenID Connect Core §3.1.2.4")
def test_every_scope_is_asked_and_only_what_is_ticked_is_granted(server, client):
    browser = consent(server, client, "openid profile email read")
    assert asked(browser) == {"openid", "profile", "email", "read"}
    browser.submit(scope=["openid", "read"], action="allow")
    assert granted(server, client, browser) == "openid read"


def test_what_was_allowed_is_not_asked_again_and_what_was_not_is(server, client):
    browser = consent(server, client, "openid profile", ["openid", "profile"])
    consent(server, client, "openid profile", browser=browser)
    assert "code" in browser.received()
    consent(server, client, "openid profile email", browser=browser)
    assert asked(browser) == {"openid", "email"}
    browser.submit(scope=["openid", "email"], action="allow")
    assert granted(server, client, browser) == "openid profile email"


def test_what_was_refused_is_asked_again(server, client):
    browser = consent(server, client, "openid email", ["openid"])
    consent(server, client, "openid email", browser=browser)
    assert asked(browser) == {"openid", "email"}


@pytest.mark.threat("T17")
def test_a_scope_that_was_not_asked_for_cannot_be_ticked(server, client):
    browser = consent(server, client, "openid profile", ["openid", "profile", "write", "email", "admin"])
    assert granted(server, client, browser) == "openid profile"
    consent(server, client, "openid profile write", browser=browser)
    assert asked(browser) == {"openid", "write"}, "nor was it remembered"


def test_ticking_nothing_of_what_was_asked_is_a_no(server, client):
    browser = consent(server, client, "read write", [])
    assert browser.received()["error"] == "access_denied"


def test_openid_cannot_be_unticked(server, client):
    browser = consent(server, client, "openid profile", ["profile"])
    assert granted(server, client, browser) == "openid profile"


@pytest.mark.threat("T108")
@pytest.mark.parametrize(
    "change",
    [
        {"op": "replace", "path": "/client_name", "value": "Another Shop"},
        {"op": "replace", "path": "/redirect_uris", "value": ["https://client.example/cb", "https://evil.example/cb"]},
    ],
)
def test_a_client_that_looks_different_is_asked_about_anew(server, client, change):
    browser = consent(server, client, "openid profile", ["openid", "profile"])
    server.run(patch_client(server.runtime, "default", client.client_id, [change], actor="test"))
    consent(server, client, "openid profile", browser=browser)
    assert asked(browser) == {"openid", "profile"}


@pytest.mark.threat("T108")
def test_consent_is_a_persons_and_a_clients_own(server, client, username):
    consent(server, client, "openid profile", ["openid", "profile"])
    assert asked(consent(server, client, "openid profile", username=username)) == {"openid", "profile"}
    assert asked(consent(server, server.register_client(), "openid profile")) == {"openid", "profile"}


@pytest.mark.threat("T43")
def test_a_new_resource_is_asked_about(server):
    client = server.register_client(audience=["https://one.example", "https://two.example"])
    browser = consent(server, client, "openid", ["openid"], resource="https://one.example")
    consent(server, client, "openid", browser=browser, resource="https://one.example")
    assert "code" in browser.received()
    consent(server, client, "openid", browser=browser, resource="https://two.example")
    assert asked(browser) is not None
    assert "https://two.example" in browser.page.text


def test_a_trusted_client_asks_nothing_unless_it_says_so(server):
    client = server.register_client(skip_consent=True)
    browser = consent(server, client, "openid profile write")
    assert granted(server, client, browser) == "openid profile write"
    consent(server, client, "openid", browser=browser, prompt="consent")
    assert asked(browser) == {"openid"}


@pytest.mark.threat("T36")
@pytest.mark.threat("T145")
def test_a_thousand_ticks_are_no_more_than_were_asked(server, client):
    browser = consent(server, client, "openid read")
    form = browser.forms()[0]
    data = {**form.fields, "action": "allow", "scope": ["read"] * 150}
    answer = server.run(browser.http.post(form.action, data=data))
    browser.page = answer
    assert granted(server, client, browser) == "openid read"
    browser = consent(server, client, "openid write")
    form = browser.forms()[0]
    answer = server.run(browser.http.post(form.action, data={**form.fields, "action": "allow", "scope": ["x"] * 1000}))
    assert answer.status_code == 400
