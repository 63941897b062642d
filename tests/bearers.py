"""Issuers whose assertions are traded for tokens (RFC 7523 §2.1, RFC 7522 §2.1), and clients that bring them."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace
from tests.forged_jwts import Key, build_jwk, sign_jwt
from tests.saml_issuer import Facts, Identity, build_signed, make_identity

from grantway.admin.trusted_issuers import create_trusted_issuer
from grantway.protocol.trusted_issuer import Protocol
from grantway.testing.in_process import ISSUER, InProcessServer, RegisteredClient

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SAML_BEARER = "urn:ietf:params:oauth:grant-type:saml2-bearer"
TOKEN_ENDPOINT = f"{ISSUER}/oauth2/token"
DAY = 86_400_000
_numbers = itertools.count(1)


class Bearer(ABC):
    """A client with an issuer that is trusted for it, and a person whom that issuer knows."""

    grant_type: str
    protocol: Protocol

    def __init__(self, server: InProcessServer, **metadata: Any) -> None:
        self.server, self.issuer = server, f"https://idp{next(_numbers)}.example"
        person = server.register_user(server.runtime.tokens.generate_id())
        self.subject, self.username = person.subject, person.username
        self.client: RegisteredClient = self.register_client(**metadata)

    def register_client(self, **metadata: Any) -> RegisteredClient:
        document = {"grant_types": [self.grant_type], "scope": "openid read write", **metadata}
        return self.server.register_client(**document)

    def trust(self, **changes: Any) -> str:
        """Trusts the issuer, for any subject at this client if nothing else is said; returns the identifier."""
        expires_at, tenant = changes.pop("expires_at", self.server.clock.now() + DAY), changes.pop("tenant", "default")
        document = {"issuer": self.issuer, "scope": ["read", "write"], **self.keys(), **changes}
        if "subject" not in document:
            document["allow_any_subject"] = True
        if "any_client" not in document:
            document.setdefault("clients", [self.client.client_id])
        making = create_trusted_issuer(
            self.server.runtime, tenant, self.protocol, document, expires_at=expires_at, actor="test"
        )
        return self.server.run(making).issuer_id

    @abstractmethod
    def keys(self) -> dict[str, Any]:
        """As a document about the issuer has them."""

    @abstractmethod
    def sign(self, **changes: Any) -> str:
        """A good assertion, but for ``changes``."""

    def send(self, assertion: str | None = None, *, client: RegisteredClient | None = None, **more: Any) -> Any:
        """A token request with this assertion, or a fresh one."""
        assertion = self.sign() if assertion is None else assertion
        return self.server.token(client or self.client, grant_type=self.grant_type, assertion=assertion, **more)


class JwtIssuer(Bearer):
    grant_type, protocol = JWT_BEARER, "jwt"

    def __init__(self, server: InProcessServer, key: Key | None = None, alg: str = "ES256", **metadata: Any) -> None:
        self.key, self.alg, self.kid = key or ec.generate_private_key(ec.SECP256R1()), alg, "k1"
        super().__init__(server, **metadata)

    def keys(self) -> dict[str, Any]:
        return {"jwk": build_jwk(self.key, kid=self.kid)}

    def build_claims(self, **changes: Any) -> dict[str, Any]:
        """Of a good assertion, with another ``jti`` each time. A claim given as None is left out."""
        now = self.server.clock.now() // 1000
        good = {"iss": self.issuer, "sub": self.subject, "aud": ISSUER, "iat": now, "exp": now + 60}
        claims = {**good, "jti": f"jti-{next(_numbers)}", **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, **changes: Any) -> str:
        return sign_jwt(self.key, self.build_claims(**changes), alg=self.alg, kid=self.kid)


class SamlIssuer(Bearer):
    grant_type, protocol = SAML_BEARER, "saml"

    def __init__(self, server: InProcessServer, identity: Identity | None = None, **metadata: Any) -> None:
        self.identity = identity or make_identity()
        super().__init__(server, **metadata)

    def keys(self) -> dict[str, Any]:
        return {"certificates": [self.identity.certificate]}

    def build_facts(self, **changes: Any) -> Facts:
        """Of a good assertion."""
        now = self.server.clock.now() // 1000
        good = Facts(
            issuer=self.issuer, subject=self.subject, audience=ISSUER, recipient=TOKEN_ENDPOINT, now=now, lifetime=300
        )
        return replace(good, **changes)

    def sign(self, **changes: Any) -> str:
        return build_signed(self.build_facts(**changes), self.identity)


def said(answer: Any) -> str:
    """``ok``, or the error."""
    return "ok" if answer.status_code == 200 else str(answer.json()["error"])
