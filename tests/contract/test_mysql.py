"""MySQL itself: the store's contract where ``GRANTWAY_TEST_MYSQL_URL`` names a server, as somebody who makes databases:
``GRANTWAY_TEST_MYSQL_URL=mysql://root:password@host:3306/mysql python -m pytest tests/contract/test_mysql.py``.

Driver and statements are those of MariaDB, which is tested live. What differs is the schema: its compiled text is in
``golden/mysql``.
"""

from __future__ import annotations

import os

import pytest
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect, make_url

from grantway.storage.sql.definitions import build_definitions

from .server_contract import ServerContract
from .servers import MariadbServer


class MysqlServer(MariadbServer):
    """MySQL 8. The URL's user makes and drops databases."""

    name = "MySQL"
    variable = "GRANTWAY_TEST_MYSQL_URL"
    default = "mysql://root@127.0.0.1:3307/mysql"


if os.environ.get(MysqlServer.variable):

    @pytest.fixture(scope="session")
    def mysql_server() -> MysqlServer:
        server = MysqlServer()
        ((version,),) = server.run("SELECT VERSION()")
        assert "MariaDB" not in version, "this is MariaDB, which has a test of its own"
        return server

    class TestMysql(ServerContract):
        fixture = "mysql_server"


def build_dialect(url: str) -> Dialect:
    dialect: Dialect = make_url(url).get_dialect()()
    return dialect


@pytest.mark.threat("T35")
def test_identifiers_are_compared_byte_for_byte_on_mysql_and_on_mariadb() -> None:
    """The two have no collation in common that does it: a padding one makes 'a' and 'a ' one client."""
    for dialect, collation, other in (
        (mysql.dialect(), "utf8mb4_0900_bin", "utf8mb4_nopad_bin"),
        (build_dialect("mariadb+asyncmy://"), "utf8mb4_nopad_bin", "utf8mb4_0900_bin"),
    ):
        tables = "\n".join(build_definitions(dialect))
        assert tables.count(collation) > 20
        assert other not in tables
