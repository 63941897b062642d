"""The admin API's routes for what was granted and who is logged in: authorizations, sessions, tokens, keys."""

from __future__ import annotations

from grantway.admin import authorizations, clients, keys, sessions, tokens, users
from grantway.errors import InvalidRequest, NotFound
from grantway.protocol.message import Response
from grantway.web.admin_call import FORM, PAGING, AdminCall, QueryParameter, Route, build_empty, build_json
from grantway.web.admin_clients import show_client
from grantway.web.admin_wire import (
    AuthorizationView,
    ConsentSession,
    Introspection,
    IntrospectionForm,
    Key,
    KeyRotation,
    SessionView,
    TokenForm,
    show_authorization,
    show_consent_session,
    show_key,
    show_session,
)

# -- authorizations ---------------------------------------------------------------------------------------------------


async def _list_authorizations(call: AdminCall) -> Response:
    page = await authorizations.list_authorizations(
        call.runtime,
        call.tenant,
        subject=call.path.get("sub") or call.query.get("subject"),
        client_id=call.query.get("client_id"),
        cursor=call.cursor(),
        limit=call.page_size(),
    )
    return call.page(page, [show_authorization(authorization) for authorization in page.items])


async def _get_authorization(call: AdminCall) -> Response:
    found = await authorizations.load_authorization(call.runtime, call.tenant, call.path["authorization_id"])
    return build_json(show_authorization(found))


async def _revoke_authorization(call: AdminCall) -> Response:
    await authorizations.revoke_authorization(
        call.runtime, call.tenant, call.path["authorization_id"], actor=call.actor
    )
    return build_empty()


async def _list_consents(call: AdminCall) -> Response:
    page = await authorizations.list_authorizations(
        call.runtime, call.tenant, subject=call.required("subject"), cursor=call.cursor(), limit=call.page_size()
    )
    shown = []
    for authorization in page.items:
        client = await call.runtime.grid.client(call.tenant, authorization.client_id)
        document = show_client(client) if client is not None else {"client_id": authorization.client_id}
        shown.append(show_consent_session(authorization, document))
    return call.page(page, shown)


async def _revoke_consents(call: AdminCall) -> Response:
    """Exactly one way to say which, so that a forgotten parameter never means more than was meant."""
    get = call.query.get
    request_id, subject, client_id, is_all = get("consent_request_id"), get("subject"), get("client"), call.flag("all")
    given = (request_id is not None, subject is not None, client_id is not None, is_all)
    if given == (True, False, False, False):
        try:
            await authorizations.revoke_authorization(call.runtime, call.tenant, str(request_id), actor=call.actor)
        except NotFound:
            return build_empty()  # what is not there is revoked
    elif given in ((False, True, True, False), (False, True, False, True)):
        await authorizations.revoke_authorizations(
            call.runtime, call.tenant, subject=subject, client_id=client_id, actor=call.actor
        )
    else:
        raise InvalidRequest("Send consent_request_id, or subject and client, or subject and all=true.")
    return build_empty()


# -- sessions ---------------------------------------------------------------------------------------------------------


async def _list_sessions(call: AdminCall) -> Response:
    found = await sessions.list_sessions(call.runtime, call.tenant, call.path["sub"])
    return build_json([show_session(session) for session in found])


async def _end_sessions(call: AdminCall) -> Response:
    await users.load_user(call.runtime, call.tenant, call.path["sub"])
    await sessions.end_sessions(call.runtime, call.tenant, call.path["sub"], actor=call.actor)
    return build_empty()


async def _get_session(call: AdminCall) -> Response:
    return build_json(show_session(await sessions.load_session(call.runtime, call.tenant, call.path["sid"])))


async def _end_session(call: AdminCall) -> Response:
    await sessions.end_session(call.runtime, call.tenant, call.path["sid"], actor=call.actor)
    return build_empty()


async def _end_login_sessions(call: AdminCall) -> Response:
    subject, session_id = call.query.get("subject"), call.query.get("sid")
    if (subject is None) == (session_id is None):
        raise InvalidRequest("Send either subject or sid.")
    if subject is not None:
        await sessions.end_sessions(call.runtime, call.tenant, subject, actor=call.actor)
        return build_empty()
    try:
        await sessions.end_session(call.runtime, call.tenant, str(session_id), actor=call.actor)
    except NotFound:
        return build_empty()  # what is not there has ended
    return build_empty()


# -- tokens -----------------------------------------------------------------------------------------------------------


async def _introspect(call: AdminCall) -> Response:
    form: IntrospectionForm = call.body
    found = await tokens.introspect_token(call.runtime, call.tenant, form.token, scope=form.scope)
    return build_json(Introspection(**found))


async def _revoke_token(call: AdminCall) -> Response:
    form: TokenForm = call.body
    await tokens.revoke_token(call.runtime, call.tenant, form.token, actor=call.actor)
    return build_empty()


async def _revoke_tokens(call: AdminCall) -> Response:
    subject = call.query.get("subject")
    if subject is not None:
        if call.query.get("client_id") is not None or not 0 < len(subject) <= 255:
            raise InvalidRequest("Either client_id or subject must be given, the latter with at most 255 characters.")
        await tokens.revoke_subject_tokens(call.runtime, call.tenant, subject, actor=call.actor, rights=call.rights)
        return build_empty()
    client = await clients.load_client(call.runtime, call.tenant, call.required("client_id"))
    call.rights.check_may_hand_out(client.scope)
    await tokens.revoke_client_tokens(call.runtime, call.tenant, client.client_id, actor=call.actor)
    return build_empty()


