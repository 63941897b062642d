"""The pages about self-registration, token exchange and hooks do what they say."""

from __future__ import annotations

import json
from pathlib import Path

from grantway.config import load_settings
from grantway.features.token_hook import TokenHook
from grantway.testing.in_process import InProcessServer

from .markdown import DOCS, read_blocks


def read(page: str, language: str) -> list[str]:
    return [block.text for block in read_blocks(DOCS / "how-to" / page) if block.language == language]


def load(text: str, folder: Path):
    file = folder / "grantway.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def test_a_client_registers_as_the_page_says(open_terminal, tmp_path):
    terminal = open_terminal()
    create, register = read("self-registration.md", "bash")
    terminal.run(create)
    assert terminal.printed["uses_left"] == 10
    terminal.values["INITIAL_ACCESS_TOKEN"] = terminal.printed["token"]
    terminal.run(register)
    assert (terminal.printed["client_name"], terminal.printed["scope"]) == ("Notes", "openid read")
    first, second = (load(text, tmp_path) for text in read("self-registration.md", "toml"))
    assert first.registration.audience == ("https://mcp.example/",)
    assert second.registration.require_software_statement


def test_a_token_is_exchanged_as_the_page_says(open_terminal, secrets):
    terminal = open_terminal(OAUTH2_CLIENT_SECRET=secrets["demo-web"])
    create, update, sign_in, exchange = read("token-exchange.md", "bash")
    terminal.run(create)
    terminal.values["BASKET_SECRET"] = terminal.printed["client_secret"]
    terminal.run(update)
    terminal.values["OAUTH2_CLIENT_SECRET"] = secrets["demo-web"]
    terminal.run(sign_in)
    terminal.run(exchange)
    assert terminal.printed["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert terminal.printed["scope"] == "email"


def test_a_client_gets_claims_and_the_settings_of_a_hook_are_accepted(open_terminal, tmp_path):
    terminal = open_terminal()
    (create,) = read("hooks.md", "bash")
    terminal.run(create)
    assert terminal.printed["access_token_claims"] == {"plan": "gold", "regions": ["eu"]}
    settings = load(read("hooks.md", "toml")[0], tmp_path)
    assert TokenHook().is_enabled(settings)
    (sent,) = read("hooks.md", "json")
    assert set(json.loads(sent)) == {"session", "request"}


def test_the_function_of_the_page_has_its_say():
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(read("hooks.md", "python")[0], "hooks.md", "exec"), names)
    running = InProcessServer(extensions=[names["add_plan"]])
    for owner, expected in (("acme", "acme"), ("", "free")):
        client = running.register_client(grant_types=["client_credentials"], scope="read", owner=owner)
        token = running.token(client, grant_type="client_credentials").json()["access_token"]
        assert running.introspect(client, token)["plan"] == expected
    denied = running.register_client(grant_types=["client_credentials"], scope="read", owner="nobody")
    assert running.token(denied, grant_type="client_credentials").status_code == 403
    running.stop()
