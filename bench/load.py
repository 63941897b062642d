"""The load: wrk, one thread, closed loop over keep-alive connections."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

_SCRIPT = """
local bodies, position = {}, 0
for line in io.lines("%(bodies)s") do bodies[#bodies + 1] = line end
local headers = %(headers)s
function request()
  position = position + 1
  if #bodies == 0 then return wrk.format("%(method)s", "%(path)s", headers) end
  local body = bodies[(position - 1) %% #bodies + 1]
  return wrk.format("%(method)s", "%(path)s", headers, body)
end
function done(summary, latency, requests)
  local broken = summary.errors
  io.stderr:write(string.format(
    '{"requests":%%d,"duration":%%d,"p50":%%f,"p99":%%f,"bad":%%d,"errors":%%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), broken.status,
    broken.connect + broken.read + broken.write + broken.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What one scenario sends. ``bodies``: used one after the other; ``is_once``: each may be used only once."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=list)
    is_once: bool = False


@dataclass(frozen=True)
class Measurement:
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    bad: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def run_wrk(url: str, load: Load, *, seconds: int, connections: int, cores: str | None) -> Measurement:
    """Runs wrk once. Answers other than 2xx and 3xx and broken connections count as bad."""
    with tempfile.TemporaryDirectory() as folder:
        bodies, script = Path(folder, "bodies"), Path(folder, "load.lua")
        bodies.write_text("".join(body + "\n" for body in load.bodies))
        headers = "{" + ", ".join(f'["{name}"]="{value}"' for name, value in load.headers.items()) + "}"
        script.write_text(_SCRIPT % {"bodies": bodies, "headers": headers, "method": load.method, "path": load.path})
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script), url]
        if cores is not None:
            command = ["taskset", "-c", cores, *command]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in finished.stderr.splitlines() if line.startswith("{")]
    if finished.returncode != 0 or not lines:
        raise SystemExit(f"bench: wrk failed: {finished.stderr.strip() or finished.stdout.strip()}")
    answer = json.loads(lines[-1])
    return Measurement(
        requests=answer["requests"],
        seconds=answer["duration"] / 1e6,
        p50_ms=answer["p50"] / 1000,
        p99_ms=answer["p99"] / 1000,
        bad=answer["bad"] + answer["errors"],
    )
