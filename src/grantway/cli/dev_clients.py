"""The people and the clients that every development server has, and the settings it runs with.

A flow that needs a client of another shape adds it to ``CLIENTS``; one that is off by default is switched on in
``SETTINGS``. Nothing here is for a server that others can reach.
"""

from __future__ import annotations

from typing import Any

from grantway.admin.rights import ADMIN
from grantway.protocol.device import DEVICE_CODE

SETTINGS: dict[str, Any] = {
    "registration.enabled": True,
    "device.interval": 1,  # so that nobody waits long for a demonstration
    # What other servers have: all but what is insecure.
    "compat.client_authenticated_user": True,
    "compat.bootstrap_tokens": True,
    "compat.tokeninfo": True,
    "compat.dereference": True,
    "compat.signing": True,
    "compat.token_formats": True,
    "compat.keys_as_pem": True,
    "compat.introspection_jwt": True,
    # Applications under development are on this machine, too: their keys are fetched here, they are told of logouts.
    "egress.insecure_private_networks": ("127.0.0.0/8", "::1/128"),
}
"""Settings of every development server that differ from the defaults; the environment wins over them."""

CALLBACK = "http://127.0.0.1:4446/callback"
"""Where ``grantway perform authorization-code`` waits; on a loopback address any port will do (RFC 8252 §7.3)."""
ISSUER = "{issuer}"
"""Stands in an address for the issuer, which follows the port."""
PLAYGROUND = ISSUER + "/playground/callback"
"""Where the browser comes back to the playground."""
_OPENID_SCOPE = "openid profile email address phone offline_access"

CLIENTS: dict[str, dict[str, Any]] = {
    "demo-web": {
        "client_name": "Demo web application",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "redirect_uris": [CALLBACK, "http://127.0.0.1/callback"],
        "post_logout_redirect_uris": ["http://127.0.0.1:4446/"],
        "scope": _OPENID_SCOPE,
        "dereference_client": "demo-gateway",
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "demo-spa": {
        "client_name": "Demo browser application",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "redirect_uris": [CALLBACK, "http://127.0.0.1/callback", "http://localhost:5173/callback"],
        "post_logout_redirect_uris": ["http://127.0.0.1:4446/"],
        "allowed_cors_origins": ["http://127.0.0.1:4446", "http://localhost:5173"],
        "scope": _OPENID_SCOPE,
        "token_endpoint_auth_method": "none",
    },
    "demo-playground": {
        "client_name": "The playground",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "redirect_uris": [PLAYGROUND],
        "post_logout_redirect_uris": [PLAYGROUND],
        "scope": _OPENID_SCOPE,
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "demo-tv": {
        "client_name": "Demo television",
        "grant_types": [DEVICE_CODE, "refresh_token"],
        "response_types": [],
        "scope": _OPENID_SCOPE,
        "token_endpoint_auth_method": "none",
    },
    "demo-listener": {
        "client_name": "Demo web application that listens for logouts",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "redirect_uris": ["http://127.0.0.1/callback"],
        "backchannel_logout_uri": "http://127.0.0.1:4447/logout",
        "scope": "openid profile email",
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "demo-machine": {
        "client_name": "Demo machine",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "read write",
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "demo-key": {
        "client_name": "Demo machine with a key",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "read write",
        "token_endpoint_auth_method": "private_key_jwt",
    },
    "demo-exchange": {
        "client_name": "Demo API that calls another",
        "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"],
        "response_types": [],
        "scope": "openid profile email",
        "audience": ["https://orders.example/"],
        "token_exchange_subject_clients": ["demo-web", "demo-playground"],
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "demo-bearer": {
        "client_name": "Demo client of a partner",
        "grant_types": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "response_types": [],
        "scope": "read",
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "demo-saml": {
        "client_name": "Demo client of a partner with SAML",
        "grant_types": ["urn:ietf:params:oauth:grant-type:saml2-bearer"],
        "response_types": [],
        "scope": "read",
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "demo-implicit": {
        "client_name": "Demo browser application of old",
        "application_type": "native",  # it is on a loopback address
        "grant_types": ["implicit"],
        "response_types": ["id_token", "id_token token", "token"],
        "redirect_uris": ["http://127.0.0.1/callback", PLAYGROUND],
        "scope": "openid profile email",
        "token_endpoint_auth_method": "none",
    },
    "demo-hybrid": {
        "client_name": "Demo web application, hybrid",
        "application_type": "native",  # it is on a loopback address
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
        "response_types": ["code id_token", "code token", "code id_token token"],
        "redirect_uris": ["http://127.0.0.1/callback", PLAYGROUND],
        "scope": _OPENID_SCOPE,
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "demo-password": {
        "client_name": "Demo application that asks for the password itself",
        "grant_types": ["password", "refresh_token"],
        "response_types": [],
        "scope": _OPENID_SCOPE,
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "demo-portal": {
        "client_name": "Demo portal that logs people in itself",
        "grant_types": ["client_authenticated_user", "refresh_token"],
        "response_types": [],
        "scope": "read write",
        "names_users_by": "username",
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "demo-pipeline": {
        "client_name": "Demo pipeline",
        "grant_types": ["bootstrap_token"],
        "response_types": [],
        "scope": "read",
        "bootstrap_token_grant_access_token_lifespan": "12h",
        "may_sign_payloads": True,
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "demo-gateway": {
        "client_name": "Demo gateway",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "read",
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "grantway-admin": {
        "client_name": "Administration",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": ADMIN,
        "token_endpoint_auth_method": "client_secret_basic",
    },
}

PARTNER = "https://partner.example"
"""A trusted issuer: what it signs with the key of this name is good at two clients (RFC 7523, RFC 7522)."""
PARTNER_SCOPE = ["read"]
JWT_CLIENT = "demo-bearer"
SAML_CLIENT = "demo-saml"

REGISTRATION_POLICY: dict[str, Any] = {
    "grant_types": ["client_credentials", "authorization_code", "refresh_token"],
    "scope": "openid profile email offline_access read",
}
"""What clients may be that register by the demo initial access token (RFC 7591 §3)."""

USERNAME = "demo"
CLAIMS: dict[str, Any] = {
    "name": "Dana Demo",
    "given_name": "Dana",
    "family_name": "Demo",
    "middle_name": "Quinn",
    "nickname": "dada",
    "preferred_username": "demo",
    "profile": "https://example.com/dana",
    "picture": "https://example.com/dana/picture.png",
    "website": "https://dana.example.com/",
    "email": "demo@example.com",
    "email_verified": True,
    "gender": "female",
    "birthdate": "1990-04-01",
    "zoneinfo": "Europe/Berlin",
    "locale": "en-US",
    "phone_number": "+1 (202) 555-0143",
    "phone_number_verified": True,
    "address": {
        "formatted": "12 Sample Street\nBerlin 10115\nGermany",
        "street_address": "12 Sample Street",
        "locality": "Berlin",
        "region": "Berlin",
        "postal_code": "10115",
        "country": "Germany",
    },
    "updated_at": 1767225600,
}
"""Every standard claim of OpenID Connect Core §5.1 but ``sub``, which the server gives."""
