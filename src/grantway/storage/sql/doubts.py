"""What a database server is set to do that only its owner can change: for ``grantway doctor``."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from grantway.storage.sql import schema_server, sqlserver
from grantway.storage.sql.urls import parse_url


def find_doubts(url: str) -> list[tuple[str, str]]:
    """What is wrong and what to do, for each setting that endangers or slows down what Grantway promises.

    Raises:
        ConfigurationError: the server refuses the URL. StoreUnavailable: it does not answer.
    """
    match parse_url(url)[0]:
        case "mysql":
            return schema_server.run(url, _find_mysql)
        case "mssql":
            return schema_server.run(url, _find_sqlserver)
    return []  # what the others could lose, the session's own settings and the commit itself take care of


def _find_mysql(connection: Connection) -> list[tuple[str, str]]:
    flush = connection.exec_driver_sql("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit").scalar()
    if str(flush) == "1":
        return []
    message = f"innodb_flush_log_at_trx_commit is {flush}: a power cut may undo revocations."
    return [(message, "Run: SET GLOBAL innodb_flush_log_at_trx_commit = 1, and write it into the server's settings.")]


def _find_sqlserver(connection: Connection) -> list[tuple[str, str]]:
    return sqlserver.find_doubts(*connection.exec_driver_sql(sqlserver.SETTINGS).one())
