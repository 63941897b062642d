"""The store's contract on MariaDB."""

from __future__ import annotations

import asyncio
import sys

import pytest

from grantway.config import DatabaseSettings, Settings
from grantway.errors import ConfigurationError
from grantway.storage import open_store
from grantway.storage.sql import mysql
from grantway.storage.sql.mysql import MysqlLink
from grantway.testing.clock import FakeClock

from .group_contract import SideBySide
from .server_contract import ServerContract
from .servers import MariadbServer


class TestMariadb(SideBySide, ServerContract):
    link = MysqlLink
    fixture = "mariadb_server"

    def test_with_an_asyncmy_of_another_inside_the_outcomes_are_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mysql, "_find_inside", lambda connection: None)
        self.test_of_writes_committed_together_each_has_its_own_outcome()
        self.test_batches_of_two_nodes_that_meet_on_many_rows_in_any_order_all_succeed()


def test_the_inside_of_this_asyncmy_is_known(mariadb_server: MariadbServer) -> None:
    async def look() -> None:
        connection = await mysql.connect(mariadb_server.url.render_as_string(hide_password=False), timeout=30)
        assert mysql._find_inside(connection) is not None
        await connection.ensure_closed()

    asyncio.run(look())


def test_without_its_package_mariadb_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncmy", None)
    with pytest.raises(ConfigurationError, match=r"grantway\[mysql\]"):
        open_store(Settings(database=DatabaseSettings(url="mariadb://host/name")), FakeClock())


def test_an_unknown_parameter_of_the_url_is_a_configuration_error() -> None:
    url = "mariadb://host/name?charset=latin1"
    with pytest.raises(ConfigurationError, match="charset"):
        open_store(Settings(database=DatabaseSettings(url=url)), FakeClock())
