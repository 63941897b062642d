"""The person's side of a device: whoever types its code sees who asks, and answers in their own browser (RFC 8628)."""

from __future__ import annotations

import asyncio
import re

import pytest
from msgspec.structs import replace

from grantway.admin.clients import disable_client
from grantway.admin.tenants import create_tenant
from grantway.events import AuthorizationGranted, AuthorizationRefused, UserCodeRefused
from grantway.protocol.device import DEVICE_CODE
from grantway.testing.in_process import ISSUER, PASSWORD, InProcessServer

PATH = "/oauth2/device/verify"
OVER = "This code is no longer good"
CONNECTED, NOT_CONNECTED = "Your device is connected", "was not connected"


@pytest.fixture
def device(server):
    return register(server)


def register(server, **metadata):
    return server.register_client(
        client_name="Living Room", token_endpoint_auth_method="none", grant_types=[DEVICE_CODE], **metadata
    )


def poll(server, client, begun):
    server.clock.advance(6)
    answer = server.poll(client, begun["device_code"])
    return "ok" if answer.status_code == 200 else answer.json()["error"]


def log_in(browser, username="ada"):
    return browser.submit(username=username, password=PASSWORD, action="login")


def text_of(page):
    """A page without what differs from browser to browser, and without the code that was typed."""
    return re.sub(r'(name="csrf_token"|name="user_code" type="text") value="[^"]*"', "", page.text)


