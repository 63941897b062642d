"""The two grants of light-oauth2's own: people whom a trusted client logged in, and long-lived tokens."""

from __future__ import annotations

import json

import pytest
from tests.compat import COMPAT

from grantway.admin.clients import create_client, patch_client
from grantway.admin.rights import build_rights
from grantway.admin.users import disable_user
from grantway.config import LogSettings
from grantway.errors import InsufficientScope, InvalidClientMetadata
from grantway.events import Administered, TokenIssued
from grantway.testing.in_process import InProcessServer
from grantway.tokens import OWN_CLAIMS
from grantway.web.telemetry import record_changes

USER, BOOTSTRAP = "client_authenticated_user", "bootstrap_token"
LIFESPAN = "bootstrap_token_grant_access_token_lifespan"
YEAR = 365 * 86400


@pytest.fixture(scope="module")
def server():
    running = InProcessServer({**COMPAT, "tokens.max_token_ttl": YEAR})
    running.register_user()
    yield running
    running.stop()


def register(server, **metadata):
    return server.register_client(**{"grant_types": [USER, "refresh_token"], "names_users_by": "username", **metadata})


@pytest.fixture
def portal(server):
    """A client that people log in to by means of its own."""
    return register(server)


@pytest.fixture
def pipeline(server):
    """A client that installs what nobody logs in to."""
    return register_pipeline(server)


def register_pipeline(server, **metadata):
    return server.register_client(**{"grant_types": [BOOTSTRAP], "scope": "read write", LIFESPAN: "720h", **metadata})


def name(server, client, user="ada", **parameters):
    return server.token(client, grant_type=USER, userId=user, **{"scope": "read", **parameters})


def bootstrap(server, client, **parameters):
    return server.token(client, grant_type=BOOTSTRAP, **{"scope": "read", **parameters})


def told(server, client, answer):
    assert answer.status_code == 200, answer.text
    return server.introspect(client, answer.json()["access_token"])


def said(answer):
    return "ok" if answer.status_code == 200 else answer.json()["error"]


def find_ada(server):
    return server.run(server.runtime.store.load_subject_by_username("default", "ada")).subject


# -- people whom a trusted client logged in ---------------------------------------------------------------------------
def test_a_trusted_client_names_a_person_and_gets_tokens_for_them(server, portal):
    answer = name(server, portal, userType="employee", roles="clerk auditor", branch="Zürich", csrf="x-1")
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    claims = told(server, portal, answer)
    assert (claims["sub"], claims["scope"], claims["client_id"]) == (find_ada(server), "read", portal.client_id)
    assert (claims["user_type"], claims["roles"]) == ("employee", "clerk auditor")
    assert (claims["branch"], claims["csrf"]) == ("Zürich", "x-1")
    assert "auth_time" not in claims, "this server has not seen the person"
    assert server.events.of(TokenIssued)[-1].subject == find_ada(server)


@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_what_it_said_is_in_refreshed_tokens_too(server, token_format):
    client = register(server, access_token_format=token_format)
    first = name(server, client, userType="customer", branch="4").json()
    again = server.refresh(client, first["refresh_token"])
    claims = told(server, client, again)
    assert (claims["user_type"], claims["branch"]) == ("customer", "4")
    assert "id_token" not in again.json()


def test_a_client_names_people_by_their_identifier_or_by_their_username_as_it_registered(server, username):
    by_subject = register(server, names_users_by="subject")
    assert told(server, by_subject, name(server, by_subject, find_ada(server)))["sub"] == find_ada(server)
    assert said(name(server, by_subject, "ada")) == "invalid_grant"
    assert said(name(server, by_subject, "x" * 300)) == "invalid_grant"


