"""Scope: read, written, narrowed. Order is kept, repeats are dropped, case matters (RFC 6749 §3.3)."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from grantway.errors import InvalidScope

MAX_VALUES: Final = 100
MAX_LENGTH: Final = 2048

STANDARD_SCOPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openid": "Sign you in",
        "profile": "See your name, picture and other profile details",
        "email": "See your email address",
        "address": "See your postal address",
        "phone": "See your phone number",
        "offline_access": "Keep this access while you are not signed in",
    }
)
"""The scopes of OpenID Connect Core §5.4 and §11, with the text a person reads when asked for consent."""

# RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
_TOKEN_CHARACTERS = frozenset(chr(c) for c in range(0x21, 0x7F)) - {'"', "\\"}


@functools.lru_cache(maxsize=1024)  # hot path: 1.7 µs to 0.1; at most 2 MB, as longer texts are refused, not kept
def parse_scope(text: str | None) -> tuple[str, ...]:
    """Reads a ``scope`` parameter; None and the empty string are no scope at all.

    Raises:
        InvalidScope: a character outside RFC 6749 §3.3, or more than 100 values or 2048 characters.
    """
    if not text:
        return ()
    if len(text) > MAX_LENGTH:
        raise InvalidScope(f"The scope is longer than {MAX_LENGTH} characters.")
    values = tuple(dict.fromkeys(value for value in text.split(" ") if value))
    if len(values) > MAX_VALUES:
        raise InvalidScope(f"The scope has more than {MAX_VALUES} values.")
    for value in values:
        if not _TOKEN_CHARACTERS.issuperset(value):
            raise InvalidScope("The scope contains a character that is not allowed.")
    return values


def format_scope(scope: Iterable[str]) -> str:
    """The wire form: values separated by one space (RFC 6749 §3.3)."""
    return " ".join(scope)


def narrow_scope(requested: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """What is granted when ``requested`` is asked of ``allowed``: never more than was allowed (RFC 6749 §6).

    An empty ``requested`` stands for everything allowed.

    Raises:
        InvalidScope: a requested value is not allowed; the first such value is named.
    """
    if not requested:
        return allowed
    for value in requested:
        if value not in allowed:
            raise InvalidScope(f"The scope {value} is unknown or may not be requested here.")
    return requested


def intersect_scope(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """The values in both, in the order of ``first``."""
    kept = frozenset(second)
    return tuple(value for value in first if value in kept)
