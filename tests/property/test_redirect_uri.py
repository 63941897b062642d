"""Whatever is sent: an accepted redirect_uri is a registered string, or one whose loopback port alone differs."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grantway.errors import InvalidRedirectUri
from grantway.protocol.redirect_uri import build_form_action, check_registrable, is_registered

REGISTERED = (
    "https://a.example/cb",
    "https://a.example:8443/cb?x=1",
    "https://127.0.0.1/cb",
    "http://localhost:3000/cb",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:8080/cb?x=1",
    "http://[::1]/cb",
    "com.example.app:/cb",
)
FRAGMENTS = (
    "https", "http", "HTTP", "://", ":", "/", "//", "\\", "@", "#", "?", "&", ";", "..", "%2f", "%00", "%0d%0a", "\r\n",
    "\t", "\x00", " ", "127.0.0.1", "127.0.0.2", "[::1]", "[", "]", "localhost", "a.example", "evil", "cb", "x=1", "0",
    "1", "80", "8080", "65535", "65536", "\u0661", "\u3002", "\u0430", "*", "com.example.app", "javascript",
)  # fmt: skip
# An independent statement of RFC 8252 §7.3: what is left of a loopback URI when its port is taken out.
LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?((?:[/?].*)?)", re.DOTALL | re.ASCII)

pieces = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join)


@st.composite
def edited(draw: st.DrawFn) -> str:
    """A registered URI with something put in, taken out or replaced."""
    uri = draw(st.sampled_from(REGISTERED))
    begin = draw(st.integers(0, len(uri)))
    end = draw(st.integers(begin, len(uri)))
    return uri[:begin] + draw(st.sampled_from(FRAGMENTS) | st.just("") | st.text(max_size=3)) + uri[end:]


@pytest.mark.spec("RFC 9700 §2.1")
@pytest.mark.spec("RFC 8252 §7.3")
@pytest.mark.threat("T1")
@pytest.mark.threat("T2")
@pytest.mark.threat("T4")
@settings(max_examples=500, deadline=None)
@given(requested=edited() | pieces | st.text())
@example(requested="http://127.0.0.1:51004/cb")
@example(requested="http://127.0.0.1:51004/cb\n")
@example(requested="http://127.0.0.1:65536/cb")
def test_an_accepted_uri_is_a_registered_one_but_for_a_loopback_port(requested: str) -> None:
    def take_port_out(uri: str) -> tuple[str, str] | None:
        match = LOOPBACK.fullmatch(uri)
        return (match[1], match[3]) if match and int(match[2] or 1) <= 65535 else None

    shape = take_port_out(requested)
    expected = requested in REGISTERED or (shape is not None and shape in map(take_port_out, REGISTERED))
    assert is_registered(requested, REGISTERED) is expected


@pytest.mark.threat("T3")
@pytest.mark.threat("T5")
@settings(max_examples=500, deadline=None)
@given(uri=edited() | pieces | st.text(), application_type=st.sampled_from(["web", "native"]))
def test_a_registrable_uri_is_harmless(uri: str, application_type: str) -> None:
    try:
        check_registrable(uri, application_type)
    except InvalidRedirectUri:
        return
    assert uri.isascii()
    assert uri.isprintable()
    assert not set(uri) & set(' *#\\"<>^`{|}')
    scheme = uri.partition(":")[0].lower()
    assert scheme in ("https", "http") or ("." in scheme and application_type == "native")
    if scheme == "http":
        assert re.match(r"(?i:http)://(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]+)?([/?]|\Z)", uri)
    if scheme == "https":
        assert "@" not in re.split(r"[/?]", uri[len("https://") :])[0]
    assert is_registered(uri, [uri])
    # What goes into a Content-Security-Policy ends no directive and adds none.
    assert re.fullmatch(r"[a-zA-Z0-9._+:/-]+", build_form_action(uri))
