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
    """Counts attempts: log-ins in the store, for all workers together; clients' failures in memory, for this one."""

    def __init__(self, settings: ThrottleSettings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._failures: dict[tuple[str, str], tuple[int, int]] = {}

    async def check_login(
        self, tenant: str, username_key: str, address: str, now: int, *, device: str | None = None
    ) -> None:
        """Counts one log-in attempt.

        ``device``: proof that this account was logged in from this browser before. It is counted by itself, so whoever
        guesses from elsewhere cannot keep the owner out.

        Raises:
            TooManyRequests: with the seconds until the window ends, at the latest.
        """
        kind = "login-account" if device is None else "login-device"
        key = username_key if device is None else f"{username_key}\n{device}"
        await self._count(tenant, kind, key, self._settings.account_attempts, now)
        await self.check_address(tenant, "login-address", address, now)

    async def check_address(self, tenant: str, kind: str, address: str, now: int) -> None:
        """Counts one attempt of some kind by address alone. Raises ``TooManyRequests``."""
        await self._count(tenant, kind, find_network(address), self._settings.address_attempts, now)

    async def forgive_login(self, tenant: str, username_key: str, address: str, *, device: str | None = None) -> None:
        """After a success the account starts anew. The address gets back this one attempt and no more, or an account of
        one's own would buy guesses at others; and an office behind one address is not kept out by its good log-ins."""
        await self._store.take_back_attempt(tenant, "login-address", build_key(find_network(address)))
        if device is not None:
            await self._store.forgive_attempts(tenant, "login-device", build_key(f"{username_key}\n{device}"))
        await self._store.forgive_attempts(tenant, "login-account", build_key(username_key))

    def count_client_failure(self, tenant: str, client_id: str, address: str, now: int) -> None:
        """Counts one failed client authentication.

        In memory: a generated secret has 256 bits and cannot be guessed, so what is bounded here is noise and work, and
        a stranger must not be able to make the database write.

        Raises:
            TooManyRequests: this client has failed too often from this address.
        """
        key, window = (tenant, build_key(f"{client_id}\n{find_network(address)}")), self._settings.window
        began, count = self._failures.get(key, (now, 0))
        if now - began >= window * 1000:
            began, count = now, 0
        if len(self._failures) >= _MOST_FAILURES and key not in self._failures:
            self._failures.clear()
        self._failures[key] = (began, count + 1)
        if count + 1 > self._settings.client_attempts:
            raise TooManyRequests(window, "Too many failed authentications. Wait and try again.")

    async def _count(self, tenant: str, kind: str, key: str, limit: int, now: int) -> None:
        window = self._settings.window
        count = await self._store.count_attempt(tenant, kind, build_key(key), now=now, window_ms=window * 1000)
        if count > limit:
            raise TooManyRequests(window)


_MOST_FAILURES = 10_000


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
