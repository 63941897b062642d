"""``grantway backup`` and ``grantway restore``: a SQLite database, copied while it is in use, and put back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from grantway.cli.administration import check_secrets, find_actor, open_runtime
from grantway.cli.invocation import Command, Invocation, pass_invocation
from grantway.cli.output import write_message

if TYPE_CHECKING:
    from grantway.config import Settings


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@pass_invocation
def backup(invocation: Invocation, file: Path, force: bool) -> None:
    """Copy the SQLite database to FILE while servers go on. The copy is checked and appears whole or not at all.

    Keep the sealing secrets elsewhere: whoever has both can make tokens, and without them the copy is no use.
    """
    from grantway.storage.sql.backup import back_up

    copy = back_up(invocation.load_settings().database.url, file, replaces=force)
    document = {"file": copy.path, "bytes": copy.size, "schema": copy.schema}
    write_message(invocation, f"Wrote {copy.path}: {copy.size} bytes, schema {copy.schema}.", document)


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--force", is_flag=True, help="Replace the database that is there.")
@pass_invocation
def restore(invocation: Invocation, file: Path, force: bool) -> None:
    """Put FILE, a copy that `grantway backup` made, in the place of the SQLite database. Stop the server first.

    What was revoked after the copy was made is not known any more, so every token, code and session from before the
    restore ends. Clients, users, consents and keys are those of the copy.
    """
    import asyncio

    from grantway.storage.sql.backup import restore as put_back

    settings = invocation.load_settings()
    check_secrets(settings)
    tenants: list[str] = []

    def prepare(url: str) -> None:
        from grantway.storage.sql import schema

        schema.upgrade(url)
        tenants.extend(asyncio.run(_prepare(settings, url)))

    copy = put_back(file, settings.database.url, prepare, replaces=force)
    document = {"database": copy.path, "bytes": copy.size, "schema": copy.schema, "tenants": tenants}
    message = f"Restored {copy.path}, schema {copy.schema}. Whatever was issued before has ended: {', '.join(tenants)}."
    write_message(invocation, message, document)


async def _prepare(settings: Settings, url: str) -> list[str]:
    """Ends what must not live on in a restored database, if it is one that these settings can serve."""
    import msgspec

    from grantway.admin import keys, tokens
    from grantway.errors import ConfigurationError

    database = msgspec.structs.replace(settings.database, url=url)
    async with open_runtime(msgspec.structs.replace(settings, database=database)) as runtime:
        if closed := await keys.find_closed_keys(runtime):
            raise ConfigurationError(
                f"secrets.sealing does not have the secret that {len(closed)} signing keys of this copy are sealed "
                "under. Put the secret of that time into the list, behind the newest one, and restore again."
            )
        return await tokens.revoke_all(runtime, is_served=False, actor=find_actor())
