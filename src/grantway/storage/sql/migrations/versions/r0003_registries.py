"""Places for what administrators register, for tasks that outlive a commit, and for devices that wait for a person."""

from __future__ import annotations

import sqlalchemy as sa

from grantway.storage.sql.migrations.steps import create_index, create_table, drop_table
from grantway.storage.sql.types import TENANT_LENGTH, Digest, Document, Identifier, Instant

revision = "0003.0001"
down_revision = "0002.0001"


def upgrade() -> None:
    _create_entry()
    _create_task()
    _create_device_request()


def downgrade() -> None:
    for table in ("device_request", "task", "entry"):
        drop_table(table)


def _create_entry() -> None:
    create_table(
        "entry",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("kind", Identifier(32), nullable=False),
        sa.Column("key", Identifier(), nullable=False),
        sa.Column("expires_at", Instant()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", Document(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "key", name="pk_entry", mssql_clustered=False),
    )
    create_index("ix_entry_expires", "entry", ["expires_at"])


def _create_task() -> None:
    create_table(
        "task",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("task_id", Identifier(), nullable=False),
        sa.Column("kind", Identifier(32), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", Document(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "task_id", name="pk_task", mssql_clustered=False),
    )
    create_index("ix_task_due", "task", ["kind", "due_at", "tenant", "task_id"])
    create_index("ix_task_expires", "task", ["expires_at"])


def _create_device_request() -> None:
    create_table(
        "device_request",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("device_digest", Digest(), nullable=False),
        sa.Column("user_code_digest", Digest(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", Document(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "device_digest", name="pk_device_request", mssql_clustered=False),
    )
    create_index("ix_device_request_expires", "device_request", ["expires_at"])
    create_index("ux_device_request_user_code", "device_request", ["tenant", "user_code_digest"], unique=True)
