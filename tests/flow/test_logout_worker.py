"""What a worker does about logout notices by itself: it is woken, tries again, survives a lost database, stops."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.listener import Listener

from grantway.admin.users import disable_user
from grantway.errors import StoreUnavailable
from grantway.storage.sql.store import SqlStore
from grantway.testing.in_process import InProcessServer

SETTINGS = {
    "egress.insecure_private_networks": ("127.0.0.0/8",),
    "egress.timeout": 5,
    "logout.retry_delay": 1,
    "logout.poll_interval": 1,
}


@pytest.fixture
def listener():
    running = Listener()
    yield running
    running.close()


@pytest.fixture
def server(listener):
    running = InProcessServer(SETTINGS)
    running.register_user()
    yield running
    listener.release()
    running.stop()


def enter(server, listener):
    client = server.register_client(backchannel_logout_uri=listener.uri)
    browser = server.browser()
    return browser, server.redeem(client, browser.authorize(client)["code"]).json()


def wait(server, is_enough):
    """Nothing but the server's own work goes on meanwhile."""

    async def run():
        for _ in range(2000):
            if is_enough():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it does not come")

    server.run(run())


def wait_for_first_look(server):
    """The one at the start, for what another left behind."""
    wait(server, lambda: server.server.status()["statements"].get("list_due_tasks"))


@pytest.mark.threat("T131")
@pytest.mark.parametrize("way", ["a logout", "disabling the user"])
def test_it_is_woken_where_a_session_ended(server, listener, way):
    browser, tokens = enter(server, listener)
    wait_for_first_look(server)
    if way == "a logout":
        browser.open(f"/oauth2/sessions/logout?id_token_hint={tokens['id_token']}")
    else:
        subject = server.run(server.runtime.store.load_subject_by_username("default", "ada")).subject
        server.run(disable_user(server.runtime, "default", subject, actor="test"))
    wait(server, lambda: bool(listener.notices))


@pytest.mark.threat("T131")
def test_it_tries_again_by_itself_without_being_the_leader(server, listener):
    listener.statuses = [503]
    browser, tokens = enter(server, listener)
    browser.open(f"/oauth2/sessions/logout?id_token_hint={tokens['id_token']}")
    wait(server, lambda: len(listener.notices) == 1)
    server.run(server.server.notices.settle())
    server.clock.advance(2)
    wait(server, lambda: len(listener.notices) == 2)


@pytest.mark.threat("T131")
@pytest.mark.threat("R3")
@pytest.mark.parametrize("verb", ["list_due_tasks", "update_task", "delete_task"])
def test_a_database_that_is_away_for_a_moment_loses_nothing(monkeypatch, server, listener, verb):
    browser, tokens = enter(server, listener)
    wait_for_first_look(server)
    real, failed = getattr(SqlStore, verb), []

    async def fail(self, *arguments, **named):
        if not failed:
            failed.append(True)
            raise StoreUnavailable(detail="away")
        return await real(self, *arguments, **named)

    monkeypatch.setattr(SqlStore, verb, fail)
    browser.open(f"/oauth2/sessions/logout?id_token_hint={tokens['id_token']}")
    wait(server, lambda: bool(failed))
    server.run(server.server.notices.settle())
    server.clock.advance(60)
    server.run(server.server.notices.deliver())
    server.run(server.server.notices.settle())
    assert listener.notices
    later = server.clock.now() + 7_200_000
    assert server.run(server.runtime.store.list_due_tasks("logout", now=later)) == ()


@pytest.mark.threat("R15")
def test_a_worker_that_stops_does_not_wait_for_a_client_that_hangs(listener):
    running = InProcessServer(SETTINGS)
    running.register_user()
    listener.hold()
    browser, tokens = enter(running, listener)
    browser.open(f"/oauth2/sessions/logout?id_token_hint={tokens['id_token']}")
    wait(running, lambda: bool(listener.notices))
    began = time.monotonic()
    running.stop()
    assert time.monotonic() - began < SETTINGS["egress.timeout"]


def test_a_server_stops_at_the_very_moment_a_session_ends():
    """Whoever is woken and stopped at once stops."""
    running = InProcessServer()
    running.run(asyncio.sleep(0.01))  # until it waits

    async def stop() -> bool:
        running.server.notices._woken.set()
        stopping = asyncio.create_task(running.server.stop())
        done, _ = await asyncio.wait({stopping}, timeout=5)
        return stopping in done

    assert running.run(stop())
    running.stop()
