"""SAML 2.0 assertions that others signed (RFC 7522 §3). Signatures are checked by signxml.

Three steps. ``parse_assertion`` reads the XML without a DTD, entities, comments or the network, and refuses every shape
that a signature could be wrapped in. ``verify_assertion`` has the signature checked with certificates that were pinned,
and reads *only the element that signxml returns*: what was signed. ``check_assertion`` says whether it is right for
this server and this moment. Nothing in an assertion chooses how it is checked: KeyInfo is never looked at.

lxml and signxml are optional (``grantway[saml]``), and loaded with the first assertion.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from grantway.errors import InvalidRequest
from grantway.protocol.sealing import decode_base64url

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_ASSERTION_SIZE: Final = 262144
MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 5000
MAX_ATTRIBUTES: Final = 64  # of one element: canonical XML sorts them, in quadratic time
MAX_NAMESPACES: Final = 256  # declarations in all: likewise
MAX_ID_LENGTH: Final = 256
BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"

_SAML: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_ID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_INSTANT: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,12})?Z")
_TRANSFORMS: Final = frozenset(
    {
        "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
        "http://www.w3.org/2001/10/xml-exc-c14n#",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    }
)
_SIGNATURE_METHODS: Final = (
    "RSA_SHA256", "RSA_SHA384", "RSA_SHA512", "SHA256_RSA_MGF1", "SHA384_RSA_MGF1", "SHA512_RSA_MGF1",
    "ECDSA_SHA256", "ECDSA_SHA384", "ECDSA_SHA512",
)  # fmt: skip
"""By signxml's names: public keys and at least SHA-256, so no HMAC, no DSA and no SHA-1."""
_DIGESTS: Final = ("SHA256", "SHA384", "SHA512")
_CONDITIONS: Final = frozenset({f"{_SAML}AudienceRestriction", f"{_SAML}OneTimeUse", f"{_SAML}ProxyRestriction"})


class InvalidSaml(InvalidRequest):
    """An assertion that is not accepted. Why is in ``detail``, for the log; an endpoint answers with its own error."""

    text = "The SAML assertion is invalid."

    def __init__(self, detail: str) -> None:
        super().__init__(detail=detail)


class UnverifiedAssertion(Struct, frozen=True, eq=False):
    """An assertion that was read and not verified: only good for finding out whose keys it is to be verified with."""

    issuer: str
    subject: str
    root: _Element


class Confirmation(Struct, frozen=True, kw_only=True):
    """A bearer's SubjectConfirmationData (SAML core §2.4.1.2). Instants in seconds."""

    recipient: str
    not_on_or_after: int


class Assertion(Struct, frozen=True, kw_only=True):
    """What a signature says. Instants in seconds."""

    assertion_id: str
    issuer: str
    subject: str
    issued_at: int
    confirmations: tuple[Confirmation, ...]
    """Those by which the bearer is confirmed."""
    audiences: tuple[frozenset[str], ...]
    """One of each has to be us."""
    not_before: int | None = None
    not_on_or_after: int | None = None
    authenticated_at: tuple[int, ...] = ()
    session_ends_at: int | None = None


# -- reading ----------------------------------------------------------------------------------------------------------


def parse_assertion(encoded: str) -> UnverifiedAssertion:
    """Reads the ``assertion`` parameter: one Assertion in XML, in base64url (RFC 7522 §2.1).

    Raises:
        InvalidSaml: it is not that, or built in a way that no issuer builds one.
    """
    if len(encoded) > MAX_ASSERTION_SIZE * 4 // 3 + 4:
        raise InvalidSaml(f"larger than {MAX_ASSERTION_SIZE} bytes")
    xml = decode_base64url(encoded.rstrip("="))  # RFC 7522 §2.1: padding SHOULD NOT be there
    if not xml:
        raise InvalidSaml("not base64url")
    root = _parse_xml(xml)
    if root.tag != f"{_SAML}Assertion":  # a Response, or an EncryptedAssertion
        raise InvalidSaml(f"not an Assertion but {str(root.tag)[:128]}")
    _check_shape(root)
    _check_signature_shape(root)
    subject = root.find(f"{_SAML}Subject/{_SAML}NameID")
    return UnverifiedAssertion(_read_text(_only(root, "Issuer")), _read_text(subject), root)


