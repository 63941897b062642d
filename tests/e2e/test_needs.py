"""Where an outside program is missing, its tests say how to get it and are skipped; in CI they fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("is_ci", "outcome"), [(False, "1 skipped"), (True, "1 error")])
@pytest.mark.parametrize(
    ("program", "test", "package"),
    [
        ("CHROMIUM", "test_browser_flow.py::test_the_flow_works_without_script", "chromium"),
        ("APACHE", "test_mod_auth_openidc.py::test_apache_refreshes_the_access_token", "libapache2-mod-auth-openidc"),
    ],
)
def test_a_test_without_its_program_is_skipped_and_fails_in_ci(
    program: str, test: str, package: str, is_ci: bool, outcome: str, pytestconfig: pytest.Config
) -> None:
    environment = {"PATH": "/usr/bin:/bin", f"GRANTWAY_TEST_{program}": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"{Path(__file__).parent}/{test}"],
        cwd=pytestconfig.rootpath,
        env={**environment, "CI": "true"} if is_ci else environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == (1 if is_ci else 0)
    assert outcome in done.stdout
    assert f"apt-get install {package}" in done.stdout
