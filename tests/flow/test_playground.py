"""The playground: every flow can be walked to its end, and it is nothing that a stranger could use."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.flow.playground import PlaygroundServer, Walker

from grantway.protocol.sealing import encode_base64url
from grantway.registry import build_extensions
from grantway.testing.in_process import ISSUER, PASSWORD, InProcessServer
from grantway.web.playground.flow import Flow
from grantway.web.playground.flows import FLOWS
from grantway.web.playground.walks import LONGEST_BODY, MOST_WALKS

PATHS = ("/playground", "/playground/walk", "/playground/callback", "/playground/decode")
FOREIGN = {"origin": "https://evil.example"}


@pytest.fixture(scope="module")
def place() -> Iterator[PlaygroundServer]:
    server = PlaygroundServer()
    yield server
    server.stop()


@pytest.fixture
def walker(place: PlaygroundServer) -> Walker:
    return Walker(place)


def read_text(page: Any) -> str:
    """What a reader sees, in one line."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.text))


# -- every flow -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_a_flow_is_walked_to_its_end_and_every_step_comes_out_as_it_says(walker: Walker, flow: Flow) -> None:
    page = walker.walk(flow.name)
    assert page.text.count('class="step done"') == len(flow.steps)
    text = read_text(page)
    for step in flow.steps:
        assert step.title in text
        assert step.outcome in text


def test_the_development_server_has_what_every_flow_needs(place: PlaygroundServer, walker: Walker) -> None:
    assert [flow.name for flow in place.playground.list_flows()] == [flow.name for flow in FLOWS]
    page = walker.open("/playground")
    for flow in FLOWS:
        assert f'id="flow-{flow.name}"' in page.text


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_a_flow_explains_every_step_with_the_clause_it_rests_on(flow: Flow) -> None:
    assert flow.spec
    for step in flow.steps:
        assert len(step.explanation) > 20, step.title
        assert step.outcome, step.title
        assert all(check.text and check.spec for check in step.checks), step.title
    assert any(step.checks for step in flow.steps)


def test_a_flow_whose_extension_is_not_there_is_not_listed(place: PlaygroundServer, walker: Walker) -> None:
    unknown = Flow(
        name="unknown", title="Unknown", summary="-", spec="-", group="-", client_id="demo-machine", steps=(),
        grants=("urn:example:unknown",),
    )  # fmt: skip
    off = Flow(
        name="off", title="Off", summary="-", spec="-", group="-", client_id="demo-machine", steps=(),
        is_on=lambda _: False,
    )  # fmt: skip
    known = place.playground._flows
    place.playground._flows = (*known, unknown, off)
    try:
        assert not {"unknown", "off"} & {flow.name for flow in place.playground.list_flows()}
        assert walker.open("/playground?flow=off").status_code == 400
    finally:
        place.playground._flows = known


# -- what is shown ----------------------------------------------------------------------------------------------------
def test_the_raw_request_the_raw_answer_and_what_is_in_the_token_are_shown(walker: Walker) -> None:
    walker.begin("client_credentials")
    assert "POST /oauth2/token HTTP/1.1" in read_text(walker.page)
    assert "grant_type=client_credentials" in read_text(walker.page)
    assert "curl -i" in read_text(walker.page)
    text = read_text(walker.step())
    assert "HTTP/1.1 200 OK" in text
    assert "Cache-Control: no-store" in text
    assert re.search(r'"access_token": "gwat_[\w-]+"', text)
    assert "This is what introspection said when it came." in text
    assert "demo-machine:gwcs_" in text


def test_an_id_token_is_taken_apart(walker: Walker) -> None:
    walker.begin("authorization_code")
    walker.step()
    text = read_text(walker.step())
    assert "What is in id_token" in text
    assert re.search(r"nonce the client's random value", text)
    assert re.search(r"iss who issued it\s*" + ISSUER, text)


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        ("private_key_jwt", ("What is in client_assertion", "sub whom it is about", "ES256")),
        ("jwt_bearer", ("What is in assertion", "https://partner.example", "exp good until")),
        ("saml_bearer", ("What is in assertion", "<NameID>demo</NameID>", "SignatureValue")),
    ],
)
def test_what_a_client_signed_is_taken_apart_before_it_is_sent(
    walker: Walker, flow: str, words: tuple[str, ...]
) -> None:
    text = read_text(walker.begin(flow))
    for word in words:
        assert word in text


def test_a_request_that_was_changed_is_refused_and_the_step_can_be_tried_again(walker: Walker) -> None:
    walker.begin("client_credentials")
    page = walker.step(**{"form.1": "everything"})
    assert 'id="surprise"' in page.text
    assert "invalid_scope" in read_text(page)
    assert 'class="step done"' not in walker.step().text.split('id="step-2"')[1]
    assert 'id="surprise"' not in walker.page.text


