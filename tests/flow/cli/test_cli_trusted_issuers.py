"""``grantway trusted-issuers``: whose assertions are good for tokens, on the database itself."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.forged_jwts import build_jwk
from tests.saml_issuer import make_identity

from grantway.cli.output import format_instant

KEY = ec.generate_private_key(ec.SECP256R1())


def test_an_issuer_lives_from_creation_to_deletion(cli, tmp_path):
    (tmp_path / "idp.jwk").write_text(json.dumps(build_jwk(KEY, kid="k1")))
    made = cli(
        "trusted-issuers", "create", "https://idp.example", "--any-subject", "--scope", "read write",
        "--client", "shop", "--jwks", str(tmp_path / "idp.jwk"), "--days", "30", "--json",
    ).json()  # fmt: skip
    assert (made["issuer"], made["subject"], made["clients"]) == ("https://idp.example", "any", ["shop"])
    assert made["jwks"]["keys"][0]["kid"] == "k1"
    assert cli("trusted-issuers", "get", made["id"], "--json").json() == made
    assert cli("trusted-issuers", "list", "--json").json()["items"] == [made]
    assert cli("trusted-issuers", "list", "--protocol", "saml", "--json").json()["items"] == []
    assert cli("trusted-issuers", "list", "--issuer", "https://other.example", "--json").json()["items"] == []
    again = cli("trusted-issuers", "create", "https://idp.example", "--any-subject", "--client", "shop",
                "--jwks", "-", stdin=json.dumps({"keys": [build_jwk(KEY, kid="k1")]}))  # fmt: skip
    assert again.code == 7
    assert cli("trusted-issuers", "delete", made["id"]).out == f"Deleted {made['id']}.\n"
    assert cli("trusted-issuers", "get", made["id"]).code == 5


def test_a_saml_issuer_has_certificates(cli, tmp_path):
    (tmp_path / "idp.pem").write_text(make_identity().certificate)
    made = cli(
        "trusted-issuers", "create", "https://idp.example", "--protocol", "saml", "--subject", "ada",
        "--subject-is", "username", "--any-client", "--certificate", str(tmp_path / "idp.pem"), "--json",
    ).json()  # fmt: skip
    assert (made["protocol"], made["subject"], made["subject_is"]) == ("saml", "ada", "username")
    assert (made["clients"], made["certificates"]) == ("any", [make_identity().certificate])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--any-subject", "--any-client"],
        ["--any-client", "--jwks-uri", "https://idp.example/keys"],
        ["--any-subject", "--jwks-uri", "https://idp.example/keys"],
        ["--any-subject", "--any-client", "--jwks-uri", "nonsense"],
        ["--any-subject", "--any-client", "--protocol", "saml", "--jwks-uri", "https://idp.example/keys"],
    ],
)
def test_what_is_missing_is_told(cli, arguments):
    answer = cli("trusted-issuers", "create", "https://idp.example", *arguments)
    assert answer.code == 2
    assert answer.err


def test_keys_that_are_no_json_are_refused(cli):
    for text in ("nonsense", "[]"):
        arguments = ("trusted-issuers", "create", "https://idp.example", "--any-subject", "--any-client", "--jwks", "-")
        assert cli(*arguments, stdin=text).code == 2
    assert cli("trusted-issuers", "create", "x", "--jwks", "/nonexistent").code == 1


def test_keys_in_too_deep_a_nest_or_in_no_text_are_refused(cli):
    create = ("trusted-issuers", "create", "https://idp.example", "--any-subject", "--any-client")
    for text in ("[" * 200_000, '{"keys":' * 100_000, '{"keys": [], "keys": []}'):
        ran = cli(*create, "--jwks", "-", stdin=text)
        assert ran.code == 2
        assert ran.err.count("--jwks: this is not JSON") == 1
    (cli.folder / "bytes").write_bytes(b"\xff\xfe")
    for option in ("--jwks", "--certificate"):
        ran = cli(*create, option, "bytes")
        assert (ran.code, f"{option}: this is not text in UTF-8." in ran.err) == (2, True)


def test_an_end_that_no_calendar_has_does_not_break_the_list(cli):
    made = cli("trusted-issuers", "create", "https://idp.example", "--any-subject", "--any-client",
               "--jwks-uri", "https://idp.example/keys", "--days", "36500", "--json").json()  # fmt: skip
    assert made["expires_at"] < "2200"
    for at, shown in (
        (10**15, "9999-12-31T23:59:59Z"),
        (-(10**15), "0001-01-01T00:00:00Z"),
        (1999, "1970-01-01T00:00:01Z"),
    ):
        assert format_instant(at).rjust(20, "0") == shown
