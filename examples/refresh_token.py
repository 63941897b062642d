"""Refresh tokens: new access tokens without the person, each refresh token good once (RFC 6749 §6, RFC 9700 §4.14.2).

It prints:

    Open …
    refresh_token           gwrt_…
    access_token            gwat_…
    the next refresh_token  gwrt_…
    with less scope         openid
    with more scope         400 invalid_scope
    an old refresh token    400 invalid_grant
    then the newest         400 invalid_grant
"""

import httpx2
from authorization_code import send, sign_in
from demo import show


def refresh(refresh_token: str, **parameters: str) -> httpx2.Response:
    return send({"grant_type": "refresh_token", "refresh_token": refresh_token, **parameters})


tokens, _ = sign_in("openid email offline_access")
first = tokens["refresh_token"]
show("refresh_token", first)

answer = refresh(first).raise_for_status().json()
show("access_token", answer["access_token"])
second = answer["refresh_token"]
show("the next refresh_token", second)

answer = refresh(second, scope="openid").raise_for_status().json()
show("with less scope", answer["scope"])
third = answer["refresh_token"]

refused = refresh(third, scope="openid email phone")
show("with more scope", f"{refused.status_code} {refused.json()['error']}")

# Two generations old: somebody else has a copy. Nobody knows who is who, so the whole family ends.
refused = refresh(first)
show("an old refresh token", f"{refused.status_code} {refused.json()['error']}")
refused = refresh(third)
show("then the newest", f"{refused.status_code} {refused.json()['error']}")
