"""Assertions about people who have no account here: a trusted issuer vouches for them, each time."""

from __future__ import annotations

import pytest
from tests.bearers import JwtIssuer, SamlIssuer, said

from grantway.accounts import create_account
from grantway.admin.tokens import revoke_subject_tokens
from grantway.admin.users import create_user
from grantway.testing.in_process import InProcessServer

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@pytest.fixture(params=[JwtIssuer, SamlIssuer])
def bearer(request, server):
    """An issuer of either kind, for people of its own called ``zoe``."""
    bearer = request.param(server)
    bearer.subject = "zoe"
    bearer.trust(subject_is="external", scope=["openid", "read", "offline_access"])
    return bearer


def test_the_token_is_about_somebody_called_by_issuer_and_name(server, bearer):
    answer = bearer.send()
    assert answer.json()["scope"] == "read"  # nobody is here whom UserInfo could tell about
    claims = server.introspect(bearer.client, answer.json()["access_token"])
    assert claims["sub"] == f"{bearer.issuer}|zoe"
    assert "username" not in claims
    assert said(bearer.send(scope="openid")) == "invalid_scope"


def test_people_of_one_name_at_two_issuers_are_two_people(server, bearer):
    other = type(bearer)(server)
    other.subject = "zoe"
    other.trust(subject_is="external")
    subjects = {server.introspect(each.client, each.send().json()["access_token"])["sub"] for each in (bearer, other)}
    assert len(subjects) == 2


def test_nobody_becomes_somebody_with_an_account(server, bearer):
    person = server.register_user(server.runtime.tokens.generate_id())
    token = bearer.send(_sign(bearer, person.subject)).json()["access_token"]
    assert server.introspect(bearer.client, token)["sub"] == f"{bearer.issuer}|{person.subject}"
    account = {"username": server.runtime.tokens.generate_id(), "password": None, "subject": f"{bearer.issuer}|zoe"}
    server.run(create_account(server.runtime, "default", **account))
    assert said(bearer.send()) == "invalid_grant"


def _sign(bearer, subject):
    return bearer.sign(sub=subject) if isinstance(bearer, JwtIssuer) else bearer.sign(subject=subject)


def test_a_name_that_is_too_long_or_cannot_be_shown_is_refused(bearer):
    for name in ("x" * 255, "a\u202eb"):
        assert said(bearer.send(_sign(bearer, name))) == "invalid_grant"


def test_the_tokens_of_one_of_them_are_revoked_together():
    server = InProcessServer()
    try:
        bearer = JwtIssuer(server)
        bearer.trust(subject_is="external")
        zoe, max_ = (bearer.send(bearer.sign(sub=name)).json()["access_token"] for name in ("zoe", "max"))
        subject = f"{bearer.issuer}|zoe"
        server.run(revoke_subject_tokens(server.runtime, "default", subject, actor="test"))
        assert not server.is_active(bearer.client, zoe)
        assert server.is_active(bearer.client, max_)
        server.clock.advance(1)
        assert server.is_active(bearer.client, bearer.send(bearer.sign(sub="zoe")).json()["access_token"])
    finally:
        server.stop()


def test_such_a_token_is_for_apis_and_not_for_this_server(server, bearer):
    client = bearer.register_client(grant_types=[bearer.grant_type, EXCHANGE])
    bearer.trust(clients=[client.client_id], subject_is="external", subject="zoe")
    token = bearer.send(client=client).json()["access_token"]
    assert server.get("/userinfo", headers={"authorization": f"Bearer {token}"}).status_code in (401, 403)
    exchange = {"subject_token": token, "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
    assert said(server.token(client, grant_type=EXCHANGE, **exchange)) != "ok"


@pytest.mark.threat("T109")
def test_a_token_about_somebody_external_never_becomes_one_of_a_later_account(server):
    bearer = JwtIssuer(server)
    bearer.issuer, bearer.subject = "x2", "eve"
    bearer.trust(subject_is="external")
    token = bearer.send().json()["access_token"]
    assert server.is_active(bearer.client, token)
    server.run(create_user(server.runtime, "default", username="eve-of-x2", subject="x2|eve", actor="test"))
    assert not server.is_active(bearer.client, token)
