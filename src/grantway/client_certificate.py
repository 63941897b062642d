"""The certificate of the TLS connection a request came through, by the word of a trusted proxy (RFC 9440, RFC 8705).

Grantway ends no TLS itself. The header that the settings name is believed from a peer in ``serve.trusted_proxies``;
from anybody else, and under any other name, it is a header like others.
"""

from __future__ import annotations

from grantway.config import Settings
from grantway.errors import InvalidRequest
from grantway.extension import Call
from grantway.protocol.certificate import Certificate, parse_certificate_header


def has_certificates(settings: Settings) -> bool:
    """Whether a proxy hands on certificates."""
    return bool(settings.serve.client_certificate_header)


def find_certificate(call: Call) -> Certificate | None:
    """The client's certificate, unless it has expired or is not valid yet; None: there is none.

    Raises:
        InvalidRequest: the proxy sent two, or what is no certificate.
    """
    name = call.runtime.settings.serve.client_certificate_header
    if not name or not call.request.is_proxied:
        return None
    value = call.request.header(name.encode("ascii"))
    if not value or value == _NOTHING:
        return None
    try:
        certificate = parse_certificate_header(value)
    except ValueError as error:
        raise InvalidRequest("The client certificate cannot be read.", detail=str(error)) from error
    return certificate if certificate.valid_from <= call.now < certificate.valid_until else None


def is_certificate_verified(call: Call) -> bool:
    """Whether the proxy says that a certificate authority vouches for the certificate (RFC 8705 §2.1).

    Raises:
        InvalidRequest: it says so twice.
    """
    name = call.runtime.settings.serve.client_certificate_verify_header
    if not name or not call.request.is_proxied:
        return False
    return call.request.header(name.encode("ascii")) in _VERIFIED


_NOTHING = b"(null)"  # what Apache writes where there is no certificate
_VERIFIED = (b"SUCCESS", b"0")  # nginx and Apache; HAProxy's ssl_c_verify
