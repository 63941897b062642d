"""How much anyone gets: the one gate for guesses and for request rates.

Guesses are counted before they are looked at, so that parallel ones count (OWASP ASVS 5.0 6.3.1): log-ins in the store,
for all workers together and over restarts, clients' failures in memory. The delay is soft: the window passes, so an
outsider cannot lock a person out for ever, and it falls on unknown accounts as on known ones.

Rates are token buckets (``limits``), off unless configured: by address before anything else is looked at, by client
once it has proved who it is, by account at each log-in. In memory they answer at once, and nothing waits.
"""
# hot path: bench/ "rate limit on"

from __future__ import annotations

import functools
import hashlib
import ipaddress
from asyncio import Future
from collections.abc import Awaitable, Generator, Hashable
from typing import Any

from grantway.config import Settings
from grantway.errors import TooManyRequests
from grantway.limits import Buckets, Quota, Rate
from grantway.model import Client
from grantway.ports import Clock, SharedBuckets, Store
from grantway.protocol.message import Headers


class Throttle:
    """``shared``: where the buckets of all workers are; None: each worker has its own."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, shared: SharedBuckets | None = None) -> None:
        self._settings, self._store, self._is_shared = settings.throttle, store, shared is not None
        self._device = settings.device
        self._registrations = settings.registration.per_address
        self._monotonic = clock.monotonic
        failures = settings.throttle.client_attempts
        rate = Rate(name="failure", rate=failures, burst=failures, window=settings.throttle.window)
        self._failures = Buckets(rate, clock.monotonic)
        limits, workers = settings.limits, settings.limits.nodes * settings.serve.workers

        def limit(name: str, rate: int, burst: int) -> _Limit | None:
            if not rate:
                return None
            policy = Rate(name=name, rate=rate, burst=burst or rate, window=limits.window)
            return _Limit(policy, clock) if shared is None else _SharedLimit(policy, clock, shared, workers)

        self._clients = limit("client", limits.client_rate, limits.client_burst)
        self.has_client_limit = self._clients is not None
        self._addresses = limit("address", limits.address_rate, limits.address_burst)
        self._accounts = limit("account", limits.account_rate, limits.account_burst)

    # -- rates ----------------------------------------------------------------------------------------------------
    def limit_address(self, address: str, headers: Headers) -> Awaitable[None] | None:
        """Counts a request by where it comes from, and adds the RateLimit fields to ``headers``.

        Returns None: it may go on; or what to await before anything is given away. Counted it is in any case.

        Raises:
            TooManyRequests: here, or where it is awaited.
        """
        limit = self._addresses
        return None if limit is None else limit.take(find_network(address), headers)

    def limit_client(self, client: Client, address: str, headers: Headers) -> Awaitable[None] | None:
        """As ``limit_address``, by client, once it is known who asks."""
        limit = self._clients
        return None if limit is None else limit.take(_build_client_key(client, address), headers)

    def limit_again(self, client: Client, address: str) -> bool:
        """Counts a request that is answered ``Again`` by both limits, if that is easy: more than half is left of each,
        so that there is nothing to tell. False: nothing was counted, and the request has to go the long way, where it
        is told what is left, waits for shared buckets, or is refused.
        """
        clients, addresses = self._clients, self._addresses
        if clients is None and addresses is None:
            return True
        if self._is_shared:
            return False
        now, network = self._monotonic(), find_network(address)
        if addresses is not None and not addresses.buckets.take_easily(network, now):
            return False
        if clients is not None:
            if not clients.buckets.take_easily(_build_client_key(client, address), now):
                if addresses is not None:
                    addresses.buckets.give_back(network)
                return False
            clients.granted += 1
        if addresses is not None:
            addresses.granted += 1
        return True

    def undo_again(self, client: Client, address: str) -> None:
        """After a ``limit_again`` that was granted: the request goes the long way after all, and is counted there."""
        if self._addresses is not None:
            self._addresses.buckets.give_back(find_network(address))
            self._addresses.granted -= 1
        if self._clients is not None:
            self._clients.buckets.give_back(_build_client_key(client, address))
            self._clients.granted -= 1

    def status(self) -> dict[str, dict[str, int]]:
        """By limit: how often it granted and refused, of those how often without the shared buckets, and how many
        buckets are remembered here."""
        return {
            limit.name: {
                "granted": limit.granted,
                "refused": limit.refused,
                "alone": limit.alone,
                "buckets": len(limit.buckets),
            }
            for limit in (self._clients, self._addresses, self._accounts)
            if limit is not None
        }

    # -- guesses --------------------------------------------------------------------------------------------------
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
        if self._accounts is not None and (waiting := self._accounts.take((tenant, key), [])) is not None:
            await waiting
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

    async def check_registration(self, tenant: str, address: str, now: int) -> None:
        """Counts one client that registers or manages itself, by address. Raises ``TooManyRequests``."""
        await self._count(tenant, "registration", find_network(address), self._registrations, now)

    async def check_device_request(self, tenant: str, address: str, now: int) -> None:
        """Counts one device that asks for codes, by address. Raises ``TooManyRequests``."""
        await self._count(tenant, "device-request", find_network(address), self._device.requests_per_address, now)

    async def check_user_code(self, tenant: str, browser: bytes, address: str, now: int) -> None:
        """Counts one user code that somebody typed (RFC 8628 §5.1): by address, by browser, and all together, as there
        are many addresses and a browser forgets its cookie. Who is refused by the one does not count for the next.

        Raises:
            TooManyRequests: with the seconds until the window ends, at the latest.
        """
        for kind, key, limit in self._user_code_counters(browser, address):
            await self._count(tenant, kind, key, limit, now)

    async def take_back_user_code(self, tenant: str, browser: bytes, address: str) -> None:
        """It was right: this one attempt counts nowhere. What was wrong before it stays counted."""
        for kind, key, _ in self._user_code_counters(browser, address):
            await self._store.take_back_attempt(tenant, kind, build_key(key))

    def _user_code_counters(self, browser: bytes, address: str) -> tuple[tuple[str, str, int], ...]:
        device = self._device
        return (
            ("user-code-address", find_network(address), device.address_attempts),
            ("user-code-browser", browser.hex(), device.browser_attempts),
            ("user-code", "", device.attempts),
        )

    def count_client_failure(self, tenant: str, client_id: str, address: str) -> None:
        """Counts one failed client authentication.

        In memory: a generated secret has 256 bits and cannot be guessed, so what is bounded here is noise and work, and
        a stranger must not be able to make the database write.

        Raises:
            TooManyRequests: this client has failed too often from this address.
        """
        used = self._failures.take((tenant, build_key(f"{client_id}\n{find_network(address)}")))
        if used > self._failures.depth:
            raise TooManyRequests(self._settings.window, "Too many failed authentications. Wait and try again.")

    def count_wrong_token(self, tenant: str, address: str) -> None:
        """Counts one token that is not good, presented where no client authenticates; in memory, as above.

        Raises:
            TooManyRequests: too many came from this address.
        """
        used = self._failures.take(("wrong token", tenant, find_network(address)))
        if used > self._failures.depth:
            raise TooManyRequests(self._settings.window)

    async def _count(self, tenant: str, kind: str, key: str, limit: int, now: int) -> None:
        window = self._settings.window
        count = await self._store.count_attempt(tenant, kind, build_key(key), now=now, window_ms=window * 1000)
        if count > limit:
            raise TooManyRequests(window)


class _Limit:
    """One rate, in this worker's memory."""

    def __init__(self, rate: Rate, clock: Clock, part: Rate | None = None) -> None:
        self.name = rate.name
        self.granted = self.refused = self.alone = 0
        self.buckets = Buckets(part or rate, clock.monotonic)
        self._quota = Quota(rate, part)

    def take(self, key: Hashable, headers: Headers) -> Awaitable[None] | None:
        self._settle(self._quota, self.buckets.take(key), headers)
        return None

    def _settle(self, quota: Quota, used: float, headers: Headers) -> None:
        wait = quota.tell(used, headers)
        if wait:
            self.refused += 1
            raise TooManyRequests(wait, _TOO_MANY)
        self.granted += 1


