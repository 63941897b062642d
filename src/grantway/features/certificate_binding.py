"""Access tokens that are good only with the client's TLS certificate (RFC 8705 §3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec.structs import replace

from grantway.client_certificate import find_certificate, has_certificates
from grantway.errors import InvalidClientMetadata, InvalidGrant, InvalidRequest, UnauthorizedClient
from grantway.extension import Call, Decision, Feature, Runtime
from grantway.model import AuthorizationRequest, Client, Tenant
from grantway.protocol.client_metadata import Metadatum, read_boolean
from grantway.protocol.message import Parameters

MEMBER = "x5t#S256"
"""Of ``cnf``: the SHA-256 of the certificate (RFC 8705 §3.1)."""
_FLAG = "tls_client_certificate_bound_access_tokens"


class CertificateBinding(Feature):
    """Binds the tokens of clients that ask for it, and of those whose refresh token is bound already."""

    name = "certificate_binding"
    spec = "RFC 8705 §3"
    is_replayable = True  # it takes that away from requests whose token it binds
    client_metadata: ClassVar[Mapping[str, Metadatum]] = {
        _FLAG: Metadatum(
            "Whether its access tokens are bound to its TLS certificate (RFC 8705 §3.4).",
            read_boolean,
            is_self_service=True,
        )
    }

    def check_authorization_request(
        self, call: Call, client: Client, request: AuthorizationRequest, parameters: Parameters
    ) -> AuthorizationRequest:
        """A token in a redirect is bound to nothing: such clients get none there."""
        if client.extra.get(_FLAG) and "token" in request.response_type.split(" "):
            raise UnauthorizedClient(
                "This client's access tokens are bound to its certificate: use response_type=code."
            )
        return request

    async def shape_decision(self, call: Call, grant_type: str, decision: Decision, parameters: Parameters) -> Decision:
        bound = (decision.confirmation or {}).get(MEMBER)
        if not decision.client.extra.get(_FLAG) and bound is None:
            return decision
        if grant_type == "implicit":
            raise UnauthorizedClient()
        call.is_replayable = False  # the certificate is not in the bytes of a request alone: the peer counts too
        certificate = find_certificate(call)
        if certificate is None:
            raise InvalidRequest("This client's tokens are bound to its TLS certificate, and none was presented.")
        if bound not in (None, certificate.thumbprint):
            raise InvalidGrant("Another TLS certificate was presented than the one this grant is bound to.")
        return replace(decision, confirmation={**(decision.confirmation or {}), MEMBER: certificate.thumbprint})

    def find_possession(self, call: Call, confirmation: Mapping[str, str]) -> frozenset[str]:
        bound = confirmation.get(MEMBER)
        certificate = find_certificate(call) if bound is not None else None
        return frozenset({MEMBER}) if certificate is not None and certificate.thumbprint == bound else frozenset()

    def check_client(self, runtime: Runtime, client: Client) -> None:
        if not client.extra.get(_FLAG):
            return
        if not has_certificates(runtime.settings):
            raise InvalidClientMetadata(f"{_FLAG}: needs the setting serve.client_certificate_header.")
        if any("token" in response_type.split(" ") for response_type in client.response_types):
            raise InvalidClientMetadata(f"{_FLAG}: its response_types must give no token in a redirect.")

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, bool]:
        return {_FLAG: True} if has_certificates(runtime.settings) else {}  # RFC 8705 §3.3
