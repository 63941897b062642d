"""A device without a browser: it asks for codes, polls, and gets what a person let it have (RFC 8628)."""

from __future__ import annotations

import asyncio

import pytest

from grantway.admin.clients import create_client
from grantway.events import ReplayPunished
from grantway.protocol.device import DEVICE_CODE, digest_user_code
from grantway.storage.sql.schema import upgrade
from grantway.testing.in_process import ISSUER, InProcessServer, RegisteredClient
from grantway.tokens import digest_code


@pytest.fixture
def device(server):
    """A client of devices that can keep no secret."""
    return server.register_client(
        client_name="Living Room",
        token_endpoint_auth_method="none",
        grant_types=[DEVICE_CODE, "refresh_token"],
        audience=["https://api.example"],
    )


def said(answer):
    return "ok" if answer.status_code == 200 else answer.json()["error"]


def load(server, begun):
    return server.run(server.runtime.store.load_device_request("default", digest_code(begun["device_code"])))


def create(server, **metadata):
    """A public client as an administrator makes it, with the metadata of extensions."""
    document = {
        "grant_types": [DEVICE_CODE], "response_types": [], "scope": "read", "token_endpoint_auth_method": "none",
        **metadata,
    }  # fmt: skip
    created = server.run(create_client(server.runtime, "default", document, actor="test"))
    return RegisteredClient(created.client, None)


# -- the device authorization endpoint --------------------------------------------------------------------------------
@pytest.mark.spec("RFC 8628 §3.2")
@pytest.mark.spec("RFC 8628 §3.1")
@pytest.mark.spec("RFC 8628 §5.2")
def test_a_device_gets_codes_and_hears_where_the_person_has_to_go(server, device):
    answer = server.send_as(device, "/oauth2/device/auth", scope="openid read")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    begun = answer.json()
    assert begun["device_code"].startswith("gwdc_")
    assert len(begun["device_code"]) == len("gwdc_") + 43
    assert begun["verification_uri"] == f"{ISSUER}/oauth2/device/verify"
    assert begun["verification_uri_complete"] == f"{begun['verification_uri']}?user_code={begun['user_code']}"
    assert (begun["expires_in"], begun["interval"]) == (600, 5)


@pytest.mark.spec("RFC 8628 §3.1")
def test_a_client_proves_itself_as_at_the_token_endpoint(server):
    confidential = server.register_client(grant_types=[DEVICE_CODE])
    form = {"client_id": confidential.client_id, "scope": "read"}
    for auth in (None, (confidential.client_id, "wrong")):
        refused = server.post("/oauth2/device/auth", data=form, auth=auth)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        assert refused.headers["www-authenticate"].startswith("Basic")
    assert server.post("/oauth2/device/auth", data={"scope": "read"}, auth=confidential.auth).status_code == 200


@pytest.mark.spec("RFC 8628 §3.1")
@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"scope": "read admin"}, "invalid_scope"),
        ({"scope": 'read"'}, "invalid_scope"),
        ({}, "invalid_scope"),
        ({"scope": "read", "resource": "https://other.example"}, "invalid_target"),
        ({"scope": "read", "audience": "other"}, "invalid_target"),
        ({"scope": ["read", "read"]}, "invalid_request"),
        ({"scope": "read" * 1000}, "invalid_scope"),
    ],
)
def test_what_a_client_may_not_ask_for_is_refused(server, device, parameters, error):
    answer = server.send_as(device, "/oauth2/device/auth", **parameters)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_parameter_nobody_knows_is_ignored(server, device):
    assert server.begin_device(device, scope="read", colour="blue")["user_code"]


@pytest.mark.threat("T44")
def test_only_a_form_sent_by_post_is_taken(server, device):
    assert server.get(f"/oauth2/device/auth?client_id={device.client_id}&scope=read").status_code == 405
    answer = server.post("/oauth2/device/auth", json={"client_id": device.client_id, "scope": "read"})
    assert answer.status_code == 415


def test_a_client_needs_the_grant_type(server, client, device):
    answer = server.send_as(client, "/oauth2/device/auth", scope="openid")
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    begun = server.begin_device(device)
    answer = server.poll(client, begun["device_code"])
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


