BEGIN TRANSACTION;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

GO

-- Running upgrade  -> 0001

CREATE TABLE tenant (
    tenant VARBINARY(256) NOT NULL,
    issuer VARBINARY(1020) NOT NULL,
    document NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_tenant PRIMARY KEY NONCLUSTERED (tenant)
);

GO

CREATE UNIQUE INDEX ux_tenant_issuer ON tenant (issuer);

GO

CREATE TABLE client (
    tenant VARBINARY(256) NOT NULL,
    client_id VARBINARY(1020) NOT NULL,
    client_name VARBINARY(1024) NULL,
    owner VARBINARY(1024) NULL,
    enabled SMALLINT NOT NULL,
    version INTEGER NOT NULL,
    document NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_client PRIMARY KEY NONCLUSTERED (tenant, client_id)
);

GO

CREATE INDEX ix_client_name ON client (tenant, client_name, client_id);

GO

CREATE INDEX ix_client_owner ON client (tenant, owner, client_id);

GO

CREATE TABLE client_origin (
    tenant VARBINARY(256) NOT NULL,
    origin VARBINARY(1020) NOT NULL,
    client_id VARBINARY(1020) NOT NULL,
    CONSTRAINT pk_client_origin PRIMARY KEY NONCLUSTERED (tenant, origin, client_id)
);

GO

CREATE INDEX ix_client_origin_client ON client_origin (tenant, client_id);

GO

CREATE TABLE subject (
    tenant VARBINARY(256) NOT NULL,
    subject VARBINARY(1020) NOT NULL,
    username_key VARBINARY(1020) NOT NULL,
    enabled SMALLINT NOT NULL,
    version INTEGER NOT NULL,
    document NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_subject PRIMARY KEY NONCLUSTERED (tenant, subject)
);

GO

CREATE UNIQUE INDEX ux_subject_username ON subject (tenant, username_key);

GO

CREATE TABLE session (
    tenant VARBINARY(256) NOT NULL,
    session_id VARBINARY(1020) NOT NULL,
    digest BINARY(32) NOT NULL,
    subject VARBINARY(1020) NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT NULL,
    document NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_session PRIMARY KEY NONCLUSTERED (tenant, session_id)
);

GO

CREATE INDEX ix_session_expires ON session (expires_at);

GO

CREATE INDEX ix_session_subject ON session (tenant, subject, created_at);

GO

CREATE UNIQUE INDEX ux_session_digest ON session (tenant, digest);

GO

CREATE TABLE consent (
    tenant VARBINARY(256) NOT NULL,
    subject VARBINARY(1020) NOT NULL,
    client_id VARBINARY(1020) NOT NULL,
    document NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_consent PRIMARY KEY NONCLUSTERED (tenant, subject, client_id)
);

GO

CREATE INDEX ix_consent_client ON consent (tenant, client_id);

GO

CREATE TABLE interaction (
    tenant VARBINARY(256) NOT NULL,
    interaction_id VARBINARY(1020) NOT NULL,
    version INTEGER NOT NULL,
    completed_at BIGINT NULL,
    expires_at BIGINT NOT NULL,
    document NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_interaction PRIMARY KEY NONCLUSTERED (tenant, interaction_id)
);

GO

CREATE INDEX ix_interaction_expires ON interaction (expires_at);

GO

CREATE TABLE [authorization] (
    tenant VARBINARY(256) NOT NULL,
    authorization_id VARBINARY(1020) NOT NULL,
    client_id VARBINARY(1020) NOT NULL,
    subject VARBINARY(1020) NULL,
    session_id VARBINARY(1020) NULL,
    session_bound SMALLINT NOT NULL,
    code_digest BINARY(32) NOT NULL,
    code_expires_at BIGINT NULL,
    code_redeemed_at BIGINT NULL,
    generation INTEGER NOT NULL,
    rotated_at BIGINT NULL,
    revoked_at BIGINT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    document NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_authorization PRIMARY KEY NONCLUSTERED (tenant, authorization_id)
);

GO

CREATE INDEX ix_authorization_client ON [authorization] (tenant, client_id, created_at);

GO

CREATE INDEX ix_authorization_created ON [authorization] (tenant, created_at);

GO

CREATE INDEX ix_authorization_expires ON [authorization] (expires_at);

GO

CREATE INDEX ix_authorization_session ON [authorization] (tenant, session_id);

GO

CREATE INDEX ix_authorization_subject ON [authorization] (tenant, subject, created_at);

GO

CREATE UNIQUE INDEX ux_authorization_code ON [authorization] (tenant, code_digest);

