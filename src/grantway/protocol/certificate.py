"""Client certificates, as the proxy that ended the TLS connection hands them on, and what clients register of them.

Nothing is checked here that only TLS can know: that the other side has the private key, and that a certificate
authority vouches for the certificate. Whose word counts for that is the caller's business.
"""

from __future__ import annotations

import binascii
import hashlib
import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from grantway.errors import InvalidClientMetadata
from grantway.protocol.client_metadata import read_word, require
from grantway.protocol.sealing import encode_base64url

MAX_HEADER_SIZE: Final = 16384


class Certificate(Struct, frozen=True, eq=False):
    """What is looked at of a certificate. Instants in milliseconds."""

    thumbprint: str
    """SHA-256 of the DER, base64url: ``x5t#S256`` (RFC 8705 §3.1)."""
    subject: x509.Name
    names: frozenset[tuple[str, str]]
    """Its subject alternative names: (``dns`` | ``uri`` | ``ip`` | ``email``, value as ``read_name`` writes it)."""
    public_key: bytes
    """SubjectPublicKeyInfo, DER."""
    valid_from: int
    valid_until: int


@lru_cache(maxsize=1024)  # a client sends the same one all the time, and reading it costs 60 µs
def parse_certificate_header(value: bytes) -> Certificate:
    """Reads a certificate as proxies write it into a header: RFC 9440 (``:base64:``), PEM with percent escapes (nginx)
    or with its line ends turned into spaces (Apache), or the ``Cert`` of one ``X-Forwarded-Client-Cert`` (Envoy).

    Raises:
        ValueError: it is none of these, or more than one certificate.
    """
    if len(value) > MAX_HEADER_SIZE:
        raise ValueError("longer than any certificate")
    envoy = _ENVOY.fullmatch(value)
    if envoy is not None:
        value = envoy[1]
    if value[:1] == b":":
        encoded = value[1:-1] if len(value) > 2 and value[-1:] == b":" else b""
    else:
        pem = _PEM.fullmatch(unquote_to_bytes(value) if b"%" in value else value)
        encoded = b"".join(pem[1].split()) if pem is not None else b""
    if not encoded:
        raise ValueError("not a certificate as proxies write one")
    return parse_certificate(binascii.a2b_base64(encoded, strict_mode=True))


def parse_certificate(der: bytes) -> Certificate:
    """Raises ``ValueError``: it is not a well-formed X.509 certificate."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        return Certificate(
            thumbprint=encode_base64url(hashlib.sha256(der).digest()),
            subject=certificate.subject,
            names=_read_alternative_names(certificate),
            public_key=certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            valid_from=int(certificate.not_valid_before_utc.timestamp()) * 1000,
            valid_until=int(certificate.not_valid_after_utc.timestamp()) * 1000,
        )
    except _FAULTS as error:
        raise ValueError("not a well-formed certificate") from error


def parse_distinguished_name(text: str) -> x509.Name:
    """A name in the form of RFC 4514, as ``openssl x509 -subject -nameopt RFC2253`` prints it.

    Names are equal when they have the same attributes in the same order, whatever their text looks like.

    Raises:
        ValueError: it is no such name.
    """
    try:
        name = x509.Name.from_rfc4514_string(text, _ATTRIBUTES)
    except (ValueError, TypeError) as error:
        raise ValueError("not a distinguished name (RFC 4514)") from error
    if not list(name):
        raise ValueError("an empty distinguished name is everybody's")
    return name


def read_subject(name: str, value: Any) -> str:
    """The registered subject of a client's certificate (RFC 8705 §2.1.2). Raises ``InvalidClientMetadata``."""
    if not isinstance(value, str) or len(value) > 1024:
        raise InvalidClientMetadata(f"{name} must be a string of at most 1024 characters.")
    try:
        parse_distinguished_name(value)
    except ValueError as error:
        raise InvalidClientMetadata(f"{name}: {error}.") from error
    return value


def read_dns(name: str, value: Any) -> str:
    text = read_word(name, value).lower()
    require(_DNS.fullmatch(text) is not None, name, "must be a host name, without wildcards")
    return text


def read_ip(name: str, value: Any) -> str:
    text = read_word(name, value)
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise InvalidClientMetadata(f"{name} must be an IP address.") from error


def read_email(name: str, value: Any) -> str:
    """The part before the @ is compared as it is, the host in lower case (RFC 5280 §7.5)."""
    text = read_word(name, value)
    local, separator, host = text.rpartition("@")
    require(bool(separator and local and host), name, "must be an e-mail address")
    return f"{local}@{host.lower()}"


def _read_alternative_names(certificate: x509.Certificate) -> frozenset[tuple[str, str]]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    emails = [email.rpartition("@") for email in names.get_values_for_type(x509.RFC822Name)]
    return frozenset(
        [
            *(("dns", name.lower()) for name in names.get_values_for_type(x509.DNSName)),
            *(("uri", uri) for uri in names.get_values_for_type(x509.UniformResourceIdentifier)),
            *(("ip", str(address)) for address in names.get_values_for_type(x509.IPAddress)),
            *(("email", f"{local}@{host.lower()}") for local, _, host in emails),
        ]
    )


class _Attributes(dict[str, x509.ObjectIdentifier]):
    """Short names of attributes, in any case (RFC 4514 §3)."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.upper(), default)


_PAIR: Final = rb'[A-Za-z]+=(?:"(?:[^"\\]|\\.)*"|[^",;]*)'  # of X-Forwarded-Client-Cert: a quote within is escaped
_ENVOY: Final = re.compile(rb'(?:%b;)*Cert="([^"\\]*)"(?:;%b)*' % (_PAIR, _PAIR))
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*")
_DNS: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_FAULTS: Final = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip
_OID = x509.NameOID
_ATTRIBUTES: Final = _Attributes(
    {
        "CN": _OID.COMMON_NAME,
        "L": _OID.LOCALITY_NAME,
        "ST": _OID.STATE_OR_PROVINCE_NAME,
        "O": _OID.ORGANIZATION_NAME,
        "OU": _OID.ORGANIZATIONAL_UNIT_NAME,
        "C": _OID.COUNTRY_NAME,
        "STREET": _OID.STREET_ADDRESS,
        "DC": _OID.DOMAIN_COMPONENT,
        "UID": _OID.USER_ID,
        # as OpenSSL calls them
        "EMAILADDRESS": _OID.EMAIL_ADDRESS,
        "SERIALNUMBER": _OID.SERIAL_NUMBER,
        "GN": _OID.GIVEN_NAME,
        "SN": _OID.SURNAME,
        "TITLE": _OID.TITLE,
        "POSTALCODE": _OID.POSTAL_CODE,
        "DNQUALIFIER": _OID.DN_QUALIFIER,
        "BUSINESSCATEGORY": _OID.BUSINESS_CATEGORY,
        "ORGANIZATIONIDENTIFIER": _OID.ORGANIZATION_IDENTIFIER,
        "JURISDICTIONC": _OID.JURISDICTION_COUNTRY_NAME,
        "JURISDICTIONST": _OID.JURISDICTION_STATE_OR_PROVINCE_NAME,
        "JURISDICTIONL": _OID.JURISDICTION_LOCALITY_NAME,
    }
)
NAME_READERS: Final[Mapping[str, Callable[[str, Any], str]]] = MappingProxyType(
    {"dns": read_dns, "uri": read_word, "ip": read_ip, "email": read_email}
)
"""The kinds of subject alternative names a client may register, each with what writes its value as ``Certificate``."""
