"""Users through the admin API."""

import pytest

from grantway.model import Subject

PASSWORD = "correct horse battery"


def path_of(user):
    return f"/admin/users/{user['sub']}"


def make(house, **document):
    return house.create("/admin/users", {"username": house.name("user"), **document})


def stored(house, user):
    return house.run(house.runtime.store.load_subject("default", user["sub"]))


def test_a_created_user_is_where_its_location_says_and_has_no_password_to_show(house):
    name = house.name("Ada")
    response = house.call(
        "POST",
        "/admin/users",
        json={"username": name, "password": PASSWORD, "claims": {"name": "Ada", "email_verified": True}},
    )
    assert response.status_code == 201
    user = response.json()
    assert response.headers["location"] == path_of(user)
    assert house.call("GET", path_of(user)).json() == user
    assert (user["username"], user["has_password"], user["enabled"]) == (name, True, True)
    phc = stored(house, user).password
    assert phc.startswith("$argon2id$")
    assert phc not in response.text
    assert house.run(house.runtime.passwords.verify(PASSWORD, phc))


@pytest.mark.threat("T135")
def test_no_answer_ever_holds_a_hash(house):
    user = make(house, password=PASSWORD)
    hashed = stored(house, user).password
    for answer in (
        house.call("GET", path_of(user)),
        house.call("GET", "/admin/users", params={"username": user["username"]}),
        house.call("PATCH", path_of(user), json={"claims": {"name": "x"}}),
        house.call("PUT", path_of(user) + "/password", json={"password": PASSWORD + "!"}),
    ):
        assert "argon2" not in answer.text
        assert hashed not in answer.text
    assert PASSWORD not in repr(house.events.events)


@pytest.mark.threat("T125")
@pytest.mark.parametrize("name", Subject.__struct_fields__)
def test_no_internal_field_is_set_from_outside(house, name):
    """Generated from the model: a new field is tried at once."""
    if name in ("username", "enabled", "roles", "claims"):
        return
    user = make(house)
    before = stored(house, user)
    value = {"tenant": "other", "version": 99}.get(name, "x")
    assert house.call("PATCH", path_of(user), json={name: value}).status_code == 422
    if name != "password":  # which creating takes
        assert house.call("POST", "/admin/users", json={"username": house.name(), name: value}).status_code == 422
    assert stored(house, user) == before


@pytest.mark.spec("RFC 7396 §2")
def test_a_merge_patch_changes_what_it_names_and_removes_what_is_null(house):
    user = make(
        house, claims={"name": "A", "nickname": "B", "address": {"country": "UK", "locality": "L"}}, roles=["r"]
    )
    patch = {"claims": {"name": "C", "nickname": None, "address": {"country": None}}}
    headers = {"content-type": "application/merge-patch+json"}
    import json

    changed = house.call("PATCH", path_of(user), content=json.dumps(patch), headers=headers)
    assert changed.status_code == 200
    assert changed.json()["claims"] == {"name": "C", "address": {"locality": "L"}}
    assert changed.json()["roles"] == ["r"]
    assert house.call("PATCH", path_of(user), json={"roles": None}).json()["roles"] == []
    assert house.call("PATCH", path_of(user), json={"username": None}).status_code == 422


def test_the_same_name_written_differently_is_taken(house):
    user = make(house, username="Straße-Ⅳ-" + house.name())
    for name in (user["username"].upper(), user["username"].replace("ß", "SS"), user["username"].replace("Ⅳ", "IV")):
        assert house.call("POST", "/admin/users", json={"username": name}).status_code == 409
        found = house.call("GET", "/admin/users", params={"username": name}).json()
        assert [one["sub"] for one in found] == [user["sub"]]
    other = make(house)
    assert house.call("PATCH", path_of(other), json={"username": user["username"].lower()}).status_code == 409
    assert house.call("PATCH", path_of(user), json={"username": user["username"].lower()}).status_code == 200


