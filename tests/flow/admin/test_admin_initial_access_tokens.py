"""Initial access tokens by the admin API: shown once, with a policy, and no more than their maker holds."""

from __future__ import annotations

import pytest

PATH = "/admin/initial-access-tokens"


def test_a_token_is_made_listed_and_deleted(house):
    answer = house.call("POST", PATH, json={"note": "agents", "uses": 2, "ttl": 60, "policy": {"scope": "openid"}})
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"{PATH}/{made['id']}"
    assert made["token"].startswith("gwit_")
    assert (made["uses_left"], made["policy"]) == (2, {"scope": "openid"})
    listed = {each["id"]: each for each in house.call("GET", PATH).json()}
    assert "token" not in listed[made["id"]]
    assert house.call("DELETE", f"{PATH}/{made['id']}").status_code == 204
    assert house.call("DELETE", f"{PATH}/{made['id']}").status_code == 404
    assert house.events.administered()[-1].action == "initial_access_token.delete"


def test_a_token_without_a_limit(house):
    assert house.call("POST", PATH, json={"uses": None}).json()["uses_left"] is None


@pytest.mark.parametrize(
    "document",
    [
        {"uses": 0},
        {"uses": -1},
        {"uses": "many"},
        {"ttl": 0},
        {"ttl": 10**12},
        {"note": "x" * 300},
        {"policy": {"nonsense": 1}},
        {"policy": {"scope": 7}},
        {"policy": {"grant_types": "x"}},
        {"policy": []},
        {"nonsense": 1},
    ],
)
def test_what_cannot_be_is_refused(house, document):
    assert house.call("POST", PATH, json=document).status_code in (400, 422)


@pytest.mark.threat("T135")
def test_nobody_lets_clients_have_more_than_they_hold_themselves(house):
    token = house.token("grantway.initial-access-tokens.write")
    assert house.call("POST", PATH, token=token, json={"policy": {"scope": "grantway.admin"}}).status_code == 403
    assert house.call("POST", PATH, token=token, json={"policy": {"scope": "openid"}}).status_code == 201
    reader = house.token("grantway.initial-access-tokens.read")
    assert house.call("GET", PATH, token=reader).status_code == 200
    assert house.call("POST", PATH, token=reader, json={}).status_code == 403
