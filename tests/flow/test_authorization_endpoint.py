"""The authorization endpoint: what a request may say, and what comes of prompt, max_age and the hints."""

from __future__ import annotations

import json

import pytest

from grantway.admin.clients import disable_client
from grantway.testing.in_process import PASSWORD, read_authorization_answer

FORM = {"content-type": "application/x-www-form-urlencoded"}


def outcome(server, client, browser, **parameters):
    """What a browser that nobody sits at gets: the error, ``code``, or ``page``."""
    answer = server.run(browser.http.get(browser.build_authorization_url(client, **parameters)))
    if answer.headers.get("location", "").startswith("/"):
        return "page"
    _, received = read_authorization_answer(answer)
    return received.get("error", "code")


def logged_in(server, client, **parameters):
    """A browser whose person has logged in and consented."""
    browser = server.browser()
    browser.authorize(client, **parameters)
    return browser


@pytest.mark.spec("RFC 6749 §3.1")
def test_a_request_may_come_as_get_or_as_form(server, client):
    for method in ("GET", "POST"):
        answer = server.request_authorization(client, method)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/interaction?id=")


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_a_posted_request_goes_through_to_a_code(server, client):
    browser = server.browser()
    path, _, query = browser.build_authorization_url(client).partition("?")
    browser.page = server.run(browser.http.post(path, content=query, headers=FORM))
    browser.open(browser.page.headers["location"])
    browser.submit(username="ada", password=PASSWORD, action="login")
    browser.submit(action="allow")
    assert server.redeem(client, browser.received()["code"]).status_code == 200


@pytest.mark.threat("T12")
@pytest.mark.spec("RFC 6749 §3.1")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_repeated_client_or_redirect_uri_gets_a_page(server, client, name):
    url = server.browser().build_authorization_url(client)
    value = client.client_id if name == "client_id" else client.client.redirect_uris[0]
    answer = server.get(f"{url}&{name}={value}")
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.threat("T12")
@pytest.mark.parametrize(
    "name",
    ["scope", "state", "nonce", "response_type", "response_mode", "prompt", "code_challenge", "max_age", "claims"],
)
def test_any_repeated_parameter_is_refused(server, client, name):
    url = server.browser().build_authorization_url(client)
    _, received = read_authorization_answer(server.get(f"{url}&{name}=query&{name}=query"))
    assert received["error"] == "invalid_request"


@pytest.mark.threat("T12")
@pytest.mark.parametrize("name", ["client_id", "scope", "redirect_uri"])
def test_a_parameter_split_between_query_and_body_counts_as_repeated(server, client, name):
    path, _, query = server.browser().build_authorization_url(client).partition("?")
    value = {"client_id": client.client_id, "scope": "openid", "redirect_uri": client.client.redirect_uris[0]}[name]
    answer = server.post(f"{path}?{name}={value}", content=query, headers=FORM)
    _, received = read_authorization_answer(answer) or ("", {})
    assert received.get("error", "invalid_request") == "invalid_request"
    assert not answer.headers.get("location", "").startswith("/interaction")


@pytest.mark.threat("T44")
def test_a_posted_request_of_another_type_is_refused(server, client):
    url = server.browser().build_authorization_url(client)
    for content_type in ("application/json", "multipart/form-data; boundary=x", "text/plain"):
        answer = server.post(url, content="{}", headers={"content-type": content_type})
        assert answer.status_code == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(server, client, method):
    answer = server.request(method, server.browser().build_authorization_url(client))
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.threat("T42")
def test_a_disabled_client_gets_a_page(server, client):
    server.run(disable_client(server.runtime, "default", client.client_id, actor="test"))
    answer = server.request_authorization(client, prompt="none")
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.spec("RFC 6749 §4.1.2.1")
def test_a_client_without_the_code_grant_may_not_ask(server):
    client = server.register_client(grant_types=["client_credentials"], redirect_uris=["https://client.example/cb"])
    _, received = read_authorization_answer(server.request_authorization(client))
    assert received["error"] == "unauthorized_client"


# -- prompt -----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
@pytest.mark.threat("T107")
def test_prompt_none_succeeds_where_everything_was_settled(server, client):
    assert outcome(server, client, logged_in(server, client), prompt="none") == "code"


