"""What the load needs: clients, codes, refresh tokens, put into the database the way the server itself would."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from pathlib import Path

from grantway.accounts import create_account
from grantway.config import Settings, load_settings
from grantway.model import Authorization, Client, ClientSecret
from grantway.server import SystemEntropy
from grantway.storage.sql.schema import upgrade
from grantway.web import create_server

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Material:
    """Basic credentials of two clients (opaque and JWT access tokens) and stocks of what can be used once."""

    opaque: str
    jwt: str
    admin: str
    codes: list[str]
    refresh_tokens: list[str]


def build_settings(folder: Path, workers: int) -> tuple[Settings, dict[str, str]]:
    """Settings of the server under test, and the environment that hands them over."""
    secret = SystemEntropy().token_bytes(32).hex()
    environment = {
        "GRANTWAY_DATABASE__URL": f"sqlite:///{folder}/bench.db",
        "GRANTWAY_SECRETS__SEALING": secret,
        "GRANTWAY_SERVE__PORT": "0",
        "GRANTWAY_SERVE__ADMIN_PORT": "0",
        "GRANTWAY_SERVE__WORKERS": str(workers),
        "GRANTWAY_LOG__LEVEL": "error",
    }
    return load_settings(environment=environment), environment


def prepare(settings: Settings, stock: int) -> Material:
    """Migrates the database and fills it."""
    upgrade(settings.database.url)
    return asyncio.run(_fill(settings, stock))


async def _fill(settings: Settings, stock: int) -> Material:
    server = create_server(settings)
    await server.start()
    runtime, credentials = server.runtime, {}
    clients = {
        "opaque": Client(tenant="default", client_id="bench-opaque", access_token_format="opaque"),
        "jwt": Client(tenant="default", client_id="bench-jwt", access_token_format="jwt"),
        "admin": Client(tenant="default", client_id="bench-admin", scope=("grantway.admin",)),
    }
    now = runtime.clock.now()
    for name, client in clients.items():
        secret = runtime.tokens.generate_secret()
        complete = _complete(client, runtime.keys.hash_secret(secret), now)
        await runtime.store.insert_client(complete)
        credentials[name] = base64.b64encode(f"{client.client_id}:{secret}".encode()).decode()
        clients[name] = complete
    subject = await create_account(runtime, "default", username="load", password="correct horse battery")
    codes, refresh_tokens = [], []

    async def stock_one() -> None:
        code, digest = runtime.tokens.generate_code()
        authorization = Authorization(
            tenant="default",
            authorization_id=runtime.tokens.generate_id(),
            client_id="bench-opaque",
            grant_type="authorization_code",
            subject=subject.subject,
            scope=("read",),
            audience=(),
            created_at=now,
            expires_at=now + 86_400_000,
            session_bound=False,
            code_digest=digest,
            code_expires_at=now + 86_400_000,
        )
        await runtime.store.insert_authorization(authorization)
        codes.append(code)
        refresh_tokens.append(runtime.tokens.issue_refresh("default", authorization, clients["opaque"], now=now))

    for start in range(0, stock, 500):
        await asyncio.gather(*(stock_one() for _ in range(min(500, stock - start))))
    await server.stop()
    return Material(**credentials, codes=codes, refresh_tokens=refresh_tokens)


def _complete(client: Client, digest: str, now: int) -> Client:
    return Client(
        tenant=client.tenant,
        client_id=client.client_id,
        access_token_format=client.access_token_format,
        grant_types=("client_credentials", "authorization_code", "refresh_token"),
        redirect_uris=("https://client.example/cb",),
        scope=client.scope or ("read", "write"),
        secrets=(ClientSecret(secret_id="1", digest=digest, created_at=now),),
        created_at=now,
        updated_at=now,
    )
