"""Client metadata: every field is checked, alone and together, and comes back as it was."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from grantway.errors import InvalidClientMetadata, InvalidRedirectUri, OAuthError
from grantway.model import Client, ClientSecret
from grantway.protocol.client_metadata import FIELDS, Metadatum, build_client_fingerprint, describe_client, parse_client

MINIMAL = {"redirect_uris": ["https://a.example/cb"]}
FULL: dict[str, Any] = {
    "client_name": "Zoë's app ✨",
    "redirect_uris": ["https://a.example/cb", "com.example.app:/cb", "http://127.0.0.1/cb"],
    "token_endpoint_auth_method": "client_secret_post",
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "response_types": ["code"],
    "scope": "openid email read",
    "contacts": ["ops@a.example"],
    "client_uri": "https://a.example/",
    "logo_uri": "https://a.example/logo.png",
    "policy_uri": "https://a.example/policy",
    "tos_uri": "http://127.0.0.1:3000/tos",
    "application_type": "native",
    "id_token_signed_response_alg": "ES256",
    "subject_type": "pairwise",
    "sector_identifier_uri": "https://a.example/sector.json",
    "default_max_age": 0,
    "require_auth_time": True,
    "default_acr_values": ["urn:a", "1"],
    "post_logout_redirect_uris": ["https://a.example/out", "com.example.app:/out"],
    "enabled": False,
    "response_modes": ["form_post"],
    "default_scope": "read",
    "audience": ["https://api.example/", "reports"],
    "resource_identifiers": ["https://api.example/"],
    "require_pkce": True,
    "access_token_format": "jwt",
    "access_token_signed_response_alg": "EdDSA",
    "refresh_token_rotation": "strict",
    "access_token_ttl": 60,
    "id_token_ttl": 61,
    "refresh_token_idle_ttl": 62,
    "refresh_token_absolute_ttl": 63,
    "skip_consent": True,
    "allowed_cors_origins": ["https://a.example", "http://localhost:3000", "https://a.example:8443"],
    "owner": "team a",
    "metadata": {"a": [1, {"b": None}]},
}


def parse(document: dict[str, Any], **options: Any) -> Client:
    return parse_client(document, tenant="t", client_id="A", **options)


def refuse(document: dict[str, Any], error: type[OAuthError] = InvalidClientMetadata, **options: Any) -> str:
    with pytest.raises(OAuthError) as caught:
        parse({**MINIMAL, **document}, **options)
    assert type(caught.value) is error
    return caught.value.description


@pytest.mark.spec("RFC 7591 §2")
def test_a_minimal_document_takes_the_defaults() -> None:
    assert parse(MINIMAL) == Client(tenant="t", client_id="A", redirect_uris=("https://a.example/cb",))


@pytest.mark.spec("RFC 7591 §2")
def test_a_full_document_is_read_and_written_back() -> None:
    assert set(FULL) == set(FIELDS)
    client = parse({**FULL, "client_id": "A"})
    assert client.scope == ("openid", "email", "read")
    assert client.default_scope == ("read",)
    assert client.allowed_cors_origins == ("https://a.example", "http://localhost:3000", "https://a.example:8443")
    assert describe_client(client) == {"client_id": "A", **FULL}
    assert parse(describe_client(client)) == client
    assert parse(describe_client(parse(MINIMAL))) == parse(MINIMAL)


def test_every_field_of_a_client_is_in_the_list_or_kept_from_it_on_purpose() -> None:
    kept = {
        "tenant",
        "client_id",
        "secrets",
        "registration",
        "extra",
        "version",
        "created_at",
        "updated_at",
    }
    assert set(Client.__struct_fields__) == set(FIELDS) | kept


@pytest.mark.threat("T38")
def test_secrets_and_inner_fields_go_neither_in_nor_out() -> None:
    secret = ClientSecret(secret_id="s", digest="keyed:00", created_at=0)
    described = describe_client(msgspec.structs.replace(parse(MINIMAL), secrets=(secret,), version=7))
    assert not {"tenant", "secrets", "client_secret", "version", "created_at", "extra"} & set(described)
    for name in ("tenant", "secrets", "client_secret", "version", "created_at", "updated_at", "extra"):
        refuse({name: "x"})


def test_an_unknown_name_is_refused_with_a_suggestion() -> None:
    assert "Did you mean redirect_uris?" in refuse({"redirect_uri": []})
    assert "Did you mean" not in refuse({"zzzzzz": 1})
    assert "Did you mean tls_x?" in refuse({"tls_y": 1}, extra_metadata={"tls_x": Metadatum("")})
    assert len(refuse({"x" * 10_000: 1})) < 200


@pytest.mark.spec("RFC 7592 §2.2")
def test_a_base_is_changed_only_where_the_document_says_so() -> None:
    base = msgspec.structs.replace(
        parse(FULL, extra_metadata={"x": Metadatum("")}), version=3, created_at=5, extra={"x": 1, "y": 2}
    )
    changed = parse(
        {"client_name": "new", "owner": None, "access_token_ttl": None, "x": [2]},
        base=base,
        extra_metadata={"x": Metadatum("")},
    )
    assert changed == msgspec.structs.replace(
        base, tenant="t", client_name="new", owner="", access_token_ttl=None, extra={"x": [2], "y": 2}
    )


@pytest.mark.spec("RFC 7592 §2.2")
def test_a_document_for_another_client_is_refused() -> None:
    refuse({"client_id": "B"})
    refuse({"client_id": None})


def test_extensions_add_fields_of_their_own() -> None:
    client = parse({**MINIMAL, "jwks_uri": "https://a.example/jwks"}, extra_metadata={"jwks_uri": Metadatum("")})
    assert client.extra == {"jwks_uri": "https://a.example/jwks"}
    assert describe_client(client)["jwks_uri"] == "https://a.example/jwks"
    assert parse({**MINIMAL, "jwks_uri": None}, base=client, extra_metadata={"jwks_uri": Metadatum("")}).extra == {}
    refuse({"jwks": [[[[[[[[[1]]]]]]]]]}, extra_metadata={"jwks": Metadatum("")})


@pytest.mark.parametrize(
    "name", [name for name in FIELDS if name not in ("redirect_uris", "post_logout_redirect_uris")]
)
@pytest.mark.parametrize("value", [b"x", 1.5, object(), {"a": float("nan")}, [{}], [None], "\x00", -1, 2**70, [["x"]]])
def test_no_field_takes_a_value_of_another_kind(name: str, value: Any) -> None:
    refuse({name: value})


@pytest.mark.threat("T3")
@pytest.mark.threat("T5")
@pytest.mark.parametrize("name", ["redirect_uris", "post_logout_redirect_uris"])
@pytest.mark.parametrize(
    "uri",
    ["https://a.example/*", "https://a.example*", "JaVaScRiPt:alert(1)", "data:text/html,x", "\tjavascript:alert(1)",
     "https://a.example/#", "http://a.example/", "", None, 1, ["https://a.example"]],
)  # fmt: skip
def test_a_redirect_uri_that_may_not_be_registered_is_refused(name: str, uri: Any) -> None:
    refuse({name: [uri]}, InvalidRedirectUri)


def test_redirect_uris_are_a_list() -> None:
    refuse({"redirect_uris": "https://a.example/cb"})
    refuse({"redirect_uris": {"https://a.example/cb": 1}})
    refuse({"redirect_uris": [f"https://a.example/{n}" for n in range(101)]})
    refuse({"redirect_uris": ["com.example.app:/cb"]}, InvalidRedirectUri)
    assert parse({"redirect_uris": ["https://a.example", "https://a.example"]}).redirect_uris == ("https://a.example",)


@pytest.mark.parametrize(
    "document",
    [
        {"client_name": "x" * 257},
        {"client_name": "a\nb"},
        {"client_name": "a\x7fb"},
        {"client_name": "Bank\u202eknaB"},
        {"client_name": "\ud800"},
        {"client_name": "a\u2028b"},
        {"client_name": ["x"]},
        {"contacts": ["x" * 257]},
        {"scope": ["openid"]},
        {"scope": 'a"b'},
        {"scope": " ".join(map(str, range(101)))},
        {"scope": "a", "default_scope": "a b"},
        {"audience": ["a b"]},
        {"audience": [""]},
        {"audience": ["é"]},
        {"token_endpoint_auth_method": "attest_jwt_client_auth"},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "HS256"},
        {"access_token_signed_response_alg": "es256"},
        {"access_token_format": "JWT"},
        {"refresh_token_rotation": "on"},
        {"application_type": "service"},
        {"subject_type": "private"},
        {"response_modes": ["web_message"]},
        {"response_modes": []},
        {"enabled": 1},
        {"enabled": "true"},
        {"skip_consent": 0},
        {"access_token_ttl": 0},
        {"access_token_ttl": True},
        {"access_token_ttl": "60"},
        {"access_token_ttl": 10**10},
        {"default_max_age": -1},
        {"metadata": []},
        {"metadata": {"a": "x" * 16384}},
        {"metadata": {"a": [[[[[[[[1]]]]]]]]}},
        {"metadata": {1: "a"}},
    ],
)
def test_a_value_out_of_its_bounds_is_refused(document: dict[str, Any]) -> None:
    refuse(document)


def test_names_in_any_script_are_names() -> None:
    for name in ("名前", "برنامه\u200cها", "👩\u200d💻", "a\u00a0b"):
        assert parse({**MINIMAL, "client_name": name}).client_name == name


@pytest.mark.threat("T5")
@pytest.mark.threat("T75")
@pytest.mark.parametrize("name", ["client_uri", "logo_uri", "policy_uri", "tos_uri", "sector_identifier_uri"])
@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:image/png,x", "http://a.example/", "//a.example/", "a.example", "https://u@a.example/",
     "https://a.example/ x", "https://a.example/" + "x" * 2048, "", "https://a.example/\n", "com.example.app:/x"],
)  # fmt: skip
def test_a_link_leads_to_the_web(name: str, url: str) -> None:
    refuse({name: url})


@pytest.mark.spec("OpenID Connect Dynamic Client Registration §5")
def test_a_sector_is_read_from_https_only() -> None:
    refuse({"sector_identifier_uri": "http://127.0.0.1/sector.json"})


@pytest.mark.spec("RFC 6454 §6.2")
@pytest.mark.parametrize(
    "origin",
    ["*", "null", "https://a.example/", "https://a.example/x", "https://a.example?x", "https://A.example",
     "HTTPS://a.example", "https://a.example:443", "http://localhost:80", "http://a.example", "https://*.a.example",
     "https://u@a.example", "app://x", "a.example", 1],
)  # fmt: skip
def test_an_origin_is_written_as_browsers_write_it(origin: Any) -> None:
    refuse({"allowed_cors_origins": [origin]})


@pytest.mark.spec("RFC 7591 §2.1")
def test_grant_types_and_response_types_fit_together() -> None:
    machine = parse({"grant_types": ["client_credentials"]})
    assert machine.response_types == ()
    assert machine.redirect_uris == ()
    assert parse({**MINIMAL, "grant_types": None}, base=machine).response_types == ("code",)
    assert parse({"grant_types": ["urn:example:grant"]}).grant_types == ("urn:example:grant",)
    refuse({"response_types": []})
    refuse({"response_types": ["token"]})
    refuse({"response_types": ["code token"]})
    refuse({"grant_types": ["client_credentials"], "response_types": ["code"]})
    refuse({"grant_types": []})
    refuse({"grant_types": ["a b"]})


@pytest.mark.spec("RFC 7591 §2.1")
def test_implicit_and_hybrid_response_types_need_their_grant_types() -> None:
    both = {"grant_types": ["authorization_code", "implicit"]}
    assert parse({**MINIMAL, **both}).response_types == ("code", "id_token", "token")
    front = parse({**MINIMAL, "grant_types": ["implicit"]})
    assert front.response_types == ("id_token", "token")
    hybrid = parse({**MINIMAL, **both, "response_types": ["token id_token code", "token code"]})
    assert hybrid.response_types == ("code id_token token", "code token")
    refuse({**MINIMAL, "grant_types": ["implicit"], "response_types": ["code token"]})
    refuse({**MINIMAL, "grant_types": ["authorization_code"], "response_types": ["code token"]})
    refuse({**MINIMAL, **both, "response_types": ["code"]})
    refuse({**MINIMAL, **both, "response_types": [7]})
    refuse({"grant_types": ["implicit"], "redirect_uris": []}, InvalidRedirectUri)


@pytest.mark.spec("RFC 6749 §3.1.2.2")
def test_a_client_of_the_authorization_endpoint_needs_a_redirect_uri() -> None:
    with pytest.raises(InvalidRedirectUri):
        parse({})
    with pytest.raises(InvalidRedirectUri):
        parse({"redirect_uris": []})


@pytest.mark.spec("RFC 6749 §4.4")
@pytest.mark.threat("T41")
def test_a_client_without_credentials_has_no_client_credentials() -> None:
    assert parse({**MINIMAL, "token_endpoint_auth_method": "none"}).is_public
    refuse({"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]})


@pytest.mark.spec("RFC 6749 §4.4.3")
def test_refreshing_needs_a_grant_that_gives_refresh_tokens() -> None:
    assert parse({**MINIMAL, "grant_types": ["authorization_code", "refresh_token"]})
    refuse({"grant_types": ["refresh_token"]})
    refuse({"grant_types": ["refresh_token", "client_credentials"]})


def test_authentication_methods_are_those_the_server_has() -> None:
    refuse({"token_endpoint_auth_method": "none"}, methods=("private_key_jwt",))
    client = parse({**MINIMAL, "token_endpoint_auth_method": "private_key_jwt"}, methods=("private_key_jwt",))
    assert client.token_endpoint_auth_method == "private_key_jwt"


@pytest.mark.spec("OpenID Connect Core §8.1")
def test_a_pairwise_client_has_one_sector() -> None:
    pairwise = {"subject_type": "pairwise", "redirect_uris": ["https://a.example", "https://b.example"]}
    refuse(pairwise)
    assert parse({**pairwise, "sector_identifier_uri": "https://s.example/u.json"})
    assert parse({"subject_type": "pairwise", "grant_types": ["client_credentials"]})


@pytest.mark.threat("T108")
def test_the_fingerprint_follows_what_a_person_relied_on() -> None:
    client = parse({**MINIMAL, "client_name": "a", "redirect_uris": ["https://a.example", "https://b.example"]})
    fingerprint = build_client_fingerprint(client)
    same = msgspec.structs.replace(client, redirect_uris=client.redirect_uris[::-1], scope=("x",), version=9)
    assert build_client_fingerprint(same) == fingerprint
    for change in ({"client_name": "b"}, {"redirect_uris": ("https://a.example",)}):
        assert build_client_fingerprint(msgspec.structs.replace(client, **change)) != fingerprint


@pytest.mark.spec("OpenID Connect Dynamic Client Registration §2")
def test_a_web_client_with_the_implicit_grant_has_https_and_no_localhost() -> None:
    front = {**MINIMAL, "grant_types": ["implicit"], "application_type": "web"}
    assert parse({**front, "redirect_uris": ["https://a.example/cb"]})
    for uri in ("http://127.0.0.1/cb", "https://localhost/cb", "https://LOCALHOST:8443/cb"):
        refuse({**front, "redirect_uris": [uri]}, InvalidRedirectUri)
    assert parse({**front, "redirect_uris": ["http://127.0.0.1/cb"], "application_type": "native"})