@pytest.mark.spec("RFC 8628 §4")
def test_the_metadata_name_the_endpoint_and_the_grant(server):
    metadata = server.get("/.well-known/oauth-authorization-server").json()
    assert metadata["device_authorization_endpoint"] == f"{ISSUER}/oauth2/device/auth"
    assert DEVICE_CODE in metadata["grant_types_supported"]


@pytest.mark.threat("T38")
def test_of_both_codes_only_digests_are_stored(server, device):
    begun = server.begin_device(device)
    stored = load(server, begun)
    assert stored.device_digest == digest_code(begun["device_code"])
    assert stored.user_code_digest == digest_user_code(begun["user_code"])
    assert begun["user_code"].replace("-", "") not in repr(stored)


@pytest.mark.parametrize(
    ("preset", "shape"),
    [("letters", [4, 4]), ("letters-12", [4, 4, 4]), ("digits", [3, 3, 3]), ("digits-12", [4, 4, 4])],
)
def test_a_client_may_have_user_codes_of_another_kind(server, preset, shape):
    user_code = server.begin_device(create(server, device_user_code=preset), scope="read")["user_code"]
    assert [len(group) for group in user_code.split("-")] == shape
    assert user_code.replace("-", "").isdigit() is preset.startswith("digits")


def test_no_two_devices_that_wait_show_the_same_code(fresh_server, monkeypatch):
    """Every user code that is made is taken, until one is not; and a code is free again when it has expired."""
    from grantway.endpoints import device_authorization

    made = iter(["BBBB-BBBB", "BBBB-BBBB", "BBBB-BBBB", "CCCC-CCCC", *["BBBB-BBBB"] * 5, "BBBB-BBBB"])
    monkeypatch.setattr(device_authorization, "build_user_code", lambda preset, random: next(made))
    client = fresh_server.register_client(grant_types=[DEVICE_CODE])
    assert fresh_server.begin_device(client)["user_code"] == "BBBB-BBBB"
    assert fresh_server.begin_device(client)["user_code"] == "CCCC-CCCC"
    full = fresh_server.send_as(client, "/oauth2/device/auth", scope="openid")
    assert (full.status_code, full.headers["retry-after"]) == (503, "1")
    fresh_server.clock.advance(600)
    assert fresh_server.begin_device(client)["user_code"] == "BBBB-BBBB"


