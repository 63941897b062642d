"""``grantway config``: which settings are in force, and what there is to set."""

from __future__ import annotations

from typing import Any

import click

from grantway.cli.invocation import Group, Invocation, pass_invocation
from grantway.cli.output import write_json, write_table


@click.group(cls=Group)
def config() -> None:
    """Show settings and their schema."""


@config.command()
@pass_invocation
def show(invocation: Invocation) -> None:
    """Show the settings in force, from file, environment and flags. Secrets print as ***."""
    settings = invocation.load_settings()
    if invocation.is_json:
        write_json(_build_tree(settings))
        return
    from grantway.config import iterate_options

    rows = []
    for option in iterate_options():
        value = settings
        for part in option.path:
            value = getattr(value, part)
        is_default = value == option.default
        shown = _hide(value)
        rows.append({"setting": option.dotted, "value": shown, "changed": not is_default})
    write_table(invocation, rows, ("setting", "value", "changed"))


@config.command()
@pass_invocation
def schema(_: Invocation) -> None:
    """Print the JSON Schema of the settings file."""
    from grantway.config import build_schema

    write_json(build_schema())


def _build_tree(struct: Any) -> Any:
    if hasattr(struct, "__struct_fields__"):
        return {name: _build_tree(getattr(struct, name)) for name in struct.__struct_fields__}
    return _hide(struct)


def _hide(value: Any) -> Any:
    from grantway.config import Secret

    if isinstance(value, Secret):
        return "***"
    if isinstance(value, tuple):
        return [_hide(item) for item in value]
    return value
