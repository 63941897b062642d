"""What a development server is filled with: demo clients, one for administration, a user with every standard claim."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from grantway.admin import clients, users
from grantway.admin.rights import ADMIN
from grantway.cli.administration import SilentEvents
from grantway.errors import NotFound
from grantway.model import DEFAULT_TENANT, Client, Subject
from grantway.protocol.client_metadata import describe_client

if TYPE_CHECKING:
    from grantway.config import Settings
    from grantway.extension import Runtime
    from grantway.server import AuthorizationServer

ACTOR = "dev"
ADMIN_TOKEN_TTL = 24 * 3600
CALLBACK = "http://127.0.0.1:4446/callback"
"""Where ``grantway perform authorization-code`` waits; on a loopback address any port will do (RFC 8252 §7.3)."""
_OPENID_SCOPE = "openid profile email address phone offline_access"

CLIENTS: dict[str, dict[str, Any]] = {
    "demo-web": {
        "client_name": "Demo web application",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "redirect_uris": [CALLBACK, "http://127.0.0.1/callback"],
        "post_logout_redirect_uris": ["http://127.0.0.1:4446/"],
        "scope": _OPENID_SCOPE,
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
    "demo-machine": {
        "client_name": "Demo machine",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "read write",
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


class Seeded(Struct, frozen=True):
    """What was found or made."""

    admin_token: str
    clients: tuple[tuple[Client, str | None], ...]
    user: Subject
    password: str
    paths: dict[str, str]
    """Name of an endpoint to its path."""

    def describe(self) -> dict[str, Any]:
        return {
            "admin_token": self.admin_token,
            "clients": [{**describe_client(client), "client_secret": secret} for client, secret in self.clients],
            "users": [
                {
                    "username": self.user.username,
                    "password": self.password,
                    "sub": self.user.subject,
                    "email": self.user.claims.get("email"),
                    "claims": dict(self.user.claims),
                }
            ],
        }


async def open_seeded_server(settings: Settings, credentials: dict[str, Any]) -> tuple[AuthorizationServer, Seeded]:
    """A started server on a migrated and filled database. ``credentials`` is brought up to date in place."""
    from grantway.storage.sql import schema, urls
    from grantway.web import create_server

    if not urls.is_in_memory(settings.database.url):
        schema.upgrade(settings.database.url)
    server = create_server(settings)
    await server.start(adopts_issuer=True)  # the issuer follows the port
    runtime = server.runtime
    events, runtime.events = runtime.events, SilentEvents()
    try:
        seeded = await seed(runtime, credentials)
    except BaseException:
        await server.stop()
        raise
    runtime.events = events
    return server, seeded


async def seed(runtime: Runtime, credentials: dict[str, Any]) -> Seeded:
    """Makes what is missing and leaves what is there. ``credentials`` is brought up to date in place."""
    found = [await _seed_client(runtime, client_id, credentials["clients"]) for client_id in CLIENTS]
    user, password = await _seed_user(runtime, credentials["users"])
    administration = next(client for client, _ in found if client.client_id == "grantway-admin")
    return Seeded(
        admin_token=await _issue_admin_token(runtime, administration),
        clients=tuple(found),
        user=user,
        password=password,
        paths={endpoint.name: endpoint.path for endpoint in runtime.extensions.endpoints.values()},
    )


async def _seed_client(runtime: Runtime, client_id: str, known: dict[str, str]) -> tuple[Client, str | None]:
    client = await runtime.store.load_client(DEFAULT_TENANT, client_id)
    if client is None:
        created = await clients.create_client(
            runtime, DEFAULT_TENANT, CLIENTS[client_id], client_id=client_id, actor=ACTOR
        )
    elif client.is_public or _is_known(runtime, client, known.get(client_id)):
        return client, None if client.is_public else known[client_id]
    else:  # made in a start that ended before the secret was written down
        created = await clients.rotate_secret(runtime, DEFAULT_TENANT, client_id, actor=ACTOR)
    if created.client_secret is not None:
        known[client_id] = created.client_secret
    return created.client, created.client_secret


def _is_known(runtime: Runtime, client: Client, secret: str | None) -> bool:
    return secret is not None and any(
        runtime.keys.is_secret_correct(secret, stored.digest) for stored in client.secrets if stored.enabled
    )


async def _seed_user(runtime: Runtime, known: dict[str, dict[str, Any]]) -> tuple[Subject, str]:
    user = await users.find_username(runtime, DEFAULT_TENANT, USERNAME)
    kept = known.get(USERNAME)
    if user is not None and kept is not None and kept["password_changed_at"] == user.password_changed_at:
        return user, kept["password"]
    password = kept["password"] if kept is not None else secrets.token_urlsafe(12)
    if user is None:
        user = await users.create_user(
            runtime, DEFAULT_TENANT, username=USERNAME, password=password, claims=CLAIMS, actor=ACTOR
        )
    else:  # changed since: back to the one that is printed
        user = await users.set_password(runtime, DEFAULT_TENANT, user.subject, password, actor=ACTOR)
    known[USERNAME] = {"password": password, "password_changed_at": user.password_changed_at}
    return user, password


async def _issue_admin_token(runtime: Runtime, client: Client) -> str:
    tenant = await runtime.store.load_tenant(DEFAULT_TENANT)
    if tenant is None:
        raise NotFound("tenant", DEFAULT_TENANT)
    token, _ = await runtime.tokens.issue_access(
        tenant, client, now=runtime.clock.now(), scope=ADMIN, audience=(), ttl=ADMIN_TOKEN_TTL
    )
    return token
