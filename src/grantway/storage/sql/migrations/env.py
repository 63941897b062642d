"""Runs migrations in the transaction ``storage.sql.schema`` opened."""

from __future__ import annotations

from alembic import context

from grantway.storage.sql.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
