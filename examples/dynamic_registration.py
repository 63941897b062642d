"""Dynamic registration: a client registers itself, and looks after its registration (RFC 7591, RFC 7592).

It prints:

    client_id               …
    client_secret           …
    its token               gwat_…
    its name now            Renamed
    the scope of an admin   400 invalid_client_metadata
    deleted                 204
    its token now           401 invalid_client
"""

import httpx2
from demo import ISSUER, load_credentials, show

metadata = {
    "client_name": "Made by an example",
    "grant_types": ["client_credentials"],
    "token_endpoint_auth_method": "client_secret_basic",
    "scope": "read",
}


def ask_for_token(client: dict) -> httpx2.Response:
    auth = (client["client_id"], client["client_secret"])
    return httpx2.post(f"{ISSUER}/oauth2/token", auth=auth, data={"grant_type": "client_credentials"})


# An administrator hands out initial access tokens: `grantway initial-access-tokens create`.
headers = {"authorization": f"Bearer {load_credentials()['initial_access_token']}"}
client = httpx2.post(f"{ISSUER}/oauth2/register", json=metadata, headers=headers).raise_for_status().json()
show("client_id", client["client_id"])
show("client_secret", client["client_secret"])
show("its token", ask_for_token(client).raise_for_status().json()["access_token"])

# From now on it manages itself, by the token and at the address that came with the registration. Each change brings a
# new token (RFC 7592 §2.2).
own, headers = client["registration_client_uri"], {"authorization": f"Bearer {client['registration_access_token']}"}
changed = {**metadata, "client_id": client["client_id"], "client_name": "Renamed"}
answer = httpx2.put(own, json=changed, headers=headers).raise_for_status().json()
show("its name now", answer["client_name"])
headers = {"authorization": f"Bearer {answer['registration_access_token']}"}

refused = httpx2.put(own, json={**changed, "scope": "read grantway.admin"}, headers=headers)
show("the scope of an admin", f"{refused.status_code} {refused.json()['error']}")

show("deleted", httpx2.delete(own, headers=headers).status_code)
refused = ask_for_token(client)
show("its token now", f"{refused.status_code} {refused.json()['error']}")
