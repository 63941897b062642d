"""Token exchange (RFC 8693): one access token for another, never longer, never wider, and never without its origin."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from grantway.admin.authorizations import revoke_authorization
from grantway.admin.clients import disable_client
from grantway.admin.sessions import end_sessions
from grantway.admin.users import disable_user
from grantway.testing.in_process import InProcessServer, RegisteredClient

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
FRONT, BACK = "https://front.example", "https://back.example"


def set_extra(server: InProcessServer, client: RegisteredClient, **extra: Any) -> None:
    stored = server.run(server.runtime.store.load_client("default", client.client_id))
    server.run(server.runtime.store.update_client(replace(stored, extra={**stored.extra, **extra})))


@pytest.fixture
def shop(server: InProcessServer) -> RegisteredClient:
    """The application a person uses. Its tokens are for the front API."""
    return server.register_client(audience=[FRONT], scope="openid read write offline_access")


@pytest.fixture
def api(server: InProcessServer) -> RegisteredClient:
    """The front API: it gets the shop's tokens, and calls the back API."""
    return register_api(server)


def register_api(server: InProcessServer, **metadata: Any) -> RegisteredClient:
    document = {
        "grant_types": [EXCHANGE, "client_credentials"],
        "scope": "read write admin",
        "audience": [BACK],
        "resource_identifiers": [FRONT],
    }
    return server.register_client(**{**document, **metadata})


def get_token(server: InProcessServer, shop: RegisteredClient, **parameters: str) -> dict[str, Any]:
    return server.grant(shop, scope="openid read write", resource=FRONT, **parameters)


def exchange(server: InProcessServer, client: RegisteredClient, token: str, **parameters: Any) -> Any:
    document = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "resource": BACK, **parameters}
    return server.token(client, grant_type=EXCHANGE, **document)


# -- what is answered -------------------------------------------------------------------------------------------------


@pytest.mark.spec("RFC 8693 §2.1")
@pytest.mark.spec("RFC 8693 §2.2.1")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_an_api_gets_a_token_of_the_same_person_for_the_api_behind_it(server, api, token_format):
    shop = server.register_client(audience=[FRONT], access_token_format=token_format)
    subject_token = get_token(server, shop)["access_token"]
    answer = exchange(server, api, subject_token, scope="read")
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert set(content) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (content["issued_token_type"], content["token_type"], content["scope"]) == (ACCESS_TOKEN, "Bearer", "read")
    old, new = (server.introspect(shop, subject_token), server.introspect(api, content["access_token"]))
    assert (new["sub"], new["client_id"], new["aud"]) == (old["sub"], api.client_id, [BACK])


@pytest.mark.spec("RFC 8693 §2.2.1")
def test_a_jwt_can_be_asked_for(server, shop, api, verify):
    answer = exchange(server, api, get_token(server, shop)["access_token"], requested_token_type=JWT).json()
    assert answer["issued_token_type"] == JWT
    token = verify(answer["access_token"])
    assert (token.header["typ"], token.claims["aud"]) == ("at+jwt", BACK)
    assert token.claims["act"]["sub"] == api.client_id
    assert server.is_active(api, answer["access_token"])


@pytest.mark.spec("RFC 8693 §4.1")
def test_the_new_token_says_who_acts(server, shop, api):
    answer = exchange(server, api, get_token(server, shop)["access_token"]).json()
    act = server.introspect(api, answer["access_token"]).get("act")
    assert act == {"sub": api.client_id, "client_id": api.client_id}


@pytest.mark.spec("RFC 8693 §4.1")
@pytest.mark.threat("T124")
def test_the_chain_of_who_acted_is_kept_newest_outside(server, shop, api):
    back = register_api(server, resource_identifiers=[BACK], audience=["https://third.example"])
    first = exchange(server, api, get_token(server, shop)["access_token"]).json()["access_token"]
    second = exchange(server, back, first, resource="https://third.example").json()["access_token"]
    act = server.introspect(back, second)["act"]
    assert (act["sub"], act["act"]["sub"]) == (back.client_id, api.client_id)
    assert "act" not in act["act"]


@pytest.mark.spec("RFC 8693 §1.1")
def test_only_a_client_that_may_impersonate_leaves_out_who_acts(server, shop):
    api = register_api(server)
    set_extra(server, api, token_exchange_impersonation=True)
    answer = exchange(server, api, get_token(server, shop)["access_token"]).json()
    assert "act" not in server.introspect(api, answer["access_token"])


