"""Client assertions (RFC 7523 §2.2), made by a library that others wrote."""

from __future__ import annotations

import itertools
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from tests.forged_jwts import Key, build_jwk, sign_jwt

from grantway.testing.in_process import ISSUER, InProcessServer, RegisteredClient

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT = {"grant_type": "client_credentials"}
_numbers = itertools.count(1)


class Signer:
    """A client that signs. ``key``: its private key, or its secret."""

    def __init__(self, server: InProcessServer, client: RegisteredClient, key: Key, alg: str, kid: str | None) -> None:
        self.server, self.client, self.key, self.alg, self.kid = server, client, key, alg, kid

    def build_claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good assertion, with another ``jti`` each time. A claim given as None is left out."""
        now, client_id = self.server.clock.now() // 1000, self.client.client_id
        good = {"iss": client_id, "sub": client_id, "aud": ISSUER, "iat": now, "exp": now + 60}
        claims = {**good, "jti": f"jti-{next(_numbers)}", **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, **changes: Any) -> str:
        return sign_jwt(self.key, self.build_claims(**changes), alg=self.alg, kid=self.kid)

    def send(self, assertion: str | None = None, path: str = "/oauth2/token", **data: Any) -> Any:
        """A request with this assertion, or a fresh one."""
        assertion = self.sign() if assertion is None else assertion
        form = {**GRANT, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **data}
        return self.server.post(path, data={name: value for name, value in form.items() if value is not None})


def register_signer(server: InProcessServer, key: Key | None = None, alg: str = "ES256", **metadata: Any) -> Signer:
    """A client with the method private_key_jwt, and its key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    if "jwks_uri" not in metadata:
        metadata.setdefault("jwks", {"keys": [build_jwk(key, kid="k1")]})
    document = {"grant_types": ["client_credentials"], "scope": "read", **metadata}
    client = server.register_client(token_endpoint_auth_method="private_key_jwt", **document)
    return Signer(server, client, key, alg, "k1")


def register_secret_signer(server: InProcessServer, alg: str = "HS256", **metadata: Any) -> Signer:
    """A client with the method client_secret_jwt, and its secret."""
    document = {"grant_types": ["client_credentials"], "scope": "read", **metadata}
    client = server.register_client(token_endpoint_auth_method="client_secret_jwt", **document)
    assert client.client_secret is not None
    return Signer(server, client, client.client_secret.encode(), alg, None)


def is_refused(answer: Any, error: str = "invalid_client") -> bool:
    status = {"invalid_client": 401, "invalid_request": 400}[error]
    return bool((answer.status_code, answer.json().get("error")) == (status, error))
