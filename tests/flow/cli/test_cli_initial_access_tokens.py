"""``grantway initial-access-tokens`` and any field of a client, on the database itself."""

from __future__ import annotations

import json

import pytest


def test_a_token_is_shown_once_listed_and_deleted(cli):
    made = cli(
        "initial-access-tokens", "create", "--note", "agents", "--uses", "3", "--hours", "2", "--scope", "openid read",
        "--grant-type", "authorization_code", "--audience", "https://mcp.example/", "--json",
    ).json()  # fmt: skip
    assert made["token"].startswith(f"gwit_{made['id']}")
    assert made["policy"] == {
        "scope": "openid read",
        "grant_types": ["authorization_code"],
        "audience": ["https://mcp.example/"],
    }
    (listed,) = cli("initial-access-tokens", "list", "--json").json()["items"]
    assert (listed["id"], listed["note"], listed["uses_left"]) == (made["id"], "agents", 3)
    assert "token" not in listed
    assert made["token"] not in json.dumps(listed)
    assert cli("initial-access-tokens", "delete", made["id"]).out == f"Deleted {made['id']}.\n"
    assert cli("initial-access-tokens", "delete", made["id"]).code == 5
    assert cli("initial-access-tokens", "list", "--json").json()["items"] == []


def test_it_may_have_no_limit(cli):
    assert cli("initial-access-tokens", "create", "--unlimited", "--json").json()["uses_left"] == "unlimited"


@pytest.mark.parametrize("arguments", [["--uses", "0"], ["--hours", "0"], ["--scope", 'a"b'], ["--note", "x" * 300]])
def test_what_cannot_be_is_told(cli, arguments):
    answer = cli("initial-access-tokens", "create", *arguments)
    assert answer.code in (1, 2)
    assert answer.err


def test_any_field_of_a_client_can_be_given(cli):
    made = cli(
        "clients", "create", "--id", "shop", "--grant-type", "client_credentials", "--scope", "read",
        "--field", 'access_token_claims={"plan": "gold"}', "--field", "owner=team", "--json",
    ).json()  # fmt: skip
    assert (made["access_token_claims"], made["owner"]) == ({"plan": "gold"}, "team")
    changed = cli("clients", "update", "shop", "--field", "access_token_claims=null", "--json").json()
    assert "access_token_claims" not in changed
    for wrong in ("nonsense", "=x", "no_such_field=1", 'access_token_claims={"sub": "x"}'):
        assert cli("clients", "update", "shop", "--field", wrong).code == 2
