"""A whole server in the test's own process: the real ASGI application on an in-memory database, with a clock to turn.

server = InProcessServer()
client = server.register_client(grant_types=["client_credentials"], scope="read")
answer = server.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=client.auth)
"""

from __future__ import annotations

import asyncio
import html
import itertools
import re
from collections.abc import Coroutine, Mapping
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from msgspec import Struct
from msgspec.structs import replace

from grantway.accounts import create_account
from grantway.clients import give_secret
from grantway.config import Settings, load_settings
from grantway.model import Client, Subject
from grantway.protocol.client_metadata import parse_client
from grantway.protocol.device import DEVICE_CODE
from grantway.protocol.message import Request
from grantway.protocol.sealing import encode_base64url
from grantway.server import SystemEntropy
from grantway.storage import open_store
from grantway.testing.clock import FakeClock
from grantway.testing.events import RecordedEvents
from grantway.web import create_admin_app, create_public_app, create_server

T = TypeVar("T")
ISSUER = "https://as.example"
PASSWORD = "correct horse battery staple"
_FAST_HASHES = {"passwords.argon2_memory_kib": 7168, "passwords.argon2_iterations": 1}
"""The least the settings allow: a test suite logs in hundreds of times."""


class RegisteredClient(Struct, frozen=True):
    """A client and what it authenticates with."""

    client: Client
    client_secret: str | None

    @property
    def client_id(self) -> str:
        return self.client.client_id

    @property
    def auth(self) -> tuple[str, str] | None:
        """HTTP Basic credentials, or None for a public client."""
        return (self.client_id, self.client_secret) if self.client_secret is not None else None

    @property
    def identity(self) -> dict[str, str]:
        """What a public client states about itself; nothing for a confidential one, which uses ``auth``."""
        return {} if self.client_secret is not None else {"client_id": self.client_id}


