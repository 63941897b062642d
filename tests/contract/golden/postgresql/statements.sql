-- ping
SELECT 1;

-- load_time
SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now;

-- load_tenant: tenant
SELECT tenant.document
FROM tenant
WHERE tenant.tenant = $1::VARCHAR;

-- list_tenants: after, limit
SELECT tenant.document
FROM tenant
WHERE tenant.tenant > $1::VARCHAR ORDER BY tenant.tenant
 LIMIT $2;

-- insert_tenant: tenant, issuer, document
INSERT INTO tenant (tenant, issuer, document) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR) ON CONFLICT DO NOTHING;

-- update_tenant: issuer, document, tenant
UPDATE tenant SET issuer=$1::VARCHAR, document=$2::VARCHAR WHERE tenant.tenant = $3::VARCHAR;

-- lock_tenant: tenant
UPDATE tenant SET issuer=tenant.issuer WHERE tenant.tenant = $1::VARCHAR;

-- load_client: tenant, client_id
SELECT client.document
FROM client
WHERE client.tenant = $1::VARCHAR AND client.client_id = $2::VARCHAR;

-- insert_client: tenant, client_id, client_name, owner, enabled, version, document
INSERT INTO client (tenant, client_id, client_name, owner, enabled, version, document) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::VARCHAR, $5::SMALLINT, $6::INTEGER, $7::VARCHAR) ON CONFLICT DO NOTHING;

-- update_client: client_name, owner, enabled, version, document, tenant, client_id, stored_version
UPDATE client SET client_name=$1::VARCHAR, owner=$2::VARCHAR, enabled=$3::SMALLINT, version=$4::INTEGER, document=$5::VARCHAR WHERE client.tenant = $6::VARCHAR AND client.client_id = $7::VARCHAR AND client.version = $8::INTEGER;

-- delete_client: tenant, client_id
DELETE FROM client WHERE client.tenant = $1::VARCHAR AND client.client_id = $2::VARCHAR;

-- list_clients: tenant, after, limit
SELECT client.document
FROM client
WHERE client.tenant = $1::VARCHAR AND client.client_id > $2::VARCHAR ORDER BY client.client_id
 LIMIT $3;

-- list_clients_by_client_name: tenant, client_name, after, limit
SELECT client.document
FROM client
WHERE client.tenant = $1::VARCHAR AND client.client_name = $2::VARCHAR AND client.client_id > $3::VARCHAR ORDER BY client.client_id
 LIMIT $4;

-- list_clients_by_owner: tenant, owner, after, limit
SELECT client.document
FROM client
WHERE client.tenant = $1::VARCHAR AND client.owner = $2::VARCHAR AND client.client_id > $3::VARCHAR ORDER BY client.client_id
 LIMIT $4;

-- list_clients_by_client_name_by_owner: tenant, client_name, owner, after, limit
SELECT client.document
FROM client
WHERE client.tenant = $1::VARCHAR AND client.client_name = $2::VARCHAR AND client.owner = $3::VARCHAR AND client.client_id > $4::VARCHAR ORDER BY client.client_id
 LIMIT $5;

-- has_origin: tenant, origin, limit
SELECT 1
FROM client_origin
WHERE client_origin.tenant = $1::VARCHAR AND client_origin.origin = $2::VARCHAR ORDER BY client_origin.client_id
 LIMIT $3;

-- insert_origin: tenant, origin, client_id
INSERT INTO client_origin (tenant, origin, client_id) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR) ON CONFLICT DO NOTHING;

-- delete_origins: tenant, client_id
DELETE FROM client_origin WHERE client_origin.tenant = $1::VARCHAR AND client_origin.client_id = $2::VARCHAR;

-- load_subject: tenant, subject
SELECT subject.document
FROM subject
WHERE subject.tenant = $1::VARCHAR AND subject.subject = $2::VARCHAR;

-- load_subject_by_username: tenant, username_key
SELECT subject.document
FROM subject
WHERE subject.tenant = $1::VARCHAR AND subject.username_key = $2::VARCHAR;

-- list_subjects: tenant, after, first, beyond, limit
SELECT subject.document
FROM subject
WHERE subject.tenant = $1::VARCHAR AND subject.username_key > $2::VARCHAR AND subject.username_key >= $3::VARCHAR AND subject.username_key < $4::VARCHAR ORDER BY subject.username_key
 LIMIT $5;

-- insert_subject: tenant, subject, username_key, enabled, version, document
INSERT INTO subject (tenant, subject, username_key, enabled, version, document) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::SMALLINT, $5::INTEGER, $6::VARCHAR) ON CONFLICT DO NOTHING;

-- update_subject: username_key, enabled, version, document, tenant, subject, stored_version
UPDATE subject SET username_key=$1::VARCHAR, enabled=$2::SMALLINT, version=$3::INTEGER, document=$4::VARCHAR WHERE subject.tenant = $5::VARCHAR AND subject.subject = $6::VARCHAR AND subject.version = $7::INTEGER;

-- delete_subject: tenant, subject
DELETE FROM subject WHERE subject.tenant = $1::VARCHAR AND subject.subject = $2::VARCHAR;

-- insert_authorization: tenant, authorization_id, client_id, subject, session_id, session_bound, code_digest, code_expires_at, code_redeemed_at, generation, rotated_at, revoked_at, created_at, expires_at, document
INSERT INTO "authorization" (tenant, authorization_id, client_id, subject, session_id, session_bound, code_digest, code_expires_at, code_redeemed_at, generation, rotated_at, revoked_at, created_at, expires_at, document) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::VARCHAR, $5::VARCHAR, $6::SMALLINT, $7::BYTEA, $8::BIGINT, $9::BIGINT, $10::INTEGER, $11::BIGINT, $12::BIGINT, $13::BIGINT, $14::BIGINT, $15::VARCHAR) ON CONFLICT DO NOTHING;

-- load_authorization: tenant, authorization_id
SELECT "authorization".tenant, "authorization".authorization_id, "authorization".client_id, "authorization".subject, "authorization".session_id, "authorization".session_bound, "authorization".code_digest, "authorization".code_expires_at, "authorization".code_redeemed_at, "authorization".generation, "authorization".rotated_at, "authorization".revoked_at, "authorization".created_at, "authorization".expires_at, "authorization".document
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".authorization_id = $2::VARCHAR;

-- load_authorization_by_code: tenant, code_digest
SELECT "authorization".tenant, "authorization".authorization_id, "authorization".client_id, "authorization".subject, "authorization".session_id, "authorization".session_bound, "authorization".code_digest, "authorization".code_expires_at, "authorization".code_redeemed_at, "authorization".generation, "authorization".rotated_at, "authorization".revoked_at, "authorization".created_at, "authorization".expires_at, "authorization".document
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".code_digest = $2::BYTEA;

-- redeem_code: now, tenant, authorization_id
UPDATE "authorization" SET code_redeemed_at=$1::BIGINT WHERE "authorization".tenant = $2::VARCHAR AND "authorization".authorization_id = $3::VARCHAR AND "authorization".code_redeemed_at IS NULL AND "authorization".revoked_at IS NULL AND "authorization".code_expires_at > $1::BIGINT;

-- rotate_refresh: now, tenant, authorization_id, presented
UPDATE "authorization" SET generation=("authorization".generation + 1), rotated_at=$1::BIGINT WHERE "authorization".tenant = $2::VARCHAR AND "authorization".authorization_id = $3::VARCHAR AND "authorization".generation = $4::INTEGER AND "authorization".revoked_at IS NULL AND "authorization".expires_at > $1::BIGINT;

-- keep_refresh: now, tenant, authorization_id, presented
UPDATE "authorization" SET rotated_at=$1::BIGINT WHERE "authorization".tenant = $2::VARCHAR AND "authorization".authorization_id = $3::VARCHAR AND "authorization".generation = $4::INTEGER AND "authorization".revoked_at IS NULL AND "authorization".expires_at > $1::BIGINT;

-- revoke_authorization: now, tenant, authorization_id
UPDATE "authorization" SET revoked_at=$1::BIGINT WHERE "authorization".tenant = $2::VARCHAR AND "authorization".authorization_id = $3::VARCHAR AND "authorization".revoked_at IS NULL;

