"""The root of the command line, its exit codes, and the loading of a command's module when it is called for.

Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration, 4 database or schema, 5 not found, 6 denied, 7 conflict.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from grantway import errors
from grantway.cli.invocation import Command, Group
from grantway.cli.output import write_error
from grantway.version import __version__

OK, FAILURE, USAGE, CONFIGURATION, DATABASE, NOT_FOUND, DENIED, CONFLICT = range(8)
INTERRUPTED = 130

COMMANDS = {
    "serve": "serve:serve",
    "services": "services:services",
    "dev": "dev:dev",
    "migrate": "migrate:migrate",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "clients": "clients:clients",
    "users": "users:users",
    "scopes": "scopes:scopes",
    "trusted-issuers": "trusted_issuers:trusted_issuers",
    "initial-access-tokens": "initial_access_tokens:initial_access_tokens",
    "keys": "keys:keys",
    "authorizations": "authorizations:authorizations",
    "sessions": "sessions:sessions",
    "tenants": "tenants:tenants",
    "token": "token:token",
    "perform": "perform:perform",
    "config": "config:config",
    "doctor": "doctor:doctor",
    "completion": "completion:completion",
}
"""Name of the command to ``module:attribute`` below ``grantway.cli``, in the order of ``--help``."""

_EXIT_CODES: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.ConfigurationError, CONFIGURATION, "configuration"),
    (errors.SchemaError, DATABASE, "schema"),
    (errors.TemporarilyUnavailable, DATABASE, "database"),
    (errors.NotFound, NOT_FOUND, "not_found"),
    (errors.Conflict, CONFLICT, "conflict"),
    (errors.Unprocessable, USAGE, "unprocessable"),
    (errors.InvalidClientMetadata, USAGE, "invalid_client_metadata"),
    (errors.InvalidRedirectUri, USAGE, "invalid_redirect_uri"),
    (errors.AccessDenied, DENIED, "access_denied"),
    (errors.InvalidClient, DENIED, "invalid_client"),
    (errors.InvalidToken, DENIED, "invalid_token"),
    (errors.InsufficientScope, DENIED, "insufficient_scope"),
    (errors.UnauthorizedClient, DENIED, "unauthorized_client"),
    (PermissionError, DENIED, "permission_denied"),
)


class _Root(Group):
    """Knows its commands by name and imports the module of one when it is needed."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"grantway.cli.{module}"), attribute)
        return command


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="grantway", message="%(prog)s %(version)s")
def cli() -> None:
    """Grantway: the OAuth 2.1 authorization server and OpenID Connect provider."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns the exit code."""
    is_json = "--json" in arguments
    try:
        _check_text(arguments)
        code = cli.main(args=list(arguments), prog_name="grantway", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        return _refuse_usage(error, is_json)
    except (click.Abort, KeyboardInterrupt):
        write_error(is_json, "aborted", "Aborted.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough. Python would complain once more while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except (click.ClickException, errors.GrantwayError, OSError) as error:
        return _report(error, is_json)
    return code if isinstance(code, int) else OK


def _check_text(arguments: Sequence[str]) -> None:
    """Bytes that are no text stand in arguments as lone surrogates, which nothing can store or print."""
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise click.UsageError(f"This argument is not text in UTF-8: {argument[:64]!a}.")


def _refuse_usage(error: click.UsageError, is_json: bool) -> int:
    if is_json:
        write_error(True, "usage", error.format_message())
    else:
        error.show()
    return USAGE


def _report(error: Exception, is_json: bool) -> int:
    for kind, code, name in _EXIT_CODES:
        if isinstance(error, kind):
            write_error(is_json, name, _describe(error))
            return code
    name = error.code if isinstance(error, errors.OAuthError) else "failure"
    write_error(is_json, name, _describe(error))
    return FAILURE


def _describe(error: Exception) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, errors.OAuthError) and error.detail:
        return f"{error} ({error.detail})"  # whoever runs a command may know what a client must not
    return str(error)


__all__ = ["Command", "Group", "cli", "run"]
