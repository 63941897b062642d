"""Every page, on a phone and on a desktop, light and dark: accessible, and without sideways scrolling.

With ``GRANTWAY_TEST_SCREENSHOTS=directory`` the pages are also written there as pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import ViewportSize

from grantway.web.pages import PAGES

from .browsing import Application, Visitor, run_application
from .dev_server import DevServer

pytestmark = [pytest.mark.browser, pytest.mark.node]

VIEWPORTS: dict[str, ViewportSize] = {
    "phone": {"width": 390, "height": 844},
    "desktop": {"width": 1280, "height": 800},
}
NARROW: ViewportSize = {"width": 320, "height": 640}
"""WCAG 2.2 §1.4.10: at this width nothing needs scrolling in two directions."""
FOLDER = os.environ.get("GRANTWAY_TEST_SCREENSHOTS")
SCOPES = "openid profile email address phone offline_access"


class Inspector:
    """Looks at the page a visitor is on, in every guise."""

    def __init__(self, axe: str) -> None:
        self.axe = axe
        self.findings: list[str] = []
        self.seen: set[str] = set()

    def look(self, visitor: Visitor, page: str, variant: str = "") -> None:
        visitor.expect(page)
        self.seen.add(page)
        name = f"{page}-{variant}" if variant else page
        visitor.page.evaluate(self.axe)  # by the debugger: the page's own policy would not let it in
        for device, viewport in VIEWPORTS.items():
            visitor.page.set_viewport_size(viewport)
            for scheme in ("light", "dark"):
                visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                self._inspect(visitor, f"{name}-{device}-{scheme}")
        visitor.page.set_viewport_size(NARROW)
        width = visitor.page.evaluate("document.documentElement.scrollWidth")
        if width > NARROW["width"]:
            self.findings.append(f"{name}: {width} px wide on a screen of {NARROW['width']}")

    def _inspect(self, visitor: Visitor, name: str) -> None:
        found: dict[str, Any] = visitor.page.evaluate("axe.run({resultTypes: ['violations']})")
        for violation in found["violations"]:
            where = "; ".join(node["html"] + " " + node["failureSummary"] for node in violation["nodes"])
            self.findings.append(f"{name}: {violation['impact']} {violation['id']}: {where}")
        if FOLDER:
            visitor.page.screenshot(path=Path(FOLDER) / f"{name}.png", full_page=True)


@pytest.fixture(scope="module")
def inspector(node_modules: Path) -> Inspector:
    return Inspector((node_modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))


@pytest.fixture
def application(dev: DevServer) -> Iterator[Application]:
    """One with everything that pages show of a client."""
    with run_application(
        dev,
        client_name="Northwind Travel",
        client_uri="https://travel.example/",
        policy_uri="https://travel.example/privacy",
        tos_uri="https://travel.example/terms",
        audience=["https://api.travel.example/"],
    ) as running:
        yield running


def test_the_pages_of_signing_in(visitor: Visitor, application: Application, inspector: Inspector) -> None:
    visitor.ask(application)
    inspector.look(visitor, "login", "client")
    visitor.sign_in("not the password")
    inspector.look(visitor, "login", "refused")
    visitor.ask(application, scope=SCOPES, resource="https://api.travel.example/")
    visitor.sign_in()
    inspector.look(visitor, "consent", "all")
    visitor.ask(application, scope="openid profile")
    visitor.press("allow")
    visitor.expect("callback")
    visitor.ask(application, scope="openid profile email")
    inspector.look(visitor, "consent", "new")
    visitor.ask(application, scope="openid", prompt="consent")
    inspector.look(visitor, "consent", "openid")
    visitor.ask(application, scope="openid", prompt="select_account")
    inspector.look(visitor, "select_account")
    visitor.page.add_init_script("HTMLFormElement.prototype.submit = () => {}")  # so that the page stays
    visitor.ask(application, scope="openid", response_mode="form_post")
    inspector.look(visitor, "form_post")
    visitor.go("/oauth2/auth?client_id=nobody")
    inspector.look(visitor, "error")
    assert inspector.findings == []


def test_the_pages_of_registering(visitor: Visitor, application: Application, inspector: Inspector) -> None:
    visitor.go("/login")
    inspector.look(visitor, "login", "account")
    visitor.ask(application)
    visitor.press("register-link")
    inspector.look(visitor, "register")
    visitor.page.fill("#username", visitor.user["username"])
    visitor.page.fill("#email", "ada@example.com")
    visitor.page.fill("#password", "another good password")
    visitor.press("register")
    inspector.look(visitor, "register", "refused")
    assert inspector.findings == []


def test_the_pages_of_the_account_and_of_leaving(
    new_visitor: Callable[..., Visitor], application: Application, inspector: Inspector
) -> None:
    agent = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1"
    )
    phone, visitor = new_visitor(user_agent=agent), new_visitor()
    for device in (phone, visitor):
        device.go("/login")
        device.sign_in()
        device.expect("account")
    inspector.look(visitor, "account", "empty")
    visitor.ask(application, scope=SCOPES)
    visitor.press("allow")
    visitor.expect("callback")
    visitor.go("/account")
    inspector.look(visitor, "account")
    visitor.page.fill("#current_password", "not the old one")
    visitor.page.fill("#new_password", "another good password")
    visitor.press("change-password")
    inspector.look(visitor, "account", "refused")
    visitor.page.get_by_role("button", name="Remove access").click()
    inspector.look(visitor, "account", "removed")
    visitor.go("/oauth2/sessions/logout")
    inspector.look(visitor, "logout", "account")
    visitor.go(application.build_logout_url())
    inspector.look(visitor, "logout", "client")
    visitor.go("/account")
    visitor.press("logout")
    inspector.look(visitor, "logged_out")
    assert inspector.findings == []


def test_the_page_that_waits_for_applications(
    dev: DevServer, visitor: Visitor, application: Application, inspector: Inspector
) -> None:
    uri = {"op": "add", "path": "/frontchannel_logout_uri", "value": application.redirect_uri}
    dev.administer("PATCH", f"/admin/clients/{application.client['client_id']}", [uri])
    visitor.ask(application)
    visitor.sign_in()
    visitor.press("allow")
    visitor.expect("callback")
    visitor.page.add_init_script("HTMLIFrameElement = class {}")  # none is seen to load
    visitor.page.add_init_script("{ const real = setTimeout; setTimeout = (f, ms) => ms === 1000 || real(f, ms) }")
    visitor.go(application.build_logout_url())
    visitor.press("logout")
    inspector.look(visitor, "logged_out", "waiting")
    assert inspector.findings == []


def test_the_pages_of_a_device(visitor: Visitor, dev: DevServer, inspector: Inspector) -> None:
    def begin(scope: str = SCOPES) -> dict[str, Any]:
        form = {"client_id": "demo-tv", "scope": scope}
        begun: dict[str, Any] = requests.post(f"{dev.issuer}/oauth2/device/auth", data=form, timeout=10).json()
        return begun

    visitor.go("/oauth2/device/verify")
    inspector.look(visitor, "device")
    visitor.page.fill("#user_code", "bbbb bbbb")
    visitor.press("continue")
    inspector.look(visitor, "device", "refused")
    begun = begin("openid profile")
    visitor.go(begun["verification_uri_complete"])
    inspector.look(visitor, "device", "prefilled")
    visitor.press("continue")
    inspector.look(visitor, "login", "device")
    visitor.sign_in()
    inspector.look(visitor, "consent", "device")
    assert visitor.page.inner_text("#user-code") == begun["user_code"]
    visitor.press("allow")
    inspector.look(visitor, "device_done", "allowed")
    visitor.go(begin()["verification_uri_complete"])
    visitor.press("continue")
    inspector.look(visitor, "consent", "device-all")
    visitor.press("deny")
    inspector.look(visitor, "device_done", "denied")
    assert inspector.findings == []


def test_no_page_was_forgotten(inspector: Inspector) -> None:
    if inspector.seen:  # not when this test is run alone
        assert inspector.seen == set(PAGES)