@pytest.mark.threat("T42")
def test_nobody_becomes_another_by_choosing_their_identifier_as_a_username(server):
    """The username of one is the identifier of the other: the client registered which it means."""
    ada = find_ada(server)
    impostor = server.register_user(ada).subject
    assert impostor != ada
    by_username, by_subject = register(server), register(server, names_users_by="subject")
    assert told(server, by_username, name(server, by_username, ada))["sub"] == impostor
    assert told(server, by_subject, name(server, by_subject, ada))["sub"] == ada


@pytest.mark.parametrize("nobody", ["nobody", "Ada ", "ADA", "ada\u200b", "a\nb", "x" * 300])
def test_somebody_who_is_not_here_gets_nothing(server, portal, nobody):
    answer = name(server, portal, nobody)
    assert said(answer) in ("invalid_grant", "invalid_request")


def test_a_disabled_person_gets_nothing_and_loses_what_they_had(server, portal, username):
    token = name(server, portal, username).json()["access_token"]
    subject = server.introspect(portal, token)["sub"]
    server.run(disable_user(server.runtime, "default", subject, actor="test"))
    assert said(name(server, portal, username)) == "invalid_grant"
    assert not server.is_active(portal, token)


def test_its_permission_is_listed_and_revoked_like_any_other(server, portal, username):
    tokens = name(server, portal, username).json()
    subject = server.introspect(portal, tokens["access_token"])["sub"]
    page = server.run(server.runtime.store.list_authorizations("default", subject=subject))
    assert [(each.grant_type, each.scope) for each in page.items] == [(USER, ("read",))]
    server.revoke(portal, tokens["refresh_token"])
    assert not server.is_active(portal, tokens["access_token"])


@pytest.mark.threat("T32")
def test_its_scope_is_within_its_own_and_never_says_who_somebody_is(server, portal):
    assert said(name(server, portal, scope="admin")) == "invalid_scope"
    assert said(name(server, portal, scope="openid read")) == "invalid_scope"
    assert "openid" not in name(server, portal, scope=None).json()["scope"]


def test_a_client_that_is_not_trusted_with_users_names_nobody(server, client):
    assert said(name(server, client)) == "unauthorized_client"
    assert said(name(server, register(server, names_users_by=None))) == "unauthorized_client"
    public = register(server, token_endpoint_auth_method="none")
    assert said(name(server, public)) == "unauthorized_client"


def test_a_person_has_to_be_named(server, portal):
    assert said(name(server, portal, None)) == "invalid_request"
    repeated = f"grant_type={USER}&userId=ada&userId=eve"
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert said(server.post("/oauth2/token", content=repeated, headers=form, auth=portal.auth)) == "invalid_request"


# -- claims from the form ---------------------------------------------------------------------------------------------
@pytest.mark.threat("T54")
@pytest.mark.parametrize("grant_type", [USER, BOOTSTRAP])
def test_no_field_takes_the_place_of_what_the_server_says_or_reads(server, portal, pipeline, grant_type):
    client, known = (portal, {"userId": "ada"}) if grant_type == USER else (pipeline, {})
    skipped = {"client_id", "scope"}  # read, and so no claims
    read_elsewhere = {
        "code",
        "code_verifier",
        "refresh_token",
        "password",
        "assertion",
        "subject_token",
        "nonce",
        "state",
    }
    for field in sorted((OWN_CLAIMS | read_elsewhere | {"act", "may_act", "azp", "events"}) - skipped):
        answer = server.token(client, grant_type=grant_type, **{**known, field: "x"})
        assert (answer.status_code, said(answer)) == (400, "invalid_request"), field
    claims = told(server, client, server.token(client, grant_type=grant_type, **known, plan="gold", format="json"))
    assert claims["ext"] == {"plan": "gold"}


