"""RP-initiated logout: proved by the hint, or asked of the person; back only to where the client registered."""

from __future__ import annotations

import pytest

from grantway.admin.clients import create_client, disable_client
from grantway.admin.keys import revoke_key
from grantway.errors import InvalidRedirectUri
from grantway.protocol.jose import read_header
from grantway.testing.in_process import read_forms
from grantway.web.pages import JinjaPages

PATH = "/oauth2/sessions/logout"
BYE = "https://client.example/bye"


@pytest.fixture
def web(server):
    return server.register_client(client_name="Web Shop", post_logout_redirect_uris=[BYE, BYE + "?x=1"])


def enter(server, client, scope="openid"):
    """(browser, tokens) of somebody who has logged in."""
    browser = server.browser()
    return browser, server.redeem(client, browser.authorize(client, scope=scope)["code"]).json()


def is_logged_in(server, browser):
    return server.run(browser.http.get("/account")).status_code == 200


def ask(server, browser, method="GET", **parameters):
    options = {"params": parameters} if method == "GET" else {"data": parameters}
    return server.run(browser.http.request(method, PATH, **options))


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_hint_of_this_session_ends_it(server, web, method):
    browser, tokens = enter(server, web)
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "a&b"}
    answer = ask(server, browser, method, **parameters)
    assert (answer.status_code, answer.headers["location"]) == (303, BYE + "?state=a%26b")
    assert not is_logged_in(server, browser)
    assert not server.is_active(web, tokens["access_token"])


@pytest.mark.threat("T105")
def test_without_a_hint_the_person_is_asked(server, web):
    browser, tokens = enter(server, web)
    for parameters in ({}, {"client_id": web.client_id}, {"client_id": web.client_id, "post_logout_redirect_uri": BYE}):
        browser.page = ask(server, browser, **parameters)
        assert 'id="stay"' in browser.page.text
        assert is_logged_in(server, browser), "an image on another site logs nobody out"
    browser.submit(action="stay")
    assert is_logged_in(server, browser)
    browser.page = ask(server, browser, client_id=web.client_id, post_logout_redirect_uri=BYE, state="s")
    browser.submit(action="logout")
    assert browser.page.headers["location"] == BYE + "?state=s"
    assert not is_logged_in(server, browser)
    assert not server.is_active(web, tokens["access_token"])


@pytest.mark.threat("T105")
def test_what_is_asked_by_form_and_query_together_is_kept(server, web):
    browser, _ = enter(server, web)
    browser.page = server.run(
        browser.http.post(f"{PATH}?client_id={web.client_id}", data={"post_logout_redirect_uri": BYE})
    )
    browser.submit(action="logout")
    assert browser.page.headers["location"] == BYE


@pytest.mark.threat("T105")
def test_the_hint_of_another_session_or_person_is_asked_about(server, web, username):
    browser, _ = enter(server, web)
    for other in (server.grant(web)["id_token"], server.grant(web, username=username)["id_token"]):
        assert 'id="stay"' in ask(server, browser, id_token_hint=other).text
        assert is_logged_in(server, browser)


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §4")
@pytest.mark.threat("T105")
@pytest.mark.threat("T106")
def test_a_bad_hint_is_an_error_page(server, web):
    browser, tokens = enter(server, web)
    head, payload, signature = tokens["id_token"].split(".")
    for hint in (
        f"{head}.{payload}.",
        f"{head}.{payload}.{signature[:-2]}AA",
        tokens["access_token"],
        "x",
        "a" * 20_000,
    ):
        answer = ask(server, browser, "POST", id_token_hint=hint, post_logout_redirect_uri=BYE)
        assert answer.status_code == 400
        assert "location" not in answer.headers
    assert is_logged_in(server, browser)


@pytest.mark.threat("T105")
def test_a_hint_whose_key_is_gone_is_as_good_as_none(fresh_server):
    web = fresh_server.register_client(post_logout_redirect_uris=[BYE])
    browser, tokens = enter(fresh_server, web)
    kid = read_header(tokens["id_token"])["kid"]
    fresh_server.run(revoke_key(fresh_server.runtime, "default", kid, actor="test"))
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "s"}
    for more in ({}, {"client_id": web.client_id}):
        browser.page = ask(fresh_server, browser, **parameters, **more)
        assert browser.page.status_code == 200
        assert 'id="stay"' in browser.page.text
        assert is_logged_in(fresh_server, browser)
    browser.page = ask(fresh_server, browser, **parameters)
    browser.submit(action="logout")
    assert "location" not in browser.page.headers
    assert "signed out" in browser.page.text
    assert not is_logged_in(fresh_server, browser)


