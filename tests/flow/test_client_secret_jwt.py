"""client_secret_jwt: a client proves itself by a JWT that it signs with its secret, which therefore has to be kept."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace
from tests.assertions import ASSERTION_TYPE, GRANT, Signer, is_refused, register_secret_signer
from tests.forged_jwts import iterate_forged_jwts, sign_jwt

from grantway.admin.clients import create_client, patch_client, replace_client, rotate_secret
from grantway.admin.keys import find_ring_use, reencrypt
from grantway.errors import InvalidClientMetadata, Unprocessable
from grantway.storage.sql import schema
from grantway.testing.in_process import InProcessServer, RegisteredClient

OLD, NEW = "an old secret, thirty-two characters!", "a new secret, of thirty-two characters"
DOCUMENT = {"grant_types": ["client_credentials"], "response_types": [], "scope": "read"}


@pytest.fixture(scope="module")
def server():
    running = InProcessServer({"throttle.client_attempts": 100_000})
    yield running
    running.stop()


@pytest.fixture
def signer(server):
    return register_secret_signer(server)


def register(server, secret=None, **metadata):
    """As an administrator does; the client signs by what the answer says."""
    document = {**DOCUMENT, "token_endpoint_auth_method": "client_secret_jwt", **metadata}
    created = server.run(create_client(server.runtime, "default", document, client_secret=secret, actor="test"))
    alg = metadata.get("token_endpoint_auth_signing_alg", "HS256")
    return Signer(server, RegisteredClient(created.client, None), created.client_secret.encode(), alg, None)


@pytest.mark.spec("OpenID Connect Core §9")
@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"])
def test_an_assertion_signed_with_the_secret_proves_the_client(server, path):
    assert register(server).send(path=path, token="x").status_code == 200


@pytest.mark.spec("RFC 7518 §3.2")
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_generated_secret_is_long_enough_for_every_algorithm(server, alg):
    signer = register(server)
    assert signer.key.startswith(b"gwcs_")
    signer.alg = alg
    assert signer.send().status_code == 200
    assert register(server, token_endpoint_auth_signing_alg=alg).send().status_code == 200
    other = register(server, token_endpoint_auth_signing_alg="HS256" if alg == "HS512" else "HS512")
    other.alg = alg
    assert is_refused(other.send())


@pytest.mark.spec("RFC 7518 §3.2")
def test_a_secret_too_short_for_its_algorithm_is_refused(server):
    chosen = "correct horse battery staple 1234 " * 2
    assert register(server, chosen[:32]).send().status_code == 200
    for secret, alg in ((chosen[:31], None), (chosen[:47], "HS384"), (chosen[:63], "HS512")):
        metadata = {"token_endpoint_auth_signing_alg": alg} if alg else {}
        with pytest.raises(Unprocessable, match="client_secret"):
            register(server, secret, **metadata)
    assert register(server, chosen[:64], token_endpoint_auth_signing_alg="HS512").send().status_code == 200
    short = register(server, chosen[:32])
    for alg in ("HS384", "HS512"):
        short.alg = alg
        assert is_refused(short.send())


@pytest.mark.threat("T50")
@pytest.mark.threat("T55")
@pytest.mark.threat("T62")
def test_no_forged_assertion_is_accepted_and_none_uses_up_the_genuine_one(server, signer):
    claims, count = signer.build_claims(), 0
    for name, forged in iterate_forged_jwts(
        signer.key, claims, alg="HS256", kid=None, accepted_types=("client-authentication+jwt",)
    ):
        if "\ud800" in forged:  # cannot be sent at all
            continue
        answer = signer.send(forged)
        assert answer.status_code in (400, 401, 413), name
        count += 1
    assert count > 100
    assert signer.send(sign_jwt(signer.key, claims, alg="HS256")).status_code == 200


@pytest.mark.threat("T40")
def test_the_secret_itself_is_not_taken_nor_an_assertion_of_a_key(server):
    signer = register(server)
    client_id, secret = signer.client.client_id, signer.key.decode()
    assert is_refused(server.post("/oauth2/token", data=GRANT, auth=(client_id, secret)))
    assert is_refused(server.post("/oauth2/token", data={**GRANT, "client_id": client_id, "client_secret": secret}))
    signer.key, signer.alg = ec.generate_private_key(ec.SECP256R1()), "ES256"
    assert is_refused(signer.send())


@pytest.mark.threat("T40")
def test_a_client_that_sends_its_secret_may_not_sign_with_it(server, machine):
    signer = Signer(server, machine, machine.client_secret.encode(), "HS256", None)
    assert is_refused(signer.send())


@pytest.mark.threat("T56")
def test_of_64_parallel_uses_one_succeeds(server, signer):
    form = {**GRANT, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signer.sign()}

    async def send_all():
        async with server.build_http_client() as http:
            return await asyncio.gather(*(http.post("/oauth2/token", data=form) for _ in range(64)))

    assert sorted(answer.status_code for answer in server.run(send_all())) == [200, *[401] * 63]


# -- the secret at rest -----------------------------------------------------------------------------------------------
@pytest.mark.threat("T38")
@pytest.mark.threat("T66")
def test_the_secret_is_sealed_to_its_client(server):
    first, second = register(server), register(server)
    rows = [server.run(server.runtime.store.load_client("default", each.client.client_id)) for each in (first, second)]
    for row, each in zip(rows, (first, second), strict=True):
        assert each.key.decode() not in repr(row)
        assert row.secrets[0].sealed
    swapped = replace(rows[0].secrets[0], sealed=rows[1].secrets[0].sealed)
    server.run(server.runtime.store.update_client(replace(rows[0], secrets=(swapped,))))
    assert is_refused(first.send())
    first.key = second.key
    assert is_refused(first.send())


def test_every_live_secret_signs_while_they_are_rotated(server):
    signer = register(server)
    rotated = server.run(rotate_secret(server.runtime, "default", signer.client.client_id, actor="test"))
    assert signer.send().status_code == 200
    signer.key = rotated.client_secret.encode()
    assert signer.send().status_code == 200
    signer.key += b"x"
    assert is_refused(signer.send())
    stored = rotated.client
    ended = tuple(replace(secret, enabled=False) for secret in stored.secrets)
    server.run(server.runtime.store.update_client(replace(stored, secrets=ended)))
    signer.key = rotated.client_secret.encode()
    assert is_refused(signer.send())


def test_a_client_whose_secret_is_a_digest_needs_a_new_one_to_sign_with(server):
    created = server.run(create_client(server.runtime, "default", DOCUMENT, actor="test"))
    client_id, method = created.client.client_id, {"token_endpoint_auth_method": "client_secret_jwt"}
    patch = [{"op": "replace", "path": "/token_endpoint_auth_method", "value": "client_secret_jwt"}]
    with pytest.raises(InvalidClientMetadata, match="new client_secret"):
        server.run(patch_client(server.runtime, "default", client_id, patch, actor="test"))
    with pytest.raises(InvalidClientMetadata, match="new client_secret"):
        server.run(replace_client(server.runtime, "default", client_id, {**DOCUMENT, **method}, actor="test"))
    chosen = "a secret of more than thirty-two characters"
    document = {**DOCUMENT, **method, "client_secret": chosen}
    changed = server.run(replace_client(server.runtime, "default", client_id, document, actor="test"))
    signer = Signer(server, RegisteredClient(changed.client, None), chosen.encode(), "HS256", None)
    assert signer.send().status_code == 200
    alg = [{"op": "add", "path": "/token_endpoint_auth_signing_alg", "value": "HS512"}]
    with pytest.raises(Unprocessable, match="too short"):
        server.run(patch_client(server.runtime, "default", client_id, alg, actor="test"))


def test_a_client_that_signs_no_more_leaves_no_secret_behind(server):
    signer = register(server)
    patch = [{"op": "replace", "path": "/token_endpoint_auth_method", "value": "client_secret_basic"}]
    client_id = signer.client.client_id
    changed = server.run(patch_client(server.runtime, "default", client_id, patch, actor="test"))
    assert all(secret.sealed is None for secret in changed.client.secrets)
    assert server.post("/oauth2/token", data=GRANT, auth=(client_id, signer.key.decode())).status_code == 200
    assert is_refused(signer.send())


@pytest.mark.threat("R21")
@pytest.mark.parametrize("chosen", [None, "a secret of more than thirty-two characters"])
def test_a_reencryption_takes_the_secret_along(tmp_path, chosen):
    url = f"sqlite:///{tmp_path / 'grantway.db'}"
    schema.upgrade(url)
    signer, clock = None, None
    for ring in ((OLD,), (NEW, OLD), (NEW,)):
        settings = {"database.url": url, "secrets.sealing": list(ring), "keys.algorithms": ["ES256"]}
        server = InProcessServer(settings, **({"clock": clock} if clock else {}))
        clock = server.clock
        signer = signer or register(server, chosen)
        signer.server = server
        if ring == (NEW, OLD):
            assert server.run(find_ring_use(server.runtime)).older_secrets == 1
            _, left = server.run(reencrypt(server.runtime, actor="test"))
            assert left.is_over
        assert signer.send().status_code == 200
        server.stop()
