"""``grantway authorizations``: what subjects allowed clients to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from grantway.cli.administration import administer, find_actor
from grantway.cli.invocation import Group, Invocation, cursor_option, limit_option, pass_invocation, tenant_option
from grantway.cli.output import format_instant, write_message, write_table

if TYPE_CHECKING:
    from grantway.extension import Runtime
    from grantway.model import Authorization

_COLUMNS = ("authorization_id", "client_id", "subject", "grant_type", "scope", "created_at", "expires_at")


@click.group(cls=Group)
def authorizations() -> None:
    """Permissions given to clients."""


@authorizations.command("list")
@click.option("--user", metavar="ID|USERNAME", help="Only those of this user.")
@click.option("--client", metavar="CLIENT_ID", help="Only those of this client.")
@limit_option
@cursor_option
@tenant_option
@pass_invocation
def list_(invocation: Invocation, user: str | None, client: str | None, limit: int, cursor: str | None) -> None:
    """List the live authorizations, newest first."""
    from grantway.admin import authorizations as use_cases

    async def work(runtime: Runtime) -> Any:
        subject = await find_subject(runtime, invocation.tenant, user)
        return await use_cases.list_authorizations(
            runtime, invocation.tenant, subject=subject, client_id=client, cursor=cursor, limit=limit
        )

    page = administer(invocation, work)
    write_table(invocation, [describe_authorization(item) for item in page.items], _COLUMNS, cursor=page.cursor)


@authorizations.command()
@click.argument("authorization_id", required=False)
@click.option("--user", metavar="ID|USERNAME", help="All of this user.")
@click.option("--client", metavar="CLIENT_ID", help="All of this client; with --user the consent is forgotten too.")
@tenant_option
@pass_invocation
def revoke(invocation: Invocation, authorization_id: str | None, user: str | None, client: str | None) -> None:
    """Revoke one authorization, or all of a user and/or a client, with every token that came from them."""
    from grantway.admin import authorizations as use_cases

    if (authorization_id is None) == (user is None and client is None):
        raise click.UsageError("Give either an authorization id, or --user and/or --client.")

    async def work(runtime: Runtime) -> int:
        tenant, actor = invocation.tenant, find_actor()
        if authorization_id is not None:
            await use_cases.revoke_authorization(runtime, tenant, authorization_id, actor=actor)
            return 1
        subject = await find_subject(runtime, tenant, user)
        return await use_cases.revoke_authorizations(runtime, tenant, subject=subject, client_id=client, actor=actor)

    count = administer(invocation, work)
    write_message(invocation, f"Revoked {count}.", {"revoked": count})


async def find_subject(runtime: Runtime, tenant: str, user: str | None) -> str | None:
    """The identifier of the user named by identifier or username. Raises ``NotFound``."""
    if user is None:
        return None
    from grantway.admin.users import find_user

    return (await find_user(runtime, tenant, user)).subject


def describe_authorization(authorization: Authorization) -> dict[str, Any]:
    return {
        "authorization_id": authorization.authorization_id,
        "client_id": authorization.client_id,
        "subject": authorization.subject,
        "grant_type": authorization.grant_type,
        "scope": " ".join(authorization.scope),
        "audience": list(authorization.audience),
        "session_id": authorization.session_id,
        "created_at": format_instant(authorization.created_at),
        "expires_at": format_instant(authorization.expires_at),
    }
