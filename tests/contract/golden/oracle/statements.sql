-- ping
SELECT 1 FROM DUAL;

-- load_time
SELECT NULL AS now FROM DUAL;

-- load_tenant: tenant
SELECT tenant.document
FROM tenant
WHERE tenant.tenant = :1;

-- list_tenants: after, limit
SELECT tenant.document
FROM tenant
WHERE tenant.tenant > :1 ORDER BY tenant.tenant
 FETCH FIRST :2 ROWS ONLY;

-- insert_tenant: tenant, issuer, document
INSERT INTO tenant (tenant, issuer, document) VALUES (:1, :2, :3);

-- update_tenant: issuer, document, tenant
UPDATE tenant SET issuer=:1, document=:2 WHERE tenant.tenant = :3;

-- lock_tenant: tenant
UPDATE tenant SET issuer=tenant.issuer WHERE tenant.tenant = :1;

-- load_client: tenant, client_id
SELECT client.document
FROM client
WHERE client.tenant = :1 AND client.client_id = :2;

-- insert_client: tenant, client_id, client_name, owner, enabled, version, document
INSERT INTO client (tenant, client_id, client_name, owner, enabled, version, document) VALUES (:1, :2, :3, :4, :5, :6, :7);

-- update_client: client_name, owner, enabled, version, document, tenant, client_id, stored_version
UPDATE client SET client_name=:1, owner=:2, enabled=:3, version=:4, document=:5 WHERE client.tenant = :6 AND client.client_id = :7 AND client.version = :8;

-- delete_client: tenant, client_id
DELETE FROM client WHERE client.tenant = :1 AND client.client_id = :2;

-- list_clients: tenant, after, limit
SELECT client.document
FROM client
WHERE client.tenant = :1 AND client.client_id > :2 ORDER BY client.client_id
 FETCH FIRST :3 ROWS ONLY;

-- list_clients_by_client_name: tenant, client_name, after, limit
SELECT client.document
FROM client
WHERE client.tenant = :1 AND client.client_name = :2 AND client.client_id > :3 ORDER BY client.client_id
 FETCH FIRST :4 ROWS ONLY;

-- list_clients_by_owner: tenant, owner, after, limit
SELECT client.document
FROM client
WHERE client.tenant = :1 AND client.owner = :2 AND client.client_id > :3 ORDER BY client.client_id
 FETCH FIRST :4 ROWS ONLY;

-- list_clients_by_client_name_by_owner: tenant, client_name, owner, after, limit
SELECT client.document
FROM client
WHERE client.tenant = :1 AND client.client_name = :2 AND client.owner = :3 AND client.client_id > :4 ORDER BY client.client_id
 FETCH FIRST :5 ROWS ONLY;

-- has_origin: tenant, origin, limit
SELECT 1
FROM client_origin
WHERE client_origin.tenant = :1 AND client_origin.origin = :2 ORDER BY client_origin.client_id
 FETCH FIRST :3 ROWS ONLY;

-- insert_origin: tenant, origin, client_id
INSERT INTO client_origin (tenant, origin, client_id) VALUES (:1, :2, :3);

-- delete_origins: tenant, client_id
DELETE FROM client_origin WHERE client_origin.tenant = :1 AND client_origin.client_id = :2;

-- load_subject: tenant, subject
SELECT subject.document
FROM subject
WHERE subject.tenant = :1 AND subject.subject = :2;

-- load_subject_by_username: tenant, username_key
SELECT subject.document
FROM subject
WHERE subject.tenant = :1 AND subject.username_key = :2;

-- list_subjects: tenant, after, first, beyond, limit
SELECT subject.document
FROM subject
WHERE subject.tenant = :1 AND subject.username_key > :2 AND subject.username_key >= :3 AND subject.username_key < :4 ORDER BY subject.username_key
 FETCH FIRST :5 ROWS ONLY;

-- insert_subject: tenant, subject, username_key, enabled, version, document
INSERT INTO subject (tenant, subject, username_key, enabled, version, document) VALUES (:1, :2, :3, :4, :5, :6);

-- update_subject: username_key, enabled, version, document, tenant, subject, stored_version
UPDATE subject SET username_key=:1, enabled=:2, version=:3, document=:4 WHERE subject.tenant = :5 AND subject.subject = :6 AND subject.version = :7;

-- delete_subject: tenant, subject
DELETE FROM subject WHERE subject.tenant = :1 AND subject.subject = :2;

-- insert_authorization: tenant, authorization_id, client_id, subject, session_id, session_bound, code_digest, code_expires_at, code_redeemed_at, generation, rotated_at, revoked_at, created_at, expires_at, document
INSERT INTO authorization (tenant, authorization_id, client_id, subject, session_id, session_bound, code_digest, code_expires_at, code_redeemed_at, generation, rotated_at, revoked_at, created_at, expires_at, document) VALUES (:1, :2, :3, :4, :5, :6, :7, :8, :9, :10, :11, :12, :13, :14, :15);

-- load_authorization: tenant, authorization_id
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = :1 AND authorization.authorization_id = :2;

-- load_authorization_by_code: tenant, code_digest
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = :1 AND authorization.code_digest = :2;

-- redeem_code: now, tenant, authorization_id, now
UPDATE authorization SET code_redeemed_at=:1 WHERE authorization.tenant = :2 AND authorization.authorization_id = :3 AND authorization.code_redeemed_at IS NULL AND authorization.revoked_at IS NULL AND authorization.code_expires_at > :4;

-- rotate_refresh: now, tenant, authorization_id, presented, now
UPDATE authorization SET generation=(authorization.generation + 1), rotated_at=:1 WHERE authorization.tenant = :2 AND authorization.authorization_id = :3 AND authorization.generation = :4 AND authorization.revoked_at IS NULL AND authorization.expires_at > :5;

-- keep_refresh: now, tenant, authorization_id, presented, now
UPDATE authorization SET rotated_at=:1 WHERE authorization.tenant = :2 AND authorization.authorization_id = :3 AND authorization.generation = :4 AND authorization.revoked_at IS NULL AND authorization.expires_at > :5;

-- revoke_authorization: now, tenant, authorization_id
UPDATE authorization SET revoked_at=:1 WHERE authorization.tenant = :2 AND authorization.authorization_id = :3 AND authorization.revoked_at IS NULL;

