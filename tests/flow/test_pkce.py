"""PKCE: S256, and no way around it."""

from __future__ import annotations

import pytest

from grantway.testing.in_process import CHALLENGE, VERIFIER, read_authorization_answer

CB = "https://client.example/cb"


def redeem(server, client, code, **parameters):
    answer = server.token(client, grant_type="authorization_code", code=code, redirect_uri=CB, **parameters)
    return answer.status_code if answer.status_code == 200 else answer.json()["error"]


@pytest.mark.threat("T25")
@pytest.mark.spec("RFC 9700 §4.8.2")
@pytest.mark.parametrize(
    ("has_challenge", "verifier", "result"),
    [
        (True, VERIFIER, 200),
        (True, "w" * 43, "invalid_grant"),
        (True, "", "invalid_request"),
        (True, None, "invalid_request"),
        (False, None, 200),
        (False, "", "invalid_grant"),
        (False, VERIFIER, "invalid_grant"),
        (False, "w" * 43, "invalid_grant"),
    ],
)
def test_verifier_and_challenge_come_together_or_not_at_all(server, client, has_challenge, verifier, result):
    challenge = {} if has_challenge else {"code_challenge": None, "code_challenge_method": None}
    code = server.browser().authorize(client, **challenge)["code"]
    sent = {} if verifier is None else {"code_verifier": verifier}
    assert redeem(server, client, code, **sent) == result


@pytest.mark.threat("T26")
@pytest.mark.spec("RFC 7636 §4.3")
@pytest.mark.parametrize(
    "challenge",
    [
        {"code_challenge_method": "plain"}, {"code_challenge_method": None}, {"code_challenge_method": ""},
        {"code_challenge_method": "s256"}, {"code_challenge": ""}, {"code_challenge": CHALLENGE + "="},
        {"code_challenge": CHALLENGE[:-1]}, {"code_challenge": CHALLENGE + "A"}, {"code_challenge": " " * 43},
        {"code_challenge": None},
    ],
)  # fmt: skip
def test_only_a_well_formed_s256_challenge_is_taken(server, client, challenge):
    _, received = read_authorization_answer(server.request_authorization(client, **challenge))
    assert received["error"] == "invalid_request"


@pytest.mark.threat("T26")
@pytest.mark.spec("RFC 7636 §4.1")
@pytest.mark.parametrize("length", [42, 129])
def test_a_verifier_of_a_wrong_length_is_refused_even_if_it_fits(server, client, length):
    from hashlib import sha256

    from grantway.protocol.sealing import encode_base64url

    verifier = "v" * length
    challenge = encode_base64url(sha256(verifier.encode()).digest())
    code = server.browser().authorize(client, code_challenge=challenge)["code"]
    assert redeem(server, client, code, code_verifier=verifier) == "invalid_grant"


@pytest.mark.threat("T26")
@pytest.mark.parametrize("suffix", ["\n", " ", "=", "\u00e9"])
def test_a_verifier_with_something_behind_it_is_refused(server, client, suffix):
    code = server.browser().authorize(client)["code"]
    assert redeem(server, client, code, code_verifier=VERIFIER + suffix) in ("invalid_grant", "invalid_request")


@pytest.mark.spec("RFC 9700 §2.1.1")
def test_a_public_client_must_use_pkce(server, public_client):
    none = {"code_challenge": None, "code_challenge_method": None}
    _, received = read_authorization_answer(server.request_authorization(public_client, **none))
    assert received["error"] == "invalid_request"
    assert "access_token" in server.grant(public_client)


def test_a_client_can_be_told_to_use_pkce(server):
    client = server.register_client(require_pkce=True)
    none = {"code_challenge": None, "code_challenge_method": None}
    _, received = read_authorization_answer(server.request_authorization(client, **none))
    assert received["error"] == "invalid_request"
