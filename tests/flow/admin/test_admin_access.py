"""Authorizations, sessions, tokens, keys and tenants through the admin API."""

import hashlib

import pytest

from grantway.model import Authorization, Session

HOUR = 3_600_000


@pytest.fixture
def person(house):
    """A user who is logged in and gave a client a permission, with the tokens that came from it."""
    return Person(house)


class Person:
    def __init__(self, house):
        self.house = house
        self.sub = house.create("/admin/users", {"username": house.name("user")})["sub"]
        self.client = house.make_client(scope="openid").client
        self.session_id = self.log_in()
        self.authorization = self.allow(self.client, self.session_id)
        self.token = house.run(self._issue_access())
        self.refresh = house.runtime.tokens.issue_refresh(
            "default", self.authorization, self.client, now=house.runtime.clock.now()
        )

    def log_in(self):
        now, session_id = self.house.runtime.clock.now(), self.house.name("session")
        session = Session(
            tenant="default",
            session_id=session_id,
            digest=hashlib.sha256(session_id.encode()).digest(),
            subject=self.sub,
            auth_time=now // 1000,
            acr=None,
            amr=("pwd",),
            remembered=False,
            user_agent="<b>Browser</b>",
            address="192.0.2.1",
            created_at=now,
            last_seen_at=now,
            expires_at=now + HOUR,
        )
        self.house.run(self.house.runtime.store.insert_session(session))
        return session_id

    def allow(self, client, session_id):
        now = self.house.runtime.clock.now()
        authorization = Authorization(
            tenant="default",
            authorization_id=self.house.name("authorization"),
            client_id=client.client_id,
            grant_type="authorization_code",
            subject=self.sub,
            scope=("openid", "profile"),
            audience=(),
            created_at=now,
            expires_at=now + HOUR,
            session_id=session_id,
        )
        self.house.run(self.house.runtime.store.insert_authorization(authorization))
        return authorization

    async def _issue_access(self):
        runtime = self.house.runtime
        token, _ = await runtime.tokens.issue_access(
            await runtime.grid.tenant("default"),
            self.client,
            now=runtime.clock.now(),
            scope="openid profile",
            audience=(),
            subject=self.sub,
            authorization=self.authorization,
        )
        return token

    def introspect(self, token, **more):
        return self.house.call("POST", "/admin/oauth2/introspect", data={"token": token, **more}).json()

    def is_alive(self):
        return [self.introspect(token)["active"] for token in (self.token, self.refresh)]


@pytest.mark.spec("RFC 7662 §2.2")
def test_introspection_says_everything_to_an_administrator(person):
    seen = person.introspect(person.token)
    assert seen["active"] is True
    assert (seen["sub"], seen["client_id"], seen["scope"]) == (person.sub, person.client.client_id, "openid profile")
    assert seen["iss"] == "http://127.0.0.1:4444"
    assert seen["token_use"] == "access_token"
    assert seen["authorization_id"] == person.authorization.authorization_id
    assert seen["sid"] == person.session_id
    assert seen["username"].startswith("user")
    assert seen["exp"] > seen["iat"]
    refresh = person.introspect(person.refresh)
    assert (refresh["active"], refresh["token_use"], refresh["sub"]) == (True, "refresh_token", person.sub)


@pytest.mark.spec("RFC 7662 §2.2")
@pytest.mark.parametrize(
    "token", ["x", "gwat_AAAA", "gwrt_AAAA", "eyJhbGciOiJub25lIn0.e30.", "gwat_" + "A" * 40000, "é"]
)
def test_what_is_no_token_is_inactive_and_nothing_more(person, token):
    assert person.introspect(token) == {"active": False}


def test_a_token_without_the_scope_asked_for_counts_as_inactive(person):
    assert person.introspect(person.token, scope="openid")["active"] is True
    assert person.introspect(person.token, scope="openid email") == {"active": False}
    assert person.introspect(person.refresh, scope="email") == {"active": False}


@pytest.mark.threat("T153")
def test_a_token_of_another_tenant_is_unknown_here(house, person):
    foreign = house.token("openid", tenant="other")
    assert person.introspect(foreign) == {"active": False}
    assert house.call("POST", "/admin/oauth2/revoke", data={"token": foreign}).status_code == 204
    admin = house.token("grantway.admin", tenant="other")
    answer = house.call("POST", "/admin/t/other/oauth2/introspect", data={"token": foreign}, token=admin)
    assert answer.json()["active"] is True
    answer = house.call("POST", "/admin/t/other/oauth2/introspect", data={"token": person.token}, token=admin)
    assert answer.json() == {"active": False}