-- list_authorizations: tenant, now, created_at, created_at, authorization_id, limit
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = :1 AND authorization.revoked_at IS NULL AND authorization.expires_at > :2 AND (authorization.created_at < :3 OR authorization.created_at = :4 AND authorization.authorization_id < :5) ORDER BY authorization.created_at DESC, authorization.authorization_id DESC
 FETCH FIRST :6 ROWS ONLY;

-- list_authorizations_by_subject: tenant, subject, now, created_at, created_at, authorization_id, limit
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = :1 AND authorization.subject = :2 AND authorization.revoked_at IS NULL AND authorization.expires_at > :3 AND (authorization.created_at < :4 OR authorization.created_at = :5 AND authorization.authorization_id < :6) ORDER BY authorization.created_at DESC, authorization.authorization_id DESC
 FETCH FIRST :7 ROWS ONLY;

-- list_authorizations_by_client_id: tenant, client_id, now, created_at, created_at, authorization_id, limit
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = :1 AND authorization.client_id = :2 AND authorization.revoked_at IS NULL AND authorization.expires_at > :3 AND (authorization.created_at < :4 OR authorization.created_at = :5 AND authorization.authorization_id < :6) ORDER BY authorization.created_at DESC, authorization.authorization_id DESC
 FETCH FIRST :7 ROWS ONLY;

-- list_authorizations_by_subject_by_client_id: tenant, subject, client_id, now, created_at, created_at, authorization_id, limit
SELECT authorization.tenant, authorization.authorization_id, authorization.client_id, authorization.subject, authorization.session_id, authorization.session_bound, authorization.code_digest, authorization.code_expires_at, authorization.code_redeemed_at, authorization.generation, authorization.rotated_at, authorization.revoked_at, authorization.created_at, authorization.expires_at, authorization.document
FROM authorization
WHERE authorization.tenant = :1 AND authorization.subject = :2 AND authorization.client_id = :3 AND authorization.revoked_at IS NULL AND authorization.expires_at > :4 AND (authorization.created_at < :5 OR authorization.created_at = :6 AND authorization.authorization_id < :7) ORDER BY authorization.created_at DESC, authorization.authorization_id DESC
 FETCH FIRST :8 ROWS ONLY;

-- revoke_authorizations_by_subject: now, tenant, subject
UPDATE authorization SET revoked_at=:1 WHERE authorization.tenant = :2 AND authorization.subject = :3 AND authorization.revoked_at IS NULL;

-- revoke_authorizations_by_client_id: now, tenant, client_id
UPDATE authorization SET revoked_at=:1 WHERE authorization.tenant = :2 AND authorization.client_id = :3 AND authorization.revoked_at IS NULL;

-- revoke_authorizations_by_subject_by_client_id: now, tenant, subject, client_id
UPDATE authorization SET revoked_at=:1 WHERE authorization.tenant = :2 AND authorization.subject = :3 AND authorization.client_id = :4 AND authorization.revoked_at IS NULL;

-- revoke_authorizations_by_session_id: now, tenant, session_id
UPDATE authorization SET revoked_at=:1 WHERE authorization.tenant = :2 AND authorization.session_id = :3 AND authorization.revoked_at IS NULL AND authorization.session_bound = 1;

-- count_live_authorizations_by_subject: tenant, subject, now
SELECT count(*) AS count_1
FROM authorization
WHERE authorization.tenant = :1 AND authorization.subject = :2 AND authorization.revoked_at IS NULL AND authorization.expires_at > :3;

-- count_live_authorizations_by_client_id: tenant, client_id, now
SELECT count(*) AS count_1
FROM authorization
WHERE authorization.tenant = :1 AND authorization.client_id = :2 AND authorization.revoked_at IS NULL AND authorization.expires_at > :3;

-- count_live_authorizations_by_subject_by_client_id: tenant, subject, client_id, now
SELECT count(*) AS count_1
FROM authorization
WHERE authorization.tenant = :1 AND authorization.subject = :2 AND authorization.client_id = :3 AND authorization.revoked_at IS NULL AND authorization.expires_at > :4;

-- find_end_of_part_by_subject: tenant, subject, skip, limit
SELECT authorization.created_at
FROM authorization
WHERE authorization.tenant = :1 AND authorization.subject = :2 AND authorization.revoked_at IS NULL ORDER BY authorization.created_at
 OFFSET :3 ROWS
 FETCH FIRST :4 ROWS ONLY;

-- find_end_of_part_by_client_id: tenant, client_id, skip, limit
SELECT authorization.created_at
FROM authorization
WHERE authorization.tenant = :1 AND authorization.client_id = :2 AND authorization.revoked_at IS NULL ORDER BY authorization.created_at
 OFFSET :3 ROWS
 FETCH FIRST :4 ROWS ONLY;

-- find_end_of_part_by_subject_by_client_id: tenant, subject, client_id, skip, limit
SELECT authorization.created_at
FROM authorization
WHERE authorization.tenant = :1 AND authorization.subject = :2 AND authorization.client_id = :3 AND authorization.revoked_at IS NULL ORDER BY authorization.created_at
 OFFSET :4 ROWS
 FETCH FIRST :5 ROWS ONLY;

-- revoke_part_of_authorizations_by_subject: now, tenant, subject, end
UPDATE authorization SET revoked_at=:1 WHERE authorization.tenant = :2 AND authorization.subject = :3 AND authorization.revoked_at IS NULL AND authorization.created_at <= :4;

-- revoke_part_of_authorizations_by_client_id: now, tenant, client_id, end
UPDATE authorization SET revoked_at=:1 WHERE authorization.tenant = :2 AND authorization.client_id = :3 AND authorization.revoked_at IS NULL AND authorization.created_at <= :4;

-- revoke_part_of_authorizations_by_subject_by_client_id: now, tenant, subject, client_id, end
UPDATE authorization SET revoked_at=:1 WHERE authorization.tenant = :2 AND authorization.subject = :3 AND authorization.client_id = :4 AND authorization.revoked_at IS NULL AND authorization.created_at <= :5;

-- find_latest_revoked_authorization_by_subject: tenant, subject
SELECT max(authorization.created_at) AS max_1
FROM authorization
WHERE authorization.tenant = :1 AND authorization.subject = :2 AND authorization.revoked_at IS NOT NULL;

-- find_latest_revoked_authorization_by_client_id: tenant, client_id
SELECT max(authorization.created_at) AS max_1
FROM authorization
WHERE authorization.tenant = :1 AND authorization.client_id = :2 AND authorization.revoked_at IS NOT NULL;

