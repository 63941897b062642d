"""Backup and restore of a SQLite database: checked, whole or not at all, and nothing from before lives on."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from grantway.storage.sql import schema
from grantway.testing.clock import FakeClock
from grantway.testing.in_process import InProcessServer, RegisteredClient

from .conftest import Cli

RELEASED = Path(__file__).parents[2] / "contract" / "released"


class Site:
    """A folder with settings and a database, and a server of this process on it now and then."""

    def __init__(self, folder: Path, clock: FakeClock, sealing: str = Cli.sealing) -> None:
        folder.mkdir()
        self.database = folder / "grantway.db"
        self.sealing, self.clock = sealing, clock
        toml = f'[database]\nurl = "sqlite:///grantway.db"\n[secrets]\nsealing = ["{sealing}"]\n'
        (folder / "grantway.toml").write_text(toml, encoding="utf-8")
        self.cli = Cli(folder)

    def serve(self) -> InProcessServer:
        schema.upgrade(f"sqlite:///{self.database}")
        settings = {"database.url": f"sqlite:///{self.database}", "secrets.sealing": [self.sealing]}
        return InProcessServer(settings, clock=self.clock)

    def list_files(self) -> set[str]:
        return {path.name for path in self.cli.folder.iterdir()}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    import time

    # The commands take the machine's clock, so this one goes with it.
    site = Site(tmp_path / "site", FakeClock(time.time_ns() // 1_000_000 - 3_600_000))
    server = site.serve()
    server.register_user()
    server.stop()
    return site


@pytest.fixture
def other(tmp_path: Path, site: Site) -> Site:
    return Site(tmp_path / "other", site.clock)


@pytest.fixture
def copy(site: Site) -> Path:
    assert site.cli("backup", "copy.db").code == 0
    return site.cli.folder / "copy.db"


def move_to_now(site: Site) -> None:
    import time

    site.clock.advance(time.time_ns() / 1e9 - site.clock.now() / 1000 + 2)


# -- the copy ---------------------------------------------------------------------------------------------------------


def test_a_copy_is_one_file_for_its_owner_with_everything_in_it(site: Site) -> None:
    before = site.list_files()
    ran = site.cli("--json", "backup", "copy.db")
    path = site.cli.folder / "copy.db"
    assert ran.json() == {"file": "copy.db", "bytes": path.stat().st_size, "schema": schema.HEAD}
    assert path.stat().st_mode & 0o777 == 0o600
    assert site.list_files() - before == {"copy.db"}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM subject").fetchone() == (1,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_copy_does_not_replace_anything_unless_it_may(site: Site, copy: Path) -> None:
    before = copy.read_bytes()
    server = site.serve()
    server.register_user("bob")
    server.stop()
    assert site.cli("backup", "copy.db").code == 7
    assert copy.read_bytes() == before
    assert site.cli("backup", "copy.db", "--force").code == 0
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM subject").fetchone() == (2,)
    for option in ([], ["--force"]):
        assert site.cli("backup", "grantway.db", *option).code == 7, "not onto itself"


@pytest.mark.parametrize(
    ("url", "word"),
    [("postgresql://h/d", "pg_dump"), ("mariadb://h/d", "mariadb-dump"), ("sqlite://", "in memory")],
)
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_another_database_has_tools_of_its_own(site: Site, copy: Path, url: str, word: str, command: str) -> None:
    file = "new.db" if command == "backup" else "copy.db"
    ran = site.cli("--set", f"database.url={url}", command, file)
    assert (ran.code, word in ran.err) == (3, True), ran.err


def test_what_cannot_be_copied_says_why_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    assert site.cli("backup", "no/such/folder.db").code == 1
    assert site.cli("--set", "database.url=sqlite:///none.db", "backup", "copy.db").code == 3
    (site.cli.folder / "text.db").write_text("no database at all" * 100)
    ran = site.cli("--set", "database.url=sqlite:///text.db", "backup", "copy.db")
    assert (ran.code, "not a database" in ran.err) == (1, True)
    (site.cli.folder / "empty.db").touch()
    assert site.cli("--set", "database.url=sqlite:///empty.db", "backup", "copy.db").code == 4
    assert "copy.db" not in site.list_files()
    assert not [name for name in site.list_files() if name.startswith(".")]


# -- and back ---------------------------------------------------------------------------------------------------------


@pytest.mark.threat("R23")
def test_after_a_restore_nothing_issued_before_lives_and_everything_registered_does(site: Site, other: Site) -> None:
    server = site.serve()
    client = server.register_client("shop", access_token_format="opaque")
    machine = server.register_client("machine", grant_types=["client_credentials"], access_token_format="jwt")
    revoked, kept = server.grant(client), server.grant(client)
    browser = server.browser()
    code = browser.authorize(client, scope="openid offline_access")["code"]
    jwt = server.token(machine, grant_type="client_credentials").json()["access_token"]
    keys = server.get("/.well-known/jwks.json").json()
    assert site.cli("backup", "copy.db").code == 0
    server.revoke(client, revoked["refresh_token"])  # the copy does not know
    cookies = dict(browser.http.cookies)
    server.stop()

    ran = other.cli("restore", str(site.cli.folder / "copy.db"))
    assert ran.code == 0, ran.err
    assert other.database.stat().st_mode & 0o777 == 0o600
    server = other.serve()
    for granted in (revoked, kept):
        assert not server.is_active(client, granted["access_token"])
        assert not server.is_active(client, granted["refresh_token"])
        assert server.refresh(client, granted["refresh_token"]).json()["error"] == "invalid_grant"
    assert not server.is_active(machine, jwt)
    assert server.redeem(client, code).json()["error"] == "invalid_grant"
    returning = server.browser()
    returning.http.cookies.update(cookies)
    assert returning.authorize(client, prompt="none")["error"] == "login_required"

    move_to_now(other)
    assert server.get("/.well-known/jwks.json").json() == keys
    granted = server.grant(client)
    assert server.is_active(client, granted["access_token"])
    assert server.is_active(client, granted["refresh_token"])
    assert server.refresh(client, granted["refresh_token"]).status_code == 200
    assert server.is_active(machine, server.token(machine, grant_type="client_credentials").json()["access_token"])
    server.stop()


@pytest.mark.threat("R23")
def test_without_the_secrets_of_its_time_a_copy_is_refused(copy: Path, tmp_path: Path, site: Site) -> None:
    stranger = Site(tmp_path / "stranger", site.clock, sealing="another sealing secret, long enough for this")
    ran = stranger.cli("restore", str(copy))
    assert (ran.code, "secrets.sealing" in ran.err) == (3, True), ran.err
    assert stranger.list_files() == {"grantway.toml"}
    (stranger.cli.folder / "grantway.toml").write_text('[database]\nurl = "sqlite:///grantway.db"\n')
    ran = stranger.cli("restore", str(copy))
    assert (ran.code, "secrets.sealing is not set" in ran.err) == (3, True), ran.err


def test_a_database_is_only_replaced_when_that_is_wanted_and_nobody_has_it(site: Site, copy: Path) -> None:
    assert site.cli("restore", "copy.db").code == 7
    server = site.serve()
    ran = site.cli("restore", "copy.db", "--force")
    assert (ran.code, "in use" in ran.err) == (7, True), ran.err
    server.register_user("bob")
    server.stop()
    assert site.cli("restore", "copy.db", "--force").code == 0
    assert site.list_files() == {"copy.db", "grantway.db", "grantway.toml"}
    with closing(sqlite3.connect(site.database)) as connection:
        assert connection.execute("SELECT count(*) FROM subject").fetchone() == (1,)


def test_a_damaged_database_can_be_replaced(site: Site, copy: Path) -> None:
    site.database.write_bytes(b"damaged" * 4096)
    (site.cli.folder / "grantway.db-wal").write_bytes(b"left over")
    assert site.cli("restore", "copy.db", "--force").code == 0
    assert site.list_files() == {"copy.db", "grantway.db", "grantway.toml"}
    site.serve().stop()


def test_what_is_no_good_copy_is_refused_and_the_database_stays(site: Site, copy: Path) -> None:
    before = site.database.read_bytes()
    files = {"text.db": (b"no database at all" * 100, 1), "empty.db": (b"", 4)}
    content = bytearray(copy.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"x" * (4096 * 3)
    files["torn.db"] = (bytes(content), 1)
    for name, (data, code) in files.items():
        (site.cli.folder / name).write_bytes(data)
        ran = site.cli("restore", name, "--force")
        assert ran.code == code, (name, ran.err)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'future'")
    ran = site.cli("restore", "copy.db", "--force")
    assert (ran.code, "newer than this version" in ran.err) == (4, True)
    assert site.cli("restore", "none.db").code == 2
    assert site.database.read_bytes() == before


def test_a_copy_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    held: dict[str, Any] = json.loads((RELEASED / "0.1.0.sqlite.json").read_text())
    site = Site(tmp_path / "site", FakeClock(held["now"]), sealing=held["sealing"])
    with closing(sqlite3.connect(site.cli.folder / "old.db")) as connection:
        connection.executescript((RELEASED / "0.1.0.sqlite.sql").read_text())
    assert site.cli("restore", "old.db").code == 0
    schema.check(f"sqlite:///{site.database}")


def test_a_file_that_was_put_aside_with_the_server_stopped_can_be_restored(site: Site, other: Site) -> None:
    (other.cli.folder / "aside.db").write_bytes(site.database.read_bytes())  # in the mode of a database in use
    assert other.cli("restore", "aside.db").code == 0
    schema.check(f"sqlite:///{other.database}")


# -- other databases --------------------------------------------------------------------------------------------------


@pytest.mark.threat("R23")
def test_everything_ends_in_every_tenant_or_in_one(site: Site) -> None:
    server = site.serve()
    machines: dict[str, RegisteredClient] = {}
    assert site.cli("tenants", "create", "x").code == 0
    tokens = {}
    for tenant, base in (("default", ""), ("x", "/t/x")):
        machine = server.register_client("m", tenant=tenant, grant_types=["client_credentials"], scope="read")
        machines[tenant] = machine
        tokens[tenant] = server.post(
            f"{base}/oauth2/token", data={"grant_type": "client_credentials"}, auth=machine.auth
        ).json()["access_token"]

    def find_active() -> set[str]:
        return {
            tenant
            for tenant, base in (("default", ""), ("x", "/t/x"))
            if server.post(
                f"{base}/oauth2/introspect", data={"token": tokens[tenant]}, auth=machines[tenant].auth
            ).json()["active"]
        }

    assert find_active() == {"default", "x"}
    assert site.cli("token", "revoke-all", "--tenant", "none", "--yes").code == 5
    assert site.cli("--json", "token", "revoke-all", "--tenant", "x", "--yes").json() == {"tenants": ["x"]}
    server.stop()
    server = site.serve()
    assert find_active() == {"default"}
    assert site.cli("--json", "token", "revoke-all", "--yes").json() == {"tenants": ["default", "x"]}
    server.stop()
    server = site.serve()
    assert find_active() == set()
    server.stop()
