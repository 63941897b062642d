"""``grantway keys``: signing keys, and secrets for the sealing ring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from grantway.cli.administration import administer, find_actor
from grantway.cli.invocation import Group, Invocation, pass_invocation, tenant_option
from grantway.cli.output import format_instant, write_message, write_object, write_table

if TYPE_CHECKING:
    from grantway.extension import Runtime
    from grantway.model import SigningKey

_COLUMNS = ("kid", "alg", "state", "created_at", "activated_at", "retired_at", "remove_at")


@click.group(cls=Group)
def keys() -> None:
    """Signing keys and sealing secrets."""


@keys.command("list")
@tenant_option
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List the signing keys, newest first."""
    from grantway.admin import keys as use_cases

    found = administer(invocation, lambda runtime: use_cases.list_keys(runtime, invocation.tenant))
    write_table(invocation, [describe_key(key) for key in found], _COLUMNS)


@keys.command()
@click.option("--alg", help="Only the key of this algorithm.")
@click.option("--force", is_flag=True, help="Do not wait until verifiers have seen the next key.")
@tenant_option
@pass_invocation
def rotate(invocation: Invocation, alg: str | None, force: bool) -> None:
    """Put the next keys in charge and retire the active ones."""
    from grantway.admin import keys as use_cases

    rotated = administer(
        invocation,
        lambda runtime: use_cases.rotate_keys(runtime, invocation.tenant, alg, force=force, actor=find_actor()),
    )
    write_table(invocation, [describe_key(key) for key in rotated], ("kid", "alg"))


@keys.command()
@click.argument("kid")
@tenant_option
@pass_invocation
def revoke(invocation: Invocation, kid: str) -> None:
    """Take a key that leaked out of use: whatever it signed is refused from now on."""
    from grantway.admin import keys as use_cases

    async def work(runtime: Runtime) -> None:
        await use_cases.revoke_key(runtime, invocation.tenant, kid, actor=find_actor())

    administer(invocation, work)
    write_message(invocation, f"Revoked {kid}.", {"kid": kid, "revoked": True})


@keys.command()
@pass_invocation
def reencrypt(invocation: Invocation) -> int:
    """Seal private keys, and secrets of clients that sign with them, under the ring's newest secret, in every tenant.

    Safe to run beside servers, to break off and to repeat. The answer says what still needs an older secret: digests
    of other client secrets follow when their clients authenticate the next time. Exit code 1: a key cannot be opened.
    """
    from grantway.admin import keys as use_cases

    resealed, left = administer(invocation, lambda runtime: use_cases.reencrypt(runtime, actor=find_actor()))
    document = {
        "resealed_keys": resealed,
        "keys_under_older_secrets": left.older_keys,
        "keys_that_cannot_be_opened": left.closed_keys,
        "client_secrets_under_older_secrets": left.older_secrets,
        "clients": list(left.clients),
    }
    write_object(invocation, document)
    return 1 if left.closed_keys else 0


@keys.command("generate-secret")
@pass_invocation
def generate_secret(invocation: Invocation) -> None:
    """Make a secret for secrets.sealing: 256 random bits."""
    import secrets

    secret = secrets.token_urlsafe(32)
    write_message(invocation, secret, {"secret": secret})


def describe_key(key: SigningKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "alg": key.alg,
        "state": key.state,
        "created_at": format_instant(key.created_at),
        "activated_at": format_instant(key.activated_at),
        "retired_at": format_instant(key.retired_at),
        "remove_at": format_instant(key.remove_at),
        "public_jwk": dict(key.public_jwk),
    }
