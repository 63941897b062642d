"""JSON that others wrote: read within limits, or refused.

The standard library repairs or trips where it should refuse: a repeated name silently wins, NaN is a number, deep
nesting ends in RecursionError and a long integer in ValueError. Nothing but ``InvalidRequest`` comes out of here
(RFC 8259 §9 allows a parser to set limits on size, depth, and the range of numbers).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from grantway.errors import InvalidRequest

MAX_INTEGER: Final = 2**63 - 1
_MAX_NUMBER_LENGTH: Final = 32


def parse_json_object(text: str, *, max_size: int, max_depth: int) -> dict[str, Any]:
    """Decodes one JSON object of at most ``max_size`` bytes and ``max_depth`` levels; the object itself is level 1.

    Raises:
        InvalidRequest: as ``parse_json``, or it is not an object.
    """
    value = parse_json(text, max_size=max_size, max_depth=max_depth)
    if not isinstance(value, dict):
        raise InvalidRequest("The JSON is not an object.")
    return value


def parse_json(text: str, *, max_size: int, max_depth: int) -> Any:
    """Decodes one JSON value of at most ``max_size`` bytes and ``max_depth`` levels.

    Raises:
        InvalidRequest: it is too large or too deep, not JSON, or one of its objects repeats a name.
    """
    if len(text) > max_size or len(text.encode("utf-8", "surrogatepass")) > max_size:
        raise InvalidRequest(f"The JSON is larger than {max_size} bytes.")
    if _measure_depth(text) > max_depth:  # before decoding: the decoder recurses
        raise InvalidRequest(f"The JSON is nested more than {max_depth} levels deep.")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_build_object,
            parse_int=_parse_integer,
            parse_float=_parse_float,
            parse_constant=_refuse_constant,
        )
        check_json_value(value, max_depth=max_depth)
    except ValueError as error:
        raise InvalidRequest("The JSON is malformed.", detail=str(error)) from error
    return value


def check_json_value(value: Any, *, max_depth: int) -> None:
    """Checks a decoded value: depth, names that are text, finite numbers within 64 bits, text that UTF-8 can carry.

    Raises:
        ValueError: says what is wrong.
    """
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        for item in level:
            if isinstance(item, Mapping):
                for name in item:
                    _check_scalar(name)
                    if not isinstance(name, str):
                        raise ValueError("a member's name is not text")
                below.extend(item.values())
            elif isinstance(item, list | tuple):
                below.extend(item)
            else:
                _check_scalar(item)
        depth += any(isinstance(item, Mapping | list | tuple) for item in level)
        if depth > max_depth:
            raise ValueError(f"nested more than {max_depth} levels deep")
        level = below


def _check_scalar(value: Any) -> None:
    if isinstance(value, str):
        value.encode("utf-8")  # a lone surrogate raises UnicodeEncodeError, a ValueError
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueError("a number does not fit into 64 bits")
    elif value is not None:
        raise ValueError("a value has no JSON form")


def _measure_depth(text: str) -> int:
    """The deepest nesting of brackets outside strings, in one pass and without recursion."""
    deepest = depth = 0
    is_in_string = is_escaped = False
    for character in text:
        if is_in_string:
            if is_escaped:
                is_escaped = False
            elif character == "\\":
                is_escaped = True
            elif character == '"':
                is_in_string = False
        elif character == '"':
            is_in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):  # RFC 8259 §4: what a repeated name means is unpredictable
        raise ValueError("an object repeats a name")
    return built


def _parse_integer(digits: str) -> int:
    if len(digits) > _MAX_NUMBER_LENGTH:
        raise ValueError("a number is too long")
    return int(digits)


def _parse_float(digits: str) -> float:
    if len(digits) > _MAX_NUMBER_LENGTH:
        raise ValueError("a number is too long")
    return float(digits)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
