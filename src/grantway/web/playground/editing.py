"""Changes that a person makes to a request before sending it: other values, never another path or method."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from grantway.errors import InvalidRequest
from grantway.protocol.message import Parameters
from grantway.web.playground.flow import Pairs, RawRequest

_PARTS = ("headers", "query", "form")


def list_fields(request: RawRequest) -> list[dict[str, Any]]:
    """What may be changed: the name of the input, its label, and the value as it is."""
    fields = [
        {"input": f"{part}.{number}", "label": name, "value": value}
        for part in _PARTS
        for number, (name, value) in enumerate(getattr(request, part))
    ]
    if request.json is not None:
        fields.append({"input": "json", "label": "JSON", "value": json.dumps(request.json, ensure_ascii=False)})
    return fields


def apply_changes(request: RawRequest, form: Parameters) -> RawRequest:
    """The request with the values of the form.

    Raises:
        InvalidRequest: the JSON is none.
    """
    changed: dict[str, Any] = {part: _change(part, getattr(request, part), form) for part in _PARTS}
    if request.json is not None and form.has("json"):
        try:
            changed["json"] = json.loads(form.values["json"])
        except (ValueError, RecursionError) as error:
            raise InvalidRequest("The body that you changed is not JSON any more.") from error
    return replace(request, **changed)


def _change(part: str, pairs: Pairs, form: Parameters) -> Pairs:
    return tuple((name, form.values.get(f"{part}.{number}", value)) for number, (name, value) in enumerate(pairs))
