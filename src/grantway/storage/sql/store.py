"""The SQL store: ``ports.Store`` over a driver. Each method hands one verb to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from grantway.model import (
    Authorization,
    Change,
    Client,
    Consent,
    DeviceRequest,
    Entry,
    EntryKind,
    Interaction,
    KeyState,
    Lease,
    Page,
    RefreshRotation,
    Revocation,
    Session,
    SigningKey,
    Subject,
    Task,
    TaskKind,
    Tenant,
)
from grantway.ports import Clock, RotationOutcome
from grantway.storage.sql import (
    authorizations,
    clients,
    counters,
    device_requests,
    entries,
    feed,
    keys,
    leases,
    row_keys,
    sessions,
    statements,
    subjects,
    tasks,
)
from grantway.storage.sql.transaction import Driver, Transaction

CHANGES_AT_ONCE = 1000
REVOKED_AT_ONCE = 5000
"""Authorizations that one transaction revokes."""


class SqlStore:
    """See ``ports.Store`` for what each method promises."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock
        self._read = driver.read
        self._write = driver.write

    async def start(self) -> None:
        await self._driver.start()

    async def stop(self) -> None:
        await self._driver.stop()

    async def ping(self) -> None:
        await self._read(_ping)

    async def load_time(self) -> int | None:
        if not self._driver.feed_overlap_ms:
            return None  # a file on this machine: there is no other clock
        return await self._driver.watch(_load_time)

    # -- tenants, clients, subjects -----------------------------------------------------------------------------------

    async def load_tenant(self, tenant: str) -> Tenant | None:
        return await self._read(lambda tx: clients.load_tenant(tx, tenant), row_keys.SHORT)

    async def list_tenants(self, *, cursor: str | None = None, limit: int = 100) -> Page:
        return await self._read(lambda tx: clients.list_tenants(tx, cursor, limit))

    async def insert_tenant(self, tenant: Tenant) -> None:
        await self._write(lambda tx: clients.insert_tenant(tx, tenant))

    async def update_tenant(self, tenant: Tenant) -> None:
        await self._write(lambda tx: clients.update_tenant(tx, tenant))

    async def load_client(self, tenant: str, client_id: str) -> Client | None:
        return await self._read(lambda tx: clients.load_client(tx, tenant, client_id), row_keys.SHORT)

    async def list_clients(
        self,
        tenant: str,
        *,
        cursor: str | None = None,
        limit: int = 100,
        client_name: str | None = None,
        owner: str | None = None,
    ) -> Page:
        return await self._read(lambda tx: clients.list_clients(tx, tenant, cursor, limit, client_name, owner))

    async def insert_client(self, client: Client) -> None:
        await self._write(lambda tx: clients.insert_client(tx, client))

    async def update_client(self, client: Client, *, revocation: Revocation | None = None) -> Client:
        return await self._write(lambda tx: clients.update_client(tx, client, revocation))

    async def delete_client(self, tenant: str, client_id: str, *, revocation: Revocation) -> None:
        now = self._clock.now()
        await self._revoke_parts(tenant, None, client_id, now)
        await self._write(lambda tx: clients.delete_client(tx, tenant, client_id, revocation, now))

    async def has_origin(self, tenant: str, origin: str) -> bool:
        return await self._read(lambda tx: clients.has_origin(tx, tenant, origin), row_keys.SHORT)

    async def load_subject(self, tenant: str, subject: str) -> Subject | None:
        return await self._read(lambda tx: subjects.load_subject(tx, tenant, subject), row_keys.SHORT)

    async def load_subject_by_username(self, tenant: str, username_key: str) -> Subject | None:
        return await self._read(lambda tx: subjects.load_subject_by_username(tx, tenant, username_key), row_keys.SHORT)

    async def list_subjects(
        self, tenant: str, *, cursor: str | None = None, limit: int = 100, prefix: str | None = None
    ) -> Page:
        return await self._read(lambda tx: subjects.list_subjects(tx, tenant, cursor, limit, prefix))

    async def insert_subject(self, subject: Subject) -> None:
        await self._write(lambda tx: subjects.insert_subject(tx, subject))

    async def update_subject(self, subject: Subject, *, revocation: Revocation | None = None) -> Subject:
        now = self._clock.now()
        return await self._write(lambda tx: subjects.update_subject(tx, subject, revocation, now))

    async def delete_subject(self, tenant: str, subject: str, *, revocation: Revocation) -> None:
        now = self._clock.now()
        await self._write(lambda tx: subjects.delete_subject(tx, tenant, subject, revocation, now))

    # -- authorizations -----------------------------------------------------------------------------------------------

    async def insert_authorization(self, authorization: Authorization) -> None:
        await self._write(
            lambda tx: authorizations.insert_authorization(tx, authorization),
            row_keys.grant_keys(authorization, None, None),
        )

    async def grant_authorization(
        self, authorization: Authorization, *, consent: Consent | None, interaction: Interaction | None
    ) -> bool:
        return await self._write(
            lambda tx: authorizations.grant_authorization(tx, authorization, consent, interaction),
            row_keys.grant_keys(authorization, consent, interaction),
        )

    async def load_authorization(self, tenant: str, authorization_id: str) -> Authorization | None:
        return await self._read(
            lambda tx: authorizations.load_authorization(tx, tenant, authorization_id), row_keys.SHORT
        )

    async def load_authorization_by_code(self, tenant: str, code_digest: bytes) -> Authorization | None:
        return await self._read(
            lambda tx: authorizations.load_authorization_by_code(tx, tenant, code_digest), row_keys.SHORT
        )

    async def list_authorizations(
        self,
        tenant: str,
        *,
        subject: str | None = None,
        client_id: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page:
        now = self._clock.now()
        return await self._read(
            lambda tx: authorizations.list_authorizations(tx, tenant, subject, client_id, cursor, limit, now)
        )

    async def redeem_code(self, tenant: str, authorization_id: str, now: int) -> bool:
        return await self._write(
            lambda tx: authorizations.redeem_code(tx, tenant, authorization_id, now),
            (row_keys.authorization_key(tenant, authorization_id),),
        )

    async def rotate_refresh(
        self, tenant: str, authorization_id: str, generation: int, *, rotation: RefreshRotation, grace_ms: int, now: int
    ) -> RotationOutcome:
        return await self._write(
            lambda tx: authorizations.rotate_refresh(tx, tenant, authorization_id, generation, rotation, grace_ms, now),
            (row_keys.authorization_key(tenant, authorization_id),),
        )

    async def revoke_authorization(self, tenant: str, authorization_id: str, *, now: int, keep_until: int) -> bool:
        return await self._write(
            lambda tx: authorizations.revoke_authorization(tx, tenant, authorization_id, now, keep_until),
            row_keys.revoke_keys(tenant, authorization_id),
        )

    async def revoke_authorizations(
        self, tenant: str, *, now: int, keep_until: int, subject: str | None = None, client_id: str | None = None
    ) -> int:
        live = await self._read(lambda tx: authorizations.count_authorizations(tx, tenant, subject, client_id, now))
        await self._revoke_parts(tenant, subject, client_id, now)
        await self._write(
            lambda tx: authorizations.revoke_authorizations(
                tx, tenant, subject, client_id, now, keep_until, may_be_rest=True
            )
        )
        return live

    async def _revoke_parts(self, tenant: str, subject: str | None, client_id: str | None, now: int) -> None:
        """Leaves no more than one transaction may touch, so that a hundred thousand do not hold up everybody else."""
        while await self._write(
            lambda tx: authorizations.revoke_part(tx, tenant, subject, client_id, now, REVOKED_AT_ONCE)
        ):
            pass

    # -- sessions, consents, interactions -----------------------------------------------------------------------------

    async def insert_session(self, session: Session) -> None:
        await self._write(
            lambda tx: sessions.insert_session(tx, session), (row_keys.session_key(session.tenant, session.session_id),)
        )

    async def renew_session(self, session: Session) -> bool:
        return await self._write(
            lambda tx: sessions.renew_session(tx, session), (row_keys.session_key(session.tenant, session.session_id),)
        )

    async def load_session_by_digest(self, tenant: str, digest: bytes) -> Session | None:
        return await self._read(lambda tx: sessions.load_session_by_digest(tx, tenant, digest), row_keys.SHORT)

    async def load_session(self, tenant: str, session_id: str) -> Session | None:
        return await self._read(lambda tx: sessions.load_session(tx, tenant, session_id), row_keys.SHORT)

    async def touch_session(self, tenant: str, session_id: str, *, last_seen_at: int) -> None:
        await self._write(
            lambda tx: sessions.touch_session(tx, tenant, session_id, last_seen_at),
            (row_keys.session_key(tenant, session_id),),
        )

    async def list_sessions(self, tenant: str, subject: str, *, now: int) -> tuple[Session, ...]:
        return await self._read(lambda tx: sessions.list_sessions(tx, tenant, subject, now))

    async def end_session(self, tenant: str, session_id: str, *, now: int, keep_until: int) -> bool:
        return await self._write(lambda tx: sessions.end_session(tx, tenant, session_id, now, keep_until))

    async def end_sessions(
        self, tenant: str, subject: str, *, now: int, keep_until: int, keep: str | None = None
    ) -> int:
        return await self._write(lambda tx: sessions.end_sessions(tx, tenant, subject, now, keep_until, keep))

    async def list_session_clients(self, tenant: str, session_id: str) -> tuple[str, ...]:
        return await self._read(lambda tx: sessions.list_session_clients(tx, tenant, session_id))

    async def load_consent(self, tenant: str, subject: str, client_id: str) -> Consent | None:
        return await self._read(lambda tx: sessions.load_consent(tx, tenant, subject, client_id), row_keys.SHORT)

    async def list_consents(self, tenant: str, subject: str) -> tuple[Consent, ...]:
        return await self._read(lambda tx: sessions.list_consents(tx, tenant, subject))

    async def insert_interaction(self, interaction: Interaction) -> None:
        await self._write(
            lambda tx: sessions.insert_interaction(tx, interaction),
            (row_keys.interaction_key(interaction.tenant, interaction.interaction_id),),
        )

    async def load_interaction(self, tenant: str, interaction_id: str) -> Interaction | None:
        return await self._read(lambda tx: sessions.load_interaction(tx, tenant, interaction_id), row_keys.SHORT)

    async def update_interaction(self, interaction: Interaction) -> bool:
        return await self._write(
            lambda tx: sessions.update_interaction(tx, interaction),
            (row_keys.interaction_key(interaction.tenant, interaction.interaction_id),),
        )

    # -- registries, tasks, device requests ---------------------------------------------------------------------------

    async def load_entry(self, tenant: str, kind: EntryKind, key: str) -> Entry | None:
        return await self._read(lambda tx: entries.load_entry(tx, tenant, kind, key), row_keys.SHORT)

    async def list_entries(self, tenant: str, kind: EntryKind, *, cursor: str | None = None, limit: int = 100) -> Page:
        return await self._read(lambda tx: entries.list_entries(tx, tenant, kind, cursor, limit))

    async def insert_entry(self, entry: Entry) -> None:
        await self._write(lambda tx: entries.insert_entry(tx, entry))

    async def update_entry(self, entry: Entry) -> Entry:
        return await self._write(lambda tx: entries.update_entry(tx, entry))

    async def delete_entry(self, tenant: str, kind: EntryKind, key: str) -> None:
        await self._write(lambda tx: entries.delete_entry(tx, tenant, kind, key))

    async def insert_task(self, task: Task) -> None:
        await self._write(lambda tx: tasks.insert_task(tx, task), (row_keys.task_key(task.tenant, task.task_id),))

    async def list_due_tasks(self, kind: TaskKind, *, now: int, limit: int = 100) -> tuple[Task, ...]:
        return await self._read(lambda tx: tasks.list_due_tasks(tx, kind, now, limit))

    async def update_task(self, task: Task) -> bool:
        return await self._write(
            lambda tx: tasks.update_task(tx, task), (row_keys.task_key(task.tenant, task.task_id),)
        )

    async def delete_task(self, tenant: str, task_id: str) -> bool:
        return await self._write(
            lambda tx: tasks.delete_task(tx, tenant, task_id), (row_keys.task_key(tenant, task_id),)
        )

    async def insert_device_request(self, request: DeviceRequest) -> bool:
        now = self._clock.now()
        return await self._write(
            lambda tx: device_requests.insert_device_request(tx, request, now), row_keys.device_request_keys(request)
        )

    async def load_device_request(self, tenant: str, device_digest: bytes) -> DeviceRequest | None:
        return await self._read(
            lambda tx: device_requests.load_device_request(tx, tenant, device_digest), row_keys.SHORT
        )

    async def load_device_request_by_user_code(self, tenant: str, user_code_digest: bytes) -> DeviceRequest | None:
        return await self._read(
            lambda tx: device_requests.load_device_request_by_user_code(tx, tenant, user_code_digest), row_keys.SHORT
        )

    async def update_device_request(self, request: DeviceRequest) -> bool:
        return await self._write(
            lambda tx: device_requests.update_device_request(tx, request), row_keys.device_request_keys(request)
        )

    # -- keys, revocations, single use --------------------------------------------------------------------------------

    async def list_keys(self, tenant: str) -> tuple[SigningKey, ...]:
        return await self._read(lambda tx: keys.list_keys(tx, tenant))

    async def insert_key(self, key: SigningKey, *, unless_state: bool = False) -> bool:
        return await self._write(lambda tx: keys.insert_key(tx, key, unless_state))

    async def update_keys(
        self, tenant: str, states: Mapping[str, tuple[KeyState, KeyState]], *, now: int, remove_at: int | None
    ) -> bool:
        return await self._write(lambda tx: keys.update_keys(tx, tenant, states, now, remove_at))

    async def delete_key(self, tenant: str, kid: str) -> bool:
        return await self._write(lambda tx: keys.delete_key(tx, tenant, kid))

    async def replace_sealed_key(self, tenant: str, kid: str, old: bytes, new: bytes) -> bool:
        return await self._write(lambda tx: keys.replace_sealed_key(tx, tenant, kid, old, new))

    async def insert_revocation(self, revocation: Revocation) -> None:
        await self._write(
            lambda tx: feed.put_revocation(tx, revocation),
            (row_keys.revocation_key(revocation.tenant, revocation.kind, revocation.key),),
        )

    async def find_revocations(self, tenant: str, keys: Sequence[tuple[str, str]]) -> tuple[Revocation, ...]:
        return await self._read(lambda tx: feed.find_revocations(tx, tenant, keys), row_keys.SHORT)

    async def use_once(self, tenant: str, purpose: str, owner: str, value: bytes, *, expires_at: int) -> bool:
        now = self._clock.now()
        return await self._write(
            lambda tx: counters.use_once(tx, tenant, purpose, owner, value, expires_at, now),
            (row_keys.single_use_key(tenant, purpose, owner, value),),
        )

    async def count_attempt(self, tenant: str, kind: str, key: str, *, now: int, window_ms: int) -> int:
        return await self._write(
            lambda tx: counters.count_attempt(tx, tenant, kind, key, now, window_ms),
            (row_keys.attempt_key(tenant, kind, key),),
        )

    async def take_back_attempt(self, tenant: str, kind: str, key: str) -> None:
        await self._write(
            lambda tx: counters.take_back_attempt(tx, tenant, kind, key), (row_keys.attempt_key(tenant, kind, key),)
        )

    async def forgive_attempts(self, tenant: str, kind: str, key: str) -> None:
        await self._write(
            lambda tx: counters.forgive_attempts(tx, tenant, kind, key), (row_keys.attempt_key(tenant, kind, key),)
        )

    async def clean(self, *, now: int, limit: int = 1000) -> int:
        # What is deleted does not come back: a node whose clock is years ahead must not empty the database.
        there, deleted = await self.load_time(), 0
        now = now if there is None else min(now, there)
        for table in statements.CLEANINGS:  # a short transaction each
            deleted += await self._clean_table(table, now, limit)
        return deleted

    async def _clean_table(self, table: str, now: int, limit: int) -> int:
        return await self._write(lambda tx: counters.clean_table(tx, table, now, limit))

    async def load_lease(self, name: str) -> Lease | None:
        return await self._read(lambda tx: leases.load_lease(tx, name))

    async def take_lease(self, lease: Lease, seen: Lease | None) -> bool:
        return await self._write(lambda tx: leases.take_lease(tx, lease, seen))

    async def release_lease(self, lease: Lease) -> bool:
        return await self._write(lambda tx: leases.release_lease(tx, lease))

    # -- change feed --------------------------------------------------------------------------------------------------

    @property
    def feed_overlap_ms(self) -> int:
        return self._driver.feed_overlap_ms

    def on_change(self, callback: Callable[[Sequence[Change]], None]) -> Callable[[], None]:
        return self._driver.on_change(callback)

    async def has_moved(self) -> bool:
        return await self._driver.has_moved()

    async def last_change(self, *, created_before: int | None = None) -> int:
        return await self._driver.watch(lambda tx: feed.last_change(tx, created_before))

    async def load_changes(self, after: int, *, limit: int = CHANGES_AT_ONCE) -> tuple[Change, ...]:
        return await self._driver.watch(lambda tx: feed.load_changes(tx, after, limit))

    async def load_revocations(self, now: int, *, limit: int = CHANGES_AT_ONCE) -> tuple[Revocation, ...]:
        return await self._driver.watch(lambda tx: feed.load_revocations(tx, now, limit))

    def statement_counts(self) -> dict[str, int]:
        return self._driver.statement_counts()


async def _load_time(tx: Transaction) -> int | None:
    ((now,),) = await tx.fetch(statements.LOAD_TIME)
    return None if now is None else int(now)


async def _ping(tx: Transaction) -> None:
    await tx.fetch(statements.PING)
