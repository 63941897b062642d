"""What clients register for logout, and what they are told."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from grantway.errors import InvalidClientMetadata
from grantway.model import Client
from grantway.protocol.client_metadata import parse_client
from grantway.protocol.logout import (
    CLIENT_METADATA,
    LONGEST_SOURCES,
    MOST_FRAMES,
    TOKEN_TTL,
    build_frame,
    build_logout_claims,
    check_logout_metadata,
    choose_frames,
    find_retry_delay,
    judge_answer,
)

CLIENT = Client(
    tenant="default",
    client_id="shop",
    redirect_uris=("https://shop.example/cb", "com.example.shop:/cb", "http://127.0.0.1/cb"),
)


def with_frame(uri: str) -> Client:
    return replace(CLIENT, extra={"frontchannel_logout_uri": uri})


def read(name: str, value: object) -> Client:
    document = {"redirect_uris": ["https://shop.example/cb"], name: value}
    return parse_client(document, tenant="default", client_id="shop", extra_metadata=CLIENT_METADATA)


@pytest.mark.spec("OpenID Connect Front-Channel Logout §2")
@pytest.mark.parametrize(
    ("uri", "is_own"),
    [
        ("https://shop.example/out", True),
        ("https://SHOP.example:443/out", True),
        ("http://127.0.0.1:80/out", True),
        ("https://shop.example:444/out", False),
        ("http://shop.example/out", False),
        ("http://127.0.0.1:81/out", False),
        ("https://other.example/out", False),
        ("https://photos.shop.example/out", False),
    ],
)
def test_a_client_is_framed_where_it_is_redirected_to(uri: str, is_own: bool) -> None:
    if is_own:
        check_logout_metadata(with_frame(uri))
    else:
        with pytest.raises(InvalidClientMetadata, match="scheme, host and port"):
            check_logout_metadata(with_frame(uri))


def test_a_client_without_frame_needs_no_redirect_uri() -> None:
    check_logout_metadata(replace(CLIENT, redirect_uris=()))
    with pytest.raises(InvalidClientMetadata):
        check_logout_metadata(replace(with_frame("https://shop.example/"), redirect_uris=("com.example.shop:/cb",)))


@pytest.mark.parametrize(
    ("name", "value", "is_accepted"),
    [
        ("frontchannel_logout_uri", "https://shop.example/out?a=b", True),
        ("frontchannel_logout_uri", "http://[::1]/out", False),
        ("frontchannel_logout_uri", "https://shop.example/#out", False),
        ("frontchannel_logout_session_required", True, True),
        ("frontchannel_logout_session_required", "true", False),
        ("backchannel_logout_uri", "https://anywhere.example/out?a=b", True),
        ("backchannel_logout_uri", "http://[::1]:8000/out", True),
        ("backchannel_logout_uri", "http://anywhere.example/out", False),
        ("backchannel_logout_uri", "https://anywhere.example/#out", False),
        ("backchannel_logout_session_required", False, True),
        ("backchannel_logout_session_required", 0, False),
        ("skip_logout_consent", True, True),
        ("skip_logout_consent", "yes", False),
    ],
)
def test_each_field_takes_what_it_is_for(name: str, value: object, is_accepted: bool) -> None:
    if is_accepted:
        assert read(name, value).extra == {name: value}
    else:
        with pytest.raises(InvalidClientMetadata, match=name):
            read(name, value)


def test_no_client_can_spare_its_users_the_question_by_itself() -> None:
    assert not CLIENT_METADATA["skip_logout_consent"].is_self_service


@pytest.mark.spec("OpenID Connect Front-Channel Logout §2")
def test_issuer_and_session_are_added_to_what_is_registered() -> None:
    issuer, sid = "https://as.example/t/x", "a&b=c d"
    added = "iss=https%3A%2F%2Fas.example%2Ft%2Fx&sid=a%26b%3Dc%20d"
    for uri, expected in (
        ("https://shop.example/out", f"https://shop.example/out?{added}"),
        ("https://shop.example/out?a=%20b", f"https://shop.example/out?a=%20b&{added}"),
    ):
        assert build_frame(with_frame(uri), issuer=issuer, session_id=sid) == expected
    assert build_frame(CLIENT, issuer=issuer, session_id=sid) is None


def test_frames_are_left_out_that_no_header_can_name_and_no_page_can_open() -> None:
    assert choose_frames([]) == ((), ())
    same = [f"https://shop.example/{number}" for number in range(500)]
    assert choose_frames(same) == (tuple(same[:MOST_FRAMES]), ("https://shop.example",))
    long = [f"https://{'a' * 60}{number}.example/" for number in range(90)]
    frames, sources = choose_frames([*long, *long])
    assert 0 < sum(map(len, sources)) <= LONGEST_SOURCES
    assert frames == (*long[: len(sources)], *long[: len(sources)])


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.4")
def test_a_logout_token_says_this_and_no_more() -> None:
    claims = build_logout_claims(
        issuer="https://as.example", client=CLIENT, subject_identifier="ada", session_id="s", now=1000, token_id="t"
    )
    assert claims == {
        "iss": "https://as.example",
        "sub": "ada",
        "aud": "shop",
        "iat": 1000,
        "exp": 1000 + TOKEN_TTL,
        "jti": "t",
        "sid": "s",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }
    assert TOKEN_TTL <= 120


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.8")
@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, "told"), (204, "told"), (302, "again"), (400, "refused"), (404, "again"), (429, "again"), (503, "again")],
)
def test_an_answer_means_one_of_three_things(status: int, verdict: str) -> None:
    assert judge_answer(status) == verdict


def test_each_wait_is_twice_as_long_within_bounds_and_up_to_a_quarter_less() -> None:
    waits = [find_retry_delay(attempts, first=5, longest=60, fraction=0) for attempts in range(1, 7)]
    assert waits == [5000, 10_000, 20_000, 40_000, 60_000, 60_000]
    assert find_retry_delay(1, first=5, longest=60, fraction=1) == 3750
    assert find_retry_delay(1, first=500, longest=60, fraction=0) == 60_000
    assert find_retry_delay(10**6, first=5, longest=3600, fraction=0) == 3_600_000