-- list_authorizations: tenant, now, created_at, authorization_id, limit
SELECT "authorization".tenant, "authorization".authorization_id, "authorization".client_id, "authorization".subject, "authorization".session_id, "authorization".session_bound, "authorization".code_digest, "authorization".code_expires_at, "authorization".code_redeemed_at, "authorization".generation, "authorization".rotated_at, "authorization".revoked_at, "authorization".created_at, "authorization".expires_at, "authorization".document
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".revoked_at IS NULL AND "authorization".expires_at > $2::BIGINT AND ("authorization".created_at < $3::BIGINT OR "authorization".created_at = $3::BIGINT AND "authorization".authorization_id < $4::VARCHAR) ORDER BY "authorization".created_at DESC, "authorization".authorization_id DESC
 LIMIT $5;

-- list_authorizations_by_subject: tenant, subject, now, created_at, authorization_id, limit
SELECT "authorization".tenant, "authorization".authorization_id, "authorization".client_id, "authorization".subject, "authorization".session_id, "authorization".session_bound, "authorization".code_digest, "authorization".code_expires_at, "authorization".code_redeemed_at, "authorization".generation, "authorization".rotated_at, "authorization".revoked_at, "authorization".created_at, "authorization".expires_at, "authorization".document
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".subject = $2::VARCHAR AND "authorization".revoked_at IS NULL AND "authorization".expires_at > $3::BIGINT AND ("authorization".created_at < $4::BIGINT OR "authorization".created_at = $4::BIGINT AND "authorization".authorization_id < $5::VARCHAR) ORDER BY "authorization".created_at DESC, "authorization".authorization_id DESC
 LIMIT $6;

-- list_authorizations_by_client_id: tenant, client_id, now, created_at, authorization_id, limit
SELECT "authorization".tenant, "authorization".authorization_id, "authorization".client_id, "authorization".subject, "authorization".session_id, "authorization".session_bound, "authorization".code_digest, "authorization".code_expires_at, "authorization".code_redeemed_at, "authorization".generation, "authorization".rotated_at, "authorization".revoked_at, "authorization".created_at, "authorization".expires_at, "authorization".document
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".client_id = $2::VARCHAR AND "authorization".revoked_at IS NULL AND "authorization".expires_at > $3::BIGINT AND ("authorization".created_at < $4::BIGINT OR "authorization".created_at = $4::BIGINT AND "authorization".authorization_id < $5::VARCHAR) ORDER BY "authorization".created_at DESC, "authorization".authorization_id DESC
 LIMIT $6;

-- list_authorizations_by_subject_by_client_id: tenant, subject, client_id, now, created_at, authorization_id, limit
SELECT "authorization".tenant, "authorization".authorization_id, "authorization".client_id, "authorization".subject, "authorization".session_id, "authorization".session_bound, "authorization".code_digest, "authorization".code_expires_at, "authorization".code_redeemed_at, "authorization".generation, "authorization".rotated_at, "authorization".revoked_at, "authorization".created_at, "authorization".expires_at, "authorization".document
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".subject = $2::VARCHAR AND "authorization".client_id = $3::VARCHAR AND "authorization".revoked_at IS NULL AND "authorization".expires_at > $4::BIGINT AND ("authorization".created_at < $5::BIGINT OR "authorization".created_at = $5::BIGINT AND "authorization".authorization_id < $6::VARCHAR) ORDER BY "authorization".created_at DESC, "authorization".authorization_id DESC
 LIMIT $7;

-- revoke_authorizations_by_subject: now, tenant, subject
UPDATE "authorization" SET revoked_at=$1::BIGINT WHERE "authorization".tenant = $2::VARCHAR AND "authorization".subject = $3::VARCHAR AND "authorization".revoked_at IS NULL;

-- revoke_authorizations_by_client_id: now, tenant, client_id
UPDATE "authorization" SET revoked_at=$1::BIGINT WHERE "authorization".tenant = $2::VARCHAR AND "authorization".client_id = $3::VARCHAR AND "authorization".revoked_at IS NULL;

-- revoke_authorizations_by_subject_by_client_id: now, tenant, subject, client_id
UPDATE "authorization" SET revoked_at=$1::BIGINT WHERE "authorization".tenant = $2::VARCHAR AND "authorization".subject = $3::VARCHAR AND "authorization".client_id = $4::VARCHAR AND "authorization".revoked_at IS NULL;

-- revoke_authorizations_by_session_id: now, tenant, session_id
UPDATE "authorization" SET revoked_at=$1::BIGINT WHERE "authorization".tenant = $2::VARCHAR AND "authorization".session_id = $3::VARCHAR AND "authorization".revoked_at IS NULL AND "authorization".session_bound = 1;

-- count_live_authorizations_by_subject: tenant, subject, now
SELECT count(*) AS count_1
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".subject = $2::VARCHAR AND "authorization".revoked_at IS NULL AND "authorization".expires_at > $3::BIGINT;

-- count_live_authorizations_by_client_id: tenant, client_id, now
SELECT count(*) AS count_1
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".client_id = $2::VARCHAR AND "authorization".revoked_at IS NULL AND "authorization".expires_at > $3::BIGINT;

-- count_live_authorizations_by_subject_by_client_id: tenant, subject, client_id, now
SELECT count(*) AS count_1
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".subject = $2::VARCHAR AND "authorization".client_id = $3::VARCHAR AND "authorization".revoked_at IS NULL AND "authorization".expires_at > $4::BIGINT;

-- find_end_of_part_by_subject: tenant, subject, limit, skip
SELECT "authorization".created_at
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".subject = $2::VARCHAR AND "authorization".revoked_at IS NULL ORDER BY "authorization".created_at
 LIMIT $3 OFFSET $4;

-- find_end_of_part_by_client_id: tenant, client_id, limit, skip
SELECT "authorization".created_at
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".client_id = $2::VARCHAR AND "authorization".revoked_at IS NULL ORDER BY "authorization".created_at
 LIMIT $3 OFFSET $4;

-- find_end_of_part_by_subject_by_client_id: tenant, subject, client_id, limit, skip
SELECT "authorization".created_at
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".subject = $2::VARCHAR AND "authorization".client_id = $3::VARCHAR AND "authorization".revoked_at IS NULL ORDER BY "authorization".created_at
 LIMIT $4 OFFSET $5;

-- revoke_part_of_authorizations_by_subject: now, tenant, subject, end
UPDATE "authorization" SET revoked_at=$1::BIGINT WHERE "authorization".tenant = $2::VARCHAR AND "authorization".subject = $3::VARCHAR AND "authorization".revoked_at IS NULL AND "authorization".created_at <= $4::BIGINT;

-- revoke_part_of_authorizations_by_client_id: now, tenant, client_id, end
UPDATE "authorization" SET revoked_at=$1::BIGINT WHERE "authorization".tenant = $2::VARCHAR AND "authorization".client_id = $3::VARCHAR AND "authorization".revoked_at IS NULL AND "authorization".created_at <= $4::BIGINT;

-- revoke_part_of_authorizations_by_subject_by_client_id: now, tenant, subject, client_id, end
UPDATE "authorization" SET revoked_at=$1::BIGINT WHERE "authorization".tenant = $2::VARCHAR AND "authorization".subject = $3::VARCHAR AND "authorization".client_id = $4::VARCHAR AND "authorization".revoked_at IS NULL AND "authorization".created_at <= $5::BIGINT;

-- find_latest_revoked_authorization_by_subject: tenant, subject
SELECT max("authorization".created_at) AS max_1
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".subject = $2::VARCHAR AND "authorization".revoked_at IS NOT NULL;

-- find_latest_revoked_authorization_by_client_id: tenant, client_id
SELECT max("authorization".created_at) AS max_1
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".client_id = $2::VARCHAR AND "authorization".revoked_at IS NOT NULL;

