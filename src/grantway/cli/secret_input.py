"""Reading passwords and secrets: from a prompt or a pipe, never from arguments."""

from __future__ import annotations

import secrets
import sys

import click

_ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that looks like something else
_GENERATED_LENGTH = 20


def read_password(*, is_from_stdin: bool, is_generated: bool) -> str:
    """A password: one line of standard input, a generated one (117 bits), or typed twice.

    Raises:
        UsageError: both ways at once, nothing on standard input, or no terminal to ask at.
    """
    if is_from_stdin and is_generated:
        raise click.UsageError("--password-stdin and --generate-password exclude each other.")
    if is_generated:
        return "".join(secrets.choice(_ALPHABET) for _ in range(_GENERATED_LENGTH))
    if is_from_stdin:
        return read_line("password")
    if not sys.stdin.isatty():
        raise click.UsageError("No terminal to ask for the password at: use --password-stdin or --generate-password.")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def read_line(noun: str) -> str:
    """One line of standard input without its end.

    Raises:
        UsageError: there is none.
    """
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise click.UsageError(f"No {noun} on standard input.")
    return line
