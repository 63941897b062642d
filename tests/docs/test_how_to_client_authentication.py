"""The page about client authentication does what it says. Its nginx blocks run in ``tests/flow/test_mtls_proxy.py``."""

from __future__ import annotations

from pathlib import Path

from grantway.config import load_settings
from grantway.protocol.vocabulary import CLIENT_AUTH_METHODS

from .markdown import DOCS, read_blocks, read_code_words

PAGE = DOCS / "how-to" / "client-authentication.md"


def read(language: str) -> list[str]:
    return [block.text for block in read_blocks(PAGE) if block.language == language]


def test_the_commands_of_the_page_work_in_their_order(open_terminal):
    terminal = open_terminal()
    printed = [terminal.run(block) for block in read("bash")]
    assert len(printed) == 4
    assert printed[1].split() == ["200", "401"]
    assert '"client_secret"' not in printed[0] + printed[3]
    assert '"client_secret"' in printed[2]


def test_the_settings_are_accepted_and_are_those_of_the_commands(tmp_path: Path):
    file = tmp_path / "grantway.toml"
    file.write_text(read("toml")[0], encoding="utf-8")
    serve = load_settings(file).serve
    commands = read("bash")[3]
    for name in ("client_certificate_header", "client_certificate_verify_header"):
        assert f"GRANTWAY_SERVE__{name.upper()}={getattr(serve, name)}" in commands
        assert f"proxy_set_header {getattr(serve, name)} ".lower() in read("nginx")[0].lower()
        assert f'proxy_set_header {getattr(serve, name)} "";'.lower() in read("nginx")[1].lower()


def test_every_method_is_on_the_page():
    assert set(CLIENT_AUTH_METHODS) <= set(read_code_words(PAGE))