-- find_latest_revoked_authorization_by_subject_by_client_id: tenant, subject, client_id
SELECT max("authorization".created_at) AS max_1
FROM "authorization"
WHERE "authorization".tenant = $1::VARCHAR AND "authorization".subject = $2::VARCHAR AND "authorization".client_id = $3::VARCHAR AND "authorization".revoked_at IS NOT NULL;

-- insert_session: tenant, session_id, digest, subject, created_at, last_seen_at, expires_at, ended_at, document
INSERT INTO session (tenant, session_id, digest, subject, created_at, last_seen_at, expires_at, ended_at, document) VALUES ($1::VARCHAR, $2::VARCHAR, $3::BYTEA, $4::VARCHAR, $5::BIGINT, $6::BIGINT, $7::BIGINT, $8::BIGINT, $9::VARCHAR) ON CONFLICT DO NOTHING;

-- load_session: tenant, session_id
SELECT session.tenant, session.session_id, session.digest, session.subject, session.created_at, session.last_seen_at, session.expires_at, session.ended_at, session.document
FROM session
WHERE session.tenant = $1::VARCHAR AND session.session_id = $2::VARCHAR;

-- load_session_by_digest: tenant, digest
SELECT session.tenant, session.session_id, session.digest, session.subject, session.created_at, session.last_seen_at, session.expires_at, session.ended_at, session.document
FROM session
WHERE session.tenant = $1::VARCHAR AND session.digest = $2::BYTEA;

-- renew_session: digest, last_seen_at, expires_at, document, tenant, session_id, subject
UPDATE session SET digest=$1::BYTEA, last_seen_at=$2::BIGINT, expires_at=$3::BIGINT, document=$4::VARCHAR WHERE session.tenant = $5::VARCHAR AND session.session_id = $6::VARCHAR AND session.subject = $7::VARCHAR AND session.ended_at IS NULL;

-- touch_session: seen_at, tenant, session_id
UPDATE session SET last_seen_at=$1::BIGINT WHERE session.tenant = $2::VARCHAR AND session.session_id = $3::VARCHAR AND session.ended_at IS NULL AND session.last_seen_at < $1::BIGINT;

-- lock_session: tenant, session_id
UPDATE session SET ended_at=session.ended_at WHERE session.tenant = $1::VARCHAR AND session.session_id = $2::VARCHAR;

-- list_sessions: tenant, subject, now
SELECT session.tenant, session.session_id, session.digest, session.subject, session.created_at, session.last_seen_at, session.expires_at, session.ended_at, session.document
FROM session
WHERE session.tenant = $1::VARCHAR AND session.subject = $2::VARCHAR AND session.ended_at IS NULL AND session.expires_at > $3::BIGINT ORDER BY session.created_at DESC, session.session_id DESC;

-- find_open_sessions: tenant, subject
SELECT session.session_id
FROM session
WHERE session.tenant = $1::VARCHAR AND session.subject = $2::VARCHAR AND session.ended_at IS NULL ORDER BY session.session_id;

-- end_session: now, tenant, session_id
UPDATE session SET ended_at=$1::BIGINT WHERE session.tenant = $2::VARCHAR AND session.session_id = $3::VARCHAR AND session.ended_at IS NULL;

-- find_clients_of_session: tenant, session_id
SELECT DISTINCT session.subject, "authorization".client_id
FROM session JOIN "authorization" ON "authorization".tenant = session.tenant AND "authorization".session_id = session.session_id
WHERE session.tenant = $1::VARCHAR AND session.session_id = $2::VARCHAR ORDER BY "authorization".client_id;

-- delete_sessions: tenant, subject
DELETE FROM session WHERE session.tenant = $1::VARCHAR AND session.subject = $2::VARCHAR;

-- load_consent: tenant, subject, client_id
SELECT consent.document
FROM consent
WHERE consent.tenant = $1::VARCHAR AND consent.subject = $2::VARCHAR AND consent.client_id = $3::VARCHAR;

-- list_consents: tenant, subject
SELECT consent.document
FROM consent
WHERE consent.tenant = $1::VARCHAR AND consent.subject = $2::VARCHAR ORDER BY consent.client_id;

-- insert_consent: tenant, subject, client_id, document
INSERT INTO consent (tenant, subject, client_id, document) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::VARCHAR) ON CONFLICT DO NOTHING;

-- update_consent: document, tenant, subject, client_id
UPDATE consent SET document=$1::VARCHAR WHERE consent.tenant = $2::VARCHAR AND consent.subject = $3::VARCHAR AND consent.client_id = $4::VARCHAR;

-- delete_consent: tenant, subject, client_id
DELETE FROM consent WHERE consent.tenant = $1::VARCHAR AND consent.subject = $2::VARCHAR AND consent.client_id = $3::VARCHAR;

-- delete_consents_of_client: tenant, client_id
DELETE FROM consent WHERE consent.tenant = $1::VARCHAR AND consent.client_id = $2::VARCHAR;

-- delete_consents_of_subject: tenant, subject
DELETE FROM consent WHERE consent.tenant = $1::VARCHAR AND consent.subject = $2::VARCHAR;

-- insert_interaction: tenant, interaction_id, version, completed_at, expires_at, document
INSERT INTO interaction (tenant, interaction_id, version, completed_at, expires_at, document) VALUES ($1::VARCHAR, $2::VARCHAR, $3::INTEGER, $4::BIGINT, $5::BIGINT, $6::VARCHAR) ON CONFLICT DO NOTHING;

-- load_interaction: tenant, interaction_id
SELECT interaction.document, interaction.version, interaction.completed_at
FROM interaction
WHERE interaction.tenant = $1::VARCHAR AND interaction.interaction_id = $2::VARCHAR;

-- update_interaction: version, completed_at, expires_at, document, tenant, interaction_id, stored_version
UPDATE interaction SET version=$1::INTEGER, completed_at=$2::BIGINT, expires_at=$3::BIGINT, document=$4::VARCHAR WHERE interaction.tenant = $5::VARCHAR AND interaction.interaction_id = $6::VARCHAR AND interaction.version = $7::INTEGER;

-- complete_interaction: completed_at, document, tenant, interaction_id
UPDATE interaction SET version=(interaction.version + 1), completed_at=$1::BIGINT, document=$2::VARCHAR WHERE interaction.tenant = $3::VARCHAR AND interaction.interaction_id = $4::VARCHAR AND interaction.completed_at IS NULL;

-- list_keys: tenant
SELECT signing_key.tenant, signing_key.kid, signing_key.alg, signing_key.state, signing_key.public_jwk, signing_key.sealed_private_key, signing_key.created_at, signing_key.activated_at, signing_key.retired_at, signing_key.remove_at
FROM signing_key
WHERE signing_key.tenant = $1::VARCHAR ORDER BY signing_key.created_at DESC, signing_key.kid DESC;

-- find_key_in_state: tenant, alg, state, limit
SELECT signing_key.kid
FROM signing_key
WHERE signing_key.tenant = $1::VARCHAR AND signing_key.alg = $2::VARCHAR AND signing_key.state = $3::VARCHAR ORDER BY signing_key.kid
 LIMIT $4;

-- insert_key: tenant, kid, alg, state, public_jwk, sealed_private_key, created_at, activated_at, retired_at, remove_at
INSERT INTO signing_key (tenant, kid, alg, state, public_jwk, sealed_private_key, created_at, activated_at, retired_at, remove_at) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::VARCHAR, $5::VARCHAR, $6::BYTEA, $7::BIGINT, $8::BIGINT, $9::BIGINT, $10::BIGINT) ON CONFLICT DO NOTHING;

-- move_key: to_state, activated_at, retired_at, remove_at, tenant, kid, from_state
UPDATE signing_key SET state=$1::VARCHAR, activated_at=coalesce($2::BIGINT, signing_key.activated_at), retired_at=coalesce($3::BIGINT, signing_key.retired_at), remove_at=coalesce($4::BIGINT, signing_key.remove_at) WHERE signing_key.tenant = $5::VARCHAR AND signing_key.kid = $6::VARCHAR AND signing_key.state = $7::VARCHAR;

