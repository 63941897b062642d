"""The client acts for itself."""

from __future__ import annotations

import pytest

GRANT = {"grant_type": "client_credentials"}


def error(answer):
    return answer.json()["error"]


@pytest.mark.spec("RFC 6749 §4.4.3")
def test_a_machine_gets_an_access_token_and_nothing_else(server, machine):
    answer = server.token(machine, **GRANT)
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "scope"}
    claims = server.introspect(machine, answer.json()["access_token"])
    assert (claims["sub"], claims["client_id"]) == (machine.client_id, machine.client_id)
    assert claims["exp"] - claims["iat"] == answer.json()["expires_in"] == 3600


@pytest.mark.spec("RFC 6749 §3.3")
def test_scope_narrows_within_what_is_registered(server, machine):
    assert server.token(machine, **GRANT).json()["scope"] == "read write"
    assert server.token(machine, **GRANT, scope="write").json()["scope"] == "write"
    assert server.token(machine, **GRANT, scope="").json()["scope"] == "read write"
    for scope in (
        "admin",
        "read admin",
        "READ",
        "openid",
        "offline_access",
        'read"',
        "r\u00e9ad",
        "read\\",
        "a" * 3000,
    ):
        assert error(server.token(machine, **GRANT, scope=scope)) == "invalid_scope", scope


def test_people_scopes_of_a_mixed_client_are_not_for_machines(server):
    client = server.register_client(grant_types=["authorization_code", "client_credentials"])
    scope = server.token(client, **GRANT).json()["scope"].split()
    assert "openid" not in scope
    assert "offline_access" not in scope
    assert error(server.token(client, **GRANT, scope="openid")) == "invalid_scope"


def test_the_default_scope_is_what_counts_when_nothing_is_asked(server):
    client = server.register_client(grant_types=["client_credentials"], scope="read write", default_scope="read")
    assert server.token(client, **GRANT).json()["scope"] == "read"
    assert server.token(client, **GRANT, scope="write").json()["scope"] == "write"


@pytest.mark.spec("RFC 6749 §4.4")
def test_a_public_client_has_no_credentials_to_use(server, public_client):
    answer = server.token(public_client, **GRANT)
    assert (answer.status_code, error(answer)) == (400, "unauthorized_client")


@pytest.mark.spec("RFC 6749 §5.2")
def test_a_client_uses_the_grants_it_registered(server, client, machine):
    assert error(server.token(client, **GRANT)) == "unauthorized_client"
    assert error(server.token(machine, grant_type="telepathy")) == "unsupported_grant_type"
    assert error(server.token(machine, grant_type="implicit")) == "unsupported_grant_type"
    assert error(server.token(machine, grant_type="CLIENT_CREDENTIALS")) == "unsupported_grant_type"
    assert error(server.token(machine, grant_type="")) == "invalid_request"
    assert error(server.token(machine)) == "invalid_request"


@pytest.mark.threat("T43")
@pytest.mark.spec("RFC 8707 §2")
def test_a_token_is_for_the_resources_asked_for(server):
    client = server.register_client(
        grant_types=["client_credentials"], scope="read", audience=["https://one.example", "https://two.example"]
    )

    def audience(**parameters):
        return server.introspect(client, server.token(client, **GRANT, **parameters).json()["access_token"])["aud"]

    assert audience() == ["https://one.example", "https://two.example"]
    assert audience(resource="https://two.example") == ["https://two.example"]
    assert audience(resource=["https://one.example", "https://two.example"]) == [
        "https://one.example",
        "https://two.example",
    ]
    assert audience(audience="https://two.example https://one.example")[0] == "https://two.example"
    for resource in (
        "https://three.example",
        "https://one.example#x",
        "https://one.example/",
        "one",
        "https://ONE.example",
    ):
        assert error(server.token(client, **GRANT, resource=resource)) == "invalid_target", resource


@pytest.mark.threat("T12")
@pytest.mark.parametrize("name", ["grant_type", "scope", "client_id", "code", "unknown"])
def test_a_repeated_parameter_is_refused(server, machine, name):
    value = {"grant_type": "client_credentials", "client_id": machine.client_id}.get(name, "read")
    answer = server.post("/oauth2/token", data={**GRANT, name: [value, value]}, auth=machine.auth)
    assert (answer.status_code, error(answer)) == (400, "invalid_request")


def test_an_unknown_parameter_is_ignored(server, machine):
    assert server.token(machine, **GRANT, something="else").status_code == 200


def test_a_warm_worker_issues_and_introspects_without_sql(server, machine):
    """The promise of the token model: no statement at all."""
    token = server.token(machine, **GRANT).json()["access_token"]
    server.introspect(machine, token)
    before = dict(server.runtime.store.statement_counts())
    for _ in range(5):
        token = server.token(machine, **GRANT).json()["access_token"]
        assert server.is_active(machine, token)
    after = dict(server.runtime.store.statement_counts())
    changed = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
    changed.pop("load_changes", None)  # the feed is read whether anybody asks for a token or not
    assert changed == {}
