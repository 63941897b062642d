"""``grantway tenants``: further issuers on the same server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from grantway.cli.administration import administer, find_actor
from grantway.cli.invocation import Group, Invocation, cursor_option, limit_option, pass_invocation
from grantway.cli.output import format_instant, write_message, write_object, write_table

if TYPE_CHECKING:
    from grantway.extension import Runtime
    from grantway.model import Tenant

_COLUMNS = ("tenant", "issuer", "display_name", "enabled")


@click.group(cls=Group)
def tenants() -> None:
    """Further issuers on the same server."""


@tenants.command()
@click.argument("name")
@click.option("--issuer", metavar="URL", help="An https origin of its own; without it: <default issuer>/t/NAME.")
@click.option("--display-name", default="", help="What people are shown.")
@click.option("--admin-client", is_flag=True, help="Also make a machine client that may administer the tenant.")
@pass_invocation
def create(invocation: Invocation, name: str, issuer: str | None, display_name: str, admin_client: bool) -> None:
    """Create a tenant and its signing keys."""
    from grantway.admin import tenants as use_cases

    async def work(runtime: Runtime) -> dict[str, Any]:
        actor = find_actor()
        tenant = await use_cases.create_tenant(runtime, name, issuer=issuer, display_name=display_name, actor=actor)
        document = describe_tenant(tenant)
        if admin_client:
            created = await use_cases.create_admin_client(runtime, name, actor=actor)
            document["admin_client"] = {"client_id": created.client.client_id, "client_secret": created.client_secret}
        return document

    write_object(invocation, administer(invocation, work))


@tenants.command("list")
@limit_option
@cursor_option
@pass_invocation
def list_(invocation: Invocation, limit: int, cursor: str | None) -> None:
    """List the tenants by name."""
    from grantway.admin import tenants as use_cases

    page = administer(invocation, lambda runtime: use_cases.list_tenants(runtime, cursor=cursor, limit=limit))
    write_table(invocation, [describe_tenant(tenant) for tenant in page.items], _COLUMNS, cursor=page.cursor)


@tenants.command()
@click.argument("name")
@pass_invocation
def get(invocation: Invocation, name: str) -> None:
    """Show a tenant."""
    from grantway.admin import tenants as use_cases

    write_object(
        invocation, describe_tenant(administer(invocation, lambda runtime: use_cases.load_tenant(runtime, name)))
    )


@tenants.command()
@click.argument("name")
@click.option("--display-name", help="What people are shown.")
@click.option("--issuer", metavar="URL", help="Another issuer. What was signed before carries the old one.")
@pass_invocation
def update(invocation: Invocation, name: str, display_name: str | None, issuer: str | None) -> None:
    """Change a tenant's name for people, or its issuer.

    The default tenant's issuer takes those of the tenants below it along. Give servers the new one as their setting
    `issuer` and restart them: one that is started with another issuer than the stored one refuses.
    """
    from grantway.admin import tenants as use_cases

    if display_name is None and issuer is None:
        raise click.UsageError("Nothing to change: give --display-name or --issuer.")

    async def work(runtime: Runtime) -> Tenant:
        tenant = await use_cases.load_tenant(runtime, name)
        if display_name is not None:
            tenant = await use_cases.update_tenant(runtime, name, display_name=display_name, actor=find_actor())
        if issuer is not None:
            tenant = await use_cases.change_issuer(runtime, name, issuer, actor=find_actor())
        return tenant

    write_object(invocation, describe_tenant(administer(invocation, work)))


@tenants.command()
@click.argument("name")
@pass_invocation
def enable(invocation: Invocation, name: str) -> None:
    """Let a tenant answer again."""
    _switch(invocation, name, True)


@tenants.command()
@click.argument("name")
@pass_invocation
def disable(invocation: Invocation, name: str) -> None:
    """Shut a tenant: it answers nobody, and its tokens are refused."""
    _switch(invocation, name, False)


def _switch(invocation: Invocation, name: str, enabled: bool) -> None:
    from grantway.admin import tenants as use_cases

    administer(invocation, lambda runtime: use_cases.update_tenant(runtime, name, enabled=enabled, actor=find_actor()))
    word = "Enabled" if enabled else "Disabled"
    write_message(invocation, f"{word} {name}.", {"tenant": name, "enabled": enabled})


def describe_tenant(tenant: Tenant) -> dict[str, Any]:
    return {
        "tenant": tenant.tenant,
        "issuer": tenant.issuer,
        "display_name": tenant.display_name,
        "enabled": tenant.enabled,
        "created_at": format_instant(tenant.created_at),
        "updated_at": format_instant(tenant.updated_at),
    }
