"""One access token for another: for another audience, less scope, in the name of who calls (RFC 8693).

A client may exchange what is its own, and what names it as an audience; tokens of other clients only where it was told
so by ``token_exchange_subject_clients``. Where to is its ``audience``, as everywhere. Unless it may impersonate, the
new token says who acts (``act``, RFC 8693 §4.1).

The new token is good for as long as all those are that it was exchanged for: revoking one takes it along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from grantway.errors import InvalidRequest, InvalidScope, InvalidTarget
from grantway.extension import Call, Decision, Grant
from grantway.gate import find_access, is_concerned, read_audience
from grantway.model import Client, TokenFormat
from grantway.protocol.client_metadata import Metadatum, read_boolean, read_list
from grantway.protocol.lifespan import describe_lifespans
from grantway.protocol.message import Parameters
from grantway.protocol.scope import intersect_scope
from grantway.scopes import find_scope_policy
from grantway.tokens import AccessClaims

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
_FORMATS: Mapping[str, TokenFormat | None] = {ACCESS_TOKEN: None, JWT: "jwt"}
MAX_ANCESTORS = 8
"""Tokens that one may descend from: each is looked up whenever it is used."""
_NAME = "urn:ietf:params:oauth:grant-type:token-exchange"


class TokenExchange(Grant):
    name = _NAME
    spec = "RFC 8693 §2"
    parameters = (
        "subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type",
        "scope", "resource", "audience",
    )  # fmt: skip
    repeatable = ("resource", "audience")
    jwt_parameters = ("subject_token", "actor_token")
    requires_confidential_client = True
    client_metadata: ClassVar[Mapping[str, Metadatum]] = {
        **describe_lifespans(_NAME, "access"),
        "token_exchange_subject_clients": Metadatum(
            "Clients whose access tokens it may exchange although it is not their audience.", read_list
        ),
        "token_exchange_impersonation": Metadatum(
            "Whether exchanged tokens may leave out who acts (RFC 8693 §1.1).", read_boolean
        ),
    }

    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        """Whom the new token is about, who acts, and how much of the old token's scope it may have at most."""
        requested_type = parameters.get("requested_token_type") or ACCESS_TOKEN
        if requested_type not in _FORMATS:
            raise InvalidRequest("The requested_token_type is not supported.")
        subject = await _read_token(call, client, parameters, "subject_token")
        if subject is None:
            raise InvalidRequest("The parameter subject_token is missing.")
        if subject.subject is None and subject.client_id != client.client_id:
            raise InvalidRequest("The subject_token is about no person, but about another client.")
        actor = await _read_token(call, client, parameters, "actor_token")
        ancestors = [token.build_ancestor() for token in (subject, actor) if token is not None]
        ancestors += [*subject.ancestors, *(actor.ancestors if actor is not None else ())]
        if len(ancestors) > MAX_ANCESTORS:
            raise InvalidRequest("The token was exchanged too often.")
        return Decision(
            client=client,
            subject=subject.subject,
            scope=_find_scope(call, client, subject),
            is_scope_given=True,
            audience=_find_audience(call, client, subject, parameters),
            not_after=min(token.expires_at for token in (subject, actor) if token is not None),
            ancestors=tuple(ancestors),
            token_claims=_build_claims(call, client, subject, actor),
            token_format=_FORMATS[requested_type],
            answer={"issued_token_type": requested_type},  # RFC 8693 §2.2.1
        )


async def _read_token(call: Call, client: Client, parameters: Parameters, name: str) -> AccessClaims | None:
    """An access token of this server that is good now and that this client may use here (RFC 8693 §2.1).

    Raises:
        InvalidRequest: it is anything else (RFC 8693 §2.2.2).
    """
    token, token_type = parameters.get(name), parameters.get(f"{name}_type")
    if token is None:
        if token_type is not None:  # §2.1: only together
            raise InvalidRequest(f"The parameter {name}_type came without {name}.")
        return None
    if token_type is None:
        raise InvalidRequest(f"The parameter {name}_type is missing.")
    if token_type not in _FORMATS:
        raise InvalidRequest(f"The {name}_type is not supported.")
    claims = await find_access(call.runtime, call.tenant.tenant, token)
    is_good = claims is not None and (token_type == ACCESS_TOKEN or claims.is_jwt)
    if claims is None or not is_good or not _may_use(client, claims, is_actor=name == "actor_token"):
        raise InvalidRequest(f"The {name} is not valid.", detail=f"{name}: unknown, revoked, or not this client's")
    return claims


def _may_use(client: Client, claims: AccessClaims, *, is_actor: bool) -> bool:
    if is_actor:  # whoever acts says so itself: a token found in another's hands names nobody
        return claims.client_id == client.client_id
    if claims.client_id in client.extra.get("token_exchange_subject_clients", ()):
        return True
    return is_concerned(client, claims.client_id, claims.audience)


def _find_scope(call: Call, client: Client, subject: AccessClaims) -> tuple[str, ...]:
    """Never more than the token had (RFC 8693 §5): what an empty scope allows is nothing, not everything."""
    scope = tuple(filter(None, subject.scope.split(" ")))
    scope = find_scope_policy(call.runtime, client).select(scope, client.scope)
    if not scope:
        raise InvalidScope("Nothing of the token's scope is this client's.")
    return scope


def _find_audience(call: Call, client: Client, subject: AccessClaims, parameters: Parameters) -> tuple[str, ...]:
    """What was asked for, of all the client may ask for; else what the token was good for, as far as it may."""
    if read_audience(parameters):
        return client.audience
    named = tuple(audience for audience in subject.audience if audience != call.tenant.issuer)  # a JWT always has one
    audience = intersect_scope(named, client.audience)
    if named and not audience:
        raise InvalidTarget("The token's audience is none this client may ask for. Name one.")
    return audience


def _build_claims(call: Call, client: Client, subject: AccessClaims, actor: AccessClaims | None) -> dict[str, Any]:
    """``act``: who acts now, with who acted before inside (RFC 8693 §4.1), and ``may_act``, which goes on to hold.

    Other claims were put into the old token for its own client; features have their say in the new one.
    """
    kept = {name: value for name, value in (subject.extra or {}).items() if name == "may_act"}
    acting: dict[str, Any] = {"sub": client.client_id, "client_id": client.client_id}
    if actor is not None and actor.subject is not None:
        acting["sub"] = call.runtime.identify(client, actor.subject)
    if kept:
        _check_may_act(kept["may_act"], acting)
    before = _describe_before(client, (subject.extra or {}).get("act"))
    if actor is None and client.extra.get("token_exchange_impersonation"):
        return kept | before
    return {**kept, "act": acting | before}


def _check_may_act(allowed: Any, acting: Mapping[str, Any]) -> None:
    """Raises ``InvalidRequest``: somebody else may, or it cannot be understood who (RFC 8693 §4.4)."""
    is_understood = isinstance(allowed, Mapping) and bool(allowed)
    if not is_understood or any(acting.get(name) != value for name, value in allowed.items()):
        raise InvalidRequest("The subject_token may not be used by this actor.")


def _describe_before(client: Client, act: Any) -> dict[str, Any]:
    """``act`` of the old token, as far as this client may see it: to a pairwise one other clients' names of people are
    nobody's business (OpenID Connect Core §8.1)."""
    if not isinstance(act, Mapping):
        return {}
    shown = {name: value for name, value in act.items() if name != "act"}
    if client.subject_type == "pairwise" and shown.get("sub") != shown.get("client_id"):
        del shown["sub"]
    return {"act": shown | _describe_before(client, act.get("act"))}
