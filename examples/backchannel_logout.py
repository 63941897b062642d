"""Back-channel logout: the server tells an application that somebody has left (OpenID Connect Back-Channel Logout 1.0).

It prints:

    Open …
    Open …
    typ                     logout+jwt
    aud                     demo-listener
    events                  http://schemas.openid.net/event/backchannel-logout
    the same person         True
    the same session        True
"""

import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import httpx2
from authorization_code import read_claims, sign_in
from demo import ISSUER, open_browser, show
from joserfc import jwt
from joserfc.jwk import KeySet

CLIENT_ID = "demo-listener"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


def read_logout_token(token: str) -> jwt.Token:
    """Checks all that §2.6 asks for, or raises."""
    keys = KeySet.import_key_set(httpx2.get(f"{ISSUER}/.well-known/jwks.json").raise_for_status().json())
    logout = jwt.decode(token, keys, algorithms=["RS256"])
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": CLIENT_ID},
        iat={"essential": True},
        exp={"essential": True},
        jti={"essential": True},  # a real application refuses one that it has seen
    )
    rules.validate(logout.claims)
    if logout.header["typ"] != "logout+jwt" or EVENT not in logout.claims["events"] or "nonce" in logout.claims:
        raise SystemExit("This is no logout token.")
    if time.time() - logout.claims["iat"] > 120:
        raise SystemExit("This logout token is old.")
    return logout


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.received.append(form["logout_token"][0])
        # 200: it is done. 400 would mean that it never will be; after anything else the server tries again (§2.8).
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stays quiet."""


identity = read_claims(sign_in("openid", CLIENT_ID)[0]["id_token"])
with HTTPServer(("127.0.0.1", 4447), Handler) as server:  # the backchannel_logout_uri that it registered
    server.received = []
    # The person signs out at the server, and not by way of this application.
    open_browser(f"{ISSUER}/oauth2/sessions/logout")
    while not server.received:
        server.handle_request()

logout = read_logout_token(server.received[0])
show("typ", logout.header["typ"])
show("aud", logout.claims["aud"])
show("events", ", ".join(logout.claims["events"]))
show("the same person", logout.claims["sub"] == identity["sub"])
show("the same session", logout.claims["sid"] == identity["sid"])
