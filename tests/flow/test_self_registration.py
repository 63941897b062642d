"""Clients that register and manage themselves (RFC 7591, RFC 7592): by a token, within a policy, and never as more."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from msgspec.structs import replace
from tests.certificates import Authority
from tests.local_server import LocalServer, respond

from grantway.admin.clients import disable_client, load_client, patch_client, replace_client
from grantway.admin.initial_access_tokens import create_initial_access_token, delete_initial_access_token
from grantway.errors import ConfigurationError
from grantway.protocol.client_metadata import FIELDS, describe_client
from grantway.protocol.device import DEVICE_CODE
from grantway.protocol.registration import SELF_SERVICE, SERVERS_OWN
from grantway.testing.in_process import ISSUER, InProcessServer, RegisteredClient

REGISTER = "/oauth2/register"
MINIMAL = {"redirect_uris": ["https://app.example/cb"]}
PUBLISHER = "https://publisher.example"
KEY = ECKey.generate_key("P-256", {"kid": "p1"})


PUBLISHED: dict[str, Any] = {"/jwks": {"keys": [KEY.as_dict(private=False)]}}
"""What others publish, by path."""


def publish(received):
    document = PUBLISHED.get(received.path)
    return respond(404) if document is None else respond(body=json.dumps(document).encode())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def web(authority):
    """Where they publish it, by https."""
    with LocalServer(publish, context=authority.build_context("localhost")) as running:
        yield f"https://localhost:{running.port}"


@pytest.fixture(scope="module")
def house(web, authority):
    running = InProcessServer(
        {
            "registration.enabled": True,
            "registration.per_address": 100_000,
            "registration.software_statement_issuer": PUBLISHER,
            "registration.software_statement_jwks_uri": f"{web}/jwks",
            "egress.insecure_private_networks": ["127.0.0.0/8", "::1/128"],
            "egress.ca_file": str(authority.file),
        }
    )
    running.register_user()
    yield running
    running.stop()


def make_token(house: InProcessServer, **options: Any) -> str:
    made = house.run(create_initial_access_token(house.runtime, "default", actor="test", **options))
    return made.token


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def register(house: InProcessServer, token: str | None = None, /, **metadata: Any) -> Any:
    token = token if token is not None else make_token(house)
    return house.post(REGISTER, json={**MINIMAL, **metadata}, headers=bearer(token) if token else {})


def manage(house: InProcessServer, method: str, registered: Any, **options: Any) -> Any:
    token = options.pop("token", registered["registration_access_token"])
    return house.request(method, registered["registration_client_uri"], headers=bearer(token), **options)


# -- registering ------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OpenID Connect Dynamic Client Registration §3.2")
@pytest.mark.spec("RFC 7591 §3.2.1")
@pytest.mark.spec("RFC 7592 §3")
def test_a_client_registers_and_is_told_everything_it_needs(house):
    answer = register(house, client_name="Notes", contacts=["ops@app.example"])
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    content = answer.json()
    assert content["client_secret"].startswith("gwcs_")
    assert content["client_secret_expires_at"] == 0
    assert content["client_id_issued_at"] == house.clock.now() // 1000
    assert content["registration_client_uri"] == f"{ISSUER}{REGISTER}/{content['client_id']}"
    assert content["client_name"] == "Notes"
    assert content["grant_types"] == ["authorization_code"]
    assert content["token_endpoint_auth_method"] == "client_secret_basic"
    assert content["scope"] == "openid profile email offline_access"


def test_what_was_registered_works_at_once(house):
    content = register(house).json()
    stored = house.run(house.runtime.store.load_client("default", content["client_id"]))
    client = RegisteredClient(stored, content["client_secret"])
    assert house.grant(client, scope="openid")["id_token"]


@pytest.mark.spec("RFC 7591 §2")
def test_a_public_client_has_no_secret_and_unknown_metadata_is_ignored(house):
    content = register(house, token_endpoint_auth_method="none", flavour="vanilla", client_name=None).json()
    assert "client_secret" not in content
    assert "flavour" not in content


@pytest.mark.spec("OpenID Connect Dynamic Client Registration §3.3")
@pytest.mark.spec("RFC 7591 §3.2.2")
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/*"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://app.example/cb"}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"scope": "openid admin"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "handshake"}, "invalid_client_metadata"),
        ({"jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks"}, "invalid_client_metadata"),
        ({"logo_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
    ],
)
def test_metadata_that_cannot_be_is_refused(house, wrong, error):
    answer = register(house, **wrong)
    assert (answer.status_code, answer.json().get("error")) == (400, error)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'"x"', b"\xff", b'{"a": NaN}', b'{"a": {"a": 1, "a": 2}}', b"[" * 99]
)
def test_a_body_that_is_no_json_object_is_refused(house, body):
    headers = {**bearer(make_token(house)), "content-type": "application/json"}
    answer = house.post(REGISTER, content=body, headers=headers)
    assert (answer.status_code, answer.json().get("error")) == (400, "invalid_client_metadata")


@pytest.mark.spec("RFC 7591 §3.1")
def test_a_form_is_not_what_registration_takes(house):
    assert (
        house.post(REGISTER, data=MINIMAL, headers=bearer(make_token(house))).json().get("error") == "invalid_request"
    )


@pytest.mark.spec("RFC 7591 §5")
@pytest.mark.threat("T125")
def test_no_client_gives_itself_what_only_an_administrator_gives(house):
    """Every field of the model that is not a client's own, whichever is added."""
    extra = house.runtime.extensions.client_metadata
    closed = (set(FIELDS) - SELF_SERVICE) | {name for name, field in extra.items() if not field.is_self_service}
    assert {"skip_consent", "audience", "enabled", "owner", "access_token_claims", "assertion_subjects"} <= closed
    token = make_token(house)
    for name in sorted(closed | SERVERS_OWN):
        for value in (True, ["x"], None):
            answer = register(house, token, **{name: value})
            assert (answer.status_code, answer.json().get("error")) == (400, "invalid_client_metadata"), name


