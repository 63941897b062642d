"""Token exchange: an API that was called calls another one, in the same person's name (RFC 8693).

It prints:

    Open …
    the person's token      gwat_…
    exchanged for           gwat_…
    scope                   openid
    aud                     ['https://orders.example/']
    act                     demo-exchange
    the first one revoked   200
    the other one           {'active': False}
"""

import httpx2
from authorization_code import CLIENT_ID, sign_in
from demo import ISSUER, load_secret, show

API = ("demo-exchange", load_secret("demo-exchange"))

# A client calls the API with a token that a person gave it.
tokens, _ = sign_in("openid email")
token = tokens["access_token"]
show("the person's token", token)

# The API does not pass it on. It gets one that is for orders alone, and for less.
form = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token": token,
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "audience": "https://orders.example/",
    "scope": "openid",
}
answer = httpx2.post(f"{ISSUER}/oauth2/token", auth=API, data=form).raise_for_status().json()
exchanged = answer["access_token"]
show("exchanged for", exchanged)

# sub is still the person; act says who acts for them (§4.1).
seen = httpx2.post(f"{ISSUER}/oauth2/introspect", auth=API, data={"token": exchanged}).raise_for_status().json()
show("scope", seen["scope"])
show("aud", seen["aud"])
show("act", seen["act"]["sub"])

# What ends the first token ends the other one with it.
auth = (CLIENT_ID, load_secret(CLIENT_ID))
show("the first one revoked", httpx2.post(f"{ISSUER}/oauth2/revoke", auth=auth, data={"token": token}).status_code)
seen = httpx2.post(f"{ISSUER}/oauth2/introspect", auth=API, data={"token": exchanged}).raise_for_status().json()
show("the other one", seen)
