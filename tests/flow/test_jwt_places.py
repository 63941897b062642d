"""Every place where a JWT enters, against every forged one, and against the genuine JWTs of all other places.

``PLACES`` has a row for each parameter that an extension of the registry says may hold a JWT: a new one without a row
fails here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct
from tests.assertions import register_signer
from tests.bearers import JwtIssuer
from tests.certificates import Authority
from tests.forged_jwts import Key, build_jwk, iterate_forged_jwts, sign_jwt
from tests.local_server import LocalServer, respond

from grantway.admin.initial_access_tokens import create_initial_access_token
from grantway.protocol.sealing import decode_base64url
from grantway.testing.in_process import InProcessServer, RegisteredClient

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
PUBLISHER, PUBLISHERS_KEY = "https://publisher.example", ec.generate_private_key(ec.SECP256R1())
OUR_OWN = ("T50", "T51", "T52", "T53", "T54", "T62")
"""What can be forged of JWTs that this server signs: nobody else can sign other claims."""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    keys = json.dumps({"keys": [build_jwk(PUBLISHERS_KEY, kid="p1")]}).encode()
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with LocalServer(lambda _: respond(body=keys), context=authority.build_context("localhost")) as publisher:
        running = InProcessServer(
            {
                "registration.enabled": True,
                "registration.per_address": 1_000_000,
                "registration.software_statement_issuer": PUBLISHER,
                "registration.software_statement_jwks_uri": f"https://localhost:{publisher.port}/jwks",
                "egress.ca_file": str(authority.file),
                "throttle.client_attempts": 1_000_000,
            }
        )
        running.register_user()
        yield running
        running.stop()


class Genuine(Struct):
    """A JWT that its place accepts, and what it is made of."""

    token: str
    key: Key
    kid: str
    claims: Mapping[str, Any]
    alg: str = "ES256"
    typ: str = "JWT"


class Place(Struct):
    """Where a JWT of some kind enters. ``use`` says whether it was accepted."""

    kind: str
    make: Callable[[InProcessServer], tuple[Genuine, Callable[[str], bool]]]
    accepted_types: tuple[str, ...] = ()
    required: tuple[str, ...] = ("iss", "sub", "aud", "exp", "jti")
    is_our_own: bool = False


def make_foreign(key: Key, kid: str, claims: Mapping[str, Any]) -> Genuine:
    return Genuine(sign_jwt(key, claims, alg="ES256", kid=kid), key, kid, claims)


def make_our_own(house: InProcessServer, token: str, typ: str) -> Genuine:
    """A JWT of the server, with the server's own key to forge it by."""
    header, payload, _ = (decode_base64url(part) or b"" for part in token.split("."))
    alg = json.loads(header)["alg"]
    signer = house.run(house.runtime.keys.load_signer("default", alg))
    return Genuine(token, signer._key, signer.kid, json.loads(payload), alg, typ)


def client_assertion(house):
    signer = register_signer(house)
    return make_foreign(signer.key, "k1", signer.build_claims()), lambda token: signer.send(token).status_code == 200


def bearer_assertion(house):
    issuer = JwtIssuer(house)
    issuer.trust()
    return make_foreign(issuer.key, "k1", issuer.build_claims()), lambda token: issuer.send(token).status_code == 200


def software_statement(house):
    made = house.run(create_initial_access_token(house.runtime, "default", uses=None, actor="test"))
    document = {"redirect_uris": ["https://app.example/cb"]}

    def use(token: str) -> bool:
        bearer = {"authorization": f"Bearer {made.token}"}
        answer = house.post("/oauth2/register", json={**document, "software_statement": token}, headers=bearer)
        return answer.status_code == 201

    return make_foreign(PUBLISHERS_KEY, "p1", {"iss": PUBLISHER, "software_id": "s"}), use


def changed_statement(house):
    """The same by a client that changes itself (RFC 7592)."""
    made = house.run(create_initial_access_token(house.runtime, "default", actor="test"))
    document = {"redirect_uris": ["https://app.example/cb"]}
    bearer = {"authorization": f"Bearer {made.token}"}
    registered = house.post("/oauth2/register", json=document, headers=bearer).json()

    def use(token: str) -> bool:
        own = {"authorization": f"Bearer {registered['registration_access_token']}"}
        changed = {**document, "client_id": registered["client_id"], "software_statement": token}
        answer = house.request("PUT", registered["registration_client_uri"], json=changed, headers=own)
        if answer.status_code == 200:
            registered.update(answer.json())
        return answer.status_code == 200

    return make_foreign(PUBLISHERS_KEY, "p1", {"iss": PUBLISHER, "software_id": "s"}), use


def register_owner(house: InProcessServer) -> RegisteredClient:
    return house.register_client(
        access_token_format="jwt", grant_types=["authorization_code", "client_credentials", EXCHANGE]
    )


def make_access(house: InProcessServer, client: RegisteredClient) -> Genuine:
    return make_our_own(house, house.grant(client, scope="openid read")["access_token"], "at+jwt")


def introspection(house):
    client = register_owner(house)

    def use(token: str) -> bool:
        answer = house.send_as(client, "/oauth2/introspect", token=token)
        return bool(answer.status_code == 200 and answer.json()["active"])

    return make_access(house, client), use


