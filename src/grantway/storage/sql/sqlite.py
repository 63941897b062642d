"""The SQLite driver: the standard library's ``sqlite3`` in threads of its own.

One thread writes. It takes every write that waits, runs each in a savepoint of one transaction and commits them with
one fsync; only then each caller is answered, with its own outcome. Reads run in their own threads and connections; WAL
lets them go on while the writer commits. Several processes may share a file.

hot path: bench/
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from grantway.errors import StoreUnavailable
from grantway.model import Change
from grantway.ports import Clock
from grantway.storage.sql import schema
from grantway.storage.sql.definitions import build_missing_error, check_version
from grantway.storage.sql.sqlite_transaction import SqliteTransaction
from grantway.storage.sql.statements import Compiled, compile_statements
from grantway.storage.sql.transaction import Abandon, Keys, Verb

T = TypeVar("T")

MAX_WAITING = 4096
"""Calls that may wait for a thread; further ones are refused at once."""
MAX_BATCH = 256
"""Writes committed together at most, so that none waits long for the others."""
READERS = 2

_UNAVAILABLE = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    )
)
_REOPEN = frozenset((sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB))
_BUSY = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED))

_log = logging.getLogger(__name__)


class _Call:
    """A verb on its way through a thread, and the caller who waits for it."""

    __slots__ = ("deadline", "future", "run", "timer")

    def __init__(self, run: Callable[[SqliteTransaction], Any], future: asyncio.Future[Any], deadline: float) -> None:
        self.run = run
        self.future = future
        self.deadline = deadline
        self.timer: asyncio.TimerHandle | None = None


class _Outcome(NamedTuple):
    call: _Call
    result: Any
    error: BaseException | None


_STOP: Any = object()


def _step(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a verb to its end. Nothing in it waits, so it ends in one step."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("a verb waited for something else than its transaction")


class SqliteDriver:
    """Runs verbs on one SQLite file, or in memory when ``path`` is None. See ``transaction.Driver``."""

    feed_overlap_ms = 0  # one writer at a time: numbers become visible in their order

    def __init__(self, path: str | None, clock: Clock, *, timeout: float) -> None:
        self._path = path
        self._clock = clock
        self._timeout = timeout
        self._compiled: dict[str, Compiled] = {}
        self._writes: SimpleQueue[Any] = SimpleQueue()
        self._reads: SimpleQueue[Any] = self._writes if path is None else SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: list[threading.Thread] = []
        self._transactions: list[SqliteTransaction] = []
        self._listeners: list[Callable[[Sequence[Change]], None]] = []

    # -- life cycle ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        if self._loop is not None:
            return
        loop = asyncio.get_running_loop()
        self._compiled = self._compiled or compile_statements(schema.build_sqlite_dialect())
        readers = 0 if self._path is None else READERS
        try:
            for _ in range(1 + readers):
                self._transactions.append(SqliteTransaction(self._open(), self._compiled, self._clock))
            if self._path is None:
                schema.create_all(self._transactions[0].connection)
            check_version(schema.read_sqlite_version(self._transactions[0].connection))
        except sqlite3.Error as error:
            self._close()
            raise StoreUnavailable(detail=f"cannot open {self._path}: {error}") from error
        except BaseException:
            self._close()
            raise
        self._loop = loop
        writer, *others = self._transactions
        self._threads = [
            threading.Thread(target=self._serve_writes, args=(writer,), name="grantway-write", daemon=True)
        ]
        for number, reader in enumerate(others):
            name = f"grantway-read-{number}"
            self._threads.append(threading.Thread(target=self._serve_reads, args=(reader,), name=name, daemon=True))
        for thread in self._threads:
            thread.start()

    async def stop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is None:
            return
        for _ in self._threads[1:]:
            self._reads.put(_STOP)
        self._writes.put(_STOP)
        await asyncio.to_thread(self._join)
        self._close()
        # What the threads handed over last is delivered before this returns.
        await asyncio.sleep(0)

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _close(self) -> None:
        for transaction in self._transactions:
            transaction.connection.close()
        self._transactions, self._threads = [], []

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            target, is_uri = ":memory:", False
        elif not os.path.exists(self._path):
            raise build_missing_error(None)
        else:
            target, is_uri = schema.build_sqlite_uri(self._path), True
        connection = sqlite3.connect(
            target,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            uri=is_uri,
        )
        try:
            if self._path is not None:
                schema.use_wal(connection, self._timeout)
                connection.execute("PRAGMA synchronous = FULL").close()
                connection.execute("PRAGMA journal_size_limit = 67108864").close()
        except BaseException:
            connection.close()
            raise
        return connection

    # -- calls --------------------------------------------------------------------------------------------------------

    def read(self, verb: Verb[T], keys: Keys | None = None) -> Awaitable[T]:
        return self._submit(self._reads, lambda tx: _step(verb(tx)))

    def write(self, verb: Verb[T], keys: Keys | None = None) -> Awaitable[T]:
        return self._submit(self._writes, lambda tx: _step(verb(tx)))

    def watch(self, verb: Verb[T]) -> Awaitable[T]:
        return self.read(verb)  # readers of a file wait for nobody

    def has_moved(self) -> Awaitable[bool]:
        return self._submit(self._reads, lambda tx: tx.has_moved())

    def on_change(self, callback: Callable[[Sequence[Change]], None]) -> Callable[[], None]:
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def statement_counts(self) -> dict[str, int]:
        counts = dict.fromkeys(self._compiled, 0)
        for transaction in self._transactions:
            for name, count in transaction.counts.items():
                counts[name] += count
        return counts

    def _submit(self, queue: SimpleQueue[Any], run: Callable[[SqliteTransaction], Any]) -> asyncio.Future[Any]:
        loop = self._loop
        if loop is None:
            raise StoreUnavailable(detail="the store is not running")
        if queue.qsize() >= MAX_WAITING:
            raise StoreUnavailable(detail="too many calls wait for the database")
        future: asyncio.Future[Any] = loop.create_future()
        call = _Call(run, future, time.monotonic() + self._timeout)
        call.timer = loop.call_later(self._timeout, _expire, future)
        queue.put(call)
        return future

    def _deliver(self, outcomes: Iterable[_Outcome], changes: Sequence[Change]) -> None:
        """Runs in the event loop: first the caches learn what changed, then the callers."""
        try:
            if changes:
                for listener in tuple(self._listeners):
                    listener(changes)
        finally:
            for call, result, error in outcomes:
                if call.timer is not None:
                    call.timer.cancel()
                if call.future.done():
                    continue  # cancelled, or out of time
                if error is None:
                    call.future.set_result(result)
                else:
                    call.future.set_exception(error)

    def _hand_over(self, loop: asyncio.AbstractEventLoop, outcomes: list[_Outcome], changes: list[Change]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(self._deliver, outcomes, changes)

    # -- the reading threads ------------------------------------------------------------------------------------------

    def _serve_reads(self, tx: SqliteTransaction) -> None:
        loop = self._loop
        assert loop is not None  # noqa: S101  start() sets it before the thread runs
        while (batch := _take(self._reads)) is not None:
            outcomes = []
            for call in batch:
                if call.future.done():
                    continue
                try:
                    outcomes.append(_Outcome(call, call.run(tx), None))
                except Exception as error:  # each caller gets its own
                    outcomes.append(_Outcome(call, None, self._translate(tx, error)))
            self._hand_over(loop, outcomes, [])

    # -- the writing thread -------------------------------------------------------------------------------------------

    def _serve_writes(self, tx: SqliteTransaction) -> None:
        loop = self._loop
        assert loop is not None  # noqa: S101  start() sets it before the thread runs
        while (batch := _take(self._writes)) is not None:
            outcomes: list[_Outcome] = []
            changes: list[Change] = []
            try:
                _begin(tx.connection, batch[0].deadline)
                waiting = (call for call in batch if not call.future.done())  # nobody waits: it did not happen
                outcomes += [_run_in_savepoint(tx, call, changes) for call in waiting]
                tx.connection.execute("COMMIT")
            except Exception as error:
                # Not committed, or nobody knows: none of the batch may be told that it succeeded.
                _roll_back(tx.connection)
                failure = self._translate(tx, error)
                outcomes, changes = [_Outcome(call, None, _copy(failure)) for call in batch], []
            self._hand_over(loop, outcomes, changes)

    def _translate(self, tx: SqliteTransaction, error: Exception) -> Exception:
        """What a failure means for the caller: trouble of the database is answered 503, a mistake stays one."""
        code = getattr(error, "sqlite_errorcode", None)
        if not isinstance(error, sqlite3.Error) or code is None or code & 0xFF not in _UNAVAILABLE:
            return error
        _log.warning("database unavailable: %s (%s)", error, getattr(error, "sqlite_errorname", code))
        if code & 0xFF in _REOPEN and self._path is not None:
            self._reopen(tx)
        return StoreUnavailable(detail=str(error))

    def _reopen(self, tx: SqliteTransaction) -> None:
        """A connection may not recover from these by itself; a new one does when the cause has gone."""
        try:
            connection = self._open()
        except Exception:  # still broken: the next call tries again
            return
        tx.connection.close()
        tx.connection = connection


def _expire(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(StoreUnavailable(detail="the database did not answer in time"))


def _copy(failure: Exception) -> Exception:
    """One for each caller: an exception that several raise would collect the tracebacks of all."""
    return StoreUnavailable(detail=failure.detail) if isinstance(failure, StoreUnavailable) else failure


def _take(queue: SimpleQueue[Any]) -> list[_Call] | None:
    """Waits for a call and takes those behind it as well. None: stop."""
    first = queue.get()
    if first is _STOP:
        return None
    batch = [first]
    with contextlib.suppress(Empty):
        while len(batch) < MAX_BATCH:
            following = queue.get_nowait()
            if following is _STOP:
                queue.put(_STOP)  # for the next round
                break
            batch.append(following)
    return batch


def _begin(connection: sqlite3.Connection, deadline: float) -> None:
    """Takes the write lock. SQLite's own waiting sleeps up to 100 ms between attempts; another process's commit takes
    one or two."""
    connection.execute("PRAGMA busy_timeout = 0")
    pause = 0.0002
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() + pause >= deadline:
                raise
        else:
            return
        time.sleep(pause)
        pause = min(pause * 1.5, 0.004)


def _run_in_savepoint(tx: SqliteTransaction, call: _Call, changes: list[Change]) -> _Outcome:
    """Runs one write of a batch. Its own failure undoes it alone; the database's fails the batch."""
    connection = tx.connection
    tx.changes = []
    connection.execute("SAVEPOINT w")
    try:
        result = call.run(tx)
    except Abandon as end:
        connection.execute("ROLLBACK TO w")
        outcome = _Outcome(call, end.result, None)
    except Exception as error:
        if isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF in _UNAVAILABLE:
            raise
        connection.execute("ROLLBACK TO w")
        outcome = _Outcome(call, None, error)
    else:
        changes += tx.changes
        outcome = _Outcome(call, result, None)
    connection.execute("RELEASE w")
    return outcome


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
