"""A client that has logged a person in by means of its own says who it is and gets tokens (light-oauth2's own grant).

It prints:

    access_token            gwat_…
    expires_in              3600
    refresh_token           gwrt_…
    scope                   read
    token_type              Bearer
    sub                     …
    user_type               employee
    roles                   clerk
    branch                  Berlin
    somebody not here       400 invalid_grant
    a client not trusted    400 unauthorized_client
"""

import httpx2
from demo import ISSUER, load_secret, show


def ask(client_id: str, user_id: str) -> httpx2.Response:
    """Whatever the server does not read itself becomes a claim: here the branch."""
    form = {
        "grant_type": "client_authenticated_user",
        "userId": user_id,
        "userType": "employee",
        "roles": "clerk",
        "branch": "Berlin",
        "scope": "read",
    }
    return httpx2.post(f"{ISSUER}/oauth2/token", auth=(client_id, load_secret(client_id)), data=form)


tokens = ask("demo-portal", "demo").raise_for_status().json()
for name in sorted(tokens):
    show(name, tokens[name])

auth = ("demo-portal", load_secret("demo-portal"))
form = {"token": tokens["access_token"]}
claims = httpx2.post(f"{ISSUER}/oauth2/introspect", auth=auth, data=form).raise_for_status().json()
for name in ("sub", "user_type", "roles", "branch"):
    show(name, claims[name])

refused = ask("demo-portal", "nobody")
show("somebody not here", f"{refused.status_code} {refused.json()['error']}")
refused = ask("demo-machine", "demo")
show("a client not trusted", f"{refused.status_code} {refused.json()['error']}")
