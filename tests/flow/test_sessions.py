"""Sessions and their cookies."""

from __future__ import annotations

import pytest

from grantway.testing.in_process import PASSWORD

SESSION, BROWSER = "__Host-grantway_session", "__Host-grantway_browser"


def is_logged_in(server, cookie_header=None, browser=None):
    if browser is not None:
        return server.run(browser.http.get("/account")).status_code == 200
    headers = cookie_header if isinstance(cookie_header, list) else [("cookie", cookie_header)]
    return server.get("/account", headers=headers).status_code == 200


@pytest.fixture
def browser(server):
    browser = server.browser()
    browser.log_in()
    return browser


@pytest.fixture
def secret(browser):
    return browser.http.cookies[SESSION]


@pytest.mark.threat("T93")
def test_every_cookie_is_host_only_secure_and_hidden(server, client):
    seen = []
    browser = server.browser()
    browser.http.event_hooks["response"].append(_collect(seen))
    browser.authorize(client)
    browser.open("/account")
    browser.submit(0, action="logout")
    browser.log_in(remember="1")
    assert {cookie.partition("=")[0] for cookie in seen} == {SESSION, BROWSER, "__Host-grantway_device"}
    for cookie in seen:
        attributes = [part.strip() for part in cookie.split(";")[1:]]
        assert {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"} <= set(attributes)
        assert not any(attribute.lower().startswith("domain") for attribute in attributes)
        assert len(cookie) < 4096
    remembered = [cookie for cookie in seen if "Max-Age=2592000" in cookie]
    assert len(remembered) == 1


def _collect(seen):
    async def collect(response):
        seen.extend(response.headers.get_list("set-cookie"))

    return collect


def test_no_answer_sets_one_cookie_twice(server, client, username):
    def check(browser):
        async def look(response):
            names = [cookie.partition("=")[0] for cookie in response.headers.get_list("set-cookie")]
            assert len(names) == len(set(names)), names

        browser.http.event_hooks["response"].append(look)

    browser = server.browser()
    check(browser)
    browser.authorize(client)
    browser.open(browser.build_authorization_url(client, prompt="login"))
    browser.submit(username=username, password=PASSWORD, action="login")  # another person in the same browser
    assert 'id="allow"' in browser.page.text


@pytest.mark.threat("T93")
def test_a_tossed_duplicate_is_ignored(server, secret):
    """A sibling domain can add a cookie of the same name; which of them is ours nobody can tell."""
    assert is_logged_in(server, f"{SESSION}={secret}")
    for header in (
        f"{SESSION}={secret}; {SESSION}=other", f"{SESSION}=other; {SESSION}={secret}",
        f"{SESSION}; {SESSION}={secret}", f"{SESSION}={secret}; {SESSION}={secret}",
        f"{SESSION}={secret}; x=y; {SESSION}=", f"{SESSION}=;{SESSION}={secret}",
    ):  # fmt: skip
        assert not is_logged_in(server, header), header
    twice = [("cookie", f"{SESSION}={secret}"), ("cookie", f"{SESSION}=x")]
    assert not is_logged_in(server, twice)


@pytest.mark.threat("T93")
@pytest.mark.parametrize(
    "name",
    [
        "\u00a0" + SESSION, SESSION + "\u00a0", "\u0085" + SESSION, "\x1c" + SESSION, SESSION.lower(),
        "grantway_session", "__Secure-grantway_session", "__host-grantway_session", "\u2000" + SESSION,
        '"' + SESSION + '"', "$" + SESSION,
    ],
)  # fmt: skip
def test_a_name_that_only_resembles_ours_is_another_cookie(server, secret, name):
    """A browser lets other sites set names that begin with a blank it does not know; they must not become ours."""
    for encoding in ("utf-8", "latin-1"):
        try:
            header = [(b"cookie", f"{name}={secret}".encode(encoding))]
        except UnicodeEncodeError:
            continue
        assert not is_logged_in(server, header)
        both = [(b"cookie", f"{name}=x; {SESSION}={secret}".encode(encoding))]
        assert is_logged_in(server, both), "nor may it push ours out"


@pytest.mark.threat("T93")
def test_a_malformed_cookie_is_nobody(server, secret):
    for value in ("", "x", secret[:-1], secret + "A", secret + "=", secret.swapcase(), f'"{secret}"', "%00", "A" * 43,
                  "A" * 8000, f" {secret}x", secret.replace(secret[5], "!", 1), "null", "{}"):  # fmt: skip
        assert not is_logged_in(server, f"{SESSION}={value}"), value[:50]
    for raw in (b"\xff" * 43, b"\xc3\xa9" * 20, b"=;=;=", b";;;;", b"a" * 60_000, b"=" + secret.encode()):
        assert not is_logged_in(server, [(b"cookie", SESSION.encode() + b"=" + raw)])
        assert server.get("/login", headers=[(b"cookie", raw)]).status_code == 200


@pytest.mark.threat("T92")
def test_logging_in_makes_a_new_secret_and_the_old_one_dies(server, browser, secret):
    assert is_logged_in(server, f"{SESSION}={secret}")
    client = server.register_client()
    browser.authorize(client, prompt="login")
    assert browser.http.cookies[SESSION] != secret
    assert not is_logged_in(server, f"{SESSION}={secret}")
    assert is_logged_in(server, browser=browser)


@pytest.mark.threat("T92")
def test_a_cookie_planted_before_the_login_is_not_logged_in(server):
    planted = "A" * 42 + "Q"
    browser = server.browser()
    browser.http.cookies.set(SESSION, planted, domain="as.example", path="/")
    browser.log_in()
    assert not is_logged_in(server, f"{SESSION}={planted}")


@pytest.mark.threat("T92")
def test_changing_the_password_makes_a_new_secret(server, username):
    browser, other = server.browser(), server.browser()
    for each in (browser, other):
        each.log_in(username)
    old = browser.http.cookies[SESSION]
    browser.open("/account")
    browser.submit(-1, current_password=PASSWORD, new_password="a new long password", action="change")
    assert "was changed" in browser.page.text
    assert not is_logged_in(server, f"{SESSION}={old}")
    assert is_logged_in(server, browser=browser)
    assert not is_logged_in(server, browser=other), "and everybody else is out"


def test_another_persons_login_ends_the_session_before_it(server, client, username):
    browser = server.browser()
    tokens = server.redeem(client, browser.authorize(client)["code"]).json()
    browser.open(browser.build_authorization_url(client, prompt="login"))
    browser.submit(username=username, password=PASSWORD, action="login")
    assert not server.is_active(client, tokens["access_token"])


@pytest.mark.spec("OWASP ASVS 5.0 7.3")
def test_a_session_ends_when_it_is_idle_and_when_it_is_old(server):
    browser = server.browser()
    browser.log_in()
    for _ in range(3):
        server.clock.advance(7199)
        assert is_logged_in(server, browser=browser)
    server.clock.advance(7200)
    assert not is_logged_in(server, browser=browser)
    browser.log_in()
    for _ in range(7):
        server.clock.advance(6000)
        assert is_logged_in(server, browser=browser)
    server.clock.advance(1200)
    assert not is_logged_in(server, browser=browser), "twelve hours, however busy"


def test_a_remembered_session_lives_a_month(server):
    browser = server.browser()
    browser.log_in(remember="1")
    server.clock.advance(29 * 86400)
    assert is_logged_in(server, browser=browser)
    server.clock.advance(86400)
    assert not is_logged_in(server, browser=browser)


def test_the_session_cookie_is_no_token_and_no_id(server, client, browser, secret):
    tokens = server.redeem(client, browser.authorize(client)["code"]).json()
    sid = server.introspect(client, tokens["access_token"])["sid"]
    assert not is_logged_in(server, f"{SESSION}={sid}")
    assert not server.is_active(client, secret)
