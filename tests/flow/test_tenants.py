"""Two issuers in one server, with equal names for everything: nothing crosses."""

from __future__ import annotations

import pytest

from grantway.accounts import create_account
from grantway.admin.tenants import create_tenant, disable_tenant, enable_tenant
from grantway.admin.tokens import revoke_all
from grantway.testing.in_process import ISSUER, PASSWORD, VERIFIER, InProcessServer

BASES = {"default": "", "x": "/t/x"}
PASSWORDS = {"default": PASSWORD, "x": "another horse battery staple"}
CB = "https://client.example/cb"
GRANT = {"grant_type": "client_credentials"}


class TwoTenants:
    """One server; in each tenant a client ``web``, a client ``machine`` and a person ``ada``, by equal identifiers."""

    def __init__(self):
        self.server = server = InProcessServer()
        server.run(create_tenant(server.runtime, "x", actor="test"))
        self.web, self.machine = {}, {}
        for tenant, password in PASSWORDS.items():
            self.web[tenant] = server.register_client("web", tenant=tenant)
            self.machine[tenant] = server.register_client(
                "machine", tenant=tenant, grant_types=["client_credentials"], scope="read"
            )
            account = {"username": "ada", "password": password, "subject": "same-subject"}
            server.run(create_account(server.runtime, tenant, **account, claims={"name": f"Ada of {tenant}"}))

    def log_in(self, tenant, browser=None):
        browser = browser or self.server.browser()
        browser.open(f"{BASES[tenant]}/login")
        browser.submit(username="ada", password=PASSWORDS[tenant], action="login")
        return browser

    def grant(self, tenant, token_tenant=None, browser=None, **parameters):
        browser = browser or self.log_in(tenant)
        browser.open(BASES[tenant] + browser.build_authorization_url(self.web[tenant], **parameters))
        if 'id="allow"' in browser.page.text:
            browser.submit(action="allow", scope=parameters.get("scope", "openid").split())
        code = browser.received()["code"]
        data = {"grant_type": "authorization_code", "code": code, "redirect_uri": CB, "code_verifier": VERIFIER}
        return self.post(token_tenant or tenant, "/oauth2/token", **data)

    def post(self, tenant, path, client=None, **data):
        return self.server.post(BASES[tenant] + path, data=data, auth=(client or self.web[tenant]).auth)

    def is_active(self, tenant, token, client=None):
        return self.post(tenant, "/oauth2/introspect", client, token=token).json()["active"]


@pytest.fixture(scope="module")
def two():
    tenants = TwoTenants()
    yield tenants
    tenants.server.stop()


OTHER = {"default": "x", "x": "default"}
both = pytest.mark.parametrize("tenant", list(BASES))


@both
def test_each_tenant_is_an_issuer_of_its_own(two, tenant):
    issuer = ISSUER + BASES[tenant]
    document = two.server.get(f"{BASES[tenant]}/.well-known/openid-configuration").json()
    assert document["issuer"] == issuer
    assert document["token_endpoint"] == f"{issuer}/oauth2/token"
    assert two.server.get(f"/.well-known/oauth-authorization-server{BASES[tenant]}").json() == document
    jwks = [
        {key["kid"] for key in two.server.get(f"{base}/.well-known/jwks.json").json()["keys"]}
        for base in BASES.values()
    ]
    assert not jwks[0] & jwks[1]


@both
@pytest.mark.threat("T8")
def test_a_flow_speaks_of_its_own_issuer(two, tenant):
    browser = two.log_in(tenant)
    tokens = two.grant(tenant, browser=browser).json()
    assert browser.received()["iss"] == ISSUER + BASES[tenant]
    claims = two.post(tenant, "/oauth2/introspect", token=tokens["access_token"]).json()
    assert claims["iss"] == ISSUER + BASES[tenant]
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    answer = two.server.get(f"{BASES[tenant]}/userinfo", headers=bearer)
    assert answer.json()["sub"] == "same-subject"


