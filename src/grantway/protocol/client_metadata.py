"""Client metadata: from the wire to a ``Client`` and back (RFC 7591 §2, OpenID Connect Dynamic Client Registration §2).

``FIELDS`` is the list of what a document may contain, each name with the function that reads its value. Rules about
several fields together are in ``_check_together``. Does not own: which grants and keys a running server has, secrets,
and anything that has to be fetched.
"""

from __future__ import annotations

import difflib
import hashlib
import unicodedata
from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from grantway.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidScope
from grantway.model import Client, RefreshRotation, TokenFormat
from grantway.protocol.claims import find_sector
from grantway.protocol.json_input import check_json_value
from grantway.protocol.message import is_vschar
from grantway.protocol.redirect_uri import (
    check_post_logout_registrable,
    check_registrable,
    is_web_url,
    parse_authority,
    split_scheme,
)
from grantway.protocol.scope import ScopePolicy, ScopeStrategy, choose_scope_policy, format_scope, parse_scope
from grantway.protocol.vocabulary import (
    APPLICATION_TYPES,
    CLIENT_AUTH_METHODS,
    RESPONSE_MODES,
    RESPONSE_TYPES,
    SIGNING_ALGS,
    SUBJECT_TYPES,
)

MAX_NAME_LENGTH: Final = 256
MAX_URI_LENGTH: Final = 2048
MAX_ENTRIES: Final = 100
MAX_METADATA_SIZE: Final = 16384
MAX_METADATA_DEPTH: Final = 8
MAX_TTL: Final = 100 * 365 * 86400

# Direction overrides can make a name on the consent page read as another one (Unicode TR 36 §2.9).
_DIRECTION_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DEFAULT_PORTS: Final = {"https": "443", "http": "80"}

Reader = Callable[[str, Any], Any]
"""Takes the field's name, for the message, and its value as decoded from JSON; returns the value for ``Client``.

Raises ``InvalidClientMetadata`` where it is not acceptable.
"""


def read_json(name: str, value: Any) -> Any:
    """Whatever JSON there is, of bounded size and depth."""
    try:
        check_json_value(value, max_depth=MAX_METADATA_DEPTH)
    except ValueError as error:
        raise InvalidClientMetadata(f"{name}: {error}.") from error
    require(len(msgspec.json.encode(value)) <= MAX_METADATA_SIZE, name, f"is larger than {MAX_METADATA_SIZE} bytes")
    return value


class Metadatum(Struct, frozen=True):
    """A client metadata field that an extension adds. What ``read`` returns is stored, and shown again, as JSON."""

    description: str
    read: Reader = read_json
    right: str = ""
    """The administration scope it takes to set it, besides that for clients."""
    is_self_service: bool = False
    """Whether a client may set it when it registers itself (RFC 7591)."""


def parse_client(
    document: Mapping[str, Any],
    *,
    tenant: str,
    client_id: str,
    base: Client | None = None,
    extra_metadata: Mapping[str, Metadatum] = MappingProxyType({}),
    methods: Collection[str] = CLIENT_AUTH_METHODS,
    scope_strategy: ScopeStrategy = "exact",
) -> Client:
    """Builds a client from decoded JSON, every rule checked.

    What the document leaves out keeps the value of ``base``, or its default; null asks for the default (RFC 7592 §2.2).
    ``scope`` and ``default_scope`` are space-separated strings, lists are JSON lists. ``extra_metadata`` are the fields
    that extensions declare, stored in ``Client.extra``; ``methods`` the client authentication methods the server has;
    ``scope_strategy`` how it compares scopes.

    Raises:
        InvalidRedirectUri: a redirect URI may not be registered, or is missing.
        InvalidClientMetadata: a name is unknown, a value is malformed, or values contradict each other.
    """
    defaults = Client(tenant=tenant, client_id=client_id)
    current = base if base is not None else defaults
    changes: dict[str, Any] = {}
    extra = dict(current.extra)
    for name, value in document.items():
        if name in extra_metadata:
            extra.pop(name, None)
            if value is not None:
                extra[name] = extra_metadata[name].read(name, value)
        elif name == "client_id":
            require(value == client_id, name, "is not the one this document is for")  # RFC 7592 §2.2
        elif name not in FIELDS:
            raise InvalidClientMetadata(f"{name[:64]} is not a field of a client.{_suggest(name, extra_metadata)}")
        elif value is None:
            changes[name] = getattr(defaults, name)
        else:
            changes[name] = FIELDS[name](name, value)
    if "grant_types" in changes and "response_types" not in changes:
        # RFC 7591 §2.1: the two go together, so the one that was left unsaid follows.
        changes["response_types"] = _choose_response_types(changes["grant_types"])
    client = msgspec.structs.replace(current, tenant=tenant, client_id=client_id, extra=extra, **changes)
    _check_together(client, methods)
    _check_default_scope(client, choose_scope_policy(client.extra, scope_strategy))
    return client


def _choose_response_types(grant_types: Collection[str]) -> tuple[str, ...]:
    """Those that go with the grant types and no other; a mix of code and token is for the client to name."""
    return tuple(
        response_type
        for grant, response_type in (("authorization_code", "code"), ("implicit", "id_token"), ("implicit", "token"))
        if grant in grant_types
    )


