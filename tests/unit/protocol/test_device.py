"""What a device may ask for, and the codes people type for it."""

from __future__ import annotations

from collections import Counter

import pytest

from grantway.errors import InvalidScope, InvalidTarget
from grantway.model import Client, DeviceRequest
from grantway.protocol.device import (
    USER_CODE_PRESETS,
    build_person_request,
    build_user_code,
    check_device_request,
    digest_user_code,
    format_user_code,
    is_poll_too_soon,
    normalize_user_code,
)
from grantway.protocol.message import Parameters, parse_parameters

CLIENT = Client(tenant="default", client_id="tv", scope=("openid", "read"), audience=("https://api.example",))
DIGEST = b"d" * 32


def read(query: str) -> Parameters:
    return parse_parameters(query.encode())


def test_scope_and_resources_are_read_by_the_rules_of_every_request() -> None:
    request = check_device_request(read("scope=read&resource=https://api.example"), CLIENT, DIGEST)
    assert (request.scope, request.audience) == (("read",), ("https://api.example",))
    assert (request.device_digest, request.redirect_uri, request.redirect_uri_given) == (DIGEST, "", False)
    with pytest.raises(InvalidScope):
        check_device_request(read("scope=write"), CLIENT, DIGEST)
    with pytest.raises(InvalidScope):
        check_device_request(read(""), CLIENT, DIGEST)
    with pytest.raises(InvalidTarget):
        check_device_request(read("scope=read&resource=https://other.example"), CLIENT, DIGEST)


def test_the_person_is_asked_what_the_device_asked_for() -> None:
    device = DeviceRequest(
        tenant="default",
        device_digest=DIGEST,
        user_code_digest=b"u" * 32,
        client_id="tv",
        scope=("read",),
        audience=("https://api.example",),
        created_at=0,
        expires_at=1,
        interval=5,
    )
    asked = check_device_request(read("scope=read&resource=https://api.example"), CLIENT, DIGEST)
    person = build_person_request(device, b"sealed")
    assert person.user_code == b"sealed"
    assert (person.scope, person.audience, person.device_digest) == (asked.scope, asked.audience, asked.device_digest)
    assert person.redirect_uri == ""


@pytest.mark.spec("RFC 8628 §6.1")
@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("letters", "BBBB-BBBB"),
        ("letters-12", "BBBB-BBBB-BBBB"),
        ("digits", "000-000-000"),
        ("digits-12", "0000-0000-0000"),
    ],
)
def test_a_user_code_is_written_in_groups(name: str, example: str) -> None:
    preset = USER_CODE_PRESETS[name]
    assert build_user_code(preset, bytes(16)) == example
    assert format_user_code(normalize_user_code(example)) == example
    last = (preset.space - 1).to_bytes(16, "big")
    assert set(build_user_code(preset, last)) - {"-"} == {preset.alphabet[-1]}


@pytest.mark.threat("T120")
def test_every_character_is_as_likely_as_any() -> None:
    """All codes of a small space, each by one number: none twice, none left out."""
    preset = USER_CODE_PRESETS["letters"]
    codes = {build_user_code(preset, number.to_bytes(16, "big")) for number in range(20**3)}
    assert len(codes) == 20**3
    assert set(Counter(code[0] for code in codes).values()) == {400}


@pytest.mark.threat("T120")
def test_the_default_has_the_space_that_guessing_is_reckoned_with() -> None:
    assert USER_CODE_PRESETS["letters"].space == 20**8
    assert not set("AEIOUY0123456789") & set(USER_CODE_PRESETS["letters"].alphabet)


@pytest.mark.spec("RFC 8628 §6.1")
@pytest.mark.parametrize(
    "typed",
    [
        "WDJB-MJHT",
        "wdjbmjht",
        " wdjb mjht ",
        "W.D-J_B/M J H T",
        "ＷＤＪＢ－ＭＪＨＴ",
        "WDJB\u2013MJHT",
        "WDJB\u00a0MJHT",
    ],
)
def test_case_separators_and_width_do_not_count(typed: str) -> None:
    assert normalize_user_code(typed) == "WDJBMJHT"
    assert digest_user_code(typed) == digest_user_code("WDJB-MJHT")


@pytest.mark.parametrize("typed", ["", "-", "W" * 65, "\u0428", "  "])
def test_what_can_be_no_code_is_empty(typed: str) -> None:
    assert normalize_user_code(typed) == ""
    assert format_user_code("") == ""


@pytest.mark.parametrize(("spelling", "shown"), [("ABCDE", "ABCDE"), ("A", "A"), ("ABCDEF", "ABC-DEF")])
def test_any_other_spelling_is_shown_too(spelling: str, shown: str) -> None:
    assert format_user_code(spelling) == shown


def test_the_first_poll_is_never_too_soon() -> None:
    assert not is_poll_too_soon(0, None, 5)
    assert is_poll_too_soon(4_999, 0, 5)
    assert not is_poll_too_soon(5_000, 0, 5)
    assert is_poll_too_soon(0, 1, 5), "another node's clock may be ahead"
