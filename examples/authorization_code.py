"""Authorization code with PKCE: a person signs in and lets the client act for them (RFC 6749 §4.1, RFC 7636).

It prints:

    Open …
    code                    …
    access_token            gwat_…
    token_type              Bearer
    expires_in              3600
    scope                   openid profile email offline_access
    refresh_token           gwrt_…
    id_token                ey…
    who signed in           demo
    the code again          400 invalid_grant
"""

import base64
import hashlib
import json
import secrets
from urllib.parse import urlencode

import httpx2
from demo import ISSUER, Callback, load_secret, show

CLIENT_ID = "demo-web"


def sign_in(scope: str, client_id: str = CLIENT_ID) -> tuple[dict, dict]:
    """Returns the token answer, and the form that got it."""
    # Three secrets of this one request: against other sites' answers, other people's ID tokens, stolen codes.
    state, nonce, code_verifier = (secrets.token_urlsafe(32) for _ in range(3))
    digest = hashlib.sha256(code_verifier.encode()).digest()
    with Callback() as callback:
        request = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": callback.url,
            "scope": scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        answer = callback.wait_for_answer(f"{ISSUER}/oauth2/auth?{urlencode(request)}")
    if "error" in answer:
        raise SystemExit(answer)
    if answer["state"] != state or answer["iss"] != ISSUER:  # RFC 6749 §10.12, RFC 9207 §2.4
        raise SystemExit("This answer belongs to another request.")
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": callback.url,
        "code_verifier": code_verifier,
    }
    tokens = send(form, client_id).raise_for_status().json()
    if "id_token" in tokens and read_claims(tokens["id_token"])["nonce"] != nonce:
        raise SystemExit("This ID token belongs to another request.")
    return tokens, form


def send(form: dict, client_id: str = CLIENT_ID) -> httpx2.Response:
    """A token request of this client."""
    return httpx2.post(f"{ISSUER}/oauth2/token", auth=(client_id, load_secret(client_id)), data=form)


def read_claims(jwt: str) -> dict:
    """The claims of an ID token. It came straight from the token endpoint, so the signature need not be checked
    (OpenID Connect Core §3.1.3.7, rule 6); over https, that is."""
    payload = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


if __name__ == "__main__":
    tokens, form = sign_in("openid profile email offline_access")
    show("code", form["code"])
    for name, value in tokens.items():
        show(name, value)
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    person = httpx2.get(f"{ISSUER}/userinfo", headers=headers).raise_for_status().json()
    show("who signed in", person["preferred_username"])

    # A code is good once. The second use looks like theft, so all that came from it is revoked, too (§4.1.2).
    refused = send(form)
    show("the code again", f"{refused.status_code} {refused.json()['error']}")
