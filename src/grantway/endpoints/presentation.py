"""What pages are told: the contexts that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grantway.browser import build_csrf_token, find_browser
from grantway.errors import TooManyRequests
from grantway.extension import Call
from grantway.model import AuthorizationRequest, Client, Subject
from grantway.protocol.message import Response
from grantway.protocol.redirect_uri import build_form_action


def render(
    call: Call,
    page: str,
    context: dict[str, Any],
    *,
    status: int = 200,
    form_action: str | None = None,
    frame_sources: Sequence[str] = (),
    locales: Sequence[str] = (),
) -> Response:
    """Renders a page with what every page needs; a page with a form is tied to this browser.

    ``locales`` that the request asked for come before those the browser prefers (RFC 9110 §12.5.4).
    """
    shared: dict[str, Any] = {
        "issuer_name": call.tenant.display_name or call.tenant.issuer.split("://", 1)[1],
        "base": call.base,
        "error": None,
    }
    if "action" in context or page == "account":
        shared["csrf_token"] = build_csrf_token(call, find_browser(call))
    return call.runtime.pages.render(
        page,
        {**shared, **context},
        status=status,
        form_action=form_action,
        frame_sources=frame_sources,
        locales=list_languages(call, locales),
    )


def ask_to_wait(page: Response, error: TooManyRequests) -> Response:
    """The page of a form that was sent too often, with when it may be sent again (RFC 6585 §4)."""
    page.headers.append((b"retry-after", str(error.retry_after).encode()))
    return page


def find_form_action(request: AuthorizationRequest) -> str | None:
    """Where the forms that answer the request may lead on to; None: nowhere, a device's request ends in a page."""
    return build_form_action(request.redirect_uri) if request.redirect_uri else None


def list_languages(call: Call, locales: Sequence[str] = ()) -> list[str]:
    """What the person reads, the most wanted first: ``locales`` that the request asked for, then the browser's."""
    return [*locales, *_read_languages(call)]


def _read_languages(call: Call) -> list[str]:
    """The browser's languages in its own order, which is the order of preference in every browser; at most ten."""
    header = call.request.headers and dict(call.request.headers).get(b"accept-language", b"")
    parts = header.decode("latin-1").split(",")[:10] if header else []
    return [part.split(";", 1)[0].strip() for part in parts]


def describe_client(client: Client) -> dict[str, Any]:
    """The client as people see it."""
    return {
        "client_id": client.client_id,
        "name": client.client_name or client.client_id,
        "logo_uri": client.logo_uri,
        "client_uri": client.client_uri,
        "policy_uri": client.policy_uri,
        "tos_uri": client.tos_uri,
    }


def describe_account(subject: Subject) -> dict[str, Any]:
    """The account as its owner sees it."""
    return {
        "username": subject.username,
        "name": subject.claims.get("name") or subject.username,
        "email": subject.claims.get("email"),
    }
