"""Redis or Valkey, for what may be lost: token buckets that all workers draw from, and word that something changed.

Nothing depends on it. While it does not answer, nobody waits for it: the first failure opens the circuit, requests go
on without, and one task tries again in the background. Buckets are then each worker's own, for its part of the rate
(``throttle``); changes are found where they are found in any case, in the database's change feed.

hot path: bench/ "rate limit on"
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import random
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from grantway.config import RedisSettings
from grantway.limits import Rate
from grantway.model import Change
from grantway.storage.redis_connect import Target, close, connect, connect_listener, load_redis, parse_redis_url

MOST_AT_ONCE = 256
"""Buckets asked for in one call."""
MOST_WAITING = 4096
"""Requests that may wait for a call; further ones do without."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_QUIET = 5.0
"""Seconds without a message after which a subscription is tested."""

_log = logging.getLogger(__name__)

# The algorithm of limits.Buckets in whole microseconds of the server's clock. What was written under a clock that was
# ahead (another node's, before a failover) counts as an empty bucket, not as one that is empty for hours.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local used = {}
for i, key in ipairs(KEYS) do
  local interval, depth = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local full_at = tonumber(redis.call('GET', key) or now)
  full_at = math.min(math.max(full_at, now), now + depth) + interval
  used[i] = full_at - now
  if used[i] <= depth then
    redis.call('SET', key, string.format('%.0f', full_at), 'PX', math.ceil(used[i] / 1000))
  end