# -- typing the code --------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 8628 §3.3")
@pytest.mark.spec("RFC 8628 §6.1")
@pytest.mark.parametrize("spell", [str, str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "])
def test_the_code_may_be_typed_as_one_likes(server, device, spell):
    begun = server.begin_device(device)
    browser = server.browser()
    assert 'id="login"' in browser.type_code(spell(begun["user_code"])).text
    assert "Living Room" in browser.page.text
    assert "on another device" in browser.page.text


@pytest.mark.spec("RFC 8628 §5.4")
@pytest.mark.spec("RFC 8628 §3.3")
@pytest.mark.threat("T121")
def test_the_person_sees_who_asks_for_what_and_the_code_once_more(server, device):
    begun = server.begin_device(device, scope="openid email")
    browser = server.browser()
    browser.type_code(begun["user_code"].lower())
    page = log_in(browser).text
    for told in ("Living Room", "Another device asks", begun["user_code"], "See your email address", "ada"):
        assert told in page
    assert 'id="deny"' in page


@pytest.mark.spec("RFC 8628 §3.3.1")
@pytest.mark.threat("T121")
def test_a_link_with_the_code_fills_it_in_and_does_nothing_more(server, device):
    begun = server.begin_device(device)
    before = server.runtime.store.statement_counts()
    browser = server.browser()
    page = browser.open(begun["verification_uri_complete"].removeprefix(ISSUER))
    assert f'value="{begun["user_code"]}"' in page.text
    assert "Is this the code on your device?" in page.text
    assert server.runtime.store.statement_counts() == before, "a link looks nothing up"
    browser.submit(user_code=begun["user_code"])
    log_in(browser)
    assert 'id="allow"' in browser.page.text
    assert poll(server, device, begun) == "authorization_pending"


@pytest.mark.parametrize("code", ["<script>alert(1)</script>", '"><img src=x>', "call 0800-123456 " * 9, "\u202eABC"])
def test_a_link_cannot_put_its_own_words_on_the_page(server, code):
    page = server.get(PATH, params={"user_code": code})
    assert page.status_code == 200
    shown = re.search(r'name="user_code" type="text" value="([^"]*)"', page.text)[1]
    assert re.fullmatch(r"[A-Z0-9-]*", shown)
    assert "<script>alert" not in page.text


@pytest.mark.parametrize(
    "query", ["user_code=A&user_code=B", "user_code=%FF", "user_code=%0a", "&".join(["a=b"] * 300)]
)
def test_a_malformed_link_is_an_error_page(server, query):
    answer = server.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")


@pytest.mark.threat("T90")
def test_the_code_is_taken_from_the_form_of_this_browser_alone(server, device):
    begun = server.begin_device(device)
    data = {"user_code": begun["user_code"]}
    assert server.post(PATH, data=data).status_code == 403
    browser = server.browser()
    browser.open(PATH)
    genuine = {**browser.forms()[0].fields, **data}
    for form, headers in (
        (data, {}),
        ({**genuine, "csrf_token": "A" * 43}, {}),
        (genuine, {"origin": "https://evil.example"}),
        (genuine, {"sec-fetch-site": "cross-site"}),
    ):
        assert server.run(browser.http.post(PATH, data=form, headers=headers)).status_code == 403
    assert server.run(browser.http.post(PATH, data=genuine)).status_code == 303


# -- the confirmation -------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 8628 §5.4")
@pytest.mark.threat("T121")
def test_nothing_that_was_allowed_before_lets_a_device_in(server):
    """Also what the mutant that remembers approvals must fail."""
    client = register(server, skip_consent=True)
    both = server.register_client(grant_types=[DEVICE_CODE, "authorization_code"])
    browser = server.browser()
    browser.authorize(both, scope="openid email")
    for owner in (client, both, client, both):
        begun = server.begin_device(owner, scope="openid email")
        browser.type_code(begun["user_code"])
        assert 'id="allow"' in browser.page.text, "logged in, allowed before: asked all the same"
        assert "See your email address" in browser.page.text, "and everything is shown, not only what is new"
        assert poll(server, owner, begun) == "authorization_pending"
        assert CONNECTED in browser.submit(scope=["openid", "email"], action="allow").text
        assert poll(server, owner, begun) == "ok"


def test_what_a_device_was_allowed_is_not_remembered_for_a_browser(server):
    both = server.register_client(grant_types=[DEVICE_CODE, "authorization_code"])
    browser = server.browser()
    browser.let_device_in(server.begin_device(both, scope="openid email")["user_code"])
    browser.open(browser.build_authorization_url(both, scope="openid email"))
    assert 'id="allow"' in browser.page.text


@pytest.mark.threat("T121")
def test_only_the_browser_that_typed_the_code_sees_allows_or_denies(server, device, username):
    begun = server.begin_device(device)
    browser = server.browser()
    browser.type_code(begun["user_code"])
    log_in(browser)
    form = browser.forms()[0]
    other = server.browser()
    other.log_in(username)
    other.open("/account")
    token = other.forms()[0].fields["csrf_token"]
    assert "Living Room" not in other.open(form.action).text
    assert other.page.status_code == 400
    for action in ("allow", "deny", "cancel"):
        data = {"csrf_token": token, "action": action, "scope": ["openid", "offline_access"]}
        assert server.run(other.http.post(form.action, data=data)).status_code == 400
        assert server.run(other.http.post(form.action, data={**data, **form.fields})).status_code in (400, 403)
    assert poll(server, device, begun) == "authorization_pending"
    assert CONNECTED in browser.submit(scope=["openid", "offline_access"], action="allow").text


@pytest.mark.threat("T121")
@pytest.mark.threat("T18")
def test_another_person_in_the_same_browser_is_asked_anew(server, device, username):
    begun = server.begin_device(device)
    browser = server.browser()
    browser.type_code(begun["user_code"])
    log_in(browser)
    stale = browser.forms()[0]
    browser.open("/account")
    browser.submit(action="logout")
    browser.log_in(username)
    browser.open(stale.action)
    assert username in browser.page.text
    assert poll(server, device, begun) == "authorization_pending"


@pytest.mark.threat("T121")
@pytest.mark.threat("T21")
def test_of_two_who_allow_it_at_once_one_does(server, device, username):
    begun = server.begin_device(device)
    browsers = [server.browser(), server.browser()]
    for browser, name in zip(browsers, ("ada", username), strict=True):
        browser.type_code(begun["user_code"])
        log_in(browser, name)
    forms = [browser.forms()[0] for browser in browsers]

    async def race():
        data = {"scope": ["openid", "offline_access"], "action": "allow"}
        posts = [
            browser.http.post(form.action, data={**form.fields, **data})
            for browser, form in zip(browsers, forms, strict=True)
        ]
        return await asyncio.gather(*posts)

    pages = server.run(race())
    assert sorted(page.status_code for page in pages) == [200, 400]
    assert [OVER in page.text for page in pages] == [page.status_code == 400 for page in pages]
    winner = server.events.of(AuthorizationGranted)[-1]
    assert poll(server, device, begun) == "ok"
    rows = server.run(server.runtime.store.list_authorizations("default", client_id=device.client_id)).items
    assert [row.authorization_id for row in rows] == [winner.authorization_id]


def test_who_comes_after_the_answer_is_told(server, device, username):
    for first, second, said in (("allow", "deny", "ok"), ("deny", "allow", "access_denied")):
        begun = server.begin_device(device)
        browsers = server.browser(), server.browser()
        for browser, name in zip(browsers, ("ada", username), strict=True):
            browser.type_code(begun["user_code"])
            log_in(browser, name)
        scope = ["openid", "offline_access"]
        browsers[0].submit(scope=scope, action=first)
        assert OVER in browsers[1].submit(scope=scope, action=second).text
        assert poll(server, device, begun) == said


def test_a_denial_at_the_moment_of_an_approval_counts(server, device, monkeypatch):
    """Both saw that nobody had answered; the denial is stored right before the approval is."""
    begun = server.begin_device(device)
    browser = server.browser()
    browser.type_code(begun["user_code"])
    log_in(browser)
    store = server.runtime.store
    real = store.grant_authorization

    async def grant_authorization(authorization, **rest):
        request = await store.load_device_request("default", authorization.code_digest)
        assert await store.update_device_request(replace(request, denied_at=server.clock.now()))
        return await real(authorization, **rest)

    monkeypatch.setattr(store, "grant_authorization", grant_authorization)
    assert OVER in browser.submit(scope=["openid", "offline_access"], action="allow").text
    assert poll(server, device, begun) == "access_denied"
    assert not server.run(store.list_authorizations("default", client_id=device.client_id)).items


@pytest.mark.parametrize("step", ["login", "consent"])
def test_a_no_at_any_page_is_a_no(server, device, step):
    begun = server.begin_device(device)
    browser = server.browser()
    browser.type_code(begun["user_code"])
    if step == "consent":
        log_in(browser)
    assert NOT_CONNECTED in browser.submit(action="cancel" if step == "login" else "deny").text
    assert poll(server, device, begun) == "access_denied"
    assert server.events.of(AuthorizationRefused)[-1].error == "access_denied"


def test_allowing_nothing_is_a_no(server, device):
    begun = server.begin_device(device, scope="read")
    browser = server.browser()
    browser.type_code(begun["user_code"])
    log_in(browser)
    assert NOT_CONNECTED in browser.submit(action="allow").text
    assert poll(server, device, begun) == "access_denied"


def test_an_answer_after_the_end_of_the_code_is_none(server, device):
    begun = server.begin_device(device)
    browser = server.browser()
    browser.type_code(begun["user_code"])
    log_in(browser)
    server.clock.advance(600)
    assert OVER in browser.submit(scope=["openid", "offline_access"], action="allow").text
    assert browser.page.status_code == 400
    assert poll(server, device, begun) == "expired_token"


@pytest.mark.threat("T38")
def test_the_code_that_waits_with_the_person_is_not_to_be_read_in_the_database(server, device):
    begun = server.begin_device(device)
    browser = server.browser()
    browser.type_code(begun["user_code"])
    identifier = str(browser.page.url).partition("id=")[2]
    stored = repr(server.run(server.runtime.store.load_interaction("default", identifier)))
    assert identifier in stored
    assert begun["user_code"].replace("-", "") not in stored
    assert begun["user_code"] not in stored


def test_who_has_no_account_yet_may_register_on_the_way():
    server = InProcessServer({"interaction.registration": True})
    client = register(server)
    begun = server.begin_device(client)
    browser = server.browser()
    browser.type_code(begun["user_code"])
    browser.open(re.search(r'href="([^"]*)" id="register-link"', browser.page.text)[1])
    browser.submit(username="grace", password=PASSWORD, action="register")
    assert begun["user_code"] in browser.page.text
    assert CONNECTED in browser.submit(scope=["openid", "offline_access"], action="allow").text
    assert poll(server, client, begun) == "ok"
    server.stop()


@pytest.mark.threat("T153")
def test_a_code_is_good_at_its_own_issuer_alone(fresh_server):
    server = fresh_server
    server.run(create_tenant(server.runtime, "x", actor="test"))
    client = register(server, tenant="x")
    form = {"client_id": client.client_id, "scope": "openid"}
    begun = server.post("/t/x/oauth2/device/auth", data=form).json()
    assert begun["verification_uri"] == f"{ISSUER}/t/x{PATH}"
    browser = server.browser()
    assert browser.type_code(begun["user_code"]).status_code == 400
    browser.open(f"/t/x{PATH}")
    assert 'action="/t/x/interaction' in browser.submit(user_code=begun["user_code"]).text
    assert server.post("/oauth2/token", data={**form, "grant_type": DEVICE_CODE}).status_code == 401


# -- codes that are no good -------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 8628 §5.1")
@pytest.mark.threat("T120")
@pytest.mark.threat("T100")
def test_nobody_can_tell_why_a_code_is_not_taken(server):
    def expired(client, begun):
        server.clock.advance(600)

    def denied(client, begun):
        server.browser().let_device_in(begun["user_code"], action="deny")

    def allowed(client, begun):
        server.browser().let_device_in(begun["user_code"])

    def redeemed(client, begun):
        allowed(client, begun)
        assert poll(server, client, begun) == "ok"

    def disabled(client, begun):
        server.run(disable_client(server.runtime, "default", client.client_id, actor="test"))

    def robbed(client, begun):
        stored = server.run(server.runtime.store.load_client("default", client.client_id))
        server.run(server.runtime.store.update_client(replace(stored, grant_types=("refresh_token",))))

    unknown = server.browser().type_code("BBBB-BBBB")
    assert unknown.status_code == 400
    for spoil in (expired, denied, allowed, redeemed, disabled, robbed):
        client = register(server)
        begun = server.begin_device(client)
        spoil(client, begun)
        page = server.browser().type_code(begun["user_code"])
        assert (page.status_code, text_of(page)) == (400, text_of(unknown)), spoil
        assert dict(page.headers).keys() == dict(unknown.headers).keys()
    assert server.events.of(UserCodeRefused)


@pytest.mark.parametrize("typed", ["", "-", "B" * 20_000, "\u0428\u0428", "BBBB\u0000", "'; drop table"])
def test_whatever_is_typed_is_a_wrong_code(server, typed):
    browser = server.browser()
    browser.open(PATH)
    form = browser.forms()[0]
    assert server.run(browser.http.post(PATH, data={**form.fields, "user_code": typed})).status_code == 400
