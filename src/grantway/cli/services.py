"""``grantway services``: which parts of the server a node can run alone."""

from __future__ import annotations

import click

from grantway.cli.invocation import Command, Invocation, pass_invocation
from grantway.cli.output import write_table


@click.command(cls=Command, short_help="List the services that a node can run alone.")
@pass_invocation
def services(invocation: Invocation) -> None:
    """List the services that `serve --services` takes, with the paths of each on the public and the admin listener.

    The same paths exist for every tenant below /t/TENANT and /admin/t/TENANT.
    """
    from grantway.registry import build_extensions
    from grantway.web.services import list_services

    rows = [
        {"service": service.name, "listener": listener, "path": path}
        for service in list_services(build_extensions()).values()
        for listener, paths in (("public", service.public), ("admin", service.admin))
        for path in paths
    ]
    write_table(invocation, rows, ("service", "listener", "path"))
