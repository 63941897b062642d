"""URLs that the operator wrote into the settings and the server fetches: how to have it do so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct
from tests.forged_jwts import build_jwk, sign_jwt

from grantway.admin.initial_access_tokens import create_initial_access_token
from grantway.testing.in_process import InProcessServer

PUBLISHER, KEY = "https://publisher.example", ec.generate_private_key(ec.SECP256R1())
SECOND = 1
_MINIMAL = {"redirect_uris": ["https://app.example/cb"]}


class Operators(Struct):
    """A setting with a URL. ``prepare`` returns what has it fetched, and tells the HTTP answer to whoever asked."""

    settings: Callable[[str], dict[str, Any]]
    """All there have to be, for a URL."""
    prepare: Callable[[InProcessServer], Callable[[], Any]]
    document: Any
    """What is good there."""
    deadline: float
    """Seconds, by these settings."""


def _prepare_statement(house: InProcessServer) -> Callable[[], Any]:
    def use() -> Any:
        house.clock.advance(3600)  # what was fetched, or not, is remembered for a while
        return _register(house, software_statement=_sign_statement())

    return use


def _prepare_changed_statement(house: InProcessServer) -> Callable[[], Any]:
    """By a client that registered without one."""
    registered = _register(house).json()

    def use() -> Any:
        house.clock.advance(3600)
        headers = {"authorization": f"Bearer {registered['registration_access_token']}"}
        document = {**_MINIMAL, "client_id": registered["client_id"], "software_statement": _sign_statement()}
        answer = house.request("PUT", registered["registration_client_uri"], json=document, headers=headers)
        if answer.status_code == 200:
            registered.update(answer.json())
        return answer

    return use


def _sign_statement() -> str:
    return sign_jwt(KEY, {"iss": PUBLISHER, "software_id": "s"}, alg="ES256", kid="k1")


def _register(house: InProcessServer, **metadata: Any) -> Any:
    made = house.run(create_initial_access_token(house.runtime, "default", actor="test"))
    headers = {"authorization": f"Bearer {made.token}"}
    return house.post("/oauth2/register", json={**_MINIMAL, **metadata}, headers=headers)


def _prepare_machine(house: InProcessServer) -> Callable[[], Any]:
    machine = house.register_client(grant_types=["client_credentials"], scope="read")
    return lambda: house.token(machine, grant_type="client_credentials")


def _prepare_refresh(house: InProcessServer) -> Callable[[], Any]:
    house.register_user()
    client = house.register_client(refresh_token_rotation="off")
    tokens = house.grant(client)
    return lambda: house.refresh(client, tokens["refresh_token"])


def _configure_statements(url: str) -> dict[str, Any]:
    return {
        "registration.enabled": True,
        "registration.per_address": 1_000_000,
        "registration.software_statement_issuer": PUBLISHER,
        "registration.software_statement_jwks_uri": url,
        "egress.timeout": SECOND,
        "egress.jwks_stale_ttl": 0,
    }


_KEYS = {"keys": [build_jwk(KEY, kid="k1")]}
_STATEMENTS = "registration.software_statement_jwks_uri"

OPERATORS: dict[tuple[str, str], Operators] = {
    ("registration", _STATEMENTS): Operators(_configure_statements, _prepare_statement, _KEYS, SECOND),
    ("client_configuration", _STATEMENTS): Operators(_configure_statements, _prepare_changed_statement, _KEYS, SECOND),
    ("token_hook", "hooks.token_url"): Operators(
        lambda url: {"hooks.token_url": url, "hooks.timeout_ms": 200}, _prepare_machine, {}, 0.2
    ),
    ("token_hook", "hooks.refresh_url"): Operators(
        lambda url: {"hooks.refresh_url": url, "hooks.timeout_ms": 200}, _prepare_refresh, {}, 0.2
    ),
}
"""By the extension and the setting."""
