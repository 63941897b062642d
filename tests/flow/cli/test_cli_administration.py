"""Clients, users, keys, tenants and the rest, administered on the database by the command line."""

from __future__ import annotations

import json
import stat

import pytest

from grantway.storage.sql.definitions import REVISIONS


def test_a_client_lives_from_creation_to_deletion(cli):
    made = cli(
        "clients", "create", "--id", "shop", "--name", "Web Shop", "--redirect-uri", "https://shop.example/cb",
        "--scope", "openid email", "--grant-type", "authorization_code", "--grant-type", "refresh_token", "--json",
    ).json()  # fmt: skip
    assert made["client_secret"].startswith("gwcs_")
    assert made["grant_types"] == ["authorization_code", "refresh_token"]
    shown = cli("clients", "get", "shop", "--json").json()
    assert "client_secret" not in shown
    assert shown["redirect_uris"] == ["https://shop.example/cb"]

    changed = cli("clients", "update", "shop", "--name", "Shop", "--scope", "openid", "--json").json()
    assert (changed["client_name"], changed["scope"]) == ("Shop", "openid")
    assert changed["redirect_uris"] == ["https://shop.example/cb"]
    assert "client_secret" not in changed

    rotated = cli("clients", "rotate-secret", "shop", "--drop-old", "--json").json()
    assert rotated["client_secret"] != made["client_secret"]
    assert cli("clients", "disable", "shop", "--json").json() == {"client_id": "shop", "enabled": False}
    assert cli("clients", "get", "shop", "--json").json()["enabled"] is False
    assert cli("clients", "enable", "shop").out == "Enabled shop.\n"
    assert cli("clients", "delete", "shop", "--json").json() == {"client_id": "shop", "deleted": True}
    assert cli("clients", "get", "shop").code == 5


def test_a_client_is_made_from_a_document_and_flags_win(cli):
    document = {"client_name": "From a file", "redirect_uris": ["https://a.example/cb"], "scope": "openid"}
    made = cli("clients", "create", "--file", "-", "--name", "From a flag", "--json", stdin=json.dumps(document)).json()
    assert made["client_name"] == "From a flag"
    assert made["redirect_uris"] == ["https://a.example/cb"]


def test_a_client_says_how_it_is_told_of_logouts(cli):
    told = {
        "frontchannel_logout_uri": "https://bye.example/frame",
        "backchannel_logout_uri": "https://listener.example/logout",
        "skip_logout_consent": True,
    }
    made = cli("clients", "create", "--id", "bye", "--redirect-uri", "https://bye.example/cb", "--skip-logout-consent",
               "--frontchannel-logout-uri", told["frontchannel_logout_uri"],
               "--backchannel-logout-uri", told["backchannel_logout_uri"], "--json").json()  # fmt: skip
    assert told.items() <= made.items()
    changed = cli("clients", "update", "bye", "--ask-at-logout", "--json").json()
    assert {**told, "skip_logout_consent": False}.items() <= changed.items()
    elsewhere = ("--frontchannel-logout-uri", "https://elsewhere.example/frame")
    assert cli("clients", "update", "bye", *elsewhere).code == 2


def test_a_public_client_has_no_secret(cli):
    made = cli("clients", "create", "--public", "--redirect-uri", "https://spa.example/cb", "--json").json()
    assert made["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in made
    assert cli("clients", "create", "--public", "--auth-method", "client_secret_basic").code == 2


def test_a_chosen_client_secret_comes_from_standard_input(cli):
    made = cli("clients", "create", "--grant-type", "client_credentials", "--secret-stdin", "--json",
               stdin="a chosen secret of some length\n").json()  # fmt: skip
    assert made["client_secret"] == "a chosen secret of some length"
    assert cli("clients", "create", "--grant-type", "client_credentials", "--secret-stdin").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--redirect-uri", "http://evil.example/cb"),
        ("--redirect-uri", "https://a.example/cb", "--scope", 'a"b'),
        ("--metadata", "[]"),
        ("--metadata", "{"),
        ("--id", "no spaces", "--grant-type", "client_credentials"),
    ],
)
def test_what_is_not_acceptable_is_a_usage_error(cli, arguments):
    ran = cli("clients", "create", *arguments, "--json")
    assert ran.code == 2
    assert ran.error()["message"]


