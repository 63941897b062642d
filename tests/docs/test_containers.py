"""Dockerfile and compose files: linted, valid, and made of settings, commands and addresses that exist.

No container engine is needed, and none is used: what the files say is taken apart and tried on this machine.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from grantway.cli.root import run
from grantway.config import load_settings
from grantway.storage.sql.urls import parse_url
from grantway.testing.running_server import RunningServer
from grantway.web import create_server

from .markdown import DOCS

ROOT = DOCS.parent
COMPOSE = sorted((ROOT / "compose").glob("*.yaml"))
NAMES = {"sqlite", "postgres", "mariadb", "mysql", "oracle", "sqlserver"}
TOOLS = Path(sys.executable).parent
_VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


def read_dockerfile() -> list[tuple[str, str]]:
    """(instruction, arguments), continued lines joined, comments left out."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [(instruction, re.sub(r"\s+", " ", rest)) for instruction, _, rest in found]


def find_instruction(name: str) -> str:
    """The arguments of the last instruction of that name."""
    return [rest for instruction, rest in read_dockerfile() if instruction == name][-1]


def load_compose(path: Path, **environment: str) -> Any:
    """A compose file with its variables filled in. ``KeyError``: one that has to be set is not."""

    def fill_in(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        return environment[name] if name in environment or operator != "-" else rest

    text = path.read_text(encoding="utf-8").replace("$$", "\0")
    return yaml.safe_load(_VARIABLE.sub(fill_in, text).replace("\0", "$"))


@pytest.fixture(params=COMPOSE, ids=lambda path: path.stem)
def compose(request: pytest.FixtureRequest) -> Any:
    return load_compose(request.param, DATABASE_PASSWORD="a1B2c3")


# -- the image --------------------------------------------------------------------------------------------------------
def test_the_dockerfile_passes_its_linter():
    done = subprocess.run([TOOLS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_runs_without_root_and_is_built_in_stages():
    stages = [rest for instruction, rest in read_dockerfile() if instruction == "FROM"]
    assert len(stages) == 2
    uid, gid = find_instruction("USER").split(":")
    assert int(uid) > 0
    assert int(gid) > 0
    version = re.match(r"python:(\d+)\.(\d+)-", stages[-1])
    assert version is not None
    assert (int(version[1]), int(version[2])) >= (3, 11)


def test_what_is_copied_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources: list[str] = []
    for instruction, rest in read_dockerfile():
        if instruction == "COPY" and "--from" not in rest:
            sources += rest.split()[:-1]
    assert set(sources) == {"pyproject.toml", "README.md", "LICENSE", "src"}
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored
    assert "*" in ignored  # secrets and databases of the working directory stay out


def test_the_extras_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = set(project["optional-dependencies"])
    arguments = [rest.partition("=")[2] for instruction, rest in read_dockerfile() if instruction == "ARG"]
    built = [load_compose(path, DATABASE_PASSWORD="x")["x-grantway"]["build"]["args"]["EXTRAS"] for path in COMPOSE]
    for extras in (*arguments, *built):
        assert set(extras.split(",")) <= known


def test_the_settings_of_the_image_are_settings(tmp_path):
    environment = dict(pair.split("=", 1) for pair in find_instruction("ENV").split())
    settings = load_settings(environment=environment)
    assert settings.serve.bind == "0.0.0.0"
    assert settings.database.url.startswith(f"sqlite:///{find_instruction('VOLUME')}/")
    assert find_instruction("EXPOSE").split() == [str(settings.serve.port), str(settings.serve.admin_port)]


def test_the_commands_of_the_image_and_of_the_compose_files_exist(compose, capsys):
    assert json.loads(find_instruction("ENTRYPOINT")) == ["grantway"]
    commands = [json.loads(find_instruction("CMD"))]
    commands += [
        each["command"]
        for name, each in compose["services"].items()
        if name in ("migrate", "grantway") and "command" in each
    ]
    for command in commands:
        assert run([*command, "--help"]) == 0
        assert command[-1] in capsys.readouterr().out


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = RunningServer(tmp_path_factory.mktemp("server"), workers=1)
    running.start()
    yield running
    running.close()


def test_the_health_check_of_the_image_passes_on_a_ready_server_and_on_no_other(server):
    words = json.loads(find_instruction("HEALTHCHECK").partition(" CMD ")[2])
    assert words[0] == "python"
    assert ":4444/" in words[-1]

    def check(port: int) -> int:
        script = words[-1].replace(":4444/", f":{port}/")
        return subprocess.run([sys.executable, *words[1:-1], script], capture_output=True, timeout=20).returncode

    assert check(server.public[1]) == 0
    server.stop()
    assert check(server.public[1]) != 0


def test_the_server_starts_and_stops_without_any_capability(tmp_path):
    """What `--cap-drop ALL --security-opt no-new-privileges` leaves of a process."""
    ready = tmp_path / "ready.json"
    environment = {
        **os.environ,
        "GRANTWAY_DATABASE__URL": f"sqlite:///{tmp_path / 'grantway.db'}",
        "GRANTWAY_SECRETS__SEALING": "a sealing secret of more than 32 characters",
        "GRANTWAY_SERVE__PORT": "0",
        "GRANTWAY_SERVE__ADMIN_PORT": "0",
    }
    bare = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    grantway = [*bare, sys.executable, "-m", "grantway"]
    subprocess.run([*grantway, "migrate", "up"], env=environment, check=True, capture_output=True, timeout=60)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*grantway, "serve", "--ready-file", str(ready)], env=environment, stderr=log)
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert process.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.terminate()
    assert process.wait(60) == 0
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")


# -- compose ----------------------------------------------------------------------------------------------------------
def test_there_is_a_file_for_each_database():
    assert {path.stem for path in COMPOSE} == NAMES
    page = (DOCS / "how-to" / "containers.md").read_text(encoding="utf-8")
    assert all(f"`compose/{name}.yaml`" in page for name in NAMES)


def test_the_files_are_valid_by_the_compose_specification():
    command = [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_settings_are_settings_and_name_a_database_that_is_served(compose, tmp_path):
    secret = tmp_path / "sealing"
    secret.write_text("a sealing secret of more than 32 characters", encoding="utf-8")
    for name in ("migrate", "grantway"):
        environment = {key: str(value) for key, value in compose["services"][name]["environment"].items()}
        assert environment["GRANTWAY_SECRETS__SEALING_FILE"] == "/run/secrets/sealing"
        settings = load_settings(environment={**environment, "GRANTWAY_SECRETS__SEALING_FILE": str(secret)})
        create_server(settings)  # connects to nothing yet, but takes the addresses of database and Redis apart
        backend, url = parse_url(settings.database.url)
        assert backend == "sqlite" or url.host in compose["services"]
    grace = int(compose["services"]["grantway"]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.serve.drain_delay + settings.serve.shutdown_timeout


def test_grantway_can_write_nothing_but_its_volume_and_holds_no_capability(compose):
    for name in ("migrate", "grantway"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"] == ["/tmp"]
        assert service["secrets"] == ["sealing"]
        assert not service.get("privileged")
    published = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert published == ["127.0.0.1:4444:4444", "127.0.0.1:4445:4445"]  # no database


def test_what_a_service_refers_to_is_in_the_file(compose):
    services = compose["services"]
    for service in services.values():
        for other, how in service.get("depends_on", {}).items():
            assert other in services
            assert how["condition"] != "service_healthy" or "test" in services[other]["healthcheck"]
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        assert {volume.split(":")[0] for volume in service.get("volumes", ())} <= set(compose["volumes"])
    assert "migrate" in services["grantway"]["depends_on"]


@pytest.mark.parametrize("path", [path for path in COMPOSE if path.stem != "sqlite"], ids=lambda path: path.stem)
def test_no_database_starts_without_a_password(path):
    with pytest.raises(KeyError, match="DATABASE_PASSWORD"):
        load_compose(path)


def test_projects_do_not_share_a_volume():
    names = [load_compose(path, DATABASE_PASSWORD="x")["name"] for path in COMPOSE]
    assert len(set(names)) == len(names)
