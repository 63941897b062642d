"""A gateway trades the opaque token that comes from outside for a JWT that the APIs behind it verify by themselves.

It prints:

    Open …
    outside                 gwat_…
    tokeninfo               audience, expires_in, scope, user_id
    inside                  ey…
    typ                     at+jwt
    scope                   openid email
    another client          400 invalid_request
    the token revoked       200
    the JWT                 400 invalid_request
"""

import base64
import json

import httpx2
from authorization_code import CLIENT_ID, sign_in
from demo import ISSUER, load_secret, show

GATEWAY = ("demo-gateway", load_secret("demo-gateway"))
OWNER = (CLIENT_ID, load_secret(CLIENT_ID))


def read_part(jwt: str, index: int) -> dict:
    """One part of a JWT, unverified: to look at only."""
    part = jwt.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def ask_about(token: str) -> httpx2.Response:
    """Whoever has a token may ask what it says."""
    return httpx2.get(f"{ISSUER}/oauth2/tokeninfo", headers={"authorization": f"Bearer {token}"})


tokens, _ = sign_in("openid email")
token = tokens["access_token"]
show("outside", token)
show("tokeninfo", ", ".join(sorted(ask_about(token).raise_for_status().json())))

# The client that owns the token has named the gateway (`dereference_client`); nobody else may do this.
answer = httpx2.post(f"{ISSUER}/oauth2/dereference", auth=GATEWAY, data={"token": token}).raise_for_status().json()
jwt = answer["access_token"]
show("inside", jwt)
show("typ", read_part(jwt, 0)["typ"])
show("scope", read_part(jwt, 1)["scope"])
refused = httpx2.post(f"{ISSUER}/oauth2/dereference", auth=OWNER, data={"token": token})
show("another client", f"{refused.status_code} {refused.json()['error']}")

# What ends the token ends the JWT, for whoever asks; an API that only verifies learns it when the JWT has expired.
show("the token revoked", httpx2.post(f"{ISSUER}/oauth2/revoke", auth=OWNER, data={"token": token}).status_code)
refused = ask_about(jwt)
show("the JWT", f"{refused.status_code} {refused.json()['error']}")
