"""Access tokens of both kinds: what is in them, who can read them, and that nothing else passes for one."""

from __future__ import annotations

import json
import string

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from grantway.protocol.sealing import decode_base64url, encode_base64url
from grantway.testing.in_process import ISSUER

GRANT = {"grant_type": "client_credentials"}
ALPHABET = string.ascii_letters + string.digits + "-_"


@pytest.fixture(params=["opaque", "jwt"])
def any_machine(request, server):
    return server.register_client(
        grant_types=["client_credentials"],
        scope="read",
        access_token_format=request.param,
        audience=["https://api.example"],
    )


@pytest.fixture
def jwt_machine(server):
    return server.register_client(
        grant_types=["client_credentials"], scope="read", access_token_format="jwt", audience=["https://api.example"]
    )


@pytest.fixture
def token(server, any_machine):
    return server.token(any_machine, **GRANT).json()["access_token"]


def is_alive(server, client, token):
    """Whether anybody takes the token: an answer other than 200 is a no."""
    answer = server.send_as(client, "/oauth2/introspect", token=token)
    return answer.status_code == 200 and answer.json()["active"]


@pytest.mark.threat("T34")
def test_one_altered_character_is_another_token(server, any_machine, token):
    assert is_alive(server, any_machine, token)
    for position in [*range(0, len(token), 7), *range(len(token) - 6, len(token))]:
        for character in ("A", "_", "b", "."):
            altered = token[:position] + character + token[position + 1 :]
            if altered != token:
                assert not is_alive(server, any_machine, altered), (position, character)


@pytest.mark.threat("T34")
def test_spare_bits_and_junk_make_no_second_spelling(server, any_machine, token):
    spellings = [
        token[:-1], token[:-2], token[:-4], token + "A", token + "=", token + "==", token + " ", " " + token,
        token + "\n",
        "\t" + token, token + "\x00", token + ".", token.swapcase(), token.upper(), token.lower(), token + "%3D",
        token.replace("-", "+"), token.replace("_", "/"), token[:30] + "\n" + token[30:], token[:30] + "!" + token[30:],
        token + "\u00e9", "\ufeff" + token, token[:5], token.replace("_", "-", 1), token * 2,
    ]  # fmt: skip
    spellings += [token[:-1] + character for character in ALPHABET if character != token[-1]]
    for spelling in spellings:
        if spelling != token:
            assert not is_alive(server, any_machine, spelling), repr(spelling[-20:])
    assert is_alive(server, any_machine, token)


def test_a_token_expires_to_the_millisecond(server, any_machine):
    answer = server.token(any_machine, **GRANT).json()
    server.clock.advance(answer["expires_in"] - 1.001)
    assert is_alive(server, any_machine, answer["access_token"])
    server.clock.advance(1.001)
    assert not is_alive(server, any_machine, answer["access_token"])


@pytest.mark.threat("T37")
def test_no_two_tokens_are_alike(server, any_machine):
    tokens = [server.token(any_machine, **GRANT).json()["access_token"] for _ in range(50)]
    assert len(set(tokens)) == 50


def test_an_opaque_token_shows_nothing_but_its_kind(server):
    client = server.register_client(
        "visible-client",
        grant_types=["client_credentials"],
        scope="visible-scope",
        audience=["https://visible.example"],
    )
    token = server.token(client, **GRANT).json()["access_token"]
    assert token.startswith("gwat_")
    assert b"visible" not in decode_base64url(token[5:])


def test_the_ttl_of_a_client_counts_and_the_ceiling_above_it(server):
    short = server.register_client(grant_types=["client_credentials"], scope="read", access_token_ttl=30)
    long = server.register_client(grant_types=["client_credentials"], scope="read", access_token_ttl=10**8)
    assert server.token(short, **GRANT).json()["expires_in"] == 30
    assert server.token(long, **GRANT).json()["expires_in"] == 86400