@pytest.mark.threat("T125")
def test_nested_and_inner_names_change_nothing(house):
    content = register(house, metadata_={"skip_consent": True}, tenant="other", secrets=[], extra={"a": 1}).json()
    stored = house.run(house.runtime.store.load_client("default", content["client_id"]))
    assert (stored.tenant, stored.skip_consent, stored.audience) == ("default", False, ())
    assert set(stored.extra) == set()


@pytest.mark.threat("T126")
@pytest.mark.spec("RFC 7591 §3")
def test_nobody_registers_without_a_token(house):
    for headers in ({}, bearer("gwit_x"), bearer("gwit_" + "a" * 69), {"authorization": "Bearer é".encode()}):
        answer = house.post(REGISTER, json=MINIMAL, headers=headers)
        assert (answer.status_code, answer.json().get("error")) == (401, "invalid_token")
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.threat("T126")
def test_a_token_registers_as_many_clients_as_it_was_made_for(house):
    token = make_token(house, uses=2)
    assert [register(house, token).status_code for _ in range(3)] == [201, 201, 401]
    unlimited = make_token(house, uses=None)
    assert [register(house, unlimited).status_code for _ in range(3)] == [201] * 3


@pytest.mark.threat("T126")
def test_of_many_at_once_as_many_register_as_there_are_uses(house):
    token = make_token(house, uses=3)

    async def race() -> list[int]:
        http = house.build_http_client()
        answers = [http.post(REGISTER, json=MINIMAL, headers=bearer(token)) for _ in range(24)]
        statuses = [answer.status_code for answer in await asyncio.gather(*answers)]
        await http.aclose()
        return statuses

    statuses = house.run(race())
    assert statuses.count(201) == 3
    assert set(statuses) <= {201, 401, 503}


def test_a_refused_document_costs_no_use(house):
    token = make_token(house, uses=1)
    assert register(house, token, scope="admin").status_code == 400
    assert register(house, token).status_code == 201


