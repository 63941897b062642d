"""Requests are read strictly: nothing is repaired, so no two inputs become the same."""

from __future__ import annotations

import msgspec
import pytest

from grantway.errors import (
    AccessDenied,
    InsufficientScope,
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidToken,
    MethodNotAllowed,
    OAuthError,
    StoreUnavailable,
    TooManyRequests,
)
from grantway.protocol.message import (
    Parameters,
    Request,
    build_error_response,
    build_json_response,
    is_vschar,
    merge_parameters,
    parse_parameters,
)


@pytest.mark.spec("RFC 6749 Appendix B")
def test_names_and_values_are_decoded() -> None:
    parameters = parse_parameters(b"a=1&b=x+y&c=%C3%A9%2B&d&e=&f=g=h&&%61%20b=1&+=2")
    assert parameters.values == {
        "a": "1", "b": "x y", "c": "é+", "d": "", "e": "", "f": "g=h", "a b": "1", " ": "2"
    }  # fmt: skip
    assert parameters.repeated == {}


def test_no_input_is_no_parameters() -> None:
    assert parse_parameters(b"") == Parameters({}, {})


@pytest.mark.spec("RFC 6749 §3.1")
def test_a_parameter_without_a_value_counts_as_omitted_but_can_still_be_seen() -> None:
    parameters = parse_parameters(b"a=&b=1")
    assert parameters.get("a") is None
    assert parameters.has("a")
    assert parameters.get("b") == "1"
    assert parameters.get("c") is None
    assert not parameters.has("c")


@pytest.mark.spec("RFC 8707 §2")
def test_a_repeatable_parameter_gives_all_its_values() -> None:
    parameters = parse_parameters(b"a=1&b=&a=&a=2&c=3")
    assert parameters.list("a") == ["1", "2"]
    assert parameters.list("b") == []
    assert parameters.list("c") == ["3"]
    assert parameters.list("d") == []


@pytest.mark.spec("RFC 6749 §3.1")
@pytest.mark.threat("T12")
@pytest.mark.parametrize(
    "raw", [b"client_id=A&client_id=B", b"scope=a&scope=a", b"scope=&scope=a", b"scope=&scope=", b"a=1&%61=2"]
)
def test_a_repeated_parameter_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest, match="more than once"):
        parse_parameters(raw).check_unique()


@pytest.mark.spec("RFC 8707 §2")
def test_only_what_may_be_repeated_may_be_repeated() -> None:
    parameters = parse_parameters(b"resource=a&resource=b")
    parameters.check_unique(frozenset({"resource"}))
    parse_parameters(b"resource=a").check_unique()
    with pytest.raises(InvalidRequest, match="resource"):
        parameters.check_unique(frozenset({"audience"}))


def test_the_refusal_names_the_parameter_in_harmless_characters() -> None:
    name = '"\\é' + "x" * 100
    with pytest.raises(InvalidRequest) as caught:
        Parameters({name: "1"}, {name: ["1", "2"]}).check_unique()
    assert caught.value.description == "The parameter '??" + "x" * 61 + " was sent more than once."


@pytest.mark.threat("T12")
def test_a_request_split_between_query_and_body_counts_as_one() -> None:
    merged = merge_parameters(
        parse_parameters(b"client_id=A&x=1&r=a&r=b"), parse_parameters(b"client_id=B&y=2&r=c&s=1&s=2")
    )
    assert merged.values == {"client_id": "A", "x": "1", "r": "a", "y": "2", "s": "1"}
    assert merged.repeated == {"client_id": ["A", "B"], "r": ["a", "b", "c"], "s": ["1", "2"]}
    with pytest.raises(InvalidRequest, match="client_id"):
        merged.check_unique(frozenset({"r", "s"}))
    empty = parse_parameters(b"state=")
    with pytest.raises(InvalidRequest, match="state"):
        merge_parameters(empty, empty).check_unique()
    merge_parameters(parse_parameters(b"a=1"), parse_parameters(b"b=2")).check_unique()


@pytest.mark.threat("T142")
def test_the_number_of_parameters_is_bounded() -> None:
    assert len(parse_parameters(b"&".join(b"p%d=1" % n for n in range(200))).values) == 200
    with pytest.raises(InvalidRequest):
        parse_parameters(b"&".join(b"p%d=1" % n for n in range(201)))
    with pytest.raises(InvalidRequest):
        parse_parameters(b"a=1&b=2", limit=1)
    with pytest.raises(InvalidRequest):
        parse_parameters(b"&" * 100_000)


@pytest.mark.spec("RFC 3986 §2.1")
@pytest.mark.threat("T146")
@pytest.mark.parametrize(
    "raw",
    [
        b"a=%ff", b"a=\xff", b"\xff=a", b"a=%ed%a0%80", b"a=%c0%80", b"a=%f4%90%80%80", b"a=%00", b"a=\x00",
        b"a=x%0d%0ay", b"a=%0a", b"a=%09", b"a=%7f", b"%0d=1", b"a=%", b"a=%4", b"a=%zz", b"a=%1%41",
        b"a=+%u0041", b"a=%-1", b"a=%+1",
    ],
)  # fmt: skip
def test_what_would_have_to_be_repaired_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_parameters(raw)


