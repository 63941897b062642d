"""Forged SAML assertions: what nobody may accept.

``iterate_forged_assertions`` yields (name, assertion parameter). The names begin with the row of the threat model.
"""

from __future__ import annotations

import base64
import copy
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from msgspec.structs import replace
from tests.saml_issuer import (
    DS,
    PROTOCOL,
    SAML,
    Facts,
    Identity,
    build_assertion,
    build_signed,
    encode,
    make_identity,
    sign,
)

_responses = itertools.count(1)


def iterate_forged_assertions(facts: Facts, identity: Identity, *, victim: str) -> Iterator[tuple[str, str]]:
    """Everything there is: each names ``victim`` where a careless reader looks, or is not for this server and moment.

    Args:
        facts, identity: of a genuine assertion.
    """
    yield from _iterate_documents(facts, identity)
    for name, wrapped in _iterate_wrapped(facts, identity, victim):
        yield f"T81 {name}", encode(wrapped)
    yield from _iterate_names(facts, identity, victim)
    yield from _iterate_keys(facts, identity)
    yield from _iterate_conditions(facts, identity)
    yield from _iterate_malformed(facts, identity)


def _iterate_documents(facts: Facts, identity: Identity) -> Iterator[tuple[str, str]]:
    """T80: what a parser could be made to do."""
    signed = etree.tostring(sign(build_assertion(facts), identity))
    laughs = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
    doctypes = {
        "file entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        "http entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "http://169.254.169.254/">]>',
        "parameter entity": '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://169.254.169.254/"> %x;]>',
        "external DTD": '<!DOCTYPE a SYSTEM "http://169.254.169.254/x.dtd">',
        "billion laughs": f'<!DOCTYPE a [<!ENTITY a0 "ha">{laughs}]>',
        "empty DTD": "<!DOCTYPE a>",
    }
    for name, doctype in doctypes.items():
        for entity in ("x", "a9"):
            body = signed.replace(facts.subject.encode(), f"&{entity};".encode(), 1)
            yield f"T80 {name}, &{entity};", encode(doctype.encode() + body)
        yield f"T80 {name}, unused", encode(doctype.encode() + signed)
    yield "T80 UTF-16", encode(b"\xff\xfe" + signed.decode().encode("utf-16-le"))
    hidden = '<!DOCTYPE a [<!ENTITY x "y">]>'.encode("utf-7") + signed
    yield "T80 UTF-7", encode(b'<?xml version="1.0" encoding="UTF-7"?>' + hidden)
    yield (
        "T80 xinclude",
        encode(
            signed.replace(b"reader", b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>', 1)
        ),
    )
    for depth in (40, 300, 100_000):
        yield f"T80 {depth} levels", encode(signed.replace(b"reader", b"<a>" * depth + b"</a>" * depth, 1))
    attributes = "".join(f' a{number}=""' for number in range(15_000))
    namespaces = "".join(f' xmlns:a{number}="u"' for number in range(8_000))
    for name, many in (("attributes", attributes), ("namespaces", namespaces)):
        for tag in (b"Subject>", b"KeyInfo>"):
            yield (
                f"T80 many {name} of {tag.decode()}",
                encode(signed.replace(tag, f"{tag[:-1].decode()}{many}>".encode(), 1)),
            )
    yield "T80 many elements", encode(signed.replace(b"reader", b"<a/>" * 6000, 1))
    yield "T80 300 kB", encode(signed.replace(b"reader", b"x" * 300_000, 1))
    yield "T80 a stylesheet", encode(b'<?xml-stylesheet href="http://169.254.169.254/"?>' + signed)


def _iterate_wrapped(facts: Facts, identity: Identity, victim: str) -> Iterator[tuple[str, etree._Element]]:
    """T81: signature wrapping, with the Assertion as root and in a Response. ``evil`` is what is not signed."""

    def parts() -> tuple[etree._Element, etree._Element, etree._Element, etree._Element]:
        """(the signed assertion, the same without its signature, that signature, an evil one)"""
        signed = sign(build_assertion(facts), identity)
        bare, signature = copy.deepcopy(signed), signed.find(f"{DS}Signature")
        bare.remove(bare.find(f"{DS}Signature"))
        return signed, bare, copy.deepcopy(signature), build_assertion(replace(facts, subject=victim))

    for name, wrap in _LAYOUTS.items():
        signed, bare, signature, evil = parts()
        yield name, wrap(signed, bare, signature, evil)
        signed, bare, signature, evil = parts()
        evil.set("ID", signed.get("ID"))
        yield f"{name}, same ID", wrap(signed, bare, signature, evil)
        signed, bare, signature, evil = parts()
        response = _respond(wrap(signed, bare, signature, evil))
        yield f"{name}, in a Response", response
    signed, bare, signature, evil = parts()
    yield "evil before the genuine one in a Response", _respond(evil, signed)
    signed, bare, signature, evil = parts()
    yield "evil after the genuine one in a Response", _respond(signed, evil)
    signed, _, _, evil = parts()
    yield "evil in the Extensions of a Response", _respond(_element(f"{PROTOCOL}Extensions", evil), signed)
    signed, _, _, _ = parts()
    yield "genuine, in a Response", _respond(signed)
    response = _respond(build_assertion(replace(facts, subject=victim)))
    response.insert(0, _element(f"{SAML}Issuer"))
    yield "only the Response is signed", sign(response, identity)
    signed, bare, signature, evil = parts()
    evil.insert(1, signature)
    yield "the signature of another assertion", evil
    evil = sign(build_assertion(replace(facts, subject=victim)), make_identity("attacker"))
    evil.append(_element(f"{SAML}Advice", sign(build_assertion(facts), identity)))
    yield "evil with a signature of its own around the genuine one", evil
    twice = sign(sign(build_assertion(facts), identity), make_identity("attacker"))
    yield "two signatures", twice
    twice = sign(sign(build_assertion(facts), make_identity("attacker")), identity)
    yield "two signatures, the genuine one first", twice


def _append(parent: etree._Element, *children: etree._Element) -> etree._Element:
    parent.extend(children)
    return parent


def _element(tag: str, *children: etree._Element) -> etree._Element:
    return _append(etree.Element(tag), *children)


def _respond(*children: etree._Element) -> etree._Element:
    response = _element(f"{PROTOCOL}Response", *children)
    response.set("ID", f"_response{next(_responses)}")
    return response


def _insert(parent: etree._Element, *children: etree._Element) -> etree._Element:
    for child in reversed(children):
        parent.insert(1, child)
    return parent


_LAYOUTS: dict[str, Callable[..., etree._Element]] = {
    "XSW1 the signature in evil, genuine after it": lambda signed, bare, signature, evil: _append(
        _insert(evil, signature), bare
    ),
    "XSW2 genuine in evil, the signature after both": lambda signed, bare, signature, evil: _append(
        evil, bare, signature
    ),
    "XSW3 evil around genuine with its signature": lambda signed, bare, signature, evil: _append(evil, signed),
    "XSW4 genuine around evil": lambda signed, bare, signature, evil: _append(signed, evil),
    "XSW5 the signature in evil, genuine in the Advice": lambda signed, bare, signature, evil: _append(
        _insert(evil, signature), _element(f"{SAML}Advice", bare)
    ),
    "XSW6 genuine in the signature of evil": lambda signed, bare, signature, evil: _insert(
        evil, _append(signature, bare)
    ),
    "XSW7 genuine with its signature in an attribute of evil": lambda signed, bare, signature, evil: _append(
        evil, _element(f"{SAML}AttributeStatement", _element(f"{SAML}Attribute", signed))
    ),
    "XSW8 genuine in an Object of the signature of evil": lambda signed, bare, signature, evil: _insert(
        evil, _append(signature, _element(f"{DS}Object", bare))
    ),
}


def _iterate_names(facts: Facts, identity: Identity, victim: str) -> Iterator[tuple[str, str]]:
    """T81: a name of which a reader may see a part. Comments and processing instructions are not signed."""
    account = f"{victim}.evil"
    for name, hidden in (("comment", "<!---->"), ("comment with text", "<!--x-->"), ("instruction", "<?x y?>")):
        signed = etree.tostring(sign(build_assertion(replace(facts, subject=account)), identity))
        yield f"T81 {name} in NameID", encode(signed.replace(account.encode(), f"{victim}{hidden}.evil".encode()))
        genuine = etree.tostring(sign(build_assertion(facts), identity))
        yield f"T81 {name} elsewhere", encode(genuine.replace(b"reader", f"read{hidden}er".encode()))
    yield "T81 element in NameID", _sign_changed(facts, identity, lambda root: _name(root).append(_element("x")))
    second = _set(_element(f"{SAML}NameID"), victim)
    yield "T81 two NameIDs", _sign_changed(facts, identity, lambda root: _subject(root).append(second))
    yield "T81 two Subjects", _sign_changed(facts, identity, lambda root: root.append(copy.deepcopy(_subject(root))))
    yield "T81 a name between spaces", _sign_changed(facts, identity, lambda root: _set(_name(root), f" {victim} "))
    for name in ("ID", "Id", "id", "{http://www.w3.org/XML/1998/namespace}id", "{urn:x}ID"):
        yield (
            f"T81 two of one {name}",
            _sign_changed(facts, identity, lambda root, name=name: _subject(root).set(name, root.get("ID"))),
        )


def _iterate_keys(facts: Facts, identity: Identity) -> Iterator[tuple[str, str]]:
    """T82, T83: who signed it, with what."""
    attacker = make_identity("attacker")
    yield "T82 another key, named in KeyInfo", build_signed(facts, attacker)
    yield "T82 another key", build_signed(facts, attacker, has_key_info=False)
    elliptic = make_identity("attacker", "P-256")
    yield "T82 another key of another kind", build_signed(facts, elliptic, method="ECDSA_SHA256")
    secrets = {
        "certificate": identity.certificate.encode(),
        "certificate in DER": x509.load_pem_x509_certificate(identity.certificate.encode()).public_bytes(Encoding.DER),
        "text": b"secret",
    }
    for name, secret in secrets.items():
        for method in ("HMAC_SHA256", "HMAC_SHA512", "HMAC_SHA1"):
            yield f"T82 {method} with the {name}", build_signed(facts, identity, method=method, secret=secret)
    yield "T82 SHA-1", build_signed(facts, identity, method="RSA_SHA1", digest="SHA1")
    yield "T82 signature with SHA-1", build_signed(facts, identity, method="RSA_SHA1")
    yield "T82 digest with SHA-1", build_signed(facts, identity, digest="SHA1")
    yield "T83 unsigned", encode(build_assertion(facts))
    signed = sign(build_assertion(facts), identity)
    emptied = copy.deepcopy(signed)
    emptied.find(f"{DS}Signature/{DS}SignatureValue").text = ""
    yield "T83 an empty signature", encode(emptied)
    changed = copy.deepcopy(signed)
    _set(_name(changed), "somebody-else")
    yield "T83 changed after signing", encode(changed)
    for name, digest in (("digest", "DigestValue"), ("signature", "SignatureValue")):
        broken = copy.deepcopy(signed)
        element = next(broken.iter(DS + digest))
        element.text = base64.b64encode(b"x" * 256).decode()
        yield f"T83 another {name}", encode(broken)
    yield "T83 encrypted, not signed", encode(_encrypt(build_assertion(facts), identity))
    for transforms in (("ENVELOPED", "EXCL_C14N", "EXCL_C14N"), ("ENVELOPED", "C14N")):
        yield f"T81 the transforms {transforms}", build_signed(facts, identity, transforms=transforms)
    yield "T83 the whole document is referred to", build_signed(facts, identity, uri="")
    bare = build_assertion(facts)
    bare.insert(1, _element(f"{DS}Signature"))
    yield "T83 a signature without content", encode(bare)


def _iterate_conditions(facts: Facts, identity: Identity) -> Iterator[tuple[str, str]]:
    """T84: genuine, but not for this server or not now. One for each field missing, wrong, doubled, too old."""
    changes = {
        "another Issuer": {"issuer": facts.issuer + ".evil"},
        "another Audience": {"audience": "https://other.example"},
        "an Audience that begins alike": {"audience": f"{facts.audience}.evil.example"},
        "no Audience": {"audience": None},
        "another Recipient": {"recipient": f"{facts.recipient}/x"},
        "no Recipient": {"recipient": None},
        "another method": {"method": "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"},
        "holder of key": {"method": "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"},
        "expired by 61 seconds": {"now": facts.now - 361},
        "not before 61 seconds from now": {"now": facts.now + 61},
        "good for ten years": {"lifetime": 315_360_000},
        "signed in later": {"authenticated_at": facts.now + 3600},
    }
    for name, change in changes.items():
        yield f"T84 {name}", build_signed(replace(facts, **change), identity)
    for name, path in _REQUIRED.items():
        yield f"T84 no {name}", _sign_changed(facts, identity, lambda root, path=path: _drop(root, path))
        doubled = _sign_changed(facts, identity, lambda root, path=path: _double(root, path))
        if name not in _REPEATABLE:
            yield f"T84 two of {name}", doubled
    data = "Subject/SubjectConfirmation/SubjectConfirmationData"
    attributes = {
        "Version": ("", "Version", "1.1"),
        "ID": ("", "ID", "1 2"),
        "long ID": ("", "ID", "x" * 300),
        "IssueInstant": ("", "IssueInstant", "yesterday"),
        "a time zone": ("", "IssueInstant", facts.instant()[:-1] + "+02:00"),
        "13th month": ("Conditions", "NotBefore", "2030-13-01T00:00:00Z"),
        "no NotOnOrAfter": (data, "NotOnOrAfter", None),
        "a NotBefore of the bearer": (data, "NotBefore", facts.instant()),
        "conditions that ended": ("Conditions", "NotOnOrAfter", facts.instant(-61)),
    }
    for name, (path, attribute, value) in attributes.items():
        change = functools.partial(_set_attribute, path=path, name=attribute, value=value)
        yield f"T84 {name}", _sign_changed(facts, identity, change)
    unknown = _element("{urn:x}Condition")
    second = _element(f"{SAML}AudienceRestriction", _set(_element(f"{SAML}Audience"), "https://other.example"))
    for name, element in (("an unknown condition", unknown), ("two audience restrictions, one for another", second)):
        yield f"T84 {name}", _sign_changed(facts, identity, lambda root, it=element: _at(root, "Conditions").append(it))
    ended = _element(f"{SAML}AuthnStatement")
    ended.attrib.update({"AuthnInstant": facts.instant(-500), "SessionNotOnOrAfter": facts.instant(-61)})
    yield "T84 a session that ended", _sign_changed(facts, identity, lambda root: root.append(ended))


def _iterate_malformed(facts: Facts, identity: Identity) -> Iterator[tuple[str, str]]:
    genuine = build_signed(facts, identity)
    raw = etree.tostring(build_assertion(facts))
    texts = {
        "nothing": "", "no base64": "!!!", "plain base64": base64.b64encode(raw + b"\xff\xfe??>>").decode(),
        "a line end within": genuine[:100] + "\n" + genuine[100:], "a JWT": "eyJhbGciOiJub25lIn0.e30.",
        "no XML": encode(b"hello"), "half of it": genuine[: len(genuine) // 2 // 4 * 4], "NUL": encode(b"\0" + raw),
        "no UTF-8": encode(raw.replace(b"reader", b"\xff\xfe")), "another root": encode(_element("a")),
        "two roots": encode(raw + raw), "an empty root": encode(_element(f"{SAML}Assertion")),
        "no text": encode(b"<a/>"), "two of it": genuine + genuine, "padding within": f"{genuine[:40]}=={genuine[40:]}",
        "no ASCII": "é" * 20, "huge": "A" * 400_000,
    }  # fmt: skip
    for name, text in texts.items():
        yield f"T62 {name}", text


_REQUIRED = {
    "Issuer": "Issuer",
    "Subject": "Subject",
    "NameID": "Subject/NameID",
    "SubjectConfirmation": "Subject/SubjectConfirmation",
    "SubjectConfirmationData": "Subject/SubjectConfirmation/SubjectConfirmationData",
    "Conditions": "Conditions",
    "AudienceRestriction": "Conditions/AudienceRestriction",
}
_REPEATABLE = ("SubjectConfirmation", "AudienceRestriction")


def _sign_changed(facts: Facts, identity: Identity, change: Callable[[etree._Element], Any]) -> str:
    """A genuine signature over whatever was made of a genuine assertion. What xmlsec would not sign is made after."""
    root = build_assertion(facts)
    change(root)
    unfit = {each: each.attrib.pop("ID") for each in root.iter() if each is not root and "ID" in each.attrib}
    identifier = root.get("ID")
    if " " in identifier:
        root.set("ID", "_x")
    signed = sign(root, identity)
    signed.set("ID", identifier)
    for each, value in unfit.items():
        each.set("ID", value)
    return encode(signed)


def _at(root: etree._Element, path: str) -> etree._Element:
    found = root.find("/".join(SAML + name for name in path.split("/"))) if path else root
    assert found is not None, path
    return found


def _subject(root: etree._Element) -> etree._Element:
    return _at(root, "Subject")


def _name(root: etree._Element) -> etree._Element:
    return _at(root, "Subject/NameID")


def _set(element: etree._Element, text: str) -> etree._Element:
    element.text = text
    return element


def _set_attribute(root: etree._Element, *, path: str, name: str, value: str | None) -> None:
    element = _at(root, path)
    if value is None:
        del element.attrib[name]
    else:
        element.set(name, value)


def _drop(root: etree._Element, path: str) -> None:
    element = _at(root, path)
    element.getparent().remove(element)


def _double(root: etree._Element, path: str) -> None:
    element = _at(root, path)
    element.addnext(copy.deepcopy(element))


def _encrypt(assertion: etree._Element, identity: Identity) -> etree._Element:
    """An EncryptedAssertion that the server could not even open: nothing says who made it."""
    holder = _element(f"{SAML}EncryptedAssertion", assertion)
    template = xmlsec.template.encrypted_data_create(
        holder, xmlsec.Transform.AES256, type=xmlsec.EncryptionType.ELEMENT, ns="xenc"
    )
    xmlsec.template.encrypted_data_ensure_cipher_value(template)
    context = xmlsec.EncryptionContext()
    context.key = xmlsec.Key.generate(xmlsec.KeyData.AES, 256, xmlsec.KeyDataType.SESSION)
    context.encrypt_xml(template, assertion)
    return holder
