"""Signing keys: what the JWKS serves, and replacing what signs."""

from __future__ import annotations

from collections.abc import AsyncIterator

from msgspec import Struct

from grantway.admin.effects import emit
from grantway.admin.tenants import iterate_tenants
from grantway.errors import NotFound, Unprocessable
from grantway.extension import Runtime
from grantway.model import Client, SigningKey

MOST_NAMED = 100
ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")


async def list_keys(runtime: Runtime, tenant: str) -> tuple[SigningKey, ...]:
    """All keys of the tenant, newest first. The private halves are sealed and no use to a reader."""
    return await runtime.store.list_keys(tenant)


async def rotate_keys(
    runtime: Runtime, tenant: str, alg: str | None = None, *, force: bool = False, actor: str
) -> list[SigningKey]:
    """Puts the successor in charge of ``alg`` (None: of every algorithm); the active key retires.

    ``force``: even if verifiers that cache the JWKS may not have seen the successor yet.

    Returns the keys that sign now.

    Raises:
        Unprocessable: the algorithm is unknown. NotFound: no key is kept for it. Conflict: the successor is too fresh.
    """
    if alg is not None and alg not in ALGORITHMS:
        raise Unprocessable("alg", f"must be one of {', '.join(ALGORITHMS)}.")
    rotated = {key.kid for key in await runtime.keys.rotate(tenant, alg, force=force)}
    emit(runtime, tenant, "key.rotate", " ".join(sorted(rotated)), actor)
    return [key for key in await runtime.store.list_keys(tenant) if key.kid in rotated]


async def revoke_key(runtime: Runtime, tenant: str, kid: str, *, actor: str) -> None:
    """Takes a key out of use and out of the JWKS at once: for one that leaked. Raises ``NotFound``."""
    if not any(key.kid == kid for key in await runtime.store.list_keys(tenant)):
        raise NotFound("key", kid)
    await runtime.keys.revoke(tenant, kid)
    emit(runtime, tenant, "key.revoke", kid, actor)


class RingUse(Struct, frozen=True):
    """What in the database still needs an older secret of the ring than the newest."""

    older_keys: int = 0
    """Signing keys sealed under an older secret that the ring has."""
    closed_keys: int = 0
    """Signing keys under a secret that the ring has not."""
    older_secrets: int = 0
    """Secrets of clients that are sealed under an older secret, or whose digest is, or may be, keyed by one."""
    clients: tuple[str, ...] = ()
    """``tenant/client_id`` of the first hundred that have one."""

    @property
    def is_over(self) -> bool:
        """Whether nothing in the database needs an older secret. Tokens that are out there may."""
        return not (self.older_keys or self.closed_keys or self.older_secrets)


async def find_ring_use(runtime: Runtime) -> RingUse:
    """Counts, in all tenants, what is not under the ring's newest secret. Reads every client if there is another."""
    keys, older, closed = runtime.keys, 0, 0
    secrets, clients = 0, list[str]()
    async for tenant in iterate_tenants(runtime):
        for key in await runtime.store.list_keys(tenant.tenant):
            if not keys.ring.is_current(key.sealed_private_key):
                is_open = keys.can_open(key)
                older, closed = older + is_open, closed + (not is_open)
        if not keys.has_older_secrets:
            continue
        async for client in _iterate_clients(runtime, tenant.tenant):
            count = sum(keys.is_under_older(secret) or keys.is_sealed_under_older(secret) for secret in client.secrets)
            secrets += count
            if count and len(clients) < MOST_NAMED:
                clients.append(f"{tenant.tenant}/{client.client_id}")
    return RingUse(older, closed, secrets, tuple(clients))


async def reencrypt(runtime: Runtime, *, actor: str) -> tuple[int, RingUse]:
    """Seals every signing key of all tenants, and every client secret that is kept itself, under the newest secret of
    the ring. They stay the same.

    Each in a transaction of its own, and only if it is still what was read: it may be broken off, repeated, and run
    beside servers and a rotation. Digests of client secrets cannot be made without the secrets: see
    ``Keys.rekey_secret``.

    Returns how many keys were sealed anew, and what is left.
    """
    resealed = 0
    async for tenant in iterate_tenants(runtime):
        for key in await runtime.store.list_keys(tenant.tenant):
            if not runtime.keys.ring.is_current(key.sealed_private_key) and await runtime.keys.reseal(key):
                resealed += 1
                emit(runtime, tenant.tenant, "key.reseal", key.kid, actor)
        async for client in _iterate_clients(runtime, tenant.tenant):
            if await runtime.keys.reseal_secrets(client):
                emit(runtime, tenant.tenant, "client.reseal", client.client_id, actor)
    return resealed, await find_ring_use(runtime)


async def _iterate_clients(runtime: Runtime, tenant: str) -> AsyncIterator[Client]:
    cursor = None
    while True:
        page = await runtime.store.list_clients(tenant, cursor=cursor, limit=1000)
        for client in page.items:
            yield client
        cursor = page.cursor
        if cursor is None:
            return


async def find_closed_keys(runtime: Runtime) -> list[SigningKey]:
    """The keys of all tenants that are to sign, now or next, and cannot, as the ring has not the secret they are under.

    After a restore with the wrong secrets, or when a secret was dropped too early.
    """
    return [
        key
        async for tenant in iterate_tenants(runtime)
        for key in await runtime.store.list_keys(tenant.tenant)
        if key.state in ("next", "active") and not runtime.keys.can_open(key)
    ]
