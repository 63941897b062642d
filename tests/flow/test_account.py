"""The account page: one's own sessions, clients and password, and nobody else's."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from grantway.admin.users import set_password
from grantway.testing.in_process import PASSWORD


@pytest.fixture
def browser(server, username):
    browser = server.browser()
    browser.log_in(username)
    return browser


def send(server, browser, path, **fields):
    browser.open("/account")
    token = browser.forms()[0].fields["csrf_token"]
    return server.run(browser.http.post(path, data={"csrf_token": token, **fields}))


def is_logged_in(server, browser):
    return server.run(browser.http.get("/account")).status_code == 200


def find_subject(server, username):
    return server.run(server.runtime.store.load_subject_by_username("default", username)).subject


def test_without_a_session_everything_leads_to_the_login(server):
    for method, path in (("GET", "/account"), ("POST", "/account/sessions"), ("POST", "/account/clients"),
                         ("POST", "/account/password"), ("POST", "/account/logout")):  # fmt: skip
        answer = server.request(method, path, data={"action": "x"} if method == "POST" else None)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.threat("T108")
def test_taking_access_away_kills_tokens_and_consent(server, browser, username):
    client = server.register_client(client_name="Web Shop")
    received = browser.authorize(client, username=username, scope="openid offline_access")
    tokens = server.redeem(client, received["code"]).json()
    pending = browser.authorize(client, scope="openid")["code"]
    assert "Web Shop" in browser.open("/account").text
    answer = send(server, browser, "/account/clients", client_id=client.client_id, action="revoke")
    assert "Web Shop" not in answer.text
    assert not server.is_active(client, tokens["access_token"])
    assert server.refresh(client, tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert server.redeem(client, pending).json()["error"] == "invalid_grant"
    browser.open(browser.build_authorization_url(client))
    assert 'id="allow"' in browser.page.text, "and it is asked anew"


@pytest.mark.threat("T108")
def test_access_of_other_clients_and_people_stays(server, browser, username):
    client, other = server.register_client(), server.register_client()
    kept = [server.grant(client), server.redeem(other, browser.authorize(other, username=username)["code"]).json()]
    send(server, browser, "/account/clients", client_id=client.client_id, action="revoke")
    assert server.is_active(client, kept[0]["access_token"])
    assert server.is_active(other, kept[1]["access_token"])
    assert send(server, browser, "/account/clients", client_id="nobody", action="revoke").status_code == 200
    assert send(server, browser, "/account/clients", action="revoke").status_code == 400


def test_ending_another_of_ones_sessions(server, browser, username):
    other = server.browser()
    other.log_in(username)
    subject = find_subject(server, username)
    sessions = server.run(server.runtime.store.list_sessions("default", subject, now=server.clock.now()))
    newest = sessions[0].session_id if is_logged_in(server, other) else ""
    ids = {session.session_id for session in sessions}
    assert len(ids) == 2
    browser.open("/account")
    ended = browser.forms()[1].fields["session_id"]
    assert ended in ids
    assert send(server, browser, "/account/sessions", session_id=ended, action="end").status_code == 200
    assert not is_logged_in(server, other)
    assert is_logged_in(server, browser)
    assert newest


@pytest.mark.threat("T135")
def test_nobody_ends_another_persons_session(server, browser):
    victim = server.browser()
    victim.log_in("ada")
    subject = find_subject(server, "ada")
    for session in server.run(server.runtime.store.list_sessions("default", subject, now=server.clock.now())):
        answer = send(server, browser, "/account/sessions", session_id=session.session_id, action="end")
        assert answer.status_code == 400
    assert is_logged_in(server, victim)
    unknown = [
        send(server, browser, "/account/sessions", session_id=value, action="end") for value in ("", "x", "a" * 5000)
    ]
    assert {answer.status_code for answer in unknown} == {400}


def test_ending_all_others_keeps_this_one(server, browser, username):
    others = [server.browser() for _ in range(3)]
    for other in others:
        other.log_in(username)
    send(server, browser, "/account/sessions", action="end_others")
    assert [is_logged_in(server, each) for each in [browser, *others]] == [True, False, False, False]


def test_ending_a_session_kills_what_is_bound_to_it(server, browser, username):
    client, other = server.register_client(), server.browser()
    bound = server.redeem(client, other.authorize(client, username=username)["code"]).json()
    received = other.authorize(client, scope="openid offline_access")
    offline = server.redeem(client, received["code"]).json()
    send(server, browser, "/account/sessions", action="end_others")
    assert not server.is_active(client, bound["access_token"])
    assert server.refresh(client, bound["refresh_token"]).status_code == 400
    assert server.is_active(client, offline["access_token"])


def test_the_password_changes_for_whoever_knows_the_old_one(server, browser, username):
    new = "an entirely new password"
    wrong = send(server, browser, "/account/password", current_password="wrong", new_password=new, action="change")
    assert wrong.status_code == 422
    for weak in ("short", "password1", "aaaaaaaaaaaa", username + "-12345", "x" * 257, ""):
        answer = send(
            server, browser, "/account/password", current_password=PASSWORD, new_password=weak, action="change"
        )
        assert answer.status_code == 422, weak
    changed = send(server, browser, "/account/password", current_password=PASSWORD, new_password=new, action="change")
    assert "was changed" in changed.text
    assert server.browser().log_in(username, new).status_code == 200
    assert server.browser().log_in(username, PASSWORD).status_code == 401


@pytest.mark.threat("T110")
def test_what_applications_got_for_the_old_password_ends_with_it(server, browser, username):
    legacy = server.register_client(grant_types=["password", "refresh_token"])
    form = {"grant_type": "password", "username": username, "password": PASSWORD, "scope": "read"}
    kept = [server.token(legacy, **form).json() for _ in range(3)]
    client = server.register_client()
    offline = server.redeem(client, browser.authorize(client, scope="openid offline_access")["code"]).json()
    others = server.register_user(f"{username}-neighbour").username
    neighbours = server.token(legacy, **{**form, "username": others}).json()
    new = "an entirely new password"
    changed = send(server, browser, "/account/password", current_password=PASSWORD, new_password=new, action="change")
    assert "was changed" in changed.text
    for tokens in kept:
        assert not server.is_active(legacy, tokens["access_token"])
        assert server.refresh(legacy, tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert server.is_active(client, offline["access_token"]), "of what did not come from the password nothing ends"
    assert server.is_active(legacy, neighbours["access_token"])
    assert server.token(legacy, **{**form, "password": new}).status_code == 200


@pytest.mark.threat("T110")
def test_a_password_that_an_administrator_sets_ends_it_too(server, username):
    legacy = server.register_client(grant_types=["password", "refresh_token"])
    form = {"grant_type": "password", "username": username, "password": PASSWORD, "scope": "read"}
    kept = server.token(legacy, **form).json()
    subject = find_subject(server, username)
    server.run(set_password(server.runtime, "default", subject, "quite another password", actor="test"))
    assert not server.is_active(legacy, kept["access_token"])
    assert server.refresh(legacy, kept["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.threat("T110")
def test_however_many_they_are(server, browser, username):
    legacy = server.register_client(grant_types=["password", "refresh_token"])
    subject, store, now = find_subject(server, username), server.runtime.store, server.clock.now()
    form = {"grant_type": "password", "username": username, "password": PASSWORD, "scope": "read"}
    first = server.token(legacy, **form).json()
    (made,) = server.run(store.list_authorizations("default", subject=subject)).items
    for number in range(120):
        later = replace(made, authorization_id=f"{subject}-{number}", created_at=now + number + 1)
        server.run(store.insert_authorization(later))
    send(server, browser, "/account/password", current_password=PASSWORD, new_password="x" * 5 + "another", action="x")
    assert server.run(store.list_authorizations("default", subject=subject)).items == ()
    assert not server.is_active(legacy, first["access_token"])


@pytest.mark.threat("T101")
def test_the_old_password_cannot_be_guessed_here_either(server, browser):
    statuses = [
        send(server, browser, "/account/password", current_password=f"guess{n}", new_password="x" * 12, action="change")
        for n in range(12)
    ]
    assert [answer.status_code for answer in statuses] == [422] * 10 + [429] * 2
    right = send(
        server, browser, "/account/password", current_password=PASSWORD, new_password="new pass word", action="x"
    )
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) > 0


@pytest.mark.threat("T95")
def test_what_browsers_and_people_call_themselves_is_text(server):
    evil = "<script>alert(1)</script>"
    server.register_user("mallory", name=evil, email=f"{evil}@example.com")
    browser = server.browser()
    browser.http.headers["user-agent"] = evil * 100
    browser.log_in("mallory")
    assert browser.page.status_code == 200
    assert "<script>alert" not in browser.page.text
    other = server.browser()
    other.http.headers["user-agent"] = b"\xff\xfe\x80".decode("latin-1")
    assert other.log_in("mallory").status_code == 200