@pytest.mark.threat("T105")
def test_a_link_confirms_nothing(server, web):
    browser, _ = enter(server, web)
    browser.page = ask(server, browser, client_id=web.client_id)
    right = {"csrf_token": read_forms(browser.page)[0].fields["csrf_token"], "action": "logout"}
    assert 'id="stay"' in ask(server, browser, **right).text
    assert is_logged_in(server, browser)
    answer = server.run(browser.http.post(PATH, params=right, data={"client_id": web.client_id}))
    assert 'id="stay"' in answer.text
    assert is_logged_in(server, browser)
    ask(server, browser, "POST", **right)
    assert not is_logged_in(server, browser)


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §4")
def test_an_expired_hint_still_counts(server, web):
    browser, tokens = enter(server, web)
    server.clock.advance(7000)
    is_logged_in(server, browser)
    answer = ask(server, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert answer.headers["location"] == BYE
    assert not is_logged_in(server, browser)


@pytest.mark.threat("T105")
@pytest.mark.spec("OpenID Connect RP-Initiated Logout §3")
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/", BYE + "/", BYE + "?", BYE + "#", BYE + "?x=2", "HTTPS://client.example/bye",
        BYE + "%2f", "https://client.example/cb", "javascript:alert(1)", "//client.example/bye", " " + BYE,
        "https://client.example:443/bye",
    ],
)  # fmt: skip
def test_only_a_registered_address_is_returned_to(server, web, uri):
    browser, tokens = enter(server, web)
    for parameters in ({"id_token_hint": tokens["id_token"]}, {"client_id": web.client_id}, {}):
        answer = ask(server, browser, **parameters, post_logout_redirect_uri=uri)
        assert answer.status_code == 400, parameters
        assert "location" not in answer.headers
        assert "evil.example" not in answer.text
    assert is_logged_in(server, browser)


@pytest.mark.threat("T105")
def test_hint_and_client_id_must_agree(server, web):
    browser, tokens = enter(server, web)
    other = server.register_client(post_logout_redirect_uris=["https://other.example/bye"])
    both = {"id_token_hint": tokens["id_token"], "client_id": other.client_id}
    assert ask(server, browser, **both).status_code == 400
    assert ask(server, browser, **both, post_logout_redirect_uri="https://other.example/bye").status_code == 400
    assert is_logged_in(server, browser)


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §3.1")
def test_an_address_to_return_to_is_registered_with_the_client(server):
    fields = {
        "redirect_uris": ["https://client.example/cb"],
        "post_logout_redirect_uris": [BYE, "com.example.app:/bye"],
    }
    created = server.run(create_client(server.runtime, "default", fields, actor="test"))
    assert created.client.post_logout_redirect_uris == (BYE, "com.example.app:/bye")
    for uri in ("http://client.example/bye", BYE + "#x", "javascript:alert(1)", "/bye"):
        wrong = {**fields, "post_logout_redirect_uris": [uri]}
        with pytest.raises(InvalidRedirectUri):
            server.run(create_client(server.runtime, "default", wrong, actor="test"))


def test_nobody_logged_in_is_logged_out_already(server, web):
    browser = server.browser()
    assert "signed out" in ask(server, browser).text
    answer = ask(server, browser, client_id=web.client_id, post_logout_redirect_uri=BYE)
    assert answer.headers["location"] == BYE


@pytest.mark.threat("T12")
def test_repeated_parameters_are_refused(server, web):
    browser, tokens = enter(server, web)
    answer = server.run(browser.http.get(f"{PATH}?client_id={web.client_id}&client_id={web.client_id}"))
    assert answer.status_code == 400
    answer = server.run(browser.http.post(f"{PATH}?state=a", data={"state": "b", "id_token_hint": tokens["id_token"]}))
    assert answer.status_code == 400
    assert is_logged_in(server, browser)


@pytest.mark.threat("T96")
def test_the_page_lets_its_form_lead_to_the_client(server, web):
    browser, _ = enter(server, web)
    page = ask(server, browser, client_id=web.client_id, post_logout_redirect_uri=BYE)
    assert "form-action 'self' https://client.example;" in page.headers["content-security-policy"]
    assert read_forms(page)[0].action.startswith(PATH)


def test_offline_access_outlives_the_session_and_the_rest_does_not(server, web):
    browser, bound = enter(server, web)
    offline = server.redeem(web, browser.authorize(web, scope="openid offline_access")["code"]).json()
    ask(server, browser, id_token_hint=bound["id_token"])
    assert server.refresh(web, bound["refresh_token"]).status_code == 400
    assert server.refresh(web, offline["refresh_token"]).status_code == 200


