"""A service has data signed by the server, and whoever gets it verifies it with the keys that everybody knows.

It prints:

    payload                 {'invoice': 4711, 'total': 99.5}
    signed                  ey…
    typ                     signed+jwt
    who vouches             demo-pipeline
    invoice                 4711
    a claim of the server's 400 invalid_request
    as an access token      401 invalid_token
"""

import base64
import json

import httpx2
from demo import ISSUER, load_secret, show
from joserfc import jwt
from joserfc.jwk import ECKey

AUTH = ("demo-pipeline", load_secret("demo-pipeline"))


def sign(payload: dict) -> httpx2.Response:
    return httpx2.post(f"{ISSUER}/oauth2/signing", auth=AUTH, json={"payload": payload, "expires": 300})


payload = {"invoice": 4711, "total": 99.5}
show("payload", payload)
signed = sign(payload).raise_for_status().json()["jwt"]
show("signed", signed)

# The other side: one key, by the kid in the header, as PEM. The JWK Set has it as well.
header = json.loads(base64.urlsafe_b64decode(signed.split(".")[0] + "=="))
pem = httpx2.get(f"{ISSUER}/oauth2/keys/{header['kid']}").raise_for_status().content
verified = jwt.decode(signed, ECKey.import_key(pem), algorithms=["ES256"])
show("typ", verified.header["typ"])  # to be checked: the same key signs tokens
show("who vouches", verified.claims["client_id"])
show("invoice", verified.claims["invoice"])

refused = sign({"sub": "demo"})
show("a claim of the server's", f"{refused.status_code} {refused.json()['error']}")
refused = httpx2.get(f"{ISSUER}/userinfo", headers={"authorization": f"Bearer {signed}"})
show("as an access token", f"{refused.status_code} {refused.json()['error']}")
