"""What a flow of the playground is: data. A new flow is one small definition in ``flows/`` and one line in ``FLOWS``.

A step says in plain words what happens and what the server checks, and builds one request from what the steps before
it brought. ``send`` steps are sent by the playground to its own server; for ``visit`` steps the person's browser goes
there itself and comes back; on an ``errand`` it goes in another tab and the next step waits here.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode

from msgspec import Struct

from grantway.client_auth.client_assertion import ASSERTION_TYPE
from grantway.extension import Runtime
from grantway.ports import Entropy
from grantway.protocol.message import FORM
from grantway.protocol.sealing import encode_base64url
from grantway.web.playground.signing import sign_jwt

ASSERTION_TTL = 300
"""Seconds: programs need a few, a reader who looks at the assertion before it is sent needs minutes."""
Kind = Literal["send", "visit", "errand"]
Pairs = tuple[tuple[str, str], ...]


class RawRequest(Struct, frozen=True, kw_only=True):
    """One request as it is shown and sent. ``path`` is below the issuer: there is no way to name another server."""

    method: str
    path: str
    query: Pairs = ()
    headers: Pairs = ()
    form: Pairs = ()
    json: Any = None
    """The body, where it is JSON instead of a form."""

    @property
    def target(self) -> str:
        return self.path + ("?" + urlencode(self.query) if self.query else "")

    @property
    def all_headers(self) -> Pairs:
        """``headers`` and the content type of the body."""
        if self.json is not None:
            return (*self.headers, ("Content-Type", "application/json"))
        return (*self.headers, ("Content-Type", FORM.decode())) if self.form else self.headers

    @property
    def body(self) -> bytes:
        if self.json is not None:
            return json.dumps(self.json).encode()
        return urlencode(self.form).encode()


class Answer(Struct, frozen=True, kw_only=True):
    """What came back: from the server, or (``status`` 0) by the browser to the client's redirect_uri."""

    status: int
    headers: Pairs = ()
    body: str = ""
    parameters: Mapping[str, str] = {}
    """Of a browser's answer, by name."""
    is_fragment: bool = False

    @property
    def members(self) -> Mapping[str, Any]:
        """The parameters, or the members of the JSON object in the body."""
        if self.status == 0:
            return self.parameters
        try:
            content = json.loads(self.body)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}


def build_basic(client_id: str, secret: str) -> tuple[str, str]:
    """The Authorization header of a client with a secret (RFC 6749 §2.3.1)."""
    credentials = f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()
    return "Authorization", "Basic " + base64.b64encode(credentials).decode()


class Material(Struct, kw_only=True):
    """What the requests of a walk are built from."""

    issuer: str
    paths: Mapping[str, str]
    """Path of an endpoint by its name."""
    secrets: Mapping[str, str | None]
    """Of the demo clients, by client_id; None: a public client."""
    keys: Mapping[str, Mapping[str, str]]
    """Private JWKs of the demo clients that have one, by client_id, and of the partner, by its issuer."""
    certificates: Mapping[str, str]
    """Of the partner's key, in PEM, by its issuer."""
    entropy: Entropy
    now: int
    """Seconds since the epoch."""
    client_id: str
    """The client of this flow."""
    initial_access_token: str
    """Registers clients (RFC 7591 §3)."""
    username: str
    password: str
    """The demo user's."""
    values: dict[str, str]
    """What earlier steps brought, and what the playground made up: state, nonce, code_verifier."""

    @property
    def callback(self) -> str:
        """The redirect_uri of the playground's clients."""
        return f"{self.issuer}/playground/callback"

    @property
    def is_confidential(self) -> bool:
        """Whether the flow's client has anything to prove itself with."""
        return self.client_id in self.keys or self.secrets.get(self.client_id) is not None

    def remember(self, name: str) -> str:
        """A random value that stays the same for the whole walk."""
        return self.values.setdefault(name, self.make_random())

    def make_random(self) -> str:
        return encode_base64url(self.entropy.token_bytes(32))

    def build_challenge(self) -> str:
        """The S256 code_challenge of this walk's code_verifier (RFC 7636 §4.2)."""
        return encode_base64url(hashlib.sha256(self.remember("code_verifier").encode()).digest())

    def authenticate(self, client_id: str | None = None) -> tuple[Pairs, Pairs]:
        """(headers, form fields) by which a client says who it is (RFC 6749 §2.3.1)."""
        client_id = client_id or self.client_id
        secret = self.secrets.get(client_id)
        if client_id in self.keys:
            assertion = self.values["client_assertion"] = self.sign_assertion(client_id, client_id, client_id)
            return (), (("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion))
        if secret is None:
            return (), (("client_id", client_id),)
        return (build_basic(client_id, secret),), ()

    def sign_assertion(self, key: str, issuer: str, subject: str) -> str:
        """A JWT for this server, signed by the key of that name (RFC 7523 §3)."""
        claims = {"iss": issuer, "sub": subject, "aud": self.issuer, "jti": self.make_random()}
        return sign_jwt(self.keys[key], {**claims, "iat": self.now, "exp": self.now + ASSERTION_TTL})

    def build_post(self, endpoint: str, *, client: str | None = None, **form: str) -> RawRequest:
        """A form to an endpoint, from the flow's client or another."""
        headers, fields = self.authenticate(client)
        return RawRequest(
            method="POST",
            path=self.paths[endpoint],
            headers=headers,
            form=(*fields, *((n, v) for n, v in form.items())),
        )

    def build_visit(self, endpoint: str, **query: str) -> RawRequest:
        """A page the browser is sent to."""
        return RawRequest(method="GET", path=self.paths[endpoint], query=tuple(query.items()))


class Check(Struct, frozen=True):
    """One thing the server makes sure of, and the clause that asks for it."""

    text: str
    spec: str


class Step(Struct, frozen=True, kw_only=True):
    """One request of a flow."""

    title: str
    explanation: str
    build: Callable[[Material], RawRequest]
    checks: tuple[Check, ...] = ()
    kind: Kind = "send"
    status: int = 200
    """Of the answer that is to be expected."""
    members: Mapping[str, Any] = {}
    """Members of the answer that are to be expected; ``...``: any value."""
    keep: Mapping[str, str] = {}
    """Values for later steps: their name to the name of the member in the answer."""
    outcome: str = ""
    """What the expected answer means, in a sentence."""

    def find_surprise(self, answer: Answer) -> str | None:
        """What is not as expected, or None."""
        if self.kind == "send" and answer.status != self.status:
            return f"Expected was the status {self.status}."
        members = answer.members
        for name, value in self.members.items():
            if name not in members:
                return f"The answer has no “{name}”."
            if value is not ... and members[name] != value:
                return f"Expected was “{name}”: {json.dumps(value)}."
        return None


class Flow(Struct, frozen=True, kw_only=True):
    """A flow, walked from its first step to its last."""

    name: str
    title: str
    summary: str
    spec: str
    group: str
    client_id: str
    """The demo client that walks it; empty: none does."""
    steps: tuple[Step, ...]
    grants: tuple[str, ...] = ()
    """Grants it needs: a server without them does not list it."""
    endpoints: tuple[str, ...] = ()
    """Endpoints it needs, likewise."""
    is_on: Callable[[Runtime], bool] = lambda _: True
    """Whether the settings allow it."""

    def is_available(self, runtime: Runtime) -> bool:
        extensions = runtime.extensions
        names = {endpoint.name for endpoint in extensions.endpoints.values()}
        return extensions.grants.keys() >= set(self.grants) and names >= set(self.endpoints) and self.is_on(runtime)
