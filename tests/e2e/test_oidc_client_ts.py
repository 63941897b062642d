"""oidc-client-ts, the client of single-page applications, in a real Chromium against the running server.

The application is a page of another origin. On 127.0.0.1 it is one *site* with the server, so SameSite=Lax cookies
travel into its hidden frames; on localhost it is another site, and they do not.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from msgspec import Struct
from tests.docs.markdown import DOCS, read_blocks

from .browsing import Visitor
from .dev_server import DevServer

pytestmark = [pytest.mark.browser, pytest.mark.node]

HOW_TO = DOCS / "how-to" / "single-page-applications.md"
PAGE = Path(__file__).with_name("oidc_client_ts.html")
BUNDLE = "oidc-client-ts/dist/browser/oidc-client-ts.js"
SCOPE = "openid profile email"


class SinglePage(Struct, frozen=True):
    """A running single-page application."""

    dev: DevServer
    client: dict[str, Any]
    origin: str


RunSinglePage = Callable[..., SinglePage]


def read_page(dev: DevServer, origin: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the page says for this server and this origin: the client's metadata, and the settings of the library."""
    blocks = {block.language: block.text for block in read_blocks(HOW_TO)}
    command = blocks["bash"]
    texts = command[command.index("{") : command.rindex("}") + 1], blocks["json"]
    metadata, settings = (
        json.loads(text.replace("https://id.example.com", dev.issuer).replace("https://board.example.com", origin))
        for text in texts
    )
    return metadata, settings


