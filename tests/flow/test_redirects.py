"""Where an answer may go: nowhere but to an address that was registered, whatever else is wrong."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from grantway.testing.in_process import ISSUER, InProcessServer, RegisteredClient, read_authorization_answer

CB = "https://a.example/cb"
LOOPBACK = "http://127.0.0.1/cb"

ALTERED = [
    CB + "/", CB + "?x=1", CB + ";x=1", CB + "#x", CB + "#", CB + "?", "https://a.example/CB", "https://A.example/cb",
    "HTTPS://a.example/cb", "https://a.example:443/cb", "https://u@a.example/cb", "https://a.example\\@evil.example/cb",
    "https://a.example@x@evil.example/cb", "https://a.example/cb/../cb", "https://a.example/cb/..;/x",
    "https://a.example/cb%2f", "https://a.example/%63b", CB + "%0d%0aSet-Cookie:x=1", "https://a\u0435.example/cb",
    " " + CB, CB + " ", "//a.example/cb", "http://a.example/cb", "https://a.example.evil.example/cb",
    "javascript:alert(1)", "data:text/html,x", "https://evil.example", "https://a.example", "a.example/cb",
]  # fmt: skip
"""Each of them differs from ``CB``, so none of them is registered."""

RAW = ["%0d%0a", "%00", "%09", "%0a", "%E5%98%8D%E5%98%8A", "%ff", "%C0%AE"]
"""What parsers delete or repair; put behind and into the registered value, as bytes."""

ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "response_type missing": ({"response_type": None}, "invalid_request"),
    "response_type of a token": ({"response_type": "token"}, "unauthorized_client"),
    "response_type unknown": ({"response_type": "none"}, "unsupported_response_type"),
    "response_type hybrid": ({"response_type": "code id_token"}, "unauthorized_client"),
    "scope unknown": ({"scope": "openid nope"}, "invalid_scope"),
    "scope malformed": ({"scope": 'openid "'}, "invalid_scope"),
    "nobody is logged in": ({"prompt": "none"}, "login_required"),
    "prompt unknown": ({"prompt": "create"}, "invalid_request"),
    "prompt contradictory": ({"prompt": "none login"}, "invalid_request"),
    "request object": ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    "request_uri": ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
    "registration": ({"registration": "{}"}, "registration_not_supported"),
    "max_age": ({"max_age": "soon"}, "invalid_request"),
    "claims": ({"claims": "{"}, "invalid_request"),
    "resource": ({"resource": "https://other.example"}, "invalid_target"),
    "PKCE plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "id_token_hint": ({"id_token_hint": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request"),
    "nonce too long": ({"nonce": "n" * 513}, "invalid_request"),
    "display": ({"display": "hologram"}, "invalid_request"),
}
MODES = [None, "query", "fragment", "form_post"]


def is_error_page(answer: Any) -> bool:
    """A page from the server itself that leads nowhere."""
    return (
        400 <= answer.status_code < 500
        and "location" not in answer.headers
        and answer.headers["content-type"].startswith("text/html")
        and "<form" not in answer.text
        and "evil.example" not in answer.headers["content-security-policy"]
    )


@pytest.fixture
def web(server: InProcessServer) -> RegisteredClient:
    return server.register_client(redirect_uris=[CB])


@pytest.mark.spec("RFC 6749 §3.1.2.3")
@pytest.mark.spec("RFC 9700 §2.1")
@pytest.mark.threat("T1")
@pytest.mark.parametrize("uri", ALTERED)
def test_a_redirect_uri_that_differs_in_one_character_gets_a_page(server, web, uri):
    assert is_error_page(server.request_authorization(web, redirect_uri=uri))


@pytest.mark.threat("T2")
@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize("place", [CB + "{}", "https://a.example{}/cb", "{}" + CB, "ht{}tps://a.example/cb"])
def test_what_url_parsers_delete_does_not_make_two_uris_equal(server, web, raw, place):
    query = f"response_type=code&client_id={web.client_id}&scope=openid&redirect_uri="
    before, after = place.split("{}")
    assert is_error_page(server.get(f"/oauth2/auth?{query}{quote(before, safe='')}{raw}{quote(after, safe='')}"))


@pytest.mark.spec("RFC 6749 §3.1.2.4")
def test_an_unregistered_redirect_uri_is_never_redirected_to(server, client):
    """Also what the mutant that accepts every redirect_uri must fail."""
    answer = server.request_authorization(client, redirect_uri="https://evil.example/cb", prompt="none")
    assert is_error_page(answer)


@pytest.mark.spec("RFC 8252 §7.3")
@pytest.mark.threat("T4")
@pytest.mark.parametrize("uri", ["http://127.0.0.1:51004/cb", "http://127.0.0.1:1/cb", LOOPBACK])
def test_a_loopback_address_may_choose_its_port(server, uri):
    native = server.register_client(
        redirect_uris=[LOOPBACK], application_type="native", token_endpoint_auth_method="none"
    )
    location, received = read_authorization_answer(
        server.request_authorization(native, redirect_uri=uri, prompt="none")
    )
    assert location.startswith(uri + "?")
    assert received["error"] == "login_required"


@pytest.mark.threat("T4")
@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:51004/cb", "http://127.0.0.2:1/cb", "http://u@127.0.0.1:1/cb", "http://127.0.0.1:1/other",
        "http://127.0.0.1:1/cb?x=1", "http://127.0.0.1:1/CB", "https://127.0.0.1:1/cb", "http://127.0.0.1:/cb",
        "http://127.0.0.1:99999/cb", "http://127.0.0.1:0x50/cb", "http://127.0.0.1.evil.example/cb",
        "http://[::1]:80/cb", "http://127.0.0.1:80:80/cb", "http://127.1:80/cb", "http://127.0.0.1:1@evil.example/cb",
    ],
)  # fmt: skip
def test_nothing_but_the_port_of_a_loopback_address_is_free(server, uri):
    native = server.register_client(
        redirect_uris=[LOOPBACK], application_type="native", token_endpoint_auth_method="none"
    )
    assert is_error_page(server.request_authorization(native, redirect_uri=uri))


@pytest.mark.threat("T4")
def test_the_freedom_of_the_port_is_for_registered_http_only(server):
    native = server.register_client(redirect_uris=["https://127.0.0.1/cb", "http://localhost/cb"])
    for uri in ("http://127.0.0.1:1/cb", "https://127.0.0.1:1/cb", "http://localhost:1/cb"):
        assert is_error_page(server.request_authorization(native, redirect_uri=uri)), uri


@pytest.mark.threat("T6")
@pytest.mark.spec("RFC 6749 §4.1.2.1")
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("mode", [*MODES, "jwt", "form_post.jwt", "web_message"])
def test_no_error_redirects_before_client_and_redirect_uri_are_good(server, web, kind, mode):
    parameters = {**ERRORS[kind][0], "response_mode": mode}
    for broken in (
        {"redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": None},
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": "nobody", "redirect_uri": "https://evil.example/cb"},
    ):
        answer = server.request_authorization(web, **{**parameters, **broken})
        if broken == {"redirect_uri": None} and "openid" not in (parameters.get("scope") or "openid"):
            continue
        assert is_error_page(answer), (kind, mode, broken)
        assert read_authorization_answer(answer) is None


@pytest.mark.threat("T8")
@pytest.mark.spec("RFC 9207 §2")
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("mode", MODES)
def test_every_error_goes_to_the_client_with_iss_and_state(server, web, kind, mode):
    parameters, error = ERRORS[kind]
    answer = server.request_authorization(web, **{"response_mode": mode, **parameters})
    address, received = read_authorization_answer(answer)
    assert address.startswith(CB)
    if mode != "query" or "token" not in str(parameters.get("response_type")):  # which query itself rules out
        assert received["error"] == error
    assert received["iss"] == ISSUER
    assert received["state"] == "state-1234"
    assert "code" not in received
    if mode is not None and parameters.get("response_type", "code") == "code":
        assert ("#" in address, 'id="form-post"' in answer.text) == (mode == "fragment", mode == "form_post")


@pytest.mark.threat("T8")
@pytest.mark.parametrize("mode", MODES)
def test_a_code_comes_with_iss_in_every_mode(server, client, mode):
    received = server.browser().authorize(client, response_mode=mode)
    assert received["iss"] == server.get("/.well-known/openid-configuration").json()["issuer"]
    assert received["state"] == "state-1234"
    assert server.redeem(client, received["code"]).status_code == 200


@pytest.mark.threat("T9")
def test_a_response_mode_the_client_did_not_register_is_refused(server):
    client = server.register_client(response_modes=["query"])
    for mode in ("fragment", "form_post", "web_message", "query.jwt", "QUERY"):
        address, received = read_authorization_answer(server.request_authorization(client, response_mode=mode))
        assert received["error"] == "invalid_request"
        assert address.startswith("https://client.example/cb?"), mode


@pytest.mark.threat("T10")
@pytest.mark.spec("RFC 9700 §4.12")
def test_every_redirect_is_a_303(server, client):
    browser = server.browser()
    first = server.run(browser.http.get(browser.build_authorization_url(client)))
    assert first.status_code == 303
    browser.open(first.headers["location"])
    form = browser.forms()[0]
    data = {**form.fields, "username": "ada", "password": "correct horse battery staple", "action": "login"}
    assert server.run(browser.http.post(form.action, data=data)).status_code == 303
    browser.open(first.headers["location"])
    browser.submit(action="allow", scope="openid")
    assert browser.page.status_code == 303
    assert browser.page.headers["referrer-policy"] == "no-referrer"


@pytest.mark.threat("T16")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "state",
    [
        '"><svg/onload=1>&code=x', "a&code=evil", "a#code=evil", "%22%3E%0d", "a=b",
        "~!@#$%^&*()_+ `-={}|[]\\:\";'<>?,./",
        "</form><script>alert(1)</script>", "x" * 2048,
    ],
)  # fmt: skip
def test_state_comes_back_as_it_was_and_adds_nothing(server, web, mode, state):
    answer = server.request_authorization(web, state=state, prompt="none", response_mode=mode)
    _, received = read_authorization_answer(answer)
    assert received["state"] == state
    assert set(received) == {"error", "error_description", "state", "iss"}
    assert "<svg/" not in answer.text
    assert "<script>alert" not in answer.text


@pytest.mark.threat("T16")
@pytest.mark.spec("RFC 6749 Appendix A.5")
@pytest.mark.parametrize("state", ["%c3%a9", "%e2%80%ae", "x" * 2049])
def test_a_state_outside_its_characters_is_refused_without_echo(server, web, state):
    query = f"response_type=code&client_id={web.client_id}&scope=openid&redirect_uri={quote(CB, safe='')}"
    _, received = read_authorization_answer(server.get(f"/oauth2/auth?{query}&state={state}"))
    assert received["error"] == "invalid_request"
    assert "state" not in received


@pytest.mark.threat("T98")
@pytest.mark.parametrize("state", ["a%0d%0aSet-Cookie:x=1", "%00", "a%0ab", "%7f"])
def test_control_characters_reach_no_header_and_no_page(server, web, state):
    query = f"response_type=code&client_id={web.client_id}&scope=openid&redirect_uri={quote(CB, safe='')}"
    answer = server.get(f"/oauth2/auth?{query}&state={state}")
    assert is_error_page(answer)
    assert "set-cookie" not in answer.headers


@pytest.mark.spec("OAuth 2.0 Form Post Response Mode §2")
@pytest.mark.threat("T96")
def test_form_post_is_a_page_whose_policy_leads_to_the_client_alone(server, web):
    answer = server.request_authorization(web, response_mode="form_post", prompt="none")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "form-action 'self' https://a.example;" in policy
    assert "script-src 'nonce-" in policy
    assert "unsafe-inline" not in policy
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.spec("RFC 6749 §3.1.2.3")
def test_plain_oauth_may_leave_out_the_only_registered_redirect_uri(server):
    client = server.register_client(scope="read")
    address, _ = read_authorization_answer(
        server.request_authorization(client, redirect_uri=None, scope="read", prompt="none")
    )
    assert address.startswith("https://client.example/cb")
    two = server.register_client(scope="read", redirect_uris=[CB, CB + "2"])
    assert is_error_page(server.request_authorization(two, redirect_uri=None, scope="read", prompt="none"))


@pytest.mark.spec("RFC 6749 §3.1.2")
def test_a_query_of_the_registered_uri_is_kept(server):
    client = server.register_client(redirect_uris=[CB + "?tenant=1"])
    address, received = read_authorization_answer(server.request_authorization(client, prompt="none"))
    assert address.startswith(CB + "?tenant=1&error=login_required")
    assert received["tenant"] == "1"