@pytest.mark.spec("RFC 8693 §2.1")
@pytest.mark.spec("RFC 8693 §4.1")
def test_a_person_may_act_for_another(server, shop, username):
    api = register_api(server, grant_types=[EXCHANGE, "authorization_code"], redirect_uris=["https://api.example/cb"])
    actor = server.grant(api, scope="read", username=username)
    subject = get_token(server, shop)["access_token"]
    answer = exchange(server, api, subject, actor_token=actor["access_token"], actor_token_type=ACCESS_TOKEN).json()
    claims = server.introspect(api, answer["access_token"])
    assert claims["act"]["sub"] == server.introspect(api, actor["access_token"])["sub"]
    assert claims["sub"] == server.introspect(shop, subject)["sub"]


@pytest.mark.spec("RFC 8693 §4.4")
def test_may_act_names_the_only_actor(server, shop, api):
    token = get_token(server, shop)["access_token"]
    claims = server.run(server.runtime.tokens.open_access("default", token))
    other = {**dict(claims.extra or {}), "may_act": {"client_id": "somebody-else"}}
    sealed = server.runtime.tokens._seal_access("default", replace(claims, extra=other))
    assert exchange(server, api, sealed).json().get("error") == "invalid_request"
    fitting = {"may_act": {"client_id": api.client_id}}
    sealed = server.runtime.tokens._seal_access("default", replace(claims, extra=fitting))
    assert exchange(server, api, sealed).status_code == 200


def test_a_client_may_narrow_its_own_token(server):
    own = register_api(server, resource_identifiers=[], audience=[FRONT, BACK])
    token = server.token(own, grant_type="client_credentials", scope="read write").json()["access_token"]
    answer = exchange(server, own, token, scope="read", resource=BACK).json()
    assert server.introspect(own, answer["access_token"])["scope"] == "read"
    assert server.introspect(own, answer["access_token"])["sub"] == own.client_id


@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_a_token_without_an_audience_is_exchanged_for_another_without_one(server, token_format):
    own = server.register_client(
        grant_types=["authorization_code", EXCHANGE], scope="openid read", access_token_format=token_format
    )
    token = server.grant(own, scope="openid read")["access_token"]
    answer = exchange(server, own, token, resource=None, scope="read")
    assert answer.status_code == 200, answer.text


def test_without_a_resource_the_new_token_is_for_what_the_old_one_was(server, shop):
    api = register_api(server, audience=[FRONT, BACK])
    token = get_token(server, shop)["access_token"]
    kept = exchange(server, api, token, resource=None).json()["access_token"]
    assert server.introspect(api, kept)["aud"] == [FRONT]
    elsewhere = register_api(server)
    assert exchange(server, elsewhere, token, resource=None).json().get("error") == "invalid_target"


# -- what it never gives ----------------------------------------------------------------------------------------------


@pytest.mark.threat("T124")
@pytest.mark.spec("RFC 8693 §5")
def test_it_never_lives_longer_than_the_old_one(server, shop, api):
    token = get_token(server, shop)["access_token"]
    end = server.introspect(shop, token)["exp"]
    server.clock.advance(1800)
    answer = exchange(server, api, token).json()
    assert server.introspect(api, answer["access_token"])["exp"] == end
    assert answer["expires_in"] <= 1800


@pytest.mark.spec("RFC 8693 §2.1")
@pytest.mark.threat("T32")
@pytest.mark.threat("T124")
def test_it_never_has_more_scope(server, shop, api):
    token = get_token(server, shop)["access_token"]
    assert exchange(server, api, token).json()["scope"] == "read write"
    assert exchange(server, api, token, scope="read admin").json().get("error") == "invalid_scope"
    only_admin = register_api(server, scope="admin")
    assert exchange(server, only_admin, token).json().get("error") == "invalid_scope"


@pytest.mark.threat("T43")
@pytest.mark.spec("RFC 8693 §2.2.2")
def test_it_is_for_no_audience_the_client_may_not_ask_for(server, shop, api):
    token = get_token(server, shop)["access_token"]
    for target in ({"resource": "https://other.example"}, {"resource": None, "audience": "other"}):
        assert exchange(server, api, token, **target).json().get("error") == "invalid_target"


