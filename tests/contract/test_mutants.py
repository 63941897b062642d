"""Proof that the contract can fail: each of these mistakes is caught by the test that is named for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import bindparam, literal_column, select, update

from grantway.config import DatabaseSettings, Settings
from grantway.ports import Store
from grantway.storage import open_store
from grantway.storage.sql import (
    authorizations,
    clients,
    counters,
    device_requests,
    feed,
    keys,
    leases,
    sessions,
    subjects,
    tables,
    tasks,
)
from grantway.storage.sql import statements as sql
from grantway.storage.sql.sqlite_transaction import SqliteTransaction
from grantway.storage.sql.transaction import Transaction
from grantway.testing.clock import FakeClock
from grantway.testing.store_contract import StoreContract

Mutation = Callable[[pytest.MonkeyPatch], None]


class Contract(StoreContract):
    __test__ = False

    def open_store(self, clock: FakeClock) -> Store:
        return open_store(Settings(database=DatabaseSettings(url="sqlite://")), clock)


def drop_the_row_count_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(authorizations, "has_spent", lambda changed: True)


def skip_the_revocation_row(patch: pytest.MonkeyPatch) -> None:
    async def pass_over(tx: Transaction, revocation: Any) -> None:
        await tx.append_change(revocation.tenant, "revocation", revocation.key, revocation)

    for module in (feed, clients, subjects):
        patch.setattr(module, "put_revocation", pass_over)


def skip_the_change_feed(patch: pytest.MonkeyPatch) -> None:
    async def pass_over(*_: Any) -> None:
        return None

    patch.setattr(SqliteTransaction, "append_change", pass_over)


def rotate_what_is_revoked(patch: pytest.MonkeyPatch) -> None:
    a = tables.authorization
    blind = (
        update(a)
        .where(a.c.tenant == bindparam("tenant"), a.c.authorization_id == bindparam("authorization_id"))
        .where(a.c.generation == bindparam("presented"))
        .values(generation=a.c.generation + literal_column("1"), rotated_at=bindparam("now"))
    )
    statement = sql.Statement("blind_rotation", blind)
    patch.setitem(sql._ALL, "blind_rotation", statement)
    patch.setattr(sql, "ROTATE_REFRESH", statement)


def leave_the_authorizations_of_a_session(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql, "REVOKE_SESSION_AUTHORIZATIONS", sql.LOCK_SESSION)


def move_keys_one_by_one(patch: pytest.MonkeyPatch) -> None:
    async def update_keys(tx: Transaction, tenant: str, states: Any, now: int, remove_at: int | None) -> bool:
        moved = True
        for kid, (from_state, to_state) in states.items():
            stamps: dict[str, Any] = {"activated_at": None, "retired_at": None, "remove_at": None}
            moved &= bool(
                await tx.execute(
                    sql.MOVE_KEY, tenant=tenant, kid=kid, from_state=from_state, to_state=to_state, **stamps
                )
            )
        return moved

    patch.setattr(keys, "update_keys", update_keys)


def answer_any_tenant(patch: pytest.MonkeyPatch) -> None:
    end = sessions.end_session

    async def end_everywhere(tx: Transaction, tenant: str, *arguments: Any) -> bool:
        await end(tx, "default", *arguments)
        return await end(tx, tenant, *arguments)

    patch.setattr(sessions, "end_session", end_everywhere)


def take_a_lease_whoever_has_it(patch: pytest.MonkeyPatch) -> None:
    async def take(tx: Transaction, lease: Any, seen: Any) -> bool:
        stored = await leases.load_lease(tx, lease.name)
        if stored is not None:
            await leases.release_lease(tx, stored)
        return await tx.insert(sql.INSERT_LEASE, name=lease.name, holder=lease.holder, beat=lease.beat)

    patch.setattr(leases, "take_lease", take)


def update_whatever_the_version(table: str) -> Mutation:
    def mutate(patch: pytest.MonkeyPatch) -> None:
        found = tables.METADATA.tables[table]
        key = [column.name for column in found.primary_key.columns]
        changed = [name for name in ("due_at", "expires_at", "version", "document") if name in found.c]
        blind = update(found).where(sql._at(found, *key)).values(sql._set(found, *changed))
        patch.setitem(sql._ALL, f"update_{table}", sql.Statement(f"update_{table}", blind))

    return mutate


def leave_no_task(patch: pytest.MonkeyPatch) -> None:
    async def pass_over(*_: Any) -> None:
        return None

    for module in (sessions, subjects):
        patch.setattr(module, "put_task", pass_over)


def tell_only_those_whose_authorization_lives(patch: pytest.MonkeyPatch) -> None:
    statement = sql.FIND_CLIENTS_OF_SESSION
    narrow = statement.expression.where(tables.authorization.c.revoked_at.is_(None))  # type: ignore[attr-defined]
    patch.setitem(sql._ALL, statement.name, sql.Statement(statement.name, narrow))


def find_tasks_before_they_are_due(patch: pytest.MonkeyPatch) -> None:
    async def list_due(tx: Transaction, kind: Any, now: int, limit: int) -> Any:
        return await find(tx, kind, now + 1_000, limit)

    find = tasks.list_due_tasks
    patch.setattr(tasks, "list_due_tasks", list_due)


def give_a_user_code_twice(patch: pytest.MonkeyPatch) -> None:
    free = sql.FREE_USER_CODE
    d = tables.device_request
    blind = (
        update(d)
        .where(sql._at(d, "tenant", "user_code_digest"))
        .values(user_code_digest=bindparam("nobody_s_digest", type_=d.c.user_code_digest.type))
    )
    patch.setitem(sql._ALL, free.name, sql.Statement(free.name, blind))


def keep_a_user_code_for_ever(patch: pytest.MonkeyPatch) -> None:
    async def insert(tx: Transaction, request: Any, now: int) -> bool:
        return await tx.insert(sql.INSERT_DEVICE_REQUEST, **device_requests.build_device_request_row(request))

    patch.setattr(device_requests, "insert_device_request", insert)


def forget_a_device_at_its_end(patch: pytest.MonkeyPatch) -> None:
    patch.delitem(counters._KEPT_MS, "device_request")


def list_entries_of_any_tenant(patch: pytest.MonkeyPatch) -> None:
    e = tables.entry
    blind = (
        select(e.c.document)
        .where(sql._at(e, "kind"), e.c.key > bindparam("after"))
        .order_by(e.c.key)
        .limit(bindparam("limit"))
    )
    patch.setitem(sql._ALL, "list_entries", sql.Statement("list_entries", blind))


def clean_without_looking_at_the_end(patch: pytest.MonkeyPatch) -> None:
    for name in ("find_expired_authorization", "clean_authorization"):
        patch.setitem(sql._ALL, name, sql._ALL[name])
    patch.setitem(sql.CLEANINGS, "authorization", sql._clean(tables.authorization, "created_at"))


def clean_what_open_sessions_gave(patch: pytest.MonkeyPatch) -> None:
    for name in ("find_expired_authorization", "clean_authorization"):
        patch.setitem(sql._ALL, name, sql._ALL[name])
    patch.setitem(sql.CLEANINGS, "authorization", sql._clean(tables.authorization, "expires_at"))


def clean_a_task_at_its_end(patch: pytest.MonkeyPatch) -> None:
    patch.delitem(counters._KEPT_MS, "task")


@pytest.mark.parametrize(
    ("mutate", "test"),
    [
        (drop_the_row_count_check, "test_a_code_is_redeemed_once"),
        (drop_the_row_count_check, "test_of_64_redemptions_at_once_one_succeeds"),
        (drop_the_row_count_check, "test_of_100_refreshes_at_once_one_leaf_lives"),
        (drop_the_row_count_check, "test_an_interaction_is_granted_once"),
        (skip_the_revocation_row, "test_revoking_an_authorization_refuses_its_tokens"),
        (skip_the_revocation_row, "test_a_log_out_ends_what_is_bound_to_the_session"),
        (skip_the_revocation_row, "test_a_subject_disabled_or_deleted_loses_everything"),
        (skip_the_change_feed, "test_every_write_workers_remember_is_in_the_feed"),
        (rotate_what_is_revoked, "test_a_kill_beats_every_refresh_under_way"),
        (leave_the_authorizations_of_a_session, "test_a_log_out_ends_what_is_bound_to_the_session"),
        (move_keys_one_by_one, "test_keys_move_together_or_not_at_all"),
        (take_a_lease_whoever_has_it, "test_of_32_who_want_a_lease_one_gets_it"),
        (skip_the_change_feed, "test_what_waits_is_cleaned_when_it_has_ended"),
        (update_whatever_the_version("entry"), "test_of_32_who_change_or_delete_an_entry_one_does"),
        (update_whatever_the_version("entry"), "test_an_entry_comes_back_as_it_was_and_needs_its_version"),
        (update_whatever_the_version("task"), "test_of_32_who_want_a_task_one_gets_it"),
        (update_whatever_the_version("device_request"), "test_of_32_polls_at_once_one_is_the_first"),
        (leave_no_task, "test_a_session_that_ends_leaves_word_for_its_clients"),
        (leave_no_task, "test_whatever_ends_sessions_leaves_one_task_for_each"),
        (tell_only_those_whose_authorization_lives, "test_a_session_that_ends_leaves_word_for_its_clients"),
        (find_tasks_before_they_are_due, "test_tasks_are_found_when_they_are_due_the_earliest_first"),
        (give_a_user_code_twice, "test_of_32_devices_with_one_user_code_one_gets_it"),
        (give_a_user_code_twice, "test_a_user_code_belongs_to_one_request_while_that_lives"),
        (keep_a_user_code_for_ever, "test_a_user_code_belongs_to_one_request_while_that_lives"),
        (forget_a_device_at_its_end, "test_what_waits_is_cleaned_when_it_has_ended"),
        (list_entries_of_any_tenant, "test_entries_are_listed_by_key_within_their_kind"),
        (clean_without_looking_at_the_end, "test_cleaning_keeps_what_replays_are_seen_by"),
        (clean_what_open_sessions_gave, "test_cleaning_keeps_what_open_sessions_gave_their_clients"),
        (clean_a_task_at_its_end, "test_what_waits_is_cleaned_when_it_has_ended"),
        (answer_any_tenant, "test_tenants_with_equal_ids_do_not_meet"),
    ],
)
def test_the_mutant_is_caught(mutate: Mutation, test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    getattr(Contract(), test)()  # right before the mistake
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        getattr(Contract(), test)()
