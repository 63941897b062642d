CREATE TABLE alembic_version (
    version_num VARCHAR2(32 CHAR) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)

/

-- Running upgrade  -> 0001

CREATE TABLE tenant (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    issuer VARCHAR2(255 CHAR) NOT NULL,
    document CLOB NOT NULL,
    CONSTRAINT pk_tenant PRIMARY KEY (tenant)
)

/

CREATE UNIQUE INDEX ux_tenant_issuer ON tenant (issuer)

/

CREATE TABLE client (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    client_id VARCHAR2(255 CHAR) NOT NULL,
    client_name VARCHAR2(256 CHAR),
    owner VARCHAR2(256 CHAR),
    enabled SMALLINT NOT NULL,
    version INTEGER NOT NULL,
    document CLOB NOT NULL,
    CONSTRAINT pk_client PRIMARY KEY (tenant, client_id)
)

/

CREATE INDEX ix_client_name ON client (tenant, client_name, client_id)

/

CREATE INDEX ix_client_owner ON client (tenant, owner, client_id)

/

CREATE TABLE client_origin (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    origin VARCHAR2(255 CHAR) NOT NULL,
    client_id VARCHAR2(255 CHAR) NOT NULL,
    CONSTRAINT pk_client_origin PRIMARY KEY (tenant, origin, client_id)
)

/

CREATE INDEX ix_client_origin_client ON client_origin (tenant, client_id)

/

CREATE TABLE subject (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    subject VARCHAR2(255 CHAR) NOT NULL,
    username_key VARCHAR2(255 CHAR) NOT NULL,
    enabled SMALLINT NOT NULL,
    version INTEGER NOT NULL,
    document CLOB NOT NULL,
    CONSTRAINT pk_subject PRIMARY KEY (tenant, subject)
)

/

CREATE UNIQUE INDEX ux_subject_username ON subject (tenant, username_key)

/

CREATE TABLE "session" (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    session_id VARCHAR2(255 CHAR) NOT NULL,
    digest RAW(32) NOT NULL,
    subject VARCHAR2(255 CHAR) NOT NULL,
    created_at NUMBER(19) NOT NULL,
    last_seen_at NUMBER(19) NOT NULL,
    expires_at NUMBER(19) NOT NULL,
    ended_at NUMBER(19),
    document CLOB NOT NULL,
    CONSTRAINT pk_session PRIMARY KEY (tenant, session_id)
)

/

CREATE INDEX ix_session_expires ON "session" (expires_at)

/

CREATE INDEX ix_session_subject ON "session" (tenant, subject, created_at)

/

CREATE UNIQUE INDEX ux_session_digest ON "session" (tenant, digest)

/

CREATE TABLE consent (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    subject VARCHAR2(255 CHAR) NOT NULL,
    client_id VARCHAR2(255 CHAR) NOT NULL,
    document CLOB NOT NULL,
    CONSTRAINT pk_consent PRIMARY KEY (tenant, subject, client_id)
)

/

CREATE INDEX ix_consent_client ON consent (tenant, client_id)

/

CREATE TABLE interaction (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    interaction_id VARCHAR2(255 CHAR) NOT NULL,
    version INTEGER NOT NULL,
    completed_at NUMBER(19),
    expires_at NUMBER(19) NOT NULL,
    document CLOB NOT NULL,
    CONSTRAINT pk_interaction PRIMARY KEY (tenant, interaction_id)
)

/

CREATE INDEX ix_interaction_expires ON interaction (expires_at)

/

CREATE TABLE authorization (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    authorization_id VARCHAR2(255 CHAR) NOT NULL,
    client_id VARCHAR2(255 CHAR) NOT NULL,
    subject VARCHAR2(255 CHAR),
    session_id VARCHAR2(255 CHAR),
    session_bound SMALLINT NOT NULL,
    code_digest RAW(32) NOT NULL,
    code_expires_at NUMBER(19),
    code_redeemed_at NUMBER(19),
    generation INTEGER NOT NULL,
    rotated_at NUMBER(19),
    revoked_at NUMBER(19),
    created_at NUMBER(19) NOT NULL,
    expires_at NUMBER(19) NOT NULL,
    document CLOB NOT NULL,
    CONSTRAINT pk_authorization PRIMARY KEY (tenant, authorization_id)
)

/

CREATE INDEX ix_authorization_client ON authorization (tenant, client_id, created_at)

/

CREATE INDEX ix_authorization_created ON authorization (tenant, created_at)

/

CREATE INDEX ix_authorization_expires ON authorization (expires_at)

/

CREATE INDEX ix_authorization_session ON authorization (tenant, session_id)

/

CREATE INDEX ix_authorization_subject ON authorization (tenant, subject, created_at)

/