# -- JWT --------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("RFC 9068 §2.2")
def test_a_jwt_access_token_has_what_rfc_9068_asks_for(server, jwt_machine, verify):
    answer = server.token(jwt_machine, **GRANT).json()
    token = verify(answer["access_token"])
    assert token.header["typ"] == "at+jwt"
    assert token.header["alg"] == "ES256"
    assert set(token.claims) >= {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope"}
    assert token.claims["iss"] == ISSUER
    assert token.claims["aud"] == "https://api.example"
    assert token.claims["sub"] == token.claims["client_id"] == jwt_machine.client_id
    assert token.claims["exp"] - token.claims["iat"] == answer["expires_in"] == 600


@pytest.mark.spec("RFC 9068 §2.2")
def test_a_jwt_for_a_person_names_person_session_and_login(server, verify):
    client = server.register_client(access_token_format="jwt")
    answer = server.grant(client, scope="openid read")
    claims, identity = verify(answer["access_token"]).claims, verify(answer["id_token"]).claims
    for name in ("sub", "auth_time", "acr", "sid"):
        assert claims[name] == identity[name], name
    assert claims["client_id"] == client.client_id
    assert claims["scope"] == "openid read"
    assert claims["aud"] == ISSUER


@pytest.mark.spec("RFC 9068 §2.1")
def test_the_signature_follows_the_client(server, verify):
    client = server.register_client(
        grant_types=["client_credentials"], scope="read", access_token_format="jwt",
        access_token_signed_response_alg="RS256",
    )  # fmt: skip
    token = server.token(client, **GRANT).json()["access_token"]
    assert verify(token).header["alg"] == "RS256"
    assert server.is_active(client, token)


def test_a_pairwise_jwt_hides_the_subject_yet_dies_with_it(server, username, verify):
    from grantway.admin.users import disable_user

    client = server.register_client(access_token_format="jwt", subject_type="pairwise")
    answer = server.grant(client, username=username)
    subject = server.run(server.runtime.store.load_subject_by_username("default", username)).subject
    claims = verify(answer["access_token"]).claims
    assert claims["sub"] == verify(answer["id_token"]).claims["sub"] != subject
    assert subject not in json.dumps(claims)
    assert server.introspect(client, answer["access_token"])["sub"] == claims["sub"]
    server.run(disable_user(server.runtime, "default", subject, actor="test"))
    assert not server.is_active(client, answer["access_token"])


def encode_header(header):
    return encode_base64url(json.dumps(header).encode())


def forge(header, claims, key):
    registry = jws.JWSRegistry(algorithms=["HS256", "ES256", "RS256", "none"], strict_check_header=False)
    return jws.serialize_compact(header, json.dumps(claims).encode(), key, registry=registry)


@pytest.mark.threat("T50")
@pytest.mark.threat("T51")
@pytest.mark.threat("T52")
@pytest.mark.threat("T53")
@pytest.mark.threat("T54")
def test_no_forged_jwt_is_taken(server, jwt_machine, verify):
    """Algorithm confusion, keys in the header, other types, other critical extensions: nobody's token."""
    token = server.token(jwt_machine, **GRANT).json()["access_token"]
    genuine = verify(token)
    header, claims = dict(genuine.header), dict(genuine.claims)
    own = ECKey.generate_key("P-256")
    published = server.get("/.well-known/jwks.json").json()["keys"]
    public = next(key for key in published if key["kid"] == header["kid"])
    encoded_claims = token.split(".")[1]

    def unsigned(alg):
        return encode_header({**header, "alg": alg}) + "." + encoded_claims + "."

    forgeries = [unsigned(alg) for alg in ("none", "None", "nOnE", "")]
    forgeries += [unsigned("ES256") + "A" * 86, unsigned("ES256") + "AA" * 43]
    secrets = [json.dumps(public).encode(), public["x"].encode(), b"\x00" * 32]
    forgeries += [forge({**header, "alg": "HS256"}, claims, OctKey.import_key(secret)) for secret in secrets]
    forgeries += [
        forge(header, claims, own),
        forge({**header, "jwk": own.as_dict(private=False)}, claims, own),
        forge({**header, "jku": "http://169.254.169.254/"}, claims, own),
        forge({**header, "x5u": "https://evil.example/"}, claims, own),
    ]
    for kid in ("../../dev/null", "' OR 1=1--", "k" * 3000, ""):
        forgeries.append(forge({**header, "kid": kid}, claims, own))
    for kid in (None, 7, ["a"], {"a": 1}, True):
        forgeries.append(encode_header({**header, "kid": kid}) + "." + token.split(".", 1)[1])
    for forgery in forgeries:
        if forgery != token:
            assert not is_alive(server, jwt_machine, forgery), forgery[:80]
            assert server.get("/userinfo", headers={"authorization": f"Bearer {forgery}"}).status_code == 401


@pytest.mark.threat("T53")
@pytest.mark.threat("T54")
@pytest.mark.threat("T55")
def test_what_our_own_key_signed_as_something_else_is_no_access_token(server, jwt_machine, verify):
    token = server.token(jwt_machine, **GRANT).json()["access_token"]
    claims = dict(verify(token).claims)
    sign = server.runtime.keys.sign

    def signed(typ="at+jwt", **changes):
        return server.run(sign("default", "ES256", typ, {**claims, **changes}))

    assert is_alive(server, jwt_machine, signed())
    for typ in ("JWT", "at+JWT", "AT+JWT", "application/at+jwt", "logout+jwt", "dpop+jwt", "", "at+jwt "):
        assert not is_alive(server, jwt_machine, signed(typ)), typ
    for change in (
        {"exp": True},
        {"exp": "9999999999"},
        {"exp": -1},
        {"exp": 1e300},
        {"jti": "x"},
        {"jti": 7},
    ):
        assert not is_alive(server, jwt_machine, signed(**change)), change
    granted = server.grant(server.register_client())
    assert not is_alive(server, jwt_machine, granted["id_token"])
    assert server.get("/userinfo", headers={"authorization": f"Bearer {granted['id_token']}"}).status_code == 401
    assert server.get("/userinfo", headers={"authorization": f"Bearer {granted['refresh_token']}"}).status_code == 401


@pytest.mark.threat("T62")
def test_a_huge_token_is_refused(server, any_machine):
    for huge in ("ey" + "A" * 40_000, "gwat_" + "A" * 40_000, "ey" + "A" * 20_000 + ".e30.", "ey.." * 2000):
        assert not is_alive(server, any_machine, huge)


def test_the_ring_of_another_server_opens_nothing(server, any_machine, fresh_server, token):
    client = fresh_server.register_client(any_machine.client_id, grant_types=["client_credentials"], scope="read")
    assert not is_alive(fresh_server, client, token)


@pytest.mark.threat("T62")
@pytest.mark.parametrize("token_format", ["opaque", "jwt"])
def test_a_token_too_large_to_come_back_is_not_given(server, token_format):
    audience = [f"https://api.example/{number}/{'x' * 2000}" for number in range(8)]
    client = server.register_client(
        grant_types=["client_credentials"], scope="read", audience=audience, access_token_format=token_format
    )
    refused = server.token(client, grant_type="client_credentials")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    token = server.token(client, grant_type="client_credentials", resource=audience[0]).json()["access_token"]
    assert server.is_active(client, token)
