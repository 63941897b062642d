"""Registering an account by oneself, where it is allowed."""

from __future__ import annotations

import pytest

from grantway.testing.in_process import PASSWORD, InProcessServer


@pytest.fixture(scope="module")
def house():
    running = InProcessServer({"interaction.registration": True})
    running.register_user()
    yield running
    running.stop()


def register(house, browser=None, **fields):
    browser = browser or house.browser()
    browser.open("/register")
    browser.submit(**{"username": "new", "password": PASSWORD, "action": "register", **fields})
    return browser


def test_it_is_closed_unless_it_was_opened(server):
    for method in ("GET", "POST"):
        assert server.request(method, "/register").status_code == 400
    browser = server.browser()
    browser.open("/login")
    assert "/register" not in browser.page.text


def test_a_new_account_is_logged_in_and_its_address_is_not_verified(house):
    browser = register(house, username="Grace", email="grace@example.com", name="Grace Hopper")
    assert "Your account" in browser.page.text
    person = house.run(house.runtime.store.load_subject_by_username("default", "grace"))
    assert person.claims == {"email": "grace@example.com", "email_verified": False, "name": "Grace Hopper"}
    assert house.browser().log_in("GRACE").status_code == 200


@pytest.mark.threat("T137")
@pytest.mark.threat("T125")
def test_nobody_gives_oneself_more_than_the_form_has(house):
    register(
        house, username="eve", email="eve@example.com", email_verified="true", roles="admin", enabled="1", subject="x",
        claims='{"a":1}', tenant="other", phone_number_verified="true",
    )  # fmt: skip
    person = house.run(house.runtime.store.load_subject_by_username("default", "eve"))
    assert (person.tenant, person.roles, person.subject == "x") == ("default", (), False)
    assert person.claims == {"email": "eve@example.com", "email_verified": False}


@pytest.mark.parametrize(
    "fields",
    [
        {"username": ""}, {"username": "ada"}, {"username": "ADA"}, {"username": "a b"}, {"username": "x" * 129},
        {"username": "\u202eada"}, {"username": "a\u200bda"}, {"email": "x"}, {"email": "@x"}, {"email": "x@"},
        {"email": "a@b@c"}, {"email": "x@" + "y" * 300}, {"name": "n" * 129}, {"password": "short"}, {"password": ""},
        {"password": "password1"}, {"password": "x" * 300}, {"username": "longusername", "password": "longusername1"},
    ],
)  # fmt: skip
def test_what_is_not_acceptable_is_shown_beside_its_field(house, fields):
    browser = register(house, **{"username": "someone", **fields})
    assert browser.page.status_code == 422
    assert "field-error" in browser.page.text
    assert fields.get("password") in (None, "") or fields["password"] not in browser.page.text


def test_registering_goes_on_with_the_request_that_waited(house):
    client = house.register_client()
    browser = house.browser()
    browser.open(browser.build_authorization_url(client))
    link = browser.page.text.partition('href="/register?')[2].partition('"')[0]
    browser.open("/register?" + link)
    browser.submit(username="waiting", password=PASSWORD, action="register")
    assert 'id="allow"' in browser.page.text
    browser.submit(action="allow", scope="openid")
    assert house.redeem(client, browser.received()["code"]).status_code == 200


@pytest.mark.threat("T6")
@pytest.mark.parametrize(
    "interaction", ["//evil.example", "https://evil.example", "x%0d%0ay", "../x", "x" * 65, "é", "a b"]
)
def test_the_way_back_is_no_way_out(house, interaction):
    answer = house.get("/register", params={"interaction": interaction})
    assert answer.status_code == 400
    assert "evil.example" not in answer.text


@pytest.mark.threat("T101")
def test_one_address_cannot_register_without_end_nor_use_up_what_others_need(house):
    flood = house.browser(address="203.0.113.9")
    statuses = [register(house, flood, username="").page.status_code for _ in range(61)]
    assert statuses[:60] == [422] * 60
    assert statuses[60] == 429
    assert register(house, username="unhindered").page.status_code == 200
    house.register_user("register")
    assert house.browser().log_in("register").status_code == 200, "a person of that name is not a counter"
