"""What a client may say of itself, as a rule without a server."""

from __future__ import annotations

import pytest

from grantway.errors import InvalidClientMetadata, InvalidSoftwareStatement
from grantway.model import Client, RegistrationPolicy
from grantway.protocol.client_metadata import FIELDS, Metadatum
from grantway.protocol.registration import (
    SELF_SERVICE,
    SERVERS_OWN,
    build_initial_access_token,
    check_policy,
    describe_registration,
    follow_administrator,
    parse_initial_access_token,
    read_policy,
    select_metadata,
    select_statement,
)

POLICY = RegistrationPolicy(
    grant_types=("authorization_code",),
    token_endpoint_auth_methods=("none",),
    scope=("a", "b"),
    audience=("https://x",),
)
EXTRA = {"theirs": Metadatum("", is_self_service=True), "ours": Metadatum("")}


@pytest.mark.threat("T125")
def test_what_is_a_clients_own_is_an_allow_list_of_known_fields() -> None:
    assert set(FIELDS) > SELF_SERVICE
    assert not SELF_SERVICE & SERVERS_OWN
    selected = select_metadata({"client_name": "x", "theirs": 1, "nobodys": 2}, POLICY, EXTRA)
    assert selected == {"client_name": "x", "theirs": 1, "scope": "a b", "audience": ["https://x"]}
    for name in ("ours", "skip_consent", "client_id"):
        with pytest.raises(InvalidClientMetadata):
            select_metadata({name: 1}, POLICY, EXTRA)


@pytest.mark.spec("RFC 7592 §2.2")
def test_what_the_client_was_told_may_come_back_unchanged() -> None:
    shown = {"audience": ["https://x"], "ours": 1}
    assert "ours" not in select_metadata({"ours": 1, "client_name": "x"}, POLICY, EXTRA, shown=shown)
    for changed in ({"ours": 2}, {"skip_consent": True}):
        with pytest.raises(InvalidClientMetadata):
            select_metadata(changed, POLICY, EXTRA, shown=shown)


@pytest.mark.spec("RFC 7591 §2.3")
def test_a_statement_takes_precedence_and_says_only_metadata() -> None:
    fixed = select_statement({"iss": "p", "scope": "b", "theirs": 3}, EXTRA)
    assert fixed == {"scope": "b", "theirs": 3}
    assert select_metadata({"scope": "a"}, POLICY, EXTRA, statement=fixed)["scope"] == "b"
    for name in ("software_statement", "client_secret"):
        with pytest.raises(InvalidSoftwareStatement):
            select_statement({name: "x"}, EXTRA)
    with pytest.raises(InvalidClientMetadata):
        select_metadata({}, POLICY, EXTRA, statement=select_statement({"ours": 1}, EXTRA))


def test_what_an_administrator_gave_may_be_kept_and_what_was_taken_away_is_gone() -> None:
    old = Client(tenant="t", client_id="c", scope=("a",), token_endpoint_auth_method="none")
    new = Client(tenant="t", client_id="c", scope=("x",), token_endpoint_auth_method="none", audience=("https://y",))
    followed = follow_administrator(POLICY, old, new)
    assert followed.scope == ("b", "x")
    assert followed.audience == ("https://y",)
    assert followed.grant_types == POLICY.grant_types
    assert followed.token_endpoint_auth_methods == ("none",)
    any_method = RegistrationPolicy(grant_types=(), token_endpoint_auth_methods=(), scope=(), audience=())
    assert follow_administrator(any_method, old, new).token_endpoint_auth_methods == ()


def test_a_policy_bounds_grants_scope_and_authentication() -> None:
    client = Client(tenant="t", client_id="c", token_endpoint_auth_method="none", scope=("a",))
    check_policy(client, POLICY)
    check_policy(
        Client(tenant="t", client_id="c"), RegistrationPolicy(
            grant_types=("authorization_code",), token_endpoint_auth_methods=(), scope=(), audience=()
        )
    )  # fmt: skip
    for wrong in ({"grant_types": ("password",)}, {"scope": ("c",)}, {"token_endpoint_auth_method": "x"}):
        with pytest.raises(InvalidClientMetadata):
            check_policy(Client(tenant="t", client_id="c", **{"token_endpoint_auth_method": "none", **wrong}), POLICY)


def test_a_policy_is_read_from_json_and_falls_back() -> None:
    assert read_policy({}, POLICY) == POLICY
    read = read_policy({"scope": "c", "audience": [], "grant_types": ["x"]}, POLICY)
    assert (read.scope, read.audience, read.grant_types) == (("c",), (), ("x",))
    assert read.token_endpoint_auth_methods == POLICY.token_endpoint_auth_methods
    for wrong in ({"scope": 7}, {"audience": "x"}, {"grant_types": [7]}, {"grant_types": [""]}):
        with pytest.raises(InvalidClientMetadata):
            read_policy(wrong, POLICY)


def test_a_client_is_told_what_it_may_set() -> None:
    client = Client(tenant="t", client_id="c", skip_consent=True, extra={"theirs": 1, "ours": 2})
    told = describe_registration(client, EXTRA)
    assert (told["client_id"], told["theirs"]) == ("c", 1)
    assert told["audience"] == []
    assert not {"owner", "metadata", "enabled"} & set(told)


def test_an_initial_access_token_says_which_one_it_is() -> None:
    token = build_initial_access_token("a" * 26, "secret")
    assert parse_initial_access_token(token) == "a" * 26
    for wrong in ("", "gwit_", "gwit_short", "other_" + "a" * 26, "gwit_" + "-" * 26, "gwit_" + "é" * 26):
        assert parse_initial_access_token(wrong) is None
