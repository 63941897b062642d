"""Password: the client itself asks for user name and password (RFC 6749 §4.3). For clients of old; off by default.

It prints:

    access_token            gwat_…
    token_type              Bearer
    expires_in              3600
    scope                   openid profile
    id_token                ey…
    who it is               Dana Demo
    a name nobody has       400 invalid_grant
    another client          400 unauthorized_client
"""

import httpx2
from demo import ISSUER, load_credentials, load_secret, show


def ask(client_id: str, username: str, password: str) -> httpx2.Response:
    form = {"grant_type": "password", "username": username, "password": password, "scope": "openid profile"}
    return httpx2.post(f"{ISSUER}/oauth2/token", auth=(client_id, load_secret(client_id)), data=form)


password = load_credentials()["users"]["demo"]["password"]
tokens = ask("demo-password", "demo", password).raise_for_status().json()
for name in ("access_token", "token_type", "expires_in", "scope", "id_token"):
    show(name, tokens[name])
headers = {"authorization": f"Bearer {tokens['access_token']}"}
show("who it is", httpx2.get(f"{ISSUER}/userinfo", headers=headers).raise_for_status().json()["name"])

# A wrong name and a wrong password look the same, and are slowed down as on the sign-in page.
refused = ask("demo-password", "nobody-of-this-name", password)
show("a name nobody has", f"{refused.status_code} {refused.json()['error']}")

# No client has this grant unless it is registered for it.
refused = ask("demo-web", "demo", password)
show("another client", f"{refused.status_code} {refused.json()['error']}")
