"""The files of the pages: known names only, cached for ever under the hash of their content."""

from __future__ import annotations

import re
from typing import Any

import pytest

from grantway.protocol.message import Request
from grantway.web.static_files import build_static, build_static_url, load_static_files


def ask(name: str, query: str = "", *headers: tuple[bytes, bytes]) -> Any:
    response = build_static(name, Request(method="GET", path=f"/static/{name}", query=query.encode(), headers=headers))
    assert response is not None
    return response


@pytest.mark.parametrize("name", ["site.css", "icon.svg", "arches.svg"])
def test_a_file_has_its_type_and_cannot_be_taken_for_another(name: str) -> None:
    response = build_static(name)
    assert response is not None
    headers = dict(response.headers)
    assert headers[b"content-type"].startswith({"css": b"text/css", "svg": b"image/svg+xml"}[name[-3:]])
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"content-security-policy"].startswith(b"default-src 'none'")
    assert response.body


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../pages.py", "..\\pages.py", "/etc/passwd", "site.css/", "SITE.CSS", "site.css\x00", "%2e"],
)
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    assert build_static(name) is None


def test_a_file_is_kept_for_ever_under_its_hash_only() -> None:
    path, _, query = build_static_url("/t/acme", "site.css").partition("?")
    assert path == "/t/acme/static/site.css"
    assert dict(ask("site.css", query).headers)[b"cache-control"] == b"public, max-age=31536000, immutable"
    for other in ("", "v=", "v=0000000000000000", query + "&x"):
        assert dict(ask("site.css", other).headers)[b"cache-control"] == b"no-cache"


@pytest.mark.spec("RFC 9110 §13.1.2")
def test_a_browser_that_has_the_file_is_not_sent_it_again() -> None:
    tag = dict(ask("site.css").headers)[b"etag"]
    for known in (tag, b"W/" + tag, b'"x", ' + tag, b"*"):
        response = ask("site.css", "", (b"if-none-match", known))
        assert (response.status, response.body) == (304, b"")
        assert dict(response.headers)[b"etag"] == tag
    assert ask("site.css", "", (b"if-none-match", b'"x"')).status == 200


@pytest.mark.threat("T11")
def test_the_style_sheet_is_small_and_loads_nothing_from_elsewhere() -> None:
    css = load_static_files()["site.css"].body.decode()
    assert len(css) < 12_000
    assert "@import" not in css
    assert re.findall(r"url\(\"?(.*?)\"?\)", css) == ["arches.svg"]
    assert "prefers-color-scheme: dark" in css
    assert "prefers-reduced-motion" in css
