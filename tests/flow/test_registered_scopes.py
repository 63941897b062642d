"""Registered scopes: what people read, what is granted by default, what discovery names; and what nobody is asked."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from grantway.admin.clients import patch_client
from grantway.admin.scopes import StoredScope, create_scope, delete_scope, update_scope
from grantway.admin.tenants import create_tenant
from grantway.errors import Conflict, InvalidClientMetadata, StoreUnavailable
from grantway.testing.in_process import PASSWORD, Browser, InProcessServer, RegisteredClient

DISCOVERY = "/.well-known/openid-configuration"
STANDARD = ["openid", "profile", "email", "address", "phone", "offline_access"]


def describe(server: InProcessServer, name: str, description: str, tenant: str = "default", **members: Any) -> None:
    document = {"description": description, **members}
    server.run(create_scope(server.runtime, tenant, name, document, actor="test"))


def change(server: InProcessServer, client: RegisteredClient, **members: Any) -> None:
    operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in members.items()]
    server.run(patch_client(server.runtime, "default", client.client_id, operations, actor="test"))


def open_page(server: InProcessServer, client: RegisteredClient, scope: str, **parameters: Any) -> Browser:
    """A browser that asked for ``scope`` and whose person logged in."""
    browser = parameters.pop("browser", None) or server.browser()
    languages = parameters.pop("languages", "")
    if languages:
        browser.http.headers["accept-language"] = languages
    browser.open(browser.build_authorization_url(client, scope=scope, **parameters))
    if 'id="login"' in browser.page.text:
        browser.submit(username="ada", password=PASSWORD, action="login")
    return browser


def asked(browser: Browser) -> dict[str, bool] | None:
    """Scopes of the consent page, and whether each can be unticked; None: it is no such page."""
    if 'id="allow"' not in browser.page.text:
        return None
    tags = re.findall(r'<input type="(hidden|checkbox)"[^>]*name="scope"[^>]*value="([^"]+)"', browser.page.text)
    return {name: kind == "checkbox" for kind, name in tags}


def granted(server: InProcessServer, client: RegisteredClient, browser: Browser) -> str:
    scope: str = server.redeem(client, browser.received()["code"]).json()["scope"]
    return scope


# -- what people read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("languages", "parameters", "text"),
    [
        ("", {}, "See your photos"),
        ("de-AT,de;q=0.9,en;q=0.8", {}, "Ihre Fotos sehen"),
        ("en,de;q=0.5", {}, "See your photos"),
        ("en", {"ui_locales": "fr de"}, "Ihre Fotos sehen"),
    ],
)
def test_people_read_what_is_said_about_a_scope_in_their_language(fresh_server, languages, parameters, text):
    describe(fresh_server, "photos", "See your photos", translations={"de": "Ihre Fotos sehen"})
    client = fresh_server.register_client(scope="openid photos other")
    browser = open_page(fresh_server, client, "openid photos other", languages=languages, **parameters)
    texts = re.findall(r'class="scope-text">([^<]*)<', browser.page.text)
    assert texts == ["Sign you in", text, "other"]


def test_what_is_said_changes_at_once_and_stands_on_the_account_page_too(fresh_server):
    describe(fresh_server, "photos", "See your photos")
    client = fresh_server.register_client(scope="photos")
    fresh_server.grant(client, scope="photos")
    browser = fresh_server.browser()
    browser.log_in()
    assert "See your photos" in browser.page.text
    fresh_server.run(
        update_scope(fresh_server.runtime, "default", "photos", {"description": "Look at your photos"}, actor="test")
    )
    assert "Look at your photos" in browser.open("/account").text


@pytest.mark.threat("T95")
def test_what_is_said_is_text_and_no_markup(fresh_server):
    describe(fresh_server, "photos", '<script>alert(1)</script>"')
    client = fresh_server.register_client(scope="photos <b>")
    browser = open_page(fresh_server, client, "photos <b>")
    assert "<script>alert" not in browser.page.text
    assert "<b>" not in browser.page.text
    assert "&lt;script&gt;alert(1)" in browser.page.text


@pytest.mark.threat("T153")
def test_what_is_said_is_a_tenants_own(fresh_server):
    fresh_server.run(create_tenant(fresh_server.runtime, "other", actor="test"))
    describe(fresh_server, "photos", "Burn your photos", tenant="other")
    client = fresh_server.register_client(scope="photos")
    assert "Burn" not in open_page(fresh_server, client, "photos").page.text
    assert "photos" not in fresh_server.get(DISCOVERY).json()["scopes_supported"]
    assert "photos" in fresh_server.get("/t/other" + DISCOVERY).json()["scopes_supported"]


# -- what discovery names ---------------------------------------------------------------------------------------------


@pytest.mark.spec("RFC 8414 §2")
@pytest.mark.spec("OpenID Connect Discovery §3")
def test_discovery_names_the_advertised_scopes_and_follows_their_changes(fresh_server):
    def supported() -> list[str]:
        for path in (DISCOVERY, "/.well-known/oauth-authorization-server"):
            scopes = fresh_server.get(path).json()["scopes_supported"]
        return scopes

    assert supported() == STANDARD
    describe(fresh_server, "photos", "See your photos")
    describe(fresh_server, "inner", "For ourselves", is_advertised=False)
    assert supported() == [*STANDARD, "photos"]
    fresh_server.run(update_scope(fresh_server.runtime, "default", "inner", {"is_advertised": True}, actor="test"))
    describe(fresh_server, "address", "Where you live", is_advertised=False)
    describe(fresh_server, "openid", "Know who you are", is_advertised=False)
    assert supported() == ["openid", "profile", "email", "phone", "offline_access", "inner", "photos"]
    fresh_server.run(delete_scope(fresh_server.runtime, "default", "photos", actor="test"))
    assert "photos" not in supported()


def test_discovery_names_them_while_the_database_is_away(fresh_server, monkeypatch):
    describe(fresh_server, "photos", "See your photos")
    before = fresh_server.get(DISCOVERY).json()

    async def fail(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable(detail="away")

    monkeypatch.setattr(type(fresh_server.runtime.store), "list_entries", fail)
    monkeypatch.setattr(type(fresh_server.runtime.grid), "_is_fresh", lambda _: False)
    assert fresh_server.get(DISCOVERY).json() == before


def test_discovery_says_where_the_endpoints_are_even_if_it_never_knew_the_scopes(fresh_server, monkeypatch):
    before = fresh_server.get("/.well-known/oauth-authorization-server").json()
    describe(fresh_server, "photos", "See your photos")

    async def fail(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable(detail="away")

    monkeypatch.setattr(type(fresh_server.runtime.store), "list_entries", fail)
    assert fresh_server.get(DISCOVERY).json() == before
    monkeypatch.undo()
    assert "photos" in fresh_server.get(DISCOVERY).json()["scopes_supported"]


# -- what is granted by default ---------------------------------------------------------------------------------------


@pytest.mark.spec("RFC 6749 §3.3")
def test_a_request_that_names_nothing_gets_the_defaults_its_client_registered(fresh_server):
    machine = fresh_server.register_client(grant_types=["client_credentials"], scope="read write openid")
    own = fresh_server.register_client(grant_types=["client_credentials"], scope="read write", default_scope="write")
    other = fresh_server.register_client(grant_types=["client_credentials"], scope="write")
    person = fresh_server.register_client(scope="openid read write")
    for name in ("read", "admin", "openid"):
        describe(fresh_server, name, name, is_default=True)

    def scope(client: RegisteredClient, **parameters: Any) -> str:
        told: str = fresh_server.token(client, grant_type="client_credentials", **parameters).json()["scope"]
        return told

    assert scope(machine) == "read", "what it registered, and a machine has no use for openid"
    assert scope(machine, scope=" ") == "read"
    assert scope(machine, scope="write") == "write"
    assert scope(own) == "write"
    assert scope(other) == "write", "no default is its own, so everything is"
    browser = open_page(fresh_server, person, None)
    assert asked(browser) == {"openid": False, "read": True}


@pytest.mark.parametrize("grant", ["password", "device"])
def test_other_grants_know_the_same_defaults(fresh_server, grant):
    describe(fresh_server, "read", "Read", is_default=True)
    if grant == "password":
        client = fresh_server.register_client(grant_types=["password"], scope="read write")
        answer = fresh_server.token(client, grant_type="password", username="ada", password=PASSWORD)
    else:
        client = fresh_server.register_client(
            grant_types=["urn:ietf:params:oauth:grant-type:device_code"], scope="read write"
        )
        begun = fresh_server.begin_device(client, scope="")
        fresh_server.browser().let_device_in(begun["user_code"])
        answer = fresh_server.poll(client, begun["device_code"])
    assert answer.json()["scope"] == "read", answer.text


@pytest.mark.threat("T32")
def test_the_same_bytes_get_another_scope_once_there_is_a_default(fresh_server):
    client = fresh_server.register_client(grant_types=["client_credentials"], scope="read write")

    def scope() -> str:
        told: str = fresh_server.token(client, grant_type="client_credentials").json()["scope"]
        return told

    assert [scope() for _ in range(4)] == ["read write"] * 4
    describe(fresh_server, "read", "Read", is_default=True)
    assert [scope() for _ in range(4)] == ["read"] * 4
    fresh_server.run(delete_scope(fresh_server.runtime, "default", "read", actor="test"))
    assert [scope() for _ in range(4)] == ["read write"] * 4


# -- which there are --------------------------------------------------------------------------------------------------


def test_clients_may_be_held_to_registered_scopes():
    from grantway.admin.clients import create_client

    server = InProcessServer({"scopes.registered_only": True})
    try:
        describe(server, "photos", "See your photos")
        document = {"grant_types": ["client_credentials"], "response_types": []}

        def create(scope: str) -> Any:
            return server.run(
                create_client(server.runtime, "default", {**document, "scope": scope}, actor="test")
            ).client

        client = create("openid photos grantway.users.read")
        for scope in ("files", "photos.*", "photos files"):
            with pytest.raises(InvalidClientMetadata, match="is not a registered scope"):
                create(scope)
        with pytest.raises(InvalidClientMetadata):
            change(server, RegisteredClient(client, None), scope="files")
        server.run(delete_scope(server.runtime, "default", "photos", actor="test"))
        stored = server.run(server.runtime.store.load_client("default", client.client_id))
        assert "photos" in stored.scope, "deleting what is said about a scope takes it from nobody"
    finally:
        server.stop()


def test_of_many_who_register_a_scope_at_once_one_does(server):
    async def race() -> list[Any]:
        makers = [
            create_scope(server.runtime, "default", "raced", {"description": f"By {number}"}, actor="test")
            for number in range(16)
        ]
        return await asyncio.gather(*makers, return_exceptions=True)

    outcomes = server.run(race())
    assert sum(isinstance(outcome, StoredScope) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 15


# -- what nobody is asked about ---------------------------------------------------------------------------------------


def test_an_exempt_scope_is_granted_and_never_asked(server):
    client = server.register_client(scope="openid profile read", consent_exempt_scope="openid profile")
    browser = open_page(server, client, "openid profile")
    assert granted(server, client, browser) == "openid profile"
    open_page(server, client, "openid profile read", browser=browser)
    assert asked(browser) == {"openid": False, "read": True}
    browser.submit(scope=[], action="allow")
    assert granted(server, client, browser) == "openid profile", "unticked, and the rest goes along"
    assert "error" in open_page(server, client, "openid read", browser=browser, prompt="none").received()


@pytest.mark.threat("T107")
def test_an_exemption_is_the_clients_own(server):
    server.register_client(scope="openid read", consent_exempt_scope=["openid", "read"])
    other = server.register_client(scope="openid read")
    browser = open_page(server, other, "openid read")
    assert asked(browser) == {"openid": False, "read": True}
    received = open_page(server, other, "openid read", browser=browser, prompt="none").received()
    assert received["error"] == "consent_required"


@pytest.mark.threat("T107")
def test_an_exemption_answers_no_prompt_for_consent_and_no_native_client(server):
    client = server.register_client(scope="openid read", consent_exempt_scope=["openid", "read"])
    browser = open_page(server, client, "openid read", prompt="consent")
    assert asked(browser) == {"openid": False, "read": False}, "told, as there is a page"
    browser.submit(action="allow")
    assert granted(server, client, browser) == "openid read"
    native = server.register_client(
        scope="openid",
        consent_exempt_scope="openid",
        application_type="native",
        token_endpoint_auth_method="none",
        redirect_uris=["http://127.0.0.1/cb"],
    )
    assert asked(open_page(server, native, "openid")) == {"openid": False}


@pytest.mark.threat("T107")
@pytest.mark.threat("T108")
def test_nobody_approved_what_was_exempt(server):
    client = server.register_client(scope="openid read write", consent_exempt_scope="read")
    browser = open_page(server, client, "openid read")
    browser.submit(scope=["openid"], action="allow")
    assert granted(server, client, browser) == "openid read"
    change(server, client, consent_exempt_scope=None)
    open_page(server, client, "openid read", browser=browser)
    assert asked(browser) == {"openid": False, "read": True}


@pytest.mark.threat("T107")
@pytest.mark.parametrize("scope", ["offline_access", "grantway.admin", "files", "photos.*", "two words"])
def test_some_scopes_are_always_asked_about(server, scope):
    client = server.register_client(scope="openid offline_access grantway.admin photos.*", scope_strategy="wildcard")
    with pytest.raises(InvalidClientMetadata, match="consent_exempt_scope"):
        change(server, client, consent_exempt_scope=[scope])


@pytest.mark.threat("T107")
def test_what_was_approved_is_a_name_and_no_pattern(server):
    client = server.register_client(scope="photos", scope_strategy="hierarchic")
    browser = open_page(server, client, "photos")
    browser.submit(scope=["photos"], action="allow")
    open_page(server, client, "photos.read", browser=browser)
    assert asked(browser) == {"photos.read": True}
    received = open_page(server, client, "photos.read", browser=browser, prompt="none").received()
    assert received["error"] == "consent_required"
