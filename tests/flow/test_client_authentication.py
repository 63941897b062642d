"""How a client proves who it is: by one method, the one it registered."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from grantway.admin.clients import create_client, disable_client
from grantway.model import ClientSecret

GRANT = {"grant_type": "client_credentials"}
ENDPOINTS = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"]


def basic(client_id, secret):
    return "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()


def send(server, authorization=None, path="/oauth2/token", **data):
    headers = {"authorization": authorization} if authorization is not None else {}
    return server.post(path, data={**GRANT, "token": "x", **data}, headers=headers)


def is_refused(answer, error="invalid_client"):
    status = {"invalid_client": 401, "invalid_request": 400}[error]
    return (answer.status_code, answer.json().get("error")) == (status, error)


@pytest.fixture
def post_client(server):
    return server.register_client(
        grant_types=["client_credentials"], scope="read", token_endpoint_auth_method="client_secret_post"
    )


@pytest.mark.spec("RFC 6749 §2.3.1")
def test_basic_and_post_each_work_for_their_own_clients(server, machine, post_client):
    assert send(server, basic(machine.client_id, machine.client_secret)).status_code == 200
    secret = {"client_id": post_client.client_id, "client_secret": post_client.client_secret}
    assert send(server, **secret).status_code == 200


@pytest.mark.threat("T40")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_method_that_is_not_the_registered_one_is_refused(server, machine, post_client, public_client, path):
    posted = {"client_id": machine.client_id, "client_secret": machine.client_secret}
    assert is_refused(send(server, path=path, **posted))
    assert is_refused(send(server, basic(post_client.client_id, post_client.client_secret), path=path))
    assert is_refused(send(server, basic(public_client.client_id, ""), path=path))
    assert is_refused(send(server, basic(public_client.client_id, "x"), path=path))
    assert is_refused(send(server, path=path, client_id=public_client.client_id, client_secret="x"))


@pytest.mark.threat("T40")
@pytest.mark.spec("RFC 6749 §2.3")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_two_methods_at_once_are_refused(server, machine, path):
    header = basic(machine.client_id, machine.client_secret)
    assert is_refused(send(server, header, path=path, client_secret=machine.client_secret), "invalid_request")
    assert is_refused(send(server, header, path=path, client_secret=""), "invalid_request")
    both = {"client_id": machine.client_id, "client_secret": machine.client_secret}
    assert is_refused(send(server, header, path=path, **both), "invalid_request")


@pytest.mark.threat("T40")
def test_a_client_id_beside_basic_must_be_the_same(server, machine, post_client):
    header = basic(machine.client_id, machine.client_secret)
    assert send(server, header, client_id=machine.client_id).status_code == 200
    assert is_refused(send(server, header, client_id=post_client.client_id), "invalid_request")


@pytest.mark.spec("RFC 6749 §2.1")
@pytest.mark.threat("T41")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_nobody_poses_as_a_confidential_client(server, machine, post_client, path):
    for client in (machine, post_client):
        assert is_refused(send(server, path=path, client_id=client.client_id))
        assert is_refused(send(server, path=path, client_id=client.client_id, client_secret=""))
        assert is_refused(send(server, basic(client.client_id, ""), path=path))
        assert is_refused(send(server, basic(client.client_id, client.client_secret[:-1]), path=path))
        assert is_refused(send(server, basic(client.client_id, client.client_secret + "A"), path=path))
        assert is_refused(send(server, basic(client.client_id.swapcase(), client.client_secret), path=path))
        assert is_refused(send(server, basic(client.client_id + " ", client.client_secret), path=path))
    assert is_refused(send(server, path=path))
    assert is_refused(send(server, path=path, client_id="nobody"))


@pytest.mark.threat("T41")
def test_a_client_without_any_secret_is_let_in_by_none(server, machine):
    server.run(server.runtime.store.update_client(replace(machine.client, secrets=())))
    for secret in ("", "None", machine.client_secret):
        assert is_refused(send(server, basic(machine.client_id, secret)))


@pytest.mark.threat("T40")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: "Basic  " + good[6:],
        lambda good: "Basic\t" + good[6:],
        lambda good: good.rstrip("=") if good.endswith("=") else good + "=",
        lambda good: good + "=",
        lambda good: good[:20] + " " + good[20:],
        lambda good: good[:20] + "-" + good[21:],
        lambda good: good[:20] + "!" + good[20:],
        lambda good: good + "AAAA",
        lambda good: "Basic",
        lambda good: "Basic ",
        lambda good: "Bearer " + good[6:],
        lambda good: good[6:],
        lambda good: "Basic " + b64encode(b"no colon").decode(),
        lambda good: "Basic " + b64encode(b"\xff\xfe:\xff").decode(),
        lambda good: "Basic " + b64encode(b"a%zz:secret").decode(),
        lambda good: "Basic " + b64encode(b"a\x00b:secret").decode(),
        lambda good: "Basic " + b64encode(b"a%0d%0ab:c").decode(),
        lambda good: "Basic " + b64encode(b":").decode(),
    ],
)
def test_a_basic_header_is_read_strictly(server, machine, spoil):
    good = basic(machine.client_id, machine.client_secret)
    answer = send(server, spoil(good))
    assert is_refused(answer)
    assert machine.client_secret not in answer.text


@pytest.mark.threat("T40")
def test_two_authorization_headers_are_refused(server, machine):
    headers = [("authorization", basic(machine.client_id, machine.client_secret))] * 2
    answer = server.post("/oauth2/token", data=GRANT, headers=headers)
    assert is_refused(answer, "invalid_request")


@pytest.mark.spec("RFC 6749 §2.3.1")
def test_id_and_secret_are_form_encoded_inside_basic(server):
    secret = "pa ss+wo%rd:with~signs/and=more&" + "x" * 8
    document = {"grant_types": ["client_credentials"], "scope": "read", "response_types": []}
    created = server.run(
        create_client(server.runtime, "default", document, client_id="shop:web+1@a", client_secret=secret, actor="t")
    )
    header = basic(quote(created.client.client_id, safe=""), quote(secret, safe=""))
    assert send(server, header).status_code == 200
    assert is_refused(send(server, basic(quote(created.client.client_id, safe=""), quote(secret[:-1], safe=""))))


@pytest.mark.spec("RFC 6749 Appendix A.1")
@pytest.mark.threat("T39")
@pytest.mark.threat("T146")
@pytest.mark.parametrize(
    "secret", ["é", "пароль", "\U0001f511", "\u0000", "a\ud800".encode("utf-8", "replace").decode()]
)
def test_a_secret_outside_ascii_is_wrong_and_nothing_worse(server, machine, post_client, secret):
    assert is_refused(send(server, basic(machine.client_id, secret)))
    assert is_refused(send(server, basic(machine.client_id, quote(secret))))
    answer = send(server, client_id=post_client.client_id, client_secret=secret)
    assert answer.status_code in (400, 401)
    assert send(server, basic("é", secret)).status_code == 401


@pytest.mark.threat("T100")
def test_unknown_disabled_and_wrong_are_told_the_same(server, machine):
    disabled = server.register_client(grant_types=["client_credentials"], scope="read")
    server.run(disable_client(server.runtime, "default", disabled.client_id, actor="test"))
    answers = [
        send(server, basic("nobody", "x")),
        send(server, basic(machine.client_id, "x")),
        send(server, basic(disabled.client_id, disabled.client_secret)),
    ]
    assert len({(answer.status_code, answer.text, str(answer.headers)) for answer in answers}) == 1


@pytest.mark.spec("RFC 6749 §5.2")
def test_a_failed_authentication_names_the_scheme(server, machine):
    answer = send(server, basic(machine.client_id, "wrong"))
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert answer.headers["cache-control"] == "no-store"


def test_every_live_secret_of_a_client_works_and_no_other(server, machine):
    now = server.clock.now()

    def secret(text, **options):
        return ClientSecret(secret_id=text, digest=server.runtime.keys.hash_secret(text), created_at=now, **options)

    secrets = (
        secret("first" * 8), secret("second" * 8), secret("expired" * 8, expires_at=now),
        secret("disabled" * 8, enabled=False), secret("soon" * 8, expires_at=now + 1000),
    )  # fmt: skip
    stored = server.run(server.runtime.store.load_client("default", machine.client_id))
    server.run(server.runtime.store.update_client(replace(stored, secrets=secrets)))
    results = {item.secret_id: send(server, basic(machine.client_id, item.secret_id)).status_code for item in secrets}
    assert list(results.values()) == [200, 200, 401, 401, 200]
    server.clock.advance(1)
    assert is_refused(send(server, basic(machine.client_id, "soon" * 8)))


@pytest.mark.threat("T36")
def test_a_client_id_longer_than_any_is_unknown(server):
    for length in (256, 10_000):
        assert is_refused(send(server, basic("a" * length, "x")))
        assert is_refused(send(server, client_id="a" * length, client_secret="x"))


@pytest.mark.spec("RFC 6749 §3.2")
@pytest.mark.threat("T44")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_credentials_in_the_query_do_not_count(server, post_client, path):
    query = f"client_id={post_client.client_id}&client_secret={post_client.client_secret}&grant_type=client_credentials"
    answer = server.post(f"{path}?{query}", data={"grant_type": "client_credentials", "token": "x"})
    assert is_refused(answer)
    got = server.get(f"{path}?{query}")
    assert (got.status_code, got.headers["allow"]) == (405, "POST")


@pytest.mark.threat("T44")
@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/form-data; boundary=b", "text/plain", "", None]
)
def test_only_a_form_is_read(server, machine, path, content_type):
    headers = {} if content_type is None else {"content-type": content_type}
    answer = server.post(path, content=b'{"grant_type":"client_credentials"}', headers=headers, auth=machine.auth)
    assert answer.status_code == 415
    assert answer.json()["error"] == "invalid_request"
