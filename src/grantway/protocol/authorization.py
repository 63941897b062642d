"""The rules an authorization request has to pass, in order: ``RULES`` is the list.

By the time they run, client and redirect_uri are known to be good, so every failure here is answered by a redirect
(RFC 6749 §4.1.2.1). Three things are read before the rules, as the answer to a failure needs them too: the
redirect_uri, ``parse_state`` and ``parse_response_mode``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct, field

from grantway.errors import (
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnmetAuthenticationRequirements,
    UnsupportedResponseType,
)
from grantway.model import AuthorizationRequest, ClaimRequest, ClaimsRequest, Client
from grantway.protocol.client_metadata import find_grant_types, sort_response_type
from grantway.protocol.json_input import parse_json_object
from grantway.protocol.message import Parameters, is_vschar
from grantway.protocol.pkce import check_code_challenge
from grantway.protocol.redirect_uri import split_scheme
from grantway.protocol.scope import BY_NAME, ScopePolicy, narrow_scope
from grantway.protocol.vocabulary import CLAIM_SCOPES, DISPLAYS, PROMPTS, RESPONSE_MODES, RESPONSE_TYPES

REPEATABLE: Final = frozenset({"resource", "audience"})
"""The parameters that may come more than once (RFC 8707 §2)."""

MAX_STATE_LENGTH: Final = 2048
MAX_NONCE_LENGTH: Final = 512
MAX_LOGIN_HINT_LENGTH: Final = 256
MAX_AUDIENCES: Final = 20
MAX_LIST_VALUES: Final = 20
MAX_LIST_LENGTH: Final = 1024
MAX_CLAIMS_SIZE: Final = 8192
MAX_CLAIMS_DEPTH: Final = 8
MAX_CLAIMS: Final = 100

_MAX_AGE: Final = re.compile(r"[0-9]{1,10}")  # not \d, which takes the digits of every script
_LANGUAGE_TAG: Final = re.compile(r"[A-Za-z0-9-]{1,35}")  # RFC 5646 §2.1


class AuthorizationPolicy(Struct, frozen=True, kw_only=True):
    """What the server adds to the rules: its settings, and what it found out about this request."""

    require_pkce: bool = False
    response_types: tuple[str, ...] = RESPONSE_TYPES
    acr_values: tuple[str, ...] = ()
    """The authentication contexts a log-in here can reach; empty: not known."""
    scope: ScopePolicy = BY_NAME
    """How the scope asked for is compared with the client's."""
    default_scope: tuple[str, ...] = ()
    """What is asked for by a request that names no scope, of a client without a default of its own."""
    hinted_subject: str | None = None
    """The ``sub`` of the ``id_token_hint``, after it was verified: the subject as this client knows it."""


class Candidate(Struct, kw_only=True):
    """A request on its way through the rules. ``found`` are fields of the ``AuthorizationRequest``, so far."""

    parameters: Parameters
    client: Client
    policy: AuthorizationPolicy
    response_mode: str
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def is_openid(self) -> bool:
        return "openid" in self.found["scope"]

    @property
    def answers(self) -> list[str]:
        """What the answer is to have: ``code``, ``token``, ``id_token``."""
        response_type: str = self.found["response_type"]
        return response_type.split(" ")


class Rule(Struct, frozen=True):
    """One rule: what it looks at, where it is written, and the function that raises or returns what it found."""

    name: str
    spec: str
    apply: Callable[[Candidate], Mapping[str, Any]]


def check_authorization_request(
    parameters: Parameters,
    client: Client,
    *,
    redirect_uri: str,
    redirect_uri_given: bool,
    response_mode: str,
    policy: AuthorizationPolicy,
) -> AuthorizationRequest:
    """Runs ``RULES`` over a request whose client and redirect_uri are settled.

    ``redirect_uri_given``: whether the request carried it, as the token request then has to as well (RFC 6749 §4.1.3).

    Raises:
        OAuthError: the first rule that fails; send it to ``redirect_uri`` in ``response_mode``.
    """
    candidate = Candidate(parameters=parameters, client=client, policy=policy, response_mode=response_mode)
    for rule in RULES:
        candidate.found |= rule.apply(candidate)
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        redirect_uri_given=redirect_uri_given,
        response_mode=response_mode,
        **candidate.found,
    )


def parse_state(parameters: Parameters) -> str | None:
    """The ``state`` to echo unchanged in every answer, errors included (RFC 6749 §4.1.2.1).

    Raises:
        InvalidRequest: it is repeated, too long, or outside VSCHAR (RFC 6749 Appendix A.5). Then it is not echoed.
    """
    if "state" in parameters.repeated:
        raise InvalidRequest("The parameter state was sent more than once.")
    return _read_text(parameters, "state", MAX_STATE_LENGTH)