@both
@pytest.mark.threat("T153")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_no_token_is_good_in_the_other_tenant(two, tenant, token_format):
    from msgspec.structs import replace

    store, other = two.server.runtime.store, OTHER[tenant]
    for name in BASES:
        stored = two.server.run(store.load_client(name, "web"))
        two.server.run(store.update_client(replace(stored, access_token_format=token_format)))
    tokens = two.grant(tenant, scope="openid offline_access").json()
    assert two.is_active(tenant, tokens["access_token"])
    assert not two.is_active(other, tokens["access_token"])
    assert not two.is_active(other, tokens["refresh_token"])
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert two.server.get(f"{BASES[other]}/userinfo", headers=bearer).status_code == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert two.post(other, "/oauth2/token", **refresh).json()["error"] == "invalid_grant"
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert two.post(other, "/oauth2/revoke", token=token).status_code == 200
    assert two.is_active(tenant, tokens["access_token"]), "nor is it revoked there"
    assert two.post(tenant, "/oauth2/token", **refresh).status_code == 200


@both
@pytest.mark.threat("T153")
def test_a_code_is_redeemed_in_its_own_tenant_alone(two, tenant):
    answer = two.grant(tenant, token_tenant=OTHER[tenant])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@both
@pytest.mark.threat("T153")
def test_a_secret_is_good_in_its_own_tenant_alone(two, tenant):
    assert two.post(tenant, "/oauth2/token", two.machine[tenant], **GRANT).status_code == 200
    assert two.post(tenant, "/oauth2/token", two.machine[OTHER[tenant]], **GRANT).status_code == 401


@both
@pytest.mark.threat("T153")
def test_a_session_is_of_its_own_tenant_alone(two, tenant):
    browser, other = two.log_in(tenant), OTHER[tenant]
    assert two.server.run(browser.http.get(f"{BASES[tenant]}/account")).status_code == 200
    answer = two.server.run(browser.http.get(f"{BASES[other]}/account"))
    assert answer.headers["location"] == f"{BASES[other]}/login"
    prompt = browser.build_authorization_url(two.web[other], prompt="none")
    answer = two.server.run(browser.http.get(BASES[other] + prompt))
    assert "error=login_required" in answer.headers["location"]


@pytest.mark.threat("T153")
def test_a_session_secret_moved_to_the_other_cookie_is_nobody(two):
    browser = two.log_in("default")
    secret = browser.http.cookies["__Host-grantway_session"]
    for name in ("__Host-grantway_session_x", "__Host-grantway_session"):
        answer = two.server.get("/t/x/account", headers={"cookie": f"{name}={secret}"})
        assert answer.status_code == 303, name


def test_one_browser_may_be_logged_in_to_both(two):
    browser = two.log_in("x", two.log_in("default"))
    names = [two.server.run(browser.http.get(f"{base}/account")).text.count("Ada of") for base in BASES.values()]
    assert all(names)


@pytest.mark.threat("T90")
@pytest.mark.threat("T153")
def test_a_form_of_the_other_tenant_is_refused(two):
    browser = two.log_in("x", two.log_in("default"))
    browser.open("/account")
    token = browser.forms()[0].fields["csrf_token"]
    answer = two.server.run(browser.http.post("/t/x/account/logout", data={"csrf_token": token, "action": "logout"}))
    assert answer.status_code == 403


@both
@pytest.mark.threat("T106")
@pytest.mark.threat("T153")
def test_an_id_token_of_the_other_tenant_is_no_hint(two, tenant):
    hint = two.grant(OTHER[tenant]).json()["id_token"]
    browser = two.log_in(tenant)
    away = "&post_logout_redirect_uri=https://client.example/bye"
    answer = two.server.run(browser.http.get(f"{BASES[tenant]}/oauth2/sessions/logout?id_token_hint={hint}{away}"))
    assert answer.status_code in (200, 400), "the person is asked, or told, and stays here"
    assert "location" not in answer.headers
    assert two.server.run(browser.http.get(f"{BASES[tenant]}/account")).status_code == 200, "and stays signed in"
    url = browser.build_authorization_url(two.web[tenant], prompt="none", id_token_hint=hint)
    answer = two.server.run(browser.http.get(BASES[tenant] + url))
    assert "error=invalid_request" in answer.headers["location"]


