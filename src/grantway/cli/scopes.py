"""``grantway scopes``: what people read about scopes, which are granted by default, which discovery names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from grantway.cli.administration import administer, find_actor
from grantway.cli.invocation import Group, Invocation, cursor_option, limit_option, pass_invocation, tenant_option
from grantway.cli.output import format_instant, write_message, write_object, write_table

if TYPE_CHECKING:
    from grantway.admin.scopes import StoredScope
    from grantway.extension import Runtime

_COLUMNS = ("name", "description", "is_default", "is_advertised")
_translate_option = click.option(
    "--translate",
    "translations",
    multiple=True,
    metavar="TAG=TEXT",
    help="The text in another language (de=…); may be repeated.",
)


@click.group(cls=Group)
def scopes() -> None:
    """Registered scopes: their texts for people, and which are the default."""


@scopes.command()
@click.argument("name")
@click.option("--description", required=True, metavar="TEXT", help="What people read at consent, in English.")
@_translate_option
@click.option("--default", "is_default", is_flag=True, help="Granted where a request names no scope.")
@click.option("--unadvertised", is_flag=True, help="Not named by discovery.")
@tenant_option
@pass_invocation
def create(
    invocation: Invocation,
    /,
    name: str,
    description: str,
    translations: Sequence[str],
    is_default: bool,
    unadvertised: bool,
) -> None:
    """Register the scope NAME."""
    from grantway.admin import scopes as use_cases

    document = {
        "description": description,
        "translations": _read_translations(translations),
        "is_default": is_default,
        "is_advertised": not unadvertised,
    }
    stored = administer(
        invocation,
        lambda runtime: use_cases.create_scope(runtime, invocation.tenant, name, document, actor=find_actor()),
    )
    write_object(invocation, describe(stored))


@scopes.command("list")
@limit_option
@cursor_option
@tenant_option
@pass_invocation
def list_(invocation: Invocation, /, limit: int, cursor: str | None) -> None:
    """List registered scopes by name."""
    from grantway.admin import scopes as use_cases

    page = administer(
        invocation, lambda runtime: use_cases.list_scopes(runtime, invocation.tenant, cursor=cursor, limit=limit)
    )
    write_table(invocation, [describe(stored) for stored in page.items], _COLUMNS, cursor=page.cursor)


@scopes.command()
@click.argument("name")
@tenant_option
@pass_invocation
def get(invocation: Invocation, name: str) -> None:
    """Show the registered scope NAME."""
    from grantway.admin import scopes as use_cases

    stored = administer(invocation, lambda runtime: use_cases.load_scope(runtime, invocation.tenant, name))
    write_object(invocation, describe(stored))


@scopes.command()
@click.argument("name")
@click.option("--description", metavar="TEXT", help="What people read at consent, in English.")
@_translate_option
@click.option("--default/--no-default", "is_default", default=None, help="Granted where a request names no scope.")
@click.option("--advertised/--unadvertised", "is_advertised", default=None, help="Named by discovery.")
@tenant_option
@pass_invocation
def update(
    invocation: Invocation,
    /,
    name: str,
    description: str | None,
    translations: Sequence[str],
    is_default: bool | None,
    is_advertised: bool | None,
) -> None:
    """Change what is said about the scope NAME. An empty text takes a translation away."""
    from grantway.admin import scopes as use_cases

    given = {"description": description, "is_default": is_default, "is_advertised": is_advertised}
    changes: dict[str, Any] = {member: value for member, value in given.items() if value is not None}
    translated = _read_translations(translations)
    if not changes and not translated:
        raise click.UsageError("Nothing to change: give an option.")

    async def work(runtime: Runtime) -> StoredScope:
        old = await use_cases.load_scope(runtime, invocation.tenant, name)
        merged = {**old.scope.translations, **translated}
        return await use_cases.update_scope(
            runtime,
            invocation.tenant,
            name,
            {**changes, "translations": {tag: text for tag, text in merged.items() if text}},
            expected_version=old.version,
            actor=find_actor(),
        )

    write_object(invocation, describe(administer(invocation, work)))


@scopes.command()
@click.argument("name")
@tenant_option
@pass_invocation
def delete(invocation: Invocation, name: str) -> None:
    """Forget what is said about the scope NAME. Clients that registered it keep it."""
    from grantway.admin import scopes as use_cases

    administer(invocation, lambda runtime: use_cases.delete_scope(runtime, invocation.tenant, name, actor=find_actor()))
    write_message(invocation, f"Deleted {name}.", {"name": name, "deleted": True})


def describe(stored: StoredScope) -> dict[str, Any]:
    scope = stored.scope
    return {
        "name": scope.name,
        "description": scope.description,
        "translations": dict(scope.translations),
        "is_default": scope.is_default,
        "is_advertised": scope.is_advertised,
        "created_at": format_instant(stored.created_at),
        "updated_at": format_instant(stored.updated_at),
    }


def _read_translations(pairs: Sequence[str]) -> dict[str, str]:
    translations = {}
    for pair in pairs:
        tag, separator, text = pair.partition("=")
        if not separator or not tag:
            raise click.UsageError("--translate: give TAG=TEXT, like de='Ihre Fotos sehen'.")
        translations[tag.lower()] = text
    return translations