-- find_latest_revoked_authorization_by_subject_by_client_id: tenant, subject, client_id
SELECT max(authorization.created_at) AS max_1
FROM authorization
WHERE authorization.tenant = :1 AND authorization.subject = :2 AND authorization.client_id = :3 AND authorization.revoked_at IS NOT NULL;

-- insert_session: tenant, session_id, digest, subject, created_at, last_seen_at, expires_at, ended_at, document
INSERT INTO "session" (tenant, session_id, digest, subject, created_at, last_seen_at, expires_at, ended_at, document) VALUES (:1, :2, :3, :4, :5, :6, :7, :8, :9);

-- load_session: tenant, session_id
SELECT "session".tenant, "session".session_id, "session".digest, "session".subject, "session".created_at, "session".last_seen_at, "session".expires_at, "session".ended_at, "session".document
FROM "session"
WHERE "session".tenant = :1 AND "session".session_id = :2;

-- load_session_by_digest: tenant, digest
SELECT "session".tenant, "session".session_id, "session".digest, "session".subject, "session".created_at, "session".last_seen_at, "session".expires_at, "session".ended_at, "session".document
FROM "session"
WHERE "session".tenant = :1 AND "session".digest = :2;

-- renew_session: digest, last_seen_at, expires_at, document, tenant, session_id, subject
UPDATE "session" SET digest=:1, last_seen_at=:2, expires_at=:3, document=:4 WHERE "session".tenant = :5 AND "session".session_id = :6 AND "session".subject = :7 AND "session".ended_at IS NULL;

-- touch_session: seen_at, tenant, session_id, seen_at
UPDATE "session" SET last_seen_at=:1 WHERE "session".tenant = :2 AND "session".session_id = :3 AND "session".ended_at IS NULL AND "session".last_seen_at < :4;

-- lock_session: tenant, session_id
UPDATE "session" SET ended_at="session".ended_at WHERE "session".tenant = :1 AND "session".session_id = :2;

-- list_sessions: tenant, subject, now
SELECT "session".tenant, "session".session_id, "session".digest, "session".subject, "session".created_at, "session".last_seen_at, "session".expires_at, "session".ended_at, "session".document
FROM "session"
WHERE "session".tenant = :1 AND "session".subject = :2 AND "session".ended_at IS NULL AND "session".expires_at > :3 ORDER BY "session".created_at DESC, "session".session_id DESC;

-- find_open_sessions: tenant, subject
SELECT "session".session_id
FROM "session"
WHERE "session".tenant = :1 AND "session".subject = :2 AND "session".ended_at IS NULL ORDER BY "session".session_id;

-- end_session: now, tenant, session_id
UPDATE "session" SET ended_at=:1 WHERE "session".tenant = :2 AND "session".session_id = :3 AND "session".ended_at IS NULL;

-- find_clients_of_session: tenant, session_id
SELECT DISTINCT "session".subject, authorization.client_id
FROM "session" JOIN authorization ON authorization.tenant = "session".tenant AND authorization.session_id = "session".session_id
WHERE "session".tenant = :1 AND "session".session_id = :2 ORDER BY authorization.client_id;

-- delete_sessions: tenant, subject
DELETE FROM "session" WHERE "session".tenant = :1 AND "session".subject = :2;

-- load_consent: tenant, subject, client_id
SELECT consent.document
FROM consent
WHERE consent.tenant = :1 AND consent.subject = :2 AND consent.client_id = :3;

-- list_consents: tenant, subject
SELECT consent.document
FROM consent
WHERE consent.tenant = :1 AND consent.subject = :2 ORDER BY consent.client_id;

-- insert_consent: tenant, subject, client_id, document
INSERT INTO consent (tenant, subject, client_id, document) VALUES (:1, :2, :3, :4);

-- update_consent: document, tenant, subject, client_id
UPDATE consent SET document=:1 WHERE consent.tenant = :2 AND consent.subject = :3 AND consent.client_id = :4;

-- delete_consent: tenant, subject, client_id
DELETE FROM consent WHERE consent.tenant = :1 AND consent.subject = :2 AND consent.client_id = :3;

-- delete_consents_of_client: tenant, client_id
DELETE FROM consent WHERE consent.tenant = :1 AND consent.client_id = :2;

-- delete_consents_of_subject: tenant, subject
DELETE FROM consent WHERE consent.tenant = :1 AND consent.subject = :2;

-- insert_interaction: tenant, interaction_id, version, completed_at, expires_at, document
INSERT INTO interaction (tenant, interaction_id, version, completed_at, expires_at, document) VALUES (:1, :2, :3, :4, :5, :6);

-- load_interaction: tenant, interaction_id
SELECT interaction.document, interaction.version, interaction.completed_at
FROM interaction
WHERE interaction.tenant = :1 AND interaction.interaction_id = :2;

-- update_interaction: version, completed_at, expires_at, document, tenant, interaction_id, stored_version
UPDATE interaction SET version=:1, completed_at=:2, expires_at=:3, document=:4 WHERE interaction.tenant = :5 AND interaction.interaction_id = :6 AND interaction.version = :7;

-- complete_interaction: completed_at, document, tenant, interaction_id
UPDATE interaction SET version=(interaction.version + 1), completed_at=:1, document=:2 WHERE interaction.tenant = :3 AND interaction.interaction_id = :4 AND interaction.completed_at IS NULL;

-- list_keys: tenant
SELECT signing_key.tenant, signing_key.kid, signing_key.alg, signing_key.state, signing_key.public_jwk, signing_key.sealed_private_key, signing_key.created_at, signing_key.activated_at, signing_key.retired_at, signing_key.remove_at
FROM signing_key
WHERE signing_key.tenant = :1 ORDER BY signing_key.created_at DESC, signing_key.kid DESC;

-- find_key_in_state: tenant, alg, state, limit
SELECT signing_key.kid
FROM signing_key
WHERE signing_key.tenant = :1 AND signing_key.alg = :2 AND signing_key.state = :3 ORDER BY signing_key.kid
 FETCH FIRST :4 ROWS ONLY;

-- insert_key: tenant, kid, alg, state, public_jwk, sealed_private_key, created_at, activated_at, retired_at, remove_at
INSERT INTO signing_key (tenant, kid, alg, state, public_jwk, sealed_private_key, created_at, activated_at, retired_at, remove_at) VALUES (:1, :2, :3, :4, :5, :6, :7, :8, :9, :10);

-- move_key: to_state, activated_at, retired_at, remove_at, tenant, kid, from_state
UPDATE signing_key SET state=:1, activated_at=coalesce(:2, signing_key.activated_at), retired_at=coalesce(:3, signing_key.retired_at), remove_at=coalesce(:4, signing_key.remove_at) WHERE signing_key.tenant = :5 AND signing_key.kid = :6 AND signing_key.state = :7;