def test_a_token_that_expired_or_was_deleted_registers_nobody(house):
    made = house.run(create_initial_access_token(house.runtime, "default", ttl=60, actor="test"))
    house.run(delete_initial_access_token(house.runtime, "default", made.described.token_id, actor="test"))
    assert register(house, made.token).status_code == 401
    short = make_token(house, ttl=60)
    house.clock.advance(61)
    assert register(house, short).status_code == 401


def test_a_tokens_policy_takes_the_place_of_the_servers(house):
    policy = {"scope": "read", "grant_types": ["client_credentials"], "audience": ["https://api.example"]}
    token = make_token(house, uses=5, policy=policy)
    machine = {"redirect_uris": [], "grant_types": ["client_credentials"]}
    content = register(house, token, **machine).json()
    assert (content["scope"], content["grant_types"]) == ("read", ["client_credentials"])
    stored = house.run(house.runtime.store.load_client("default", content["client_id"]))
    assert stored.audience == ("https://api.example",)
    assert register(house, token, **MINIMAL).json().get("error") == "invalid_client_metadata"


@pytest.mark.spec("RFC 7591 §3")
@pytest.mark.threat("T126")
def test_an_address_registers_only_so_many():
    running = InProcessServer({"registration.insecure_open": True, "registration.per_address": 3})
    statuses = [running.post(REGISTER, json=MINIMAL).status_code for _ in range(5)]
    assert statuses == [201, 201, 201, 429, 429]
    running.stop()


@pytest.mark.spec("RFC 8414 §2")
def test_it_is_not_there_unless_it_is_enabled(server, house):
    assert server.post(REGISTER, json=MINIMAL).status_code == 404
    assert server.get(f"{REGISTER}/x").status_code == 404
    assert "registration_endpoint" not in server.get("/.well-known/openid-configuration").json()
    assert house.get("/.well-known/openid-configuration").json()["registration_endpoint"] == ISSUER + REGISTER


@pytest.mark.spec("OpenID Connect Registration §5")
@pytest.mark.threat("T76")
@pytest.mark.parametrize(
    ("published", "status"),
    [
        (["https://app.example/cb", "https://other.example/cb"], 201),
        (["https://other.example/cb"], 400),
        ([["https://app.example/cb"]], 400),
        ({"a": 1}, 400),
        (None, 400),
    ],
)
def test_a_sector_has_to_name_every_redirect_uri(house, web, published, status):
    PUBLISHED["/sector"] = published
    answer = register(house, sector_identifier_uri=f"{web}/sector", subject_type="pairwise")
    assert answer.status_code == status, answer.text


# -- software statements ----------------------------------------------------------------------------------------------


def sign(key: ECKey = KEY, **claims: Any) -> str:
    return jwt.encode({"alg": "ES256", "kid": "p1"}, {"iss": PUBLISHER, "software_id": "s-1", **claims}, key)


@pytest.mark.spec("RFC 7591 §2.3")
@pytest.mark.spec("RFC 7591 §3.1.1")
def test_what_a_publisher_vouches_for_counts_more_than_what_the_client_says(house):
    statement = sign(client_name="Real Name", software_id="s-1")
    content = register(house, software_statement=statement, client_name="Fake Name").json()
    assert (content["client_name"], content["software_id"]) == ("Real Name", "s-1")
    assert content["software_statement"] == statement


@pytest.mark.threat("T125")
def test_a_statement_gives_no_more_than_a_client_may_have(house):
    assert register(house, software_statement=sign(skip_consent=True)).status_code == 400
    assert register(house, software_statement=sign(scope="admin")).status_code == 400


@pytest.mark.spec("RFC 7591 §3.2.2")
@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (lambda: sign(ECKey.generate_key("P-256", {"kid": "p1"})), "invalid_software_statement"),
        (lambda: sign(exp=1), "invalid_software_statement"),
        (lambda: sign(aud="https://other.example"), "invalid_software_statement"),
        (lambda: sign(client_secret="x"), "invalid_software_statement"),
        (lambda: sign(software_id=7), "invalid_software_statement"),
        (lambda: "x.y.z", "invalid_software_statement"),
        (lambda: 7, "invalid_software_statement"),
        (lambda: sign(iss="https://evil.example"), "unapproved_software_statement"),
    ],
)
def test_a_statement_that_is_not_the_publishers_is_refused(house, statement, error):
    answer = register(house, software_statement=statement())
    assert (answer.status_code, answer.json().get("error")) == (400, error)


