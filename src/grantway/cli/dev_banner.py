"""What ``grantway dev`` prints: issuer, credentials, and three lines to paste."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Any

from grantway.cli.output import write_json

_READ_TOKEN = r"""sed 's/.*"access_token" *: *"\([^"]*\)".*/\1/'"""


def build_curl_lines(
    issuer: str, client_id: str, client_secret: str, paths: Mapping[str, str]
) -> list[tuple[str, str]]:
    """(what it shows, the line). Each line works by itself when pasted into a shell."""
    credentials = shlex.quote(f"{client_id}:{client_secret}")
    get_token = f"curl -s -u {credentials} -d grant_type=client_credentials {issuer}{paths['token']}"
    introspect = f'curl -s -u {credentials} -d token="$({get_token} | {_READ_TOKEN})" {issuer}{paths["introspection"]}'
    return [
        ("A token for the demo machine", get_token),
        ("What is in such a token", introspect),
        ("What the server can do", f"curl -s {issuer}{paths['discovery']}"),
    ]


def write_banner(is_json: bool, document: Mapping[str, Any], paths: Mapping[str, str]) -> None:
    """The ready document as JSON, or the same for people."""
    if is_json:
        write_json(document)
        sys.stdout.flush()
        return
    rows = _build_rows(document)
    machine = next(client for client in document["clients"] if client["client_id"] == "demo-machine")
    lines = build_curl_lines(document["issuer"], machine["client_id"], machine["client_secret"], paths)
    if sys.stdout.isatty():
        _print_rich(rows, lines)
    else:
        for name, value in rows:
            print(f"{name:17}{value}")
        for title, line in lines:
            print(f"\n# {title}\n{line}")
    sys.stdout.flush()


def _build_rows(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [("Issuer", document["issuer"]), ("Admin API", document["admin_url"])]
    if "playground_url" in document:
        rows.append(("Playground", document["playground_url"]))
    for client in document["clients"]:
        is_public = client["token_endpoint_auth_method"] == "none"
        without = "public: no secret" if is_public else "a private key, kept with the other credentials"
        rows.append((client["client_id"], client["client_secret"] or without))
    rows += [(f"User {user['username']}", user["password"]) for user in document["users"]]
    return rows


def _print_rich(rows: list[tuple[str, str]], lines: list[tuple[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(title="Grantway development server", title_justify="left", box=None, show_header=False)
    table.add_column(style="bold cyan")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    console.print(table)
    for title, line in lines:
        console.print(Text(f"\n{title}", style="bold"))
        console.print(Text(line), soft_wrap=True)  # never broken by us: it has to survive copy and paste
    console.print(Text("\nStop with Ctrl-C.", style="dim"))
