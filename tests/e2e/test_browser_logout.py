"""Logging out in a real Chromium: frames of applications, the way on with and without script, forms of other sites.

As in every test of the browser: it had nothing to complain about, so no policy was in the way of what happened.
"""

from __future__ import annotations

import json
import socket
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .browsing import Application, Visitor, run_application
from .dev_server import DevServer

pytestmark = pytest.mark.browser


def patch(dev: DevServer, application: Application, **metadata: Any) -> None:
    operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in metadata.items()]
    dev.administer("PATCH", f"/admin/clients/{application.client['client_id']}", operations)


def frame(dev: DevServer, application: Application) -> None:
    """The application is told of logouts where its answers arrive."""
    patch(dev, application, frontchannel_logout_uri=f"{application.redirect_uri}?out=1")


@pytest.fixture
def other(dev: DevServer) -> Iterator[Application]:
    with run_application(dev, client_name="Another Application") as running:
        frame(dev, running)
        yield running


@pytest.fixture
def silent() -> Iterator[str]:
    """An origin that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def enter(visitor: Visitor, *applications: Application) -> dict[str, Any]:
    """Signs in to each. Returns the tokens of the last."""
    for application in applications:
        visitor.ask(application)
        if visitor.page.query_selector("#username"):
            visitor.sign_in()
        visitor.expect("consent")
        visitor.press("allow")
        visitor.expect("callback")
        tokens = application.redeem(application.take_answer())
    return tokens


def take_notice(application: Application, sid: str) -> None:
    """It was told once, by a frame, who has left."""
    (received,) = application.received
    assert received.parameters == {"out": "1", "iss": application.dev.issuer, "sid": sid}
    assert received.headers["sec-fetch-dest"] == "iframe"
    assert "referer" not in received.headers


def read_sid(tokens: dict[str, Any]) -> str:
    payload = tokens["id_token"].split(".")[1]
    return str(json.loads(urlsafe_b64decode(payload + "=="))["sid"])


_SEND_FORM = """([url, fields]) => {
    const form = Object.assign(document.createElement("form"), {method: "post", action: url});
    for (const [name, value] of Object.entries(fields))
        form.append(Object.assign(document.createElement("input"), {type: "hidden", name, value}));
    document.body.append(form);
    form.submit();
}"""


@pytest.mark.spec("OpenID Connect Front-Channel Logout §2")
@pytest.mark.threat("T96")
def test_every_application_is_told_and_then_the_person_comes_back(
    dev: DevServer, visitor: Visitor, application: Application, other: Application
) -> None:
    frame(dev, application)
    tokens = enter(visitor, other, application)
    sid = read_sid(tokens)
    visitor.go(application.build_logout_url(id_token_hint=tokens["id_token"]))
    visitor.page.wait_for_url(f"{application.origin}/?state=bye")
    take_notice(application, sid)
    take_notice(other, sid)


def test_without_script_they_are_told_too(
    dev: DevServer, new_visitor: Callable[..., Visitor], application: Application
) -> None:
    frame(dev, application)
    visitor = new_visitor(java_script_enabled=False)
    enter(visitor, application)
    visitor.go(application.build_logout_url())
    visitor.press("logout")
    visitor.page.wait_for_url(f"{application.origin}/?state=bye")
    assert [received.parameters["out"] for received in application.received] == ["1"]


def leave_with_silent(dev: DevServer, visitor: Visitor, application: Application, silent: str) -> None:
    """Signs in and leaves, where an application is to be told that never answers."""
    uris = [application.redirect_uri, f"{silent}/callback"]
    patch(dev, application, redirect_uris=uris, frontchannel_logout_uri=f"{silent}/out")
    visitor.allowed.add(silent)
    tokens = enter(visitor, application)
    visitor.page.goto(application.build_logout_url(id_token_hint=tokens["id_token"]), wait_until="commit")


@pytest.mark.threat("T131")
def test_an_application_that_does_not_answer_keeps_nobody(
    dev: DevServer, visitor: Visitor, application: Application, silent: str
) -> None:
    leave_with_silent(dev, visitor, application, silent)
    visitor.expect("logged_out")
    visitor.page.wait_for_url(f"{application.origin}/?state=bye")


def test_nobody_has_to_wait_for_the_frames(
    dev: DevServer, visitor: Visitor, application: Application, silent: str
) -> None:
    leave_with_silent(dev, visitor, application, silent)
    visitor.press("return")
    visitor.page.wait_for_url(f"{application.origin}/?state=bye")


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
def test_a_form_of_another_site_logs_out_though_it_comes_without_cookies(
    dev: DevServer, visitor: Visitor, application: Application
) -> None:
    tokens = enter(visitor, application)
    request = {
        "id_token_hint": tokens["id_token"],
        "post_logout_redirect_uri": f"{application.origin}/",
        "state": "bye",
    }
    with run_application(dev, host="localhost") as elsewhere:  # another site than 127.0.0.1
        visitor.allowed.add(elsewhere.origin)
        visitor.go(f"{elsewhere.origin}/")
        visitor.page.evaluate(_SEND_FORM, [f"{dev.issuer}/oauth2/sessions/logout", request])
        visitor.page.wait_for_url(f"{application.origin}/?state=bye")
    visitor.go("/account")
    visitor.expect("login")
