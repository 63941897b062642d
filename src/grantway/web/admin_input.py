"""What an administrator sent, made into values, or refused with the field that is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from grantway.errors import InvalidRequest, Unprocessable, UnsupportedMediaType
from grantway.protocol.json_input import parse_json
from grantway.protocol.message import Parameters, parse_parameters
from grantway.web.admin_call import FORM, QueryParameter, Route

LARGEST_BODY = 1024 * 1024
DEEPEST_JSON = 32
MOST_PARAMETERS = 50
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`")
_MISSING_FIELD = re.compile(r"Object missing required field `(.*)`")
_AT = re.compile(r" - at `\$\.?(.*)`$")


def parse_query(raw: bytes, known: Collection[QueryParameter]) -> Parameters:
    """Decodes the query; only what the route reads may be in it, each once.

    Raises:
        InvalidRequest: it is malformed, a parameter is repeated or unknown, or it carries a token (RFC 9700 §4.3.2).
    """
    query = parse_parameters(raw, limit=MOST_PARAMETERS)
    query.check_unique()
    names = [parameter.name for parameter in known]
    for name in query.values:
        if name == "access_token":
            raise InvalidRequest(
                "A token in the URL ends up in logs and is refused. Send it in the Authorization header."
            )
        if name not in names:
            raise InvalidRequest(f"Unknown query parameter {name[:64]!r}.{suggest(name, names)}")
    for parameter in known:
        if parameter.is_required and not query.get(parameter.name):
            raise InvalidRequest(f"The query parameter {parameter.name} is missing.")
    return query


def parse_body(route: Route, content_type: str | None, body: bytes) -> Any:
    """The body as the route's type: a struct, or the JSON object or array itself.

    Raises:
        UnsupportedMediaType, InvalidRequest: it cannot be read. Unprocessable: a field is wrong.
    """
    if not body and route.is_body_optional:
        return route.body()
    media_type = (content_type or "").split(";", 1)[0].strip().lower()
    if media_type not in route.media_types:
        raise UnsupportedMediaType(f"The body must be {' or '.join(route.media_types)}.")
    if media_type == FORM:
        return _parse_form(route.body, body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not UTF-8.") from error
    value = parse_json(text, max_size=LARGEST_BODY, max_depth=DEEPEST_JSON)
    _check_characters(value)
    if route.body is list:
        if not isinstance(value, list):
            raise InvalidRequest("The body must be a JSON array.")
        return value
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return value if route.body is dict or is_merge_patch(route) else convert(value, route.body)


def is_merge_patch(route: Route) -> bool:
    """Whether the body is a patch on a document of the route's body type."""
    return route.method == "PATCH"


def merge(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396 §2: members of ``patch`` take the place of those in ``document``; null removes."""
    merged = dict(document)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            below = merged.get(name)
            merged[name] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def convert(value: Mapping[str, Any], wanted: type[Struct]) -> Any:
    """A JSON object as a struct.

    Raises:
        Unprocessable: a field is unknown (with a suggestion), missing, or of another type.
    """
    try:
        return msgspec.convert(value, wanted, strict=True)
    except msgspec.ValidationError as error:
        raise _explain(str(error), wanted.__struct_fields__) from error


def suggest(name: str, known: Collection[str]) -> str:
    """`` Did you mean …?``, or nothing."""
    close = difflib.get_close_matches(name[:64], known, n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def _explain(message: str, known: Collection[str]) -> Unprocessable:
    where = _AT.search(message)
    field = where[1] if where else ""
    message = _AT.sub("", message)
    if unknown := _UNKNOWN_FIELD.search(message):
        return Unprocessable(unknown[1][:64], f"Unknown field.{suggest(unknown[1], known)}")
    if missing := _MISSING_FIELD.search(message):
        return Unprocessable(missing[1], "is required.")
    return Unprocessable(field, message)


def _parse_form(wanted: type[Struct], body: bytes) -> Any:
    form = parse_parameters(body, limit=MOST_PARAMETERS)
    form.check_unique()
    values = {name: form.get(name) for name in wanted.__struct_fields__}
    for field in msgspec.structs.fields(wanted):
        if field.required and values[field.name] is None:
            raise InvalidRequest(f"The parameter {field.name} is missing.")
    return wanted(**values)


def _check_characters(value: Any) -> None:
    """NUL is what some databases cannot keep in a text; it is never meant."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            if "\x00" in item:
                raise InvalidRequest("The JSON contains a NUL character.")
        elif isinstance(item, dict):
            rest += [*item, *item.values()]
        elif isinstance(item, list):
            rest += item