@pytest.mark.spec("RFC 7519 §4.2")
@pytest.mark.parametrize("fields", [
    {f"field{number}": "x" for number in range(33)},
    {"long": "x" * 4096},
    {"n" * 65: "x"},
    {"with space": "x"},
    {"é": "x"},
    {'"': "x"},
])  # fmt: skip
def test_claims_are_bounded_in_number_size_and_name(server, portal, pipeline, fields):
    fitting = {f"field{number}": "x" for number in range(32)}
    for ask, client in ((name, portal), (bootstrap, pipeline)):
        assert said(ask(server, client, **fields)) == "invalid_request"
        assert said(ask(server, client, **fitting)) == "ok"
        claims = told(server, client, ask(server, client, **{"https://hr.example/plan": "gold", "empty": ""}))
        assert claims["ext"] == {"https://hr.example/plan": "gold"}


@pytest.mark.threat("T32")
def test_what_an_administrator_says_of_a_client_s_tokens_it_cannot_say_otherwise(server):
    said_by_administrator = {"access_token_claims": {"plan": "free", "roles": "guest"}}
    portal, pipeline = register(server, **said_by_administrator), register_pipeline(server, **said_by_administrator)
    assert said(name(server, portal, plan="gold")) == "invalid_request"
    assert said(name(server, portal, roles="admin")) == "invalid_request"
    assert said(bootstrap(server, pipeline, plan="gold")) == "invalid_request"
    assert told(server, portal, name(server, portal, branch="4"))["ext"] == {
        "plan": "free",
        "roles": "guest",
        "branch": "4",
    }


@pytest.mark.threat("T32")
def test_a_token_of_nobody_says_nothing_about_a_person(server, pipeline):
    for field in ("user_id", "user_type", "roles", "groups", "entitlements", "email", "preferred_username"):
        assert said(bootstrap(server, pipeline, **{field: "admin"})) == "invalid_request", field


# -- long-lived tokens ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_a_bootstrap_token_lives_as_long_as_its_client_may_have_it(server, token_format):
    client = register_pipeline(server, access_token_format=token_format)
    answer = bootstrap(server, client, service_id="orders-1.0")
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.json()["expires_in"] == 720 * 3600
    assert told(server, client, answer)["service_id"] == "orders-1.0"
    server.clock.advance(720 * 3600 - 1)
    assert server.is_active(client, answer.json()["access_token"])
    server.clock.advance(1)
    assert not server.is_active(client, answer.json()["access_token"])


def test_each_is_an_authorization_that_is_listed_and_revoked_and_stands_in_the_audit(server, pipeline):
    tokens = [bootstrap(server, pipeline).json()["access_token"] for _ in range(2)]
    store, now = server.runtime.store, server.clock.now()
    listed = server.run(store.list_authorizations("default", client_id=pipeline.client_id)).items
    assert {(each.grant_type, each.subject, each.expires_at) for each in listed} == {
        (BOOTSTRAP, None, now + 720 * 3600 * 1000)
    }
    events = server.events.of(Administered)[-2:]
    assert {(each.action, each.actor) for each in events} == {("bootstrap_token.issue", pipeline.client_id)}
    assert {each.key for each in events} == {each.authorization_id for each in listed}
    server.run(store.revoke_authorization("default", events[0].key, now=now, keep_until=now + YEAR * 1000))
    assert [server.is_active(pipeline, token) for token in tokens] == [False, True]


def test_each_is_a_line_of_the_audit_file(tmp_path):
    audit = tmp_path / "audit.log"
    with record_changes(LogSettings(audit_file=str(audit), level="error")) as events:
        running = InProcessServer(COMPAT, events=events)
        client = register_pipeline(running, **{LIFESPAN: "1h"})
        token = bootstrap(running, client).json()["access_token"]
        running.stop()
    text = audit.read_text(encoding="utf-8")
    line = json.loads(text)
    assert (line["action"], line["actor"]) == ("bootstrap_token.issue", client.client_id)
    assert token not in text


