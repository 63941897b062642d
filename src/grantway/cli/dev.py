"""``grantway dev``: a complete server on loopback in one command, with something to try it on."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grantway.cli.invocation import Command, Invocation, pass_invocation

if TYPE_CHECKING:
    from grantway.cli.dev_data import DataFolder
    from grantway.cli.dev_seed import Seeded
    from grantway.config import Settings
    from grantway.server import AuthorizationServer
    from grantway.web.listeners import Listeners


def _check_loopback(_: click.Context, parameter: click.Parameter, address: str) -> str:
    try:
        is_loopback = address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise click.BadParameter(
            f"{address} is not a loopback address. The development server has known accounts and speaks plain http: "
            "it is for this machine alone. For others run `grantway serve`.",
            param=parameter,
        )
    return address


@click.command(cls=Command, short_help="Run a development server with demo accounts.")
@click.option("--bind", default="127.0.0.1", show_default=True, callback=_check_loopback, help="Public listener.")
@click.option("--admin-bind", default="127.0.0.1", show_default=True, callback=_check_loopback, help="Admin listener.")
@click.option("--port", type=click.IntRange(0, 65535), default=4444, show_default=True, help="Public; 0: a free one.")
@click.option(
    "--admin-port", type=click.IntRange(0, 65535), default=4445, show_default=True, help="Admin; 0: a free one."
)
@click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), default=Path(".grantway"), show_default=True,
    help="Where database, secrets and demo credentials are kept.",
)  # fmt: skip
@click.option("--ephemeral", is_flag=True, help="Keep everything in memory; nothing is written.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="Write this file once it answers.")
@pass_invocation
def dev(
    invocation: Invocation,
    bind: str,
    admin_bind: str,
    port: int,
    admin_port: int,
    data_dir: Path,
    ephemeral: bool,
    workers: int,
    ready_file: Path | None,
) -> None:
    """Start a development server with demo clients and a demo user.

    It makes its secrets and its database on the first start and keeps them in the data directory. With one worker, the
    default, it has a playground at /playground that walks each flow step by step.
    """
    if ephemeral and workers > 1:
        raise click.UsageError("--ephemeral keeps everything in one process: use it with one worker.")
    from grantway.cli.dev_data import open_data_folder
    from grantway.web.listeners import bind_listeners

    with open_data_folder(None if ephemeral else data_dir) as folder:
        overrides: dict[str, Any] = {
            **_find_demo_settings(invocation),
            **folder.settings,
            "serve__bind": bind,
            "serve__admin_bind": admin_bind,
            "serve__port": port,
            "serve__admin_port": admin_port,
            "serve__workers": workers,
            "log__format": "text",
        }
        listeners = bind_listeners(invocation.load_settings(issuer="http://127.0.0.1", **overrides))
        # The ports are known only now, and the issuer follows the port.
        settings = invocation.load_settings(issuer=listeners.public_url, **overrides)
        folder.write_settings(settings)
        _Development(invocation, settings, folder, listeners, ready_file).run()


def _find_demo_settings(invocation: Invocation) -> dict[str, Any]:
    """What switches on the flows that are off by default, unless ``--set`` or the environment says otherwise."""
    from grantway.cli.dev_clients import SETTINGS
    from grantway.config import iterate_options

    decided = {option.dotted for option in iterate_options() if option.environment_name in os.environ}
    decided |= invocation.assignments.keys()
    return {dotted.replace(".", "__"): value for dotted, value in SETTINGS.items() if dotted not in decided}


class _Development:
    """One development server: prepared once, announced once."""

    def __init__(
        self,
        invocation: Invocation,
        settings: Settings,
        folder: DataFolder,
        listeners: Listeners,
        ready_file: Path | None,
    ) -> None:
        self.invocation = invocation
        self.settings = settings
        self.folder = folder
        self.listeners = listeners
        self.ready_file = ready_file
        self.seeded: Seeded | None = None

    @property
    def is_alone(self) -> bool:
        """One process does everything. Only then is there a playground: its walks are in that process's memory."""
        return self.settings.serve.workers == 1

    def run(self) -> None:
        from grantway.web.serve import serve

        if not self.is_alone:
            import asyncio

            asyncio.run(self.prepare())
        try:
            serve(
                self.settings,
                ready=self.announce,
                listeners=self.listeners,
                open_server=self.open_server if self.is_alone else None,
            )
        finally:
            if self.ready_file is not None:
                self.ready_file.unlink(missing_ok=True)

    async def prepare(self) -> None:
        """Fills the database and leaves: the workers open it themselves."""
        server = await self.open_server()
        await server.stop()

    async def open_server(self) -> AuthorizationServer:
        """Migrates, starts and seeds: the server is ready to be served."""
        from grantway.cli.dev_seed import open_seeded_server

        server, self.seeded = await open_seeded_server(self.settings, self.folder.credentials)
        self.folder.write_credentials()
        return server

    def announce(self, listeners: Listeners) -> None:
        from grantway.cli.dev_banner import write_banner
        from grantway.cli.ready_file import write_ready_file

        seeded = self.seeded
        if seeded is None:
            return
        document = {"issuer": self.settings.issuer, "admin_url": listeners.admin_url, **seeded.describe()}
        if self.is_alone:
            document["playground_url"] = f"{self.settings.issuer}/playground"
        write_banner(self.invocation.is_json, document, seeded.paths)
        if self.ready_file is not None:
            write_ready_file(self.ready_file, document)
