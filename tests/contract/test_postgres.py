"""The store's contract on PostgreSQL, and what is PostgreSQL's own: it tells other nodes at once what changed."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from grantway.config import DatabaseSettings, Settings
from grantway.errors import ConfigurationError
from grantway.model import Change
from grantway.storage import open_store
from grantway.storage.sql.postgres import PostgresLink
from grantway.storage.sql.store import SqlStore
from grantway.testing.clock import FakeClock
from grantway.testing.store_samples import build_client, build_revocation

from .group_contract import SideBySide
from .server_contract import ServerContract


class TestPostgres(SideBySide, ServerContract):
    link = PostgresLink
    fixture = "postgres_server"

    @pytest.mark.threat("T30")
    def test_another_node_hears_of_a_change_without_asking(self) -> None:
        async def body(stores: list[SqlStore]) -> None:
            writer, reader = stores
            heard: list[Change] = []
            reader.on_change(heard.extend)
            await asyncio.sleep(0.2)  # until it listens
            for forged in ("", "x", "other -1", "other 0", "other 999999999999999999999"):
                await asyncio.to_thread(self.server.run, f"SELECT pg_notify('grantway_change', '{forged}')", self.url)
            began = time.monotonic()
            await writer.insert_client(build_client("news"))
            await writer.insert_revocation(build_revocation("t"))
            while not any(change.revocation for change in heard) and time.monotonic() - began < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            assert {"news", "t"} <= {change.key for change in heard}
            stored = await reader.load_changes(0)
            assert all(change in stored for change in heard)  # what a notice says is not believed

        self.run_nodes(body)


def test_without_its_package_postgresql_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigurationError, match=r"grantway\[postgres\]"):
        open_store(Settings(database=DatabaseSettings(url="postgresql://host/name")), FakeClock())
