"""``grantway initial-access-tokens``: who may register clients by themselves (RFC 7591 §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from grantway.cli.administration import administer, find_actor
from grantway.cli.invocation import Group, Invocation, cursor_option, limit_option, pass_invocation, tenant_option
from grantway.cli.output import format_instant, write_message, write_object, write_table

if TYPE_CHECKING:
    from grantway.admin.initial_access_tokens import InitialAccessToken
    from grantway.model import Page

_COLUMNS = ("id", "note", "uses_left", "expires_at")


@click.group("initial-access-tokens", cls=Group)
def initial_access_tokens() -> None:
    """Tokens by which clients register themselves."""


@initial_access_tokens.command()
@click.option("--note", default="", help="What it is for.")
@click.option("--uses", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="Clients it registers.")
@click.option("--unlimited", is_flag=True, help="Any number of clients.")
@click.option("--hours", type=click.IntRange(1, 87600), default=24, show_default=True, help="How long it is good for.")
@click.option("--scope", help="Scopes its clients may have, separated by spaces, instead of registration.scope.")
@click.option("--grant-type", "grant_types", multiple=True, help="Grant type they may have; may be repeated.")
@click.option("--audience", multiple=True, help="Audience they may ask for; may be repeated.")
@tenant_option
@pass_invocation
def create(invocation: Invocation, /, **flags: Any) -> None:
    """Make an initial access token. It is shown once."""
    from grantway.admin import initial_access_tokens as use_cases

    lists = {name: list(flags[name]) for name in ("grant_types", "audience") if flags[name]}
    policy = {**lists, **({"scope": flags["scope"]} if flags["scope"] else {})}
    made = administer(
        invocation,
        lambda runtime: use_cases.create_initial_access_token(
            runtime,
            invocation.tenant,
            note=flags["note"],
            uses=None if flags["unlimited"] else flags["uses"],
            ttl=flags["hours"] * 3600,
            policy=policy,
            actor=find_actor(),
        ),
    )
    write_object(invocation, {**describe(made.described), "token": made.token})


@initial_access_tokens.command("list")
@limit_option
@cursor_option
@tenant_option
@pass_invocation
def list_(invocation: Invocation, limit: int, cursor: str | None) -> None:
    """List initial access tokens."""
    from grantway.admin import initial_access_tokens as use_cases

    page: Page = administer(
        invocation,
        lambda runtime: use_cases.list_initial_access_tokens(runtime, invocation.tenant, cursor=cursor, limit=limit),
    )
    write_table(invocation, [describe(each) for each in page.items], _COLUMNS, cursor=page.cursor)


@initial_access_tokens.command()
@click.argument("token_id", metavar="ID")
@tenant_option
@pass_invocation
def delete(invocation: Invocation, token_id: str) -> None:
    """Let nobody register by it any more. Clients that did stay."""
    from grantway.admin import initial_access_tokens as use_cases

    administer(
        invocation,
        lambda runtime: use_cases.delete_initial_access_token(runtime, invocation.tenant, token_id, actor=find_actor()),
    )
    write_message(invocation, f"Deleted {token_id}.", {"id": token_id, "deleted": True})


def describe(described: InitialAccessToken) -> dict[str, Any]:
    return {
        "id": described.token_id,
        "note": described.note,
        "uses_left": described.uses_left if described.uses_left is not None else "unlimited",
        "policy": dict(described.policy),
        "created_at": format_instant(described.created_at),
        "expires_at": format_instant(described.expires_at),
    }
