"""What the examples share: where the server is, the credentials that `grantway dev` made, and a browser's way back."""

import json
import os
import sys
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

ISSUER = os.environ.get("GRANTWAY_ISSUER", "http://127.0.0.1:4444")
CREDENTIALS = Path(os.environ.get("DEMO_CREDENTIALS", ".grantway/credentials.json"))

_PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Done</title>
<body style="font: 1.1rem system-ui; margin: 3rem"><p>Done. You can close this window.</p></body></html>"""
# A fragment stays in the browser. So that this program sees it, the page sends it on, as a single-page application's
# script would read it.
_FRAGMENT_PAGE = _PAGE.replace(
    b"</body>",
    b"""<script>
if (location.hash) fetch(location.pathname, {method: "POST", body: location.hash.slice(1)})
</script></body>""",
)


def load_credentials() -> dict:
    """{"clients": {client_id: secret}, "users": {username: {"password": …}}, "keys": {client_id: private JWK}}"""
    if not CREDENTIALS.exists():
        sys.exit(f"{CREDENTIALS} is not there: run this where `grantway dev` runs, or set DEMO_CREDENTIALS.")
    return json.loads(CREDENTIALS.read_text(encoding="utf-8"))


def load_secret(client_id: str) -> str:
    """The secret of a demo client."""
    return load_credentials()["clients"][client_id]


def show(name: str, value: object) -> None:
    """One line of what a script found out."""
    print(f"{name:24}{value}", flush=True)


def open_browser(url: str) -> None:
    """Sends the person at this machine to a page."""
    print(f"Open {url}", flush=True)
    if sys.stdout.isatty():
        webbrowser.open(url)


class Callback:
    """A web server on a free loopback port that waits for the answer of one browser (RFC 8252 §7.3)."""

    def __enter__(self) -> "Callback":
        received = self.received = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = urlsplit(self.path).query
                received.extend([dict(parse_qsl(query))] if query else [])
                self.answer(_PAGE if query else _FRAGMENT_PAGE)

            def do_POST(self) -> None:  # response_mode=form_post, or what the page above sends on
                received.append(dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode())))
                self.answer(_PAGE)

            def answer(self, page: bytes) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: object) -> None:
                """Stays quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.server.timeout = 300
        self.url = f"http://127.0.0.1:{self.server.server_port}/callback"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.server_close()

    def wait_for_answer(self, url: str) -> dict:
        """Opens `url` in the browser and returns the parameters that came back to `self.url`."""
        open_browser(url)
        while not self.received:
            self.server.handle_request()
        return self.received.pop()