@pytest.mark.spec("RFC 7009 §2.1")
def test_revoking_an_access_token_leaves_its_refresh_token(house, person):
    assert house.call("POST", "/admin/oauth2/revoke", data={"token": person.token}).status_code == 204
    assert person.is_alive() == [False, True]


@pytest.mark.spec("RFC 7009 §2.1")
def test_revoking_a_refresh_token_takes_the_whole_family(house, person):
    assert house.call("POST", "/admin/oauth2/revoke", data={"token": person.refresh}).status_code == 204
    assert person.is_alive() == [False, False]
    assert house.call("POST", "/admin/oauth2/revoke", data={"token": person.refresh}).status_code == 204


def test_all_access_tokens_of_a_client_can_be_revoked(house, person):
    path = f"/admin/oauth2/tokens?client_id={person.client.client_id}"
    assert house.call("DELETE", path).status_code == 204
    assert person.is_alive() == [False, True]
    assert house.call("DELETE", "/admin/oauth2/tokens?client_id=nobody").status_code == 404
    assert house.call("DELETE", "/admin/oauth2/tokens").status_code == 400
    for query in ("client_id=a&subject=b", "subject=", f"subject={'x' * 256}"):
        assert house.call("DELETE", f"/admin/oauth2/tokens?{query}").status_code == 400


def test_the_tokens_of_a_subject_are_revoked_whether_or_not_there_is_an_account(house):
    token = house.token("read", subject="https://idp.example|zoe")
    assert house.call("POST", "/admin/oauth2/introspect", data={"token": token}).json()["active"] is True
    answer = house.call("DELETE", "/admin/oauth2/tokens?subject=https://idp.example%7Czoe")
    assert answer.status_code == 204
    assert house.call("POST", "/admin/oauth2/introspect", data={"token": token}).json()["active"] is False


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"tokens": "x"}])
def test_a_form_without_a_token_is_refused(house, body):
    assert house.call("POST", "/admin/oauth2/introspect", data=body or {"x": "y"}).status_code == 400
    assert house.call("POST", "/admin/oauth2/revoke", json={"token": "x"}).status_code == 415


def test_an_authorization_is_listed_shown_and_revoked(house, person):
    authorization_id = person.authorization.authorization_id
    for query in (f"subject={person.sub}", f"client_id={person.client.client_id}"):
        listed = house.call("GET", f"/admin/authorizations?{query}").json()
        assert [one["authorization_id"] for one in listed] == [authorization_id]
    assert house.call("GET", f"/admin/users/{person.sub}/authorizations").json() == listed
    assert house.call("GET", f"/admin/authorizations/{authorization_id}").json() == listed[0]
    assert listed[0]["scope"] == "openid profile"
    assert house.call("DELETE", f"/admin/authorizations/{authorization_id}").status_code == 204
    assert person.is_alive() == [False, False]
    assert house.call("GET", f"/admin/authorizations?subject={person.sub}").json() == []
    assert house.call("DELETE", "/admin/authorizations/nobody").status_code == 404


@pytest.mark.threat("T153")
def test_an_authorization_of_another_tenant_cannot_be_seen_or_revoked(house, person):
    admin = house.token("grantway.admin", tenant="other")
    path = f"/admin/t/other/authorizations/{person.authorization.authorization_id}"
    assert house.call("GET", path, token=admin).status_code == 404
    assert house.call("DELETE", path, token=admin).status_code == 404
    for path in (f"sessions/{person.session_id}", f"clients/{person.client.client_id}", f"users/{person.sub}"):
        assert house.call("GET", f"/admin/t/other/{path}", token=admin).status_code == 404
        assert house.call("DELETE", f"/admin/t/other/{path}", token=admin).status_code == 404
    assert person.is_alive() == [True, True]