-- load_sealed_key: tenant, kid
SELECT signing_key.sealed_private_key
FROM signing_key
WHERE signing_key.tenant = $1::VARCHAR AND signing_key.kid = $2::VARCHAR;

-- replace_sealed_key: sealed_private_key, tenant, kid
UPDATE signing_key SET sealed_private_key=$1::BYTEA WHERE signing_key.tenant = $2::VARCHAR AND signing_key.kid = $3::VARCHAR;

-- delete_key: tenant, kid
DELETE FROM signing_key WHERE signing_key.tenant = $1::VARCHAR AND signing_key.kid = $2::VARCHAR;

-- insert_revocation: tenant, kind, key, not_before, keep_until
INSERT INTO revocation (tenant, kind, key, not_before, keep_until) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::BIGINT, $5::BIGINT) ON CONFLICT DO NOTHING;

-- tighten_revocation: not_before, keep_until, tenant, kind, key
UPDATE revocation SET not_before=CASE WHEN (revocation.not_before < $1::BIGINT) THEN $1 ELSE revocation.not_before END, keep_until=CASE WHEN (revocation.keep_until < $2::BIGINT) THEN $2 ELSE revocation.keep_until END WHERE revocation.tenant = $3::VARCHAR AND revocation.kind = $4::VARCHAR AND revocation.key = $5::VARCHAR;

-- find_revocation: tenant, kind, key
SELECT revocation.tenant, revocation.kind, revocation.key, revocation.not_before, revocation.keep_until
FROM revocation
WHERE revocation.tenant = $1::VARCHAR AND revocation.kind = $2::VARCHAR AND revocation.key = $3::VARCHAR;

-- load_revocations: now, limit
SELECT revocation.tenant, revocation.kind, revocation.key, revocation.not_before, revocation.keep_until
FROM revocation
WHERE revocation.keep_until > $1::BIGINT ORDER BY revocation.keep_until
 LIMIT $2;

-- insert_change: tenant, kind, key, document, created_at
INSERT INTO change (tenant, kind, key, document, created_at) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::VARCHAR, $5::BIGINT) RETURNING change.sequence;

-- load_changes: after, limit
SELECT change.sequence, change.tenant, change.kind, change.key, change.document
FROM change
WHERE change.sequence > $1::BIGINT ORDER BY change.sequence
 LIMIT $2;

-- last_change
SELECT max(change.sequence) AS max_1
FROM change;

-- last_change_before: created_before
SELECT max(change.sequence) AS max_1
FROM change
WHERE change.created_at < $1::BIGINT;

-- insert_single_use: tenant, digest, expires_at
INSERT INTO single_use (tenant, digest, expires_at) VALUES ($1::VARCHAR, $2::BYTEA, $3::BIGINT) ON CONFLICT DO NOTHING;

-- renew_single_use: expires_at, tenant, digest, now
UPDATE single_use SET expires_at=$1::BIGINT WHERE single_use.tenant = $2::VARCHAR AND single_use.digest = $3::BYTEA AND single_use.expires_at <= $4::BIGINT;

-- insert_attempt: tenant, digest, attempts, expires_at, started_at
INSERT INTO attempt (tenant, digest, attempts, expires_at, started_at) VALUES ($1::VARCHAR, $2::BYTEA, $3::INTEGER, $4::BIGINT, $5::BIGINT) ON CONFLICT DO NOTHING;

-- count_attempt: over_at, ends_at, now, tenant, digest
UPDATE attempt SET attempts=CASE WHEN (attempt.started_at <= $1::BIGINT) THEN 1 ELSE attempt.attempts + 1 END, expires_at=CASE WHEN (attempt.started_at <= $1::BIGINT) THEN $2 ELSE attempt.expires_at END, started_at=CASE WHEN (attempt.started_at <= $1::BIGINT) THEN $3 ELSE attempt.started_at END WHERE attempt.tenant = $4::VARCHAR AND attempt.digest = $5::BYTEA;

-- take_back_attempt: tenant, digest
UPDATE attempt SET attempts=(attempt.attempts - 1) WHERE attempt.tenant = $1::VARCHAR AND attempt.digest = $2::BYTEA AND attempt.attempts > 0;

-- load_attempts: tenant, digest
SELECT attempt.attempts
FROM attempt
WHERE attempt.tenant = $1::VARCHAR AND attempt.digest = $2::BYTEA;

-- delete_attempts: tenant, digest
DELETE FROM attempt WHERE attempt.tenant = $1::VARCHAR AND attempt.digest = $2::BYTEA;

-- insert_entry: tenant, kind, key, expires_at, version, document
INSERT INTO entry (tenant, kind, key, expires_at, version, document) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::BIGINT, $5::INTEGER, $6::VARCHAR) ON CONFLICT DO NOTHING;

-- load_entry: tenant, kind, key
SELECT entry.document
FROM entry
WHERE entry.tenant = $1::VARCHAR AND entry.kind = $2::VARCHAR AND entry.key = $3::VARCHAR;

-- list_entries: tenant, kind, after, limit
SELECT entry.document
FROM entry
WHERE entry.tenant = $1::VARCHAR AND entry.kind = $2::VARCHAR AND entry.key > $3::VARCHAR ORDER BY entry.key
 LIMIT $4;

-- update_entry: expires_at, version, document, tenant, kind, key, stored_version
UPDATE entry SET expires_at=$1::BIGINT, version=$2::INTEGER, document=$3::VARCHAR WHERE entry.tenant = $4::VARCHAR AND entry.kind = $5::VARCHAR AND entry.key = $6::VARCHAR AND entry.version = $7::INTEGER;

-- delete_entry: tenant, kind, key
DELETE FROM entry WHERE entry.tenant = $1::VARCHAR AND entry.kind = $2::VARCHAR AND entry.key = $3::VARCHAR;

-- insert_task: tenant, task_id, kind, due_at, expires_at, version, document
INSERT INTO task (tenant, task_id, kind, due_at, expires_at, version, document) VALUES ($1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::BIGINT, $5::BIGINT, $6::INTEGER, $7::VARCHAR) ON CONFLICT DO NOTHING;

-- list_due_tasks: kind, now, limit
SELECT task.document
FROM task
WHERE task.kind = $1::VARCHAR AND task.due_at <= $2::BIGINT ORDER BY task.due_at, task.tenant, task.task_id
 LIMIT $3;

-- update_task: due_at, expires_at, version, document, tenant, task_id, stored_version
UPDATE task SET due_at=$1::BIGINT, expires_at=$2::BIGINT, version=$3::INTEGER, document=$4::VARCHAR WHERE task.tenant = $5::VARCHAR AND task.task_id = $6::VARCHAR AND task.version = $7::INTEGER;

-- delete_task: tenant, task_id
DELETE FROM task WHERE task.tenant = $1::VARCHAR AND task.task_id = $2::VARCHAR;

-- insert_device_request: tenant, device_digest, user_code_digest, expires_at, version, document
INSERT INTO device_request (tenant, device_digest, user_code_digest, expires_at, version, document) VALUES ($1::VARCHAR, $2::BYTEA, $3::BYTEA, $4::BIGINT, $5::INTEGER, $6::VARCHAR) ON CONFLICT DO NOTHING;

-- load_device_request: tenant, device_digest
SELECT device_request.document
FROM device_request
WHERE device_request.tenant = $1::VARCHAR AND device_request.device_digest = $2::BYTEA;

-- load_device_request_by_user_code: tenant, user_code_digest
SELECT device_request.document
FROM device_request
WHERE device_request.tenant = $1::VARCHAR AND device_request.user_code_digest = $2::BYTEA;

-- update_device_request: expires_at, version, document, tenant, device_digest, stored_version
UPDATE device_request SET expires_at=$1::BIGINT, version=$2::INTEGER, document=$3::VARCHAR WHERE device_request.tenant = $4::VARCHAR AND device_request.device_digest = $5::BYTEA AND device_request.version = $6::INTEGER;

-- free_user_code: nobody_s_digest, tenant, user_code_digest, now
UPDATE device_request SET user_code_digest=$1::BYTEA WHERE device_request.tenant = $2::VARCHAR AND device_request.user_code_digest = $3::BYTEA AND device_request.expires_at <= $4::BIGINT;