# -- polling ----------------------------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 8628 §3.4")
@pytest.mark.spec("RFC 8628 §3.5")
@pytest.mark.spec("RFC 8628 §3.3")
def test_a_device_waits_and_then_gets_what_the_person_let_it_have(server, device, verify):
    begun = server.begin_device(device, scope="openid offline_access read", resource="https://api.example")
    pending = server.poll(device, begun["device_code"])
    assert (pending.status_code, pending.json()["error"]) == (400, "authorization_pending")
    browser = server.browser()
    assert 'id="account-link"' in browser.let_device_in(begun["user_code"]).text
    server.clock.advance(5)
    answer = server.poll(device, begun["device_code"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    claims = verify(tokens["id_token"]).claims
    assert claims["aud"] == device.client_id
    assert "nonce" not in claims
    assert server.refresh(device, tokens["refresh_token"]).json()["scope"] == "openid offline_access read"
    resource_server = server.register_client(resource_identifiers=["https://api.example"])
    seen = server.introspect(resource_server, tokens["access_token"])
    assert (seen["client_id"], seen["aud"]) == (device.client_id, ["https://api.example"])


def test_only_what_the_person_left_ticked_is_granted(server, device):
    begun = server.begin_device(device, scope="read write")
    browser = server.browser()
    browser.type_code(begun["user_code"])
    browser.submit(username="ada", password="correct horse battery staple", action="login")
    browser.submit(scope=["read"], action="allow")
    tokens = server.poll(device, begun["device_code"]).json()
    assert tokens["scope"] == "read"
    assert "id_token" not in tokens


def test_without_the_refresh_grant_there_is_no_refresh_token(server):
    client = server.register_client(grant_types=[DEVICE_CODE])
    begun = server.begin_device(client)
    server.browser().let_device_in(begun["user_code"])
    assert "refresh_token" not in server.poll(client, begun["device_code"]).json()


@pytest.mark.spec("RFC 8628 §3.5")
@pytest.mark.threat("T122")
def test_each_poll_that_comes_too_soon_adds_five_seconds(server, device):
    """Also what the mutant that lets any poll through must fail."""
    begun = server.begin_device(device)
    polls = []
    for wait in (0, 4, 9, 15, 15, 14, 20):
        server.clock.advance(wait)
        polls.append(said(server.poll(device, begun["device_code"])))
    pending, slow = "authorization_pending", "slow_down"
    #                 first  4 < 5  9 < 10  15   15  14 < 15  20
    assert polls == [pending, slow, slow, pending, pending, slow, pending]


@pytest.mark.spec("RFC 8628 §3.5")
@pytest.mark.threat("T122")
def test_polls_at_once_are_too_soon_but_for_one(server, device):
    begun = server.begin_device(device)
    form = {"grant_type": DEVICE_CODE, "device_code": begun["device_code"], **device.identity}

    async def race():
        http = server.build_http_client()
        answers = await asyncio.gather(*(http.post("/oauth2/token", data=form) for _ in range(16)))
        await http.aclose()
        return [said(answer) for answer in answers]

    answers = server.run(race())
    assert sorted(answers) == ["authorization_pending", *["slow_down"] * 15]
    assert load(server, begun).interval > 5


@pytest.mark.spec("RFC 8628 §3.5")
@pytest.mark.threat("T122")
def test_the_interval_holds_whichever_node_is_asked(tmp_path):
    settings = {"database.url": f"sqlite:///{tmp_path}/g.db", "secrets.sealing": ["0123456789abcdef" * 2]}
    upgrade(settings["database.url"])
    first = InProcessServer(settings)
    second = InProcessServer(settings, clock=first.clock)
    client = first.register_client(grant_types=[DEVICE_CODE])
    begun = first.begin_device(client)
    polls = []
    for wait, node in ((0, first), (4, second), (9, first), (16, second), (0, first)):
        first.clock.advance(wait)
        polls.append(said(node.poll(client, begun["device_code"])))
    assert polls == ["authorization_pending", "slow_down", "slow_down", "authorization_pending", "slow_down"]
    first.stop()
    second.stop()


@pytest.mark.spec("RFC 8628 §3.5")
@pytest.mark.threat("T122")
def test_of_64_polls_after_the_approval_one_gets_tokens_and_they_stay_good(server, device):
    begun = server.begin_device(device)
    server.browser().let_device_in(begun["user_code"])
    form = {"grant_type": DEVICE_CODE, "device_code": begun["device_code"], **device.identity}

    async def race():
        http = server.build_http_client()
        answers = await asyncio.gather(*(http.post("/oauth2/token", data=form) for _ in range(64)))
        await http.aclose()
        return answers

    answers = server.run(race())
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {said(answer) for answer in answers} == {"ok", "slow_down"}
    assert server.refresh(device, won[0].json()["refresh_token"]).status_code == 200


@pytest.mark.spec("RFC 8628 §3.5")
def test_an_expired_code_is_told_apart_from_one_that_waits(server, device):
    begun = server.begin_device(device)
    server.clock.advance(599)
    assert said(server.poll(device, begun["device_code"])) == "authorization_pending"
    server.clock.advance(1)
    assert said(server.poll(device, begun["device_code"])) == "expired_token"
    assert said(server.poll(device, begun["device_code"])) == "expired_token", "there is nothing to slow down for"


def test_an_approval_that_is_not_fetched_in_time_is_worth_nothing(server, device):
    begun = server.begin_device(device)
    server.browser().let_device_in(begun["user_code"])
    server.clock.advance(600)
    assert said(server.poll(device, begun["device_code"])) == "expired_token"


@pytest.mark.spec("RFC 8628 §3.5")
def test_a_denial_reaches_the_device(server, device):
    begun = server.begin_device(device)
    assert "was not connected" in server.browser().let_device_in(begun["user_code"], action="deny").text
    answer = server.poll(device, begun["device_code"])
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")


@pytest.mark.spec("RFC 8628 §3.4")
@pytest.mark.parametrize("code", ["gwdc_" + "A" * 43, "nothing", "x" * 5000, "\u00e9"])
def test_an_unknown_code_is_no_grant(server, device, code):
    answer = server.poll(device, code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_code_is_needed(server, device):
    answer = server.token(device, grant_type=DEVICE_CODE)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    answer = server.token(device, grant_type=DEVICE_CODE, device_code=["a", "b"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.spec("RFC 8628 §3.4")
@pytest.mark.threat("T122")
@pytest.mark.threat("T23")
def test_another_clients_device_code_is_as_good_as_none(server, device):
    """Also what the mutant that does not look whose code it is must fail."""
    thief = server.register_client(token_endpoint_auth_method="none", grant_types=[DEVICE_CODE, "refresh_token"])
    begun = server.begin_device(device)
    unknown = server.poll(thief, "gwdc_" + "A" * 43)
    before = load(server, begun)
    for _ in range(3):  # waiting
        stolen = server.poll(thief, begun["device_code"])
        assert (stolen.status_code, stolen.content) == (unknown.status_code, unknown.content)
    assert load(server, begun) == before, "a stranger slows nobody down"
    server.browser().let_device_in(begun["user_code"])
    assert server.poll(thief, begun["device_code"]).content == unknown.content  # let in
    tokens = server.poll(device, begun["device_code"]).json()
    server.clock.advance(600)
    assert server.poll(thief, begun["device_code"]).content == unknown.content  # redeemed: no replay of its own client
    assert server.refresh(device, tokens["refresh_token"]).status_code == 200


@pytest.mark.threat("T22")
@pytest.mark.parametrize("later", [5, 600, 7200])
def test_a_device_code_that_comes_again_ends_what_came_from_it(server, device, later):
    begun = server.begin_device(device)
    server.browser().let_device_in(begun["user_code"])
    tokens = server.poll(device, begun["device_code"]).json()
    server.clock.advance(later)
    if later > 3600:  # the request itself is gone by then; the authorization is not
        server.run(server.runtime.store.clean(now=server.clock.now()))
        assert load(server, begun) is None
    assert said(server.poll(device, begun["device_code"])) == "invalid_grant"
    assert said(server.refresh(device, tokens["refresh_token"])) == "invalid_grant"
    assert server.events.of(ReplayPunished)[-1].client_id == device.client_id


@pytest.mark.threat("T23")
def test_a_device_code_is_no_authorization_code_and_the_other_way_round(server):
    both = server.register_client(grant_types=[DEVICE_CODE, "authorization_code", "refresh_token"])
    begun = server.begin_device(both)
    server.browser().let_device_in(begun["user_code"])
    assert said(server.redeem(both, begun["device_code"])) == "invalid_grant"
    code = server.browser().authorize(both)["code"]
    assert said(server.poll(both, code)) == "invalid_grant"
    assert said(server.poll(both, begun["user_code"])) == "invalid_grant"
    assert said(server.poll(both, begun["device_code"])) == "ok", "and all of them are still good"
    assert said(server.redeem(both, code)) == "ok"


def test_the_lifespans_of_a_client_have_hydras_names(server, verify):
    fields = {f"device_authorization_grant_{kind}_token_lifespan": "1m" for kind in ("access", "id", "refresh")}
    client = create(server, scope="openid", grant_types=[DEVICE_CODE, "refresh_token"], **fields)
    begun = server.begin_device(client, scope="openid")
    server.browser().let_device_in(begun["user_code"])
    tokens = server.poll(client, begun["device_code"]).json()
    claims = verify(tokens["id_token"]).claims
    assert (tokens["expires_in"], claims["exp"] - claims["iat"]) == (60, 60)
    server.clock.advance(60)
    assert said(server.refresh(client, tokens["refresh_token"])) == "invalid_grant"
