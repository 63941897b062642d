-- ping
SELECT 1;

-- load_time
SELECT CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED) AS now;

-- load_tenant: tenant
SELECT tenant.document
FROM tenant
WHERE tenant.tenant = ?;

-- list_tenants: after, limit
SELECT tenant.document
FROM tenant
WHERE tenant.tenant > ? ORDER BY tenant.tenant
 LIMIT ?;

-- insert_tenant: tenant, issuer, document
INSERT INTO tenant (tenant, issuer, document) VALUES (?, ?, ?);

-- update_tenant: issuer, document, tenant
UPDATE tenant SET issuer=?, document=? WHERE tenant.tenant = ?;

-- lock_tenant: tenant
UPDATE tenant SET issuer=tenant.issuer WHERE tenant.tenant = ?;

-- load_client: tenant, client_id
SELECT client.document
FROM client
WHERE client.tenant = ? AND client.client_id = ?;

-- insert_client: tenant, client_id, client_name, owner, enabled, version, document
INSERT INTO client (tenant, client_id, client_name, owner, enabled, version, document) VALUES (?, ?, ?, ?, ?, ?, ?);

-- update_client: client_name, owner, enabled, version, document, tenant, client_id, stored_version
UPDATE client SET client_name=?, owner=?, enabled=?, version=?, document=? WHERE client.tenant = ? AND client.client_id = ? AND client.version = ?;

-- delete_client: tenant, client_id
DELETE FROM client WHERE client.tenant = ? AND client.client_id = ?;

-- list_clients: tenant, after, limit
SELECT client.document
FROM client
WHERE client.tenant = ? AND client.client_id > ? ORDER BY client.client_id
 LIMIT ?;

-- list_clients_by_client_name: tenant, client_name, after, limit
SELECT client.document
FROM client
WHERE client.tenant = ? AND client.client_name = ? AND client.client_id > ? ORDER BY client.client_id
 LIMIT ?;

-- list_clients_by_owner: tenant, owner, after, limit
SELECT client.document
FROM client
WHERE client.tenant = ? AND client.owner = ? AND client.client_id > ? ORDER BY client.client_id
 LIMIT ?;

-- list_clients_by_client_name_by_owner: tenant, client_name, owner, after, limit
SELECT client.document
FROM client
WHERE client.tenant = ? AND client.client_name = ? AND client.owner = ? AND client.client_id > ? ORDER BY client.client_id
 LIMIT ?;

-- has_origin: tenant, origin, limit
SELECT 1
FROM client_origin
WHERE client_origin.tenant = ? AND client_origin.origin = ? ORDER BY client_origin.client_id
 LIMIT ?;

-- insert_origin: tenant, origin, client_id
INSERT INTO client_origin (tenant, origin, client_id) VALUES (?, ?, ?);

-- delete_origins: tenant, client_id
DELETE FROM client_origin WHERE client_origin.tenant = ? AND client_origin.client_id = ?;

-- load_subject: tenant, subject
SELECT subject.document
FROM subject
WHERE subject.tenant = ? AND subject.subject = ?;

-- load_subject_by_username: tenant, username_key
SELECT subject.document
FROM subject
WHERE subject.tenant = ? AND subject.username_key = ?;

-- list_subjects: tenant, after, first, beyond, limit
SELECT subject.document
FROM subject
WHERE subject.tenant = ? AND subject.username_key > ? AND subject.username_key >= ? AND subject.username_key < ? ORDER BY subject.username_key
 LIMIT ?;

-- insert_subject: tenant, subject, username_key, enabled, version, document
INSERT INTO subject (tenant, subject, username_key, enabled, version, document) VALUES (?, ?, ?, ?, ?, ?);

-- update_subject: username_key, enabled, version, document, tenant, subject, stored_version
UPDATE subject SET username_key=?, enabled=?, version=?, document=? WHERE subject.tenant = ? AND subject.subject = ? AND subject.version = ?;

-- delete_subject: tenant, subject
DELETE FROM subject WHERE subject.tenant = ? AND subject.subject = ?;

