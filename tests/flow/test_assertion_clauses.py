"""What the assertion framework asks of a server (RFC 7521), of JWTs (RFC 7523) and of SAML assertions (RFC 7522)."""

from __future__ import annotations

import base64
import textwrap

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.assertions import ASSERTION_TYPE, register_signer
from tests.bearers import JwtIssuer, SamlIssuer, said
from tests.forged_jwts import sign_jwt
from tests.saml_issuer import make_identity

RSA = rsa.generate_private_key(65537, 2048)
WRONG = {
    "no issuer": {"iss": None},
    "another issuer": {"iss": "https://other.example"},
    "no subject": {"sub": None},
    "another subject": {"sub": "nobody-of-that-name"},
    "no audience": {"aud": None},
    "another audience": {"aud": "https://other.example"},
    "no end": {"exp": None},
    "expired": {"exp": 1_600_000_000},
    "not yet good": {"nbf": 2_000_000_000},
}
every_wrong = pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())


@pytest.mark.spec("RFC 7521 §4.1.1")
@pytest.mark.spec("RFC 7521 §5.2")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.spec("RFC 7523 §3.1")
@every_wrong
def test_a_grant_that_lacks_what_it_must_have_is_an_invalid_grant(server, wrong):
    issuer = JwtIssuer(server)
    issuer.trust()
    answer = issuer.send(issuer.sign(**wrong))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert said(issuer.send()) == "ok"


@pytest.mark.spec("RFC 7521 §4.2.1")
@pytest.mark.spec("RFC 7521 §5.2")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.spec("RFC 7523 §3.2")
@every_wrong
def test_a_client_that_proves_itself_by_such_a_one_is_an_invalid_client(server, wrong):
    signer = register_signer(server)
    answer = signer.send(signer.sign(**wrong))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert signer.send().status_code == 200


@pytest.mark.spec("RFC 7521 §4.1")
@pytest.mark.parametrize("kind", [JwtIssuer, SamlIssuer])
def test_a_client_that_brings_an_assertion_has_to_prove_itself_and_uses_up_nothing_if_it_cannot(server, kind):
    issuer = kind(server)
    issuer.trust()
    assertion = issuer.sign()
    form = {"grant_type": issuer.grant_type, "assertion": assertion}
    answer = server.post("/oauth2/token", data=form, auth=(issuer.client.client_id, "wrong"))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert said(issuer.send(assertion)) == "ok"


@pytest.mark.spec("RFC 7521 §4.1")
@pytest.mark.parametrize("kind", [JwtIssuer, SamlIssuer])
def test_one_assertion_is_brought_and_neither_none_nor_two(server, kind):
    issuer = kind(server)
    issuer.trust()
    for assertions in ([], [""], [issuer.sign(), issuer.sign()]):
        form = {"grant_type": issuer.grant_type, "assertion": assertions}
        answer = server.post("/oauth2/token", data=form, auth=issuer.client.auth)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.spec("RFC 7523 §5")
def test_rs256_is_taken_everywhere(server):
    issuer = JwtIssuer(server, RSA, "RS256")
    issuer.trust()
    assert said(issuer.send()) == "ok"
    assert register_signer(server, RSA, "RS256").send().status_code == 200


@pytest.mark.spec("RFC 7522 §2.1")
def test_a_saml_assertion_is_base64url_of_one_assertion_in_one_line(server):
    issuer = SamlIssuer(server)
    issuer.trust()
    good = issuer.sign()
    xml = base64.urlsafe_b64decode(good + "=" * (-len(good) % 4)).decode()
    xml = xml[xml.index("<saml") if "<saml" in xml else xml.index("<") :]

    def encode(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    wrong = {
        "wrapped": " ".join(textwrap.wrap(good, 76)),
        "the other alphabet": base64.b64encode(xml.encode()).decode(),
        "not encoded": xml.replace("\n", ""),
        "two": encode(xml + xml),
        "in a response": encode(f'<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol">{xml}</p:Response>'),
    }
    assert "+" in wrong["the other alphabet"]
    for name, assertion in wrong.items():
        assert said(issuer.send(assertion)) == "invalid_grant", name
    lines = "\r\n".join(textwrap.wrap(good, 76))
    assert said(issuer.send(lines)) == "invalid_request", "no parameter has line ends"
    assert said(issuer.send(encode(xml))) == "ok"


@pytest.mark.spec("RFC 7521 §4.2.1")
def test_a_kind_of_client_assertion_that_is_not_offered_is_an_invalid_client(server):
    signer = register_signer(server)
    saml = ASSERTION_TYPE.replace("jwt-bearer", "saml2-bearer")
    assert signer.send(client_assertion_type=saml).json()["error"] == "invalid_client"
    methods = server.get("/.well-known/openid-configuration").json()["token_endpoint_auth_methods_supported"]
    assert "private_key_jwt" in methods
    assert not [method for method in methods if "saml" in method]


@pytest.mark.threat("T63")
def test_a_pinned_certificate_counts_from_its_first_day_to_its_last(server):
    today, day = server.clock.now() // 1000, 86_400
    for valid_from, expected in ((today - 3 * day, "invalid_grant"), (today + day, "invalid_grant"), (today, "ok")):
        identity = make_identity("dated", valid_from=valid_from, days=2)
        bearer, key = JwtIssuer(server), load_pem_private_key(identity.key, None)
        bearer.trust(jwk=None, certificates=[identity.certificate])
        assert said(bearer.send(sign_jwt(key, bearer.build_claims(), alg="RS256"))) == expected