def default_response_mode(response_type: str | None) -> str:
    """How the answer travels unless asked otherwise (OAuth 2.0 Multiple Response Types §2.1, §5)."""
    return "fragment" if _bears_token(response_type) else "query"


def parse_response_mode(parameters: Parameters, response_type: str | None) -> str:
    """The ``response_mode`` asked for, or the default of the response type.

    Raises:
        InvalidRequest: it is unknown, or would put a token into a query. Answer in ``default_response_mode``.
    """
    mode = parameters.get("response_mode")
    if mode is None:
        return default_response_mode(response_type)
    if mode not in RESPONSE_MODES:
        raise InvalidRequest("The response_mode is not supported.")
    if mode == "query" and _bears_token(response_type):  # Multiple Response Types §3
        raise InvalidRequest("The response_mode must not be query for this response_type.")
    return mode


# -- the rules, in the order of RULES ---------------------------------------------------------------------------------


def _check_repeats(candidate: Candidate) -> Mapping[str, Any]:
    candidate.parameters.check_unique(REPEATABLE)
    return {}


def _check_state(candidate: Candidate) -> Mapping[str, Any]:
    return {"state": parse_state(candidate.parameters)}


def _check_response_type(candidate: Candidate) -> Mapping[str, Any]:
    text = candidate.parameters.get("response_type")
    if text is None:
        raise InvalidRequest("The response_type parameter is missing.")
    response_type = sort_response_type(text)
    if response_type not in candidate.policy.response_types:
        raise UnsupportedResponseType()
    client = candidate.client
    if response_type not in client.response_types or not find_grant_types(response_type).issubset(client.grant_types):
        raise UnauthorizedClient()
    return {"response_type": response_type}


def _check_response_mode(candidate: Candidate) -> Mapping[str, Any]:
    if candidate.response_mode not in candidate.client.response_modes:
        raise InvalidRequest("This client may not use that response_mode.")
    return {}


def _refuse_request_object(candidate: Candidate) -> Mapping[str, Any]:
    if candidate.parameters.get("request") is not None:
        raise RequestNotSupported()
    return {}


def _refuse_request_uri(candidate: Candidate) -> Mapping[str, Any]:
    if candidate.parameters.get("request_uri") is not None:
        raise RequestUriNotSupported()
    return {}


def _refuse_registration(candidate: Candidate) -> Mapping[str, Any]:
    if candidate.parameters.get("registration") is not None:
        raise RegistrationNotSupported()
    return {}


def _check_scope(candidate: Candidate) -> Mapping[str, Any]:
    policy = candidate.policy
    scope = parse_requested_scope(
        candidate.parameters,
        candidate.client,
        policy.scope,
        policy.default_scope,
        is_offline_possible="code" in candidate.answers,
    )
    if "id_token" in candidate.answers and "openid" not in scope:  # Core §3.2.2.1, §3.3.2.1
        raise InvalidRequest("A response_type with id_token needs the scope openid.")
    return {"scope": scope}


def parse_requested_scope(
    parameters: Parameters,
    client: Client,
    policy: ScopePolicy = BY_NAME,
    default_scope: tuple[str, ...] = (),
    *,
    is_offline_possible: bool = True,
) -> tuple[str, ...]:
    """The scope asked for, or the client's default, or ``default_scope``.

    Raises:
        InvalidScope: it is malformed, more than the client may ask for, or missing without a default.
    """
    requested = policy.parse(parameters.get("scope")) or client.default_scope or default_scope
    if not is_offline_possible:  # Core §11: where there is nothing to refresh by, offline_access is ignored
        requested = tuple(value for value in requested if value != "offline_access")
    if not requested:  # RFC 6749 §3.3: without a default the request fails
        raise InvalidScope("The scope parameter is missing, and this client has no default scope.")
    return narrow_scope(requested, client.scope, policy)


def _check_audience(candidate: Candidate) -> Mapping[str, Any]:
    return {"audience": parse_audience(candidate.parameters, candidate.client)}


def parse_audience(parameters: Parameters, client: Client) -> tuple[str, ...]:
    """The audiences asked for by ``resource`` (each an absolute URI) and ``audience`` (names, separated by spaces).

    Raises:
        InvalidTarget: one is malformed or not among the client's (RFC 8707 §2).
    """
    resources = parameters.list("resource")
    for resource in resources:
        scheme, rest = split_scheme(resource)
        if not scheme or not rest or "#" in resource or " " in resource or not is_vschar(resource):
            raise InvalidTarget("A resource must be an absolute URI without a fragment.")
    names = [name for value in parameters.list("audience") for name in value.split(" ") if name]
    audience = tuple(dict.fromkeys([*resources, *names]))
    if len(audience) > MAX_AUDIENCES:
        raise InvalidTarget(f"More than {MAX_AUDIENCES} audiences were requested.")
    if not set(audience).issubset(client.audience):
        raise InvalidTarget("A requested resource or audience is not one this client may use.")
    return audience


