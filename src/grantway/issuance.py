"""Issuing what was decided: the tokens of an answer, whichever endpoint gives it.

Owns which tokens an answer has and what stands in them. Does not own whether they may be issued (``gate``), nor what
they are made of (``tokens``).
"""
# hot path: bench/ "client credentials (opaque)", "code exchange", "refresh"

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from grantway.errors import InvalidScope
from grantway.events import TokenIssued
from grantway.extension import Call, Decision
from grantway.model import Authorization, Client
from grantway.protocol.claims import build_id_token_claims, select_subject_claims
from grantway.protocol.lifespan import find_lifespans
from grantway.protocol.message import Parameters
from grantway.protocol.scope import format_scope, intersect_scope
from grantway.scopes import find_scope_policy
from grantway.tokens import Additions


def plan_authorization(
    call: Call, client: Client, grant_type: str, *, subject: str | None, is_refreshable: bool, **known: Any
) -> Authorization:
    """The permission of a grant that has none stored yet. ``known`` are more fields of it: ``auth_time``, ``acr``,
    ``amr``. Scope and audience come when it is stored: they are narrowed until then."""
    absolute = client.refresh_token_absolute_ttl or call.runtime.settings.tokens.refresh_token_absolute_ttl
    return Authorization(
        tenant=call.tenant.tenant,
        authorization_id=call.runtime.tokens.generate_id(),
        client_id=client.client_id,
        grant_type=grant_type,
        subject=subject,
        scope=(),
        audience=(),
        created_at=call.now,
        # what cannot be refreshed is over with its access token
        expires_at=call.now + absolute * 1000 if is_refreshable else call.keep_until,
        session_bound=False,
        **known,
    )


async def store_authorization(call: Call, decision: Decision) -> Decision:
    """Stores a planned permission as it was decided in the end, so that its tokens can be refreshed, listed, revoked.

    To be called where a grant spends.
    """
    if decision.authorization is None:
        raise ValueError("the decision plans no authorization")
    authorization = replace(
        decision.authorization,
        scope=decision.scope,
        audience=decision.audience,
        confirmation=decision.confirmation,
        token_claims=decision.token_claims,
        id_token_claims=decision.id_token_claims,
    )
    await call.runtime.store.insert_authorization(authorization)
    return replace(decision, authorization=authorization)


async def shape_decision(call: Call, grant_type: str, decision: Decision, parameters: Parameters) -> Decision:
    """The last word of the features. It begins with the claims that were stored with the permission.

    Whatever they say, the scope is within what the person gave, and within the client's own.
    """
    authorization = decision.authorization
    if authorization is not None and (authorization.token_claims or authorization.id_token_claims):
        decision = replace(
            decision,
            token_claims={**authorization.token_claims, **decision.token_claims},
            id_token_claims={**authorization.id_token_claims, **decision.id_token_claims},
        )
    decided = decision
    for feature in call.runtime.extensions.shaping:
        decision = await feature.shape_decision(call, grant_type, decision, parameters)
    if decision.scope != decided.scope:
        if decided.is_scope_fixed or decided.subject is not None:
            scope = intersect_scope(decision.scope, decided.scope)
        else:
            policy = find_scope_policy(call.runtime, decided.client)
            scope = policy.name_scope(policy.select(decision.scope, decided.client.scope))
        decision = replace(decision, scope=scope)
        if not decision.scope:
            raise InvalidScope(detail="no scope is left of what a feature allowed")
    return decision


