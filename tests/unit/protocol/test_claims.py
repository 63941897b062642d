"""What ID tokens and userinfo say, and under which identifier a client knows a subject."""

from __future__ import annotations

from typing import Any

import pytest

from grantway.errors import InvalidClientMetadata, ServerError
from grantway.model import ClaimRequest, ClaimsRequest, Client, Subject
from grantway.protocol.claims import (
    build_half_hash,
    build_id_token_claims,
    build_pairwise_subject,
    build_userinfo_claims,
    choose_subject_identifier,
    find_sector,
    is_value_accepted,
    narrow_claims,
    select_subject_claims,
)

ADDRESS = {"formatted": "1 Way", "country": "NZ"}
SUBJECT = Subject(
    tenant="default",
    subject="sub-1",
    username="ada",
    username_key="ada",
    updated_at=1_700_000_000_123,
    claims={
        "name": "Ada",
        "nickname": "",
        "website": None,
        "email": "ada@example.com",
        "email_verified": False,
        "address": ADDRESS,
        "phone_number": [],
        "department": "secret",
        "zoneinfo": "Pacific/Auckland",
    },
)
CLIENT = Client(tenant="default", client_id="A", redirect_uris=("https://a.example/cb",))


def build_client(*redirect_uris: str, **fields: Any) -> Client:
    return Client(tenant="default", client_id="A", redirect_uris=redirect_uris, subject_type="pairwise", **fields)


@pytest.mark.spec("OpenID Connect Core §5.4")
@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ((), {}),
        (("openid", "read"), {}),
        (
            ("openid", "profile"),
            {"name": "Ada", "preferred_username": "ada", "zoneinfo": "Pacific/Auckland", "updated_at": 1_700_000_000},
        ),
        (("email",), {"email": "ada@example.com", "email_verified": False}),
        (("address", "phone"), {"address": ADDRESS}),
    ],
)
def test_a_scope_gives_its_claims_and_never_an_empty_one(scope: tuple[str, ...], expected: dict[str, Any]) -> None:
    assert select_subject_claims(SUBJECT, scope=scope, requested={}) == expected


def test_what_the_account_says_of_itself_wins_over_what_is_derived() -> None:
    subject = Subject(
        tenant="default", subject="s", username="ada", username_key="ada", claims={"preferred_username": "Countess"}
    )
    assert select_subject_claims(subject, scope=("profile",), requested={}) == {"preferred_username": "Countess"}


@pytest.mark.spec("OpenID Connect Core §5.5.1")
def test_a_claim_asked_for_by_name_is_given_with_the_value_asked_for_or_not_at_all() -> None:
    def select(**requested: ClaimRequest | None) -> dict[str, Any]:
        return select_subject_claims(SUBJECT, scope=("openid",), requested=requested)

    assert select(name=None, email=ClaimRequest(essential=True)) == {"name": "Ada", "email": "ada@example.com"}
    assert select(name=ClaimRequest(value="Ada")) == {"name": "Ada"}
    assert select(name=ClaimRequest(value="Eve")) == {}
    assert select(name=ClaimRequest(values=("Eve", "Ada"))) == {"name": "Ada"}
    assert select(name=ClaimRequest(values=("Eve",))) == {}
    assert select(email_verified=ClaimRequest(value=0)) == {}
    assert select(email_verified=ClaimRequest(value=False)) == {"email_verified": False}
    assert select(gender=None, nickname=None) == {}


def test_what_else_is_stored_with_an_account_cannot_be_asked_for() -> None:
    assert select_subject_claims(SUBJECT, scope=("department",), requested={"department": None, "sub": None}) == {}


@pytest.mark.spec("OpenID Connect Core §5.5.1")
def test_values_are_compared_as_json_compares_them() -> None:
    assert is_value_accepted("x", ClaimRequest())
    assert is_value_accepted(None, ClaimRequest(essential=True))
    assert is_value_accepted("x", ClaimRequest(value="y", values=("x",)))
    assert not is_value_accepted(True, ClaimRequest(value=1))
    assert not is_value_accepted("X", ClaimRequest(values=("x",)))


def test_a_scope_that_was_refused_takes_its_claims_with_it() -> None:
    claims = ClaimsRequest(
        userinfo={"email": None, "name": None, "phone_number": None}, id_token={"email": None, "acr": None}
    )
    narrowed = narrow_claims(
        claims, requested_scope=("openid", "email", "profile"), granted_scope=("openid", "profile")
    )
    assert narrowed == ClaimsRequest(userinfo={"name": None, "phone_number": None}, id_token={"acr": None})
    assert narrow_claims(None, requested_scope=("email",), granted_scope=()) is None


