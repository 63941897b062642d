"""The bench is no part of the package: it is imported from the folder beside the tests."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


@pytest.fixture(scope="session")
def wrk() -> str:
    """The load generator."""
    found = shutil.which("wrk")
    if found is None:
        message = "wrk is not there. Get it by `apt-get install wrk`."
        if os.environ.get("CI"):
            pytest.fail(f"{message} CI is set, so this is a failure.", pytrace=False)
        pytest.skip(message)
    return found
