"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).

A valid ``id_token_hint`` of this very session is proof enough; without it the person is asked, so an image on another
site cannot log anybody out. The post_logout_redirect_uri must be registered, byte for byte, by the client the hint or
``client_id`` names; if it is not, that is shown, never followed. A hint whose key is not published any more proves
nothing: the person is asked, and stays here afterwards.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from grantway.browser import check_form, find_origin, load_session
from grantway.endpoints.dispatcher import redirect
from grantway.endpoints.id_token_hint import IdTokenHint, UnknownHintKey, read_id_token_hint
from grantway.endpoints.leaving import log_out, show_logged_out
from grantway.endpoints.presentation import describe_account, describe_client, render
from grantway.errors import InvalidRequest
from grantway.extension import Call, Endpoint, Runtime
from grantway.model import Client, Session, Tenant
from grantway.protocol.authorization import parse_state, parse_ui_locales
from grantway.protocol.logout import BACKCHANNEL_URI, CLIENT_METADATA, SKIP_CONSENT, check_logout_metadata
from grantway.protocol.message import FORM, Parameters, Response, merge_parameters
from grantway.protocol.redirect_uri import build_form_action, build_redirect

_LONGEST_ADDRESS = 6000  # characters; what is much longer, servers in between may refuse


class LogoutRequest(Struct, frozen=True, kw_only=True):
    """A logout request after its rules have passed."""

    hint: IdTokenHint | None
    client: Client | None
    """Whom the hint or ``client_id`` names; one that is disabled counts as none."""
    post_logout_redirect_uri: str | None = None
    """Checked; None: none was given."""
    state: str | None = None
    logout_hint: str | None = None
    ui_locales: tuple[str, ...] = ()

    @property
    def return_url(self) -> str | None:
        """Where the person goes afterwards, with the ``state`` (OpenID Connect RP-Initiated Logout §3)."""
        uri = self.post_logout_redirect_uri
        return build_redirect(uri, {"state": self.state}, "query") if uri and self.state is not None else uri


