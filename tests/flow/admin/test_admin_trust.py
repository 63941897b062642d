"""Trusted issuers by the admin API: as Hydra's clients know it, and what is Grantway's own."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace
from tests.bearers import JWT_BEARER
from tests.forged_jwts import build_jwk
from tests.saml_issuer import make_identity

JWT, SAML = (f"/admin/trust/grants/{name}-bearer/issuers" for name in ("jwt", "saml2"))
PEM = make_identity().certificate


def build(house, **changes):
    """A document as Hydra's clients send it, and where it is good."""
    document = {
        "issuer": f"https://{house.name('idp')}.example",
        "subject": "alice",
        "allow_any_subject": False,
        "scope": ["read"],
        "jwk": build_jwk(ec.generate_private_key(ec.SECP256R1()), kid="k1"),
        "expires_at": "2099-12-31T23:59:59Z",
        "clients": ["shop"],
        **changes,
    }
    return {name: value for name, value in document.items() if value is not None}


def test_an_issuer_is_made_shown_listed_and_deleted_as_hydras_clients_do(house):
    document = build(house)
    answer = house.call("POST", JWT, json=document)
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"{JWT}/{made['id']}"
    assert made["public_key"] == {"set": document["issuer"], "kid": "k1"}
    assert (made["issuer"], made["subject"], made["allow_any_subject"]) == (document["issuer"], "alice", False)
    assert (made["scope"], made["clients"], made["any_client"]) == (["read"], ["shop"], False)
    assert made["expires_at"] == "2099-12-31T23:59:59.000Z"
    assert made["created_at"]
    assert house.call("GET", f"{JWT}/{made['id']}").json() == made
    assert house.call("GET", f"{JWT}?issuer={document['issuer']}").json() == [made]
    assert made in house.call("GET", JWT).json()
    assert house.call("GET", f"{SAML}/{made['id']}").status_code == 404
    assert house.call("DELETE", f"{JWT}/{made['id']}").status_code == 204
    assert house.call("DELETE", f"{JWT}/{made['id']}").status_code == 404
    assert house.call("GET", f"{JWT}/{made['id']}").status_code == 404


def test_the_same_again_is_a_conflict_and_another_key_or_subject_is_not(house):
    document = build(house)
    house.create(JWT, document)
    assert house.call("POST", JWT, json=document).status_code == 409
    assert house.call("POST", JWT, json={**document, "scope": ["write"]}).status_code == 409
    house.create(JWT, {**document, "subject": "bob"})
    house.create(JWT, {**document, "jwk": {**document["jwk"], "kid": "k2"}})


