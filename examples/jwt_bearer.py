"""JWT bearer: a partner's JWT about a person is traded for an access token, without a browser (RFC 7523 §2.1).

It prints:

    access_token            gwat_…
    token_type              Bearer
    expires_in              3600
    scope                   read
    whose it is             …
    the same one again      400 invalid_grant
    another audience        400 invalid_grant
    another issuer          400 invalid_grant
    nobody who is here      400 invalid_grant
"""

import time
import uuid
from typing import Any

import httpx2
from demo import ISSUER, load_credentials, load_secret, show
from joserfc import jwt
from joserfc.jwk import ECKey

CLIENT_ID = "demo-bearer"
PARTNER = "https://partner.example"  # `grantway trusted-issuers list` shows what it is trusted for
KEY = ECKey.import_key(load_credentials()["keys"][PARTNER])


def sign_assertion(**changes: Any) -> str:
    """What the partner says: who it is about, for which server, until when; ``jti`` makes it good once (§3)."""
    now = int(time.time())
    claims = {
        "iss": PARTNER,
        "sub": "demo",
        "aud": ISSUER,
        "iat": now,
        "exp": now + 60,
        "jti": str(uuid.uuid4()),
        **changes,
    }
    return jwt.encode({"alg": "ES256", "kid": KEY.kid}, claims, KEY)


def ask_for_token(assertion: str) -> httpx2.Response:
    """The client proves itself as always; the assertion says for whom it asks."""
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    return httpx2.post(f"{ISSUER}/oauth2/token", auth=(CLIENT_ID, load_secret(CLIENT_ID)), data=form)


def show_refusal(name: str, answer: httpx2.Response) -> None:
    show(name, f"{answer.status_code} {answer.json()['error']}")


assertion = sign_assertion()
answer = ask_for_token(assertion)
answer.raise_for_status()
for name, value in answer.json().items():
    show(name, value)

credentials = (CLIENT_ID, load_secret(CLIENT_ID))
form = {"token": answer.json()["access_token"]}
introspection = httpx2.post(f"{ISSUER}/oauth2/introspect", auth=credentials, data=form).json()
show("whose it is", introspection["sub"])

show_refusal("the same one again", ask_for_token(assertion))
show_refusal("another audience", ask_for_token(sign_assertion(aud="https://other.example")))
show_refusal("another issuer", ask_for_token(sign_assertion(iss="https://stranger.example")))
show_refusal("nobody who is here", ask_for_token(sign_assertion(sub="nobody")))
