"""URLs that clients register: what is none of the web is refused at once, by whichever way it comes.

What is refused only when it is fetched (an address that is not public) is in ``test_fetched_urls.py``.
"""

from __future__ import annotations

import pytest
from tests.flow.test_fetched_urls import PLACES
from tests.local_server import LocalServer, respond
from tests.urls import FETCHED, HTTPS_ONLY, NOT_TEXT, SHOWN, UNACCEPTABLE, build_document

from grantway.admin.initial_access_tokens import create_initial_access_token
from grantway.testing.in_process import InProcessServer


@pytest.fixture(scope="module")
def house():
    running = InProcessServer({"registration.enabled": True, "registration.per_address": 1_000_000})
    yield running
    running.stop()


def register_by_admin_api(house):
    keeper = house.register_client(grant_types=["client_credentials"], scope="grantway.admin")
    token = house.token(keeper, grant_type="client_credentials", scope="grantway.admin").json()["access_token"]

    def send(path, document):
        async def go():
            async with house.build_http_client(admin=True) as http:
                return await http.post(path, json=document, headers={"authorization": f"Bearer {token}"})

        return house.run(go())

    return send


def register_itself(house):
    made = house.run(create_initial_access_token(house.runtime, "default", uses=None, actor="test"))
    headers = {"authorization": f"Bearer {made.token}"}
    return lambda _, document: house.post("/oauth2/register", json=document, headers=headers)


WAYS = {"the admin API": register_by_admin_api, "the client itself": register_itself}


def test_every_url_of_a_client_that_is_fetched_is_looked_at():
    assert {purpose for _, purpose, whose in PLACES if whose == "a client's"} == set(FETCHED)


@pytest.mark.threat("T70")
@pytest.mark.spec("RFC 7591 §5")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [*FETCHED, *SHOWN])
def test_what_is_no_url_of_the_web_is_refused_when_it_is_registered(house, name, way):
    send = WAYS[way](house)
    for url in (*UNACCEPTABLE, *NOT_TEXT):
        answer = send("/admin/clients", build_document(name, url))
        assert answer.status_code == 400, (url, answer.text)
        assert answer.json()["error"] == "invalid_client_metadata", url
        assert name in answer.text, url


@pytest.mark.threat("T70")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HTTPS_ONLY)
def test_keys_and_sectors_are_at_https_urls_even_on_this_machine(house, name, way):
    send = WAYS[way](house)
    for url in ("http://127.0.0.1/keys", "http://localhost:8080/keys", "http://[::1]/keys"):
        assert send("/admin/clients", build_document(name, url)).status_code == 400, url


@pytest.mark.threat("T70")
def test_the_keys_of_a_trusted_issuer_are_at_a_url_of_the_web(house):
    send = register_by_admin_api(house)
    good = {"issuer": "https://idp.example", "allow_any_subject": True, "any_client": True, "scope": ["read"]}
    good |= {"expires_at": "2099-01-01T00:00:00Z"}
    path = "/admin/trust/grants/jwt-bearer/issuers"
    for url in (*UNACCEPTABLE, *NOT_TEXT):
        answer = send(path, {**good, "jwks_uri": url})
        assert answer.status_code in (400, 422), (url, answer.text)
    assert send(path, {**good, "jwks_uri": "https://idp.example/keys"}).status_code == 201


@pytest.mark.threat("T70")
@pytest.mark.parametrize("name", FETCHED)
def test_registering_a_url_does_not_fetch_it_but_for_the_sector(house, connects, name):
    """What an administrator registers is not asked for; of what a client registers, only the list of its sector."""
    with LocalServer(lambda _: respond(body=b"[]")) as web:
        url = f"https://127.0.0.1:{web.port}/keys"
        assert register_by_admin_api(house)("/admin/clients", build_document(name, url)).status_code == 201
        status = register_itself(house)("", build_document(name, url)).status_code
    assert status == (400 if name == "sector_identifier_uri" else 201)
    assert (web.connections, connects) == (0, [])
