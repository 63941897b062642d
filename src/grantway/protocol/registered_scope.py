"""A scope as an administrator registered it: what people read about it, and what it is by default.

Pure: from a document to a value, and the choice of a text. Keeping them is ``grantway.admin.scopes``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from grantway.errors import InvalidClientMetadata, InvalidScope, Unprocessable
from grantway.model import Entry
from grantway.protocol.client_metadata import read_boolean, read_text
from grantway.protocol.scope import RESERVED_PREFIX, STANDARD_SCOPES, parse_scope

MAX_SCOPES: Final = 1000
"""Of one tenant: every worker remembers all of them."""
MAX_NAME_LENGTH: Final = 255
MAX_DESCRIPTION_LENGTH: Final = 256
MAX_TRANSLATIONS: Final = 50
LANGUAGE: Final = "en"
"""Of the pages that come with the server, and of descriptions."""

_LANGUAGE_TAG: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}")  # of RFC 5646 §2.1 what browsers send


class RegisteredScope(Struct, frozen=True, kw_only=True):
    """A scope that an administrator describes."""

    name: str
    description: str
    """What a person reads when asked for consent, in English."""
    translations: Mapping[str, str] = {}
    """The same in other languages, by language tag in lower case (``de``, ``pt-br``)."""
    is_default: bool = False
    """Granted where a request names no scope, to clients that registered it and have no default of their own."""
    is_advertised: bool = True
    """Named in ``scopes_supported`` of discovery."""


def parse_registered_scope(name: Any, document: Mapping[str, Any]) -> RegisteredScope:
    """Reads what an administrator says of a scope.

    Raises:
        Unprocessable: a member is not acceptable.
    """
    return RegisteredScope(
        name=_parse_name(name),
        description=_read_description("description", document.get("description")),
        translations=_parse_translations(document.get("translations", {})),
        is_default=_read("is_default", read_boolean, document.get("is_default", False)),
        is_advertised=_read("is_advertised", read_boolean, document.get("is_advertised", True)),
    )


def read_registered_scope(entry: Entry) -> RegisteredScope:
    """The scope as it is stored."""
    return msgspec.convert({**entry.document, "name": entry.key}, RegisteredScope)


def describe_scope(name: str, registered: RegisteredScope | None, languages: Sequence[str]) -> str:
    """The text for a person who prefers ``languages``, the most wanted first; a region may be dropped.

    A scope that nobody described goes by its name.
    """
    if registered is None:
        return STANDARD_SCOPES.get(name, name)
    for language in languages:
        wanted = language.lower().replace("_", "-")
        for tag in (wanted, wanted.partition("-")[0]):
            if tag in registered.translations:
                return registered.translations[tag]
            if tag == LANGUAGE:
                return registered.description
    return registered.description


def _parse_name(name: Any) -> str:
    text = str(_read("name", read_text, name))
    try:
        values = parse_scope(text)
    except InvalidScope as error:
        raise Unprocessable("name", "holds a character that no scope may have (RFC 6749 §3.3).") from error
    if values != (text,) or len(text) > MAX_NAME_LENGTH:
        raise Unprocessable("name", f"must be one scope of up to {MAX_NAME_LENGTH} characters.")
    if text.startswith(RESERVED_PREFIX):
        raise Unprocessable("name", f"must not begin with {RESERVED_PREFIX}: those are the rights to administer.")
    return text


def _parse_translations(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > MAX_TRANSLATIONS:
        raise Unprocessable("translations", f"must be an object of up to {MAX_TRANSLATIONS} texts by language tag.")
    translations: dict[str, str] = {}
    for language, text in value.items():
        tag = str(language).lower()
        if not _LANGUAGE_TAG.fullmatch(tag):
            raise Unprocessable("translations", "must be named by language tags, like de or pt-BR.")
        if tag in translations:
            raise Unprocessable("translations", f"name {tag} twice.")
        translations[tag] = _read_description("translations", text)
    return translations


def _read_description(name: str, value: Any) -> str:
    text = str(_read(name, read_text, value))
    if not text.strip():
        raise Unprocessable(name, "must not be empty: people read it when they are asked for consent.")
    return text


def _read(name: str, read: Any, value: Any) -> Any:
    try:
        return read(name, value)
    except InvalidClientMetadata as error:
        raise Unprocessable(name, str(error.description).removeprefix(f"{name} ")) from error
