"""What a proxy hands on is a certificate or is refused, whatever it is made of; and so is a name."""

from __future__ import annotations

import base64
import contextlib

import pytest
from cryptography import x509
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.client_certificates import SUBJECT, build_certificate

from grantway.protocol.certificate import parse_certificate, parse_certificate_header, parse_distinguished_name

CERTIFICATE = build_certificate(SUBJECT, (x509.DNSName("shop.example"), x509.RFC822Name("ops@shop.example")))
VERSION = CERTIFICATE.der.index(b"\xa0\x03\x02\x01\x02") + 4


@pytest.mark.threat("T134")
@settings(max_examples=300, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, len(CERTIFICATE.der) - 1), st.integers(0, 255)), max_size=3))
@example(changes=[(VERSION, 7)])
def test_a_damaged_certificate_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    der = bytearray(CERTIFICATE.der)
    for position, byte in changes:
        der[position] = byte
    with contextlib.suppress(ValueError):
        parsed = parse_certificate(bytes(der))
        assert (parsed.thumbprint == CERTIFICATE.thumbprint) == (bytes(der) == CERTIFICATE.der)
        header = b":" + base64.b64encode(bytes(der)) + b":"
        assert parse_certificate_header(header).thumbprint == parsed.thumbprint


@pytest.mark.threat("T134")
@settings(max_examples=300, deadline=None)
@given(
    value=st.binary(max_size=60)
    | st.lists(st.sampled_from([b"Cert=", b'"', b"\\", b";", b",", b"a=", b":", b"%", b"A"])).map(b"".join)
)
def test_any_header_is_read_or_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_certificate_header(value)


@settings(max_examples=300, deadline=None)
@given(
    values=st.lists(
        st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8), min_size=1, max_size=4
    )
)
def test_a_name_that_was_written_is_read_as_the_same_name(values: list[str]) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, value) for value in values])
    assert parse_distinguished_name(name.rfc4514_string()) == name


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(max_size=30)
    | st.lists(st.sampled_from(["CN", "=", ",", "+", "\\", "#", "a", "4", " ", '"'])).map("".join)
)
def test_any_text_is_a_name_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert list(parse_distinguished_name(text))
