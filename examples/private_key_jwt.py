"""Client authentication by a key of the client's own: it signs who it is, and no secret travels (RFC 7523 §2.2).

It prints:

    access_token            gwat_…
    token_type              Bearer
    expires_in              3600
    scope                   read
    the same one again      401 invalid_client
    another audience        401 invalid_client
    one that lasts an hour  401 invalid_client
"""

import time
import uuid
from typing import Any

import httpx2
from demo import ISSUER, load_credentials, show
from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT_ID = "demo-key"
KEY = ECKey.import_key(load_credentials()["keys"][CLIENT_ID])  # the server knows its public half: the client's jwks


def sign_assertion(**changes: Any) -> str:
    """Who the client is, for this server alone, for a minute, and once: that is what ``jti`` is for (§3)."""
    now = int(time.time())
    claims = {
        "iss": CLIENT_ID,
        "sub": CLIENT_ID,
        "aud": ISSUER,
        "iat": now,
        "exp": now + 60,
        "jti": str(uuid.uuid4()),
        **changes,
    }
    return jwt.encode({"alg": "ES256", "kid": KEY.kid}, claims, KEY)


def ask_for_token(assertion: str) -> httpx2.Response:
    """The assertion stands where a secret would: no Authorization header, no client_secret."""
    form = {
        "grant_type": "client_credentials",
        "scope": "read",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    return httpx2.post(f"{ISSUER}/oauth2/token", data=form)


def show_refusal(name: str, answer: httpx2.Response) -> None:
    show(name, f"{answer.status_code} {answer.json()['error']}")


assertion = sign_assertion()
answer = ask_for_token(assertion)
answer.raise_for_status()
for name, value in answer.json().items():
    show(name, value)

show_refusal("the same one again", ask_for_token(assertion))
show_refusal("another audience", ask_for_token(sign_assertion(aud="https://other.example")))
show_refusal("one that lasts an hour", ask_for_token(sign_assertion(exp=int(time.time()) + 3600)))
