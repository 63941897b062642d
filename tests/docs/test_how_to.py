"""The how-to pages do what they say: their commands are run, their code is executed, their settings exist."""

from __future__ import annotations

import asyncio
import configparser
import math
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from grantway.admin.keys import reencrypt
from grantway.cli.root import run as run_command
from grantway.config import iterate_options, load_settings
from grantway.errors import ConfigurationError, GrantwayError
from grantway.extension import Grant
from grantway.model import DEFAULT_TENANT
from grantway.protocol.device import USER_CODE_PRESETS
from grantway.protocol.scope import ScopePolicy, ScopeStrategy
from grantway.registry import ENTRY_POINT_GROUP
from grantway.storage import open_redis
from grantway.storage.sql import schema
from grantway.testing.in_process import ISSUER, InProcessServer
from grantway.web import create_public_app, create_server
from grantway.web.pages import PAGES

from .markdown import DOCS, read_blocks, read_code_words

HOW_TO = DOCS / "how-to"


def read(page: str, language: str) -> list[str]:
    """The blocks of one language on a page."""
    return [block.text for block in read_blocks(HOW_TO / page) if block.language == language]


# -- first client -----------------------------------------------------------------------------------------------------
def test_the_first_client_works_from_registration_to_its_end(open_terminal):
    terminal = open_terminal()
    blocks = read("first-client.md", "bash")
    for block in blocks:
        terminal.run(block)
    assert terminal.values["REFRESH_TOKEN"].startswith("gwrt_")
    assert len(blocks) >= 6


# -- devices ----------------------------------------------------------------------------------------------------------
def test_a_device_is_let_in(open_terminal):
    terminal = open_terminal()
    blocks = read("device.md", "bash")
    for block in blocks:
        terminal.run(block)
    assert terminal.values["REFRESH_TOKEN"].startswith("gwrt_")
    assert terminal.printed["id_token_claims"]["aud"] == "tv"
    assert len(blocks) == 2


def test_the_settings_of_devices_are_the_defaults_and_the_codes_are_as_many_as_it_says(tmp_path):
    settings = load_settings(_write(tmp_path, read("device.md", "toml")[0])).device
    assert settings == load_settings().device
    page = (HOW_TO / "device.md").read_text(encoding="utf-8")
    for name, preset in USER_CODE_PRESETS.items():
        row = re.search(rf"^\| `{name}` \| `(\S+)` \| .* \| ([\d.]+) \|$", page, re.MULTILINE)
        assert row is not None
        assert [len(group) for group in row[1].split("-")] == list(preset.groups)
        assert float(row[2]) == round(math.log2(preset.space), 1)
    guesses_a_day = settings.attempts * 86400 / load_settings().throttle.window
    days = USER_CODE_PRESETS["letters"].space / 100 / guesses_a_day
    assert 2.3 < days / 365 < 2.5, "two years and a half"
    assert 34 < USER_CODE_PRESETS["digits"].space / 100 / guesses_a_day < 36, "five weeks"


# -- trusted issuers --------------------------------------------------------------------------------------------------
def test_what_a_trusted_issuer_signs_is_traded_for_a_token_once(open_terminal):
    terminal = open_terminal()
    blocks = read("trusted-issuers.md", "bash")
    for block in blocks[:-1]:
        terminal.run(block)
        if "assertion" in block:
            terminal.check_answer(read("trusted-issuers.md", "json")[0])
    assert terminal.printed["protocol"] == "saml"
    listed = terminal.run(blocks[-1])
    assert "https://payroll-partner.example" in listed
    assert "https://saml-partner.example" in listed
    assert len(blocks) == 6


# -- scopes -----------------------------------------------------------------------------------------------------------
def test_scopes_are_described_and_stand_for_what_the_page_says(open_terminal):
    terminal = open_terminal()
    describing, *asking = read("scopes.md", "bash")
    assert "See your photos" in terminal.run(describing)
    granted = []
    for block in asking:
        terminal.run(block)
        granted.append(terminal.printed["scope"])
    assert granted == ["photos.read photos.write", "photos.read"]


def test_the_table_of_strategies_is_what_they_do():
    page = (HOW_TO / "scopes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\S+)` \| (`.*`) \|$", page, re.MULTILINE)
    assert {strategy for strategy, *_ in rows} == set(get_args(ScopeStrategy))
    names = {name for _, _, text in rows for name in re.findall(r"`([^`]+)`", text)}
    for strategy, registered, text in rows:
        allowed = {name for name in names if ScopePolicy(strategy).is_allowed(name, [registered])}
        assert allowed == set(re.findall(r"`([^`]+)`", text)), registered


