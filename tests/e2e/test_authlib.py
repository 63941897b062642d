"""Authlib's OpenID client, as its framework integrations put it together, against the running server."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from .authlib_app import App, build_app
from .dev_server import DevServer
from .person import Person
from .relying_party import CALLBACK, check_metadata, check_userinfo, read_alg


@pytest.fixture(autouse=True)
def _http_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


def sign_in(app: App, person: Person, issuer: str, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The whole code flow: (token answer, claims of the ID token that Authlib checked)."""
    begun = app.create_authorization_url(CALLBACK, **parameters)
    answer = dict(parse_qsl(urlsplit(person.authorize(begun["url"])).query))
    assert answer["state"] == begun["state"]
    assert answer["iss"] == issuer  # RFC 9207 §2.4
    token = app.fetch_access_token(CALLBACK, code=answer["code"], code_verifier=begun["code_verifier"])
    claims = app.parse_id_token(token, nonce=begun["nonce"])
    assert claims is not None
    return dict(token), dict(claims)


def build_session(app: App, token: dict[str, Any]) -> OAuth2Session:
    return OAuth2Session(
        app.client_id,
        app.client_secret,
        token=token,
        scope=app.client_kwargs["scope"],
        token_endpoint_auth_method=app.client_kwargs["token_endpoint_auth_method"],
        revocation_endpoint_auth_method=app.client_kwargs["token_endpoint_auth_method"],
    )


@pytest.mark.spec("OpenID Connect Core §3.1.3.7")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_authlib_signs_a_person_in_and_believes_the_id_token(
    dev: DevServer, person: Person, web_clients: dict[str, dict[str, Any]], alg: str
) -> None:
    app = build_app(dev, web_clients[alg])
    check_metadata(app.load_server_metadata(), dev.issuer)
    token, claims = sign_in(app, person, dev.issuer)
    assert claims["sub"] == dev.user["sub"]
    assert claims["at_hash"]
    assert read_alg(token["id_token"]) == alg
    check_userinfo(dict(app.userinfo(token=token)), dev.user)


@pytest.mark.spec("OpenID Connect Core §3.1.3.7")
def test_authlib_refuses_the_id_token_when_the_nonce_is_another(dev: DevServer, person: Person) -> None:
    app = build_app(dev, dev.client("demo-web"))
    begun = app.create_authorization_url(CALLBACK)
    answer = dict(parse_qsl(urlsplit(person.authorize(begun["url"])).query))
    token = app.fetch_access_token(CALLBACK, code=answer["code"], code_verifier=begun["code_verifier"])
    with pytest.raises(Exception, match="nonce"):
        app.parse_id_token(token, nonce="another")


@pytest.mark.spec("RFC 7636 §4.6")
def test_authlib_gets_no_token_with_another_code_verifier(dev: DevServer, person: Person) -> None:
    app = build_app(dev, dev.client("demo-web"))
    begun = app.create_authorization_url(CALLBACK)
    answer = dict(parse_qsl(urlsplit(person.authorize(begun["url"])).query))
    with pytest.raises(OAuthError) as refusal:
        app.fetch_access_token(CALLBACK, code=answer["code"], code_verifier="w" * 43)
    assert refusal.value.error == "invalid_grant"


@pytest.mark.spec("RFC 6749 §6")
@pytest.mark.spec("RFC 7662 §2")
@pytest.mark.spec("RFC 7009 §2")
@pytest.mark.parametrize("client_id", ["demo-web", "demo-spa"])
def test_authlib_refreshes_introspects_and_revokes(dev: DevServer, person: Person, client_id: str) -> None:
    client = dev.client(client_id)
    app = build_app(dev, client)
    token, _ = sign_in(app, person, dev.issuer)
    metadata = app.load_server_metadata()
    with build_session(app, token) as session:
        fresh = dict(session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"]))
        assert fresh["access_token"] != token["access_token"]
        if client["client_secret"] is not None:
            seen = session.introspect_token(metadata["introspection_endpoint"], token=fresh["access_token"]).json()
            assert seen["active"] is True
            assert seen["sub"] == dev.user["sub"]
            assert seen["client_id"] == client_id
        revoked = session.revoke_token(
            metadata["revocation_endpoint"], token=fresh["refresh_token"], token_type_hint="refresh_token"
        )
        assert revoked.status_code == 200
        with pytest.raises(OAuthError) as refusal:
            session.refresh_token(metadata["token_endpoint"], refresh_token=fresh["refresh_token"])
        assert refusal.value.error == "invalid_grant"
    answer = requests.get(
        metadata["userinfo_endpoint"], headers={"authorization": f"Bearer {fresh['access_token']}"}, timeout=10
    )
    assert answer.status_code == 401


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
def test_authlib_builds_a_logout_that_is_obeyed_and_sends_the_person_back(dev: DevServer, person: Person) -> None:
    app = build_app(dev, dev.client("demo-web"))
    token, _ = sign_in(app, person, dev.issuer)
    logout = app.create_logout_url("http://127.0.0.1:4446/", id_token_hint=token["id_token"])
    assert person.authorize(logout["url"]) == f"http://127.0.0.1:4446/?state={logout['state']}"
    person.seen.clear()
    sign_in(app, person, dev.issuer)
    assert person.seen[0] == "login"


@pytest.mark.spec("RFC 6749 §4.4")
def test_authlib_fetches_a_token_for_a_machine(dev: DevServer) -> None:
    client = dev.client("demo-machine")
    with OAuth2Session(client["client_id"], client["client_secret"], scope="read") as session:
        token = session.fetch_token(f"{dev.issuer}/oauth2/token", grant_type="client_credentials")
    assert token["scope"] == "read"
    assert "refresh_token" not in token