GO

CREATE TABLE signing_key (
    tenant VARBINARY(256) NOT NULL,
    kid VARBINARY(1020) NOT NULL,
    alg VARBINARY(128) NOT NULL,
    state VARBINARY(128) NOT NULL,
    public_jwk NVARCHAR(max) NOT NULL,
    sealed_private_key VARBINARY(max) NOT NULL,
    created_at BIGINT NOT NULL,
    activated_at BIGINT NULL,
    retired_at BIGINT NULL,
    remove_at BIGINT NULL,
    CONSTRAINT pk_signing_key PRIMARY KEY NONCLUSTERED (tenant, kid)
);

GO

CREATE INDEX ix_signing_key_remove ON signing_key (remove_at);

GO

CREATE TABLE revocation (
    tenant VARBINARY(256) NOT NULL,
    kind VARBINARY(128) NOT NULL,
    [key] VARBINARY(1020) NOT NULL,
    not_before BIGINT NOT NULL,
    keep_until BIGINT NOT NULL,
    CONSTRAINT pk_revocation PRIMARY KEY NONCLUSTERED (tenant, kind, [key])
);

GO

CREATE INDEX ix_revocation_keep ON revocation (keep_until);

GO

CREATE TABLE single_use (
    tenant VARBINARY(256) NOT NULL,
    digest BINARY(32) NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT pk_single_use PRIMARY KEY NONCLUSTERED (tenant, digest)
);

GO

CREATE INDEX ix_single_use_expires ON single_use (expires_at);

GO

CREATE TABLE attempt (
    tenant VARBINARY(256) NOT NULL,
    digest BINARY(32) NOT NULL,
    attempts INTEGER NOT NULL,
    expires_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    CONSTRAINT pk_attempt PRIMARY KEY NONCLUSTERED (tenant, digest)
);

GO

CREATE INDEX ix_attempt_expires ON attempt (expires_at);

GO

CREATE TABLE change (
    sequence BIGINT NOT NULL IDENTITY,
    tenant VARBINARY(256) NOT NULL,
    kind VARBINARY(128) NOT NULL,
    [key] VARBINARY(1020) NOT NULL,
    document NVARCHAR(max) NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (sequence)
);

GO

CREATE INDEX ix_change_created ON change (created_at);

GO

INSERT INTO alembic_version (version_num) OUTPUT inserted.version_num VALUES ('0001');

GO

-- Running upgrade 0001 -> 0002.0001

CREATE TABLE lease (
    name VARBINARY(128) NOT NULL,
    holder VARBINARY(1020) NOT NULL,
    beat BIGINT NOT NULL,
    CONSTRAINT pk_lease PRIMARY KEY NONCLUSTERED (name)
);

GO

UPDATE alembic_version SET version_num='0002.0001' WHERE alembic_version.version_num = '0001';

GO

-- Running upgrade 0002.0001 -> 0003.0001

CREATE TABLE entry (
    tenant VARBINARY(256) NOT NULL,
    kind VARBINARY(128) NOT NULL,
    [key] VARBINARY(1020) NOT NULL,
    expires_at BIGINT NULL,
    version INTEGER NOT NULL,
    document NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_entry PRIMARY KEY NONCLUSTERED (tenant, kind, [key])
);

GO

CREATE INDEX ix_entry_expires ON entry (expires_at);

GO

CREATE TABLE task (
    tenant VARBINARY(256) NOT NULL,
    task_id VARBINARY(1020) NOT NULL,
    kind VARBINARY(128) NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    version INTEGER NOT NULL,
    document NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_task PRIMARY KEY NONCLUSTERED (tenant, task_id)
);

GO

CREATE INDEX ix_task_due ON task (kind, due_at, tenant, task_id);

GO

CREATE INDEX ix_task_expires ON task (expires_at);

GO

CREATE TABLE device_request (
    tenant VARBINARY(256) NOT NULL,
    device_digest BINARY(32) NOT NULL,
    user_code_digest BINARY(32) NOT NULL,
    expires_at BIGINT NOT NULL,
    version INTEGER NOT NULL,
    document NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_device_request PRIMARY KEY NONCLUSTERED (tenant, device_digest)
);

GO

CREATE INDEX ix_device_request_expires ON device_request (expires_at);

GO

CREATE UNIQUE INDEX ux_device_request_user_code ON device_request (tenant, user_code_digest);

GO

UPDATE alembic_version SET version_num='0003.0001' WHERE alembic_version.version_num = '0002.0001';

GO

COMMIT;

GO