-- load_lease: name
SELECT lease.holder, lease.beat
FROM lease
WHERE lease.name = $1::VARCHAR;

-- insert_lease: name, holder, beat
INSERT INTO lease (name, holder, beat) VALUES ($1::VARCHAR, $2::VARCHAR, $3::BIGINT) ON CONFLICT DO NOTHING;

-- take_lease: holder, beat, name, seen_holder, seen_beat
UPDATE lease SET holder=$1::VARCHAR, beat=$2::BIGINT WHERE lease.name = $3::VARCHAR AND lease.holder = $4::VARCHAR AND lease.beat = $5::BIGINT;

-- delete_lease: name, holder, beat
DELETE FROM lease WHERE lease.name = $1::VARCHAR AND lease.holder = $2::VARCHAR AND lease.beat = $3::BIGINT;

-- find_expired_authorization: now, limit
SELECT "authorization".tenant, "authorization".authorization_id
FROM "authorization"
WHERE "authorization".expires_at <= $1::BIGINT AND NOT (EXISTS (SELECT *
FROM session
WHERE session.tenant = "authorization".tenant AND session.session_id = "authorization".session_id AND session.ended_at IS NULL AND session.expires_at > $1::BIGINT)) ORDER BY "authorization".expires_at
 LIMIT $2;

-- clean_authorization: tenant_0, authorization_id_0, tenant_1, authorization_id_1, tenant_2, authorization_id_2, tenant_3, authorization_id_3, tenant_4, authorization_id_4, tenant_5, authorization_id_5, tenant_6, authorization_id_6, tenant_7, authorization_id_7, tenant_8, authorization_id_8, tenant_9, authorization_id_9, tenant_10, authorization_id_10, tenant_11, authorization_id_11, tenant_12, authorization_id_12, tenant_13, authorization_id_13, tenant_14, authorization_id_14, tenant_15, authorization_id_15, tenant_16, authorization_id_16, tenant_17, authorization_id_17, tenant_18, authorization_id_18, tenant_19, authorization_id_19, now
DELETE FROM "authorization" WHERE ("authorization".tenant = $1::VARCHAR AND "authorization".authorization_id = $2::VARCHAR OR "authorization".tenant = $3::VARCHAR AND "authorization".authorization_id = $4::VARCHAR OR "authorization".tenant = $5::VARCHAR AND "authorization".authorization_id = $6::VARCHAR OR "authorization".tenant = $7::VARCHAR AND "authorization".authorization_id = $8::VARCHAR OR "authorization".tenant = $9::VARCHAR AND "authorization".authorization_id = $10::VARCHAR OR "authorization".tenant = $11::VARCHAR AND "authorization".authorization_id = $12::VARCHAR OR "authorization".tenant = $13::VARCHAR AND "authorization".authorization_id = $14::VARCHAR OR "authorization".tenant = $15::VARCHAR AND "authorization".authorization_id = $16::VARCHAR OR "authorization".tenant = $17::VARCHAR AND "authorization".authorization_id = $18::VARCHAR OR "authorization".tenant = $19::VARCHAR AND "authorization".authorization_id = $20::VARCHAR OR "authorization".tenant = $21::VARCHAR AND "authorization".authorization_id = $22::VARCHAR OR "authorization".tenant = $23::VARCHAR AND "authorization".authorization_id = $24::VARCHAR OR "authorization".tenant = $25::VARCHAR AND "authorization".authorization_id = $26::VARCHAR OR "authorization".tenant = $27::VARCHAR AND "authorization".authorization_id = $28::VARCHAR OR "authorization".tenant = $29::VARCHAR AND "authorization".authorization_id = $30::VARCHAR OR "authorization".tenant = $31::VARCHAR AND "authorization".authorization_id = $32::VARCHAR OR "authorization".tenant = $33::VARCHAR AND "authorization".authorization_id = $34::VARCHAR OR "authorization".tenant = $35::VARCHAR AND "authorization".authorization_id = $36::VARCHAR OR "authorization".tenant = $37::VARCHAR AND "authorization".authorization_id = $38::VARCHAR OR "authorization".tenant = $39::VARCHAR AND "authorization".authorization_id = $40::VARCHAR) AND "authorization".expires_at <= $41::BIGINT;

-- find_expired_session: now, limit
SELECT session.tenant, session.session_id
FROM session
WHERE session.expires_at <= $1::BIGINT ORDER BY session.expires_at
 LIMIT $2;

-- clean_session: tenant_0, session_id_0, tenant_1, session_id_1, tenant_2, session_id_2, tenant_3, session_id_3, tenant_4, session_id_4, tenant_5, session_id_5, tenant_6, session_id_6, tenant_7, session_id_7, tenant_8, session_id_8, tenant_9, session_id_9, tenant_10, session_id_10, tenant_11, session_id_11, tenant_12, session_id_12, tenant_13, session_id_13, tenant_14, session_id_14, tenant_15, session_id_15, tenant_16, session_id_16, tenant_17, session_id_17, tenant_18, session_id_18, tenant_19, session_id_19, now
DELETE FROM session WHERE (session.tenant = $1::VARCHAR AND session.session_id = $2::VARCHAR OR session.tenant = $3::VARCHAR AND session.session_id = $4::VARCHAR OR session.tenant = $5::VARCHAR AND session.session_id = $6::VARCHAR OR session.tenant = $7::VARCHAR AND session.session_id = $8::VARCHAR OR session.tenant = $9::VARCHAR AND session.session_id = $10::VARCHAR OR session.tenant = $11::VARCHAR AND session.session_id = $12::VARCHAR OR session.tenant = $13::VARCHAR AND session.session_id = $14::VARCHAR OR session.tenant = $15::VARCHAR AND session.session_id = $16::VARCHAR OR session.tenant = $17::VARCHAR AND session.session_id = $18::VARCHAR OR session.tenant = $19::VARCHAR AND session.session_id = $20::VARCHAR OR session.tenant = $21::VARCHAR AND session.session_id = $22::VARCHAR OR session.tenant = $23::VARCHAR AND session.session_id = $24::VARCHAR OR session.tenant = $25::VARCHAR AND session.session_id = $26::VARCHAR OR session.tenant = $27::VARCHAR AND session.session_id = $28::VARCHAR OR session.tenant = $29::VARCHAR AND session.session_id = $30::VARCHAR OR session.tenant = $31::VARCHAR AND session.session_id = $32::VARCHAR OR session.tenant = $33::VARCHAR AND session.session_id = $34::VARCHAR OR session.tenant = $35::VARCHAR AND session.session_id = $36::VARCHAR OR session.tenant = $37::VARCHAR AND session.session_id = $38::VARCHAR OR session.tenant = $39::VARCHAR AND session.session_id = $40::VARCHAR) AND session.expires_at <= $41::BIGINT;

-- find_expired_interaction: now, limit
SELECT interaction.tenant, interaction.interaction_id
FROM interaction
WHERE interaction.expires_at <= $1::BIGINT ORDER BY interaction.expires_at
 LIMIT $2;

