"""tls_client_auth and self_signed_tls_client_auth (RFC 8705 §2): the certificate of the connection proves the client.

That the client has the private key, and for ``tls_client_auth`` that a certificate authority vouches for the
certificate, is found out by the proxy that ends TLS; see ``grantway.client_certificate`` for whose word counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from grantway.client_certificate import find_certificate, has_certificates, is_certificate_verified
from grantway.config import Settings
from grantway.errors import FetchFailed, InvalidClient, InvalidClientMetadata
from grantway.extension import Call, ClientAuthentication, Credential, Runtime
from grantway.model import Client
from grantway.protocol.certificate import (
    NAME_READERS,
    Certificate,
    parse_distinguished_name,
    read_subject,
)
from grantway.protocol.client_keys import KEY_METADATA, check_keys
from grantway.protocol.client_metadata import Metadatum
from grantway.protocol.foreign_jwt import ForeignKey
from grantway.protocol.message import Parameters, Request

_SUBJECT = "tls_client_auth_subject_dn"
_NAMES = {kind: f"tls_client_auth_san_{kind}" for kind in NAME_READERS}
_DESCRIBED = {"dns": "host name", "uri": "URI", "ip": "IP address", "email": "e-mail address"}


class _ByCertificate(ClientAuthentication):
    """The request states its ``client_id`` and nothing else (RFC 8705 §2); the certificate is the connection's."""

    is_ambient = True
    parameters = ("client_id",)

    def parse_credential(self, request: Request, parameters: Parameters) -> Credential | None:
        client_id = parameters.get("client_id")
        if client_id is None or not request.is_proxied or request.header(b"authorization") is not None:
            return None
        return Credential(client_id)


class TlsClientAuth(_ByCertificate):
    """A certificate that a certificate authority vouches for, with the one name that the client registered."""

    name = "tls_client_auth"
    spec = "RFC 8705 §2.1"
    methods = ("tls_client_auth",)
    client_metadata: ClassVar[Mapping[str, Metadatum]] = {  # RFC 8705 §2.1.2
        _SUBJECT: Metadatum(
            "The subject of its certificate, as a string of RFC 4514 (tls_client_auth).",
            read_subject,
            is_self_service=True,
        ),
        **{
            name: Metadatum(
                f"A {_DESCRIBED[kind]} in its certificate's alternative names (tls_client_auth).",
                read,
                is_self_service=True,
            )
            for (kind, read), name in zip(NAME_READERS.items(), _NAMES.values(), strict=True)
        },
    }

    def list_methods(self, settings: Settings) -> tuple[str, ...]:
        return self.methods if settings.serve.client_certificate_verify_header else ()

    async def authenticate(self, call: Call, client: Client, credential: Credential) -> str | None:
        certificate = find_certificate(call)
        if certificate is None or not is_certificate_verified(call):
            return None
        return self.name if _is_named(client, certificate) else None

    def check_client(self, runtime: Runtime, client: Client) -> None:
        names = [name for name in self.client_metadata if client.extra.get(name) is not None]
        is_used = client.token_endpoint_auth_method == self.name
        if is_used and len(names) != 1:  # RFC 8705 §2.1.2
            raise InvalidClientMetadata(
                f"{_SUBJECT}: {self.name} needs exactly one of {', '.join(self.client_metadata)}."
            )
        if names and not is_used:
            raise InvalidClientMetadata(f"{names[0]}: is for clients with the method {self.name}.")


class SelfSignedTlsClientAuth(_ByCertificate):
    """A certificate with a key that the client registered, whoever signed it."""

    name = "self_signed_tls_client_auth"
    spec = "RFC 8705 §2.2"
    methods = ("self_signed_tls_client_auth",)
    client_metadata = KEY_METADATA
    fetches = ("jwks_uri",)

    def list_methods(self, settings: Settings) -> tuple[str, ...]:
        return self.methods if has_certificates(settings) else ()

    async def authenticate(self, call: Call, client: Client, credential: Credential) -> str | None:
        certificate = find_certificate(call)
        if certificate is None or client.token_endpoint_auth_method != self.name:
            return None
        try:
            keys = await call.runtime.foreign_keys.load(
                jwks=client.extra.get("jwks"), jwks_uri=client.extra.get("jwks_uri"), purpose="jwks_uri", kid=None
            )
        except FetchFailed as error:
            raise InvalidClient(detail=error.detail) from error
        return self.name if any(_dump(key) == certificate.public_key for key in keys.keys) else None

    def check_client(self, runtime: Runtime, client: Client) -> None:
        if client.token_endpoint_auth_method == self.name:
            check_keys(client, is_required=True)


def _is_named(client: Client, certificate: Certificate) -> bool:
    """Compares what was parsed, never text: a name has many spellings, and may hold what looks like another."""
    subject = client.extra.get(_SUBJECT)
    if subject is not None:
        return parse_distinguished_name(subject) == certificate.subject
    return any((kind, client.extra[name]) in certificate.names for kind, name in _NAMES.items() if name in client.extra)


def _dump(key: ForeignKey) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    public: bytes = key.jose.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public