def describe_client(client: Client) -> dict[str, Any]:
    """The wire form: ``client_id`` and every field ``parse_client`` takes, never a secret. None is left out."""
    described: dict[str, Any] = {"client_id": client.client_id}
    for name in FIELDS:
        value = getattr(client, name)
        if name in ("scope", "default_scope"):
            described[name] = format_scope(value)
        elif isinstance(value, tuple):
            described[name] = list(value)
        elif value is not None:
            described[name] = value
    return {**described, **client.extra}


def build_client_fingerprint(client: Client) -> str:
    """Digest of what a person relied on when approving this client: its name and redirect URIs, in any order."""
    relied_on = [client.client_name, *sorted(client.redirect_uris)]
    return hashlib.sha256(msgspec.json.encode(relied_on)).hexdigest()


# -- reading one field ------------------------------------------------------------------------------------------------


def require(condition: bool, name: str, message: str) -> None:
    """Raises ``InvalidClientMetadata`` about the field unless the condition holds."""
    if not condition:
        raise InvalidClientMetadata(f"{name} {message}.")


def read_text(name: str, value: Any, *, longest: int = MAX_NAME_LENGTH) -> str:
    if not isinstance(value, str):
        raise InvalidClientMetadata(f"{name} must be a string.")
    require(len(value) <= longest, name, f"is longer than {longest} characters")
    is_clean = not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in _DIRECTION_CONTROLS for c in value)
    require(value.isprintable() or is_clean, name, "contains control characters")
    return value


def read_word(name: str, value: Any) -> str:
    text = read_text(name, value, longest=MAX_URI_LENGTH)
    require(bool(text) and is_vschar(text) and " " not in text, name, "must be printable ASCII without spaces")
    return text


def read_choice(name: str, value: Any, *, choices: tuple[str, ...]) -> str:
    require(isinstance(value, str) and value in choices, name, f"must be one of {', '.join(choices)}")
    return str(value)


def read_boolean(name: str, value: Any) -> bool:
    require(isinstance(value, bool), name, "must be true or false")
    return bool(value)