class EndSession(Endpoint):
    name = "end_session"
    spec = "OpenID Connect RP-Initiated Logout §2"
    path = "/oauth2/sessions/logout"
    methods = ("GET", "POST")
    service = "logout"
    is_page = True
    parameters = (
        "id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales",
    )  # fmt: skip
    client_metadata = CLIENT_METADATA
    fetches = (BACKCHANNEL_URI,)
    jwt_parameters = ("id_token_hint",)

    def check_client(self, runtime: Runtime, client: Client) -> None:
        check_logout_metadata(client)

    async def handle(self, call: Call) -> Response:
        parameters = _read_parameters(call)
        request = await _check(call, parameters)
        session = await load_session(call)
        if session is None:
            return _retry_with_cookies(call, parameters, request) or _finish(call, request)
        form = call.form() if _has_form(call) else None  # what is in an address, a link may have put there
        if form is not None and form.has("csrf_token"):
            return await _answer_confirmation(call, form, request, session)
        if await _is_proved(call, request, session):
            return _finish(call, request, await log_out(call, session))
        return await _ask(call, request, session)

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {
            "end_session_endpoint": tenant.issuer + self.path,  # OpenID Connect RP-Initiated Logout §2.1
            # OpenID Connect Front-Channel Logout §3, OpenID Connect Back-Channel Logout §2.1
            "frontchannel_logout_supported": True,
            "frontchannel_logout_session_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }


def _read_parameters(call: Call) -> Parameters:
    query = call.query()
    parameters = merge_parameters(query, call.form()) if _has_form(call) else query
    parameters.check_unique()
    return parameters


def _has_form(call: Call) -> bool:
    return call.request.method == "POST" and bool(call.request.body or call.request.media_type() == FORM)


async def _check(call: Call, parameters: Parameters) -> LogoutRequest:
    """The rules of §2 and §3. A failure is a page (OpenID Connect RP-Initiated Logout §4)."""
    token, client_id = parameters.get("id_token_hint"), parameters.get("client_id")
    try:
        hint, is_readable = await read_id_token_hint(call, token) if token else None, True
    except UnknownHintKey:
        hint, is_readable = None, False
    if hint is not None and client_id is not None and hint.client_id != client_id:
        raise InvalidRequest("The id_token_hint was issued to another client than client_id.")
    owner = hint.client_id if hint is not None else client_id
    client = await call.runtime.grid.client(call.tenant.tenant, owner) if owner and len(owner) <= 255 else None
    if client is not None and not client.enabled:
        client = None
    uri = parameters.get("post_logout_redirect_uri") if is_readable else None
    if uri is not None and client is None:
        raise InvalidRequest("A post_logout_redirect_uri needs an id_token_hint or the client_id of a known client.")
    if uri is not None and client is not None and uri not in client.post_logout_redirect_uris:
        raise InvalidRequest("The post_logout_redirect_uri is not registered for this client.")
    return LogoutRequest(
        hint=hint,
        client=client,
        post_logout_redirect_uri=uri,
        state=parse_state(parameters) if uri is not None else None,
        logout_hint=parameters.get("logout_hint"),
        ui_locales=parse_ui_locales(parameters),
    )


def _retry_with_cookies(call: Call, parameters: Parameters, request: LogoutRequest) -> Response | None:
    """A form of another site comes without our cookies (SameSite=Lax), so that nobody seems to be logged in. The same
    request as GET has them, and proves as much or as little."""
    origin = call.request.header(b"origin")
    if call.request.method != "POST" or origin in (None, find_origin(call.tenant.issuer).encode()):
        return None
    sent = {name: parameters.get(name) for name in EndSession.parameters}
    address = _build_address(call, sent)
    if len(address) > _LONGEST_ADDRESS and request.client is not None:  # without the hint the person is asked
        address = _build_confirmation_address(call, request)
    return redirect(address)


async def _is_proved(call: Call, request: LogoutRequest, session: Session) -> bool:
    """Whether the hint stands for the person's own wish; if not, they must be asked (OpenID Connect RP-Initiated
    Logout §2)."""
    hint, client = request.hint, request.client
    if hint is None or client is None or not await _is_meant(call, request, session):
        return False
    if hint.session_id == session.session_id:
        return True
    is_skipping = client.extra.get(SKIP_CONSENT) is True and not hint.is_expired
    return is_skipping and hint.subject_identifier == call.runtime.identify(client, session.subject)


async def _is_meant(call: Call, request: LogoutRequest, session: Session) -> bool:
    """Whether ``logout_hint``, if there is one, is about the person who is logged in: their username, email, subject
    identifier or session (OpenID Connect RP-Initiated Logout §2)."""
    hint, client = request.logout_hint, request.client
    if hint is None:
        return True
    subject = await call.runtime.grid.subject(call.tenant.tenant, session.subject)
    if subject is None:
        return False
    names = {subject.username.casefold(), str(subject.claims.get("email") or subject.username).casefold()}
    known_as = call.runtime.identify(client, session.subject) if client is not None else session.subject
    return hint.casefold() in names or hint in (session.session_id, known_as)


async def _ask(call: Call, request: LogoutRequest, session: Session) -> Response:
    subject = await call.runtime.grid.subject(call.tenant.tenant, session.subject)
    account = describe_account(subject) if subject is not None else {"username": "", "name": "", "email": None}
    action = _build_confirmation_address(call, request)
    form_action = build_form_action(request.return_url) if request.return_url else None
    context = {"account": account, "client": describe_client(request.client) if request.client else None}
    return render(call, "logout", {**context, "action": action}, form_action=form_action, locales=request.ui_locales)


def _build_confirmation_address(call: Call, request: LogoutRequest) -> str:
    """What the answer needs is in the form's address, and checked again then; the hint, an ID token, is not."""
    needed = {
        "client_id": request.client.client_id if request.client else None,
        "post_logout_redirect_uri": request.post_logout_redirect_uri,
        "state": request.state,
        "ui_locales": " ".join(request.ui_locales),
    }
    return _build_address(call, needed)


def _build_address(call: Call, parameters: dict[str, str | None]) -> str:
    query = urlencode({name: value for name, value in parameters.items() if value})
    return f"{call.base}{EndSession.path}" + (f"?{query}" if query else "")


async def _answer_confirmation(call: Call, form: Parameters, request: LogoutRequest, session: Session) -> Response:
    check_form(call, form)
    if form.get("action") != "logout":
        return redirect(f"{call.base}/account")
    return _finish(call, request, await log_out(call, session))


def _finish(call: Call, request: LogoutRequest, frames: list[str] | None = None) -> Response:
    return show_logged_out(
        call, frames or (), client=request.client, return_url=request.return_url, locales=request.ui_locales
    )
