"""What the fault tests share: servers that are surely gone afterwards, and a seed to replay a failure with.

``GRANTWAY_TEST_SEED=n`` repeats the random choices of an earlier run, ``GRANTWAY_TEST_SOAK=1`` runs the long forms.
A test of a cluster says by ``@on("postgres")`` which database it runs on in the short form; the long one runs it on
both.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import nginx

from grantway.testing.running_server import RunningServer

from .cluster import Cluster
from .databases import KINDS

IS_SOAK = os.environ.get("GRANTWAY_TEST_SOAK") == "1"
HERE = Path(__file__).parent
SERVER_GONE = 120.0


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
    return IS_SOAK


# -- clusters ---------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "on(kind, only=False): the database of the short form, or of both forms")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("on")
        assert mark is not None, f"{metafunc.function.__name__} needs @pytest.mark.on(...)"
        is_for_all = IS_SOAK and not mark.kwargs.get("only", False)
        metafunc.parametrize("kind", sorted(KINDS) if is_for_all else mark.args, scope="session")


_clusters: dict[str, Cluster] = {}


@pytest.fixture(scope="session")
def find_cluster(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Cluster]:
    """The cluster on this database, started where it is not there yet."""

    def find(kind: str) -> Cluster:
        if kind in _clusters:
            return _clusters[kind]
        for missing in (KINDS[kind].find_missing(), nginx.find_missing()):
            if missing is not None and os.environ.get("CI"):
                pytest.fail(f"{missing} CI is set, so this is a failure.", pytrace=False)
            if missing is not None:
                pytest.skip(missing)
        database = KINDS[kind]()
        try:
            database.start()
            _clusters[kind] = Cluster(tmp_path_factory.mktemp, database)
        except BaseException:
            database.remove()
            raise
        return _clusters[kind]

    return find


@pytest.fixture
def cluster(kind: str, find_cluster: Callable[[str], Cluster]) -> Iterator[Cluster]:
    """The one of this database: whole when a test gets it, and it has to come back to that without help."""
    found = find_cluster(kind)
    yield found
    found.disconnect()
    found.wait_until_ready(SERVER_GONE)


@pytest.hookimpl(trylast=True)  # after the fixtures
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Clusters are for the tests of this folder: workers that idle meanwhile would slow the others down."""
    if nextitem is None or nextitem.path.parent != HERE:
        closing = list(_clusters.values())
        _clusters.clear()
        for each in closing:
            each.close()
            each.database.remove()
        for each in closing:
            each.check_logs()
