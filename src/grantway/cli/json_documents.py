"""Texts and JSON that are handed to a command: in a file, on standard input, or as an argument."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

MAX_SIZE = 1_048_576
MAX_DEPTH = 32


def read_text(option: str, file: str) -> str:
    """What is in a file; ``-`` is standard input.

    Raises:
        UsageError: it is not UTF-8. OSError: it cannot be read.
    """
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{option}: this is not text in UTF-8.") from error


def parse_value(text: str) -> Any:
    """Any JSON value, within the limits of ``protocol.json_input``. Raises ``ValueError``."""
    from grantway.errors import InvalidRequest
    from grantway.protocol.json_input import parse_json

    try:
        return parse_json(text, max_size=MAX_SIZE, max_depth=MAX_DEPTH)
    except InvalidRequest as error:
        raise ValueError(error.detail or error.description) from error


def parse_object(option: str, text: str) -> dict[str, Any]:
    """A JSON object. Raises ``UsageError``."""
    try:
        document = parse_value(text)
    except ValueError as error:
        raise click.UsageError(f"{option}: this is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise click.UsageError(f"{option}: must be a JSON object.")
    return document
