"""The operator's own service has a say in every token: Hydra's token hook and refresh hook, over HTTP.

A hook is asked when everything has been checked and nothing has been spent. It answers 200 with claims that take the
place of those there were, 204 to leave all as it is, 403 to deny. Anything else, or no answer in time, and nothing is
issued: the client is told to come again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from grantway.config import HookSettings, Settings
from grantway.errors import AccessDenied, FetchFailed, OAuthError, TemporarilyUnavailable
from grantway.extension import Call, Decision, Feature
from grantway.protocol.json_input import parse_json_object
from grantway.protocol.message import Parameters
from grantway.protocol.scope import parse_scope
from grantway.scopes import find_scope_policy

MAX_ANSWER_SIZE: Final = 65536
MAX_ANSWER_DEPTH: Final = 12
MAX_CLAIMS_SIZE: Final = 4096
"""Bytes of JSON that a hook may put into one token."""


class TokenHook(Feature):
    name = "token_hook"
    spec = "Ory Hydra, token hook"
    is_replayable = True
    fetches = ("hooks.token_url", "hooks.refresh_url")

    def is_enabled(self, settings: Settings) -> bool:
        return bool(settings.hooks.token_url or settings.hooks.refresh_url)

    async def shape_decision(self, call: Call, grant_type: str, decision: Decision, parameters: Parameters) -> Decision:
        """Asks the refresh hook where a token is refreshed, and then the token hook; each sees what the other said."""
        call.is_replayable = False  # what it says now it need not say again
        hooks = call.runtime.settings.hooks
        if hooks.refresh_url and grant_type == "refresh_token":
            body = _build_refresh_request(call, decision)
            decision = await _ask(call, hooks, "hooks.refresh_url", hooks.refresh_url, body, decision)
        if hooks.token_url:
            body = _build_token_request(call, grant_type, decision, parameters)
            decision = await _ask(call, hooks, "hooks.token_url", hooks.token_url, body, decision)
        return decision


def _build_session(call: Call, decision: Decision) -> dict[str, Any]:
    subject, authorization = decision.subject, decision.authorization
    identifier = call.runtime.identify(decision.client, subject) if subject is not None else decision.client.client_id
    claims: dict[str, Any] = {
        "iss": call.tenant.issuer,
        "sub": identifier,
        "aud": [decision.client.client_id],
        "auth_time": authorization.auth_time if authorization else None,
        "acr": authorization.acr if authorization else None,
        "amr": list(authorization.amr) if authorization else None,
        "sid": authorization.session_id if authorization else None,
    }
    return {
        "client_id": decision.client.client_id,
        "subject": identifier,
        "extra": decision.token_claims,
        "id_token": {
            "subject": identifier,
            "id_token_claims": {
                **{name: value for name, value in claims.items() if value is not None},
                "ext": decision.id_token_claims,
            },
        },
    }


def _build_requester(grant_type: str, decision: Decision) -> dict[str, Any]:
    return {
        "client_id": decision.client.client_id,
        "granted_scopes": decision.scope,
        "granted_audience": decision.audience,
        "grant_types": [grant_type],
    }


def _build_token_request(call: Call, grant_type: str, decision: Decision, parameters: Parameters) -> dict[str, Any]:
    """Of the request itself an assertion is passed on, and no credential that is still good."""
    request = _build_requester(grant_type, decision)
    assertion = parameters.get("assertion")
    return {
        "session": _build_session(call, decision),
        "request": {
            **request,
            "requested_scopes": find_scope_policy(call.runtime, decision.client).parse(parameters.get("scope")),
            "payload": {"assertion": [assertion]} if assertion is not None else {},
        },
    }


def _build_refresh_request(call: Call, decision: Decision) -> dict[str, Any]:
    requester = _build_requester("refresh_token", decision)
    session = _build_session(call, decision)
    return {
        "subject": session["subject"],
        "session": session,
        "requester": requester,
        "client_id": requester["client_id"],
        "granted_scopes": requester["granted_scopes"],
        "granted_audience": requester["granted_audience"],
    }


async def _ask(
    call: Call, hooks: HookSettings, purpose: str, url: str, body: Mapping[str, Any], decision: Decision
) -> Decision:
    """Raises ``AccessDenied``: it said no. ``TemporarilyUnavailable``: it said nothing that can be understood."""
    headers = {"content-type": "application/json", "accept": "application/json"}
    if hooks.credential is not None:
        secret = hooks.credential.reveal()
        if hooks.credential_in == "cookie":
            headers["cookie"] = f"{hooks.credential_name}={secret}"
        else:
            headers[hooks.credential_name.lower()] = secret
    try:
        answer = await call.runtime.egress.post(
            url,
            purpose=purpose,
            body=msgspec.json.encode(body),
            headers=headers,
            max_bytes=MAX_ANSWER_SIZE,
            is_operators=True,
            timeout=hooks.timeout_ms / 1000,
        )
    except FetchFailed as error:
        raise TemporarilyUnavailable(detail=error.detail) from error
    if answer.status == 204:
        return decision
    if answer.status == 403:
        raise AccessDenied(detail=f"{purpose}: 403")
    if answer.status != 200:
        raise TemporarilyUnavailable(detail=f"{purpose}: status {answer.status}")
    return _apply(purpose, answer.body, decision)


def _apply(purpose: str, body: bytes, decision: Decision) -> Decision:
    try:
        document = parse_json_object(body.decode(), max_size=MAX_ANSWER_SIZE, max_depth=MAX_ANSWER_DEPTH)
        session = _read_object(document, "session")
        changes: dict[str, Any] = {}
        if "access_token" in session:
            changes["token_claims"] = _read_object(session, "access_token")
        if "id_token" in session:
            changes["id_token_claims"] = _read_object(session, "id_token")
        if "granted_scopes" in document:
            changes["scope"] = _read_scope(document["granted_scopes"])
    except (ValueError, OAuthError) as error:
        raise TemporarilyUnavailable(detail=f"{purpose}: {error}") from error
    return replace(decision, **changes)


def _read_scope(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("its granted_scopes are not a list of strings")
    return parse_scope(" ".join(values))


def _read_object(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"its {name} is not an object")
    if name != "session" and len(msgspec.json.encode(value)) > MAX_CLAIMS_SIZE:
        raise ValueError(f"its {name} is larger than {MAX_CLAIMS_SIZE} bytes")
    return value
