"""ID tokens: who logged in, when, how, for whom; checked with other people's libraries."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode

import pytest
from authlib.oidc.core import CodeIDToken

from grantway.protocol.sealing import decode_base64url
from grantway.testing.in_process import ISSUER


def half_hash(value, function=hashlib.sha256):
    digest = function(value.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


@pytest.mark.spec("OpenID Connect Core §2")
def test_an_id_token_says_who_logged_in_when_and_how(server, client, verify):
    answer = server.grant(client, scope="openid profile email", nonce="n-0S6_WzA2Mj")
    token = verify(answer["id_token"])
    claims, now = token.claims, server.clock.now() // 1000
    assert token.header == {"alg": "RS256", "typ": "JWT", "kid": token.header["kid"]}
    assert claims["iss"] == ISSUER
    assert claims["aud"] == claims["azp"] == client.client_id
    assert (claims["iat"], claims["exp"], claims["auth_time"]) == (now, now + 3600, now)
    assert claims["nonce"] == "n-0S6_WzA2Mj"
    assert claims["amr"] == ["pwd"]
    assert claims["acr"] == "urn:grantway:acr:password"
    assert claims["at_hash"] == half_hash(answer["access_token"])
    assert claims["sid"] == server.introspect(client, answer["access_token"])["sid"]
    assert not {"name", "email", "employee_number"} & set(claims), "claims of scopes are for userinfo"


@pytest.mark.spec("OpenID Connect Core §3.1.3.7")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_authlib_accepts_it(server, verify, alg):
    client = server.register_client(id_token_signed_response_alg=alg)
    answer = server.grant(client, nonce="abc", max_age="60")
    token = verify(answer["id_token"])
    claims = CodeIDToken(
        token.claims,
        token.header,
        options={"iss": {"value": ISSUER}, "aud": {"value": client.client_id}},
        params={"nonce": "abc", "max_age": 60, "access_token": answer["access_token"], "client_id": client.client_id},
    )
    assert token.header["alg"] == alg
    claims.validate(now=server.clock.now() // 1000)
    assert claims["at_hash"] == half_hash(answer["access_token"])


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_without_openid_there_is_no_id_token_and_no_nonce(server, client):
    assert "id_token" not in server.grant(client, scope="read")


@pytest.mark.threat("T16")
def test_a_request_without_nonce_gives_a_token_without_nonce(server, client, verify):
    assert "nonce" not in verify(server.grant(client, nonce=None)["id_token"]).claims


@pytest.mark.spec("OpenID Connect Core §15.5.2")
@pytest.mark.parametrize("nonce", ["x" * 64, "~!@#$%^&*()_+-={}|[]:;'<>,.?/\"\\", "x" * 512])
def test_a_nonce_comes_back_as_it_was(server, client, verify, nonce):
    assert verify(server.grant(client, nonce=nonce)["id_token"]).claims["nonce"] == nonce


@pytest.mark.spec("OpenID Connect Core §5.5")
def test_claims_asked_for_by_name_go_where_they_were_asked_for(server, client, verify):
    claims = json.dumps(
        {
            "id_token": {"email": {"essential": True}, "given_name": None, "auth_time": None, "unknown": None},
            "userinfo": {"phone_number": None},
        }
    )
    answer = server.grant(client, scope="openid", claims=claims)
    token = verify(answer["id_token"]).claims
    assert (token["email"], token["given_name"]) == ("ada@example.com", "Ada")
    assert "phone_number" not in token
    header = {"authorization": f"Bearer {answer['access_token']}"}
    assert server.get("/userinfo", headers=header).json() == {
        "sub": token["sub"],
        "phone_number": "+44 20 7946 0000",
    }


@pytest.mark.spec("OpenID Connect Core §5.5.1")
def test_a_claim_with_another_value_is_left_out(server, client, verify):
    claims = json.dumps({"id_token": {"email": {"value": "x@example.com"}, "given_name": {"values": ["Ada", "Eve"]}}})
    token = verify(server.grant(client, scope="openid", claims=claims)["id_token"]).claims
    assert "email" not in token
    assert token["given_name"] == "Ada"


@pytest.mark.threat("T107")
def test_the_claims_parameter_forges_no_protocol_claim_and_reads_nothing_private(server, client, verify):
    names = ["iss", "aud", "exp", "sid", "employee_number", "password", "roles", "username_key", "sub"]
    answer = server.grant(client, scope="openid", claims=json.dumps({"id_token": dict.fromkeys(names)}))
    token = verify(answer["id_token"]).claims
    assert (token["iss"], token["aud"]) == (ISSUER, client.client_id)
    assert not {"employee_number", "password", "roles", "username_key"} & set(token)
    assert "1815" not in json.dumps(token)


@pytest.mark.threat("T107")
@pytest.mark.threat("T108")
def test_the_person_is_told_of_claims_that_no_scope_covers(server, client):
    browser = server.browser()
    claims = json.dumps({"userinfo": {"email": None}, "id_token": {"phone_number": None}})
    browser.open(browser.build_authorization_url(client, scope="openid", claims=claims))
    browser.submit(username="ada", password="correct horse battery staple", action="login")
    assert 'id="allow"' in browser.page.text
    assert "See your email address" in browser.page.text
    assert "See your phone number" in browser.page.text


@pytest.mark.threat("T107")
def test_claims_of_a_scope_the_person_refused_are_refused_too(server, client):
    browser = server.browser()
    claims = json.dumps({"userinfo": {"email": None}})
    browser.open(browser.build_authorization_url(client, scope="openid email", claims=claims))
    browser.submit(username="ada", password="correct horse battery staple", action="login")
    browser.submit(scope=["openid"], action="allow")
    answer = server.redeem(client, browser.received()["code"]).json()
    assert answer["scope"] == "openid"
    header = {"authorization": f"Bearer {answer['access_token']}"}
    assert set(server.get("/userinfo", headers=header).json()) == {"sub"}


@pytest.mark.spec("OpenID Connect Core §8.1")
def test_pairwise_subjects_are_stable_in_a_sector_and_unlinkable_elsewhere(server, verify):
    def subject(client):
        return verify(server.grant(client)["id_token"]).claims["sub"]

    one = server.register_client(subject_type="pairwise", redirect_uris=["https://one.example/cb"])
    same = server.register_client(subject_type="pairwise", redirect_uris=["https://one.example/other"])
    two = server.register_client(subject_type="pairwise", redirect_uris=["https://two.example/cb"])
    public, public_again = server.register_client(), server.register_client()
    assert subject(one) == subject(one) == subject(same)
    assert len({subject(one), subject(two), subject(public)}) == 3
    assert subject(public) == subject(public_again)


@pytest.mark.spec("OpenID Connect Core §8.1")
def test_a_pairwise_client_never_sees_the_public_subject(server, verify):
    client = server.register_client(subject_type="pairwise")
    public = verify(server.grant(server.register_client())["id_token"]).claims["sub"]
    answer = server.grant(client, scope="openid profile email")
    pairwise = verify(answer["id_token"]).claims["sub"]
    header = {"authorization": f"Bearer {answer['access_token']}"}
    seen = [server.get("/userinfo", headers=header).json(), server.introspect(client, answer["access_token"])]
    seen += [server.introspect(client, answer["refresh_token"]), verify(answer["id_token"]).claims]
    assert {item["sub"] for item in seen} == {pairwise}
    assert public not in json.dumps(seen)


def test_the_ttl_of_the_clients_id_tokens_counts(server, verify):
    claims = verify(server.grant(server.register_client(id_token_ttl=120))["id_token"]).claims
    assert claims["exp"] - claims["iat"] == 120


@pytest.mark.threat("T106")
@pytest.mark.spec("OpenID Connect Core §8.1")
def test_a_pairwise_client_cannot_find_out_by_trying_who_somebody_is(server):
    """A sub that it asks for by the claims parameter is compared with the one it knows, never with the real one."""
    client = server.register_client(subject_type="pairwise")
    browser = server.browser()
    browser.authorize(client)
    real = server.run(server.runtime.store.load_subject_by_username("default", "ada")).subject
    claims = json.dumps({"id_token": {"sub": {"value": real}}})
    browser.open(browser.build_authorization_url(client, prompt="none", claims=claims))
    assert browser.received()["error"] == "login_required"
    known = server.grant(client)["id_token"]
    sub = json.loads(decode_base64url(known.split(".")[1]))["sub"]
    claims = json.dumps({"id_token": {"sub": {"value": sub}}})
    browser.open(browser.build_authorization_url(client, prompt="none", claims=claims))
    assert "code" in browser.received()
