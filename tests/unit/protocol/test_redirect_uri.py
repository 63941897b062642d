"""A redirect URI is one exact string; the port of a literal loopback address is the only freedom."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import pytest

from grantway.errors import InvalidRedirectUri, InvalidRequest
from grantway.model import Client
from grantway.protocol.redirect_uri import (
    MAX_LENGTH,
    build_form_action,
    build_redirect,
    check_post_logout_registrable,
    check_registrable,
    choose_redirect_uri,
    is_registered,
    is_web_url,
    parse_authority,
    split_scheme,
)

CB = "https://a.example/cb"


def build_client(*redirect_uris: str) -> Client:
    return Client(tenant="default", client_id="A", redirect_uris=redirect_uris)


@pytest.mark.spec("RFC 9700 §2.1")
def test_the_registered_uri_is_accepted() -> None:
    assert choose_redirect_uri(CB, build_client(CB), is_openid=True) == CB
    assert choose_redirect_uri(CB, build_client("https://b.example/", CB), is_openid=False) == CB


@pytest.mark.spec("RFC 3986 §6.2.1")
@pytest.mark.spec("RFC 9700 §2.1")
@pytest.mark.threat("T1")
@pytest.mark.threat("T2")
@pytest.mark.parametrize(
    "requested",
    [
        "",
        f"{CB}/",
        f"{CB}?",
        f"{CB}?x=1",
        f"{CB};x=1",
        f"{CB}#x",
        f"{CB}#",
        "https://a.example/CB",
        "https://A.example/cb",
        "HTTPS://a.example/cb",
        "http://a.example/cb",
        "https://a.example:443/cb",
        "https://u@a.example/cb",
        "https://a.example\\@evil/cb",
        "https://a.example@x@evil/cb",
        f"{CB}/../cb",
        f"{CB}/..;/x",
        "https://a.example/x/../cb",
        f"{CB}%2f",
        "https://a.example/%63b",
        f"{CB}%0d%0a",
        f"{CB}\r\n",
        f"{CB}\n",
        f"{CB}\x00",
        "https://a.exa\tmple/cb",
        "https://a.example/c\tb",
        "https://\u0430.example/cb",
        "https://a\u3002example/cb",
        f" {CB}",
        f"{CB} ",
        f"\x01{CB}",
        "//a.example/cb",
        "/cb",
        "https://a.example",
        "https://a.example/cb/evil",
        "https://a.example.evil/cb",
    ],
)
def test_whatever_is_not_the_registered_string_is_refused(requested: str) -> None:
    assert not is_registered(requested, [CB])
    with pytest.raises(InvalidRequest):
        choose_redirect_uri(requested, build_client(CB), is_openid=False)


@pytest.mark.spec("RFC 8252 §7.3")
@pytest.mark.threat("T4")
@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65535/cb"),
        ("http://127.0.0.1:8080/cb", "http://127.0.0.1:51004/cb"),
        ("http://127.0.0.1:8080/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1/cb?x=1", "http://127.0.0.1:51004/cb?x=1"),
        ("http://127.0.0.1", "http://127.0.0.1:51004"),
        ("http://127.0.0.1?x=/", "http://127.0.0.1:9?x=/"),
        ("http://[::1]/cb", "http://[::1]:51004/cb"),
    ],
)
def test_only_the_port_of_a_loopback_uri_may_differ(registered: str, requested: str) -> None:
    assert is_registered(requested, ["https://b.example/", registered])


@pytest.mark.spec("RFC 8252 §7.3")
@pytest.mark.threat("T4")
@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("http://127.0.0.1/cb", "http://localhost:51004/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.2:1/cb"),
        ("http://127.0.0.1/cb", "http://u@127.0.0.1:1/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1@evil/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1\\@evil/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.11:80/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/other"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb?x=1"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb#"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:080/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:999999/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:+1/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1_0/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:\u0661\u0662/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1\n/cb"),
        ("http://127.0.0.1/cb", "https://127.0.0.1:51004/cb"),
        ("http://127.0.0.1/cb", "HTTP://127.0.0.1:51004/cb"),
        ("http://127.0.0.1/cb", "http://[::1]:51004/cb"),
        ("http://127.0.0.1/cb", "http://2130706433:51004/cb"),
        ("http://127.0.0.1/cb", "http://127.1:51004/cb"),
        ("http://[::1]/cb", "http://[::1]x:51004/cb"),
        ("http://[::1]/cb", "http://[0:0:0:0:0:0:0:1]:51004/cb"),
        ("https://127.0.0.1/cb", "http://127.0.0.1:1/cb"),
        ("https://127.0.0.1/cb", "https://127.0.0.1:1/cb"),
        ("http://localhost/cb", "http://localhost:1/cb"),
        ("http://localhost:3000/cb", "http://127.0.0.1:3000/cb"),
        ("https://a.example/cb", "http://127.0.0.1:1/cb"),
    ],
)
def test_loopback_frees_nothing_but_the_port(registered: str, requested: str) -> None:
    assert not is_registered(requested, [registered])


@pytest.mark.spec("RFC 6749 §3.1.2.3")
def test_one_registered_uri_is_the_default_of_plain_oauth() -> None:
    assert choose_redirect_uri(None, build_client(CB), is_openid=False) == CB
    for client in (build_client(), build_client(CB, CB + "2")):
        with pytest.raises(InvalidRequest):
            choose_redirect_uri(None, client, is_openid=False)


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_openid_connect_has_no_default_redirect_uri() -> None:
    with pytest.raises(InvalidRequest):
        choose_redirect_uri(None, build_client(CB), is_openid=True)


@pytest.mark.threat("T6")
def test_the_refusal_does_not_repeat_the_uri() -> None:
    with pytest.raises(InvalidRequest) as caught:
        choose_redirect_uri("https://evil.example/", build_client(CB), is_openid=False)
    assert "evil" not in caught.value.description


@pytest.mark.parametrize("application_type", ["web", "native"])
@pytest.mark.parametrize(
    "uri",
    [
        CB,
        "https://a.example",
        "https://a.example:8443/cb?x=1&y=%20",
        "https://a.example/a/../b;c=1/%2F",
        "https://user-content_1.a.example./cb",
        "https://[2001:db8::1]:8443/cb",
        "https://127.0.0.1/cb",
        "http://127.0.0.1/cb",
        "http://127.0.0.1:8080",
        "http://[::1]:1/cb",
        "http://localhost:3000/cb",
        "HTTPS://A.example/cb",
    ],
)
def test_https_and_loopback_http_may_be_registered(uri: str, application_type: str) -> None:
    check_registrable(uri, application_type)
    check_post_logout_registrable(uri)


@pytest.mark.spec("RFC 8252 §8.4")
@pytest.mark.spec("RFC 8252 §7.1")
@pytest.mark.parametrize("uri", ["com.example.app:/cb", "com.example.app://cb/x?y=a@b", "Com.Example:/"])
def test_a_reverse_domain_scheme_is_for_native_clients(uri: str) -> None:
    check_registrable(uri, "native")
    check_post_logout_registrable(uri)
    with pytest.raises(InvalidRedirectUri):
        check_registrable(uri, "web")


@pytest.mark.spec("RFC 3986 §2")
@pytest.mark.spec("RFC 8252 §8.3")
@pytest.mark.spec("RFC 7591 §3.2.2")
@pytest.mark.threat("T3")
@pytest.mark.threat("T5")
@pytest.mark.parametrize("check", [lambda uri: check_registrable(uri, "native"), check_post_logout_registrable])
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "cb",
        "/cb",
        "//a.example/cb",
        "https://a.example/*",
        "https://a.example*",
        "https://*.a.example/cb",
        "https://a.example/cb#",
        "https://a.example/cb#x",
        "https://a.example/c b",
        "https://a.example/c\\b",
        "https://a.example\\@evil/cb",
        "https://a.example/cb\n",
        "https://a.example/c\tb",
        "https://a.example/\x00",
        "https://\u0430.example/cb",
        "https://a.example/é",
        "https://a.example/%",
        "https://a.example/%2",
        "https://a.example/%zz",
        'https://a.example/"',
        "https://a.example/<x>",
        "https://a.example/{x}",
        "https://a.example/^`|",
        "https://u@a.example/cb",
        "https://u:p@a.example/cb",
        "https://:p@a.example/cb",
        "https:///cb",
        "https://",
        "https:",
        "https:a.example/cb",
        "https://?x",
        "https://a.example:/cb",
        "https://a.example:0/cb",
        "https://a.example:65536/cb",
        "https://a.example:x/cb",
        "https://a%2eexample/cb",
        "https://a,b/cb",
        "https://[::1/cb",
        "https://[::1]x/cb",
        "https://[::1]:x/cb",
        "https://[zz]/cb",
        "https://[fe80::1%25eth0]/cb",
        "http://a.example/cb",
        "http://127.0.0.2/cb",
        "http://127.0.0.1.evil/cb",
        "http://localhost.evil/cb",
        "http://u@127.0.0.1/cb",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "\tjavascript:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "DATA:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://a.example/x",
        "about:blank",
        "mailto:a@b.example",
        "ftp://a.example/",
        "myapp:/cb",
        "1com.example:/cb",
        ":/cb",
        "com.example.app:",
        "com.example.app:cb",
        "com.example.app://u@host/cb",
        "urn:ietf:wg:oauth:2.0:oob",
        "https://a.example/" + "a" * MAX_LENGTH,
    ],
)
def test_everything_else_is_refused_at_registration(uri: str, check: Callable[[str], None]) -> None:
    with pytest.raises(InvalidRedirectUri):
        check(uri)


@pytest.mark.spec("RFC 6749 §4.1.2")
@pytest.mark.parametrize(
    ("redirect_uri", "mode", "expected"),
    [
        (CB, "query", f"{CB}?code=a%20b&state=x"),
        (CB, "fragment", f"{CB}#code=a%20b&state=x"),
        (f"{CB}?k=v", "query", f"{CB}?k=v&code=a%20b&state=x"),
        (f"{CB}?", "query", f"{CB}?code=a%20b&state=x"),
        (f"{CB}?k=v&", "query", f"{CB}?k=v&code=a%20b&state=x"),
        (f"{CB}?k=v", "fragment", f"{CB}?k=v#code=a%20b&state=x"),
        ("com.example.app:/cb", "query", "com.example.app:/cb?code=a%20b&state=x"),
    ],
)
def test_the_answer_is_added_without_touching_what_is_there(redirect_uri: str, mode: str, expected: str) -> None:
    assert build_redirect(redirect_uri, {"code": "a b", "state": "x"}, mode) == expected


@pytest.mark.threat("T16")
@pytest.mark.parametrize("state", ['"><svg/onload=1>&code=x', "a&iss=https://evil", "a#b", "a+b %0d%0a/?=;", "~"])
@pytest.mark.parametrize("mode", ["query", "fragment"])
def test_a_state_comes_back_intact_and_adds_no_parameter(state: str, mode: str) -> None:
    location = build_redirect(CB, {"code": "c", "state": state}, mode)
    parts = urlsplit(location)
    assert parse_qsl(getattr(parts, mode), strict_parsing=True) == [("code", "c"), ("state", state)]
    assert location.isascii()
    assert not set(location) & set('"<>\r\n ')


@pytest.mark.spec("CSP Level 3 §2.3.1")
@pytest.mark.parametrize(
    ("redirect_uri", "source"),
    [
        (CB, "https://a.example"),
        ("https://a.example:8443?x", "https://a.example:8443"),
        ("http://127.0.0.1:51004/cb", "http://127.0.0.1:51004"),
        ("http://[::1]:51004/cb", "http:"),
        ("com.example.app:/cb", "com.example.app:"),
        ("com.example.app://host/cb", "com.example.app:"),
    ],
)
def test_a_form_may_lead_on_to_where_the_answer_goes(redirect_uri: str, source: str) -> None:
    assert build_form_action(redirect_uri) == source


@pytest.mark.spec("RFC 3986 §3.1")
@pytest.mark.spec("RFC 3986 §3.2")
def test_a_uri_is_taken_apart_without_repairing_it() -> None:
    assert split_scheme("HTTPS://a") == ("https", "//a")
    assert split_scheme("no-colon") == ("", "no-colon")
    assert split_scheme("\thttps://a") == ("", "\thttps://a")
    authority = parse_authority("//a.example:8443/x")
    assert authority is not None
    assert (authority.host, authority.port) == ("a.example", "8443")
    assert parse_authority("/x") is None
    assert not is_web_url("https://a.example/ x")
    assert not is_web_url("ftp://a.example/")


@pytest.mark.threat("T147")
@pytest.mark.parametrize("unit", ["a", "%41", "%", ":", "[", "@", "/", "http://127.0.0.1:", "."])
def test_long_input_is_refused_before_it_is_looked_into(unit: str) -> None:
    text = "https://" + unit * (100_000 // len(unit))
    assert not is_registered(text, [CB, "http://127.0.0.1/cb"])
    with pytest.raises(InvalidRedirectUri, match="longer than 2048"):
        check_registrable(text, "native")