def test_consents_are_shown_as_hydra_shows_them(house, person):
    shown = house.call("GET", f"/admin/oauth2/auth/sessions/consent?subject={person.sub}").json()
    assert len(shown) == 1
    assert shown[0]["grant_scope"] == ["openid", "profile"]
    assert shown[0]["consent_request"]["subject"] == person.sub
    assert shown[0]["consent_request"]["client"]["client_id"] == person.client.client_id
    assert "secret" not in str(shown).replace("client_secret_basic", "")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("subject={sub}", 400),
        ("client={client}", 400),
        ("all=true", 400),
        ("subject={sub}&all=false", 400),
        ("subject={sub}&all=yes", 400),
        ("subject={sub}&client={client}&all=true", 400),
        ("subject={sub}&consent_request_id={id}", 400),
        ("subject={sub}&client=nobody", 204),
        ("consent_request_id=nobody", 204),
    ],
)
def test_a_forgotten_parameter_never_revokes_more_than_was_meant(house, person, query, status):
    values = {"sub": person.sub, "client": person.client.client_id, "id": person.authorization.authorization_id}
    path = "/admin/oauth2/auth/sessions/consent?" + query.format(**values)
    assert house.call("DELETE", path).status_code == status
    assert person.is_alive() == [True, True]


@pytest.mark.parametrize(
    "query", ["subject={sub}&client={client}", "subject={sub}&all=true", "consent_request_id={id}"]
)
def test_consents_are_revoked_with_their_tokens(house, person, query):
    values = {"sub": person.sub, "client": person.client.client_id, "id": person.authorization.authorization_id}
    path = "/admin/oauth2/auth/sessions/consent?" + query.format(**values)
    assert house.call("DELETE", path).status_code == 204
    assert person.is_alive() == [False, False]


def test_a_session_is_listed_shown_and_ended_with_what_it_bound(house, person):
    path = f"/admin/sessions/{person.session_id}"
    shown = house.call("GET", path).json()
    assert house.call("GET", f"/admin/users/{person.sub}/sessions").json() == [shown]
    assert (shown["user_agent"], shown["amr"]) == ("<b>Browser</b>", ["pwd"])
    assert "digest" not in shown
    assert house.call("DELETE", path).status_code == 204
    assert person.is_alive() == [False, False]
    assert house.call("GET", f"/admin/users/{person.sub}/sessions").json() == []
    assert house.call("DELETE", path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/admin/users/{sub}/sessions", "/admin/oauth2/auth/sessions/login?subject={sub}"]
)  # fmt: skip
def test_a_user_is_logged_out_everywhere(house, person, path):
    person.log_in()
    assert house.call("DELETE", path.format(sub=person.sub)).status_code == 204
    assert house.call("GET", f"/admin/users/{person.sub}/sessions").json() == []
    assert person.is_alive() == [False, False]


def test_one_session_ends_by_its_sid_and_the_others_go_on(house, person):
    other = person.log_in()
    assert house.call("DELETE", f"/admin/oauth2/auth/sessions/login?sid={other}").status_code == 204
    assert house.call("DELETE", "/admin/oauth2/auth/sessions/login?sid=nobody").status_code == 204
    assert person.is_alive() == [True, True]
    for query in ("", "?subject=a&sid=b", "?subject="):
        assert house.call("DELETE", "/admin/oauth2/auth/sessions/login" + query).status_code == 400


def test_keys_are_shown_without_their_private_halves_and_rotated(open_house):
    keys = open_house.call("GET", "/admin/keys").json()
    assert {key["state"] for key in keys} == {"active", "next"}
    assert not {"d", "p", "q", "k"} & {name for key in keys for name in key["public_jwk"]}
    assert "sealed" not in str(keys)
    successor = next(key["kid"] for key in keys if key["state"] == "next")
    assert open_house.call("POST", "/admin/keys/rotate").status_code == 409  # published too short a while ago
    rotated = open_house.call("POST", "/admin/keys/rotate", json={"force": True, "alg": "ES256"})
    assert [(key["kid"], key["state"]) for key in rotated.json()] == [(successor, "active")]
    assert open_house.call("POST", "/admin/keys/rotate", json={"alg": "none"}).status_code == 422
    assert open_house.call("POST", "/admin/keys/rotate", json={"alg": "EdDSA", "force": True}).status_code == 404
    assert open_house.call("DELETE", f"/admin/keys/{successor}").status_code == 204
    states = {key["kid"]: key["state"] for key in open_house.call("GET", "/admin/keys").json()}
    assert states[successor] == "revoked"
    assert "active" in states.values()
    assert open_house.call("DELETE", "/admin/keys/nobody").status_code == 404