@pytest.mark.spec("OpenID Connect Core §3.1.2.3")
@pytest.mark.threat("T107")
def test_prompt_none_never_shows_a_page(server, client):
    browser = logged_in(server, client)
    other = server.register_client()
    assert outcome(server, client, server.browser(), prompt="none") == "login_required"
    assert outcome(server, other, browser, prompt="none") == "consent_required"
    assert outcome(server, client, browser, prompt="none", scope="openid email") == "consent_required"
    claims = json.dumps({"userinfo": {"email": None}})
    assert outcome(server, client, browser, prompt="none", claims=claims) == "consent_required"
    assert outcome(server, client, browser, prompt="none", max_age="0") == "login_required"


@pytest.mark.threat("T107")
def test_prompt_none_asks_again_for_a_new_resource(server):
    client = server.register_client(audience=["https://api.example", "https://other.example"])
    browser = logged_in(server, client, resource="https://api.example")
    assert outcome(server, client, browser, prompt="none", resource="https://api.example") == "code"
    assert outcome(server, client, browser, prompt="none", resource="https://other.example") == "consent_required"


@pytest.mark.spec("RFC 6749 §10.2")
@pytest.mark.threat("T107")
def test_a_native_public_client_is_not_answered_without_the_person(server):
    native = server.register_client(
        redirect_uris=["com.example.app:/cb", "http://127.0.0.1/cb"],
        application_type="native",
        token_endpoint_auth_method="none",
    )
    browser = logged_in(server, native)
    assert outcome(server, native, browser, prompt="none") == "interaction_required"


@pytest.mark.spec("OpenID Connect Core §3.1.2.3")
@pytest.mark.threat("T107")
def test_prompt_login_really_logs_in_again(server, client, verify):
    browser = server.browser()
    first = server.redeem(client, browser.authorize(client)["code"]).json()
    server.clock.advance(100)
    assert outcome(server, client, browser, prompt="login") == "page"
    second = server.redeem(client, browser.authorize(client, prompt="login")["code"]).json()
    before, after = verify(first["id_token"]).claims, verify(second["id_token"]).claims
    assert after["auth_time"] == before["auth_time"] + 100
    assert after["sid"] == before["sid"]


@pytest.mark.threat("T107")
@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_max_age_really_logs_in_again(server, client):
    browser = logged_in(server, client)
    server.clock.advance(60)
    assert outcome(server, client, browser, max_age="60") == "code"
    server.clock.advance(1)
    assert outcome(server, client, browser, max_age="60") == "page"
    assert outcome(server, client, browser, max_age="9999999999") == "code"
    browser.open(browser.build_authorization_url(client, max_age="60"))
    assert 'id="login"' in browser.page.text
    browser.open(str(browser.page.url))
    assert 'id="login"' in browser.page.text, "the page cannot be skipped by loading it again"


@pytest.mark.spec("OpenID Connect Dynamic Client Registration §2")
def test_the_clients_default_max_age_counts_where_the_request_has_none(server):
    client = server.register_client(default_max_age=10)
    browser = logged_in(server, client)
    server.clock.advance(11)
    assert outcome(server, client, browser) == "page"
    assert outcome(server, client, browser, max_age="100") == "code"


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_prompt_consent_asks_again(server, client):
    browser = logged_in(server, client)
    assert outcome(server, client, browser, prompt="consent") == "page"
    browser.open(browser.build_authorization_url(client, prompt="consent"))
    assert 'id="allow"' in browser.page.text


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_prompt_select_account_lets_the_person_choose(server, client, username):
    browser = logged_in(server, client)
    browser.open(browser.build_authorization_url(client, prompt="select_account"))
    assert 'id="other"' in browser.page.text
    browser.submit(action="continue")
    assert "code" in browser.received()
    browser.open(browser.build_authorization_url(client, prompt="select_account"))
    browser.submit(action="other")
    assert 'id="login"' in browser.page.text
    browser.submit(username=username, password=PASSWORD, action="login")
    browser.submit(action="allow")
    assert "code" in browser.received()


# -- hints ------------------------------------------------------------------------------------------------------------


@pytest.mark.threat("T106")
@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_a_hint_at_somebody_else_is_login_required(server, client, username):
    of_other = server.grant(client, username=username)["id_token"]
    browser = logged_in(server, client)
    own = server.redeem(client, browser.authorize(client)["code"]).json()["id_token"]
    assert outcome(server, client, browser, prompt="none", id_token_hint=own) == "code"
    assert outcome(server, client, browser, prompt="none", id_token_hint=of_other) == "login_required"
    assert outcome(server, client, server.browser(), prompt="none", id_token_hint=own) == "login_required"


