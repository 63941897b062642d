"""From a released schema to this one, on every database: the same schema, the same data, whatever happens meanwhile.

``released/`` holds what a release left behind; ``released/make.py`` made it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from grantway.config import DatabaseSettings, Settings
from grantway.errors import SchemaError, StoreUnavailable
from grantway.storage import open_store
from grantway.storage.sql import definitions, network, schema, schema_server, sqlite
from grantway.testing.clock import FakeClock
from grantway.testing.in_process import InProcessServer, RegisteredClient
from grantway.testing.store_samples import NOW, TENANT, build_authorization, build_client

from .servers import Server
from .test_migrations import describe as describe_file
from .test_migrations import url_of

RELEASED = Path(__file__).parent / "released"
RELEASES = sorted({path.name.rpartition(".sqlite.")[0] for path in RELEASED.glob("*.sqlite.sql")})
IS_SOAK = os.environ.get("GRANTWAY_TEST_SOAK") == "1"


class Place:
    """Where databases are made: one kind of server, or a folder for SQLite's files."""

    def __init__(self, name: str, folder: Path, server: Server | None) -> None:
        self.name, self.folder, self.server = name, folder, server
        self._made: list[str] = []

    def make(self) -> str:
        """An empty database."""
        url = self.server.create() if self.server else url_of(self.folder / f"{len(self._made)}.db")
        self._made.append(url)
        return url

    def restore(self, release: str) -> tuple[str, dict[str, Any]]:
        """What a release left behind: the database, and what its clients hold."""
        url = self.make()
        script = (RELEASED / f"{release}.{self.name}.sql").read_text(encoding="utf-8")
        for part in script.split(";\n") if self.name == "mariadb" else [script]:
            if part.strip():
                self.run(part, url)
        held = json.loads((RELEASED / f"{release}.{self.name}.json").read_text(encoding="utf-8"))
        return url, held

    def run(self, sql: str, url: str) -> None:
        if self.server:
            self.server.run(sql, url)
            return
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(sql)

    def describe(self, url: str) -> Any:
        return self.server.describe(url) if self.server else describe_file(Path(url.removeprefix("sqlite:///")))

    def close(self) -> None:
        for url in self._made if self.server else ():
            self.server.drop(url)  # type: ignore[union-attr]


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    fixtures = {"postgresql": "postgres_server", "mariadb": "mariadb_server"}
    name = request.param
    server = request.getfixturevalue(fixtures[name]) if name in fixtures else None
    place = Place(name, tmp_path, server)
    yield place
    place.close()


# -- the result -------------------------------------------------------------------------------------------------------


@pytest.mark.threat("R17")
@pytest.mark.parametrize("release", RELEASES)
def test_an_upgraded_schema_is_the_fresh_one(place: Place, release: str) -> None:
    url, _ = place.restore(release)
    assert schema.status(url).current in schema.REVISIONS[:-1], "the release has another schema"
    assert schema.upgrade(url).pending == ()
    fresh = place.make()
    schema.upgrade(fresh)
    assert place.describe(url) == place.describe(fresh)


@pytest.mark.threat("R17")
@pytest.mark.parametrize("release", RELEASES)
def test_what_a_release_stored_is_good_after_the_upgrade(place: Place, release: str) -> None:
    url, held = place.restore(release)
    schema.upgrade(url)
    settings = {"database.url": url, "secrets.sealing": [held["sealing"]], "tokens.code_ttl": 600}
    server = InProcessServer(settings, clock=FakeClock(held["now"]))

    def find(name: str) -> RegisteredClient:
        client_id, secret = held[name]
        client = server.run(server.runtime.store.load_client("default", client_id))
        assert client is not None
        return RegisteredClient(client, secret)

    client, machine = find("client"), find("machine")
    assert server.is_active(machine, held["jwt"])
    assert not server.is_active(machine, held["revoked"])
    assert server.is_active(client, held["access_token"])
    assert server.refresh(client, held["refresh_token"]).status_code == 200
    assert server.redeem(client, held["code"]).status_code == 200
    assert server.redeem(client, held["spent_code"]).json()["error"] == "invalid_grant"
    assert not server.is_active(client, held["access_token"]), "a replay kills what an earlier version issued, too"
    browser = server.browser()
    browser.http.cookies.update(held["cookies"])
    assert "error" not in browser.authorize(client, prompt="none")
    server.stop()


