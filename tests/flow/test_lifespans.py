"""Lifespans by grant and kind of token: set by the administrator, kept within the ceiling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from grantway.admin import clients
from grantway.errors import InvalidClientMetadata, Unprocessable
from grantway.protocol.jose import decode_claims
from grantway.protocol.sealing import decode_base64url
from grantway.testing.in_process import VERIFIER, InProcessServer, RegisteredClient

CODE, REFRESH = "authorization_code_grant", "refresh_token_grant"


@pytest.fixture(scope="module")
def server() -> Iterator[InProcessServer]:
    running = InProcessServer({"tokens.max_token_ttl": 7200})
    running.register_user()
    yield running
    running.stop()


def set_lifespans(server: InProcessServer, client: RegisteredClient, **lifespans: str | None) -> Any:
    return server.run(clients.set_lifespans(server.runtime, "default", client.client_id, lifespans, actor="test"))


def read_id_token_ttl(answer: dict[str, Any]) -> int:
    claims = decode_claims(decode_base64url(answer["id_token"].split(".")[1]) or b"")
    assert claims is not None
    ttl: int = claims["exp"] - claims["iat"]
    return ttl


def redeem(server: InProcessServer, client: RegisteredClient) -> dict[str, Any]:
    code = server.browser().authorize(client, scope="openid offline_access")["code"]
    return server.token(
        client, grant_type="authorization_code", code=code, redirect_uri="https://client.example/cb",
        code_verifier=VERIFIER,
    ).json()  # fmt: skip


def test_each_grant_gives_tokens_of_its_own_lifespan(server):
    client = server.register_client()
    set_lifespans(
        server, client,
        **{f"{CODE}_access_token_lifespan": "5m", f"{CODE}_id_token_lifespan": "90s",
           f"{REFRESH}_access_token_lifespan": "1h30m", f"{REFRESH}_id_token_lifespan": "100s"},
    )  # fmt: skip
    first = redeem(server, client)
    assert first["expires_in"] == 300
    assert read_id_token_ttl(first) == 90
    second = server.refresh(client, first["refresh_token"]).json()
    assert second["expires_in"] == 5400
    assert read_id_token_ttl(second) == 100


def test_a_refresh_token_that_is_not_used_ends_with_its_lifespan(server):
    client = server.register_client()
    set_lifespans(server, client, authorization_code_grant_refresh_token_lifespan="10m")
    late, early = redeem(server, client), redeem(server, client)
    server.clock.advance(599)
    fresh = server.refresh(client, early["refresh_token"]).json()
    server.clock.advance(2)
    assert server.refresh(client, late["refresh_token"]).json()["error"] == "invalid_grant"
    server.clock.advance(3600)  # what refreshing gave has the lifespan of its own grant: the client's, as none is set
    assert server.refresh(client, fresh["refresh_token"]).status_code == 200


def test_a_refresh_token_that_is_kept_ends_when_it_is_unused_for_its_lifespan(server):
    client = server.register_client(refresh_token_rotation="off")
    set_lifespans(
        server, client,
        authorization_code_grant_refresh_token_lifespan="10m", refresh_token_grant_refresh_token_lifespan="20m",
    )  # fmt: skip
    token, unused = redeem(server, client)["refresh_token"], redeem(server, client)["refresh_token"]
    server.clock.advance(599)
    assert server.refresh(client, token).status_code == 200
    server.clock.advance(2)
    assert server.refresh(client, unused).json()["error"] == "invalid_grant"
    server.clock.advance(1190)
    assert server.refresh(client, token).status_code == 200
    server.clock.advance(1201)
    assert server.refresh(client, token).json()["error"] == "invalid_grant"


def test_a_machine_has_a_lifespan_too_and_the_ceiling_holds(server):
    client = server.register_client(grant_types=["client_credentials"], scope="read")
    for lifespan, expected in (("45s", 45), ("1.5m", 90), ("1000h", 7200), (None, 3600)):
        set_lifespans(server, client, client_credentials_grant_access_token_lifespan=lifespan)
        assert server.token(client, grant_type="client_credentials").json()["expires_in"] == expected


def test_what_is_left_out_is_taken_away_and_other_metadata_stays(server):
    client = server.register_client()
    set_lifespans(server, client, refresh_token_grant_access_token_lifespan="3600s")
    changed = set_lifespans(server, client, authorization_code_grant_id_token_lifespan="90m")
    assert changed.extra == {"authorization_code_grant_id_token_lifespan": "1h30m0s"}
    assert changed.redirect_uris == client.client.redirect_uris


@pytest.mark.parametrize(
    "value", ["", "1", "-1h", "0s", "999ms", "1d", "1h ", "9999999h", "h", "1e3s", "\u0661s", "1" * 70 + "s"]
)
def test_what_is_no_duration_is_refused(server, value):
    client = server.register_client()
    with pytest.raises(InvalidClientMetadata):
        set_lifespans(server, client, authorization_code_grant_access_token_lifespan=value)


def test_a_grant_that_is_not_there_has_no_lifespan(server):
    client = server.register_client()
    with pytest.raises(Unprocessable, match="absent_grant_id_token_lifespan"):
        set_lifespans(server, client, absent_grant_id_token_lifespan="1h")
    set_lifespans(server, client, absent_grant_id_token_lifespan=None)
