"""Dynamic client registration: what a client may say about itself (RFC 7591 §2, RFC 7592 §2.2).

An allow-list: what stands in ``SELF_SERVICE``, and what an extension's ``Metadatum`` calls self-service. What only an
administrator may set is refused; what nobody knows is ignored, as RFC 7591 §2 demands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from grantway.errors import InvalidClientMetadata, InvalidSoftwareStatement
from grantway.model import Client, RegistrationPolicy
from grantway.protocol.client_metadata import FIELDS, Metadatum, describe_client, require
from grantway.protocol.scope import format_scope, parse_scope

SELF_SERVICE: Final = frozenset(
    {
        "client_name", "redirect_uris", "token_endpoint_auth_method", "grant_types", "response_types", "scope",
        "contacts", "client_uri", "logo_uri", "policy_uri", "tos_uri",
        "application_type", "id_token_signed_response_alg", "subject_type", "sector_identifier_uri",
        "default_max_age", "require_auth_time", "default_acr_values", "post_logout_redirect_uris",
        "response_modes", "require_pkce",
    }
)  # fmt: skip
"""Of ``client_metadata.FIELDS``; a new field is the administrator's until it is named here."""

SERVERS_OWN: Final = frozenset(
    {
        "client_id", "client_secret", "client_id_issued_at", "client_secret_expires_at", "registration_access_token",
        "registration_client_uri", "version", "created_at", "updated_at",
    }
)  # fmt: skip
"""What the server says of a client, and no client of itself (RFC 7592 §2.2)."""


ADMINISTRATORS_OWN: Final = frozenset({"owner", "metadata", "enabled"})
"""What a client is not told of itself."""

INITIAL_ACCESS_PREFIX: Final = "gwit_"
"""Of initial access tokens: lets a secret scanner know one that leaked."""
_TOKEN_ID_LENGTH: Final = 26


def build_initial_access_token(token_id: str, secret: str) -> str:
    """The token: which one it is, and the proof."""
    return INITIAL_ACCESS_PREFIX + token_id + secret


def parse_initial_access_token(token: str) -> str | None:
    """Which one it says it is; None: it is no initial access token."""
    token_id = token[len(INITIAL_ACCESS_PREFIX) :][:_TOKEN_ID_LENGTH]
    is_one = token.startswith(INITIAL_ACCESS_PREFIX) and len(token_id) == _TOKEN_ID_LENGTH and token_id.isascii()
    return token_id if is_one and token_id.isalnum() else None


def select_metadata(
    document: Mapping[str, Any],
    policy: RegistrationPolicy,
    extra_metadata: Mapping[str, Metadatum],
    *,
    statement: Mapping[str, Any] | None = None,
    shown: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document that ``parse_client`` is given.

    Args:
        shown: what the client was told of itself; that may come back unchanged (RFC 7592 §2.2).
        statement: what a software statement fixed (``select_statement``); it takes precedence (RFC 7591 §2.3).

    Raises:
        InvalidClientMetadata: it says what is not the client's to say, or more than the policy allows.
    """
    for name in document:
        require(name not in SERVERS_OWN, name, "is for the server to say")
    selected: dict[str, Any] = {}
    for name, value in {**document, **(statement or {})}.items():
        if name in SELF_SERVICE or (name in extra_metadata and extra_metadata[name].is_self_service):
            selected[name] = value
        elif shown is not None and name in shown and shown[name] == value:
            continue
        elif name in FIELDS or name in extra_metadata:
            raise InvalidClientMetadata(f"{name[:64]} can only be set by an administrator.")
    if selected.get("scope") is None:  # RFC 7591 §2: the server may choose where the client says nothing
        selected["scope"] = format_scope(policy.scope)
    selected["audience"] = list(policy.audience)
    return selected


def check_policy(client: Client, policy: RegistrationPolicy) -> None:
    """Raises ``InvalidClientMetadata`` where the client would be more than it may make itself."""
    _check_within("grant_types", client.grant_types, policy.grant_types)
    _check_within("scope", client.scope, policy.scope)
    methods = policy.token_endpoint_auth_methods
    if methods:
        _check_within("token_endpoint_auth_method", (client.token_endpoint_auth_method,), methods)


def read_policy(document: Mapping[str, Any], fallback: RegistrationPolicy) -> RegistrationPolicy:
    """The policy that an initial access token carries: what it leaves out is the server's.

    Raises:
        InvalidClientMetadata: a member is malformed.
    """
    values: dict[str, tuple[str, ...]] = {}
    for name in ("grant_types", "token_endpoint_auth_methods", "audience"):
        if document.get(name) is not None:
            values[name] = _read_words(name, document[name])
    if document.get("scope") is not None:
        require(isinstance(document["scope"], str), "scope", "must be a string of values separated by spaces")
        values["scope"] = parse_scope(document["scope"])
    return RegistrationPolicy(
        grant_types=values.get("grant_types", fallback.grant_types),
        token_endpoint_auth_methods=values.get("token_endpoint_auth_methods", fallback.token_endpoint_auth_methods),
        scope=values.get("scope", fallback.scope),
        audience=values.get("audience", fallback.audience),
    )


def follow_administrator(policy: RegistrationPolicy, old: Client, new: Client) -> RegistrationPolicy:
    """The policy after an administrator changed the client: what was given may be kept, what was taken away is gone."""

    def follow(allowed: tuple[str, ...], before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
        taken = set(before) - set(after)
        return tuple(dict.fromkeys([*(value for value in allowed if value not in taken), *after]))

    methods = policy.token_endpoint_auth_methods
    before, after = (old.token_endpoint_auth_method,), (new.token_endpoint_auth_method,)
    return RegistrationPolicy(
        grant_types=follow(policy.grant_types, old.grant_types, new.grant_types),
        token_endpoint_auth_methods=follow(methods, before, after) if methods else (),
        scope=follow(policy.scope, old.scope, new.scope),
        audience=new.audience,
    )


def describe_registration(client: Client, extra_metadata: Mapping[str, Metadatum]) -> dict[str, Any]:
    """What a client is told of itself: all that is registered, whoever set it (RFC 7591 §3.2.1), but for what
    administrators note for themselves."""
    kept = ADMINISTRATORS_OWN | {name for name, field in extra_metadata.items() if field.right}
    return {name: value for name, value in describe_client(client).items() if name not in kept}


def select_statement(claims: Mapping[str, Any], extra_metadata: Mapping[str, Metadatum]) -> dict[str, Any]:
    """The metadata in a verified software statement; ``iss``, ``iat`` and the like are about the statement itself.

    Raises:
        InvalidSoftwareStatement: it says what is for the server to say.
    """
    known = FIELDS.keys() | extra_metadata.keys()
    if any(name in claims for name in ("software_statement", *SERVERS_OWN)):
        raise InvalidSoftwareStatement()
    return {name: value for name, value in claims.items() if name in known}


def _check_within(name: str, values: Collection[str], allowed: Collection[str]) -> None:
    for value in values:
        require(value in allowed, name, f"must not hold {value[:64]}; allowed are: {', '.join(allowed) or 'none'}")


def _read_words(name: str, value: Any) -> tuple[str, ...]:
    is_list = isinstance(value, list) and all(isinstance(word, str) and word for word in value)
    require(is_list, name, "must be a list of strings")
    return tuple(value)
