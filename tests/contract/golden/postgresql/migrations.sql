BEGIN;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0001

CREATE TABLE tenant (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    issuer VARCHAR(255) COLLATE "C" NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_tenant PRIMARY KEY (tenant)
);

CREATE UNIQUE INDEX ux_tenant_issuer ON tenant (issuer);

CREATE TABLE client (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    client_id VARCHAR(255) COLLATE "C" NOT NULL,
    client_name VARCHAR(256) COLLATE "C",
    owner VARCHAR(256) COLLATE "C",
    enabled SMALLINT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_client PRIMARY KEY (tenant, client_id)
);

CREATE INDEX ix_client_name ON client (tenant, client_name, client_id);

CREATE INDEX ix_client_owner ON client (tenant, owner, client_id);

CREATE TABLE client_origin (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    origin VARCHAR(255) COLLATE "C" NOT NULL,
    client_id VARCHAR(255) COLLATE "C" NOT NULL,
    CONSTRAINT pk_client_origin PRIMARY KEY (tenant, origin, client_id)
);

CREATE INDEX ix_client_origin_client ON client_origin (tenant, client_id);

CREATE TABLE subject (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    subject VARCHAR(255) COLLATE "C" NOT NULL,
    username_key VARCHAR(255) COLLATE "C" NOT NULL,
    enabled SMALLINT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_subject PRIMARY KEY (tenant, subject)
);

CREATE UNIQUE INDEX ux_subject_username ON subject (tenant, username_key);

CREATE TABLE session (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    session_id VARCHAR(255) COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    subject VARCHAR(255) COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    document TEXT NOT NULL,
    CONSTRAINT pk_session PRIMARY KEY (tenant, session_id)
);

CREATE INDEX ix_session_expires ON session (expires_at);

CREATE INDEX ix_session_subject ON session (tenant, subject, created_at);

CREATE UNIQUE INDEX ux_session_digest ON session (tenant, digest);

CREATE TABLE consent (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    subject VARCHAR(255) COLLATE "C" NOT NULL,
    client_id VARCHAR(255) COLLATE "C" NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_consent PRIMARY KEY (tenant, subject, client_id)
);

CREATE INDEX ix_consent_client ON consent (tenant, client_id);

CREATE TABLE interaction (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    interaction_id VARCHAR(255) COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    completed_at BIGINT,
    expires_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_interaction PRIMARY KEY (tenant, interaction_id)
);

CREATE INDEX ix_interaction_expires ON interaction (expires_at);

CREATE TABLE "authorization" (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    authorization_id VARCHAR(255) COLLATE "C" NOT NULL,
    client_id VARCHAR(255) COLLATE "C" NOT NULL,
    subject VARCHAR(255) COLLATE "C",
    session_id VARCHAR(255) COLLATE "C",
    session_bound SMALLINT NOT NULL,
    code_digest BYTEA NOT NULL,
    code_expires_at BIGINT,
    code_redeemed_at BIGINT,
    generation INTEGER NOT NULL,
    rotated_at BIGINT,
    revoked_at BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_authorization PRIMARY KEY (tenant, authorization_id)
);

CREATE INDEX ix_authorization_client ON "authorization" (tenant, client_id, created_at);

CREATE INDEX ix_authorization_created ON "authorization" (tenant, created_at);

CREATE INDEX ix_authorization_expires ON "authorization" (expires_at);

CREATE INDEX ix_authorization_session ON "authorization" (tenant, session_id);

CREATE INDEX ix_authorization_subject ON "authorization" (tenant, subject, created_at);

CREATE UNIQUE INDEX ux_authorization_code ON "authorization" (tenant, code_digest);

CREATE TABLE signing_key (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    kid VARCHAR(255) COLLATE "C" NOT NULL,
    alg VARCHAR(32) COLLATE "C" NOT NULL,
    state VARCHAR(32) COLLATE "C" NOT NULL,
    public_jwk TEXT NOT NULL,
    sealed_private_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    activated_at BIGINT,
    retired_at BIGINT,
    remove_at BIGINT,
    CONSTRAINT pk_signing_key PRIMARY KEY (tenant, kid)
);

CREATE INDEX ix_signing_key_remove ON signing_key (remove_at);

CREATE TABLE revocation (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    kind VARCHAR(32) COLLATE "C" NOT NULL,
    key VARCHAR(255) COLLATE "C" NOT NULL,
    not_before BIGINT NOT NULL,
    keep_until BIGINT NOT NULL,
    CONSTRAINT pk_revocation PRIMARY KEY (tenant, kind, key)
);

CREATE INDEX ix_revocation_keep ON revocation (keep_until);

CREATE TABLE single_use (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT pk_single_use PRIMARY KEY (tenant, digest)
);

CREATE INDEX ix_single_use_expires ON single_use (expires_at);

CREATE TABLE attempt (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    attempts INTEGER NOT NULL,
    expires_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    CONSTRAINT pk_attempt PRIMARY KEY (tenant, digest)
);

CREATE INDEX ix_attempt_expires ON attempt (expires_at);

CREATE TABLE change (
    sequence BIGINT GENERATED BY DEFAULT AS IDENTITY,
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    kind VARCHAR(32) COLLATE "C" NOT NULL,
    key VARCHAR(255) COLLATE "C" NOT NULL,
    document TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (sequence)
);

CREATE INDEX ix_change_created ON change (created_at);

INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING alembic_version.version_num;

-- Running upgrade 0001 -> 0002.0001

CREATE TABLE lease (
    name VARCHAR(32) COLLATE "C" NOT NULL,
    holder VARCHAR(255) COLLATE "C" NOT NULL,
    beat BIGINT NOT NULL,
    CONSTRAINT pk_lease PRIMARY KEY (name)
);

UPDATE alembic_version SET version_num='0002.0001' WHERE alembic_version.version_num = '0001';

-- Running upgrade 0002.0001 -> 0003.0001

CREATE TABLE entry (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    kind VARCHAR(32) COLLATE "C" NOT NULL,
    key VARCHAR(255) COLLATE "C" NOT NULL,
    expires_at BIGINT,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_entry PRIMARY KEY (tenant, kind, key)
);

CREATE INDEX ix_entry_expires ON entry (expires_at);

CREATE TABLE task (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    task_id VARCHAR(255) COLLATE "C" NOT NULL,
    kind VARCHAR(32) COLLATE "C" NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_task PRIMARY KEY (tenant, task_id)
);

CREATE INDEX ix_task_due ON task (kind, due_at, tenant, task_id);

CREATE INDEX ix_task_expires ON task (expires_at);

CREATE TABLE device_request (
    tenant VARCHAR(64) COLLATE "C" NOT NULL,
    device_digest BYTEA NOT NULL,
    user_code_digest BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_device_request PRIMARY KEY (tenant, device_digest)
);

CREATE INDEX ix_device_request_expires ON device_request (expires_at);

CREATE UNIQUE INDEX ux_device_request_user_code ON device_request (tenant, user_code_digest);

UPDATE alembic_version SET version_num='0003.0001' WHERE alembic_version.version_num = '0002.0001';

COMMIT;
