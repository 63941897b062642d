"""Guessing user codes: counted by browser, by address and all together, before they are looked at (RFC 8628 §5.1)."""

from __future__ import annotations

import asyncio

import pytest

from grantway.config import DeviceSettings, ThrottleSettings
from grantway.errors import TooManyRequests
from grantway.protocol.device import DEVICE_CODE, USER_CODE_PRESETS
from grantway.testing.in_process import InProcessServer

PATH = "/oauth2/device/verify"


@pytest.fixture
def device(fresh_server):
    return fresh_server.register_client(token_endpoint_auth_method="none", grant_types=[DEVICE_CODE])


def guess(server, code="BBBB-BBBB", browser=None, address=None):
    return (browser or server.browser(address=address)).type_code(code).status_code


@pytest.mark.spec("RFC 8628 §5.1")
@pytest.mark.threat("T120")
def test_a_browser_gets_five_guesses_in_a_window(fresh_server, device):
    """Also what the mutant that does not count must fail."""
    begun = fresh_server.begin_device(device)
    browser = fresh_server.browser()
    assert [guess(fresh_server, browser=browser) for _ in range(7)] == [400] * 5 + [429] * 2
    assert guess(fresh_server, begun["user_code"], browser) == 429, "the right code does not get past it"
    assert browser.page.headers["retry-after"] == "300"
    assert "Too many attempts" in browser.page.text
    assert 'id="user_code"' in browser.page.text
    fresh_server.clock.advance(301)
    assert guess(fresh_server, begun["user_code"], browser) == 200, "and it is not for ever"


@pytest.mark.threat("T120")
@pytest.mark.parametrize("addresses", [["203.0.113.5"], [f"2001:db8::{n:x}" for n in range(1, 30)]])
def test_an_address_gets_twenty_guesses_with_however_many_browsers(fresh_server, device, addresses):
    begun = fresh_server.begin_device(device)
    guesses = [guess(fresh_server, address=addresses[n % len(addresses)]) for n in range(22)]
    assert guesses == [400] * 20 + [429] * 2
    assert guess(fresh_server, begun["user_code"], address=addresses[0]) == 429
    assert guess(fresh_server, begun["user_code"], address="203.0.113.6") == 200


@pytest.mark.threat("T120")
def test_everybody_together_gets_so_many_guesses():
    server = InProcessServer({"device.attempts": 10})
    assert [guess(server) for _ in range(12)] == [400] * 10 + [429] * 2
    server.clock.advance(301)
    assert guess(server) == 400
    server.stop()


@pytest.mark.threat("T120")
def test_right_codes_count_nowhere_and_wrong_ones_stay_counted(fresh_server, device):
    browser = fresh_server.browser()
    assert [guess(fresh_server, browser=browser) for _ in range(4)] == [400] * 4
    for _ in range(8):
        assert guess(fresh_server, fresh_server.begin_device(device)["user_code"], browser) == 200
    assert [guess(fresh_server, browser=browser) for _ in range(2)] == [400, 429]


@pytest.mark.threat("T120")
def test_an_address_gets_codes_for_so_many_devices_in_a_window():
    """Whoever knows a public client's identifier could fill the database, a row at a time."""
    server = InProcessServer({"device.requests_per_address": 3})
    device = server.register_client(token_endpoint_auth_method="none", grant_types=[DEVICE_CODE])

    def begin(address="192.0.2.1"):
        http = server.browser(address=address).http
        return server.run(http.post("/oauth2/device/auth", data={"client_id": device.client_id, "scope": "openid"}))

    assert [begin().status_code for _ in range(5)] == [200] * 3 + [429] * 2
    refused = begin()
    assert refused.json()["error"] == "temporarily_unavailable"
    assert refused.headers["retry-after"] == "300"
    assert begin("192.0.2.2").status_code == 200
    assert [begin(f"2001:db8::{n:x}").status_code for n in range(1, 5)] == [200] * 3 + [429]
    server.clock.advance(301)
    assert begin().status_code == 200
    server.stop()


@pytest.mark.threat("T120")
def test_guesses_at_once_are_counted_like_any(fresh_server, device):
    begun = fresh_server.begin_device(device)
    browsers = [fresh_server.browser(address="203.0.113.9") for _ in range(60)]
    for browser in browsers:
        browser.open(PATH)

    async def race():
        posts = []
        for number, browser in enumerate(browsers):
            code = begun["user_code"] if number == 59 else f"BBBB-B{number:03}"
            form = browser.forms()[0]
            posts.append(browser.http.post(PATH, data={**form.fields, "user_code": code}))
        return [answer.status_code for answer in await asyncio.gather(*posts)]

    statuses = fresh_server.run(race())
    assert statuses.count(400) + statuses.count(303) == 20
    assert statuses.count(429) == 40


@pytest.mark.spec("RFC 8628 §5.1")
@pytest.mark.threat("T120")
def test_ten_thousand_guesses_from_a_hundred_addresses_find_nothing(fresh_server):
    """With n codes alive, each guess that is looked at finds one with n / 20^8: of a busy server that takes years."""
    throttle, settings = fresh_server.runtime.throttle, DeviceSettings()

    async def attack():
        looked_at = 0
        for number in range(10_000):
            try:
                browser = number.to_bytes(32, "big")
                await throttle.check_user_code("default", browser, f"198.51.100.{number % 100}", number)
                looked_at += 1
            except TooManyRequests:
                pass
        return looked_at

    looked_at = fresh_server.run(attack())
    assert looked_at == settings.attempts == 1000
    guesses_a_year = looked_at * 365 * 86400 / ThrottleSettings().window
    alive = 100
    found_a_year = guesses_a_year * alive / USER_CODE_PRESETS[settings.user_code].space
    assert found_a_year < 0.5
