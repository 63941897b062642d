"""The public keys that a client registers, and where."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.forged_jwts import build_jwk

from grantway.errors import InvalidClientMetadata
from grantway.model import Client
from grantway.protocol.client_keys import KEY_METADATA, check_keys, read_jwks

JWKS = {"keys": [build_jwk(ec.generate_private_key(ec.SECP256R1()), kid="a")]}
URI = "https://client.example/jwks"


def client(**extra):
    return Client(tenant="default", client_id="shop", token_endpoint_auth_method="private_key_jwt", extra=extra)


@pytest.mark.spec("RFC 7591 §2")
def test_keys_are_in_one_place():
    for extra in ({}, {"jwks": JWKS}, {"jwks_uri": URI}, {"jwks": {"keys": []}}):
        check_keys(client(**extra), is_required=False)
    for extra in ({"jwks": JWKS}, {"jwks_uri": URI}):
        check_keys(client(**extra), is_required=True)
    for is_required in (True, False):
        with pytest.raises(InvalidClientMetadata, match="both"):
            check_keys(client(jwks=JWKS, jwks_uri=URI), is_required=is_required)
    for extra in ({}, {"jwks": {"keys": []}}, {"jwks": {"keys": [{"kty": "unknown"}]}}):
        with pytest.raises(InvalidClientMetadata, match="needs a key"):
            check_keys(client(**extra), is_required=True)


@pytest.mark.threat("T63")
@pytest.mark.parametrize("value", [5, "x", [], {}, {"keys": {}}, {"keys": [{"kty": "oct", "k": "AAAA"}]}])
def test_a_key_set_that_cannot_be_used_is_refused(value):
    with pytest.raises(InvalidClientMetadata, match="jwks"):
        read_jwks("jwks", value)


def test_a_key_set_is_stored_as_it_came():
    assert KEY_METADATA["jwks"].read("jwks", JWKS) == JWKS
    assert KEY_METADATA["jwks_uri"].read("jwks_uri", URI) == URI
    with pytest.raises(InvalidClientMetadata):
        KEY_METADATA["jwks_uri"].read("jwks_uri", "http://client.example/jwks")
