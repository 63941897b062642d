"""What the device authorization grant asks of a server besides codes and pages (RFC 8628 §3.1, §3.4, §3.5)."""

from __future__ import annotations

import pytest

from grantway.protocol.device import DEVICE_CODE

FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def television(server):
    return server.register_client(grant_types=[DEVICE_CODE], scope="openid read")


def begin(server, client, body):
    return server.post("/oauth2/device/auth", content=body, headers=FORM, auth=client.auth)


@pytest.mark.spec("RFC 8628 §3.1")
def test_what_is_empty_is_not_there_and_what_nobody_knows_is_ignored(server, television):
    assert begin(server, television, "scope=read&resource=&flavour=vanilla").status_code == 200
    assert begin(server, television, "scope=").json()["error"] == "invalid_scope", "as if there were none"


@pytest.mark.spec("RFC 8628 §3.1")
@pytest.mark.parametrize("twice", ["scope=read", "client_id=x", "flavour=vanilla"])
def test_nothing_is_said_twice(server, television, twice):
    answer = begin(server, television, f"{twice}&{twice}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.spec("RFC 8628 §3.4")
def test_a_device_with_a_secret_proves_itself_at_each_poll(server, television):
    begun = server.begin_device(television, scope="read")
    form = {"grant_type": DEVICE_CODE, "device_code": begun["device_code"]}
    for options in ({"auth": (television.client_id, "wrong")}, {"data": {**form, "client_id": television.client_id}}):
        answer = server.post("/oauth2/token", **{"data": form, **options})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert server.poll(television, begun["device_code"]).json()["error"] == "authorization_pending", "not slow_down"


@pytest.mark.spec("RFC 8628 §3.5")
def test_every_answer_to_a_poll_is_one_of_the_token_endpoint(server, television):
    server.clock.advance(1)
    code = server.begin_device(television, scope="read")["device_code"]
    heard = [server.poll(television, code), server.poll(television, code)]
    server.clock.advance(3600)
    heard.append(server.poll(television, code))
    assert [answer.json()["error"] for answer in heard] == ["authorization_pending", "slow_down", "expired_token"]
    for answer in heard:
        assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store")
