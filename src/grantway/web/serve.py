"""Runs the listeners: in this process, or under a supervisor that keeps several worker processes alive.

One process runs both uvicorn servers in one event loop, and they share one ``AuthorizationServer``. Signals, the order
of starting and stopping, and readiness are decided here; uvicorn only speaks HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from grantway.config import Settings
from grantway.errors import ConfigurationError
from grantway.web.garbage import ShortCollections
from grantway.web.leaving import QUEUE_EMPTIES, let_nobody_in
from grantway.web.listeners import BACKLOG, Listeners, Which, bind_listeners
from grantway.web.worker_status import StatusBoard, keep_posted

if TYPE_CHECKING:
    from socket import socket

    from uvicorn import Server

    from grantway.server import AuthorizationServer

Ready = Callable[[Listeners], None]
OpenServer = Callable[[], Awaitable["AuthorizationServer"]]

REPLACED = signal.SIGUSR1
"""Tells a worker that another one has taken its place: finish what is under way and go."""
KEEP_ALIVE_TIMEOUT = 75
"""Seconds an idle connection is kept: longer than the 60 s after which common proxies give up theirs, so that it is
never this side that closes while the proxy sends."""


def serve(
    settings: Settings,
    *,
    which: Which = "all",
    ready: Ready | None = None,
    listeners: Listeners | None = None,
    open_server: OpenServer | None = None,
    reload: Callable[[], Settings] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then returns when every request under way was answered.

    ``ready`` is called once, when all listeners answer. ``listeners``: sockets bound before (so that the caller knows
    their ports). ``open_server`` gives the *started* server to use instead of a new one; it needs a single worker.
    ``reload`` gives the settings that workers are restarted with, one by one, after SIGHUP.

    Raises:
        ListenError: an address is taken. ConfigurationError, SchemaError, StoreUnavailable: the server cannot start.
    """
    workers = settings.serve.workers
    if workers > 1 and (open_server is not None or is_memory_database(settings.database.url)):
        raise ConfigurationError("serve.workers: a database in memory cannot be shared; use one worker or a file.")
    listeners = listeners or bind_listeners(settings, which)
    try:
        if workers == 1:
            run(settings, listeners, ready=ready, open_server=open_server)
        else:
            from grantway.web.supervisor import Supervisor

            Supervisor(settings, listeners, ready=ready, reload=reload).run()
    finally:
        listeners.close()


def is_memory_database(url: str) -> bool:
    """True for the SQLite databases that live in one process only."""
    return url.startswith("sqlite") and (url.partition("://")[2] in ("", "/", "/:memory:") or "mode=memory" in url)


def run(
    settings: Settings,
    listeners: Listeners,
    *,
    ready: Ready | None = None,
    open_server: OpenServer | None = None,
    lifeline: int | None = None,
    left: Callable[[], None] | None = None,
    board: StatusBoard | None = None,
) -> None:
    """Serves in this process until a signal, or until ``lifeline`` (a file descriptor) reaches its end.

    ``left`` is called when it takes no more connections, and still answers those it has. ``board``: where it tells how
    it is doing.
    """
    import uvloop

    from grantway.web.telemetry import configure_logging

    configure_logging(settings.log)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Process(settings, listeners, ready, lifeline, left, board).serve(open_server))


class _Process:
    """One serving process: start, announce, wait, drain, stop."""

    def __init__(
        self,
        settings: Settings,
        listeners: Listeners,
        ready: Ready | None,
        lifeline: int | None,
        left: Callable[[], None] | None,
        board: StatusBoard | None,
    ) -> None:
        self.settings = settings
        self.listeners = listeners
        self.ready = ready
        self.lifeline = lifeline
        self.left = left
        self.board = board or StatusBoard()
        self.stopping = asyncio.Event()
        self.is_replaced = False
        self.fronts: list[Server] = []

    async def serve(self, open_server: OpenServer | None) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self.stop)
        if self.lifeline is not None:
            loop.add_signal_handler(REPLACED, self.leave)
            loop.add_reader(self.lifeline, self._read_lifeline, loop, self.lifeline)
        server = await (open_server or self._open_server)()
        posting = asyncio.create_task(keep_posted(self.board))
        try:
            await self._serve(server)
        finally:
            await server.stop()
            posting.cancel()
            self.board.post()

    async def _open_server(self) -> AuthorizationServer:
        from grantway.web import create_server

        server = create_server(self.settings, board=self.board)
        await server.start()
        return server

    async def _serve(self, server: AuthorizationServer) -> None:
        from grantway.web import create_admin_app, create_public_app

        tasks = []
        applications = ((self.listeners.public, create_public_app), (self.listeners.admin, create_admin_app))
        for listener, create_app in applications:
            if listener is not None:
                front, answering = build_front(self.settings, create_app(server))
                self.fronts.append(front)
                tasks.append(asyncio.create_task(front.serve(sockets=[listener])))
                await _first(answering, tasks[-1])
        if not any(task.done() for task in tasks):
            self.board.post()
            if self.ready is not None:
                self.ready(self.listeners)
            collections = ShortCollections()
            collections.start()
            await _first(self.stopping, *tasks)
            collections.stop()
        if not self.is_replaced:
            server.runtime.is_stopping = True  # /health/ready says 503 from here on
            await asyncio.sleep(self.settings.serve.drain_delay)
            let_nobody_in(self.listeners.sockets)
            await asyncio.sleep(QUEUE_EMPTIES)
        for front in self.fronts:
            for listening in front.servers:
                listening.close()
            front.should_exit = True
        if self.left is not None:
            self.left()
        await asyncio.gather(*tasks)

    def stop(self) -> None:
        """First call: finish gracefully. Second call: now."""
        if self.stopping.is_set():
            for front in self.fronts:
                front.force_exit = True
        self.stopping.set()

    def leave(self) -> None:
        """Another worker has taken this one's place: the server as a whole stays ready."""
        self.is_replaced = True
        self.stop()

    def _read_lifeline(self, loop: asyncio.AbstractEventLoop, lifeline: int) -> None:
        if not os.read(lifeline, 4096):
            loop.remove_reader(lifeline)
            self.stop()


def build_front(settings: Settings, app: Any) -> tuple[Server, asyncio.Event]:
    """A uvicorn server that leaves signals and lifespan to us, and the event that says it accepts connections."""
    import uvicorn

    from grantway.web.asgi import PublicApplication
    from grantway.web.http_protocol import OneWriteProtocol, build_direct_protocol

    answering = asyncio.Event()

    class Front(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        async def startup(self, sockets: list[socket] | None = None) -> None:
            await super().startup(sockets)
            answering.set()

    is_direct = settings.serve.direct_lane and isinstance(app, PublicApplication)
    config = uvicorn.Config(
        app,
        loop="none",
        http=build_direct_protocol(app) if is_direct else OneWriteProtocol,
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # serve.trusted_proxies is the one place where a forwarded address is believed
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_TIMEOUT,
        timeout_graceful_shutdown=settings.serve.shutdown_timeout,
    )
    return Front(config), answering


async def _first(event: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    """Returns when the event is set or one of the tasks ended."""
    waiter = asyncio.create_task(event.wait())
    await asyncio.wait((waiter, *tasks), return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