def test_a_server_may_demand_a_statement(web, authority):
    with pytest.raises(ConfigurationError, match="require_software_statement"):
        InProcessServer({"registration.enabled": True, "registration.require_software_statement": True})
    running = InProcessServer(
        {
            "registration.enabled": True,
            "registration.require_software_statement": True,
            "registration.software_statement_issuer": PUBLISHER,
            "registration.software_statement_jwks_uri": f"{web}/jwks",
            "egress.ca_file": str(authority.file),
        }
    )
    token = make_token(running, uses=5)
    assert register(running, token).json().get("error") == "unapproved_software_statement"
    assert register(running, token, software_statement=sign()).status_code == 201
    running.stop()


@pytest.mark.threat("T125")
def test_what_a_statement_fixed_stays_fixed(house):
    fixed = ["https://bank.example/cb"]
    registered = register(house, software_statement=sign(redirect_uris=fixed), client_name="Bank").json()
    document = {"client_id": registered["client_id"], "redirect_uris": ["https://evil.example/cb"]}
    assert manage(house, "PUT", registered, json=document).json()["redirect_uris"] == fixed


# -- managing ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OpenID Connect Dynamic Client Registration §4.3")
@pytest.mark.spec("RFC 7592 §2.1")
def test_a_client_reads_itself_and_no_secret(house):
    registered = register(house, client_name="Notes").json()
    content = manage(house, "GET", registered).json()
    assert content["client_name"] == "Notes"
    assert content["registration_access_token"] == registered["registration_access_token"]
    assert "client_secret" not in content


@pytest.mark.spec("RFC 7592 §2.2")
@pytest.mark.threat("T126")
def test_a_client_replaces_its_metadata_and_gets_a_new_token(house):
    registered = register(house, client_name="Notes", logo_uri="https://app.example/l.png").json()
    document = {**MINIMAL, "client_id": registered["client_id"], "client_name": "Notes 2"}
    answer = manage(house, "PUT", registered, json=document)
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert (content["client_name"], content.get("logo_uri")) == ("Notes 2", None)
    assert content["registration_access_token"] != registered["registration_access_token"]
    assert manage(house, "GET", registered).status_code == 401, "the old token is spent"
    assert manage(house, "GET", content).status_code == 200


@pytest.mark.spec("RFC 7592 §2.2")
def test_what_a_client_may_not_say_of_itself_it_may_not_say_later(house):
    registered = register(house).json()
    right = {**MINIMAL, "client_id": registered["client_id"]}
    for wrong in (
        {"client_id": "other"},
        {"client_id": None},
        {"client_secret": "chosen by the client"},
        {"registration_access_token": registered["registration_access_token"]},
        {"client_secret_expires_at": 0},
        {"skip_consent": True},
        {"scope": "admin"},
    ):
        answer = manage(house, "PUT", registered, json={**right, **wrong})
        assert answer.status_code == 400, wrong
    same = manage(house, "PUT", registered, json={**right, "client_secret": registered["client_secret"]})
    assert same.status_code == 200


@pytest.mark.threat("T125")
def test_what_an_administrator_gave_stays_through_a_clients_own_change(house):
    registered = register(house).json()
    changes = [
        {"op": "add", "path": "/audience", "value": ["https://api.example"]},
        {"op": "add", "path": "/scope", "value": "openid special"},
        {"op": "add", "path": "/owner", "value": "team"},
    ]
    house.run(patch_client(house.runtime, "default", registered["client_id"], changes, actor="test"))
    document = {**MINIMAL, "client_id": registered["client_id"], "scope": "openid special"}
    assert manage(house, "PUT", registered, json=document).status_code == 200, "its own token still works"
    stored = house.run(house.runtime.store.load_client("default", registered["client_id"]))
    assert (stored.audience, stored.owner, stored.scope) == (("https://api.example",), "team", ("openid", "special"))