def test_no_client_has_bootstrap_tokens_without_a_bound_and_none_beyond_the_ceiling(server, client):
    assert said(bootstrap(server, client)) == "unauthorized_client"
    assert said(bootstrap(server, register_pipeline(server, **{LIFESPAN: None}))) == "unauthorized_client"
    public = register_pipeline(server, token_endpoint_auth_method="none")
    assert said(bootstrap(server, public)) == "unauthorized_client"
    fields = {"grant_types": [BOOTSTRAP], "response_types": [], "scope": "read", LIFESPAN: "8761h"}
    with pytest.raises(InvalidClientMetadata, match="max_token_ttl"):
        server.run(create_client(server.runtime, "default", fields, actor="test"))


def test_a_ceiling_that_was_lowered_since_holds(server):
    low = InProcessServer({**COMPAT, "tokens.max_token_ttl": 3600})
    client = register_pipeline(low)
    assert bootstrap(low, client).json()["expires_in"] == 3600
    low.stop()


@pytest.mark.threat("T32")
def test_a_bootstrap_token_has_a_scope_of_its_client_and_nobody_is_behind_it(server):
    client = register_pipeline(
        server, scope="openid offline_access read", grant_types=[BOOTSTRAP, USER, "refresh_token"]
    )
    assert bootstrap(server, client, scope=None).json()["scope"] == "read"
    for scope in ("admin", "openid", "offline_access"):
        assert said(bootstrap(server, client, scope=scope)) == "invalid_scope"
    assert "refresh_token" not in bootstrap(server, client).json()


# -- off, and whose right it is ---------------------------------------------------------------------------------------
def test_neither_is_there_unless_it_is_switched_on(server):
    plain = InProcessServer()
    offered = plain.get("/.well-known/openid-configuration").json()["grant_types_supported"]
    assert not {USER, BOOTSTRAP} & set(offered)
    client = plain.register_client(grant_types=["client_credentials", USER, BOOTSTRAP])
    for grant_type in (USER, BOOTSTRAP):
        assert said(plain.token(client, grant_type=grant_type, userId="ada")) == "unsupported_grant_type"
    plain.stop()
    offered = server.get("/.well-known/openid-configuration").json()["grant_types_supported"]
    assert {USER, BOOTSTRAP} <= set(offered)


@pytest.mark.threat("T125")
@pytest.mark.threat("T135")
@pytest.mark.parametrize(("member", "value", "right"), [
    ("names_users_by", "subject", "grantway.users.write"),
    (LIFESPAN, "1h", "grantway.tokens.write"),
    ("may_sign_payloads", True, "grantway.keys.write"),
])  # fmt: skip
def test_the_right_to_edit_clients_is_not_enough_to_make_a_trusted_one(server, member, value, right):
    fields = {"grant_types": ["client_credentials"], "response_types": [], "scope": "read"}
    editor = build_rights(["grantway.clients.write"])
    made = server.run(create_client(server.runtime, "default", fields, actor="test", rights=editor))
    change = [{"op": "add", "path": f"/{member}", "value": value}]
    client_id = made.client.client_id

    def patch(rights):
        server.run(patch_client(server.runtime, "default", client_id, change, actor="test", rights=rights))

    with pytest.raises(InsufficientScope):
        patch(editor)
    patch(build_rights(["grantway.clients.write", right]))
    with pytest.raises(InsufficientScope):  # nor may it be touched any more
        patch(editor)


@pytest.mark.threat("T125")
def test_no_client_trusts_itself(server):
    open_server = InProcessServer({**COMPAT, "registration.insecure_open": True})
    for member, value in (
        ("names_users_by", "subject"), (LIFESPAN, "1h"), ("may_sign_payloads", True), ("dereference_client", "x"),
    ):  # fmt: skip
        document = {"redirect_uris": ["https://c.example/cb"], member: value}
        answer = open_server.post("/oauth2/register", json=document)
        if answer.status_code == 201:
            stored = open_server.run(open_server.runtime.store.load_client("default", answer.json()["client_id"]))
            assert member not in stored.extra
        else:
            assert answer.json()["error"] == "invalid_client_metadata"
    open_server.stop()
