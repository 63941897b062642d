"""Gives the tests of the shipped contract the marks they name, and the database servers they run on."""

from __future__ import annotations

import os
from typing import TypeVar

import pytest

from .servers import MariadbServer, PostgresServer, Server

S = TypeVar("S", bound=Server)


def pytest_itemcollected(item: pytest.Item) -> None:
    for row in getattr(getattr(item, "function", None), "threats", ()):
        item.add_marker(pytest.mark.threat(row))


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    return _require(PostgresServer())


@pytest.fixture(scope="session")
def mariadb_server() -> MariadbServer:
    return _require(MariadbServer())


def _require(server: S) -> S:
    missing = server.find_missing()
    if missing is not None and os.environ.get("CI"):
        pytest.fail(f"{missing} CI is set, so this is a failure.", pytrace=False)
    if missing is not None:
        pytest.skip(missing)
    return server
