"""What every database's schema has in common: its versions, its definitions, and Alembic's settings."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from grantway.errors import SchemaError
from grantway.storage.sql.tables import METADATA

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Connection

REVISIONS = ("0001", "0002.0001", "0003.0001")
"""Every migration, oldest first; a test compares this with ``migrations/versions``.

``0007.0004`` is the seventh, and a program that knows the schema up to the fourth may go on working with it.
"""
HEAD = REVISIONS[-1]
LOCK_TIMEOUT = 60.0
"""How long an upgrade waits for another one, seconds."""
LOCK_TABLE = "grantway_migration"
"""Whoever changes the schema on Oracle locks this table: DBMS_LOCK would need a grant."""
MIGRATIONS = resources.files("grantway.storage.sql") / "migrations"

_REVISION = re.compile(r"(\d{4})(?:\.(\d{4}))?")

# As Alembic makes it.
VERSION_TABLE = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def build_definitions(dialect: Dialect) -> list[str]:
    """The statements that make the newest schema from nothing."""
    definitions = []
    for table in METADATA.sorted_tables:
        definitions.append(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            definitions.append(str(CreateIndex(index).compile(dialect=dialect)))  # noqa: PERF401  reads as one list
    definitions.append(str(CreateTable(VERSION_TABLE).compile(dialect=dialect)))
    return definitions


def is_usable(current: str | None) -> bool:
    """Whether this program works with that schema: its own, or a newer one that says it only added to it."""
    if current == HEAD:
        return True
    found = _REVISION.fullmatch(current or "")
    if current in REVISIONS or found is None:
        return False
    ours = int(HEAD[:4])
    return int(found[1]) > ours >= int(found[2] or found[1])


def check_version(current: str | None) -> None:
    """Raises ``SchemaError`` unless this program works with the schema ``current``."""
    if is_usable(current):
        return
    check_known(current)
    raise build_missing_error(current)


def build_missing_error(current: str | None) -> SchemaError:
    found = "has no schema yet" if current is None else f"has schema {current}, {HEAD} is needed"
    return SchemaError(f"The database {found}. Run: grantway migrate up")


def check_known(current: str | None) -> None:
    """Raises ``SchemaError`` if a newer Grantway made the schema."""
    if current is not None and current not in REVISIONS:
        raise SchemaError(
            f"The database has schema {current}, which is newer than this version of Grantway ({HEAD}). "
            "Upgrade Grantway, or undo the migration with the version that made it."
        )


def check_steps(current: str | None, steps: int) -> None:
    """Raises ``SchemaError`` unless that many migrations can be undone."""
    check_known(current)
    done = REVISIONS.index(current) + 1 if current is not None else 0
    if not 1 <= steps <= done:
        raise SchemaError(f"Cannot undo {steps} migrations: {done} are applied.")


def build_alembic_config(location: str, connection: Connection) -> Config:
    """Alembic's configuration over a connection; ``location`` is the folder ``migrations``."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", location.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
