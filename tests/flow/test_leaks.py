"""Secrets stay where they belong: not in the database, not in the log, not in the metrics."""

from __future__ import annotations

import logging
import re
from base64 import b64encode, urlsafe_b64encode
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from grantway.config import LogSettings
from grantway.events import TokenRequestRefused
from grantway.protocol.device import DEVICE_CODE
from grantway.storage.sql.schema import upgrade
from grantway.testing.in_process import PASSWORD, VERIFIER, InProcessServer
from grantway.web.access_log import write_access_to
from grantway.web.metrics import render_metrics
from grantway.web.telemetry import Telemetry, build_logger, configure_logging

SEALING = "canary-sealing-secret-0123456789abcdef"
SALT = "canary-pairwise-salt"
WRONG_PASSWORD, WRONG_SECRET = "canary-wrong-password", "canary-wrong-client-secret"


def spellings(value):
    """A secret as it may show: plain, in base64, percent-encoded, in hex."""
    raw = value.encode()
    return {
        raw, b64encode(raw).rstrip(b"="), urlsafe_b64encode(raw).rstrip(b"="), quote(value, safe="").encode(),
        raw.hex().encode(),
    }  # fmt: skip


def live(server):
    """Uses every kind of secret there is, and returns them by name."""
    server.register_user(name="Ada")
    secrets = {"password": PASSWORD, "sealing secret": SEALING, "salt": SALT, "wrong password": WRONG_PASSWORD,
               "wrong client secret": WRONG_SECRET, "verifier": VERIFIER}  # fmt: skip
    for token_format in ("opaque", "jwt"):
        client = server.register_client(access_token_format=token_format, subject_type="pairwise")
        browser = server.browser()
        code = browser.authorize(client, scope="openid offline_access email")["code"]
        tokens = server.redeem(client, code).json()
        rotated = server.refresh(client, tokens["refresh_token"]).json()
        server.introspect(client, tokens["access_token"])
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        server.get("/userinfo", headers=bearer)
        server.redeem(client, code)
        server.refresh(client, rotated["refresh_token"])
        server.revoke(client, rotated["access_token"])
        pending = server.browser()
        secrets |= {
            f"{token_format} client secret": client.client_secret, f"{token_format} code": code,
            f"{token_format} pending code": pending.authorize(client)["code"],
            f"{token_format} session cookie": browser.http.cookies["__Host-grantway_session"],
            f"{token_format} browser cookie": browser.http.cookies["__Host-grantway_browser"],
        }  # fmt: skip
        secrets |= {f"{token_format} {name}": value for name, value in tokens.items() if name.endswith("_token")}
        secrets |= {
            f"{token_format} rotated {name}": value for name, value in rotated.items() if name.endswith("_token")
        }
    device = server.register_client(grant_types=[DEVICE_CODE, "refresh_token"])
    for state in ("let in", "waiting"):
        begun = server.begin_device(device)
        browser = server.browser()
        browser.open(begun["verification_uri_complete"])
        if state == "let in":
            browser.let_device_in(begun["user_code"])
            server.poll(device, begun["device_code"])
        else:
            browser.type_code(begun["user_code"])
        secrets |= {f"device code, {state}": begun["device_code"], f"user code, {state}": begun["user_code"]}
    misuse(server, client, secrets)
    return secrets


def misuse(server, client, secrets):
    """The same secrets in every wrong place, where an error could repeat them."""
    server.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=(client.client_id, WRONG_SECRET))
    server.browser().log_in(password=WRONG_PASSWORD)
    for value in list(secrets.values()):
        encoded = quote(value, safe="")
        for path in (
            "/oauth2/token",
            "/oauth2/introspect",
            "/userinfo",
            "/oauth2/auth",
            "/login",
            "/nowhere",
            "/register",
            "/oauth2/device/auth",
            "/oauth2/device/verify",
        ):
            server.get(f"{path}?client_secret={encoded}&access_token={encoded}&code={encoded}&password={encoded}")
            server.post(path, data={"client_secret": value, "client_id": "nobody", "code": value,
            "refresh_token": value,
                                    "grant_type": value[:40], "access_token": value, "token": value,
                                    "password": value})  # fmt: skip
            server.post(path, content=f"{encoded}={encoded}&a=%zz", headers={"authorization": f"Basic {value}",
                        "content-type": "application/x-www-form-urlencoded",
                        "cookie": f"__Host-grantway_session={value}"})  # fmt: skip
        server.get("/oauth2/sessions/logout", params={"id_token_hint": value})


