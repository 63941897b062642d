"""Clients that prove themselves by keys or certificates, made on the command line."""

from __future__ import annotations

import json

from cryptography.hazmat.primitives.asymmetric import ec
from tests.forged_jwts import build_jwk

MACHINE = ("--grant-type", "client_credentials", "--scope", "read", "--json")
JWKS = {"keys": [build_jwk(ec.generate_private_key(ec.SECP256R1()), kid="a")]}


def test_a_client_gets_its_keys_from_a_file_or_an_address(cli):
    (cli.folder / "jwks.json").write_text(json.dumps(JWKS), encoding="utf-8")
    made = cli("clients", "create", "--auth-method", "private_key_jwt", "--jwks", "jwks.json", *MACHINE).json()
    assert made["jwks"] == JWKS
    assert "client_secret" not in made
    address = "https://client.example/jwks"
    other = cli("clients", "create", "--auth-method", "private_key_jwt", "--jwks-uri", address, *MACHINE).json()
    assert other["jwks_uri"] == address


def test_keys_that_are_none_are_refused(cli):
    (cli.folder / "broken.json").write_text("{", encoding="utf-8")
    (cli.folder / "empty.json").write_text('{"keys": []}', encoding="utf-8")
    create = ("clients", "create", "--auth-method", "private_key_jwt")
    assert cli(*create, "--jwks", "broken.json", *MACHINE).code == 2
    assert cli(*create, "--jwks", "nowhere.json", *MACHINE).code == 1
    for wrong in (("--jwks", "empty.json"), (), ("--jwks-uri", "http://client.example/jwks")):
        ran = cli(*create, *wrong, *MACHINE)
        assert ran.code == 2
        assert ran.error()["error"] == "invalid_client_metadata"


def test_certificates_need_a_proxy_that_hands_them_on(cli):
    ran = cli("clients", "create", "--auth-method", "tls_client_auth", *MACHINE)
    assert ran.error()["error"] == "invalid_client_metadata"
    assert "token_endpoint_auth_method" in ran.error()["message"]


def test_a_secret_that_signs_is_shown_once(cli):
    made = cli("clients", "create", "--id", "signer", "--auth-method", "client_secret_jwt", *MACHINE).json()
    assert len(made["client_secret"]) >= 64
    assert "client_secret" not in cli("clients", "get", "signer", "--json").json()
    assert cli("clients", "rotate-secret", "signer", "--json").json()["client_secret"] != made["client_secret"]
    assert cli("keys", "reencrypt", "--json").json()["client_secrets_under_older_secrets"] == 0
