"""The garbage collector does not stop a worker for longer the more connections it holds."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref

import pytest
import uvicorn

from grantway.testing.in_process import InProcessServer
from grantway.web.garbage import EVERYTHING, ShortCollections
from grantway.web.http_protocol import build_direct_protocol


@pytest.fixture
def collections():
    running = ShortCollections()
    running.start()
    yield running
    running.stop()


def test_what_survived_a_full_collection_is_put_aside(collections):
    before = gc.get_freeze_count()
    kept = [[number] for number in range(5_000)]
    gc.collect()
    assert gc.get_freeze_count() - before > 4_000
    assert len(kept) == 5_000


def test_now_and_then_everything_is_looked_through(collections):
    class Node:
        pass

    first, second = Node(), Node()
    first.other, second.other = second, first
    gc.collect()  # puts the cycle aside
    gone = weakref.ref(first)
    del first, second
    for _ in range(EVERYTHING + 1):
        gc.collect()
    assert gone() is None


def test_stopping_leaves_the_collector_as_it_was():
    before = list(gc.callbacks)
    running = ShortCollections()
    running.start()
    running.stop()
    assert gc.callbacks == before
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("path", ["/version", "/nothing"], ids=["direct lane", "ASGI lane"])
def test_a_closed_connection_is_freed_without_the_collector(path):
    server = InProcessServer()
    protocols: list[weakref.ref] = []

    class Protocol(build_direct_protocol(server.public_app)):
        def connection_made(self, transport):
            protocols.append(weakref.ref(self))
            super().connection_made(transport)

    async def talk() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(server.public_app, http=Protocol, lifespan="off", ws="none", log_config=None)
        front = uvicorn.Server(config)
        config.load()
        front.lifespan = config.lifespan_class(config)
        await front.startup(sockets=[listener])
        for _ in range(5):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            await reader.readuntil(b"}")
            writer.close()
            await writer.wait_closed()
        while front.server_state.connections:  # noqa: ASYNC110  uvicorn tells nobody
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        await front.shutdown(sockets=[listener])

    gc.collect()
    gc.disable()
    try:
        server.run(talk())
        assert [each() for each in protocols] == [None] * 5
    finally:
        gc.enable()
        server.stop()
