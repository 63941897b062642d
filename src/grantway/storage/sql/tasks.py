"""Verbs for tasks: what a commit leaves to be done. A task is written last, after the rows it comes from."""

from __future__ import annotations

import msgspec

from grantway.errors import Conflict
from grantway.model import Task, TaskKind
from grantway.storage.sql import statements as sql
from grantway.storage.sql.records import build_task_row, parse_task
from grantway.storage.sql.transaction import Transaction

LOGOUT_TTL_MS = 24 * 3_600_000
"""For how long it is tried to tell clients that a session has ended."""


async def insert_task(tx: Transaction, task: Task) -> None:
    if not await tx.insert(sql.INSERT_TASK, **build_task_row(task)):
        raise Conflict(f"The task {task.task_id!r} exists already.")


async def put_task(tx: Transaction, task: Task) -> None:
    """Writes it, unless it waits already: what it is about must not fail for that."""
    await tx.insert(sql.INSERT_TASK, **build_task_row(task))


async def list_due_tasks(tx: Transaction, kind: TaskKind, now: int, limit: int) -> tuple[Task, ...]:
    return tuple(parse_task(row) for row in await tx.fetch(sql.LIST_DUE_TASKS, kind=kind, now=now, limit=limit))


async def update_task(tx: Transaction, task: Task) -> bool:
    following = msgspec.structs.replace(task, version=task.version + 1)
    return await tx.execute(sql.UPDATE_TASK, stored_version=task.version, **build_task_row(following)) == 1


async def delete_task(tx: Transaction, tenant: str, task_id: str) -> bool:
    return await tx.execute(sql.DELETE_TASK, tenant=tenant, task_id=task_id) == 1


async def build_logout(tx: Transaction, tenant: str, session_id: str, now: int) -> Task | None:
    """What a session that has just ended leaves to be done; None: no client was given anything in it."""
    rows = await tx.fetch(sql.FIND_CLIENTS_OF_SESSION, tenant=tenant, session_id=session_id)
    if not rows:
        return None
    clients = [{"client_id": client_id} for _, client_id in rows]
    return Task(
        tenant=tenant,
        task_id=session_id,
        kind="logout",
        due_at=now,
        expires_at=now + LOGOUT_TTL_MS,
        document={"session_id": session_id, "subject": rows[0][0], "clients": clients},
        created_at=now,
    )
