"""Durable state and what a worker remembers of it.

Owns the SQL store (``storage.sql``), its schema and migrations, the near caches that follow the change feed
(``storage.grid``), and Redis, for what may be lost (``storage.redis``). Does not own: any rule of the protocol,
hashing, sealing; it stores digests and documents it is handed. Only this package knows SQL and Redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grantway.config import Settings
    from grantway.ports import Clock
    from grantway.storage.redis import Redis
    from grantway.storage.sql.store import SqlStore
    from grantway.storage.sql.transaction import Driver

__all__ = ["open_redis", "open_store"]


def open_store(settings: Settings, clock: Clock) -> SqlStore:
    """The store ``settings.database.url`` names; ``start()`` opens it.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``; ``sqlite://`` keeps everything in memory.
    ``postgresql://user:password@host:port/database``, and the same with ``mariadb``, ``mysql``,
    ``oracle`` (whose database is a service) or ``mssql``.

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

            listen_url = settings.database.listen_url.reveal() if settings.database.listen_url is not None else None
            driver = PostgresDriver(url, clock, timeout=timeout, listen_url=listen_url)
        case "mysql":
            from grantway.storage.sql.mysql import MysqlDriver

            driver = MysqlDriver(url, clock, timeout=timeout)
        case "oracle":
            from grantway.storage.sql.oracle import OracleDriver

            driver = OracleDriver(url, clock, timeout=timeout)
        case "mssql":
            from grantway.storage.sql.sqlserver import SqlServerDriver

            driver = SqlServerDriver(url, clock, timeout=timeout)
        case "sqlite":
            from grantway.storage.sql.schema import parse_sqlite_path
            from grantway.storage.sql.sqlite import SqliteDriver

            driver = SqliteDriver(parse_sqlite_path(url), clock, timeout=timeout)
    return SqlStore(driver, clock)


def open_redis(settings: Settings) -> Redis | None:
    """The Redis that ``redis.url`` names, if it names one; ``start()`` connects.

    Raises:
        ConfigurationError: the URL is malformed, or the package is not installed.
    """
    if settings.redis.url is None:
        return None
    from grantway.storage.redis import Redis

    return Redis(settings.redis, settings.redis.url.reveal())
