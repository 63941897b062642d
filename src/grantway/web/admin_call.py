"""One administrative request: its route, what it may, what it asked, and the answers built from it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, field

from grantway.admin.rights import Rights
from grantway.errors import InvalidRequest
from grantway.extension import Runtime
from grantway.model import Page
from grantway.protocol.message import NO_REFERRER, NO_SNIFF, NO_STORE, Parameters, Response

if TYPE_CHECKING:
    from grantway.server import AuthorizationServer

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
FORM = "application/x-www-form-urlencoded"

DEFAULT_PAGE_SIZE = 100
LARGEST_PAGE_SIZE = 500
_CURSOR_PURPOSE = b"grantway/admin-cursor/v1"
_TAG_SIZE = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_INSTANT, _LAST_INSTANT = -62_135_596_800_000, 253_402_300_799_999  # of the years 1 to 9999, milliseconds

SECURITY_HEADERS = (
    NO_STORE,
    NO_SNIFF,
    NO_REFERRER,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
"""On every answer of this listener, errors included."""
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
"""Over https only (RFC 6797 §7.2)."""


class PreconditionFailed(InvalidRequest):
    """If-Match is no entity tag of ours, or names a version that is no longer there."""

    status = 412
    spec = "RFC 9110 §15.5.13"
    text = "The object is no longer the version that If-Match names."


class QueryParameter(Struct, frozen=True):
    """A query parameter a route reads; every other one is refused."""

    name: str
    description: str
    is_required: bool = False
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


PAGING = (
    QueryParameter(
        "page_size",
        "Most items on a page.",
        schema={"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE},
    ),
    QueryParameter("page_token", "Where the page begins: from the Link header of the page before."),
)


class AdminCall(Struct, kw_only=True):
    """One request after routing and authorization."""

    server: AuthorizationServer
    route: Route
    prefix: str
    """``/admin``, or ``/admin/t/<tenant>``."""
    tenant: str
    actor: str
    rights: Rights
    path: Mapping[str, str]
    query: Parameters
    body: Any = None
    """What the route's body type says, decoded and checked."""
    if_match: str | None = None

    @property
    def runtime(self) -> Runtime:
        return self.server.runtime

    def expected_version(self) -> int | None:
        """The version in If-Match; None without one, or for ``*``.

        Raises:
            PreconditionFailed: it is not an entity tag of ours.
        """
        tag = self.if_match
        if tag is None or tag.strip() == "*":
            return None
        tag = tag.strip()
        digits = tag[1:-1] if len(tag) > 2 and tag[0] == tag[-1] == '"' else ""
        if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
            raise PreconditionFailed()
        return int(digits)

    def required(self, name: str) -> str:
        """A query parameter that has to be there. Raises ``InvalidRequest``."""
        value = self.query.get(name)
        if value is None:
            raise InvalidRequest(f"The query parameter {name} is missing.")
        return value

    def flag(self, name: str) -> bool:
        """A query parameter that is true, false or absent (false). Raises ``InvalidRequest``."""
        value = self.query.get(name)
        if value not in (None, "true", "false"):
            raise InvalidRequest(f"The query parameter {name} must be true or false.")
        return value == "true"

    def page_size(self) -> int:
        """Raises ``InvalidRequest``: it is not a number from 1 to 500."""
        value = self.query.get("page_size")
        if value is None:
            return DEFAULT_PAGE_SIZE
        if not (value.isascii() and value.isdigit() and len(value) < 9 and 1 <= int(value) <= LARGEST_PAGE_SIZE):
            raise InvalidRequest(f"page_size must be a number from 1 to {LARGEST_PAGE_SIZE}.")
        return int(value)

    def cursor(self) -> str | None:
        """The store's cursor in ``page_token``: only one that this listing of this tenant handed out.

        Raises:
            InvalidRequest: it was made up, altered, or belongs to another listing.
        """
        token = self.query.get("page_token")
        if token is None:
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidRequest("page_token is not one this server gave.") from error
        tag, cursor = raw[:_TAG_SIZE], raw[_TAG_SIZE:]
        if not self.runtime.keys.is_tag_correct(_CURSOR_PURPOSE, self._cursor_parts(cursor), tag):
            raise InvalidRequest("page_token is not one this server gave for this listing.")
        return cursor.decode()

    def _cursor_parts(self, cursor: bytes) -> list[bytes]:
        filters = [f"{name}={value}".encode() for name, value in sorted(self._filters().items())]
        return [self.tenant.encode(), self.route.path.encode(), *filters, cursor]

    def _filters(self) -> dict[str, str]:
        return {name: value for name, value in self.query.values.items() if name not in ("page_size", "page_token")}

    def page(self, page: Page, items: list[Any]) -> Response:
        """A page of a listing: a JSON array, and where it goes on as a Link (RFC 8288)."""
        response = build_json(items)
        first = {**self._filters(), "page_size": str(self.page_size())}
        links = [f'<{self.location()}?{urlencode(first)}>; rel="first"']
        if page.cursor is not None:
            cursor = page.cursor.encode()
            tag = self.runtime.keys.build_tag(_CURSOR_PURPOSE, self._cursor_parts(cursor))
            token = base64.urlsafe_b64encode(tag + cursor).decode().rstrip("=")
            links.append(f'<{self.location()}?{urlencode({**first, "page_token": token})}>; rel="next"')
        response.headers.append((b"link", ", ".join(links).encode()))
        return response

    def location(self, *below: str) -> str:
        """The path of this route (with what it was called with), or of an object below it."""
        from urllib.parse import quote

        path = self.route.path.removeprefix("/admin")
        for name, value in self.path.items():
            path = path.replace("{" + name + "}", quote(value, safe=""))
        return self.prefix + path + "".join("/" + quote(part, safe="") for part in below)


