"""What the load needs: clients, codes, refresh tokens, authorizations, revocations, put where the server looks.

Rows are made by the store's own functions and inserted many at once; a server that is started afterwards cannot tell
them from rows that came one by one.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from bench.databases import insert_rows
from grantway.accounts import create_account
from grantway.config import Settings, load_settings
from grantway.model import Authorization, Client, ClientSecret, Revocation
from grantway.server import AuthorizationServer, SystemEntropy
from grantway.storage.sql import tables
from grantway.storage.sql.records import build_authorization_row, build_client_row
from grantway.storage.sql.schema import upgrade
from grantway.tokens import digest_code
from grantway.web import create_server

T = TypeVar("T")

FORM = "application/x-www-form-urlencoded"
ISSUE = "grant_type=client_credentials&scope=read"
TENANT = "default"
SECRET = "the-one-secret-of-all-the-many-clients-of-the-bench"
REDIRECT_URI = "https://client.example/cb"
VERIFIER = "the-code-verifier-of-every-code-the-bench-redeems"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
DAY = 86_400_000


@dataclass(frozen=True)
class Stock:
    """Bodies of token requests that succeed once each."""

    codes: list[str]
    refreshes: list[str]


def build_environment(url: str, workers: int = 1, **options: str) -> tuple[Settings, dict[str, str]]:
    """Settings of the server under test, and the environment that hands them over. ``options``: ``serve__port=…``."""
    environment = {
        "GRANTWAY_DATABASE__URL": url,
        "GRANTWAY_SECRETS__SEALING": SystemEntropy().token_bytes(32).hex(),
        "GRANTWAY_SERVE__PORT": "0",
        "GRANTWAY_SERVE__ADMIN_PORT": "0",
        "GRANTWAY_SERVE__WORKERS": str(workers),
        "GRANTWAY_LOG__LEVEL": "error",
        **{f"GRANTWAY_{name.upper()}": value for name, value in options.items()},
    }
    return load_settings(environment=environment), environment


def prepare(settings: Settings, fill: Callable[[AuthorizationServer], Awaitable[T]]) -> T:
    """Migrates the database and lets ``fill`` work on it."""
    upgrade(settings.database.url)

    async def work() -> T:
        server = create_server(settings)
        await server.start()
        try:
            return await fill(server)
        finally:
            await server.stop()

    return asyncio.run(work())


def build_basic(client_id: str, secret: str) -> str:
    return base64.b64encode(f"{client_id}:{secret}".encode()).decode()


async def insert_clients(server: AuthorizationServer) -> dict[str, str]:
    """Three clients and a user. The clients' Basic credentials: opaque tokens, JWT access tokens, administration."""
    runtime, credentials = server.runtime, {}
    for name, changes in (
        ("opaque", {"access_token_format": "opaque"}),
        ("jwt", {"access_token_format": "jwt"}),
        ("admin", {"scope": ("grantway.admin",)}),
    ):
        secret = runtime.tokens.generate_secret()
        client = build_client(f"bench-{name}", runtime.keys.hash_secret(secret), runtime.clock.now(), changes)
        await runtime.store.insert_client(client)
        credentials[name] = build_basic(client.client_id, secret)
    await create_account(runtime, TENANT, username="load", password="correct horse battery")
    return credentials


async def issue_tokens(server: AuthorizationServer, count: int) -> list[str]:
    """Opaque access tokens of the client for opaque tokens: more than a worker remembers anything about."""
    runtime = server.runtime
    tenant, client = await runtime.grid.tenant(TENANT), await runtime.grid.client(TENANT, "bench-opaque")
    if tenant is None or client is None:
        raise SystemExit("bench: its client is missing")
    now = runtime.clock.now()
    return [
        (await runtime.tokens.issue_access(tenant, client, now=now, scope="read", audience=()))[0] for _ in range(count)
    ]


def build_client(client_id: str, digest: str, now: int, changes: Mapping[str, Any]) -> Client:
    client = Client(
        tenant=TENANT,
        client_id=client_id,
        grant_types=("client_credentials", "authorization_code", "refresh_token"),
        redirect_uris=(REDIRECT_URI,),
        scope=("read", "write"),
        secrets=(ClientSecret(secret_id="1", digest=digest, created_at=now),),
        created_at=now,
        updated_at=now,
    )
    return msgspec.structs.replace(client, **changes)


