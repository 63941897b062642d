"""What the whole suite shares: the outside programs that some tests need, and the rule for where one is missing.

A test says what it needs by a marker, ``browser`` (Chromium), ``node`` (Node.js and the npm packages of tests/e2e) or
``apache`` (Apache with mod_auth_openidc), or by the fixture ``curl``. Where that is missing the test is skipped and
says how to get it; with ``CI`` in the environment it fails instead, so that nothing goes green on tests that did not
run.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings
from tests import apache

# A change is judged by what it changed: in CI the examples are the same each time. `make soak` and a developer's own
# runs look for new ones.
settings.register_profile("ci", derandomize=True)
if "CI" in os.environ and "GRANTWAY_TEST_SOAK" not in os.environ:
    settings.load_profile("ci")

CHROMIUM = Path(os.environ.get("GRANTWAY_TEST_CHROMIUM", "/usr/bin/chromium"))
E2E = Path(__file__).parent / "e2e"
INSTALL_PACKAGES = "`npm install --no-package-lock` in tests/e2e (`make test` does it)"


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The browser under test: Debian's, or the one that ``GRANTWAY_TEST_CHROMIUM`` names."""
    return CHROMIUM


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Where the npm packages are. Tests that use it carry the marker ``node``."""
    return E2E / "node_modules"


@pytest.fixture(scope="session")
def curl() -> str:
    """The curl of this machine."""
    found = shutil.which("curl")
    if found is None:
        _do_without("curl is not there. Get it by `apt-get install curl`.")
    return found


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that a stream socket of this process is asked to connect to. Only loopback is really reached."""
    seen: list[Any] = []
    connect = socket.socket.connect

    def record(self: socket.socket, address: Any) -> None:
        if self.type == socket.SOCK_STREAM and self.family != socket.AF_UNIX:
            seen.append(address)
            if not address[0].startswith("127."):
                raise ConnectionRefusedError(f"{address}: a test does not go there")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", record)
    return seen


@pytest.hookimpl(tryfirst=True)  # before any fixture is made
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, find_missing in _NEEDS.items():
        missing = find_missing() if item.get_closest_marker(marker) is not None else None
        if missing is not None:
            _do_without(missing)


def _do_without(missing: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{missing} CI is set, so this is a failure.", pytrace=False)
    pytest.skip(missing)


def _find_missing_browser() -> str | None:
    if not os.access(CHROMIUM, os.X_OK):
        return f"{CHROMIUM} is not there. Get it by `apt-get install chromium`, or set GRANTWAY_TEST_CHROMIUM."
    return None


def _find_missing_node() -> str | None:
    if shutil.which("node") is None:
        return f"Node.js is not there. Get it by `apt-get install nodejs npm`, then run {INSTALL_PACKAGES}."
    wanted = json.loads((E2E / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    missing = [name for name in wanted if not (E2E / "node_modules" / name / "package.json").is_file()]
    if missing:
        return f"npm packages are not there: {', '.join(missing)}. Get them by {INSTALL_PACKAGES}."
    return None


_NEEDS: dict[str, Callable[[], str | None]] = {
    "browser": _find_missing_browser,
    "node": _find_missing_node,
    "apache": apache.find_missing,
}
