"""A television without a keyboard gets tokens with the help of a person's telephone (RFC 8628).

It prints:

    the television shows    …
    while nobody answers    authorization_pending
    asked again too soon    slow_down
    Open …
    then                    access_token, expires_in, id_token, refresh_token, scope, token_type
    who it is               demo@example.com
"""

import time

import httpx2
from demo import ISSUER, open_browser, show

CLIENT_ID = "demo-tv"  # a public client: a secret in every television would be none

# §3.1: two codes. One is for the device, one for the person.
request = {"client_id": CLIENT_ID, "scope": "openid email offline_access"}
begun = httpx2.post(f"{ISSUER}/oauth2/device/auth", data=request).raise_for_status().json()
# A device shows these two, and the longer address (verification_uri_complete) as a QR code.
show("the television shows", f"{begun['verification_uri']} {begun['user_code']}")


def poll() -> httpx2.Response:
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": begun["device_code"],
        "client_id": CLIENT_ID,
    }
    return httpx2.post(f"{ISSUER}/oauth2/token", data=form)


show("while nobody answers", poll().json()["error"])
# §3.5: who asks again before the interval is over has to wait 5 seconds more, from then on.
show("asked again too soon", poll().json()["error"])
interval = begun["interval"] + 5

# Somewhere else the person types the code, signs in, compares the code once more and allows it.
open_browser(begun["verification_uri_complete"])
while True:
    time.sleep(interval)
    answer = poll()
    error = answer.json().get("error")
    if error == "slow_down":
        interval += 5
    elif error != "authorization_pending":
        break
tokens = answer.raise_for_status().json()
show("then", ", ".join(sorted(tokens)))

bearer = {"authorization": f"Bearer {tokens['access_token']}"}
show("who it is", httpx2.get(f"{ISSUER}/userinfo", headers=bearer).raise_for_status().json()["email"])
