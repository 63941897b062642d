"""User name and password for tokens (RFC 6749 §4.3), for clients from before there was another way.

OAuth 2.1 has no such grant: whoever types a password into a client gives it to the client. No client has it unless it
registered it, and a person is refused, slowed down and locked out here exactly as on the log-in page.
"""

from __future__ import annotations

from grantway.errors import InvalidGrant, InvalidRequest
from grantway.extension import Call, Decision, Grant
from grantway.issuance import plan_authorization, store_authorization
from grantway.model import Client
from grantway.protocol.lifespan import describe_lifespans
from grantway.protocol.message import Parameters
from grantway.scopes import find_offered_scope


class Password(Grant):
    name = "password"
    spec = "RFC 6749 §4.3"
    parameters = ("username", "password", "scope", "resource", "audience")
    repeatable = ("resource", "audience")
    requires_confidential_client = True
    client_metadata = describe_lifespans("password", "access", "id", "refresh")

    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        """Who the person is, by the log-in page's own authenticator, throttling and lock-out (RFC 6749 §4.3.2)."""
        for name in ("username", "password"):
            if parameters.get(name) is None:
                raise InvalidRequest(f"The parameter {name} is missing.")
        login = await call.runtime.extensions.authenticators["password"].authenticate(call, parameters)
        if login is None:
            raise InvalidGrant("The username or the password is wrong.")
        scope = await find_offered_scope(call, client, parameters)
        subject = login.subject.subject
        is_refreshable = "refresh_token" in client.grant_types
        return Decision(
            client=client,
            subject=subject,
            scope=scope,
            audience=client.audience,
            authorization=plan_authorization(
                call,
                client,
                self.name,
                subject=subject,
                is_refreshable=is_refreshable,
                auth_time=call.now // 1000,
                acr=login.acr,
                amr=login.amr,
            ),
            is_refreshable=is_refreshable,
            has_id_token="openid" in scope,
        )

    async def spend(self, call: Call, decision: Decision) -> Decision:
        return await store_authorization(call, decision)
