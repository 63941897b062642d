"""``grantway sessions``: browsers in which users are logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from grantway.cli.administration import administer, find_actor
from grantway.cli.invocation import Group, Invocation, pass_invocation, tenant_option
from grantway.cli.output import format_instant, write_message, write_table

if TYPE_CHECKING:
    from grantway.extension import Runtime
    from grantway.model import Session

_COLUMNS = ("session_id", "created_at", "last_seen_at", "expires_at", "address", "user_agent")


@click.group(cls=Group)
def sessions() -> None:
    """Browser sessions of users."""


@sessions.command("list")
@click.argument("user")
@tenant_option
@pass_invocation
def list_(invocation: Invocation, user: str) -> None:
    """List the live sessions of a user (identifier or username), newest first."""
    from grantway.admin import sessions as use_cases
    from grantway.admin.users import find_user

    async def work(runtime: Runtime) -> tuple[Session, ...]:
        subject = (await find_user(runtime, invocation.tenant, user)).subject
        return await use_cases.list_sessions(runtime, invocation.tenant, subject)

    write_table(invocation, [describe_session(session) for session in administer(invocation, work)], _COLUMNS)


@sessions.command()
@click.argument("session_id", required=False)
@click.option("--user", metavar="ID|USERNAME", help="All sessions of this user.")
@tenant_option
@pass_invocation
def end(invocation: Invocation, session_id: str | None, user: str | None) -> None:
    """End a session, or all sessions of a user, with the tokens that live only as long as they do."""
    from grantway.admin import sessions as use_cases
    from grantway.admin.users import find_user

    if (session_id is None) == (user is None):
        raise click.UsageError("Give either a session id or --user.")

    async def work(runtime: Runtime) -> int:
        if session_id is not None:
            await use_cases.end_session(runtime, invocation.tenant, session_id, actor=find_actor())
            return 1
        subject = (await find_user(runtime, invocation.tenant, str(user))).subject
        return await use_cases.end_sessions(runtime, invocation.tenant, subject, actor=find_actor())

    count = administer(invocation, work)
    write_message(invocation, f"Ended {count}.", {"ended": count})


def describe_session(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "subject": session.subject,
        "created_at": format_instant(session.created_at),
        "last_seen_at": format_instant(session.last_seen_at),
        "expires_at": format_instant(session.expires_at),
        "address": session.address,
        "user_agent": session.user_agent,
        "acr": session.acr,
        "amr": list(session.amr),
        "remembered": session.remembered,
    }
