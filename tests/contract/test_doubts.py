"""What ``grantway doctor`` asks a database server about its settings."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from grantway.cli.root import run
from grantway.errors import StoreUnavailable
from grantway.storage.sql import schema_server
from grantway.storage.sql.doubts import find_doubts

from .servers import MariadbServer
from .unreachable import Unreachable


def test_a_server_that_may_lose_a_commit_is_told_of(mariadb_server: MariadbServer) -> None:
    url = mariadb_server.url.render_as_string(hide_password=False)
    ((flush,),) = mariadb_server.run("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit")
    found = find_doubts(url)
    if flush == 1:
        assert found == []
    else:
        assert f"is {flush}: a power cut" in found[0][0]


@pytest.mark.parametrize("url", ["sqlite://", "postgresql://host/name", "oracle://host/service"])
def test_nobody_is_asked_where_each_commit_takes_care_of_itself(url: str) -> None:
    assert find_doubts(url) == []


@pytest.mark.parametrize("backend", ["oracle", "mssql"])
def test_the_commands_say_which_database_does_not_answer(
    backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(schema_server, "CONNECT_TIMEOUT", 1.0)
    monkeypatch.chdir(tmp_path)
    with Unreachable("hangs up") as port:
        monkeypatch.setenv("GRANTWAY_DATABASE__URL", f"{backend}://grantway:secret-word@127.0.0.1:{port}/name")
        for words in (["migrate", "status"], ["migrate", "up"]):
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                assert run(words) == 4
            assert "cannot answer right now" in out.getvalue()
            assert "secret-word" not in out.getvalue()


def test_a_server_that_does_not_answer_is_no_reason_to_be_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_server, "CONNECT_TIMEOUT", 1.0)
    with Unreachable("hangs up") as port, pytest.raises(StoreUnavailable):
        find_doubts(f"mssql://grantway:secret-word@127.0.0.1:{port}/name")
