"""Clients through the admin API."""

import json

import pytest

from grantway.model import Client, ClientSecret

WEB = {"client_name": "Shop", "redirect_uris": ["https://shop.example/cb"], "scope": "openid profile"}
MACHINE = {"grant_types": ["client_credentials"], "response_types": [], "scope": "api"}


def path_of(client):
    return f"/admin/clients/{client['client_id']}"


def stored(house, client):
    return house.run(house.runtime.store.load_client("default", client["client_id"]))


def test_a_created_client_is_where_its_location_says(house):
    response = house.call("POST", "/admin/clients", json=WEB)
    assert response.status_code == 201
    created = response.json()
    assert response.headers["location"] == path_of(created)
    assert response.headers["etag"] == '"1"'
    shown = house.call("GET", response.headers["location"])
    assert shown.status_code == 200
    secret_parts = {"client_secret": created["client_secret"], "client_secret_expires_at": 0}
    assert {**shown.json(), **secret_parts} == created
    assert shown.json()["client_name"] == "Shop"
    assert shown.json()["scope"] == "openid profile"
    assert house.events.administered()[-1].action == "client.create"
    assert house.events.administered()[-1].actor.startswith("client:")


@pytest.mark.threat("T135")
def test_a_secret_is_shown_exactly_once_and_never_stored(house):
    created = house.create("/admin/clients", MACHINE)
    secret = created["client_secret"]
    assert secret.startswith("gwcs_")
    assert len(secret) >= 43
    answers = [
        house.call("GET", path_of(created)),
        house.call("PUT", path_of(created), json={**MACHINE, "client_name": "Again"}),
        house.call("PATCH", path_of(created), json=[{"op": "replace", "path": "/client_name", "value": "X"}]),
        house.call("GET", "/admin/clients?client_name=X"),
    ]
    digest = stored(house, created).secrets[0].digest
    for answer in answers:
        assert answer.status_code == 200
        assert 'secret"' not in answer.text.replace("client_secret_", "")
        assert secret not in answer.text
        assert digest not in answer.text
    assert digest.startswith("keyed:")
    assert secret not in repr(house.events.events)


@pytest.mark.threat("T125")
@pytest.mark.parametrize("name", [*Client.__struct_fields__, *ClientSecret.__struct_fields__])
def test_no_internal_field_is_set_from_outside(house, name):
    """Generated from the model: a new field is tried at once."""
    from grantway.protocol.client_metadata import FIELDS

    if name in FIELDS or name == "client_id":
        return
    value = {"tenant": "other", "version": 99, "created_at": 1, "updated_at": 1}.get(name, [{"digest": "keyed:00"}])
    created = house.call("POST", "/admin/clients", json={**MACHINE, name: value})
    assert created.status_code in (201, 400, 422)
    client = house.create("/admin/clients", MACHINE)
    before = stored(house, client)
    answers = [
        house.call("PUT", path_of(client), json={**MACHINE, name: value}),
        house.call("PATCH", path_of(client), json=[{"op": "add", "path": f"/{name}", "value": value}]),
    ]
    assert answers[1].status_code in (400, 422)
    after = stored(house, client)
    assert (after.tenant, after.secrets, after.created_at) == (before.tenant, before.secrets, before.created_at)
    assert after.extra == {}
    assert after.version <= before.version + 1
    if created.status_code == 201:
        made = stored(house, created.json())
        assert (made.tenant, made.version) == ("default", 1)
        assert made.created_at > 1


def test_the_document_that_was_shown_can_be_sent_back(house):
    created = house.create("/admin/clients", {**WEB, "metadata": {"a": [1, None, {"b": "c"}]}, "owner": "team"})
    shown = house.call("GET", path_of(created)).json()
    replaced = house.call("PUT", path_of(created), json=shown)
    assert replaced.status_code == 200
    for document in (shown, answer := replaced.json()):
        document.pop("updated_at")
    assert answer == shown


def test_replacing_keeps_the_secret_and_forgets_what_is_left_out(house):
    created = house.create("/admin/clients", {**WEB, "owner": "team"})
    before = stored(house, created).secrets
    replaced = house.call("PUT", path_of(created), json={**WEB, "client_name": "Store"}).json()
    assert (replaced["client_name"], replaced.get("owner", "")) == ("Store", "")
    assert stored(house, created).secrets == before


def test_a_chosen_secret_is_kept_as_argon2id_and_takes_the_place_of_all(house):
    created = house.create("/admin/clients", MACHINE)
    house.call("POST", path_of(created) + "/secrets/rotate")
    chosen = "a secret that a person chose"
    assert (
        house.call("PUT", path_of(created), json={**MACHINE, "client_secret": chosen}).json()["client_secret"] == chosen
    )
    secrets = stored(house, created).secrets
    assert len(secrets) == 1
    assert secrets[0].digest.startswith("$argon2id$")


