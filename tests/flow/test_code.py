"""An authorization code: redeemed once, by its client, with all it was bound to."""

from __future__ import annotations

import asyncio

import pytest

from grantway.events import ReplayPunished
from grantway.testing.in_process import VERIFIER, InProcessServer, RegisteredClient

CB = "https://client.example/cb"


def is_refused(answer, error="invalid_grant"):
    return (answer.status_code, answer.json().get("error")) == (400, error)


@pytest.mark.spec("RFC 6749 §4.1.4")
def test_a_code_becomes_tokens(server, client):
    answer = server.redeem(client, server.browser().authorize(client, scope="openid profile")["code"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert (tokens["token_type"], tokens["scope"]) == ("Bearer", "openid profile")


@pytest.mark.spec("RFC 6749 §4.1.2")
@pytest.mark.threat("T20")
def test_a_code_is_redeemed_once(server: InProcessServer, client: RegisteredClient):
    code = server.browser().authorize(client)["code"]
    assert server.redeem(client, code).status_code == 200
    assert is_refused(server.redeem(client, code))


@pytest.mark.spec("RFC 6749 §4.1.2")
@pytest.mark.threat("T21")
def test_of_parallel_redemptions_one_wins(server: InProcessServer, client: RegisteredClient):
    code = server.browser().authorize(client)["code"]
    browser = server.build_http_client()
    data = {"grant_type": "authorization_code", "code": code, "redirect_uri": CB, "code_verifier": VERIFIER}

    async def race():
        requests = [browser.post("/oauth2/token", data=data, auth=client.auth) for _ in range(32)]
        return await asyncio.gather(*requests)

    answers = server.run(race())
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 31
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}


@pytest.mark.threat("T20")
@pytest.mark.spec("RFC 9700 §4.5")
def test_replaying_a_code_kills_everything_that_came_from_it(server, client):
    code = server.browser().authorize(client, scope="openid offline_access")["code"]
    first = server.redeem(client, code).json()
    second = server.refresh(client, first["refresh_token"]).json()
    server.clock.advance(60)
    third = server.refresh(client, second["refresh_token"]).json()
    assert is_refused(server.redeem(client, code))
    for tokens in (first, second, third):
        assert not server.is_active(client, tokens["access_token"])
        assert not server.is_active(client, tokens["refresh_token"])
        assert is_refused(server.refresh(client, tokens["refresh_token"]))
    assert server.events.of(ReplayPunished)[-1].client_id == client.client_id


@pytest.mark.threat("T22")
def test_a_replay_is_noticed_long_after_the_code_expired(server, client):
    code = server.browser().authorize(client, scope="openid offline_access")["code"]
    tokens = server.redeem(client, code).json()
    server.clock.advance(86400 * 20)
    server.run(server.runtime.store.clean(now=server.clock.now()))
    renewed = server.refresh(client, tokens["refresh_token"]).json()
    assert is_refused(server.redeem(client, code))
    assert not server.is_active(client, renewed["access_token"])


@pytest.mark.threat("T22")
@pytest.mark.threat("T23")
def test_a_replay_by_another_client_harms_nobody(server: InProcessServer, client: RegisteredClient):
    """Also what the mutant without the client check must fail."""
    code = server.browser().authorize(client)["code"]
    tokens = server.redeem(client, code).json()
    other = server.register_client(redirect_uris=list(client.client.redirect_uris))
    assert is_refused(server.redeem(other, code))
    assert server.is_active(client, tokens["access_token"])


@pytest.mark.threat("T23")
@pytest.mark.spec("RFC 6749 §4.1.3")
def test_a_code_is_redeemed_by_its_own_client_alone(server: InProcessServer, client: RegisteredClient):
    code = server.browser().authorize(client)["code"]
    for other in (server.register_client(), server.register_client(token_endpoint_auth_method="none")):
        assert is_refused(server.redeem(other, code))
    assert server.redeem(client, code).status_code == 200, "and the failures cost its owner nothing"


@pytest.mark.threat("T22")
@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uri": "https://client.example/other"}, {"redirect_uri": ""}, {"redirect_uri": None},
        {"code_verifier": "w" * 43}, {"code_verifier": None}, {"client_secret": "wrong"},
    ],
)  # fmt: skip
def test_a_replay_that_fails_its_binding_kills_nothing(server, wrong):
    client = server.register_client(token_endpoint_auth_method="client_secret_post")
    code = server.browser().authorize(client)["code"]
    tokens = server.redeem(client, code).json()
    right = {"grant_type": "authorization_code", "code": code, "redirect_uri": CB, "code_verifier": VERIFIER}
    right |= {"client_id": client.client_id, "client_secret": client.client_secret}
    data = {name: value for name, value in {**right, **wrong}.items() if value is not None}
    assert server.post("/oauth2/token", data=data).status_code in (400, 401)
    assert server.is_active(client, tokens["access_token"])


