"""Hybrid: a code, and an ID token beside it, posted to the client (OpenID Connect Core §3.3). Off by default.

It prints:

    Open …
    code                    …
    id_token                ey…
    c_hash                  is the code's
    access_token            gwat_…
    the same person         True
"""

import base64
import hashlib
import json
import secrets
from urllib.parse import urlencode

import httpx2
from demo import ISSUER, Callback, load_secret, show

CLIENT_ID = "demo-hybrid"


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def read_claims(jwt: str) -> dict:
    """Unverified: a client also checks the signature of an ID token that came through the browser (§3.3.2.12)."""
    payload = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


state, nonce, code_verifier = (secrets.token_urlsafe(32) for _ in range(3))
with Callback() as callback:
    request = {
        "response_type": "code id_token",
        "response_mode": "form_post",  # in no address, and so in no history and no log
        "client_id": CLIENT_ID,
        "redirect_uri": callback.url,
        "scope": "openid profile",
        "state": state,
        "nonce": nonce,
        "code_challenge": encode(hashlib.sha256(code_verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    answer = callback.wait_for_answer(f"{ISSUER}/oauth2/auth?{urlencode(request)}")
if answer.get("state") != state or answer.get("iss", ISSUER) != ISSUER:
    raise SystemExit("This answer belongs to another request.")
show("code", answer["code"])
show("id_token", answer["id_token"])

# c_hash ties the code to the ID token: nobody has put another code beside it (§3.3.2.10).
claims = read_claims(answer["id_token"])
if claims["nonce"] != nonce or claims["c_hash"] != encode(hashlib.sha256(answer["code"].encode()).digest()[:16]):
    raise SystemExit("The code and the ID token do not belong together.")
show("c_hash", "is the code's")

form = {
    "grant_type": "authorization_code",
    "code": answer["code"],
    "redirect_uri": callback.url,
    "code_verifier": code_verifier,
}
tokens = httpx2.post(f"{ISSUER}/oauth2/token", auth=(CLIENT_ID, load_secret(CLIENT_ID)), data=form)
tokens = tokens.raise_for_status().json()
show("access_token", tokens["access_token"])
show("the same person", read_claims(tokens["id_token"])["sub"] == claims["sub"])