def test_saml_issuers_have_certificates(house):
    made = house.create(SAML, build(house, jwk=None, certificates=[PEM], subject=None, allow_any_subject=True))
    assert (made["certificates"], made["public_key"], made["subject"]) == ([PEM], None, "")
    assert made["allow_any_subject"] is True
    assert made in house.call("GET", SAML).json()
    assert made not in house.call("GET", JWT).json()
    assert house.call("POST", SAML, json=build(house)).status_code == 422


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("issuer", {"issuer": None}), ("expires_at", {"expires_at": None}), ("scope", {"scope": None}),
        ("jwk", {"jwk": None}), ("subject", {"subject": None}), ("clients", {"clients": None}),
        ("expires_at", {"expires_at": "2001-01-01T00:00:00Z"}), ("expires_at", {"expires_at": "2099-01-01T00:00:00"}),
        ("clents", {"clents": ["shop"]}), ("issuer", {"issuer": 5}), ("clients", {"clients": [""]}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(house, field, changes):
    answer = house.call("POST", JWT, json=build(house, **changes))
    assert answer.status_code == 422
    assert field in answer.text


@pytest.mark.threat("T59")
def test_an_issuer_that_names_no_client_is_good_for_none_unless_it_or_a_setting_says_so(house):
    assert house.call("POST", JWT, json=build(house, clients=None)).status_code == 422
    assert house.create(JWT, build(house, clients=None, any_client=True))["any_client"] is True


@pytest.mark.parametrize("open_house", [{"assertions__trust_for_any_client": True}], indirect=True)
def test_the_setting_is_for_those_who_come_from_hydra(open_house):
    made = open_house.create(JWT, build(open_house, clients=None))
    assert (made["any_client"], made["clients"]) == (True, [])
    assert open_house.create(JWT, build(open_house))["any_client"] is False


def test_a_long_list_comes_in_pages(open_house):
    made = {open_house.create(JWT, build(open_house))["id"] for _ in range(5)}
    seen, url = [], f"{JWT}?page_size=2"
    while url:
        page = open_house.call("GET", url)
        seen += [item["id"] for item in page.json()]
        url = page.links.get("next", {}).get("url")
    assert seen == sorted(made)


@pytest.mark.threat("T59")
def test_whoever_trusts_an_issuer_hands_out_no_more_than_they_hold(house):
    token = house.token("grantway.trusted-issuers.write")
    assert house.call("POST", JWT, json=build(house), token=token).status_code == 201
    for scope in ("grantway.admin", "grantway.clients.write"):
        answer = house.call("POST", JWT, json=build(house, scope=[scope]), token=token)
        assert answer.status_code == 403
    mighty = house.create(JWT, build(house, scope=["grantway.admin"]))
    assert house.call("DELETE", f"{JWT}/{mighty['id']}", token=token).status_code == 403
    reader = house.token("grantway.trusted-issuers.read")
    assert house.call("POST", JWT, json=build(house), token=reader).status_code == 403
    assert house.call("GET", JWT, token=reader).status_code == 200
    assert house.call("GET", JWT, token=house.token("grantway.clients.write")).status_code == 403


@pytest.mark.threat("T59")
def test_a_client_that_signs_for_others_takes_the_right_to_trust_issuers(house):
    document = {
        "grant_types": [JWT_BEARER], "response_types": [], "self_issued_assertions": True,
        "assertion_certificates": [PEM], "assertion_subjects": ["*"],
    }  # fmt: skip
    editor = house.token("grantway.clients.write")
    both = house.token("grantway.clients.write", "grantway.trusted-issuers.write")
    assert house.call("POST", "/admin/clients", json=document, token=editor).status_code == 403
    made = house.call("POST", "/admin/clients", json=document, token=both)
    assert made.status_code == 201
    path = f"/admin/clients/{made.json()['client_id']}"
    patch = [{"op": "replace", "path": "/client_name", "value": "x"}]
    assert house.call("PATCH", path, json=patch, token=editor).status_code == 403  # it could take over its secret
    assert house.call("PATCH", path, json=patch, token=both).status_code == 200
    plain = {**document, "assertion_subjects": None}
    assert house.call("POST", "/admin/clients", json=plain, token=editor).status_code == 201
    without_keys = {**plain, "assertion_certificates": None}
    answer = house.call("POST", "/admin/clients", json=without_keys, token=editor)
    assert (answer.status_code, "self_issued_assertions" in answer.text) == (400, True)


def test_what_was_done_is_told(house):
    made = house.create(JWT, build(house))
    house.call("DELETE", f"{JWT}/{made['id']}")
    told = [(event.action, event.key) for event in house.events.administered() if "issuer" in event.action]
    assert told == [("trusted_issuer.create", made["id"]), ("trusted_issuer.delete", made["id"])]


def test_tenants_have_issuers_of_their_own(house):
    made = house.create(JWT, build(house))
    token = house.token("grantway.admin", tenant="other")
    other = "/admin/t/other/trust/grants/jwt-bearer/issuers"
    assert house.call("GET", f"{other}/{made['id']}", token=token).status_code == 404
    assert house.call("GET", other, token=token).json() == []


def test_an_end_beyond_the_calendar_is_refused_and_one_that_is_stored_is_shown(house):
    for end in ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "2200-01-01T00:00:00Z"):
        answer = house.call("POST", JWT, json=build(house, expires_at=end))
        assert answer.status_code == 422
        assert "expires_at" in answer.text
    assert house.call("POST", JWT, json=build(house, expires_at="0001-01-01T00:00:00+14:00")).status_code == 422
    assert house.call("GET", JWT).status_code == 200
    made = house.create(JWT, build(house))
    store = house.runtime.store
    entry = house.run(store.load_entry("default", "trusted_issuer", made["id"]))
    house.run(store.update_entry(replace(entry, expires_at=253_402_351_199_000)))
    shown = house.call("GET", f"{JWT}/{made['id']}")
    assert shown.json()["expires_at"] == "9999-12-31T23:59:59.999Z"
    assert house.call("GET", JWT).status_code == 200
