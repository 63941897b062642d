"""The rules for a user's claims: standard ones have the types of OpenID Connect Core §5.1, none may forge protocol."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from grantway.admin.effects import check_text
from grantway.errors import Unprocessable

LONGEST_NAME = 128
LONGEST_STRING = 2048
MOST_BYTES = 16384
DEEPEST = 8
_SAFE_INTEGER = 2**53 - 1

RESERVED_CLAIMS = frozenset(
    {
        "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "typ", "azp", "nonce", "acr", "amr", "auth_time", "at_hash",
        "c_hash", "s_hash", "sid", "client_id", "scope", "cnf", "act", "may_act", "events", "sub_jwk", "active",
        "token_type", "roles",
    }
)  # fmt: skip
"""Claims the server alone sets: an administrator of users must not be able to forge a token's meaning with them."""

_ADDRESS_MEMBERS = ("formatted", "street_address", "locality", "region", "postal_code", "country")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_BIRTHDATE = re.compile(r"[0-9]{4}(-[0-9]{2}-[0-9]{2})?")


def _check_string(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise Unprocessable(name, "must be a string.")
    if not value:
        raise Unprocessable(name, "must not be empty; leave the claim out instead.")
    check_text(name, value, longest=LONGEST_STRING)


def _check_boolean(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise Unprocessable(name, "must be true or false.")


def _check_instant(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Unprocessable(name, "must be a number of seconds since the epoch.")


def _check_url(name: str, value: Any) -> None:
    _check_string(name, value)
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = None
    # A page shows it as a link: javascript: and data: would run there.
    if parts is None or parts.scheme not in ("http", "https") or not parts.netloc or " " in value:
        raise Unprocessable(name, "must be an http or https URL.")


def _check_email(name: str, value: Any) -> None:
    _check_string(name, value)
    if not _EMAIL.fullmatch(value):
        raise Unprocessable(name, "must be an e-mail address.")


def _check_birthdate(name: str, value: Any) -> None:
    _check_string(name, value)
    if not _BIRTHDATE.fullmatch(value):
        raise Unprocessable(name, "must be YYYY-MM-DD, or YYYY for the year alone.")


def _check_address(name: str, value: Any) -> None:
    """OpenID Connect Core §5.1.1."""
    if not isinstance(value, Mapping):
        raise Unprocessable(name, "must be an object.")
    for member, content in value.items():
        if member not in _ADDRESS_MEMBERS:
            raise Unprocessable(f"{name}.{member[:64]}", f"is not one of {', '.join(_ADDRESS_MEMBERS)}.")
        if not isinstance(content, str) or len(content) > LONGEST_STRING:
            raise Unprocessable(f"{name}.{member}", f"must be a string of at most {LONGEST_STRING} characters.")
        if "\x00" in content:  # line ends are part of an address (§5.1.1), so the other controls stay
            raise Unprocessable(f"{name}.{member}", "must have no NUL character.")


STANDARD_CLAIMS: Mapping[str, Callable[[str, Any], None]] = {
    **dict.fromkeys(
        (
            "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "gender", "zoneinfo",
            "locale", "phone_number",
        ),
        _check_string,
    ),
    **dict.fromkeys(("profile", "picture", "website"), _check_url),
    **dict.fromkeys(("email_verified", "phone_number_verified"), _check_boolean),
    "email": _check_email,
    "birthdate": _check_birthdate,
    "address": _check_address,
    "updated_at": _check_instant,
}  # fmt: skip
"""OpenID Connect Core §5.1: each standard claim with the check of its value."""


def check_claims(claims: Mapping[str, Any]) -> None:
    """Checks a user's claims, standard and own, and their size all together.

    Raises:
        Unprocessable: names the claim as ``claims.<name>``.
    """
    for name, value in claims.items():
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise Unprocessable("claims", f"a name must have 1 to {LONGEST_NAME} printable characters.")
        field = f"claims.{name}"
        if name in RESERVED_CLAIMS:
            raise Unprocessable(field, "is set by the server alone.")
        check = STANDARD_CLAIMS.get(name)
        if check is not None:
            check(field, value)
        else:
            _check_json(field, value, DEEPEST)
    if len(msgspec.json.encode(claims)) > MOST_BYTES:
        raise Unprocessable("claims", f"must take at most {MOST_BYTES} bytes as JSON.")


def _check_json(field: str, value: Any, depth: int) -> None:
    if depth == 0:
        raise Unprocessable(field, f"is nested deeper than {DEEPEST} levels.")
    if isinstance(value, str) and "\x00" in value:
        raise Unprocessable(field, "must have no NUL character.")
    if isinstance(value, int) and abs(value) > _SAFE_INTEGER:
        raise Unprocessable(field, "must have no integer beyond 2^53 (RFC 8259 §6).")
    if isinstance(value, Mapping):
        for name, content in value.items():
            if not isinstance(name, str) or len(name) > LONGEST_NAME:
                raise Unprocessable(field, f"a name must have at most {LONGEST_NAME} characters.")
            _check_json(field, content, depth - 1)
    elif isinstance(value, list | tuple):
        for content in value:
            _check_json(field, content, depth - 1)
    elif not (value is None or isinstance(value, str | int | float | bool)):
        raise Unprocessable(field, "must be JSON.")
