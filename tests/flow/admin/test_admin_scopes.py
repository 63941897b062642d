"""The registry of scopes through the admin API."""

from __future__ import annotations

import pytest

from grantway.admin import scopes
from grantway.protocol.registered_scope import MAX_SCOPES

PATH = "/admin/scopes"


def make(house, name, **members):
    return house.create(PATH, {"name": name, "description": "See your photos", **members})


def test_a_scope_lives_from_creation_to_deletion(house):
    name = house.name("photos")
    made = house.call("POST", PATH, json={"name": name, "description": "See your photos"})
    assert (made.status_code, made.headers["location"]) == (201, f"{PATH}/{name}")
    expected = {
        "name": name, "description": "See your photos", "translations": {}, "is_default": False, "is_advertised": True,
    }  # fmt: skip
    assert made.json() | expected == made.json()
    assert made.json()["created_at"]

    document = {"description": "Look at your photos", "translations": {"DE": "Ihre Fotos ansehen"}, "is_default": True}
    replaced = house.call("PUT", f"{PATH}/{name}", json=document)
    assert replaced.status_code == 200, replaced.text
    assert replaced.json()["translations"] == {"de": "Ihre Fotos ansehen"}
    patch = {"translations": {"de": None, "fr": "Voir vos photos"}, "is_advertised": False}
    patched = house.call("PATCH", f"{PATH}/{name}", json=patch).json()
    assert patched["translations"] == {"fr": "Voir vos photos"}
    assert (patched["description"], patched["is_default"]) == ("Look at your photos", True)
    assert house.call("GET", f"{PATH}/{name}").json() == patched

    assert house.call("DELETE", f"{PATH}/{name}").status_code == 204
    assert house.call("GET", f"{PATH}/{name}").status_code == 404
    done = [event.action for event in house.events.administered() if event.key == name]
    assert done == ["scope.create", "scope.update", "scope.update", "scope.delete"]


def test_a_scope_may_be_a_url(house):
    name = f"https://api.example/{house.name()}/photos.read"
    location = house.call("POST", PATH, json={"name": name, "description": "See your photos"}).headers["location"]
    assert location.count("/") == 3, "written so that it is one segment"
    assert house.call("GET", location).json()["name"] == name
    assert house.call("GET", f"/admin/t/default/scopes/{name}").json()["name"] == name
    assert house.call("DELETE", location).status_code == 204


def test_a_name_is_taken_once(house):
    name = house.name("photos")
    make(house, name)
    again = house.call("POST", PATH, json={"name": name, "description": "Other"})
    assert (again.status_code, again.json()["type"]) == (409, "urn:grantway:problem:conflict")
    assert make(house, name.upper())["name"] == name.upper(), "case matters (RFC 6749 §3.3)"


def test_scopes_are_listed_by_name_page_by_page(house):
    names = sorted(make(house, house.name("listed"))["name"] for _ in range(3))
    first = house.call("GET", PATH, params={"page_size": "2"})
    assert len(first.json()) == 2
    assert 'rel="next"' in first.headers["link"]
    listed = [scope["name"] for scope in house.call("GET", PATH, params={"page_size": "500"}).json()]
    assert listed == sorted(listed)
    assert set(names) <= set(listed)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_change_made_for_another_version_is_refused(house, method):
    name = make(house, house.name("photos"))["name"]
    tag = house.call("GET", f"{PATH}/{name}").headers["etag"]
    body = {"json": {"description": "Look at your photos"}} if method != "DELETE" else {}
    assert house.call("PATCH", f"{PATH}/{name}", json={"is_default": True}).status_code == 200
    late = house.call(method, f"{PATH}/{name}", headers={"if-match": tag}, **body)
    assert late.status_code == 412, late.text
    tag = house.call("GET", f"{PATH}/{name}").headers["etag"]
    assert house.call(method, f"{PATH}/{name}", headers={"if-match": tag}, **body).status_code in (200, 204)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"name": "two words"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": "grantway.admin"}, "name"),
        ({"description": ""}, "description"),
        ({"description": "  "}, "description"),
        ({"description": "a\u202eb"}, "description"),
        ({"description": 7}, "description"),
        ({"translations": {"german!": "x"}}, "translations"),
        ({"translations": {"de": 7}}, "translations"),
        ({"translations": []}, "translations"),
        ({"is_default": "yes"}, "is_default"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_not_acceptable_is_named(house, document, field):
    answer = house.call("POST", PATH, json={"name": house.name(), "description": "See", **document})
    assert answer.status_code == 422, answer.text
    assert field in answer.text


@pytest.mark.parametrize("body", [{"name": "other", "description": "x"}, {"is_default": True}])
def test_a_replacement_is_a_whole_document_without_a_name(house, body):
    name = make(house, house.name("photos"))["name"]
    assert house.call("PUT", f"{PATH}/{name}", json=body).status_code == 422


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("name", ["nobody", "no/body", "", "%00", "x" * 300])
def test_what_is_not_there_is_not_found(house, method, name):
    body = {"json": {"description": "x"}} if method in ("PUT", "PATCH") else {}
    assert house.call(method, f"{PATH}/{name}", **body).status_code == 404


@pytest.mark.threat("T153")
def test_a_scope_is_a_tenants_own(house):
    name = make(house, house.name("photos"))["name"]
    assert house.call("GET", f"/admin/t/other/scopes/{name}", token=house.token("grantway.admin")).status_code == 401
    foreign = house.token("grantway.admin", tenant="other")
    assert house.call("GET", f"/admin/t/other/scopes/{name}", token=foreign).status_code == 404


@pytest.mark.threat("T145")
def test_there_is_an_end_to_how_many_there_may_be(house, monkeypatch):
    assert MAX_SCOPES == 1000, "as many as a worker remembers"
    monkeypatch.setattr(scopes, "MAX_SCOPES", 1)
    make_first = house.call("POST", PATH, json={"name": house.name(), "description": "x"})
    refused = house.call("POST", PATH, json={"name": house.name(), "description": "x"})
    assert make_first.status_code in (201, 422)
    assert refused.status_code == 422
    assert "already" in refused.text
