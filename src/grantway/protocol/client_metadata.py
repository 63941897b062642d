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
from grantway.protocol.scope import format_scope, parse_scope
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
"""Takes the field's name, for the message, and its value as decoded from JSON; returns the value for ``Client``."""


def parse_client(
    document: Mapping[str, Any],
    *,
    tenant: str,
    client_id: str,
    base: Client | None = None,
    extra_metadata: Collection[str] = (),
    methods: Collection[str] = CLIENT_AUTH_METHODS,
) -> Client:
    """Builds a client from decoded JSON, every rule checked.

    What the document leaves out keeps the value of ``base``, or its default; null asks for the default (RFC 7592 §2.2).
    ``scope`` and ``default_scope`` are space-separated strings, lists are JSON lists. ``extra_metadata`` are the names
    extensions declare, stored in ``Client.extra``; ``methods`` the client authentication methods the server has.

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
            extra[name] = _read_json(name, value)
        elif name == "client_id":
            _require(value == client_id, name, "is not the one this document is for")  # RFC 7592 §2.2
        elif name not in FIELDS:
            raise InvalidClientMetadata(f"{name[:64]} is not a field of a client.{_suggest(name, extra_metadata)}")
        elif value is None:
            changes[name] = getattr(defaults, name)
        else:
            changes[name] = FIELDS[name](name, value)
    if "grant_types" in changes and "response_types" not in changes:
        # RFC 7591 §2.1: the two go together, so the one that was left unsaid follows.
        changes["response_types"] = ("code",) if "authorization_code" in changes["grant_types"] else ()
    client = msgspec.structs.replace(current, tenant=tenant, client_id=client_id, extra=extra, **changes)
    _check_together(client, methods)
    return client


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


def _require(condition: bool, name: str, message: str) -> None:
    if not condition:
        raise InvalidClientMetadata(f"{name} {message}.")


def _read_text(name: str, value: Any, *, longest: int = MAX_NAME_LENGTH) -> str:
    if not isinstance(value, str):
        raise InvalidClientMetadata(f"{name} must be a string.")
    _require(len(value) <= longest, name, f"is longer than {longest} characters")
    is_clean = not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in _DIRECTION_CONTROLS for c in value)
    _require(value.isprintable() or is_clean, name, "contains control characters")
    return value


def _read_word(name: str, value: Any) -> str:
    text = _read_text(name, value, longest=MAX_URI_LENGTH)
    _require(bool(text) and is_vschar(text) and " " not in text, name, "must be printable ASCII without spaces")
    return text


def _read_choice(name: str, value: Any, *, choices: tuple[str, ...]) -> str:
    _require(isinstance(value, str) and value in choices, name, f"must be one of {', '.join(choices)}")
    return str(value)


def _read_boolean(name: str, value: Any) -> bool:
    _require(isinstance(value, bool), name, "must be true or false")
    return bool(value)


def _read_seconds(name: str, value: Any, *, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_TTL:
        raise InvalidClientMetadata(f"{name} must be a whole number of seconds from {least} to {MAX_TTL}.")
    return value


def _read_list(name: str, value: Any, *, read: Reader = _read_word) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidClientMetadata(f"{name} must be a list.")
    _require(len(value) <= MAX_ENTRIES, name, f"has more than {MAX_ENTRIES} entries")
    return tuple(dict.fromkeys(read(name, entry) for entry in value))


def _read_scope(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise InvalidClientMetadata(f"{name} must be a string of values separated by spaces.")  # RFC 7591 §2
    try:
        return parse_scope(value)
    except InvalidScope as error:
        raise InvalidClientMetadata(f"{name}: {error.description}") from error


def _read_web_url(name: str, value: Any) -> str:
    url = _read_word(name, value)
    # Shown as a link or an image on pages: javascript: and data: must not get there.
    _require(is_web_url(url), name, "must be an https URL")
    return url


def _read_https_url(name: str, value: Any) -> str:
    url = _read_web_url(name, value)
    _require(url.startswith("https://"), name, "must be an https URL")  # OIDC Registration §5
    return url


def _read_uri(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidRedirectUri(f"{name} must be a list of strings.")
    return value


def _read_origin(name: str, value: Any) -> str:
    """An origin as browsers write it in the Origin header: lower case, no path, no default port (RFC 6454 §6.2)."""
    origin = _read_web_url(name, value)
    scheme, rest = split_scheme(origin)
    authority = parse_authority(rest)
    is_exact = (
        authority is not None
        and origin == f"{scheme}://{authority.host.lower()}" + (f":{authority.port}" if authority.port else "")
        and authority.port != _DEFAULT_PORTS[scheme]
    )
    _require(is_exact, name, "must be exact origins like https://app.example, without path and default port")
    return origin


def _read_json(name: str, value: Any) -> Any:
    try:
        check_json_value(value, max_depth=MAX_METADATA_DEPTH)
    except ValueError as error:
        raise InvalidClientMetadata(f"{name}: {error}.") from error
    _require(len(msgspec.json.encode(value)) <= MAX_METADATA_SIZE, name, f"is larger than {MAX_METADATA_SIZE} bytes")
    return value


def _read_metadata(name: str, value: Any) -> Any:
    _require(isinstance(value, Mapping), name, "must be an object")
    return _read_json(name, value)


_read_alg = partial(_read_choice, choices=SIGNING_ALGS)
_read_uris = partial(_read_list, read=_read_uri)
_read_texts = partial(_read_list, read=_read_text)

FIELDS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        # RFC 7591 §2
        "client_name": _read_text,
        "redirect_uris": _read_uris,
        "token_endpoint_auth_method": _read_word,
        "grant_types": _read_list,
        "response_types": partial(_read_list, read=partial(_read_choice, choices=RESPONSE_TYPES)),
        "scope": _read_scope,
        "contacts": _read_texts,
        "client_uri": _read_web_url,
        "logo_uri": _read_web_url,
        "policy_uri": _read_web_url,
        "tos_uri": _read_web_url,
        # OpenID Connect Dynamic Client Registration §2, RP-Initiated Logout §3.1
        "application_type": partial(_read_choice, choices=APPLICATION_TYPES),
        "id_token_signed_response_alg": _read_alg,
        "subject_type": partial(_read_choice, choices=SUBJECT_TYPES),
        "sector_identifier_uri": _read_https_url,
        "default_max_age": partial(_read_seconds, least=0),
        "require_auth_time": _read_boolean,
        "default_acr_values": _read_list,
        "post_logout_redirect_uris": _read_uris,
        # Grantway's own
        "enabled": _read_boolean,
        "response_modes": partial(_read_list, read=partial(_read_choice, choices=RESPONSE_MODES)),
        "default_scope": _read_scope,
        "audience": _read_list,
        "resource_identifiers": _read_list,
        "require_pkce": _read_boolean,
        "access_token_format": partial(_read_choice, choices=get_args(TokenFormat)),
        "access_token_signed_response_alg": _read_alg,
        "refresh_token_rotation": partial(_read_choice, choices=get_args(RefreshRotation)),
        "access_token_ttl": _read_seconds,
        "id_token_ttl": _read_seconds,
        "refresh_token_idle_ttl": _read_seconds,
        "refresh_token_absolute_ttl": _read_seconds,
        "skip_consent": _read_boolean,
        "allowed_cors_origins": partial(_read_list, read=_read_origin),
        "owner": _read_text,
        "metadata": _read_metadata,
    }
)
"""Every field of a client document."""


# -- fields together --------------------------------------------------------------------------------------------------


def _check_together(client: Client, methods: Collection[str]) -> None:
    method = client.token_endpoint_auth_method
    _require(method in methods, "token_endpoint_auth_method", f"must be one of {', '.join(sorted(methods))}")
    _check_grants(client)
    for uri in client.redirect_uris:
        check_registrable(uri, client.application_type)
    for uri in client.post_logout_redirect_uris:
        check_post_logout_registrable(uri)
    _require(set(client.default_scope) <= set(client.scope), "default_scope", "holds a value that is not in scope")
    if client.subject_type == "pairwise" and client.redirect_uris:
        find_sector(client)  # OpenID Connect Core §8.1


def _check_grants(client: Client) -> None:
    grants = set(client.grant_types)
    _require(bool(grants), "grant_types", "must not be empty")
    # RFC 7591 §2.1: response_type code and grant_type authorization_code need each other.
    is_consistent = ("code" in client.response_types) == ("authorization_code" in grants)
    _require(is_consistent, "response_types", "must hold code exactly where grant_types hold authorization_code")
    if "authorization_code" in grants:
        _require(bool(client.response_modes), "response_modes", "must not be empty")
        if not client.redirect_uris:  # RFC 6749 §3.1.2.2
            raise InvalidRedirectUri("A client that uses the authorization endpoint needs redirect_uris.")
    # RFC 6749 §4.4: client credentials are for clients that have some.
    is_possible = not (client.is_public and "client_credentials" in grants)
    _require(is_possible, "grant_types", "must not hold client_credentials for a client without authentication")
    # RFC 6749 §4.4.3: client credentials give no refresh token, so refreshing needs another grant beside it.
    is_refreshable = "refresh_token" not in grants or bool(grants - {"refresh_token", "client_credentials"})
    _require(is_refreshable, "grant_types", "hold refresh_token without a grant that gives one")


def _suggest(name: str, extra_metadata: Collection[str]) -> str:
    close = difflib.get_close_matches(name[:64], [*FIELDS, *extra_metadata], n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""