class InProcessServer:
    """Starts on creation; ``stop()`` ends it. Every call runs the server's event loop until it is answered.

    Args:
        settings: dotted settings (``{"tokens.code_ttl": 30}``) over those of a test server.
        store: another store than a fresh one in memory.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None, **provided: Any) -> None:
        self.clock: FakeClock = provided.pop("clock", None) or FakeClock()
        self.events: Any = provided.pop("events", None) or RecordedEvents()
        self.settings = _build_settings(settings or {})
        self._runner = asyncio.Runner()
        provided.setdefault("store", open_store(self.settings, self.clock))
        self.server = create_server(self.settings, clock=self.clock, events=self.events, **provided)
        self.runtime = self.server.runtime
        self.public_app = create_public_app(self.server, manages_lifespan=False)
        try:
            self.run(self.server.start())
        except BaseException:
            self._runner.close()
            raise
        self._client = self.build_http_client()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs something on the server's loop."""
        return self._runner.run(coroutine)

    def stop(self) -> None:
        self.run(self._client.aclose())
        self.run(self.server.stop())
        self._runner.close()

    def build_http_client(self, *, admin: bool = False, address: str = "192.0.2.1") -> httpx2.AsyncClient:
        """An HTTP client of the public (or admin) application, with cookies of its own."""
        app: Any = create_admin_app(self.server) if admin else self.public_app
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 40000))
        return httpx2.AsyncClient(transport=transport, base_url=ISSUER)

    # -- requests -------------------------------------------------------------------------------------------------
    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        self._client.cookies.clear()
        return self.run(self._client.request(method, path, **options))

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx2.Response:
        return self.request("POST", path, **options)

    def send(self, request: Request) -> Any:
        """One request straight to ``server.handle``, without HTTP."""
        return self.run(self.server.handle(request))

    def browser(self, **options: Any) -> Browser:
        """A browser with an empty cookie jar."""
        return Browser(self, **options)

    # -- material -------------------------------------------------------------------------------------------------
    def register_client(self, client_id: str | None = None, **metadata: Any) -> RegisteredClient:
        """A client with RFC 7591 metadata over useful defaults; confidential unless its method is ``none``."""
        document = {
            "redirect_uris": ["https://client.example/cb"],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile email address phone offline_access read write",
            **metadata,
        }
        if not {"authorization_code", "implicit"}.intersection(document["grant_types"]):
            document.setdefault("response_types", [])
            if "redirect_uris" not in metadata:
                document["redirect_uris"] = []
        runtime, tenant = self.runtime, document.pop("tenant", "default")
        client_id = client_id or runtime.tokens.generate_id()
        client = parse_client(
            document,
            tenant=tenant,
            client_id=client_id,
            extra_metadata=runtime.extensions.client_metadata,
            scope_strategy=runtime.settings.scopes.strategy,
        )
        client, secret = self.run(give_secret(runtime, client, None))
        client = replace(client, created_at=self.clock.now(), updated_at=self.clock.now())
        self.run(runtime.store.insert_client(client))
        return RegisteredClient(client, secret)

    def register_user(
        self, username: str = "ada", password: str = PASSWORD, *, tenant: str = "default", **claims: Any
    ) -> Subject:
        """A person who can log in."""
        return self.run(create_account(self.runtime, tenant, username=username, password=password, claims=claims))

    def send_as(self, client: RegisteredClient, path: str, **parameters: Any) -> httpx2.Response:
        """A form from ``client``, authenticated by its registered method. A parameter given as None is left out."""
        data = {**client.identity, **{name: value for name, value in parameters.items() if value is not None}}
        if client.client.token_endpoint_auth_method == "client_secret_post":
            return self.post(path, data={"client_id": client.client_id, "client_secret": client.client_secret, **data})
        return self.post(path, data=data, auth=client.auth)

    def token(self, client: RegisteredClient, **parameters: Any) -> httpx2.Response:
        """A token request of ``client``."""
        return self.send_as(client, "/oauth2/token", **parameters)

    def begin_device(self, client: RegisteredClient, **parameters: Any) -> dict[str, Any]:
        """The answer to a device authorization request of ``client``."""
        answer = self.send_as(client, "/oauth2/device/auth", **{"scope": "openid offline_access", **parameters})
        assert answer.status_code == 200, answer.text  # noqa: S101 - a test kit
        content: dict[str, Any] = answer.json()
        return content

    def poll(self, client: RegisteredClient, device_code: str, **parameters: Any) -> httpx2.Response:
        """A device's token request."""
        return self.token(client, grant_type=DEVICE_CODE, device_code=device_code, **parameters)

    def refresh(self, client: RegisteredClient, refresh_token: str, **parameters: Any) -> httpx2.Response:
        """A refresh request of ``client``."""
        return self.token(client, grant_type="refresh_token", refresh_token=refresh_token, **parameters)

    def revoke(self, client: RegisteredClient, token: str, **parameters: Any) -> httpx2.Response:
        """A revocation request of ``client``."""
        return self.send_as(client, "/oauth2/revoke", token=token, **parameters)

    def request_authorization(
        self, client: RegisteredClient, method: str = "GET", **parameters: Any
    ) -> httpx2.Response:
        """One authorization request of a browser without cookies; nothing is followed."""
        url = self.browser().build_authorization_url(client, **parameters)
        if method == "GET":
            return self.get(url)
        path, _, query = url.partition("?")
        return self.request(method, path, content=query, headers={"content-type": "application/x-www-form-urlencoded"})

    def introspect(self, client: RegisteredClient, token: str) -> dict[str, Any]:
        """What introspection tells ``client`` about ``token``."""
        answer = self.send_as(client, "/oauth2/introspect", token=token)
        assert answer.status_code == 200, answer.text  # noqa: S101 - a test kit
        content: dict[str, Any] = answer.json()
        return content

    def is_active(self, client: RegisteredClient, token: str) -> bool:
        active: bool = self.introspect(client, token)["active"]
        return active

    def grant(
        self,
        client: RegisteredClient,
        *,
        scope: str = "openid offline_access",
        username: str = "ada",
        **parameters: str,
    ) -> dict[str, Any]:
        """A whole code flow in a fresh browser, consent included: the token answer."""
        code = self.browser().authorize(client, scope=scope, username=username, **parameters)["code"]
        answer = self.redeem(client, code, **parameters)
        assert answer.status_code == 200, answer.text  # noqa: S101 - a test kit
        content: dict[str, Any] = answer.json()
        return content

    def redeem(self, client: RegisteredClient, code: str, **parameters: str) -> httpx2.Response:
        """The code for tokens, with the verifier and redirect_uri ``Browser.authorize`` used."""
        return self.token(
            client,
            grant_type="authorization_code",
            code=code,
            redirect_uri=parameters.get("redirect_uri", client.client.redirect_uris[0]),
            code_verifier=VERIFIER,
        )


VERIFIER = "v" * 43
CHALLENGE = encode_base64url(sha256(VERIFIER.encode()).digest())


class Form(Struct, frozen=True):
    """A form of a page: where it goes and what its hidden fields hold."""

    action: str
    fields: dict[str, str]


_addresses = itertools.count(1)


def _next_address() -> str:
    """Another address for each browser: guesses are counted by it."""
    number = next(_addresses) % 65024
    return f"198.18.{number // 254}.{number % 254 + 1}"


def read_forms(page: httpx2.Response) -> list[Form]:
    """The forms of an HTML answer, with their hidden fields."""
    forms = []
    for attributes, body in re.findall(r"<form([^>]*)>(.*?)</form>", page.text, re.DOTALL):
        action = re.search(r'action="([^"]*)"', attributes)
        fields = {}
        for tag in re.findall(r"<input[^>]*>", body):
            name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
            if name and 'type="hidden"' in tag:
                fields[html.unescape(name[1])] = html.unescape(value[1]) if value else ""
        forms.append(Form(html.unescape(action[1]) if action else str(page.url), fields))
    return forms


