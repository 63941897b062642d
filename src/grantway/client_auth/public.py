"""Public clients: ``none`` (RFC 6749 §2.1, RFC 7591 §2)."""

from __future__ import annotations

from grantway.errors import InvalidClient
from grantway.extension import Call, ClientAuthentication, Runtime
from grantway.model import Client, Tenant
from grantway.protocol.message import Parameters, Request


class PublicClient(ClientAuthentication):
    """A client that only states its ``client_id``; good for clients registered with ``none``, and for no other."""

    name = "none"
    spec = "RFC 7591 §2"
    methods = ("none",)
    parameters = ("client_id",)

    def is_presented(self, request: Request, parameters: Parameters) -> bool:
        return (
            parameters.get("client_id") is not None
            and not parameters.has("client_secret")
            and not parameters.has("client_assertion")
            and request.header(b"authorization") is None
        )

    def parse_client_id(self, request: Request, parameters: Parameters) -> str:
        client_id = parameters.get("client_id")
        if client_id is None:
            raise InvalidClient()
        return client_id

    async def authenticate(self, call: Call, client: Client, parameters: Parameters) -> str | None:
        return "none" if client.is_public else None

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, list[str]]:
        return {"token_endpoint_auth_methods_supported": list(self.methods)}
