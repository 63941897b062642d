"""What templates do with values."""

from __future__ import annotations

import pytest

from grantway.model import FOREVER
from grantway.web import page_filters


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Harbour Photos", "HP"), ("one", "O"), ("the three words", "TW"), ("éa-öb", "ÉÖ"), ("_<>_", "?"), ("", "?"),
     (None, "?"), ("straße ßeta", "SS"), ("日本 語", "日語"), ("a@example.org", "AO")],
)  # fmt: skip
def test_a_name_has_a_monogram(name: object, letters: str) -> None:
    assert page_filters.build_monogram(name) == letters


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130.0 Safari/537.36 Edg/130.0", "Edge, Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Version/18.0 Safari/605.1.15", "Safari, Mac"),
        ("Mozilla/5.0 (Linux; Android 14; K) Chrome/130.0 Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) FxiOS/131.0 Safari/605.1.15", "Firefox, iPhone"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("x" * 100, "x" * 59 + "…"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_user_agent_is_told_as_browser_and_system(agent: object, device: str) -> None:
    assert page_filters.describe_device(agent) == device


def test_an_instant_is_readable_by_people_and_machines() -> None:
    expected = '<time datetime="2026-11-03T14:25:00Z">2026-11-03 14:25 UTC</time>'
    assert page_filters.format_instant(1_793_715_900_999) == expected
    assert page_filters.format_instant(None) == page_filters.format_instant(FOREVER) == ""


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("https://Photos.example/x", "photos.example"),
        ("https://photos.example:8443", "photos.example:8443"),
        ("http://[::1]:80/", "[::1]:80"),
        ("https://аpple.example/", "xn--pple-43d.example"),
        ("https://bank.example@evil.example/", "evil.example"),
        ("https://x.example:99999/", None),
        ("https://" + "ü" * 80 + ".example/", None),
        ("com.example.app:/x", None),
        ("javascript://x.example/", None),
    ],
)
def test_the_host_people_see_is_the_one_a_browser_goes_to(uri: str, host: str | None) -> None:
    assert page_filters.find_host(uri) == host


def test_a_name_always_has_the_same_tint() -> None:
    tints = {page_filters.choose_tint(f"client {number}") for number in range(100)}
    assert tints == set(range(page_filters.TINTS))
    assert page_filters.choose_tint("x") == page_filters.choose_tint("x")
