"""What ``database.url`` names: which database, and whether this installation can speak to it."""

from __future__ import annotations

import importlib
from collections.abc import Set
from types import ModuleType
from typing import Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from grantway.errors import ConfigurationError

Backend = Literal["sqlite", "postgresql", "mysql", "oracle", "mssql"]

_BACKENDS: dict[str, Backend] = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "oracle": "oracle",
    "mssql": "mssql",
}
_SUPPORTED = (
    "sqlite:///file.db, sqlite://, postgresql://user:password@host/database, and mariadb://, mysql://, oracle:// "
    "(with the service in place of the database) and mssql:// in the same form"
)


def parse_url(url: str) -> tuple[Backend, URL]:
    """The database and the parts of the URL. A message never repeats the URL: there may be a password in it.

    Raises:
        ConfigurationError: malformed, or of a database that has no driver.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError("database.url: not a database URL; for example sqlite:///grantway.db") from error
    backend = _BACKENDS.get(parsed.drivername)
    if backend is None:
        raise ConfigurationError(
            f"database.url: {parsed.drivername!r} is not supported; this version supports {_SUPPORTED}"
        )
    if backend != "sqlite" and not parsed.database:
        raise ConfigurationError("database.url: it names no database: postgresql://user:password@host/database")
    return backend, parsed


def check_parts(parts: URL, known: Set[str]) -> URL:
    """The parts again. Raises ``ConfigurationError`` if the query has a parameter that is not ``known``."""
    if unknown := sorted(set(parts.query) - known):
        raise ConfigurationError(f"database.url: {unknown[0]!r} is not known; known are {', '.join(sorted(known))}")
    if any(not isinstance(value, str) for value in parts.query.values()):
        raise ConfigurationError("database.url: a parameter is there twice")
    return parts


def is_in_memory(url: str) -> bool:
    """Whether the database lives in one process only, and needs no migrations."""
    backend, parsed = parse_url(url)
    return backend == "sqlite" and parsed.database in (None, "", ":memory:")


def load_package(package: str, extra: str) -> ModuleType:
    """Imports a database's package, which comes with an extra of Grantway's. Raises ``ConfigurationError``."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ConfigurationError(
            f"database.url: this database needs the package {package}. Run: pip install 'grantway[{extra}]'"
        ) from error
