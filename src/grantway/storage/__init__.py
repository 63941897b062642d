"""Durable state and what a worker remembers of it.

Owns the SQL store (``storage.sql``), its schema and migrations, and the near caches that follow the change feed
(``storage.grid``). Does not own: any rule of the protocol, hashing, sealing; it stores digests and documents it is
handed. Only this package knows SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grantway.config import Settings
    from grantway.ports import Clock
    from grantway.storage.sql.store import SqlStore
    from grantway.storage.sql.transaction import Driver

__all__ = ["open_store"]


def open_store(settings: Settings, clock: Clock) -> SqlStore:
    """The store ``settings.database.url`` names; ``start()`` opens it.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``; ``sqlite://`` keeps everything in memory.
    ``postgresql://user:password@host:port/database``, and the same with ``mariadb`` or ``mysql``.

    Raises:
        ConfigurationError: the URL is malformed, no driver serves it, or the driver's package is not installed.
    """
    # SQLAlchemy takes 0.2 s to import: whoever opens no store should not pay for it.
    from grantway.storage.sql.store import SqlStore
    from grantway.storage.sql.urls import parse_url

    url, timeout = settings.database.url, settings.database.timeout
    driver: Driver
    match parse_url(url)[0]:
        case "postgresql":
            from grantway.storage.sql.postgres import PostgresDriver

            driver = PostgresDriver(url, clock, timeout=timeout)
        case "mysql":
            from grantway.storage.sql.mysql import MysqlDriver

            driver = MysqlDriver(url, clock, timeout=timeout)
        case "sqlite":
            from grantway.storage.sql.schema import parse_sqlite_path
            from grantway.storage.sql.sqlite import SqliteDriver

            driver = SqliteDriver(parse_sqlite_path(url), clock, timeout=timeout)
    return SqlStore(driver, clock)
