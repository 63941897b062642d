"""Long-lived tokens for what cannot log in: a pipeline that deploys, an appliance without an administrator
(light-oauth2).

As dangerous as they are convenient, so each is bounded by its client's lifespan and the server's ceiling, belongs to a
stored permission by which it is listed and revoked, is written into the audit, and cannot be refreshed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec.structs import replace

from grantway.config import Settings
from grantway.errors import InvalidClientMetadata, UnauthorizedClient
from grantway.events import Administered
from grantway.extension import Call, Decision, Grant, Runtime
from grantway.grants.client_credentials import FOR_PEOPLE
from grantway.grants.form_claims import ABOUT_PEOPLE, collect_claims
from grantway.issuance import plan_authorization, store_authorization
from grantway.model import Client
from grantway.protocol.client_metadata import Metadatum
from grantway.protocol.lifespan import describe_lifespans, find_lifespans
from grantway.protocol.message import Parameters
from grantway.scopes import find_offered_scope

_NAME = "bootstrap_token"
LIFESPAN = f"{_NAME}_grant_access_token_lifespan"


class BootstrapToken(Grant):
    name = _NAME
    parameters = ("scope", "resource", "audience")
    repeatable = ("resource", "audience")
    requires_confidential_client = True
    client_metadata: ClassVar[Mapping[str, Metadatum]] = {
        LIFESPAN: Metadatum(
            "How long bootstrap tokens of the client live, like 720h, within tokens.max_token_ttl. Without it the "
            "client may have none.",
            describe_lifespans(_NAME, "access")[LIFESPAN].read,
            right="grantway.tokens.write",
        )
    }

    def is_enabled(self, settings: Settings) -> bool:
        return settings.compat.bootstrap_tokens

    def check_client(self, runtime: Runtime, client: Client) -> None:
        """A token that ends before its time is found out when nobody is there any more to make another."""
        lifespan = find_lifespans(client, _NAME).get("access")
        ceiling = runtime.settings.tokens.max_token_ttl
        if lifespan is not None and lifespan > ceiling:
            raise InvalidClientMetadata(f"{LIFESPAN} is longer than the setting tokens.max_token_ttl, {ceiling} s.")

    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        """Everything the client registered, or what it asks for of that, with what it says besides."""
        lifespan = find_lifespans(client, _NAME).get("access")
        if lifespan is None:
            raise UnauthorizedClient("This client may have no bootstrap tokens.")
        planned = plan_authorization(call, client, self.name, subject=None, is_refreshable=False)
        ends_at = min(call.now + lifespan * 1000, planned.expires_at)
        return Decision(
            client=client,
            subject=None,
            scope=await find_offered_scope(call, client, parameters, FOR_PEOPLE),
            audience=client.audience,
            authorization=replace(planned, expires_at=ends_at),
            token_claims=collect_claims(call, self, client, parameters, refused=ABOUT_PEOPLE),
        )

    async def spend(self, call: Call, decision: Decision) -> Decision:
        """Written down before it is given away: what is found in the audit is found among the authorizations."""
        decision = await store_authorization(call, decision)
        authorization = decision.authorization
        call.runtime.events.emit(
            Administered(
                tenant=call.tenant.tenant,
                at=call.now,
                action="bootstrap_token.issue",
                actor=decision.client.client_id,
                key=authorization.authorization_id if authorization is not None else "",
            )
        )
        return decision