# -- behind nginx -----------------------------------------------------------------------------------------------------
def test_the_settings_behind_nginx_are_accepted(tmp_path):
    settings = load_settings(_write(tmp_path, read("behind-nginx.md", "toml")[0]))
    assert settings.issuer.startswith("https://")
    assert settings.serve.trusted_proxies


def test_nginx_leads_to_the_public_listener_and_not_to_the_admin_listener(tmp_path):
    settings = load_settings(_write(tmp_path, read("behind-nginx.md", "toml")[0]))
    nginx = read("behind-nginx.md", "nginx")[0]
    assert f"server {settings.serve.bind}:{settings.serve.port};" in nginx
    assert str(settings.serve.admin_port) not in nginx
    assert f"server_name {settings.issuer.removeprefix('https://')};" in nginx
    assert "X-Forwarded-For $remote_addr" in nginx
    assert "client_max_body_size 64k" in nginx
    assert settings.serve.max_body_bytes == 64 * 1024
    assert nginx.count("{") == nginx.count("}")


# -- many workers -----------------------------------------------------------------------------------------------------
def test_the_unit_starts_the_server_and_waits_longer_than_it_may_take(tmp_path):
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(read("many-workers.md", "ini")[0])
    service = unit["Service"]
    assert service["ExecStart"].endswith("serve --workers 4")
    assert service["ExecStartPre"].endswith("migrate up")
    name = service["Environment"].partition("=")[0]
    assert name.removesuffix("_FILE") in {option.environment_name for option in iterate_options()}
    serve = load_settings(_write(tmp_path, read("behind-nginx.md", "toml")[0])).serve
    assert int(service["TimeoutStopSec"]) > serve.drain_delay + serve.shutdown_timeout


# -- logging out ------------------------------------------------------------------------------------------------------
def test_applications_register_how_they_are_told_of_logouts(open_terminal):
    terminal = open_terminal()
    told = []
    for block in read("logout.md", "bash"):
        terminal.run(block)
        told += [name for name in terminal.printed if name.endswith("channel_logout_uri")]
    assert told == ["backchannel_logout_uri", "frontchannel_logout_uri"]


# -- rate limits, Redis, watching -------------------------------------------------------------------------------------
@pytest.mark.parametrize("page", ["rate-limits.md", "redis.md"])
def test_the_settings_for_limits_and_redis_are_accepted(tmp_path, page):
    for block in read(page, "toml"):
        settings = load_settings(_write(tmp_path, block))
        if settings.redis.url is not None:
            assert open_redis(settings) is not None


def test_the_fields_of_an_answer_are_those_on_the_page():
    settings = tomllib.loads(read("rate-limits.md", "toml")[0])["limits"]
    server = InProcessServer({f"limits.{name}": value for name, value in settings.items() if name != "address_rate"})
    machine = server.register_client(grant_types=["client_credentials"], scope="read")
    answer = server.token(machine, grant_type="client_credentials")
    server.stop()
    for line in read("rate-limits.md", "http")[0].splitlines():
        name, _, value = line.partition(": ")
        assert answer.headers[name] == value


def test_every_metric_that_is_named_exists():
    from grantway.config import LogSettings
    from grantway.web.metrics import render_metrics
    from grantway.web.telemetry import Telemetry

    telemetry = Telemetry(LogSettings())
    server = InProcessServer({"redis.url": "redis://127.0.0.1:1/0", "limits.client_rate": 1}, events=telemetry)
    text = render_metrics(telemetry.board).decode()
    server.stop()
    known = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    for page in ("watching.md", "redis.md"):
        named = set(re.findall(r"\bgrantway_\w+", (HOW_TO / page).read_text(encoding="utf-8")))
        assert named
        assert named <= known, named - known


# -- extensions -------------------------------------------------------------------------------------------------------
def test_the_extension_works_as_its_own_test_says():
    namespace: dict[str, Any] = {"__name__": "voucher"}
    for code in read("write-an-extension.md", "python"):
        exec(compile(code, "write-an-extension.md", "exec"), namespace)
    assert issubclass(namespace["Voucher"], Grant)


def test_the_entry_point_is_of_the_group_that_is_read():
    project = tomllib.loads(read("write-an-extension.md", "toml")[0])["project"]
    assert project["entry-points"][ENTRY_POINT_GROUP] == {"voucher": "voucher:Voucher"}


