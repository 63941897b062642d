"""The operator's service is asked before tokens are issued: it adds claims, denies, or is not there."""

from __future__ import annotations

import pytest
from tests.hook_server import HookServer

from grantway.errors import ConfigurationError
from grantway.events import TokenRequestRefused
from grantway.testing.in_process import InProcessServer

CREDENTIAL = "Bearer what-proves-the-server"


@pytest.fixture(scope="module")
def hook():
    running = HookServer()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def house(hook):
    running = InProcessServer(
        {
            "hooks.token_url": f"{hook.url}/token",
            "hooks.refresh_url": f"{hook.url}/refresh",
            "hooks.credential": CREDENTIAL,
            "hooks.timeout_ms": 500,
        }
    )
    running.register_user()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def quiet(hook):
    hook.answer((204, None))


@pytest.fixture
def machine(house):
    return house.register_client(grant_types=["client_credentials"], scope="read write", audience=["https://a.example"])


def ask(house, machine, **parameters):
    return house.token(machine, grant_type="client_credentials", **parameters)


def test_it_is_told_who_asks_for_what_and_proves_the_server(house, hook, machine):
    assert ask(house, machine, scope="read").status_code == 200
    ((path, headers, sent),) = hook.requests
    assert (path, headers["authorization"], headers["content-type"]) == ("/token", CREDENTIAL, "application/json")
    assert sent["request"] == {
        "client_id": machine.client_id,
        "requested_scopes": ["read"],
        "granted_scopes": ["read"],
        "granted_audience": ["https://a.example"],
        "grant_types": ["client_credentials"],
        "payload": {},
    }
    assert sent["session"]["subject"] == sent["session"]["client_id"] == machine.client_id


def test_what_it_says_is_in_the_token_and_told_by_introspection(house, hook, machine):
    hook.answer((200, {"session": {"access_token": {"plan": "gold", "limits": {"calls": 5}}}}))
    token = ask(house, machine).json()["access_token"]
    described = house.introspect(machine, token)
    assert (described["plan"], described["limits"]) == ("gold", {"calls": 5})
    assert described["ext"] == {"plan": "gold", "limits": {"calls": 5}}


def test_claims_of_the_id_token_and_of_a_jwt_come_from_it_too(house, hook):
    import json

    from grantway.protocol.sealing import decode_base64url

    client = house.register_client(access_token_format="jwt")
    hook.answer((200, {"session": {"access_token": {"plan": "gold"}, "id_token": {"badge": 7}}}))
    tokens = house.grant(client, scope="openid")

    def read(token):
        return json.loads(decode_base64url(token.split(".")[1]))

    assert read(tokens["access_token"])["plan"] == "gold"
    assert read(tokens["id_token"])["badge"] == 7
    assert "badge" not in read(tokens["access_token"])
    assert house.is_active(client, tokens["access_token"])


@pytest.mark.threat("T135")
def test_it_cannot_say_what_the_server_itself_says(house, hook, machine):
    claims = {"sub": "root", "client_id": "other", "scope": "admin", "active": False, "exp": 1, "jti": "x", "aud": "y"}
    hook.answer((200, {"session": {"access_token": claims}}))
    described = house.introspect(machine, ask(house, machine, scope="read").json()["access_token"])
    assert (described["sub"], described["client_id"], described["scope"]) == (machine.client_id,) * 2 + ("read",)
    assert described["active"] is True
    assert "ext" not in described


def test_it_selects_scopes_within_the_clients_own(house, hook, machine):
    hook.answer((200, {"granted_scopes": ["write", "admin"]}))
    assert ask(house, machine, scope="read").json()["scope"] == "write"
    hook.answer((200, {"granted_scopes": ["admin"]}))
    assert ask(house, machine).json().get("error") == "invalid_scope"


@pytest.mark.threat("T32")
def test_it_cannot_widen_what_a_person_gave(house, hook):
    client = house.register_client()
    hook.answer((200, {"granted_scopes": ["openid", "read", "write"]}))
    assert house.grant(client, scope="openid read")["scope"] == "openid read"


def test_403_denies_and_spends_nothing(house, hook):
    client = house.register_client()
    code = house.browser().authorize(client, scope="openid")["code"]
    hook.answer((403, {"why": "no"}))
    denied = house.redeem(client, code)
    assert (denied.status_code, denied.json().get("error")) == (403, "access_denied")
    hook.answer((204, None))
    assert house.redeem(client, code).status_code == 200, "the code is still good"


