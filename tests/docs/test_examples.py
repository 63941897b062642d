"""Every script of ``examples/`` is run against one development server and prints what its docstring says it prints.

A script that needs a person prints ``Open <url>``. The person who goes there has one browser for the whole script.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.person import Person

from .markdown import ROOT, read_links

EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path for path in EXAMPLES.glob("*.py") if path.name != "demo.py")
TIMEOUT = 60


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_prints_what_its_docstring_says(script: Path, dev_server: tuple[Path, dict[str, Any]]) -> None:
    expected = read_expected_lines(script)
    assert expected, f"{script.name}: its docstring has no indented block of the lines that it prints"
    printed = run_with_a_person(script, *dev_server)
    assert len(printed) == len(expected), "\n".join(printed)
    for wanted, line in zip(expected, printed, strict=True):
        pattern = ".+".join(re.escape(part) for part in wanted.split("…"))
        assert re.fullmatch(pattern, line), f"{line!r} instead of {wanted!r}"


def test_the_page_about_the_examples_lists_each_of_them() -> None:
    listed = {link for link in read_links(EXAMPLES / "README.md") if link.endswith(".py")}
    assert listed == {path.name for path in [*SCRIPTS, EXAMPLES / "demo.py"]}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_needs_nothing_that_hides_the_requests(script: Path) -> None:
    neighbours = {path.stem for path in EXAMPLES.glob("*.py")}
    allowed = neighbours | sys.stdlib_module_names | ALLOWED.get(script.name, set()) | {"httpx2"}
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.partition(".")[0] in allowed, f"{script.name} imports {name}"


ALLOWED: dict[str, set[str]] = {
    "backchannel_logout.py": {"joserfc"},
    "jwt_bearer.py": {"joserfc"},
    "private_key_jwt.py": {"joserfc"},
    "saml_bearer.py": {"cryptography", "lxml", "signxml"},
    "signing.py": {"joserfc"},
}
"""What a script may import besides httpx2 and the standard library: to sign something."""


def read_expected_lines(script: Path) -> list[str]:
    """The indented block of the module's docstring."""
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")), clean=False) or ""
    block = [line for line in docstring.splitlines() if line.startswith("    ")]
    return textwrap.dedent("\n".join(block)).splitlines()


def run_with_a_person(script: Path, folder: Path, ready: dict[str, Any]) -> list[str]:
    """The lines it printed. It has to end by itself, with 0."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRANTWAY_")}
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**environment, "GRANTWAY_ISSUER": ready["issuer"], "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    watchdog = threading.Timer(TIMEOUT, process.kill)
    watchdog.start()
    assert process.stdout is not None
    assert process.stderr is not None
    printed = []
    with process, Person(ready["issuer"], ready["users"][0]) as person:
        for line in process.stdout:
            printed.append(line.rstrip("\n"))
            if line.startswith("Open http"):
                person.visit(line.removeprefix("Open ").strip())
        complaint = process.stderr.read()
    watchdog.cancel()
    assert process.returncode == 0, f"{script.name} ended with {process.returncode}: {complaint}\n{printed}"
    return printed
