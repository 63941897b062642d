"""People with a real browser, and the application that sends them to sign in."""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from msgspec import Struct
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

from .dev_server import DevServer

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
TIMEOUT_MS = 10_000
# A violation of the page's policy is reported to the page; the console is where we look.
_REPORT_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`))"""
_REFUSED_PAGE = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d ")


class Received(Struct, frozen=True):
    """A request that arrived at the application."""

    method: str
    parameters: dict[str, str]
    headers: dict[str, str]


class Application:
    """The relying party's side of the browser: a callback on loopback, and its calls of the token endpoint."""

    def __init__(self, dev: DevServer, client: dict[str, Any], origin: str) -> None:
        self.dev, self.client, self.origin = dev, client, origin
        self.redirect_uri = f"{origin}/callback"
        self.received: list[Received] = []
        self._verifier = secrets.token_urlsafe(48)

    def build_url(self, **parameters: str) -> str:
        """An authorization request with PKCE, state and nonce."""
        challenge = urlsafe_b64encode(sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.client["client_id"],
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile email offline_access",
            "state": "of-the-application",
            "nonce": "once",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **parameters,
        }
        return f"{self.dev.issuer}/oauth2/auth?{urlencode(query)}"

    def build_logout_url(self, **parameters: str) -> str:
        """A logout request that wants to come back to the application's front page."""
        query = {
            "client_id": self.client["client_id"],
            "post_logout_redirect_uri": f"{self.origin}/",
            "state": "bye",
            **parameters,
        }
        return f"{self.dev.issuer}/oauth2/sessions/logout?{urlencode(query)}"

    def take_answer(self) -> dict[str, str]:
        """The parameters of the one answer that came; state and iss are right."""
        assert len(self.received) == 1, self.received
        answer = self.received.pop()
        assert "referer" not in answer.headers
        assert answer.parameters["state"] == "of-the-application"
        assert answer.parameters["iss"] == self.dev.issuer
        return answer.parameters

    def build_token_request(self, answer: dict[str, str]) -> dict[str, str]:
        """The form that gets tokens for the code of ``answer``."""
        return {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": self.redirect_uri,
            "code_verifier": self._verifier,
        }

    def redeem(self, answer: dict[str, str]) -> dict[str, Any]:
        """The token answer."""
        response = self.post("/oauth2/token", self.build_token_request(answer))
        assert response.status_code == 200, response.text
        content: dict[str, Any] = response.json()
        return content

    def refresh(self, token: dict[str, Any]) -> requests.Response:
        return self.post("/oauth2/token", {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]})

    def post(self, path: str, form: dict[str, str]) -> requests.Response:
        credentials = (self.client["client_id"], self.client["client_secret"])
        return requests.post(self.dev.issuer + path, data=form, auth=credentials, timeout=10)


@contextlib.contextmanager
def run_application(dev: DevServer, *, host: str = "127.0.0.1", **metadata: Any) -> Iterator[Application]:
    """A new client of the server whose callback answers on a free port of ``host``, a loopback address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/callback":
                self._take(parts.query)
            self._answer(200 if parts.path in ("/", "/callback") else 404)

        def do_POST(self) -> None:
            self._take(self.rfile.read(int(self.headers["content-length"])).decode())
            self._answer(200)

        def _take(self, encoded: str) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            application.received.append(Received(self.command, dict(parse_qsl(encoded)), headers))

        def _answer(self, status: int) -> None:
            page = (
                b'<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>The application</title><h1>Hello'
            )
            self.send_response(status)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: Any) -> None:
            """Stays quiet."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    server = Server((host, 0), Handler)
    origin = f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}"
    metadata = {
        "client_name": "The Application",
        "post_logout_redirect_uris": [f"{origin}/"],
        "allowed_cors_origins": [origin],
        **metadata,
    }
    client = dev.add_client(redirect_uris=[f"{origin}/callback"], **metadata)
    application = Application(dev, client, origin)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield application
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Visitor:
    """A person with a browser of their own. Whatever it complains about is kept in ``complaints``."""

    def __init__(self, browser: Browser, dev: DevServer, user: dict[str, Any], **options: Any) -> None:
        self.dev, self.user = dev, user
        self.complaints: list[str] = []
        self.allowed = {dev.issuer}
        """Origins that may be visited."""
        self.loads = {dev.issuer}
        """Origins whose pages may load something."""
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(TIMEOUT_MS)
        self.context.add_init_script(_REPORT_VIOLATIONS)
        self.context.on("request", self._see_request)
        self.context.on("console", self._see_message)
        self.context.on("weberror", lambda error: self.complaints.append(f"script failed: {error.error}"))
        self.context.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page: Page = self.context.new_page()

    def close(self) -> None:
        self.context.close()

    def go(self, url: str) -> Response:
        """Opens ``url``, or a path at the server."""
        response = self.page.goto(url if url.startswith("http") else self.dev.issuer + url)
        assert response is not None
        return response

    def ask(self, application: Application, **parameters: str) -> None:
        """Is sent by the application to sign in."""
        self.allowed.add(application.origin)
        self.go(application.build_url(**parameters))

    def sign_in(self, password: str | None = None) -> None:
        self.page.fill("#username", self.user["username"])
        self.page.fill("#password", password or self.user["password"])
        self.page.click("#login")

    def press(self, identifier: str) -> None:
        self.page.click(f"#{identifier}")

    def expect(self, page: str) -> None:
        """The page that is shown: ``login``, ``consent`` … or ``callback``, the application's own."""
        if page == "callback":
            self.page.wait_for_url("**/callback*")
        else:
            self.page.wait_for_selector(f"body.page-{page}", state="attached")

    @property
    def is_asked(self) -> bool:
        """Whether the server still shows a page."""
        return self.page.url.startswith(self.dev.issuer)

    def forgive(self, text: str) -> None:
        """There must be a complaint with ``text`` in it, and it is as it should be."""
        unforgiven = [complaint for complaint in self.complaints if text not in complaint]
        assert len(unforgiven) < len(self.complaints), self.complaints
        self.complaints[:] = unforgiven

    def _see_request(self, request: Request) -> None:
        """Nothing but the server and the application is ever asked for anything (T11)."""
        parts = urlsplit(request.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme != "data" and origin not in self.allowed:
            self.complaints.append(f"request to another origin: {request.url}")
        if parts.scheme != "data" and origin not in self.loads and not request.is_navigation_request():
            self.complaints.append(f"something was loaded from the application: {request.url}")

    def _see_message(self, message: ConsoleMessage) -> None:
        is_own_status = _REFUSED_PAGE.match(message.text) and message.location.get("url") == self.page.url
        if message.type in ("error", "warning") and not is_own_status:
            self.complaints.append(f"console {message.type}: {message.text} ({message.location})")
