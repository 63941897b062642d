"""Who may open connections to elsewhere: one module. And each place that has it fetch says so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grantway
from grantway.registry import BUILTINS

SOURCE = Path(grantway.__file__).parent
CLIENTS = {
    "aiohttp", "ftplib", "http.client", "httpcore2", "httpx", "httpx2", "imaplib", "poplib", "requests", "smtplib",
    "socket", "socketserver", "telnetlib", "urllib.request", "urllib3", "xmlrpc",
}  # fmt: skip
CONNECTING = {"create_connection", "create_datagram_endpoint", "open_connection", "open_unix_connection", "getaddrinfo"}
FETCHING = {"fetch", "fetch_json", "post", "load"}
ALLOWED = {
    "egress.py": "makes outgoing requests",
    "lookups.py": "asks the resolver for them",
    "storage": "the database and Redis of the settings",
    "cli": "commands ask the server they are told to",
    "testing": "ships with its own clients",
    "web/supervisor.py": "opens listeners",
    "web/listeners.py": "opens listeners",
    "web/leaving.py": "hands listeners over",
    "web/serve.py": "names the type of a listener",
}


def iterate_sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def is_allowed(name: str) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in ALLOWED)


def find_connecting(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Attribute) and node.attr in CONNECTING:
            found.add(node.attr)
        found |= {name for name in modules if name in CLIENTS or name.split(".")[0] in CLIENTS}
    return found


def test_no_other_module_opens_connections() -> None:
    found = {name: connecting for name, tree in iterate_sources() if (connecting := find_connecting(tree))}
    assert "egress.py" in found
    assert {name: connecting for name, connecting in found.items() if not is_allowed(name)} == {}


def find_purposes(tree: ast.Module) -> Iterator[str]:
    """The ``purpose="…"`` of each call that fetches."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for keyword in node.keywords if called in FETCHING else ():
                if keyword.arg == "purpose" and isinstance(keyword.value, ast.Constant):
                    yield keyword.value.value


def test_what_is_fetched_is_declared_by_an_extension() -> None:
    declared = {purpose for extension in BUILTINS for purpose in extension.fetches}
    used = {purpose: name for name, tree in iterate_sources() for purpose in find_purposes(tree)}
    assert {purpose: name for purpose, name in used.items() if purpose not in declared} == {}
