"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa

from grantway.storage.sql.migrations.steps import create_index, create_table, drop_table
from grantway.storage.sql.types import TENANT_LENGTH, Digest, Document, Flag, Identifier, Instant, Sequence

revision = "0001"
down_revision: str | None = None

_TABLES = (
    "change",
    "attempt",
    "single_use",
    "revocation",
    "signing_key",
    "authorization",
    "interaction",
    "consent",
    "session",
    "subject",
    "client_origin",
    "client",
    "tenant",
)


def upgrade() -> None:
    _create_tenant()
    _create_client()
    _create_client_origin()
    _create_subject()
    _create_session()
    _create_consent()
    _create_interaction()
    _create_authorization()
    _create_signing_key()
    _create_revocation()
    _create_single_use()
    _create_attempt()
    _create_change()


def downgrade() -> None:
    for table in _TABLES:
        drop_table(table)


def _create_tenant() -> None:
    create_table(
        "tenant",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("issuer", Identifier(), nullable=False),
        sa.Column("document", Document(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_tenant", mssql_clustered=False),
    )
    create_index("ux_tenant_issuer", "tenant", ["issuer"], unique=True)


def _create_client() -> None:
    create_table(
        "client",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("client_id", Identifier(), nullable=False),
        sa.Column("client_name", Identifier(256)),
        sa.Column("owner", Identifier(256)),
        sa.Column("enabled", Flag(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", Document(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "client_id", name="pk_client", mssql_clustered=False),
    )
    create_index("ix_client_name", "client", ["tenant", "client_name", "client_id"])
    create_index("ix_client_owner", "client", ["tenant", "owner", "client_id"])


def _create_client_origin() -> None:
    create_table(
        "client_origin",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("origin", Identifier(), nullable=False),
        sa.Column("client_id", Identifier(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "origin", "client_id", name="pk_client_origin", mssql_clustered=False),
        sqlite_with_rowid=False,
    )
    create_index("ix_client_origin_client", "client_origin", ["tenant", "client_id"])


def _create_subject() -> None:
    create_table(
        "subject",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("subject", Identifier(), nullable=False),
        sa.Column("username_key", Identifier(), nullable=False),
        sa.Column("enabled", Flag(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", Document(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject", name="pk_subject", mssql_clustered=False),
    )
    create_index("ux_subject_username", "subject", ["tenant", "username_key"], unique=True)


def _create_session() -> None:
    create_table(
        "session",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("session_id", Identifier(), nullable=False),
        sa.Column("digest", Digest(), nullable=False),
        sa.Column("subject", Identifier(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("last_seen_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant()),
        sa.Column("document", Document(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "session_id", name="pk_session", mssql_clustered=False),
    )
    create_index("ix_session_expires", "session", ["expires_at"])
    create_index("ix_session_subject", "session", ["tenant", "subject", "created_at"])
    create_index("ux_session_digest", "session", ["tenant", "digest"], unique=True)


def _create_consent() -> None:
    create_table(
        "consent",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("subject", Identifier(), nullable=False),
        sa.Column("client_id", Identifier(), nullable=False),
        sa.Column("document", Document(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "subject", "client_id", name="pk_consent", mssql_clustered=False),
    )
    create_index("ix_consent_client", "consent", ["tenant", "client_id"])


def _create_interaction() -> None:
    create_table(
        "interaction",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("interaction_id", Identifier(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("completed_at", Instant()),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("document", Document(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "interaction_id", name="pk_interaction", mssql_clustered=False),
    )
    create_index("ix_interaction_expires", "interaction", ["expires_at"])


def _create_authorization() -> None:
    create_table(
        "authorization",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("authorization_id", Identifier(), nullable=False),
        sa.Column("client_id", Identifier(), nullable=False),
        sa.Column("subject", Identifier()),
        sa.Column("session_id", Identifier()),
        sa.Column("session_bound", Flag(), nullable=False),
        sa.Column("code_digest", Digest(), nullable=False),
        sa.Column("code_expires_at", Instant()),
        sa.Column("code_redeemed_at", Instant()),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("rotated_at", Instant()),
        sa.Column("revoked_at", Instant()),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("document", Document(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "authorization_id", name="pk_authorization", mssql_clustered=False),
    )
    create_index("ix_authorization_client", "authorization", ["tenant", "client_id", "created_at"])
    create_index("ix_authorization_created", "authorization", ["tenant", "created_at"])
    create_index("ix_authorization_expires", "authorization", ["expires_at"])
    create_index("ix_authorization_session", "authorization", ["tenant", "session_id"])
    create_index("ix_authorization_subject", "authorization", ["tenant", "subject", "created_at"])
    create_index("ux_authorization_code", "authorization", ["tenant", "code_digest"], unique=True)


def _create_signing_key() -> None:
    create_table(
        "signing_key",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("kid", Identifier(), nullable=False),
        sa.Column("alg", Identifier(32), nullable=False),
        sa.Column("state", Identifier(32), nullable=False),
        sa.Column("public_jwk", Document(), nullable=False),
        sa.Column("sealed_private_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("activated_at", Instant()),
        sa.Column("retired_at", Instant()),
        sa.Column("remove_at", Instant()),
        sa.PrimaryKeyConstraint("tenant", "kid", name="pk_signing_key", mssql_clustered=False),
    )
    create_index("ix_signing_key_remove", "signing_key", ["remove_at"])


def _create_revocation() -> None:
    create_table(
        "revocation",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("kind", Identifier(32), nullable=False),
        sa.Column("key", Identifier(), nullable=False),
        sa.Column("not_before", Instant(), nullable=False),
        sa.Column("keep_until", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "key", name="pk_revocation", mssql_clustered=False),
        sqlite_with_rowid=False,
    )
    create_index("ix_revocation_keep", "revocation", ["keep_until"])


def _create_single_use() -> None:
    create_table(
        "single_use",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("digest", Digest(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "digest", name="pk_single_use", mssql_clustered=False),
        sqlite_with_rowid=False,
    )
    create_index("ix_single_use_expires", "single_use", ["expires_at"])


def _create_attempt() -> None:
    create_table(
        "attempt",
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("digest", Digest(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "digest", name="pk_attempt", mssql_clustered=False),
        sqlite_with_rowid=False,
    )
    create_index("ix_attempt_expires", "attempt", ["expires_at"])


def _create_change() -> None:
    create_table(
        "change",
        sa.Column("sequence", Sequence(), sa.Identity(oracle_order=True), primary_key=True),
        sa.Column("tenant", Identifier(TENANT_LENGTH), nullable=False),
        sa.Column("kind", Identifier(32), nullable=False),
        sa.Column("key", Identifier(), nullable=False),
        sa.Column("document", Document()),
        sa.Column("created_at", Instant(), nullable=False),
        sqlite_autoincrement=True,
    )
    create_index("ix_change_created", "change", ["created_at"])
