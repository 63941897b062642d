"""Rates: so many requests a client, an address and an account get, and what those hear who ask for more."""

from __future__ import annotations

import base64

import pytest

from grantway.protocol.message import FORM, Request
from grantway.testing.in_process import PASSWORD, InProcessServer

GRANT = {"grant_type": "client_credentials"}
CLIENT_LIMIT = {"limits.client_rate": 60, "limits.client_burst": 5}
ADDRESS_LIMIT = {"limits.address_rate": 60, "limits.address_burst": 5}


@pytest.fixture
def build_server():
    servers = []

    def build(settings):
        server = InProcessServer(settings)
        servers.append(server)
        return server

    yield build
    for server in servers:
        server.stop()


def register_machine(server, name="machine"):
    return server.register_client(name, grant_types=["client_credentials"], scope="read")


def ask_from(server, address, path="/oauth2/token", **options):
    http = server.build_http_client(address=address)
    return server.run(http.post(path, **options))


def test_nothing_is_limited_unless_it_is_configured(build_server):
    server = build_server({})
    machine = register_machine(server)
    answers = [server.token(machine, **GRANT) for _ in range(300)]
    assert {answer.status_code for answer in answers} == {200}
    assert "ratelimit" not in answers[-1].headers
    assert server.runtime.throttle.status() == {}


