"""A new secret of the sealing ring: what the old one sealed moves under it, and then the old one can go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from grantway.admin.keys import find_ring_use, reencrypt
from grantway.admin.tenants import create_tenant
from grantway.cli.diagnosis import check_database
from grantway.errors import StoreUnavailable
from grantway.storage.sql import schema
from grantway.testing.clock import FakeClock
from grantway.testing.in_process import InProcessServer, RegisteredClient

OLD, NEW = "an old secret, thirty-two characters!", "a new secret, of thirty-two characters"
GRANT = {"grant_type": "client_credentials"}
pytestmark = pytest.mark.threat("R21")


class Generations:
    """One database served by one ring after another."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'grantway.db'}"
        self.clock = FakeClock()
        self.server: InProcessServer | None = None
        schema.upgrade(self.url)

    def serve(self, *ring: str) -> InProcessServer:
        self.stop()
        settings = {"database.url": self.url, "secrets.sealing": list(ring), "keys.algorithms": ["ES256"]}
        self.server = InProcessServer(settings, clock=self.clock)
        return self.server

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()
        self.server = None


@pytest.fixture
def generations(tmp_path):
    generations = Generations(tmp_path)
    yield generations
    generations.stop()


def register(server: InProcessServer, name: str = "m", tenant: str = "default") -> RegisteredClient:
    options = {"grant_types": ["client_credentials"], "scope": "read", "access_token_format": "jwt"}
    return server.register_client(name, tenant=tenant, **options)


def sealed(server: InProcessServer) -> dict[str, bytes]:
    keys = server.run(server.runtime.store.list_keys("default"))
    return {key.kid: key.sealed_private_key for key in keys}


def test_keys_move_under_the_newest_secret_and_stay_the_same_keys(generations):
    server = generations.serve(OLD)
    server.run(create_tenant(server.runtime, "x", actor="test"))
    client = register(server)
    token, jwks = server.token(client, **GRANT).json()["access_token"], server.get("/.well-known/jwks.json").json()
    server = generations.serve(NEW, OLD)
    assert server.run(find_ring_use(server.runtime)).older_keys == 4
    before = sealed(server)
    resealed, left = server.run(reencrypt(server.runtime, actor="test"))
    assert (resealed, left.older_keys, left.closed_keys) == (4, 0, 0)
    assert not set(sealed(server).values()) & set(before.values())
    assert server.run(reencrypt(server.runtime, actor="test"))[0] == 0, "it is idempotent"
    assert server.token(client, **GRANT).status_code == 200
    server = generations.serve(NEW)
    assert server.is_active(client, token)
    assert server.get("/.well-known/jwks.json").json() == jwks
    assert server.token(client, **GRANT).status_code == 200
    assert server.run(find_ring_use(server.runtime)).is_over


def test_a_digest_follows_when_its_client_authenticates(generations):
    server = generations.serve(OLD)
    seen, unseen = register(server, "seen"), register(server, "unseen")
    server = generations.serve(NEW, OLD)
    assert server.run(find_ring_use(server.runtime)).clients == ("default/seen", "default/unseen")
    for _ in range(3):
        assert server.token(seen, **GRANT).status_code == 200
    assert server.runtime.store.statement_counts()["update_client"] == 1
    use = server.run(reencrypt(server.runtime, actor="test"))[1]
    assert (use.older_secrets, use.clients, use.is_over) == (1, ("default/unseen",), False)
    server = generations.serve(NEW)
    assert server.token(seen, **GRANT).status_code == 200
    assert server.token(unseen, **GRANT).status_code == 401
    server = generations.serve(NEW, OLD)
    assert server.token(unseen, **GRANT).status_code == 200, "nothing is lost while the old one is there"


def test_a_wrong_secret_and_a_lonely_ring_change_nothing(generations):
    server = generations.serve(OLD)
    client = register(server)
    assert server.token(client, **GRANT).status_code == 200
    assert server.runtime.store.statement_counts()["update_client"] == 0
    server = generations.serve(NEW, OLD)
    wrong = RegisteredClient(client.client, "x" * 43)
    assert server.token(wrong, **GRANT).status_code == 401
    assert server.runtime.store.statement_counts()["update_client"] == 0


def test_workers_that_disagree_on_the_newest_do_not_write_against_each_other_for_ever(generations):
    server = generations.serve(OLD)
    client = register(server)
    server = generations.serve(NEW, OLD)
    settings = {"database.url": generations.url, "secrets.sealing": [OLD, NEW], "keys.algorithms": ["ES256"]}
    other = InProcessServer(settings, clock=generations.clock)
    for _ in range(5):
        for worker in (server, other):
            worker.clock.advance(0.001)
            worker.run(asyncio.sleep(0.06))  # until it heard of what the other one wrote
            assert worker.token(client, **GRANT).status_code == 200
    writes = [worker.runtime.store.statement_counts()["update_client"] for worker in (server, other)]
    other.stop()
    assert writes == [1, 1]


def test_a_database_that_takes_no_writes_refuses_no_client(generations, monkeypatch):
    server = generations.serve(OLD)
    client = register(server)
    server = generations.serve(NEW, OLD)

    async def refuse(*_, **__):
        raise StoreUnavailable(detail="read-only")

    monkeypatch.setattr(server.runtime.store, "update_client", refuse)
    assert server.token(client, **GRANT).status_code == 200


def test_a_key_under_a_lost_secret_is_counted_and_left_alone(generations):
    server = generations.serve(OLD)
    before = sealed(server)
    server = generations.serve(NEW)
    resealed, left = server.run(reencrypt(server.runtime, actor="test"))
    assert (resealed, left.closed_keys, left.is_over) == (0, 2, False)
    assert sealed(server) == before


def test_the_doctor_says_what_still_needs_an_older_secret(generations):
    server = generations.serve(OLD)
    client = register(server)

    def diagnose(*ring: str) -> list[tuple[str, str]]:
        server = generations.serve(*ring)
        settings = server.settings
        generations.stop()
        found = asyncio.run(check_database(settings))
        return [(finding.level, finding.message) for finding in found if finding.check == "sealing ring"]

    assert diagnose(OLD) == [("ok", "Nothing in the database needs an older secret.")]
    assert diagnose(NEW, OLD) == [
        ("warning", "2 signing key(s) are sealed under an older secret."),
        ("warning", "1 client secret(s) may need an older secret of the ring."),
    ]
    server = generations.serve(NEW, OLD)
    server.run(reencrypt(server.runtime, actor="test"))
    assert server.token(client, **GRANT).status_code == 200
    assert [level for level, _ in diagnose(NEW, OLD)] == ["ok"]