def test_text_beyond_ascii_is_text() -> None:
    assert parse_parameters("a=名前&b=\u00a0\u212a".encode()).values == {"a": "名前", "b": "\u00a0\u212a"}


@pytest.mark.spec("RFC 6749 Appendix A")
@pytest.mark.parametrize(
    ("text", "expected"),
    [("", True), (" !~", True), ("a\x7f", False), ("a\n", False), ("\x00", False), ("é", False), ("\u00a0", False)],
)
def test_vschar_is_printable_ascii(text: str, expected: bool) -> None:
    assert is_vschar(text) is expected


def test_a_header_is_found_once_or_not_at_all() -> None:
    request = Request(method="GET", path="/", headers=[(b"host", b"a"), (b"x", b"1"), (b"x", b"1")])
    assert request.header(b"host") == b"a"
    assert request.header(b"authorization") is None
    with pytest.raises(InvalidRequest, match="x header"):
        request.header(b"x")
    assert Request(method="GET", path="/", headers=[(b"host", b"a"), (b"x", b"1")]).header(b"x") == b"1"


def test_a_header_that_came_twice_is_there_though_it_has_no_one_value() -> None:
    request = Request(method="GET", path="/", headers=((b"origin", b"a"), (b"origin", b"b")))
    assert request.has_header(b"origin")
    assert not request.has_header(b"cookie")
    with pytest.raises(InvalidRequest):
        request.header(b"origin")


@pytest.mark.spec("RFC 9110 §8.3")
@pytest.mark.parametrize(
    ("header", "expected"),
    [(b"Application/JSON ; charset=utf-8", b"application/json"), (b"text/plain", b"text/plain"), (None, b"")],
)
def test_the_media_type_is_what_stands_before_its_parameters(header: bytes | None, expected: bytes) -> None:
    headers = () if header is None else ((b"content-type", header),)
    assert Request(method="POST", path="/", headers=headers).media_type() == expected


@pytest.mark.spec("RFC 6265 §5.4")
def test_cookies_are_read_and_one_that_came_twice_is_not_trusted() -> None:
    request = Request(
        method="GET",
        path="/",
        headers=[(b"cookie", b"a=1; b=x=y;c; =d"), (b"host", b"a"), (b"cookie", b"e=\xe9; a=2; a=3; f=")],
    )
    assert request.cookies() == {"b": "x=y", "c": "", "": "d", "e": "é", "f": ""}


@pytest.mark.spec("RFC 6749 §5.1")
def test_a_json_answer_is_not_kept_by_caches() -> None:
    response = build_json_response({"a": [1, None]}, status=201, headers=[(b"x", b"y")])
    assert response.status == 201
    assert response.body == b'{"a":[1,null]}'
    headers = dict(response.headers)
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"referrer-policy"] == b"no-referrer"
    assert headers[b"x"] == b"y"


@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize(
    ("error", "scheme", "status", "extra"),
    [
        (InvalidGrant(), b"Basic", 400, {}),
        (InvalidClient(), b"Basic", 401, {b"www-authenticate": b'Basic realm="r", charset="UTF-8"'}),
        (AccessDenied(), b"Basic", 403, {}),
        (
            InvalidToken("x"),
            b"Bearer",
            401,
            {b"www-authenticate": b'Bearer realm="r", error="invalid_token", error_description="x"'},
        ),
        (
            InsufficientScope("read write", "x"),
            b"Bearer",
            403,
            {
                b"www-authenticate": b'Bearer realm="r", error="insufficient_scope", error_description="x", '
                b'scope="read write"'
            },
        ),
        (StoreUnavailable(), b"Bearer", 503, {b"retry-after": b"1"}),
        (TooManyRequests(30), b"Bearer", 429, {b"retry-after": b"30"}),
        (MethodNotAllowed(("GET", "POST")), b"Bearer", 405, {b"allow": b"GET, POST"}),
    ],
)
def test_an_error_carries_what_its_status_demands(
    error: OAuthError, scheme: bytes, status: int, extra: dict[bytes, bytes]
) -> None:
    response = build_error_response(error, realm="r", scheme=scheme)
    assert response.status == status
    assert msgspec.json.decode(response.body) == {"error": error.code, "error_description": error.description}
    headers = dict(response.headers)
    found = {name: headers[name] for name in (b"www-authenticate", b"retry-after", b"allow") if name in headers}
    assert found == extra


@pytest.mark.threat("T149")
def test_the_detail_of_an_error_stays_inside() -> None:
    assert b"inside" not in build_error_response(InvalidGrant("outside", detail="inside")).body