def revocation(house):
    client = register_owner(house)
    genuine = make_access(house, client)

    def use(token: str) -> bool:
        house.revoke(client, token)
        return not house.is_active(client, genuine.token)

    return genuine, use


def userinfo(house):
    client = register_owner(house)

    def use(token: str) -> bool:
        return house.post("/userinfo", data={"access_token": token}).status_code == 200

    return make_access(house, client), use


def subject_token(house):
    client = register_owner(house)

    def use(token: str) -> bool:
        given = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "scope": "read"}
        return house.token(client, grant_type=EXCHANGE, **given).status_code == 200

    return make_access(house, client), use


def actor_token(house):
    client = register_owner(house)
    own = house.grant(client, scope="openid read")["access_token"]

    def use(token: str) -> bool:
        given = {"subject_token": own, "subject_token_type": ACCESS_TOKEN, "scope": "read"}
        given |= {"actor_token": token, "actor_token_type": ACCESS_TOKEN}
        return house.token(client, grant_type=EXCHANGE, **given).status_code == 200

    return make_access(house, client), use


def make_id_token(house: InProcessServer, client: RegisteredClient) -> Genuine:
    return make_our_own(house, house.grant(client, scope="openid")["id_token"], "JWT")


def hint_at_authorization(house):
    client = house.register_client(id_token_signed_response_alg="ES256")

    def use(token: str) -> bool:
        answer = house.request_authorization(client, "POST", prompt="none", id_token_hint=token)
        return "error=login_required" in answer.headers.get("location", "")

    return make_id_token(house, client), use


def hint_at_logout(house):
    away = "https://client.example/bye"
    client = house.register_client(id_token_signed_response_alg="ES256", post_logout_redirect_uris=[away])

    def use(token: str) -> bool:
        data = {"id_token_hint": token, "post_logout_redirect_uri": away}
        answer = house.post("/oauth2/sessions/logout", data=data)
        return answer.status_code == 303 and answer.headers["location"].startswith(away)

    return make_id_token(house, client), use


PLACES: dict[tuple[str, str], Place] = {
    ("client_assertion", "client_assertion"): Place(
        "client assertion", client_assertion, accepted_types=("client-authentication+jwt",)
    ),
    ("urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion"): Place("assertion", bearer_assertion),
    ("registration", "software_statement"): Place("software statement", software_statement, required=("iss",)),
    ("client_configuration", "software_statement"): Place("software statement", changed_statement, required=("iss",)),
    ("introspection", "token"): Place("access token", introspection, is_our_own=True),
    ("revocation", "token"): Place("access token", revocation, is_our_own=True),
    ("userinfo", "access_token"): Place("access token", userinfo, is_our_own=True),
    (EXCHANGE, "subject_token"): Place("access token", subject_token, is_our_own=True),
    (EXCHANGE, "actor_token"): Place("access token", actor_token, is_our_own=True),
    ("authorization", "id_token_hint"): Place("ID token", hint_at_authorization, is_our_own=True),
    ("end_session", "id_token_hint"): Place("ID token", hint_at_logout, is_our_own=True),
}


def list_declared(server: InProcessServer) -> set[tuple[str, str]]:
    everything = server.runtime.extensions.all
    return {(extension.name, parameter) for extension in everything for parameter in extension.jwt_parameters}


def test_every_place_of_the_registry_has_its_row(house):
    assert list_declared(house) == set(PLACES)


@pytest.mark.threat("T50")
@pytest.mark.threat("T51")
@pytest.mark.threat("T52")
@pytest.mark.threat("T53")
@pytest.mark.threat("T54")
@pytest.mark.threat("T55")
@pytest.mark.threat("T57")
@pytest.mark.threat("T58")
@pytest.mark.threat("T62")
@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0].rpartition(':')[2]}, {place[1]}")
def test_no_forged_jwt_is_accepted_anywhere(house, place):
    row = PLACES[place]
    genuine, use = row.make(house)
    made = iterate_forged_jwts(
        genuine.key,
        genuine.claims,
        alg=genuine.alg,
        kid=genuine.kid,
        typ=genuine.typ,
        accepted_types=row.accepted_types,
        required=row.required,
    )
    count = 0
    for name, forged in made:
        is_claims_of_ours = row.is_our_own and (
            not name.startswith(OUR_OWN) or name.startswith(("T62 claims", "T62 h"))
        )
        if is_claims_of_ours or not forged or "\ud800" in forged or len(forged) > 60_000:  # absent, unsendable, unread
            continue
        assert not use(forged), name
        count += 1
    assert count > 100
    assert use(genuine.token), "the genuine one is still good"


@pytest.mark.threat("T54")
@pytest.mark.spec("RFC 8725 §3.12")
@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0].rpartition(':')[2]}, {place[1]}")
def test_no_jwt_of_another_kind_is_accepted(house, place):
    row = PLACES[place]
    _, use = row.make(house)
    for name, other in PLACES.items():
        if other.kind != row.kind:
            assert not use(other.make(house)[0].token), name
    claims = {"iss": "https://as.example", "sub": "ada", "aud": "x", "iat": 1, "exp": 2**40, "jti": "j", "events": {}}
    assert not use(house.run(house.runtime.keys.sign("default", "ES256", "logout+jwt", claims))), "a logout token"