@pytest.mark.threat("T42")
def test_a_code_of_a_session_that_ended_is_worth_nothing(server, web):
    browser = server.browser()
    code = browser.authorize(web)["code"]
    browser.open("/account")
    browser.submit(0, action="logout")
    answer = server.redeem(web, code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
@pytest.mark.threat("T105")
def test_a_hint_of_somebody_else_is_asked_about(server, web, username, verify):
    browser, tokens = enter(server, web)
    claims = verify(tokens["id_token"]).claims
    for hint in (username, "grace@example.com", "x", "ada@example.com.evil.example"):
        assert 'id="stay"' in ask(server, browser, id_token_hint=tokens["id_token"], logout_hint=hint).text
        assert is_logged_in(server, browser)
    for hint in ("ada", "Ada@Example.com", claims["sub"], claims["sid"]):
        browser, tokens = enter(server, web)
        hint = verify(tokens["id_token"]).claims["sid"] if hint == claims["sid"] else hint
        ask(server, browser, id_token_hint=tokens["id_token"], logout_hint=hint)
        assert not is_logged_in(server, browser), hint


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
def test_people_are_asked_in_the_language_that_was_wanted(server, web, tmp_path):
    (tmp_path / "de").mkdir()
    for page in ("logout", "logged_out"):
        text = f'{{% extends "grantway/{page}.html" %}}{{% block title %}}Abmelden{{% endblock %}}'
        (tmp_path / "de" / f"{page}.html").write_text(text)
    server.runtime.pages, before = JinjaPages(server.runtime.entropy, tmp_path), server.runtime.pages
    try:
        browser, _ = enter(server, web)
        browser.page = ask(server, browser, client_id=web.client_id, ui_locales="xx de-CH en")
        assert "<title>Abmelden" in browser.page.text
        assert "<title>Abmelden" in browser.submit(action="logout").text
    finally:
        server.runtime.pages = before


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
@pytest.mark.parametrize("origin", ["https://client.example", "null"])
def test_a_form_of_the_clients_own_site_is_read_again_with_cookies(server, web, origin):
    """Browsers send such a form without our cookies (SameSite=Lax), and the GET it leads to with them."""
    browser, tokens = enter(server, web)
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "s", "csrf_token": "x"}
    answer = server.post(PATH, data=parameters, headers={"origin": origin})
    assert answer.status_code == 303
    assert "csrf_token" not in answer.headers["location"]
    answer = server.run(browser.http.get(answer.headers["location"]))
    assert answer.headers["location"] == BYE + "?state=s"
    assert not is_logged_in(server, browser)


def test_what_is_too_long_for_an_address_is_asked_about(server, web):
    browser, tokens = enter(server, web)
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "logout_hint": "x" * 6000}
    answer = server.post(PATH, data=parameters, headers={"origin": "https://client.example"})
    assert len(answer.headers["location"]) < 300
    page = server.run(browser.http.get(answer.headers["location"]))
    assert 'id="stay"' in page.text
    assert "Web Shop" in page.text


@pytest.mark.threat("T105")
def test_a_disabled_client_logs_nobody_out(fresh_server):
    web = fresh_server.register_client(post_logout_redirect_uris=[BYE])
    browser, tokens = enter(fresh_server, web)
    fresh_server.run(disable_client(fresh_server.runtime, "default", web.client_id, actor="test"))
    assert 'id="stay"' in ask(fresh_server, browser, id_token_hint=tokens["id_token"]).text
    returning = ask(fresh_server, browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert returning.status_code == 400
    assert is_logged_in(fresh_server, browser)


@pytest.mark.threat("T105")
def test_a_client_may_be_trusted_with_any_fresh_id_token_of_the_person(server, username):
    trusted = server.register_client(skip_logout_consent=True)
    plain = server.register_client()
    browser, _ = enter(server, trusted)
    others = {
        "nothing": {},
        "the client alone": {"client_id": trusted.client_id},
        "another client's": {"id_token_hint": server.grant(plain)["id_token"]},
        "another person's": {"id_token_hint": server.grant(trusted, username=username)["id_token"]},
    }
    for what, parameters in others.items():
        assert 'id="stay"' in ask(server, browser, **parameters).text, what
    earlier = server.grant(trusted)["id_token"]
    assert not ask(server, browser, id_token_hint=earlier).text.count('id="stay"')
    assert not is_logged_in(server, browser)
    browser, _ = enter(server, trusted)
    server.clock.advance(3601)
    assert is_logged_in(server, browser)
    assert 'id="stay"' in ask(server, browser, id_token_hint=earlier).text, "it has expired"
