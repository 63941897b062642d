"""Runs migrations in the transaction ``storage.sql.schema`` opened."""

from __future__ import annotations

from alembic import context

from grantway.storage.sql.tables import METADATA

connection = context.config.attributes["connection"]
# The driver of SQLite is in autocommit mode, so Alembic thinks it had no transactions for definitions.
transactional_ddl = connection.dialect.name in ("sqlite", "postgresql")
context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=transactional_ddl)
with context.begin_transaction():
    context.run_migrations()