@pytest.mark.parametrize("flow", ["private_key_jwt", "jwt_bearer", "saml_bearer"])
def test_a_reader_may_take_minutes_and_one_who_took_too_long_tries_again(
    walker: Walker, place: PlaygroundServer, flow: str
) -> None:
    walker.begin(flow)
    place.clock.advance(240)
    assert 'id="surprise"' not in walker.step().text
    walker.begin(flow)
    place.clock.advance(1200)
    assert 'id="surprise"' in walker.step().text
    assert 'id="surprise"' not in walker.step().text


def test_the_request_that_is_replayed_is_the_one_that_was_sent(walker: Walker) -> None:
    walker.begin("private_key_jwt")
    sent = re.search(r"client_assertion</span>=([\w.-]+)", walker.page.text)
    walker.step()
    again = re.findall(r"client_assertion</span>=([\w.-]+)", walker.page.text)[-1]
    assert sent is not None
    assert again == sent[1]


def test_a_person_who_says_no_sees_what_the_client_is_told(walker: Walker, place: PlaygroundServer) -> None:
    place.register_user("nay-sayer")
    walker.begin("userinfo")
    visit = walker.find_link("visit")
    assert visit is not None
    walker.open(visit)
    walker.submit(0, username="nay-sayer", password=PASSWORD, action="login")
    page = walker.submit(0, action="deny")
    assert 'id="surprise"' in page.text
    assert "access_denied" in read_text(page)


@pytest.mark.threat("T95")
def test_what_an_answer_says_never_becomes_markup(walker: Walker) -> None:
    hostile = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    walker.begin("client_credentials")
    page = walker.step(**{"form.0": hostile, "headers.0": hostile})
    assert "<script>alert" not in page.text
    assert "<img" not in page.text
    walker.open("/playground/decode")
    page = walker.submit(0, jwt=hostile)
    assert "<script>alert" not in page.text
    assert "<img" not in page.text
    page = walker.open("/playground/callback", params={"state": hostile, "code": hostile})
    assert (page.status_code, "<img" in page.text) == (400, False)


def test_the_decoder_takes_a_token_apart_and_says_what_is_none(walker: Walker) -> None:
    walker.open("/playground/decode")
    text = read_text(walker.submit(0, jwt="eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiLDpGRhIiwiZXhwIjoxNzk1MzU1ODMzfQ.c2ln"))
    assert "ES256" in text
    assert "äda" in text
    assert "22 Nov 2026" in text
    for nonsense in ("", "a.b.c", "gwat_x", "x" * 40000, "eyJhbGciOiJFUzI1NiJ9.W10x2A4W.c2ln"):
        walker.open("/playground/decode")
        page = walker.submit(0, jwt=nonsense)
        assert page.status_code == 200
        assert 'id="decoded" aria-live="polite" aria-labelledby="decoded-heading" hidden' in page.text


@pytest.mark.parametrize("depth", [100, 900, 5000])
def test_the_decoder_survives_whatever_is_pasted(walker: Walker, depth: int) -> None:
    walker.open("/playground/decode")
    nested = '{"a":' * depth + "1" + "}" * depth
    jwt = ".".join(encode_base64url(part.encode()) for part in ('{"alg":"none"}', nested, "signature"))
    assert walker.submit(0, jwt=jwt).status_code == 200


# -- whom it obeys ----------------------------------------------------------------------------------------------------
def test_without_grantway_dev_there_is_no_playground() -> None:
    assert not [path for path in build_extensions().endpoints if "playground" in path]
    server = InProcessServer()
    for path in PATHS:
        assert server.get(path).status_code == 404
        assert server.post(path, data={"flow": "client_credentials"}).status_code == 404
    server.stop()


@pytest.mark.threat("T90")
@pytest.mark.parametrize("path", [path for path in PATHS if path != "/playground/callback"])
def test_another_site_cannot_walk(walker: Walker, path: str) -> None:
    walker.begin("client_credentials")
    form = walker.step_form()
    fields = {**form.fields, "flow": "client_credentials", "jwt": "a.b.c"}
    for headers, data in (
        (FOREIGN, fields),
        ({"origin": ISSUER, "sec-fetch-site": "cross-site"}, fields),
        ({"origin": ISSUER}, {**fields, "csrf_token": "A" * 43}),
        ({"origin": ISSUER}, {name: value for name, value in fields.items() if name != "csrf_token"}),
    ):
        answer = walker.server.run(walker.http.post(path, data=data, headers=headers))
        assert answer.status_code == 403, (headers, data)


