"""Runs migrations in the transaction ``storage.sql.schema`` opened."""

from __future__ import annotations

from alembic import context

from grantway.storage.sql.tables import METADATA

attributes = context.config.attributes
if context.is_offline_mode():  # the definitions are only written down, for the dialect of this name
    target = {"dialect_name": attributes["dialect"], "dialect_opts": attributes.get("dialect_opts", {})}
    name = attributes["dialect"].partition("+")[0]
else:
    target = {"connection": attributes["connection"]}
    name = attributes["connection"].dialect.name
# The driver of SQLite is in autocommit mode, so Alembic thinks it had no transactions for definitions.
transactional_ddl = name in ("sqlite", "postgresql", "mssql")
context.configure(**target, target_metadata=METADATA, transactional_ddl=transactional_ddl)
with context.begin_transaction():
    context.run_migrations()