-- load_sealed_key: tenant, kid
SELECT signing_key.sealed_private_key
FROM signing_key
WHERE signing_key.tenant = :1 AND signing_key.kid = :2;

-- replace_sealed_key: sealed_private_key, tenant, kid
UPDATE signing_key SET sealed_private_key=:1 WHERE signing_key.tenant = :2 AND signing_key.kid = :3;

-- delete_key: tenant, kid
DELETE FROM signing_key WHERE signing_key.tenant = :1 AND signing_key.kid = :2;

-- insert_revocation: tenant, kind, key, not_before, keep_until
INSERT INTO revocation (tenant, kind, key, not_before, keep_until) VALUES (:1, :2, :3, :4, :5);

-- tighten_revocation: not_before, not_before, keep_until, keep_until, tenant, kind, key
UPDATE revocation SET not_before=CASE WHEN (revocation.not_before < :1) THEN :2 ELSE revocation.not_before END, keep_until=CASE WHEN (revocation.keep_until < :3) THEN :4 ELSE revocation.keep_until END WHERE revocation.tenant = :5 AND revocation.kind = :6 AND revocation.key = :7;

-- find_revocation: tenant, kind, key
SELECT revocation.tenant, revocation.kind, revocation.key, revocation.not_before, revocation.keep_until
FROM revocation
WHERE revocation.tenant = :1 AND revocation.kind = :2 AND revocation.key = :3;

-- load_revocations: now, limit
SELECT revocation.tenant, revocation.kind, revocation.key, revocation.not_before, revocation.keep_until
FROM revocation
WHERE revocation.keep_until > :1 ORDER BY revocation.keep_until
 FETCH FIRST :2 ROWS ONLY;

-- insert_change: tenant, kind, key, document, created_at, ret_0
INSERT INTO change (tenant, kind, key, document, created_at) VALUES (:1, :2, :3, :4, :5) RETURNING change.sequence INTO :6;

-- load_changes: after, limit
SELECT change.sequence, change.tenant, change.kind, change.key, change.document
FROM change
WHERE change.sequence > :1 ORDER BY change.sequence
 FETCH FIRST :2 ROWS ONLY;

-- last_change
SELECT max(change.sequence) AS max_1
FROM change;

-- last_change_before: created_before
SELECT max(change.sequence) AS max_1
FROM change
WHERE change.created_at < :1;

-- insert_single_use: tenant, digest, expires_at
INSERT INTO single_use (tenant, digest, expires_at) VALUES (:1, :2, :3);

-- renew_single_use: expires_at, tenant, digest, now
UPDATE single_use SET expires_at=:1 WHERE single_use.tenant = :2 AND single_use.digest = :3 AND single_use.expires_at <= :4;

-- insert_attempt: tenant, digest, attempts, expires_at, started_at
INSERT INTO attempt (tenant, digest, attempts, expires_at, started_at) VALUES (:1, :2, :3, :4, :5);

-- count_attempt: over_at, over_at, ends_at, over_at, now, tenant, digest
UPDATE attempt SET attempts=CASE WHEN (attempt.started_at <= :1) THEN 1 ELSE attempt.attempts + 1 END, expires_at=CASE WHEN (attempt.started_at <= :2) THEN :3 ELSE attempt.expires_at END, started_at=CASE WHEN (attempt.started_at <= :4) THEN :5 ELSE attempt.started_at END WHERE attempt.tenant = :6 AND attempt.digest = :7;

-- take_back_attempt: tenant, digest
UPDATE attempt SET attempts=(attempt.attempts - 1) WHERE attempt.tenant = :1 AND attempt.digest = :2 AND attempt.attempts > 0;

-- load_attempts: tenant, digest
SELECT attempt.attempts
FROM attempt
WHERE attempt.tenant = :1 AND attempt.digest = :2;

-- delete_attempts: tenant, digest
DELETE FROM attempt WHERE attempt.tenant = :1 AND attempt.digest = :2;

-- insert_entry: tenant, kind, key, expires_at, version, document
INSERT INTO entry (tenant, kind, key, expires_at, version, document) VALUES (:1, :2, :3, :4, :5, :6);

-- load_entry: tenant, kind, key
SELECT entry.document
FROM entry
WHERE entry.tenant = :1 AND entry.kind = :2 AND entry.key = :3;

-- list_entries: tenant, kind, after, limit
SELECT entry.document
FROM entry
WHERE entry.tenant = :1 AND entry.kind = :2 AND entry.key > :3 ORDER BY entry.key
 FETCH FIRST :4 ROWS ONLY;

-- update_entry: expires_at, version, document, tenant, kind, key, stored_version
UPDATE entry SET expires_at=:1, version=:2, document=:3 WHERE entry.tenant = :4 AND entry.kind = :5 AND entry.key = :6 AND entry.version = :7;

-- delete_entry: tenant, kind, key
DELETE FROM entry WHERE entry.tenant = :1 AND entry.kind = :2 AND entry.key = :3;

-- insert_task: tenant, task_id, kind, due_at, expires_at, version, document
INSERT INTO task (tenant, task_id, kind, due_at, expires_at, version, document) VALUES (:1, :2, :3, :4, :5, :6, :7);

-- list_due_tasks: kind, now, limit
SELECT task.document
FROM task
WHERE task.kind = :1 AND task.due_at <= :2 ORDER BY task.due_at, task.tenant, task.task_id
 FETCH FIRST :3 ROWS ONLY;

-- update_task: due_at, expires_at, version, document, tenant, task_id, stored_version
UPDATE task SET due_at=:1, expires_at=:2, version=:3, document=:4 WHERE task.tenant = :5 AND task.task_id = :6 AND task.version = :7;

-- delete_task: tenant, task_id
DELETE FROM task WHERE task.tenant = :1 AND task.task_id = :2;

-- insert_device_request: tenant, device_digest, user_code_digest, expires_at, version, document
INSERT INTO device_request (tenant, device_digest, user_code_digest, expires_at, version, document) VALUES (:1, :2, :3, :4, :5, :6);

-- load_device_request: tenant, device_digest
SELECT device_request.document
FROM device_request
WHERE device_request.tenant = :1 AND device_request.device_digest = :2;

-- load_device_request_by_user_code: tenant, user_code_digest
SELECT device_request.document
FROM device_request
WHERE device_request.tenant = :1 AND device_request.user_code_digest = :2;