def test_a_chosen_identifier_is_kept_and_unique(house):
    sub = house.name("legacy|")
    assert make(house, sub=sub)["sub"] == sub
    assert house.call("POST", "/admin/users", json={"username": house.name(), "sub": sub}).status_code == 409
    for wrong in ("", "a/b", "a b", "é", "..", "a\nb", "x" * 256):
        response = house.call("POST", "/admin/users", json={"username": house.name(), "sub": wrong})
        assert response.status_code == 422, wrong


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"username": ""},
        {"username": "   "},
        {"username": "a\u202eb"},
        {"username": "a\u0000b"},
        {"username": "x" * 256},
        {"username": 7},
        {"username": ["a"]},
        {"username": "fine", "password": "short"},
        {"username": "fine", "password": "password123"},
        {"username": "fine", "password": 12345678},
        {"username": "fine", "claims": []},
        {"username": "fine", "claims": {"sub": "root"}},
        {"username": "fine", "claims": {"email": "nobody"}},
        {"username": "fine", "roles": "admin"},
        {"username": "fine", "roles": [""]},
        {"username": "fine", "roles": ["r"] * 101},
        {"username": "fine", "enabled": "true"},
        {"username": "fine", "emial": "a@b"},
    ],
)
def test_what_a_user_cannot_be_is_refused_with_the_field(house, document):
    response = house.call("POST", "/admin/users", json=document)
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"
    if response.status_code == 422:
        assert response.json()["errors"][0]["field"]


def test_an_unknown_field_is_answered_with_the_likely_one(house):
    response = house.call("POST", "/admin/users", json={"user_name": "ada"})
    assert "Did you mean 'username'?" in response.text


@pytest.mark.threat("T110")
def test_disabling_a_user_kills_their_tokens_for_good(house):
    user = make(house, roles=["grantway.users.read"])
    token = house.run(house._issue("default", house.make_client().client, ("grantway.users.read",), user["sub"], ()))
    assert house.call("GET", "/admin/users", token=token).status_code == 200
    assert house.call("PATCH", path_of(user), json={"enabled": False}).json()["enabled"] is False
    assert house.call("POST", "/admin/oauth2/introspect", data={"token": token}).json() == {"active": False}
    assert house.call("PATCH", path_of(user), json={"enabled": True}).json()["enabled"] is True
    assert house.call("GET", "/admin/users", token=token).status_code == 401


def test_a_deleted_user_is_gone(house):
    user = make(house)
    assert house.call("DELETE", path_of(user)).status_code == 204
    for method, path, body in [
        ("GET", path_of(user), None),
        ("DELETE", path_of(user), None),
        ("PATCH", path_of(user), {}),
        ("PUT", path_of(user) + "/password", {"password": PASSWORD}),
        ("DELETE", path_of(user) + "/sessions", None),
    ]:
        assert house.call(method, path, json=body).status_code == 404, (method, path)


def test_a_new_password_takes_the_place_of_the_old_one(house):
    user = make(house, password=PASSWORD)
    assert house.call("PUT", path_of(user) + "/password", json={"password": "another long password"}).status_code == 204
    phc = stored(house, user).password
    assert not house.run(house.runtime.passwords.verify(PASSWORD, phc))
    assert house.run(house.runtime.passwords.verify("another long password", phc))
    assert house.call("PUT", path_of(user) + "/password", json={"password": user["username"] * 3}).status_code == 422
    assert house.call("PUT", path_of(user) + "/password", json={"pasword": "x"}).status_code == 422


@pytest.mark.spec("RFC 9110 §13.1.1")
def test_a_change_to_a_version_that_moved_on_is_refused(house):
    user = make(house)
    assert house.call("PATCH", path_of(user), json={"roles": ["a"]}, headers={"if-match": '"1"'}).status_code == 200
    assert house.call("PATCH", path_of(user), json={"roles": ["b"]}, headers={"if-match": '"1"'}).status_code == 412
    assert house.call("DELETE", path_of(user), headers={"if-match": '"1"'}).status_code == 412
    assert house.call("GET", path_of(user)).json()["roles"] == ["a"]


def test_users_are_listed_by_the_beginning_of_their_name(house):
    start = house.name("Zoë-")
    names = sorted(make(house, username=f"{start}-{letter}")["username"] for letter in "cab")
    response = house.call("GET", "/admin/users", params={"prefix": start.upper(), "page_size": 2})
    first = [user["username"] for user in response.json()]
    second = [user["username"] for user in house.call("GET", response.links["next"]["url"]).json()]
    assert first + second == names
    for pattern in ("%", "_", "*", "zo%"):
        assert house.call("GET", "/admin/users", params={"prefix": pattern}).json() == []


@pytest.mark.threat("T148")
@pytest.mark.parametrize("text", ["'--", '"\\', "<svg/onload=alert(1)>", "${7*7}", "{{7*7}}", "admin'/*"])
def test_hostile_text_is_kept_as_it_is(house, text):
    name = house.name("user") + text
    user = make(house, username=name, claims={"name": text, "own": {text: text}}, roles=[text])
    shown = house.call("GET", path_of(user)).json()
    assert (shown["username"], shown["claims"]["own"], shown["roles"]) == (name, {text: text}, [text])
    found = house.call("GET", "/admin/users", params={"username": name}).json()
    assert [one["sub"] for one in found] == [user["sub"]]
