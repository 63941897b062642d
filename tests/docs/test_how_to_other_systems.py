"""The page for those who come from other systems: its commands work, and what its table names is there."""

from __future__ import annotations

import re
import tomllib

from grantway.config import iterate_options, load_settings
from grantway.extension import Endpoint, Grant
from grantway.registry import BUILTINS

from .markdown import DOCS, read_blocks

PAGE = DOCS / "how-to" / "from-other-systems.md"


def read(language: str) -> list[str]:
    return [block.text for block in read_blocks(PAGE) if block.language == language]


def test_a_portal_names_a_person_and_a_pipeline_has_its_token(open_terminal):
    terminal = open_terminal()
    portal, name, pipeline, bootstrap, gateway, form = read("bash")
    terminal.run(portal)
    terminal.run(name)
    assert terminal.printed["refresh_token"].startswith("gwrt_")
    terminal.run(pipeline)
    terminal.run(bootstrap)
    assert terminal.printed["expires_in"] == 86400
    terminal.run(gateway)
    assert terminal.printed["dereference_client"] == "demo-gateway"
    assert "<OAuth><access_token>gwat_" in terminal.run(form)


def test_its_settings_are_all_there_are_and_what_it_names_is_there():
    text = PAGE.read_text(encoding="utf-8")
    compat = {option.dotted for option in iterate_options() if option.path[0] == "compat"}
    assert set(re.findall(r"`(compat\.\w+)`", text)) == compat
    known = {kind.path for kind in BUILTINS if issubclass(kind, Endpoint)}
    known |= {kind.name for kind in BUILTINS if issubclass(kind, Grant)}
    named = {"/oauth2/tokeninfo", "/oauth2/dereference", "/oauth2/signing", "/oauth2/keys/{kid}", "bootstrap_token"}
    assert named | {"client_authenticated_user"} <= known
    assert all(f"{name}`" in text for name in named)


def test_the_ceiling_it_names_is_one_the_settings_take(tmp_path):
    (tmp_path / "grantway.toml").write_text(read("toml")[0], encoding="utf-8")
    ceiling = load_settings(tmp_path / "grantway.toml").tokens.max_token_ttl
    assert ceiling == tomllib.loads(read("toml")[0])["tokens"]["max_token_ttl"] == 365 * 86400