@pytest.mark.threat("T24")
@pytest.mark.spec("RFC 6749 §4.1.3")
def test_the_redirect_uri_of_the_request_must_come_back(server):
    client = server.register_client(redirect_uris=[CB, CB + "2"])
    for wrong in (CB + "2", CB + "/", "", None):
        code = server.browser().authorize(client, redirect_uri=CB)["code"]
        data = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        answer = server.token(client, **data, **({} if wrong is None else {"redirect_uri": wrong}))
        assert is_refused(answer), wrong
        assert server.token(client, **data, redirect_uri=CB).status_code == 200


@pytest.mark.spec("RFC 6749 §4.1.3")
def test_a_redirect_uri_that_was_left_out_need_not_come_back(server):
    client = server.register_client(scope="read")
    code = server.browser().authorize(client, redirect_uri=None, scope="read")["code"]
    answer = server.token(client, grant_type="authorization_code", code=code, code_verifier=VERIFIER)
    assert answer.status_code == 200
    assert "id_token" not in answer.json()


@pytest.mark.threat("T11")
@pytest.mark.spec("RFC 6749 §4.1.2")
def test_a_code_lives_a_minute(server, client):
    early, late = (server.browser().authorize(client)["code"] for _ in range(2))
    server.clock.advance(59.9)
    assert server.redeem(client, early).status_code == 200
    server.clock.advance(0.1)
    assert is_refused(server.redeem(client, late))


@pytest.mark.threat("T34")
def test_a_code_with_another_character_is_another_code(server, client):
    code = server.browser().authorize(client)["code"]
    altered = [
        code[:-1],
        code + "A",
        code + "=",
        code + " ",
        " " + code,
        code.swapcase(),
        code.upper(),
        code[1:],
        "gwac_",
    ]
    for other in altered:
        assert is_refused(server.redeem(client, other)), other
    assert is_refused(server.redeem(client, ""), "invalid_request")
    assert server.redeem(client, code).status_code == 200


@pytest.mark.spec("RFC 6749 §4.1.3")
def test_a_scope_parameter_does_not_change_what_the_code_stands_for(server, client):
    code = server.browser().authorize(client, scope="openid read")["code"]
    data = {"grant_type": "authorization_code", "code": code, "redirect_uri": CB, "code_verifier": VERIFIER}
    assert server.token(client, **data, scope="openid read write email").json()["scope"] == "openid read"


@pytest.mark.threat("T43")
@pytest.mark.spec("RFC 8707 §2.2")
def test_a_code_gives_a_token_for_fewer_resources_but_not_for_others(server):
    client = server.register_client(audience=["https://api.example", "https://two.example", "https://three.example"])
    browser = server.browser()
    url = browser.build_authorization_url(client, resource="https://api.example", scope="openid offline_access")
    browser.open(url + "&resource=https://two.example")
    browser.submit(username="ada", password="correct horse battery staple", action="login")
    browser.submit(action="allow", scope=["openid", "offline_access"])
    code = browser.received()["code"]
    data = {"grant_type": "authorization_code", "code": code, "redirect_uri": CB, "code_verifier": VERIFIER}
    assert is_refused(server.token(client, **data, resource="https://three.example"), "invalid_target")
    tokens = server.token(client, **data, resource="https://api.example").json()
    assert server.introspect(client, tokens["access_token"])["aud"] == ["https://api.example"]
    both = server.refresh(client, tokens["refresh_token"]).json()
    assert server.introspect(client, both["access_token"])["aud"] == ["https://api.example", "https://two.example"]
    three = server.refresh(client, both["refresh_token"], resource="https://three.example")
    assert is_refused(three, "invalid_target")


@pytest.mark.threat("T46")
def test_refusals_do_not_say_what_was_wrong(server, client):
    redeemed = server.browser().authorize(client)["code"]
    server.redeem(client, redeemed)
    foreign = server.browser().authorize(server.register_client())["code"]
    expired = server.browser().authorize(client)["code"]
    server.clock.advance(61)
    bodies = {server.redeem(client, code).text for code in ("gwac_" + "A" * 43, foreign, expired, redeemed)}
    assert len(bodies) == 1
