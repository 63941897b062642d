"""What came before is answered from what is known, and not one moment longer than that holds.

A client that sends the same bytes again is not read, authenticated and decided about again (``extension.Again``). These
tests first make sure that this short way is taken, then change one thing it rests on.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from msgspec.structs import replace

from grantway.errors import StoreUnavailable
from grantway.extension import Feature
from grantway.model import ClientSecret, Revocation
from grantway.server import AuthorizationServer
from grantway.testing.in_process import InProcessServer
from grantway.web.heads import MOST_HEADS

TIMES = 4


class Repeated:
    """One request of one client, sent over and over; ``ways`` tells which way each answer came."""

    def __init__(self, server: InProcessServer, client: Any, path: str, **parameters: Any) -> None:
        self.server, self.client, self.path, self.parameters = server, client, path, parameters
        self.answers = [self.send() for _ in range(TIMES)]

    def send(self) -> Any:
        return self.server.send_as(self.client, self.path, **self.parameters)

    def is_answered_again(self) -> bool:
        """Whether it is answered without ``handle``, the long way."""
        real, calls = AuthorizationServer.handle, []

        async def handle(self: Any, *arguments: Any) -> Any:
            calls.append(arguments)
            return await real(self, *arguments)

        AuthorizationServer.handle = handle  # type: ignore[method-assign]
        try:
            assert self.send().status_code == 200
        finally:
            AuthorizationServer.handle = real  # type: ignore[method-assign]
        return not calls


def register(server: InProcessServer, **metadata: Any) -> Any:
    return server.register_client(**{"grant_types": ["client_credentials"], "scope": "read write", **metadata})


def issue_again(server: InProcessServer, client: Any = None, **parameters: Any) -> Repeated:
    """A token request that is answered the short way from here on."""
    client = client or register(server)
    repeated = Repeated(server, client, "/oauth2/token", grant_type="client_credentials", **parameters)
    assert repeated.is_answered_again()
    return repeated


def introspect_again(server: InProcessServer, token_format: str, owner: Any = None) -> Repeated:
    """An introspection that is answered the short way from here on."""
    owner = owner or register(server, access_token_format=token_format)
    token = server.token(owner, grant_type="client_credentials").json()["access_token"]
    repeated = Repeated(server, owner, "/oauth2/introspect", token=token)
    assert repeated.is_answered_again()
    assert repeated.send().json()["active"] is True
    return repeated


def change(repeated: Repeated, **fields: Any) -> None:
    runtime, client = repeated.server.runtime, repeated.client.client
    stored = repeated.server.run(runtime.store.load_client(client.tenant, client.client_id))
    repeated.server.run(runtime.store.update_client(replace(stored, **fields)))


@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_each_answer_holds_a_token_of_its_own_and_is_otherwise_the_same(server, token_format):
    repeated = issue_again(server, register(server, access_token_format=token_format))
    answers = [*repeated.answers, repeated.send()]
    tokens = [answer.json()["access_token"] for answer in answers]
    assert len(set(tokens)) == len(tokens)
    assert all(server.is_active(repeated.client, token) for token in tokens)
    first, *others = [answer.json() | {"access_token": ""} for answer in answers]
    assert all(other == first for other in others)
    assert len({tuple(sorted(answer.headers.items())) for answer in answers if "content-length" in answer.headers}) == 1


def test_each_answer_is_an_event(server):
    repeated = issue_again(server)
    before = len(server.events.all)
    repeated.send()
    assert [type(event).__name__ for event in server.events.all[before:]] == ["TokenIssued"]


def test_other_parameters_are_another_request(server):
    client = register(server)
    issue_again(server, client, scope="read")
    assert server.token(client, grant_type="client_credentials", scope="write").json()["scope"] == "write"
    assert server.token(client, grant_type="client_credentials", scope="admin").json()["error"] == "invalid_scope"


@pytest.mark.threat("T39")
def test_another_secret_is_another_request(server):
    repeated = issue_again(server)
    stranger = replace(repeated.client, client_secret="wrong" + repeated.client.client_secret)
    assert server.token(stranger, grant_type="client_credentials").status_code == 401


@pytest.mark.threat("T130")
def test_a_disabled_client_is_refused_at_once(server):
    repeated = issue_again(server)
    change(repeated, enabled=False)
    assert repeated.send().status_code == 401


@pytest.mark.threat("T32")
def test_a_scope_that_was_taken_away_is_gone_at_once(server):
    repeated = issue_again(server, scope="read write")
    change(repeated, scope=("read",))
    assert repeated.send().json()["error"] == "invalid_scope"


def test_a_grant_type_that_was_taken_away_is_refused_at_once(server):
    repeated = issue_again(server)
    change(repeated, grant_types=("authorization_code",))
    assert repeated.send().json()["error"] == "unauthorized_client"


def test_a_secret_that_was_replaced_is_refused_at_once(server):
    repeated = issue_again(server)
    digest = server.runtime.keys.hash_secret(server.runtime.tokens.generate_secret())
    secret = replace(repeated.client.client.secrets[0], digest=digest)
    change(repeated, secrets=(secret,))
    assert repeated.send().status_code == 401


def test_a_secret_is_refused_from_its_end_on(fresh_server):
    client = register(fresh_server)
    stored = fresh_server.run(fresh_server.runtime.store.load_client("default", client.client_id))
    secrets = tuple(replace(secret, expires_at=fresh_server.clock.now() + 500) for secret in stored.secrets)
    assert isinstance(secrets[0], ClientSecret)
    fresh_server.run(fresh_server.runtime.store.update_client(replace(stored, secrets=secrets)))
    repeated = issue_again(fresh_server, client)
    fresh_server.clock.advance(0.5)
    assert repeated.send().status_code == 401


def test_a_disabled_tenant_answers_nobody_at_once(fresh_server):
    repeated = issue_again(fresh_server)
    store = fresh_server.runtime.store
    tenant = fresh_server.run(store.load_tenant("default"))
    fresh_server.run(store.update_tenant(replace(tenant, enabled=False)))
    assert repeated.send().status_code == 404


@pytest.mark.threat("T130")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_a_revoked_token_is_inactive_at_once(server, token_format):
    repeated = introspect_again(server, token_format)
    assert server.revoke(repeated.client, repeated.parameters["token"]).status_code == 200
    assert repeated.send().json() == {"active": False}


@pytest.mark.threat("T130")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_a_token_of_a_client_that_was_disabled_is_inactive_at_once(server, token_format):
    owner = register(server, access_token_format=token_format)
    api = register(server)
    change_audience = Repeated(server, owner, "/oauth2/token", grant_type="client_credentials")
    change(change_audience, audience=(api.client_id,))
    token = server.token(owner, grant_type="client_credentials").json()["access_token"]
    repeated = Repeated(server, api, "/oauth2/introspect", token=token)
    assert repeated.is_answered_again()
    change(change_audience, enabled=False)
    assert repeated.send().json() == {"active": False}


@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_tokens_older_than_their_tenant_allows_are_inactive_at_once(fresh_server, token_format):
    repeated = introspect_again(fresh_server, token_format)
    store, now = fresh_server.runtime.store, fresh_server.clock.now()
    tenant = fresh_server.run(store.load_tenant("default"))
    fresh_server.run(store.update_tenant(replace(tenant, not_before=now)))
    assert repeated.send().json() == {"active": False}


@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_a_token_is_inactive_from_its_end_on(fresh_server, token_format):
    repeated = introspect_again(
        fresh_server, token_format, register(fresh_server, access_token_format=token_format, access_token_ttl=2)
    )
    fresh_server.clock.advance(2)
    assert repeated.send().json() == {"active": False}


def test_a_jwt_whose_key_was_revoked_is_inactive_at_once(fresh_server):
    repeated = introspect_again(fresh_server, "jwt")
    keys = fresh_server.run(fresh_server.runtime.grid.keys("default"))
    active = next(key for key in keys if key.alg == "ES256" and key.state == "active")
    fresh_server.run(fresh_server.runtime.keys.revoke("default", active.kid))
    assert repeated.send().json() == {"active": False}


def test_a_jwt_is_signed_by_the_key_of_the_moment(fresh_server):
    repeated = issue_again(fresh_server, register(fresh_server, access_token_format="jwt"))
    before = {key.kid for key in fresh_server.run(fresh_server.runtime.keys.rotate("default", force=True))}
    header = repeated.send().json()["access_token"].partition(".")[0]
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    assert kid in before


@pytest.mark.threat("T130")
@pytest.mark.parametrize("request_", ["token", "introspection"])
def test_where_memory_is_too_old_to_trust_nobody_is_answered_from_it(fresh_server, monkeypatch, request_):
    repeated = issue_again(fresh_server) if request_ == "token" else introspect_again(fresh_server, "opaque")

    async def fail(*arguments: Any, **options: Any) -> Any:
        raise StoreUnavailable(detail="the test took it away")

    for verb in ("load_tenant", "load_client", "find_revocations", "has_moved", "load_changes", "last_change"):
        monkeypatch.setattr(fresh_server.runtime.store, verb, fail)
    fresh_server.clock.advance(1.001)
    answer = repeated.send()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_a_revocation_that_another_node_made_is_heard(server):
    repeated = introspect_again(server, "opaque")
    now = server.clock.now()
    client = repeated.client.client
    revocation = Revocation(
        tenant=client.tenant, kind="client", key=client.client_id, not_before=now, keep_until=now + 100_000
    )
    server.run(server.runtime.store.update_client(client, revocation=revocation))
    assert repeated.send().json() == {"active": False}


@pytest.mark.parametrize("grant_type", ["authorization_code", "refresh_token"])
def test_what_is_spent_is_never_answered_again(server, grant_type):
    client = server.register_client(refresh_token_rotation="strict")
    code = server.browser().authorize(client, scope="openid offline_access")["code"]
    first = server.redeem(client, code).json()
    for _ in range(TIMES):
        answer = (
            server.redeem(client, code)
            if grant_type == "authorization_code"
            else server.refresh(client, first["refresh_token"])
        )
    assert answer.json()["error"] == "invalid_grant"


def test_a_browser_of_another_origin_gets_an_answer_of_its_own(server):
    client = register(server, allowed_cors_origins=["https://app.example"])
    options = {"data": {"grant_type": "client_credentials"}, "auth": client.auth}
    for _ in range(TIMES):
        plain = server.post("/oauth2/token", **options)
        allowed = server.post("/oauth2/token", headers={"origin": "https://app.example"}, **options)
        other = server.post("/oauth2/token", headers={"origin": "https://evil.example"}, **options)
    assert "access-control-allow-origin" not in plain.headers
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in other.headers


def test_a_feature_that_does_not_say_that_it_allows_it_is_asked_each_time():
    class Counting(Feature):
        name = "counting"
        seen = 0

        def check_token_request(self, call: Any, client: Any, parameters: Any) -> None:
            Counting.seen += 1

    running = InProcessServer(extensions=[Counting()])
    try:
        Repeated(running, register(running), "/oauth2/token", grant_type="client_credentials")
    finally:
        running.stop()
    assert Counting.seen == TIMES


@pytest.mark.threat("T101")
@pytest.mark.parametrize("limit", ["client", "address"])
def test_a_limit_counts_what_is_answered_again(limit):
    running = InProcessServer({f"limits.{limit}_rate": 20, "limits.window": 3600})
    try:
        repeated = Repeated(running, register(running), "/oauth2/token", grant_type="client_credentials")
        statuses = [answer.status_code for answer in repeated.answers] + [
            repeated.send().status_code for _ in range(26)
        ]
        assert repeated.send().status_code == 429
        told = repeated.send().headers
    finally:
        running.stop()
    assert statuses == [200] * 20 + [429] * 10
    assert f'"{limit}";r=0' in told["ratelimit"]
    assert int(told["retry-after"]) > 0


@pytest.mark.threat("T101")
def test_a_request_that_one_limit_refuses_uses_up_nothing_of_the_other():
    running = InProcessServer({"limits.client_rate": 10, "limits.address_rate": 40, "limits.window": 3600})
    try:
        busy = Repeated(running, register(running), "/oauth2/token", grant_type="client_credentials")
        other = Repeated(running, register(running), "/oauth2/token", grant_type="client_credentials")
        answers = [busy.send().status_code for _ in range(6)]
        assert answers == [200] * 6
        left = [other.send() for _ in range(6)][-1].headers["ratelimit"]
    finally:
        running.stop()
    assert '"address";r=20' in left


def test_what_is_remembered_is_bounded(fresh_server, monkeypatch):
    monkeypatch.setattr("grantway.server._MOST_AGAIN", 8)
    monkeypatch.setattr("grantway.server._MOST_MARKS", 32)
    client = register(fresh_server)
    for number in range(50):
        for _ in range(3):
            fresh_server.token(client, grant_type="client_credentials", unknown=str(number))
    assert len(fresh_server.server._again) <= 8
    assert len(fresh_server.server._came_before) <= 32
    assert len(fresh_server.public_app._heads.known) <= MOST_HEADS


def stock_for_another(server: InProcessServer) -> tuple[Any, Any, str]:
    """(an API, a client whose signed token the API may look at, that token)."""
    api, owner = register(server), register(server, access_token_format="jwt")
    change(Repeated(server, owner, "/oauth2/token", grant_type="client_credentials"), audience=(api.client_id,))
    return api, owner, server.token(owner, grant_type="client_credentials").json()["access_token"]


def find_kid(server: InProcessServer) -> str:
    keys = server.run(server.runtime.store.list_keys("default"))
    return next(key.kid for key in keys if key.alg == "ES256" and key.state == "active")


@pytest.mark.threat("T130")
def test_what_was_verified_while_memory_was_old_is_not_remembered(fresh_server, monkeypatch):
    api, _, token = stock_for_another(fresh_server)
    runtime, real, gate = fresh_server.runtime, fresh_server.runtime.store.has_moved, asyncio.Event()

    async def has_moved() -> bool:
        await gate.wait()
        return await real()

    monkeypatch.setattr(runtime.store, "has_moved", has_moved)
    fresh_server.clock.advance(1.5)
    for _ in range(TIMES):
        assert fresh_server.is_active(api, token)
    fresh_server.run(runtime.keys.revoke("default", find_kid(fresh_server)))
    gate.set()

    async def wait_until_fresh() -> None:
        async with asyncio.timeout(10):
            while not runtime.grid.status()["is_fresh"]:  # noqa: ASYNC110  it is told to nobody
                await asyncio.sleep(0.01)

    fresh_server.run(wait_until_fresh())
    assert not fresh_server.is_active(api, token)


@pytest.mark.threat("T130")
@pytest.mark.parametrize("change_", ["key revoked", "client disabled"])
def test_what_changed_while_a_request_was_under_way_is_not_missed_by_the_next(fresh_server, monkeypatch, change_):
    api, owner, token = stock_for_another(fresh_server)
    assert fresh_server.is_active(api, token)
    store, gate = fresh_server.runtime.store, asyncio.Event()
    real = store.load_client
    owner_again = Repeated(fresh_server, owner, "/oauth2/token", grant_type="client_credentials")
    change(owner_again, client_name="another object")

    async def load_client(tenant: str, client_id: str) -> Any:
        found = await real(tenant, client_id)
        if client_id == owner.client_id:
            await gate.wait()
        return found

    async def ask_meanwhile() -> None:
        monkeypatch.setattr(store, "load_client", load_client)
        options = {"data": {"token": token}, "auth": api.auth}
        asked = asyncio.ensure_future(fresh_server._client.post("/oauth2/introspect", **options))
        await asyncio.sleep(0.05)
        monkeypatch.setattr(store, "load_client", real)
        if change_ == "key revoked":
            keys = await store.list_keys("default")
            kid = next(key.kid for key in keys if key.alg == "ES256" and key.state == "active")
            await fresh_server.runtime.keys.revoke("default", kid)
            await fresh_server.runtime.grid.keys("default")
        else:
            stored = await real("default", owner.client_id)
            await store.update_client(replace(stored, enabled=False))
        gate.set()
        await asked

    fresh_server.run(ask_meanwhile())
    for _ in range(TIMES):
        assert not fresh_server.is_active(api, token)


@pytest.mark.threat("T101")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_each_request_is_counted_once_however_its_token_is_signed(alg):
    running = InProcessServer({"limits.client_rate": 20, "limits.window": 3600})
    try:
        metadata = {"access_token_format": "jwt", "access_token_signed_response_alg": alg}
        client = register(running, **metadata)
        answers = [running.token(client, grant_type="client_credentials").status_code for _ in range(21)]
    finally:
        running.stop()
    assert answers == [200] * 20 + [429]


def test_a_host_whose_event_sink_fails_gets_the_long_ways_answer():
    class Failing:
        is_failing = False

        def emit(self, event: Any) -> None:
            if self.is_failing:
                raise RuntimeError("the host's fault")

    sink = Failing()
    running = InProcessServer(events=sink)
    try:
        repeated = issue_again(running)
        sink.is_failing = True
        answer = repeated.send()
    finally:
        running.stop()
    assert answer.status_code == 500
    assert answer.json()["error"] == "server_error"


def test_a_host_may_hand_over_headers_as_lists(server):
    client = register(server)
    received: list[Any] = []

    async def ask() -> None:
        basic = base64.b64encode(f"{client.client_id}:{client.client_secret}".encode())
        headers = [
            [b"authorization", b"Basic " + basic],
            [b"content-type", b"application/x-www-form-urlencoded"],
        ]
        scope = {"type": "http", "method": "POST", "path": "/oauth2/token", "query_string": b"", "headers": headers}
        body = {"type": "http.request", "body": b"grant_type=client_credentials", "more_body": False}

        async def receive() -> Any:
            return body

        async def send(message: Any) -> None:
            received.append(message)

        await server.public_app(scope, receive, send)

    for _ in range(TIMES):
        server.run(ask())
    assert [message["status"] for message in received[::2]] == [200] * TIMES


@pytest.mark.threat("T142")
def test_long_bodies_and_heads_of_many_headers_are_not_remembered(fresh_server):
    client = register(fresh_server)
    for _ in range(TIMES):
        fresh_server.token(client, grant_type="client_credentials", unknown="a" * 5000)
    assert len(fresh_server.server._again) == 0
    before = len(fresh_server.public_app._heads.known)
    many = {f"x-{number}": "1" for number in range(100)}
    for _ in range(TIMES):
        assert fresh_server.get("/health/alive", headers=many).status_code == 200
    assert len(fresh_server.public_app._heads.known) == before
