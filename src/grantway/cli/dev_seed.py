"""What a development server is filled with: demo clients, one for administration, a user with every standard claim."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from grantway.admin import clients, initial_access_tokens, trusted_issuers, users
from grantway.admin.rights import ADMIN
from grantway.cli.administration import SilentEvents
from grantway.cli.dev_clients import (
    CLAIMS,
    CLIENTS,
    ISSUER,
    JWT_CLIENT,
    PARTNER,
    PARTNER_SCOPE,
    REGISTRATION_POLICY,
    SAML_CLIENT,
    USERNAME,
)
from grantway.cli.dev_keys import load_certificate, load_public_key
from grantway.clients import needs_secret
from grantway.errors import Conflict, NotFound
from grantway.model import DEFAULT_TENANT, Client, Subject
from grantway.protocol.client_metadata import describe_client
from grantway.protocol.registration import parse_initial_access_token
from grantway.protocol.trusted_issuer import Protocol

if TYPE_CHECKING:
    from grantway.config import Settings
    from grantway.extension import Runtime
    from grantway.server import AuthorizationServer
    from grantway.web.playground import Demo

ACTOR = "dev"
ADMIN_TOKEN_TTL = 24 * 3600
KEY_METHOD = "private_key_jwt"
SEEDED_TTL = 3650 * 86_400
"""Seconds for which the partner is trusted, and clients can be registered."""


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

    def build_demo(self, credentials: dict[str, Any]) -> Demo:
        """What the playground has to know."""
        from grantway.web.playground import Demo

        return Demo(
            secrets={client.client_id: secret for client, secret in self.clients},
            keys=credentials["keys"],
            certificates=credentials["certificates"],
            initial_access_token=credentials["initial_access_token"],
            username=self.user.username,
            password=self.password,
        )


async def open_seeded_server(settings: Settings, credentials: dict[str, Any]) -> tuple[AuthorizationServer, Seeded]:
    """A started server on a migrated and filled database. ``credentials`` is brought up to date in place."""
    from grantway.storage.sql import schema, urls
    from grantway.web import create_server
    from grantway.web.playground import build_playground

    if not urls.is_in_memory(settings.database.url):
        schema.upgrade(settings.database.url)
    playground, endpoints = build_playground()
    server = create_server(settings, extensions=endpoints)
    await server.start(adopts_issuer=True)  # the issuer follows the port
    runtime = server.runtime
    events, runtime.events = runtime.events, SilentEvents()
    try:
        seeded = await seed(runtime, credentials)
    except BaseException:
        await server.stop()
        raise
    runtime.events = events
    playground.open(server, seeded.build_demo(credentials))
    return server, seeded


async def seed(runtime: Runtime, credentials: dict[str, Any]) -> Seeded:
    """Makes what is missing and leaves what is there. ``credentials`` is brought up to date in place."""
    known = set(runtime.extensions.grant_types)
    found = [
        await _seed_client(runtime, client_id, credentials)
        for client_id, metadata in CLIENTS.items()
        if known.issuperset(metadata["grant_types"])  # some need packages that may not be installed
    ]
    await _seed_partner(runtime, credentials)
    await _seed_initial_access(runtime, credentials)
    user, password = await _seed_user(runtime, credentials["users"])
    administration = next(client for client, _ in found if client.client_id == "grantway-admin")
    return Seeded(
        admin_token=await _issue_admin_token(runtime, administration),
        clients=tuple(found),
        user=user,
        password=password,
        paths={endpoint.name: endpoint.path for endpoint in runtime.extensions.endpoints.values()},
    )


async def _seed_client(runtime: Runtime, client_id: str, credentials: dict[str, Any]) -> tuple[Client, str | None]:
    known, metadata = credentials["clients"], _build_metadata(runtime, client_id, credentials)
    client = await runtime.store.load_client(DEFAULT_TENANT, client_id)
    if client is None:
        created = await clients.create_client(runtime, DEFAULT_TENANT, metadata, client_id=client_id, actor=ACTOR)
    elif changes := _find_changes(client, metadata):
        client = (await clients.patch_client(runtime, DEFAULT_TENANT, client_id, changes, actor=ACTOR)).client
    if client is not None and not needs_secret(client):
        return client, None
    if client is not None and _is_known(runtime, client, known.get(client_id)):
        return client, known[client_id]
    if client is not None:  # made in a start that ended before the secret was written down
        created = await clients.rotate_secret(runtime, DEFAULT_TENANT, client_id, actor=ACTOR)
    if created.client_secret is not None:
        known[client_id] = created.client_secret
    return created.client, created.client_secret


def _build_metadata(runtime: Runtime, client_id: str, credentials: dict[str, Any]) -> dict[str, Any]:
    """Its metadata with addresses of this issuer, and with the public half of its key, if it proves itself by one."""
    metadata = dict(CLIENTS[client_id])
    for name, value in metadata.items():
        if name.endswith("_uris"):
            metadata[name] = [uri.replace(ISSUER, runtime.settings.issuer) for uri in value]
    if metadata["token_endpoint_auth_method"] == KEY_METHOD:
        metadata["jwks"] = {"keys": [load_public_key(client_id, credentials)]}
    return metadata


def _find_changes(client: Client, metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """A JSON Patch (RFC 6902) for what has moved: addresses with another port, a key that was not written down. What
    somebody has changed of a demo client stays."""
    described = describe_client(client)
    addresses = {name: uris for name, uris in CLIENTS[client.client_id].items() if name.endswith("_uris")}
    follows = [name for name, uris in addresses.items() if any(ISSUER in uri for uri in uris)]
    names = [*follows, *(["jwks"] if "jwks" in metadata else [])]
    return [
        {"op": "add", "path": f"/{name}", "value": metadata[name]}
        for name in names
        if described.get(name) != metadata[name]
    ]


def _is_known(runtime: Runtime, client: Client, secret: str | None) -> bool:
    return secret is not None and any(
        runtime.keys.is_secret_correct(secret, stored.digest) for stored in client.secrets if stored.enabled
    )


async def _seed_partner(runtime: Runtime, credentials: dict[str, Any]) -> None:
    """Trusts what the partner signs about people by their usernames, by JWT and by SAML."""
    shared = {"issuer": PARTNER, "allow_any_subject": True, "subject_is": "username", "scope": PARTNER_SCOPE}
    jwt = {**shared, "clients": [JWT_CLIENT], "jwk": load_public_key(PARTNER, credentials)}
    saml = {**shared, "clients": [SAML_CLIENT], "certificates": [load_certificate(PARTNER, credentials)]}
    expires_at = runtime.clock.now() + SEEDED_TTL * 1000
    issuers: tuple[tuple[Protocol, dict[str, Any]], ...] = (("jwt", jwt), ("saml", saml))
    for protocol, document in issuers:
        with contextlib.suppress(Conflict):  # it is trusted already
            await trusted_issuers.create_trusted_issuer(
                runtime, DEFAULT_TENANT, protocol, document, expires_at=expires_at, actor=ACTOR
            )


async def _seed_initial_access(runtime: Runtime, credentials: dict[str, Any]) -> None:
    """Lets anybody who has the credentials register clients, as many as they like."""
    known = parse_initial_access_token(credentials["initial_access_token"] or "")
    if known is None or await runtime.store.load_entry(DEFAULT_TENANT, initial_access_tokens.KIND, known) is None:
        created = await initial_access_tokens.create_initial_access_token(
            runtime, DEFAULT_TENANT, note="demo", uses=None, ttl=SEEDED_TTL, policy=REGISTRATION_POLICY, actor=ACTOR
        )
        credentials["initial_access_token"] = created.token


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
