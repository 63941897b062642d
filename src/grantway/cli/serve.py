"""``grantway serve``: the server in production."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from grantway.cli.administration import check_secrets
from grantway.cli.invocation import Command, Invocation, pass_invocation
from grantway.cli.ready_file import write_ready_file

if TYPE_CHECKING:
    from grantway.config import Settings
    from grantway.web.listeners import Listeners


@click.command(cls=Command, short_help="Run the server.")
@click.argument("which", type=click.Choice(["public", "admin", "all"]), default="all")
@click.option(
    "--services", metavar="NAMES", help="Run these services only, separated by commas; `grantway services` lists them."
)
@click.option("--workers", type=click.IntRange(1, 512), help="Worker processes.")
@click.option("--bind", metavar="ADDRESS", help="Address of the public listener.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the public listener; 0 takes a free one.")
@click.option("--admin-bind", metavar="ADDRESS", help="Address of the admin listener.")
@click.option("--admin-port", type=click.IntRange(0, 65535), help="Port of the admin listener; 0 takes a free one.")
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="Write this file once it answers.")
@pass_invocation
def serve(
    invocation: Invocation,
    which: str,
    services: str | None,
    workers: int | None,
    bind: str | None,
    port: int | None,
    admin_bind: str | None,
    admin_port: int | None,
    ready_file: Path | None,
) -> None:
    """Serve the public listener, the admin listener, or all (the default).

    Stops gracefully on SIGTERM and Ctrl-C. With several workers, SIGHUP reads the settings again and restarts the
    workers one by one.
    """

    def load_settings() -> Settings:
        settings = invocation.load_settings(
            serve__services=_split(services),
            serve__workers=workers,
            serve__bind=bind,
            serve__port=port,
            serve__admin_bind=admin_bind,
            serve__admin_port=admin_port,
        )
        check_secrets(settings)
        return settings

    def on_ready(listeners: Listeners) -> None:
        _announce(listeners, settings)
        if ready_file is not None:
            write_ready_file(
                ready_file,
                {"issuer": settings.issuer, "public_url": listeners.public_url, "admin_url": listeners.admin_url},
            )

    settings = load_settings()
    from grantway.web.serve import serve as run

    try:
        run(settings, which=which, ready=on_ready, reload=load_settings)  # type: ignore[arg-type]
    finally:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)


def _split(names: str | None) -> list[str] | None:
    """Raises ``UsageError``: nothing is named, which in the settings would mean every service."""
    if names is None:
        return None
    services = [name.strip() for name in names.split(",") if name.strip()]
    if not services:
        raise click.UsageError("--services: name at least one; `grantway services` lists them.")
    return services


def _announce(listeners: Listeners, settings: Settings) -> None:
    from grantway.cli.output import write_note

    places = {"public": listeners.public_url, "admin": listeners.admin_url}
    write_note(f"Serving {settings.issuer}: " + ", ".join(f"{name} {url}" for name, url in places.items() if url))
