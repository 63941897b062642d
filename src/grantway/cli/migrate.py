"""``grantway migrate``: the schema of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from grantway.cli.invocation import Group, Invocation, pass_invocation
from grantway.cli.output import write_object

if TYPE_CHECKING:
    from grantway.storage.sql.schema import SchemaStatus


@click.group(cls=Group, short_help="The schema of the database.")
def migrate() -> None:
    """Bring the database's schema up or down, wait for it, or show where it stands."""


@migrate.command()
@pass_invocation
def up(invocation: Invocation) -> None:
    """Make the schema the one this version works with. Safe to run while servers are running."""
    from grantway.storage.sql import schema

    _write(invocation, schema.upgrade(invocation.load_settings().database.url))


@migrate.command()
@click.option("--steps", type=click.IntRange(1), default=1, show_default=True, help="How many migrations to undo.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_invocation
def down(invocation: Invocation, steps: int, yes: bool) -> None:
    """Undo the last migrations, and with them the data they made room for."""
    from grantway.storage.sql import schema

    url = invocation.load_settings().database.url
    if not yes:
        click.confirm(f"Undo {steps} migration(s)? Data may be lost.", abort=True, err=True)
    _write(invocation, schema.downgrade(url, steps))


@migrate.command()
@pass_invocation
def status(invocation: Invocation) -> int:
    """Show the schema's version. Exit code 4: it is not one this version works with."""
    from grantway.storage.sql import schema

    found = schema.status(invocation.load_settings().database.url)
    _write(invocation, found)
    return 0 if found.is_usable else 4


@migrate.command()
@click.option("--timeout", type=click.IntRange(0), default=60, show_default=True, help="Seconds to wait.")
@pass_invocation
def wait(invocation: Invocation, timeout: int) -> None:
    """Wait until the schema is one this version works with: while another node migrates, or the database starts.

    Exit code 4: it did not come to that in time, or the schema is too new.
    """
    from grantway.storage.sql import schema

    _write(invocation, schema.wait(invocation.load_settings().database.url, timeout))


def _write(invocation: Invocation, status: SchemaStatus) -> None:
    document = {
        "current": status.current,
        "head": status.head,
        "pending": list(status.pending),
        "up_to_date": status.is_usable,
    }
    write_object(invocation, document)