def _parse_xml(xml: bytes) -> _Element:
    from lxml import etree

    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:  # before any parser sees it: no assertion needs one
        raise InvalidSaml("a document type")
    if xml.count(b"xmlns") > MAX_NAMESPACES:
        raise InvalidSaml(f"more than {MAX_NAMESPACES} namespaces")
    # UTF-8, whatever the document says: in another encoding it could hide what was just looked for
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, collect_ids=False
    )
    try:
        root = etree.fromstring(xml, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InvalidSaml(f"not XML: {str(error)[:200]}") from error
    return root


def _check_shape(root: _Element) -> None:
    """Exactly one assertion, every ID once, and nothing that canonical XML leaves out (SAML core §1.3.4, §5.4.3).

    A comment is not signed: it would split a name in two, of which a reader may see the first half.
    """
    ids: set[str] = set()
    for count, (depth, element) in enumerate(_walk(root), 1):
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise InvalidSaml(f"more than {MAX_DEPTH} levels or {MAX_ELEMENTS} elements")
        if not isinstance(element.tag, str):
            raise InvalidSaml("a comment, a processing instruction or an entity")
        if len(element.attrib) > MAX_ATTRIBUTES:
            raise InvalidSaml(f"more than {MAX_ATTRIBUTES} attributes of one element")
        if element is not root and element.tag in (f"{_SAML}Assertion", f"{_SAML}EncryptedAssertion"):
            raise InvalidSaml("an assertion in an assertion")
        for name, value in element.items():
            if _is_id(str(name)):
                if value in ids:
                    raise InvalidSaml("two elements of one ID")
                ids.add(str(value))
    if root.getprevious() is not None or root.getnext() is not None:
        raise InvalidSaml("something beside the assertion")


def _is_id(name: str) -> bool:
    """Whether some verifier could take the attribute for one that a signature refers to."""
    return name.rpartition("}")[2].lower() == "id"


def _walk(root: _Element) -> Iterator[tuple[int, _Element]]:
    """(depth, element) of the whole tree, without recursion."""
    waiting = [(1, root)]
    while waiting:
        depth, element = waiting.pop()
        yield depth, element
        waiting += [(depth + 1, child) for child in element]


def _check_signature_shape(root: _Element) -> None:
    """One signature, the assertion's own, over the whole of that assertion and nothing else (SAML core §5.4)."""
    signatures = list(root.iter(f"{_DS}Signature"))
    if len(signatures) != 1 or signatures[0].getparent() is not root:
        raise InvalidSaml("no signature of its own, or several")
    signature = signatures[0]
    references = list(signature.iter(f"{_DS}Reference"))
    if len(references) != 1 or signature.find(f"{_DS}Object") is not None:
        raise InvalidSaml("a signature over something else")
    if references[0].get("URI") != f"#{_read_id(root)}":
        raise InvalidSaml("a signature over something else than its own assertion")
    transforms = [transform.get("Algorithm") for transform in references[0].iter(f"{_DS}Transform")]
    if not set(transforms) <= _TRANSFORMS or len(transforms) > 2:  # SAML core §5.4.4
        raise InvalidSaml("a transform that could leave something out")


# -- verifying --------------------------------------------------------------------------------------------------------


def verify_assertion(unverified: UnverifiedAssertion, certificates: Sequence[str], *, now: int) -> Assertion:
    """What one of the pinned certificates signed.

    Args:
        certificates: X.509 in PEM. A certificate is not used before or after its own validity.
        now: seconds.

    Raises:
        InvalidSaml: none of them did, or what was signed is malformed.
    """
    reason = "no certificate is known"
    for certificate in certificates:
        try:
            signed = _verify(unverified.root, certificate, now)
        except InvalidSaml as error:
            reason = error.detail or ""
        else:
            return _read_assertion(signed)
    raise InvalidSaml(reason)


def _verify(root: _Element, certificate: str, now: int) -> _Element:
    """The element that was signed, as signxml made it anew from what it checked."""
    from lxml import etree
    from signxml.algorithms import DigestAlgorithm, SignatureMethod
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    expected = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=frozenset(SignatureMethod[name] for name in _SIGNATURE_METHODS),
        digest_algorithms=frozenset(DigestAlgorithm[name] for name in _DIGESTS),
        ignore_ambiguous_key_info=True,  # the certificate is pinned: what KeyInfo says does not matter
        verification_time=dt.datetime.fromtimestamp(now, dt.UTC),
    )
    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False)
    try:
        verified = XMLVerifier().verify(
            root, x509_cert=certificate, parser=parser, id_attribute="ID", expect_config=expected
        )
    except Exception as error:  # signxml passes on whatever its parts raise about what an attacker wrote
        raise InvalidSaml(f"signature: {type(error).__name__}: {str(error)[:200]}") from error
    signed: _Element | None = verified.signed_xml  # type: ignore[union-attr]  # one reference, one result
    if signed is None or signed.tag != f"{_SAML}Assertion":
        raise InvalidSaml("what was signed is no assertion")
    return signed


def _read_assertion(signed: _Element) -> Assertion:
    """Reads the verified element; what may be there once and is not, or twice, is refused."""
    if signed.get("Version") != "2.0":
        raise InvalidSaml("not version 2.0")
    conditions, subject = _only(signed, "Conditions"), _only(signed, "Subject")
    if any(child.tag not in _CONDITIONS for child in conditions):
        raise InvalidSaml("a condition that is not understood")  # SAML core §2.5.1.1
    statements = signed.findall(f"{_SAML}AuthnStatement")
    ends = [end for each in statements if (end := _read_instant(each, "SessionNotOnOrAfter")) is not None]
    return Assertion(
        assertion_id=_read_id(signed),
        issuer=_read_text(_only(signed, "Issuer")),
        subject=_read_text(_only(subject, "NameID")),
        issued_at=_require_instant(signed, "IssueInstant"),
        confirmations=tuple(_read_confirmations(subject)),
        audiences=tuple(
            frozenset(_read_text(audience) for audience in restriction.findall(f"{_SAML}Audience"))
            for restriction in conditions.findall(f"{_SAML}AudienceRestriction")
        ),
        not_before=_read_instant(conditions, "NotBefore"),
        not_on_or_after=_read_instant(conditions, "NotOnOrAfter"),
        authenticated_at=tuple(_require_instant(each, "AuthnInstant") for each in statements),
        session_ends_at=min(ends, default=None),
    )