@pytest.mark.spec("RFC 8693 §2.1")
@pytest.mark.spec("RFC 8693 §2.2.2")
@pytest.mark.parametrize(
    "wrong",
    [
        {"subject_token": None},
        {"subject_token_type": None},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"subject_token_type": JWT},  # it is opaque
        {"subject_token": "gwat_x"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"actor_token": "x"},
        {"actor_token_type": ACCESS_TOKEN},
        {"actor_token": "x", "actor_token_type": ACCESS_TOKEN},
    ],
)
def test_what_is_missing_or_wrong_is_an_invalid_request(server, shop, api, wrong):
    answer = exchange(server, api, **{"token": get_token(server, shop)["access_token"], **wrong})
    assert (answer.status_code, answer.json().get("error")) == (400, "invalid_request")


@pytest.mark.spec("RFC 8693 §2.1")
@pytest.mark.threat("T124")
@pytest.mark.threat("T54")
@pytest.mark.parametrize("name", ["id_token", "refresh_token"])
def test_no_other_kind_of_token_is_taken(server, shop, api, name):
    tokens = server.grant(shop, scope="openid read offline_access", resource=FRONT)
    for token_type in (ACCESS_TOKEN, JWT):
        answer = exchange(server, api, tokens[name], subject_token_type=token_type)
        assert answer.json().get("error") == "invalid_request"


@pytest.mark.spec("RFC 8693 §2.1")
@pytest.mark.spec("RFC 8693 §5")
@pytest.mark.threat("T124")
def test_a_token_of_another_client_for_another_audience_is_refused(server, shop):
    stranger = register_api(server, resource_identifiers=["https://stranger.example"])
    token = get_token(server, shop)["access_token"]
    assert exchange(server, stranger, token).json().get("error") == "invalid_request"
    set_extra(server, stranger, token_exchange_subject_clients=[shop.client_id])
    assert exchange(server, stranger, token).status_code == 200


@pytest.mark.spec("RFC 8693 §2.1")
@pytest.mark.threat("T124")
def test_an_actor_token_has_to_be_the_callers_own(server, shop, api, username):
    other = server.grant(shop, scope="read", username=username, resource=FRONT)["access_token"]
    answer = exchange(
        server, api, get_token(server, shop)["access_token"], actor_token=other, actor_token_type=ACCESS_TOKEN
    )
    assert answer.json().get("error") == "invalid_request"


def test_a_machine_cannot_become_another_machine(server, api):
    other = server.register_client(grant_types=["client_credentials"], scope="read", audience=[FRONT])
    token = server.token(other, grant_type="client_credentials", resource=FRONT).json()["access_token"]
    assert exchange(server, api, token).json().get("error") == "invalid_request"


def test_a_public_client_may_not_exchange(server, shop):
    api = register_api(
        server, token_endpoint_auth_method="none", grant_types=[EXCHANGE, "authorization_code"],
        redirect_uris=["https://api.example/cb"],
    )  # fmt: skip
    token = get_token(server, shop)["access_token"]
    assert exchange(server, api, token).json().get("error") == "unauthorized_client"


@pytest.mark.threat("T124")
def test_a_chain_has_an_end(server):
    own = register_api(server, resource_identifiers=[], audience=[BACK])
    token = server.token(own, grant_type="client_credentials", scope="read").json()["access_token"]
    for _ in range(8):
        answer = exchange(server, own, token)
        assert answer.status_code == 200
        token = answer.json()["access_token"]
    assert exchange(server, own, token).json().get("error") == "invalid_request"


# -- it ends with what it came from -----------------------------------------------------------------------------------


def run(server: InProcessServer, use_case: Any, *arguments: Any) -> None:
    server.run(use_case(server.runtime, "default", *arguments, actor="test"))


def revoke_all(server: InProcessServer, shop: RegisteredClient, tokens: Any, subject: str) -> None:
    page = server.run(server.runtime.store.list_authorizations("default", subject=subject))
    for authorization in page.items:
        run(server, revoke_authorization, authorization.authorization_id)


ENDS: dict[str, Any] = {
    "subject token revoked": lambda server, shop, tokens, _: server.revoke(shop, tokens["access_token"]),
    "refresh token revoked": lambda server, shop, tokens, _: server.revoke(shop, tokens["refresh_token"]),
    "authorization revoked": revoke_all,
    "session ended": lambda server, shop, tokens, subject: run(server, end_sessions, subject),
    "person disabled": lambda server, shop, tokens, subject: run(server, disable_user, subject),
    "the other client disabled": lambda server, shop, tokens, _: run(server, disable_client, shop.client_id),
}


