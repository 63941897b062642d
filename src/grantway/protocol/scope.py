"""Scope: read, written, compared, narrowed. Order is kept, repeats are dropped, case matters (RFC 6749 §3.3).

What a client registered may stand for more than its own name: ``ScopePolicy`` says how much. What a token carries, and
what a person allowed, are names and nothing else.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from msgspec import Struct

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


def narrow_scope(
    requested: tuple[str, ...], allowed: tuple[str, ...], policy: ScopePolicy | None = None
) -> tuple[str, ...]:
    """What is granted when ``requested`` is asked of ``allowed``: never more than was allowed (RFC 6749 §6).

    An empty ``requested`` stands for everything allowed. ``policy``: how the two are compared; None: by name.

    Raises:
        InvalidScope: a requested value is not allowed, the first such value is named; or none of them is, where the
            policy grants what is allowed of a request.
    """
    if not requested:
        return allowed
    policy = policy or BY_NAME
    if policy.strategy != "wildcard" and set(requested).issubset(allowed):  # mostly
        return requested
    granted = tuple(value for value in requested if policy.is_allowed(value, allowed))
    if granted == requested or (granted and policy.matching == "any"):
        return granted
    refused = next(value for value in requested if value not in granted)
    raise InvalidScope(f"The scope {refused} is unknown or may not be requested here.")


def intersect_scope(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """The values in both, in the order of ``first``."""
    kept = frozenset(second)
    return tuple(value for value in first if value in kept)


# -- what a registered scope stands for -------------------------------------------------------------------------------

ScopeStrategy = Literal["exact", "hierarchic", "wildcard"]
ScopeMatching = Literal["all", "any"]
ScopeSeparators = Literal["space", "comma_and_plus"]

RESERVED_PREFIX: Final = "grantway."
"""Of the scopes of the administration."""


class ScopePolicy(Struct, frozen=True):
    """How the scopes a client asks for are compared with those it registered.

    ``exact``: a scope allows itself. ``hierarchic``: ``photos`` allows ``photos.read`` and ``photos.read.thumbnails``,
    too. ``wildcard``: each ``*`` between dots allows one segment, one at the end one or more, as Hydra has it.

    Scopes that mean something to this server itself are compared by name under every strategy: no pattern stands for
    ``offline_access`` or for a right to administer.
    """

    strategy: ScopeStrategy = "exact"
    matching: ScopeMatching = "all"
    """``all``: one scope that is not allowed refuses the request. ``any``: the others are granted (RFC 6749 §3.3)."""
    separators: ScopeSeparators = "space"

    def parse(self, text: str | None) -> tuple[str, ...]:
        """As ``parse_scope``, at the separators of this client."""
        return parse_scope(self.spell_out(text) if text else text)

    def spell_out(self, text: str) -> str:
        """With spaces for whatever else separates."""
        return text.translate(_COMMA_AND_PLUS) if self.separators == "comma_and_plus" else text

    def is_pattern(self, value: str) -> bool:
        """Whether it stands for others and is none itself: it may be registered, and is never granted."""
        return self.strategy == "wildcard" and "*" in value.split(".")

    def is_allowed(self, value: str, allowed: Collection[str]) -> bool:
        """Whether a request may name ``value``."""
        return self.covers(allowed, value) and not self.is_pattern(value)

    def covers(self, allowed: Collection[str], value: str) -> bool:
        """Whether ``value``, a scope or a pattern, allows no more than ``allowed`` does."""
        if value in allowed:
            return True
        if self.strategy == "exact" or is_reserved(value):
            return False
        segments = value.split(".")
        if "" in segments:  # malformed: nobody meant it
            return False
        matches = _is_below if self.strategy == "hierarchic" else _is_matched
        return any(matches(each.split("."), segments) for each in allowed)

    def select(self, values: tuple[str, ...], allowed: Collection[str]) -> tuple[str, ...]:
        """Those of ``values``, scopes or patterns, that are within ``allowed``."""
        if self.strategy == "exact":
            return intersect_scope(values, allowed)
        return tuple(value for value in values if self.covers(allowed, value))

    def name_scope(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """``values`` without patterns: what a token can carry."""
        if self.strategy != "wildcard":
            return values
        return tuple(value for value in values if not self.is_pattern(value))


def is_reserved(value: str) -> bool:
    """Whether the scope means something to this server itself."""
    return value in STANDARD_SCOPES or value.startswith(RESERVED_PREFIX)


def choose_scope_policy(metadata: Mapping[str, Any], strategy: ScopeStrategy) -> ScopePolicy:
    """The policy for a client with this metadata at a server with this strategy."""
    if not metadata:
        return _POLICIES[strategy, "all", "space"]
    return _POLICIES[
        metadata.get("scope_strategy", strategy),
        metadata.get("scope_matching", "all"),
        metadata.get("scope_separators", "space"),
    ]


def _is_below(name: Sequence[str], segments: Sequence[str]) -> bool:
    return len(name) < len(segments) and segments[: len(name)] == name


def _is_matched(pattern: Sequence[str], segments: Sequence[str]) -> bool:
    if len(pattern) > len(segments) or (len(pattern) < len(segments) and pattern[-1] != "*"):
        return False
    return all(wanted in ("*", found) for wanted, found in zip(pattern, segments, strict=False))


BY_NAME: Final = ScopePolicy()
_COMMA_AND_PLUS: Final = str.maketrans(",+", "  ")
_POLICIES: Final = {
    key: ScopePolicy(*key)
    for key in itertools.product(get_args(ScopeStrategy), get_args(ScopeMatching), get_args(ScopeSeparators))
}