end
return used
"""
_TAKE_SHA = hashlib.sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()


class _Question(NamedTuple):
    key: str
    interval: int
    depth: int
    future: asyncio.Future[float | None]


class Redis:
    """``ports.SharedBuckets``, and the hints between workers.

    Raises:
        ConfigurationError: ``redis.url`` is malformed, or the package is not installed.
    """

    def __init__(self, settings: RedisSettings, url: str) -> None:
        load_redis()
        self._target: Target = parse_redis_url(url)
        self._timeout = settings.timeout_ms / 1000
        self._prefix, self._channel = settings.prefix, settings.prefix + "change"
        self._sender = secrets.token_hex(8).encode()
        self._client: Any = None
        self._is_up = False
        self._is_down = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: list[_Question] = []
        self._is_asking = self._is_telling = False
        self._news: int | None = None
        """How far the change feed goes, where the others have not been told."""
        self._heard: deque[int] = deque(maxlen=64)
        self._hear: Callable[[], None] | None = None
        self._counts = dict.fromkeys(("round_trips", "buckets", "failures", "reconnects", "told", "heard"), 0)

    # -- life cycle ---------------------------------------------------------------------------------------------------

    async def start(self, hear: Callable[[], None] | None = None) -> None:
        """Never fails: it comes when it comes. ``hear`` is called when another worker told of a change."""
        if self._tasks:
            return
        self._hear = hear
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout * 3):
                await self._try()
        self._spawn(self._keep())
        if hear is not None:
            self._spawn(self._listen())

    async def stop(self) -> None:
        tasks, self._is_up = list(self._tasks), False
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._answer(self._waiting, None)
        self._waiting, self._is_asking, self._is_telling = [], False, False
        await self._close()

    def status(self) -> dict[str, Any]:
        """Whether it answers, and how often what was asked of it."""
        return {"form": self._target.form, "is_up": self._is_up, **self._counts}

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the circuit --------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Closes the circuit again. The pauses differ, so that workers do not all come back in one moment."""
        pause = _SHORTEST_PAUSE
        while True:
            if self._is_up:
                pause = _SHORTEST_PAUSE
                await self._is_down.wait()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            await self._try()

    async def _try(self) -> None:
        """Connects anew and takes a token that nobody needs, from each part of a cluster."""
        await self._close()
        try:
            async with asyncio.timeout(max(1.0, self._timeout)):
                self._client = connect(self._target, timeout=self._timeout)
                await self._client.initialize()  # before several calls at once find a cluster unknown
                await self._run([(f"{self._prefix}{{{part}}}probe", 1, 1) for part in "0123456789abcdef"])
        except Exception as error:
            if self._counts["failures"] == 0:
                _log.warning("cannot reach Redis: %s: %s", type(error).__name__, error)
            self._counts["failures"] += 1
            return
        self._counts["reconnects"] += 1
        self._is_down.clear()
        self._is_up = True
        _log.info("Redis answers")

    def _open_circuit(self, error: BaseException) -> None:
        self._counts["failures"] += 1
        if self._is_up:
            self._is_up = False
            self._is_down.set()
            _log.warning("Redis does not answer, going on without: %s: %s", type(error).__name__, error)

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await close(client)

    @property
    def _is_cluster(self) -> bool:
        return self._target.form == "cluster"

    # -- buckets ------------------------------------------------------------------------------------------------------

    def take(self, key: str, rate: Rate) -> asyncio.Future[float | None] | None:
        if not self._is_up or len(self._waiting) >= MOST_WAITING:
            return None
        future: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        interval = max(1, round(rate.interval * 1e6))
        question = _Question(self._build_key(f"{rate.name}\n{key}"), interval, int(rate.depth * 1e6), future)
        self._waiting.append(question)
        if not self._is_asking:
            self._is_asking = True
            self._spawn(self._ask())
        return future

    async def _ask(self) -> None:
        """Asks for all that wait in one call, and then for those that came meanwhile."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                used = None
                try:
                    used = await self._ask_batch(batch) if self._is_up else None
                finally:
                    self._answer(batch, used)
        finally:
            self._is_asking = False

    async def _ask_batch(self, batch: list[_Question]) -> list[int] | None:
        try:
            async with asyncio.timeout(self._timeout):
                used = await self._run([(each.key, each.interval, each.depth) for each in batch])
        except Exception as error:
            self._open_circuit(error)
            return None
        self._counts["round_trips"] += 1
        self._counts["buckets"] += len(batch)
        return used

    def _answer(self, batch: list[_Question], used: list[int] | None) -> None:
        for number, question in enumerate(batch):
            if not question.future.done():
                question.future.set_result(None if used is None else used[number] / 1e6)

    async def _run(self, takes: list[tuple[str, int, int]]) -> list[int]:
        """The script over all keys; in a cluster one call for each part, all at once."""
        if not self._is_cluster:
            return await self._run_script(takes)
        parts: dict[str, list[int]] = {}
        for number, (key, _, _) in enumerate(takes):
            parts.setdefault(key[: key.index("}")], []).append(number)
        used = [0] * len(takes)
        answers = await asyncio.gather(
            *(self._run_script([takes[number] for number in numbers]) for numbers in parts.values())
        )
        for numbers, answer in zip(parts.values(), answers, strict=True):
            for number, one in zip(numbers, answer, strict=True):
                used[number] = one
        return used

    async def _run_script(self, takes: list[tuple[str, int, int]]) -> list[int]:
        from redis.exceptions import NoScriptError

        keys = [key for key, _, _ in takes]
        arguments = [number for _, interval, depth in takes for number in (interval, depth)]
        try:
            used: list[int] = await self._client.evalsha(_TAKE_SHA, len(keys), *keys, *arguments)
        except NoScriptError:  # the server was restarted or emptied
            used = await self._client.eval(_TAKE, len(keys), *keys, *arguments)
        return used

    def _build_key(self, name: str) -> str:
        """A fixed length, so that no name or address is there to be read. The part in braces chooses the node of a
        cluster that holds it: 16 parts, so that what is asked at once takes few calls."""
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return f"{self._prefix}{{{digest[0]}}}{digest}"

    # -- hints --------------------------------------------------------------------------------------------------------

    def tell(self, changes: Sequence[Change]) -> None:
        """Tells the other workers how far the change feed goes, unless somebody did: this worker may have it from the
        database, which told everybody."""
        last = max((change.sequence for change in changes), default=None)
        if last is None or last in self._heard:
            return
        self._news = last
        if self._is_up and not self._is_telling:
            self._is_telling = True
            self._spawn(self._tell())

    async def _tell(self) -> None:
        """What comes while a message is on its way goes into the next."""
        try:
            while self._is_up and self._news is not None:
                message, self._news = b"%s %d" % (self._sender, self._news), None
                try:
                    async with asyncio.timeout(self._timeout):
                        await self._client.publish(self._channel, message)
                    self._counts["told"] += 1
                except Exception as error:
                    self._open_circuit(error)
        finally:
            self._is_telling = False

    async def _listen(self) -> None:
        attempt, pause = 0, _SHORTEST_PAUSE
        while True:
            client = pubsub = None
            try:
                client = connect_listener(self._target, attempt, timeout=max(1.0, self._timeout))
                pubsub = client.pubsub()
                await pubsub.subscribe(self._channel)
                pause = _SHORTEST_PAUSE
                await self._hear_all(pubsub)
            except Exception as error:
                _log.debug("cannot listen to Redis: %s: %s", type(error).__name__, error)
            finally:
                if pubsub is not None:
                    with contextlib.suppress(Exception):
                        await pubsub.aclose()
                if client is not None:
                    await close(client)
            attempt += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def _hear_all(self, pubsub: Any) -> None:
        is_tested = False
        while True:
            message = await pubsub.get_message(timeout=_QUIET)
            if message is None and is_tested:
                return  # it does not even answer a ping
            if message is None:
                await pubsub.ping()
            elif message["type"] == "message":
                self._hear_one(message["data"])
            elif message["type"] == "subscribe" and self._hear is not None:
                self._hear()  # something may have been missed
            is_tested = message is None

    def _hear_one(self, message: bytes) -> None:
        """A message is a hint to look: whoever can reach Redis can send one."""
        sender, _, number = message.partition(b" ")
        if sender == self._sender or not number.isdigit():
            return
        self._counts["heard"] += 1
        self._heard.append(int(number[:18]))
        if self._hear is not None:
            self._hear()