-- update_device_request: expires_at, version, document, tenant, device_digest, stored_version
UPDATE device_request SET expires_at=:1, version=:2, document=:3 WHERE device_request.tenant = :4 AND device_request.device_digest = :5 AND device_request.version = :6;

-- free_user_code: nobody_s_digest, tenant, user_code_digest, now
UPDATE device_request SET user_code_digest=:1 WHERE device_request.tenant = :2 AND device_request.user_code_digest = :3 AND device_request.expires_at <= :4;

-- load_lease: name
SELECT lease.holder, lease.beat
FROM lease
WHERE lease.name = :1;

-- insert_lease: name, holder, beat
INSERT INTO lease (name, holder, beat) VALUES (:1, :2, :3);

-- take_lease: holder, beat, name, seen_holder, seen_beat
UPDATE lease SET holder=:1, beat=:2 WHERE lease.name = :3 AND lease.holder = :4 AND lease.beat = :5;

-- delete_lease: name, holder, beat
DELETE FROM lease WHERE lease.name = :1 AND lease.holder = :2 AND lease.beat = :3;

-- find_expired_authorization: now, now, limit
SELECT authorization.tenant, authorization.authorization_id
FROM authorization
WHERE authorization.expires_at <= :1 AND NOT (EXISTS (SELECT *
FROM "session"
WHERE "session".tenant = authorization.tenant AND "session".session_id = authorization.session_id AND "session".ended_at IS NULL AND "session".expires_at > :2)) ORDER BY authorization.expires_at
 FETCH FIRST :3 ROWS ONLY;

-- clean_authorization: tenant_0, authorization_id_0, tenant_1, authorization_id_1, tenant_2, authorization_id_2, tenant_3, authorization_id_3, tenant_4, authorization_id_4, tenant_5, authorization_id_5, tenant_6, authorization_id_6, tenant_7, authorization_id_7, tenant_8, authorization_id_8, tenant_9, authorization_id_9, tenant_10, authorization_id_10, tenant_11, authorization_id_11, tenant_12, authorization_id_12, tenant_13, authorization_id_13, tenant_14, authorization_id_14, tenant_15, authorization_id_15, tenant_16, authorization_id_16, tenant_17, authorization_id_17, tenant_18, authorization_id_18, tenant_19, authorization_id_19, now
DELETE FROM authorization WHERE (authorization.tenant = :1 AND authorization.authorization_id = :2 OR authorization.tenant = :3 AND authorization.authorization_id = :4 OR authorization.tenant = :5 AND authorization.authorization_id = :6 OR authorization.tenant = :7 AND authorization.authorization_id = :8 OR authorization.tenant = :9 AND authorization.authorization_id = :10 OR authorization.tenant = :11 AND authorization.authorization_id = :12 OR authorization.tenant = :13 AND authorization.authorization_id = :14 OR authorization.tenant = :15 AND authorization.authorization_id = :16 OR authorization.tenant = :17 AND authorization.authorization_id = :18 OR authorization.tenant = :19 AND authorization.authorization_id = :20 OR authorization.tenant = :21 AND authorization.authorization_id = :22 OR authorization.tenant = :23 AND authorization.authorization_id = :24 OR authorization.tenant = :25 AND authorization.authorization_id = :26 OR authorization.tenant = :27 AND authorization.authorization_id = :28 OR authorization.tenant = :29 AND authorization.authorization_id = :30 OR authorization.tenant = :31 AND authorization.authorization_id = :32 OR authorization.tenant = :33 AND authorization.authorization_id = :34 OR authorization.tenant = :35 AND authorization.authorization_id = :36 OR authorization.tenant = :37 AND authorization.authorization_id = :38 OR authorization.tenant = :39 AND authorization.authorization_id = :40) AND authorization.expires_at <= :41;

-- find_expired_session: now, limit
SELECT "session".tenant, "session".session_id
FROM "session"
WHERE "session".expires_at <= :1 ORDER BY "session".expires_at
 FETCH FIRST :2 ROWS ONLY;

-- clean_session: tenant_0, session_id_0, tenant_1, session_id_1, tenant_2, session_id_2, tenant_3, session_id_3, tenant_4, session_id_4, tenant_5, session_id_5, tenant_6, session_id_6, tenant_7, session_id_7, tenant_8, session_id_8, tenant_9, session_id_9, tenant_10, session_id_10, tenant_11, session_id_11, tenant_12, session_id_12, tenant_13, session_id_13, tenant_14, session_id_14, tenant_15, session_id_15, tenant_16, session_id_16, tenant_17, session_id_17, tenant_18, session_id_18, tenant_19, session_id_19, now
DELETE FROM "session" WHERE ("session".tenant = :1 AND "session".session_id = :2 OR "session".tenant = :3 AND "session".session_id = :4 OR "session".tenant = :5 AND "session".session_id = :6 OR "session".tenant = :7 AND "session".session_id = :8 OR "session".tenant = :9 AND "session".session_id = :10 OR "session".tenant = :11 AND "session".session_id = :12 OR "session".tenant = :13 AND "session".session_id = :14 OR "session".tenant = :15 AND "session".session_id = :16 OR "session".tenant = :17 AND "session".session_id = :18 OR "session".tenant = :19 AND "session".session_id = :20 OR "session".tenant = :21 AND "session".session_id = :22 OR "session".tenant = :23 AND "session".session_id = :24 OR "session".tenant = :25 AND "session".session_id = :26 OR "session".tenant = :27 AND "session".session_id = :28 OR "session".tenant = :29 AND "session".session_id = :30 OR "session".tenant = :31 AND "session".session_id = :32 OR "session".tenant = :33 AND "session".session_id = :34 OR "session".tenant = :35 AND "session".session_id = :36 OR "session".tenant = :37 AND "session".session_id = :38 OR "session".tenant = :39 AND "session".session_id = :40) AND "session".expires_at <= :41;

-- find_expired_interaction: now, limit
SELECT interaction.tenant, interaction.interaction_id
FROM interaction
WHERE interaction.expires_at <= :1 ORDER BY interaction.expires_at
 FETCH FIRST :2 ROWS ONLY;

