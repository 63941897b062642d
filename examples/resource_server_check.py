"""The other side: an API checks the access token of each request by introspection (RFC 6750, RFC 7662).

It prints:

    without a token         401 Bearer
    with the right token    200 Hello, demo-machine!
    without the scope       403 Bearer error="insufficient_scope", scope="write"
    after its revocation    401 Bearer error="invalid_token"
"""

import httpx2
from demo import ISSUER, load_secret, show

AUTH = ("demo-machine", load_secret("demo-machine"))
AUDIENCE = ISSUER
"""Whom a token must be meant for. An API of your own has an address of its own, which its clients ask for by `resource`
(RFC 8707); the demo machine's tokens are for the server itself."""


def answer(headers: dict[str, str], needed_scope: str) -> tuple[int, str]:
    """What the API answers: the status, and its text or its WWW-Authenticate header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return 401, "Bearer"
    # The API is a client of the server, too, and authenticates: only then is it told anything.
    seen = httpx2.post(f"{ISSUER}/oauth2/introspect", auth=AUTH, data={"token": token}).raise_for_status().json()
    if not seen["active"] or seen["token_use"] != "access_token":
        return 401, 'Bearer error="invalid_token"'
    audiences = seen["aud"] if isinstance(seen["aud"], list) else [seen["aud"]]
    if AUDIENCE not in audiences or seen["iss"] != ISSUER:
        return 401, 'Bearer error="invalid_token"'
    if needed_scope not in seen["scope"].split():
        return 403, f'Bearer error="insufficient_scope", scope="{needed_scope}"'
    return 200, f"Hello, {seen['sub']}!"


form = {"grant_type": "client_credentials", "scope": "read"}
token = httpx2.post(f"{ISSUER}/oauth2/token", auth=AUTH, data=form).raise_for_status().json()["access_token"]
headers = {"authorization": f"Bearer {token}"}

show("without a token", "{} {}".format(*answer({}, "read")))
show("with the right token", "{} {}".format(*answer(headers, "read")))
show("without the scope", "{} {}".format(*answer(headers, "write")))

httpx2.post(f"{ISSUER}/oauth2/revoke", auth=AUTH, data={"token": token}).raise_for_status()
show("after its revocation", "{} {}".format(*answer(headers, "read")))