-- clean_interaction: tenant_0, interaction_id_0, tenant_1, interaction_id_1, tenant_2, interaction_id_2, tenant_3, interaction_id_3, tenant_4, interaction_id_4, tenant_5, interaction_id_5, tenant_6, interaction_id_6, tenant_7, interaction_id_7, tenant_8, interaction_id_8, tenant_9, interaction_id_9, tenant_10, interaction_id_10, tenant_11, interaction_id_11, tenant_12, interaction_id_12, tenant_13, interaction_id_13, tenant_14, interaction_id_14, tenant_15, interaction_id_15, tenant_16, interaction_id_16, tenant_17, interaction_id_17, tenant_18, interaction_id_18, tenant_19, interaction_id_19, now
DELETE FROM interaction WHERE (interaction.tenant = $1::VARCHAR AND interaction.interaction_id = $2::VARCHAR OR interaction.tenant = $3::VARCHAR AND interaction.interaction_id = $4::VARCHAR OR interaction.tenant = $5::VARCHAR AND interaction.interaction_id = $6::VARCHAR OR interaction.tenant = $7::VARCHAR AND interaction.interaction_id = $8::VARCHAR OR interaction.tenant = $9::VARCHAR AND interaction.interaction_id = $10::VARCHAR OR interaction.tenant = $11::VARCHAR AND interaction.interaction_id = $12::VARCHAR OR interaction.tenant = $13::VARCHAR AND interaction.interaction_id = $14::VARCHAR OR interaction.tenant = $15::VARCHAR AND interaction.interaction_id = $16::VARCHAR OR interaction.tenant = $17::VARCHAR AND interaction.interaction_id = $18::VARCHAR OR interaction.tenant = $19::VARCHAR AND interaction.interaction_id = $20::VARCHAR OR interaction.tenant = $21::VARCHAR AND interaction.interaction_id = $22::VARCHAR OR interaction.tenant = $23::VARCHAR AND interaction.interaction_id = $24::VARCHAR OR interaction.tenant = $25::VARCHAR AND interaction.interaction_id = $26::VARCHAR OR interaction.tenant = $27::VARCHAR AND interaction.interaction_id = $28::VARCHAR OR interaction.tenant = $29::VARCHAR AND interaction.interaction_id = $30::VARCHAR OR interaction.tenant = $31::VARCHAR AND interaction.interaction_id = $32::VARCHAR OR interaction.tenant = $33::VARCHAR AND interaction.interaction_id = $34::VARCHAR OR interaction.tenant = $35::VARCHAR AND interaction.interaction_id = $36::VARCHAR OR interaction.tenant = $37::VARCHAR AND interaction.interaction_id = $38::VARCHAR OR interaction.tenant = $39::VARCHAR AND interaction.interaction_id = $40::VARCHAR) AND interaction.expires_at <= $41::BIGINT;

-- find_expired_revocation: now, limit
SELECT revocation.tenant, revocation.kind, revocation.key
FROM revocation
WHERE revocation.keep_until <= $1::BIGINT ORDER BY revocation.keep_until
 LIMIT $2;

-- clean_revocation: tenant_0, kind_0, key_0, tenant_1, kind_1, key_1, tenant_2, kind_2, key_2, tenant_3, kind_3, key_3, tenant_4, kind_4, key_4, tenant_5, kind_5, key_5, tenant_6, kind_6, key_6, tenant_7, kind_7, key_7, tenant_8, kind_8, key_8, tenant_9, kind_9, key_9, tenant_10, kind_10, key_10, tenant_11, kind_11, key_11, tenant_12, kind_12, key_12, tenant_13, kind_13, key_13, tenant_14, kind_14, key_14, tenant_15, kind_15, key_15, tenant_16, kind_16, key_16, tenant_17, kind_17, key_17, tenant_18, kind_18, key_18, tenant_19, kind_19, key_19, now
DELETE FROM revocation WHERE (revocation.tenant = $1::VARCHAR AND revocation.kind = $2::VARCHAR AND revocation.key = $3::VARCHAR OR revocation.tenant = $4::VARCHAR AND revocation.kind = $5::VARCHAR AND revocation.key = $6::VARCHAR OR revocation.tenant = $7::VARCHAR AND revocation.kind = $8::VARCHAR AND revocation.key = $9::VARCHAR OR revocation.tenant = $10::VARCHAR AND revocation.kind = $11::VARCHAR AND revocation.key = $12::VARCHAR OR revocation.tenant = $13::VARCHAR AND revocation.kind = $14::VARCHAR AND revocation.key = $15::VARCHAR OR revocation.tenant = $16::VARCHAR AND revocation.kind = $17::VARCHAR AND revocation.key = $18::VARCHAR OR revocation.tenant = $19::VARCHAR AND revocation.kind = $20::VARCHAR AND revocation.key = $21::VARCHAR OR revocation.tenant = $22::VARCHAR AND revocation.kind = $23::VARCHAR AND revocation.key = $24::VARCHAR OR revocation.tenant = $25::VARCHAR AND revocation.kind = $26::VARCHAR AND revocation.key = $27::VARCHAR OR revocation.tenant = $28::VARCHAR AND revocation.kind = $29::VARCHAR AND revocation.key = $30::VARCHAR OR revocation.tenant = $31::VARCHAR AND revocation.kind = $32::VARCHAR AND revocation.key = $33::VARCHAR OR revocation.tenant = $34::VARCHAR AND revocation.kind = $35::VARCHAR AND revocation.key = $36::VARCHAR OR revocation.tenant = $37::VARCHAR AND revocation.kind = $38::VARCHAR AND revocation.key = $39::VARCHAR OR revocation.tenant = $40::VARCHAR AND revocation.kind = $41::VARCHAR AND revocation.key = $42::VARCHAR OR revocation.tenant = $43::VARCHAR AND revocation.kind = $44::VARCHAR AND revocation.key = $45::VARCHAR OR revocation.tenant = $46::VARCHAR AND revocation.kind = $47::VARCHAR AND revocation.key = $48::VARCHAR OR revocation.tenant = $49::VARCHAR AND revocation.kind = $50::VARCHAR AND revocation.key = $51::VARCHAR OR revocation.tenant = $52::VARCHAR AND revocation.kind = $53::VARCHAR AND revocation.key = $54::VARCHAR OR revocation.tenant = $55::VARCHAR AND revocation.kind = $56::VARCHAR AND revocation.key = $57::VARCHAR OR revocation.tenant = $58::VARCHAR AND revocation.kind = $59::VARCHAR AND revocation.key = $60::VARCHAR) AND revocation.keep_until <= $61::BIGINT;

-- find_expired_single_use: now, limit
SELECT single_use.tenant, single_use.digest
FROM single_use
WHERE single_use.expires_at <= $1::BIGINT ORDER BY single_use.expires_at
 LIMIT $2;

-- clean_single_use: tenant_0, digest_0, tenant_1, digest_1, tenant_2, digest_2, tenant_3, digest_3, tenant_4, digest_4, tenant_5, digest_5, tenant_6, digest_6, tenant_7, digest_7, tenant_8, digest_8, tenant_9, digest_9, tenant_10, digest_10, tenant_11, digest_11, tenant_12, digest_12, tenant_13, digest_13, tenant_14, digest_14, tenant_15, digest_15, tenant_16, digest_16, tenant_17, digest_17, tenant_18, digest_18, tenant_19, digest_19, now
DELETE FROM single_use WHERE (single_use.tenant = $1::VARCHAR AND single_use.digest = $2::BYTEA OR single_use.tenant = $3::VARCHAR AND single_use.digest = $4::BYTEA OR single_use.tenant = $5::VARCHAR AND single_use.digest = $6::BYTEA OR single_use.tenant = $7::VARCHAR AND single_use.digest = $8::BYTEA OR single_use.tenant = $9::VARCHAR AND single_use.digest = $10::BYTEA OR single_use.tenant = $11::VARCHAR AND single_use.digest = $12::BYTEA OR single_use.tenant = $13::VARCHAR AND single_use.digest = $14::BYTEA OR single_use.tenant = $15::VARCHAR AND single_use.digest = $16::BYTEA OR single_use.tenant = $17::VARCHAR AND single_use.digest = $18::BYTEA OR single_use.tenant = $19::VARCHAR AND single_use.digest = $20::BYTEA OR single_use.tenant = $21::VARCHAR AND single_use.digest = $22::BYTEA OR single_use.tenant = $23::VARCHAR AND single_use.digest = $24::BYTEA OR single_use.tenant = $25::VARCHAR AND single_use.digest = $26::BYTEA OR single_use.tenant = $27::VARCHAR AND single_use.digest = $28::BYTEA OR single_use.tenant = $29::VARCHAR AND single_use.digest = $30::BYTEA OR single_use.tenant = $31::VARCHAR AND single_use.digest = $32::BYTEA OR single_use.tenant = $33::VARCHAR AND single_use.digest = $34::BYTEA OR single_use.tenant = $35::VARCHAR AND single_use.digest = $36::BYTEA OR single_use.tenant = $37::VARCHAR AND single_use.digest = $38::BYTEA OR single_use.tenant = $39::VARCHAR AND single_use.digest = $40::BYTEA) AND single_use.expires_at <= $41::BIGINT;

