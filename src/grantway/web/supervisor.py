"""Keeps worker processes alive and takes them down together. It stays small: no web framework, no database, no crypto.

A worker that dies is replaced, faster at first, slower when it keeps dying. Listening sockets belong to the supervisor,
so connections wait in the queue instead of being refused while a worker is being replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import IO, cast

from grantway import errors
from grantway.config import Settings
from grantway.web.leaving import refuse_all
from grantway.web.listeners import Handover, Listeners
from grantway.web.serve import REPLACED
from grantway.web.worker_status import retire_worker

START_TIMEOUT = 60.0
"""Seconds a worker may take until it answers."""
STEADY_AFTER = 30.0
"""A worker that ran this long, seconds, starts anew with a clean record."""
LONGEST_PAUSE = 10.0
START_ATTEMPTS = 3
"""Deaths of one worker before the first complete start after which the supervisor gives up."""
STOP_MARGIN = 5.0


class CrashLoop(errors.GrantwayError):
    """Workers die as soon as they start."""


class _Worker:
    """One worker process and the pipe it speaks through. The pipe's end is how its death is noticed."""

    def __init__(self, slot: int, process: subprocess.Popen[bytes], channel: int) -> None:
        self.slot = slot
        self.process = process
        self.lifeline = cast("IO[bytes]", process.stdin)
        self.channel = channel
        self.started_at = time.monotonic()
        self.is_ready = False
        self.is_leaving = False
        self.has_left = False
        """It takes no more connections."""
        self.heard = b""

    def signal(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)