def test_a_taken_client_id_is_a_conflict(cli):
    arguments = ("clients", "create", "--id", "taken", "--grant-type", "client_credentials")
    assert cli(*arguments).code == 0
    ran = cli(*arguments, "--json")
    assert (ran.code, ran.error()["error"]) == (7, "conflict")


def test_a_listing_goes_on_where_the_last_page_ended(cli):
    for name in ("page-a", "page-b", "page-c"):
        cli("clients", "create", "--id", name, "--owner", "pages", "--grant-type", "client_credentials")
    first = cli("clients", "list", "--owner", "pages", "--limit", "2", "--json").json()
    second = cli("clients", "list", "--owner", "pages", "--cursor", first["next_cursor"], "--json").json()
    assert [item["client_id"] for item in first["items"] + second["items"]] == ["page-a", "page-b", "page-c"]
    assert second["next_cursor"] is None
    plain = cli("clients", "list", "--owner", "pages")
    assert plain.out.splitlines()[1].split("\t")[0] == "page-a"


def test_a_user_lives_from_creation_to_deletion(cli):
    made = cli(
        "users", "create", "ada", "--claim", "name=Ada Lovelace", "--claim", "email_verified=true", "--claim",
        "phone_number=4420794600", "--password-stdin", "--json", stdin="an analytical engine\n",
    ).json()  # fmt: skip
    assert made["claims"] == {"name": "Ada Lovelace", "email_verified": True, "phone_number": "4420794600"}
    assert "password" not in made
    assert cli("users", "get", "ADA", "--json").json()["sub"] == made["sub"]
    assert cli("users", "get", made["sub"], "--json").json()["username"] == "ada"

    changed = cli("users", "update", "ada", "--username", "countess", "--claim", "nickname=ada", "--remove-claim",
                  "phone_number", "--role", "editor", "--json").json()  # fmt: skip
    assert (changed["username"], changed["roles"]) == ("countess", ["editor"])
    assert changed["claims"] == {"name": "Ada Lovelace", "email_verified": True, "nickname": "ada"}
    assert cli("users", "update", "countess", "--no-roles", "--json").json()["roles"] == []

    generated = cli("users", "set-password", "countess", "--generate-password", "--json").json()["password"]
    assert len(generated) == 20
    assert cli("users", "disable", "countess", "--json").json()["enabled"] is False
    assert cli("users", "enable", "countess", "--json").json()["enabled"] is True
    assert [item["username"] for item in cli("users", "list", "--prefix", "COUNT", "--json").json()["items"]] == [
        "countess"
    ]
    assert cli("sessions", "list", "countess", "--json").json()["items"] == []
    assert cli("sessions", "end", "--user", "countess", "--json").json() == {"ended": 0}
    assert cli("authorizations", "list", "--user", "countess", "--json").json()["items"] == []
    assert cli("authorizations", "revoke", "--user", "countess", "--json").json() == {"revoked": 0}
    assert cli("users", "delete", "countess", "--json").json()["deleted"] is True
    assert cli("users", "get", "countess").code == 5


def test_a_password_has_to_keep_the_policy_and_come_from_somewhere(cli):
    assert cli("users", "create", "short", "--password-stdin", stdin="short\n").code == 2
    assert cli("users", "create", "nobody").code == 2  # no terminal to ask at
    assert cli("users", "create", "both", "--password-stdin", "--generate-password", stdin="x").code == 2
    assert cli("users", "create", "without", "--no-password", "--json").json()["has_password"] is False
    assert cli("users", "create", "without", "--no-password").code == 7


def test_keys_are_listed_rotated_and_revoked(cli):
    first = cli("keys", "rotate", "--force", "--json").json()["items"]
    assert sorted(key["alg"] for key in first) == ["ES256", "RS256"]
    listed = cli("keys", "list", "--json").json()["items"]
    assert {key["state"] for key in listed} == {"next", "active", "retired"}
    assert all("d" not in key["public_jwk"] for key in listed)
    assert cli("keys", "rotate", "--alg", "ES256").code == 7  # its successor was published moments ago
    kid = next(key["kid"] for key in first if key["alg"] == "ES256")
    assert cli("keys", "revoke", kid, "--json").json() == {"kid": kid, "revoked": True}
    assert cli("keys", "revoke", "unknown").code == 5
    assert cli("keys", "rotate", "--alg", "none").code == 2


