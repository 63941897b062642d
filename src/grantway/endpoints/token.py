"""The token endpoint (RFC 6749 §3.2): one pipeline for every grant.

parse → refuse repeats → authenticate the client → find the grant → may this client use it → features → the grant's own
reading → the gate → narrow → spend → issue → answer → events. A grant cannot leave out a step or reorder them.
"""
# hot path: bench/ "client credentials (opaque)", "code exchange", "refresh"

from __future__ import annotations

from typing import Any

from grantway.browser import find_keep_until
from grantway.endpoints.dispatcher import identify
from grantway.errors import InvalidRequest, OAuthError, ReplayDetected, UnauthorizedClient, UnsupportedGrantType
from grantway.events import ReplayPunished, TokenIssued, TokenRequestRefused
from grantway.extension import Again, Call, Decision, Endpoint, Grant, Runtime
from grantway.gate import (
    authenticate_client,
    check_grant_allowed,
    check_issuance,
    find_end_of_proof,
    narrow_decision,
)
from grantway.model import Client, Tenant
from grantway.protocol.claims import build_id_token_claims, select_subject_claims
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
        answer = await _issue(call, decision, grant_type or "")
        call.runtime.events.emit(_build_event(call.tenant.tenant, call.now, grant_type or "", decision))
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
        for feature in extensions.features:
            feature.check_token_request(call, client, parameters)
        try:
            decision = await grant.resolve(call, client, parameters)
            decision = await check_issuance(call, decision)
            decision = narrow_decision(decision, parameters)
            return await grant.spend(call, decision)
        except ReplayDetected as replay:
            await _punish(call, client, replay)
            raise

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {
            "token_endpoint": tenant.issuer + self.path,
            "grant_types_supported": list(runtime.extensions.grants),
        }


def _find_grant(call: Call, grant_type: str | None) -> Grant:
    if grant_type is None:
        raise InvalidRequest("The parameter grant_type is missing.")
    grant = call.runtime.extensions.grants.get(grant_type)
    if grant is None:
        raise UnsupportedGrantType()
    return grant


async def _punish(call: Call, client: Client, replay: ReplayDetected) -> None:
    """Revokes everything that came from a credential that was used twice (RFC 9700 §4.14.2, RFC 6749 §4.1.2)."""
    await call.runtime.store.revoke_authorization(
        call.tenant.tenant, replay.authorization_id, now=call.now, keep_until=find_keep_until(call)
    )
    call.runtime.events.emit(
        ReplayPunished(
            tenant=call.tenant.tenant,
            at=call.now,
            authorization_id=replay.authorization_id,
            client_id=client.client_id,
        )
    )


def _build_event(tenant: str, now: int, grant_type: str, decision: Decision) -> TokenIssued:
    return TokenIssued(
        tenant=tenant,
        at=now,
        grant_type=grant_type,
        client_id=decision.client.client_id,
        subject=decision.subject,
        scope=decision.scope,
        authorization_id=decision.authorization.authorization_id if decision.authorization else None,
    )


class _TokenAgain(Again):
    """Another token for the decision that the same bytes led to before."""

    __slots__ = ("_decision", "_grant_type", "_runtime", "_scope", "_ttl")

    def __init__(self, call: Call, grant_type: str, decision: Decision) -> None:
        asking = call.client or decision.client
        super().__init__(call.tenant, (asking, decision.client), find_end_of_proof(asking, call.now))
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
        self._runtime.events.emit(_build_event(self.tenant.tenant, now, self._grant_type, decision))
        return encode_json(_build_answer(*issued, self._scope))


def _offer_again(call: Call, grant_type: str, decision: Decision) -> None:
    """Only what spends nothing and belongs to nobody can be decided once for many requests."""
    extensions = call.runtime.extensions
    if not (call.is_replayable and extensions.is_replayable and extensions.grants[grant_type].is_replayable):
        return
    if decision.subject is None and decision.authorization is None and call.runtime.tokens.is_quick(decision.client):
        call.again = _TokenAgain(call, grant_type, decision)


def _build_answer(access_token: str, expires_in: int, scope: str) -> dict[str, Any]:
    return {"access_token": access_token, "token_type": "Bearer", "expires_in": expires_in, "scope": scope}


async def _issue(call: Call, decision: Decision, grant_type: str) -> dict[str, Any]:
    """The members of the answer (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3)."""
    tokens, authorization, client = call.runtime.tokens, decision.authorization, decision.client
    identifier = identify(call, client, decision.subject) if decision.subject is not None else None
    scope = format_scope(decision.scope)
    lifespans = find_lifespans(client, grant_type)
    access_token, expires_in = await tokens.issue_access(
        call.tenant,
        client,
        now=call.now,
        scope=scope,
        audience=decision.audience,
        subject=decision.subject,
        subject_identifier=identifier,
        authorization=authorization,
        ttl=lifespans.get("access"),
    )
    answer = _build_answer(access_token, expires_in, scope)
    if decision.is_refreshable and authorization is not None:
        answer["refresh_token"] = decision.refresh_token or tokens.issue_refresh(
            call.tenant.tenant, authorization, client, now=call.now, ttl=lifespans.get("refresh")
        )
    if decision.has_id_token and identifier is not None:
        answer["id_token"] = await _issue_id_token(call, decision, identifier, access_token, lifespans.get("id"))
    return answer


async def _issue_id_token(call: Call, decision: Decision, identifier: str, access_token: str, ttl: int | None) -> str:
    """The ID token (OpenID Connect Core §2; after a refresh §12.2: same sub, auth_time and no new nonce)."""
    runtime, client, authorization = call.runtime, decision.client, decision.authorization
    settings, alg = runtime.settings.tokens, client.id_token_signed_response_alg
    extra: dict[str, Any] = {}
    requested = authorization.claims.id_token if authorization is not None and authorization.claims else {}
    if requested and decision.subject is not None:
        subject = await runtime.grid.subject(call.tenant.tenant, decision.subject)
        extra = select_subject_claims(subject, scope=(), requested=requested) if subject else {}
    claims = build_id_token_claims(
        issuer=call.tenant.issuer,
        client=client,
        subject_identifier=identifier,
        now=call.now // 1000,
        ttl=min(ttl or client.id_token_ttl or settings.id_token_ttl, settings.max_token_ttl),
        alg=alg,
        nonce=decision.nonce,
        auth_time=authorization.auth_time if authorization else None,
        acr=authorization.acr if authorization else None,
        amr=authorization.amr if authorization else (),
        session_id=authorization.session_id if authorization else None,
        access_token=access_token,
        extra=extra,
    )
    return await runtime.keys.sign(call.tenant.tenant, alg, "JWT", claims)
