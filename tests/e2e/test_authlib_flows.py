"""The flows besides the code flow, by Authlib, against the running server."""

from __future__ import annotations

import secrets
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import AssertionSession, OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from authlib.oidc.core import HybridIDToken, ImplicitIDToken
from joserfc.jwk import ECKey, RSAKey

from .authlib_app import build_app
from .dev_server import DevServer
from .person import Person
from .relying_party import CALLBACK, add_trusted_issuer

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FRONT_CHANNEL = {
    "id_token token": ImplicitIDToken,
    "code id_token": HybridIDToken,
    "code id_token token": HybridIDToken,
}
"""Authlib's rules for the ID token of each response type."""


@pytest.fixture(autouse=True)
def _http_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


def add_client(dev: DevServer, response_type: str, **metadata: Any) -> dict[str, Any]:
    grant_types = ["implicit", "authorization_code"] if "code" in response_type else ["implicit"]
    return dev.add_client(
        client_name=response_type, grant_types=grant_types, response_types=[response_type],
        redirect_uris=[CALLBACK], application_type="native", **metadata,
    )  # fmt: skip


@pytest.mark.spec("OpenID Connect Core §3.2.2.11")
@pytest.mark.spec("OpenID Connect Core §3.3.2.12")
@pytest.mark.parametrize("response_type", FRONT_CHANNEL)
def test_authlib_believes_the_id_token_of_the_front_channel(dev: DevServer, person: Person, response_type: str) -> None:
    client = add_client(dev, response_type)
    app = build_app(dev, client, "openid email")
    begun = app.create_authorization_url(CALLBACK, response_type=response_type)
    answer = dict(parse_qsl(urlsplit(person.authorize(begun["url"])).fragment))
    assert answer["state"] == begun["state"]

    class Rules(FRONT_CHANNEL[response_type]):  # what is bound to the ID token by a digest is in its parameters
        def __init__(self, payload: Any, header: Any, options: Any, params: dict[str, Any]) -> None:
            super().__init__(payload, header, options, {**params, **answer, "nonce": begun["nonce"]})

    claims = app.parse_id_token(answer, nonce=begun["nonce"], claims_cls=Rules)
    assert claims["sub"] == dev.user["sub"]
    if "code" in answer:
        # Authlib asks with PKCE for the response type code alone; the nonce does what it would (RFC 9700 §2.1.1)
        token = app.fetch_access_token(CALLBACK, code=answer["code"])
        assert app.parse_id_token(token, nonce=begun["nonce"])["sub"] == dev.user["sub"]


@pytest.mark.spec("RFC 7523 §2.2")
@pytest.mark.spec("OpenID Connect Core §9")
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_authlib_proves_a_machine_by_its_private_key(dev: DevServer, alg: str) -> None:
    key = RSAKey.generate_key(2048) if alg == "RS256" else ECKey.generate_key("P-256")
    client = add_machine(dev, "private_key_jwt", jwks={"keys": [{**key.as_dict(private=False), "alg": alg}]})
    for _ in range(2):
        method = PrivateKeyJWT(alg=alg, claims=build_claims(aud=dev.issuer))
        assert fetch_token(dev, client, key, method)["scope"] == "read"


@pytest.mark.spec("OpenID Connect Core §9")
@pytest.mark.parametrize("alg", ["HS256", "HS512"])
def test_authlib_proves_a_machine_by_a_jwt_of_its_secret(dev: DevServer, alg: str) -> None:
    client = add_machine(dev, "client_secret_jwt", token_endpoint_auth_signing_alg=alg)
    for _ in range(2):
        method = ClientSecretJWT(alg=alg, claims=build_claims(aud=dev.issuer))
        assert fetch_token(dev, client, client["client_secret"], method)["scope"] == "read"


@pytest.mark.spec("RFC 7523 §3")
def test_authlibs_own_audience_is_for_clients_that_are_allowed_it(dev: DevServer) -> None:
    """Left to itself Authlib writes the token endpoint into ``aud``, which another server could have told it."""
    key = ECKey.generate_key("P-256")
    jwks = {"keys": [key.as_dict(private=False)]}
    lax = add_machine(dev, "private_key_jwt", jwks=jwks, lax_assertion_audience=True)
    assert fetch_token(dev, lax, key, PrivateKeyJWT(alg="ES256", claims=build_claims()))["scope"] == "read"
    strict = add_machine(dev, "private_key_jwt", jwks=jwks)
    with pytest.raises(OAuthError) as refusal:
        fetch_token(dev, strict, key, PrivateKeyJWT(alg="ES256", claims=build_claims()))
    assert refusal.value.error == "invalid_client"


@pytest.mark.spec("RFC 7523 §2.1")
def test_authlibs_assertion_session_gets_itself_tokens(dev: DevServer) -> None:
    client = dev.add_client(client_name="Back office", grant_types=[JWT_BEARER], response_types=[], redirect_uris=[])
    issuer, key = add_trusted_issuer(dev, client)
    with AssertionSession(
        f"{dev.issuer}/oauth2/token", issuer, dev.user["sub"], dev.issuer, scope="openid email",
        header={"alg": "ES256", "kid": "k1"}, key=key, expires_in=60,
    ) as session:  # fmt: skip
        session.auth = (client["client_id"], client["client_secret"])
        seen = session.get(f"{dev.issuer}/userinfo").json()
        assert (seen["sub"], seen["email"]) == (dev.user["sub"], dev.user["claims"]["email"])
        first = session.token["access_token"]
        session.refresh_token()
        assert session.token["access_token"] != first


@pytest.mark.spec("RFC 6749 §4.3")
def test_authlib_signs_a_person_in_by_password_and_refreshes(dev: DevServer) -> None:
    client = dev.add_client(
        client_name="Old and trusted", grant_types=["password", "refresh_token"], response_types=[], redirect_uris=[]
    )
    endpoint = f"{dev.issuer}/oauth2/token"
    with OAuth2Session(client["client_id"], client["client_secret"], scope="openid email") as session:
        token = session.fetch_token(endpoint, username=dev.user["username"], password=dev.user["password"])
        fresh = session.refresh_token(endpoint, refresh_token=token["refresh_token"])
        assert fresh["access_token"] != token["access_token"]
        assert session.get(f"{dev.issuer}/userinfo").json()["sub"] == dev.user["sub"]
        with pytest.raises(OAuthError) as refusal:
            session.fetch_token(endpoint, username=dev.user["username"], password="a wrong one")
        assert refusal.value.error == "invalid_grant"


def add_machine(dev: DevServer, method: str, **metadata: Any) -> dict[str, Any]:
    return dev.add_client(
        client_name="Machine", grant_types=["client_credentials"], response_types=[], redirect_uris=[], scope="read",
        token_endpoint_auth_method=method, **metadata,
    )  # fmt: skip


def build_claims(**claims: Any) -> dict[str, Any]:
    """For one assertion: Authlib's own would be good for an hour, and claims given to it keep their ``jti``."""
    return {"exp": int(time.time()) + 60, "jti": secrets.token_urlsafe(), **claims}


def fetch_token(dev: DevServer, client: dict[str, Any], key: Any, method: ClientSecretJWT) -> dict[str, Any]:
    with OAuth2Session(client["client_id"], key, scope="read", token_endpoint_auth_method=method.name) as session:
        session.register_client_auth_method(method)
        return dict(session.fetch_token(f"{dev.issuer}/oauth2/token", grant_type="client_credentials"))
