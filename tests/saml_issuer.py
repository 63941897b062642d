"""Genuine SAML assertions: built by pysaml2, signed by xmlsec; neither is what the server verifies them with."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
from typing import Any

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree
from msgspec import Struct
from saml2 import saml

from grantway.protocol.sealing import encode_base64url

SAML, DS = "{urn:oasis:names:tc:SAML:2.0:assertion}", "{http://www.w3.org/2000/09/xmldsig#}"
PROTOCOL = "{urn:oasis:names:tc:SAML:2.0:protocol}"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_numbers = itertools.count(1)


class Identity(Struct, frozen=True):
    """A key and its certificate, both in PEM."""

    key: bytes
    certificate: str


@functools.lru_cache(maxsize=16)
def make_identity(name: str = "idp", kind: str = "RSA", *, valid_from: int = 0, days: int = 36500) -> Identity:
    """One of its own for each name and kind; ``valid_from``: seconds since the epoch."""
    key: Any = rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(_CURVES[kind])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = dt.datetime.fromtimestamp(valid_from, dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=days))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return Identity(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), pem)


class Facts(Struct, frozen=True, kw_only=True):
    """What a genuine assertion says. Instants in seconds; None leaves out."""

    issuer: str
    subject: str
    audience: str | None
    recipient: str | None
    now: int
    lifetime: int = 300
    method: str = BEARER
    authenticated_at: int | None = None

    def instant(self, offset: int = 0) -> str:
        return format_instant(self.now + offset)


def format_instant(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build_assertion(facts: Facts) -> etree._Element:
    """As pysaml2 writes it, unsigned, with an ID of its own."""
    end = facts.instant(facts.lifetime)
    data = saml.SubjectConfirmationData(recipient=facts.recipient, not_on_or_after=end)
    audiences = [saml.Audience(text=facts.audience)] if facts.audience is not None else []
    assertion = saml.Assertion(
        version="2.0",
        id=f"_{next(_numbers):032x}",
        issue_instant=facts.instant(),
        issuer=saml.Issuer(text=facts.issuer),
        subject=saml.Subject(
            name_id=saml.NameID(text=facts.subject, format=saml.NAMEID_FORMAT_PERSISTENT),
            subject_confirmation=[saml.SubjectConfirmation(method=facts.method, subject_confirmation_data=data)],
        ),
        conditions=saml.Conditions(
            not_before=facts.instant(),
            not_on_or_after=end,
            audience_restriction=[saml.AudienceRestriction(audience=audiences)],
        ),
        attribute_statement=[
            saml.AttributeStatement(
                attribute=[saml.Attribute(name="role", attribute_value=[saml.AttributeValue(text="reader")])]
            )
        ],
    )
    if facts.authenticated_at is not None:
        reference = saml.AuthnContextClassRef(text=saml.AUTHN_PASSWORD_PROTECTED)
        assertion.authn_statement = [
            saml.AuthnStatement(
                authn_instant=format_instant(facts.authenticated_at),
                authn_context=saml.AuthnContext(authn_context_class_ref=reference),
            )
        ]
    return etree.fromstring(assertion.to_string())


def sign(
    root: etree._Element,
    identity: Identity,
    *,
    method: str = "RSA_SHA256",
    digest: str = "SHA256",
    has_key_info: bool = True,
    transforms: tuple[str, ...] = ("ENVELOPED", "EXCL_C14N"),
    uri: str | None = None,
    secret: bytes | None = None,
) -> etree._Element:
    """Signs the element in place, the signature after its Issuer. ``secret``: of an HMAC."""
    make = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, getattr(xmlsec.Transform, method), ns="ds")
    root.insert(1, make)
    reference = xmlsec.template.add_reference(
        make, getattr(xmlsec.Transform, digest), uri=f"#{root.get('ID')}" if uri is None else uri
    )
    for transform in transforms:
        xmlsec.template.add_transform(reference, getattr(xmlsec.Transform, transform))
    context = xmlsec.SignatureContext()
    if secret is not None:
        context.key = xmlsec.Key.from_binary_data(xmlsec.KeyData.HMAC, secret)
    else:
        context.key = xmlsec.Key.from_memory(identity.key, xmlsec.KeyFormat.PEM)
    if has_key_info and secret is None:
        context.key.load_cert_from_memory(identity.certificate.encode(), xmlsec.KeyFormat.PEM)
        key_info = xmlsec.template.ensure_key_info(make)
        xmlsec.template.x509_data_add_certificate(xmlsec.template.add_x509_data(key_info))
    xmlsec.tree.add_ids(root, ["ID"])
    context.sign(make)
    return root


def encode(root: etree._Element | bytes) -> str:
    """As the ``assertion`` parameter has it."""
    return encode_base64url(root if isinstance(root, bytes) else etree.tostring(root))


def build_signed(facts: Facts, identity: Identity, **options: Any) -> str:
    return encode(sign(build_assertion(facts), identity, **options))


_CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
