"""``grantway trusted-issuers``: whose assertions are good for tokens (RFC 7523, RFC 7522)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from grantway.cli.administration import administer, find_actor
from grantway.cli.invocation import Group, Invocation, cursor_option, limit_option, pass_invocation, tenant_option
from grantway.cli.json_documents import parse_object, read_text
from grantway.cli.output import format_instant, write_message, write_object, write_table

if TYPE_CHECKING:
    from grantway.admin.trusted_issuers import StoredIssuer
    from grantway.model import Page

_COLUMNS = ("id", "protocol", "issuer", "subject", "scope", "clients", "expires_at")


@click.group("trusted-issuers", cls=Group)
def trusted_issuers() -> None:
    """Issuers whose signed assertions are good for tokens."""


@trusted_issuers.command()
@click.argument("issuer")
@click.option("--protocol", type=click.Choice(["jwt", "saml"]), default="jwt", show_default=True, help="What it signs.")
@click.option("--subject", help="The only subject it may name.")
@click.option("--any-subject", is_flag=True, help="It may name any subject.")
@click.option(
    "--subject-is",
    type=click.Choice(["subject", "username", "external"]),
    default="subject",
    show_default=True,
    help="What its subjects are here: identifiers (sub), usernames, or people without an account.",
)
@click.option("--scope", default="", help="The most its assertions are good for, separated by spaces.")
@click.option("--client", "clients", multiple=True, metavar="CLIENT_ID", help="Good at this client; may be repeated.")
@click.option("--any-client", is_flag=True, help="Good at every client that may use the grant.")
@click.option("--jwks", metavar="FILE", help="Its public keys: a JWK or a JWK Set; - is stdin.")
@click.option("--jwks-uri", metavar="URL", help="Where it publishes them.")
@click.option("--certificate", multiple=True, metavar="FILE", help="X.509 certificate in PEM; may be repeated.")
@click.option("--days", type=click.IntRange(1, 36500), default=365, show_default=True, help="How long it is trusted.")
@tenant_option
@pass_invocation
def create(invocation: Invocation, /, **flags: Any) -> None:
    """Trust ISSUER: the iss of its JWTs, or the Issuer of its SAML assertions."""
    from grantway.admin import trusted_issuers as use_cases

    document = _build_document(flags)
    stored = administer(
        invocation,
        lambda runtime: use_cases.create_trusted_issuer(
            runtime,
            invocation.tenant,
            flags["protocol"],
            document,
            expires_at=runtime.clock.now() + int(dt.timedelta(days=flags["days"]).total_seconds() * 1000),
            actor=find_actor(),
        ),
    )
    write_object(invocation, describe(stored))


@trusted_issuers.command("list")
@click.option("--protocol", type=click.Choice(["jwt", "saml"]), help="Only those that sign such.")
@click.option("--issuer", help="Only those of exactly this issuer.")
@limit_option
@cursor_option
@tenant_option
@pass_invocation
def list_(invocation: Invocation, /, protocol: Any, issuer: str | None, limit: int, cursor: str | None) -> None:
    """List trusted issuers."""
    from grantway.admin import trusted_issuers as use_cases

    page: Page = administer(
        invocation,
        lambda runtime: use_cases.list_trusted_issuers(
            runtime, invocation.tenant, protocol, issuer=issuer, cursor=cursor, limit=limit
        ),
    )
    write_table(invocation, [describe(stored) for stored in page.items], _COLUMNS, cursor=page.cursor)


@trusted_issuers.command()
@click.argument("issuer_id", metavar="ID")
@tenant_option
@pass_invocation
def get(invocation: Invocation, issuer_id: str) -> None:
    """Show a trusted issuer."""
    from grantway.admin import trusted_issuers as use_cases

    stored = administer(
        invocation, lambda runtime: use_cases.load_trusted_issuer(runtime, invocation.tenant, issuer_id)
    )
    write_object(invocation, describe(stored))


@trusted_issuers.command()
@click.argument("issuer_id", metavar="ID")
@tenant_option
@pass_invocation
def delete(invocation: Invocation, issuer_id: str) -> None:
    """Trust an issuer no more. Access tokens that its assertions were traded for are refused, too."""
    from grantway.admin import trusted_issuers as use_cases

    administer(
        invocation,
        lambda runtime: use_cases.delete_trusted_issuer(runtime, invocation.tenant, issuer_id, actor=find_actor()),
    )
    write_message(invocation, f"Deleted {issuer_id}.", {"id": issuer_id, "deleted": True})


def describe(stored: StoredIssuer) -> dict[str, Any]:
    trusted = stored.trusted
    return {
        "id": stored.issuer_id,
        "protocol": trusted.protocol,
        "issuer": trusted.issuer,
        "subject": trusted.subject if trusted.subject is not None else "any",
        "subject_is": trusted.subject_is,
        "scope": list(trusted.scope),
        "clients": list(trusted.clients) or "any",
        "jwks": dict(trusted.jwks) if trusted.jwks is not None else None,
        "jwks_uri": trusted.jwks_uri,
        "certificates": list(trusted.certificates),
        "created_at": format_instant(stored.created_at),
        "expires_at": format_instant(stored.expires_at),
    }


def _build_document(flags: dict[str, Any]) -> dict[str, Any]:
    """As the admin API takes it."""
    document: dict[str, Any] = {
        "issuer": flags["issuer"],
        "subject_is": flags["subject_is"],
        "scope": flags["scope"].split(),
        "allow_any_subject": flags["any_subject"],
    }
    if flags["subject"] is not None:
        document["subject"] = flags["subject"]
    if flags["clients"]:
        document["clients"] = list(flags["clients"])
    if flags["any_client"]:
        document["any_client"] = True
    if flags["jwks"] is not None:
        document["jwks"] = _read_jwks(flags["jwks"])
    if flags["jwks_uri"] is not None:
        document["jwks_uri"] = flags["jwks_uri"]
    if flags["certificate"]:
        document["certificates"] = [read_text("--certificate", file) for file in flags["certificate"]]
    return document


def _read_jwks(file: str) -> dict[str, Any]:
    keys = parse_object("--jwks", read_text("--jwks", file))
    return keys if "keys" in keys else {"keys": [keys]}
