"""Front-channel logout: the page after a logout shows a hidden frame of each application, then goes on."""

from __future__ import annotations

import html
import logging
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from grantway.admin.clients import create_client, disable_client, replace_client
from grantway.errors import InvalidClientMetadata
from grantway.protocol import logout as rules
from grantway.testing.in_process import ISSUER

PATH = "/oauth2/sessions/logout"
FIELDS = {"redirect_uris": ["https://shop.example/cb", "http://127.0.0.1:7000/cb"]}
ACCEPTED = [
    "https://shop.example/logout", "https://SHOP.example:443/logout?a=b&c=%20", "http://127.0.0.1:7000/",
]  # fmt: skip
REFUSED = [
    "https://other.example/logout", "https://shop.example:8443/logout", "http://shop.example/logout",
    "http://127.0.0.1:7001/", "http://localhost:7000/", "https://sub.shop.example/", "https://shop.example/#x",
    "https://me@shop.example/", "javascript:alert(1)", "data:text/html,x", "//shop.example/", "", 1, ["https://x"],
    "https://shop.example/ x", "http://[::1]:7000/",
]  # fmt: skip


def register(server, name, **metadata):
    return server.register_client(
        client_name=name,
        redirect_uris=[f"https://{name}.example/cb"],
        post_logout_redirect_uris=[f"https://{name}.example/bye"],
        **metadata,
    )


def register_framed(server, name, query=""):
    return register(server, name, frontchannel_logout_uri=f"https://{name}.example/out{query}")


def enter(server, *clients):
    browser = server.browser()
    return browser, [server.redeem(each, browser.authorize(each)["code"]).json() for each in clients]


def leave(server, browser, tokens, **parameters):
    return server.run(browser.http.get(PATH, params={"id_token_hint": tokens["id_token"], **parameters}))


def read_frames(page):
    return [html.unescape(url) for url in re.findall(r'<iframe src="([^"]*)"', page.text)]


def read_policy(page):
    directives = page.headers["content-security-policy"].split("; ")
    return {name: sources for name, _, sources in (directive.partition(" ") for directive in directives)}


@pytest.mark.threat("T96")
def test_no_page_opens_more_frames_than_a_browser_can_bear(server, monkeypatch, caplog):
    monkeypatch.setattr(rules, "MOST_FRAMES", 2)
    clients = [register_framed(server, f"many{number}") for number in range(4)]
    browser, (tokens, *_) = enter(server, *clients)
    with caplog.at_level(logging.WARNING, "grantway.logout"):
        page = leave(server, browser, tokens)
    assert len(read_frames(page)) == 2
    assert len(read_policy(page)["frame-src"].split()) == 2
    assert "2 clients could not be told" in caplog.text


@pytest.mark.spec("OpenID Connect Front-Channel Logout §2")
@pytest.mark.parametrize("uri", ACCEPTED)
def test_an_address_where_the_client_is_sent_to_may_be_framed(server, uri):
    fields = {**FIELDS, "frontchannel_logout_uri": uri, "frontchannel_logout_session_required": True}
    created = server.run(create_client(server.runtime, "default", fields, actor="test"))
    assert created.client.extra["frontchannel_logout_uri"] == uri


@pytest.mark.spec("OpenID Connect Front-Channel Logout §2")
@pytest.mark.threat("T96")
@pytest.mark.parametrize("uri", REFUSED)
def test_no_other_address_may_be_framed(server, uri):
    fields = {**FIELDS, "frontchannel_logout_uri": uri}
    with pytest.raises(InvalidClientMetadata, match="frontchannel_logout_uri"):
        server.run(create_client(server.runtime, "default", fields, actor="test"))


@pytest.mark.spec("OpenID Connect Front-Channel Logout §2")
def test_nor_does_it_stay_when_the_redirect_uris_move_away(server):
    fields = {**FIELDS, "frontchannel_logout_uri": ACCEPTED[0]}
    client = server.run(create_client(server.runtime, "default", fields, actor="test")).client
    moved = {"redirect_uris": ["https://elsewhere.example/cb"], "frontchannel_logout_uri": ACCEPTED[0]}
    with pytest.raises(InvalidClientMetadata, match="frontchannel_logout_uri"):
        server.run(replace_client(server.runtime, "default", client.client_id, moved, actor="test"))


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.2")
@pytest.mark.parametrize("uri", ["http://shop.example/", "https://shop.example/#x", "ftp://shop.example/", "/x", "", 1])
def test_a_backchannel_address_is_https_without_a_fragment(server, uri):
    fields = {**FIELDS, "backchannel_logout_uri": uri}
    with pytest.raises(InvalidClientMetadata, match="backchannel_logout_uri"):
        server.run(create_client(server.runtime, "default", fields, actor="test"))


@pytest.mark.spec("OpenID Connect Front-Channel Logout §3")
@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.1")
def test_discovery_says_that_clients_are_told(server):
    document = server.get("/.well-known/openid-configuration").json()
    for channel in ("frontchannel", "backchannel"):
        assert document[f"{channel}_logout_supported"] is True
        assert document[f"{channel}_logout_session_supported"] is True


