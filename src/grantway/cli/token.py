"""``grantway token``: look into a token, or revoke it, or all, with the power of whoever holds the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from grantway.cli.administration import administer, find_actor
from grantway.cli.invocation import Group, Invocation, pass_invocation, tenant_option
from grantway.cli.output import write_message, write_object
from grantway.cli.secret_input import read_line

if TYPE_CHECKING:
    from grantway.extension import Runtime


@click.group(cls=Group)
def token() -> None:
    """Look into tokens, revoke one, or all."""


@token.command()
@click.argument("token", default="-")
@click.option("--scope", help="Active only if it carries all of these scopes.")
@tenant_option
@pass_invocation
def introspect(invocation: Invocation, token: str, scope: str | None) -> int:
    """Show what a token says and whether it is good. Without TOKEN, or with -, it is read from standard input.

    Exit code 1: it is not active.
    """
    from grantway.admin import tokens as use_cases

    text = read_line("token") if token == "-" else token
    document: dict[str, Any] = administer(
        invocation, lambda runtime: use_cases.introspect_token(runtime, invocation.tenant, text, scope=scope)
    )
    write_object(invocation, document)
    return 0 if document["active"] else 1


@token.command()
@click.argument("token", default="-")
@tenant_option
@pass_invocation
def revoke(invocation: Invocation, token: str) -> None:
    """Revoke a token. A refresh token takes everything of its authorization with it.

    Without TOKEN, or with -, it is read from standard input.
    """
    from grantway.admin import tokens as use_cases
    from grantway.errors import NotFound

    text = read_line("token") if token == "-" else token

    async def work(runtime: Runtime) -> None:
        if not await use_cases.revoke_token(runtime, invocation.tenant, text, actor=find_actor()):
            raise NotFound("live token", text[:9] + "…")

    administer(invocation, work)
    write_message(invocation, "Revoked.", {"revoked": True})


@token.command("revoke-all")
@click.option("--tenant", metavar="NAME", help="Only this tenant's. Default: those of every tenant.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_invocation
def revoke_all(invocation: Invocation, tenant: str | None, yes: bool) -> None:
    """End every token, code and session that was issued until now: after a database was restored by its own tools.

    What was revoked between backup and restore is not known to the database any more. `grantway restore` does this by
    itself.
    """
    from grantway.admin import tokens as use_cases

    if not yes:
        click.confirm("Every client and every person has to sign in again. Go on?", abort=True, err=True)
    ended = administer(invocation, lambda runtime: use_cases.revoke_all(runtime, tenant, actor=find_actor()))
    write_message(invocation, f"Ended whatever was issued until now: {', '.join(ended)}.", {"tenants": ended})