-- find_expired_attempt: now, limit
SELECT attempt.tenant, attempt.digest
FROM attempt
WHERE attempt.expires_at <= $1::BIGINT ORDER BY attempt.expires_at
 LIMIT $2;

-- clean_attempt: tenant_0, digest_0, tenant_1, digest_1, tenant_2, digest_2, tenant_3, digest_3, tenant_4, digest_4, tenant_5, digest_5, tenant_6, digest_6, tenant_7, digest_7, tenant_8, digest_8, tenant_9, digest_9, tenant_10, digest_10, tenant_11, digest_11, tenant_12, digest_12, tenant_13, digest_13, tenant_14, digest_14, tenant_15, digest_15, tenant_16, digest_16, tenant_17, digest_17, tenant_18, digest_18, tenant_19, digest_19, now
DELETE FROM attempt WHERE (attempt.tenant = $1::VARCHAR AND attempt.digest = $2::BYTEA OR attempt.tenant = $3::VARCHAR AND attempt.digest = $4::BYTEA OR attempt.tenant = $5::VARCHAR AND attempt.digest = $6::BYTEA OR attempt.tenant = $7::VARCHAR AND attempt.digest = $8::BYTEA OR attempt.tenant = $9::VARCHAR AND attempt.digest = $10::BYTEA OR attempt.tenant = $11::VARCHAR AND attempt.digest = $12::BYTEA OR attempt.tenant = $13::VARCHAR AND attempt.digest = $14::BYTEA OR attempt.tenant = $15::VARCHAR AND attempt.digest = $16::BYTEA OR attempt.tenant = $17::VARCHAR AND attempt.digest = $18::BYTEA OR attempt.tenant = $19::VARCHAR AND attempt.digest = $20::BYTEA OR attempt.tenant = $21::VARCHAR AND attempt.digest = $22::BYTEA OR attempt.tenant = $23::VARCHAR AND attempt.digest = $24::BYTEA OR attempt.tenant = $25::VARCHAR AND attempt.digest = $26::BYTEA OR attempt.tenant = $27::VARCHAR AND attempt.digest = $28::BYTEA OR attempt.tenant = $29::VARCHAR AND attempt.digest = $30::BYTEA OR attempt.tenant = $31::VARCHAR AND attempt.digest = $32::BYTEA OR attempt.tenant = $33::VARCHAR AND attempt.digest = $34::BYTEA OR attempt.tenant = $35::VARCHAR AND attempt.digest = $36::BYTEA OR attempt.tenant = $37::VARCHAR AND attempt.digest = $38::BYTEA OR attempt.tenant = $39::VARCHAR AND attempt.digest = $40::BYTEA) AND attempt.expires_at <= $41::BIGINT;

-- find_expired_signing_key: now, limit
SELECT signing_key.tenant, signing_key.kid
FROM signing_key
WHERE signing_key.remove_at <= $1::BIGINT ORDER BY signing_key.remove_at
 LIMIT $2;

-- clean_signing_key: tenant_0, kid_0, tenant_1, kid_1, tenant_2, kid_2, tenant_3, kid_3, tenant_4, kid_4, tenant_5, kid_5, tenant_6, kid_6, tenant_7, kid_7, tenant_8, kid_8, tenant_9, kid_9, tenant_10, kid_10, tenant_11, kid_11, tenant_12, kid_12, tenant_13, kid_13, tenant_14, kid_14, tenant_15, kid_15, tenant_16, kid_16, tenant_17, kid_17, tenant_18, kid_18, tenant_19, kid_19, now
DELETE FROM signing_key WHERE (signing_key.tenant = $1::VARCHAR AND signing_key.kid = $2::VARCHAR OR signing_key.tenant = $3::VARCHAR AND signing_key.kid = $4::VARCHAR OR signing_key.tenant = $5::VARCHAR AND signing_key.kid = $6::VARCHAR OR signing_key.tenant = $7::VARCHAR AND signing_key.kid = $8::VARCHAR OR signing_key.tenant = $9::VARCHAR AND signing_key.kid = $10::VARCHAR OR signing_key.tenant = $11::VARCHAR AND signing_key.kid = $12::VARCHAR OR signing_key.tenant = $13::VARCHAR AND signing_key.kid = $14::VARCHAR OR signing_key.tenant = $15::VARCHAR AND signing_key.kid = $16::VARCHAR OR signing_key.tenant = $17::VARCHAR AND signing_key.kid = $18::VARCHAR OR signing_key.tenant = $19::VARCHAR AND signing_key.kid = $20::VARCHAR OR signing_key.tenant = $21::VARCHAR AND signing_key.kid = $22::VARCHAR OR signing_key.tenant = $23::VARCHAR AND signing_key.kid = $24::VARCHAR OR signing_key.tenant = $25::VARCHAR AND signing_key.kid = $26::VARCHAR OR signing_key.tenant = $27::VARCHAR AND signing_key.kid = $28::VARCHAR OR signing_key.tenant = $29::VARCHAR AND signing_key.kid = $30::VARCHAR OR signing_key.tenant = $31::VARCHAR AND signing_key.kid = $32::VARCHAR OR signing_key.tenant = $33::VARCHAR AND signing_key.kid = $34::VARCHAR OR signing_key.tenant = $35::VARCHAR AND signing_key.kid = $36::VARCHAR OR signing_key.tenant = $37::VARCHAR AND signing_key.kid = $38::VARCHAR OR signing_key.tenant = $39::VARCHAR AND signing_key.kid = $40::VARCHAR) AND signing_key.remove_at <= $41::BIGINT;

-- find_expired_entry: now, limit
SELECT entry.tenant, entry.kind, entry.key
FROM entry
WHERE entry.expires_at <= $1::BIGINT ORDER BY entry.expires_at
 LIMIT $2;

-- clean_entry: tenant_0, kind_0, key_0, tenant_1, kind_1, key_1, tenant_2, kind_2, key_2, tenant_3, kind_3, key_3, tenant_4, kind_4, key_4, tenant_5, kind_5, key_5, tenant_6, kind_6, key_6, tenant_7, kind_7, key_7, tenant_8, kind_8, key_8, tenant_9, kind_9, key_9, tenant_10, kind_10, key_10, tenant_11, kind_11, key_11, tenant_12, kind_12, key_12, tenant_13, kind_13, key_13, tenant_14, kind_14, key_14, tenant_15, kind_15, key_15, tenant_16, kind_16, key_16, tenant_17, kind_17, key_17, tenant_18, kind_18, key_18, tenant_19, kind_19, key_19, now
DELETE FROM entry WHERE (entry.tenant = $1::VARCHAR AND entry.kind = $2::VARCHAR AND entry.key = $3::VARCHAR OR entry.tenant = $4::VARCHAR AND entry.kind = $5::VARCHAR AND entry.key = $6::VARCHAR OR entry.tenant = $7::VARCHAR AND entry.kind = $8::VARCHAR AND entry.key = $9::VARCHAR OR entry.tenant = $10::VARCHAR AND entry.kind = $11::VARCHAR AND entry.key = $12::VARCHAR OR entry.tenant = $13::VARCHAR AND entry.kind = $14::VARCHAR AND entry.key = $15::VARCHAR OR entry.tenant = $16::VARCHAR AND entry.kind = $17::VARCHAR AND entry.key = $18::VARCHAR OR entry.tenant = $19::VARCHAR AND entry.kind = $20::VARCHAR AND entry.key = $21::VARCHAR OR entry.tenant = $22::VARCHAR AND entry.kind = $23::VARCHAR AND entry.key = $24::VARCHAR OR entry.tenant = $25::VARCHAR AND entry.kind = $26::VARCHAR AND entry.key = $27::VARCHAR OR entry.tenant = $28::VARCHAR AND entry.kind = $29::VARCHAR AND entry.key = $30::VARCHAR OR entry.tenant = $31::VARCHAR AND entry.kind = $32::VARCHAR AND entry.key = $33::VARCHAR OR entry.tenant = $34::VARCHAR AND entry.kind = $35::VARCHAR AND entry.key = $36::VARCHAR OR entry.tenant = $37::VARCHAR AND entry.kind = $38::VARCHAR AND entry.key = $39::VARCHAR OR entry.tenant = $40::VARCHAR AND entry.kind = $41::VARCHAR AND entry.key = $42::VARCHAR OR entry.tenant = $43::VARCHAR AND entry.kind = $44::VARCHAR AND entry.key = $45::VARCHAR OR entry.tenant = $46::VARCHAR AND entry.kind = $47::VARCHAR AND entry.key = $48::VARCHAR OR entry.tenant = $49::VARCHAR AND entry.kind = $50::VARCHAR AND entry.key = $51::VARCHAR OR entry.tenant = $52::VARCHAR AND entry.kind = $53::VARCHAR AND entry.key = $54::VARCHAR OR entry.tenant = $55::VARCHAR AND entry.kind = $56::VARCHAR AND entry.key = $57::VARCHAR OR entry.tenant = $58::VARCHAR AND entry.kind = $59::VARCHAR AND entry.key = $60::VARCHAR) AND entry.expires_at <= $61::BIGINT;