@pytest.mark.threat("T38")
def test_nothing_in_the_database_is_a_credential(tmp_path):
    url = f"sqlite:///{tmp_path}/g.db"
    upgrade(url)
    server = InProcessServer(
        {
            "database.url": url,
            "secrets.sealing": [SEALING],
            "tokens.pairwise_salt": SALT,
            "throttle.address_attempts": 10**6,
        }
    )
    secrets = live(server)
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    server.stop()
    files += [path.read_bytes() for path in tmp_path.iterdir()]
    dump = b"".join(files)
    assert b"PRIVATE KEY" not in dump
    assert b"$argon2id$" in dump, "it is the right database"
    found = [name for name, value in secrets.items() for spelling in spellings(value) if spelling in dump]
    assert found == []


@contextmanager
def debug_log(form="json"):
    """The server's log at its most talkative; what the test's own HTTP client logs is not the server's."""
    root, client = logging.getLogger(), logging.getLogger("httpx2")
    handlers, level, client_level = root.handlers[:], root.level, client.level
    settings = LogSettings(level="debug", format=form)
    configure_logging(settings)
    client.setLevel(logging.WARNING)
    try:
        yield settings
    finally:
        write_access_to(None)
        root.handlers = handlers
        root.setLevel(level)
        client.setLevel(client_level)


@pytest.mark.threat("T149")
@pytest.mark.threat("T44")
def test_nothing_in_log_and_metrics_is_a_credential(capsys):
    with debug_log() as log:
        telemetry = Telemetry(log)
        settings = {"serve.access_log": True, "secrets.sealing": [SEALING], "tokens.pairwise_salt": SALT}
        server = InProcessServer({**settings, "throttle.address_attempts": 10**6}, events=telemetry)
        secrets = live(server)
        server.stop()
        captured = capsys.readouterr()
    written = (captured.err + captured.out).encode() + render_metrics(telemetry.board)
    assert written.count(b"\n") > 100
    assert b"TokenIssued" in written
    assert b"/oauth2/token" in written
    assert b"Logging error" not in written
    found = [name for name, value in secrets.items() for spelling in spellings(value) if spelling in written]
    assert found == []


@pytest.mark.threat("T98")
def test_a_log_line_stays_one_line(capsys):
    with debug_log() as log:
        server = InProcessServer({"serve.access_log": True}, events=Telemetry(log))
        capsys.readouterr()
        for name in ("a\u2028forged", "a\x85forged", "\x9b31m", "a\u202eb"):
            server.browser().log_in(username=name, password="x")
            server.get(f"/{quote(name)}")
            server.get("/userinfo", headers={"authorization": name.encode("utf-8")})
        server.stop()
        lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 8
    for line in lines:
        assert line.startswith("{"), line
        assert line.endswith("}"), line


FORGERIES = ("a\n1999-01-01T00:00:00Z [info     ] forged", "a\r\x1b[1A\x1b[2Kforged", "a\x85b", "a\u2028b", "a\u202eb",
             "\x00\x07\x08", "\x9b31m", "no space:\x1b[2J")  # fmt: skip


class Hostile:
    def __repr__(self):
        return FORGERIES[0]


@pytest.mark.threat("T98")
@pytest.mark.parametrize("forged", FORGERIES)
def test_a_log_for_people_has_no_line_and_no_character_that_somebody_else_wrote(capsys, forged):
    with debug_log("text") as log:
        telemetry = Telemetry(log)
        server = InProcessServer({"serve.access_log": True}, events=telemetry)
        client = server.register_client(grant_types=["client_credentials"])
        capsys.readouterr()
        server.token(client, grant_type="client_credentials", scope=forged)
        server.browser().log_in(username=forged, password="x")
        refused = {"grant_type": forged, "client_id": forged, "error": "invalid_grant", "detail": forged}
        telemetry.emit(TokenRequestRefused(tenant="default", at=0, **refused))
        logging.getLogger("grantway.logout").warning("client %s was not told", forged)
        build_logger("grantway.logout").info(forged, value=Hostile(), values=[forged], mapping={forged: forged})
        try:
            raise ValueError(forged)
        except ValueError:
            logging.getLogger("grantway.logout").exception("it failed: %s", forged)
        server.stop()
        written = capsys.readouterr().err
    assert written.replace("\n", "").isprintable(), repr(written)
    lines = written.splitlines()
    assert len(lines) > 8
    assert all(re.match(r"2\d{3}-\d\d-\d\dT\S+Z |  ", line) for line in lines), lines


def test_settings_do_not_show_their_secrets():
    server = InProcessServer({"secrets.sealing": [SEALING], "tokens.pairwise_salt": SALT})
    shown = repr(server.settings) + str(server.settings) + repr(server.runtime)
    server.stop()
    assert SEALING not in shown
    assert SALT not in shown
