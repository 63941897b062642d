"""The token endpoint (RFC 6749 §3.2): one pipeline for every grant.

parse → refuse repeats → authenticate the client → find the grant → may this client use it → features → the grant's own
reading → the gate → narrow → features again → spend → issue → answer → events. A grant cannot leave out a step or
reorder them.
"""
# hot path: bench/ "client credentials (opaque)", "code exchange", "refresh"

from __future__ import annotations

from typing import Any

from grantway.errors import InvalidRequest, OAuthError, ReplayDetected, UnauthorizedClient, UnsupportedGrantType
from grantway.events import ReplayPunished, TokenRequestRefused
from grantway.extension import Again, Call, Decision, Endpoint, Grant, Runtime
from grantway.gate import (
    authenticate_client,
    check_grant_allowed,
    check_issuance,
    find_end_of_proof,
    narrow_decision,
)
from grantway.issuance import build_access_members, build_token_issued, issue_tokens, shape_decision
from grantway.model import Client, Tenant
from grantway.protocol.lifespan import find_lifespans
from grantway.protocol.message import Parameters, Response, build_json_response, encode_json
from grantway.protocol.scope import format_scope


class Token(Endpoint):
    name = "token"
    spec = "RFC 6749 §3.2"
    path = "/oauth2/token"
    methods = ("POST",)
    service = "token"
    has_cors = True
    challenge = b"Basic"
    is_replayable = True

    async def handle(self, call: Call) -> Response:
        parameters = call.form()
        grant_type = parameters.get("grant_type")
        try:
            decision = await self._decide(call, parameters, grant_type)
        except OAuthError as error:
            call.runtime.events.emit(
                TokenRequestRefused(
                    tenant=call.tenant.tenant,
                    at=call.now,
                    grant_type=grant_type if grant_type and grant_type in call.runtime.extensions.grants else "unknown",
                    client_id=call.client.client_id if call.client else None,
                    error=error.code,
                    detail=error.detail,
                )
            )
            raise
        answer = await issue_tokens(call, decision, grant_type or "")
        call.runtime.events.emit(build_token_issued(call.tenant.tenant, call.now, grant_type or "", decision))
        if call.wants_again:
            _offer_again(call, grant_type or "", decision)
        return build_json_response(answer)

    async def _decide(self, call: Call, parameters: Parameters, grant_type: str | None) -> Decision:
        """The pipeline, top to bottom."""
        extensions = call.runtime.extensions
        parameters.check_unique(extensions.repeatable_parameters)
        client = await authenticate_client(call, parameters)
        grant = _find_grant(call, grant_type)
        check_grant_allowed(client, grant.name)
        if grant.requires_confidential_client and client.is_public:
            raise UnauthorizedClient()
        for feature in extensions.checking:
            feature.check_token_request(call, client, parameters)
        try:
            decision = await grant.resolve(call, client, parameters)
            decision = await check_issuance(call, decision)
            decision = narrow_decision(call, decision, parameters)
            decision = await shape_decision(call, grant.name, decision, parameters)
            return await grant.spend(call, decision)
        except ReplayDetected as replay:
            await _punish(call, client, replay)
            raise

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {
            "token_endpoint": tenant.issuer + self.path,
            "token_endpoint_auth_methods_supported": runtime.list_auth_methods(),
            "grant_types_supported": list(runtime.extensions.grant_types),
        }


def _find_grant(call: Call, grant_type: str | None) -> Grant:
    if grant_type is None:
        raise InvalidRequest("The parameter grant_type is missing.")
    grant = call.runtime.extensions.grants.get(grant_type)
    if grant is None:
        wanted = call.runtime.extensions.missing.get(grant_type)
        raise UnsupportedGrantType(detail=f"needs pip install '{wanted}'" if wanted else None)
    return grant


async def _punish(call: Call, client: Client, replay: ReplayDetected) -> None:
    """Revokes everything that came from a credential that was used twice (RFC 9700 §4.14.2, RFC 6749 §4.1.2)."""
    await call.runtime.store.revoke_authorization(
        call.tenant.tenant, replay.authorization_id, now=call.now, keep_until=call.keep_until
    )
    call.runtime.events.emit(
        ReplayPunished(
            tenant=call.tenant.tenant,
            at=call.now,
            authorization_id=replay.authorization_id,
            client_id=client.client_id,
        )
    )


class _TokenAgain(Again):
    """Another token for the decision that the same bytes led to before."""

    __slots__ = ("_decision", "_grant_type", "_runtime", "_scope", "_ttl")

    def __init__(self, call: Call, grant_type: str, decision: Decision) -> None:
        asking = call.client or decision.client
        until = find_end_of_proof(asking, call.now)
        super().__init__(call.tenant, (asking, decision.client), until, call.registered_scopes)
        self._runtime, self._grant_type, self._decision = call.runtime, grant_type, decision
        self._scope = format_scope(decision.scope)
        self._ttl = find_lifespans(decision.client, grant_type).get("access")

    def answer(self, now: int) -> bytes | None:
        decision = self._decision
        issued = self._runtime.tokens.issue_access_again(
            self.tenant, decision.client, now=now, scope=self._scope, audience=decision.audience, ttl=self._ttl
        )
        if issued is None:
            return None
        self._runtime.events.emit(build_token_issued(self.tenant.tenant, now, self._grant_type, decision))
        return encode_json(build_access_members(*issued, self._scope))


def _offer_again(call: Call, grant_type: str, decision: Decision) -> None:
    """Only what spends nothing and belongs to nobody can be decided once for many requests."""
    extensions = call.runtime.extensions
    if not (call.is_replayable and extensions.is_replayable and extensions.grants[grant_type].is_replayable):
        return
    is_plain = decision.subject is None and decision.authorization is None and not _is_shaped(decision)
    if is_plain and call.runtime.tokens.is_quick(decision.client):
        call.again = _TokenAgain(call, grant_type, decision)


def _is_shaped(decision: Decision) -> bool:
    """Whether the access token has more than what follows from its client, scope and audience."""
    return bool(
        decision.confirmation
        or decision.token_claims
        or decision.ancestors
        or decision.answer
        or decision.token_format
        or decision.not_after
    )