@pytest.mark.threat("T20")
@pytest.mark.threat("T124")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_what_ends_the_old_token_ends_the_new_one(server, username, end, token_format):
    shop = server.register_client(audience=[FRONT])
    api = register_api(server, access_token_format=token_format)
    back = register_api(server, resource_identifiers=[BACK], audience=["https://third.example"])
    tokens = get_token(server, shop, username=username)
    first = exchange(server, api, tokens["access_token"]).json()["access_token"]
    second = exchange(server, back, first, resource="https://third.example").json()["access_token"]
    assert server.is_active(api, first)
    assert server.is_active(back, second)
    subject = server.introspect(shop, tokens["access_token"])["sub"]
    ENDS[end](server, shop, tokens, subject)
    assert not server.is_active(api, first)
    assert not server.is_active(back, second)
    assert exchange(server, api, tokens["access_token"]).json().get("error") == "invalid_request"


@pytest.mark.threat("T20")
def test_replaying_the_code_ends_exchanged_tokens_too(server, shop, api):
    code = server.browser().authorize(shop, scope="openid read", resource=FRONT)["code"]
    tokens = server.redeem(shop, code).json()
    new = exchange(server, api, tokens["access_token"]).json()["access_token"]
    assert server.is_active(api, new)
    server.redeem(shop, code)
    assert not server.is_active(api, new)


def test_a_new_token_can_be_revoked_alone(server, shop, api):
    tokens = get_token(server, shop)
    new = exchange(server, api, tokens["access_token"]).json()["access_token"]
    server.revoke(api, new)
    assert not server.is_active(api, new)
    assert server.is_active(shop, tokens["access_token"])


@pytest.mark.spec("RFC 8693 §2.1")
@pytest.mark.spec("RFC 8693 §2.2.2")
@pytest.mark.parametrize("resource", ["back", "/back", f"{BACK}#part", f"{BACK}/other", "https://elsewhere.example"])
def test_a_resource_that_is_none_of_the_clients_is_an_invalid_target(server, shop, api, resource):
    answer = exchange(server, api, get_token(server, shop)["access_token"], resource=resource)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    assert answer.headers["cache-control"] == "no-store"


# -- what others may see ----------------------------------------------------------------------------------------------


@pytest.mark.threat("T124")
@pytest.mark.spec("OpenID Connect Core §8.1")
def test_a_pairwise_client_never_learns_whom_other_clients_know(server, username):
    shop = server.register_client(audience=[FRONT])
    api = register_api(server, grant_types=[EXCHANGE, "authorization_code"], redirect_uris=["https://api.example/cb"])
    back = register_api(
        server, resource_identifiers=[BACK], audience=["https://third.example"], access_token_format="jwt",
        grant_types=[EXCHANGE, "authorization_code"], redirect_uris=["https://back.example/cb"],
        subject_type="pairwise",
    )  # fmt: skip
    actor = server.grant(api, scope="read", username=username)["access_token"]
    person = server.introspect(api, actor)["sub"]
    first = exchange(
        server, api, get_token(server, shop)["access_token"], actor_token=actor, actor_token_type=ACCESS_TOKEN
    ).json()["access_token"]
    second = exchange(server, back, first, resource="https://third.example").json()["access_token"]
    act = server.introspect(back, second)["act"]
    assert act["act"] == {"client_id": api.client_id}
    assert person not in str(server.introspect(back, second))


def test_claims_that_were_put_in_for_another_client_stay_behind(server, api):
    shop = server.register_client(audience=[FRONT])
    set_extra(server, shop, access_token_claims={"plan": "of the shop"})
    set_extra(server, api, access_token_claims={"tier": "of the api"})
    answer = exchange(server, api, get_token(server, shop)["access_token"]).json()
    described = server.introspect(api, answer["access_token"])
    assert described["tier"] == "of the api"
    assert "plan" not in described


@pytest.mark.spec("RFC 8693 §4.4")
@pytest.mark.parametrize("may_act", ["someone-else", ["x"], {}, None])
def test_may_act_that_cannot_be_understood_lets_nobody_act(server, shop, api, may_act):
    claims = server.run(server.runtime.tokens.open_access("default", get_token(server, shop)["access_token"]))
    sealed = server.runtime.tokens._seal_access("default", replace(claims, extra={"may_act": may_act}))
    assert exchange(server, api, sealed).json().get("error") == "invalid_request"
