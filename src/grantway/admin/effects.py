"""What every use case leaves behind besides its change: the event, the revocation, and new identifiers."""

from __future__ import annotations

import base64
import unicodedata

from grantway.errors import Conflict, Unprocessable
from grantway.events import Administered
from grantway.extension import Runtime
from grantway.model import Revocation, RevocationKind


class VersionConflict(Conflict):
    """The object is no longer the version the caller looked at (RFC 9110 §13.1.1)."""


def check_version(stored: int, expected: int | None) -> None:
    """Refuses when the caller saw another version than the stored one. ``expected`` None: the caller does not care.

    Raises:
        VersionConflict: it moved on.
    """
    if expected is not None and expected != stored:
        raise VersionConflict(f"Version {expected} is no longer the current one, which is {stored}.")


def emit(runtime: Runtime, tenant: str, action: str, key: str, actor: str) -> None:
    """Reports that ``actor`` did ``action`` (``client.create``) to ``key``."""
    runtime.events.emit(Administered(tenant=tenant, at=runtime.clock.now(), action=action, actor=actor, key=key))


def build_revocation(
    runtime: Runtime, tenant: str, kind: RevocationKind, key: str, *, is_disabling: bool = False
) -> Revocation:
    """Refuses every access token of ``kind``/``key`` issued until now, for as long as one could still be valid.

    ``is_disabling``: also those that a worker may yet issue which has not heard of it, as its memory is
    at most ``database.freshness_bound_ms`` old.
    """
    now = runtime.clock.now()
    not_before = now + runtime.settings.database.freshness_bound_ms if is_disabling else now
    longest = runtime.settings.tokens.max_token_ttl * 1000
    return Revocation(tenant=tenant, kind=kind, key=key, not_before=not_before, keep_until=not_before + longest)


def build_identifier(runtime: Runtime) -> str:
    """A random identifier of 26 lower-case letters and digits: 128 bits, and never mistaken for an option or a path."""
    return base64.b32encode(runtime.entropy.token_bytes(16)).decode().rstrip("=").lower()


def check_text(field: str, value: str, *, longest: int) -> None:
    """Refuses control characters, lone surrogates and what is longer than ``longest`` characters.

    Raises:
        Unprocessable: names the field.
    """
    if len(value) > longest:
        raise Unprocessable(field, f"must have at most {longest} characters.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise Unprocessable(field, "must have no control characters.")
