"""The keys of others: those a client registered, and those it publishes at its ``jwks_uri``.

What was fetched is kept for a while, bounded in number and time. Nobody can make this server fetch by sending JWTs: an
unknown ``kid`` brings one fetch per interval and URI, however many ask, and a URI that failed is left alone as long.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from grantway.config import EgressSettings
from grantway.egress import Egress, EgressAnswer, parse_answer, show_url
from grantway.errors import FetchFailed
from grantway.ports import Clock
from grantway.protocol.foreign_jwt import JwkSet, parse_jwks

_MOST_URIS: Final = 500
_ACCEPT: Final = "application/jwk-set+json, application/json"


_Place = tuple[str, bool]
"""A URI, and whether the operator named it: what the operator may fetch, a client must not be given."""


class ForeignKeys:
    """Loads others' key sets. One per worker."""

    def __init__(self, settings: EgressSettings, egress: Egress, clock: Clock) -> None:
        self._settings, self._egress, self._monotonic = settings, egress, clock.monotonic
        self._kept: dict[_Place, _Kept] = {}
        self._loads: dict[_Place, asyncio.Task[JwkSet]] = {}

    async def load(
        self,
        *,
        jwks: Mapping[str, Any] | None,
        jwks_uri: str | None,
        purpose: str,
        kid: str | None,
        is_operators: bool = False,
    ) -> JwkSet:
        """The key set in ``jwks``, else at ``jwks_uri``; where neither is given, an empty one.

        Args:
            purpose, is_operators: as for ``Egress.fetch``.
            kid: the key that is looked for. A kept set that does not hold it may be fetched again.

        Raises:
            FetchFailed: the set could not be fetched or is none, and no earlier one is recent enough.
        """
        if jwks is not None:
            try:
                return parse_jwks(jwks)
            except ValueError as error:
                raise FetchFailed(detail=f"{purpose}: {error}") from error
        if jwks_uri is None:
            return JwkSet(keys=())
        place = (jwks_uri, is_operators)
        kept, now = self._kept.get(place), self._monotonic()
        if kept is not None and (now < kept.asked_at + self._settings.jwks_refresh_interval or kept.suffices(kid, now)):
            return kept.use(now)
        load = self._loads.get(place)
        if load is None:
            load = asyncio.get_running_loop().create_task(self._fetch(place, purpose))
            self._loads[place] = load
            load.add_done_callback(lambda done: self._end_load(place, done))
        return await asyncio.shield(load)  # others wait for it too

    def _end_load(self, place: _Place, load: asyncio.Task[JwkSet]) -> None:
        self._loads.pop(place, None)
        if not load.cancelled():
            load.exception()  # all who waited may have gone away

    async def _fetch(self, place: _Place, purpose: str) -> JwkSet:
        """Fetches, and keeps the outcome: a failure leaves the keys that are there, for as long as they may be used."""
        kept, (uri, is_operators) = self._kept.get(place), place
        try:
            answer = await self._egress.fetch(uri, purpose=purpose, accept=_ACCEPT, is_operators=is_operators)
            try:
                keys = parse_jwks(parse_answer(answer, purpose=purpose))
            except ValueError as error:
                raise FetchFailed(detail=f"{purpose} {show_url(uri)!r}: {error}") from error
        except FetchFailed as error:
            now = self._monotonic()
            kept = self._keep(place, kept or _Kept(fresh_until=now, good_until=now))
            kept.asked_at, kept.failure = now, error.detail
            return kept.use(now)
        now = self._monotonic()
        fresh_until = now + self._choose_ttl(answer)
        kept = _Kept(keys=keys, fresh_until=fresh_until, good_until=fresh_until + self._settings.jwks_stale_ttl)
        self._keep(place, kept).asked_at = now
        return keys

    def _keep(self, place: _Place, kept: _Kept) -> _Kept:
        self._kept.pop(place, None)
        if len(self._kept) >= _MOST_URIS:
            del self._kept[next(iter(self._kept))]  # the one whose last fetch is longest ago
        self._kept[place] = kept
        return kept

    def _choose_ttl(self, answer: EgressAnswer) -> int:
        """Seconds, by the answer's ``Cache-Control`` (RFC 9111 §5.2.2) within our bounds."""
        longest, shortest = self._settings.jwks_ttl, min(self._settings.jwks_refresh_interval, self._settings.jwks_ttl)
        control = answer.headers.get("cache-control", "").lower()
        if re.search(r"\bno-(store|cache)\b", control):
            return shortest
        said = re.search(r"\bmax-age=\"?(\d{1,9})\b", control)
        return max(shortest, min(longest, int(said[1]))) if said is not None else longest


class _Kept:
    """The outcome of the last fetches of one URI. Instants are of the monotonic clock."""

    __slots__ = ("asked_at", "failure", "fresh_until", "good_until", "keys")

    def __init__(self, *, fresh_until: float, good_until: float, keys: JwkSet | None = None) -> None:
        self.keys, self.fresh_until, self.good_until = keys, fresh_until, good_until
        self.asked_at = 0.0
        self.failure: str | None = None

    def suffices(self, kid: str | None, now: float) -> bool:
        return self.keys is not None and now < self.fresh_until and (kid is None or self.keys.has(kid))

    def use(self, now: float) -> JwkSet:
        """Raises ``FetchFailed``: there are no keys, or they are too old."""
        if self.keys is None or now >= self.good_until:
            raise FetchFailed(detail=f"failed a moment ago: {self.failure}")
        return self.keys
