"""Signs what a client or a partner brings, JWTs and SAML assertions: as their own programs do with their own keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.asymmetric import ec

from grantway.protocol.jose import Signer
from grantway.protocol.sealing import decode_base64url, encode_base64url


def sign_jwt(private_jwk: Mapping[str, str], claims: Mapping[str, Any]) -> str:
    """A JWT signed by a P-256 key (ES256, RFC 7518 §3.4)."""
    return Signer(private_jwk["kid"], "ES256", _load_key(private_jwk)).sign("JWT", claims)


def build_saml_assertion(
    *, issuer: str, subject: str, audience: str, recipient: str, assertion_id: str, now: int, ttl: int
) -> str:
    """A SAML 2.0 assertion about ``subject`` for a bearer (RFC 7522 §3), not signed yet. ``now``, ``ttl``: seconds."""
    issued, expires = (f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%dT%H:%M:%SZ}" for instant in (now, now + ttl))
    names = [escape(name, {'"': "&quot;"}) for name in (issuer, subject, audience, recipient, assertion_id)]
    issuer, subject, audience, recipient, assertion_id = names
    return f"""\
<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="{assertion_id}" IssueInstant="{issued}" Version="2.0">
  <Issuer>{issuer}</Issuer>
  <Subject>
    <NameID>{subject}</NameID>
    <SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
      <SubjectConfirmationData NotOnOrAfter="{expires}" Recipient="{recipient}"/>
    </SubjectConfirmation>
  </Subject>
  <Conditions NotBefore="{issued}" NotOnOrAfter="{expires}">
    <AudienceRestriction><Audience>{audience}</Audience></AudienceRestriction>
  </Conditions>
</Assertion>"""


def sign_saml(private_jwk: Mapping[str, str], certificate: str, assertion: str) -> str:
    """The assertion with a signature in it, as the ``assertion`` parameter has it (RFC 7522 §2.1). Needs signxml."""
    from lxml import etree
    from signxml.algorithms import CanonicalizationMethod, SignatureConstructionMethod, SignatureMethod
    from signxml.signer import XMLSigner

    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    root = etree.fromstring(assertion.encode())
    signed = signer.sign(
        root, key=_load_key(private_jwk), cert=certificate, reference_uri=root.get("ID"), id_attribute="ID"
    )
    return encode_base64url(etree.tostring(signed))


def _load_key(private_jwk: Mapping[str, str]) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(decode_base64url(private_jwk["d"]) or b""), ec.SECP256R1())
