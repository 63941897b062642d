"""The tables, once, for SQLite, PostgreSQL, MySQL, MariaDB, Oracle and SQL Server.

Every key begins with the tenant. What a statement filters, sorts or updates on is a column; the rest of a value is a
JSON document. No column needs the empty string to differ from NULL, because on Oracle it does not.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, MetaData, PrimaryKeyConstraint, Table

from grantway.storage.sql.types import TENANT_LENGTH, Digest, Document, Flag, Identifier, Instant, Sequence

METADATA = MetaData()
NAME_LENGTH = 256
KIND_LENGTH = 32


def _tenant() -> Column[str]:
    return Column("tenant", Identifier(TENANT_LENGTH), nullable=False)


def _key(table: str, *columns: str) -> PrimaryKeyConstraint:
    # A clustered key of SQL Server may have 900 bytes, another index 1700.
    return PrimaryKeyConstraint(*columns, name=f"pk_{table}", mssql_clustered=False)


tenant = Table(
    "tenant",
    METADATA,
    _tenant(),
    Column("issuer", Identifier(), nullable=False),
    Column("document", Document(), nullable=False),
    _key("tenant", "tenant"),
    Index("ux_tenant_issuer", "issuer", unique=True),
)

client = Table(
    "client",
    METADATA,
    _tenant(),
    Column("client_id", Identifier(), nullable=False),
    Column("client_name", Identifier(NAME_LENGTH)),
    Column("owner", Identifier(NAME_LENGTH)),
    Column("enabled", Flag(), nullable=False),
    Column("version", Integer(), nullable=False),
    Column("document", Document(), nullable=False),
    _key("client", "tenant", "client_id"),
    Index("ix_client_name", "tenant", "client_name", "client_id"),
    Index("ix_client_owner", "tenant", "owner", "client_id"),
)

client_origin = Table(
    "client_origin",
    METADATA,
    _tenant(),
    Column("origin", Identifier(), nullable=False),
    Column("client_id", Identifier(), nullable=False),
    _key("client_origin", "tenant", "origin", "client_id"),
    Index("ix_client_origin_client", "tenant", "client_id"),
    sqlite_with_rowid=False,
)

subject = Table(
    "subject",
    METADATA,
    _tenant(),
    Column("subject", Identifier(), nullable=False),
    Column("username_key", Identifier(), nullable=False),
    Column("enabled", Flag(), nullable=False),
    Column("version", Integer(), nullable=False),
    Column("document", Document(), nullable=False),
    _key("subject", "tenant", "subject"),
    Index("ux_subject_username", "tenant", "username_key", unique=True),
)

session = Table(
    "session",
    METADATA,
    _tenant(),
    Column("session_id", Identifier(), nullable=False),
    Column("digest", Digest(), nullable=False),
    Column("subject", Identifier(), nullable=False),
    Column("created_at", Instant(), nullable=False),
    Column("last_seen_at", Instant(), nullable=False),
    Column("expires_at", Instant(), nullable=False),
    Column("ended_at", Instant()),
    Column("document", Document(), nullable=False),
    _key("session", "tenant", "session_id"),
    Index("ux_session_digest", "tenant", "digest", unique=True),
    Index("ix_session_subject", "tenant", "subject", "created_at"),
    Index("ix_session_expires", "expires_at"),
)

consent = Table(
    "consent",
    METADATA,
    _tenant(),
    Column("subject", Identifier(), nullable=False),
    Column("client_id", Identifier(), nullable=False),
    Column("document", Document(), nullable=False),
    _key("consent", "tenant", "subject", "client_id"),
    Index("ix_consent_client", "tenant", "client_id"),
)

interaction = Table(
    "interaction",
    METADATA,
    _tenant(),
    Column("interaction_id", Identifier(), nullable=False),
    Column("version", Integer(), nullable=False),
    Column("completed_at", Instant()),
    Column("expires_at", Instant(), nullable=False),
    Column("document", Document(), nullable=False),
    _key("interaction", "tenant", "interaction_id"),
    Index("ix_interaction_expires", "expires_at"),
)

authorization = Table(
    "authorization",
    METADATA,
    _tenant(),
    Column("authorization_id", Identifier(), nullable=False),
    Column("client_id", Identifier(), nullable=False),
    Column("subject", Identifier()),
    Column("session_id", Identifier()),
    Column("session_bound", Flag(), nullable=False),
    # Never NULL: databases disagree on whether two NULLs are equal in a unique index. See records.build_code_digest.
    Column("code_digest", Digest(), nullable=False),
    Column("code_expires_at", Instant()),
    Column("code_redeemed_at", Instant()),
    Column("generation", Integer(), nullable=False),
    Column("rotated_at", Instant()),
    Column("revoked_at", Instant()),
    Column("created_at", Instant(), nullable=False),
    Column("expires_at", Instant(), nullable=False),
    Column("document", Document(), nullable=False),
    _key("authorization", "tenant", "authorization_id"),
    Index("ux_authorization_code", "tenant", "code_digest", unique=True),
    Index("ix_authorization_subject", "tenant", "subject", "created_at"),
    Index("ix_authorization_client", "tenant", "client_id", "created_at"),
    Index("ix_authorization_session", "tenant", "session_id"),
    Index("ix_authorization_created", "tenant", "created_at"),
    Index("ix_authorization_expires", "expires_at"),
)

signing_key = Table(
    "signing_key",
    METADATA,
    _tenant(),
    Column("kid", Identifier(), nullable=False),
    Column("alg", Identifier(KIND_LENGTH), nullable=False),
    Column("state", Identifier(KIND_LENGTH), nullable=False),
    Column("public_jwk", Document(), nullable=False),
    Column("sealed_private_key", LargeBinary(), nullable=False),
    Column("created_at", Instant(), nullable=False),
    Column("activated_at", Instant()),
    Column("retired_at", Instant()),
    Column("remove_at", Instant()),
    _key("signing_key", "tenant", "kid"),
    Index("ix_signing_key_remove", "remove_at"),
)

revocation = Table(
    "revocation",
    METADATA,
    _tenant(),
    Column("kind", Identifier(KIND_LENGTH), nullable=False),
    Column("key", Identifier(), nullable=False),
    Column("not_before", Instant(), nullable=False),
    Column("keep_until", Instant(), nullable=False),
    _key("revocation", "tenant", "kind", "key"),
    Index("ix_revocation_keep", "keep_until"),
    sqlite_with_rowid=False,
)

single_use = Table(
    "single_use",
    METADATA,
    _tenant(),
    Column("digest", Digest(), nullable=False),
    Column("expires_at", Instant(), nullable=False),
    _key("single_use", "tenant", "digest"),
    Index("ix_single_use_expires", "expires_at"),
    sqlite_with_rowid=False,
)

# The order of the columns is the order in which an UPDATE sets them; MySQL lets the later ones see the earlier ones'
# new values, so started_at, which the others depend on, is the last.
attempt = Table(
    "attempt",
    METADATA,
    _tenant(),
    Column("digest", Digest(), nullable=False),
    Column("attempts", Integer(), nullable=False),
    Column("expires_at", Instant(), nullable=False),
    Column("started_at", Instant(), nullable=False),
    _key("attempt", "tenant", "digest"),
    Index("ix_attempt_expires", "expires_at"),
    sqlite_with_rowid=False,
)

# What administrators register: scopes, trusted issuers, initial access tokens.
entry = Table(
    "entry",
    METADATA,
    _tenant(),
    Column("kind", Identifier(KIND_LENGTH), nullable=False),
    Column("key", Identifier(), nullable=False),
    Column("expires_at", Instant()),
    Column("version", Integer(), nullable=False),
    Column("document", Document(), nullable=False),
    _key("entry", "tenant", "kind", "key"),
    Index("ix_entry_expires", "expires_at"),
)

# What is to be done after a commit, even if the process dies: whoever does it looks for it here, for all tenants.
task = Table(
    "task",
    METADATA,
    _tenant(),
    Column("task_id", Identifier(), nullable=False),
    Column("kind", Identifier(KIND_LENGTH), nullable=False),
    Column("due_at", Instant(), nullable=False),
    Column("expires_at", Instant(), nullable=False),
    Column("version", Integer(), nullable=False),
    Column("document", Document(), nullable=False),
    _key("task", "tenant", "task_id"),
    Index("ix_task_due", "kind", "due_at", "tenant", "task_id"),
    Index("ix_task_expires", "expires_at"),
)

device_request = Table(
    "device_request",
    METADATA,
    _tenant(),
    Column("device_digest", Digest(), nullable=False),
    Column("user_code_digest", Digest(), nullable=False),
    Column("expires_at", Instant(), nullable=False),
    Column("version", Integer(), nullable=False),
    Column("document", Document(), nullable=False),
    _key("device_request", "tenant", "device_digest"),
    Index("ux_device_request_user_code", "tenant", "user_code_digest", unique=True),
    Index("ix_device_request_expires", "expires_at"),
)

# The feed is one for all tenants, so its key is the number alone. A number is never used again, not even after all
# rows were cleaned: AUTOINCREMENT sees to that on SQLite. On a cluster of Oracle's each node would have a stock of
# numbers; ORDER keeps them in one row.
change = Table(
    "change",
    METADATA,
    Column("sequence", Sequence(), Identity(oracle_order=True), primary_key=True),
    _tenant(),
    Column("kind", Identifier(KIND_LENGTH), nullable=False),
    Column("key", Identifier(), nullable=False),
    Column("document", Document()),
    Column("created_at", Instant(), nullable=False),
    Index("ix_change_created", "created_at"),
    sqlite_autoincrement=True,
)

# Whoever holds a name does its work for all nodes. A clock has no part in it: see ``ports.Store.take_lease``.
lease = Table(
    "lease",
    METADATA,
    Column("name", Identifier(KIND_LENGTH), nullable=False),
    Column("holder", Identifier(), nullable=False),
    Column("beat", BigInteger(), nullable=False),
    _key("lease", "name"),
)
