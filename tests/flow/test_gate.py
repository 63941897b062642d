"""Every grant and every use of a token, against everything that may have ended meanwhile.

``PATHS`` has a row for each grant of the registry: a new grant without one fails here. A row says what the path rests
on; ``GATES`` are flipped *between* start and redemption, and each says what is taken away. What must come of it
follows: who rests on it is refused, who does not is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace
from tests.bearers import JWT_BEARER, SAML_BEARER, Bearer, JwtIssuer, SamlIssuer
from tests.compat import COMPAT

from grantway.admin.authorizations import revoke_authorization
from grantway.admin.clients import disable_client, patch_client
from grantway.admin.sessions import end_sessions
from grantway.admin.trusted_issuers import delete_trusted_issuer
from grantway.admin.users import delete_user, disable_user
from grantway.extension import Grant
from grantway.model import FOREVER, Entry, Revocation
from grantway.protocol.device import DEVICE_CODE
from grantway.registry import BUILTINS
from grantway.testing.in_process import PASSWORD, InProcessServer, RegisteredClient

SCOPE, RESOURCE = "openid read", "https://api.example"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture(scope="module")
def server():
    """Every grant there is, those too that are off by default."""
    running = InProcessServer(COMPAT)
    yield running
    running.stop()


@pytest.fixture
def fresh_server():
    running = InProcessServer(COMPAT)
    yield running
    running.stop()


class Flow:
    """One client and one person in the middle of something; ``finish`` does the rest and says what came of it."""

    def __init__(self, server: InProcessServer, path: str, token_format: str = "opaque") -> None:
        self.server, self.path, self.token_format = server, path, token_format
        self.client = self.register_client()
        person = server.register_user(server.runtime.tokens.generate_id())
        self.subject, self.username = person.subject, person.username
        self.started = PATHS[path].start(self)

    def register_client(self) -> RegisteredClient:
        """One that may use every grant."""
        return self.server.register_client(
            grant_types=list(self.server.runtime.extensions.grants),
            audience=[RESOURCE],
            access_token_format=self.token_format,
            names_users_by="subject",
            bootstrap_token_grant_access_token_lifespan="1h",
        )

    def code(self) -> str:
        browser = self.server.browser()
        return browser.authorize(self.client, scope=SCOPE, resource=RESOURCE, username=self.username)["code"]

    def tokens(self) -> dict[str, Any]:
        return self.server.redeem(self.client, self.code()).json()

    def finish(self) -> str:
        return PATHS[self.path].finish(self, self.started)

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


def exchange(flow: Flow, tokens: dict[str, Any]) -> str:
    subject = {"subject_token": tokens["access_token"], "subject_token_type": ACCESS_TOKEN}
    return said(flow.server.token(flow.client, grant_type=EXCHANGE, **subject))


def approved_device(flow: Flow) -> str:
    """The code of a device that was let in, and does not know yet."""
    begun = flow.server.begin_device(flow.client, scope=SCOPE, resource=RESOURCE)
    flow.server.browser().let_device_in(begun["user_code"], username=flow.username)
    return str(begun["device_code"])


def sign_assertion(kind: type[Bearer]) -> Callable[[Flow], str]:
    """An assertion about the person, of an issuer that is trusted at the client."""

    def start(flow: Flow) -> str:
        bearer = kind(flow.server)
        bearer.client, bearer.subject = flow.client, flow.subject
        bearer.trust()
        return bearer.sign()

    return start


def bring_assertion(grant_type: str) -> Callable[[Flow, str], str]:
    def finish(flow: Flow, assertion: str) -> str:
        wanted = {"assertion": assertion, "scope": "read", "resource": RESOURCE}
        return said(flow.server.token(flow.client, grant_type=grant_type, **wanted))

    return finish


class Path(Struct):
    """One way to tokens, or to use one."""

    start: Callable[[Flow], Any]
    finish: Callable[[Flow, Any], str]
    refused: str
    """What it answers where what it rests on is gone."""
    rests_on: frozenset[str]
    late: str = ""
    """What it answers where its time is over, if it tells that apart."""


CLIENT = {"client", "authentication"}
GRANT = CLIENT | {"grant", "scope", "owner"}
PERSON = {"person", "session", "authorization", "twelve hours"}
TOKEN = {"access token", "hour"}
ASSERTION = GRANT | {"person", "issuer", "resource", "hour", "twelve hours"}

PATHS: dict[str, Path] = {
    "authorization_code": Path(
        Flow.code,
        lambda flow, code: said(flow.server.redeem(flow.client, code)),
        "invalid_grant",
        frozenset(GRANT | PERSON | {"resource", "hour"}),
    ),
    "refresh_token": Path(
        Flow.tokens,
        lambda flow, old: said(flow.server.refresh(flow.client, old["refresh_token"])),
        "invalid_grant",
        frozenset(GRANT | PERSON | {"resource"}),
    ),
    "client_credentials": Path(
        lambda flow: None,
        lambda flow, _: said(flow.server.token(flow.client, grant_type="client_credentials", scope="read")),
        "never",
        frozenset(GRANT - {"owner"}),
    ),
    "password": Path(
        lambda flow: None,
        lambda flow, _: said(
            flow.server.token(
                flow.client, grant_type="password", username=flow.username, password=PASSWORD, scope="read"
            )
        ),
        "invalid_grant",
        frozenset((GRANT - {"owner"}) | {"person"}),
    ),
    DEVICE_CODE: Path(
        approved_device,
        lambda flow, code: said(flow.server.poll(flow.client, code)),
        "invalid_grant",
        frozenset(GRANT | PERSON | {"resource", "hour"}),
        late="expired_token",
    ),
    EXCHANGE: Path(
        Flow.tokens,
        exchange,
        "invalid_request",
        frozenset(GRANT | PERSON | TOKEN | {"resource"}),
    ),
    JWT_BEARER: Path(sign_assertion(JwtIssuer), bring_assertion(JWT_BEARER), "invalid_grant", frozenset(ASSERTION)),
    SAML_BEARER: Path(sign_assertion(SamlIssuer), bring_assertion(SAML_BEARER), "invalid_grant", frozenset(ASSERTION)),
    "client_authenticated_user": Path(
        lambda flow: None,
        lambda flow, _: said(
            flow.server.token(flow.client, grant_type="client_authenticated_user", userId=flow.subject, scope="read")
        ),
        "invalid_grant",
        frozenset((GRANT - {"owner"}) | {"person"}),
    ),
    "bootstrap_token": Path(
        lambda flow: None,
        lambda flow, _: said(flow.server.token(flow.client, grant_type="bootstrap_token", scope="read")),
        "never",
        frozenset(GRANT - {"owner"}),
    ),
    "tokeninfo": Path(
        Flow.tokens,
        lambda flow, tokens: said(flow.server.post("/oauth2/tokeninfo", data={"access_token": tokens["access_token"]})),
        "invalid_request",
        frozenset({"client"} | PERSON | TOKEN),
    ),
    "userinfo": Path(Flow.tokens, userinfo, "invalid_token", frozenset({"client"} | PERSON | TOKEN)),
    "introspection": Path(
        Flow.tokens,
        lambda flow, tokens: introspect(flow, tokens, "access_token"),
        "inactive",
        frozenset(CLIENT | PERSON | TOKEN | {"owner"}),
    ),
    "introspection of a refresh token": Path(
        Flow.tokens,
        lambda flow, tokens: introspect(flow, tokens, "refresh_token"),
        "inactive",
        frozenset(CLIENT | PERSON | {"owner"}),
    ),
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


class Gate(Struct):
    """Something that ends."""

    flip: Callable[[Flow], Any]
    takes: str
    """What is gone then."""
    answer: str = ""
    """What is said at once, before the path itself looks; empty: its own refusal."""


def hand_to_another_client(flow: Flow) -> None:
    flow.client = flow.register_client()


def withdraw_consent(flow: Flow) -> None:
    store = flow.server.runtime.store
    ends = {"now": flow.server.clock.now(), "keep_until": FOREVER}
    flow.server.run(
        store.revoke_authorizations("default", subject=flow.subject, client_id=flow.client.client_id, **ends)
    )


def find_trusted_issuers(flow: Flow) -> list[Entry]:
    store = flow.server.runtime.store
    entries = flow.server.run(store.list_entries("default", "trusted_issuer", limit=1000)).items
    return [entry for entry in entries if flow.client.client_id in entry.document["clients"]]


def delete_trusted_issuers(flow: Flow) -> None:
    for entry in find_trusted_issuers(flow):
        run(flow, delete_trusted_issuer, entry.key)


def end_trusted_issuers(flow: Flow) -> None:
    for entry in find_trusted_issuers(flow):
        flow.server.run(flow.server.runtime.store.update_entry(replace(entry, expires_at=flow.server.clock.now())))


GATES: dict[str, Gate] = {
    "nothing": Gate(lambda flow: None, "nothing"),
    "client disabled": Gate(lambda flow: run(flow, disable_client, flow.client.client_id), "client", "invalid_client"),
    "client secret taken back": Gate(drop_secrets, "authentication", "invalid_client"),
    "authentication method changed": Gate(
        lambda flow: flow.change_client("token_endpoint_auth_method", "client_secret_post"),
        "authentication",
        "invalid_client",
    ),
    "another client": Gate(hand_to_another_client, "owner"),
    "grant types taken back": Gate(set_grant_types, "grant", "unauthorized_client"),
    "person disabled": Gate(lambda flow: run(flow, disable_user, flow.subject), "person"),
    "person deleted": Gate(lambda flow: run(flow, delete_user, flow.subject), "person"),
    "session ended": Gate(lambda flow: run(flow, end_sessions, flow.subject), "session"),
    "authorization revoked": Gate(revoke_authorizations, "authorization"),
    "consent withdrawn": Gate(withdraw_consent, "authorization"),
    "scope taken back": Gate(lambda flow: flow.change_client("scope", "email"), "scope", "invalid_scope"),
    "resource taken back": Gate(
        lambda flow: flow.change_client("audience", ["https://other.example"]), "resource", "invalid_target"
    ),
    "trusted issuer deleted": Gate(delete_trusted_issuers, "issuer"),
    "trusted issuer expired": Gate(end_trusted_issuers, "issuer"),
    "tokens of the client revoked": Gate(revoke_client_tokens, "access token"),
    "an hour went by": Gate(lambda flow: flow.server.clock.advance(3600), "hour"),
    "twelve hours went by": Gate(lambda flow: flow.server.clock.advance(12 * 3600), "twelve hours"),
}


def expect(path: Path, gate: Gate) -> str:
    if gate.takes not in path.rests_on:
        return "ok"
    if path.late and gate.takes in ("hour", "twelve hours"):
        return path.late
    return gate.answer if gate.answer and "authentication" in path.rests_on else path.refused


def test_every_grant_of_the_registry_has_its_row(server):
    grants = {kind.name for kind in BUILTINS if issubclass(kind, Grant)}
    assert grants == set(server.runtime.extensions.grants), "some are off"
    assert grants <= set(PATHS), "write the new grant's row"


@pytest.mark.threat("T42")
@pytest.mark.threat("T110")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("path", PATHS)
def test_what_ended_in_between_is_noticed(server, path, gate, token_format):
    flow = Flow(server, path, token_format)
    GATES[gate].flip(flow)
    assert flow.finish() == expect(PATHS[path], GATES[gate])


@pytest.mark.threat("T65")
def test_a_revoked_signing_key_ends_what_it_signed(fresh_server):
    flows = {path: Flow(fresh_server, path, "jwt") for path in PATHS}
    keys = fresh_server.run(fresh_server.runtime.store.list_keys("default"))
    for key in keys:
        if key.alg == "ES256" and key.state == "active":
            fresh_server.run(fresh_server.runtime.keys.revoke("default", key.kid))
    for path, flow in flows.items():
        row = PATHS[path]
        assert flow.finish() == (row.refused if "access token" in row.rests_on else "ok"), path
