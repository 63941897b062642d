"""Public clients: ``none`` (RFC 6749 §2.1, RFC 7591 §2)."""

from __future__ import annotations

from grantway.extension import Call, ClientAuthentication, Credential
from grantway.model import Client
from grantway.protocol.message import Parameters, Request


class PublicClient(ClientAuthentication):
    """A client that only states its ``client_id``; good for clients registered with ``none``, and for no other."""

    name = "none"
    spec = "RFC 7591 §2"
    methods = ("none",)
    is_replayable = True
    is_ambient = True
    parameters = ("client_id",)

    def parse_credential(self, request: Request, parameters: Parameters) -> Credential | None:
        client_id = parameters.get("client_id")
        if client_id is None or request.header(b"authorization") is not None:
            return None
        if parameters.has("client_secret") or parameters.has("client_assertion"):
            return None
        return Credential(client_id)

    async def authenticate(self, call: Call, client: Client, credential: Credential) -> str | None:
        return "none" if client.is_public else None
