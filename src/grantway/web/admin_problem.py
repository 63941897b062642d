"""Whatever went wrong, as a problem (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from grantway.admin.effects import VersionConflict
from grantway.errors import (
    Conflict,
    GrantwayError,
    InsufficientScope,
    MethodNotAllowed,
    NotFound,
    OAuthError,
    TemporarilyUnavailable,
    TooManyRequests,
    Unprocessable,
    build_description,
)
from grantway.protocol.message import Headers, Response
from grantway.web.admin_wire import FieldError, Problem

REALM = "grantway-admin"
_PROBLEM_TYPE = (b"content-type", b"application/problem+json")


class Unauthorized(GrantwayError):
    """No token was sent; RFC 6750 §3.1 wants the bare challenge then."""


def build_problem_response(error: Exception, *, is_conditional: bool = False) -> Response:
    """The answer to ``error``. ``is_conditional``: If-Match was sent, so a version that moved on is a 412."""
    headers: Headers = [_PROBLEM_TYPE]
    if isinstance(error, Unauthorized):
        headers.append((b"www-authenticate", f'Bearer realm="{REALM}"'.encode()))
        problem = _build(401, "unauthorized", "An access token is required.")
    elif isinstance(error, OAuthError):
        problem = _build(error.status, error.code.replace("_", "-"), error.description)
        problem.error = error.code
        headers += _build_headers(error)
    elif isinstance(error, Unprocessable):
        problem = _build(422, "unprocessable", str(error))
        problem.errors = [FieldError(field=error.field, message=error.message)]
    elif isinstance(error, NotFound):
        problem = _build(404, "not-found", str(error))
    elif isinstance(error, VersionConflict):
        status, kind = (412, "precondition-failed") if is_conditional else (409, "conflict")
        problem = _build(status, kind, str(error))
    elif isinstance(error, Conflict):
        problem = _build(409, "conflict", str(error))
    else:
        problem = _build(500, "internal", "The server met an unexpected condition.")
    return Response(status=problem.status, headers=headers, body=msgspec.json.encode(problem))


def _build(status: int, kind: str, detail: str) -> Problem:
    title = HTTPStatus(status).phrase
    return Problem(type=f"urn:grantway:problem:{kind}", title=title, status=status, detail=detail)


def _build_headers(error: OAuthError) -> Headers:
    headers: Headers = []
    if error.status in (401, 403):
        challenge = f'Bearer realm="{REALM}", error="{error.code}", error_description="{error.description}"'
        if isinstance(error, InsufficientScope):
            # Somebody else's role may be named here: quoted-string characters only (RFC 6750 §3).
            challenge += f', scope="{build_description(error.scope)}"'
        headers.append((b"www-authenticate", challenge.encode("ascii")))
    if isinstance(error, TemporarilyUnavailable | TooManyRequests):
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allowed).encode()))
    return headers