Handler = Callable[[AdminCall], Awaitable[Response]]


class Route(Struct, frozen=True, kw_only=True):
    """One method on one path, with everything that routing, authorization and the OpenAPI document need to know.

    ``scope`` is what a token needs; a route without one is open to everybody, which only operations are.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    scope: str | None
    area: str
    has_slashes: bool = False
    """Its path ends with a parameter that may hold slashes."""
    is_server_wide: bool = False
    """About the server and not about one tenant: only tokens of the default tenant will do."""
    query: tuple[QueryParameter, ...] = ()
    body: Any = None
    media_types: tuple[str, ...] = (JSON,)
    is_body_optional: bool = False
    answer: Any = None
    answer_media_type: str = JSON
    status: int = 200
    is_conditional: bool = False
    """Answers an ETag, or honours If-Match."""
    errors: tuple[int, ...] = ()
    """Statuses of problems besides those every route can answer."""

    @property
    def service(self) -> str:
        """What `serve.services` calls its area; empty for routes about the server, which every node answers."""
        return "" if self.area == "server" else self.area


def build_json(content: Any, *, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    """A JSON answer; values are structs of ``admin_wire`` or plain JSON."""
    return Response(
        status=status, headers=[(b"content-type", b"application/json"), *headers], body=msgspec.json.encode(content)
    )


def build_empty(status: int = 204) -> Response:
    """An answer without content."""
    return Response(status=status, headers=[])


def build_etag(version: int) -> tuple[bytes, bytes]:
    """A strong entity tag (RFC 9110 §8.8.3)."""
    return b"etag", f'"{version}"'.encode()


def format_instant(milliseconds: int | None) -> str | None:
    """RFC 3339, UTC, milliseconds; None stays None and so does an instant that never was (0). What RFC 3339 cannot
    write is the last instant that it can."""
    if not milliseconds:
        return None
    moment = _EPOCH + timedelta(milliseconds=max(_FIRST_INSTANT, min(milliseconds, _LAST_INSTANT)))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