@pytest.mark.parametrize("secret", ["short", "x" * 20, "with a nul \x00 and more",
                                    "héllo wörld, this is long", "y1" * 200, 7, ["a list of words"]])  # fmt: skip
def test_a_chosen_secret_must_not_be_guessable_or_unprintable(house, secret):
    response = house.call("POST", "/admin/clients", json={**MACHINE, "client_secret": secret})
    assert response.status_code in (400, 422)


def test_a_public_client_has_no_secret(house):
    public = {**WEB, "token_endpoint_auth_method": "none"}
    created = house.create("/admin/clients", public)
    assert "client_secret" not in created
    assert (
        house.call("POST", "/admin/clients", json={**public, "client_secret": "0123456789abcdef0"}).status_code == 422
    )
    assert house.call("POST", path_of(created) + "/secrets/rotate").status_code == 400
    confidential = house.call("PUT", path_of(created), json=WEB).json()
    assert confidential["client_secret"].startswith("gwcs_")
    house.call("PUT", path_of(created), json=public)
    assert stored(house, created).secrets == ()


def test_older_secrets_live_on_until_they_are_dropped_and_at_most_five(house):
    created = house.create("/admin/clients", MACHINE)
    plain = [created["client_secret"]]
    rotate = path_of(created) + "/secrets/rotate"
    plain += [house.call("POST", rotate).json()["client_secret"] for _ in range(7)]
    secrets = stored(house, created).secrets
    assert len(secrets) == 6
    keys = house.runtime.keys
    assert [
        keys.is_secret_correct(text, secret.digest) for text, secret in zip(plain[:1:-1], secrets, strict=True)
    ] == ([True] * 6)
    dropped = house.call("DELETE", path_of(created) + "/secrets/rotate")
    assert dropped.status_code == 200
    assert "client_secret" not in dropped.json()
    assert stored(house, created).secrets == secrets[:1]


@pytest.mark.threat("T135")
def test_disabling_a_client_kills_its_tokens_for_good(house):
    created = house.create("/admin/clients", {**MACHINE, "scope": "grantway.clients.read"})
    client = stored(house, created)
    token = house.run(house._issue("default", client, ("grantway.clients.read",), None, ()))
    assert house.call("GET", "/admin/clients", token=token).status_code == 200
    switch = lambda value: [{"op": "add", "path": "/enabled", "value": value}]  # noqa: E731
    assert house.call("PATCH", path_of(created), json=switch(False)).status_code == 200
    assert house.call("GET", "/admin/clients", token=token).status_code == 401
    assert house.call("PATCH", path_of(created), json=switch(True)).status_code == 200
    assert house.call("GET", "/admin/clients", token=token).status_code == 401


def test_a_deleted_client_is_gone_and_so_are_its_tokens(house):
    created = house.create("/admin/clients", {**MACHINE, "scope": "grantway.clients.read"})
    token = house.run(house._issue("default", stored(house, created), ("grantway.clients.read",), None, ()))
    assert house.call("DELETE", path_of(created)).status_code == 204
    assert house.call("GET", path_of(created)).status_code == 404
    assert house.call("DELETE", path_of(created)).status_code == 404
    assert house.call("GET", "/admin/clients", token=token).status_code == 401


def test_a_taken_client_id_is_a_conflict_even_for_a_hundred_at_once(house):
    import asyncio

    client_id = house.name("taken")
    token = house.token("grantway.admin")

    async def create():
        headers = {"authorization": f"Bearer {token}"}
        return await house._http.post("/admin/clients", json={**MACHINE, "client_id": client_id}, headers=headers)

    async def race():
        return await asyncio.gather(*(create() for _ in range(100)))

    statuses = [response.status_code for response in house.run(race())]
    assert sorted(set(statuses)) == [201, 409]
    assert statuses.count(201) == 1


@pytest.mark.parametrize("client_id", ["", "a/b", "..", "-x", "a b", "é", "a\nb", "x" * 256, "<script>", 7])
def test_a_client_id_that_cannot_stand_in_a_path_is_refused(house, client_id):
    response = house.call("POST", "/admin/clients", json={**MACHINE, "client_id": client_id})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "client_id"


def test_a_client_id_cannot_be_changed(house):
    created = house.create("/admin/clients", MACHINE)
    assert house.call("PUT", path_of(created), json={**MACHINE, "client_id": "another"}).status_code == 422