def _read_confirmations(subject: _Element) -> Iterator[Confirmation]:
    """Those for a bearer. One that begins later is none (SAML profiles §4.1.4.2): it may not have a NotBefore."""
    for confirmation in subject.findall(f"{_SAML}SubjectConfirmation"):
        if confirmation.get("Method") != BEARER:
            continue
        data = _only(confirmation, "SubjectConfirmationData")
        if data.get("NotBefore") is None:
            yield Confirmation(
                recipient=data.get("Recipient") or "", not_on_or_after=_require_instant(data, "NotOnOrAfter")
            )


def _only(parent: _Element, name: str) -> _Element:
    found = parent.findall(_SAML + name)
    if len(found) != 1:
        raise InvalidSaml(f"{len(found)} times {name}")
    return found[0]


def _read_text(element: _Element | None) -> str:
    if element is None or len(element) or not element.text or element.text != element.text.strip():
        raise InvalidSaml("a name that is not plain text")
    return str(element.text)


def _read_id(element: _Element) -> str:
    identifier = element.get("ID") or ""
    if len(identifier) > MAX_ID_LENGTH or not _ID.fullmatch(identifier):
        raise InvalidSaml("no ID, or none that is one")
    return str(identifier)


def _require_instant(element: _Element, name: str) -> int:
    instant = _read_instant(element, name)
    if instant is None:
        raise InvalidSaml(f"no {name}")
    return instant


def _read_instant(element: _Element, name: str) -> int | None:
    """Seconds; what is below is cut off. UTC only (SAML core §1.3.3)."""
    text = element.get(name)
    if text is None:
        return None
    match = _INSTANT.fullmatch(str(text))
    try:
        if match is None:
            raise ValueError(text)
        return calendar.timegm(dt.datetime(*map(int, match.groups()), tzinfo=dt.UTC).utctimetuple())  # type: ignore[misc, arg-type]
    except ValueError as error:
        raise InvalidSaml(f"{name} is no instant in UTC") from error


# -- checking ---------------------------------------------------------------------------------------------------------


def check_assertion(
    assertion: Assertion,
    *,
    now: int,
    issuer: str,
    audiences: Collection[str],
    recipient: str,
    max_lifetime: int,
    skew: int,
    authn_max_age: int = 0,
    not_before: float = float("-inf"),
) -> int:
    """Whether a verified assertion is right for this server and this moment (RFC 7522 §3).

    Args:
        now, max_lifetime, skew: seconds.
        issuer: whose certificates it was verified with.
        audiences: the names this server goes by.
        recipient: the URL of the token endpoint.
        authn_max_age: how long ago the subject may have signed in, seconds; 0: it does not matter.
        not_before: seconds; what was issued until then is refused: which of it were used already is not known any more.

    Returns:
        The instant after which it will not be accepted again, seconds.

    Raises:
        InvalidSaml: says what is wrong.
    """
    if assertion.issuer != issuer:
        raise InvalidSaml("another Issuer than the one whose keys these are")
    if not assertion.audiences or any(named.isdisjoint(audiences) for named in assertion.audiences):
        raise InvalidSaml("no AudienceRestriction that names this server")  # RFC 7522 §3
    ends = [
        each.not_on_or_after
        for each in assertion.confirmations
        if each.recipient == recipient and each.not_on_or_after + skew > now
    ]
    if not ends:  # RFC 7522 §3
        raise InvalidSaml("no SubjectConfirmation of a bearer with this Recipient that has not expired")
    end = max(ends)
    if assertion.not_on_or_after is not None:
        end = min(end, assertion.not_on_or_after)
    if end + skew <= now:
        raise InvalidSaml("expired")
    if end > now + max_lifetime + skew:  # the memory of used ones lasts no longer than that
        raise InvalidSaml("a NotOnOrAfter too far away")
    if assertion.issued_at <= not_before:
        raise InvalidSaml("issued before all that is good")
    if max(assertion.issued_at, assertion.not_before or 0) > now + skew:
        raise InvalidSaml("not valid yet")
    _check_authentication(assertion, now, skew, authn_max_age)
    return end + skew


def _check_authentication(assertion: Assertion, now: int, skew: int, max_age: int) -> None:
    """When the subject signed in, as far as it is said (RFC 7522 §3)."""
    instants = assertion.authenticated_at
    if any(instant > now + skew for instant in instants):
        raise InvalidSaml("an AuthnInstant in the future")
    if assertion.session_ends_at is not None and assertion.session_ends_at + skew <= now:
        raise InvalidSaml("the session at the issuer has ended")
    if max_age and (not instants or max(instants) + max_age + skew <= now):
        raise InvalidSaml("the subject signed in too long ago")