@pytest.mark.threat("T101")
@pytest.mark.threat("T153")
def test_guesses_are_counted_apart(two):
    for _ in range(11):
        browser = two.server.browser()
        browser.open("/login")
        browser.submit(username="ada", password="wrong", action="login")
    assert browser.page.status_code == 429
    two.log_in("x").open("/t/x/account")
    two.server.clock.advance(301)


@pytest.mark.threat("T153")
def test_what_ends_in_one_tenant_goes_on_in_the_other(two):
    tokens = {tenant: two.grant(tenant, scope="openid offline_access").json() for tenant in BASES}
    browser = two.log_in("x")
    browser.open("/t/x/account")
    form = next(form for form in browser.forms() if form.action.endswith("/account/clients"))
    two.server.run(browser.http.post(form.action, data={**form.fields, "action": "revoke"}))
    assert not two.is_active("x", tokens["x"]["access_token"])
    assert two.is_active("default", tokens["default"]["access_token"])


@pytest.mark.threat("T42")
@pytest.mark.threat("T153")
def test_a_disabled_tenant_is_not_there_and_its_tokens_stay_dead(two):
    tokens = {tenant: two.grant(tenant, scope="openid offline_access").json() for tenant in BASES}
    two.server.run(disable_tenant(two.server.runtime, "x", actor="test"))
    for path in ("/oauth2/token", "/oauth2/auth", "/userinfo", "/login", "/.well-known/jwks.json"):
        assert two.server.get(f"/t/x{path}").status_code == 404
    assert two.is_active("default", tokens["default"]["access_token"])
    two.server.run(enable_tenant(two.server.runtime, "x", actor="test"))
    assert not two.is_active("x", tokens["x"]["access_token"])
    two.server.clock.advance(2)
    assert two.is_active(
        "x", two.post("x", "/oauth2/token", two.machine["x"], **GRANT).json()["access_token"], two.machine["x"]
    )


@pytest.mark.threat("T42")
def test_a_token_of_a_worker_that_has_not_heard_of_the_disabling_is_dead_too(two):
    server = two.server
    tenant = server.run(server.runtime.store.load_tenant("x"))  # what such a worker remembers
    server.run(disable_tenant(server.runtime, "x", actor="test"))
    server.clock.advance(server.settings.database.freshness_bound_ms / 1000 - 0.001)
    issued = {"now": server.clock.now(), "scope": "read", "audience": ()}
    token, _ = server.run(server.runtime.tokens.issue_access(tenant, two.machine["x"].client, **issued))
    server.run(enable_tenant(server.runtime, "x", actor="test"))
    assert not two.is_active("x", token, two.machine["x"])
    server.clock.advance(0.002)
    fresh = two.post("x", "/oauth2/token", two.machine["x"], **GRANT).json()["access_token"]
    assert two.is_active("x", fresh, two.machine["x"])


@pytest.mark.threat("R23")
def test_what_a_worker_issues_that_has_not_heard_that_all_was_revoked_is_dead_too(two):
    server = two.server
    tenant = server.run(server.runtime.store.load_tenant("x"))  # what such a worker remembers
    server.run(revoke_all(server.runtime, "x", actor="test"))
    server.clock.advance(server.settings.database.freshness_bound_ms / 1000 - 0.001)
    issued = {"now": server.clock.now(), "scope": "read", "audience": ()}
    token, _ = server.run(server.runtime.tokens.issue_access(tenant, two.machine["x"].client, **issued))
    assert not two.is_active("x", token, two.machine["x"])
    server.clock.advance(0.002)
    fresh = two.post("x", "/oauth2/token", two.machine["x"], **GRANT).json()["access_token"]
    assert two.is_active("x", fresh, two.machine["x"])


@pytest.mark.threat("T153")
@pytest.mark.parametrize("name", ["", "default%00", "X", "x%2f..%2fdefault", "x ", "nobody", "x%20", "\u212a"])
def test_a_tenant_is_named_exactly(two, name):
    assert two.server.get(f"/t/{name}/.well-known/openid-configuration").status_code == 404
