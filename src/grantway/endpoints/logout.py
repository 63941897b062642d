"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).

A valid ``id_token_hint`` of this very session is proof enough; without it the person is asked, so an image on another
site cannot log anybody out. The post_logout_redirect_uri must be registered, byte for byte, by the client the hint or
``client_id`` names; if it is not, that is shown, never followed.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from grantway.browser import check_form, end_session, load_session
from grantway.endpoints.dispatcher import redirect
from grantway.endpoints.id_token_hint import IdTokenHint, read_id_token_hint
from grantway.endpoints.presentation import describe_account, describe_client, render
from grantway.errors import InvalidRequest
from grantway.events import LoggedOut
from grantway.extension import Call, Endpoint, Runtime
from grantway.model import Client, Session, Tenant
from grantway.protocol.authorization import parse_state
from grantway.protocol.message import FORM, Parameters, Response, merge_parameters, parse_parameters
from grantway.protocol.redirect_uri import build_form_action, build_redirect


class LogoutRequest(Struct, frozen=True, kw_only=True):
    """A logout request after its rules have passed."""

    hint: IdTokenHint | None
    client: Client | None
    post_logout_redirect_uri: str | None = None
    """Checked; None: none was given."""
    state: str | None = None

    @property
    def return_url(self) -> str | None:
        """Where the person goes afterwards."""
        uri = self.post_logout_redirect_uri
        return build_redirect(uri, {"state": self.state}, "query") if uri and self.state is not None else uri


class EndSession(Endpoint):
    name = "end_session"
    spec = "OpenID Connect RP-Initiated Logout §2"
    path = "/oauth2/sessions/logout"
    methods = ("GET", "POST")
    service = "logout"
    is_page = True

    async def handle(self, call: Call) -> Response:
        parameters = _read_parameters(call)
        request = await _check(call, parameters)
        session = await load_session(call)
        if session is None:
            return _finish(call, request)
        if parameters.has("csrf_token"):
            return await _answer_confirmation(call, parameters, request, session)
        if request.hint is not None and request.hint.session_id == session.session_id:
            await _end(call, session)
            return _finish(call, request)
        return await _ask(call, request, session)

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {"end_session_endpoint": tenant.issuer + self.path}


def _read_parameters(call: Call) -> Parameters:
    query = parse_parameters(call.request.query, limit=call.runtime.settings.serve.max_parameters)
    content_type = (call.request.header(b"content-type") or b"").split(b";", 1)[0].strip().lower()
    has_form = call.request.method == "POST" and (call.request.body or content_type == FORM)
    parameters = merge_parameters(query, call.form()) if has_form else query
    parameters.check_unique()
    return parameters


async def _check(call: Call, parameters: Parameters) -> LogoutRequest:
    """The rules of §2 and §3. A failure is a page."""
    token, client_id = parameters.get("id_token_hint"), parameters.get("client_id")
    hint = await read_id_token_hint(call, token) if token else None
    if hint is not None and client_id is not None and hint.client_id != client_id:
        raise InvalidRequest("The id_token_hint was issued to another client than client_id.")
    owner = hint.client_id if hint is not None else client_id
    client = await call.runtime.grid.client(call.tenant.tenant, owner) if owner and len(owner) <= 255 else None
    uri = parameters.get("post_logout_redirect_uri")
    if uri is None:
        return LogoutRequest(hint=hint, client=client)
    if client is None or not client.enabled:
        raise InvalidRequest("A post_logout_redirect_uri needs an id_token_hint or the client_id of a known client.")
    if uri not in client.post_logout_redirect_uris:
        raise InvalidRequest("The post_logout_redirect_uri is not registered for this client.")
    return LogoutRequest(hint=hint, client=client, post_logout_redirect_uri=uri, state=parse_state(parameters))


async def _ask(call: Call, request: LogoutRequest, session: Session) -> Response:
    subject = await call.runtime.grid.subject(call.tenant.tenant, session.subject)
    account = describe_account(subject) if subject is not None else {"username": "", "name": "", "email": None}
    # What the answer needs is in the form's address, and checked again then; the hint, an ID token, is not.
    needed = {
        "client_id": request.client.client_id if request.client else None,
        "post_logout_redirect_uri": request.post_logout_redirect_uri,
        "state": request.state,
    }
    query = urlencode({name: value for name, value in needed.items() if value is not None})
    action = f"{call.base}/oauth2/sessions/logout" + (f"?{query}" if query else "")
    form_action = build_form_action(request.return_url) if request.return_url else None
    context = {"account": account, "client": describe_client(request.client) if request.client else None}
    return render(call, "logout", {**context, "action": action}, form_action=form_action)


async def _answer_confirmation(
    call: Call, parameters: Parameters, request: LogoutRequest, session: Session
) -> Response:
    check_form(call, parameters)
    if parameters.get("action") != "logout":
        return redirect(f"{call.base}/account")
    await _end(call, session)
    return _finish(call, request)


async def _end(call: Call, session: Session) -> None:
    await end_session(call, session)
    call.runtime.events.emit(
        LoggedOut(tenant=call.tenant.tenant, at=call.now, subject=session.subject, session_id=session.session_id)
    )


def _finish(call: Call, request: LogoutRequest) -> Response:
    if request.return_url is not None:
        return redirect(request.return_url)
    client = describe_client(request.client) if request.client else None
    return render(call, "logged_out", {"client": client, "return_url": None})