def test_a_tenant_is_created_with_keys_and_an_administrator_of_its_own(house):
    name = house.name("tenant")
    created = house.create("/admin/tenants", {"name": name, "display_name": "New", "with_admin_client": True})
    assert created["issuer"] == f"http://127.0.0.1:4444/t/{name}"
    assert created["admin_client"]["client_secret"].startswith("gwcs_")
    assert "admin_client" not in house.call("GET", f"/admin/tenants/{name}").json()
    client = house.run(house.runtime.store.load_client(name, created["admin_client"]["client_id"]))
    token = house.run(house._issue(name, client, ("grantway.admin",), None, ()))
    assert house.call("GET", f"/admin/t/{name}/keys", token=token).json() != []
    assert house.call("GET", "/admin/clients", token=token).status_code == 401
    assert house.call("GET", "/admin/tenants", token=token).status_code == 401
    location = house.call("POST", f"/admin/t/{name}/users", json={"username": "ada"}, token=token).headers["location"]
    assert location.startswith(f"/admin/t/{name}/users/")
    assert house.call("GET", location, token=token).json()["username"] == "ada"


def test_a_disabled_tenant_lets_nobody_in_and_its_old_tokens_stay_dead(house):
    name = house.name("tenant")
    house.create("/admin/tenants", {"name": name})
    token = house.token("grantway.admin", tenant=name)
    assert house.call("GET", f"/admin/t/{name}/clients", token=token).status_code == 200
    assert house.call("PATCH", f"/admin/tenants/{name}", json={"enabled": False}).json()["enabled"] is False
    assert house.call("GET", f"/admin/t/{name}/clients", token=token).status_code == 401
    enabled = house.call("PATCH", f"/admin/tenants/{name}", json={"enabled": True, "display_name": "Back"}).json()
    assert (enabled["enabled"], enabled["display_name"]) == (True, "Back")
    assert house.call("GET", f"/admin/t/{name}/clients", token=token).status_code == 401


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({}, 422),
        ({"name": "Upper"}, 422),
        ({"name": "-x"}, 422),
        ({"name": "a/b"}, 422),
        ({"name": "default"}, 409),
        ({"name": "other"}, 409),
        ({"name": "fresh", "issuer": "http://elsewhere.example"}, 422),
        ({"name": "fresh", "issuer": "https://elsewhere.example/path"}, 422),
        ({"name": "fresh", "issuer": "https://elsewhere.example/"}, 422),
        ({"name": "fresh", "issuer": "https://user@elsewhere.example"}, 422),
        ({"name": "fresh", "issuer": "https://[bad"}, 422),
        ({"name": "fresh", "issuer": "http://127.0.0.1:4444"}, 422),
        ({"name": "fresh", "issuer": "javascript:alert(1)"}, 422),
        ({"name": "fresh", "display_name": "a\nb"}, 422),
        ({"name": "fresh", "not_before": 0}, 422),
    ],
)
def test_what_a_tenant_cannot_be_is_refused(house, document, status):
    assert house.call("POST", "/admin/tenants", json=document).status_code == status
    assert house.call("GET", "/admin/tenants/fresh").status_code == 404


def test_a_tenant_may_have_a_host_of_its_own_that_no_other_has(house):
    names = house.name("tenant"), house.name("tenant")
    issuer = f"https://{names[0]}.example"
    assert house.create("/admin/tenants", {"name": names[0], "issuer": issuer})["issuer"] == issuer
    assert house.call("POST", "/admin/tenants", json={"name": names[1], "issuer": issuer}).status_code == 409


@pytest.mark.parametrize("patch", [{"enabled": False}, {"issuer": "https://x.example"}, {"name": "x"}, {"enabled": 1}])
def test_the_default_tenant_and_issuers_stay_what_they_are(house, patch):
    assert house.call("PATCH", "/admin/tenants/default", json=patch).status_code == 422


def test_status_tells_how_the_worker_is_doing(house):
    status = house.call("GET", "/admin/status").json()
    assert status["grid"]["is_fresh"] is True
    assert sum(status["statements"].values()) > 0
    assert status["version"] == house.call("GET", "/version", token=None).json()["version"]
    assert set(status["grid"]["entries"]) >= {"clients", "subjects", "keys", "tenants", "revocations"}
    assert status["grid"]["hits"]["tenants"] > 0
    assert (status["limits"], status["redis"]) == ({}, None)
    (worker,) = status["workers"]
    assert worker["grid"]["position"] == status["grid"]["position"]
