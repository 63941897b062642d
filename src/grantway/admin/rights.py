"""Who may administer what: the scopes of the administration, and the rule that nobody hands out more than they hold.

``grantway.admin`` is everything; ``grantway.<area>.read`` and ``grantway.<area>.write`` are one area each, and writing
includes reading. A client whose registered scope holds such scopes, or a user whose roles name them, is as powerful as
they are: creating or changing one takes the same power (otherwise the right to edit clients would be the right to
become anything).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from grantway.errors import InsufficientScope

PREFIX = "grantway."
ADMIN = "grantway.admin"
AREAS = (
    "clients", "users", "keys", "authorizations", "sessions", "tenants", "tokens", "scopes", "trusted-issuers",
    "initial-access-tokens",
)  # fmt: skip
ADMIN_SCOPES: tuple[str, ...] = (ADMIN, *(f"{PREFIX}{area}.{verb}" for area in AREAS for verb in ("read", "write")))


class Rights(Struct, frozen=True):
    """The administration scopes somebody holds."""

    scopes: frozenset[str]

    def has(self, scope: str) -> bool:
        """Whether these rights include ``scope``."""
        if ADMIN in self.scopes or scope in self.scopes:
            return True
        return scope.endswith(".read") and scope.removesuffix("read") + "write" in self.scopes

    def check_may_hand_out(self, names: Iterable[str]) -> None:
        """Refuses to give, or to touch, power that these rights do not include.

        ``names``: scopes of a client or roles of a user; only those of the administration matter.

        Raises:
            InsufficientScope: names the one that is missing.
        """
        for name in names:
            if name.startswith(PREFIX) and not self.has(name):
                raise InsufficientScope(name, f"That takes the right {name[:100]}, which the token does not carry.")


ALL_RIGHTS = Rights(frozenset({ADMIN}))
"""Of whoever administers without the API: the command line and embedding code hold the database anyway."""


def build_rights(scope: Iterable[str], roles: Iterable[str] | None = None) -> Rights:
    """The rights in a token's ``scope``. ``roles``: those of the person it stands for; only what both name counts,
    so that no consent of an ordinary user makes an administrator."""
    held = frozenset(name for name in scope if name in ADMIN_SCOPES)
    if roles is None:
        return Rights(held)
    personal = Rights(frozenset(roles))
    if ADMIN in held:
        return Rights(frozenset(name for name in ADMIN_SCOPES if personal.has(name)))
    return Rights(frozenset(name for name in held if personal.has(name)))
