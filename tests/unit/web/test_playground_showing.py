"""What the playground shows of requests, answers and tokens."""

from __future__ import annotations

import json
import shlex

import pytest

from grantway.protocol.sealing import encode_base64url
from grantway.web.playground.flow import Answer, RawRequest, Step
from grantway.web.playground.showing import (
    build_answer_lines,
    build_curl,
    build_request_lines,
    describe,
    find_sent,
    find_tokens,
    read_basic,
    read_jwt,
)

HOSTILE = 'it\'s "$HOME" `id` \\ & ; ö\n<b>'


def join(lines: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    return "\n".join("".join(text for _, text in line) for line in lines)


def split(command: str) -> list[str]:
    """Words as a shell has them: it takes a broken line for one, which shlex does not."""
    return shlex.split(command.replace(" \\\n  ", " "))


def build_jwt(header: str, claims: str) -> str:
    return ".".join(encode_base64url(part.encode()) for part in (header, claims, "signature"))


def test_a_curl_command_holds_every_value_as_it_is_whatever_it_is() -> None:
    form = RawRequest(method="POST", path="/t", headers=(("Authorization", HOSTILE),), form=(("a", HOSTILE),))
    words = split(build_curl(form, "http://127.0.0.1:4444"))
    assert words == [
        "curl", "-i", "-H", f"Authorization: {HOSTILE}", "--data-urlencode", f"a={HOSTILE}", "http://127.0.0.1:4444/t",
    ]  # fmt: skip
    document = RawRequest(method="PUT", path="/t", json={"a": HOSTILE})
    words = split(build_curl(document, "http://127.0.0.1:4444"))
    assert words[:4] == ["curl", "-i", "-X", "PUT"]
    assert json.loads(words[words.index("-d") + 1]) == {"a": HOSTILE}
    visit = RawRequest(method="GET", path="/t", query=(("a", "b c"), ("d", "&")))
    assert split(build_curl(visit, "http://h"))[-1] == "http://h/t?a=b+c&d=%26"
    assert "-X POST" in build_curl(RawRequest(method="POST", path="/t"), "http://h")


def test_a_request_is_shown_as_it_goes_over_the_wire() -> None:
    query = RawRequest(method="GET", path="/t", query=(("a", "1"), ("b", "x y")), headers=(("X", "y"),))
    assert join(build_request_lines(query, "h")) == "GET /t\n  ?a=1\n  &b=x+y HTTP/1.1\nHost: h\nX: y"
    form = RawRequest(method="POST", path="/t", form=(("a", "1"), ("b", "&")))
    assert join(build_request_lines(form, "h")).endswith("urlencoded\n\na=1\n&b=%26")
    document = RawRequest(method="POST", path="/t", json={"a": [1, None]})
    shown = join(build_request_lines(document, "h"))
    assert json.loads(shown.partition("\n\n")[2]) == {"a": [1, None]}


def test_an_answer_is_shown_with_status_headers_and_body() -> None:
    answer = Answer(status=400, headers=(("X", "y"),), body='{"error":"x","n":[1,true]}')
    shown = join(build_answer_lines(answer, ""))
    assert shown.startswith("HTTP/1.1 400 Bad Request\nX: y\n\n{")
    assert json.loads(shown.partition("\n\n")[2]) == {"error": "x", "n": [1, True]}
    assert join(build_answer_lines(Answer(status=204), "")) == "HTTP/1.1 204 No Content"
    assert join(build_answer_lines(Answer(status=200, body="a\nb"), "")).endswith("\n\na\nb")
    back = Answer(status=0, parameters={"code": "c d", "state": "s"}, is_fragment=True)
    assert join(build_answer_lines(back, "http://h/cb")) == "GET http://h/cb\n  #code=c+d\n  &state=s"


@pytest.mark.parametrize(
    "text",
    ["", "a.b.c", "gwat_" + "x" * 60, build_jwt("[]", "{}"), build_jwt("{}", "[1, 2]"), build_jwt("{}", '"text"'),
     build_jwt("{", "{}"), build_jwt("[" * 9000, "{}" * 9), "x" * 20 + "." + "y" * 20],
)  # fmt: skip
def test_what_is_no_jwt_is_none(text: str) -> None:
    assert read_jwt(text) is None


@pytest.mark.parametrize("depth", [10, 100, 500, 900, 990])
def test_a_jwt_that_nests_deeply_is_shown_or_none(depth: int) -> None:
    jwt = read_jwt(build_jwt('{"alg":"ES256"}', '{"a":' * depth + "1" + "}" * depth))
    if jwt is not None:
        assert describe(jwt[1])[0].name == "a"


def test_tokens_are_found_where_they_are_sent_and_where_they_come_back() -> None:
    jwt = build_jwt('{"alg":"ES256"}', '{"sub":"ada","exp":1795355833,"iat":1e300}')
    xml = encode_base64url(b"<Assertion/>")
    request = RawRequest(method="POST", path="/t", form=(("assertion", jwt), ("saml", xml), ("scope", "read")))
    assert [(token.name, token.kind) for token in find_sent(request)] == [("assertion", "jwt"), ("saml", "xml")]
    answer = Answer(status=200, body=json.dumps({"id_token": jwt, "access_token": "gwat_x", "n": 1}))
    found = find_tokens(answer, {"access_token": Answer(status=200, body='{"active": true}')})
    assert [(token.name, token.kind) for token in found] == [("id_token", "jwt"), ("access_token", "opaque")]
    values = {claim.name: claim.value for claim in found[0].claims}
    assert values["exp"] == "1795355833 (22 Nov 2026, 13:57:13 UTC)"
    assert values["iat"] == "1e+300"


def test_the_authorization_header_is_read_for_people() -> None:
    assert read_basic((("Authorization", "Basic Y2xpZW50OnMlM0E="),)) == "client:s:"
    assert read_basic((("Authorization", "Basic ?"),)) is None
    assert read_basic((("Authorization", "Bearer x"),)) is None


def test_a_step_says_what_is_not_as_expected() -> None:
    step = Step(
        title="", explanation="", build=lambda _: RawRequest(method="GET", path="/"), members={"a": ..., "b": 1}
    )
    assert step.find_surprise(Answer(status=200, body='{"a": 0, "b": 1}')) is None
    assert "200" in (step.find_surprise(Answer(status=400)) or "")
    assert "“a”" in (step.find_surprise(Answer(status=200, body='{"b": 1}')) or "")
    assert "“b”: 1" in (step.find_surprise(Answer(status=200, body='{"a": 0, "b": 2}')) or "")
    assert "“a”" in (step.find_surprise(Answer(status=200, body="[]")) or "")
