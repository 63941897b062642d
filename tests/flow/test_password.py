"""The password grant (RFC 6749 §4.3): for clients that registered it, and as hard to guess at as the log-in page."""

from __future__ import annotations

import pytest

from grantway.admin.users import disable_user
from grantway.testing.in_process import PASSWORD, InProcessServer, RegisteredClient


@pytest.fixture
def legacy(server: InProcessServer) -> RegisteredClient:
    """A client from before there were browsers everywhere."""
    return register(server)


def register(server: InProcessServer, **metadata: object) -> RegisteredClient:
    return server.register_client(**{"grant_types": ["password", "refresh_token"], **metadata})


def ask(server: InProcessServer, client: RegisteredClient, username: str = "ada", **parameters: object):
    return server.token(client, grant_type="password", **{"username": username, "password": PASSWORD, **parameters})


@pytest.mark.spec("RFC 6749 §4.3.2")
@pytest.mark.spec("RFC 6749 §4.3.3")
def test_a_client_that_is_allowed_it_trades_name_and_password_for_tokens(server, legacy, verify):
    answer = ask(server, legacy, scope="openid read")
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    claims = verify(tokens["id_token"]).claims
    assert (claims["aud"], claims["amr"], claims["auth_time"]) == (legacy.client_id, ["pwd"], claims["iat"])
    assert server.introspect(legacy, tokens["access_token"])["scope"] == "openid read"
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


def test_without_openid_there_is_no_id_token_and_without_the_grant_nothing_to_refresh(server):
    client = register(server, grant_types=["password"])
    assert set(ask(server, client, scope="read").json()) == {"access_token", "token_type", "expires_in", "scope"}


def test_its_refresh_token_works_and_rotates(server, legacy):
    tokens = ask(server, legacy, scope="read").json()
    again = server.refresh(legacy, tokens["refresh_token"])
    assert again.status_code == 200
    assert again.json()["refresh_token"] != tokens["refresh_token"]


def test_its_permission_is_seen_and_revoked_like_any_other(server, legacy, username):
    tokens = ask(server, legacy, username=username, scope="read").json()
    subject = server.introspect(legacy, tokens["access_token"])["sub"]
    store, now = server.runtime.store, server.clock.now()
    page = server.run(store.list_authorizations("default", subject=subject))
    assert [(each.grant_type, each.scope) for each in page.items] == [("password", ("read",))]
    server.run(store.revoke_authorizations("default", subject=subject, now=now, keep_until=now + 10**8))
    assert not server.is_active(legacy, tokens["access_token"])
    assert server.refresh(legacy, tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_scope_asked_for_counts_and_the_default_where_nothing_is(server, legacy):
    assert ask(server, legacy, scope="admin").json()["error"] == "invalid_scope"
    default = register(server, default_scope="read")
    assert ask(server, default).json()["scope"] == "read"


# -- who is refused ---------------------------------------------------------------------------------------------------


def test_no_client_has_it_unless_it_registered_it(server, client):
    assert ask(server, client).json()["error"] == "unauthorized_client"


def test_a_public_client_has_it_never(server):
    public = register(server, token_endpoint_auth_method="none")
    assert ask(server, public).json()["error"] == "unauthorized_client"


@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"password": "not the password"}, "invalid_grant"),
        ({"username": "nobody"}, "invalid_grant"),
        ({"username": "a" * 5000}, "invalid_grant"),
        ({"password": "p" * 5000}, "invalid_grant"),
        ({"username": None}, "invalid_request"),
        ({"password": None}, "invalid_request"),
        ({"username": ["ada", "ada"]}, "invalid_request"),
    ],
)
def test_wrong_credentials_are_an_invalid_grant_and_missing_ones_an_invalid_request(server, legacy, wrong, error):
    answer = ask(server, legacy, **wrong)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.threat("T100")
def test_nobody_learns_whether_an_account_exists_or_is_disabled(server, legacy, username):
    person = server.run(server.runtime.store.load_subject_by_username("default", username))
    server.run(disable_user(server.runtime, "default", person.subject, actor="test"))
    answers = [
        ask(server, legacy, username=name, password=word)
        for name, word in ((username, PASSWORD), ("nobody", PASSWORD), ("ada", "wrong password here"))
    ]
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1


@pytest.mark.threat("T101")
@pytest.mark.spec("RFC 6749 §4.3.2")
def test_guesses_are_counted_together_with_those_on_the_log_in_page(fresh_server):
    client = register(fresh_server)
    for _ in range(10):
        assert ask(fresh_server, client, password="wrong password").json()["error"] == "invalid_grant"
    locked = ask(fresh_server, client)
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) > 0
    browser = fresh_server.browser()
    browser.open("/login")
    assert browser.submit(0, username="ada", password=PASSWORD, action="login").status_code == 429
    fresh_server.clock.advance(301)
    assert ask(fresh_server, client).status_code == 200


@pytest.mark.threat("T42")
def test_a_scope_refused_after_the_password_was_right_leaves_no_permission_behind(server, legacy, username):
    assert ask(server, legacy, username=username, scope="admin").status_code == 400
    person = server.run(server.runtime.store.load_subject_by_username("default", username))
    assert server.run(server.runtime.store.list_authorizations("default", subject=person.subject)).items == ()


@pytest.mark.spec("RFC 6749 §4.3.2")
@pytest.mark.spec("RFC 6749 §5.1")
def test_the_client_has_to_prove_itself_besides(server, legacy, username):
    form = {"grant_type": "password", "username": username, "password": PASSWORD}
    for auth in ((legacy.client_id, "wrong"), ("nobody", "wrong")):
        answer = server.post("/oauth2/token", data=form, auth=auth)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert server.post("/oauth2/token", data={**form, "client_id": legacy.client_id}).status_code == 401
    good = server.post("/oauth2/token", data=form, auth=legacy.auth)
    assert (good.status_code, good.headers["cache-control"]) == (200, "no-store")
