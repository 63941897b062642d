CREATE TABLE attempt (
  tenant VARCHAR(64) NOT NULL,
  digest BLOB NOT NULL,
  attempts INTEGER NOT NULL,
  expires_at BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  CONSTRAINT pk_attempt PRIMARY KEY (tenant, digest)
)
 WITHOUT ROWID

CREATE INDEX ix_attempt_expires ON attempt (expires_at)

CREATE TABLE authorization (
  tenant VARCHAR(64) NOT NULL,
  authorization_id VARCHAR(255) NOT NULL,
  client_id VARCHAR(255) NOT NULL,
  subject VARCHAR(255),
  session_id VARCHAR(255),
  session_bound SMALLINT NOT NULL,
  code_digest BLOB NOT NULL,
  code_expires_at BIGINT,
  code_redeemed_at BIGINT,
  generation INTEGER NOT NULL,
  rotated_at BIGINT,
  revoked_at BIGINT,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  document TEXT NOT NULL,
  CONSTRAINT pk_authorization PRIMARY KEY (tenant, authorization_id)
)

CREATE INDEX ix_authorization_client ON authorization (tenant, client_id, created_at)

CREATE INDEX ix_authorization_created ON authorization (tenant, created_at)

CREATE INDEX ix_authorization_expires ON authorization (expires_at)

CREATE INDEX ix_authorization_session ON authorization (tenant, session_id)

CREATE INDEX ix_authorization_subject ON authorization (tenant, subject, created_at)

CREATE UNIQUE INDEX ux_authorization_code ON authorization (tenant, code_digest)

CREATE TABLE change (
  sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  tenant VARCHAR(64) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  "key" VARCHAR(255) NOT NULL,
  document TEXT,
  created_at BIGINT NOT NULL
)

CREATE INDEX ix_change_created ON change (created_at)

CREATE TABLE client (
  tenant VARCHAR(64) NOT NULL,
  client_id VARCHAR(255) NOT NULL,
  client_name VARCHAR(256),
  owner VARCHAR(256),
  enabled SMALLINT NOT NULL,
  version INTEGER NOT NULL,
  document TEXT NOT NULL,
  CONSTRAINT pk_client PRIMARY KEY (tenant, client_id)
)

CREATE INDEX ix_client_name ON client (tenant, client_name, client_id)

CREATE INDEX ix_client_owner ON client (tenant, owner, client_id)

CREATE TABLE client_origin (
  tenant VARCHAR(64) NOT NULL,
  origin VARCHAR(255) NOT NULL,
  client_id VARCHAR(255) NOT NULL,
  CONSTRAINT pk_client_origin PRIMARY KEY (tenant, origin, client_id)
)
 WITHOUT ROWID

CREATE INDEX ix_client_origin_client ON client_origin (tenant, client_id)

CREATE TABLE consent (
  tenant VARCHAR(64) NOT NULL,
  subject VARCHAR(255) NOT NULL,
  client_id VARCHAR(255) NOT NULL,
  document TEXT NOT NULL,
  CONSTRAINT pk_consent PRIMARY KEY (tenant, subject, client_id)
)

CREATE INDEX ix_consent_client ON consent (tenant, client_id)

CREATE TABLE device_request (
  tenant VARCHAR(64) NOT NULL,
  device_digest BLOB NOT NULL,
  user_code_digest BLOB NOT NULL,
  expires_at BIGINT NOT NULL,
  version INTEGER NOT NULL,
  document TEXT NOT NULL,
  CONSTRAINT pk_device_request PRIMARY KEY (tenant, device_digest)
)

CREATE INDEX ix_device_request_expires ON device_request (expires_at)

CREATE UNIQUE INDEX ux_device_request_user_code ON device_request (tenant, user_code_digest)

CREATE TABLE entry (
  tenant VARCHAR(64) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  "key" VARCHAR(255) NOT NULL,
  expires_at BIGINT,
  version INTEGER NOT NULL,
  document TEXT NOT NULL,
  CONSTRAINT pk_entry PRIMARY KEY (tenant, kind, "key")
)

