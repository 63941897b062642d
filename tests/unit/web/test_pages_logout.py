"""The page after a logout: frames of applications, and the way on."""

from __future__ import annotations

import os
from typing import Any

import pytest

from grantway.protocol.message import Response
from grantway.web.pages import JinjaPages

from .markup import Markup

FRAMES = ("https://photos.example/out?iss=a&sid=b", "http://127.0.0.1:7000/out")
SOURCES = ("https://photos.example", "http://127.0.0.1:7000")


class _Entropy:
    def token_bytes(self, size: int) -> bytes:
        return os.urandom(size)


def render(frames: tuple[str, ...] = FRAMES, sources: tuple[str, ...] = SOURCES, **context: Any) -> Response:
    page = {"frames": frames, "wait": 5, **context}
    return JinjaPages(_Entropy()).render("logged_out", page, frame_sources=sources)


def read_policy(response: Response) -> str:
    return dict(response.headers)[b"content-security-policy"].decode()


@pytest.mark.threat("T96")
def test_only_sources_get_into_the_policy() -> None:
    bad = ("https://x.example; script-src *", "'self'", "*", "https://x.example *", "https://x.example/path", "")
    policy = read_policy(render(sources=(*SOURCES, *bad)))
    assert f"frame-src {' '.join(SOURCES)};" in policy
    assert "script-src" not in policy
    assert "frame-src" not in read_policy(render(sources=bad))


@pytest.mark.threat("T95")
@pytest.mark.parametrize(
    "frame", ["javascript:alert(1)", "data:text/html,x", "com.example:/x", "/x", "https://x y", ""]
)
def test_nothing_but_a_web_address_is_framed(frame: str) -> None:
    assert len(Markup(render(frames=(*FRAMES, frame))).find("iframe")) == len(FRAMES)


@pytest.mark.threat("T95")
def test_an_address_stays_within_its_attribute() -> None:
    evil = 'https://x.example/"><script>alert(1)</script>'
    response = render(frames=(evil,), return_url="https://y.example/'\"><script>alert(2)</script>;url=z")
    assert b"<script>alert" not in response.body
    assert [frame["src"] for frame in Markup(response).find("iframe")] == [evil]


def test_a_frame_is_seen_and_read_by_nobody_and_may_go_nowhere() -> None:
    for frame in Markup(render()).find("iframe"):
        assert "hidden" in frame
        assert frame["aria-hidden"] == "true"
        assert frame["tabindex"] == "-1"
        assert set(frame["sandbox"].split()) == {"allow-same-origin", "allow-scripts"}


@pytest.mark.threat("T95")
def test_a_script_runs_only_where_there_are_frames_to_wait_for_and_somewhere_to_go() -> None:
    assert "script-src 'nonce-" in read_policy(render(return_url="https://photos.example/bye"))
    for response in (
        render(),
        render(return_url="javascript:alert(1)"),
        render(frames=(), return_url="https://photos.example/bye"),
    ):
        assert "script-src" not in read_policy(response)
        assert b"http-equiv" not in response.body