@pytest.mark.spec("RFC 9110 §13.1.1")
def test_a_change_to_a_version_that_moved_on_is_refused(house):
    created = house.create("/admin/clients", MACHINE)
    rename = [{"op": "replace", "path": "/client_name", "value": "New"}]
    first = house.call("PATCH", path_of(created), json=rename, headers={"if-match": '"1"'})
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    for method, body in [("PATCH", rename), ("PUT", MACHINE), ("DELETE", None)]:
        for tag in ('"1"', 'W/"2"', '"x"', "2", '""', '"²"'):
            stale = house.call(method, path_of(created), json=body, headers={"if-match": tag.encode()})
            assert stale.status_code == 412, (method, tag)
    assert house.call("PUT", path_of(created), json=MACHINE, headers={"if-match": '"2"'}).status_code == 200
    assert house.call("PUT", path_of(created), json=MACHINE, headers={"if-match": "*"}).status_code == 200
    assert house.call("DELETE", path_of(created), headers={"if-match": '"4"'}).status_code == 204


@pytest.mark.spec("RFC 6902 §4.6")
def test_a_patch_whose_test_fails_changes_nothing(house):
    created = house.create("/admin/clients", MACHINE)
    patch = [
        {"op": "replace", "path": "/client_name", "value": "New"},
        {"op": "test", "path": "/scope", "value": "something else"},
    ]
    assert house.call("PATCH", path_of(created), json=patch).status_code == 409
    assert house.call("GET", path_of(created)).json() == {
        name: value for name, value in created.items() if not name.startswith("client_secret")
    }


def test_a_patch_of_the_right_media_type_is_accepted(house):
    created = house.create("/admin/clients", MACHINE)
    body = json.dumps([{"op": "add", "path": "/client_name", "value": "P"}])
    headers = {"content-type": "application/json-patch+json; charset=utf-8"}
    assert house.call("PATCH", path_of(created), content=body, headers=headers).json()["client_name"] == "P"


@pytest.mark.threat("T148")
@pytest.mark.threat("T95")
@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE client; --",
        '" OR ""="',
        "<script>alert(1)</script>",
        "{{7*7}}",
        "%00%0a",
        "\\",
        "ünïcødé 名前 🦊",
        "a' || 'b",
    ],
)
def test_hostile_text_is_kept_as_it_is_and_found_again(house, text):
    owner = house.name("owner") + text
    created = house.create(
        "/admin/clients", {**MACHINE, "client_name": text, "owner": owner, "metadata": {text: [text]}}
    )
    shown = house.call("GET", path_of(created))
    assert (shown.json()["client_name"], shown.json()["metadata"]) == (text, {text: [text]})
    assert shown.headers["content-type"] == "application/json"
    found = house.call("GET", "/admin/clients", params={"owner": owner, "client_name": text}).json()
    assert [client["client_id"] for client in found] == [created["client_id"]]
    assert house.call("GET", "/admin/clients", params={"owner": text}).json() == []


@pytest.mark.parametrize(
    ("document", "status", "word"),
    [
        ({"redirect_uri": ["https://a.example/"]}, 400, "redirect_uris"),
        ({"grant_types": ["telepathy"]}, 400, "grant_types"),
        ({"grant_types": ["client_credentials"], "response_types": [], "scope": ["a"]}, 400, "scope"),
        ({"redirect_uris": ["http://evil.example/cb"]}, 400, ""),
        ({"redirect_uris": ["https://a.example/#f"]}, 400, ""),
        ({**MACHINE, "token_endpoint_auth_method": "handshake"}, 400, "token_endpoint_auth_method"),
        ({**WEB, "id_token_signed_response_alg": "none"}, 400, "id_token_signed_response_alg"),
        ({**WEB, "id_token_signed_response_alg": "RS256"}, 400, "id_token_signed_response_alg"),
        ({**WEB, "subject_type": "pairwise"}, 400, "pairwise"),
        ({**WEB, "logo_uri": "javascript:alert(1)"}, 400, "logo_uri"),
        ({**WEB, "access_token_ttl": 10**18}, 400, "access_token_ttl"),
        ({**WEB, "access_token_ttl": 1.5}, 400, "access_token_ttl"),
        ({**WEB, "enabled": "yes"}, 400, "enabled"),
    ],
)
def test_metadata_that_cannot_be_is_refused_in_words(house, document, status, word):
    response = house.call("POST", "/admin/clients", json=document)
    assert response.status_code == status
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["error"] in ("invalid_client_metadata", "invalid_redirect_uri")
    assert word in problem["detail"]


def test_a_listing_goes_on_where_its_link_points(house):
    owner = house.name("owner")
    made = sorted(house.create("/admin/clients", {**MACHINE, "owner": owner})["client_id"] for _ in range(5))
    seen, where = [], f"/admin/clients?owner={owner}&page_size=2"
    pages = 0
    while where:
        response = house.call("GET", where)
        assert response.status_code == 200
        seen += [client["client_id"] for client in response.json()]
        where = response.links.get("next", {}).get("url")
        pages += 1
    assert (seen, pages) == (made, 3)


