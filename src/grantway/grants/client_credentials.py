"""The client acts for itself (RFC 6749 §4.4)."""
# hot path: bench/ "client credentials (opaque)"

from __future__ import annotations

from grantway.extension import Call, Decision, Grant
from grantway.model import Client
from grantway.protocol.lifespan import describe_lifespans
from grantway.protocol.message import Parameters
from grantway.scopes import find_offered_scope


class ClientCredentials(Grant):
    name = "client_credentials"
    spec = "RFC 6749 §4.4"
    parameters = ("scope", "resource", "audience")
    repeatable = ("resource", "audience")
    is_replayable = True
    requires_confidential_client = True  # RFC 6749 §4.4: "MUST only be used by confidential clients"
    client_metadata = describe_lifespans("client_credentials", "access")

    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        """Everything the client registered, or its defaults when it asks for nothing (RFC 6749 §3.3)."""
        scope = await find_offered_scope(call, client, parameters, FOR_PEOPLE)
        return Decision(client=client, subject=None, scope=scope, audience=client.audience)


FOR_PEOPLE = frozenset({"openid", "offline_access"})  # no person, no ID token and nothing to refresh (RFC 6749 §4.4.3)
