"""The parameter parser is total, and agrees with the standard library wherever nothing has to be repaired."""

from __future__ import annotations

import contextlib
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grantway.errors import InvalidRequest
from grantway.protocol.json_input import parse_json_object
from grantway.protocol.message import Parameters, merge_parameters, parse_parameters

raw_pieces = st.lists(
    st.sampled_from(
        [b"a", b"b", b"=", b"&", b"+", b"%", b"%41", b"%0", b"%c3%a9", b"%ff", b"%00", b"%u0041", b";", b"\xc3\xa9"]
    ),
    max_size=30,
).map(b"".join)
text = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8)
pairs = st.lists(st.tuples(text, text), max_size=12)


@pytest.mark.threat("T146")
@settings(max_examples=500, deadline=None)
@given(raw=st.binary(max_size=60) | raw_pieces)
@example(raw=b"%")
@example(raw=b"&" * 500)
def test_every_input_is_parsed_or_refused(raw: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        parameters = parse_parameters(raw)
        assert set(parameters.repeated) <= set(parameters.values)
        # Nothing was repaired: the strict reading of the standard library sees the very same.
        seen = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, errors="strict", separator="&")
        assert count(parameters) == [len(seen), *sorted(seen)]
        assert not any(c < " " or c == "\x7f" for name, value in seen for c in name + value)


@pytest.mark.spec("RFC 6749 Appendix B")
@settings(max_examples=200, deadline=None)
@given(sent=pairs)
def test_what_was_encoded_well_is_read_as_it_was_meant(sent: list[tuple[str, str]]) -> None:
    raw = urlencode(sent).encode()
    parameters = parse_parameters(raw)
    assert parse_qsl(raw.decode(), keep_blank_values=True) == sent
    assert parameters.values == dict(reversed(sent))  # the first of several counts, until check_unique refuses them
    for name in parameters.repeated:
        assert parameters.repeated[name] == [value for other, value in sent if other == name]
    assert set(parameters.repeated) == {name for name, _ in sent if [other for other, _ in sent].count(name) > 1}


@pytest.mark.threat("T12")
@settings(max_examples=200, deadline=None)
@given(query=pairs, form=pairs)
def test_a_split_request_repeats_what_the_whole_one_repeats(
    query: list[tuple[str, str]], form: list[tuple[str, str]]
) -> None:
    split = merge_parameters(parse_parameters(urlencode(query).encode()), parse_parameters(urlencode(form).encode()))
    whole = parse_parameters(urlencode(query + form).encode())
    assert split.values == whole.values
    assert set(split.repeated) == set(whole.repeated)
    assert all(split.list(name) == whole.list(name) for name in whole.values)


@pytest.mark.threat("T144")
@settings(max_examples=300, deadline=None)
@given(
    source=st.text(max_size=40)
    | st.lists(
        st.sampled_from(['{"a":', "[", "]", "{", "}", ",", "1", '"', "\\", "NaN", "-", "1e999", '"\\ud800"', "null"]),
        max_size=30,
    ).map("".join)
)
def test_every_json_text_is_parsed_or_refused(source: str) -> None:
    with contextlib.suppress(InvalidRequest):
        assert isinstance(parse_json_object(source, max_size=1000, max_depth=6), dict)


def count(parameters: Parameters) -> list[object]:
    """How many pairs there are, and all of them, sorted."""
    found = [(name, value) for name, value in parameters.values.items() if name not in parameters.repeated]
    found += [(name, value) for name, values in parameters.repeated.items() for value in values]
    return [len(found), *sorted(found)]