-- clean_interaction: tenant_0, interaction_id_0, tenant_1, interaction_id_1, tenant_2, interaction_id_2, tenant_3, interaction_id_3, tenant_4, interaction_id_4, tenant_5, interaction_id_5, tenant_6, interaction_id_6, tenant_7, interaction_id_7, tenant_8, interaction_id_8, tenant_9, interaction_id_9, tenant_10, interaction_id_10, tenant_11, interaction_id_11, tenant_12, interaction_id_12, tenant_13, interaction_id_13, tenant_14, interaction_id_14, tenant_15, interaction_id_15, tenant_16, interaction_id_16, tenant_17, interaction_id_17, tenant_18, interaction_id_18, tenant_19, interaction_id_19, now
DELETE FROM interaction WHERE (interaction.tenant = :1 AND interaction.interaction_id = :2 OR interaction.tenant = :3 AND interaction.interaction_id = :4 OR interaction.tenant = :5 AND interaction.interaction_id = :6 OR interaction.tenant = :7 AND interaction.interaction_id = :8 OR interaction.tenant = :9 AND interaction.interaction_id = :10 OR interaction.tenant = :11 AND interaction.interaction_id = :12 OR interaction.tenant = :13 AND interaction.interaction_id = :14 OR interaction.tenant = :15 AND interaction.interaction_id = :16 OR interaction.tenant = :17 AND interaction.interaction_id = :18 OR interaction.tenant = :19 AND interaction.interaction_id = :20 OR interaction.tenant = :21 AND interaction.interaction_id = :22 OR interaction.tenant = :23 AND interaction.interaction_id = :24 OR interaction.tenant = :25 AND interaction.interaction_id = :26 OR interaction.tenant = :27 AND interaction.interaction_id = :28 OR interaction.tenant = :29 AND interaction.interaction_id = :30 OR interaction.tenant = :31 AND interaction.interaction_id = :32 OR interaction.tenant = :33 AND interaction.interaction_id = :34 OR interaction.tenant = :35 AND interaction.interaction_id = :36 OR interaction.tenant = :37 AND interaction.interaction_id = :38 OR interaction.tenant = :39 AND interaction.interaction_id = :40) AND interaction.expires_at <= :41;

-- find_expired_revocation: now, limit
SELECT revocation.tenant, revocation.kind, revocation.key
FROM revocation
WHERE revocation.keep_until <= :1 ORDER BY revocation.keep_until
 FETCH FIRST :2 ROWS ONLY;

-- clean_revocation: tenant_0, kind_0, key_0, tenant_1, kind_1, key_1, tenant_2, kind_2, key_2, tenant_3, kind_3, key_3, tenant_4, kind_4, key_4, tenant_5, kind_5, key_5, tenant_6, kind_6, key_6, tenant_7, kind_7, key_7, tenant_8, kind_8, key_8, tenant_9, kind_9, key_9, tenant_10, kind_10, key_10, tenant_11, kind_11, key_11, tenant_12, kind_12, key_12, tenant_13, kind_13, key_13, tenant_14, kind_14, key_14, tenant_15, kind_15, key_15, tenant_16, kind_16, key_16, tenant_17, kind_17, key_17, tenant_18, kind_18, key_18, tenant_19, kind_19, key_19, now
DELETE FROM revocation WHERE (revocation.tenant = :1 AND revocation.kind = :2 AND revocation.key = :3 OR revocation.tenant = :4 AND revocation.kind = :5 AND revocation.key = :6 OR revocation.tenant = :7 AND revocation.kind = :8 AND revocation.key = :9 OR revocation.tenant = :10 AND revocation.kind = :11 AND revocation.key = :12 OR revocation.tenant = :13 AND revocation.kind = :14 AND revocation.key = :15 OR revocation.tenant = :16 AND revocation.kind = :17 AND revocation.key = :18 OR revocation.tenant = :19 AND revocation.kind = :20 AND revocation.key = :21 OR revocation.tenant = :22 AND revocation.kind = :23 AND revocation.key = :24 OR revocation.tenant = :25 AND revocation.kind = :26 AND revocation.key = :27 OR revocation.tenant = :28 AND revocation.kind = :29 AND revocation.key = :30 OR revocation.tenant = :31 AND revocation.kind = :32 AND revocation.key = :33 OR revocation.tenant = :34 AND revocation.kind = :35 AND revocation.key = :36 OR revocation.tenant = :37 AND revocation.kind = :38 AND revocation.key = :39 OR revocation.tenant = :40 AND revocation.kind = :41 AND revocation.key = :42 OR revocation.tenant = :43 AND revocation.kind = :44 AND revocation.key = :45 OR revocation.tenant = :46 AND revocation.kind = :47 AND revocation.key = :48 OR revocation.tenant = :49 AND revocation.kind = :50 AND revocation.key = :51 OR revocation.tenant = :52 AND revocation.kind = :53 AND revocation.key = :54 OR revocation.tenant = :55 AND revocation.kind = :56 AND revocation.key = :57 OR revocation.tenant = :58 AND revocation.kind = :59 AND revocation.key = :60) AND revocation.keep_until <= :61;

-- find_expired_single_use: now, limit
SELECT single_use.tenant, single_use.digest
FROM single_use
WHERE single_use.expires_at <= :1 ORDER BY single_use.expires_at
 FETCH FIRST :2 ROWS ONLY;

-- clean_single_use: tenant_0, digest_0, tenant_1, digest_1, tenant_2, digest_2, tenant_3, digest_3, tenant_4, digest_4, tenant_5, digest_5, tenant_6, digest_6, tenant_7, digest_7, tenant_8, digest_8, tenant_9, digest_9, tenant_10, digest_10, tenant_11, digest_11, tenant_12, digest_12, tenant_13, digest_13, tenant_14, digest_14, tenant_15, digest_15, tenant_16, digest_16, tenant_17, digest_17, tenant_18, digest_18, tenant_19, digest_19, now
DELETE FROM single_use WHERE (single_use.tenant = :1 AND single_use.digest = :2 OR single_use.tenant = :3 AND single_use.digest = :4 OR single_use.tenant = :5 AND single_use.digest = :6 OR single_use.tenant = :7 AND single_use.digest = :8 OR single_use.tenant = :9 AND single_use.digest = :10 OR single_use.tenant = :11 AND single_use.digest = :12 OR single_use.tenant = :13 AND single_use.digest = :14 OR single_use.tenant = :15 AND single_use.digest = :16 OR single_use.tenant = :17 AND single_use.digest = :18 OR single_use.tenant = :19 AND single_use.digest = :20 OR single_use.tenant = :21 AND single_use.digest = :22 OR single_use.tenant = :23 AND single_use.digest = :24 OR single_use.tenant = :25 AND single_use.digest = :26 OR single_use.tenant = :27 AND single_use.digest = :28 OR single_use.tenant = :29 AND single_use.digest = :30 OR single_use.tenant = :31 AND single_use.digest = :32 OR single_use.tenant = :33 AND single_use.digest = :34 OR single_use.tenant = :35 AND single_use.digest = :36 OR single_use.tenant = :37 AND single_use.digest = :38 OR single_use.tenant = :39 AND single_use.digest = :40) AND single_use.expires_at <= :41;

