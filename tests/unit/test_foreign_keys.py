"""The keys that others publish: fetched when they are needed, and no more often."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.forged_jwts import build_jwk
from tests.local_server import LocalServer, Received, respond

from grantway.config import load_settings
from grantway.egress import Egress
from grantway.errors import FetchFailed
from grantway.foreign_keys import ForeignKeys
from grantway.protocol.foreign_jwt import JwkSet
from grantway.testing.clock import FakeClock

JWK = build_jwk(ec.generate_private_key(ec.SECP256R1()))


class Publisher:
    """A party that publishes its keys, and may rotate them or fall over."""

    def __init__(self) -> None:
        self.kids = ["k1"]
        self.status = 200
        self.headers: dict[str, str] = {}
        self.document: Any = None
        self.server = LocalServer(self._answer)

    @property
    def fetches(self) -> int:
        return len(self.server.received)

    def _answer(self, _: Received) -> bytes:
        document = self.document or {"keys": [JWK | {"kid": kid} for kid in self.kids]}
        return respond(self.status, json.dumps(document).encode(), self.headers)


class World:
    def __init__(self, publisher: Publisher, foreign_keys: ForeignKeys, clock: FakeClock) -> None:
        self.publisher, self.foreign_keys, self.clock = publisher, foreign_keys, clock

    async def load(self, kid: str | None = "k1", path: str = "") -> JwkSet:
        uri = self.publisher.server.url + path
        return await self.foreign_keys.load(jwks=None, jwks_uri=uri, purpose="jwks_uri", kid=kid)

    async def fails(self, kid: str | None = "k1") -> bool:
        try:
            await self.load(kid)
        except FetchFailed:
            return True
        return False


def run(body: Callable[[World], Coroutine[Any, Any, None]], **settings: Any) -> None:
    overrides = {"egress.insecure_private_networks": ["127.0.0.0/8"]}
    loaded = load_settings(overrides=overrides | {f"egress.{name}": value for name, value in settings.items()})

    async def start(publisher: Publisher) -> None:
        clock = FakeClock()
        egress = Egress(loaded.egress, "https://as.example", clock)
        try:
            await body(World(publisher, ForeignKeys(loaded.egress, egress, clock), clock))
        finally:
            await egress.stop()

    publisher = Publisher()
    with publisher.server:
        asyncio.run(start(publisher))


def test_keys_are_fetched_once_and_kept_for_their_time() -> None:
    async def body(world: World) -> None:
        for _ in range(5):
            assert (await world.load()).has("k1")
        assert world.publisher.fetches == 1
        assert world.publisher.server.received[0].headers["accept"].startswith("application/jwk-set+json")
        world.clock.advance(599)
        await world.load()
        assert world.publisher.fetches == 1
        world.clock.advance(2)
        await world.load()
        assert world.publisher.fetches == 2

    run(body)


def test_registered_keys_are_taken_as_they_are_and_without_any_there_are_none() -> None:
    async def body(world: World) -> None:
        foreign_keys, uri = world.foreign_keys, world.publisher.server.url
        given = await foreign_keys.load(
            jwks={"keys": [JWK | {"kid": "own"}]}, jwks_uri=uri, purpose="jwks_uri", kid=None
        )
        assert given.has("own")
        assert (await foreign_keys.load(jwks=None, jwks_uri=None, purpose="jwks_uri", kid=None)).keys == ()
        with pytest.raises(FetchFailed):
            await foreign_keys.load(jwks={"keys": "x"}, jwks_uri=uri, purpose="jwks_uri", kid=None)
        assert world.publisher.fetches == 0

    run(body)


@pytest.mark.threat("T74")
def test_an_unknown_kid_brings_one_fetch_per_interval_however_many_ask() -> None:
    async def body(world: World) -> None:
        await world.load()
        for number in range(20):
            assert not (await world.load(f"forged{number}")).has("k1x")
        assert world.publisher.fetches == 1
        world.clock.advance(30)
        for number in range(20):
            await world.load(f"forged{number}")
        assert world.publisher.fetches == 2

    run(body, jwks_refresh_interval=30)


def test_a_new_key_is_found_after_the_interval_and_an_old_one_is_gone() -> None:
    async def body(world: World) -> None:
        await world.load()
        world.publisher.kids = ["k2"]
        world.clock.advance(30)
        assert (await world.load("k1")).has("k1")
        rotated = await world.load("k2")
        assert rotated.has("k2")
        assert not rotated.has("k1")
        assert world.publisher.fetches == 2

    run(body)


@pytest.mark.threat("T74")
def test_many_at_once_share_one_fetch_and_one_who_leaves_does_not_end_it() -> None:
    async def body(world: World) -> None:
        loads = [asyncio.create_task(world.load()) for _ in range(50)]
        await asyncio.sleep(0)
        loads[0].cancel()
        outcomes = await asyncio.gather(*loads, return_exceptions=True)
        assert sum(isinstance(outcome, JwkSet) for outcome in outcomes) == 49
        assert world.publisher.fetches == 1

    run(body)


def test_while_it_cannot_be_fetched_the_keys_are_used_on_but_not_for_ever() -> None:
    async def body(world: World) -> None:
        await world.load()
        world.publisher.status = 503
        world.clock.advance(601)
        assert (await world.load()).has("k1")
        assert (await world.load()).has("k1")
        assert world.publisher.fetches == 2  # a failure is not asked for again at once
        world.clock.advance(998)
        assert (await world.load()).has("k1")
        world.clock.advance(2)
        assert await world.fails()
        world.publisher.status = 200
        world.clock.advance(30)
        assert (await world.load()).has("k1")

    run(body, jwks_stale_ttl=1000, breaker_failures=100)


@pytest.mark.threat("T74")
def test_a_uri_that_fails_is_asked_once_per_interval() -> None:
    async def body(world: World) -> None:
        world.publisher.status = 500
        for _ in range(10):
            assert await world.fails()
        assert world.publisher.fetches == 1
        world.publisher.status = 200
        world.clock.advance(29)
        assert await world.fails()
        world.clock.advance(1)
        assert (await world.load()).has("k1")

    run(body)


@pytest.mark.parametrize(
    "document", [{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}, {"keys": [JWK | {"d": "AQ"}]}, {"nothing": 1}, [1]]
)
def test_a_set_that_may_not_be_used_is_a_failure(document: Any) -> None:
    async def body(world: World) -> None:
        world.publisher.document = document
        assert await world.fails()

    run(body)


@pytest.mark.spec("RFC 9111 §5.2.2")
@pytest.mark.parametrize(
    ("control", "ttl"),
    [
        ("max-age=60", 60),
        ("public, MAX-AGE=60", 60),
        ('max-age="60"', 60),
        ("max-age=0", 30),
        ("no-store", 30),
        ("no-cache, max-age=100", 30),
        ("max-age=31536000", 600),
        ("max-age=99999999999999999999", 600),
        ("max-age=x", 600),
        ("", 600),
    ],
)
def test_the_publisher_may_shorten_the_time_within_our_bounds(control: str, ttl: int) -> None:
    async def body(world: World) -> None:
        world.publisher.headers = {"Cache-Control": control}
        await world.load()
        world.clock.advance(ttl - 1)
        await world.load()
        assert world.publisher.fetches == 1
        world.clock.advance(1)
        await world.load()
        assert world.publisher.fetches == 2

    run(body)


@pytest.mark.threat("T58")
def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grantway.foreign_keys._MOST_URIS", 5)

    async def body(world: World) -> None:
        for number in range(12):
            await world.load(path=str(number))
        assert len(world.foreign_keys._kept) == 5
        await world.load(path="11")
        assert world.publisher.fetches == 12
        await world.load(path="0")
        assert world.publisher.fetches == 13

    run(body)
