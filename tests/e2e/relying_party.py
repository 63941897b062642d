"""What the tests of outside clients share."""

from __future__ import annotations

import base64
import json
from typing import Any

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
