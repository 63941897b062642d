"""Whose server a database is: the first start decides it, and later settings do not change it by themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from grantway.admin.tenants import change_issuer, create_tenant, load_tenant
from grantway.cli.administration import open_runtime
from grantway.config import load_settings
from grantway.errors import ConfigurationError, Conflict, Unprocessable
from grantway.model import DEFAULT_TENANT
from grantway.storage.sql import schema
from grantway.testing.in_process import InProcessServer

OLD, NEW = "https://as.example", "https://new.example"
RING = "one ring of thirty-two characters, for all starts"


class Database:
    """A database that servers of different settings are started on, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'grantway.db'}"
        schema.upgrade(self.url)

    def serve(self, issuer: str) -> InProcessServer:
        return InProcessServer({"issuer": issuer, "database.url": self.url, "secrets.sealing": [RING]})


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path)


def read_issuer(server: InProcessServer) -> str:
    issuer: str = server.get("/.well-known/openid-configuration").json()["issuer"]
    return issuer


def test_a_server_with_another_issuer_than_the_stored_one_does_not_start(database):
    database.serve(OLD).stop()
    with pytest.raises(ConfigurationError, match=f"tenants update default --issuer {NEW}"):
        database.serve(NEW)
    server = database.serve(OLD)
    assert read_issuer(server) == OLD
    server.stop()


def test_two_nodes_of_different_settings_do_not_take_the_issuer_from_each_other(database):
    first = database.serve(OLD)
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            database.serve(NEW)
        assert first.run(load_tenant(first.runtime, DEFAULT_TENANT)).issuer == OLD
    first.stop()


def test_the_issuer_follows_the_settings_until_a_server_has_run(database):
    settings = load_settings(
        overrides={"issuer": "http://127.0.0.1:4444", "database.url": database.url, "secrets.sealing": [RING]}
    )

    async def administer() -> None:  # a command on a fresh database, before anybody has thought of the issuer
        async with open_runtime(settings) as runtime:
            assert (await load_tenant(runtime, DEFAULT_TENANT)).issuer == settings.issuer

    asyncio.run(administer())
    server = database.serve(NEW)
    assert read_issuer(server) == NEW
    server.stop()


def test_a_meant_change_takes_the_tenants_below_with_it(database):
    server = database.serve(OLD)
    server.run(create_tenant(server.runtime, "below", actor="test"))
    server.run(create_tenant(server.runtime, "beside", issuer="https://beside.example", actor="test"))
    server.run(change_issuer(server.runtime, DEFAULT_TENANT, NEW, actor="test"))
    issuers = {name: server.run(load_tenant(server.runtime, name)).issuer for name in ("default", "below", "beside")}
    assert issuers == {"default": NEW, "below": f"{NEW}/t/below", "beside": "https://beside.example"}
    assert read_issuer(server) == NEW
    server.stop()
    server = database.serve(NEW)
    assert read_issuer(server) == NEW
    server.stop()


@pytest.mark.parametrize("issuer", ["http://plain.example", "https://a.example/", "https://a.example?x", "nothing", ""])
def test_what_cannot_be_an_issuer_is_refused(database, issuer):
    server = database.serve(OLD)
    server.run(create_tenant(server.runtime, "below", actor="test"))
    for name in (DEFAULT_TENANT, "below"):
        with pytest.raises(Unprocessable, match="issuer"):
            server.run(change_issuer(server.runtime, name, issuer, actor="test"))
    server.stop()


def test_an_issuer_belongs_to_one_tenant(database):
    server = database.serve(OLD)
    server.run(create_tenant(server.runtime, "beside", issuer="https://beside.example", actor="test"))
    server.run(create_tenant(server.runtime, "below", actor="test"))
    with pytest.raises(Conflict):
        server.run(change_issuer(server.runtime, "below", "https://beside.example", actor="test"))
    server.stop()
