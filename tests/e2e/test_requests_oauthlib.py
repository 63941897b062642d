"""requests-oauthlib (OAuthlib's client) against the running server: OAuth 2.0 alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet
from oauthlib.oauth2 import BackendApplicationClient, InvalidGrantError, MismatchingStateError
from requests_oauthlib import OAuth2Session

from .dev_server import DevServer
from .person import Person
from .relying_party import STANDARD_SCOPE, check_metadata, check_userinfo

CALLBACK = "http://127.0.0.1:4446/callback"


@pytest.fixture(autouse=True)
def _http_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture
def metadata(dev: DevServer) -> dict[str, Any]:
    answer = requests.get(f"{dev.issuer}/.well-known/oauth-authorization-server", timeout=10)
    document: dict[str, Any] = answer.json()
    check_metadata(document, dev.issuer)
    return document


def build_session(client: dict[str, Any]) -> OAuth2Session:
    return OAuth2Session(client["client_id"], redirect_uri=CALLBACK, scope=STANDARD_SCOPE.split(), pkce="S256")


@pytest.mark.spec("RFC 6749 §4.1")
@pytest.mark.spec("RFC 9207 §2.4")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_requests_oauthlib_runs_the_code_flow_and_refreshes(
    dev: DevServer, person: Person, metadata: dict[str, Any], web_clients: dict[str, dict[str, Any]], alg: str
) -> None:
    client = web_clients[alg]
    with build_session(client) as session:
        url, _ = session.authorization_url(metadata["authorization_endpoint"], nonce="a nonce")
        answer = person.authorize(url)
        assert dict(parse_qsl(urlsplit(answer).query))["iss"] == dev.issuer
        token = session.fetch_token(
            metadata["token_endpoint"], authorization_response=answer, client_secret=client["client_secret"]
        )
        assert token["scope"] == STANDARD_SCOPE.split()
        keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
        claims = jwt.decode(token["id_token"], keys, algorithms=[alg]).claims
        assert (claims["iss"], claims["aud"], claims["nonce"]) == (dev.issuer, client["client_id"], "a nonce")
        check_userinfo(session.get(metadata["userinfo_endpoint"]).json(), dev.user)
        fresh = session.refresh_token(metadata["token_endpoint"], auth=(client["client_id"], client["client_secret"]))
        assert fresh["refresh_token"] != token["refresh_token"]
        check_userinfo(session.get(metadata["userinfo_endpoint"]).json(), dev.user)


@pytest.mark.spec("RFC 7009 §2.1")
def test_requests_oauthlib_revokes_for_a_public_client(
    dev: DevServer, person: Person, metadata: dict[str, Any]
) -> None:
    with build_session(dev.client("demo-spa")) as session:
        url, _ = session.authorization_url(metadata["authorization_endpoint"])
        token = session.fetch_token(
            metadata["token_endpoint"], authorization_response=person.authorize(url), include_client_id=True
        )
        address, headers, body = session._client.prepare_token_revocation_request(
            metadata["revocation_endpoint"], token["refresh_token"], "refresh_token", client_id="demo-spa"
        )
        assert requests.post(address, data=body, headers=headers, timeout=10).status_code == 200
        with pytest.raises(InvalidGrantError):
            session.refresh_token(metadata["token_endpoint"], client_id="demo-spa")


@pytest.mark.spec("RFC 6749 §10.12")
def test_requests_oauthlib_refuses_the_answer_to_another_state(
    dev: DevServer, person: Person, metadata: dict[str, Any]
) -> None:
    with build_session(dev.client("demo-spa")) as session, build_session(dev.client("demo-spa")) as other:
        answer = person.authorize(session.authorization_url(metadata["authorization_endpoint"])[0])
        other.authorization_url(metadata["authorization_endpoint"])
        with pytest.raises(MismatchingStateError):
            other.fetch_token(metadata["token_endpoint"], authorization_response=answer, include_client_id=True)


@pytest.mark.spec("RFC 6749 §4.4")
def test_requests_oauthlib_fetches_a_token_for_a_machine(dev: DevServer, metadata: dict[str, Any]) -> None:
    client = dev.client("demo-machine")
    with OAuth2Session(client=BackendApplicationClient(client["client_id"], scope="read write")) as session:
        token = session.fetch_token(metadata["token_endpoint"], client_secret=client["client_secret"])
    assert token["scope"] == ["read", "write"]
