"""Discovery and the JWK Set."""

from __future__ import annotations

import pytest

from grantway.testing.in_process import ISSUER, InProcessServer

PATHS = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]


@pytest.mark.spec("RFC 8414 §3")
@pytest.mark.spec("OpenID Connect Discovery §4")
def test_both_well_known_paths_say_the_same(server):
    answers = [server.get(path) for path in PATHS]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["content-type"] == "application/json"
    assert "max-age=" in answers[0].headers["cache-control"]


@pytest.mark.spec("OpenID Connect Discovery §3")
def test_what_is_required_is_there_and_true(server):
    document = server.get(PATHS[0]).json()
    assert document["issuer"] == ISSUER
    assert "code" in document["response_types_supported"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["request_parameter_supported"] is False
    assert document["request_uri_parameter_supported"] is False
    assert {"authorization_code", "client_credentials", "refresh_token"} <= set(document["grant_types_supported"])
    assert set(document["response_modes_supported"]) == {"query", "fragment", "form_post"}
    assert {"public", "pairwise"} == set(document["subject_types_supported"])
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert {"openid", "profile", "email", "offline_access"} <= set(document["scopes_supported"])


def test_every_address_in_it_answers_below_the_issuer(server):
    document = server.get(PATHS[0]).json()
    addresses = {name: value for name, value in document.items() if name.endswith(("_endpoint", "jwks_uri"))}
    assert len(addresses) == 8
    for name, address in addresses.items():
        assert address.startswith(ISSUER + "/"), name
        assert server.get(address.removeprefix(ISSUER)).status_code != 404, name


@pytest.mark.threat("T111")
def test_the_issuer_is_the_configured_one_whatever_the_request_says(server):
    headers = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example",
               "x-forwarded-proto": "http", "x-forwarded-prefix": "/evil"}  # fmt: skip
    for path in [*PATHS, "/.well-known/jwks.json", "/login", "/oauth2/auth"]:
        assert "evil.example" not in server.get(path, headers=headers).text


@pytest.mark.spec("RFC 7517 §5")
@pytest.mark.threat("T64")
def test_the_jwks_shows_public_halves_only(server):
    keys = server.get("/.well-known/jwks.json").json()["keys"]
    assert {key["alg"] for key in keys} == {"ES256", "RS256"}
    for key in keys:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k", "oth"} & set(key)
        assert (key["use"], bool(key["kid"])) == ("sig", True)


def test_without_a_salt_pairwise_is_not_offered():
    bare = InProcessServer({"tokens.pairwise_salt": None})
    document = bare.get(PATHS[0]).json()
    bare.stop()
    assert document["subject_types_supported"] == ["public"]


def test_unknown_paths_are_not_found(server):
    for path in ("/", "/oauth2", "/oauth2/token/", "/OAUTH2/token", "/oauth2//token", "/t/nobody/oauth2/token", "/t/",
                 "/t", "/.well-known/openid-configuration/", "/static/../config.py", "/static/%2e%2e/x",
                 "/%00", "/t/%2e%2e/x"):  # fmt: skip
        answer = server.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["strict-transport-security"]


@pytest.mark.parametrize("path", ["/health/alive", "/health/ready", "/version"])
def test_operators_are_answered(server, path):
    assert server.get(path).status_code == 200
    assert server.post(path).status_code == 405


def test_a_stopping_server_is_alive_and_not_ready(server, monkeypatch):
    monkeypatch.setattr(server.runtime, "is_stopping", True)
    assert server.get("/health/alive").status_code == 200
    assert server.get("/health/ready").status_code == 503
