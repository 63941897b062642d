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

__all__ = ["open_store"]


def open_store(settings: Settings, clock: Clock) -> SqlStore:
    """The store ``settings.database.url`` names; ``start()`` opens it.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``; ``sqlite://`` keeps everything in memory.

    Raises:
        ConfigurationError: the URL is malformed, or no driver serves it.
    """
    # SQLAlchemy takes 0.2 s to import: whoever opens no store should not pay for it.
    from grantway.storage.sql.schema import parse_sqlite_path
    from grantway.storage.sql.sqlite import SqliteDriver
    from grantway.storage.sql.store import SqlStore

    path = parse_sqlite_path(settings.database.url)
    return SqlStore(SqliteDriver(path, clock, timeout=settings.database.timeout), clock)
