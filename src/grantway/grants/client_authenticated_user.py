"""A client has logged a person in itself, says who it is, and gets tokens for them (light-oauth2).

Such a client could name anybody: it is trusted with every account. So nobody makes one who may not administer users,
and a token says no more than that: this server has not seen the person, and gives no ID token and no ``auth_time``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from grantway.accounts import find_named_subject
from grantway.config import Settings
from grantway.errors import InvalidGrant, InvalidRequest, UnauthorizedClient
from grantway.extension import Call, Decision, Grant
from grantway.grants.form_claims import collect_claims
from grantway.issuance import plan_authorization, store_authorization
from grantway.model import Client
from grantway.protocol.client_metadata import Metadatum, read_choice
from grantway.protocol.lifespan import describe_lifespans
from grantway.protocol.message import Parameters
from grantway.scopes import find_offered_scope

_NAME = "client_authenticated_user"
_NOT_SEEN = frozenset({"openid"})
"""To say who somebody is takes having seen them."""
_CLAIMS: Mapping[str, str] = {"userType": "user_type", "roles": "roles"}


class ClientAuthenticatedUser(Grant):
    name = _NAME
    parameters = ("userId", "userType", "roles", "scope", "resource", "audience")
    repeatable = ("resource", "audience")
    requires_confidential_client = True
    client_metadata: ClassVar[Mapping[str, Metadatum]] = {
        **describe_lifespans(_NAME, "access", "refresh"),
        "names_users_by": Metadatum(
            "How the client names users that it logged in itself (client_authenticated_user): subject (identifiers) or "
            "username. Without it the client may name nobody.",
            partial(read_choice, choices=("subject", "username")),
            right="grantway.users.write",
        ),
    }

    def is_enabled(self, settings: Settings) -> bool:
        return settings.compat.client_authenticated_user

    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        """Whom the client names, and what it says of them. Whether they are here, and enabled, the gate asks."""
        named_by = client.extra.get("names_users_by")
        if named_by is None:
            raise UnauthorizedClient("This client is not trusted with users.")
        name = parameters.get("userId")
        if name is None:
            raise InvalidRequest("The parameter userId is missing.")
        # Never the one or the other: somebody could choose another's identifier as a username.
        subject = await find_named_subject(call.runtime, call.tenant.tenant, name, by=named_by)
        if subject is None:
            raise InvalidGrant(detail="the client names nobody who is here")
        told = {claim: value for field, claim in _CLAIMS.items() if (value := parameters.get(field)) is not None}
        is_refreshable = "refresh_token" in client.grant_types
        return Decision(
            client=client,
            subject=subject,
            scope=await find_offered_scope(call, client, parameters, _NOT_SEEN),
            audience=client.audience,
            authorization=plan_authorization(call, client, self.name, subject=subject, is_refreshable=is_refreshable),
            is_refreshable=is_refreshable,
            token_claims=collect_claims(call, self, client, parameters, told=told),
        )

    async def spend(self, call: Call, decision: Decision) -> Decision:
        return await store_authorization(call, decision)
