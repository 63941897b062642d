"""What the drivers of database servers share: connections, queues, deadlines and group commit.

A few tasks own a connection each and take calls from a queue. So a caller who gives up never leaves a connection in an
unknown state, and a connection that broke is replaced by the task that finds it broken.

Writes that wait are run in one transaction and committed together; only then each caller is answered, with its own
outcome. The first attempt goes without savepoints, and side by side: see ``abreast``. Where one of them fails or has to
be undone, all are run again, each in a savepoint; and where that meets a deadlock, or one waits for a row of another
transaction, alone. Short reads that wait are answered together, too.

hot path: bench/
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from grantway.errors import ConfigurationError, GrantwayError, StoreUnavailable
from grantway.model import Change
from grantway.ports import Clock
from grantway.storage.sql.abreast import build_rounds, run_abreast
from grantway.storage.sql.definitions import check_version
from grantway.storage.sql.link import Link
from grantway.storage.sql.statements import Compiled
from grantway.storage.sql.transaction import Abandon, Keys, Verb

T = TypeVar("T")

MAX_WAITING = 4096
"""Calls that may wait for a connection; further ones are refused at once."""
WAITING_SHARE = 0.4
"""The part of the timeout that a call may wait for a connection: 2 of 5 seconds. Whoever stands in a queue that does
not move is told so soon; who has a connection may need the rest."""
MAX_BATCH = 128
"""Writes committed together at most, so that none waits long for the others."""
MAX_READS = 32
"""Short reads answered together at most: the other connections shall have some, too."""
SERVER_PATIENCE_MS = 900
"""How long a server may work for each second that a caller waits: so that it gives up first, and says why."""
MAX_RETRIES = 5
"""How often a transaction is run again that the database chose as the victim of a deadlock."""
FEED_OVERLAP_MS = 1000
"""Numbers of the feed become visible in order (see ``Link.commit``); this is for what would break that order unseen."""

Trouble = Literal["again", "blocked", "lost", "unavailable"]
"""What an error of a database means: run it again; it waits for another transaction's row; the connection is gone; the
database cannot do it now."""

_log = logging.getLogger(__name__)


class Connector(Protocol):
    """What one kind of database brings."""

    readers: int
    writers: int

    def compile(self) -> dict[str, Compiled]: ...

    async def connect(self, compiled: dict[str, Compiled], counts: dict[str, int], clock: Clock) -> Link: ...

    def classify(self, error: BaseException) -> Trouble | None:
        """None: it is a mistake in the program."""


class _Call:
    """A verb on its way, and the caller who waits for it."""

    __slots__ = ("future", "is_waiting", "keys", "timer", "verb")

    def __init__(self, verb: Verb[Any], keys: Keys | None, future: asyncio.Future[Any]) -> None:
        self.verb = verb
        self.keys = keys
        self.future = future
        self.is_waiting = True
        """For a connection."""
        self.timer: asyncio.TimerHandle | None = None


class _Outcome(NamedTuple):
    call: _Call
    result: Any
    error: BaseException | None


_STOP: Any = object()


class NetworkDriver:
    """Runs verbs on a database server. See ``transaction.Driver``."""

    feed_overlap_ms = FEED_OVERLAP_MS

    def __init__(self, connector: Connector, clock: Clock, *, timeout: float) -> None:
        self._connector = connector
        self._clock = clock
        self._timeout = timeout
        self._compiled: dict[str, Compiled] = {}
        self._counts: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reads: asyncio.Queue[Any] = asyncio.Queue()
        self._writes: asyncio.Queue[Any] = asyncio.Queue()
        self._watches: asyncio.Queue[Any] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[Callable[[Sequence[Change]], None]] = []

    # -- life cycle ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        if self._loop is not None:
            return
        loop = asyncio.get_running_loop()
        self._compiled = self._compiled or self._connector.compile()
        self._counts = self._counts or dict.fromkeys(self._compiled, 0)
        try:
            async with asyncio.timeout(self._timeout):
                link = await self._open_first()
        except TimeoutError as error:
            raise StoreUnavailable(detail="the database did not answer in time") from error
        except GrantwayError:
            raise
        except Exception as error:
            raise self._translate(error) from error
        self._loop = loop
        self._reads, self._writes, self._watches = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
        serving = [self._serve_writes(link)]
        serving += [self._serve_writes(None) for _ in range(self._connector.writers - 1)]
        serving += [self._serve_reads(self._reads) for _ in range(self._connector.readers)]
        serving += [self._serve_reads(self._watches)]
        self._tasks += [loop.create_task(serve) for serve in serving]

    async def stop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is None:
            return
        for _ in range(self._connector.readers):
            self._reads.put_nowait(_STOP)
        for _ in range(self._connector.writers):
            self._writes.put_nowait(_STOP)
        self._watches.put_nowait(_STOP)
        tasks, self._tasks = self._tasks, []
        await asyncio.gather(*tasks)

    async def _open_first(self) -> Link:
        link = await self._connect()
        try:
            check_version(await link.read_version())
        except BaseException:
            link.terminate()
            raise
        return link

    async def _connect(self) -> Link:
        return await self._connector.connect(self._compiled, self._counts, self._clock)

    # -- calls --------------------------------------------------------------------------------------------------------

    def read(self, verb: Verb[T], keys: Keys | None = None) -> Awaitable[T]:
        return self._submit(self._reads, verb, keys)

    def write(self, verb: Verb[T], keys: Keys | None = None) -> Awaitable[T]:
        return self._submit(self._writes, verb, keys)

    def watch(self, verb: Verb[T]) -> Awaitable[T]:
        return self._submit(self._watches, verb, None)

    async def has_moved(self) -> bool:
        # Only the answer to a query proves that the database is still there and still says the same.
        if self._loop is None:
            raise StoreUnavailable(detail="the store is not running")
        return True

    def on_change(self, callback: Callable[[Sequence[Change]], None]) -> Callable[[], None]:
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def statement_counts(self) -> dict[str, int]:
        return dict(self._counts)

    def _submit(self, queue: asyncio.Queue[Any], verb: Verb[Any], keys: Keys | None) -> asyncio.Future[Any]:
        loop = self._loop
        if loop is None:
            raise StoreUnavailable(detail="the store is not running")
        if queue.qsize() >= MAX_WAITING:
            raise StoreUnavailable(detail="too many calls wait for the database")
        call = _Call(verb, keys, loop.create_future())
        call.timer = loop.call_later(self._timeout * WAITING_SHARE, self._expire, call, loop)
        queue.put_nowait(call)
        return call.future

    def _expire(self, call: _Call, loop: asyncio.AbstractEventLoop) -> None:
        if call.is_waiting:
            _refuse(call.future, "no connection to the database became free in time")
        else:
            rest = self._timeout * (1 - WAITING_SHARE)
            call.timer = loop.call_later(rest, _refuse, call.future, "the database did not answer in time")

    def tell(self, changes: Sequence[Change]) -> None:
        """Hands changes to whoever remembers what they are about."""
        for listener in tuple(self._listeners):
            listener(changes)

    def _deliver(self, outcomes: Iterable[_Outcome], changes: Sequence[Change] = ()) -> None:
        """First the caches learn what changed, then the callers."""
        try:
            if changes:
                self.tell(changes)
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

    # -- the tasks that own connections -------------------------------------------------------------------------------

    async def _serve_reads(self, queue: asyncio.Queue[Any]) -> None:
        link: Link | None = None
        while (batch := await _take(queue, MAX_READS, ends_with_long=True)) is not None:
            waiting = [call for call in batch if not call.future.done()]
            if waiting:
                link = await self._run(link, waiting, self._run_reads)
        if link is not None:
            await link.close()

    async def _serve_writes(self, link: Link | None) -> None:
        while (batch := await _take(self._writes, MAX_BATCH)) is not None:
            waiting = [call for call in batch if not call.future.done()]  # nobody waits: it did not happen
            if waiting:
                link = await self._run(link, waiting, self._run_writes)
        if link is not None:
            await link.close()

    async def _run(
        self, link: Link | None, batch: list[_Call], run: Callable[[Link, list[_Call]], Awaitable[None]]
    ) -> Link | None:
        """Runs a batch to its end, and answers everybody in it. Returns the connection if it is still good."""
        failure: BaseException | None = None
        for call in batch:
            call.is_waiting = False
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    is_new = link is None
                    try:
                        link = link or await self._connect()
                        await run(link, [call for call in batch if not call.future.done()])
                        return link
                    except Exception as error:
                        failure = error
                        is_doubtful = link is not None and link.is_committing
                        if link is not None:
                            link.terminate()
                            link = None
                        # A connection that broke while it was idle is no reason to refuse. Nothing was committed yet.
                        if is_new or is_doubtful or self._connector.classify(error) != "lost":
                            break
        except TimeoutError:
            failure = StoreUnavailable(detail="the database did not answer in time")
        if link is not None:
            link.terminate()
        self._deliver([_Outcome(call, None, self._translate(failure)) for call in batch])
        return None

    async def _run_reads(self, link: Link, batch: list[_Call]) -> None:
        short = [call for call in batch if call.keys is not None]
        if len(short) > 1:
            try:
                results = await run_abreast(link, [call.verb for call in short])
            except Exception as error:
                if self._connector.classify(error) is not None:
                    raise
            else:
                self._deliver(map(_Outcome, short, results, itertools.repeat(None)))
                batch = [call for call in batch if call.keys is None]
        for call in batch:
            try:
                outcome = _Outcome(call, await call.verb(link), None)
            except Exception as error:
                if self._connector.classify(error) is not None:
                    raise
                outcome = _Outcome(call, None, error)
            self._deliver([outcome])

    # -- group commit -------------------------------------------------------------------------------------------------

    async def _run_writes(self, link: Link, batch: list[_Call]) -> None:
        if len(batch) > 1:
            try:
                await self._run_together(link, batch)
            except Exception as error:
                await self._undo(link, error)
            else:
                return
            try:
                batch = await self._run_in_savepoints(link, batch)
            except Exception as error:
                await self._undo(link, error)
        for call in batch:
            await self._run_alone(link, call)

    async def _undo(self, link: Link, error: Exception) -> None:
        """Takes back a batch, or gives the connection up with the error it broke by."""
        if link.is_committing or self._connector.classify(error) in ("lost", "unavailable"):
            raise error
        await link.rollback()

    async def _run_together(self, link: Link, batch: list[_Call]) -> None:
        await link.begin(is_group=True)
        outcomes: list[_Outcome] = []
        for calls in build_rounds(batch):
            results = await run_abreast(link, [call.verb for call in calls])
            outcomes += map(_Outcome, calls, results, itertools.repeat(None))
        self._deliver(outcomes, await link.commit())

    async def _run_in_savepoints(self, link: Link, batch: list[_Call]) -> list[_Call]:
        """Runs each so that it can be undone alone. Returns those that have to wait for another transaction."""
        await link.begin(is_group=True)
        outcomes, blocked = [], []
        for call in batch:
            await link.set_savepoint()
            try:
                outcomes.append(_Outcome(call, await call.verb(link), None))
            except Abandon as end:
                outcomes.append(_Outcome(call, end.result, None))
                await link.roll_back_to_savepoint()
            except Exception as error:
                trouble = self._connector.classify(error)
                if trouble == "blocked":
                    blocked.append(call)
                elif trouble is not None:
                    raise
                else:
                    outcomes.append(_Outcome(call, None, error))
                await link.roll_back_to_savepoint()
        self._deliver(outcomes, await link.commit())
        return blocked

    async def _run_alone(self, link: Link, call: _Call) -> None:
        retries = 0
        while True:
            await link.begin(is_group=False)
            try:
                result = await call.verb(link)
                changes = await link.commit()
            except Abandon as end:
                await link.rollback()
                return self._deliver([_Outcome(call, end.result, None)])
            except Exception as error:
                trouble = self._connector.classify(error)
                if trouble is None:
                    await link.rollback()
                    return self._deliver([_Outcome(call, None, error)])
                if trouble != "again" or retries == MAX_RETRIES:
                    raise
                await link.rollback()
            else:
                return self._deliver([_Outcome(call, result, None)], changes)
            retries += 1
            await asyncio.sleep(random.uniform(0, 0.01) * retries)  # noqa: S311  so that two do not meet again

    def _translate(self, error: BaseException | None) -> BaseException:
        """What a failure means for the caller: trouble of the database is answered 503, a mistake stays one.

        A new exception for each caller: one that several raise would collect the tracebacks of all.
        """
        if isinstance(error, StoreUnavailable):
            return StoreUnavailable(detail=error.detail)
        if error is None:
            return RuntimeError("a batch ended without an outcome")
        if self._connector.classify(error) is None and not isinstance(error, ConfigurationError):
            return error
        _log.warning("database unavailable: %s: %s", type(error).__name__, error)
        return StoreUnavailable(detail=str(error) or type(error).__name__)


def _refuse(future: asyncio.Future[Any], reason: str) -> None:
    if not future.done():
        future.set_exception(StoreUnavailable(detail=reason))


async def _take(queue: asyncio.Queue[Any], most: int, *, ends_with_long: bool = False) -> list[_Call] | None:
    """Waits for a call and takes those behind it as well. None: stop.

    ``ends_with_long``: nobody shall wait for one without keys, so nothing is taken behind it.
    """
    first = await queue.get()
    if first is _STOP:
        return None
    batch = [first]
    while len(batch) < most and not queue.empty() and not (ends_with_long and batch[-1].keys is None):
        following = queue.get_nowait()
        if following is _STOP:
            queue.put_nowait(_STOP)  # for the next round
            break
        batch.append(following)
    return batch