-- find_expired_attempt: now, limit
SELECT attempt.tenant, attempt.digest
FROM attempt
WHERE attempt.expires_at <= :1 ORDER BY attempt.expires_at
 FETCH FIRST :2 ROWS ONLY;

-- clean_attempt: tenant_0, digest_0, tenant_1, digest_1, tenant_2, digest_2, tenant_3, digest_3, tenant_4, digest_4, tenant_5, digest_5, tenant_6, digest_6, tenant_7, digest_7, tenant_8, digest_8, tenant_9, digest_9, tenant_10, digest_10, tenant_11, digest_11, tenant_12, digest_12, tenant_13, digest_13, tenant_14, digest_14, tenant_15, digest_15, tenant_16, digest_16, tenant_17, digest_17, tenant_18, digest_18, tenant_19, digest_19, now
DELETE FROM attempt WHERE (attempt.tenant = :1 AND attempt.digest = :2 OR attempt.tenant = :3 AND attempt.digest = :4 OR attempt.tenant = :5 AND attempt.digest = :6 OR attempt.tenant = :7 AND attempt.digest = :8 OR attempt.tenant = :9 AND attempt.digest = :10 OR attempt.tenant = :11 AND attempt.digest = :12 OR attempt.tenant = :13 AND attempt.digest = :14 OR attempt.tenant = :15 AND attempt.digest = :16 OR attempt.tenant = :17 AND attempt.digest = :18 OR attempt.tenant = :19 AND attempt.digest = :20 OR attempt.tenant = :21 AND attempt.digest = :22 OR attempt.tenant = :23 AND attempt.digest = :24 OR attempt.tenant = :25 AND attempt.digest = :26 OR attempt.tenant = :27 AND attempt.digest = :28 OR attempt.tenant = :29 AND attempt.digest = :30 OR attempt.tenant = :31 AND attempt.digest = :32 OR attempt.tenant = :33 AND attempt.digest = :34 OR attempt.tenant = :35 AND attempt.digest = :36 OR attempt.tenant = :37 AND attempt.digest = :38 OR attempt.tenant = :39 AND attempt.digest = :40) AND attempt.expires_at <= :41;

-- find_expired_signing_key: now, limit
SELECT signing_key.tenant, signing_key.kid
FROM signing_key
WHERE signing_key.remove_at <= :1 ORDER BY signing_key.remove_at
 FETCH FIRST :2 ROWS ONLY;

-- clean_signing_key: tenant_0, kid_0, tenant_1, kid_1, tenant_2, kid_2, tenant_3, kid_3, tenant_4, kid_4, tenant_5, kid_5, tenant_6, kid_6, tenant_7, kid_7, tenant_8, kid_8, tenant_9, kid_9, tenant_10, kid_10, tenant_11, kid_11, tenant_12, kid_12, tenant_13, kid_13, tenant_14, kid_14, tenant_15, kid_15, tenant_16, kid_16, tenant_17, kid_17, tenant_18, kid_18, tenant_19, kid_19, now
DELETE FROM signing_key WHERE (signing_key.tenant = :1 AND signing_key.kid = :2 OR signing_key.tenant = :3 AND signing_key.kid = :4 OR signing_key.tenant = :5 AND signing_key.kid = :6 OR signing_key.tenant = :7 AND signing_key.kid = :8 OR signing_key.tenant = :9 AND signing_key.kid = :10 OR signing_key.tenant = :11 AND signing_key.kid = :12 OR signing_key.tenant = :13 AND signing_key.kid = :14 OR signing_key.tenant = :15 AND signing_key.kid = :16 OR signing_key.tenant = :17 AND signing_key.kid = :18 OR signing_key.tenant = :19 AND signing_key.kid = :20 OR signing_key.tenant = :21 AND signing_key.kid = :22 OR signing_key.tenant = :23 AND signing_key.kid = :24 OR signing_key.tenant = :25 AND signing_key.kid = :26 OR signing_key.tenant = :27 AND signing_key.kid = :28 OR signing_key.tenant = :29 AND signing_key.kid = :30 OR signing_key.tenant = :31 AND signing_key.kid = :32 OR signing_key.tenant = :33 AND signing_key.kid = :34 OR signing_key.tenant = :35 AND signing_key.kid = :36 OR signing_key.tenant = :37 AND signing_key.kid = :38 OR signing_key.tenant = :39 AND signing_key.kid = :40) AND signing_key.remove_at <= :41;

-- find_expired_entry: now, limit
SELECT entry.tenant, entry.kind, entry.key
FROM entry
WHERE entry.expires_at <= :1 ORDER BY entry.expires_at
 FETCH FIRST :2 ROWS ONLY;

-- clean_entry: tenant_0, kind_0, key_0, tenant_1, kind_1, key_1, tenant_2, kind_2, key_2, tenant_3, kind_3, key_3, tenant_4, kind_4, key_4, tenant_5, kind_5, key_5, tenant_6, kind_6, key_6, tenant_7, kind_7, key_7, tenant_8, kind_8, key_8, tenant_9, kind_9, key_9, tenant_10, kind_10, key_10, tenant_11, kind_11, key_11, tenant_12, kind_12, key_12, tenant_13, kind_13, key_13, tenant_14, kind_14, key_14, tenant_15, kind_15, key_15, tenant_16, kind_16, key_16, tenant_17, kind_17, key_17, tenant_18, kind_18, key_18, tenant_19, kind_19, key_19, now
DELETE FROM entry WHERE (entry.tenant = :1 AND entry.kind = :2 AND entry.key = :3 OR entry.tenant = :4 AND entry.kind = :5 AND entry.key = :6 OR entry.tenant = :7 AND entry.kind = :8 AND entry.key = :9 OR entry.tenant = :10 AND entry.kind = :11 AND entry.key = :12 OR entry.tenant = :13 AND entry.kind = :14 AND entry.key = :15 OR entry.tenant = :16 AND entry.kind = :17 AND entry.key = :18 OR entry.tenant = :19 AND entry.kind = :20 AND entry.key = :21 OR entry.tenant = :22 AND entry.kind = :23 AND entry.key = :24 OR entry.tenant = :25 AND entry.kind = :26 AND entry.key = :27 OR entry.tenant = :28 AND entry.kind = :29 AND entry.key = :30 OR entry.tenant = :31 AND entry.kind = :32 AND entry.key = :33 OR entry.tenant = :34 AND entry.kind = :35 AND entry.key = :36 OR entry.tenant = :37 AND entry.kind = :38 AND entry.key = :39 OR entry.tenant = :40 AND entry.kind = :41 AND entry.key = :42 OR entry.tenant = :43 AND entry.kind = :44 AND entry.key = :45 OR entry.tenant = :46 AND entry.kind = :47 AND entry.key = :48 OR entry.tenant = :49 AND entry.kind = :50 AND entry.key = :51 OR entry.tenant = :52 AND entry.kind = :53 AND entry.key = :54 OR entry.tenant = :55 AND entry.kind = :56 AND entry.key = :57 OR entry.tenant = :58 AND entry.kind = :59 AND entry.key = :60) AND entry.expires_at <= :61;

