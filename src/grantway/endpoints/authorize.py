"""The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2), in three parts.

1. Client and redirect_uri: until both are good, a failure is a page, never a redirect (RFC 6749 §4.1.2.1).
2. The rules of ``protocol.authorization``, in their order: a failure goes to the redirect_uri.
3. ``dispatcher.advance``: what the session, the consent and the rules of interaction make of it.
"""

from __future__ import annotations

from typing import Any

from grantway.browser import load_session
from grantway.endpoints.dispatcher import advance, load_flow, refuse
from grantway.endpoints.id_token_hint import read_id_token_hint
from grantway.errors import InvalidClient, InvalidRequest, OAuthError
from grantway.extension import Call, Endpoint, Runtime
from grantway.model import AuthorizationRequest, Client, Tenant
from grantway.protocol.authorization import (
    AuthorizationPolicy,
    check_authorization_request,
    default_response_mode,
    parse_response_mode,
    parse_state,
)
from grantway.protocol.lifespan import describe_lifespans
from grantway.protocol.message import Parameters, Response, merge_parameters
from grantway.protocol.redirect_uri import choose_redirect_uri
from grantway.protocol.vocabulary import DISPLAYS, PROMPTS, RESPONSE_MODES, RESPONSE_TYPES
from grantway.scopes import find_default_scope, find_scope_policy


class Authorize(Endpoint):
    name = "authorization"
    spec = "RFC 6749 §3.1"
    path = "/oauth2/auth"
    methods = ("GET", "POST")
    service = "authorize"
    is_page = True
    grant_types = ("implicit",)
    jwt_parameters = ("id_token_hint",)
    client_metadata = describe_lifespans("implicit", "access", "id")

    async def handle(self, call: Call) -> Response:
        parameters = _read_parameters(call)
        client, redirect_uri = await _find_client(call, parameters)
        given = parameters.get("redirect_uri") is not None
        fallback = _build_fallback(client, redirect_uri, parameters)
        try:
            request = await _check(call, parameters, client, redirect_uri, given)
        except OAuthError as error:
            return refuse(call, fallback, error)
        session = await load_session(call)
        return await advance(call, await load_flow(call, client, request, session, None))

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {
            "authorization_endpoint": tenant.issuer + self.path,
            "response_types_supported": list(RESPONSE_TYPES),
            "response_modes_supported": list(RESPONSE_MODES),
            "code_challenge_methods_supported": ["S256"],
            "prompt_values_supported": list(PROMPTS),
            "display_values_supported": list(DISPLAYS),
            "acr_values_supported": [runtime.settings.interaction.acr],
            "claims_parameter_supported": True,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "authorization_response_iss_parameter_supported": True,
        }


def _read_parameters(call: Call) -> Parameters:
    query = call.query()
    return merge_parameters(query, call.form()) if call.request.method == "POST" else query


async def _find_client(call: Call, parameters: Parameters) -> tuple[Client, str]:
    """The client and where its answer may go. Whatever fails here is shown to the person."""
    for name in ("client_id", "redirect_uri"):
        if name in parameters.repeated:
            raise InvalidRequest(f"The parameter {name} was sent more than once.")
    client_id = parameters.get("client_id")
    if client_id is None:
        raise InvalidRequest("The parameter client_id is missing.")
    client = await call.runtime.grid.client(call.tenant.tenant, client_id) if len(client_id) <= 255 else None
    if client is None or not client.enabled:
        raise InvalidClient("The application is not known here, or is disabled.", detail="authorization endpoint")
    policy = find_scope_policy(call.runtime, client)
    is_openid = "openid" in policy.spell_out(parameters.get("scope") or "").split(" ")
    return client, choose_redirect_uri(parameters.get("redirect_uri"), client, is_openid=is_openid)


def _build_fallback(client: Client, redirect_uri: str, parameters: Parameters) -> AuthorizationRequest:
    """What an error is answered by before the request is known to be good: the mode and state, where they are sound."""
    response_type = parameters.get("response_type")
    try:
        mode = parse_response_mode(parameters, response_type)
        mode = mode if mode in client.response_modes else default_response_mode(response_type)
    except InvalidRequest:
        mode = default_response_mode(response_type)
    try:
        state = parse_state(parameters)
    except InvalidRequest:
        state = None
    return AuthorizationRequest(client_id=client.client_id, redirect_uri=redirect_uri, response_mode=mode, state=state)


async def _check(
    call: Call, parameters: Parameters, client: Client, redirect_uri: str, given: bool
) -> AuthorizationRequest:
    runtime = call.runtime
    hint = parameters.get("id_token_hint") if "id_token_hint" not in parameters.repeated else None
    hinted = await read_id_token_hint(call, hint, audience=client.client_id) if hint else None
    request = check_authorization_request(
        parameters,
        client,
        redirect_uri=redirect_uri,
        redirect_uri_given=given,
        response_mode=parse_response_mode(parameters, parameters.get("response_type")),
        policy=AuthorizationPolicy(
            require_pkce=runtime.settings.tokens.require_pkce,
            acr_values=(runtime.settings.interaction.acr,),
            scope=find_scope_policy(runtime, client),
            default_scope=await find_default_scope(call, client),
            hinted_subject=hinted.subject_identifier if hinted else None,
        ),
    )
    for feature in runtime.extensions.features:
        request = feature.check_authorization_request(call, client, request, parameters)
    return request
