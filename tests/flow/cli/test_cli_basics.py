"""What every command has in common: options, exit codes, output, and that nothing heavy is loaded for help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from grantway.cli.output import clean
from grantway.cli.root import COMMANDS
from grantway.cli.root import cli as root

HEAVY = ("sqlalchemy", "starlette", "cryptography", "uvicorn", "jinja2", "rich", "httpx2", "asyncio", "alembic")


def iterate_commands(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from iterate_commands(found, (*path, name))


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["clients", "create", "--help"], ["dev", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments):
    code = f"import sys; from grantway.cli import main; sys.argv[1:] = {arguments!r}\ntry: main()\n"
    code += "except SystemExit as e: "
    code += f"assert not e.code, e.code\nprint(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_said_without_the_command_line_library():
    code = "import sys; from grantway.cli import main; sys.argv[1:] = ['--version']\n"
    code += "try: main()\nfinally: print('click' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["grantway 0.1.0", "False"]


def test_every_command_says_what_it_does_and_takes_the_shared_options():
    for path, command in iterate_commands(root):
        assert command.help, path
        names = {option for parameter in command.params for option in parameter.opts}
        assert {"--json", "--config", "--set"} <= names, path


def test_every_command_shows_its_help(empty):
    for path, _ in iterate_commands(root):
        assert empty(*path, "--help").code == 0, path


def test_commands_are_listed_in_the_order_of_the_table(empty):
    out = empty("--help").out
    positions = [out.index(f"\n  {name} ") for name in COMMANDS]
    assert positions == sorted(positions)


def test_an_unknown_command_is_a_usage_error(empty):
    assert empty("nonsense").code == 2
    assert empty("clients", "create", "--nonsense").code == 2


def test_json_is_understood_before_and_after_the_command(empty):
    for arguments in (("--json", "nonsense"), ("nonsense", "--json")):
        ran = empty(*arguments)
        assert (ran.code, ran.out, ran.error()["error"]) == (2, "", "usage")
    assert empty("--json", "config", "show").json() == empty("config", "show", "--json").json()


def test_an_unknown_variable_is_a_configuration_error_with_a_suggestion(empty, monkeypatch):
    monkeypatch.setenv("GRANTWAY_SERVE__PROT", "1")
    ran = empty("config", "show", "--json")
    assert ran.code == 3
    assert "GRANTWAY_SERVE__PORT" in ran.error()["message"]


def test_settings_come_from_file_environment_and_flags_in_this_order(empty, monkeypatch):
    (empty.folder / "grantway.toml").write_text(
        "[tokens]\ncode_ttl = 11\nid_token_ttl = 12\njwt_access_token_ttl = 13\n"
    )
    monkeypatch.setenv("GRANTWAY_TOKENS__ID_TOKEN_TTL", "22")
    monkeypatch.setenv("GRANTWAY_TOKENS__JWT_ACCESS_TOKEN_TTL", "23")
    tokens = empty("config", "show", "--json", "--set", "tokens.jwt_access_token_ttl=33").json()["tokens"]
    assert (tokens["code_ttl"], tokens["id_token_ttl"], tokens["jwt_access_token_ttl"]) == (11, 22, 33)


def test_a_list_is_set_with_commas(empty):
    shown = empty("config", "show", "--json", "--set", "serve.trusted_proxies=10.0.0.1, 10.0.0.2").json()
    assert shown["serve"]["trusted_proxies"] == ["10.0.0.1", "10.0.0.2"]


def test_a_file_that_is_not_there_is_a_configuration_error(empty):
    assert empty("--config", "missing.toml", "config", "show").code == 3


@pytest.mark.parametrize("text", ["tokens.code_ttl", "=1"])
def test_an_assignment_without_a_name_or_value_is_a_usage_error(empty, text):
    assert empty("config", "show", "--set", text).code == 2


def test_a_secret_is_refused_on_the_command_line(empty):
    ran = empty("config", "show", "--set", "secrets.sealing=0123456789012345678901234567890123456789")
    assert ran.code == 2
    assert "GRANTWAY_SECRETS__SEALING_FILE" in ran.err


def test_secrets_print_as_stars(cli):
    for arguments in (("config", "show"), ("config", "show", "--json")):
        ran = cli(*arguments)
        assert cli.sealing not in ran.out
        assert "***" in ran.out


def test_no_option_takes_a_password_as_its_value():
    for path, command in iterate_commands(root):
        for parameter in command.params:
            if "password" in (parameter.name or ""):
                assert getattr(parameter, "is_flag", False), (path, parameter.name)


def test_the_schema_of_the_settings_file_is_printed(empty):
    assert "$defs" in empty("config", "schema").json()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for(empty, shell):
    ran = empty("completion", shell)
    assert ran.code == 0
    assert "_GRANTWAY_COMPLETE" in ran.out


def test_bash_completes_commands_options_and_choices():
    def complete(words: str) -> list[str]:
        environment = {**os.environ, "_GRANTWAY_COMPLETE": "bash_complete", "COMP_WORDS": words}
        environment["COMP_CWORD"] = str(len(words.split(" ")) - 1)
        done = subprocess.run([sys.executable, "-c", "from grantway.cli.root import run; run([])"], env=environment,
                              capture_output=True, text=True, check=False)  # fmt: skip
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert complete("grantway cl") == ["clients"]
    assert "rotate-secret" in complete("grantway clients ro")
    assert complete("grantway serve pub") == ["public"]


@pytest.mark.parametrize("arguments", [("serve",), ("clients", "list"), ("token", "introspect", "x")])
def test_nothing_runs_without_a_sealing_secret(empty, arguments):
    ran = empty(*arguments)
    assert ran.code == 3
    assert "grantway keys generate-secret" in ran.err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serving_an_unmigrated_database_ends_with_4(empty, workers):
    (empty.folder / "secret").write_text(empty("keys", "generate-secret").out)
    (empty.folder / "grantway.toml").write_text(
        f'[secrets]\nsealing = ["{(empty.folder / "secret").read_text().strip()}"]'
    )
    ran = empty.process("serve", "--workers", workers, "--port", "0", "--admin-port", "0", "--set", "log.format=text")
    assert ran.code == 4
    assert "grantway migrate up" in ran.err
    assert "Traceback" not in ran.err


def test_a_database_in_memory_cannot_have_workers(cli):
    ran = cli("serve", "--workers", "2", "--port", "0", "--admin-port", "0", "--set", "database.url=sqlite://")
    assert ran.code == 3


def test_a_taken_port_is_a_failure_that_names_it(cli):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = cli("serve", "--port", port, "--json")
    assert ran.code == 1
    assert port in ran.error()["message"]


def test_generated_secrets_are_long_and_differ(empty):
    first, second = empty("keys", "generate-secret").out, empty("keys", "generate-secret", "--json").json()["secret"]
    assert len(first.strip()) >= 43
    assert first.strip() != second


def test_what_a_terminal_would_obey_is_not_printed():
    assert clean("a\x1b[31mb\x9bc\u202ed\ne") == "a\ufffd[31mb\ufffdc\ufffdd\ne"


def test_metadata_in_too_deep_a_nest_is_refused(cli):
    deep = "[" * 200_000
    for arguments, stdin in (
        (("--file", "-"), '{"x":' * 200_000),
        (("--file", "-"), '{"client_name": "\\ud800"}'),
        (("--metadata", '{"x":' + deep), ""),
        (("--field", f"jwks={deep}"), ""),
    ):
        ran = cli("clients", "create", *arguments, stdin=stdin)
        assert ran.code == 2, arguments
        assert "Traceback" not in ran.err
    ran = cli("users", "create", "eve", "--generate-password", "--claim", f"name={deep}")
    assert ran.code == 2
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("option", ["--grant-type", "--audience", "--jwks", "--name"])
def test_arguments_that_are_no_text_are_refused(cli, option):
    ran = cli("clients", "create", option, b"\xff".decode("utf-8", "surrogateescape"))
    assert ran.code == 2
    assert "not text in UTF-8" in ran.err
    assert ran.err.isascii()


def test_arguments_that_are_no_text_are_refused_in_a_process_of_its_own(cli):
    done = subprocess.run(
        [sys.executable, "-m", "grantway", "clients", "create", "--json", b"--audience", b"\xff"],
        capture_output=True, cwd=cli.folder, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert json.loads(done.stderr)["error"] == "usage"
