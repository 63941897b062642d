"""What the tests of outside clients share."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from joserfc.jwk import ECKey

from .dev_server import DevServer
from .person import Person

CALLBACK = "http://127.0.0.1:4446/callback"
STANDARD_SCOPE = "openid profile email address phone offline_access"
ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "introspection_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
)


def check_metadata(metadata: dict[str, Any], issuer: str) -> None:
    """What every client of this folder builds on (OpenID Connect Discovery §3, RFC 8414 §2)."""
    assert metadata["issuer"] == issuer
    assert all(metadata[name].startswith(issuer + "/") for name in ENDPOINTS)
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["code_challenge_methods_supported"] == ["S256"]


def check_userinfo(claims: dict[str, Any], user: dict[str, Any]) -> None:
    """Every claim the demo user has, under the standard scopes (OpenID Connect Core §5.4)."""
    assert claims["sub"] == user["sub"]
    expected = {name: value for name, value in user["claims"].items() if value not in (None, "")}
    assert {name: claims.get(name) for name in expected} == expected


def read_alg(token: str) -> str:
    """The algorithm a JWT says it is signed with."""
    header = token.partition(".")[0]
    alg: str = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["alg"]
    return alg


def sign_in(dev: DevServer, person: Person, client: dict[str, Any], scope: str = STANDARD_SCOPE) -> dict[str, Any]:
    """The token answer of a code flow in as few words as there can be, for tests of what comes after it."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": CALLBACK,
        "scope": scope,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    answer = dict(parse_qsl(urlsplit(person.authorize(f"{dev.issuer}/oauth2/auth?{urlencode(query)}")).query))
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }
    return post(dev, "token", client, **form)


def post(dev: DevServer, endpoint: str, client: dict[str, Any], **form: str) -> dict[str, Any]:
    """The JSON that a confidential client gets without a library."""
    credentials = (client["client_id"], client["client_secret"])
    answer = requests.post(f"{dev.issuer}/oauth2/{endpoint}", form, auth=credentials, timeout=10)
    assert answer.ok, answer.text
    content: dict[str, Any] = answer.json() if answer.content else {}
    return content


def add_trusted_issuer(dev: DevServer, client: dict[str, Any]) -> tuple[str, ECKey]:
    """Somebody else who signs JWTs about people of this server, which ``client`` may bring: (issuer, its key)."""
    issuer = f"https://{secrets.token_hex(4)}.example"
    key = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256"})
    trusted = {
        "issuer": issuer,
        "allow_any_subject": True,
        "scope": ["openid", "email"],
        "clients": [client["client_id"]],
        "jwk": key.as_dict(private=False),
        "expires_at": "2100-01-01T00:00:00Z",
    }
    dev.administer("POST", "/admin/trust/grants/jwt-bearer/issuers", trusted)
    return issuer, key