def test_a_tenant_has_users_of_its_own(cli):
    made = cli("tenants", "create", "acme", "--display-name", "Acme", "--admin-client", "--json").json()
    assert made["issuer"].endswith("/t/acme")
    assert made["admin_client"]["client_secret"]
    assert cli("users", "create", "wile", "--no-password", "--tenant", "acme").code == 0
    assert cli("users", "get", "wile", "--tenant", "acme").code == 0
    assert cli("users", "get", "wile").code == 5
    assert cli("tenants", "disable", "acme", "--json").json() == {"tenant": "acme", "enabled": False}
    assert cli("tenants", "get", "acme", "--json").json()["enabled"] is False
    assert cli("tenants", "enable", "acme").code == 0
    assert "acme" in [item["tenant"] for item in cli("tenants", "list", "--json").json()["items"]]
    assert cli("tenants", "create", "acme").code == 7
    assert cli("tenants", "disable", "default").code == 2


def test_other_settings_do_not_change_the_stored_issuer(cli):
    before = cli("tenants", "get", "default", "--json").json()["issuer"]
    assert cli("clients", "list", "--set", "issuer=https://elsewhere.example").code == 0
    assert cli("tenants", "get", "default", "--json").json()["issuer"] == before


def test_what_is_no_token_is_inactive_and_cannot_be_revoked(cli):
    ran = cli("token", "introspect", "nonsense", "--json")
    assert (ran.code, ran.json()) == (1, {"active": False})
    assert cli("token", "introspect", "--json", stdin="gwat_nonsense\n").json() == {"active": False}
    assert cli("token", "revoke", "nonsense").code == 5


@pytest.mark.parametrize("arguments", [("authorizations", "revoke"), ("sessions", "end")])
def test_revoking_everything_by_leaving_the_name_out_is_refused(cli, arguments):
    assert cli(*arguments).code == 2
    assert cli(*arguments, "unknown").code == 5


def test_migrations_go_up_and_down_and_say_where_they_are(empty):
    status = empty("migrate", "status", "--json")
    assert status.code == 4
    assert json.loads(status.out)["current"] is None
    assert empty("migrate", "up", "--json").json()["up_to_date"] is True
    assert empty("migrate", "status").code == 0
    assert stat.S_IMODE((empty.folder / "grantway.db").stat().st_mode) == 0o600
    for earlier in (*reversed(REVISIONS[:-1]), None):
        assert empty("migrate", "down", "--yes", "--json").json()["current"] == earlier
    assert empty("migrate", "down", "--yes").code == 4
    assert empty("migrate", "up", "--set", "database.url=sqlite://").code == 3


def test_who_waits_for_a_migration_is_told_whether_it_came(empty):
    waited = empty("migrate", "wait", "--timeout", "0", "--json")
    assert (waited.code, waited.error()["error"]) == (4, "schema")
    assert empty("migrate", "up").code == 0
    assert empty("migrate", "wait", "--json").json()["up_to_date"] is True
    assert empty("migrate", "wait", "--timeout", "-1").code == 2
    assert empty("migrate", "wait", "--set", "database.url=nonsense").code == 3


def test_the_doctor_finds_a_good_installation_safe(cli):
    report = cli("doctor", "--json").json()
    assert report["safe"] is True
    assert {finding["check"] for finding in report["findings"]} >= {"issuer", "schema", "clock", "passwords"}


@pytest.mark.parametrize(
    ("arguments", "check"),
    [
        (("--set", "serve.bind=0.0.0.0"), "public listener"),
        (("--set", "passwords.argon2_memory_kib=7168"), "passwords"),
        (("--set", "database.url=sqlite:///unmigrated.db"), "schema"),
        (("--set", "issuer=https://elsewhere.example"), "issuer"),
    ],
)
def test_the_doctor_names_what_is_unsafe_and_what_to_do(cli, arguments, check):
    ran = cli("doctor", "--json", *arguments)
    assert ran.code == 1
    found = [finding for finding in ran.json()["findings"] if finding["level"] == "unsafe"]
    assert [finding["check"] for finding in found] == [check]
    assert all(finding["advice"] for finding in found)


