"""Authlib's client assertions, against the running server: as they are for a lax client, and told better for others."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, OctKey, RSAKey
from tests.forged_jwts import build_jwk

from .dev_server import DevServer

MACHINE = {"grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": "read"}
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(autouse=True)
def _http_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


def to_pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def build_session(dev: DevServer, method: Any, client_id: str, key: Any) -> OAuth2Session:
    session = OAuth2Session(client_id, key, scope="read", token_endpoint_auth_method=method)
    session.token_endpoint = f"{dev.issuer}/oauth2/token"
    return session


def choose_claims(dev: DevServer) -> dict[str, Any]:
    """What the documentation tells users of Authlib to set."""
    return {"aud": dev.issuer, "exp": int(time.time()) + 60, "jti": str(uuid.uuid4())}


@pytest.mark.spec("RFC 7523 §2.2")
@pytest.mark.parametrize(
    ("key", "loaded", "alg"),
    [(RSA, RSAKey.import_key(to_pem(RSA)), "RS256"), (EC, ECKey.import_key(to_pem(EC)), "ES256")],
)
def test_authlib_proves_a_client_by_its_key(dev: DevServer, key: Any, loaded: Any, alg: str) -> None:
    metadata = {**MACHINE, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [build_jwk(key)]}}
    client_id = dev.add_client(**metadata)["client_id"]
    for _ in range(2):
        method = PrivateKeyJWT(f"{dev.issuer}/oauth2/token", claims=choose_claims(dev), alg=alg)
        session = build_session(dev, method, client_id, loaded)
        token = session.fetch_token(session.token_endpoint, grant_type="client_credentials")
        assert token["access_token"].startswith("gwat_")
    with pytest.raises(OAuthError) as refusal:  # the token endpoint as the audience, and an hour
        build_session(dev, PrivateKeyJWT(alg=alg), client_id, loaded).fetch_token(
            f"{dev.issuer}/oauth2/token", grant_type="client_credentials"
        )
    assert refusal.value.error == "invalid_client"


@pytest.mark.spec("OpenID Connect Core §9")
def test_authlib_proves_a_client_by_its_secret(dev: DevServer) -> None:
    metadata = {**MACHINE, "token_endpoint_auth_method": "client_secret_jwt", "lax_assertion_audience": True}
    client = dev.add_client(**metadata)
    key = OctKey.import_key(client["client_secret"])
    endpoint = f"{dev.issuer}/oauth2/token"
    lasting = {"exp": int(time.time()) + 60, "jti": str(uuid.uuid4())}  # its own is an hour, the audience its own
    session = build_session(dev, ClientSecretJWT(endpoint, claims=lasting), client["client_id"], key)
    assert session.fetch_token(endpoint, grant_type="client_credentials")["scope"] == "read"
    with pytest.raises(OAuthError) as replayed:
        session.fetch_token(endpoint, grant_type="client_credentials")
    assert replayed.value.error == "invalid_client"