class _SharedLimit(_Limit):
    """One rate for all workers. Where the shared buckets do not answer, this worker grants its part of the rate.

    A bucket that was found empty is not asked for again before a token is there: a flood costs no round trips.
    """

    def __init__(self, rate: Rate, clock: Clock, shared: SharedBuckets, workers: int) -> None:
        super().__init__(rate, clock, rate.split(workers))
        self._rate, self._whole, self._clock, self._shared = rate, Quota(rate), clock, shared
        self._depth = rate.depth
        self._empty_until: dict[Hashable, float] = {}

    def take(self, key: Hashable, headers: Headers) -> Awaitable[None] | None:
        until = self._empty_until.get(key)
        if until is not None:
            ahead = until - self._clock.monotonic()
            if ahead > 0:
                self._settle(self._whole, self._depth + ahead, headers)
            del self._empty_until[key]
        answer = self._shared.take(repr(key), self._rate)
        if answer is None:
            self.alone += 1
            return super().take(key, headers)
        answer.add_done_callback(functools.partial(self._remember, key))
        return _Verdict(self, answer, key, headers)

    def _remember(self, key: Hashable, answer: Future[float | None]) -> None:
        used = None if answer.cancelled() else answer.result()
        if used is not None and used > self._depth:
            if len(self._empty_until) >= _MOST_EMPTY:
                self._empty_until.clear()  # they are asked for again
            self._empty_until[key] = self._clock.monotonic() + used - self._depth

    def decide(self, used: float | None, key: Hashable, headers: Headers) -> None:
        if used is None:
            self.alone += 1
            super().take(key, headers)
        else:
            self._settle(self._whole, used, headers)


class _Verdict:
    """What a shared bucket is going to say; a request that ends for another reason need not hear it."""

    __slots__ = ("_answer", "_headers", "_key", "_limit")

    def __init__(self, limit: _SharedLimit, answer: Future[float | None], key: Hashable, headers: Headers) -> None:
        self._limit, self._answer, self._key, self._headers = limit, answer, key, headers

    def __await__(self) -> Generator[Any, None, None]:
        used = yield from self._answer.__await__()
        self._limit.decide(used, self._key, self._headers)


_TOO_MANY = "Too many requests. Wait and try again."
_MOST_EMPTY = 10_000


def _build_client_key(client: Client, address: str) -> Hashable:
    """A public client proves nothing: it has a bucket for each address, so that nobody elsewhere can empty it."""
    return client.tenant, client.client_id, find_network(address) if client.is_public else None


def build_key(key: str) -> str:
    """A fixed-length key: whatever a person typed fits the column and does not show in it."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@functools.lru_cache(maxsize=4096)
def find_network(address: str) -> str:
    """The unit that is counted: an IPv4 address, or an IPv6 /64, which one household has whole."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
