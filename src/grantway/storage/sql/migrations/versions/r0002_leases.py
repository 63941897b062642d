"""A place for leases: which node does the work that one does for all."""

from __future__ import annotations

import sqlalchemy as sa

from grantway.storage.sql.migrations.steps import create_table, drop_table
from grantway.storage.sql.types import Identifier

revision = "0002.0001"
down_revision = "0001"


def upgrade() -> None:
    create_table(
        "lease",
        sa.Column("name", Identifier(32), nullable=False),
        sa.Column("holder", Identifier(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease", mssql_clustered=False),
    )


def downgrade() -> None:
    drop_table("lease")
