"""``grantway clients``: registering and changing clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from grantway.cli.administration import administer, find_actor
from grantway.cli.invocation import Group, Invocation, cursor_option, limit_option, pass_invocation, tenant_option
from grantway.cli.json_documents import parse_object, parse_value, read_text
from grantway.cli.output import format_instant, write_message, write_object, write_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from grantway.admin.clients import CreatedClient
    from grantway.extension import Runtime
    from grantway.model import Client, Page

_COLUMNS = ("client_id", "client_name", "enabled", "token_endpoint_auth_method", "grant_types", "scope")
_LISTS = {
    "redirect_uri": "redirect_uris",
    "post_logout_redirect_uri": "post_logout_redirect_uris",
    "grant_type": "grant_types",
    "response_type": "response_types",
    "audience": "audience",
    "cors_origin": "allowed_cors_origins",
    "contact": "contacts",
}
"""Flags that may be repeated: name to metadata field."""
_TEXTS = {
    "name": "client_name",
    "scope": "scope",
    "auth_method": "token_endpoint_auth_method",
    "jwks_uri": "jwks_uri",
    "application_type": "application_type",
    "access_token_format": "access_token_format",
    "subject_type": "subject_type",
    "owner": "owner",
    "client_uri": "client_uri",
    "logo_uri": "logo_uri",
    "policy_uri": "policy_uri",
    "tos_uri": "tos_uri",
    "frontchannel_logout_uri": "frontchannel_logout_uri",
    "backchannel_logout_uri": "backchannel_logout_uri",
}
"""Flags with one value: name to metadata field."""


def _metadata_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option("--file", metavar="FILE", help="Read the metadata (RFC 7591, JSON) from a file; - is stdin."),
        click.option("--name", help="What people are shown."),
        click.option("--redirect-uri", multiple=True, metavar="URI", help="May be repeated."),
        click.option("--post-logout-redirect-uri", multiple=True, metavar="URI", help="May be repeated."),
        click.option("--grant-type", multiple=True, help="May be repeated."),
        click.option("--response-type", multiple=True, help="May be repeated."),
        click.option("--scope", help="All scopes it may ask for, separated by spaces."),
        click.option("--audience", multiple=True, help="An audience it may ask for; may be repeated."),
        click.option("--auth-method", help="Its token_endpoint_auth_method: client_secret_basic, private_key_jwt, …"),
        click.option("--jwks", metavar="FILE", help="Its public keys: a file with a JWK Set."),
        click.option("--jwks-uri", metavar="URL", help="Where its public keys are, as a JWK Set."),
        click.option("--public", is_flag=True, help="A client without a secret: --auth-method none."),
        click.option("--application-type", type=click.Choice(["web", "native"])),
        click.option("--cors-origin", multiple=True, metavar="ORIGIN", help="May be repeated."),
        click.option("--access-token-format", type=click.Choice(["opaque", "jwt"])),
        click.option("--subject-type", type=click.Choice(["public", "pairwise"])),
        click.option("--skip-consent/--ask-consent", default=None, help="Whether people are asked for consent."),
        click.option("--frontchannel-logout-uri", metavar="URL", help="Opened in a frame when a person logs out."),
        click.option("--backchannel-logout-uri", metavar="URL", help="Sent a logout token when a session has ended."),
        click.option(
            "--skip-logout-consent/--ask-at-logout",
            default=None,
            help="Whether any ID token of the client logs its person out without a question.",
        ),
        click.option("--owner"),
        click.option("--contact", multiple=True, help="May be repeated."),
        click.option("--client-uri", metavar="URL"),
        click.option("--logo-uri", metavar="URL"),
        click.option("--policy-uri", metavar="URL"),
        click.option("--tos-uri", metavar="URL"),
        click.option("--metadata", metavar="JSON", help="Free metadata: a JSON object."),
        click.option(
            "--field",
            "fields",
            multiple=True,
            metavar="NAME=VALUE",
            help="Any field of a client's document; JSON, or text as it is. May be repeated.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.group(cls=Group)
def clients() -> None:
    """Registered clients."""


@clients.command()
@click.option("--id", "client_id", metavar="CLIENT_ID", help="Its client_id; without it one is generated.")
@click.option("--secret-stdin", is_flag=True, help="Read its secret from standard input instead of generating one.")
@_metadata_options
@tenant_option
@pass_invocation
def create(
    invocation: Invocation, /, client_id: str | None, secret_stdin: bool, file: str | None, **flags: Any
) -> None:
    """Register a client. A generated secret is printed once and cannot be shown again."""
    from grantway.admin import clients as use_cases

    document = {**_read_file(file), **_build_metadata(flags)}
    secret = None
    if secret_stdin:
        from grantway.cli.secret_input import read_line

        if file == "-":
            raise click.UsageError("--file - and --secret-stdin both read standard input.")
        secret = read_line("secret")
    created = administer(
        invocation,
        lambda runtime: use_cases.create_client(
            runtime, invocation.tenant, document, client_id=client_id, client_secret=secret, actor=find_actor()
        ),
    )
    _write_created(invocation, created)


@clients.command("list")
@click.option("--name", help="Only those with exactly this name.")
@click.option("--owner", help="Only those of exactly this owner.")
@limit_option
@cursor_option
@tenant_option
@pass_invocation
def list_(invocation: Invocation, name: str | None, owner: str | None, limit: int, cursor: str | None) -> None:
    """List clients by client_id."""
    from grantway.admin import clients as use_cases

    page: Page = administer(
        invocation,
        lambda runtime: use_cases.list_clients(
            runtime, invocation.tenant, client_name=name, owner=owner, cursor=cursor, limit=limit
        ),
    )
    write_table(invocation, [describe(client) for client in page.items], _COLUMNS, cursor=page.cursor)


@clients.command()
@click.argument("client_id")
@tenant_option
@pass_invocation
def get(invocation: Invocation, client_id: str) -> None:
    """Show a client. Secrets are kept as digests and cannot be shown."""
    from grantway.admin import clients as use_cases

    client = administer(invocation, lambda runtime: use_cases.load_client(runtime, invocation.tenant, client_id))
    write_object(invocation, describe(client))


@clients.command()
@click.argument("client_id")
@_metadata_options
@tenant_option
@pass_invocation
def update(invocation: Invocation, /, client_id: str, file: str | None, **flags: Any) -> None:
    """Change a client: what is given replaces the field of that name; --file replaces all metadata."""
    from grantway.admin import clients as use_cases

    replacement, changes = _read_file(file), _build_metadata(flags)
    if file is None and not changes:
        raise click.UsageError("Nothing to change was given.")

    async def work(runtime: Runtime) -> CreatedClient:
        old = await use_cases.load_client(runtime, invocation.tenant, client_id)
        document = replacement if file is not None else describe_metadata(old)
        return await use_cases.replace_client(
            runtime,
            invocation.tenant,
            client_id,
            {**document, **changes},
            expected_version=old.version,
            actor=find_actor(),
        )

    _write_created(invocation, administer(invocation, work))


@clients.command()
@click.argument("client_id")
@tenant_option
@pass_invocation
def delete(invocation: Invocation, client_id: str) -> None:
    """Delete a client with all it was granted; its tokens are refused from now on."""
    from grantway.admin import clients as use_cases

    administer(
        invocation,
        lambda runtime: use_cases.delete_client(runtime, invocation.tenant, client_id, actor=find_actor()),
    )
    write_message(invocation, f"Deleted {client_id}.", {"client_id": client_id, "deleted": True})


@clients.command("rotate-secret")
@click.argument("client_id")
@click.option("--drop-old", is_flag=True, help="Refuse the older secrets at once.")
@tenant_option
@pass_invocation
def rotate_secret(invocation: Invocation, client_id: str, drop_old: bool) -> None:
    """Give a client a new secret. Older ones go on working until they are dropped."""
    from grantway.admin import clients as use_cases

    async def work(runtime: Runtime) -> CreatedClient:
        created = await use_cases.rotate_secret(runtime, invocation.tenant, client_id, actor=find_actor())
        if drop_old:
            await use_cases.drop_old_secrets(runtime, invocation.tenant, client_id, actor=find_actor())
        return created

    created = administer(invocation, work)
    write_object(invocation, {"client_id": client_id, "client_secret": created.client_secret})


@clients.command()
@click.argument("client_id")
@tenant_option
@pass_invocation
def enable(invocation: Invocation, client_id: str) -> None:
    """Let a client in again."""
    from grantway.admin import clients as use_cases

    administer(
        invocation,
        lambda runtime: use_cases.enable_client(runtime, invocation.tenant, client_id, actor=find_actor()),
    )
    write_message(invocation, f"Enabled {client_id}.", {"client_id": client_id, "enabled": True})


@clients.command()
@click.argument("client_id")
@tenant_option
@pass_invocation
def disable(invocation: Invocation, client_id: str) -> None:
    """Shut a client out: no token for it, and those issued until now are refused."""
    from grantway.admin import clients as use_cases

    administer(
        invocation,
        lambda runtime: use_cases.disable_client(runtime, invocation.tenant, client_id, actor=find_actor()),
    )
    write_message(invocation, f"Disabled {client_id}.", {"client_id": client_id, "enabled": False})


def _read_file(file: str | None) -> dict[str, Any]:
    if file is None:
        return {}
    return parse_object("--file", read_text("--file", file))


def _build_metadata(flags: dict[str, Any]) -> dict[str, Any]:
    """The client metadata that the flags name (RFC 7591 §2)."""
    metadata: dict[str, Any] = {field: list(flags[flag]) for flag, field in _LISTS.items() if flags[flag]}
    metadata |= {field: flags[flag] for flag, field in _TEXTS.items() if flags[flag] is not None}
    if flags["public"]:
        if flags["auth_method"] not in (None, "none"):
            raise click.UsageError(f"--public contradicts --auth-method {flags['auth_method']}.")
        metadata["token_endpoint_auth_method"] = "none"
    for name in ("skip_consent", "skip_logout_consent"):
        if flags[name] is not None:
            metadata[name] = flags[name]
    if flags["jwks"] is not None:
        metadata["jwks"] = parse_object("--jwks", read_text("--jwks", flags["jwks"]))
    if flags["metadata"] is not None:
        metadata["metadata"] = parse_object("--metadata", flags["metadata"])
    return metadata | dict(_parse_field(text) for text in flags["fields"])


def _parse_field(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise click.UsageError(f"--field: {text[:64]} is not NAME=VALUE.")
    try:
        return name, parse_value(value)
    except ValueError:
        return name, value


def _write_created(invocation: Invocation, created: CreatedClient) -> None:
    document = describe(created.client)
    if created.client_secret is not None:
        document = {"client_id": document["client_id"], "client_secret": created.client_secret, **document}
    write_object(invocation, document)


def describe_metadata(client: Client) -> dict[str, Any]:
    from grantway.protocol.client_metadata import describe_client

    return describe_client(client)


def describe(client: Client) -> dict[str, Any]:
    """The client's metadata with when it was made and changed; never a secret."""
    return {
        **describe_metadata(client),
        "created_at": format_instant(client.created_at),
        "updated_at": format_instant(client.updated_at),
    }
