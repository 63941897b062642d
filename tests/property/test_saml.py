"""Whatever is done to a signed assertion: it is refused, or it still says what was signed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.saml_issuer import Facts, build_assertion, encode, make_identity, sign

from grantway.protocol.saml import Assertion, InvalidSaml, parse_assertion, verify_assertion

NOW = 1_800_000_000
FACTS = Facts(
    issuer="https://idp.example",
    subject="alice",
    audience="https://as.example",
    recipient="https://as.example/oauth2/token",
    now=NOW,
)
IDP = make_identity()
GENUINE = etree.tostring(sign(build_assertion(FACTS), IDP))
MARKUP = [
    b"<", b">", b"/>", b"&#65;", b"&amp;", b"<!-- -->", b"<?x?>", b"<![CDATA[x]]>", b"]]>", b" ", b"\n", b"\0", b"\xff",
    b'ID="x"', b'xmlns="urn:x"', b"<x/>", b"alice", b"admin", b"<ns0:NameID>admin</ns0:NameID>", b"<!DOCTYPE a>",
]  # fmt: skip


def read(xml: bytes) -> Assertion | None:
    """What is taken for signed; None: it is refused."""
    try:
        return verify_assertion(parse_assertion(encode(xml)), (IDP.certificate,), now=NOW)
    except InvalidSaml:
        return None


SIGNED = read(GENUINE)


@pytest.mark.threat("T81")
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_assertion_is_refused_or_says_what_was_signed(data):
    xml = GENUINE
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(xml)))
        length = data.draw(st.sampled_from([0, 0, 1, 5, 50]))
        put = data.draw(st.sampled_from(MARKUP) | st.binary(max_size=8))
        xml = xml[:at] + put + xml[at + length :]
    assert read(xml) in (None, SIGNED)


@pytest.mark.threat("T81")
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_elements_that_are_moved_doubled_or_dropped_change_nothing_that_is_read(data):
    root = etree.fromstring(GENUINE)
    for _ in range(data.draw(st.integers(1, 3))):
        elements = list(root.iter())
        what, where = data.draw(st.sampled_from(elements)), data.draw(st.sampled_from(elements))
        if what is root:
            continue
        if data.draw(st.booleans()):
            what = etree.fromstring(etree.tostring(what, with_tail=False))
        if where in what.iter():
            what.getparent().remove(what)
        else:
            where.insert(data.draw(st.integers(0, len(where))), what)
    assert read(etree.tostring(root)) in (None, SIGNED)


def test_the_genuine_one_is_read():
    assert SIGNED is not None
    assert SIGNED.subject == "alice"


@settings(max_examples=200, deadline=None)
@given(st.text() | st.binary(max_size=200).map(encode))
def test_whatever_is_sent_is_answered(text):
    with contextlib.suppress(InvalidSaml):
        parse_assertion(text)
