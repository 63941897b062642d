"""A JWT in place of an opaque access token: what travels outside says nothing, what travels inside is verified on the
spot (light-oauth2).

The client that owns the tokens names the one that may do this, a gateway at the edge; nobody else learns so much as
whether a token is good. The JWT says what the token stands for, lives no longer, and dies with it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from grantway.config import Settings
from grantway.errors import InvalidRequest, UnauthorizedClient
from grantway.events import TokenIssued
from grantway.extension import Call, Endpoint, Runtime
from grantway.gate import authenticate_client, find_access
from grantway.issuance import build_access_members
from grantway.model import Client, Tenant
from grantway.protocol.client_metadata import Metadatum, read_word
from grantway.protocol.message import Response, build_json_response
from grantway.tokens import AccessClaims, Additions


class Dereference(Endpoint):
    name = "dereference"
    path = "/oauth2/dereference"
    methods = ("POST",)
    service = "introspect"
    parameters = ("token",)
    challenge = b"Basic"
    client_metadata: ClassVar[dict[str, Metadatum]] = {
        "dereference_client": Metadatum(
            "The client_id of the one client that may trade opaque access tokens of this client for JWTs.", read_word
        )
    }

    def is_enabled(self, settings: Settings) -> bool:
        return settings.compat.dereference

    async def handle(self, call: Call) -> Response:
        """One answer for whatever token is not for this caller to know: unknown, expired, revoked, or another's."""
        parameters = call.form()
        parameters.check_unique()
        caller = await authenticate_client(call, parameters)
        if caller.is_public:
            raise UnauthorizedClient("A public client may not dereference tokens.")
        token = parameters.get("token")
        if token is None:
            raise InvalidRequest("The parameter token is missing.")
        claims = await find_access(call.runtime, call.tenant.tenant, token)
        owner = await call.runtime.grid.client(call.tenant.tenant, claims.client_id) if claims is not None else None
        if claims is None or owner is None or claims.is_jwt or not _is_named(owner, caller):
            raise InvalidRequest(
                "There is no such token for this client.", detail="unknown, a JWT, or not this client's"
            )
        answer = await _issue(call, owner, claims)
        call.runtime.events.emit(
            TokenIssued(
                tenant=call.tenant.tenant,
                at=call.now,
                grant_type=self.name,
                client_id=owner.client_id,
                subject=claims.subject,
                scope=tuple(claims.scope.split()),
                authorization_id=claims.authorization_id,
            )
        )
        return build_json_response(answer)

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {"dereference_endpoint": tenant.issuer + self.path}


def _is_named(owner: Client, caller: Client) -> bool:
    """Whether the owner of a token wants the caller to dereference it. By default nobody does, not even the owner."""
    return owner.extra.get("dereference_client") == caller.client_id


async def _issue(call: Call, owner: Client, claims: AccessClaims) -> dict[str, Any]:
    """The JWT (RFC 9068 §2.2). The token is its ancestor: what ends the one ends the other, whatever it is."""
    runtime, authorization = call.runtime, None
    if claims.authorization_id is not None:
        authorization = await runtime.store.load_authorization(call.tenant.tenant, claims.authorization_id)
    token, expires_in = await runtime.tokens.issue_access(
        call.tenant,
        owner,
        now=call.now,
        scope=claims.scope,
        audience=claims.audience,
        subject=claims.subject,
        subject_identifier=call.runtime.identify(owner, claims.subject) if claims.subject is not None else None,
        authorization=authorization,
        not_after=claims.expires_at,
        token_format="jwt",
        additions=Additions(
            confirmation=claims.confirmation,
            claims=claims.extra or {},
            ancestors=(claims.build_ancestor(), *claims.ancestors),
        ),
    )
    return build_access_members(token, expires_in, claims.scope)
