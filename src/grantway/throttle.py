"""How many guesses anyone gets: counted in the store, before the guess is looked at.

Counting first makes parallel guesses count (OWASP ASVS 5.0 6.3.1). The delay is soft: the window passes, so an outsider
cannot lock a person out for ever, and it falls on unknown accounts as on known ones.
"""

from __future__ import annotations

import hashlib
import ipaddress

from grantway.config import ThrottleSettings
from grantway.errors import TooManyRequests
from grantway.ports import Store


class Throttle:
    """Counts attempts per account and per address."""

    def __init__(self, settings: ThrottleSettings, store: Store) -> None:
        self._settings, self._store = settings, store

    async def check_login(self, tenant: str, username_key: str, address: str, now: int) -> None:
        """Counts one log-in attempt.

        Raises:
            TooManyRequests: with the seconds until the window ends, at the latest.
        """
        await self._count(tenant, "login-account", username_key, self._settings.account_attempts, now)
        await self._count(tenant, "login-address", find_network(address), self._settings.address_attempts, now)

    async def check_registration(self, tenant: str, address: str, now: int) -> None:
        """Counts one attempt to register, by address alone: nobody can use up what others need.

        Raises:
            TooManyRequests: see ``check_login``.
        """
        await self._count(tenant, "register-address", find_network(address), self._settings.address_attempts, now)

    async def forgive_login(self, tenant: str, username_key: str) -> None:
        """After a success the account starts anew; the address does not, or one account would buy guesses at others."""
        await self._store.forgive_attempts(tenant, "login-account", build_key(username_key))

    async def check_client(self, tenant: str, client_id: str, address: str, now: int) -> None:
        """Counts one failed client authentication. Raises ``TooManyRequests``."""
        key = f"{client_id}\n{find_network(address)}"
        await self._count(tenant, "client", key, self._settings.client_attempts, now)

    async def _count(self, tenant: str, kind: str, key: str, limit: int, now: int) -> None:
        window = self._settings.window
        count = await self._store.count_attempt(tenant, kind, build_key(key), now=now, window_ms=window * 1000)
        if count > limit:
            raise TooManyRequests(window)


def build_key(key: str) -> str:
    """A fixed-length key: whatever a person typed fits the column and does not show in it."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def find_network(address: str) -> str:
    """The unit that is counted: an IPv4 address, or an IPv6 /64, which one household has whole."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
