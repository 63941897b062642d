"""Signing keys: what the JWKS serves, and replacing what signs."""

from __future__ import annotations

from grantway.admin.effects import emit
from grantway.errors import NotFound, Unprocessable
from grantway.extension import Runtime
from grantway.model import SigningKey

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