def test_the_doctor_notices_files_that_others_can_read(cli, monkeypatch):
    database, settings = cli.folder / "grantway.db", cli.folder / "grantway.toml"
    try:
        database.chmod(0o644)
        settings.chmod(0o640)
        ran = cli("doctor")
    finally:
        database.chmod(0o600)
        settings.chmod(0o600)
    assert ran.code == 1
    assert "UNSAFE   settings file" in ran.out
    assert "UNSAFE   database file" in ran.out


def test_the_doctor_notices_a_ring_that_cannot_open_the_keys(cli):
    other = cli.folder / "other.toml"
    other.write_text('[secrets]\nsealing = ["another-secret-of-the-tests-0123456789"]\n')
    other.chmod(0o600)
    ran = cli("--config", "other.toml", "doctor", "--json")
    assert ran.code == 1
    assert {finding["check"] for finding in ran.json()["findings"] if finding["level"] == "unsafe"} == {
        "signing key ES256",
        "signing key RS256",
    }


def test_the_doctor_notices_a_missing_secret_and_old_ones(empty, monkeypatch):
    import os
    import time

    assert empty("doctor").code == 1
    secret = empty.folder / "secret"
    secret.write_text(empty("keys", "generate-secret").out)
    secret.chmod(0o600)
    old = time.time() - 400 * 86400
    os.utime(secret, (old, old))
    monkeypatch.setenv("GRANTWAY_SECRETS__SEALING_FILE", str(secret))
    empty("migrate", "up")
    report = empty("doctor", "--json").json()
    assert report["safe"] is True
    assert any(f["check"] == "secrets.sealing" and "days old" in f["message"] for f in report["findings"])


def test_a_tenants_issuer_changes_by_its_own_command_alone(cli):
    assert cli("tenants", "create", "movable").code == 0
    moved = cli("tenants", "update", "movable", "--issuer", "https://movable.example", "--display-name", "M", "--json")
    assert (moved.json()["issuer"], moved.json()["display_name"]) == ("https://movable.example", "M")
    assert cli("tenants", "update", "movable", "--issuer", "http://movable.example").code == 2
    assert cli("tenants", "update", "movable").code == 2
    assert cli("tenants", "update", "nobody", "--display-name", "N").code == 5


def test_a_change_by_a_command_is_told_in_the_words_of_the_servers_log(cli):
    ran = cli("clients", "create", "--id", "audited", "--grant-type", "client_credentials", "--json")
    line = json.loads(ran.err)
    assert line["actor"].startswith("cli")
    assert {name: line[name] for name in ("event", "action", "key", "tenant", "level", "logger")} == {
        "event": "Administered", "action": "client.create", "key": "audited", "tenant": "default", "level": "info",
        "logger": "grantway.events",
    }  # fmt: skip
    assert ran.json()["client_secret"] not in ran.err
    assert cli("clients", "get", "audited").err == ""  # reading changes nothing
    assert cli("clients", "disable", "audited", "--set", "log.level=error").err == ""


def test_changes_of_servers_and_commands_are_appended_to_one_audit_file(cli, tmp_path):
    audit = tmp_path / "audit.log"
    options = ("--set", f"log.audit_file={audit}", "--set", "log.level=error")
    assert cli("clients", "create", "--id", "filed", "--grant-type", "client_credentials", *options).err == ""
    assert cli("clients", "delete", "filed", *options).code == 0
    assert cli("clients", "get", "filed", *options).code == 5
    actions = [json.loads(line)["action"] for line in audit.read_text(encoding="utf-8").splitlines()]
    assert actions == ["client.create", "client.delete"]
    ran = cli("clients", "list", "--set", f"log.audit_file={tmp_path / 'missing' / 'audit.log'}", "--json")
    assert (ran.code, ran.error()["error"]) == (3, "configuration")
    assert "log.audit_file" in ran.error()["message"]


def test_services_are_listed_and_an_unknown_one_is_refused(cli):
    rows = cli("services", "--json").json()["items"]
    assert {"service": "token", "listener": "public", "path": "/oauth2/token"} in rows
    assert {"service": "keys", "listener": "admin", "path": "/admin/keys"} in rows
    ran = cli("serve", "--services", "token,introspekt", "--port", "0", "--admin-port", "0", "--json")
    assert (ran.code, ran.error()["error"]) == (3, "configuration")
    assert "'introspect'" in ran.error()["message"]
    assert cli("serve", "--services", " , ").code == 2
