"""Logout: the client sends the person to the server to sign out there, too (OpenID Connect RP-Initiated Logout 1.0).

It prints:

    Open …
    active before           True
    Open …
    active after            False
    what the API gets       401 invalid_token
"""

import time
from urllib.parse import urlencode

import httpx2
from authorization_code import CLIENT_ID, sign_in
from demo import ISSUER, load_secret, open_browser, show


def is_active(token: str) -> bool:
    auth = (CLIENT_ID, load_secret(CLIENT_ID))
    answer = httpx2.post(f"{ISSUER}/oauth2/introspect", auth=auth, data={"token": token}).raise_for_status()
    return answer.json()["active"]


# Without offline_access: what was asked for with it may be used while the person is away, and outlives the session.
tokens, _ = sign_in("openid email")
show("active before", is_active(tokens["access_token"]))

# The ID token says whose session it is: with it nobody has to be asked (§2). Afterwards the person comes back.
request = {
    "id_token_hint": tokens["id_token"],
    "post_logout_redirect_uri": "http://127.0.0.1:4446/",
    "state": "bye",
}
open_browser(f"{ISSUER}/oauth2/sessions/logout?{urlencode(request)}")
while is_active(tokens["access_token"]):
    time.sleep(0.1)
show("active after", False)

headers = {"authorization": f"Bearer {tokens['access_token']}"}
refused = httpx2.get(f"{ISSUER}/userinfo", headers=headers)
show("what the API gets", f"{refused.status_code} {refused.json()['error']}")