def read_seconds(name: str, value: Any, *, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_TTL:
        raise InvalidClientMetadata(f"{name} must be a whole number of seconds from {least} to {MAX_TTL}.")
    return value


def read_list(name: str, value: Any, *, read: Reader = read_word) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidClientMetadata(f"{name} must be a list.")
    require(len(value) <= MAX_ENTRIES, name, f"has more than {MAX_ENTRIES} entries")
    return tuple(dict.fromkeys(read(name, entry) for entry in value))


def read_scope(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise InvalidClientMetadata(f"{name} must be a string of values separated by spaces.")  # RFC 7591 §2
    try:
        return parse_scope(value)
    except InvalidScope as error:
        raise InvalidClientMetadata(f"{name}: {error.description}") from error


def read_web_url(name: str, value: Any) -> str:
    url = read_word(name, value)
    # Shown as a link or an image on pages: javascript: and data: must not get there.
    require(is_web_url(url), name, "must be an https URL")
    return url


def read_https_url(name: str, value: Any) -> str:
    url = read_web_url(name, value)
    require(url.startswith("https://"), name, "must be an https URL")  # OIDC Registration §5
    return url


def read_uri(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidRedirectUri(f"{name} must be a list of strings.")
    return value


def read_origin(name: str, value: Any) -> str:
    """An origin as browsers write it in the Origin header: lower case, no path, no default port (RFC 6454 §6.2)."""
    origin = read_web_url(name, value)
    scheme, rest = split_scheme(origin)
    authority = parse_authority(rest)
    is_exact = (
        authority is not None
        and origin == f"{scheme}://{authority.host.lower()}" + (f":{authority.port}" if authority.port else "")
        and authority.port != _DEFAULT_PORTS[scheme]
    )
    require(is_exact, name, "must be exact origins like https://app.example, without path and default port")
    return origin


def read_metadata(name: str, value: Any) -> Any:
    require(isinstance(value, Mapping), name, "must be an object")
    return read_json(name, value)


def _read_response_type(name: str, value: Any) -> str:
    """In the one form, whatever the order of its words (RFC 6749 §3.1.1)."""
    text = sort_response_type(value) if isinstance(value, str) else value
    return read_choice(name, text, choices=RESPONSE_TYPES)


read_alg = partial(read_choice, choices=SIGNING_ALGS)
read_uris = partial(read_list, read=read_uri)
read_texts = partial(read_list, read=read_text)

FIELDS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        # RFC 7591 §2
        "client_name": read_text,
        "redirect_uris": read_uris,
        "token_endpoint_auth_method": read_word,
        "grant_types": read_list,
        "response_types": partial(read_list, read=_read_response_type),
        "scope": read_scope,
        "contacts": read_texts,
        "client_uri": read_web_url,
        "logo_uri": read_web_url,
        "policy_uri": read_web_url,
        "tos_uri": read_web_url,
        # OpenID Connect Dynamic Client Registration §2, RP-Initiated Logout §3.1
        "application_type": partial(read_choice, choices=APPLICATION_TYPES),
        "id_token_signed_response_alg": read_alg,
        "subject_type": partial(read_choice, choices=SUBJECT_TYPES),
        "sector_identifier_uri": read_https_url,
        "default_max_age": partial(read_seconds, least=0),
        "require_auth_time": read_boolean,
        "default_acr_values": read_list,
        "post_logout_redirect_uris": read_uris,
        # Grantway's own
        "enabled": read_boolean,
        "response_modes": partial(read_list, read=partial(read_choice, choices=RESPONSE_MODES)),
        "default_scope": read_scope,
        "audience": read_list,
        "resource_identifiers": read_list,
        "require_pkce": read_boolean,
        "access_token_format": partial(read_choice, choices=get_args(TokenFormat)),
        "access_token_signed_response_alg": read_alg,
        "refresh_token_rotation": partial(read_choice, choices=get_args(RefreshRotation)),
        "access_token_ttl": read_seconds,
        "id_token_ttl": read_seconds,
        "refresh_token_idle_ttl": read_seconds,
        "refresh_token_absolute_ttl": read_seconds,
        "skip_consent": read_boolean,
        "allowed_cors_origins": partial(read_list, read=read_origin),
        "owner": read_text,
        "metadata": read_metadata,
    }
)
"""Every field of a client document."""


# -- fields together --------------------------------------------------------------------------------------------------


def _check_together(client: Client, methods: Collection[str]) -> None:
    method = client.token_endpoint_auth_method
    require(method in methods, "token_endpoint_auth_method", f"must be one of {', '.join(sorted(methods))}")
    _check_grants(client)
    for uri in client.redirect_uris:
        check_registrable(uri, client.application_type)
    for uri in client.post_logout_redirect_uris:
        check_post_logout_registrable(uri)
    if client.subject_type == "pairwise" and set(client.grant_types) != {"client_credentials"}:
        find_sector(client)  # OpenID Connect Core §8.1: whoever hears of people has one


def _check_default_scope(client: Client, policy: ScopePolicy) -> None:
    is_named = all(policy.is_allowed(value, client.scope) for value in client.default_scope)
    require(is_named, "default_scope", "holds a value that is not in scope")


def _check_grants(client: Client) -> None:
    grants = set(client.grant_types)
    require(bool(grants), "grant_types", "must not be empty")
    for response_type in client.response_types:  # RFC 7591 §2.1: the two go together
        missing = sorted(find_grant_types(response_type) - grants)
        require(not missing, "response_types", f"hold {response_type}, which needs grant_types to hold {missing[:1]}")
    used = {grant for response_type in client.response_types for grant in find_grant_types(response_type)}
    for grant in sorted(_FRONT_CHANNEL_GRANTS & (grants - used)):
        require(False, "response_types", f"hold none that uses the grant type {grant}")
    if client.response_types:
        require(bool(client.response_modes), "response_modes", "must not be empty")
        if not client.redirect_uris:  # RFC 6749 §3.1.2.2
            raise InvalidRedirectUri("A client that uses the authorization endpoint needs redirect_uris.")
    if client.application_type == "web" and "implicit" in grants:
        _check_front_channel(client.redirect_uris)
    # RFC 6749 §4.4: client credentials are for clients that have some.
    is_possible = not (client.is_public and "client_credentials" in grants)
    require(is_possible, "grant_types", "must not hold client_credentials for a client without authentication")
    # RFC 6749 §4.4.3: client credentials give no refresh token, so refreshing needs another grant beside it.
    is_refreshable = "refresh_token" not in grants or bool(grants - {"refresh_token", "client_credentials"})
    require(is_refreshable, "grant_types", "hold refresh_token without a grant that gives one")


_FRONT_CHANNEL_GRANTS: Final = frozenset({"authorization_code", "implicit"})


def sort_response_type(text: str) -> str:
    """The one form of a response type, whose words may come in any order (RFC 6749 §3.1.1)."""
    return " ".join(sorted(text.split(" ")))


def find_grant_types(response_type: str) -> frozenset[str]:
    """The grant types a client has to have for a response type (RFC 7591 §2.1, OpenID Connect Registration §2)."""
    words = response_type.split(" ")
    grants = {"authorization_code" if word == "code" else "implicit" for word in words}
    return frozenset(grants)


def _check_front_channel(redirect_uris: tuple[str, ...]) -> None:
    """Tokens of web clients go nowhere but to https (OpenID Connect Dynamic Client Registration §2)."""
    for uri in redirect_uris:
        scheme, rest = split_scheme(uri)
        authority = parse_authority(rest)
        if scheme != "https" or authority is None or authority.host.lower() == "localhost":
            raise InvalidRedirectUri(
                "A web client with the implicit grant needs redirect_uris with https, and not on localhost; one on a "
                "loopback address is a native client."
            )


def _suggest(name: str, extra_metadata: Collection[str]) -> str:
    close = difflib.get_close_matches(name[:64], [*FIELDS, *extra_metadata], n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""