-- find_expired_task: now, limit
SELECT task.tenant, task.task_id
FROM task
WHERE task.expires_at <= $1::BIGINT ORDER BY task.expires_at
 LIMIT $2;

-- clean_task: tenant_0, task_id_0, tenant_1, task_id_1, tenant_2, task_id_2, tenant_3, task_id_3, tenant_4, task_id_4, tenant_5, task_id_5, tenant_6, task_id_6, tenant_7, task_id_7, tenant_8, task_id_8, tenant_9, task_id_9, tenant_10, task_id_10, tenant_11, task_id_11, tenant_12, task_id_12, tenant_13, task_id_13, tenant_14, task_id_14, tenant_15, task_id_15, tenant_16, task_id_16, tenant_17, task_id_17, tenant_18, task_id_18, tenant_19, task_id_19, now
DELETE FROM task WHERE (task.tenant = $1::VARCHAR AND task.task_id = $2::VARCHAR OR task.tenant = $3::VARCHAR AND task.task_id = $4::VARCHAR OR task.tenant = $5::VARCHAR AND task.task_id = $6::VARCHAR OR task.tenant = $7::VARCHAR AND task.task_id = $8::VARCHAR OR task.tenant = $9::VARCHAR AND task.task_id = $10::VARCHAR OR task.tenant = $11::VARCHAR AND task.task_id = $12::VARCHAR OR task.tenant = $13::VARCHAR AND task.task_id = $14::VARCHAR OR task.tenant = $15::VARCHAR AND task.task_id = $16::VARCHAR OR task.tenant = $17::VARCHAR AND task.task_id = $18::VARCHAR OR task.tenant = $19::VARCHAR AND task.task_id = $20::VARCHAR OR task.tenant = $21::VARCHAR AND task.task_id = $22::VARCHAR OR task.tenant = $23::VARCHAR AND task.task_id = $24::VARCHAR OR task.tenant = $25::VARCHAR AND task.task_id = $26::VARCHAR OR task.tenant = $27::VARCHAR AND task.task_id = $28::VARCHAR OR task.tenant = $29::VARCHAR AND task.task_id = $30::VARCHAR OR task.tenant = $31::VARCHAR AND task.task_id = $32::VARCHAR OR task.tenant = $33::VARCHAR AND task.task_id = $34::VARCHAR OR task.tenant = $35::VARCHAR AND task.task_id = $36::VARCHAR OR task.tenant = $37::VARCHAR AND task.task_id = $38::VARCHAR OR task.tenant = $39::VARCHAR AND task.task_id = $40::VARCHAR) AND task.expires_at <= $41::BIGINT;

-- find_expired_device_request: now, limit
SELECT device_request.tenant, device_request.device_digest
FROM device_request
WHERE device_request.expires_at <= $1::BIGINT ORDER BY device_request.expires_at
 LIMIT $2;

-- clean_device_request: tenant_0, device_digest_0, tenant_1, device_digest_1, tenant_2, device_digest_2, tenant_3, device_digest_3, tenant_4, device_digest_4, tenant_5, device_digest_5, tenant_6, device_digest_6, tenant_7, device_digest_7, tenant_8, device_digest_8, tenant_9, device_digest_9, tenant_10, device_digest_10, tenant_11, device_digest_11, tenant_12, device_digest_12, tenant_13, device_digest_13, tenant_14, device_digest_14, tenant_15, device_digest_15, tenant_16, device_digest_16, tenant_17, device_digest_17, tenant_18, device_digest_18, tenant_19, device_digest_19, now
DELETE FROM device_request WHERE (device_request.tenant = $1::VARCHAR AND device_request.device_digest = $2::BYTEA OR device_request.tenant = $3::VARCHAR AND device_request.device_digest = $4::BYTEA OR device_request.tenant = $5::VARCHAR AND device_request.device_digest = $6::BYTEA OR device_request.tenant = $7::VARCHAR AND device_request.device_digest = $8::BYTEA OR device_request.tenant = $9::VARCHAR AND device_request.device_digest = $10::BYTEA OR device_request.tenant = $11::VARCHAR AND device_request.device_digest = $12::BYTEA OR device_request.tenant = $13::VARCHAR AND device_request.device_digest = $14::BYTEA OR device_request.tenant = $15::VARCHAR AND device_request.device_digest = $16::BYTEA OR device_request.tenant = $17::VARCHAR AND device_request.device_digest = $18::BYTEA OR device_request.tenant = $19::VARCHAR AND device_request.device_digest = $20::BYTEA OR device_request.tenant = $21::VARCHAR AND device_request.device_digest = $22::BYTEA OR device_request.tenant = $23::VARCHAR AND device_request.device_digest = $24::BYTEA OR device_request.tenant = $25::VARCHAR AND device_request.device_digest = $26::BYTEA OR device_request.tenant = $27::VARCHAR AND device_request.device_digest = $28::BYTEA OR device_request.tenant = $29::VARCHAR AND device_request.device_digest = $30::BYTEA OR device_request.tenant = $31::VARCHAR AND device_request.device_digest = $32::BYTEA OR device_request.tenant = $33::VARCHAR AND device_request.device_digest = $34::BYTEA OR device_request.tenant = $35::VARCHAR AND device_request.device_digest = $36::BYTEA OR device_request.tenant = $37::VARCHAR AND device_request.device_digest = $38::BYTEA OR device_request.tenant = $39::VARCHAR AND device_request.device_digest = $40::BYTEA) AND device_request.expires_at <= $41::BIGINT;

-- find_expired_change: now, limit
SELECT change.sequence
FROM change
WHERE change.created_at <= $1::BIGINT ORDER BY change.created_at
 LIMIT $2;

-- clean_change: sequence_0, sequence_1, sequence_2, sequence_3, sequence_4, sequence_5, sequence_6, sequence_7, sequence_8, sequence_9, sequence_10, sequence_11, sequence_12, sequence_13, sequence_14, sequence_15, sequence_16, sequence_17, sequence_18, sequence_19, now
DELETE FROM change WHERE (change.sequence = $1::BIGINT OR change.sequence = $2::BIGINT OR change.sequence = $3::BIGINT OR change.sequence = $4::BIGINT OR change.sequence = $5::BIGINT OR change.sequence = $6::BIGINT OR change.sequence = $7::BIGINT OR change.sequence = $8::BIGINT OR change.sequence = $9::BIGINT OR change.sequence = $10::BIGINT OR change.sequence = $11::BIGINT OR change.sequence = $12::BIGINT OR change.sequence = $13::BIGINT OR change.sequence = $14::BIGINT OR change.sequence = $15::BIGINT OR change.sequence = $16::BIGINT OR change.sequence = $17::BIGINT OR change.sequence = $18::BIGINT OR change.sequence = $19::BIGINT OR change.sequence = $20::BIGINT) AND change.created_at <= $21::BIGINT;
