"""What the pages of the playground show: raw requests and answers in lines, and tokens taken apart."""

from __future__ import annotations

import base64
import json
import re
import shlex
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, unquote

from msgspec import Struct

from grantway.protocol.sealing import decode_base64url
from grantway.web.playground.flow import Answer, Pairs, RawRequest

Span = tuple[str, str]
"""(kind, text): the kind is a class of the style sheet, or empty."""

_JSON = re.compile(
    r'(?P<name>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>-?\d[\d.eE+-]*|true|false|null)'
)
_JWT = re.compile(r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_XML_BEGINS = "PE"  # of "<A", in base64url
_INSTANTS = frozenset({"exp", "iat", "nbf", "auth_time", "updated_at"})

MEANINGS: dict[str, str] = {
    "iss": "who issued it",
    "sub": "whom it is about",
    "aud": "whom it is meant for",
    "azp": "the client it was issued to",
    "exp": "good until",
    "nbf": "good from",
    "iat": "issued at",
    "jti": "its own name",
    "nonce": "the client's random value: this token belongs to that request",
    "auth_time": "when the person proved who they are",
    "acr": "how strongly",
    "amr": "by which means",
    "sid": "the session",
    "at_hash": "half a hash of the access token that came with it",
    "c_hash": "half a hash of the code that came with it",
    "client_id": "the client it was issued to",
    "scope": "what it allows",
    "act": "who acts for the subject",
    "cnf": "the key its bearer has to prove",
    "active": "whether it is good now",
    "alg": "the algorithm of the signature",
    "kid": "which key signed it",
    "typ": "what kind of token it is",
    "token_type": "how it is used",
    "token_use": "what kind of token it is",
}
"""Claims in plain words."""


class Claim(Struct, frozen=True):
    """One member of a token, for a reader."""

    name: str
    value: str
    meaning: str


class Token(Struct, frozen=True, kw_only=True):
    """A token in an answer, taken apart."""

    name: str
    kind: str
    """``jwt``, ``opaque`` or ``xml``."""
    header: tuple[Claim, ...] = ()
    claims: tuple[Claim, ...] = ()
    text: str = ""
    """Of XML."""


class Exchange(Struct, frozen=True, kw_only=True):
    """A request and its answer, ready for a template."""

    request: tuple[tuple[Span, ...], ...]
    curl: str | None
    answer: tuple[tuple[Span, ...], ...] = ()
    tokens: tuple[Token, ...] = ()
    sent: tuple[Token, ...] = ()
    """JWTs and SAML assertions in the request."""
    basic: str | None = None
    """What is in the Authorization header, decoded."""


def build_request_lines(request: RawRequest, host: str) -> tuple[tuple[Span, ...], ...]:
    """HTTP/1.1 as it goes over the wire; a long query or form is broken before each ``&``."""
    first: list[Span] = [("verb", request.method), ("", f" {request.path}")]
    lines: list[tuple[Span, ...]] = []
    for number, (name, value) in enumerate(request.query):
        lines.append(tuple(first))
        first = [("", "  " + ("&" if number else "?")), ("name", quote_plus(name)), ("", "=" + quote_plus(value))]
    lines.append((*first, ("soft", " HTTP/1.1")))
    lines += [(("name", name), ("", f": {value}")) for name, value in (("Host", host), *request.all_headers)]
    if request.json is not None:
        lines += [(), *build_json_lines(request.json)]
    elif request.form:
        lines.append(())
        for number, (name, value) in enumerate(request.form):
            lines.append((("", "&" if number else ""), ("name", quote_plus(name)), ("", "=" + quote_plus(value))))
    return tuple(lines)


def build_curl(request: RawRequest, issuer: str) -> str:
    """The same request for a shell."""
    parts = ["curl -i"] if request.method in ("GET", "POST") else [f"curl -i -X {request.method}"]
    parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in request.headers]
    if request.json is not None:
        parts += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(request.json))}"]
    parts += [f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in request.form]
    if request.method == "POST" and not request.form and request.json is None:
        parts.append("-X POST")
    return " \\\n  ".join([*parts, shlex.quote(issuer + request.target)])


