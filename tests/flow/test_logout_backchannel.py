"""Back-channel logout: however a session ends, every application of it is told, by a token of its own."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from msgspec.structs import replace
from tests.leaving import deliver, enter, leave, list_tasks, register, told
from tests.listener import Listener

from grantway.admin.clients import delete_client, disable_client
from grantway.admin.sessions import end_session, end_sessions
from grantway.admin.tenants import create_tenant
from grantway.admin.users import delete_user, disable_user, set_password
from grantway.events import LogoutNoticeFailed
from grantway.testing.in_process import ISSUER, PASSWORD, InProcessServer

SETTINGS = {
    "egress.insecure_private_networks": ("127.0.0.0/8",),
    "egress.timeout": 1,
    "logout.max_attempts": 4,
    "logout.retry_delay": 10,
}
EVENT = "http://schemas.openid.net/event/backchannel-logout"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server():
    running = InProcessServer(SETTINGS)
    yield running
    running.stop()


@pytest.fixture
def person(server):
    name = f"leaver{next(_numbers)}"
    return server.register_user(name)


@pytest.fixture
def listen():
    """Starts applications that listen."""
    listeners = []

    def start(*statuses):
        listeners.append(Listener(*statuses))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.4")
@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.5")
@pytest.mark.spec("OpenID Connect Back-Channel Logout §4")
@pytest.mark.threat("T131")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_the_logout_token_says_who_left_and_is_for_one_application_alone(server, person, listen, verify, alg):
    listener, other = listen(), listen()
    client = register(server, listener, id_token_signed_response_alg=alg, backchannel_logout_session_required=True)
    browser, (tokens, _) = enter(server, person, client, register(server, other))
    leave(browser, tokens)
    deliver(server)
    (notice,), now = listener.notices, server.clock.now() // 1000
    assert notice.path == "/logout?from=grantway"
    assert notice.headers["content-type"] == "application/x-www-form-urlencoded"
    assert list(notice.form) == ["logout_token"]
    logout, identity = verify(notice.token), verify(tokens["id_token"])
    assert logout.header["typ"] == "logout+jwt"
    assert (logout.header["alg"], logout.header["kid"]) == (alg, identity.header["kid"])
    claims = logout.claims
    assert set(claims) == {"iss", "sub", "aud", "iat", "exp", "jti", "sid", "events"}
    assert (claims["iss"], claims["aud"]) == (ISSUER, client.client_id)
    assert (claims["sub"], claims["sid"]) == (identity.claims["sub"], identity.claims["sid"])
    assert claims["events"] == {EVENT: {}}
    assert now - 5 <= claims["iat"] <= now
    assert 0 < claims["exp"] - claims["iat"] <= 120
    (elsewhere,) = other.notices
    assert verify(elsewhere.token).claims["aud"] != claims["aud"]
    assert verify(elsewhere.token).claims["jti"] != claims["jti"]


@pytest.mark.threat("T131")
def test_a_pairwise_client_hears_the_name_it_knows(server, person, listen, verify):
    listener = listen()
    client = register(server, listener, subject_type="pairwise")
    browser, (tokens,) = enter(server, person, client)
    leave(browser, tokens)
    deliver(server)
    claims = verify(listener.notices[0].token).claims
    assert claims["sub"] == verify(tokens["id_token"]).claims["sub"] != person.subject


WAYS = {
    "the person, at the logout endpoint": lambda server, browser, person: _confirm(browser),
    "the person, on the account page": lambda server, browser, person: _press(browser, "/account/logout"),
    "the person, from another browser": lambda server, browser, person: _end_from_elsewhere(server, browser, person),
    "a new password": lambda server, browser, person: _change_password(server, person),
    "an administrator, one session": lambda server, browser, person: server.run(_end_one(server, person)),
    "an administrator, all sessions": lambda server, browser, person: server.run(
        end_sessions(server.runtime, "default", person.subject, actor="test")
    ),
    "an administrator's new password": lambda server, browser, person: server.run(
        set_password(server.runtime, "default", person.subject, "quite another password", actor="test")
    ),
    "disabling the user": lambda server, browser, person: server.run(
        disable_user(server.runtime, "default", person.subject, actor="test")
    ),
    "deleting the user": lambda server, browser, person: server.run(
        delete_user(server.runtime, "default", person.subject, actor="test")
    ),
    "somebody else signing in": lambda server, browser, person: _sign_in_as_another(server, browser),
}


def _confirm(browser):
    browser.open("/oauth2/sessions/logout")
    browser.submit(action="logout")


def _press(browser, path, **fields):
    browser.open("/account")
    index = next(i for i, form in enumerate(browser.forms()) if form.action.endswith(path))
    browser.submit(index, **fields)


def _end_from_elsewhere(server, browser, person):
    elsewhere = server.browser()
    elsewhere.log_in(person.username)
    _press(elsewhere, "/account/sessions", action="end_others")


def _change_password(server, person):
    elsewhere = server.browser()
    elsewhere.log_in(person.username)
    _press(elsewhere, "/account/password", current_password=PASSWORD, new_password="quite another password")


async def _end_one(server, person):
    (session,) = await server.runtime.store.list_sessions("default", person.subject, now=server.clock.now())
    await end_session(server.runtime, "default", session.session_id, actor="test")


def _sign_in_as_another(server, browser):
    name = f"leaver{next(_numbers)}"
    server.register_user(name)
    browser.open("/login")
    browser.authorize(server.register_client(), prompt="login", username=name)


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
@pytest.mark.parametrize("way", WAYS)
def test_however_a_session_ends_its_applications_are_told(server, person, listen, way):
    listeners = [listen(), listen()]
    browser, _ = enter(server, person, *(register(server, listener) for listener in listeners))
    sid = server.run(server.runtime.store.list_sessions("default", person.subject, now=server.clock.now()))
    WAYS[way](server, browser, person)
    deliver(server)
    assert [len(listener.notices) for listener in listeners] == [1, 1]
    assert {event.session_id for event in told(server, person)} == {session.session_id for session in sid}
    assert list_tasks(server, person) == []


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.3")
@pytest.mark.parametrize("response_type", ["id_token", "code id_token", "id_token token"])
def test_an_application_that_got_its_id_token_in_the_browser_is_told_too(server, person, listen, verify, response_type):
    listener = listen()
    client = register(
        server, listener, grant_types=["authorization_code", "implicit"], response_types=["code", response_type]
    )
    browser = server.browser()
    received = browser.authorize(client, username=person.username, response_type=response_type)
    leave(browser, received)
    deliver(server)
    (notice,) = listener.notices
    assert verify(notice.token).claims["sid"] == verify(received["id_token"]).claims["sid"]


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.7")
def test_what_is_used_while_the_person_is_away_goes_on_and_its_client_is_told(server, person, listen):
    listener = listen()
    client = register(server, listener)
    browser, (bound,) = enter(server, person, client)
    offline = server.redeem(client, browser.authorize(client, scope="openid offline_access")["code"]).json()
    leave(browser, bound)
    deliver(server)
    assert len(listener.notices) == 1, "one for the session, however many authorizations it had"
    assert server.refresh(client, bound["refresh_token"]).status_code == 400
    assert server.refresh(client, offline["refresh_token"]).status_code == 200


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.8")
@pytest.mark.threat("T131")
def test_an_application_that_fails_is_told_again_and_only_that_one(server, person, listen):
    good, bad = listen(204), listen(503, 302)
    bad.headers = {"location": f"{good.origin}/elsewhere"}
    browser, (tokens, _) = enter(server, person, register(server, good), register(server, bad))
    leave(browser, tokens)
    deliver(server)
    assert (len(good.notices), len(bad.notices)) == (1, 1)
    deliver(server)
    assert len(bad.notices) == 1, "not at once"
    for seconds, count in ((10, 2), (20, 3)):
        server.clock.advance(seconds)
        deliver(server)
        assert len(bad.notices) == count
    assert len(good.notices) == 1, "redirects are not followed, and who was told is not told again"
    assert len({notice.token for notice in bad.notices}) == 3
    assert len(told(server, person)) == 2
    server.clock.advance(4000)
    deliver(server)
    assert (len(bad.notices), list_tasks(server, person)) == (3, [])


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.8")
def test_a_refusal_is_final(server, person, listen):
    listener = listen(400)
    browser, (tokens,) = enter(server, person, register(server, listener))
    leave(browser, tokens)
    deliver(server)
    server.clock.advance(4000)
    deliver(server)
    assert len(listener.notices) == 1
    (failure,) = told(server, person, LogoutNoticeFailed)
    assert (failure.reason, failure.attempts) == ("status 400", 1)


@pytest.mark.threat("T131")
def test_attempts_come_to_an_end(server, person, listen):
    listener = listen(*[500] * 10)
    client = register(server, listener)
    browser, (tokens,) = enter(server, person, client)
    leave(browser, tokens)
    for _ in range(10):
        deliver(server)
        server.clock.advance(3600)
    assert len(listener.notices) == SETTINGS["logout.max_attempts"]
    (failure,) = told(server, person, LogoutNoticeFailed)
    assert (failure.client_id, failure.attempts, failure.reason) == (client.client_id, 4, "status 500")
    assert list_tasks(server, person) == []


@pytest.mark.threat("T131")
def test_a_slow_application_delays_neither_the_person_nor_the_others(server, person, listen):
    slow, quick = listen(), listen()
    slow.hold()
    browser, (tokens, _) = enter(server, person, register(server, slow), register(server, quick))
    began = time.monotonic()
    assert "signed out" in leave(browser, tokens).text
    assert time.monotonic() - began < SETTINGS["egress.timeout"]

    async def run():
        await server.server.notices.deliver()
        rest = asyncio.create_task(server.server.notices.settle())
        await asyncio.to_thread(quick.wait, lambda: bool(quick.notices))
        assert not rest.done(), "the slow one is still being waited for"
        await rest

    server.run(run())
    (task,) = list_tasks(server, person)
    assert len(task.document["clients"]) == 1
    slow.release()
    server.clock.advance(10)
    deliver(server)
    assert (len(slow.notices), len(quick.notices)) == (2, 1)


@pytest.mark.threat("T131")
@pytest.mark.threat("R10")
def test_of_many_workers_one_takes_a_notice(server, person, listen):
    listener = listen()
    browser, (tokens,) = enter(server, person, register(server, listener))
    leave(browser, tokens)

    async def run():
        await asyncio.gather(*(server.server.notices.deliver() for _ in range(20)))
        await server.server.notices.settle()

    server.run(run())
    assert len(listener.notices) == 1


@pytest.mark.threat("T131")
def test_what_a_worker_began_and_did_not_finish_another_takes_up(server, person, listen):
    listener = listen()
    browser, (tokens,) = enter(server, person, register(server, listener))
    server.run(server.server.notices.stop())
    leave(browser, tokens)
    (task,) = list_tasks(server, person)
    assert server.run(server.runtime.store.update_task(replace(task, due_at=server.clock.now() + 6000, attempts=1)))
    deliver(server)
    assert listener.notices == [], "somebody has it"
    server.clock.advance(7)
    deliver(server)
    assert len(listener.notices) == 1


@pytest.mark.parametrize("change", [disable_client, delete_client])
def test_a_client_that_is_gone_meanwhile_is_not_told(server, person, listen, change):
    listener, other = listen(), listen()
    client = register(server, listener)
    browser, (tokens, _) = enter(server, person, client, register(server, other))
    server.run(server.server.notices.stop())
    leave(browser, tokens)
    server.run(change(server.runtime, "default", client.client_id, actor="test"))
    deliver(server)
    assert (listener.notices, len(other.notices)) == ([], 1)
    assert list_tasks(server, person) == []


def test_who_does_not_listen_leaves_nothing_behind(server, person):
    browser, (tokens,) = enter(server, person, server.register_client())
    leave(browser, tokens)
    deliver(server)
    assert (list_tasks(server, person), told(server, person)) == ([], [])


@pytest.mark.threat("T70")
def test_a_logout_token_does_not_go_where_clients_urls_may_not_lead(person, listen):
    listener = listen()
    guarded = InProcessServer()
    guarded.register_user()
    client = register(guarded, listener)
    browser = guarded.browser()
    tokens = guarded.redeem(client, browser.authorize(client)["code"]).json()
    leave(browser, tokens)
    deliver(guarded)
    guarded.stop()
    assert listener.notices == []


@pytest.mark.threat("T54")
def test_a_logout_token_is_good_for_nothing_else(server, person, listen):
    listener = listen()
    client = register(server, listener)
    browser, (tokens,) = enter(server, person, client)
    leave(browser, tokens)
    deliver(server)
    token = listener.notices[0].token
    assert not server.is_active(client, token)
    assert server.get("/userinfo", headers={"authorization": f"Bearer {token}"}).status_code == 401
    again, _ = enter(server, person, client)
    assert again.open(f"/oauth2/sessions/logout?id_token_hint={token}").status_code == 400


def test_a_tenant_tells_its_own_clients_in_its_own_name(server, listen, verify):
    listener = listen()
    server.run(create_tenant(server.runtime, "shop", actor="test"))
    client = register(server, listener, tenant="shop")
    server.register_user("tenant-ada", tenant="shop")
    browser = server.browser()
    browser.open("/t/shop/login")
    browser.submit(username="tenant-ada", password=PASSWORD, action="login")
    browser.open("/t/shop" + browser.build_authorization_url(client))
    browser.submit(action="allow", scope=["openid"])
    browser.open("/t/shop/oauth2/sessions/logout")
    browser.submit(action="logout")
    deliver(server)
    keys = KeySet.import_key_set(server.get("/t/shop/.well-known/jwks.json").json())
    claims = jwt.decode(listener.notices[0].token, keys, algorithms=["RS256"]).claims
    assert claims["iss"] == ISSUER + "/t/shop"