@pytest.mark.spec("OpenID Connect Core §3.1.3.6")
def test_the_half_hash_follows_the_signature_algorithm() -> None:
    # The example of OpenID Connect Core Appendix A.3 and A.4.
    assert build_half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"
    assert (
        build_half_hash("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "ES256")
        == "LDktKdoQak3Pk0cnXxCltA"
    )
    lengths = {alg: len(build_half_hash("x", alg)) for alg in ("PS256", "ES384", "RS512", "EdDSA")}
    assert lengths == {"PS256": 22, "ES384": 32, "RS512": 43, "EdDSA": 43}


@pytest.mark.spec("OpenID Connect Core §8.1")
def test_a_pairwise_identifier_is_stable_in_its_sector_and_strange_elsewhere() -> None:
    identifier = build_pairwise_subject("a.example", "s", "salt")
    assert identifier == build_pairwise_subject("a.example", "s", "salt")
    others = {
        build_pairwise_subject("b.example", "s", "salt"),
        build_pairwise_subject("a.example", "t", "salt"),
        build_pairwise_subject("a.example", "s", "pepper"),
        build_pairwise_subject("a.examples", "", "salt"),
    }
    assert len(others) == 4
    assert identifier not in others
    assert identifier != "s"
    assert len(identifier) == 43


@pytest.mark.spec("OpenID Connect Core §8.1")
@pytest.mark.parametrize(
    ("client", "sector"),
    [
        (build_client("https://A.example/cb", "https://a.example:8443/x"), "a.example"),
        (build_client("http://127.0.0.1/cb"), "127.0.0.1"),
        (
            build_client("https://a.example", "https://b.example", sector_identifier_uri="https://s.example/uris.json"),
            "s.example",
        ),
        (build_client("com.example.app:/cb", sector_identifier_uri="https://s.example/uris.json"), "s.example"),
    ],
)
def test_the_sector_is_a_host(client: Client, sector: str) -> None:
    assert find_sector(client) == sector


@pytest.mark.spec("OpenID Connect Core §8.1")
@pytest.mark.parametrize(
    "uris",
    [(), ("https://a.example", "https://b.example"), ("com.example.app:/cb",), ("https://a.example", "com.a:/cb")],
)
def test_without_one_host_a_sector_identifier_uri_is_needed(uris: tuple[str, ...]) -> None:
    with pytest.raises(InvalidClientMetadata):
        find_sector(build_client(*uris))


@pytest.mark.spec("OpenID Connect Core §8")
def test_a_client_knows_a_subject_by_its_own_identifier_if_it_is_pairwise() -> None:
    pairwise = build_client("https://a.example/cb")
    assert choose_subject_identifier(CLIENT, "s", None) == "s"
    assert choose_subject_identifier(pairwise, "s", "salt") == build_pairwise_subject("a.example", "s", "salt")
    for salt in (None, ""):
        with pytest.raises(ServerError):
            choose_subject_identifier(pairwise, "s", salt)


@pytest.mark.spec("OpenID Connect Core §2")
def test_an_id_token_says_what_it_must() -> None:
    claims = build_id_token_claims(
        issuer="https://op.example", client=CLIENT, subject_identifier="s", now=1000, ttl=60, alg="RS256"
    )
    assert claims == {
        "iss": "https://op.example", "sub": "s", "aud": "A", "azp": "A", "iat": 1000, "exp": 1060
    }  # fmt: skip


@pytest.mark.spec("OpenID Connect Core §2")
@pytest.mark.spec("OpenID Connect Core §3.1.3.6")
def test_an_id_token_says_what_is_known_of_the_log_in() -> None:
    claims = build_id_token_claims(
        issuer="https://op.example",
        client=CLIENT,
        subject_identifier="s",
        now=1000,
        ttl=60,
        alg="ES256",
        nonce="n",
        auth_time=900,
        acr="1",
        amr=("pwd",),
        session_id="sid-1",
        access_token="jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
        code="Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk",
        extra={"email": "ada@example.com"},
    )
    assert {name: claims[name] for name in claims if name not in ("iss", "sub", "aud", "azp", "iat", "exp")} == {
        "nonce": "n",
        "auth_time": 900,
        "acr": "1",
        "amr": ["pwd"],
        "sid": "sid-1",
        "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
        "c_hash": "LDktKdoQak3Pk0cnXxCltA",
        "email": "ada@example.com",
    }


def test_what_an_account_says_cannot_stand_in_for_what_the_server_says() -> None:
    forged = dict.fromkeys(["iss", "sub", "aud", "exp", "iat", "nonce", "acr", "amr", "azp", "auth_time", "sid"], "x")
    claims = build_id_token_claims(
        issuer="i", client=CLIENT, subject_identifier="s", now=1, ttl=1, alg="RS256", extra={**forged, "name": "Ada"}
    )
    assert "x" not in claims.values()
    assert claims["name"] == "Ada"


@pytest.mark.spec("OpenID Connect Core §5.3.2")
def test_userinfo_says_the_subject_and_what_was_granted() -> None:
    assert build_userinfo_claims(SUBJECT, subject_identifier="pairwise", scope=("openid",), claims=None) == {
        "sub": "pairwise"
    }
    claims = ClaimsRequest(userinfo={"name": None}, id_token={"zoneinfo": None})
    assert build_userinfo_claims(SUBJECT, subject_identifier="s", scope=("openid", "email"), claims=claims) == {
        "sub": "s",
        "email": "ada@example.com",
        "email_verified": False,
        "name": "Ada",
    }
