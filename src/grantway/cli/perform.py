"""``grantway perform``: be a client for once, against any server, and see what it answers."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

import click

from grantway.cli.invocation import Group, Invocation, pass_invocation
from grantway.cli.output import write_note, write_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from grantway.cli.relying_party import RelyingParty


def _client_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option("--client-id", envvar="OAUTH2_CLIENT_ID", required=True, help="Or OAUTH2_CLIENT_ID."),
        click.option("--client-secret", envvar="OAUTH2_CLIENT_SECRET", help="Or, better, OAUTH2_CLIENT_SECRET."),
        click.option("--auth-method", type=click.Choice(["client_secret_basic", "client_secret_post", "none"])),
        click.option("--issuer", metavar="URL", help="Default: the issuer of the settings."),
        click.option("--audience", multiple=True, help="May be repeated."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _as_client(function: Callable[..., None]) -> Callable[..., None]:
    """Hands a command the client of ``_client_options``, and the audience in the form of a request."""

    @functools.wraps(function)
    def run(
        invocation: Invocation,
        /,
        client_id: str,
        client_secret: str | None,
        auth_method: str | None,
        issuer: str | None,
        audience: tuple[str, ...],
        **options: Any,
    ) -> None:
        from grantway.cli.relying_party import RelyingParty

        issuer = issuer or invocation.load_settings().issuer
        with RelyingParty(issuer, client_id, client_secret, auth_method) as party:
            function(invocation, party, audience=" ".join(audience), **options)

    return run


@click.group(cls=Group)
def perform() -> None:
    """Get tokens as a client does."""


@perform.command("client-credentials")
@_client_options
@click.option("--scope", help="Separated by spaces.")
@pass_invocation
@_as_client
def client_credentials(invocation: Invocation, party: RelyingParty, audience: str, scope: str | None) -> None:
    """Get a token for the client itself (RFC 6749 §4.4)."""
    form = {"grant_type": "client_credentials", "audience": audience, "scope": scope}
    write_object(invocation, party.request_token(form))


@perform.command("authorization-code")
@_client_options
@click.option("--scope", default="openid offline_access", show_default=True, help="Separated by spaces.")
@click.option("--port", type=click.IntRange(0, 65535), default=4446, show_default=True, help="Of the callback; 0: any.")
@click.option("--redirect-uri", metavar="URI", help="Default: http://127.0.0.1:PORT/callback.")
@click.option("--prompt", help="login, consent, select_account or none.")
@click.option("--max-age", type=click.IntRange(0), help="Seconds since the log-in at most.")
@click.option("--login-hint", help="The username to prefill.")
@click.option("--no-open", is_flag=True, help="Only print the address; open no browser.")
@click.option("--timeout", type=click.IntRange(1), default=300, show_default=True, help="Seconds to wait.")
@pass_invocation
@_as_client
def authorization_code(
    invocation: Invocation,
    party: RelyingParty,
    /,
    port: int,
    redirect_uri: str | None,
    no_open: bool,
    timeout: int,
    **request: Any,
) -> None:
    """Send the browser through log-in and consent, and get tokens for its user (RFC 6749 §4.1, with PKCE)."""
    from grantway.cli.relying_party import Callback

    with Callback(port) as callback:
        flow = party.begin(redirect_uri or callback.url, **request)
        write_note(f"Open {flow.url}")
        if not no_open:
            click.launch(flow.url)
        answer = callback.wait(timeout)
        write_object(invocation, party.finish(flow, answer))


@perform.command("device-code")
@_client_options
@click.option("--scope", default="openid offline_access", show_default=True, help="Separated by spaces.")
@click.option("--no-qr", is_flag=True, help="Draw no QR code on the terminal.")
@pass_invocation
@_as_client
def device_code(invocation: Invocation, party: RelyingParty, audience: str, scope: str, no_qr: bool) -> None:
    """Be a device without a browser: show a code, wait for somebody to type it elsewhere, get tokens (RFC 8628)."""
    flow = party.begin_device(scope=scope, audience=audience)
    write_note(f"Open {flow.verification_uri_complete or flow.verification_uri}")
    write_note(f"or type {flow.user_code} at {flow.verification_uri}")
    if not no_qr and sys.stderr.isatty():
        _draw(flow.verification_uri_complete or flow.verification_uri)
    write_object(invocation, party.finish_device(flow))


def _draw(url: str) -> None:
    """A QR code, for a telephone."""
    import segno

    segno.make(url, micro=False).terminal(sys.stderr, compact=True, border=2)
