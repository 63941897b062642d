"""How a token request is read, whatever its grant (RFC 6749 §3.2), and what holds of every answer (RFC 6749 §5)."""

from __future__ import annotations

import pytest

GRANT = "grant_type=client_credentials"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def send(server, machine, body, **options):
    return server.post("/oauth2/token", content=body, headers=FORM, auth=machine.auth, **options)


@pytest.mark.spec("RFC 6749 §3.2")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_token_is_asked_for_by_post(server, machine, method):
    answer = server.request(method, f"/oauth2/token?{GRANT}", auth=machine.auth)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.spec("RFC 6749 §3.2")
def test_what_nobody_knows_is_ignored_and_what_is_empty_is_not_there(server, machine):
    assert send(server, machine, f"{GRANT}&flavour=vanilla&flavor=").status_code == 200
    answer = send(server, machine, f"{GRANT}&scope=&resource=&audience=")
    assert (answer.status_code, answer.json()["scope"]) == (200, "read write")
    assert send(server, machine, "grant_type=&scope=read").json()["error"] == "invalid_request"


@pytest.mark.spec("RFC 6749 §3.2")
@pytest.mark.parametrize("twice", ["grant_type=client_credentials", "scope=read", "client_id=x", "flavour=vanilla"])
def test_nothing_is_said_twice(server, machine, twice):
    answer = send(server, machine, f"{GRANT}&scope=write&{twice}&{twice}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.spec("RFC 6749 §5.1")
@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize(
    ("body", "status"),
    [(GRANT, 200), ("scope=read", 400), ("grant_type=foo", 400), (f"{GRANT}&scope=more", 400), (f"{GRANT}&x=%FF", 400)],
)
def test_every_answer_is_json_that_no_cache_keeps(server, machine, body, status):
    answer = send(server, machine, body)
    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
    assert answer.headers["content-type"] == "application/json"
    assert ("error" in answer.json()) is (status == 400)


@pytest.mark.spec("RFC 6749 §5.2")
def test_a_grant_type_nobody_knows_and_one_the_client_has_not_have_errors_of_their_own(server, machine):
    assert send(server, machine, "grant_type=foo").json()["error"] == "unsupported_grant_type"
    assert send(server, machine, "grant_type=authorization_code&code=x").json()["error"] == "unauthorized_client"
