"""The pages of a person's own account, in a real Chromium: registration, sessions, granted clients, password."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

from .browsing import Application, Visitor, run_application
from .dev_server import DevServer

pytestmark = pytest.mark.browser

NewVisitor = Callable[..., Visitor]
NEW_PASSWORD = "an even better password"


def open_account(visitor: Visitor) -> None:
    visitor.go("/account")
    visitor.expect("login")
    visitor.sign_in()
    visitor.expect("account")


def is_signed_in(visitor: Visitor) -> bool:
    visitor.go("/account")
    return visitor.page.url.endswith("/account")


def grant(visitor: Visitor, application: Application) -> dict[str, Any]:
    visitor.ask(application)
    if visitor.page.locator("#login").count():
        visitor.sign_in()
    visitor.press("allow")
    visitor.expect("callback")
    return application.redeem(application.take_answer())


def fill_in_registration(visitor: Visitor, username: str, password: str) -> None:
    visitor.page.fill("#username", username)
    visitor.page.fill("#email", f"{username}@example.com")
    visitor.page.fill("#name", "Grace Hopper")
    visitor.page.fill("#password", password)
    visitor.press("register")


def test_a_newcomer_registers_on_the_way_to_the_application(visitor: Visitor, application: Application) -> None:
    visitor.ask(application)
    visitor.press("register-link")
    visitor.expect("register")
    username = "grace" + visitor.user["username"]
    fill_in_registration(visitor, username, "a password of her own")
    visitor.expect("consent")
    visitor.press("allow")
    visitor.expect("callback")
    token = application.redeem(application.take_answer())
    claims = requests.get(
        f"{application.dev.issuer}/userinfo", headers={"authorization": f"Bearer {token['access_token']}"}, timeout=10
    ).json()
    assert (claims["name"], claims["email"], claims["email_verified"]) == (
        "Grace Hopper",
        f"{username}@example.com",
        False,
    )


@pytest.mark.threat("T96")
def test_registering_leads_on_to_an_application_that_needs_no_consent(visitor: Visitor, dev: DevServer) -> None:
    with run_application(dev, skip_consent=True) as application:
        visitor.ask(application)
        visitor.press("register-link")
        assert "The Application" in visitor.page.inner_text("main")
        fill_in_registration(visitor, "grace" + visitor.user["username"], "a password of her own")
        visitor.expect("callback")
        assert application.take_answer()["code"]


@pytest.mark.threat("T91")
def test_registration_for_a_sign_in_of_another_browser_is_refused(
    new_visitor: NewVisitor, application: Application
) -> None:
    attacker, victim = new_visitor(), new_visitor()
    attacker.ask(application)
    attacker.press("register-link")
    victim.go(attacker.page.url)
    victim.expect("error")


def test_registration_says_what_is_wrong_and_keeps_what_was_typed(visitor: Visitor) -> None:
    visitor.go("/login")
    visitor.press("register-link")
    fill_in_registration(visitor, visitor.user["username"], "a password of her own")
    assert "taken" in visitor.page.inner_text("#username-error")
    assert visitor.page.input_value("#name") == "Grace Hopper"
    fill_in_registration(visitor, "hopper" + visitor.user["username"], "password")
    assert visitor.page.locator("#password-error").is_visible()
    fill_in_registration(visitor, "hopper" + visitor.user["username"], "a password of her own")
    visitor.expect("account")


def test_the_way_from_registration_back_to_signing_in_keeps_the_request(
    visitor: Visitor, application: Application
) -> None:
    visitor.ask(application)
    visitor.press("register-link")
    visitor.press("login-link")
    visitor.sign_in()
    visitor.expect("consent")


def test_removing_access_kills_the_refresh_token_and_the_consent(visitor: Visitor, application: Application) -> None:
    token = grant(visitor, application)
    token = application.refresh(token).json()
    visitor.go("/account")
    visitor.page.get_by_role("button", name="Remove access").click()
    assert "Access was removed" in visitor.page.inner_text("[role=status]")
    assert "Nothing has access" in visitor.page.inner_text("main")
    refused = application.refresh(token)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    visitor.ask(application)
    visitor.expect("consent")


@pytest.mark.spec("OWASP ASVS 5.0 7.5.2")
def test_a_person_ends_the_sessions_elsewhere(new_visitor: NewVisitor) -> None:
    here, phone, library = new_visitor(), new_visitor(), new_visitor()
    for visitor in (here, phone, library):
        open_account(visitor)
    here.go("/account")
    assert here.page.get_by_text("This device").count() == 1
    buttons = here.page.locator("button[id^=end-]:not(#end-others)")
    assert buttons.count() == 2
    buttons.first.click()
    here.page.wait_for_selector("[role=status]")
    assert sorted([is_signed_in(phone), is_signed_in(library)]) == [False, True]
    here.press("end-others")
    here.page.wait_for_selector("[role=status]")
    assert here.page.locator("#end-others").count() == 0
    assert [is_signed_in(visitor) for visitor in (here, phone, library)] == [True, False, False]


@pytest.mark.spec("OWASP ASVS 5.0 7.4.3")
def test_changing_the_password_needs_the_old_one_and_ends_the_other_sessions(new_visitor: NewVisitor) -> None:
    here, there = new_visitor(), new_visitor()
    open_account(here)
    open_account(there)
    here.page.fill("#current_password", "not the old one")
    here.page.fill("#new_password", NEW_PASSWORD)
    here.press("change-password")
    assert "not your current password" in here.page.inner_text("#current_password-error")
    here.page.fill("#current_password", here.user["password"])
    here.page.fill("#new_password", "short")
    here.press("change-password")
    assert here.page.locator("#new_password-error").is_visible()
    here.page.fill("#current_password", here.user["password"])
    here.page.fill("#new_password", NEW_PASSWORD)
    here.press("change-password")
    assert "Your password was changed" in here.page.inner_text("[role=status]")
    assert is_signed_in(here)
    assert not is_signed_in(there)
    there.sign_in()
    assert "do not match" in there.page.inner_text("[role=alert]")
    there.sign_in(NEW_PASSWORD)
    there.expect("account")


def test_signing_out_of_the_account_ends_the_session(visitor: Visitor) -> None:
    open_account(visitor)
    cookies = visitor.context.cookies()
    visitor.press("logout")
    visitor.expect("logged_out")
    visitor.context.add_cookies(cookies)  # also for whoever kept the cookie
    assert not is_signed_in(visitor)


def test_to_stay_signed_in_keeps_the_cookie_beyond_the_browser_session(visitor: Visitor) -> None:
    visitor.go("/login")
    visitor.page.check("#remember")
    visitor.sign_in()
    visitor.expect("account")
    session = next(cookie for cookie in visitor.context.cookies() if "session" in cookie["name"])
    assert session["expires"] > 0


def test_the_account_page_works_without_script(new_visitor: NewVisitor, application: Application) -> None:
    visitor = new_visitor(java_script_enabled=False)
    grant(visitor, application)
    visitor.go("/account")
    visitor.page.get_by_role("button", name="Remove access").click()
    visitor.page.get_by_text("Access was removed").wait_for()
    visitor.press("logout")
    visitor.expect("logged_out")


@pytest.mark.threat("T95")
def test_names_and_messages_are_shown_as_text_and_never_as_markup(
    dev: DevServer, new_visitor: NewVisitor, application: Application
) -> None:
    attack = "<img src=x onerror=alert(1)>\"'</title><script>alert(2)</script>"
    dev.administer(
        "PATCH",
        f"/admin/clients/{application.client['client_id']}",
        [{"op": "replace", "path": "/client_name", "value": attack}],
    )
    mallory = dev.add_user("mallory" + str(id(application)), claims={"name": attack, "email": "m@example.com"})
    visitor = new_visitor(user=mallory, user_agent=attack)
    visitor.ask(application, login_hint=attack)
    assert visitor.page.input_value("#username") == attack
    visitor.sign_in()
    visitor.expect("consent")
    assert attack in visitor.page.inner_text("h1")
    visitor.press("allow")
    visitor.expect("callback")
    application.take_answer()
    visitor.go("/account")
    assert attack in visitor.page.inner_text("main")
    visitor.go(application.build_logout_url())
    assert attack in visitor.page.inner_text("main")
    visitor.go("/oauth2/auth?client_id=" + re.sub("[<>\"' ]", lambda found: f"%{ord(found[0]):02x}", attack))
    visitor.expect("error")