@pytest.mark.threat("T125")
def test_a_client_stays_within_what_its_token_was_made_for(house):
    token = make_token(house, policy={"scope": "read", "grant_types": ["client_credentials"]})
    registered = register(house, token, redirect_uris=[], grant_types=["client_credentials"]).json()
    machine = {"client_id": registered["client_id"], "grant_types": ["client_credentials"]}
    for wrong in ({"scope": "openid"}, {"grant_types": ["authorization_code"], **MINIMAL}):
        assert manage(house, "PUT", registered, json={**machine, **wrong}).status_code == 400
    assert manage(house, "PUT", registered, json=machine).json()["scope"] == "read"


@pytest.mark.spec("RFC 7591 §3.2.1")
@pytest.mark.spec("RFC 7592 §2.2")
def test_a_client_is_told_all_that_is_registered_and_may_send_it_back(house):
    token = make_token(house, policy={"audience": ["https://api.example"]})
    registered = register(house, token).json()
    assert registered["audience"] == ["https://api.example"]
    assert not {"owner", "metadata", "enabled"} & set(registered)
    read = manage(house, "GET", registered).json()
    back = {name: value for name, value in read.items() if name not in SERVERS_OWN - {"client_id"}}
    assert manage(house, "PUT", registered, json={**back, "client_name": "Read and written"}).status_code == 200
    with_more = {**back, "audience": ["https://api.example", "https://more.example"]}
    fresh = register(house).json()
    assert manage(house, "PUT", fresh, json={**with_more, "client_id": fresh["client_id"]}).status_code == 400


@pytest.mark.threat("T125")
def test_what_an_administrator_took_away_is_gone(house):
    registered = register(house, scope="openid profile").json()
    changes = [{"op": "replace", "path": "/scope", "value": "openid"}]
    house.run(patch_client(house.runtime, "default", registered["client_id"], changes, actor="test"))
    document = {**MINIMAL, "client_id": registered["client_id"]}
    assert manage(house, "PUT", registered, json={**document, "scope": "openid profile"}).status_code == 400
    assert "profile" not in manage(house, "PUT", registered, json=document).json()["scope"].split()


@pytest.mark.threat("T125")
@pytest.mark.parametrize(
    "metadata",
    [
        {"grant_types": ["authorization_code", DEVICE_CODE]},
        {"grant_types": [DEVICE_CODE], "redirect_uris": ["https://victim.example/cb"]},
        {"grant_types": [DEVICE_CODE], "redirect_uris": []},
    ],
)
def test_no_client_registers_itself_into_the_sector_of_another(house, metadata):
    """It would get another's pairwise identifiers by a grant that never goes to the redirect URI it named."""
    token = make_token(house, policy={"grant_types": ["authorization_code", DEVICE_CODE]})
    answer = register(house, token, subject_type="pairwise", **metadata)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def test_a_client_that_deletes_itself_many_times_at_once_is_deleted_once(house):
    registered = register(house).json()

    async def race() -> list[int]:
        http = house.build_http_client()
        headers = bearer(registered["registration_access_token"])
        answers = [http.delete(registered["registration_client_uri"], headers=headers) for _ in range(8)]
        statuses = [answer.status_code for answer in await asyncio.gather(*answers)]
        await http.aclose()
        return statuses

    statuses = house.run(race())
    assert sorted(set(statuses)) in ([204], [204, 401])
    assert statuses.count(204) == 1


def test_a_secret_that_an_administrator_chose_is_known_and_has_to_be_long_enough(house):
    registered = register(house, token_endpoint_auth_method="client_secret_jwt").json()
    chosen = "thirty-six characters, and no more!!"
    stored = house.run(load_client(house.runtime, "default", registered["client_id"]))
    document = {**describe_client(stored), "client_secret": chosen}
    house.run(replace_client(house.runtime, "default", registered["client_id"], document, actor="test"))
    own = {**MINIMAL, "client_id": registered["client_id"], "token_endpoint_auth_method": "client_secret_jwt"}
    long = {**own, "token_endpoint_auth_signing_alg": "HS512"}
    assert manage(house, "PUT", registered, json=long).json()["error"] == "invalid_client_metadata"
    assert manage(house, "PUT", registered, json={**own, "client_secret": chosen}).status_code == 200


