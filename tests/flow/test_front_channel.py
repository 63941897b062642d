"""Implicit and hybrid response types: tokens that travel with the answer of the authorization endpoint.

A client has only those it registered, and none unless it did (RFC 9700 §2.1.2).
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from msgspec.structs import replace

from grantway.admin.users import disable_user
from grantway.events import TokenIssued
from grantway.protocol.vocabulary import RESPONSE_TYPES
from grantway.testing.in_process import ISSUER, Browser, InProcessServer, RegisteredClient

FRONT_TYPES = RESPONSE_TYPES[1:]
WITH_TOKEN = [each for each in FRONT_TYPES if "token" in each.split(" ")]
WITH_ID_TOKEN = [each for each in FRONT_TYPES if "id_token" in each.split(" ")]
MEMBERS = {"code": ["code"], "token": ["access_token", "token_type", "expires_in", "scope"], "id_token": ["id_token"]}


def half_hash(value: str) -> str:
    """By the specification's words, with nothing of ours (RS256: SHA-256)."""
    digest = hashlib.sha256(value.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def front(server: InProcessServer) -> RegisteredClient:
    """A client for every response type."""
    return register(server)


def register(server: InProcessServer, **metadata: Any) -> RegisteredClient:
    return server.register_client(
        grant_types=["authorization_code", "implicit", "refresh_token"],
        **{"response_types": list(RESPONSE_TYPES), **metadata},
    )


def ask(server: InProcessServer, client: RegisteredClient, response_type: str, **parameters: Any) -> dict[str, str]:
    """What the client received."""
    return server.browser().authorize(client, response_type=response_type, **parameters)


# -- what is answered -------------------------------------------------------------------------------------------------


@pytest.mark.spec("RFC 6749 §4.2.2")
@pytest.mark.spec("OpenID Connect Core §3.2.2.5")
@pytest.mark.spec("OpenID Connect Core §3.3.2.5")
@pytest.mark.spec("OAuth 2.0 Multiple Response Types §3")
@pytest.mark.spec("OAuth 2.0 Multiple Response Types §5")
@pytest.mark.parametrize("response_type", FRONT_TYPES)
def test_each_response_type_answers_what_it_names_and_no_more(server, front, response_type):
    received = ask(server, front, response_type, scope="openid email")
    expected = [member for word in response_type.split(" ") for member in MEMBERS[word]]
    assert set(received) == {*expected, "state", "iss"}
    assert received["state"] == "state-1234"
    assert received["iss"] == ISSUER


@pytest.mark.spec("OAuth 2.0 Multiple Response Types §5")
@pytest.mark.threat("T9")
@pytest.mark.parametrize("response_type", FRONT_TYPES)
def test_tokens_travel_in_the_fragment_unless_a_form_is_asked_for(server, front, response_type):
    browser = server.browser()
    browser.authorize(front, response_type=response_type)
    address = browser.page.headers["location"]
    assert "?" not in address
    assert address.startswith("https://client.example/cb#")
    browser.open(browser.build_authorization_url(front, response_type=response_type, response_mode="form_post"))
    assert set(browser.received()) >= {"state", "iss"}
    assert browser.page.headers["cache-control"] == "no-store"


@pytest.mark.spec("OAuth 2.0 Multiple Response Types §5")
@pytest.mark.spec("OAuth 2.0 Multiple Response Types §3")
@pytest.mark.threat("T9")
@pytest.mark.parametrize("response_type", FRONT_TYPES)
def test_a_token_never_goes_into_a_query(server, front, response_type):
    answer = server.request_authorization(front, response_type=response_type, response_mode="query")
    assert "#error=invalid_request" in answer.headers["location"]


@pytest.mark.spec("OpenID Connect Core §3.2.2.10")
@pytest.mark.spec("OpenID Connect Core §3.3.2.11")
@pytest.mark.parametrize("response_type", WITH_ID_TOKEN)
def test_the_id_token_binds_code_and_access_token_and_has_the_nonce(server, front, verify, response_type):
    received = ask(server, front, response_type, nonce="n-0S6_WzA2Mj")
    claims = verify(received["id_token"]).claims
    assert (claims["nonce"], claims["aud"], claims["iss"]) == ("n-0S6_WzA2Mj", front.client_id, ISSUER)
    assert claims.get("at_hash") == (half_hash(received["access_token"]) if "access_token" in received else None)
    assert claims.get("c_hash") == (half_hash(received["code"]) if "code" in received else None)


@pytest.mark.spec("OpenID Connect Core §5.4")
def test_claims_of_scopes_are_in_the_id_token_only_where_no_access_token_can_fetch_them(server, front, verify):
    def told(response_type: str) -> Any:
        received = ask(server, front, response_type, scope="openid email profile")
        return verify(received["id_token"]).claims

    assert told("id_token")["email"] == "ada@example.com"
    assert told("id_token")["name"] == "Ada Lovelace"
    assert "email" not in told("id_token token")
    assert "email" not in told("code id_token")


@pytest.mark.parametrize("response_type", WITH_TOKEN)
def test_the_access_token_works_as_any_other(server, front, response_type):
    received = ask(server, front, response_type, scope="openid email")
    bearer = {"authorization": f"Bearer {received['access_token']}"}
    assert server.get("/userinfo", headers=bearer).json()["email"] == "ada@example.com"
    described = server.introspect(front, received["access_token"])
    assert (described["active"], described["scope"]) == (True, "openid email")
    assert received["token_type"] == "Bearer"
    assert int(received["expires_in"]) == described["exp"] - described["iat"]


@pytest.mark.spec("OpenID Connect Core §3.3.3.5")
@pytest.mark.spec("OpenID Connect Core §3.3.3.6")
@pytest.mark.parametrize("response_type", [each for each in WITH_ID_TOKEN if "code" in each])
def test_the_code_of_a_hybrid_answer_is_redeemed_and_both_id_tokens_agree(server, front, verify, response_type):
    received = ask(server, front, response_type)
    answer = server.redeem(front, received["code"])
    assert answer.status_code == 200
    first, second = verify(received["id_token"]).claims, verify(answer.json()["id_token"]).claims
    assert (first["iss"], first["sub"]) == (second["iss"], second["sub"])


@pytest.mark.spec("RFC 6749 §4.2.2")
def test_the_implicit_way_gives_no_refresh_token(server, front):
    received = ask(server, front, "id_token token", scope="openid offline_access")
    assert "refresh_token" not in received
    assert received["scope"] == "openid"


def test_lifespans_of_the_implicit_grant_are_the_clients_own(server, verify):
    client = register(server)
    extra = {"implicit_grant_access_token_lifespan": "1m30s", "implicit_grant_id_token_lifespan": "45s"}
    stored = server.run(server.runtime.store.load_client("default", client.client_id))
    server.run(server.runtime.store.update_client(replace(stored, extra=extra)))
    received = ask(server, client, "id_token token")
    claims = verify(received["id_token"]).claims
    assert received["expires_in"] == "90"
    assert claims["exp"] - claims["iat"] == 45


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.spec("RFC 9700 §2.1.2")
@pytest.mark.threat("T15")
@pytest.mark.parametrize("response_type", FRONT_TYPES)
def test_no_client_has_them_unless_it_registered_them(server, client, response_type):
    answer = server.request_authorization(client, response_type=response_type)
    assert "error=unauthorized_client" in answer.headers["location"]


@pytest.mark.parametrize("response_type", FRONT_TYPES)
def test_a_client_that_lost_the_grant_type_lost_the_response_type(server, response_type):
    client = register(server)
    stored = server.run(server.runtime.store.load_client("default", client.client_id))
    server.run(server.runtime.store.update_client(replace(stored, grant_types=("authorization_code",))))
    answer = server.request_authorization(client, response_type=response_type)
    assert "error=unauthorized_client" in answer.headers["location"]


@pytest.mark.spec("OpenID Connect Core §3.2.2.1")
@pytest.mark.parametrize("response_type", WITH_ID_TOKEN)
def test_without_a_nonce_there_is_no_id_token_in_the_front_channel(server, front, response_type):
    answer = server.request_authorization(front, response_type=response_type, nonce=None)
    assert "#error=invalid_request" in answer.headers["location"]
    assert "nonce" in answer.headers["location"]


@pytest.mark.spec("OpenID Connect Core §3.3.2.6")
@pytest.mark.spec("OAuth 2.0 Multiple Response Types §5")
@pytest.mark.spec("RFC 6749 §4.2.2.1")
@pytest.mark.spec("OpenID Connect Core §3.2.2.6")
@pytest.mark.parametrize("response_type", FRONT_TYPES)
def test_errors_travel_as_the_answer_would_have(server, front, response_type):
    denied = server.browser()
    denied.open(denied.build_authorization_url(front, response_type=response_type, prompt="none"))
    assert "#error=login_required" in denied.page.headers["location"]
    assert "id_token" not in denied.received()


def test_implicit_is_no_grant_of_the_token_endpoint(server, front):
    answer = server.token(front, grant_type="implicit")
    assert answer.json()["error"] == "unsupported_grant_type"


@pytest.mark.threat("T42")
@pytest.mark.parametrize("response_type", FRONT_TYPES)
def test_a_person_disabled_on_the_way_gets_nothing(fresh_server, response_type):
    client = register(fresh_server)
    browser = fresh_server.browser()
    browser.open(browser.build_authorization_url(client, response_type=response_type))
    browser.submit(username="ada", password="correct horse battery staple", action="login")
    person = fresh_server.run(fresh_server.runtime.store.load_subject_by_username("default", "ada"))
    fresh_server.run(disable_user(fresh_server.runtime, "default", person.subject, actor="test"))
    browser.submit(scope=["openid"], action="allow")
    assert "token=" not in str(browser.page.headers.get("location"))
    assert "code=" not in str(browser.page.headers.get("location"))


@pytest.mark.threat("T20")
def test_replaying_the_code_of_a_hybrid_answer_kills_its_front_channel_token(server, front):
    received = ask(server, front, "code token")
    assert server.redeem(front, received["code"]).status_code == 200
    assert server.is_active(front, received["access_token"])
    assert server.redeem(front, received["code"]).json()["error"] == "invalid_grant"
    assert not server.is_active(front, received["access_token"])


@pytest.mark.threat("T130")
def test_a_front_channel_token_ends_with_its_session(server, front, username):
    browser: Browser = server.browser()
    received = browser.authorize(front, response_type="id_token token", username=username)
    assert server.is_active(front, received["access_token"])
    browser.open("/account")
    browser.open("/oauth2/sessions/logout")
    browser.submit(action="logout")
    assert not server.is_active(front, received["access_token"])


@pytest.mark.threat("T17")
def test_the_answer_comes_once_however_often_consent_is_sent(server, username):
    client = register(server)
    browser = server.browser()
    browser.open(browser.build_authorization_url(client, response_type="code id_token token"))
    browser.submit(username=username, password="correct horse battery staple", action="login")
    form = browser.forms()[0]
    first, second = (
        server.run(browser.http.post(form.action, data={**form.fields, "scope": "openid", "action": "allow"}))
        for _ in range(2)
    )
    assert "access_token=" in first.headers["location"]
    assert "access_token=" not in str(second.headers.get("location"))


def test_the_events_tell_of_the_token_that_was_issued(fresh_server):
    client = register(fresh_server)
    ask(fresh_server, client, "token", scope="read")
    issued = fresh_server.events.of(TokenIssued)
    assert [(event.grant_type, event.client_id) for event in issued] == [("implicit", client.client_id)]


# -- the rules of every authorization request hold for these, too -----------------------------------------------------


@pytest.mark.spec("RFC 6749 §4.2.1")
@pytest.mark.spec("RFC 6749 §4.2.2.1")
@pytest.mark.spec("OpenID Connect Core §3.2.2.1")
@pytest.mark.spec("OpenID Connect Core §3.3.2.1")
@pytest.mark.parametrize("response_type", FRONT_TYPES)
def test_nothing_goes_to_an_address_that_was_not_registered(server, front, response_type):
    for uri in ("https://client.example/cb/", "https://client.example/cb?x=1", "https://evil.example/cb", None):
        answer = server.request_authorization(front, response_type=response_type, redirect_uri=uri)
        assert (answer.status_code, "location" in answer.headers) == (400, False), uri


@pytest.mark.spec("OpenID Connect Core §3.2.2.4")
@pytest.mark.spec("OpenID Connect Core §3.3.2.4")
@pytest.mark.parametrize("response_type", FRONT_TYPES)
def test_the_person_is_asked_before_anything_is_given(server, response_type):
    browser = server.browser()
    browser.open(browser.build_authorization_url(register(server), response_type=response_type))
    assert 'id="login"' in browser.page.text
    browser.submit(username="ada", password="correct horse battery staple", action="login")
    assert 'id="allow"' in browser.page.text
    browser.submit(action="deny")
    assert browser.page.headers["location"].startswith("https://client.example/cb#error=access_denied")
    assert set(browser.received()) == {"error", "error_description", "state", "iss"}


@pytest.mark.spec("OpenID Connect Core §3.3.3.6")
@pytest.mark.parametrize("response_type", [each for each in WITH_ID_TOKEN if "code" in each])
def test_both_id_tokens_of_a_hybrid_answer_tell_of_the_same_log_in(server, front, verify, response_type):
    received = ask(server, front, response_type, nonce="n-0S6_WzA2Mj")
    first = verify(received["id_token"]).claims
    second = verify(server.redeem(front, received["code"]).json()["id_token"]).claims
    for name in ("iss", "sub", "aud", "nonce", "auth_time", "acr", "amr", "sid"):
        assert first[name] == second[name], name


@pytest.mark.spec("OAuth 2.0 Form Post Response Mode §2")
@pytest.mark.parametrize("response_type", FRONT_TYPES)
def test_a_form_carries_them_by_post_and_is_kept_by_nobody(server, front, response_type):
    browser = server.browser()
    received = browser.authorize(front, response_type=response_type, response_mode="form_post")
    assert set(received) >= {member for word in response_type.split(" ") for member in MEMBERS[word]}
    assert 'method="post"' in browser.page.text
    assert browser.page.headers["cache-control"] == "no-store"


@pytest.mark.spec("RFC 6749 §3.1.1")
@pytest.mark.spec("OAuth 2.0 Multiple Response Types §4")
@pytest.mark.parametrize("response_type", ["none", "token token", "code foo", "CODE", "id_token code token foo"])
def test_a_response_type_that_is_none_of_them_gives_nothing(server, front, response_type):
    answer = server.request_authorization(front, response_type=response_type)
    assert "error=unsupported_response_type" in answer.headers["location"]