def _check_pkce(candidate: Candidate) -> Mapping[str, Any]:
    client = candidate.client
    values = candidate.parameters.values  # not get(): an emptied challenge is refused, not taken as absent
    challenge = check_code_challenge(
        values.get("code_challenge"),
        values.get("code_challenge_method"),
        is_required="code" in candidate.answers
        and (candidate.policy.require_pkce or client.require_pkce or client.is_public),
    )
    return {"code_challenge": challenge}


def _check_nonce(candidate: Candidate) -> Mapping[str, Any]:
    nonce = _read_text(candidate.parameters, "nonce", MAX_NONCE_LENGTH)
    if nonce is None and "id_token" in candidate.answers:  # Core §3.2.2.1, §3.3.2.11
        raise InvalidRequest("The nonce parameter is missing. An ID token in the front channel needs one.")
    return {"nonce": nonce} if candidate.is_openid else {}


def _check_prompt(candidate: Candidate) -> Mapping[str, Any]:
    prompt = tuple(dict.fromkeys((candidate.parameters.get("prompt") or "").split()))
    if not set(prompt).issubset(PROMPTS):
        raise InvalidRequest("The prompt has a value that is not supported.")
    if "none" in prompt and len(prompt) > 1:
        raise InvalidRequest("The prompt none cannot be combined with another.")
    return {"prompt": prompt}


def _check_max_age(candidate: Candidate) -> Mapping[str, Any]:
    max_age = candidate.parameters.get("max_age")
    if max_age is not None and not _MAX_AGE.fullmatch(max_age):
        raise InvalidRequest("The max_age is not a number of seconds.")
    return {"max_age": int(max_age) if max_age is not None else None}


def _check_display(candidate: Candidate) -> Mapping[str, Any]:
    display = candidate.parameters.get("display")
    if display is not None and display not in DISPLAYS:
        raise InvalidRequest("The display is not supported.")
    return {"display": display}


def _check_login_hint(candidate: Candidate) -> Mapping[str, Any]:
    hint = candidate.parameters.get("login_hint")
    if hint is not None and (len(hint) > MAX_LOGIN_HINT_LENGTH or not hint.isprintable()):
        raise InvalidRequest("The login_hint is too long or not text.")
    return {"login_hint": hint}


def _check_acr_values(candidate: Candidate) -> Mapping[str, Any]:
    values = _read_list(candidate.parameters, "acr_values")
    return {"acr_values": values or candidate.client.default_acr_values}


def _check_ui_locales(candidate: Candidate) -> Mapping[str, Any]:
    return {"ui_locales": parse_ui_locales(candidate.parameters)}


def parse_ui_locales(parameters: Parameters) -> tuple[str, ...]:
    """The languages asked for, the most wanted first.

    Raises:
        InvalidRequest: there are too many, or characters that no language tag has.
    """
    # Core §3.1.2.1: locales that are not understood are no error, so they are dropped here.
    locales = _read_list(parameters, "ui_locales")
    return tuple(locale for locale in locales if _LANGUAGE_TAG.fullmatch(locale))


def _check_claims(candidate: Candidate) -> Mapping[str, Any]:
    text = candidate.parameters.get("claims")
    if text is None or not candidate.is_openid:
        return {}
    claims = parse_claims(text, candidate.client.scope)
    acr = claims.id_token.get("acr")
    supported = candidate.policy.acr_values
    if acr is not None and acr.essential and supported:
        wanted = acr.values if acr.value is None else (acr.value, *acr.values)
        if wanted and not any(value in supported for value in wanted):  # Core §5.5.1.1
            raise UnmetAuthenticationRequirements()
    return {"claims": claims}


def _check_subject(candidate: Candidate) -> Mapping[str, Any]:
    """Who has to be the one that logs in: the hint's subject, or the ``sub`` the claims parameter demands (§5.5.1)."""
    hinted = candidate.policy.hinted_subject
    claims: ClaimsRequest | None = candidate.found.get("claims")
    asked = claims.id_token.get("sub") if claims is not None else None
    if asked is None or asked.value is None:
        return {"hinted_subject": hinted}
    if not isinstance(asked.value, str):
        raise InvalidRequest("The claims parameter demands a sub that is not a string.")
    if hinted is not None and hinted != asked.value:
        raise InvalidRequest("The id_token_hint and the claims parameter name different subjects.")
    return {"hinted_subject": asked.value}


