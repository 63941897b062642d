"""A small, strict client of any OpenID provider: what ``grantway perform`` drives."""

from __future__ import annotations

import base64
import hashlib
import http.server
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx2
import msgspec
from msgspec import Meta, Struct

from grantway.config import is_loopback_url
from grantway.errors import AccessDenied, GrantwayError, InvalidClient
from grantway.protocol.device import DEVICE_CODE

TIMEOUT = 30.0
CLOCK_SKEW = 60
DEVICE_INTERVAL = 5
"""Seconds between two polls where the server names none, and how many more after each slow_down (RFC 8628 §3.5)."""
_DONE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Grantway</title>
<body style="font: 1.1rem system-ui; margin: 3rem"><p>Done. You can close this window.</p></body></html>"""


class FlowFailed(GrantwayError):
    """The server answered with an error, or with something a client must not believe.

    ``error`` is the code it answered with, or empty.
    """

    def __init__(self, message: str, error: str = "") -> None:
        super().__init__(message)
        self.error = error


class Unreachable(FlowFailed):
    """Nothing came back, so nothing is known."""


class Flow(Struct, frozen=True, kw_only=True):
    """An authorization request under way: what its answer is checked against."""

    url: str
    redirect_uri: str
    state: str
    nonce: str | None
    code_verifier: str


class DeviceFlow(Struct, frozen=True):
    """A device authorization request that waits for a person (RFC 8628 §3.2). ``expires_in``, ``interval``: seconds."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: float
    verification_uri_complete: str | None = None
    interval: Annotated[float, Meta(gt=0)] = DEVICE_INTERVAL
    scope: str = ""


