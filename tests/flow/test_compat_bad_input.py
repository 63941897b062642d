"""Bad input of every kind at the endpoints and grants that other servers have: refused, never a 500, never a hang."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.compat import COMPAT
from tests.flow.test_bad_input import CORPUS, FORM, RAW_BYTES, build_query, is_sound

from grantway.testing.in_process import InProcessServer

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
), max_leaves=8)  # fmt: skip


@pytest.fixture(scope="module")
def house():
    running = InProcessServer({**COMPAT, "throttle.client_attempts": 10**6})
    running.register_user()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def trusted(house):
    """A client that may do all of it."""
    return house.register_client(
        grant_types=["client_authenticated_user", "bootstrap_token", "refresh_token"],
        names_users_by="username",
        bootstrap_token_grant_access_token_lifespan="1h",
        may_sign_payloads=True,
    )


@pytest.mark.threat("T146")
@pytest.mark.parametrize("grant_type", ["client_authenticated_user", "bootstrap_token"])
@pytest.mark.parametrize("name", ["userId", "userType", "roles", "scope", "resource", "format", "plan", "userId=ada&x"])
def test_the_grants_survive_anything(house, trusted, grant_type, name):
    good = {"grant_type": grant_type, "userId": "ada", "scope": "read"}
    for value in CORPUS:
        body = build_query(good, name, value)
        assert is_sound(house.post("/oauth2/token", content=body, headers=FORM, auth=trusted.auth)), value[:40]
    for value in CORPUS:
        body = build_query(good, value, "x")
        assert is_sound(house.post("/oauth2/token", content=body, headers=FORM, auth=trusted.auth)), value[:40]


@pytest.mark.threat("T146")
@pytest.mark.parametrize(("path", "name"), [("/oauth2/tokeninfo", "access_token"), ("/oauth2/dereference", "token")])
def test_the_endpoints_about_tokens_survive_anything(house, trusted, path, name):
    auth = trusted.auth if name == "token" else None
    for value in CORPUS:
        assert is_sound(house.post(path, content=f"{name}={value}", headers=FORM, auth=auth))
        assert is_sound(house.get(f"{path}?{name}={value}"))
    for raw in RAW_BYTES:
        assert is_sound(house.post(path, content=name.encode() + b"=" + raw, headers=FORM, auth=auth))


@pytest.mark.threat("T146")
def test_a_kid_may_be_anything(house):
    for value in CORPUS:
        assert house.get(f"/oauth2/keys/{value[:6000]}").status_code in (400, 404), value[:40]


@pytest.mark.threat("T62")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=JSON, expires=JSON, more=st.dictionaries(st.text(max_size=16), JSON, max_size=2))
def test_the_signing_service_survives_any_json(house, trusted, payload, expires, more):
    content = json.dumps({**more, "payload": payload, "expires": expires}).encode("utf-8", "surrogatepass")
    headers = {"content-type": "application/json"}
    answer = house.post("/oauth2/signing", content=content, headers=headers, auth=trusted.auth)
    assert is_sound(answer)
    is_object = isinstance(payload, dict) and payload != {}
    is_duration = isinstance(expires, int) and not isinstance(expires, bool) and 1 <= expires <= 86400
    assert answer.status_code != 200 or (is_object and is_duration)
