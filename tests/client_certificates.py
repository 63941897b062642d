"""Client certificates for tests: an authority, what it vouches for, and the ways proxies write them into a header."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from grantway.protocol.sealing import encode_base64url

SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Sample, Ltd."),
        x509.NameAttribute(NameOID.COMMON_NAME, "shop"),
    ]
)


class ClientCertificate:
    """A certificate and its private key."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.key, self.der = key, certificate.public_bytes(Encoding.DER)
        self.pem = certificate.public_bytes(Encoding.PEM)
        self.thumbprint = encode_base64url(hashlib.sha256(self.der).digest())

    @property
    def rfc_9440(self) -> str:
        return f":{base64.b64encode(self.der).decode()}:"

    @property
    def escaped(self) -> str:
        """As nginx's $ssl_client_escaped_cert."""
        return quote(self.pem.decode(), safe="")

    @property
    def spaced(self) -> str:
        """As Apache's mod_headers writes %{SSL_CLIENT_CERT}s."""
        return self.pem.decode().replace("\n", " ")

    @property
    def envoy(self) -> str:
        """As Envoy's x-forwarded-client-cert."""
        return f'Hash={hashlib.sha256(self.der).hexdigest()};Cert="{self.escaped}";Subject="CN=\\"x\\""'

    def write(self, folder: Path, name: str) -> str:
        """Certificate and key in one PEM file."""
        file = folder / f"{name}.pem"
        file.write_bytes(self.pem + self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(file)


def build_certificate(
    subject: x509.Name = SUBJECT,
    names: tuple[x509.GeneralName, ...] = (),
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    issuer: ClientCertificate | None = None,
    now: float | None = None,
    days: tuple[int, int] = (-1, 1),
    is_authority: bool = False,
) -> ClientCertificate:
    """A certificate of ``issuer``, or a self-signed one; good from and until ``days`` around ``now`` (seconds)."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    instant = dt.datetime.fromtimestamp(now, dt.UTC) if now is not None else dt.datetime.now(dt.UTC)
    signed_by = x509.load_der_x509_certificate(issuer.der).subject if issuer else subject
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(signed_by).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(instant + dt.timedelta(days=days[0]))
    builder = builder.not_valid_after(instant + dt.timedelta(days=days[1]))
    builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return ClientCertificate(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)
