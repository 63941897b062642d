"""What the fault tests share: servers that are surely gone afterwards, and a seed to replay a failure with.

``GRANTWAY_TEST_SEED=n`` repeats the random choices of an earlier run, ``GRANTWAY_TEST_SOAK=1`` runs the long forms.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from grantway.testing.running_server import RunningServer


@pytest.fixture(scope="module")
def run_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningServer]]:
    """Starts ``grantway serve all`` on a database of its own. Nothing in its log may be a traceback."""
    servers = []

    def run(**arguments: Any) -> RunningServer:
        server = RunningServer(tmp_path_factory.mktemp("server"), **arguments)
        servers.append(server)
        server.start()
        return server

    yield run
    for server in servers:
        server.close()
    for server in servers:
        assert "Traceback" not in server.read_log(), server.read_log()[-4000:]


@pytest.fixture
def dice() -> random.Random:
    """Random choices that can be had again."""
    seed = int(os.environ.get("GRANTWAY_TEST_SEED") or random.SystemRandom().getrandbits(32))
    print(f"GRANTWAY_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def is_soak() -> bool:
    return os.environ.get("GRANTWAY_TEST_SOAK") == "1"