def build_answer_lines(answer: Answer, callback: str) -> tuple[tuple[Span, ...], ...]:
    """Status, headers, body; JSON is indented. Of a browser's answer: the address it was sent to."""
    if answer.status == 0:
        first: list[Span] = [("verb", "GET"), ("", f" {callback}")]
        lines: list[tuple[Span, ...]] = []
        mark = "#" if answer.is_fragment else "?"
        for number, (name, value) in enumerate(answer.parameters.items()):
            lines.append(tuple(first))
            first = [("", "  " + ("&" if number else mark)), ("name", name), ("", f"={quote_plus(value)}")]
        return (*lines, tuple(first))
    phrase = HTTPStatus(answer.status).phrase
    kind = "good" if answer.status < 400 else "bad"
    lines = [(("soft", "HTTP/1.1 "), (kind, f"{answer.status} {phrase}"))]
    lines += [(("name", name), ("", f": {value}")) for name, value in answer.headers]
    if answer.body:
        lines += [(), *_build_body_lines(answer.body)]
    return tuple(lines)


def _build_body_lines(body: str) -> list[tuple[Span, ...]]:
    try:
        return build_json_lines(json.loads(body))
    except ValueError:
        return [(("", line),) for line in body.splitlines()]


def build_json_lines(content: Any) -> list[tuple[Span, ...]]:
    """Indented JSON, names and values told apart."""
    return [_split_json(line) for line in json.dumps(content, indent=2, ensure_ascii=False).split("\n")]


def _split_json(line: str) -> tuple[Span, ...]:
    spans: list[Span] = []
    position = 0
    for match in _JSON.finditer(line):
        spans += [("", line[position : match.start()]), (match.lastgroup or "", match[0])]
        position = match.end()
    return tuple(span for span in (*spans, ("", line[position:])) if span[1])


def read_basic(headers: Pairs) -> str | None:
    """``client_id:client_secret`` of an Authorization header (RFC 7617), for a reader."""
    for name, value in headers:
        if name.lower() == "authorization" and value.startswith("Basic "):
            try:
                return unquote(base64.b64decode(value[6:], validate=True).decode())
            except ValueError:
                return None
    return None


def find_tokens(answer: Answer, introspected: dict[str, Answer]) -> tuple[Token, ...]:
    """Every token among the members of an answer, taken apart."""
    tokens: list[Token] = []
    for name, value in answer.members.items():
        jwt = read_jwt(value) if isinstance(value, str) else None
        if jwt is not None:
            header, claims = jwt
            tokens.append(Token(name=name, kind="jwt", header=describe(header), claims=describe(claims)))
        elif name in introspected:
            tokens.append(Token(name=name, kind="opaque", claims=describe(introspected[name].members)))
    return tuple(tokens)


def find_sent(request: RawRequest) -> tuple[Token, ...]:
    """Every JWT and every SAML assertion among the parameters of a request, taken apart."""
    found = [_read_sent(name, value) for name, value in (*request.query, *request.form)]
    return tuple(token for token in found if token is not None)


def _read_sent(name: str, value: str) -> Token | None:
    jwt = read_jwt(value)
    if jwt is not None:
        return Token(name=name, kind="jwt", header=describe(jwt[0]), claims=describe(jwt[1]))
    raw = decode_base64url(value) if value.startswith(_XML_BEGINS) else None
    return Token(name=name, kind="xml", text=raw.decode("utf-8", "replace")) if raw is not None else None


def read_jwt(text: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(header, claims) of a signed JWT, unverified; None: it is none."""
    if not _JWT.fullmatch(text):
        return None
    parts: list[dict[str, Any]] = []
    for part in text.split(".")[:2]:
        raw = decode_base64url(part)
        try:
            content = json.loads(raw) if raw is not None else None
        except (ValueError, RecursionError):
            return None
        if not isinstance(content, dict):
            return None
        parts.append(content)
    return parts[0], parts[1]


def describe(members: Any) -> tuple[Claim, ...]:
    """Each member with its meaning; an instant is dated."""
    return tuple(Claim(str(name), _format(name, value), MEANINGS.get(name, "")) for name, value in members.items())


def _format(name: str, value: Any) -> str:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if name in _INSTANTS and is_number and 0 <= value < 1 << 36:
        return f"{value} ({datetime.fromtimestamp(value, UTC):%d %b %Y, %H:%M:%S} UTC)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
