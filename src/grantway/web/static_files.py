"""The style sheet and the icon: few, small, read once, answered without a framework.

A page names a file with the hash of its content (``site.css?v=…``). Under that name the answer may be kept for ever.
Under any other it must be checked again each time, so that while two versions of the server run side by side no browser
keeps the style sheet of one under the name of the other.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import resources

from msgspec import Struct

from grantway.protocol.message import NO_SNIFF, Request, Response

_CONTENT_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml; charset=utf-8",
}
# An SVG that is opened by itself is a document: it gets nothing to run.
_SEALED_DOCUMENT = (
    b"content-security-policy",
    b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
)
_SAME_ORIGIN = (b"cross-origin-resource-policy", b"same-origin")


class StaticFile(Struct, frozen=True):
    """One file as it is served. ``version`` is the beginning of the SHA-256 of ``body``, in hex."""

    content_type: bytes
    body: bytes
    version: str


@functools.cache
def load_static_files() -> dict[str, StaticFile]:
    """Reads every file of ``static/`` that has a known type, once. The names are the only ones ever served."""
    files: dict[str, StaticFile] = {}
    for entry in resources.files("grantway.web").joinpath("static").iterdir():
        content_type = _CONTENT_TYPES.get(entry.name[entry.name.rfind(".") :])
        if content_type is not None:
            body = entry.read_bytes()
            files[entry.name] = StaticFile(content_type, body, hashlib.sha256(body).hexdigest()[:16])
    return files


def build_static_url(base: str, name: str) -> str:
    """The address a page uses: ``/static/site.css?v=…`` below ``base``. Raises ``KeyError`` for an unknown name."""
    return f"{base}/static/{name}?v={load_static_files()[name].version}"


def build_static(name: str, request: Request | None = None) -> Response | None:
    """Answers GET or HEAD of ``/static/<name>``; None: there is no such file.

    ``name`` is looked up among the files that were read at the start and never becomes a path, so there is nothing to
    traverse. ``request``, where given, allows the long cache (its query has the right version) and a 304 (RFC 9110
    §13.1.2).
    """
    file = load_static_files().get(name)
    if file is None:
        return None
    tag = f'"{file.version}"'.encode()
    is_current = request is not None and request.query == f"v={file.version}".encode()
    headers = [
        (b"cache-control", b"public, max-age=31536000, immutable" if is_current else b"no-cache"),
        (b"etag", tag),
        NO_SNIFF,
        _SAME_ORIGIN,
    ]
    if request is not None and _is_known(tag, request):
        return Response(status=304, headers=headers)
    return Response(headers=[(b"content-type", file.content_type), _SEALED_DOCUMENT, *headers], body=file.body)


def _is_known(tag: bytes, request: Request) -> bool:
    """Whether an If-None-Match names ``tag``; tags compare weakly there (RFC 9110 §13.1.2)."""
    for name, value in request.headers:
        if name == b"if-none-match":
            tags = {part.strip().removeprefix(b"W/") for part in value.split(b",")}
            if tag in tags or b"*" in tags:
                return True
    return False
