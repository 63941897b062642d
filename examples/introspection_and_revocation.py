"""Introspection and revocation: what is in an opaque token, and its end (RFC 7662, RFC 7009).

It prints:

    active                  True
    client_id               demo-machine
    scope                   read write
    good for                3600 seconds
    revoked                 200
    active                  False
    what else is said       nothing
    nonsense revoked        200
"""

import httpx2
from demo import ISSUER, load_secret, show

AUTH = ("demo-machine", load_secret("demo-machine"))


def introspect(token: str) -> dict:
    return httpx2.post(f"{ISSUER}/oauth2/introspect", auth=AUTH, data={"token": token}).raise_for_status().json()


form = {"grant_type": "client_credentials"}
token = httpx2.post(f"{ISSUER}/oauth2/token", auth=AUTH, data=form).raise_for_status().json()["access_token"]

seen = introspect(token)
for name in ("active", "client_id", "scope"):
    show(name, seen[name])
show("good for", f"{seen['exp'] - seen['iat']} seconds")

revoked = httpx2.post(f"{ISSUER}/oauth2/revoke", auth=AUTH, data={"token": token})
show("revoked", revoked.status_code)

# From that answer on, every worker says so, and nothing but so (RFC 7662 §2.2).
seen = introspect(token)
show("active", seen.pop("active"))
show("what else is said", seen or "nothing")

# A token that is not there is as good as revoked (RFC 7009 §2.2).
revoked = httpx2.post(f"{ISSUER}/oauth2/revoke", auth=AUTH, data={"token": "nonsense"})
show("nonsense revoked", revoked.status_code)
