"""The code flow in a real Chromium.

Every test also proves that the browser had nothing to complain about: no error in its console, no violation of a page's
policy, no request to another origin than the server's and, for its callback, the application's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .browsing import Application, Visitor, run_application
from .dev_server import DevServer

pytestmark = pytest.mark.browser

NewVisitor = Callable[..., Visitor]


def sign_in_and_allow(visitor: Visitor, application: Application, **parameters: str) -> dict[str, Any]:
    """First visit: log-in, consent, callback. Returns the token answer."""
    visitor.ask(application, **parameters)
    visitor.sign_in()
    visitor.expect("consent")
    visitor.press("allow")
    visitor.expect("callback")
    return application.redeem(application.take_answer())


@pytest.mark.spec("RFC 6749 §4.1")
@pytest.mark.threat("T96")
@pytest.mark.threat("T11")
def test_a_person_signs_in_consents_and_comes_back(visitor: Visitor, application: Application) -> None:
    token = sign_in_and_allow(visitor, application)
    assert token["scope"] == "openid profile email offline_access"
    assert token["id_token"]


@pytest.mark.spec("RFC 6749 §3.3")
def test_an_unticked_scope_is_not_granted(visitor: Visitor, application: Application) -> None:
    visitor.ask(application)
    visitor.sign_in()
    visitor.page.uncheck("#scope-email")
    visitor.press("allow")
    visitor.expect("callback")
    assert application.redeem(application.take_answer())["scope"] == "openid profile offline_access"


def test_whoever_is_signed_in_and_has_consented_sees_no_page_again(visitor: Visitor, application: Application) -> None:
    sign_in_and_allow(visitor, application)
    visitor.ask(application)
    visitor.expect("callback")
    assert application.take_answer()["code"]


def test_only_what_is_new_is_asked(visitor: Visitor, application: Application) -> None:
    sign_in_and_allow(visitor, application, scope="openid profile")
    visitor.ask(application, scope="openid profile email")
    visitor.expect("consent")
    assert visitor.page.locator("[name=scope]").evaluate_all("them => them.map(it => it.value)") == ["openid", "email"]
    visitor.press("allow")
    visitor.expect("callback")
    assert application.redeem(application.take_answer())["scope"] == "openid profile email"


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_prompt_login_asks_for_the_password_again(visitor: Visitor, application: Application) -> None:
    first = sign_in_and_allow(visitor, application)
    visitor.ask(application, prompt="login")
    visitor.expect("login")
    visitor.sign_in()
    visitor.expect("callback")
    assert application.redeem(application.take_answer())["id_token"] != first["id_token"]


@pytest.mark.spec("OpenID Connect Core §3.1.2.6")
def test_prompt_none_shows_no_page(visitor: Visitor, application: Application) -> None:
    visitor.ask(application, prompt="none")
    visitor.expect("callback")
    assert application.take_answer()["error"] == "login_required"
    visitor.ask(application)
    visitor.sign_in()
    visitor.expect("consent")
    visitor.ask(application, prompt="none")
    visitor.expect("callback")
    assert application.take_answer()["error"] == "consent_required"
    sign_in = visitor.page
    visitor.ask(application)
    visitor.press("allow")
    sign_in.wait_for_url("**/callback*")
    application.take_answer()
    visitor.ask(application, prompt="none")
    visitor.expect("callback")
    assert application.take_answer()["code"]


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_select_account_offers_the_account_and_another(
    visitor: Visitor, application: Application, dev: DevServer
) -> None:
    sign_in_and_allow(visitor, application)
    visitor.ask(application, prompt="select_account")
    visitor.expect("select_account")
    visitor.press("continue")
    visitor.expect("callback")
    application.take_answer()
    visitor.ask(application, prompt="select_account")
    visitor.press("other")
    visitor.expect("login")
    visitor.user = dev.add_user("grace" + visitor.user["username"])
    visitor.sign_in()
    visitor.expect("consent")
    assert visitor.user["username"] in visitor.page.inner_text("main")
    visitor.press("allow")
    visitor.expect("callback")
    application.take_answer()


@pytest.mark.spec("RFC 6749 §4.1.2.1")
@pytest.mark.parametrize("button", ["cancel", "deny"])
def test_a_person_may_say_no(visitor: Visitor, application: Application, button: str) -> None:
    visitor.ask(application)
    if button == "deny":
        visitor.sign_in()
        visitor.expect("consent")
    visitor.press(button)
    visitor.expect("callback")
    assert application.take_answer()["error"] == "access_denied"


@pytest.mark.spec("OAuth 2.0 Form Post Response Mode §2")
@pytest.mark.threat("T96")
@pytest.mark.parametrize("has_script", [True, False])
def test_form_post_sends_itself_or_waits_for_its_button(
    new_visitor: NewVisitor, application: Application, has_script: bool
) -> None:
    visitor = new_visitor(java_script_enabled=has_script)
    visitor.ask(application, response_mode="form_post")
    visitor.sign_in()
    visitor.press("allow")
    if not has_script:
        visitor.expect("form_post")
        assert application.received == []
        visitor.press("continue")
    visitor.expect("callback")
    assert application.received[0].method == "POST"
    assert application.received[0].headers["origin"] == "null"  # not even our address is told along
    assert "?" not in visitor.page.url
    assert application.redeem(application.take_answer())["access_token"]


@pytest.mark.spec("RFC 8252 §7.3")
@pytest.mark.threat("T96")
def test_the_way_back_to_an_ipv6_loopback_address_is_not_blocked(visitor: Visitor, dev: DevServer) -> None:
    with run_application(dev, host="::1", application_type="native") as application:
        assert sign_in_and_allow(visitor, application)["access_token"]


@pytest.mark.spec("RFC 8252 §7.1")
@pytest.mark.threat("T96")
def test_the_way_back_to_a_private_use_scheme_is_not_blocked(visitor: Visitor, dev: DevServer) -> None:
    redirect_uri = "com.example.app:/callback"
    client = dev.add_client(redirect_uris=[redirect_uri], application_type="native", token_endpoint_auth_method="none")
    visitor.allowed.add("com.example.app://")
    visitor.go(Application(dev, client, "").build_url(redirect_uri=redirect_uri))
    visitor.sign_in()
    visitor.expect("consent")
    with visitor.page.expect_request("com.example.app:/callback?*"):
        visitor.press("allow")


@pytest.mark.spec("OAuth 2.0 Multiple Response Type Encoding Practices §2.1")
def test_the_answer_may_come_in_the_fragment(visitor: Visitor, application: Application) -> None:
    visitor.ask(application, response_mode="fragment")
    visitor.sign_in()
    visitor.press("allow")
    visitor.expect("callback")
    assert application.received[0].parameters == {}
    assert "#code=" in visitor.page.url


def test_the_flow_works_without_script(new_visitor: NewVisitor, application: Application) -> None:
    visitor = new_visitor(java_script_enabled=False)
    assert sign_in_and_allow(visitor, application)["refresh_token"]


def test_a_wrong_password_is_told_and_the_right_one_still_works(visitor: Visitor, application: Application) -> None:
    visitor.ask(application)
    visitor.sign_in("not the password")
    alert = visitor.page.locator("[role=alert]")
    assert "do not match" in alert.inner_text()
    assert visitor.page.input_value("#username") == visitor.user["username"]
    assert visitor.page.input_value("#password") == ""
    assert visitor.page.evaluate("document.activeElement.id") == "password"
    visitor.sign_in()
    visitor.expect("consent")


def test_the_keyboard_is_enough(visitor: Visitor, application: Application) -> None:
    visitor.ask(application)
    keyboard = visitor.page.keyboard
    visitor.page.wait_for_function("document.activeElement.id === 'username'")  # it has the focus from the start
    keyboard.type(visitor.user["username"])
    keyboard.press("Tab")
    visitor.page.wait_for_function("document.activeElement.id === 'password'")
    keyboard.type(visitor.user["password"])
    keyboard.press("Enter")
    visitor.expect("consent")
    focused: list[str] = []
    while "allow" not in focused and len(focused) < 20:
        keyboard.press("Tab")
        focused.append(visitor.page.evaluate("document.activeElement.id"))
        if focused[-1] == "scope-email":
            keyboard.press("Space")
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert visitor.page.evaluate(outline) == "solid", f"focus on {focused[-1]!r} cannot be seen"
    assert focused.index("scope-email") < focused.index("deny") < focused.index("allow")
    keyboard.press("Enter")
    visitor.expect("callback")
    assert application.redeem(application.take_answer())["scope"] == "openid profile offline_access"


def test_enter_in_the_password_field_signs_in_and_does_not_cancel(visitor: Visitor, application: Application) -> None:
    visitor.ask(application)
    visitor.page.fill("#username", visitor.user["username"])
    visitor.page.fill("#password", visitor.user["password"])
    visitor.page.press("#password", "Enter")
    visitor.expect("consent")


@pytest.mark.threat("T91")
def test_a_sign_in_that_began_in_another_browser_cannot_be_finished(
    new_visitor: NewVisitor, application: Application
) -> None:
    attacker, victim = new_visitor(), new_visitor()
    attacker.ask(application)
    response = victim.go(attacker.page.url)
    assert response.status == 400
    victim.expect("error")
    assert victim.page.locator("form").count() == 0
    attacker.sign_in()  # the attacker's own browser is unimpressed
    attacker.expect("consent")


@pytest.mark.threat("T91")
def test_a_sign_in_that_began_in_another_browser_cannot_be_finished_with_a_session_either(
    new_visitor: NewVisitor, application: Application
) -> None:
    attacker, victim = new_visitor(), new_visitor()
    sign_in_and_allow(victim, application)
    attacker.ask(application)
    victim.go(attacker.page.url)
    victim.expect("error")
    attacker.page.reload()
    attacker.expect("login")
    assert application.received == []


@pytest.mark.threat("T92")
def test_the_session_cookie_of_before_a_log_in_is_dead_after_it(
    new_visitor: NewVisitor, application: Application
) -> None:
    visitor = new_visitor()
    sign_in_and_allow(visitor, application)
    before = visitor.context.cookies()
    visitor.ask(application, prompt="login")
    visitor.sign_in()
    visitor.expect("callback")
    application.take_answer()
    after = {cookie["name"]: cookie["value"] for cookie in visitor.context.cookies()}
    assert next(cookie["value"] for cookie in before if "session" in cookie["name"]) not in after.values()
    thief = new_visitor()
    thief.context.add_cookies(before)
    thief.ask(application, prompt="none")
    thief.expect("callback")
    assert application.take_answer()["error"] == "login_required"


@pytest.mark.threat("T93")
def test_the_cookies_are_host_cookies_that_scripts_cannot_read(visitor: Visitor, application: Application) -> None:
    sign_in_and_allow(visitor, application)
    cookies = {cookie["name"]: cookie for cookie in visitor.context.cookies(application.dev.issuer)}
    assert {"__Host-grantway_browser", "__Host-grantway_session"} <= cookies.keys()
    for name, cookie in cookies.items():
        assert name.startswith("__Host-")
        assert cookie["httpOnly"]
        assert cookie["secure"]
        assert (cookie["sameSite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "127.0.0.1")
        assert len(cookie["value"]) < 200
    assert cookies["__Host-grantway_session"]["expires"] == -1, "it ends with the browser"


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
def test_logging_out_with_the_id_token_comes_straight_back(visitor: Visitor, application: Application) -> None:
    token = sign_in_and_allow(visitor, application)
    visitor.go(application.build_logout_url(id_token_hint=token["id_token"]))
    assert visitor.page.url == f"{application.origin}/?state=bye"
    visitor.ask(application)
    visitor.expect("login")


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
@pytest.mark.threat("T96")
def test_logging_out_without_the_id_token_has_to_be_confirmed(visitor: Visitor, application: Application) -> None:
    sign_in_and_allow(visitor, application)
    visitor.go(application.build_logout_url())
    visitor.expect("logout")
    visitor.press("stay")
    visitor.expect("account")
    visitor.go(application.build_logout_url())
    visitor.press("logout")
    visitor.page.wait_for_url(f"{application.origin}/?state=bye")
    visitor.go("/account")
    visitor.expect("login")
