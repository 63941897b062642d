"""Logout notices when some applications do not answer: nobody else waits, nothing is lost without word of it."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from tests.leaving import deliver, enter, leave, list_tasks, register, start_all, told

from grantway.events import LogoutNoticeFailed

HOUR = 3600
_numbers = itertools.count(1)


@pytest.fixture
def start():
    with start_all() as starting:
        yield starting


def add_person(server):
    return server.register_user(f"turn{next(_numbers)}")


def tell_while_held(server, slow, quick):
    """How many notices ``slow`` has by the time ``quick`` has one; then it answers, and all are told."""

    async def run():
        work = asyncio.create_task(server.server.notices.deliver())
        try:
            await asyncio.to_thread(quick.wait, lambda: bool(quick.notices))
            told = len(slow.notices)
        finally:
            slow.release()
        await work
        await server.server.notices.settle()
        return told

    return server.run(run())


@pytest.mark.threat("T131")
def test_the_sessions_of_a_slow_application_hold_up_nobody_else(start):
    server, slow, quick = start(concurrency=8), start(), start()
    slow.hold()
    first, other = register(server, slow), register(server, quick)
    for _ in range(12):
        browser, (tokens,) = enter(server, add_person(server), first)
        leave(browser, tokens)
        server.clock.advance(1)
    browser, (tokens,) = enter(server, add_person(server), other)
    leave(browser, tokens)

    told = tell_while_held(server, slow, quick)
    assert told == 1, "one of eight is as many as one application gets"


@pytest.mark.threat("T131")
def test_a_session_of_many_slow_applications_leaves_room_for_others(start):
    server, slow, quick = start(concurrency=8), start(), start()
    slow.hold()
    person, other = add_person(server), add_person(server)
    browser, (tokens, *_) = enter(server, person, *(register(server, slow) for _ in range(12)))
    leave(browser, tokens)
    server.clock.advance(1)
    browser, (tokens,) = enter(server, other, register(server, quick))
    leave(browser, tokens)

    told = tell_while_held(server, slow, quick)
    assert told <= 2, "a quarter of eight"


@pytest.mark.threat("T131")
def test_waiting_for_a_turn_uses_up_no_attempt(start):
    server, slow = start(concurrency=2, max_attempts=1), start()
    slow.hold()
    person, clients = add_person(server), [register(server, slow) for _ in range(16)]
    browser, (tokens, *_) = enter(server, person, *clients)
    leave(browser, tokens)
    deliver(server)
    failures = told(server, person, LogoutNoticeFailed)
    assert 0 < len(failures) == len(slow.notices) < 4, "nobody failed who was not tried"
    assert {failure.attempts for failure in failures} == {1}
    slow.release()
    for _ in range(5):
        server.clock.advance(60)
        deliver(server)
    assert len(slow.notices) == len(clients)
    assert len(told(server, person)) + len(failures) == len(clients)
    assert list_tasks(server, person) == []


@pytest.mark.threat("T131")
def test_what_could_not_be_delivered_in_time_is_told_before_it_is_deleted(start):
    server, listener = start(retry_delay=HOUR), start(*[500] * 99)
    person = add_person(server)
    client = register(server, listener)
    browser, (tokens,) = enter(server, person, client)
    leave(browser, tokens)
    deliver(server)
    server.run(server.server.notices.stop())
    server.clock.advance(24 * HOUR + 60)
    server.run(server.runtime.store.clean(now=server.clock.now()))
    deliver(server)
    failures = told(server, person, LogoutNoticeFailed)
    assert len(failures) == 1
    failure = failures[0]
    assert (failure.client_id, failure.attempts, failure.reason) == (client.client_id, 1, "there was no time")
    assert len(listener.notices) == 1
    server.run(server.runtime.store.clean(now=server.clock.now()))
    deliver(server)
    assert len(told(server, person, LogoutNoticeFailed)) == 1


@pytest.mark.threat("T131")
def test_an_application_whose_tokens_have_ended_still_hears_of_the_sessions_end(start):
    server, listener = start(concurrency=8), start()
    person = add_person(server)
    client = register(server, listener, refresh_token_absolute_ttl=HOUR)
    browser, _ = enter(server, person, client)
    store = server.runtime.store
    (authorization,) = server.run(store.list_authorizations("default", subject=person.subject)).items
    server.clock.advance(1.5 * HOUR)
    now = server.clock.now()
    assert authorization.expires_at < now
    server.run(store.clean(now=now))
    browser.open("/account")
    browser.submit(0, action="logout")
    deliver(server)
    assert len(listener.notices) == 1
    server.run(store.clean(now=now))
    assert server.run(store.load_authorization("default", authorization.authorization_id)) is None
