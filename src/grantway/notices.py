"""Telling clients that a session has ended (OpenID Connect Back-Channel Logout 1.0), however long they take to listen.

The commit that ended the session left a ``Task`` that names the clients that got anything in it (OpenID Connect
Back-Channel Logout §2.3), those too that may go on while the person is away (OpenID Connect Back-Channel Logout §2.7).
A worker takes it by moving its ``due_at`` on, tells those that are left and stores whom it could not reach: they are
tried again, later and later. A worker that dies leaves it due, for the next one to take; a client may so be told twice,
never not at all.

A worker sends ``logout.concurrency`` tokens at once. One session has a quarter of them, one client an eighth, so that
clients that do not answer hold up themselves and not the others; whose turn does not come is put off without having
used up an attempt.

Woken at once where a session ended in this process, and by the clock for what others left. Nobody waits for any of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from weakref import WeakValueDictionary

from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace

from grantway.errors import OAuthError, StoreUnavailable
from grantway.events import LogoutNoticeFailed, LogoutNotified
from grantway.extension import Runtime
from grantway.model import Change, Client, Task, Tenant
from grantway.protocol.logout import (
    BACKCHANNEL_URI,
    TOKEN_TYPE,
    build_logout_claims,
    find_retry_delay,
    judge_answer,
)
from grantway.protocol.message import FORM

log = logging.getLogger("grantway.notices")

_BATCH = 100
_MARGIN = 2.0  # seconds a worker stops sending before others may take over
_LONGEST_FAREWELL = 1.0
_TARDINESS = 0.05  # a look a moment too early would find nothing
_TASKS_PER_SEND = 4  # most of those that are under way wait for a client
_SHARE_OF_TASK, _SHARE_OF_CLIENT = 4, 8  # one of so many
_PATIENCE = 1.0  # seconds that a task waits for a client that others are telling
_SOONEST_MS, _LATEST_MS = 1_000, 60_000  # until it is the turn of those whose turn did not come
_HEADERS = {"content-type": FORM.decode()}


class _Left(Struct, frozen=True, kw_only=True):
    """A client that a task still names: how often it was tried in vain, and when it is tried again."""

    client_id: str
    attempts: int = 0
    due_at: int = 0


class Notices:
    """One per worker; ``start`` it with the server.

    Args:
        is_leader: whether this worker is the one that looks for what was left undone.
    """

    def __init__(self, runtime: Runtime, is_leader: Callable[[], bool]) -> None:
        self._runtime, self._is_leader = runtime, is_leader
        self._settings = settings = runtime.settings.logout
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(_TASKS_PER_SEND * settings.concurrency)
        self._sends = asyncio.Semaphore(settings.concurrency)
        self._clients: WeakValueDictionary[tuple[str, str], asyncio.Semaphore] = WeakValueDictionary()
        # Long enough for two rounds of clients that do not answer, before anybody else may take the task.
        self._lease = 2 * runtime.settings.egress.timeout + 2 * _MARGIN
        self._next_at = float("inf")
        """When this worker itself has something to try again, on the loop's clock."""
        self._loop: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._unsubscribe: Callable[[], None] | None = None

    # -- life cycle -----------------------------------------------------------------------------------------------
    def start(self) -> None:
        if self._loop is None:
            self._unsubscribe = self._runtime.store.on_change(self._hear)
            self._woken.set()  # the one that was here before may have left something
            self._loop = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Ends it. What could not be finished in a moment is left to another worker. Idempotent."""
        task, self._loop = self._loop, None
        if task is None:
            return
        if self._unsubscribe is not None:
            self._unsubscribe()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LONGEST_FAREWELL)
        for each in list(self._under_way):
            each.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _hear(self, changes: Sequence[Change]) -> None:
        """Sessions end by a revocation of their own or of the whole subject."""
        kinds = {change.revocation.kind for change in changes if change.revocation is not None}
        if kinds & {"session", "subject"}:
            self._woken.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            wait = min(self._settings.poll_interval, max(0.0, self._next_at - loop.time()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):  # before Python 3.12 wait_for may lose the cancellation of a stop
                    await self._woken.wait()
            if not (self._woken.is_set() or loop.time() >= self._next_at or self._is_leader()):
                continue
            self._woken.clear()
            self._next_at = float("inf")
            try:
                await self.deliver()
            except StoreUnavailable as error:
                self._look_again_in(self._settings.poll_interval)
                log.warning("logout notices are put off: %s", error.detail)
            except Exception:
                self._look_again_in(self._settings.poll_interval)
                log.exception("logout notices failed; they are tried again")

    def _look_again_in(self, seconds: float) -> None:
        self._next_at = min(self._next_at, asyncio.get_running_loop().time() + seconds)

    # -- tasks ----------------------------------------------------------------------------------------------------
    async def deliver(self) -> None:
        """Begins whatever is due; returns when all of it has begun.

        Raises:
            StoreUnavailable: what is due cannot be seen.
        """
        runtime = self._runtime
        while True:
            due = await runtime.store.list_due_tasks("logout", now=runtime.clock.now(), limit=_BATCH)
            for task in due:
                await self._slots.acquire()
                work = asyncio.get_running_loop().create_task(self._handle(task))
                self._under_way.add(work)
                work.add_done_callback(self._finish)
            if len(due) < _BATCH:
                return

    async def settle(self) -> None:
        """Returns when nothing is under way."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    def _finish(self, work: asyncio.Task[None]) -> None:
        self._under_way.discard(work)
        self._slots.release()

    async def _handle(self, task: Task) -> None:
        store, clock = self._runtime.store, self._runtime.clock
        try:
            due_at = clock.now() + int(self._lease * 1000)
            taken = replace(task, attempts=task.attempts + 1, due_at=due_at)
            if await store.update_task(taken):  # of all workers that see it, one
                taken = replace(taken, version=task.version + 1)
                if task.expires_at <= clock.now():
                    await self._give_up(taken)
                else:
                    await self._conclude(taken, await self._tell_all(taken))
        except StoreUnavailable as error:
            self._look_again_in(self._lease)
            log.warning("logout notices of session %s are put off: %s", task.task_id, error.detail)
        except Exception:
            self._look_again_in(self._lease)
            log.exception("logout notices of session %s failed; they are tried again", task.task_id)

    async def _give_up(self, task: Task) -> None:
        if await self._runtime.store.delete_task(task.tenant, task.task_id):
            for client in _read_clients(task):
                self._emit_failure(task, client.client_id, client.attempts, "there was no time")

    async def _conclude(self, task: Task, tried: Mapping[str, str | None]) -> None:
        """``tried``: why a client whose turn came was not told; None: it is done with."""
        store, now = self._runtime.store, self._runtime.clock.now()
        left: list[_Left] = []
        failed: list[tuple[_Left, str]] = []
        for client in _read_clients(task):
            if client.client_id not in tried:
                left.append(client if client.due_at > now else replace(client, due_at=now + _find_turn(task, now)))
            elif (reason := tried[client.client_id]) is not None:
                again = self._count_attempt(client, now)
                if again.attempts >= self._settings.max_attempts or again.due_at >= task.expires_at:
                    failed.append((again, reason))
                else:
                    left.append(again)
        if left:
            due_at = min(client.due_at for client in left)
            clients = [to_builtins(client) for client in left]
            is_ours = await store.update_task(
                replace(task, due_at=due_at, document={**task.document, "clients": clients})
            )
            self._look_again_in((due_at - now) / 1000 + _TARDINESS)
        else:
            is_ours = await store.delete_task(task.tenant, task.task_id)
        if is_ours:
            for client, reason in failed:
                self._emit_failure(task, client.client_id, client.attempts, reason)

    def _count_attempt(self, client: _Left, now: int) -> _Left:
        settings, (chance,) = self._settings, self._runtime.entropy.token_bytes(1)
        attempts = client.attempts + 1
        delay = find_retry_delay(
            attempts, first=settings.retry_delay, longest=settings.max_retry_delay, fraction=chance / 255
        )
        return replace(client, attempts=attempts, due_at=now + delay)

    # -- clients --------------------------------------------------------------------------------------------------
    async def _tell_all(self, task: Task) -> dict[str, str | None]:
        """Tells the clients that the task still names and that are due: those first that were tried least, of these in
        any order, so that none stands behind the same ones each time.

        Returns what came of those whose turn came: None, or why it has to be tried again.
        """
        runtime, loop = self._runtime, asyncio.get_running_loop()
        due = [client for client in _read_clients(task) if client.due_at <= runtime.clock.now()]
        tenant = await runtime.grid.tenant(task.tenant)
        if tenant is None or not tenant.enabled:
            return {client.client_id: None for client in _read_clients(task)}
        share = asyncio.Semaphore(max(1, self._settings.concurrency // _SHARE_OF_TASK))
        tried: dict[str, str | None] = {}
        # Nothing begins so late that its answer could not come within the lease.
        last_begin = loop.time() + runtime.settings.egress.timeout

        async def tell(left: _Left) -> None:
            async with share, self._turn(task.tenant, left.client_id, last_begin) as has_come:
                if not has_come:
                    return
                tried[left.client_id] = "there was no time"
                tried[left.client_id] = reason = await self._tell(tenant, task, left)
            if reason is not None:
                log.info("client %s was not told of the end of session %s: %s", left.client_id, task.task_id, reason)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._lease - _MARGIN), asyncio.TaskGroup() as group:
                for client in sorted(due, key=lambda client: (client.attempts, runtime.entropy.token_bytes(4))):
                    group.create_task(tell(client))
        return tried

    @contextlib.asynccontextmanager
    async def _turn(self, tenant: str, client_id: str, last_begin: float) -> AsyncIterator[bool]:
        """Whether something may be sent to the client now; False: too many wait for its answer, or for others'."""
        lane = self._clients.get((tenant, client_id))
        if lane is None:
            lane = asyncio.Semaphore(max(1, self._settings.concurrency // _SHARE_OF_CLIENT))
            self._clients[tenant, client_id] = lane
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as held:
            has_come = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(loop.time() + _PATIENCE, last_begin)):
                    await held.enter_async_context(lane)
                async with asyncio.timeout_at(last_begin):
                    await held.enter_async_context(self._sends)
                has_come = loop.time() < last_begin
            yield has_come

    async def _tell(self, tenant: Tenant, task: Task, left: _Left) -> str | None:
        """None: the client was told, refused to listen, or is not to be told; else why it is to be tried again."""
        runtime = self._runtime
        try:
            client = await runtime.grid.client(tenant.tenant, left.client_id)
            uri = client.extra.get(BACKCHANNEL_URI) if client is not None and client.enabled else None
            if client is None or uri is None:
                return None
            token = await self._issue_token(tenant, client, task.document)
            body = urlencode({"logout_token": token}).encode()  # OpenID Connect Back-Channel Logout §2.5
            answer = await runtime.egress.post(uri, purpose=BACKCHANNEL_URI, body=body, headers=_HEADERS)
        except OAuthError as error:
            return error.detail or error.description
        verdict, reason = judge_answer(answer.status), f"status {answer.status}"
        if verdict == "again":
            return reason
        if verdict == "refused":
            self._emit_failure(task, left.client_id, left.attempts + 1, reason)
            return None
        runtime.events.emit(
            LogoutNotified(
                tenant=tenant.tenant,
                at=runtime.clock.now(),
                client_id=left.client_id,
                subject=task.document["subject"],
                session_id=task.document["session_id"],
            )
        )
        return None

    async def _issue_token(self, tenant: Tenant, client: Client, document: Mapping[str, Any]) -> str:
        """A logout token, signed as the client's ID tokens are (OpenID Connect Back-Channel Logout §2.4)."""
        runtime = self._runtime
        claims = build_logout_claims(
            issuer=tenant.issuer,
            client=client,
            subject_identifier=runtime.identify(client, document["subject"]),
            session_id=document["session_id"],
            now=runtime.clock.now() // 1000,
            token_id=runtime.tokens.generate_id(),
        )
        return await runtime.keys.sign(tenant.tenant, client.id_token_signed_response_alg, TOKEN_TYPE, claims)

    def _emit_failure(self, task: Task, client_id: str, attempts: int, reason: str) -> None:
        self._runtime.events.emit(
            LogoutNoticeFailed(
                tenant=task.tenant,
                at=self._runtime.clock.now(),
                client_id=client_id,
                subject=task.document["subject"],
                session_id=task.document["session_id"],
                attempts=attempts,
                reason=reason,
            )
        )


def _read_clients(task: Task) -> list[_Left]:
    return convert(task.document["clients"], list[_Left])


def _find_turn(task: Task, now: int) -> int:
    """Milliseconds until the turn of those whose turn did not come: the longer it has taken, the less often it is
    looked."""
    return max(_SOONEST_MS, min((now - task.created_at) // 4, _LATEST_MS))
