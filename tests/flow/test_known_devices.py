"""Guesses at an account from elsewhere do not keep its owner out."""

from __future__ import annotations

import pytest

DEVICE = "__Host-grantway_device"


def spend_guesses(server, username):
    """Uses up what an account has, from many addresses so that none of them is at its own limit."""
    for number in range(server.settings.throttle.account_attempts):
        server.browser(address=f"203.0.113.{number}").log_in(username, "a wrong password")


@pytest.mark.threat("T101")
@pytest.mark.spec("OWASP ASVS 5.0 6.3.1")
def test_an_outsider_cannot_lock_the_owner_out_of_a_known_browser(server):
    owner = server.browser()
    owner.log_in()
    spend_guesses(server, "ada")
    assert server.browser(address="203.0.113.200").log_in().status_code == 429
    owner.http.cookies.delete("__Host-grantway_session")
    assert "Ada" in owner.log_in().text


@pytest.mark.threat("T101")
def test_a_known_browser_has_no_more_guesses_than_any_other(server):
    owner = server.browser()
    owner.log_in()
    owner.http.cookies.delete("__Host-grantway_session")
    answers = [
        owner.log_in("ada", "a wrong password").status_code
        for _ in range(server.settings.throttle.account_attempts + 1)
    ]
    assert answers[-1] == 429
    assert set(answers[:-1]) == {401}


def test_good_log_ins_from_one_address_are_never_too_many(server):
    limit = server.settings.throttle.address_attempts
    for _ in range(limit + 1):
        visitor = server.browser(address="203.0.113.9")
        assert "Ada" in visitor.log_in().text


@pytest.mark.threat("T101")
def test_a_device_cookie_of_another_account_is_worth_nothing(server):
    server.register_user("eve")
    eve = server.browser()
    eve.log_in("eve")
    eve.http.cookies.delete("__Host-grantway_session")
    spend_guesses(server, "ada")
    assert eve.log_in("ada").status_code == 429


@pytest.mark.threat("T93")
@pytest.mark.parametrize("value", ["", "A", "AAAA", "é", "x" * 4000])
def test_a_malformed_device_cookie_is_a_browser_that_is_not_known(server, value):
    spend_guesses(server, "ada")
    answer = server.browser()
    answer.http.cookies.set(DEVICE, value.encode("ascii", "replace").decode())
    assert answer.log_in().status_code == 429