@contextlib.contextmanager
def run_single_page(
    dev: DevServer, node_modules: Path, *, host: str = "127.0.0.1", scope: str = SCOPE, **changes: Any
) -> Iterator[SinglePage]:
    """The client of the page about such applications, on a free port of ``host``; ``changes``: of its metadata."""
    files = {"/oidc-client-ts.js": ("text/javascript", (node_modules / BUNDLE).read_bytes())}
    page = ("text/html; charset=utf-8", PAGE.read_bytes())
    files |= dict.fromkeys(("/", "/callback", "/signed-out"), page)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = files[urlsplit(self.path).path]
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Stays quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    origin = f"http://{host}:{server.server_port}"
    metadata, settings = read_page(dev, origin)
    client = dev.add_client(**{**metadata, **changes})
    settings |= {
        "client_id": client["client_id"],
        "scope": scope,
        "automaticSilentRenew": False,  # a test says when
        "silentRequestTimeoutInSeconds": 8,
    }
    files["/settings.json"] = ("application/json", json.dumps(settings).encode())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield SinglePage(dev, client, origin)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def run(dev: DevServer, node_modules: Path) -> Iterator[RunSinglePage]:
    """Starts single-page applications that end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(run_single_page(dev, node_modules, **options))


@pytest.fixture
def run_with_frames(run: RunSinglePage) -> RunSinglePage:
    """Applications that get no refresh token, so that a hidden frame is all they have."""
    return lambda **options: run(grant_types=["authorization_code"], **options)


def open_page(visitor: Visitor, page: SinglePage) -> None:
    visitor.allowed.add(page.origin)
    visitor.loads.add(page.origin)
    visitor.go(page.origin + "/")
    visitor.page.evaluate("ready")


def leave_by(visitor: Visitor, call: str) -> None:
    """Calls something of the manager that sends the browser to another page."""
    with visitor.page.expect_navigation(url=lambda url: url.startswith(visitor.dev.issuer)):
        visitor.page.evaluate(f"void manager.{call}")


def sign_in(visitor: Visitor, page: SinglePage) -> dict[str, Any]:
    """The whole of it as a person sees it; the user as oidc-client-ts sees it then."""
    open_page(visitor, page)
    leave_by(visitor, "signinRedirect({state: 'where we were'})")
    visitor.expect("login")
    visitor.sign_in()
    visitor.expect("consent")
    visitor.press("allow")
    visitor.expect("callback")
    user: dict[str, Any] = visitor.page.evaluate("ready")
    return user


def renew(visitor: Visitor) -> dict[str, Any]:
    """What ``signinSilent`` brings: the user, or the error."""
    outcome: dict[str, Any] = visitor.page.evaluate(
        "manager.signinSilent().catch((error) => ({error: error.error || String(error)}))"
    )
    return outcome


def watch_authorization(visitor: Visitor) -> list[str]:
    """Requests of the authorization endpoint, from now on."""
    asked: list[str] = []
    path = "/oauth2/auth?"
    visitor.context.on("request", lambda request: asked.append(request.url) if path in request.url else None)
    return asked


@pytest.mark.spec("OpenID Connect Core §3.1")
@pytest.mark.spec("RFC 7636 §4")
def test_oidc_client_ts_signs_a_person_in(visitor: Visitor, run: RunSinglePage) -> None:
    page = run()
    user = sign_in(visitor, page)
    assert user["state"] == "where we were"
    assert user["scope"] == SCOPE
    assert user["token_type"] == "Bearer"
    profile, expected = user["profile"], visitor.user["claims"]
    assert profile["iss"] == page.dev.issuer
    assert profile["aud"] in (page.client["client_id"], [page.client["client_id"]])
    # from the userinfo endpoint, which let the other origin read (Fetch §3.2)
    assert {name: profile[name] for name in expected} == expected


@pytest.mark.spec("RFC 6749 §6")
def test_oidc_client_ts_renews_by_refresh_token(visitor: Visitor, run: RunSinglePage) -> None:
    before = sign_in(visitor, run(scope=f"{SCOPE} offline_access"))
    asked = watch_authorization(visitor)
    after = renew(visitor)
    assert after["profile"]["sub"] == before["profile"]["sub"]
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert asked == []


@pytest.mark.spec("RFC 6749 §6")
def test_oidc_client_ts_renews_by_itself_before_the_token_expires(visitor: Visitor, run: RunSinglePage) -> None:
    page = run(scope=f"{SCOPE} offline_access", access_token_ttl=61)  # it renews 60 s before the end
    before = sign_in(visitor, page)
    visitor.page.evaluate(
        """() => {
            manager.events.addUserLoaded((user) => { manager.stopSilentRenew(); window.renewed = user; });
            manager.startSilentRenew();
        }"""
    )
    visitor.page.wait_for_function("window.renewed")
    after = visitor.page.evaluate("renewed")
    assert after["access_token"] != before["access_token"]


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_oidc_client_ts_renews_in_a_hidden_frame_of_the_same_site(
    visitor: Visitor, run_with_frames: RunSinglePage
) -> None:
    before = sign_in(visitor, run_with_frames())
    assert before["refresh_token"] is None
    asked = watch_authorization(visitor)
    after = renew(visitor)
    assert after["profile"]["sub"] == before["profile"]["sub"]
    assert after["profile"]["sid"] == before["profile"]["sid"]
    assert after["access_token"] != before["access_token"]
    assert len(asked) == 1
    assert "prompt=none" in asked[0]


@pytest.mark.spec("OpenID Connect Core §3.1.2.6")
def test_a_hidden_frame_learns_that_nobody_is_signed_in_any_more(
    visitor: Visitor, run_with_frames: RunSinglePage
) -> None:
    sign_in(visitor, run_with_frames())
    visitor.context.clear_cookies()
    assert renew(visitor) == {"error": "login_required"}


@pytest.mark.spec("OpenID Connect Core §3.1.2.6")
def test_a_hidden_frame_on_another_site_finds_nobody_and_a_refresh_token_does(
    visitor: Visitor, run: RunSinglePage, run_with_frames: RunSinglePage
) -> None:
    sign_in(visitor, run_with_frames(host="localhost"))
    assert renew(visitor) == {"error": "login_required"}
    open_page(visitor, run(host="localhost", scope=f"{SCOPE} offline_access"))
    leave_by(visitor, "signinRedirect()")
    visitor.expect("consent")  # the session itself is well: a navigation of the whole page brings its cookie
    visitor.press("allow")
    visitor.expect("callback")
    before = visitor.page.evaluate("ready")
    assert renew(visitor)["access_token"] != before["access_token"]


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
def test_oidc_client_ts_signs_a_person_out(visitor: Visitor, run_with_frames: RunSinglePage) -> None:
    page = run_with_frames()
    user = sign_in(visitor, page)
    with visitor.page.expect_navigation(url="**/signed-out*"):  # the ID token says whose session: nobody is asked
        visitor.page.evaluate("void manager.signoutRedirect({state: 'bye'})")
    assert visitor.page.evaluate("ready")["userState"] == "bye"
    assert visitor.page.evaluate("manager.getUser()") is None
    assert renew(visitor) == {"error": "login_required"}
    headers = {"authorization": f"Bearer {user['access_token']}"}
    assert requests.get(f"{page.dev.issuer}/userinfo", headers=headers, timeout=10).status_code == 401
    leave_by(visitor, "signinRedirect()")
    visitor.expect("login")


@pytest.mark.spec("RFC 7009 §2")
def test_oidc_client_ts_revokes_its_tokens(visitor: Visitor, run: RunSinglePage) -> None:
    page = run(scope=f"{SCOPE} offline_access")
    user = sign_in(visitor, page)
    visitor.page.evaluate("manager.revokeTokens(['access_token', 'refresh_token'])")
    headers = {"authorization": f"Bearer {user['access_token']}"}
    assert requests.get(f"{page.dev.issuer}/userinfo", headers=headers, timeout=10).status_code == 401
    form = {
        "grant_type": "refresh_token",
        "refresh_token": user["refresh_token"],
        "client_id": page.client["client_id"],
    }
    answer = requests.post(f"{page.dev.issuer}/oauth2/token", data=form, timeout=10)
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.spec("OpenID Connect Core §3.1")
def test_oidc_client_ts_signs_a_person_in_by_popup(visitor: Visitor, run: RunSinglePage) -> None:
    page = run()
    open_page(visitor, page)
    opener = visitor.page
    with visitor.context.expect_page() as opened:
        opener.evaluate("() => { window.signedIn = manager.signinPopup(); window.signedIn.catch(() => {}); }")
    visitor.page = opened.value
    visitor.expect("login")
    visitor.sign_in()
    visitor.expect("consent")
    with visitor.page.expect_event("close"):
        visitor.press("allow")  # our pages have cut the popup off from its opener; it answers all the same
    visitor.page = opener
    user = opener.evaluate("signedIn")
    assert user["profile"]["sub"]