@pytest.mark.parametrize("host", ["localhost", "evil.example", "as.example:8080", "as.example.evil.example"])
@pytest.mark.parametrize("path", PATHS)
def test_under_another_name_of_the_machine_nothing_is_shown(walker: Walker, path: str, host: str) -> None:
    """A page of another site may give its own name this machine's address (DNS rebinding)."""
    walker.begin("client_credentials")
    fields = {**walker.step_form().fields, "flow": "client_credentials", "jwt": "a.b.c"}
    seen = walker.server.run(walker.http.get(path, params=fields, headers={"host": host}))
    assert (seen.status_code, seen.headers.get("location"), seen.text) == (303, f"{ISSUER}/playground", "")
    sent = walker.server.run(walker.http.post(path, data=fields, headers={"host": host, "origin": ISSUER}))
    assert sent.status_code == 403


def test_a_walk_is_its_own_browsers(place: PlaygroundServer, walker: Walker) -> None:
    walker.begin("client_credentials")
    form = walker.step_form()
    other = Walker(place)
    assert "That walk is over" in other.open(f"/playground/walk?id={form.fields['id']}").text
    other.begin("client_credentials")
    own = other.step_form()
    other.post_form(own, id=form.fields["id"])
    assert "That walk is over" in other.page.text
    assert 'class="step done"' not in walker.open(f"/playground/walk?id={form.fields['id']}").text


@pytest.mark.threat("T91")
def test_an_answer_is_believed_only_by_the_browser_that_was_sent(place: PlaygroundServer, walker: Walker) -> None:
    walker.begin("authorization_code")
    visit = walker.find_link("visit")
    assert visit is not None
    state = re.search(r"state=([\w-]+)", visit)
    assert state is not None
    for stranger, value in ((Walker(place), state[1]), (walker, "another"), (walker, "")):
        page = stranger.open(f"/playground/callback?code=stolen&state={value}&iss={ISSUER}")
        assert page.status_code == 400
        assert "belongs to no request" in page.text


@pytest.mark.spec("RFC 9207 §2.4")
def test_an_answer_of_another_issuer_is_not_believed(walker: Walker) -> None:
    walker.begin("authorization_code")
    visit = walker.find_link("visit") or ""
    state = re.search(r"state=([\w-]+)", visit)
    assert state is not None
    page = walker.open(f"/playground/callback?code=x&state={state[1]}&iss=https://evil.example")
    assert "another issuer" in read_text(page)


@pytest.mark.threat("T70")
def test_it_sends_to_its_own_server_and_to_nobody_else(walker: Walker) -> None:
    """A step names a path. What a person changes are values, never the method, the path or the host."""
    walker.begin("client_credentials")
    page = walker.step(
        **{"path": "https://evil.example/", "url": "https://evil.example/", "method": "DELETE", "form.9": "x"}
    )
    assert 'id="surprise"' not in page.text
    assert "evil.example" not in page.text
    assert "POST /oauth2/token HTTP/1.1" in read_text(page)


def test_pressed_twice_a_step_is_taken_once(walker: Walker) -> None:
    walker.begin("client_credentials")
    form = walker.step_form()
    walker.post_form(form)
    page = walker.post_form(form)
    assert page.text.count('class="step done"') == 1


def test_nonsense_is_answered_with_a_page(walker: Walker) -> None:
    walker.begin("client_credentials")
    form = walker.step_form()
    for fields in ({"id": "x"}, {"position": "-1"}, {"position": "x" * 9999}, {"id": form.fields["id"] + "\u00e9"}):
        assert walker.post_form(form, **fields).status_code == 200
    for fields in ({"headers.0": "Basic \u20ac"}, {"headers.0": ""}, {"form.0": "x" * 20000}):
        assert 'id="surprise"' in walker.post_form(form, **fields).text
    assert walker.open("/playground?flow=nothing").status_code == 400
    assert walker.open("/playground?flow=a&flow=b").status_code == 400
    assert walker.open("/t/other/playground").status_code == 404
    assert walker.server.run(walker.http.put("/playground")).status_code == 405


def test_memory_is_bounded(place: PlaygroundServer) -> None:
    walker = Walker(place)
    walker.open("/playground?flow=client_credentials")
    form = walker.forms()[0]
    for _ in range(MOST_WALKS + 5):
        walker.server.run(walker.http.post(form.action, data=form.fields, headers={"origin": ISSUER}))
    assert len(place.playground.walks) == MOST_WALKS
    assert LONGEST_BODY < 1 << 20


def test_the_pages_are_sealed_like_all_others(walker: Walker) -> None:
    walker.begin("client_credentials")
    for url in ("/playground", "/playground?flow=client_credentials", str(walker.page.url), "/playground/decode",
                "/playground/callback"):  # fmt: skip
        page = walker.open(url)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self';" in policy
        assert re.search(r"script-src 'nonce-[\w+/=]+';", policy)
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r'(src|href|action)="(https?:)?//(?!as\.example)', page.text)
        assert not re.search(r"\s(style|on\w+)=", page.text)
