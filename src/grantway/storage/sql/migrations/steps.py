"""Steps of a migration that can be taken again.

MariaDB, MySQL and Oracle commit each definition by itself. What was broken off there has done some of its steps, and
goes on from the beginning: so each step first looks whether it has been taken.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context, op


def create_table(name: str, *columns: Any, **options: Any) -> None:
    """``op.create_table``, unless it is there."""
    inspector = _inspect()
    if inspector is None or not inspector.has_table(name):
        op.create_table(name, *columns, **options)


def create_index(name: str, table: str, columns: list[str], **options: Any) -> None:
    """``op.create_index``, unless it is there."""
    inspector = _inspect()
    if inspector is None or name not in {index["name"] for index in inspector.get_indexes(table)}:
        op.create_index(name, table, columns, **options)


def add_column(table: str, column: sa.Column[Any]) -> None:
    """``op.add_column``, unless it is there."""
    inspector = _inspect()
    if inspector is None or column.name not in {found["name"] for found in inspector.get_columns(table)}:
        op.add_column(table, column)


def drop_table(name: str) -> None:
    """``op.drop_table``, unless it has gone."""
    inspector = _inspect()
    if inspector is None or inspector.has_table(name):
        op.drop_table(name)


def _inspect() -> sa.Inspector | None:
    """What is there at this moment; None while the migration is only being written down."""
    return None if context.is_offline_mode() else sa.inspect(op.get_bind())
