"""The interaction: log-in, choice of account and consent of one waiting authorization request.

One URL. A GET shows the page that the rules say is next; a POST is accepted only for that very page, sets one fact, and
returns to the dispatcher. The form carries nothing but the person's answer: the request itself is read from the store,
so there is nothing in the page to weaken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from grantway.browser import begin_session, check_form, find_browser, load_session
from grantway.endpoints.device_decision import describe_device
from grantway.endpoints.dispatcher import Flow, advance, choose_step, load_flow, redirect
from grantway.endpoints.presentation import (
    ask_to_wait,
    describe_account,
    describe_client,
    find_form_action,
    list_languages,
    render,
)
from grantway.errors import InvalidRequest, OAuthError, TooManyRequests
from grantway.extension import Call, Endpoint
from grantway.model import Interaction, Session
from grantway.protocol.interaction import AskConsent, Login, SelectAccount, Step
from grantway.protocol.message import Parameters, Response
from grantway.protocol.scope import intersect_scope
from grantway.protocol.vocabulary import CLAIM_SCOPES
from grantway.scopes import load_descriptions

WRONG_CREDENTIALS = "That username and password do not match."


class InteractionPage(Endpoint):
    name = "interaction"
    path = "/interaction"
    methods = ("GET", "POST")
    service = "authorize"
    is_page = True

    async def handle(self, call: Call) -> Response:
        flow = await load_interaction_flow(call)
        try:
            step = choose_step(call, flow)
        except OAuthError:
            return await advance(call, flow)
        if call.request.method == "GET":
            return await self._show(call, flow, step)
        form = call.form()
        form.check_unique(frozenset({"scope"}))
        check_form(call, form)
        return await self._take(call, flow, step, form)

    async def _show(self, call: Call, flow: Flow, step: Step, error: str | None = None, status: int = 200) -> Response:
        if isinstance(step, Login):
            return self._show_login(call, flow, error=error, status=status)
        if isinstance(step, SelectAccount):
            return await self._show_page(call, flow, "select_account", {}, error)
        if isinstance(step, AskConsent):
            describe = await load_descriptions(call, list_languages(call, flow.request.ui_locales))
            return await self._show_page(call, flow, "consent", _describe_consent(flow, step, describe), error)
        return await advance(call, flow)

    def _show_login(
        self, call: Call, flow: Flow, *, username: str | None = None, error: str | None = None, status: int = 200
    ) -> Response:
        register_url = f"{call.base}/register?interaction={_interaction(flow).interaction_id}"
        context = {
            "client": describe_client(flow.client),
            "username": username if username is not None else (flow.request.login_hint or ""),
            "can_register": call.runtime.settings.interaction.registration,
            "register_url": register_url,
            "cancel": True,
        }
        return self._render(call, flow, "login", context, error, status)

    async def _show_page(
        self, call: Call, flow: Flow, page: str, context: dict[str, Any], error: str | None
    ) -> Response:
        session = flow.session
        subject = await call.runtime.grid.subject(call.tenant.tenant, session.subject) if session else None
        if subject is None:
            raise InvalidRequest("Your account is no longer available. Start again.")
        shared = {"client": describe_client(flow.client), "account": describe_account(subject)}
        return self._render(call, flow, page, {**shared, **context}, error, 200)

    def _render(
        self, call: Call, flow: Flow, page: str, context: dict[str, Any], error: str | None, status: int
    ) -> Response:
        action = f"{call.base}/interaction?id={_interaction(flow).interaction_id}"
        return render(
            call,
            page,
            {**context, "action": action, "error": error, "device": describe_device(call, flow.request)},
            status=status,
            form_action=find_form_action(flow.request),
            locales=flow.request.ui_locales,
        )

    async def _take(self, call: Call, flow: Flow, step: Step, form: Parameters) -> Response:
        """Takes the answer to the page that was due; anything else shows that page again."""
        action = form.get("action")
        interaction = _interaction(flow)
        if action in ("cancel", "deny"):
            return await _proceed(call, flow, replace(interaction, denied=True))
        if isinstance(step, Login) and action == "login":
            return await self._log_in(call, flow, form)
        if isinstance(step, SelectAccount) and action == "continue":
            return await _proceed(call, flow, replace(interaction, account_selected=True))
        if isinstance(step, SelectAccount) and action == "other":
            # another account means logging in: ask for it as prompt=login would
            request = replace(flow.request, prompt=(*flow.request.prompt, "login"))
            return await _proceed(call, flow, replace(interaction, account_selected=True, request=request))
        if isinstance(step, AskConsent) and action == "allow":
            granted = _read_granted_scope(flow, step, form)
            return await _proceed(call, flow, replace(interaction, granted_scope=granted))
        return await self._show(call, flow, step)

    async def _log_in(self, call: Call, flow: Flow, form: Parameters) -> Response:
        username = form.get("username") or ""
        try:
            login = await call.runtime.extensions.authenticators["password"].authenticate(call, form)
        except TooManyRequests as error:
            page = self._show_login(call, flow, username=username, error=error.description, status=429)
            return ask_to_wait(page, error)
        if login is None:
            return self._show_login(call, flow, username=username, error=WRONG_CREDENTIALS, status=401)
        session = await begin_session(call, login, remember=form.get("remember") == "1")
        return await proceed_authenticated(call, flow, session)


async def proceed_authenticated(call: Call, flow: Flow, session: Session) -> Response:
    """Moves a request on whose person has just proved who they are, by logging in or by registering."""
    interaction = replace(_interaction(flow), session_id=session.session_id, authenticated_at=call.now)
    fresh = await load_flow(call, flow.client, flow.request, session, interaction)
    return await _proceed(call, fresh, interaction)


async def load_interaction_flow(call: Call) -> Flow:
    """The waiting request that ``?id=`` names, if it began in this browser and still waits.

    Raises:
        InvalidRequest: it is unknown, over, another browser's, or its client has gone. The same text for all.
    """
    query = call.query()
    query.check_unique()
    identifier = query.get("id") or query.get("interaction") or ""
    tenant = call.tenant.tenant
    interaction = await call.runtime.store.load_interaction(tenant, identifier) if 0 < len(identifier) <= 64 else None
    if interaction is None or interaction.expires_at <= call.now or interaction.completed_at is not None:
        raise InvalidRequest(_OVER)
    if find_browser(call).digest != interaction.browser_digest:
        raise InvalidRequest(_OVER, detail="another browser's interaction")
    client = await call.runtime.grid.client(tenant, interaction.request.client_id)
    if client is None or not client.enabled:
        raise InvalidRequest(_OVER, detail="client is gone or disabled")
    session = await load_session(call)
    return await load_flow(call, client, interaction.request, session, _forget_other_session(interaction, session))


_OVER = "This sign-in has expired, was finished, or began in another browser. Go back to the application and try again."


def _forget_other_session(interaction: Interaction, session: Any) -> Interaction:
    """What was said in one session does not count in another: the person may have switched accounts in between."""
    if session is not None and interaction.session_id in (None, session.session_id):
        return interaction
    if session is None and interaction.session_id is None:
        return interaction
    return replace(interaction, authenticated_at=None, account_selected=False, granted_scope=None)


async def _proceed(call: Call, flow: Flow, interaction: Interaction) -> Response:
    """Stores the new fact and moves on. Two answers at once: the second sees the page that is due by then."""
    session_id = flow.session.session_id if flow.session is not None else None
    interaction = replace(interaction, session_id=session_id)
    if not await call.runtime.store.update_interaction(interaction):
        return redirect(f"{call.base}/interaction?id={interaction.interaction_id}")
    stored = replace(interaction, version=interaction.version + 1)
    return await advance(call, replace(flow, request=interaction.request, interaction=stored))


def _interaction(flow: Flow) -> Interaction:
    if flow.interaction is None:
        raise InvalidRequest(_OVER)
    return flow.interaction


def _find_asked(step: AskConsent) -> tuple[str, ...]:
    """Only what is new is asked; where nothing is, what was allowed before is confirmed. Never what is exempt."""
    return step.new_scope or tuple(scope for scope in step.scope if scope not in step.exempt_scope)


def _describe_consent(flow: Flow, step: AskConsent, describe: Callable[[str], str]) -> dict[str, Any]:
    asked = _find_asked(step)
    # a page that appears for another reason tells what there is to tell
    shown = [scope for scope in step.scope if scope in asked or scope == "openid" or not asked]
    # claims asked for by name: what they tell is told, though there is no scope to untick
    named = [scope for scope in dict.fromkeys(CLAIM_SCOPES[claim] for claim in step.new_claims) if scope not in shown]
    return {
        "scopes": [
            {
                "name": scope,
                "description": describe(scope),
                "is_new": scope in (*step.new_scope, *named) and flow.consent is not None,
                "is_required": scope == "openid" or scope not in asked,
            }
            for scope in (*shown, *named)
        ],
        "audiences": list(step.new_audience or flow.request.audience),
    }


def _read_granted_scope(flow: Flow, step: AskConsent, form: Parameters) -> tuple[str, ...]:
    """The boxes left ticked among those shown, what was allowed before and not shown, and ``openid`` itself."""
    asked = _find_asked(step)
    ticked = set(form.list("scope"))
    kept = [scope for scope in step.scope if scope not in asked or scope in ticked or scope == "openid"]
    return intersect_scope(flow.request.scope, kept)
