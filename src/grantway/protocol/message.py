"""Requests and responses as values, and the one way parameters are read.

``Parameters`` is strict where the standard library is lenient: invalid UTF-8, control characters and bad percent
escapes are refused instead of repaired, so no two inputs collide (RFC 6749 Appendix B).
"""
# hot path: bench/ measures parse_parameters in every token request

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Struct

from grantway.errors import (
    InsufficientScope,
    InvalidRequest,
    MethodNotAllowed,
    OAuthError,
    TemporarilyUnavailable,
    TooManyRequests,
)

Headers = list[tuple[bytes, bytes]]
HeaderBlock = tuple[tuple[bytes, bytes], ...]

FORM = b"application/x-www-form-urlencoded"
JSON_TYPE = (b"content-type", b"application/json")
NO_STORE = (b"cache-control", b"no-store")
NO_SNIFF = (b"x-content-type-options", b"nosniff")
NO_REFERRER = (b"referrer-policy", b"no-referrer")
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Head(Struct, eq=False):
    """Method, target and headers of a request, read once for all requests that begin with the same bytes.

    Clients send the same head again and again: the same place, the same credentials, bodies of the same length. A lane
    that recognises the bytes need not parse them, and what follows from the head alone can be remembered with it.
    """

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    length: int
    """Content-Length, 0 where there is none."""
    index: dict[bytes, bytes | None]
    """Values by name; None for a name that came more than once."""
    proved: Any = None
    """The gate's: the client these credentials were last proved to be."""


def build_head(method: str, path: str, query: bytes, headers: Iterable[tuple[bytes, bytes]], length: int) -> Head:
    pairs = tuple(headers)
    return Head(method, path, query, pairs, length, _index_headers(pairs))


class Request(Struct, kw_only=True, gc=False):
    """One HTTP request as the protocol sees it. ``path`` is below the issuer; header names are in lower case."""

    method: str
    path: str
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] | Headers = ()
    body: bytes = b""
    address: str = ""
    """The client's address: the peer's, or what a trusted proxy reports."""
    is_proxied: bool = False
    """The peer is a trusted proxy: what only a proxy can know may be read from its headers."""
    head: Head | None = None
    """Set when the lane recognised the head, or will recognise it when it comes again."""
    _index: dict[bytes, bytes | None] | None = None

    def header(self, name: bytes) -> bytes | None:
        """The header's value, or None when it is absent.

        Raises:
            InvalidRequest: it came more than once.
        """
        index = self._index
        if index is None:  # one pass for all look-ups of a request: 0.5 µs instead of 0.5 µs each
            index = self._index = _index_headers(self.headers)
        value = index.get(name)
        if value is None and name in index:
            raise InvalidRequest(f"The {name.decode()} header was sent more than once.")
        return value

    def has_header(self, name: bytes) -> bool:
        """Whether the header came, once or more often."""
        if self._index is None:
            self._index = _index_headers(self.headers)
        return name in self._index

    def media_type(self) -> bytes:
        """What the body says it is, in lower case and without parameters (RFC 9110 §8.3); empty: nothing.

        Raises:
            InvalidRequest: it says so twice.
        """
        return (self.header(b"content-type") or b"").split(b";", 1)[0].strip().lower()

    def cookies(self) -> dict[str, str]:
        """Cookies by name. A name that came twice is left out: somebody else may have planted one of them."""
        cookies: dict[str, str] = {}
        twice = set()
        for key, value in self.headers:
            if key != b"cookie":
                continue
            for part in value.decode("latin-1").split(";"):
                # OWS alone: strip() takes U+00A0 too, behind which a name passes the check of __Host-
                name, separator, content = part.strip(" \t").partition("=")
                if separator and name in cookies:
                    twice.add(name)
                cookies[name] = content
        return {name: content for name, content in cookies.items() if name not in twice}


def _index_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes | None]:
    """Values by name; None for a name that came more than once."""
    pairs = tuple(headers)
    index: dict[bytes, bytes | None] = dict(pairs)
    if len(index) != len(pairs):
        seen: set[bytes] = set()
        for name, _ in pairs:
            if name in seen:
                index[name] = None
            seen.add(name)
    return index


def build_request(head: Head, body: bytes, address: str, is_proxied: bool = False) -> Request:
    """The request that a recognised head begins."""
    return Request(
        method=head.method,
        path=head.path,
        query=head.query,
        headers=head.headers,
        body=body,
        address=address,
        is_proxied=is_proxied,
        head=head,
        _index=head.index,
    )


class Response(Struct, kw_only=True, gc=False):
    """One HTTP answer. ``headers`` may still be added to on the way out."""

    status: int = 200
    headers: Headers
    body: bytes = b""


class Parameters(Struct, frozen=True, gc=False):
    """Decoded parameters. A parameter without a value counts as omitted (RFC 6749 §3.1)."""

    values: dict[str, str]
    repeated: dict[str, list[str]]
    """All values of those names that came more than once."""

    def get(self, name: str) -> str | None:
        return self.values.get(name) or None

    def has(self, name: str) -> bool:
        """True even when the value is empty: for the few places where empty must not pass as absent."""
        return name in self.values

    def list(self, name: str) -> list[str]:
        """Every value of a parameter that may be repeated (RFC 8707 §2)."""
        if name in self.repeated:
            return [value for value in self.repeated[name] if value]
        return [self.values[name]] if self.values.get(name) else []

    def check_unique(self, repeatable: frozenset[str] = frozenset()) -> None:
        """Refuses repeated parameters (RFC 6749 §3.1 and §3.2).

        Raises:
            InvalidRequest: names the parameter.
        """
        if self.repeated:
            for name in self.repeated:
                if name not in repeatable:
                    raise InvalidRequest(f"The parameter {name[:64]} was sent more than once.")


