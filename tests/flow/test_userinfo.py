"""Userinfo: what was granted, as it is now, to whoever holds a good access token."""

from __future__ import annotations

import pytest

from grantway.admin.users import disable_user, update_user


def bearer(token):
    return {"authorization": f"Bearer {token}"}


@pytest.mark.spec("OpenID Connect Core §5.4")
@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("openid", set()),
        ("openid profile", {"name", "given_name", "family_name", "preferred_username", "updated_at"}),
        ("openid email", {"email", "email_verified"}),
        ("openid phone", {"phone_number", "phone_number_verified"}),
        ("openid address", {"address"}),
    ],
)
def test_each_scope_gives_its_claims_and_no_others(server, client, scope, claims):
    token = server.grant(client, scope=scope)["access_token"]
    answer = server.get("/userinfo", headers=bearer(token))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"sub", *claims}


@pytest.mark.spec("RFC 6750 §2.2")
@pytest.mark.spec("OpenID Connect Core §5.3.1")
def test_get_and_post_and_a_form_body_are_the_same(server, client):
    token = server.grant(client, scope="openid email")["access_token"]
    answers = [
        server.get("/userinfo", headers=bearer(token)),
        server.post("/userinfo", headers=bearer(token)),
        server.post("/userinfo", data={"access_token": token}),
        server.get("/userinfo", headers={"authorization": f"bearer {token}"}),
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}


@pytest.mark.spec("RFC 6750 §3")
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer x y", "Basic eDp5", "Bearer \u00e9", "Token x", "Bearer gwat_"]
)
def test_no_good_token_is_a_401_with_a_challenge(server, header):
    headers = {"authorization": header.encode("utf-8")} if header else {}
    answer = server.get("/userinfo", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer realm=")


@pytest.mark.threat("T150")
@pytest.mark.spec("RFC 9700 §4.3.2")
def test_a_token_in_the_query_is_refused_everywhere(server, client):
    token = server.grant(client)["access_token"]
    for answer in (
        server.get(f"/userinfo?access_token={token}"),
        server.post(f"/userinfo?access_token={token}"),
        server.get(f"/userinfo?access_token={token}", headers=bearer(token)),
        server.get(f"/userinfo?%61ccess_token={token}"),
    ):
        assert answer.status_code in (400, 401)
        assert "sub" not in answer.json()


@pytest.mark.spec("RFC 6750 §2")
def test_a_token_sent_twice_is_refused(server, client):
    token = server.grant(client)["access_token"]
    both = server.post("/userinfo", data={"access_token": token}, headers=bearer(token))
    twice = server.post("/userinfo", data={"access_token": [token, token]})
    headers = server.get("/userinfo", headers=[*bearer(token).items(), *bearer(token).items()])
    assert [both.status_code, twice.status_code, headers.status_code] == [400, 400, 400]


@pytest.mark.spec("RFC 6750 §3.1")
def test_a_token_without_openid_is_insufficient(server, client, machine):
    answer = server.get("/userinfo", headers=bearer(server.grant(client, scope="profile")["access_token"]))
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert 'scope="openid"' in answer.headers["www-authenticate"]
    machines = server.token(machine, grant_type="client_credentials").json()["access_token"]
    assert server.get("/userinfo", headers=bearer(machines)).status_code == 401


@pytest.mark.threat("T132")
def test_claims_are_as_they_are_now_and_die_with_the_account(server, client, username):
    token = server.grant(client, scope="openid profile", username=username)["access_token"]
    subject = server.run(server.runtime.store.load_subject_by_username("default", username)).subject
    server.run(update_user(server.runtime, "default", subject, claims={"name": "Another Name"}, actor="test"))
    assert server.get("/userinfo", headers=bearer(token)).json()["name"] == "Another Name"
    server.run(disable_user(server.runtime, "default", subject, actor="test"))
    assert server.get("/userinfo", headers=bearer(token)).status_code == 401


def test_an_operators_own_data_about_a_person_is_not_told(server, client):
    token = server.grant(client, scope="openid profile email phone address")["access_token"]
    assert "1815" not in server.get("/userinfo", headers=bearer(token)).text


@pytest.mark.spec("RFC 9110 §8.6")
def test_head_answers_like_get_without_a_body(server, client):
    token = server.grant(client)["access_token"]
    got, head = (
        server.get("/userinfo", headers=bearer(token)),
        server.request("HEAD", "/userinfo", headers=bearer(token)),
    )
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    assert server.request("DELETE", "/userinfo", headers=bearer(token)).status_code == 405
