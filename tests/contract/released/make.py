"""Makes the fixtures of a release: what its schema holds on each database, with a client, a user, keys and a session.

Run once, with the released version's own code: ``python tests/contract/released/make.py 0.1.0``. It needs pg_dump and
mariadb-dump. The dumps are never made anew: they stand for the databases that are out there.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from sqlalchemy.engine import make_url
from tests.contract.servers import MariadbServer, PostgresServer

from grantway.storage.sql import schema
from grantway.testing.in_process import InProcessServer

FOLDER = Path(__file__).parent
SEALING = "the sealing secret of a released fixture"


def fill(url: str) -> dict[str, Any]:
    """Uses a server of this version on the database. Returns what clients hold afterwards."""
    server = InProcessServer({"database.url": url, "secrets.sealing": [SEALING], "tokens.code_ttl": 600})
    server.register_user("ada")
    client = server.register_client("shop")
    machine = server.register_client("machine", grant_types=["client_credentials"], access_token_format="jwt")
    spent = server.browser().authorize(client, scope="openid offline_access")["code"]
    granted = server.redeem(client, spent).json()
    browser = server.browser()
    held = {
        "now": server.clock.now(),
        "sealing": SEALING,
        "client": [client.client_id, client.client_secret],
        "machine": [machine.client_id, machine.client_secret],
        "spent_code": spent,
        "code": browser.authorize(client, scope="openid offline_access")["code"],
        "cookies": dict(browser.http.cookies),
        "access_token": granted["access_token"],
        "refresh_token": granted["refresh_token"],
        "jwt": server.token(machine, grant_type="client_credentials").json()["access_token"],
    }
    revoked = server.token(machine, grant_type="client_credentials").json()["access_token"]
    server.revoke(machine, revoked)
    server.stop()
    return {**held, "revoked": revoked}


def dump_sqlite(release: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grantway.db"
        schema.upgrade(f"sqlite:///{path}")
        save(release, "sqlite", fill(f"sqlite:///{path}"))
        with closing(sqlite3.connect(path)) as connection:
            write(release, "sqlite", "\n".join(connection.iterdump()))


def dump_server(release: str, name: str, server: Any, command: list[str]) -> None:
    url = server.create()
    schema.upgrade(url)
    save(release, name, fill(url))
    parts = make_url(url)
    where = ["-h", parts.host or "127.0.0.1", "-U" if name == "postgresql" else "-u", parts.username or "root"]
    environment = {**os.environ, "PGPASSWORD": parts.password or "", "MYSQL_PWD": parts.password or ""}
    text = subprocess.run(
        [*command, *where, str(parts.database)], capture_output=True, text=True, check=True, env=environment
    ).stdout
    lines = [line for line in text.splitlines() if line and not line.startswith(("--", "\\", "/*M!", "/*!"))]
    write(release, name, "\n".join(lines))
    server.drop(url)


def write(release: str, name: str, text: str) -> None:
    (FOLDER / f"{release}.{name}.sql").write_text(text + "\n", encoding="utf-8")


def save(release: str, name: str, held: dict[str, Any]) -> None:
    (FOLDER / f"{release}.{name}.json").write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def main(release: str) -> None:
    dump_sqlite(release)
    options = ["--no-owner", "--no-privileges", "--inserts", "--column-inserts"]
    dump_server(release, "postgresql", PostgresServer(), ["pg_dump", *options])
    options = ["--skip-comments", "--skip-extended-insert", "--hex-blob", "--skip-add-locks", "--skip-add-drop-table"]
    dump_server(release, "mariadb", MariadbServer(), ["mariadb-dump", *options])


if __name__ == "__main__":
    main(sys.argv[1])
