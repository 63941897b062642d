"""Client credentials: a machine gets a token for itself (RFC 6749 §4.4). Nobody has to sign in.

It prints:

    access_token            gwat_…
    token_type              Bearer
    expires_in              3600
    scope                   read
    a wrong secret          401 invalid_client
    a scope it may not have 400 invalid_scope
"""

import httpx2
from demo import ISSUER, load_secret, show


def ask_for_token(secret: str, scope: str) -> httpx2.Response:
    """The client proves itself by HTTP Basic (§2.3.1); the parameters are a form."""
    form = {"grant_type": "client_credentials", "scope": scope}
    return httpx2.post(f"{ISSUER}/oauth2/token", auth=("demo-machine", secret), data=form)


secret = load_secret("demo-machine")
answer = ask_for_token(secret, "read")
answer.raise_for_status()
for name, value in answer.json().items():
    show(name, value)

refused = ask_for_token(secret + "x", "read")
show("a wrong secret", f"{refused.status_code} {refused.json()['error']}")

refused = ask_for_token(secret, "grantway.admin")
show("a scope it may not have", f"{refused.status_code} {refused.json()['error']}")
