"""Protocol words that several modules must spell the same way.

Owns the closed sets that specifications define and Grantway supports. A word used in one place only stays there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SIGNING_ALGS: Final = ("ES256", "RS256", "PS256", "EdDSA")
"""JWS algorithms tokens may be signed with (RFC 7518 §3.1, RFC 8037 §3.1)."""

CLIENT_AUTH_METHODS: Final = (
    "none",
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
)
"""The built-in ``token_endpoint_auth_method`` values (RFC 7591 §2, OpenID Connect Core §9, RFC 8705 §2)."""

RESPONSE_TYPES: Final = (
    "code",
    "token",
    "id_token",
    "id_token token",
    "code id_token",
    "code token",
    "code id_token token",
)
"""What an authorization request may ask for (RFC 6749 §3.1.1, OAuth 2.0 Multiple Response Types §3, §5), the words of
each in alphabetical order. A client has only those it registered: RFC 9700 §2.1.2 advises against all but ``code``."""

RESPONSE_MODES: Final = ("query", "fragment", "form_post")
"""How the answer may travel (OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode §2)."""

PROMPTS: Final = ("none", "login", "consent", "select_account")
"""OpenID Connect Core §3.1.2.1."""

DISPLAYS: Final = ("page", "popup", "touch", "wap")
"""OpenID Connect Core §3.1.2.1."""

SUBJECT_TYPES: Final = ("public", "pairwise")
"""OpenID Connect Core §8."""

APPLICATION_TYPES: Final = ("web", "native")
"""OpenID Connect Dynamic Client Registration §2."""

SCOPE_CLAIMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "profile": (
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ),
        "email": ("email", "email_verified"),
        "address": ("address",),
        "phone": ("phone_number", "phone_number_verified"),
    }
)
"""The claims each scope stands for (OpenID Connect Core §5.4)."""

CLAIM_SCOPES: Final[Mapping[str, str]] = MappingProxyType(
    {claim: scope for scope, claims in SCOPE_CLAIMS.items() for claim in claims}
)
"""The scope that covers each standard claim: ``SCOPE_CLAIMS`` the other way round."""
