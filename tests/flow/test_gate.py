"""Every grant and every use of a token, against everything that may have ended meanwhile.

``PATHS`` has a row for each grant of the registry: a new grant without one fails here. ``GATES`` are flipped *between*
start and redemption; each cell says what must come of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from grantway.admin.authorizations import revoke_authorization
from grantway.admin.clients import disable_client, patch_client
from grantway.admin.sessions import end_sessions
from grantway.admin.users import delete_user, disable_user
from grantway.model import FOREVER, Revocation
from grantway.testing.in_process import InProcessServer, RegisteredClient

GRANTS = ["authorization_code", "refresh_token", "client_credentials"]
SCOPE, RESOURCE = "openid read", "https://api.example"


class Flow:
    """One client and one person in the middle of something; ``finish`` does the rest and says what came of it."""

    def __init__(self, server: InProcessServer, path: str, token_format: str = "opaque") -> None:
        self.server, self.path = server, path
        self.client: RegisteredClient = server.register_client(
            grant_types=[*GRANTS], audience=[RESOURCE], access_token_format=token_format
        )
        person = server.register_user(server.runtime.tokens.generate_id())
        self.subject, self.username = person.subject, person.username
        self.started = PATHS[path][0](self)

    def code(self) -> str:
        browser = self.server.browser()
        return browser.authorize(self.client, scope=SCOPE, resource=RESOURCE, username=self.username)["code"]

    def tokens(self) -> dict[str, Any]:
        return self.server.redeem(self.client, self.code()).json()

    def finish(self) -> str:
        return PATHS[self.path][1](self, self.started)

    def change_client(self, name: str, value: Any) -> None:
        change = [{"op": "replace", "path": f"/{name}", "value": value}]
        self.server.run(patch_client(self.server.runtime, "default", self.client.client_id, change, actor="test"))


def said(answer: Any) -> str:
    """``ok``, or the error."""
    return "ok" if answer.status_code == 200 else str(answer.json()["error"])


def introspect(flow: Flow, tokens: dict[str, Any], name: str) -> str:
    answer = flow.server.send_as(flow.client, "/oauth2/introspect", token=tokens[name])
    return said(answer) if answer.status_code != 200 or answer.json()["active"] else "inactive"


def userinfo(flow: Flow, tokens: dict[str, Any]) -> str:
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    return said(flow.server.get("/userinfo", headers=bearer))


PATHS: dict[str, tuple[Callable[[Flow], Any], Callable[[Flow, Any], str]]] = {
    "authorization_code": (Flow.code, lambda flow, code: said(flow.server.redeem(flow.client, code))),
    "refresh_token": (Flow.tokens, lambda flow, old: said(flow.server.refresh(flow.client, old["refresh_token"]))),
    "client_credentials": (
        lambda flow: None,
        lambda flow, _: said(flow.server.token(flow.client, grant_type="client_credentials", scope="read")),
    ),
    "userinfo": (Flow.tokens, userinfo),
    "introspection": (Flow.tokens, lambda flow, tokens: introspect(flow, tokens, "access_token")),
    "introspection of a refresh token": (Flow.tokens, lambda flow, tokens: introspect(flow, tokens, "refresh_token")),
}


def run(flow: Flow, use_case: Any, *arguments: Any) -> None:
    flow.server.run(use_case(flow.server.runtime, "default", *arguments, actor="test"))


def revoke_authorizations(flow: Flow) -> None:
    page = flow.server.run(flow.server.runtime.store.list_authorizations("default", subject=flow.subject))
    for authorization in page.items:
        run(flow, revoke_authorization, authorization.authorization_id)


def drop_secrets(flow: Flow) -> None:
    stored = flow.server.run(flow.server.runtime.store.load_client("default", flow.client.client_id))
    flow.server.run(flow.server.runtime.store.update_client(replace(stored, secrets=())))


def revoke_client_tokens(flow: Flow) -> None:
    revocation = Revocation(
        tenant="default", kind="client", key=flow.client.client_id, not_before=FOREVER, keep_until=FOREVER
    )
    flow.server.run(flow.server.runtime.store.insert_revocation(revocation))


def set_grant_types(flow: Flow) -> None:
    """As an operator may: the client is left with a grant it does not use here."""
    stored = flow.server.run(flow.server.runtime.store.load_client("default", flow.client.client_id))
    flow.server.run(flow.server.runtime.store.update_client(replace(stored, grant_types=("other",))))


GATES: dict[str, tuple[Callable[[Flow], Any], dict[str, str]]] = {
    "nothing": (lambda flow: None, dict.fromkeys(PATHS, "ok")),
    "client disabled": (
        lambda flow: run(flow, disable_client, flow.client.client_id),
        {**dict.fromkeys(PATHS, "invalid_client"), "userinfo": "invalid_token"},
    ),
    "client secret taken back": (drop_secrets, {**dict.fromkeys(PATHS, "invalid_client"), "userinfo": "ok"}),
    "authentication method changed": (
        lambda flow: flow.change_client("token_endpoint_auth_method", "client_secret_post"),
        {**dict.fromkeys(PATHS, "invalid_client"), "userinfo": "ok"},
    ),
    "grant types taken back": (
        set_grant_types,
        {**dict.fromkeys(PATHS, "ok"), **dict.fromkeys(GRANTS, "unauthorized_client")},
    ),
    "person disabled": (
        lambda flow: run(flow, disable_user, flow.subject),
        {
            "authorization_code": "invalid_grant", "refresh_token": "invalid_grant", "client_credentials": "ok",
            "userinfo": "invalid_token", "introspection": "inactive", "introspection of a refresh token": "inactive",
        },
    ),
    "person deleted": (
        lambda flow: run(flow, delete_user, flow.subject),
        {
            "authorization_code": "invalid_grant", "refresh_token": "invalid_grant", "client_credentials": "ok",
            "userinfo": "invalid_token", "introspection": "inactive", "introspection of a refresh token": "inactive",
        },
    ),
    "session ended": (
        lambda flow: run(flow, end_sessions, flow.subject),
        {
            "authorization_code": "invalid_grant", "refresh_token": "invalid_grant", "client_credentials": "ok",
            "userinfo": "invalid_token", "introspection": "inactive", "introspection of a refresh token": "inactive",
        },
    ),
    "authorization revoked": (
        revoke_authorizations,
        {
            "authorization_code": "invalid_grant", "refresh_token": "invalid_grant", "client_credentials": "ok",
            "userinfo": "invalid_token", "introspection": "inactive", "introspection of a refresh token": "inactive",
        },
    ),
    "scope taken back": (
        lambda flow: flow.change_client("scope", "email"),
        {
            "authorization_code": "invalid_scope", "refresh_token": "invalid_scope",
            "client_credentials": "invalid_scope", "userinfo": "ok", "introspection": "ok",
            "introspection of a refresh token": "ok",
        },
    ),
    "resource taken back": (
        lambda flow: flow.change_client("audience", ["https://other.example"]),
        {
            "authorization_code": "invalid_target", "refresh_token": "invalid_target", "client_credentials": "ok",
            "userinfo": "ok", "introspection": "ok", "introspection of a refresh token": "ok",
        },
    ),
    "tokens of the client revoked": (
        revoke_client_tokens,
        {**dict.fromkeys(PATHS, "ok"), "userinfo": "invalid_token", "introspection": "inactive"},
    ),
    "an hour went by": (
        lambda flow: flow.server.clock.advance(3600),
        {
            "authorization_code": "invalid_grant", "refresh_token": "ok", "client_credentials": "ok",
            "userinfo": "invalid_token", "introspection": "inactive", "introspection of a refresh token": "ok",
        },
    ),
    "twelve hours went by": (
        lambda flow: flow.server.clock.advance(12 * 3600),
        {
            "authorization_code": "invalid_grant", "refresh_token": "invalid_grant", "client_credentials": "ok",
            "userinfo": "invalid_token", "introspection": "inactive", "introspection of a refresh token": "inactive",
        },
    ),
}  # fmt: skip


def test_every_grant_of_the_registry_has_its_row(server):
    assert set(server.runtime.extensions.grants) <= set(PATHS), "write the new grant's row and its cells"
    for name, (_, expected) in GATES.items():
        assert set(expected) == set(PATHS), name


@pytest.mark.threat("T42")
@pytest.mark.threat("T110")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("path", PATHS)
def test_what_ended_in_between_is_noticed(server, path, gate, token_format):
    flow = Flow(server, path, token_format)
    flip, expected = GATES[gate]
    flip(flow)
    assert flow.finish() == expected[path]


@pytest.mark.threat("T65")
def test_a_revoked_signing_key_ends_what_it_signed(fresh_server):
    flows = {path: Flow(fresh_server, path, "jwt") for path in PATHS}
    keys = fresh_server.run(fresh_server.runtime.store.list_keys("default"))
    for key in keys:
        if key.alg == "ES256" and key.state == "active":
            fresh_server.run(fresh_server.runtime.keys.revoke("default", key.kid))
    results = {path: flow.finish() for path, flow in flows.items()}
    assert results == {**dict.fromkeys(PATHS, "ok"), "userinfo": "invalid_token", "introspection": "inactive"}