def test_a_fetch_costs_a_use(house):
    token = make_token(house, uses=1)
    sector = {"sector_identifier_uri": "https://localhost:1/none", "subject_type": "pairwise"}
    assert register(house, token, **sector).status_code == 400
    assert register(house, token).status_code == 401


@pytest.mark.spec("RFC 7592 §2.3")
def test_a_client_deletes_itself_and_its_tokens_die(house):
    registered = register(house).json()
    stored = house.run(house.runtime.store.load_client("default", registered["client_id"]))
    tokens = house.grant(RegisteredClient(stored, registered["client_secret"]), scope="openid email")
    assert manage(house, "DELETE", registered).status_code == 204
    assert house.get("/userinfo", headers=bearer(tokens["access_token"])).status_code == 401
    assert manage(house, "GET", registered).status_code == 401
    assert house.run(house.runtime.store.load_client("default", registered["client_id"])) is None


@pytest.mark.threat("T126")
@pytest.mark.spec("RFC 7592 §2")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_token_manages_its_own_client_alone(house, method):
    mine, other = register(house).json(), register(house).json()
    document = {**MINIMAL, "client_id": other["client_id"]} if method == "PUT" else None
    options = {"json": document} if document else {}
    for token in (mine["registration_access_token"], "gwrg_x", make_token(house)):
        answer = manage(house, method, other, token=token, **options)
        assert (answer.status_code, answer.json().get("error")) == (401, "invalid_token")
    gone = {**mine, "registration_client_uri": f"{ISSUER}{REGISTER}/nobody"}
    assert manage(house, method, gone, **options).status_code == 401


@pytest.mark.threat("T125")
def test_a_disabled_client_cannot_let_itself_in_again(house):
    registered = register(house).json()
    house.run(disable_client(house.runtime, "default", registered["client_id"], actor="test"))
    document = {**MINIMAL, "client_id": registered["client_id"]}
    for method, options in (("GET", {}), ("PUT", {"json": document}), ("DELETE", {})):
        assert manage(house, method, registered, **options).status_code == 401
    assert not house.run(house.runtime.store.load_client("default", registered["client_id"])).enabled


@pytest.mark.threat("T38")
def test_only_digests_of_its_tokens_are_kept(house):
    token = make_token(house)
    registered = register(house, token).json()
    stored = house.run(house.runtime.store.load_client("default", registered["client_id"]))
    assert registered["registration_access_token"] not in str(stored)
    assert stored.registration.token_digest.startswith("keyed:")
    page = house.run(house.runtime.store.list_entries("default", "initial_access_token"))
    assert token not in str(page)


@pytest.mark.threat("T108")
def test_a_client_that_changes_its_name_is_asked_for_anew(house):
    registered = register(house, client_name="Notes").json()
    stored = house.run(house.runtime.store.load_client("default", registered["client_id"]))
    client = RegisteredClient(stored, registered["client_secret"])
    browser = house.browser()
    browser.authorize(client, scope="openid")
    browser.open(browser.build_authorization_url(client, prompt="none"))
    assert "code" in browser.received()
    document = {**MINIMAL, "client_id": registered["client_id"], "client_name": "Your Bank"}
    assert manage(house, "PUT", registered, json=document).status_code == 200
    browser.open(browser.build_authorization_url(client, prompt="none"))
    assert browser.received()["error"] == "consent_required"


@pytest.mark.threat("T126")
def test_a_restored_database_honours_no_token_from_before():
    running = InProcessServer({"registration.enabled": True})
    token = make_token(running)
    tenant = running.run(running.runtime.store.load_tenant("default"))
    running.run(running.runtime.store.update_tenant(replace(tenant, not_before=running.clock.now())))
    running.run(running.runtime.grid.tenant("default"))
    assert register(running, token).status_code == 401
    running.stop()