@pytest.mark.spec("OpenID Connect Front-Channel Logout §2")
@pytest.mark.spec("OpenID Connect Front-Channel Logout §3")
def test_every_application_of_the_session_is_framed_with_issuer_and_session(server, verify):
    shop, mail = register_framed(server, "shop"), register_framed(server, "mail", "?x=1&y=2")
    stranger, quiet = register_framed(server, "stranger"), register(server, "quiet")
    enter(server, stranger)
    browser, (tokens, _, _) = enter(server, shop, mail, quiet)
    page = leave(server, browser, tokens)
    sid = verify(tokens["id_token"]).claims["sid"]
    frames = {urlsplit(url).netloc: dict(parse_qsl(urlsplit(url).query)) for url in read_frames(page)}
    named = {"iss": ISSUER, "sid": sid}
    assert frames == {"shop.example": named, "mail.example": {"x": "1", "y": "2", **named}}
    assert 'http-equiv="refresh"' not in page.text, "there is nowhere to go on to"


@pytest.mark.threat("T96")
def test_the_policy_allows_those_origins_and_nothing_else_more(server):
    shop, mail = register_framed(server, "shop"), register_framed(server, "mail")
    browser, (tokens, _) = enter(server, shop, mail)
    bare = read_policy(server.run(server.browser().http.get(PATH)))
    page = leave(server, browser, tokens, post_logout_redirect_uri="https://shop.example/bye")
    policy = read_policy(page)
    assert set(policy.pop("frame-src", "").split()) == {"https://shop.example", "https://mail.example"}
    assert re.fullmatch(r"'nonce-[A-Za-z0-9+/=]+'", policy.pop("script-src"))
    assert policy == bare
    for frame in re.findall(r"<iframe[^>]*>", page.text):
        assert 'sandbox="allow-same-origin allow-scripts"' in frame
        assert 'referrerpolicy="no-referrer"' in frame
        assert " hidden" in frame


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
def test_the_page_goes_on_to_the_client_with_and_without_script(server):
    shop = register_framed(server, "shop")
    browser, (tokens,) = enter(server, shop)
    page = leave(server, browser, tokens, post_logout_redirect_uri="https://shop.example/bye", state="a&b")
    assert page.status_code == 200
    target = "https://shop.example/bye?state=a%26b"
    link = re.search(r'<a [^>]*id="return" href="([^"]*)"', page.text)
    assert html.unescape(link[1]) == target
    refresh = re.search(r'<noscript><meta http-equiv="refresh" content="([^"]*)"></noscript>', page.text)
    assert html.unescape(refresh[1]) == f"{server.settings.logout.frontchannel_timeout}; url={target}"
    assert "location.replace" in page.text


def test_where_nobody_is_to_be_told_the_way_back_is_straight(server):
    quiet = register(server, "quiet")
    browser, (tokens,) = enter(server, quiet)
    answer = leave(server, browser, tokens, post_logout_redirect_uri="https://quiet.example/bye")
    assert (answer.status_code, answer.headers["location"]) == (303, "https://quiet.example/bye")


@pytest.mark.parametrize("way", ["/account/logout", "/account/sessions", PATH])
def test_the_frames_come_once_however_the_person_left(server, username, verify, way):
    shop = register_framed(server, "shop")
    browser = server.browser()
    tokens = server.redeem(shop, browser.authorize(shop, username=username)["code"]).json()
    fields = {
        "/account/logout": {},
        "/account/sessions": {"action": "end", "session_id": verify(tokens["id_token"]).claims["sid"]},
        PATH: {"action": "logout"},
    }
    other = server.browser()
    other.log_in(username)  # so that there is a session to end, too
    browser.open(PATH if way == PATH else "/account")
    index = next(number for number, form in enumerate(browser.forms()) if form.action.startswith(way))
    page = browser.submit(index, **fields[way])
    assert len(read_frames(page)) == 1
    assert server.run(browser.http.get("/account")).status_code == 303
    assert read_frames(browser.open(PATH)) == []


def test_a_client_that_was_disabled_is_not_framed(server):
    shop, mail = register_framed(server, "shop"), register_framed(server, "mail")
    browser, (tokens, _) = enter(server, shop, mail)
    server.run(disable_client(server.runtime, "default", mail.client_id, actor="test"))
    assert [urlsplit(url).netloc for url in read_frames(leave(server, browser, tokens))] == ["shop.example"]


def test_no_more_are_framed_than_a_header_may_name(server):
    names = [f"application{number}-" + "x" * 40 for number in range(80)]
    clients = [register_framed(server, name) for name in names]
    browser, tokens = enter(server, *clients)
    page = leave(server, browser, tokens[0])
    assert 30 < len(read_frames(page)) < len(clients)
    assert len(page.headers["content-security-policy"]) < 4000
