"""requests-oauthlib (OAuthlib's client) against the running server: OAuth 2.0 alone."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet
from oauthlib.oauth2 import (
    BackendApplicationClient,
    DeviceClient,
    InvalidGrantError,
    LegacyApplicationClient,
    MismatchingStateError,
    MobileApplicationClient,
)
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error
from requests_oauthlib import OAuth2Session

from .dev_server import DevServer
from .person import Person
from .relying_party import CALLBACK, STANDARD_SCOPE, check_metadata, check_userinfo


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


@pytest.mark.spec("RFC 6749 §4.2")
def test_requests_oauthlib_takes_a_token_out_of_the_fragment(
    dev: DevServer, person: Person, metadata: dict[str, Any]
) -> None:
    client = dev.add_client(
        client_name="Implicit", grant_types=["implicit"], response_types=["token"], redirect_uris=[CALLBACK],
        token_endpoint_auth_method="none", application_type="native",
    )  # fmt: skip
    implicit = MobileApplicationClient(client["client_id"])
    with OAuth2Session(client=implicit, redirect_uri=CALLBACK, scope=["openid", "email"]) as session:
        url, _ = session.authorization_url(metadata["authorization_endpoint"])
        answer = person.authorize(url)
        assert "?" not in answer
        token = session.token_from_fragment(answer)
        assert "refresh_token" not in token
        assert session.get(metadata["userinfo_endpoint"]).json()["email"] == dev.user["claims"]["email"]


@pytest.mark.spec("RFC 6749 §4.3")
def test_requests_oauthlib_signs_a_person_in_by_password(dev: DevServer, metadata: dict[str, Any]) -> None:
    client = dev.add_client(client_name="Old", grant_types=["password"], response_types=[], redirect_uris=[])
    with OAuth2Session(client=LegacyApplicationClient(client["client_id"], scope="openid email")) as session:
        session.fetch_token(
            metadata["token_endpoint"],
            username=dev.user["username"],
            password=dev.user["password"],
            client_secret=client["client_secret"],
        )
        assert session.get(metadata["userinfo_endpoint"]).json()["sub"] == dev.user["sub"]


@pytest.mark.spec("RFC 8628 §3.4")
@pytest.mark.spec("RFC 8628 §3.5")
def test_requests_oauthlib_lets_a_device_in(dev: DevServer, person: Person, metadata: dict[str, Any]) -> None:
    client = dev.add_client(
        client_name="Television", grant_types=[DeviceClient.grant_type], response_types=[], redirect_uris=[],
        token_endpoint_auth_method="none",
    )  # fmt: skip
    device = DeviceClient(client["client_id"], scope="openid email")
    with OAuth2Session(client=device) as session:
        form = {"client_id": client["client_id"], "scope": "openid email"}
        begun = session.post(metadata["device_authorization_endpoint"], form).json()

        def poll() -> dict[str, Any]:
            token: dict[str, Any] = session.fetch_token(
                metadata["token_endpoint"], device_code=begun["device_code"], include_client_id=True
            )
            return token

        with pytest.raises(CustomOAuth2Error, match="authorization_pending"):
            poll()
        person.visit(begun["verification_uri_complete"])
        time.sleep(begun["interval"])
        assert "id_token" in poll()
        assert session.get(metadata["userinfo_endpoint"]).json()["sub"] == dev.user["sub"]
