"""Claims of others in tokens: an administrator's by client, a function's of the same process, kept with permissions."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from grantway import authorization_hook, token_hook
from grantway.admin.clients import create_client
from grantway.errors import AccessDenied, InvalidClientMetadata
from grantway.registry import build_extensions
from grantway.testing.in_process import InProcessServer


def create(server, **metadata):
    document = {"grant_types": ["client_credentials"], "scope": "read", **metadata}
    return server.run(create_client(server.runtime, "default", document, actor="test"))


def introspect(server, made):
    data = {"grant_type": "client_credentials"}
    auth = (made.client.client_id, made.client_secret)
    token = server.post("/oauth2/token", data=data, auth=auth).json()["access_token"]
    return server.post("/oauth2/introspect", data={"token": token}, auth=auth).json()


# -- by client --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_every_token_of_a_client_has_the_claims_an_administrator_gave_it(server, token_format):
    made = create(server, access_token_claims={"tier": "gold", "regions": ["eu"]}, access_token_format=token_format)
    for _ in range(3):  # a request that comes again as well
        described = introspect(server, made)
        assert (described["tier"], described["regions"]) == ("gold", ["eu"])
        assert described["ext"] == {"tier": "gold", "regions": ["eu"]}


def test_id_tokens_have_claims_of_their_own(server, verify):
    client = server.register_client()
    stored = server.run(server.runtime.store.load_client("default", client.client_id))
    server.run(server.runtime.store.update_client(replace(stored, extra={"id_token_claims": {"tenant": "acme"}})))
    tokens = server.grant(client)
    assert verify(tokens["id_token"]).claims["tenant"] == "acme"
    assert "tenant" not in server.introspect(client, tokens["access_token"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"access_token_claims": {"sub": "root"}},
        {"access_token_claims": {"scope": "admin"}},
        {"access_token_claims": {"grantway_ancestors": "x"}},
        {"access_token_claims": ["x"]},
        {"access_token_claims": {"a": "b" * 5000}},
        {"id_token_claims": {"iss": "https://evil.example"}},
        {"id_token_claims": "x"},
    ],
)
def test_claims_that_the_server_itself_says_or_that_are_too_large_are_refused(server, wrong):
    with pytest.raises(InvalidClientMetadata):
        create(server, **wrong)


# -- by a function ----------------------------------------------------------------------------------------------------


@token_hook
async def add_floor(call, grant_type, decision):
    if decision.client.client_name == "Nobody":
        raise AccessDenied("Not this one.")
    if decision.client.client_name != "Elevator":
        return None
    return replace(decision, token_claims={**decision.token_claims, "floor": 3, "grant": grant_type})


@authorization_hook
async def add_ticket(call, client, authorization):
    return replace(authorization, token_claims={"ticket": authorization.subject[:4]})


@pytest.fixture(scope="module")
def house():
    running = InProcessServer(extensions=[add_floor, add_ticket])
    running.register_user()
    yield running
    running.stop()


def test_a_function_has_a_say_in_every_token(house):
    client = house.register_client(client_name="Elevator", grant_types=["client_credentials"], scope="read")
    token = house.token(client, grant_type="client_credentials").json()["access_token"]
    assert house.introspect(client, token)["floor"] == 3
    plain = house.register_client(grant_types=["client_credentials"], scope="read")
    token = house.token(plain, grant_type="client_credentials").json()["access_token"]
    assert "floor" not in house.introspect(plain, token)


def test_a_function_denies_by_raising(house):
    client = house.register_client(client_name="Nobody", grant_types=["client_credentials"], scope="read")
    answer = house.token(client, grant_type="client_credentials")
    assert answer.json() == {"error": "access_denied", "error_description": "Not this one."}


def test_what_is_kept_with_a_permission_is_in_all_its_tokens(house):
    client = house.register_client()
    tokens = house.grant(client)
    ticket = house.introspect(client, tokens["access_token"])["ticket"]
    fresh = house.refresh(client, tokens["refresh_token"]).json()
    assert house.introspect(client, fresh["access_token"])["ticket"] == ticket


def test_an_implicit_token_has_them_too(house):
    client = house.register_client(client_name="Elevator", grant_types=["implicit"], response_types=["token"])
    token = house.browser().authorize(client, response_type="token", scope="read")["access_token"]
    described = house.introspect(client, token)
    assert (described["grant"], described["floor"]) == ("implicit", 3)
    assert "ticket" in described


def test_hooks_are_extensions_by_the_name_of_their_function():
    names = [feature.name for feature in build_extensions([add_floor]).features]
    assert f"{__name__}.add_floor" in names