-- find_expired_task: now, limit
SELECT task.tenant, task.task_id
FROM task
WHERE task.expires_at <= :1 ORDER BY task.expires_at
 FETCH FIRST :2 ROWS ONLY;

-- clean_task: tenant_0, task_id_0, tenant_1, task_id_1, tenant_2, task_id_2, tenant_3, task_id_3, tenant_4, task_id_4, tenant_5, task_id_5, tenant_6, task_id_6, tenant_7, task_id_7, tenant_8, task_id_8, tenant_9, task_id_9, tenant_10, task_id_10, tenant_11, task_id_11, tenant_12, task_id_12, tenant_13, task_id_13, tenant_14, task_id_14, tenant_15, task_id_15, tenant_16, task_id_16, tenant_17, task_id_17, tenant_18, task_id_18, tenant_19, task_id_19, now
DELETE FROM task WHERE (task.tenant = :1 AND task.task_id = :2 OR task.tenant = :3 AND task.task_id = :4 OR task.tenant = :5 AND task.task_id = :6 OR task.tenant = :7 AND task.task_id = :8 OR task.tenant = :9 AND task.task_id = :10 OR task.tenant = :11 AND task.task_id = :12 OR task.tenant = :13 AND task.task_id = :14 OR task.tenant = :15 AND task.task_id = :16 OR task.tenant = :17 AND task.task_id = :18 OR task.tenant = :19 AND task.task_id = :20 OR task.tenant = :21 AND task.task_id = :22 OR task.tenant = :23 AND task.task_id = :24 OR task.tenant = :25 AND task.task_id = :26 OR task.tenant = :27 AND task.task_id = :28 OR task.tenant = :29 AND task.task_id = :30 OR task.tenant = :31 AND task.task_id = :32 OR task.tenant = :33 AND task.task_id = :34 OR task.tenant = :35 AND task.task_id = :36 OR task.tenant = :37 AND task.task_id = :38 OR task.tenant = :39 AND task.task_id = :40) AND task.expires_at <= :41;

-- find_expired_device_request: now, limit
SELECT device_request.tenant, device_request.device_digest
FROM device_request
WHERE device_request.expires_at <= :1 ORDER BY device_request.expires_at
 FETCH FIRST :2 ROWS ONLY;

-- clean_device_request: tenant_0, device_digest_0, tenant_1, device_digest_1, tenant_2, device_digest_2, tenant_3, device_digest_3, tenant_4, device_digest_4, tenant_5, device_digest_5, tenant_6, device_digest_6, tenant_7, device_digest_7, tenant_8, device_digest_8, tenant_9, device_digest_9, tenant_10, device_digest_10, tenant_11, device_digest_11, tenant_12, device_digest_12, tenant_13, device_digest_13, tenant_14, device_digest_14, tenant_15, device_digest_15, tenant_16, device_digest_16, tenant_17, device_digest_17, tenant_18, device_digest_18, tenant_19, device_digest_19, now
DELETE FROM device_request WHERE (device_request.tenant = :1 AND device_request.device_digest = :2 OR device_request.tenant = :3 AND device_request.device_digest = :4 OR device_request.tenant = :5 AND device_request.device_digest = :6 OR device_request.tenant = :7 AND device_request.device_digest = :8 OR device_request.tenant = :9 AND device_request.device_digest = :10 OR device_request.tenant = :11 AND device_request.device_digest = :12 OR device_request.tenant = :13 AND device_request.device_digest = :14 OR device_request.tenant = :15 AND device_request.device_digest = :16 OR device_request.tenant = :17 AND device_request.device_digest = :18 OR device_request.tenant = :19 AND device_request.device_digest = :20 OR device_request.tenant = :21 AND device_request.device_digest = :22 OR device_request.tenant = :23 AND device_request.device_digest = :24 OR device_request.tenant = :25 AND device_request.device_digest = :26 OR device_request.tenant = :27 AND device_request.device_digest = :28 OR device_request.tenant = :29 AND device_request.device_digest = :30 OR device_request.tenant = :31 AND device_request.device_digest = :32 OR device_request.tenant = :33 AND device_request.device_digest = :34 OR device_request.tenant = :35 AND device_request.device_digest = :36 OR device_request.tenant = :37 AND device_request.device_digest = :38 OR device_request.tenant = :39 AND device_request.device_digest = :40) AND device_request.expires_at <= :41;

-- find_expired_change: now, limit
SELECT change.sequence
FROM change
WHERE change.created_at <= :1 ORDER BY change.created_at
 FETCH FIRST :2 ROWS ONLY;

-- clean_change: sequence_0, sequence_1, sequence_2, sequence_3, sequence_4, sequence_5, sequence_6, sequence_7, sequence_8, sequence_9, sequence_10, sequence_11, sequence_12, sequence_13, sequence_14, sequence_15, sequence_16, sequence_17, sequence_18, sequence_19, now
DELETE FROM change WHERE (change.sequence = :1 OR change.sequence = :2 OR change.sequence = :3 OR change.sequence = :4 OR change.sequence = :5 OR change.sequence = :6 OR change.sequence = :7 OR change.sequence = :8 OR change.sequence = :9 OR change.sequence = :10 OR change.sequence = :11 OR change.sequence = :12 OR change.sequence = :13 OR change.sequence = :14 OR change.sequence = :15 OR change.sequence = :16 OR change.sequence = :17 OR change.sequence = :18 OR change.sequence = :19 OR change.sequence = :20) AND change.created_at <= :21;
