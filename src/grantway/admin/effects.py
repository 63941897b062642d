"""What every use case shares besides its change: the version it looked at, the event it leaves, the text it takes."""

from __future__ import annotations

import unicodedata

from grantway.errors import Conflict, Unprocessable
from grantway.events import Administered
from grantway.extension import Runtime


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


def check_text(field: str, value: str, *, longest: int) -> None:
    """Refuses control characters, lone surrogates and what is longer than ``longest`` characters.

    Raises:
        Unprocessable: names the field.
    """
    if len(value) > longest:
        raise Unprocessable(field, f"must have at most {longest} characters.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise Unprocessable(field, "must have no control characters.")