# -- the way ----------------------------------------------------------------------------------------------------------


@pytest.mark.threat("R17")
def test_two_nodes_upgrade_at_once_under_load_and_nothing_fails(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    url, _ = place.restore(RELEASES[0])
    # These stand for workers of the release, which started on its schema and go on.
    monkeypatch.setattr(network, "check_version", lambda _: None)
    monkeypatch.setattr(sqlite, "check_version", lambda _: None)
    done = threading.Event()

    async def load(number: int) -> int:
        store = open_store(Settings(database=DatabaseSettings(url=url)), FakeClock(NOW))
        await store.start()
        count = 0
        while not done.is_set() or count < 20:
            name = f"{number}-{count}"
            await store.insert_authorization(build_authorization(name))
            assert await store.redeem_code(TENANT, name, NOW)
            await store.insert_client(build_client(name))
            assert await store.load_client(TENANT, name)
            count += 1
        await store.stop()
        return count

    with ThreadPoolExecutor(4) as executor:
        loads = [executor.submit(asyncio.run, load(number)) for number in range(2)]
        time.sleep(0.1)
        upgrades = [executor.submit(schema.upgrade, url) for _ in range(2)]
        try:
            assert {future.result(60).current for future in upgrades} == {schema.HEAD}
        finally:
            done.set()
        assert all(future.result(60) for future in loads)


KILLED = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from grantway.storage.sql import schema

left = int(sys.argv[2])

@event.listens_for(Engine, "after_cursor_execute")
def count(connection, cursor, statement, *_):
    global left
    if statement.lstrip().startswith(("CREATE", "ALTER", "INSERT", "UPDATE")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

schema.upgrade(sys.argv[1])
"""


def kill_after(steps: int, url: str) -> int:
    """Upgrades in a process that is killed after that many steps. Returns how it ended."""
    return subprocess.run([sys.executable, "-c", KILLED, url, str(steps)], check=False, timeout=60).returncode


@pytest.mark.threat("R17")
@pytest.mark.parametrize("steps", [1, 2] if IS_SOAK else [1])
def test_an_upgrade_that_is_killed_goes_on_when_it_is_repeated(place: Place, steps: int) -> None:
    url, _ = place.restore(RELEASES[0])
    assert kill_after(steps, url) == -signal.SIGKILL
    assert schema.status(url).current in schema.REVISIONS
    assert schema.upgrade(url).pending == ()
    fresh = place.make()
    schema.upgrade(fresh)
    assert place.describe(url) == place.describe(fresh)


@pytest.mark.threat("R17")
@pytest.mark.parametrize("steps", range(1, 45) if IS_SOAK else [21])
def test_a_first_upgrade_that_is_killed_goes_on_beside_foreign_tables(place: Place, steps: int) -> None:
    url, fresh = place.make(), place.make()
    for each in (url, fresh):  # so Alembic makes the schema, step by step
        place.run("CREATE TABLE stranger (x integer)", each)
    assert kill_after(steps, url) == -signal.SIGKILL
    assert schema.upgrade(url).pending == ()
    schema.upgrade(fresh)
    assert place.describe(url) == place.describe(fresh)


@pytest.mark.threat("R17")
@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)
def test_an_upgrade_waits_for_a_table_in_use_a_moment_at_a_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place.server is not None
    url, _ = place.restore(RELEASES[0])
    monkeypatch.setattr(schema_server, "TABLE_TIMEOUT", 1)
    attempts: list[BaseException | None] = []
    run = schema_server.run

    def count(url: str, work: Callable[[Any], Any]) -> Any:
        try:
            return run(url, work)
        except StoreUnavailable as error:
            attempts.append(error)
            raise

    monkeypatch.setattr(schema_server, "run", count)
    with ThreadPoolExecutor(1) as executor:
        with place.server.holding("SELECT version_num FROM alembic_version FOR UPDATE", url):
            upgrading = executor.submit(schema.upgrade, url)
            while not attempts:
                assert not upgrading.done(), upgrading.exception()
                time.sleep(0.02)
        assert upgrading.result(60).current == schema.HEAD


# -- versions beside each other ---------------------------------------------------------------------------------------

FUTURE = "0099.0002"
TOO_FAR = "0099.0098"


@pytest.mark.threat("R16")
def test_a_worker_runs_on_a_newer_schema_that_only_added_to_its_own(place: Place) -> None:
    url = place.make()
    schema.upgrade(url)
    place.run("ALTER TABLE client ADD COLUMN later integer", url)
    place.run("CREATE TABLE later (x integer)", url)
    place.run(f"UPDATE alembic_version SET version_num = '{FUTURE}'", url)

    async def work() -> None:
        store = open_store(Settings(database=DatabaseSettings(url=url)), FakeClock(NOW))
        await store.start()
        await store.insert_client(build_client())
        assert await store.load_client(TENANT, "shop") is not None
        await store.stop()

    asyncio.run(work())
    schema.check(url)
    assert schema.status(url).is_usable
    assert schema.upgrade(url).current == FUTURE, "an older program leaves it as it is"
    with pytest.raises(SchemaError, match="newer than this version"):
        schema.downgrade(url)


@pytest.mark.threat("R16")
def test_a_worker_refuses_a_newer_schema_that_took_something_away(place: Place) -> None:
    url = place.make()
    schema.upgrade(url)
    place.run(f"UPDATE alembic_version SET version_num = '{TOO_FAR}'", url)
    store = open_store(Settings(database=DatabaseSettings(url=url)), FakeClock(NOW))
    with pytest.raises(SchemaError, match="newer than this version"):
        asyncio.run(store.start())
    for use in (schema.check, schema.upgrade, lambda url: schema.wait(url, 60)):
        with pytest.raises(SchemaError, match="newer than this version"):
            use(url)


@pytest.mark.parametrize(
    ("current", "is_usable"),
    [
        *((version, True) for version in (schema.HEAD, "0099.0001", "0099.0002")),
        *((version, False) for version in (None, "", "0001", "0001.0001", "0099", "0099.0098", "0099.0002x", "future")),
    ],
)
def test_a_version_says_who_may_work_with_it(current: str | None, is_usable: bool) -> None:
    assert schema.HEAD.startswith("0003")
    assert definitions.is_usable(current) == is_usable


def test_every_migration_says_since_which_version_it_only_added() -> None:
    floors = []
    for number, revision in enumerate(schema.REVISIONS, 1):
        own, _, floor = revision.partition(".")
        assert int(own) == number
        floors.append(int(floor or own))
        assert floors[-1] <= number
    assert floors == sorted(floors), "what was taken away does not come back"


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_who_waits_goes_on_when_the_schema_is_there(place: Place) -> None:
    url = place.make()
    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(schema.wait, url, 30)
        with contextlib.suppress(TimeoutError):
            waiting.result(0.3)
        assert not waiting.done()
        schema.upgrade(url)
        assert waiting.result(10).is_usable


def test_waiting_ends_in_time_and_says_what_is_missing(place: Place) -> None:
    began = time.monotonic()
    with pytest.raises(SchemaError, match="no schema yet"):
        schema.wait(place.make(), 0.4)
    url, _ = place.restore(RELEASES[0])
    with pytest.raises(SchemaError, match="has schema 0001"):
        schema.wait(url, 0)
    assert time.monotonic() - began < 8
