"""RP-initiated logout: proved by the hint, or asked of the person; back only to where the client registered."""

from __future__ import annotations

import pytest

from grantway.testing.in_process import read_forms

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
