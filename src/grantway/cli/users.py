"""``grantway users``: accounts of people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from grantway.cli.administration import administer, find_actor
from grantway.cli.invocation import Group, Invocation, cursor_option, limit_option, pass_invocation, tenant_option
from grantway.cli.json_documents import parse_value
from grantway.cli.output import format_instant, write_message, write_object, write_table
from grantway.cli.secret_input import read_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from grantway.extension import Runtime
    from grantway.model import Subject

_COLUMNS = ("sub", "username", "name", "email", "enabled")


def _password_options(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")(function)
    return click.option("--generate-password", is_flag=True, help="Make a password and print it once.")(function)


_claim_option = click.option(
    "--claim", "claims", multiple=True, metavar="NAME=VALUE",
    help="A claim: text, or JSON as in --claim email_verified=true. May be repeated.",
)  # fmt: skip
_role_option = click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role; may be repeated.")


@click.group(cls=Group)
def users() -> None:
    """Accounts of people."""


@users.command()
@click.argument("username")
@_claim_option
@_role_option
@_password_options
@click.option("--no-password", is_flag=True, help="An account that cannot log in with a password.")
@tenant_option
@pass_invocation
def create(
    invocation: Invocation,
    username: str,
    claims: tuple[str, ...],
    roles: tuple[str, ...],
    password_stdin: bool,
    generate_password: bool,
    no_password: bool,
) -> None:
    """Create a user. The password is asked for, unless an option says where it comes from."""
    from grantway.admin import users as use_cases

    if no_password and (password_stdin or generate_password):
        raise click.UsageError("--no-password excludes the other password options.")
    password = None if no_password else read_password(is_from_stdin=password_stdin, is_generated=generate_password)
    user = administer(
        invocation,
        lambda runtime: use_cases.create_user(
            runtime, invocation.tenant, username=username, password=password, claims=_parse_claims(claims), roles=roles,
            actor=find_actor(),
        ),
    )  # fmt: skip
    document = describe_user(user)
    if generate_password:
        document["password"] = password
    write_object(invocation, document)


@users.command("list")
@click.option("--prefix", help="Only usernames that begin so.")
@limit_option
@cursor_option
@tenant_option
@pass_invocation
def list_(invocation: Invocation, prefix: str | None, limit: int, cursor: str | None) -> None:
    """List users by username."""
    from grantway.admin import users as use_cases

    page = administer(
        invocation,
        lambda runtime: use_cases.list_users(runtime, invocation.tenant, prefix=prefix, cursor=cursor, limit=limit),
    )
    rows = [
        describe_user(user) | {name: user.claims.get(name) for name in ("name", "email")} for user in page.items
    ]  # fmt: skip
    write_table(invocation, rows, _COLUMNS, cursor=page.cursor)


@users.command()
@click.argument("user")
@tenant_option
@pass_invocation
def get(invocation: Invocation, user: str) -> None:
    """Show a user, by identifier or username."""

    async def work(runtime: Runtime, subject: Subject) -> Subject:
        return subject

    write_object(invocation, describe_user(_with_user(invocation, user, work)))


@users.command()
@click.argument("user")
@click.option("--username", help="A new username.")
@_claim_option
@click.option("--remove-claim", "removed", multiple=True, metavar="NAME", help="Remove a claim; may be repeated.")
@_role_option
@click.option("--no-roles", is_flag=True, help="Take all roles away.")
@tenant_option
@pass_invocation
def update(
    invocation: Invocation,
    user: str,
    username: str | None,
    claims: tuple[str, ...],
    removed: tuple[str, ...],
    roles: tuple[str, ...],
    no_roles: bool,
) -> None:
    """Change a user: only what is given. Roles, when given, replace all roles."""
    from grantway.admin import users as use_cases

    changes = _parse_claims(claims)

    async def work(runtime: Runtime, subject: Subject) -> Subject:
        merged = {name: value for name, value in {**subject.claims, **changes}.items() if name not in removed}
        return await use_cases.update_user(
            runtime,
            invocation.tenant,
            subject.subject,
            username=username,
            claims=merged if changes or removed else None,
            roles=roles if roles or no_roles else None,
            expected_version=subject.version,
            actor=find_actor(),
        )

    write_object(invocation, describe_user(_with_user(invocation, user, work)))


@users.command("set-password")
@click.argument("user")
@_password_options
@tenant_option
@pass_invocation
def set_password(invocation: Invocation, user: str, password_stdin: bool, generate_password: bool) -> None:
    """Give a user a new password. Whoever is logged in as that user has to log in again."""
    from grantway.admin import users as use_cases

    password = read_password(is_from_stdin=password_stdin, is_generated=generate_password)

    async def work(runtime: Runtime, subject: Subject) -> Subject:
        return await use_cases.set_password(
            runtime, invocation.tenant, subject.subject, password, actor=find_actor()
        )  # fmt: skip

    changed = _with_user(invocation, user, work)
    document: dict[str, Any] = {"sub": changed.subject, "username": changed.username}
    if generate_password:
        document["password"] = password
        write_object(invocation, document)
    else:
        write_message(invocation, f"The password of {changed.username} was changed.", document)


@users.command()
@click.argument("user")
@tenant_option
@pass_invocation
def enable(invocation: Invocation, user: str) -> None:
    """Let a user log in again."""
    from grantway.admin import users as use_cases

    async def work(runtime: Runtime, subject: Subject) -> Subject:
        return await use_cases.enable_user(runtime, invocation.tenant, subject.subject, actor=find_actor())

    changed = _with_user(invocation, user, work)
    write_message(invocation, f"Enabled {changed.username}.", {"sub": changed.subject, "enabled": True})


@users.command()
@click.argument("user")
@tenant_option
@pass_invocation
def disable(invocation: Invocation, user: str) -> None:
    """Shut a user out: no log-in, no session, and every token issued until now is refused."""
    from grantway.admin import users as use_cases

    async def work(runtime: Runtime, subject: Subject) -> Subject:
        return await use_cases.disable_user(runtime, invocation.tenant, subject.subject, actor=find_actor())

    changed = _with_user(invocation, user, work)
    write_message(invocation, f"Disabled {changed.username}.", {"sub": changed.subject, "enabled": False})


@users.command()
@click.argument("user")
@tenant_option
@pass_invocation
def delete(invocation: Invocation, user: str) -> None:
    """Delete a user with everything that was granted in their name."""
    from grantway.admin import users as use_cases

    async def work(runtime: Runtime, subject: Subject) -> Subject:
        await use_cases.delete_user(runtime, invocation.tenant, subject.subject, actor=find_actor())
        return subject

    deleted = _with_user(invocation, user, work)
    write_message(invocation, f"Deleted {deleted.username}.", {"sub": deleted.subject, "deleted": True})


def _with_user(invocation: Invocation, key: str, work: Callable[[Runtime, Subject], Any]) -> Subject:
    """Runs ``work`` on the user with that identifier or username. Raises ``NotFound``."""

    async def find_and_work(runtime: Runtime) -> Subject:
        from grantway.admin.users import find_user

        user: Subject = await work(runtime, await find_user(runtime, invocation.tenant, key))
        return user

    return administer(invocation, find_and_work)


def _parse_claims(texts: tuple[str, ...]) -> dict[str, Any]:
    """``name=value`` with a JSON value, or text when it is none. Numbers stay text in claims that are strings."""
    claims: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise click.UsageError(f"--claim {text!r} is not of the form name=value.")
        claims[name] = _parse_value(value)
    return claims


def _parse_value(text: str) -> Any:
    # A phone number, a postal code or the year of a birthdate looks like a JSON number and is none.
    if text not in ("true", "false") and text[:1] not in ("{", "[", '"'):
        return text
    try:
        return parse_value(text)
    except ValueError:
        return text


def describe_user(user: Subject) -> dict[str, Any]:
    return {
        "sub": user.subject,
        "username": user.username,
        "enabled": user.enabled,
        "roles": list(user.roles),
        "has_password": user.password is not None,
        "claims": dict(user.claims),
        "created_at": format_instant(user.created_at),
        "updated_at": format_instant(user.updated_at),
    }
