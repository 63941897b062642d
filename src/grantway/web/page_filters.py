"""What templates may do with a value: make it short, datable or safe to link to. No words of any language in here."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape

TINTS = 6
"""How many tile colours the style sheet has: the classes ``tint-0`` to ``tint-5``."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_EXECUTED_SCHEMES = frozenset(
    {"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source", "ws", "wss"}
)

# Order matters: most browsers also carry the names of those they descend from.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


def build_web_link(value: Any) -> str | None:
    """``value`` if it is an http(s) URL with a host and without blanks, else None.

    It was checked when the client was registered; a page checks again, whatever a store or an import let in.
    """
    if not isinstance(value, str) or _CONTROL.search(value):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme.lower() in ("http", "https") and parts.hostname else None


def build_target(value: Any) -> str | None:
    """``value`` if a browser may be sent there: an absolute URL of any scheme, private-use ones included (RFC 8252
    §7.1), except those whose content runs or is read in place. None otherwise."""
    if not isinstance(value, str) or _CONTROL.search(value):
        return None
    scheme = _SCHEME.match(value)
    if scheme is None or scheme.group()[:-1].lower() in _EXECUTED_SCHEMES:
        return None
    return value


def check_target(value: Any) -> str:
    """``value`` if ``build_target`` lets it pass.

    Raises:
        ValueError: it does not. A page that carries a code must not be sent to such a place.
    """
    target = build_target(value)
    if target is None:
        raise ValueError("A form may not be sent to an address of that scheme.")
    return target


def find_host(value: Any) -> str | None:
    """The host of an http(s) URL in ASCII, with the port where one is written; None: it has none, or a wrong one."""
    link = build_web_link(value)
    if link is None:
        return None
    parts = urlsplit(link)
    host = parts.hostname or ""
    if not host.isascii():
        try:
            # A look-alike letter must not pass for the real one.
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    try:
        port = parts.port
    except ValueError:
        return None
    if ":" in host:
        host = f"[{host}]"
    return host if port is None else f"{host}:{port}"


def is_loopback(host: Any) -> bool:
    """Whether ``host`` (with or without a port) is this very device (RFC 8252 §7.3)."""
    return isinstance(host, str) and re.fullmatch(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", host) is not None


def build_monogram(value: Any) -> str:
    """One or two letters that stand for a name: those its first and last word begin with."""
    words = [word for word in re.split(r"[\W_]+", str(value or "")) if word]
    if not words:
        return "?"
    letters = words[0][0] + (words[-1][0] if len(words) > 1 else "")
    return letters.upper()[:2]


def choose_tint(value: Any) -> int:
    """The tile colour of a name, always the same for the same name."""
    return zlib.crc32(str(value or "").encode("utf-8", "replace")) % TINTS


def format_instant(value: Any) -> Markup:
    """A ``<time>`` element, UTC to the minute, for an instant in milliseconds; empty for None or beyond year 9999."""
    if not isinstance(value, int):
        return Markup("")
    try:
        instant = datetime.fromtimestamp(value // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return Markup("")
    machine, person = instant.strftime("%Y-%m-%dT%H:%M:%SZ"), instant.strftime("%Y-%m-%d %H:%M UTC")
    return Markup('<time datetime="{}">{}</time>').format(machine, person)


def describe_device(value: Any) -> str:
    """``Firefox, Linux`` for a User-Agent header; its beginning where nothing in it is known; empty for none."""
    text = str(value or "").strip()
    found = [next((name for mark, name in table if mark in text), None) for table in (_BROWSERS, _SYSTEMS)]
    known = [name for name in found if name]
    return ", ".join(known) or (text if len(text) <= 60 else text[:59] + "…")


def emphasise(value: Any) -> Markup:
    """A name from outside within a sentence: set off from it, so that its direction marks cannot turn the sentence."""
    return Markup("<strong><bdi>{}</bdi></strong>").format(escape(value))
