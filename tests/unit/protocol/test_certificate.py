"""Certificates as proxies write them, and the names that clients register of them."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.client_certificates import SUBJECT, build_certificate

from grantway.errors import InvalidClientMetadata
from grantway.protocol.certificate import (
    NAME_READERS,
    parse_certificate,
    parse_certificate_header,
    parse_distinguished_name,
    read_subject,
)

CERTIFICATE = build_certificate(SUBJECT, (x509.DNSName("Shop.Example"), x509.RFC822Name("Ops@Shop.Example")))


@pytest.mark.spec("RFC 9440 §2.1")
@pytest.mark.parametrize("form", ["rfc_9440", "escaped", "spaced", "envoy"])
def test_every_form_of_a_header_is_the_same_certificate(form):
    certificate = parse_certificate_header(getattr(CERTIFICATE, form).encode())
    assert certificate.thumbprint == CERTIFICATE.thumbprint
    assert certificate.subject == SUBJECT
    assert certificate.names == {("dns", "shop.example"), ("email", "Ops@shop.example")}
    assert certificate.valid_from < certificate.valid_until


@pytest.mark.threat("T62")
@pytest.mark.parametrize(
    "value",
    [
        b"", b":", b"::", b":AAAA", b"AAAA:", b":AAAA:", b":A\n:", b"x" * 20_000, b"%", b"\xff", b'Cert=""',
        b'Cert="x"',
        b"-----BEGIN CERTIFICATE----- -----END CERTIFICATE-----", CERTIFICATE.rfc_9440.encode() + b" ",
        CERTIFICATE.rfc_9440.encode().replace(b"/", b"_") + b"_", CERTIFICATE.pem + CERTIFICATE.pem,
        b'Subject="a\\";Cert=\\"b";URI=c', CERTIFICATE.envoy.encode() + b"," + CERTIFICATE.envoy.encode(),
    ],
)  # fmt: skip
def test_what_is_not_one_certificate_is_refused(value):
    with pytest.raises(ValueError, match=r".+"):
        parse_certificate_header(value)


def test_a_quoted_subject_cannot_bring_a_certificate_of_its_own():
    other = build_certificate()
    forged = f'Subject="x\\";Cert=\\"{other.escaped}\\"";{CERTIFICATE.envoy}'
    assert parse_certificate_header(forged.encode()).thumbprint == CERTIFICATE.thumbprint


def test_malformed_extensions_are_no_certificate():
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(SUBJECT).issuer_name(SUBJECT).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x04\x01x")
    der = builder.add_extension(broken, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    with pytest.raises(ValueError, match="well-formed"):
        parse_certificate(der)


@pytest.mark.spec("RFC 8705 §2.1.2")
@pytest.mark.spec("RFC 4514 §3")
def test_names_are_equal_when_their_attributes_are():
    same = ["CN=a\\, b,O=c", "cn=a\\2c b,o=c", "2.5.4.3=a\\, b,2.5.4.10=c"]
    assert len({parse_distinguished_name(text) for text in same}) == 1
    assert parse_distinguished_name("CN=a+O=b") == parse_distinguished_name("O=b+CN=a")
    for other in ("O=c,CN=a\\, b", "CN=a\\, b+O=c", "CN=A\\, b,O=c", "CN=a\\, b", "CN=a\\, b,O=c,C=DE"):
        assert parse_distinguished_name(other) != parse_distinguished_name(same[0])
    by_openssl = parse_distinguished_name("emailAddress=a@b.example,serialNumber=1,organizationIdentifier=x")
    assert by_openssl.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)[0].value == "a@b.example"


@pytest.mark.parametrize(
    "value", ["", "x", "CN", "CN=a, O=b", "CN=a,", "XX=a", "C=Germany", 5, None, "CN=" + "x" * 2000]
)
def test_a_subject_that_is_no_distinguished_name_is_refused(value):
    with pytest.raises(InvalidClientMetadata):
        read_subject("tls_client_auth_subject_dn", value)


@pytest.mark.spec("RFC 5280 §7.5")
def test_alternative_names_are_written_in_one_way():
    assert read_subject("name", "CN=shop") == "CN=shop"
    assert NAME_READERS["dns"]("name", "Shop.Example") == "shop.example"
    assert NAME_READERS["ip"]("name", "2001:0DB8::0001") == "2001:db8::1"
    assert NAME_READERS["email"]("name", "Ops@Shop.Example") == "Ops@shop.example"
    assert NAME_READERS["uri"]("name", "spiffe://A/b") == "spiffe://A/b"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("dns", "*.example"), ("dns", ""), ("dns", "a b"), ("dns", "a..b"), ("dns", 5), ("ip", "1.2.3"), ("ip", "a"),
        ("email", "a"), ("email", "@b"), ("email", "a@"), ("uri", ""), ("uri", "a b"),
    ],
)  # fmt: skip
def test_alternative_names_that_are_none_are_refused(kind, value):
    with pytest.raises(InvalidClientMetadata):
        NAME_READERS[kind]("name", value)


def test_a_certificate_without_alternative_names_has_none():
    assert parse_certificate(build_certificate().der).names == frozenset()