CREATE INDEX ix_entry_expires ON entry (expires_at)

CREATE TABLE interaction (
  tenant VARCHAR(64) NOT NULL,
  interaction_id VARCHAR(255) NOT NULL,
  version INTEGER NOT NULL,
  completed_at BIGINT,
  expires_at BIGINT NOT NULL,
  document TEXT NOT NULL,
  CONSTRAINT pk_interaction PRIMARY KEY (tenant, interaction_id)
)

CREATE INDEX ix_interaction_expires ON interaction (expires_at)

CREATE TABLE lease (
  name VARCHAR(32) NOT NULL,
  holder VARCHAR(255) NOT NULL,
  beat BIGINT NOT NULL,
  CONSTRAINT pk_lease PRIMARY KEY (name)
)

CREATE TABLE revocation (
  tenant VARCHAR(64) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  "key" VARCHAR(255) NOT NULL,
  not_before BIGINT NOT NULL,
  keep_until BIGINT NOT NULL,
  CONSTRAINT pk_revocation PRIMARY KEY (tenant, kind, "key")
)
 WITHOUT ROWID

CREATE INDEX ix_revocation_keep ON revocation (keep_until)

CREATE TABLE session (
  tenant VARCHAR(64) NOT NULL,
  session_id VARCHAR(255) NOT NULL,
  digest BLOB NOT NULL,
  subject VARCHAR(255) NOT NULL,
  created_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at BIGINT,
  document TEXT NOT NULL,
  CONSTRAINT pk_session PRIMARY KEY (tenant, session_id)
)

CREATE INDEX ix_session_expires ON session (expires_at)

CREATE INDEX ix_session_subject ON session (tenant, subject, created_at)

CREATE UNIQUE INDEX ux_session_digest ON session (tenant, digest)

CREATE TABLE signing_key (
  tenant VARCHAR(64) NOT NULL,
  kid VARCHAR(255) NOT NULL,
  alg VARCHAR(32) NOT NULL,
  state VARCHAR(32) NOT NULL,
  public_jwk TEXT NOT NULL,
  sealed_private_key BLOB NOT NULL,
  created_at BIGINT NOT NULL,
  activated_at BIGINT,
  retired_at BIGINT,
  remove_at BIGINT,
  CONSTRAINT pk_signing_key PRIMARY KEY (tenant, kid)
)

CREATE INDEX ix_signing_key_remove ON signing_key (remove_at)

CREATE TABLE single_use (
  tenant VARCHAR(64) NOT NULL,
  digest BLOB NOT NULL,
  expires_at BIGINT NOT NULL,
  CONSTRAINT pk_single_use PRIMARY KEY (tenant, digest)
)
 WITHOUT ROWID

CREATE INDEX ix_single_use_expires ON single_use (expires_at)

CREATE TABLE subject (
  tenant VARCHAR(64) NOT NULL,
  subject VARCHAR(255) NOT NULL,
  username_key VARCHAR(255) NOT NULL,
  enabled SMALLINT NOT NULL,
  version INTEGER NOT NULL,
  document TEXT NOT NULL,
  CONSTRAINT pk_subject PRIMARY KEY (tenant, subject)
)

CREATE UNIQUE INDEX ux_subject_username ON subject (tenant, username_key)

CREATE TABLE task (
  tenant VARCHAR(64) NOT NULL,
  task_id VARCHAR(255) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  due_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  version INTEGER NOT NULL,
  document TEXT NOT NULL,
  CONSTRAINT pk_task PRIMARY KEY (tenant, task_id)
)

CREATE INDEX ix_task_due ON task (kind, due_at, tenant, task_id)

CREATE INDEX ix_task_expires ON task (expires_at)

CREATE TABLE tenant (
  tenant VARCHAR(64) NOT NULL,
  issuer VARCHAR(255) NOT NULL,
  document TEXT NOT NULL,
  CONSTRAINT pk_tenant PRIMARY KEY (tenant)
)

CREATE UNIQUE INDEX ux_tenant_issuer ON tenant (issuer)

CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
