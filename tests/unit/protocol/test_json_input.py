"""JSON from outside is read within limits, and nothing but InvalidRequest comes out of it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from grantway.errors import InvalidRequest
from grantway.protocol.json_input import MAX_INTEGER, check_json_value, parse_json_object


def parse(text: str) -> dict[str, Any]:
    return parse_json_object(text, max_size=1000, max_depth=4)


def test_an_object_is_decoded() -> None:
    document = {"a": [1, -2.5, True, None, 'é\\"[{'], "b": {"c": {"d": 1e3}}, "": "\U0001f600"}
    assert parse(json.dumps(document)) == document
    assert parse(json.dumps(document, ensure_ascii=False)) == document
    assert parse("{}") == {}


@pytest.mark.spec("RFC 8259 §4")
@pytest.mark.threat("T144")
@pytest.mark.parametrize(
    "text",
    [
        "", " ", "null", "1", "[]", '"a"', "{", "}", "{]", '{"a"}', "{'a':1}", '{"a":1}x', '{"a":1,}', "\ufeff{}",
        '{"a":NaN}', '{"a":Infinity}', '{"a":-Infinity}', '{"a":1e999}', '{"a":-1e999}', '{"a":"\\ud800"}',
        '{"\\ud800":1}', '{"a":"\n"}', '{"a":1,"a":2}', '{"a":{"b":1,"b":1}}', '{"a":"\\u0061","\\u0061":1}',
        '{"a":' + "9" * 33 + "}", '{"a":' + "9" * 900 + "}", '{"a":0.' + "1" * 40 + "}", f'{{"a":{MAX_INTEGER + 1}}}',
        f'{{"a":{-MAX_INTEGER - 1}}}', '{"a":\u0661}',
    ],
)  # fmt: skip
def test_what_is_not_a_plain_json_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(text)


def test_numbers_of_64_bits_are_numbers() -> None:
    assert parse(f'{{"a":{MAX_INTEGER}}}') == {"a": MAX_INTEGER}
    assert parse(f'{{"a":{-MAX_INTEGER}}}') == {"a": -MAX_INTEGER}


@pytest.mark.threat("T144")
def test_size_is_counted_in_bytes() -> None:
    assert parse_json_object('{"a":"x"}', max_size=9, max_depth=1)
    for text in ('{"a":"xy"}', '{"a":"é"}'):
        with pytest.raises(InvalidRequest, match="larger"):
            parse_json_object(text, max_size=9, max_depth=1)


@pytest.mark.spec("RFC 8259 §9")
@pytest.mark.threat("T144")
def test_depth_is_measured_before_decoding() -> None:
    assert parse('{"a":{"b":[{}]}}')
    assert parse('{"a":"[[[[[[","b":[[],[],[]]}')
    for text in ('{"a":{"b":[[[]]]}}', "[" * 1000, '{"a":' * 199):
        with pytest.raises(InvalidRequest, match="deep"):
            parse(text)
    with pytest.raises(InvalidRequest, match="deep"):
        parse_json_object("[" * 100_000, max_size=10**6, max_depth=16)


@pytest.mark.threat("T144")
def test_a_decoded_value_is_checked_the_same_way() -> None:
    check_json_value({"a": [1, "x", None, True, 1.5, {}], "b": ()}, max_depth=3)
    check_json_value("x", max_depth=0)
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for value in (
        {"a": math.nan}, [math.inf], {"a": 2**63}, [-(2**64)], {1: "a"}, {"\ud800": 1}, ["\ud800"], {"a": b"x"},
        [object()], [[[[]]]], deep,
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"\w"):
            check_json_value(value, max_depth=3)
    while deep:  # taken apart by hand: freeing it at once would recurse
        deep = deep[0]