# -- keys -------------------------------------------------------------------------------------------------------------


async def _list_keys(call: AdminCall) -> Response:
    return build_json([show_key(key) for key in await keys.list_keys(call.runtime, call.tenant)])


async def _rotate_keys(call: AdminCall) -> Response:
    wanted: KeyRotation = call.body
    rotated = await keys.rotate_keys(call.runtime, call.tenant, wanted.alg, force=wanted.force, actor=call.actor)
    return build_json([show_key(key) for key in rotated])


async def _revoke_key(call: AdminCall) -> Response:
    await keys.revoke_key(call.runtime, call.tenant, call.path["kid"], actor=call.actor)
    return build_empty()


_SUBJECT = QueryParameter("subject", "Of this user.")
_CONSENTS = "/admin/oauth2/auth/sessions/consent"

ROUTES = (
    Route(
        method="GET", path="/admin/users/{sub}/authorizations", summary="List what a user has granted",
        handler=_list_authorizations, scope="grantway.authorizations.read", area="authorizations", query=PAGING,
        answer=list[AuthorizationView],
    ),
    Route(
        method="GET",
        path="/admin/authorizations",
        summary="List live authorizations, newest first",
        handler=_list_authorizations,
        scope="grantway.authorizations.read",
        area="authorizations",
        query=(*PAGING, _SUBJECT, QueryParameter("client_id", "To this client.")),
        answer=list[AuthorizationView],
    ),
    Route(
        method="GET", path="/admin/authorizations/{authorization_id}", summary="Show an authorization",
        handler=_get_authorization, scope="grantway.authorizations.read", area="authorizations",
        answer=AuthorizationView, errors=(404,),
    ),
    Route(
        method="DELETE", path="/admin/authorizations/{authorization_id}",
        summary="Revoke an authorization with every token that came from it", handler=_revoke_authorization,
        scope="grantway.authorizations.write", area="authorizations", status=204, errors=(404,),
    ),
    Route(
        method="GET", path=_CONSENTS, summary="List what a user has granted, as Hydra shows it",
        handler=_list_consents, scope="grantway.authorizations.read", area="authorizations",
        query=(*PAGING, QueryParameter("subject", "Of this user.", True)), answer=list[ConsentSession],
    ),
    Route(
        method="DELETE",
        path=_CONSENTS,
        summary="Revoke one authorization, or a user's to one client, or all of a user's",
        handler=_revoke_consents,
        scope="grantway.authorizations.write",
        area="authorizations",
        query=(
            _SUBJECT,
            QueryParameter("client", "To this client."),
            QueryParameter("all", "To every client.", schema={"type": "boolean"}),
            QueryParameter("consent_request_id", "This one authorization."),
        ),
        status=204,
    ),
    Route(
        method="DELETE", path="/admin/oauth2/auth/sessions/login", summary="End a user's sessions, or one session",
        handler=_end_login_sessions, scope="grantway.sessions.write", area="sessions",
        query=(_SUBJECT, QueryParameter("sid", "This session.")), status=204,
    ),
    Route(
        method="GET", path="/admin/users/{sub}/sessions", summary="List where a user is logged in",
        handler=_list_sessions, scope="grantway.sessions.read", area="sessions", answer=list[SessionView],
    ),
    Route(
        method="DELETE", path="/admin/users/{sub}/sessions", summary="Log a user out everywhere",
        handler=_end_sessions, scope="grantway.sessions.write", area="sessions", status=204, errors=(404,),
    ),
    Route(
        method="GET", path="/admin/sessions/{sid}", summary="Show a session", handler=_get_session,
        scope="grantway.sessions.read", area="sessions", answer=SessionView, errors=(404,),
    ),
    Route(
        method="DELETE", path="/admin/sessions/{sid}", summary="End a session", handler=_end_session,
        scope="grantway.sessions.write", area="sessions", status=204, errors=(404,),
    ),
    Route(
        method="POST", path="/admin/oauth2/introspect", summary="Say all about a token", handler=_introspect,
        scope="grantway.tokens.read", area="tokens", body=IntrospectionForm, media_types=(FORM,),
        answer=Introspection,
    ),
    Route(
        method="POST", path="/admin/oauth2/revoke", summary="Revoke a token of any client", handler=_revoke_token,
        scope="grantway.tokens.write", area="tokens", body=TokenForm, media_types=(FORM,), status=204,
    ),
    Route(
        method="DELETE", path="/admin/oauth2/tokens", summary="Revoke every access token of a client, or of a subject",
        handler=_revoke_tokens, scope="grantway.tokens.write", area="tokens",
        query=(
            QueryParameter("client_id", "Of this client."),
            QueryParameter("subject", "Of this subject, with or without an account here."),
        ),
        status=204, errors=(404,),
    ),
    Route(
        method="GET", path="/admin/keys", summary="List signing keys: public halves and states", handler=_list_keys,
        scope="grantway.keys.read", area="keys", answer=list[Key],
    ),
    Route(
        method="POST", path="/admin/keys/rotate", summary="Replace the active signing keys", handler=_rotate_keys,
        scope="grantway.keys.write", area="keys", body=KeyRotation, is_body_optional=True, answer=list[Key],
        errors=(404, 409),
    ),
    Route(
        method="DELETE", path="/admin/keys/{kid}", summary="Take a leaked signing key out of use at once",
        handler=_revoke_key, scope="grantway.keys.write", area="keys", status=204, errors=(404, 409),
    ),
)  # fmt: skip
