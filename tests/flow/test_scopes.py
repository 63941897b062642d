"""Scopes: what a registered one stands for, at every place where a client asks for one, and what people are asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from tests.bearers import JwtIssuer

from grantway.admin.clients import patch_client
from grantway.errors import InvalidClientMetadata
from grantway.extension import Feature
from grantway.testing.in_process import PASSWORD, InProcessServer, RegisteredClient

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
STRATEGIES = [
    ("exact", "photos.read photos.write mail"),
    ("hierarchic", "photos mail"),
    ("wildcard", "photos.* mail"),
]
"""Each allows a client ``photos.read``, ``photos.write`` and ``mail``, and not ``files``."""


@pytest.fixture(scope="module", params=STRATEGIES, ids=[name for name, _ in STRATEGIES])
def strategy(request) -> tuple[str, str]:
    return request.param


def register(server: InProcessServer, strategy: tuple[str, str], **metadata: Any) -> RegisteredClient:
    more = metadata.pop("scope", "")
    return server.register_client(scope=f"{strategy[1]} {more}".strip(), scope_strategy=strategy[0], **metadata)


def change(server: InProcessServer, client: RegisteredClient, **members: Any) -> None:
    operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in members.items()]
    server.run(patch_client(server.runtime, "default", client.client_id, operations, actor="test"))


def check(answer: Any, scope: str | None) -> None:
    """Whether the answer grants exactly ``scope``; None: whether it is refused as it should be."""
    if scope is None:
        assert (answer.status_code, answer.json().get("error")) == (400, "invalid_scope"), answer.text
    else:
        assert (answer.status_code, answer.json().get("scope")) == (200, scope), answer.text


# -- strategies, grant by grant ---------------------------------------------------------------------------------------

ASKED = [("photos.read", "photos.read"), ("mail photos.write", "mail photos.write"), ("photos.read files", None)]


@pytest.mark.spec("RFC 6749 §3.3")
@pytest.mark.threat("T32")
@pytest.mark.parametrize(("asked", "granted"), ASKED)
def test_a_machine_gets_what_its_registration_stands_for(server, strategy, asked, granted):
    client = register(server, strategy, grant_types=["client_credentials"])
    check(server.token(client, grant_type="client_credentials", scope=asked), granted)


@pytest.mark.threat("T32")
@pytest.mark.parametrize(("asked", "granted"), ASKED)
def test_a_person_is_asked_for_what_the_registration_stands_for(server, strategy, asked, granted):
    client = register(server, strategy)
    received = server.browser().authorize(client, scope=asked)
    if granted is None:
        assert received["error"] == "invalid_scope"
    else:
        check(server.redeem(client, received["code"]), granted)


@pytest.mark.threat("T32")
@pytest.mark.parametrize(("asked", "granted"), ASKED)
def test_a_front_channel_token_says_its_scope(server, strategy, asked, granted):
    client = register(server, strategy, grant_types=["implicit"], response_types=["token"])
    received = server.browser().authorize(client, response_type="token", scope=asked)
    assert received.get("scope") == granted
    assert ("access_token" in received) == (granted is not None)


@pytest.mark.threat("T32")
@pytest.mark.parametrize(("asked", "granted"), ASKED)
def test_a_password_gets_what_the_registration_stands_for(server, strategy, asked, granted):
    client = register(server, strategy, grant_types=["password"])
    answer = server.token(client, grant_type="password", username="ada", password=PASSWORD, scope=asked)
    check(answer, granted)


@pytest.mark.threat("T32")
@pytest.mark.parametrize(("asked", "granted"), ASKED)
def test_a_device_gets_what_the_registration_stands_for(server, strategy, asked, granted):
    client = register(server, strategy, grant_types=[DEVICE])
    begun = server.send_as(client, "/oauth2/device/auth", scope=asked)
    if granted is None:
        check(begun, None)
        return
    server.browser().let_device_in(begun.json()["user_code"])
    check(server.poll(client, begun.json()["device_code"]), granted)


@pytest.mark.threat("T32")
def test_an_assertion_gets_what_both_its_issuer_and_the_registration_stand_for(server, strategy):
    issuer = JwtIssuer(server, scope=strategy[1], scope_strategy=strategy[0])
    issuer.trust(scope=["photos.read", "files"])
    check(issuer.send(scope="photos.read"), "photos.read")
    check(issuer.send(), "photos.read")
    check(issuer.send(scope="photos.write"), None)
    check(issuer.send(scope="files"), None)


@pytest.mark.spec("RFC 8693 §5")
@pytest.mark.threat("T32")
def test_an_exchanged_token_has_the_names_of_the_old_one_that_the_registration_stands_for(server, strategy):
    front = server.register_client(scope="photos.read photos.write files openid", audience=["https://front.example"])
    token = server.grant(front, scope="photos.read photos.write files", resource="https://front.example")
    client = register(server, strategy, grant_types=[EXCHANGE], resource_identifiers=["https://front.example"])

    def exchange(**more: str) -> Any:
        document = {"subject_token": token["access_token"], "subject_token_type": ACCESS_TOKEN, **more}
        return server.token(client, grant_type=EXCHANGE, **document)

    change(server, client, audience=["https://front.example"])
    check(exchange(), "photos.read photos.write")
    check(exchange(scope="photos.read"), "photos.read")
    check(exchange(scope="files"), None)
    check(exchange(scope="mail"), None)


# -- refreshing -------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RFC 6749 §6")
@pytest.mark.threat("T32")
def test_a_refreshed_token_has_what_was_given_as_far_as_the_registration_still_stands_for_it(server, strategy):
    client = register(server, strategy, scope="offline_access")
    given = server.grant(client, scope="photos.read mail offline_access")
    check(server.refresh(client, given["refresh_token"], scope="photos.write"), None)
    answer = server.refresh(client, given["refresh_token"])
    check(answer, "photos.read mail offline_access")
    change(server, client, scope="mail offline_access")
    check(server.refresh(client, answer.json()["refresh_token"]), "mail offline_access")
    change(server, client, scope="files")
    check(server.refresh(client, answer.json()["refresh_token"]), None)


@pytest.mark.spec("RFC 6749 §6")
@pytest.mark.threat("T32")
def test_what_was_given_was_given_by_name(server):
    client = server.register_client(scope="photos offline_access", scope_strategy="hierarchic", scope_matching="any")
    given = server.grant(client, scope="photos offline_access")
    check(server.refresh(client, given["refresh_token"], scope="photos.read"), None)
    check(server.refresh(client, given["refresh_token"], scope="photos files"), None)
    check(server.refresh(client, given["refresh_token"], scope="photos"), "photos")


@pytest.mark.threat("T32")
def test_a_name_that_became_a_pattern_gives_nothing_more(server):
    client = server.register_client(scope="photos.* mail offline_access")
    given = server.grant(client, scope="photos.* mail offline_access")
    change(server, client, scope_strategy="wildcard")
    check(server.refresh(client, given["refresh_token"], scope="photos.read"), None)
    check(server.refresh(client, given["refresh_token"]), "mail offline_access")


# -- patterns ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RFC 6749 §3.3")
def test_a_token_never_carries_a_pattern(server):
    client = server.register_client(
        grant_types=["client_credentials"], scope="photos.* mail", scope_strategy="wildcard"
    )
    check(server.token(client, grant_type="client_credentials"), "mail")
    check(server.token(client, grant_type="client_credentials", scope="photos.*"), None)
    change(server, client, scope="photos.* *")
    check(server.token(client, grant_type="client_credentials"), None)


@pytest.mark.threat("T32")
@pytest.mark.threat("T135")
def test_a_star_is_no_way_to_what_the_server_itself_goes_by(server):
    client = server.register_client(
        grant_types=["client_credentials", "authorization_code"], scope="* grantway.*", scope_strategy="wildcard"
    )
    for scope in ("grantway.admin", "grantway.clients.write", "openid", "offline_access", "email"):
        check(server.token(client, grant_type="client_credentials", scope=scope), None)
        assert server.browser().authorize(client, scope=scope)["error"] == "invalid_scope"
    check(server.token(client, grant_type="client_credentials", scope="anything.else"), "anything.else")


def test_a_default_scope_is_within_what_the_registration_stands_for(server):
    client = server.register_client(
        grant_types=["client_credentials"], scope="photos.*", default_scope="photos.read", scope_strategy="wildcard"
    )
    check(server.token(client, grant_type="client_credentials"), "photos.read")


class Choosing(Feature):
    """Grants what it likes, as a token hook may."""

    name = "choosing"
    scope: tuple[str, ...] = ()

    async def shape_decision(self, call, grant_type, decision, parameters):
        return replace(decision, scope=self.scope)


@pytest.mark.threat("T32")
@pytest.mark.parametrize(("chosen", "granted"), [("photos.write", "photos.write"), ("files", None), ("photos.*", None)])
def test_what_a_hook_grants_is_within_what_the_registration_stands_for(chosen, granted):
    choosing = Choosing()
    choosing.scope = (chosen,)
    server = InProcessServer({"scopes.strategy": "wildcard"}, extensions=[choosing])
    try:
        client = server.register_client(grant_types=["client_credentials"], scope="photos.*")
        check(server.token(client, grant_type="client_credentials", scope="photos.read"), granted)
    finally:
        server.stop()


def test_the_servers_strategy_is_that_of_clients_without_one():
    server = InProcessServer({"scopes.strategy": "hierarchic"})
    try:
        client = server.register_client(grant_types=["client_credentials"], scope="photos")
        check(server.token(client, grant_type="client_credentials", scope="photos.read"), "photos.read")
        change(server, client, scope_strategy="exact")
        check(server.token(client, grant_type="client_credentials", scope="photos.read"), None)
    finally:
        server.stop()


# -- any or all, commas and pluses ------------------------------------------------------------------------------------


@pytest.mark.spec("RFC 6749 §3.3")
@pytest.mark.spec("RFC 6749 §5.1")
def test_any_grants_what_is_allowed_and_says_what_that_was(server):
    client = server.register_client(grant_types=["client_credentials"], scope="read write", scope_matching="any")
    check(server.token(client, grant_type="client_credentials", scope="write admin read"), "write read")
    check(server.token(client, grant_type="client_credentials", scope="admin root"), None)


def test_any_asks_people_for_what_is_allowed_alone(server):
    client = server.register_client(scope="openid read", scope_matching="any")
    browser = server.browser()
    browser.open(browser.build_authorization_url(client, scope="openid read admin"))
    browser.submit(username="ada", password=PASSWORD, action="login")
    assert "admin" not in set(re.findall(r'name="scope"[^>]*value="([^"]+)"', browser.page.text))
    check(server.redeem(client, browser.authorize(client, scope="openid read admin")["code"]), "openid read")


def test_commas_and_pluses_separate_for_clients_that_send_them(server):
    lax = server.register_client(scope="openid read write", scope_separators="comma_and_plus")
    check(server.redeem(lax, server.browser().authorize(lax, scope="openid,read+write")["code"]), "openid read write")
    machine = {"grant_types": ["client_credentials"], "scope": "read write"}
    lax = server.register_client(**machine, scope_separators="comma_and_plus")
    check(server.token(lax, grant_type="client_credentials", scope="read, write"), "read write")
    check(server.token(server.register_client(**machine), grant_type="client_credentials", scope="read,write"), None)


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_openid_is_seen_whatever_separates_it(server):
    client = server.register_client(scope="openid read", scope_separators="comma_and_plus")
    url = server.browser().build_authorization_url(client, scope="read,openid", redirect_uri=None)
    assert server.get(url).status_code == 400, "OpenID Connect asks for the redirect_uri"


# -- what a client's metadata may say ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scope_strategy", "regex"),
        ("scope_strategy", ["wildcard"]),
        ("scope_matching", "some"),
        ("scope_matching", True),
        ("scope_separators", ","),
        ("consent_exempt_scope", 7),
        ("consent_exempt_scope", {"read": True}),
        ("consent_exempt_scope", ["read", None]),
        ("consent_exempt_scope", ["read write"]),
        ("consent_exempt_scope", 're"ad'),
        ("default_scope", "photos.other.*"),
        ("default_scope", "files"),
    ],
)
def test_what_is_said_about_scopes_is_one_of_what_there_is(server, name, value):
    client = server.register_client(scope="photos.* read", scope_strategy="wildcard")
    with pytest.raises(InvalidClientMetadata, match=name):
        change(server, client, **{name: value})


def test_scopes_that_could_not_be_asked_for_are_not_registered(server):
    client = server.register_client(scope="read a,b")
    with pytest.raises(InvalidClientMetadata, match="comma"):
        change(server, client, scope_separators="comma_and_plus")


def test_null_takes_it_back(server):
    client = server.register_client(
        grant_types=["client_credentials"], scope="photos mail", scope_strategy="hierarchic"
    )
    check(server.token(client, grant_type="client_credentials", scope="photos.read"), "photos.read")
    change(server, client, scope_strategy=None)
    check(server.token(client, grant_type="client_credentials", scope="photos.read"), None)


# -- whoever registers itself -----------------------------------------------------------------------------------------


@pytest.fixture
def registering() -> Iterator[InProcessServer]:
    running = InProcessServer(
        {"registration.insecure_open": True, "registration.scope": ["read"], "scopes.registered_only": True}
    )
    yield running
    running.stop()


@pytest.mark.threat("T125")
def test_a_client_that_registers_itself_cannot_say_how_far_its_scope_reaches(registering):
    for name, value in (("scope_strategy", "wildcard"), ("consent_exempt_scope", ["read"])):
        document = {"redirect_uris": ["https://client.example/cb"], "scope": "openid", name: value}
        answer = registering.post("/oauth2/register", json=document)
        assert answer.status_code in (201, 400), answer.text
        assert answer.status_code == 400 or name not in answer.json()


@pytest.mark.threat("T125")
def test_a_client_that_registers_itself_gets_registered_scopes_alone(registering):
    document = {"redirect_uris": ["https://client.example/cb"], "scope": "read"}
    answer = registering.post("/oauth2/register", json=document)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