@pytest.mark.threat("T128")
@pytest.mark.spec("RFC 6585 §4")
def test_a_client_gets_its_burst_and_then_its_rate(build_server):
    server = build_server(CLIENT_LIMIT)
    machine, other = register_machine(server), register_machine(server, "other")
    answers = [server.token(machine, **GRANT) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert [answer.headers["ratelimit"] for answer in answers[:5]] == [
        f'"client";r={left};t={6 - left}' for left in (4, 3, 2, 1, 0)
    ]
    refused = answers[-1]
    assert refused.headers["ratelimit-policy"] == '"client";q=60;w=60'
    assert refused.headers["ratelimit"] == '"client";r=0;t=1'
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["cache-control"] == "no-store"
    assert refused.json()["error"] == "temporarily_unavailable"
    assert server.token(other, **GRANT).status_code == 200
    server.clock.advance(int(refused.headers["retry-after"]))
    assert [server.token(machine, **GRANT).status_code for _ in range(2)] == [200, 429]
    server.clock.advance(3600)
    assert [server.token(machine, **GRANT).status_code for _ in range(6)] == [200] * 5 + [429]


def test_a_client_s_requests_count_wherever_it_authenticates(build_server):
    server = build_server(CLIENT_LIMIT)
    machine = register_machine(server)
    token = server.token(machine, **GRANT).json()["access_token"]
    assert [server.send_as(machine, "/oauth2/introspect", token=token).status_code for _ in range(2)] == [200] * 2
    assert [server.revoke(machine, token).status_code for _ in range(3)] == [200, 200, 429]
    assert server.send_as(machine, "/oauth2/introspect", token=token).status_code == 429


@pytest.mark.threat("T101")
def test_whoever_cannot_authenticate_takes_nothing_from_a_client(build_server):
    server = build_server(CLIENT_LIMIT)
    machine = register_machine(server)
    for number in range(50):
        answer = server.post("/oauth2/token", data=GRANT, auth=(machine.client_id, f"guess{number}"))
        assert answer.status_code == 401
        assert "ratelimit" not in answer.headers
    assert [server.token(machine, **GRANT).status_code for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.threat("T101")
def test_whoever_only_states_a_public_client_takes_nothing_from_its_users_elsewhere(build_server):
    server = build_server(CLIENT_LIMIT)
    app = server.register_client("app", token_endpoint_auth_method="none")
    data = {"grant_type": "authorization_code", "code": "x", "code_verifier": "v" * 43, "client_id": app.client_id}
    stranger = [ask_from(server, "203.0.113.1", data=data).status_code for _ in range(7)]
    assert stranger == [400] * 5 + [429] * 2
    assert ask_from(server, "203.0.113.2", data=data).status_code == 400


def test_tenants_have_clients_of_the_same_name_apart(build_server):
    server = build_server(CLIENT_LIMIT)
    from grantway.admin import tenants

    server.run(tenants.create_tenant(server.runtime, "second", actor="test"))
    register_machine(server)
    second = server.register_client("machine", grant_types=["client_credentials"], scope="read", tenant="second")
    first = server.register_client("machine2", grant_types=["client_credentials"], scope="read")
    for _ in range(5):
        assert server.send_as(second, "/t/second/oauth2/token", **GRANT).status_code == 200
    assert server.send_as(second, "/t/second/oauth2/token", **GRANT).status_code == 429
    assert server.token(first, **GRANT).status_code == 200


@pytest.mark.threat("T128")
def test_an_address_is_counted_before_anything_is_looked_at(build_server):
    server = build_server(ADDRESS_LIMIT)
    machine = register_machine(server)
    junk = [ask_from(server, "203.0.113.1", data={"grant_type": ""}).status_code for _ in range(3)]
    assert junk == [401] * 3
    assert [ask_from(server, "203.0.113.1", content=b"\xff").status_code for _ in range(2)] == [415] * 2
    refused = ask_from(server, "203.0.113.1", data=GRANT, auth=machine.auth)
    assert refused.status_code == 429
    assert refused.headers["ratelimit"] == '"address";r=0;t=1'
    assert ask_from(server, "203.0.113.2", data=GRANT, auth=machine.auth).status_code == 200


def test_one_ipv6_network_is_one_address(build_server):
    server = build_server(ADDRESS_LIMIT)
    statuses = [ask_from(server, f"2001:db8::{n:x}", data=GRANT).status_code for n in range(1, 7)]
    assert statuses == [401] * 5 + [429]
    assert ask_from(server, "2001:db8:0:1::1", data=GRANT).status_code == 401
    assert ask_from(server, "::ffff:203.0.113.1", data=GRANT).status_code == 401


@pytest.mark.threat("T141")
def test_behind_a_listed_proxy_the_address_is_the_one_it_names(build_server):
    server = build_server({**ADDRESS_LIMIT, "serve.trusted_proxies": ["192.0.2.0/24"]})
    headers = {"x-forwarded-for": "1.1.1.1, 203.0.113.8"}
    assert [ask_from(server, "192.0.2.9", data=GRANT, headers=headers).status_code for _ in range(6)][-1] == 429
    forged = {"x-forwarded-for": "2.2.2.2, 203.0.113.8"}
    assert ask_from(server, "192.0.2.9", data=GRANT, headers=forged).status_code == 429
    other = {"x-forwarded-for": "203.0.113.9"}
    assert ask_from(server, "192.0.2.9", data=GRANT, headers=other).status_code == 401


def test_what_verifiers_read_is_not_counted(build_server):
    server = build_server({"limits.address_rate": 1})
    for _ in range(5):
        assert server.get("/.well-known/jwks.json").status_code == 200
        assert server.get("/.well-known/openid-configuration").status_code == 200
    assert server.get("/userinfo").status_code == 401
    assert server.get("/userinfo").status_code == 429


def test_a_person_gets_a_page(build_server):
    server = build_server({"limits.address_rate": 1})
    assert server.get("/login").status_code == 200
    refused = server.get("/login")
    assert refused.status_code == 429
    assert refused.headers["content-type"].startswith("text/html")
    assert refused.headers["retry-after"] == "60"


def test_both_limits_are_told_and_either_refuses(build_server):
    server = build_server({**ADDRESS_LIMIT, "limits.client_rate": 600})
    machine = register_machine(server)
    answer = server.token(machine, **GRANT)
    assert answer.headers["ratelimit-policy"] == '"address";q=60;w=60, "client";q=600;w=60'
    assert answer.headers["ratelimit"] == '"address";r=4;t=2, "client";r=599;t=1'
    assert [server.token(machine, **GRANT).status_code for _ in range(5)] == [200] * 4 + [429]


def test_the_pages_of_registered_origins_see_the_fields(build_server):
    server = build_server(CLIENT_LIMIT)
    origin = "https://app.example"
    app = server.register_client("spa", token_endpoint_auth_method="none", allowed_cors_origins=[origin])
    data = {"grant_type": "authorization_code", "code": "x", "client_id": app.client_id}
    answer = server.post("/oauth2/token", data=data, headers={"origin": origin})
    assert "ratelimit-policy" in answer.headers["access-control-expose-headers"]


@pytest.mark.threat("T101")
def test_an_account_s_log_ins_have_a_rate_even_when_they_succeed(build_server):
    server = build_server({"limits.account_rate": 2, "limits.window": 60})
    server.register_user()
    server.register_user("bob")

    def log_in(name):
        return server.browser().log_in(name, PASSWORD).status_code

    assert [log_in("ada") for _ in range(3)] == [200, 200, 429]
    assert log_in("bob") == 200
    server.clock.advance(30)
    assert [log_in("ada") for _ in range(2)] == [200, 429]


def test_limits_in_memory_wait_for_nothing(build_server):
    """The direct lane steps a request once: one that waited would need a task."""
    server = build_server({**CLIENT_LIMIT, **ADDRESS_LIMIT})
    machine = register_machine(server)
    assert server.token(machine, **GRANT).status_code == 200
    basic = base64.b64encode(":".join(machine.auth).encode())
    request = Request(
        method="POST",
        path="/oauth2/token",
        headers=((b"authorization", b"Basic " + basic), (b"content-type", FORM)),
        body=b"grant_type=client_credentials",
        address="192.0.2.1",
    )
    coroutine = server.server.handle(request)
    with pytest.raises(StopIteration) as finished:
        coroutine.send(None)
    assert finished.value.value.status == 200


def test_the_status_says_what_was_granted_and_refused(build_server):
    server = build_server({**CLIENT_LIMIT, "limits.address_rate": 100})
    machine = register_machine(server)
    for _ in range(7):
        server.token(machine, **GRANT)
    assert server.runtime.throttle.status() == {
        "client": {"granted": 5, "refused": 2, "alone": 0, "buckets": 1},
        "address": {"granted": 7, "refused": 0, "alone": 0, "buckets": 1},
    }