class Supervisor:
    """``run`` returns when all workers ended after SIGTERM or SIGINT; SIGHUP restarts them one by one."""

    def __init__(
        self,
        settings: Settings,
        listeners: Listeners,
        *,
        ready: Callable[[Listeners], None] | None = None,
        reload: Callable[[], Settings] | None = None,
    ) -> None:
        self.settings = settings
        self.listeners = listeners
        self.ready = ready
        self.reload = reload
        self.workers: list[_Worker] = []
        self.failures = [0] * settings.serve.workers
        self.due: dict[int, float] = {}
        """When which slot is started again (monotonic seconds)."""
        self.to_replace: list[int] = []
        """Slots whose worker is still to be replaced by a rolling restart."""
        self.was_complete = False
        self.kill_at: float | None = None
        """Set once stopping: when patience ends."""
        self.is_refusing = False
        self.failure: Exception | None = None
        self.selector = selectors.DefaultSelector()
        self.environment = dict(os.environ)
        self.status_directory = ""

    def run(self) -> None:
        """Supervises until the end.

        Raises:
            CrashLoop: the workers died before all of them had answered once.
            ConfigurationError, SchemaError, StoreUnavailable: what a worker refused to start with.
        """
        with self._shared_folder(), self._signals():
            for slot in range(self.settings.serve.workers):
                self._spawn(slot)
            try:
                while self.workers or self.kill_at is None:
                    self._step()
            finally:
                for worker in self.workers:
                    worker.process.kill()
        self.selector.close()
        if self.failure is not None:
            raise self.failure

    # -- one turn -------------------------------------------------------------------------------------------------
    def _step(self) -> None:
        for key, _ in self.selector.select(self._patience()):
            if isinstance(key.data, _Worker):
                self._hear(key.data)
            else:
                for number in key.data.recv(64):
                    self._on_signal(number)
        now = time.monotonic()
        for slot, due in list(self.due.items()):
            if due <= now:
                del self.due[slot]
                self._spawn(slot)
        for worker in self.workers:
            if not worker.is_ready and now - worker.started_at > START_TIMEOUT:
                self._log("error", "worker_start_timeout", pid=worker.process.pid)
                worker.signal(signal.SIGKILL)
        if self.kill_at is not None and now >= self.kill_at:
            for worker in self.workers:
                self._log("error", "worker_killed", pid=worker.process.pid)
                worker.signal(signal.SIGKILL)
            self.kill_at = now + STOP_MARGIN

    def _patience(self) -> float | None:
        instants = [*self.due.values(), *(w.started_at + START_TIMEOUT for w in self.workers if not w.is_ready)]
        if self.kill_at is not None:
            instants.append(self.kill_at)
        return max(0.0, min(instants) - time.monotonic()) + 0.001 if instants else None

    def _on_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._log("info", "stopping", signal=signal.Signals(number).name)
            self._stop()
        elif number == signal.SIGHUP and self.was_complete and self.kill_at is None:
            self._begin_rolling_restart()

    def _stop(self) -> None:
        serve = self.settings.serve
        self.due.clear()
        self.to_replace.clear()
        if self.kill_at is None:
            self.kill_at = time.monotonic() + serve.drain_delay + serve.shutdown_timeout + STOP_MARGIN
        for worker in self.workers:
            worker.is_leaving = True
            worker.signal(signal.SIGTERM)

    # -- workers --------------------------------------------------------------------------------------------------
    def _spawn(self, slot: int) -> None:
        reading, writing = os.pipe()
        public, admin = self.listeners.public, self.listeners.admin
        handover = Handover(
            settings=self.settings,
            public=public.fileno() if public else None,
            admin=admin.fileno() if admin else None,
            channel=writing,
            slot=slot,
            status_directory=self.status_directory,
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "grantway.web.worker"],
            stdin=subprocess.PIPE,
            pass_fds=[writing, *(each.fileno() for each in self.listeners.sockets)],
            env=self.environment,
        )
        os.close(writing)
        worker = _Worker(slot, process, reading)
        self.workers.append(worker)
        self.selector.register(reading, selectors.EVENT_READ, worker)
        # Left open: its end is how the worker learns that the supervisor is gone.
        with contextlib.suppress(BrokenPipeError):  # the worker is dead already: its channel will say so
            worker.lifeline.write(handover.encode() + b"\n")
            worker.lifeline.flush()

    def _hear(self, worker: _Worker) -> None:
        received = os.read(worker.channel, 4096)
        if not received:
            self._bury(worker)
            return
        worker.heard += received
        *lines, worker.heard = worker.heard.split(b"\n")
        for line in lines:
            verb, _, rest = line.decode().partition(" ")
            if verb == "ready":
                self._on_ready(worker)
            elif verb == "left":
                worker.has_left = True
                self._refuse_when_nobody_listens()
            elif verb == "failed":
                name, _, message = rest.partition(" ")
                self._log("error", "worker_refused", pid=worker.process.pid, reason=message)
                if not self.was_complete:
                    self._give_up(_build_failure(name, message))

    def _on_ready(self, worker: _Worker) -> None:
        worker.is_ready = True
        for other in self.workers[: self.workers.index(worker)]:  # in the order of their starts: the newest stays
            if other.slot == worker.slot and not other.is_leaving:
                other.is_leaving = True
                other.signal(REPLACED)
        if not self.was_complete and sum(w.is_ready for w in self.workers) == self.settings.serve.workers:
            self.was_complete = True
            if self.ready is not None:
                self.ready(self.listeners)

    def _bury(self, worker: _Worker) -> None:
        self.selector.unregister(worker.channel)
        os.close(worker.channel)
        self.workers.remove(worker)
        code = worker.process.wait()
        with contextlib.suppress(BrokenPipeError):
            worker.lifeline.close()
        retire_worker(self.status_directory, worker.process.pid)
        self._refuse_when_nobody_listens()
        if worker.is_leaving:
            if self.kill_at is None:
                self._replace_next()
            return
        self._log("error", "worker_died", pid=worker.process.pid, code=code)
        steady = time.monotonic() - worker.started_at > STEADY_AFTER
        self.failures[worker.slot] = failures = 1 if steady else self.failures[worker.slot] + 1
        if not self.was_complete and failures >= START_ATTEMPTS:
            self._give_up(CrashLoop(f"Worker {worker.slot} died {failures} times before it could answer."))
        elif self.kill_at is None:
            self.due[worker.slot] = time.monotonic() + min(LONGEST_PAUSE, 0.05 * 2 ** (failures - 1))

    def _refuse_when_nobody_listens(self) -> None:
        """Once stopping: a connection that nobody will take is refused while the last requests are answered."""
        if self.kill_at is not None and not self.is_refusing and all(worker.has_left for worker in self.workers):
            self.is_refusing = True
            refuse_all(self.listeners.sockets)

    def _give_up(self, failure: Exception) -> None:
        if self.failure is None:
            self.failure = failure
        self._stop()

    # -- rolling restart ------------------------------------------------------------------------------------------
    def _begin_rolling_restart(self) -> None:
        if self.reload is not None:
            try:
                self.settings = self._keep_shape(self.reload())
            except errors.ConfigurationError as error:
                self._log("error", "reload_refused", reason=str(error))
                return
        self._log("info", "rolling_restart")
        busy = bool(self.to_replace)
        self.to_replace = list(range(len(self.failures)))
        if not busy:
            self._replace_next()

    def _keep_shape(self, settings: Settings) -> Settings:
        """New settings for the workers; addresses and their number stay what they were at the start."""
        import msgspec

        ours = self.settings.serve
        kept = {name: getattr(ours, name) for name in ("bind", "port", "admin_bind", "admin_port", "workers")}
        serve = msgspec.structs.replace(settings.serve, **kept)
        return msgspec.structs.replace(settings, serve=serve)

    def _replace_next(self) -> None:
        if self.to_replace:
            slot = self.to_replace.pop(0)
            self._spawn(slot)

    # -- surroundings ---------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Turns signals into bytes the selector sees."""
        inbox, outbox = socket.socketpair()
        inbox.setblocking(False)
        outbox.setblocking(False)
        self.selector.register(inbox, selectors.EVENT_READ, inbox)
        previous = {
            number: signal.signal(number, lambda *_: None)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }  # fmt: skip
        before = signal.set_wakeup_fd(outbox.fileno())
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in previous.items():
                signal.signal(number, handler)
            inbox.close()
            outbox.close()

    @contextlib.contextmanager
    def _shared_folder(self) -> Iterator[None]:
        """Where the workers tell each other how they are doing; fresh at each start, as counters start from nothing."""
        self.status_directory = tempfile.mkdtemp(prefix="grantway-workers-")
        try:
            yield
        finally:
            shutil.rmtree(self.status_directory, ignore_errors=True)

    def _log(self, level: str, event: str, **facts: object) -> None:
        if self.settings.log.format == "json":
            line = json.dumps({"level": level, "event": event, **facts})
        else:
            line = " ".join([level, event, *(f"{name}={value}" for name, value in facts.items())])
        print(line, file=sys.stderr, flush=True)


def _build_failure(name: str, message: str) -> Exception:
    kind = getattr(errors, name, None)
    if kind in (errors.ConfigurationError, errors.SchemaError, errors.StoreUnavailable):
        return kind(message)  # type: ignore[no-any-return]
    return errors.GrantwayError(message)
