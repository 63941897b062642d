"""The README is run as it stands: its commands by bash, its Python as programs.

Its ``bash`` blocks are pasted into a terminal beside a running ``grantway dev`` (see ``Terminal`` for the two numbers
that are replaced), and each ``json`` block has to be what the block before it printed. The ``console`` block is about a
fresh machine: its targets and its command have to exist.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import tomllib
from typing import Any

import httpx2
import pytest

from .markdown import ROOT, Block, read_blocks

README = ROOT / "README.md"
BLOCKS = read_blocks(README)


def test_every_command_works_and_answers_as_shown(open_terminal, secrets):
    terminal = open_terminal(SECRET=secrets["demo-machine"], OAUTH2_CLIENT_SECRET=secrets["demo-web"])
    kinds = []
    for block in BLOCKS:
        kinds.append(block.language)
        if block.language == "bash":
            terminal.run(block.text)
        elif block.language == "json":
            terminal.check_answer(block.text)
    assert kinds.count("bash") >= 4
    assert kinds.count("json") >= 4


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "python"], ids=lambda b: f"line {b.line}")
def test_the_embedded_server_answers(block: Block):
    namespace: dict[str, Any] = {}
    exec(compile(block.text, f"README.md:{block.line}", "exec"), namespace)
    path = "/id" if "/id" in block.text else ""
    document = asyncio.run(_get_json(namespace["app"], f"{path}/.well-known/openid-configuration"))
    assert document["token_endpoint"] == document["issuer"] + "/oauth2/token"
    assert document["issuer"].endswith(path)


def test_the_commands_for_a_fresh_machine_are_there():
    commands = [
        line.removeprefix("$ ").partition("#")[0].strip()
        for block in BLOCKS
        if block.language == "console"
        for line in block.text.splitlines()
    ]
    assert commands == ["make run", "make test", "pip install .", "grantway dev"]
    for command in commands[:2]:
        dry = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert dry.returncode == 0, dry.stderr
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"grantway": "grantway.cli:main"}
    assert project["requires-python"] == ">=3.11"


def test_every_promise_names_a_test():
    rows = re.findall(r"^\| (P\d) \|.*$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [f"P{number}" for number in range(1, 8)]
    for row in re.findall(r"^\| P\d \|.*$", README.read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(r"`tests/[\w/]+\.py::test_\w+`", row), row


async def _get_json(app: Any, path: str) -> Any:
    """One request to an ASGI application, within its lifespan."""
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert await outbox.get() == {"type": "lifespan.startup.complete"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
        answer = await client.get(path)
    await inbox.put({"type": "lifespan.shutdown"})
    assert await outbox.get() == {"type": "lifespan.shutdown.complete"}
    await life
    assert answer.status_code == 200, answer.text
    return answer.json()