-- insert_authorization: tenant, authorization_id, client_id, subject, session_id, session_bound, code_digest, code_expires_at, code_redeemed_at, generation, rotated_at, revoked_at, created_at, expires_at, document
INSERT INTO authorization (tenant, authorization_id, client_id, subject, session_id, session_bound, code_digest, code_expires_at, code_redeemed_at, generation, rotated_at, revoked_at, created_at, expires_at, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- load_authorization: tenant, authorization_id
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = ? AND authorization.authorization_id = ?;

-- load_authorization_by_code: tenant, code_digest
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = ? AND authorization.code_digest = ?;

-- redeem_code: now, tenant, authorization_id, now
UPDATE authorization SET code_redeemed_at=? WHERE authorization.tenant = ? AND authorization.authorization_id = ? AND authorization.code_redeemed_at IS NULL AND authorization.revoked_at IS NULL AND authorization.code_expires_at > ?;

-- rotate_refresh: now, tenant, authorization_id, presented, now
UPDATE authorization SET generation=(authorization.generation + 1), rotated_at=? WHERE authorization.tenant = ? AND authorization.authorization_id = ? AND authorization.generation = ? AND authorization.revoked_at IS NULL AND authorization.expires_at > ?;

-- keep_refresh: now, tenant, authorization_id, presented, now
UPDATE authorization SET rotated_at=? WHERE authorization.tenant = ? AND authorization.authorization_id = ? AND authorization.generation = ? AND authorization.revoked_at IS NULL AND authorization.expires_at > ?;

-- revoke_authorization: now, tenant, authorization_id
UPDATE authorization SET revoked_at=? WHERE authorization.tenant = ? AND authorization.authorization_id = ? AND authorization.revoked_at IS NULL;

-- list_authorizations: tenant, now, created_at, created_at, authorization_id, limit
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = ? AND authorization.revoked_at IS NULL AND authorization.expires_at > ? AND (authorization.created_at < ? OR authorization.created_at = ? AND authorization.authorization_id < ?) ORDER BY authorization.created_at DESC, authorization.authorization_id DESC
 LIMIT ?;

-- list_authorizations_by_subject: tenant, subject, now, created_at, created_at, authorization_id, limit
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.revoked_at IS NULL AND authorization.expires_at > ? AND (authorization.created_at < ? OR authorization.created_at = ? AND authorization.authorization_id < ?) ORDER BY authorization.created_at DESC, authorization.authorization_id DESC
 LIMIT ?;

-- list_authorizations_by_client_id: tenant, client_id, now, created_at, created_at, authorization_id, limit
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = ? AND authorization.client_id = ? AND authorization.revoked_at IS NULL AND authorization.expires_at > ? AND (authorization.created_at < ? OR authorization.created_at = ? AND authorization.authorization_id < ?) ORDER BY authorization.created_at DESC, authorization.authorization_id DESC
 LIMIT ?;

-- list_authorizations_by_subject_by_client_id: tenant, subject, client_id, now, created_at, created_at, authorization_id, limit
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.client_id = ? AND authorization.revoked_at IS NULL AND authorization.expires_at > ? AND (authorization.created_at < ? OR authorization.created_at = ? AND authorization.authorization_id < ?) ORDER BY authorization.created_at DESC, authorization.authorization_id DESC
 LIMIT ?;

-- revoke_authorizations_by_subject: now, tenant, subject
UPDATE authorization SET revoked_at=? WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.revoked_at IS NULL;

-- revoke_authorizations_by_client_id: now, tenant, client_id
UPDATE authorization SET revoked_at=? WHERE authorization.tenant = ? AND authorization.client_id = ? AND authorization.revoked_at IS NULL;

-- revoke_authorizations_by_subject_by_client_id: now, tenant, subject, client_id
UPDATE authorization SET revoked_at=? WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.client_id = ? AND authorization.revoked_at IS NULL;

-- revoke_authorizations_by_session_id: now, tenant, session_id
UPDATE authorization SET revoked_at=? WHERE authorization.tenant = ? AND authorization.session_id = ? AND authorization.revoked_at IS NULL AND authorization.session_bound = 1;

-- count_live_authorizations_by_subject: tenant, subject, now
SELECT count(*) AS count_1
FROM authorization
WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.revoked_at IS NULL AND authorization.expires_at > ?;

-- count_live_authorizations_by_client_id: tenant, client_id, now
SELECT count(*) AS count_1
FROM authorization
WHERE authorization.tenant = ? AND authorization.client_id = ? AND authorization.revoked_at IS NULL AND authorization.expires_at > ?;

-- count_live_authorizations_by_subject_by_client_id: tenant, subject, client_id, now
SELECT count(*) AS count_1
FROM authorization
WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.client_id = ? AND authorization.revoked_at IS NULL AND authorization.expires_at > ?;

-- find_end_of_part_by_subject: tenant, subject, skip, limit
SELECT authorization.created_at
FROM authorization
WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.revoked_at IS NULL ORDER BY authorization.created_at
 LIMIT ?, ?;

-- find_end_of_part_by_client_id: tenant, client_id, skip, limit
SELECT authorization.created_at
FROM authorization
WHERE authorization.tenant = ? AND authorization.client_id = ? AND authorization.revoked_at IS NULL ORDER BY authorization.created_at
 LIMIT ?, ?;

-- find_end_of_part_by_subject_by_client_id: tenant, subject, client_id, skip, limit
SELECT authorization.created_at
FROM authorization
WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.client_id = ? AND authorization.revoked_at IS NULL ORDER BY authorization.created_at
 LIMIT ?, ?;

-- revoke_part_of_authorizations_by_subject: now, tenant, subject, end
UPDATE authorization SET revoked_at=? WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.revoked_at IS NULL AND authorization.created_at <= ?;

-- revoke_part_of_authorizations_by_client_id: now, tenant, client_id, end
UPDATE authorization SET revoked_at=? WHERE authorization.tenant = ? AND authorization.client_id = ? AND authorization.revoked_at IS NULL AND authorization.created_at <= ?;

-- revoke_part_of_authorizations_by_subject_by_client_id: now, tenant, subject, client_id, end
UPDATE authorization SET revoked_at=? WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.client_id = ? AND authorization.revoked_at IS NULL AND authorization.created_at <= ?;

-- find_latest_revoked_authorization_by_subject: tenant, subject
SELECT max(authorization.created_at) AS max_1
FROM authorization
WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.revoked_at IS NOT NULL;

-- find_latest_revoked_authorization_by_client_id: tenant, client_id
SELECT max(authorization.created_at) AS max_1
FROM authorization
WHERE authorization.tenant = ? AND authorization.client_id = ? AND authorization.revoked_at IS NOT NULL;

-- find_latest_revoked_authorization_by_subject_by_client_id: tenant, subject, client_id
SELECT max(authorization.created_at) AS max_1
FROM authorization
WHERE authorization.tenant = ? AND authorization.subject = ? AND authorization.client_id = ? AND authorization.revoked_at IS NOT NULL;

-- insert_session: tenant, session_id, digest, subject, created_at, last_seen_at, expires_at, ended_at, document
INSERT INTO session (tenant, session_id, digest, subject, created_at, last_seen_at, expires_at, ended_at, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- load_session: tenant, session_id
SELECT session.tenant, session.session_id, session.digest, session.subject, session.created_at, session.last_seen_at, session.expires_at, session.ended_at, session.document
FROM session
WHERE session.tenant = ? AND session.session_id = ?;

-- load_session_by_digest: tenant, digest
SELECT session.tenant, session.session_id, session.digest, session.subject, session.created_at, session.last_seen_at, session.expires_at, session.ended_at, session.document
FROM session
WHERE session.tenant = ? AND session.digest = ?;

-- renew_session: digest, last_seen_at, expires_at, document, tenant, session_id, subject
UPDATE session SET digest=?, last_seen_at=?, expires_at=?, document=? WHERE session.tenant = ? AND session.session_id = ? AND session.subject = ? AND session.ended_at IS NULL;

-- touch_session: seen_at, tenant, session_id, seen_at
UPDATE session SET last_seen_at=? WHERE session.tenant = ? AND session.session_id = ? AND session.ended_at IS NULL AND session.last_seen_at < ?;

-- lock_session: tenant, session_id
UPDATE session SET ended_at=session.ended_at WHERE session.tenant = ? AND session.session_id = ?;

-- list_sessions: tenant, subject, now
SELECT session.tenant, session.session_id, session.digest, session.subject, session.created_at, session.last_seen_at, session.expires_at, session.ended_at, session.document
FROM session
WHERE session.tenant = ? AND session.subject = ? AND session.ended_at IS NULL AND session.expires_at > ? ORDER BY session.created_at DESC, session.session_id DESC;

-- find_open_sessions: tenant, subject
SELECT session.session_id
FROM session
WHERE session.tenant = ? AND session.subject = ? AND session.ended_at IS NULL ORDER BY session.session_id;

-- end_session: now, tenant, session_id
UPDATE session SET ended_at=? WHERE session.tenant = ? AND session.session_id = ? AND session.ended_at IS NULL;

-- find_clients_of_session: tenant, session_id
SELECT DISTINCT session.subject, authorization.client_id
FROM session INNER JOIN authorization ON authorization.tenant = session.tenant AND authorization.session_id = session.session_id
WHERE session.tenant = ? AND session.session_id = ? ORDER BY authorization.client_id;

-- delete_sessions: tenant, subject
DELETE FROM session WHERE session.tenant = ? AND session.subject = ?;

-- load_consent: tenant, subject, client_id
SELECT consent.document
FROM consent
WHERE consent.tenant = ? AND consent.subject = ? AND consent.client_id = ?;

-- list_consents: tenant, subject
SELECT consent.document
FROM consent
WHERE consent.tenant = ? AND consent.subject = ? ORDER BY consent.client_id;

-- insert_consent: tenant, subject, client_id, document
INSERT INTO consent (tenant, subject, client_id, document) VALUES (?, ?, ?, ?);

-- update_consent: document, tenant, subject, client_id
UPDATE consent SET document=? WHERE consent.tenant = ? AND consent.subject = ? AND consent.client_id = ?;

-- delete_consent: tenant, subject, client_id
DELETE FROM consent WHERE consent.tenant = ? AND consent.subject = ? AND consent.client_id = ?;

-- delete_consents_of_client: tenant, client_id
DELETE FROM consent WHERE consent.tenant = ? AND consent.client_id = ?;

-- delete_consents_of_subject: tenant, subject
DELETE FROM consent WHERE consent.tenant = ? AND consent.subject = ?;

-- insert_interaction: tenant, interaction_id, version, completed_at, expires_at, document
INSERT INTO interaction (tenant, interaction_id, version, completed_at, expires_at, document) VALUES (?, ?, ?, ?, ?, ?);

-- load_interaction: tenant, interaction_id
SELECT interaction.document, interaction.version, interaction.completed_at
FROM interaction
WHERE interaction.tenant = ? AND interaction.interaction_id = ?;

-- update_interaction: version, completed_at, expires_at, document, tenant, interaction_id, stored_version
UPDATE interaction SET version=?, completed_at=?, expires_at=?, document=? WHERE interaction.tenant = ? AND interaction.interaction_id = ? AND interaction.version = ?;

-- complete_interaction: completed_at, document, tenant, interaction_id
UPDATE interaction SET version=(interaction.version + 1), completed_at=?, document=? WHERE interaction.tenant = ? AND interaction.interaction_id = ? AND interaction.completed_at IS NULL;

-- list_keys: tenant
SELECT signing_key.tenant, signing_key.kid, signing_key.alg, signing_key.state, signing_key.public_jwk, signing_key.sealed_private_key, signing_key.created_at, signing_key.activated_at, signing_key.retired_at, signing_key.remove_at
FROM signing_key
WHERE signing_key.tenant = ? ORDER BY signing_key.created_at DESC, signing_key.kid DESC;

-- find_key_in_state: tenant, alg, state, limit
SELECT signing_key.kid
FROM signing_key
WHERE signing_key.tenant = ? AND signing_key.alg = ? AND signing_key.state = ? ORDER BY signing_key.kid
 LIMIT ?;

-- insert_key: tenant, kid, alg, state, public_jwk, sealed_private_key, created_at, activated_at, retired_at, remove_at
INSERT INTO signing_key (tenant, kid, alg, state, public_jwk, sealed_private_key, created_at, activated_at, retired_at, remove_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- move_key: to_state, activated_at, retired_at, remove_at, tenant, kid, from_state
UPDATE signing_key SET state=?, activated_at=coalesce(?, signing_key.activated_at), retired_at=coalesce(?, signing_key.retired_at), remove_at=coalesce(?, signing_key.remove_at) WHERE signing_key.tenant = ? AND signing_key.kid = ? AND signing_key.state = ?;

-- load_sealed_key: tenant, kid
SELECT signing_key.sealed_private_key
FROM signing_key
WHERE signing_key.tenant = ? AND signing_key.kid = ?;

-- replace_sealed_key: sealed_private_key, tenant, kid
UPDATE signing_key SET sealed_private_key=? WHERE signing_key.tenant = ? AND signing_key.kid = ?;

-- delete_key: tenant, kid
DELETE FROM signing_key WHERE signing_key.tenant = ? AND signing_key.kid = ?;

-- insert_revocation: tenant, kind, key, not_before, keep_until
INSERT INTO revocation (tenant, kind, `key`, not_before, keep_until) VALUES (?, ?, ?, ?, ?);

-- tighten_revocation: not_before, not_before, keep_until, keep_until, tenant, kind, key
UPDATE revocation SET not_before=CASE WHEN (revocation.not_before < ?) THEN ? ELSE revocation.not_before END, keep_until=CASE WHEN (revocation.keep_until < ?) THEN ? ELSE revocation.keep_until END WHERE revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ?;

-- find_revocation: tenant, kind, key
SELECT revocation.tenant, revocation.kind, revocation.`key`, revocation.not_before, revocation.keep_until
FROM revocation
WHERE revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ?;

-- load_revocations: now, limit
SELECT revocation.tenant, revocation.kind, revocation.`key`, revocation.not_before, revocation.keep_until
FROM revocation
WHERE revocation.keep_until > ? ORDER BY revocation.keep_until
 LIMIT ?;

-- insert_change: tenant, kind, key, document, created_at
INSERT INTO `change` (tenant, kind, `key`, document, created_at) VALUES (?, ?, ?, ?, ?);

-- load_changes: after, limit
SELECT `change`.sequence, `change`.tenant, `change`.kind, `change`.`key`, `change`.document
FROM `change`
WHERE `change`.sequence > ? ORDER BY `change`.sequence
 LIMIT ?;

-- last_change
SELECT max(`change`.sequence) AS max_1
FROM `change`;

-- last_change_before: created_before
SELECT max(`change`.sequence) AS max_1
FROM `change`
WHERE `change`.created_at < ?;

-- insert_single_use: tenant, digest, expires_at
INSERT INTO single_use (tenant, digest, expires_at) VALUES (?, ?, ?);

-- renew_single_use: expires_at, tenant, digest, now
UPDATE single_use SET expires_at=? WHERE single_use.tenant = ? AND single_use.digest = ? AND single_use.expires_at <= ?;

-- insert_attempt: tenant, digest, attempts, expires_at, started_at
INSERT INTO attempt (tenant, digest, attempts, expires_at, started_at) VALUES (?, ?, ?, ?, ?);

-- count_attempt: over_at, over_at, ends_at, over_at, now, tenant, digest
UPDATE attempt SET attempts=CASE WHEN (attempt.started_at <= ?) THEN 1 ELSE attempt.attempts + 1 END, expires_at=CASE WHEN (attempt.started_at <= ?) THEN ? ELSE attempt.expires_at END, started_at=CASE WHEN (attempt.started_at <= ?) THEN ? ELSE attempt.started_at END WHERE attempt.tenant = ? AND attempt.digest = ?;

-- take_back_attempt: tenant, digest
UPDATE attempt SET attempts=(attempt.attempts - 1) WHERE attempt.tenant = ? AND attempt.digest = ? AND attempt.attempts > 0;

-- load_attempts: tenant, digest
SELECT attempt.attempts
FROM attempt
WHERE attempt.tenant = ? AND attempt.digest = ?;

-- delete_attempts: tenant, digest
DELETE FROM attempt WHERE attempt.tenant = ? AND attempt.digest = ?;

-- insert_entry: tenant, kind, key, expires_at, version, document
INSERT INTO entry (tenant, kind, `key`, expires_at, version, document) VALUES (?, ?, ?, ?, ?, ?);

-- load_entry: tenant, kind, key
SELECT entry.document
FROM entry
WHERE entry.tenant = ? AND entry.kind = ? AND entry.`key` = ?;

-- list_entries: tenant, kind, after, limit
SELECT entry.document
FROM entry
WHERE entry.tenant = ? AND entry.kind = ? AND entry.`key` > ? ORDER BY entry.`key`
 LIMIT ?;

-- update_entry: expires_at, version, document, tenant, kind, key, stored_version
UPDATE entry SET expires_at=?, version=?, document=? WHERE entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? AND entry.version = ?;

-- delete_entry: tenant, kind, key
DELETE FROM entry WHERE entry.tenant = ? AND entry.kind = ? AND entry.`key` = ?;

-- insert_task: tenant, task_id, kind, due_at, expires_at, version, document
INSERT INTO task (tenant, task_id, kind, due_at, expires_at, version, document) VALUES (?, ?, ?, ?, ?, ?, ?);

-- list_due_tasks: kind, now, limit
SELECT task.document
FROM task
WHERE task.kind = ? AND task.due_at <= ? ORDER BY task.due_at, task.tenant, task.task_id
 LIMIT ?;

-- update_task: due_at, expires_at, version, document, tenant, task_id, stored_version
UPDATE task SET due_at=?, expires_at=?, version=?, document=? WHERE task.tenant = ? AND task.task_id = ? AND task.version = ?;

-- delete_task: tenant, task_id
DELETE FROM task WHERE task.tenant = ? AND task.task_id = ?;

-- insert_device_request: tenant, device_digest, user_code_digest, expires_at, version, document
INSERT INTO device_request (tenant, device_digest, user_code_digest, expires_at, version, document) VALUES (?, ?, ?, ?, ?, ?);

-- load_device_request: tenant, device_digest
SELECT device_request.document
FROM device_request
WHERE device_request.tenant = ? AND device_request.device_digest = ?;

-- load_device_request_by_user_code: tenant, user_code_digest
SELECT device_request.document
FROM device_request
WHERE device_request.tenant = ? AND device_request.user_code_digest = ?;

-- update_device_request: expires_at, version, document, tenant, device_digest, stored_version
UPDATE device_request SET expires_at=?, version=?, document=? WHERE device_request.tenant = ? AND device_request.device_digest = ? AND device_request.version = ?;

-- free_user_code: nobody_s_digest, tenant, user_code_digest, now
UPDATE device_request SET user_code_digest=? WHERE device_request.tenant = ? AND device_request.user_code_digest = ? AND device_request.expires_at <= ?;

-- load_lease: name
SELECT lease.holder, lease.beat
FROM lease
WHERE lease.name = ?;

-- insert_lease: name, holder, beat
INSERT INTO lease (name, holder, beat) VALUES (?, ?, ?);

-- take_lease: holder, beat, name, seen_holder, seen_beat
UPDATE lease SET holder=?, beat=? WHERE lease.name = ? AND lease.holder = ? AND lease.beat = ?;

-- delete_lease: name, holder, beat
DELETE FROM lease WHERE lease.name = ? AND lease.holder = ? AND lease.beat = ?;

-- find_expired_authorization: now, now, limit
SELECT authorization.tenant, authorization.authorization_id
FROM authorization
WHERE authorization.expires_at <= ? AND NOT (EXISTS (SELECT *
FROM session
WHERE session.tenant = authorization.tenant AND session.session_id = authorization.session_id AND session.ended_at IS NULL AND session.expires_at > ?)) ORDER BY authorization.expires_at
 LIMIT ?;

-- clean_authorization: tenant_0, authorization_id_0, tenant_1, authorization_id_1, tenant_2, authorization_id_2, tenant_3, authorization_id_3, tenant_4, authorization_id_4, tenant_5, authorization_id_5, tenant_6, authorization_id_6, tenant_7, authorization_id_7, tenant_8, authorization_id_8, tenant_9, authorization_id_9, tenant_10, authorization_id_10, tenant_11, authorization_id_11, tenant_12, authorization_id_12, tenant_13, authorization_id_13, tenant_14, authorization_id_14, tenant_15, authorization_id_15, tenant_16, authorization_id_16, tenant_17, authorization_id_17, tenant_18, authorization_id_18, tenant_19, authorization_id_19, now
DELETE FROM authorization WHERE (authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ? OR authorization.tenant = ? AND authorization.authorization_id = ?) AND authorization.expires_at <= ?;

-- find_expired_session: now, limit
SELECT session.tenant, session.session_id
FROM session
WHERE session.expires_at <= ? ORDER BY session.expires_at
 LIMIT ?;

-- clean_session: tenant_0, session_id_0, tenant_1, session_id_1, tenant_2, session_id_2, tenant_3, session_id_3, tenant_4, session_id_4, tenant_5, session_id_5, tenant_6, session_id_6, tenant_7, session_id_7, tenant_8, session_id_8, tenant_9, session_id_9, tenant_10, session_id_10, tenant_11, session_id_11, tenant_12, session_id_12, tenant_13, session_id_13, tenant_14, session_id_14, tenant_15, session_id_15, tenant_16, session_id_16, tenant_17, session_id_17, tenant_18, session_id_18, tenant_19, session_id_19, now
DELETE FROM session WHERE (session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ? OR session.tenant = ? AND session.session_id = ?) AND session.expires_at <= ?;

-- find_expired_interaction: now, limit
SELECT interaction.tenant, interaction.interaction_id
FROM interaction
WHERE interaction.expires_at <= ? ORDER BY interaction.expires_at
 LIMIT ?;

-- clean_interaction: tenant_0, interaction_id_0, tenant_1, interaction_id_1, tenant_2, interaction_id_2, tenant_3, interaction_id_3, tenant_4, interaction_id_4, tenant_5, interaction_id_5, tenant_6, interaction_id_6, tenant_7, interaction_id_7, tenant_8, interaction_id_8, tenant_9, interaction_id_9, tenant_10, interaction_id_10, tenant_11, interaction_id_11, tenant_12, interaction_id_12, tenant_13, interaction_id_13, tenant_14, interaction_id_14, tenant_15, interaction_id_15, tenant_16, interaction_id_16, tenant_17, interaction_id_17, tenant_18, interaction_id_18, tenant_19, interaction_id_19, now
DELETE FROM interaction WHERE (interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ? OR interaction.tenant = ? AND interaction.interaction_id = ?) AND interaction.expires_at <= ?;

-- find_expired_revocation: now, limit
SELECT revocation.tenant, revocation.kind, revocation.`key`
FROM revocation
WHERE revocation.keep_until <= ? ORDER BY revocation.keep_until
 LIMIT ?;

-- clean_revocation: tenant_0, kind_0, key_0, tenant_1, kind_1, key_1, tenant_2, kind_2, key_2, tenant_3, kind_3, key_3, tenant_4, kind_4, key_4, tenant_5, kind_5, key_5, tenant_6, kind_6, key_6, tenant_7, kind_7, key_7, tenant_8, kind_8, key_8, tenant_9, kind_9, key_9, tenant_10, kind_10, key_10, tenant_11, kind_11, key_11, tenant_12, kind_12, key_12, tenant_13, kind_13, key_13, tenant_14, kind_14, key_14, tenant_15, kind_15, key_15, tenant_16, kind_16, key_16, tenant_17, kind_17, key_17, tenant_18, kind_18, key_18, tenant_19, kind_19, key_19, now
DELETE FROM revocation WHERE (revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ? OR revocation.tenant = ? AND revocation.kind = ? AND revocation.`key` = ?) AND revocation.keep_until <= ?;

-- find_expired_single_use: now, limit
SELECT single_use.tenant, single_use.digest
FROM single_use
WHERE single_use.expires_at <= ? ORDER BY single_use.expires_at
 LIMIT ?;

-- clean_single_use: tenant_0, digest_0, tenant_1, digest_1, tenant_2, digest_2, tenant_3, digest_3, tenant_4, digest_4, tenant_5, digest_5, tenant_6, digest_6, tenant_7, digest_7, tenant_8, digest_8, tenant_9, digest_9, tenant_10, digest_10, tenant_11, digest_11, tenant_12, digest_12, tenant_13, digest_13, tenant_14, digest_14, tenant_15, digest_15, tenant_16, digest_16, tenant_17, digest_17, tenant_18, digest_18, tenant_19, digest_19, now
DELETE FROM single_use WHERE (single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ? OR single_use.tenant = ? AND single_use.digest = ?) AND single_use.expires_at <= ?;

-- find_expired_attempt: now, limit
SELECT attempt.tenant, attempt.digest
FROM attempt
WHERE attempt.expires_at <= ? ORDER BY attempt.expires_at
 LIMIT ?;

-- clean_attempt: tenant_0, digest_0, tenant_1, digest_1, tenant_2, digest_2, tenant_3, digest_3, tenant_4, digest_4, tenant_5, digest_5, tenant_6, digest_6, tenant_7, digest_7, tenant_8, digest_8, tenant_9, digest_9, tenant_10, digest_10, tenant_11, digest_11, tenant_12, digest_12, tenant_13, digest_13, tenant_14, digest_14, tenant_15, digest_15, tenant_16, digest_16, tenant_17, digest_17, tenant_18, digest_18, tenant_19, digest_19, now
DELETE FROM attempt WHERE (attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ? OR attempt.tenant = ? AND attempt.digest = ?) AND attempt.expires_at <= ?;

-- find_expired_signing_key: now, limit
SELECT signing_key.tenant, signing_key.kid
FROM signing_key
WHERE signing_key.remove_at <= ? ORDER BY signing_key.remove_at
 LIMIT ?;

-- clean_signing_key: tenant_0, kid_0, tenant_1, kid_1, tenant_2, kid_2, tenant_3, kid_3, tenant_4, kid_4, tenant_5, kid_5, tenant_6, kid_6, tenant_7, kid_7, tenant_8, kid_8, tenant_9, kid_9, tenant_10, kid_10, tenant_11, kid_11, tenant_12, kid_12, tenant_13, kid_13, tenant_14, kid_14, tenant_15, kid_15, tenant_16, kid_16, tenant_17, kid_17, tenant_18, kid_18, tenant_19, kid_19, now
DELETE FROM signing_key WHERE (signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ? OR signing_key.tenant = ? AND signing_key.kid = ?) AND signing_key.remove_at <= ?;

-- find_expired_entry: now, limit
SELECT entry.tenant, entry.kind, entry.`key`
FROM entry
WHERE entry.expires_at <= ? ORDER BY entry.expires_at
 LIMIT ?;

-- clean_entry: tenant_0, kind_0, key_0, tenant_1, kind_1, key_1, tenant_2, kind_2, key_2, tenant_3, kind_3, key_3, tenant_4, kind_4, key_4, tenant_5, kind_5, key_5, tenant_6, kind_6, key_6, tenant_7, kind_7, key_7, tenant_8, kind_8, key_8, tenant_9, kind_9, key_9, tenant_10, kind_10, key_10, tenant_11, kind_11, key_11, tenant_12, kind_12, key_12, tenant_13, kind_13, key_13, tenant_14, kind_14, key_14, tenant_15, kind_15, key_15, tenant_16, kind_16, key_16, tenant_17, kind_17, key_17, tenant_18, kind_18, key_18, tenant_19, kind_19, key_19, now
DELETE FROM entry WHERE (entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ? OR entry.tenant = ? AND entry.kind = ? AND entry.`key` = ?) AND entry.expires_at <= ?;

-- find_expired_task: now, limit
SELECT task.tenant, task.task_id
FROM task
WHERE task.expires_at <= ? ORDER BY task.expires_at
 LIMIT ?;

-- clean_task: tenant_0, task_id_0, tenant_1, task_id_1, tenant_2, task_id_2, tenant_3, task_id_3, tenant_4, task_id_4, tenant_5, task_id_5, tenant_6, task_id_6, tenant_7, task_id_7, tenant_8, task_id_8, tenant_9, task_id_9, tenant_10, task_id_10, tenant_11, task_id_11, tenant_12, task_id_12, tenant_13, task_id_13, tenant_14, task_id_14, tenant_15, task_id_15, tenant_16, task_id_16, tenant_17, task_id_17, tenant_18, task_id_18, tenant_19, task_id_19, now
DELETE FROM task WHERE (task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ? OR task.tenant = ? AND task.task_id = ?) AND task.expires_at <= ?;

-- find_expired_device_request: now, limit
SELECT device_request.tenant, device_request.device_digest
FROM device_request
WHERE device_request.expires_at <= ? ORDER BY device_request.expires_at
 LIMIT ?;

-- clean_device_request: tenant_0, device_digest_0, tenant_1, device_digest_1, tenant_2, device_digest_2, tenant_3, device_digest_3, tenant_4, device_digest_4, tenant_5, device_digest_5, tenant_6, device_digest_6, tenant_7, device_digest_7, tenant_8, device_digest_8, tenant_9, device_digest_9, tenant_10, device_digest_10, tenant_11, device_digest_11, tenant_12, device_digest_12, tenant_13, device_digest_13, tenant_14, device_digest_14, tenant_15, device_digest_15, tenant_16, device_digest_16, tenant_17, device_digest_17, tenant_18, device_digest_18, tenant_19, device_digest_19, now
DELETE FROM device_request WHERE (device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ? OR device_request.tenant = ? AND device_request.device_digest = ?) AND device_request.expires_at <= ?;

-- find_expired_change: now, limit
SELECT `change`.sequence
FROM `change`
WHERE `change`.created_at <= ? ORDER BY `change`.created_at
 LIMIT ?;

-- clean_change: sequence_0, sequence_1, sequence_2, sequence_3, sequence_4, sequence_5, sequence_6, sequence_7, sequence_8, sequence_9, sequence_10, sequence_11, sequence_12, sequence_13, sequence_14, sequence_15, sequence_16, sequence_17, sequence_18, sequence_19, now
DELETE FROM `change` WHERE (`change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ? OR `change`.sequence = ?) AND `change`.created_at <= ?;