@pytest.mark.parametrize(
    "answer",
    [
        (500, None),
        (302, None),
        (404, {}),
        (201, {}),
        (200, b"not json"),
        (200, []),
        (200, {"session": []}),
        (200, {"session": {"access_token": "x"}}),
        (200, {"session": {"access_token": {"a": "b" * 5000}}}),
        (200, {"granted_scopes": "read"}),
        (200, {"granted_scopes": ['a"b']}),
        (200, b'{"session": {"access_token": ' + b"[" * 500 + b"]" * 500 + b"}}"),
        (200, b'{"session": ' + b" " * 100_000 + b"{}}"),
    ],
    ids=lambda answer: f"{answer[0]} {str(answer[1])[:40]}",
)
def test_an_answer_that_cannot_be_understood_issues_nothing(house, hook, machine, answer):
    hook.answer(answer)
    refused = ask(house, machine)
    assert (refused.status_code, refused.json().get("error")) == (503, "temporarily_unavailable")
    assert "retry-after" in refused.headers


def test_a_hook_that_is_not_there_issues_nothing():
    gone = HookServer()
    gone.stop()
    running = InProcessServer({"hooks.token_url": gone.url})
    client = running.register_client(grant_types=["client_credentials"], scope="read")
    assert running.token(client, grant_type="client_credentials").status_code == 503
    running.stop()


@pytest.mark.threat("T149")
@pytest.mark.parametrize("answer", [None, (500, None)])
def test_no_credential_in_the_url_of_a_hook_gets_into_events_when_it_fails(hook, answer):
    hook.answer(answer or (204, None))
    host = hook.url.removeprefix("http://") if answer else "127.0.0.1:1"
    running = InProcessServer({"hooks.token_url": f"http://svc:hunter2@{host}/token?key=hunter3"})
    client = running.register_client(grant_types=["client_credentials"], scope="read")
    told = running.token(client, grant_type="client_credentials")
    (refused,) = running.events.of(TokenRequestRefused)
    running.stop()
    assert told.status_code == 503
    assert "hooks.token_url" in refused.detail
    assert "hunter" not in f"{refused} {told.text}"


def test_a_refresh_asks_the_refresh_hook_and_then_the_token_hook_which_sees_its_claims(house, hook):
    client = house.register_client()
    tokens = house.grant(client)
    hook.answer((200, {"session": {"access_token": {"from": "refresh"}}}), (204, None))
    fresh = house.refresh(client, tokens["refresh_token"]).json()
    (first, _, asked), (second, _, seen) = hook.requests
    assert (first, second) == ("/refresh", "/token")
    assert asked["requester"]["grant_types"] == ["refresh_token"]
    assert asked["subject"] == asked["session"]["subject"]
    assert seen["session"]["extra"] == {"from": "refresh"}
    assert house.introspect(client, fresh["access_token"])["from"] == "refresh"


@pytest.mark.threat("T149")
def test_no_credential_that_is_still_good_is_passed_on(house, hook):
    client = house.register_client()
    tokens = house.grant(client)
    house.refresh(client, tokens["refresh_token"])
    told = str(hook.requests)
    assert tokens["refresh_token"] not in told
    assert client.client_secret not in told


def test_requests_that_come_again_are_decided_again(house, hook, machine):
    """A machine that sends the same bytes again is not answered from what was decided."""
    hook.answer((204, None))
    for _ in range(4):
        assert ask(house, machine).status_code == 200
    assert len(hook.requests) == 4


def test_a_cookie_can_carry_the_credential(hook):
    running = InProcessServer(
        {
            "hooks.token_url": hook.url,
            "hooks.credential": "s3cret",
            "hooks.credential_in": "cookie",
            "hooks.credential_name": "hook",
        }
    )
    client = running.register_client(grant_types=["client_credentials"], scope="read")
    running.token(client, grant_type="client_credentials")
    assert hook.requests[0][1]["cookie"] == "hook=s3cret"
    running.stop()


@pytest.mark.parametrize("url", ["ftp://hook.example", "hook.example/token", "http:///token"])
def test_a_url_that_is_none_stops_the_start(url):
    with pytest.raises(ConfigurationError, match=r"hooks\.token_url"):
        InProcessServer({"hooks.token_url": url})