def read_authorization_answer(answer: httpx2.Response) -> tuple[str, dict[str, str]] | None:
    """(address, parameters) of an answer to the client, whichever its response mode; None: it is a page for people."""
    location = answer.headers.get("location")
    if location is not None:
        parts = urlsplit(location)
        received = parse_qs(parts.fragment or parts.query, keep_blank_values=True)
        return location, {name: values[0] for name, values in received.items()}
    if 'id="form-post"' in answer.text:
        form = read_forms(answer)[0]
        return form.action, form.fields
    return None


class Browser:
    """Follows the pages as a person would, keeping cookies. ``page`` is the last answer."""

    def __init__(self, server: InProcessServer, *, address: str | None = None) -> None:
        self.server = server
        self.http = server.build_http_client(address=address or _next_address())
        self.page: httpx2.Response

    def open(self, url: str, **options: Any) -> httpx2.Response:
        """GETs a page and follows redirects as long as they stay at the server."""
        self.page = self.server.run(self.http.get(url, **options))
        return self._follow()

    def submit(self, index: int = 0, /, **fields: Any) -> httpx2.Response:
        """Sends a form of the page, hidden fields included, with ``fields`` filled in."""
        form = self.forms()[index]
        self.page = self.server.run(
            self.http.post(form.action, data={**form.fields, **fields}, headers={"origin": ISSUER})
        )
        return self._follow()

    def forms(self) -> list[Form]:
        """Every form of the page."""
        return read_forms(self.page)

    def authorize(
        self, client: RegisteredClient, *, username: str = "ada", password: str = PASSWORD, **parameters: Any
    ) -> dict[str, str]:
        """Goes through log-in and consent as far as they are asked for; returns what the redirect_uri received."""
        self.open(self.build_authorization_url(client, **parameters))
        if 'id="login"' in self.page.text:
            self.submit(username=username, password=password, action="login")
        if 'id="continue"' in self.page.text and 'id="other"' in self.page.text:
            self.submit(action="continue")
        if 'id="allow"' in self.page.text:
            self.submit(scope=re.findall(r'name="scope"[^>]*value="([^"]+)"', self.page.text), action="allow")
        return self.received()

    def type_code(self, user_code: str) -> httpx2.Response:
        """Opens the page for devices and sends the code that one of them shows."""
        self.open("/oauth2/device/verify")
        return self.submit(user_code=user_code)

    def let_device_in(
        self, user_code: str, *, username: str = "ada", password: str = PASSWORD, action: str = "allow"
    ) -> httpx2.Response:
        """Types the code, logs in as far as asked, and allows (or denies) everything the device asks for."""
        self.type_code(user_code)
        if 'id="login"' in self.page.text:
            self.submit(username=username, password=password, action="login")
        return self.submit(scope=re.findall(r'name="scope"[^>]*value="([^"]+)"', self.page.text), action=action)

    def log_in(self, username: str = "ada", password: str = PASSWORD, **fields: str) -> httpx2.Response:
        """Signs in to the account page."""
        self.open("/login")
        return self.submit(0, username=username, password=password, action="login", **fields)

    def build_authorization_url(self, client: RegisteredClient, **parameters: Any) -> str:
        """An authorization request with PKCE, state and nonce; a parameter given as None is left out."""
        query = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": client.client.redirect_uris[0] if client.client.redirect_uris else None,
            "scope": "openid",
            "state": "state-1234",
            "nonce": "nonce-1234",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **parameters,
        }
        return "/oauth2/auth?" + urlencode({key: value for key, value in query.items() if value is not None})

    def received(self) -> dict[str, str]:
        """The parameters the client received, in whichever response mode."""
        answer = read_authorization_answer(self.page)
        assert answer is not None, f"no answer to the client: {self.page.status_code}: {self.page.text[:2000]}"  # noqa: S101
        return answer[1]

    def _follow(self) -> httpx2.Response:
        for _ in range(10):
            location = self.page.headers.get("location")
            if location is None or not location.startswith(("/", ISSUER + "/")):
                break
            self.page = self.server.run(self.http.get(location))
        return self.page


def _build_settings(overrides: Mapping[str, Any]) -> Settings:
    defaults = {
        "issuer": ISSUER,
        "database.url": "sqlite://",
        "secrets.sealing": [SystemEntropy().token_bytes(32).hex()],
        "tokens.pairwise_salt": "a salt for tests",
        "maintenance.lease_ttl": 7 * 86_400,  # it goes by real time, and nothing else here does
        **_FAST_HASHES,
    }
    return load_settings(overrides={**defaults, **overrides})