NO_PARAMETERS = Parameters({}, {})


def parse_parameters(raw: bytes, *, limit: int = 200) -> Parameters:
    """Decodes ``application/x-www-form-urlencoded`` bytes.

    Raises:
        InvalidRequest: too many parameters, an invalid percent escape, bytes that are not UTF-8, or control characters.
    """
    values: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    if not raw:
        return Parameters(values, repeated)
    if raw.count(b"&") >= limit:
        raise InvalidRequest(f"More than {limit} parameters were sent.")
    for name, value in _split_plain(raw) or _split_encoded(raw):
        if name in values:
            repeated.setdefault(name, [values[name]]).append(value)
        else:
            values[name] = value
    return Parameters(values, repeated)


def _split_plain(raw: bytes) -> list[tuple[str, str]]:
    """The pairs of a body with nothing to decode and nothing to refuse, as most token requests are; [] of any other.

    3 µs less than decoding each name and value by itself.
    """
    if b"%" in raw or b"+" in raw or not raw.isascii():
        return []
    text = raw.decode("ascii")
    if not text.isprintable():
        return []
    pairs = []
    for part in text.split("&"):
        name, separator, value = part.partition("=")
        if separator or name:
            pairs.append((name, value))
    return pairs


def _split_encoded(raw: bytes) -> list[tuple[str, str]]:
    pairs = []
    for pair in raw.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            pairs.append((_decode(name), _decode(value)))
    return pairs


def merge_parameters(first: Parameters, second: Parameters) -> Parameters:
    """Both together; a name that is in each of them counts as repeated (a request split between query and body)."""
    values = {**second.values, **first.values}
    repeated = {name: [*first.list(name), *second.list(name)] for name in (*first.repeated, *second.repeated)}
    for name in first.values.keys() & second.values.keys():
        repeated[name] = [*first.list(name), *second.list(name)]
    return Parameters(values, repeated)


def _decode(encoded: bytes) -> str:
    if b"%" in encoded:
        encoded = encoded.replace(b"+", b" ")
        if not has_valid_escapes(encoded):
            raise InvalidRequest("A parameter has an invalid percent escape.")
        encoded = unquote_to_bytes(encoded)
    elif b"+" in encoded:
        encoded = encoded.replace(b"+", b" ")
    try:
        text = encoded.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("A parameter is not valid UTF-8.") from error
    if not text.isprintable() and any(c < " " or c == "\x7f" for c in text):
        raise InvalidRequest("A parameter contains control characters.")
    return text


def has_valid_escapes(encoded: bytes) -> bool:
    """Whether every ``%`` is followed by two hexadecimal digits (RFC 3986 §2.1)."""
    return all(len(rest) >= 2 and rest[0] in _HEX and rest[1] in _HEX for rest in encoded.split(b"%")[1:])


def is_vschar(text: str) -> bool:
    """RFC 6749 Appendix A: VSCHAR = %x20-7E."""
    return text.isascii() and text.isprintable()


encode_json = msgspec.json.Encoder().encode


def build_json_response(content: Any, *, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()) -> Response:
    """A JSON answer that no cache keeps (RFC 6749 §5.1)."""
    return Response(
        status=status, headers=[JSON_TYPE, NO_STORE, NO_SNIFF, NO_REFERRER, *headers], body=encode_json(content)
    )


def build_error_response(error: OAuthError, *, realm: str = "", scheme: bytes = b"Bearer") -> Response:
    """The JSON form of an error (RFC 6749 §5.2), with the headers its status demands.

    ``scheme``: the authentication scheme a 401 names: ``Basic`` where clients authenticate (RFC 6749 §5.2), ``Bearer``
    where tokens are presented (RFC 6750 §3).
    """
    content: Mapping[str, str] = {"error": error.code, "error_description": error.description}
    response = build_json_response(content, status=error.status)
    if error.status in (401, 403) and (scheme == b"Bearer" or error.status == 401):
        response.headers.append((b"www-authenticate", _build_challenge(error, realm, scheme)))
    if isinstance(error, TemporarilyUnavailable | TooManyRequests):
        response.headers.append((b"retry-after", str(error.retry_after).encode()))
    if isinstance(error, MethodNotAllowed):
        response.headers.append((b"allow", ", ".join(error.allowed).encode()))
    return response


def _build_challenge(error: OAuthError, realm: str, scheme: bytes) -> bytes:
    if scheme != b"Bearer":
        return scheme + f' realm="{realm}", charset="UTF-8"'.encode()
    parts = [f'realm="{realm}"', f'error="{error.code}"', f'error_description="{error.description}"']
    if isinstance(error, InsufficientScope):
        parts.append(f'scope="{error.scope}"')
    return b"Bearer " + ", ".join(parts).encode("ascii")