@pytest.mark.threat("T136")
def test_a_page_token_of_another_listing_or_of_ones_own_making_is_refused(house):
    owner = house.name("owner")
    for _ in range(2):
        house.create("/admin/clients", {**MACHINE, "owner": owner})
    response = house.call("GET", f"/admin/clients?owner={owner}&page_size=1")
    token = response.links["next"]["url"].rpartition("page_token=")[2]
    assert house.call("GET", f"/admin/clients?owner={owner}&page_token={token}").status_code == 200
    foreign = house.token("grantway.admin", tenant="other")
    assert (
        house.call("GET", f"/admin/t/other/clients?owner={owner}&page_token={token}", token=foreign).status_code == 400
    )
    for query in (f"owner=else&page_token={token}", f"owner={owner}&page_token={token}A", "page_token=c1.WyJj",
                  "page_token=%27%20OR%201=1--", "page_token=%C3%A9", "page_token=" + "A" * 5000):  # fmt: skip
        assert house.call("GET", f"/admin/clients?{query}").status_code == 400, query
    assert house.call("GET", f"/admin/users?page_token={token}").status_code == 400


@pytest.mark.threat("T136")
@pytest.mark.parametrize(
    "query",
    ["page_size=0", "page_size=501", "page_size=-1", "page_size=1e3", "page_size=１", "page_size=99999999999999999999",
     "page_size=x", "sort=(select+1)", "clientname=x", "owner=a&owner=b", "owner=%ff", "owner=%zz", "owner=a%00b"],
)  # fmt: skip
def test_a_listing_takes_no_other_parameters_and_no_other_sizes(house, query):
    assert house.call("GET", f"/admin/clients?{query}").status_code == 400


def test_lifespans_are_put_as_hydras_clients_put_them(house):
    client_id = house.make_client().client.client_id
    path = f"/admin/clients/{client_id}/lifespans"
    lifespans = {"client_credentials_grant_access_token_lifespan": "90m", "implicit_grant_id_token_lifespan": None}
    answer = house.call("PUT", path, json=lifespans)
    assert answer.status_code == 200, answer.text
    assert answer.json()["client_credentials_grant_access_token_lifespan"] == "1h30m0s"
    assert house.events.administered()[-1].action == "client.set_lifespans"
    assert "lifespan" not in house.call("PUT", path, json={}).text
    for document in (
        {"client_credentials_grant_access_token_lifespan": "soon"},
        {"client_credentials_grant_access_token_lifespan": 3600},
        {"client_credentials_grant_access_token_lifespan": "0s"},
        {"nonsense_lifespan": "1h"},
    ):
        answer = house.call("PUT", path, json=document)
        assert answer.status_code in (400, 422), answer.text
    assert house.call("PUT", "/admin/clients/nobody/lifespans", json={}).status_code == 404
    # a client's document carries them too, and they are checked there as well
    document = house.call("GET", f"/admin/clients/{client_id}").json()
    document["client_credentials_grant_access_token_lifespan"] = "2h"
    assert (
        house.call("PUT", f"/admin/clients/{client_id}", json=document).json()[
            "client_credentials_grant_access_token_lifespan"
        ]
        == "2h0m0s"
    )
    document["client_credentials_grant_access_token_lifespan"] = 3
    assert house.call("PUT", f"/admin/clients/{client_id}", json=document).status_code == 400


@pytest.mark.threat("T135")
@pytest.mark.spec("RFC 9700 §4.15")
def test_no_client_has_the_identifier_of_a_user_and_no_user_that_of_a_client(house):
    user = house.create("/admin/users", {"username": house.name("user")})
    taken = house.call("POST", "/admin/clients", json={**MACHINE, "client_id": user["sub"]})
    assert taken.status_code == 409
    client_id = house.make_client().client.client_id
    answer = house.call("POST", "/admin/users", json={"username": house.name("user"), "sub": client_id})
    assert answer.status_code == 409


def test_what_an_extension_declared_that_is_off_now_stays_with_the_client(house):
    from msgspec.structs import replace

    client_id = house.make_client().client.client_id
    stored = house.run(house.runtime.store.load_client("default", client_id))
    house.run(house.runtime.store.update_client(replace(stored, extra={"of_a_plug_in": 7})))
    document = house.call("GET", f"/admin/clients/{client_id}").json()
    assert document["of_a_plug_in"] == 7
    changed = house.call("PUT", f"/admin/clients/{client_id}", json={**document, "client_name": "Other"})
    assert (changed.status_code, changed.json()["of_a_plug_in"]) == (200, 7)
    assert house.call("PUT", f"/admin/clients/{client_id}", json={**document, "of_a_plug_in": 8}).status_code == 400
    patch = [{"op": "replace", "path": "/client_name", "value": "Third"}]
    assert house.call("PATCH", f"/admin/clients/{client_id}", json=patch).json()["of_a_plug_in"] == 7
