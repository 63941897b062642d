"""Implicit: tokens in the fragment (RFC 6749 §4.2, OpenID Connect Core §3.2). Off by default, and for clients of old.

It prints:

    Open …
    access_token            gwat_…
    token_type              Bearer
    expires_in              3600
    who signed in           Dana Demo
    with a code, too        unauthorized_client
"""

import base64
import hashlib
import json
import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
from demo import ISSUER, Callback, show

CLIENT_ID = "demo-implicit"

state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
with Callback() as callback:
    request = {
        "response_type": "id_token token",
        "client_id": CLIENT_ID,
        "redirect_uri": callback.url,
        "scope": "openid profile",
        "state": state,
        "nonce": nonce,  # required here: nothing else ties the ID token to this request (Core §3.2.2.1)
    }
    answer = callback.wait_for_answer(f"{ISSUER}/oauth2/auth?{urlencode(request)}")
if answer.get("state") != state or answer.get("iss", ISSUER) != ISSUER:
    raise SystemExit("This answer belongs to another request.")
for name in ("access_token", "token_type", "expires_in"):
    show(name, answer[name])

# The ID token came through the browser, where anybody can put one: a client has to check its signature, too (Core
# §3.2.2.11); examples of that are in the documentation of every OpenID Connect library.
payload = answer["id_token"].split(".")[1]
claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
digest = hashlib.sha256(answer["access_token"].encode()).digest()[:16]
at_hash = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
if claims["nonce"] != nonce or claims["aud"] != CLIENT_ID or claims["at_hash"] != at_hash:
    raise SystemExit("These tokens do not belong together.")
headers = {"authorization": f"Bearer {answer['access_token']}"}
person = httpx2.get(f"{ISSUER}/userinfo", headers=headers).raise_for_status().json()
show("who signed in", person["name"])

# Only what a client is registered for: this one may not have a code.
url = f"{ISSUER}/oauth2/auth?{urlencode({**request, 'response_type': 'code id_token'})}"
location = httpx2.get(url, follow_redirects=False).headers["location"]
show("with a code, too", dict(parse_qsl(urlsplit(location).fragment or urlsplit(location).query))["error"])