@pytest.mark.spec("OpenID Connect Core §3.1.2.2")
@pytest.mark.threat("T106")
def test_logging_in_as_somebody_else_than_the_hint_gives_no_code(server, client, username):
    hint = server.grant(client)["id_token"]
    browser = server.browser()
    received = browser.authorize(client, username=username, id_token_hint=hint)
    assert received["error"] == "login_required"


@pytest.mark.threat("T106")
def test_a_hint_works_for_pairwise_clients(server, username):
    client = server.register_client(subject_type="pairwise")
    browser = server.browser()
    own = server.redeem(client, browser.authorize(client)["code"]).json()["id_token"]
    other = server.grant(client, username=username)["id_token"]
    assert outcome(server, client, browser, prompt="none", id_token_hint=own) == "code"
    assert outcome(server, client, browser, prompt="none", id_token_hint=other) == "login_required"


@pytest.mark.threat("T106")
@pytest.mark.threat("T54")
def test_only_an_id_token_for_this_client_is_a_hint(server, client):
    granted = server.grant(client)
    jwt_client = server.register_client(access_token_format="jwt")
    access_token = server.grant(jwt_client)["access_token"]
    head, payload, signature = granted["id_token"].split(".")
    bad = [
        server.grant(server.register_client())["id_token"], access_token, granted["access_token"],
        f"{head}.{payload}.", f"{head}.{payload}.{signature[:-2]}AA", f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.",
        f"{head}.{payload}.{signature}.x", "x", "..", "a" * 20000,
    ]  # fmt: skip
    browser = logged_in(server, client)
    for hint in bad:
        answer = server.run(
            browser.http.post(
                "/oauth2/auth",
                content=browser.build_authorization_url(client, prompt="none", id_token_hint=hint).partition("?")[2],
                headers=FORM,
            )
        )
        assert read_authorization_answer(answer)[1]["error"] == "invalid_request", hint[:40]


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_an_expired_hint_of_ours_still_names_its_subject(server, client):
    hint = server.grant(client)["id_token"]
    server.clock.advance(7200)
    browser = logged_in(server, client)
    assert outcome(server, client, browser, prompt="none", id_token_hint=hint) == "code"


def test_a_login_hint_fills_in_the_name_and_is_escaped(server, client):
    browser = server.browser()
    browser.open(browser.build_authorization_url(client, login_hint='ada"><script>x</script>'))
    assert "<script>x" not in browser.page.text
    assert "ada&#34;&gt;&lt;script&gt;" in browser.page.text


@pytest.mark.spec("OpenID Connect Core §5.5.1.1")
def test_an_essential_acr_that_cannot_be_reached_is_an_error(server, client):
    for acr in ({"essential": True, "value": "gold"}, {"essential": True, "values": ["gold", "silver"]}):
        claims = json.dumps({"id_token": {"acr": acr}})
        _, received = read_authorization_answer(server.request_authorization(client, claims=claims))
        assert received["error"] == "unmet_authentication_requirements"
    voluntary = json.dumps({"id_token": {"acr": {"value": "gold"}}})
    assert "code" in server.browser().authorize(client, claims=voluntary, acr_values="gold silver")


@pytest.mark.threat("T43")
@pytest.mark.spec("RFC 8707 §2")
@pytest.mark.parametrize(
    "resource", ["https://other.example", "/relative", "https://api.example#x", "api", "https://api.example/"]
)
def test_a_resource_that_is_not_the_clients_is_an_invalid_target(server, resource):
    client = server.register_client(audience=["https://api.example"])
    _, received = read_authorization_answer(server.request_authorization(client, resource=resource))
    assert received["error"] == "invalid_target"


@pytest.mark.threat("T7")
def test_a_client_nobody_approved_gets_an_error_not_a_free_redirect(server, client):
    browser = logged_in(server, client)
    fresh = server.register_client(redirect_uris=["https://phish.example/cb"])
    before = len(server.events.all)
    assert outcome(server, fresh, browser, prompt="none") == "consent_required"
    assert any(getattr(event, "error", "") == "consent_required" for event in server.events.all[before:])
