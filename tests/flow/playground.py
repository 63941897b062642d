"""A server with the playground in it, as ``grantway dev`` starts it, and somebody who walks."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx2

from grantway.cli.dev_clients import SETTINGS
from grantway.cli.dev_data import build_credentials
from grantway.cli.dev_seed import Seeded, seed
from grantway.testing.in_process import ISSUER, Browser, Form, InProcessServer
from grantway.web.playground import Playground, build_playground

MOST_PAGES = 40


class PlaygroundServer(InProcessServer):
    """Seeded like a development server; ``playground`` is open."""

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        self.playground: Playground
        self.playground, endpoints = build_playground()
        super().__init__({**SETTINGS, **(settings or {})}, extensions=endpoints)
        self.credentials = build_credentials()
        self.seeded: Seeded = self.run(seed(self.runtime, self.credentials))
        self.playground.open(self.server, self.seeded.build_demo(self.credentials))


class Walker(Browser):
    """Walks flows without script: presses the button of each step, signs in where asked, agrees to everything."""

    def __init__(self, server: PlaygroundServer) -> None:
        super().__init__(server)
        self.seeded = server.seeded

    def begin(self, flow: str) -> httpx2.Response:
        """Chooses a flow and begins it."""
        self.open(f"/playground?flow={flow}")
        return self.submit(0)

    def walk(self, flow: str) -> httpx2.Response:
        """From the first step to the last. Returns the page at the end."""
        self.begin(flow)
        for _ in range(MOST_PAGES):
            if 'id="over"' in self.page.text:
                return self.page
            self.step()
        raise AssertionError(f"{flow} does not end:\n{self.page.text}")

    def step(self, **changes: str) -> httpx2.Response:
        """Does what the current step asks for. ``changes``: inputs of the request that are changed before."""
        visit = self.find_link("visit")
        if visit is not None:
            self.open(visit)
            return self._agree()
        errand = self.find_link("errand")
        if errand is not None:
            page = self.page
            self.open(errand)
            self._agree()
            self.page = page
            self.server.clock.advance(30)  # so long it takes to find one's phone
        assert 'id="send"' in self.page.text, self.page.text
        return self.send(**changes)

    def send(self, **changes: str) -> httpx2.Response:
        """Presses the button of the current step."""
        return self.post_form(self.step_form(), **changes)

    def post_form(self, form: Form, **fields: Any) -> httpx2.Response:
        self.page = self.server.run(
            self.http.post(form.action, data={**form.fields, **fields}, headers={"origin": ISSUER})
        )
        return self._follow()

    def step_form(self) -> Form:
        return next(form for form in self.forms() if "position" in form.fields)

    def find_link(self, identifier: str) -> str | None:
        """Where a link of the page leads."""
        found = re.search(rf'<a [^>]*id="{identifier}"[^>]*href="([^"]*)"', self.page.text)
        return html.unescape(found[1]) if found else None

    def _agree(self) -> httpx2.Response:
        """Signs in and agrees until it is back at the playground, or nothing is left to agree to."""
        typed = {"username": self.seeded.user.username, "password": self.seeded.password}
        for _ in range(8):
            text = self.page.text
            if 'id="fragment-form"' in text:
                return self.submit(0, fragment=str(self.page.url))
            if 'id="form-post"' in text:
                self.submit(0)
            elif 'id="login"' in text:
                self.submit(0, **typed, action="login")
            elif 'id="allow"' in text:
                self.submit(0, scope=re.findall(r'name="scope"[^>]*value="([^"]+)"', text), action="allow")
            elif (code := re.search(r'name="user_code"[^>]*value="([^"]+)"', text)) is not None:
                self.submit(0, user_code=code[1], action="continue")
            elif (button := re.search(r'<button [^>]*id="(approve|confirm|continue|logout)"', text)) is not None:
                tag = re.search(rf'<button [^>]*id="{button[1]}"[^>]*>', text)
                assert tag is not None
                name, value = re.search(r'name="([^"]*)"', tag[0]), re.search(r'value="([^"]*)"', tag[0])
                self.submit(0, **({name[1]: value[1]} if name and value else {}))
            else:
                return self.page
        raise AssertionError(f"asked again and again:\n{self.page.text}")
