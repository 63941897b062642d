"""What a newcomer does: start it, read what it prints, paste that into a shell."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

from .dev_server import run_dev


def paste(line: str) -> dict[str, Any]:
    """What a shell prints for ``line``, which is JSON."""
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_three_curl_lines_work_as_they_are_printed(curl: str, tmp_path: Path) -> None:
    with run_dev(tmp_path, settings={}) as server:
        lines = [line for line in server.printed.splitlines() if line.startswith("curl ")]
        token, seen, metadata = [paste(line) for line in lines]
        refusal = paste(lines[0].replace("gwcs_", "gwcs_x"))
    assert token["token_type"] == "Bearer"
    assert token["access_token"].startswith("gwat_")
    assert seen["active"] is True
    assert seen["client_id"] == "demo-machine"
    assert metadata["issuer"] == server.issuer
    assert refusal["error"] == "invalid_client"


def test_what_is_printed_is_enough_to_begin_with(tmp_path: Path) -> None:
    with run_dev(tmp_path, settings={}) as server:
        mode = stat.S_IMODE((tmp_path / "ready.json").stat().st_mode)
        printed = server.printed
    assert mode == 0o600, "the ready file holds secrets"
    assert server.issuer in printed
    assert server.ready["admin_url"] in printed
    assert server.user["password"] in printed
    for client in server.ready["clients"]:
        assert client["client_id"] in printed
        assert client["client_secret"] is None or client["client_secret"] in printed
