"""Where an outside program is missing, its tests say how to get it and are skipped; in CI they fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("is_ci", "outcome"), [(False, "1 skipped"), (True, "1 error")])
def test_a_test_without_its_browser_is_skipped_and_fails_in_ci(
    is_ci: bool, outcome: str, pytestconfig: pytest.Config
) -> None:
    test = Path(__file__).with_name("test_browser_flow.py")
    environment = {"PATH": "/usr/bin:/bin", "GRANTWAY_TEST_CHROMIUM": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"{test}::test_the_flow_works_without_script"],
        cwd=pytestconfig.rootpath,
        env={**environment, "CI": "true"} if is_ci else environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == (1 if is_ci else 0)
    assert outcome in done.stdout
    assert "apt-get install chromium" in done.stdout
