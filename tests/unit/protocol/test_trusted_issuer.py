"""What an administrator may say of an issuer, and what a client may sign itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from tests.forged_jwts import build_jwk
from tests.saml_issuer import make_identity

from grantway.errors import InvalidClientMetadata, Unprocessable
from grantway.model import Client, Entry
from grantway.protocol.trusted_issuer import (
    CLIENT_METADATA,
    Trust,
    TrustedIssuer,
    build_external_subject,
    build_own_trust,
    build_trust,
    parse_trusted_issuer,
    read_certificates,
    read_trusted_issuer,
)

JWK = build_jwk(ec.generate_private_key(ec.SECP256R1()), kid="k1")
OTHER_JWK = build_jwk(ec.generate_private_key(ec.SECP256R1()), kid="k2")
PEM = make_identity().certificate
GOOD: dict[str, Any] = {
    "issuer": "https://idp.example", "subject": "alice", "scope": ["read"], "clients": ["shop"], "jwk": JWK
}  # fmt: skip


def parse(protocol: Any = "jwt", *, for_any_client: bool = False, **changes: Any) -> TrustedIssuer:
    document = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return parse_trusted_issuer(document, protocol, for_any_client=for_any_client)


def store(trusted: TrustedIssuer) -> Entry:
    """As a database keeps it."""
    document = msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(trusted)))
    return Entry(tenant="default", kind="trusted_issuer", key="x", document=document, expires_at=5000)


def test_an_issuer_is_trusted_for_a_subject_a_scope_clients_and_keys():
    trusted = parse()
    assert (trusted.issuer, trusted.subject, trusted.scope) == ("https://idp.example", "alice", ("read",))
    assert trusted.jwks == {"keys": [JWK]}
    assert trusted.is_good_for("shop")
    assert not trusted.is_good_for("other")
    trust = build_trust(store(trusted))
    assert trust.owner == "issuer:https://idp.example"
    assert (trust.revocation_key, trust.expires_at) == ("trusted_issuer:x", 5000)
    assert trust.covers("alice")
    assert not trust.covers("bob")


def test_somebody_without_an_account_is_called_by_issuer_and_name():
    assert parse(subject_is="external").subject_is == "external"
    assert build_external_subject("https://idp.example", "alice") == "https://idp.example|alice"
    assert build_external_subject("https://idp.example", "x" * 236) is None
    assert build_external_subject("https://idp.example", "a\x00b") is None


def test_any_subject_and_any_client_have_to_be_said():
    trusted = parse(subject=..., allow_any_subject=True, clients=..., any_client=True)
    assert trusted.subject is None
    assert trusted.is_good_for("whoever")
    assert build_trust(store(trusted)).covers("whoever")
    assert parse(clients=..., for_any_client=True).any_client
    assert not parse(for_any_client=True).any_client


def test_keys_are_a_jwk_a_set_a_url_or_certificates():
    assert parse(jwk=..., jwks={"keys": [JWK, OTHER_JWK]}).jwks == {"keys": [JWK, OTHER_JWK]}
    assert parse(jwk=..., jwks_uri="https://idp.example/keys").jwks_uri == "https://idp.example/keys"
    assert parse(jwk=..., certificates=["noise before\n" + PEM + "and after"]).certificates == (PEM,)
    assert parse("saml", jwk=..., certificates=[PEM]).certificates == (PEM,)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("issuer", {"issuer": ...}), ("issuer", {"issuer": " "}), ("issuer", {"issuer": "x" * 256}),
        ("issuer", {"issuer": 5}), ("issuer", {"issuer": "a\nb"}), ("issuer", {"issuer": "a|b"}),
        ("subject", {"subject": ...}), ("subject", {"allow_any_subject": True}), ("subject", {"subject": ""}),
        ("subject", {"subject": "x" * 256}), ("subject", {"subject": ["alice"]}),
        ("allow_any_subject", {"allow_any_subject": "yes"}), ("subject_is", {"subject_is": "email"}),
        ("scope", {"scope": ...}), ("scope", {"scope": "read"}), ("scope", {"scope": ['a"b']}),
        ("scope", {"scope": [f"s{n}" * 30 for n in range(90)]}),
        ("clients", {"clients": ...}), ("clients", {"clients": []}), ("clients", {"any_client": True}),
        ("clients", {"clients": [5]}), ("any_client", {"any_client": 1}),
        ("jwk", {"jwk": ...}), ("jwk", {"jwks": {"keys": [OTHER_JWK]}}), ("jwk", {"jwk": {"kty": "EC"}}),
        ("jwk", {"jwk": {**JWK, "d": "x"}}), ("jwk", {"jwk": {**JWK, "kid": None}}), ("jwk", {"jwk": "x"}),
        ("jwk", {"jwk": {**JWK, "use": "enc"}}), ("jwks", {"jwk": ..., "jwks": [JWK]}),
        ("jwks", {"jwk": ..., "jwks": {"keys": [JWK, JWK]}}), ("jwks_uri", {"jwk": ..., "jwks_uri": "ftp://x"}),
        ("certificates", {"jwk": ..., "certificates": ["x"]}), ("certificates", {"jwk": ..., "certificates": PEM}),
        ("certificates", {"jwk": ..., "certificates": [5]}),
        ("certificates", {"jwk": ..., "certificates": [PEM + "x" * 20_000]}),
    ],
)  # fmt: skip
def test_what_is_missing_malformed_or_contradicts_is_named(field, changes):
    with pytest.raises(Unprocessable) as refused:
        parse(**changes)
    assert refused.value.field == field
    assert refused.value.message.endswith(".")


@pytest.mark.threat("T82")
def test_saml_takes_certificates_that_can_sign_xml_and_nothing_else():
    for changes in ({}, {"jwk": ..., "jwks_uri": "https://idp.example/keys"}, {"certificates": [PEM]}):
        with pytest.raises(Unprocessable):
            parse("saml", **changes)
    with pytest.raises(Unprocessable, match="RSA or EC"):
        parse("saml", jwk=..., certificates=[_build_ed25519_certificate()])


def test_certificates_are_few():
    certificates = [make_identity(f"c{n}", "P-256").certificate for n in range(6)]
    assert len(read_certificates("certificates", certificates[:5])) == 5
    with pytest.raises(InvalidClientMetadata, match="more than 5"):
        read_certificates("certificates", certificates)


def test_what_is_stored_is_read_again():
    for trusted in (parse(), parse("saml", jwk=..., certificates=[PEM])):
        assert read_trusted_issuer(store(trusted)) == trusted


def test_of_one_issuer_there_is_one_for_each_subject_and_set_of_keys():
    same = [parse(), parse(scope=["write"]), parse(clients=["other"])]
    assert len({trusted.build_key() for trusted in same}) == 1
    others = [
        parse(), parse(subject="bob"), parse(jwk=OTHER_JWK), parse(issuer="https://other.example"),
        parse(jwk=..., jwks_uri="https://idp.example/keys"), parse(jwk=..., certificates=[PEM]),
        parse("saml", jwk=..., certificates=[PEM]),
    ]  # fmt: skip
    keys = {trusted.build_key() for trusted in others}
    assert len(keys) == len(others)
    assert all(len(key) == 26 and key.isalnum() for key in keys)


def own(**extra: Any) -> Trust | None:
    return build_own_trust(Client(tenant="default", client_id="shop", scope=("read",), extra=extra))


def test_a_client_signs_for_itself_alone_unless_more_is_said():
    assert own() is None
    assert own(self_issued_assertions=False, assertion_subjects=["*"]) is None
    trust = own(self_issued_assertions=True, jwks={"keys": [JWK]})
    assert trust is not None
    assert (trust.owner, trust.issuer, trust.scope) == ("client:shop", "shop", ("read",))
    assert trust.covers("shop")
    assert not trust.covers("alice")
    some = own(self_issued_assertions=True, assertion_subjects=["alice"])
    assert some is not None
    assert some.covers("alice") and some.covers("shop") and not some.covers("bob")  # noqa: PT018
    anybody = own(self_issued_assertions=True, assertion_subjects=["*"])
    assert anybody is not None
    assert anybody.covers("bob")


@pytest.mark.threat("T59")
def test_for_whom_a_client_signs_is_not_for_the_client_to_say():
    assert CLIENT_METADATA["assertion_subjects"].right == "grantway.trusted-issuers.write"
    assert CLIENT_METADATA["assertion_subject_is"].right == "grantway.trusted-issuers.write"


def _build_ed25519_certificate() -> str:
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    key, name = ed25519.Ed25519PrivateKey.generate(), x509.Name([])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=9999))
    return builder.sign(key, None).public_bytes(Encoding.PEM).decode()
