"""Clients that prove themselves by a TLS certificate, and tokens bound to one, by the word of a listed proxy."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from tests.assertions import GRANT, is_refused
from tests.client_certificates import SUBJECT, build_certificate
from tests.forged_jwts import build_jwk

from grantway.admin.clients import create_client
from grantway.config import load_settings
from grantway.errors import ConfigurationError, InvalidClientMetadata
from grantway.testing.in_process import InProcessServer

PROXY, STRANGER = "192.0.2.1", "198.51.100.7"
HEADER, VERIFY = "client-cert", "x-client-verify"
SETTINGS = {
    "serve.trusted_proxies": ["192.0.2.0/24"],
    "serve.client_certificate_header": HEADER,
    "serve.client_certificate_verify_header": VERIFY,
    "throttle.client_attempts": 100_000,
}
ENDPOINTS = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"]
DOCUMENT = {"grant_types": ["client_credentials"], "scope": "read", "response_types": []}


@pytest.fixture(scope="module")
def server():
    running = InProcessServer(SETTINGS)
    running.register_user()
    yield running
    running.stop()


def register(server, **metadata):
    return server.register_client(**{**DOCUMENT, "token_endpoint_auth_method": "tls_client_auth", **metadata})


def build(server, *arguments, **options):
    return build_certificate(*arguments, **{"now": server.clock.now() / 1000, **options})


def send(server, client_id, headers, *, path="/oauth2/token", address=PROXY, auth=None, method="POST", **data):
    """A request from ``address``, with exactly these headers beside those of a form."""

    async def go():
        async with server.build_http_client(address=address) as http:
            form = {**GRANT, "token": "x", **({"client_id": client_id} if client_id else {}), **data}
            options = {} if method == "GET" else {"data": form}
            return await http.request(method, path, headers=headers, auth=auth, **options)

    return server.run(go())


def present(certificate, verified="SUCCESS", header=HEADER):
    return [(header, certificate.rfc_9440), *([(VERIFY, verified)] if verified is not None else [])]


@pytest.fixture(scope="module")
def certificate(server):
    return build(server)


@pytest.fixture(scope="module")
def client(server):
    return register(server, tls_client_auth_subject_dn="CN=shop,O=Sample\\, Ltd.,C=DE")


# -- a certificate with a registered name -----------------------------------------------------------------------------
@pytest.mark.spec("RFC 8705 §2.1")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_verified_certificate_with_the_registered_subject_proves_the_client(server, client, certificate, path):
    assert send(server, client.client_id, present(certificate), path=path).status_code == 200
    assert send(server, client.client_id, present(certificate, "0"), path=path).status_code == 200


@pytest.mark.parametrize("form", ["rfc_9440", "escaped", "spaced", "envoy"])
def test_every_way_proxies_write_a_certificate_is_read(server, client, certificate, form):
    headers = [(HEADER, getattr(certificate, form)), (VERIFY, "SUCCESS")]
    assert send(server, client.client_id, headers).status_code == 200


@pytest.mark.threat("T134")
def test_a_proxy_that_does_not_vouch_for_the_certificate_is_not_enough(server, client, certificate):
    for verified in (None, "", "NONE", "FAILED:self signed certificate", "success", "1", "SUCCESS, SUCCESS"):
        assert is_refused(send(server, client.client_id, present(certificate, verified))), verified


@pytest.mark.threat("T134")
@pytest.mark.spec("RFC 9440 §2.2")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_certificate_in_a_header_of_anybody_else_is_ignored(server, client, certificate, path):
    assert is_refused(send(server, client.client_id, present(certificate), path=path, address=STRANGER))
    forwarded = [*present(certificate), ("x-forwarded-for", PROXY), ("forwarded", f"for={PROXY}")]
    assert is_refused(send(server, client.client_id, forwarded, path=path, address=STRANGER))
    for name in ("client_cert", "x-ssl-client-cert", "x-client-cert", "ssl-client-cert", "x-forwarded-client-cert"):
        assert is_refused(send(server, client.client_id, present(certificate, header=name), path=path)), name


@pytest.mark.threat("T134")
def test_what_a_proxy_said_is_not_remembered_for_others(server, client, certificate):
    for _ in range(4):
        assert send(server, client.client_id, present(certificate)).status_code == 200
        assert is_refused(send(server, client.client_id, present(certificate), address=STRANGER))


@pytest.mark.threat("T134")
def test_two_certificates_or_none_that_can_be_read_are_refused(server, client, certificate):
    good, other = certificate.rfc_9440, build(server).rfc_9440
    for values in (
        [good, other], [good, good], [f"{good}, {other}"], [good[:-1]], [good[1:]], ["::"], [":AAAA:"], ["x"],
        [good.replace("M", "-", 1)], [certificate.escaped + certificate.escaped], [certificate.escaped[:-30]],
        [":" + good[1:-1] + "AAAA:"], ["-----BEGIN CERTIFICATE----- AAAA -----END CERTIFICATE-----"],
        [certificate.envoy + "," + certificate.envoy], [":" + "A" * 20_000 + ":"], ["%FF%00"],
    ):  # fmt: skip
        headers = [*((HEADER, value) for value in values), (VERIFY, "SUCCESS")]
        assert is_refused(send(server, client.client_id, headers), "invalid_request"), values
    twice = [*present(certificate), (VERIFY, "SUCCESS")]
    assert is_refused(send(server, client.client_id, twice), "invalid_request")


def test_an_expired_certificate_and_one_of_the_future_prove_nothing(server, client):
    for days in ((-3, -1), (1, 3)):
        assert is_refused(send(server, client.client_id, present(build(server, days=days))))


@pytest.mark.threat("T134")
def test_subjects_are_compared_by_what_they_are_made_of(server, client):
    def name(*pairs):
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])

    country, organization, common = list(SUBJECT)
    others = [
        x509.Name([common, organization, country]),
        x509.Name([country, organization]),
        x509.Name([country, organization, common, common]),
        x509.Name([country, organization, x509.NameAttribute(NameOID.COMMON_NAME, "shop2")]),
        x509.Name([country, organization, x509.NameAttribute(NameOID.COMMON_NAME, "SHOP")]),
        name((NameOID.COMMON_NAME, "shop,O=Sample\\, Ltd.,C=DE")),
        name((NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "Sample, Ltd.,CN=shop")),
        name((NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "x"), (NameOID.COMMON_NAME, "shop")),
        x509.Name([x509.RelativeDistinguishedName([country, organization, common])]),
        x509.Name([]),
    ]
    for subject in others:
        certificate = build(server, subject, (x509.DNSName("shop"),))
        assert is_refused(send(server, client.client_id, present(certificate))), subject
    for spelling in ("cn=shop,o=Sample\\2c Ltd.,c=DE", "2.5.4.3=shop,2.5.4.10=Sample\\, Ltd.,2.5.4.6=DE"):
        spelled = register(server, tls_client_auth_subject_dn=spelling)
        assert send(server, spelled.client_id, present(build(server))).status_code == 200


ALTERNATIVE_NAMES = {
    "dns": ("Shop.example", x509.DNSName("shop.EXAMPLE"), ["*.example", "a.shop.example", "shop.example.evil"]),
    "uri": ("spiffe://a/shop", x509.UniformResourceIdentifier("spiffe://a/shop"), ["spiffe://a/Shop", "spiffe://a/"]),
    "ip": ("2001:0db8::1", x509.IPAddress(ipaddress.ip_address("2001:db8::1")), ["2001:db8::2", "192.0.2.1"]),
    "email": ("ops@Shop.example", x509.RFC822Name("ops@shop.example"), ["Ops@shop.example", "ops@evil.example"]),
}


@pytest.mark.spec("RFC 8705 §2.1.2")
@pytest.mark.parametrize("kind", ALTERNATIVE_NAMES)
def test_an_alternative_name_of_the_registered_kind_proves_the_client(server, kind):
    registered, name, others = ALTERNATIVE_NAMES[kind]
    client = register(server, **{f"tls_client_auth_san_{kind}": registered})
    more = (x509.DNSName("more.example"), name)
    assert send(server, client.client_id, present(build(server, SUBJECT, more))).status_code == 200
    for other in others:
        value = ipaddress.ip_address(other) if kind == "ip" else other
        wrong = build(server, SUBJECT, (type(name)(value),))
        assert is_refused(send(server, client.client_id, present(wrong))), other
    text = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, registered)])
    assert is_refused(send(server, client.client_id, present(build(server, text))))
    if kind != "uri":
        disguised = build(server, SUBJECT, (x509.UniformResourceIdentifier(registered),))
        assert is_refused(send(server, client.client_id, present(disguised)))


# -- a certificate with a registered key ------------------------------------------------------------------------------
@pytest.mark.spec("RFC 8705 §2.2")
def test_a_self_signed_certificate_with_a_registered_key_proves_the_client(server):
    mine, other = build(server), build(server)
    jwks = {"keys": [build_jwk(mine.key, kid="k1"), build_jwk(build(server).key, kid="k2")]}
    client = register(server, token_endpoint_auth_method="self_signed_tls_client_auth", jwks=jwks)
    for verified in (None, "FAILED:self signed certificate", "SUCCESS"):
        assert send(server, client.client_id, present(mine, verified)).status_code == 200
        assert is_refused(send(server, client.client_id, present(other, verified)))
    renewed = build(server, x509.Name([]), key=mine.key)
    assert send(server, client.client_id, present(renewed)).status_code == 200
    assert is_refused(send(server, client.client_id, present(mine), address=STRANGER))
    assert is_refused(send(server, client.client_id, present(build(server, key=mine.key, days=(-3, -1)))))


# -- beside other methods ---------------------------------------------------------------------------------------------
@pytest.mark.threat("T40")
@pytest.mark.spec("RFC 8705 §2")
def test_a_certificate_is_no_second_method_for_a_client_that_has_another(server, certificate):
    machine = server.register_client(**DOCUMENT)
    answer = send(server, None, present(certificate), auth=machine.auth)
    assert answer.status_code == 200
    post = server.register_client(**DOCUMENT, token_endpoint_auth_method="client_secret_post")
    assert send(server, post.client_id, present(certificate), client_secret=post.client_secret).status_code == 200
    public = server.register_client(grant_types=["authorization_code"], token_endpoint_auth_method="none")
    assert send(server, public.client_id, present(certificate), path="/oauth2/revoke").status_code == 200
    for confidential in (machine, post):
        assert is_refused(send(server, confidential.client_id, present(certificate)))


@pytest.mark.threat("T40")
@pytest.mark.threat("T41")
def test_a_client_of_certificates_is_nobody_without_one(server, client, certificate):
    assert is_refused(send(server, client.client_id, []))
    assert is_refused(send(server, None, present(certificate)))
    assert is_refused(send(server, client.client_id, present(certificate), client_secret="x"))
    assert is_refused(send(server, client.client_id, present(certificate), client_secret=""))
    assert is_refused(send(server, None, present(certificate), auth=(client.client_id, "x")))
    bearer = [*present(certificate), ("authorization", "Bearer x")]
    assert is_refused(send(server, client.client_id, bearer))


# -- registration and settings ----------------------------------------------------------------------------------------
@pytest.mark.spec("RFC 8705 §2.1.2")
@pytest.mark.parametrize(
    "metadata",
    [
        {}, {"tls_client_auth_subject_dn": ""}, {"tls_client_auth_subject_dn": "shop"},
        {"tls_client_auth_subject_dn": "CN=shop, O=x"}, {"tls_client_auth_subject_dn": "XX=shop"},
        {"tls_client_auth_subject_dn": 5}, {"tls_client_auth_subject_dn": "CN=" + "x" * 2000},
        {"tls_client_auth_subject_dn": "CN=shop", "tls_client_auth_san_dns": "shop.example"},
        {"tls_client_auth_san_dns": "*.example"}, {"tls_client_auth_san_dns": ""},
        {"tls_client_auth_san_ip": "300.1.1.1"}, {"tls_client_auth_san_email": "ops"},
        {"token_endpoint_auth_method": "self_signed_tls_client_auth"},
        {"token_endpoint_auth_method": "client_secret_basic", "tls_client_auth_san_dns": "shop.example"},
    ],
)  # fmt: skip
def test_a_client_of_certificates_has_exactly_one_name_that_can_be_compared(server, metadata):
    document = {**DOCUMENT, "token_endpoint_auth_method": "tls_client_auth", **metadata}
    with pytest.raises(InvalidClientMetadata):
        server.run(create_client(server.runtime, "default", document, actor="test"))


def test_a_client_of_certificates_has_no_secret(server):
    document = {
        **DOCUMENT, "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "Shop.example",
        "tls_client_certificate_bound_access_tokens": True,
    }  # fmt: skip
    created = server.run(create_client(server.runtime, "default", document, actor="test"))
    assert (created.client_secret, created.client.secrets) == (None, ())
    assert created.client.extra["tls_client_auth_san_dns"] == "shop.example"


@pytest.mark.spec("RFC 8705 §3.3")
def test_the_discovery_document_says_what_the_proxy_makes_possible(server):
    methods = {"tls_client_auth", "self_signed_tls_client_auth"}
    for overrides, expected in (
        (SETTINGS, methods),
        ({**SETTINGS, "serve.client_certificate_verify_header": ""}, {"self_signed_tls_client_auth"}),
        ({}, set()),
    ):
        other = InProcessServer(overrides)
        document = other.get("/.well-known/openid-configuration").json()
        for endpoint in ("token", "revocation", "introspection"):
            assert methods & set(document[f"{endpoint}_endpoint_auth_methods_supported"]) == expected
        assert document.get("tls_client_certificate_bound_access_tokens", False) is bool(expected)
        asked = {"tls_client_auth_san_dns": "a.example", "token_endpoint_auth_method": "tls_client_auth"}
        if "tls_client_auth" not in expected:
            with pytest.raises(InvalidClientMetadata):
                other.run(create_client(other.runtime, "default", {**DOCUMENT, **asked}, actor="test"))
        other.stop()


def test_a_header_that_nobody_could_be_believed_in_stops_the_start():
    for overrides in (
        {"serve.client_certificate_header": HEADER},
        {"serve.client_certificate_header": HEADER, "serve.trusted_proxies": ["0.0.0.0/0"]},
        {"serve.client_certificate_header": HEADER, "serve.trusted_proxies": [PROXY, "::/0"]},
        {"serve.client_certificate_verify_header": VERIFY, "serve.trusted_proxies": [PROXY]},
        {"serve.client_certificate_header": "Client_Cert", "serve.trusted_proxies": [PROXY]},
    ):
        with pytest.raises(ConfigurationError, match="client_certificate"):
            load_settings(overrides=overrides)
