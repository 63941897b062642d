"""From a checked authorization request to its answer: the one place that moves a flow on.

``advance`` asks the rules what comes next and does it: shows that a person is needed (and stores the interaction once),
issues the code, or answers with the error. Authorization endpoint and interaction page both end here.
"""

from __future__ import annotations

from msgspec import Struct

from grantway.browser import find_browser
from grantway.endpoints.device_decision import approve_device, refuse_device
from grantway.endpoints.presentation import render
from grantway.errors import AccessDenied, InvalidRequest, OAuthError
from grantway.events import AuthorizationGranted, AuthorizationRefused
from grantway.extension import Call, Decision
from grantway.gate import check_issuance
from grantway.issuance import build_token_issued, issue_access_token, issue_id_token, shape_decision
from grantway.model import Authorization, AuthorizationRequest, Client, Consent, Interaction, Session
from grantway.protocol.client_metadata import build_client_fingerprint
from grantway.protocol.interaction import Deny, InteractionState, Issue, Step, find_exempt_scope, next_step
from grantway.protocol.message import NO_PARAMETERS, NO_REFERRER, NO_STORE, Response
from grantway.protocol.redirect_uri import build_form_action, build_redirect

IMPLICIT = "implicit"
"""The grant type of tokens that come from here and not from the token endpoint (RFC 6749 §4.2)."""


_NOBODY = "\0"
"""The subject that nobody has."""


class Flow(Struct, frozen=True, kw_only=True):
    """An authorization request with what is known about it now."""

    client: Client
    request: AuthorizationRequest
    session: Session | None
    consent: Consent | None
    interaction: Interaction | None


async def load_flow(
    call: Call, client: Client, request: AuthorizationRequest, session: Session | None, interaction: Interaction | None
) -> Flow:
    """Adds the remembered consent, unless the client has since become another (name or redirect URIs changed)."""
    consent = None
    if session is not None:
        consent = await call.runtime.store.load_consent(call.tenant.tenant, session.subject, client.client_id)
        if consent is not None and consent.client_fingerprint != build_client_fingerprint(client):
            consent = None
    return Flow(client=client, request=request, session=session, consent=consent, interaction=interaction)


def choose_step(call: Call, flow: Flow) -> Step:
    """What the rules say comes next. Raises the error a ``prompt=none`` request is answered with."""
    interaction = flow.interaction
    return next_step(
        InteractionState(
            request=flow.request,
            client=flow.client,
            now=call.now,
            session=flow.session,
            consent=flow.consent,
            hinted_subject=_resolve_hint(call, flow),
            authenticated_at=interaction.authenticated_at if interaction else None,
            account_selected=interaction.account_selected if interaction else False,
            granted_scope=interaction.granted_scope if interaction else None,
            denied=interaction.denied if interaction else False,
        )
    )


def _resolve_hint(call: Call, flow: Flow) -> str | None:
    """A hint names the subject as the client knows it; with pairwise identifiers only equality can be seen."""
    hint = flow.request.hinted_subject
    if hint is None or flow.session is None:
        return hint
    if call.runtime.identify(flow.client, flow.session.subject) == hint:
        return flow.session.subject
    return hint if flow.client.subject_type == "public" else _NOBODY  # it must not find out who that is by trying


async def advance(call: Call, flow: Flow) -> Response:
    """Does the next step: an answer to the client, or the way to the interaction page."""
    try:
        step = choose_step(call, flow)
        if isinstance(step, Deny):
            raise AccessDenied("The person denied the request.")
        if isinstance(step, Issue):
            return await _issue(call, flow, step)
    except OAuthError as error:
        if flow.request.device_digest is not None:
            return await refuse_device(call, flow.client, flow.request, error)
        return refuse(call, flow.request, error)
    interaction = flow.interaction or await _begin_interaction(call, flow)
    return redirect(f"{call.base}/interaction?id={interaction.interaction_id}")


async def _begin_interaction(call: Call, flow: Flow) -> Interaction:
    runtime = call.runtime
    interaction = Interaction(
        tenant=call.tenant.tenant,
        interaction_id=runtime.tokens.generate_id(),
        browser_digest=find_browser(call).digest,
        request=flow.request,
        created_at=call.now,
        expires_at=call.now + runtime.settings.interaction.interaction_ttl * 1000,
        session_id=flow.session.session_id if flow.session else None,
    )
    await runtime.store.insert_interaction(interaction)
    return interaction


async def _issue(call: Call, flow: Flow, step: Issue) -> Response:
    """Stores the authorization, the consent and the end of the interaction together, and answers with what was asked
    for: a code, tokens, or both (OAuth 2.0 Multiple Response Types §3, §5)."""
    session, runtime, request = flow.session, call.runtime, flow.request
    if session is None:
        raise InvalidRequest(detail="issue without a session")
    if request.device_digest is not None:
        authorization = await _build_authorization(call, flow, session, step, request.device_digest)
        return await approve_device(call, flow.client, authorization, flow.interaction)
    has_code = "code" in request.answers
    code, digest = runtime.tokens.generate_code() if has_code else (None, None)
    authorization = await _build_authorization(call, flow, session, step, digest)
    decision = await _decide(call, flow, authorization) if request.answers != ["code"] else None
    consent = _build_consent(call, flow, step) if flow.interaction and flow.interaction.granted_scope else None
    if not await runtime.store.grant_authorization(authorization, consent=consent, interaction=flow.interaction):
        raise InvalidRequest("This request was already answered. Go back to the application and start again.")
    runtime.events.emit(
        AuthorizationGranted(
            tenant=call.tenant.tenant,
            at=call.now,
            client_id=flow.client.client_id,
            subject=session.subject,
            scope=step.scope,
            authorization_id=authorization.authorization_id,
        )
    )
    members = {"code": code} if code is not None else {}
    if decision is not None:
        members |= await _issue_tokens(call, decision, request, code)
    return answer(call, request, members)


