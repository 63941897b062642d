"""The playground of ``grantway dev`` in a real browser: walked with and without script, looked at in every guise."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from grantway.testing.running_server import RunningServer

from .browsing import Visitor
from .dev_server import DevServer, run_dev
from .test_browser_pages import Inspector

pytestmark = [pytest.mark.browser, pytest.mark.node]

SLOWED_DOWN_MS = 11_000


@pytest.fixture(scope="module")
def inspector(node_modules: Path) -> Inspector:
    return Inspector((node_modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))


def begin(visitor: Visitor, flow: str) -> None:
    visitor.go("/playground")
    visitor.press(f"flow-{flow}")
    visitor.expect("playground_flow")
    visitor.press("begin")
    visitor.expect("playground_walk")


def take_step(visitor: Visitor) -> None:
    """Presses what the current step has to be pressed, and comes back from wherever that leads."""
    done = visitor.page.locator("li.step.done").count()
    if visitor.page.locator("#visit").count():
        visitor.press("visit")
        if visitor.page.locator("body.page-login").count():
            visitor.sign_in()
        if visitor.page.locator("body.page-consent").count():
            visitor.press("allow")
        if visitor.page.locator("body.page-form_post").count():  # without script
            visitor.press("continue")
        if visitor.page.locator("#fragment-form").count():  # likewise: the address is pasted
            visitor.page.fill("#fragment", visitor.page.url)
            visitor.press("take")
    else:
        visitor.press("send")
    visitor.page.wait_for_selector(f"#step-{done + 1}.done", state="attached")


def walk(visitor: Visitor, flow: str) -> None:
    begin(visitor, flow)
    for _ in range(visitor.page.locator("li.step").count()):
        take_step(visitor)


@pytest.mark.parametrize("has_script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("flow", ["authorization_code", "client_credentials", "implicit", "hybrid"])
def test_a_flow_is_walked_in_a_browser(new_visitor: Callable[..., Visitor], flow: str, has_script: bool) -> None:
    visitor = new_visitor(java_script_enabled=has_script)
    walk(visitor, flow)
    assert visitor.page.locator("#over").is_visible()
    assert visitor.page.locator("#surprise").count() == 0
    assert visitor.page.locator(".copy").count() == (visitor.page.locator(".code").count() if has_script else 0)


def test_a_device_is_let_in_from_another_tab(visitor: Visitor) -> None:
    begin(visitor, "device")
    take_step(visitor)
    take_step(visitor)
    with visitor.context.expect_page() as opened:
        visitor.press("errand")
    bench, visitor.page = visitor.page, opened.value
    visitor.press("continue")
    visitor.sign_in()
    visitor.press("allow")
    visitor.expect("device_done")
    visitor.page.close()
    visitor.page = bench
    take_step(visitor)
    while True:  # a person who was quicker than the interval is told so, waits, and sends it again
        visitor.press("send")
        visitor.page.wait_for_selector("#surprise, #step-4.done", state="attached")
        if not visitor.page.locator("#surprise").count():
            break
        assert "slow_down" in visitor.page.inner_text("#step-4")
        visitor.page.wait_for_timeout(SLOWED_DOWN_MS)
    take_step(visitor)
    assert visitor.page.locator("#over").is_visible()


def test_a_jwt_is_decoded_in_the_browser_and_sent_nowhere(visitor: Visitor) -> None:
    visitor.go("/playground/decode")
    sent: list[str] = []
    visitor.page.on("request", lambda request: sent.append(request.url))
    token = ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        for part in (b'{"alg":"ES256"}', json.dumps({"sub": "<b>ada</b>", "n": [1]}).encode(), b"signature")
    )
    visitor.page.fill("#jwt", token)
    assert "<b>ada</b>" in visitor.page.inner_text("#decoded")
    visitor.press("decode")
    visitor.page.fill("#jwt", token.replace(".", "!"))
    assert visitor.page.locator("#jwt-error").is_visible()
    assert not visitor.page.locator("#decoded").is_visible()
    assert [url for url in sent if "/static/" not in url] == []


def test_what_was_sent_can_be_copied(new_visitor: Callable[..., Visitor], dev: DevServer) -> None:
    visitor = new_visitor()
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=dev.issuer)
    begin(visitor, "client_credentials")
    visitor.page.locator(".copy").first.click()
    visitor.page.get_by_text("Copied").wait_for()
    copied = visitor.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("POST /oauth2/token HTTP/1.1\nHost: ")


def test_the_curl_command_works_as_it_is_shown(curl: str, visitor: Visitor) -> None:
    begin(visitor, "client_credentials")
    visitor.page.get_by_text("As a curl command").click()
    command = visitor.page.get_by_label("Step 1 as a curl command", exact=True).inner_text()
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.startswith("HTTP/1.1 200 ")
    assert "gwat_" in done.stdout


def test_the_pages_of_the_playground(visitor: Visitor, inspector: Inspector) -> None:
    visitor.go("/playground")
    inspector.look(visitor, "playground")
    visitor.go("/playground?gone=1")
    inspector.look(visitor, "playground", "gone")
    visitor.press("flow-authorization_code")
    inspector.look(visitor, "playground_flow")
    visitor.press("begin")
    inspector.look(visitor, "playground_walk", "first")
    take_step(visitor)
    take_step(visitor)
    open_details(visitor)
    inspector.look(visitor, "playground_walk", "tokens")
    begin(visitor, "client_credentials")
    open_details(visitor)
    inspector.look(visitor, "playground_walk", "editing")
    visitor.page.get_by_label("scope", exact=True).fill("everything")
    visitor.press("send")
    visitor.page.wait_for_selector("#surprise")
    inspector.look(visitor, "playground_walk", "surprise")
    walk(visitor, "discovery")
    inspector.look(visitor, "playground_walk", "over")
    visitor.go("/playground/callback?state=x&code=y")
    inspector.look(visitor, "playground_callback", "unknown")
    visitor.go("/playground/callback")
    inspector.look(visitor, "playground_callback")
    visitor.go("/playground/decode")
    inspector.look(visitor, "playground_decode")
    visitor.page.fill("#jwt", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEiLCJzY29wZSI6Im9wZW5pZCJ9.c2ln")
    inspector.look(visitor, "playground_decode", "decoded")
    assert inspector.findings == []


def open_details(visitor: Visitor) -> None:
    visitor.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")


# -- where there is one ----------------------------------------------------------------------------------------------
def test_the_development_server_says_where_it_is(tmp_path: Path) -> None:
    with run_dev(tmp_path) as server:
        assert server.ready["playground_url"] == f"{server.issuer}/playground"
        assert server.ready["playground_url"] in server.printed
        assert requests.get(server.ready["playground_url"], timeout=10).status_code == 200


def test_a_server_for_others_has_none(tmp_path: Path) -> None:
    server = RunningServer(tmp_path, workers=1)
    try:
        server.start()
        host, port = server.public
        for path in ("/playground", "/playground/walk", "/playground/callback", "/playground/decode"):
            for method in ("GET", "POST"):
                answer = requests.request(method, f"http://{host}:{port}{path}", timeout=10)
                assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    finally:
        server.close()
