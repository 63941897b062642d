"""Authlib's authorization server as a peer of the bench: state in memory, opaque tokens.

Authlib brings servers for Flask and Django; its core is independent of both, and here it runs under Starlette and the
uvicorn that Grantway runs on. Nothing in it waits, so that is the fastest way to run it.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import platform
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qsl

import authlib
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request, TokenMixin, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

REDIRECT_URI = "https://client.example/cb"
VERIFIER = "the-code-verifier-of-every-code-the-bench-redeems"
CHALLENGE = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BASIC = ["client_secret_basic"]


class Client(ClientMixin):
    """The one client. Its secret is kept as a digest, as Grantway keeps the secrets it made."""

    def __init__(self, client_id: str, secret: str) -> None:
        self.client_id, self._digest = client_id, sha256(secret.encode()).digest()

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return REDIRECT_URI

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(word for word in (scope or "").split() if word in ("read", "write"))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == REDIRECT_URI

    def check_client_secret(self, client_secret: str) -> bool:
        return hmac.compare_digest(sha256(client_secret.encode()).digest(), self._digest)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("client_credentials", "authorization_code", "refresh_token")


@dataclass
class Code:
    """What a code stands for."""

    code: str
    scope: str = "read"
    redirect_uri: str = REDIRECT_URI
    code_challenge: str = CHALLENGE
    code_challenge_method: str = "S256"

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Token(TokenMixin):
    """A token that was issued."""

    client: Client
    scope: str
    user: str | None
    issued_at: float
    expires_in: int
    is_withdrawn: bool = False

    def check_client(self, client: Client) -> bool:
        return client is self.client

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return self.expires_in

    def is_expired(self) -> bool:
        return time.time() > self.issued_at + self.expires_in

    def is_revoked(self) -> bool:
        return self.is_withdrawn


CLIENT = Client(os.environ["BENCH_CLIENT"], os.environ["BENCH_SECRET"])
CODES: dict[str, Code] = {}
TOKENS: dict[str, Token] = {}
REFRESH_TOKENS: dict[str, Token] = {}


class Form(OAuth2Request):
    """A request with a form."""

    def __init__(self, request: Request, form: dict[str, str]) -> None:
        super().__init__(request.method, f"https://peer.example{request.url.path}", headers=request.headers)
        self._form, self.payload = form, BasicOAuth2Payload(form)

    @property
    def form(self) -> dict[str, str]:
        return self._form

    @property
    def args(self) -> dict[str, str]:
        return {}


class Server(AuthorizationServer):
    """Authlib's server on dictionaries."""

    def query_client(self, client_id: str) -> Client | None:
        return CLIENT if client_id == CLIENT.client_id else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        kept = Token(request.client, token.get("scope", ""), request.user, time.time(), token["expires_in"])
        TOKENS[token["access_token"]] = kept
        if "refresh_token" in token:
            REFRESH_TOKENS[token["refresh_token"]] = kept

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        return Response(json.dumps(body) if isinstance(body, dict) else body, status, dict(headers))

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        return


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = BASIC


class AuthorizationCode(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = BASIC

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        return CODES.get(code)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del CODES[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> str:
        return "load"


class RefreshToken(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = BASIC
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        found = REFRESH_TOKENS.get(refresh_token)
        return found if found is not None and not found.is_withdrawn else None

    def authenticate_user(self, refresh_token: Token) -> str:
        return "load"

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.is_withdrawn = True


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = BASIC

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        return TOKENS.get(token_string)

    def check_permission(self, token: Token, client: Client, request: OAuth2Request) -> bool:
        return token.client is client

    def introspect_token(self, token: Token) -> dict[str, Any]:
        return {
            "active": True,
            "client_id": token.client.client_id,
            "token_type": "Bearer",
            "scope": token.scope,
            "sub": token.user or token.client.client_id,
            "iat": int(token.issued_at),
            "exp": int(token.issued_at) + token.expires_in,
        }


def build_server() -> Server:
    server = Server()
    generator = BearerTokenGenerator(
        lambda client, grant_type, user, scope: token_urlsafe(32),
        lambda client, grant_type, user, scope: token_urlsafe(32),
        3600,
    )
    server.register_token_generator("default", generator)
    server.register_grant(ClientCredentials)
    server.register_grant(AuthorizationCode, [CodeChallenge(required=True)])
    server.register_grant(RefreshToken)
    server.register_endpoint(Introspection)
    return server


SERVER = build_server()


async def _read_form(request: Request) -> Form:
    return Form(request, dict(parse_qsl((await request.body()).decode(), keep_blank_values=True)))


async def answer_token(request: Request) -> Response:
    response: Response = SERVER.create_token_response(await _read_form(request))
    return response


async def answer_introspection(request: Request) -> Response:
    response: Response = SERVER.create_endpoint_response("introspection", await _read_form(request))
    return response


@asynccontextmanager
async def tell_when_ready(app: Starlette) -> AsyncIterator[None]:
    """Makes the stock and says what there is."""
    codes, refreshes = [], []
    for _ in range(int(os.environ["BENCH_STOCK"])):
        code, refresh_token = token_urlsafe(32), token_urlsafe(32)
        CODES[code] = Code(code)
        REFRESH_TOKENS[refresh_token] = Token(CLIENT, "read", "load", time.time(), 3600)
        codes.append(f"grant_type=authorization_code&code={code}&redirect_uri={REDIRECT_URI}&code_verifier={VERIFIER}")
        refreshes.append(f"grant_type=refresh_token&refresh_token={refresh_token}")
    told = {
        "name": f"Authlib {authlib.__version__}, Starlette, Python {platform.python_version()}, memory",
        "token": "/token",
        "introspection": "/introspect",
        "codes": codes,
        "refreshes": refreshes,
    }
    ready = Path(os.environ["BENCH_READY"])
    unfinished = ready.with_suffix(".new")
    unfinished.write_text(json.dumps(told))
    unfinished.rename(ready)
    yield


ROUTES = [
    Route("/token", answer_token, methods=["POST"]),
    Route("/introspect", answer_introspection, methods=["POST"]),
]
app = Starlette(routes=ROUTES, lifespan=tell_when_ready)
