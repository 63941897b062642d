"""A token for what cannot log in, which lives long and ends when somebody says so (light-oauth2's own grant).

It prints:

    expires_in              43200
    scope                   read
    service_id              orders-1.0
    may it be somebody      400 invalid_request
    revoked                 200
    afterwards              {'active': False}
"""

import httpx2
from demo import ISSUER, load_secret, show

AUTH = ("demo-pipeline", load_secret("demo-pipeline"))


def ask(**claims: str) -> httpx2.Response:
    form = {"grant_type": "bootstrap_token", "scope": "read", **claims}
    return httpx2.post(f"{ISSUER}/oauth2/token", auth=AUTH, data=form)


answer = ask(service_id="orders-1.0").raise_for_status().json()
token = {"token": answer["access_token"]}
show("expires_in", answer["expires_in"])  # what an administrator gave this client, and no refresh token
show("scope", answer["scope"])
claims = httpx2.post(f"{ISSUER}/oauth2/introspect", auth=AUTH, data=token).raise_for_status().json()
show("service_id", claims["service_id"])

refused = ask(user_id="demo")
show("may it be somebody", f"{refused.status_code} {refused.json()['error']}")

# `grantway authorizations list` shows it, too, and revokes it where the token is not at hand.
show("revoked", httpx2.post(f"{ISSUER}/oauth2/revoke", auth=AUTH, data=token).status_code)
show("afterwards", httpx2.post(f"{ISSUER}/oauth2/introspect", auth=AUTH, data=token).raise_for_status().json())