RULES: Final[tuple[Rule, ...]] = (
    Rule("no parameter repeated", "RFC 6749 §3.1", _check_repeats),
    Rule("state", "RFC 6749 §4.1.1", _check_state),
    Rule("response_type", "RFC 6749 §3.1.1", _check_response_type),
    Rule("response_mode", "OAuth 2.0 Multiple Response Types §2.1", _check_response_mode),
    Rule("request", "OpenID Connect Core §6.1", _refuse_request_object),
    Rule("request_uri", "OpenID Connect Core §6.2", _refuse_request_uri),
    Rule("registration", "OpenID Connect Core §7.2.1", _refuse_registration),
    Rule("scope", "RFC 6749 §3.3", _check_scope),
    Rule("resource, audience", "RFC 8707 §2.1", _check_audience),
    Rule("code_challenge", "RFC 7636 §4.4", _check_pkce),
    Rule("nonce", "OpenID Connect Core §3.1.2.1, §3.2.2.1", _check_nonce),
    Rule("prompt", "OpenID Connect Core §3.1.2.1", _check_prompt),
    Rule("max_age", "OpenID Connect Core §3.1.2.1", _check_max_age),
    Rule("display", "OpenID Connect Core §3.1.2.1", _check_display),
    Rule("login_hint", "OpenID Connect Core §3.1.2.1", _check_login_hint),
    Rule("acr_values", "OpenID Connect Core §3.1.2.1", _check_acr_values),
    Rule("ui_locales", "OpenID Connect Core §3.1.2.1", _check_ui_locales),
    Rule("claims", "OpenID Connect Core §5.5", _check_claims),
    Rule("id_token_hint, claims.id_token.sub", "OpenID Connect Core §3.1.2.1, §5.5.1", _check_subject),
)
"""Every rule, in the order it is applied. The first that fails is the answer.

``nonce`` and ``claims`` mean something to OpenID Connect alone and are ignored without the scope ``openid``; what
steers the pages (``prompt``, ``max_age``, ``login_hint`` …) is honoured always, as ignoring it would surprise.
"""


# -- the claims parameter ---------------------------------------------------------------------------------------------


def parse_claims(text: str, client_scope: tuple[str, ...]) -> ClaimsRequest:
    """Reads the ``claims`` parameter (Core §5.5). Members it does not define are ignored, as §5.5 demands.

    A claim that belongs to a scope the client was not registered for is ignored too: a name is no way around it.

    Raises:
        InvalidRequest: it is not JSON of the defined shape, or exceeds the limits on size, depth and number.
    """
    document = parse_json_object(text, max_size=MAX_CLAIMS_SIZE, max_depth=MAX_CLAIMS_DEPTH)
    return ClaimsRequest(
        userinfo=_read_claim_requests(document.get("userinfo"), client_scope),
        id_token=_read_claim_requests(document.get("id_token"), client_scope),
    )


def _read_claim_requests(members: Any, client_scope: tuple[str, ...]) -> dict[str, ClaimRequest | None]:
    if members is None:
        return {}
    if not isinstance(members, dict) or len(members) > MAX_CLAIMS:
        raise InvalidRequest(f"The claims parameter holds something else than an object of up to {MAX_CLAIMS} claims.")
    return {
        name: _read_claim_request(request)
        for name, request in members.items()
        if name not in CLAIM_SCOPES or CLAIM_SCOPES[name] in client_scope
    }


def _read_claim_request(request: Any) -> ClaimRequest | None:
    """Core §5.5.1: null, or an object of ``essential``, ``value`` and ``values``."""
    if request is None:
        return None
    if not isinstance(request, dict):
        raise InvalidRequest("A claim in the claims parameter is neither null nor an object.")
    essential, values = request.get("essential", False), request.get("values", [])
    if not isinstance(essential, bool) or not isinstance(values, list) or len(values) > MAX_LIST_VALUES:
        raise InvalidRequest("A claim in the claims parameter has a malformed essential or values member.")
    return ClaimRequest(essential=essential, value=request.get("value"), values=tuple(values))


def _bears_token(response_type: str | None) -> bool:
    return not {"token", "id_token"}.isdisjoint((response_type or "").split())


def _read_text(parameters: Parameters, name: str, longest: int) -> str | None:
    """A parameter the client gets back as it was: VSCHAR only, bounded. Never repeated in the error."""
    text = parameters.get(name)
    if text is not None and (len(text) > longest or not is_vschar(text)):
        raise InvalidRequest(f"The {name} is longer than {longest} characters or not plain ASCII text.")
    return text


def _read_list(parameters: Parameters, name: str) -> tuple[str, ...]:
    text = _read_text(parameters, name, MAX_LIST_LENGTH) or ""
    values = tuple(dict.fromkeys(text.split()))
    if len(values) > MAX_LIST_VALUES:
        raise InvalidRequest(f"The {name} has more than {MAX_LIST_VALUES} values.")
    return values