CREATE UNIQUE INDEX ux_authorization_code ON authorization (tenant, code_digest)

/

CREATE TABLE signing_key (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    kid VARCHAR2(255 CHAR) NOT NULL,
    alg VARCHAR2(32 CHAR) NOT NULL,
    state VARCHAR2(32 CHAR) NOT NULL,
    public_jwk CLOB NOT NULL,
    sealed_private_key BLOB NOT NULL,
    created_at NUMBER(19) NOT NULL,
    activated_at NUMBER(19),
    retired_at NUMBER(19),
    remove_at NUMBER(19),
    CONSTRAINT pk_signing_key PRIMARY KEY (tenant, kid)
)

/

CREATE INDEX ix_signing_key_remove ON signing_key (remove_at)

/

CREATE TABLE revocation (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    kind VARCHAR2(32 CHAR) NOT NULL,
    key VARCHAR2(255 CHAR) NOT NULL,
    not_before NUMBER(19) NOT NULL,
    keep_until NUMBER(19) NOT NULL,
    CONSTRAINT pk_revocation PRIMARY KEY (tenant, kind, key)
)

/

CREATE INDEX ix_revocation_keep ON revocation (keep_until)

/

CREATE TABLE single_use (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    digest RAW(32) NOT NULL,
    expires_at NUMBER(19) NOT NULL,
    CONSTRAINT pk_single_use PRIMARY KEY (tenant, digest)
)

/

CREATE INDEX ix_single_use_expires ON single_use (expires_at)

/

CREATE TABLE attempt (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    digest RAW(32) NOT NULL,
    attempts INTEGER NOT NULL,
    expires_at NUMBER(19) NOT NULL,
    started_at NUMBER(19) NOT NULL,
    CONSTRAINT pk_attempt PRIMARY KEY (tenant, digest)
)

/

CREATE INDEX ix_attempt_expires ON attempt (expires_at)

/

CREATE TABLE change (
    sequence NUMBER(19) GENERATED BY DEFAULT AS IDENTITY (ORDER),
    tenant VARCHAR2(64 CHAR) NOT NULL,
    kind VARCHAR2(32 CHAR) NOT NULL,
    key VARCHAR2(255 CHAR) NOT NULL,
    document CLOB,
    created_at NUMBER(19) NOT NULL,
    PRIMARY KEY (sequence)
)

/

CREATE INDEX ix_change_created ON change (created_at)

/

INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING alembic_version.version_num INTO :ret_0

/

-- Running upgrade 0001 -> 0002.0001

CREATE TABLE lease (
    name VARCHAR2(32 CHAR) NOT NULL,
    holder VARCHAR2(255 CHAR) NOT NULL,
    beat NUMBER(19) NOT NULL,
    CONSTRAINT pk_lease PRIMARY KEY (name)
)

/

UPDATE alembic_version SET version_num='0002.0001' WHERE alembic_version.version_num = '0001'

/

-- Running upgrade 0002.0001 -> 0003.0001

CREATE TABLE entry (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    kind VARCHAR2(32 CHAR) NOT NULL,
    key VARCHAR2(255 CHAR) NOT NULL,
    expires_at NUMBER(19),
    version INTEGER NOT NULL,
    document CLOB NOT NULL,
    CONSTRAINT pk_entry PRIMARY KEY (tenant, kind, key)
)

/

CREATE INDEX ix_entry_expires ON entry (expires_at)

/

CREATE TABLE task (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    task_id VARCHAR2(255 CHAR) NOT NULL,
    kind VARCHAR2(32 CHAR) NOT NULL,
    due_at NUMBER(19) NOT NULL,
    expires_at NUMBER(19) NOT NULL,
    version INTEGER NOT NULL,
    document CLOB NOT NULL,
    CONSTRAINT pk_task PRIMARY KEY (tenant, task_id)
)

/

CREATE INDEX ix_task_due ON task (kind, due_at, tenant, task_id)

/

CREATE INDEX ix_task_expires ON task (expires_at)

/

CREATE TABLE device_request (
    tenant VARCHAR2(64 CHAR) NOT NULL,
    device_digest RAW(32) NOT NULL,
    user_code_digest RAW(32) NOT NULL,
    expires_at NUMBER(19) NOT NULL,
    version INTEGER NOT NULL,
    document CLOB NOT NULL,
    CONSTRAINT pk_device_request PRIMARY KEY (tenant, device_digest)
)

/

CREATE INDEX ix_device_request_expires ON device_request (expires_at)

/

CREATE UNIQUE INDEX ux_device_request_user_code ON device_request (tenant, user_code_digest)

/

UPDATE alembic_version SET version_num='0003.0001' WHERE alembic_version.version_num = '0002.0001'

/
