"""Guesses are counted before they are looked at, by account and by address, for unknown accounts as for known ones."""

from __future__ import annotations

import asyncio

import pytest

from grantway.testing.in_process import PASSWORD, InProcessServer


def guess(server, name, password, address=None, headers=None):
    browser = server.browser(address=address)
    browser.open("/login")
    form = browser.forms()[0]
    data = {**form.fields, "username": name, "password": password, "action": "login"}
    return server.run(browser.http.post(form.action, data=data, headers=headers))


@pytest.mark.threat("T101")
@pytest.mark.threat("T100")
@pytest.mark.parametrize("name", ["ada", "nobody-of-that-name"])
def test_an_account_takes_ten_guesses_in_a_window(fresh_server, name):
    assert [guess(fresh_server, name, f"guess{n}").status_code for n in range(12)] == [401] * 10 + [429] * 2
    refused = guess(fresh_server, name, PASSWORD)
    assert refused.status_code == 429, "the right password does not get past it"
    assert refused.headers["retry-after"] == "300"
    fresh_server.clock.advance(301)
    assert guess(fresh_server, name, PASSWORD).status_code == (303 if name == "ada" else 401), "and it is not for ever"


@pytest.mark.threat("T101")
def test_parallel_guesses_are_counted_like_any(fresh_server, monkeypatch):
    """A hundred at once: as many hashes as guesses are allowed, however they interleave."""
    from grantway import passwords

    hashed = []
    real = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda *given: hashed.append(1) or real(*given))
    browsers = [fresh_server.browser() for _ in range(100)]
    for browser in browsers:
        browser.open("/login")
    forms = [browser.forms()[0] for browser in browsers]

    async def race():
        requests = []
        for number, (browser, form) in enumerate(zip(browsers, forms, strict=True)):
            password = PASSWORD if number == 99 else f"guess{number}"
            data = {**form.fields, "username": "ada", "password": password, "action": "login"}
            requests.append(browser.http.post(form.action, data=data))
        return await asyncio.gather(*requests)

    answers = fresh_server.run(race())
    statuses = [answer.status_code for answer in answers]
    assert len(hashed) <= 10
    assert statuses.count(429) >= 90
    assert statuses[99] in (303, 429)
    if statuses[99] == 429:
        assert "set-cookie" not in answers[99].headers


@pytest.mark.threat("T101")
def test_an_address_takes_sixty_guesses_at_many_accounts(fresh_server):
    statuses = [guess(fresh_server, f"person{n}", "guess", "203.0.113.5").status_code for n in range(62)]
    assert statuses == [401] * 60 + [429] * 2
    assert guess(fresh_server, "ada", PASSWORD, "203.0.113.5").status_code == 429
    assert guess(fresh_server, "ada", PASSWORD, "203.0.113.6").status_code == 303


@pytest.mark.threat("T101")
def test_one_ipv6_network_is_one_address(fresh_server):
    statuses = [guess(fresh_server, f"p{n}", "x", f"2001:db8::{n:x}").status_code for n in range(1, 62)]
    assert statuses[-1] == 429
    assert guess(fresh_server, "ada", PASSWORD, "2001:db8:0:1::1").status_code == 303


@pytest.mark.threat("T101")
@pytest.mark.threat("T141")
@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_no_header_of_a_stranger_chooses_the_address(fresh_server, header):
    statuses = [
        guess(fresh_server, f"p{n}", "x", "203.0.113.7", {header: value}).status_code
        for n, value in enumerate([f"10.0.0.{n}" for n in range(58)] + ["a", ",,,", "a" * 5000])
    ]
    assert statuses[-1] == 429


@pytest.mark.threat("T141")
def test_a_listed_proxy_names_the_address_and_nobody_behind_it_does():
    server = InProcessServer({"serve.trusted_proxies": ["192.0.2.0/24"]})
    server.register_user()
    proxy = "192.0.2.9"
    for n in range(60):
        forged = {"x-forwarded-for": f"10.0.0.{n}, 203.0.113.8, 192.0.2.10"}
        assert guess(server, f"p{n}", "x", proxy, forged).status_code == 401
    assert guess(server, "p", "x", proxy, {"x-forwarded-for": "1.1.1.1, 203.0.113.8"}).status_code == 429
    assert guess(server, "ada", PASSWORD, proxy, {"x-forwarded-for": "203.0.113.8, junk"}).status_code == 303
    assert guess(server, "ada", PASSWORD, proxy, {"x-forwarded-for": "203.0.113.9"}).status_code == 303
    server.stop()


def test_a_success_starts_the_account_anew(fresh_server):
    for _ in range(3):
        assert [guess(fresh_server, "ada", "x").status_code for _ in range(9)] == [401] * 9
        assert guess(fresh_server, "ada", PASSWORD).status_code == 303


@pytest.mark.threat("T101")
def test_client_secrets_cannot_be_guessed_without_end(fresh_server):
    machine = fresh_server.register_client(grant_types=["client_credentials"], scope="read")
    grant = {"grant_type": "client_credentials"}
    for client_id in (machine.client_id, "nobody"):
        statuses = [
            fresh_server.post("/oauth2/token", data=grant, auth=(client_id, f"guess{n}")).status_code
            for n in range(101)
        ]
        assert statuses == [401] * 100 + [429]
    assert fresh_server.token(machine, **grant).status_code == 200, "whoever has the secret is not hindered"


@pytest.mark.threat("T101")
def test_the_interaction_counts_like_the_login_page(fresh_server):
    client = fresh_server.register_client()
    for n in range(10):
        guess(fresh_server, "ada", f"guess{n}")
    browser = fresh_server.browser()
    browser.open(browser.build_authorization_url(client))
    browser.submit(username="ada", password=PASSWORD, action="login")
    assert browser.page.status_code == 429
    assert 'id="login"' in browser.page.text
    assert browser.page.headers["retry-after"] == "300"