class RelyingParty:
    """Knows one issuer (by discovery) and is one client of it. A context manager: it holds connections."""

    def __init__(self, issuer: str, client_id: str, client_secret: str | None, auth_method: str | None) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.auth_method = auth_method or ("none" if client_secret is None else "client_secret_basic")
        if self.auth_method != "none" and client_secret is None:
            raise InvalidClient("This authentication method needs --client-secret or OAUTH2_CLIENT_SECRET.")
        if not issuer.startswith("https://") and not is_loopback_url(issuer):
            raise FlowFailed("The issuer must be an https URL: a secret would cross the network in the clear.")
        self.issuer = issuer
        self.http = httpx2.Client(timeout=TIMEOUT, follow_redirects=False)
        self._metadata: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    @property
    def metadata(self) -> dict[str, Any]:
        """The discovery document; its issuer must be ours, letter by letter (OpenID Connect Discovery §4.3)."""
        if self._metadata is None:
            metadata = self._read(self._send("GET", f"{self.issuer}/.well-known/openid-configuration"))
            if metadata.get("issuer") != self.issuer:
                raise FlowFailed(f"The discovery document is of another issuer: {metadata.get('issuer')!r}.")
            self._metadata = metadata
        return self._metadata

    def begin(self, redirect_uri: str, *, scope: str, **parameters: Any) -> Flow:
        """Builds the authorization request, with state, PKCE (RFC 7636) and, for OpenID, a nonce."""
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        nonce = secrets.token_urlsafe(24) if "openid" in scope.split() else None
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **parameters,
        }
        endpoint = self._endpoint("authorization_endpoint")
        separator = "&" if "?" in endpoint else "?"
        url = endpoint + separator + urlencode(_without_empty(query))
        return Flow(url=url, redirect_uri=redirect_uri, state=state, nonce=nonce, code_verifier=verifier)

    def finish(self, flow: Flow, answer: Mapping[str, str]) -> dict[str, Any]:
        """Checks the answer at the redirect URI, redeems its code and checks the ID token.

        Raises:
            AccessDenied: the person or the server said no. FlowFailed: anything that must not be believed.
        """
        if not secrets.compare_digest(answer.get("state", ""), flow.state):
            raise FlowFailed("The answer's state is not the one that was sent.")
        # RFC 9207 §2.4: a mix-up is noticed here, before the code is sent anywhere.
        is_promised = self.metadata.get("authorization_response_iss_parameter_supported")
        if answer.get("iss") != self.issuer and ("iss" in answer or is_promised):
            raise FlowFailed("The answer is of another issuer (RFC 9207).")
        if "error" in answer:
            raise _build_failure(answer)
        form = {
            "grant_type": "authorization_code",
            "code": answer.get("code", ""),
            "redirect_uri": flow.redirect_uri,
            "code_verifier": flow.code_verifier,
        }
        tokens = self.request_token(form)
        if flow.nonce is not None:
            tokens["id_token_claims"] = self._check_id_token(tokens.get("id_token"), flow.nonce)
        return tokens

    def request_token(self, form: Mapping[str, str | None]) -> dict[str, Any]:
        """One request to the token endpoint."""
        return self._post("token_endpoint", form)

    def begin_device(self, *, scope: str, **parameters: Any) -> DeviceFlow:
        """Gets the codes of a device authorization request (RFC 8628 §3.1)."""
        answer = self._post("device_authorization_endpoint", {"scope": scope, **parameters})
        try:
            return msgspec.convert({**answer, "scope": scope}, DeviceFlow)
        except msgspec.ValidationError as error:
            raise FlowFailed(f"The answer to the device authorization request is not sound: {error}.") from error

    def finish_device(self, flow: DeviceFlow) -> dict[str, Any]:
        """Polls until somebody has answered, then checks the ID token (RFC 8628 §3.4, §3.5).

        Raises:
            AccessDenied: the person said no. FlowFailed: the code has expired, or anything else went wrong.
        """
        form = {"grant_type": DEVICE_CODE, "device_code": flow.device_code}
        interval, until = flow.interval, time.monotonic() + flow.expires_in
        while time.monotonic() + interval < until:
            time.sleep(interval)
            try:
                tokens = self.request_token(form)
            except Unreachable:
                interval *= 2  # RFC 8628 §3.5: after a timeout less often
            except FlowFailed as error:
                if error.error not in ("authorization_pending", "slow_down"):
                    raise
                interval += DEVICE_INTERVAL if error.error == "slow_down" else 0
            else:
                if "openid" in flow.scope.split():
                    tokens["id_token_claims"] = self._check_id_token(tokens.get("id_token"), None)
                return tokens
        raise FlowFailed("Nobody answered in time: the code has expired.", "expired_token")

    def _post(self, endpoint: str, form: Mapping[str, str | None]) -> dict[str, Any]:
        """A form, authenticated as the client does (RFC 6749 §2.3.1)."""
        form, headers = _without_empty(form), {}
        if self.auth_method == "client_secret_basic":
            pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret or '', safe='')}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form["client_id"] = self.client_id
            if self.auth_method == "client_secret_post":
                form["client_secret"] = self.client_secret or ""
        return self._read(self._send("POST", self._endpoint(endpoint), data=form, headers=headers))

    def _check_id_token(self, id_token: object, nonce: str | None) -> dict[str, Any]:
        """OpenID Connect Core §3.1.3.7. ``nonce``: None where none was sent."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        if not isinstance(id_token, str):
            raise FlowFailed("There is no ID token in the answer.")
        keys = KeySet.import_key_set(self._read(self._send("GET", self._endpoint("jwks_uri"))))  # type: ignore[arg-type]
        try:
            token = jwt.decode(id_token, keys, algorithms=["RS256", "PS256", "ES256", "EdDSA"])
            now = int(time.time())
            sent: dict[str, Any] = {"nonce": {"essential": True, "value": nonce}} if nonce is not None else {}
            jwt.JWTClaimsRegistry(
                now=now,
                leeway=CLOCK_SKEW,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self.client_id},
                exp={"essential": True},
                **sent,
            ).validate(token.claims)
        except (JoseError, ValueError) as error:
            raise FlowFailed(f"The ID token must not be believed: {error}") from error
        return dict(token.claims)

    def _endpoint(self, name: str) -> str:
        endpoint = self.metadata.get(name)
        if not isinstance(endpoint, str):
            raise FlowFailed(f"The server has no {name}.")
        if not endpoint.startswith("https://") and not is_loopback_url(endpoint):
            raise FlowFailed(f"The {name} is not an https URL.")
        return endpoint

    def _send(self, method: str, url: str, **arguments: Any) -> httpx2.Response:
        try:
            return self.http.request(method, url, **arguments)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unreachable(f"{urlsplit(url).netloc}: {error}") from error

    def _read(self, response: httpx2.Response) -> dict[str, Any]:
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise FlowFailed(f"{response.url} answered {response.status_code} without a JSON object.")
        if response.status_code != 200:
            raise _build_failure(document)
        return document


class Callback:
    """A web server on loopback that waits for one answer (RFC 8252 §7.3)."""

    def __init__(self, port: int) -> None:
        self.answer: dict[str, str] | None = None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                answer = dict(parse_qsl(parts.query))
                if parts.path == "/favicon.ico" or "state" not in answer or not ({"code", "error"} & answer.keys()):
                    self.send_error(404)
                    return
                outer.answer = answer
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'")
                self.send_header("referrer-policy", "no-referrer")
                self.end_headers()
                self.wfile.write(_DONE)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
                """Says nothing: the request line carries the code."""

        self.server = http.server.HTTPServer(("127.0.0.1", port), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/callback"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.server_close()

    def wait(self, timeout: float) -> dict[str, str]:
        """The parameters of the answer. Raises ``FlowFailed`` after ``timeout`` seconds."""
        until = time.monotonic() + timeout
        while self.answer is None:
            left = until - time.monotonic()
            if left <= 0:
                raise FlowFailed(f"No answer came within {timeout:g} s.")
            self.server.timeout = left
            self.server.handle_request()
        return self.answer


def _without_empty(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def _build_failure(answer: Mapping[str, Any]) -> GrantwayError:
    """The error the server answered with; some have an exit code of their own."""
    text = " ".join(str(answer[name]) for name in ("error", "error_description") if answer.get(name))
    for kind in (AccessDenied, InvalidClient):
        if answer.get("error") == kind.code:
            return kind(text)
    return FlowFailed(text or "The server answered with an error.", str(answer.get("error", "")))