async def _build_authorization(
    call: Call, flow: Flow, session: Session, step: Issue, code_digest: bytes | None
) -> Authorization:
    request, tokens = flow.request, call.runtime.settings.tokens
    absolute = flow.client.refresh_token_absolute_ttl or tokens.refresh_token_absolute_ttl
    # without a code there is nothing to refresh: it ends with the last token, or the session that hears of a log-out
    last_use = call.now + absolute * 1000 if code_digest else max(call.keep_until, session.expires_at)
    authorization = Authorization(
        tenant=call.tenant.tenant,
        authorization_id=call.runtime.tokens.generate_id(),
        client_id=flow.client.client_id,
        grant_type="authorization_code" if code_digest else IMPLICIT,
        subject=session.subject,
        scope=step.scope,
        audience=request.audience,
        created_at=call.now,
        expires_at=last_use,
        session_id=session.session_id,
        session_bound="offline_access" not in step.scope,
        auth_time=session.auth_time,
        acr=session.acr,
        amr=session.amr,
        nonce=request.nonce,
        claims=step.claims,
        redirect_uri=request.redirect_uri if request.redirect_uri_given else None,
        code_challenge=request.code_challenge,
        code_digest=code_digest,
        code_expires_at=call.now + tokens.code_ttl * 1000 if code_digest else None,
    )
    for feature in call.runtime.extensions.features:
        authorization = await feature.shape_authorization(call, flow.client, authorization)
    return authorization


async def _decide(call: Call, flow: Flow, authorization: Authorization) -> Decision:
    """What the tokens of the answer itself will say: through the gate and the features that every grant passes."""
    decision = Decision(
        client=flow.client,
        subject=authorization.subject,
        scope=authorization.scope,
        audience=authorization.audience,
        authorization=authorization,
        is_scope_fixed=True,
        nonce=authorization.nonce,
    )
    decision = await check_issuance(call, decision)
    return await shape_decision(call, IMPLICIT, decision, NO_PARAMETERS)


async def _issue_tokens(
    call: Call, decision: Decision, request: AuthorizationRequest, code: str | None
) -> dict[str, str]:
    """Access token and ID token of the front channel (OpenID Connect Core §3.2.2.5, §3.3.2.5)."""
    members: dict[str, str] = {}
    access_token = None
    if "token" in request.answers:
        issued = await issue_access_token(call, decision, IMPLICIT)
        access_token = issued["access_token"]
        members |= {name: str(value) for name, value in issued.items()}
        call.runtime.events.emit(build_token_issued(call.tenant.tenant, call.now, IMPLICIT, decision))
    if "id_token" in request.answers:  # OpenID Connect Core §3.2.2.10, §3.3.2.11: at_hash and c_hash
        members["id_token"] = await issue_id_token(call, decision, IMPLICIT, access_token=access_token, code=code)
    return members


def _build_consent(call: Call, flow: Flow, step: Issue) -> Consent | None:
    """What to remember. Approvals given to an earlier shape of the client are not carried over."""
    if flow.session is None:
        return None
    earlier = flow.consent
    exempt = find_exempt_scope(flow.client)  # nobody was asked about those, so nobody approved them
    approved = [scope for scope in step.scope if scope not in exempt]
    return Consent(
        tenant=call.tenant.tenant,
        subject=flow.session.subject,
        client_id=flow.client.client_id,
        scope=tuple(dict.fromkeys([*(earlier.scope if earlier else ()), *approved])),
        audience=tuple(dict.fromkeys([*(earlier.audience if earlier else ()), *flow.request.audience])),
        client_fingerprint=build_client_fingerprint(flow.client),
        created_at=earlier.created_at if earlier else call.now,
        updated_at=call.now,
    )


def refuse(call: Call, request: AuthorizationRequest, error: OAuthError) -> Response:
    """Answers the client with an error, as the answer would have travelled (RFC 6749 §4.1.2.1, OpenID Connect Core
    §3.1.2.6, §3.2.2.6, §3.3.2.6)."""
    call.runtime.events.emit(
        AuthorizationRefused(
            tenant=call.tenant.tenant, at=call.now, client_id=request.client_id, error=error.code, detail=error.detail
        )
    )
    return answer(call, request, {"error": error.code, "error_description": error.description})


def answer(call: Call, request: AuthorizationRequest, members: dict[str, str]) -> Response:
    """Sends the answer to the redirect_uri in the response mode asked for, with ``state`` and ``iss`` (RFC 9207 §2)."""
    if request.state is not None:
        members["state"] = request.state
    members["iss"] = call.tenant.issuer
    if request.response_mode == "form_post":  # OAuth 2.0 Form Post Response Mode §2
        return render(
            call,
            "form_post",
            {"redirect_uri": request.redirect_uri, "fields": list(members.items())},
            form_action=build_form_action(request.redirect_uri),
            locales=request.ui_locales,
        )
    return redirect(build_redirect(request.redirect_uri, members, request.response_mode))


def redirect(location: str) -> Response:
    """303: whatever the method was, the next one is GET and carries no body (RFC 9700 §4.12)."""
    return Response(status=303, headers=[(b"location", location.encode("ascii")), NO_STORE, NO_REFERRER])