async def issue_tokens(call: Call, decision: Decision, grant_type: str) -> dict[str, Any]:
    """The members of a token answer (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3)."""
    answer = await issue_access_token(call, decision, grant_type)
    authorization, client = decision.authorization, decision.client
    if decision.is_refreshable and authorization is not None:
        answer["refresh_token"] = decision.refresh_token or call.runtime.tokens.issue_refresh(
            call.tenant.tenant,
            authorization,
            client,
            now=call.now,
            ttl=find_lifespans(client, grant_type).get("refresh"),
            # a client that authenticates proves itself, and may change its key (RFC 8705 §4, RFC 6749 §10.4)
            confirmation=decision.confirmation if client.is_public else None,
        )
    if decision.has_id_token and decision.subject is not None and "openid" in decision.scope:
        answer["id_token"] = await issue_id_token(call, decision, grant_type, access_token=answer["access_token"])
    return {**answer, **decision.answer} if decision.answer else answer


async def issue_access_token(call: Call, decision: Decision, grant_type: str) -> dict[str, Any]:
    """The members of an answer that are about the access token."""
    subject, client = decision.subject, decision.client
    scope = format_scope(decision.scope)
    access_token, expires_in = await call.runtime.tokens.issue_access(
        call.tenant,
        client,
        now=call.now,
        scope=scope,
        audience=decision.audience,
        subject=subject,
        subject_identifier=call.runtime.identify(client, subject) if subject is not None else None,
        authorization=decision.authorization,
        ttl=find_lifespans(client, grant_type).get("access"),
        not_after=decision.not_after,
        token_format=decision.token_format,
        additions=_find_additions(decision),
    )
    return build_access_members(access_token, expires_in, scope)


def build_token_issued(tenant: str, now: int, grant_type: str, decision: Decision) -> TokenIssued:
    """The event of an answer with an access token."""
    return TokenIssued(
        tenant=tenant,
        at=now,
        grant_type=grant_type,
        client_id=decision.client.client_id,
        subject=decision.subject,
        scope=decision.scope,
        authorization_id=decision.authorization.authorization_id if decision.authorization else None,
    )


def build_access_members(access_token: str, expires_in: int, scope: str) -> dict[str, Any]:
    return {"access_token": access_token, "token_type": "Bearer", "expires_in": expires_in, "scope": scope}


def _find_additions(decision: Decision) -> Additions | None:
    claims = decision.token_claims or (decision.authorization.token_claims if decision.authorization else {})
    if not (decision.confirmation or claims or decision.ancestors):
        return None
    return Additions(confirmation=decision.confirmation, claims=claims, ancestors=decision.ancestors)


async def issue_id_token(
    call: Call, decision: Decision, grant_type: str, *, access_token: str | None = None, code: str | None = None
) -> str:
    """The ID token (OpenID Connect Core §2; after a refresh §12.2: same sub, auth_time and no new nonce).

    Without an access token to ask userinfo with, the claims of the scopes are in it (§5.4).
    """
    runtime, client, authorization, subject = call.runtime, decision.client, decision.authorization, decision.subject
    if subject is None:
        raise ValueError("an ID token is about somebody")
    settings, alg = runtime.settings.tokens, client.id_token_signed_response_alg
    requested = authorization.claims.id_token if authorization is not None and authorization.claims else {}
    told_scope = decision.scope if access_token is None and code is None else ()
    extra = dict(decision.id_token_claims or (authorization.id_token_claims if authorization else {}))
    if requested or told_scope:
        person = await runtime.grid.subject(call.tenant.tenant, subject)
        extra |= select_subject_claims(person, scope=told_scope, requested=requested) if person else {}
    ttl = find_lifespans(client, grant_type).get("id")
    claims = build_id_token_claims(
        issuer=call.tenant.issuer,
        client=client,
        subject_identifier=call.runtime.identify(client, subject),
        now=call.now // 1000,
        ttl=min(ttl or client.id_token_ttl or settings.id_token_ttl, settings.max_token_ttl),
        alg=alg,
        nonce=decision.nonce,
        auth_time=authorization.auth_time if authorization else None,
        acr=authorization.acr if authorization else None,
        amr=authorization.amr if authorization else (),
        session_id=authorization.session_id if authorization else None,
        access_token=access_token,
        code=code,
        extra=extra,
    )
    return await runtime.keys.sign(call.tenant.tenant, alg, "JWT", claims)
