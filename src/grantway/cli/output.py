"""What a command prints: JSON for programs, tables on a terminal, tab-separated plain text in a pipe.

What is printed may come from an attacker (a client's name, a user agent): control characters never reach a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from grantway.cli.invocation import Invocation

_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799  # of the years 1 to 9999


def write_json(document: Any, stream: TextIO | None = None) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False), file=stream or sys.stdout)


def write_message(invocation: Invocation, text: str, document: Mapping[str, Any]) -> None:
    """``text`` for people, ``document`` for programs."""
    if invocation.is_json:
        write_json(document)
    else:
        print(clean(text))


def write_object(invocation: Invocation, document: Mapping[str, Any]) -> None:
    """One object: its members one below the other. Empty members are left out for people."""
    if invocation.is_json:
        write_json(document)
        return
    rows = [(name, format_value(value)) for name, value in document.items() if value not in (None, "", [], {}, ())]
    if sys.stdout.isatty():
        _print_rich(None, rows)
    else:
        for name, value in rows:
            print(f"{name}: {value}")


def write_table(
    invocation: Invocation, items: Iterable[Mapping[str, Any]], columns: Sequence[str], *, cursor: str | None = None
) -> None:
    """A listing. JSON has every member, ``{"items": […], "next_cursor": …}``; a table has ``columns``."""
    items = list(items)
    if invocation.is_json:
        write_json({"items": items, "next_cursor": cursor})
        return
    rows = [tuple(format_value(item.get(column)) for column in columns) for item in items]
    if sys.stdout.isatty():
        _print_rich(columns, rows)
    else:
        print("\t".join(columns))
        for row in rows:
            print("\t".join(row))
    if cursor is not None:
        print(f"There is more: --cursor {cursor}", file=sys.stderr)


def write_error(is_json: bool, code: str, message: str) -> None:
    """One line on standard error; with ``--json`` an object ``{"error": code, "message": …}``."""
    if is_json:
        print(json.dumps({"error": code, "message": message}, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"error: {clean(message)}", file=sys.stderr)


def write_note(text: str) -> None:
    """A remark for people, beside the result: on standard error."""
    print(clean(text), file=sys.stderr)


def format_value(value: Any) -> str:
    """A value on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return clean(" ".join(value))
    if isinstance(value, list | tuple | Mapping):
        return clean(json.dumps(value, ensure_ascii=False))
    return clean(str(value))


def format_instant(at: int | None) -> str | None:
    """``2026-01-31T12:00:00Z`` for milliseconds since the epoch; what is beyond the year 9999 is its last second."""
    import datetime as dt

    if not at:
        return None
    seconds = max(_FIRST_SECOND, min(at // 1000, _LAST_SECOND))
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def clean(text: str) -> str:
    """``text`` without what a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _print_rich(columns: Sequence[str] | None, rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=columns is not None, box=None, header_style="bold", pad_edge=False)
    for column in columns or ("", ""):
        table.add_column(column, overflow="fold", style="bold" if columns is None and not table.columns else None)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
