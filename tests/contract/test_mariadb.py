"""The store's contract on MariaDB."""

from __future__ import annotations

import sys

import pytest

from grantway.config import DatabaseSettings, Settings
from grantway.errors import ConfigurationError
from grantway.storage import open_store
from grantway.testing.clock import FakeClock

from .server_contract import ServerContract


class TestMariadb(ServerContract):
    fixture = "mariadb_server"


def test_without_its_package_mariadb_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncmy", None)
    with pytest.raises(ConfigurationError, match=r"grantway\[mysql\]"):
        open_store(Settings(database=DatabaseSettings(url="mariadb://host/name")), FakeClock())


def test_an_unknown_parameter_of_the_url_is_a_configuration_error() -> None:
    url = "mariadb://host/name?charset=latin1"
    with pytest.raises(ConfigurationError, match="charset"):
        open_store(Settings(database=DatabaseSettings(url=url)), FakeClock())