async def insert_stock(server: AuthorizationServer, url: str, count: int, client_id: str = "bench-opaque") -> Stock:
    """``count`` codes and as many refresh tokens, each of an authorization of its own. Stops the server."""
    runtime = server.runtime
    now = runtime.clock.now()
    client = await runtime.grid.client(TENANT, client_id)
    users = await runtime.store.list_subjects(TENANT)
    template = build_authorization(client_id, users.items[0].subject, now)
    codes, refreshes, issued = [], [], runtime.tokens.issue_refresh
    rows = []
    for number in range(2 * count):
        code, digest = runtime.tokens.generate_code()
        identifier = runtime.tokens.generate_id()
        authorization = msgspec.structs.replace(template, authorization_id=identifier)
        is_redeemed = number >= count
        if is_redeemed:
            token = issued(TENANT, authorization, client, now=now)
            refreshes.append(f"grant_type=refresh_token&refresh_token={token}")
        else:
            codes.append(
                f"grant_type=authorization_code&code={code}&redirect_uri={REDIRECT_URI}&code_verifier={VERIFIER}"
            )
        rows.append((identifier, digest, now if is_redeemed else None))
    await server.stop()  # its maintenance would wait for the lock that so many rows at once hold
    await asyncio.to_thread(_insert_authorizations, url, template, iter(rows))
    return Stock(codes, refreshes)


def build_authorization(client_id: str, subject: str, now: int) -> Authorization:
    return Authorization(
        tenant=TENANT,
        authorization_id="template",
        client_id=client_id,
        grant_type="authorization_code",
        subject=subject,
        scope=("read",),
        audience=(),
        created_at=now,
        expires_at=now + DAY,
        session_bound=False,
        redirect_uri=REDIRECT_URI,
        code_challenge=CHALLENGE,
        code_digest=digest_code("template"),
        code_expires_at=now + DAY,
    )


def _insert_authorizations(url: str, template: Authorization, rows: Iterator[tuple[str, bytes, int | None]]) -> None:
    """Rows like the template's but for (authorization_id, code_digest, code_redeemed_at)."""
    row = build_authorization_row(template)
    columns = list(row)
    places = [columns.index(name) for name in ("authorization_id", "code_digest", "code_redeemed_at")]
    values = list(row.values())

    def fill() -> Iterator[tuple[Any, ...]]:
        for changed in rows:
            for place, value in zip(places, changed, strict=True):
                values[place] = value
            yield tuple(values)

    insert_rows(url, tables.authorization.name, columns, fill())


# -- many of a kind ---------------------------------------------------------------------------------------------------


def insert_many_authorizations(url: str, count: int, client_id: str, subject: str, now: int) -> None:
    """Authorizations that nobody asks about: redeemed, live, and in every index."""
    rows = ((secrets.token_urlsafe(16), secrets.token_bytes(32), now) for _ in range(count))
    _insert_authorizations(url, build_authorization(client_id, subject, now), rows)


def insert_many_clients(url: str, count: int, digest: str, now: int) -> None:
    """Clients ``many-0``, ``many-1`` … that all have the secret whose keyed digest is given."""
    template = build_client("template", digest, now, {"access_token_format": "opaque"})
    row = {"tenant": TENANT, "client_id": "template", **build_client_row(template)}
    columns = list(row)

    def fill() -> Iterator[tuple[Any, ...]]:
        for number in range(count):
            client_id = f"many-{number}"
            yield tuple(
                {**row, "client_id": client_id, "document": row["document"].replace("template", client_id)}.values()
            )

    insert_rows(url, tables.client.name, columns, fill())


def insert_many_revocations(url: str, count: int, now: int) -> None:
    """Live revocations of tokens that nobody presents, as a day's traffic leaves them: one ends after the other."""
    columns = Revocation.__struct_fields__
    first = now + DAY // 24
    rows = ((TENANT, "token", secrets.token_urlsafe(24), now, first + DAY * number // count) for number in range(count))
    insert_rows(url, tables.revocation.name, columns, rows)
