"""The load: wrk, one thread, closed loop over keep-alive connections."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SCRIPT = """
local ffi = require("ffi")
ffi.cdef("int getpid(void); int kill(int pid, int number);")
local requests, position, most = {}, -1, %(most)d -- wrk asks once more than it sends
local rest
function init(arguments)
  local headers = %(headers)s
  rest = wrk.format("GET", "/health/live")
  local authorizations = {}
  for line in io.lines("%(authorizations)s") do authorizations[#authorizations + 1] = line end
  for body in io.lines("%(bodies)s") do
    if #authorizations > 0 then headers["Authorization"] = authorizations[#requests %% #authorizations + 1] end
    requests[#requests + 1] = wrk.format("%(method)s", "%(path)s", headers, body)
  end
  if #requests == 0 then requests[1] = wrk.format("%(method)s", "%(path)s", headers) end
end
function request()
  position = position + 1
  if position > most then
    wrk.thread:stop()
    ffi.C.kill(ffi.C.getpid(), 2) -- wakes the main thread, which else sleeps until the time is over
    return rest
  end
  return requests[(position - 1) %% #requests + 1]
end
function done(summary, latency, requests)
  local broken = summary.errors
  io.stderr:write(string.format(
    '{"requests":%%d,"duration":%%d,"p50":%%f,"p99":%%f,"bad":%%d,"errors":%%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), broken.status,
    broken.connect + broken.read + broken.write + broken.timeout))
end
"""


ENDLESS = 10**9


@dataclass(frozen=True)
class Load:
    """What one scenario sends. ``bodies``: used one after the other, and with them ``authorizations``, in turn.

    ``is_once``: each body may be used only once, and the load ends with the last.
    """

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    bodies: Sequence[str] = ()
    authorizations: Sequence[str] = ()
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


def run_wrk(
    url: str, load: Load, *, seconds: int, connections: int, cores: str | None, most: int = ENDLESS
) -> Measurement:
    """Runs wrk once, for ``seconds`` or ``most`` requests. Answers but 2xx and 3xx and broken connections are bad."""
    with tempfile.TemporaryDirectory(prefix="grantway-bench-") as folder:
        bodies, authorizations, script = (Path(folder, name) for name in ("bodies", "authorizations", "load.lua"))
        bodies.write_text("".join(body + "\n" for body in load.bodies))
        authorizations.write_text("".join(line + "\n" for line in load.authorizations))
        facts = {
            "bodies": bodies,
            "authorizations": authorizations,
            "headers": "{" + ", ".join(f'["{name}"]="{value}"' for name, value in load.headers.items()) + "}",
            "method": load.method,
            "path": load.path,
            "most": min(most, len(load.bodies) if load.is_once else most),
        }
        script.write_text(_SCRIPT % facts)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
        prefix = ["taskset", "-c", cores] if cores is not None else []
        finished = subprocess.run(
            [*prefix, *command, "-s", str(script), url], capture_output=True, text=True, check=False
        )
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
