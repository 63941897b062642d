"""A person without a browser: follows redirects, reads the forms of pages, fills them in and sends them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from html.parser import HTMLParser
from http.cookiejar import DefaultCookiePolicy
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urljoin

import requests

_MOST_STEPS = 12
BUTTONS = ("login", "allow", "continue")
"""Ids of the buttons of pages on the way back to the client."""
MORE_BUTTONS = ("logout", "confirm", "approve")
"""Those of pages that a person was sent to for another reason: to sign out, to let a device in."""


class Form:
    """A form as a browser without script sees it."""

    def __init__(self, attributes: dict[str, str | None]) -> None:
        self.method = (attributes.get("method") or "get").lower()
        self.action = attributes.get("action") or ""
        self.fields: list[tuple[str, str]] = []
        self.names: set[str] = set()
        self.buttons: dict[str, tuple[str, str]] = {}
        """Id of a button to the name and value it sends."""


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self.forms.append(Form(attributes))
            self._is_inside = True
        elif self._is_inside and attributes.get("name"):
            self._add_control(self.forms[-1], tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False

    @staticmethod
    def _add_control(form: Form, tag: str, attributes: dict[str, str | None]) -> None:
        name, value = attributes["name"] or "", attributes.get("value") or ""
        if tag == "button":
            form.buttons[attributes.get("id") or ""] = (name, value)
        elif tag == "input":
            form.names.add(name)
            if attributes.get("type") != "checkbox" or "checked" in attributes:
                form.fields.append((name, value))


class Person:
    """Somebody with an account. ``seen``: ids of the buttons pressed, in order."""

    def __init__(self, issuer: str, user: dict[str, Any]) -> None:
        self.issuer, self.user = issuer, user
        self.seen: list[str] = []
        self.http = requests.Session()
        self.http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # as in browsers, and unlike in http.cookiejar, a Secure cookie may travel to loopback without TLS
        self.cookies: dict[str, str] = {}

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def authorize(self, url: str, *, refuse: Collection[str] = ()) -> str:
        """Goes to ``url``, signs in and consents as far as asked. Returns the URL at the client one is sent to.

        ``refuse``: scopes to untick.
        """
        answer = self._send("GET", url)
        for _ in range(_MOST_STEPS):
            location = answer.headers.get("location")
            if location is not None:
                target = urljoin(answer.url, location)
                if not target.startswith(self.issuer + "/"):
                    return target
                answer = self._send("GET", target)
            else:
                assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
                answer = self._fill_in(answer, refuse)
        raise AssertionError(f"no way back to the client from {answer.url}")

    def visit(self, url: str) -> None:
        """Goes to ``url`` and agrees to whatever is asked, until there is nothing left to agree to. An answer to a
        client on loopback is delivered as a browser does it, a fragment by the script of the client's page."""
        answer = self._send("GET", url)
        for _ in range(_MOST_STEPS):
            location = answer.headers.get("location")
            target = urljoin(answer.url, location) if location is not None else None
            if target is not None and target.startswith(self.issuer + "/"):
                answer = self._send("GET", target)
            elif target is not None:
                return _deliver(target)
            else:
                assert answer.ok, f"{answer.status_code} {answer.text}"
                form = _read_form(answer)
                if form is not None and form.action.startswith("http") and not form.action.startswith(self.issuer):
                    requests.post(form.action, data=form.fields, timeout=10)  # response_mode=form_post
                    return None
                if form is None or not {*BUTTONS, *MORE_BUTTONS} & form.buttons.keys():
                    return None
                answer = self._fill_in(answer, (), (*BUTTONS, *MORE_BUTTONS))
        raise AssertionError(f"no end to the pages after {url}")

    def _send(self, method: str, url: str, fields: list[tuple[str, str]] | None = None) -> requests.Response:
        headers = {"origin": self.issuer} if method == "POST" else {}
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.http.request(method, url, data=fields, headers=headers, allow_redirects=False, timeout=10)
        for line in answer.raw.headers.getlist("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return answer

    def _fill_in(
        self, page: requests.Response, refuse: Collection[str], buttons: Collection[str] = BUTTONS
    ) -> requests.Response:
        form = _read_form(page)
        assert form is not None, page.text
        button = next((name for name in buttons if name in form.buttons), None)
        assert button is not None, page.text
        self.seen.append(button)
        fields = [(name, value) for name, value in form.fields if not (name == "scope" and value in refuse)]
        if button == "login":
            typed = {"username": self.user["username"], "password": self.user["password"]}
            assert typed.keys() <= form.names
            fields = [(name, value) for name, value in fields if name not in typed] + list(typed.items())
        return self._send("POST", urljoin(page.url, form.action), [*fields, form.buttons[button]])


def _read_form(page: requests.Response) -> Form | None:
    """The one form of a page; None: it has none, or several to choose from."""
    reader = _FormReader()
    reader.feed(page.text)
    return reader.forms[0] if len(reader.forms) == 1 else None


def _deliver(url: str) -> None:
    """Brings the answer to a client on loopback; where none listens there, the person has still come back."""
    page, _, fragment = url.partition("#")
    with contextlib.suppress(requests.ConnectionError):
        if fragment:
            headers = {"content-type": "text/plain;charset=UTF-8"}
            requests.post(page, data=fragment, headers=headers, timeout=10)
        else:
            requests.get(page, timeout=10)
