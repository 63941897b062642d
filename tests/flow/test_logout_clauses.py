"""What logout asks of a server besides what the files of its channels show."""

from __future__ import annotations

import pytest

PATH = "/oauth2/sessions/logout"
BYE = "https://client.example/bye"


@pytest.fixture
def web(server):
    return server.register_client(post_logout_redirect_uris=[BYE])


def enter(server, client, username):
    browser = server.browser()
    code = browser.authorize(client, username=username, scope="openid")["code"]
    return browser, server.redeem(client, code).json()


def ask(server, browser, method, **parameters):
    options = {"params": parameters} if method == "GET" else {"data": parameters}
    return server.run(browser.http.request(method, PATH, **options))


def is_logged_in(server, browser):
    return server.run(browser.http.get("/account")).status_code == 200


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
@pytest.mark.spec("OpenID Connect RP-Initiated Logout §4")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_hint_of_another_client_than_the_one_named_ends_nothing_and_leads_nowhere(server, web, username, method):
    browser, tokens = enter(server, web, username)
    other = server.register_client(post_logout_redirect_uris=[BYE])
    answer = ask(
        server, browser, method, id_token_hint=tokens["id_token"], client_id=other.client_id,
        post_logout_redirect_uri=BYE,
    )  # fmt: skip
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert is_logged_in(server, browser)
    same = ask(server, browser, method, id_token_hint=tokens["id_token"], client_id=web.client_id)
    assert same.status_code == 200
    assert not is_logged_in(server, browser)


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_logging_out_again_is_no_error(server, web, username, method):
    browser, tokens = enter(server, web, username)
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "s"}
    first, again = (ask(server, browser, method, **parameters) for _ in range(2))
    assert [answer.status_code for answer in (first, again)] == [303, 303]
    assert [answer.headers["location"] for answer in (first, again)] == [f"{BYE}?state=s"] * 2


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_both_methods_ask_the_person_where_nothing_proves_the_wish(server, web, username, method):
    browser, _ = enter(server, web, username)
    browser.page = ask(server, browser, method)
    assert 'id="stay"' in browser.page.text
    assert is_logged_in(server, browser)
    browser.submit(action="logout")
    assert not is_logged_in(server, browser), "whoever says yes is logged out"


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §3")
@pytest.mark.parametrize(
    "uri", [BYE + "/", BYE + "?", "https://evil.example/", "//evil.example", "javascript:alert(1)"]
)
def test_an_address_that_was_not_registered_is_an_error_and_no_logout(server, web, username, uri):
    browser, tokens = enter(server, web, username)
    answer = ask(server, browser, "GET", id_token_hint=tokens["id_token"], post_logout_redirect_uri=uri)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert is_logged_in(server, browser)
