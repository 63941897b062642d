"""Runs one of the ``*.mjs`` scripts of this folder. It may send a person to a URL; see ``conversation.mjs``."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TIMEOUT = 30.0


def run_script(name: str, task: Mapping[str, Any], visit: Callable[[str], str]) -> dict[str, Any]:
    """Returns the script's result. ``visit`` takes the person to a URL and returns where they were sent back to."""
    command = ["node", f"{name}.mjs", json.dumps(task)]
    folder = Path(__file__).parent
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    result: dict[str, Any] = {}
    with subprocess.Popen(command, cwd=folder, text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        deadline = threading.Timer(TIMEOUT, process.kill)
        deadline.start()
        try:
            for line in process.stdout:
                message = json.loads(line)
                if "visit" in message:
                    process.stdin.write(visit(message["visit"]) + "\n")
                    process.stdin.flush()
                else:
                    result = message["result"]
            code = process.wait()
        finally:
            deadline.cancel()
            process.kill()
        assert code == 0, f"{code}: {process.stderr.read()}"
    return result