# -- pages ------------------------------------------------------------------------------------------------------------
def test_a_template_of_ones_own_takes_the_place_of_the_built_in(tmp_path, monkeypatch):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "login.html").write_text(read("replace-the-pages.md", "html")[0], encoding="utf-8")
    (tmp_path / "grantway.toml").write_text('database.url = "sqlite://"', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRANTWAY_SECRETS__SEALING", "a-secret-of-thirty-two-characters")
    namespace: dict[str, Any] = {}
    exec(compile(read("replace-the-pages.md", "python")[0], "replace-the-pages.md", "exec"), namespace)
    page = asyncio.run(_render_login(namespace["app"]))
    assert "Call the help desk" in page
    assert 'id="login"' in page


def test_the_setting_names_the_directory_and_a_missing_one_stops_the_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = _write(tmp_path, 'database.url = "sqlite://"\n' + read("replace-the-pages.md", "toml")[0])
    settings = load_settings(file, {"GRANTWAY_SECRETS__SEALING": "a-secret-of-thirty-two-characters"})
    with pytest.raises(ConfigurationError, match="templates"):
        create_server(settings)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "login.html").write_text(read("replace-the-pages.md", "html")[0], encoding="utf-8")
    page = asyncio.run(_render_login(create_public_app(create_server(settings))))
    assert "Call the help desk" in page


def test_every_page_that_can_be_replaced_is_listed():
    words = read_code_words(HOW_TO / "replace-the-pages.md")
    assert {f"{page}.html" for page in PAGES} <= set(words)


async def _render_login(app: Any) -> str:
    import httpx2

    server = app.server
    await server.start()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=ISSUER) as client:
        answer = await client.get("/login")
    await server.stop()
    return answer.text


# -- rotating keys ----------------------------------------------------------------------------------------------------
OLD, NEW = "an old secret, thirty-two characters!", "a new secret, of thirty-two characters"


class Generations:
    """One database served by one ring after another."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'grantway.db'}"
        schema.upgrade(self.url)
        self.clock: Any = None

    def serve(self, *ring: str) -> InProcessServer:
        provided = {} if self.clock is None else {"clock": self.clock}
        server = InProcessServer({"database.url": self.url, "secrets.sealing": list(ring)}, **provided)
        self.clock = server.clock
        return server


@pytest.fixture
def generations(tmp_path) -> Generations:
    return Generations(tmp_path)


def test_an_old_secret_goes_after_the_steps_of_the_page(generations):
    server = generations.serve(OLD)
    client = server.register_client(grant_types=["client_credentials"], scope="read", access_token_format="jwt")
    server.stop()

    server = generations.serve(NEW, OLD)
    assert "grantway keys reencrypt" in read_code_words(HOW_TO / "rotating-keys.md")
    server.run(reencrypt(server.runtime, actor="test"))  # step 1
    assert server.token(client, grant_type="client_credentials").status_code == 200  # step 2
    assert server.run(reencrypt(server.runtime, actor="test"))[1].is_over
    server.stop()

    server = generations.serve(NEW)
    assert server.token(client, grant_type="client_credentials").status_code == 200
    server.stop()


def test_without_a_reencryption_the_signing_keys_need_the_old_secret(generations):
    server = generations.serve(OLD)
    server.stop()
    server = generations.serve(NEW)
    with pytest.raises(GrantwayError):
        server.run(server.runtime.keys.load_signer(DEFAULT_TENANT, "ES256"))
    server.stop()


def test_a_client_that_did_not_authenticate_is_locked_out_until_the_secret_is_back(generations):
    server = generations.serve(OLD)
    client = server.register_client(grant_types=["client_credentials"], scope="read")
    server.stop()
    for ring, status in (((NEW,), 401), ((NEW, OLD), 200)):
        server = generations.serve(*ring)
        assert server.token(client, grant_type="client_credentials").status_code == status
        server.stop()


def test_a_leaked_ring_is_left_behind_by_revoking_its_keys(generations):
    server = generations.serve(OLD)
    server.stop()
    server = generations.serve(NEW)
    for key in server.run(server.runtime.store.list_keys(DEFAULT_TENANT)):
        server.run(server.runtime.keys.revoke(DEFAULT_TENANT, key.kid))
    assert server.run(server.runtime.keys.load_signer(DEFAULT_TENANT, "ES256"))
    server.stop()


# -- backups and upgrades ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("page", ["upgrading.md", "backup.md"])
def test_the_commands_of_the_page_work_in_their_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRANTWAY_SECRETS__SEALING", OLD.replace(",", ""))
    assert run_command(["migrate", "up"]) == 0
    count = 0
    for line in "".join(read(page, "bash")).splitlines():
        program, *words = shlex.split(line)
        if program == "mkdir":
            Path(words[0]).mkdir()
        else:
            assert program == "grantway"
            assert run_command(words) == 0, line
            count += 1
    assert count >= 3


def _write(folder: Path, text: str) -> Path:
    path = folder / "grantway.toml"
    path.write_text(text, encoding="utf-8")
    return path
