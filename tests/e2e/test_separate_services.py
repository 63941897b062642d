"""A cluster of nodes that each run some services, as the how-to page sets it up: together they are one server.

The page's own commands and nginx configuration run here; only the ports are others. The long form
(``GRANTWAY_TEST_SOAK=1``) gives every service a process of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from msgspec import Struct
from tests.nginx import find_free_port, run_nginx

from grantway.config import CompatSettings, load_settings
from grantway.registry import build_extensions
from grantway.web.services import list_services

from .person import Person

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "separate-services.md"
SWITCHED_ON = {
    "GRANTWAY_REGISTRATION__ENABLED": "true",
    **{f"GRANTWAY_COMPAT__{name.upper()}": "true" for name in CompatSettings.__struct_fields__},
}
"""So that every endpoint there is has to be led somewhere."""
SERVICES = list_services(build_extensions(settings=load_settings(environment=SWITCHED_ON)))
CALLBACK = "https://shop.example/cb"
VERIFIER = "a-code-verifier-of-at-least-forty-three-characters"
TENANT = "other"
PASSWORD = "correct horse battery staple"


class Node(Struct, frozen=True):
    """One ``grantway serve``: which listener it opens, which services it runs, where it answers."""

    listener: str
    services: tuple[str, ...]
    url: str


class Cluster(Struct, frozen=True):
    """Nodes behind nginx."""

    issuer: str
    admin_url: str
    nodes: tuple[Node, ...]
    grantway: list[str]
    environment: dict[str, str]

    def run(self, *arguments: str) -> Any:
        """A command on the cluster's database, and what it printed as JSON."""
        done = subprocess.run(
            [*self.grantway, *arguments, "--json"], env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    text = PAGE.read_text(encoding="utf-8")
    commands = re.search(r"```bash\n(.*?)```", text, re.DOTALL)[1].strip().splitlines()
    routes = re.search(r"```nginx\n(.*?)```", text, re.DOTALL)[1]
    if os.environ.get("GRANTWAY_TEST_SOAK") == "1":
        commands, routes = _split_further()
    public_port, admin_port = find_free_port(), find_free_port()
    issuer = f"http://127.0.0.1:{public_port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRANTWAY_")} | {
        "GRANTWAY_ISSUER": issuer,
        "GRANTWAY_DATABASE__URL": f"sqlite:///{folder / 'grantway.db'}",
        "GRANTWAY_SECRETS__SEALING": os.urandom(32).hex(),
        "GRANTWAY_SERVE__TRUSTED_PROXIES": "127.0.0.1",
        "GRANTWAY_LOG__AUDIT_FILE": str(folder / "audit"),
        "GRANTWAY_PASSWORDS__ARGON2_MEMORY_KIB": "7168",
        "GRANTWAY_PASSWORDS__ARGON2_ITERATIONS": "1",
        **SWITCHED_ON,
    }
    grantway = [sys.executable, "-m", "grantway"]
    subprocess.run([*grantway, "migrate", "up"], env=environment, check=True, capture_output=True)
    subprocess.run([*grantway, "tenants", "create", TENANT], env=environment, check=True, capture_output=True)
    with ExitStack() as stack:
        nodes = []
        started = [_start(folder, grantway, line, environment) for line in commands]
        for _, process, _ in started:
            stack.callback(_end, process)
        for command, process, ready in started:
            document = _wait_for(ready, process, folder)
            url = document[f"{command.listener}_url"]
            nodes.append(Node(command.listener, command.services, url))
            routes = routes.replace(command.url, urlsplit(url).netloc)
        routes = routes.replace("listen 443 ssl;", f"listen 127.0.0.1:{public_port};")
        routes = routes.replace("listen 127.0.0.1:4445;", f"listen 127.0.0.1:{admin_port};")
        stack.enter_context(run_nginx(folder / "nginx", routes, public_port, admin_port))
        yield Cluster(issuer, f"http://127.0.0.1:{admin_port}", tuple(nodes), grantway, environment)
    for log in folder.glob("*.log"):
        assert "Traceback" not in log.read_text(encoding="utf-8")


def _split_further() -> tuple[list[str], str]:
    """Every service on a node of its own, and the routes that follow from the services' own paths."""
    commands, upstreams, servers, port = [], [], {"public": [], "admin": []}, 4500
    for service in SERVICES.values():
        for listener, paths in (("public", service.public), ("admin", service.admin)):
            if not paths:
                continue
            port += 1
            option = "--port" if listener == "public" else "--admin-port"
            commands.append(f"grantway serve {listener} --services {service.name} {option} {port}")
            name = f"{service.name}_{listener}"
            upstreams.append(f"upstream {name} {{ server 127.0.0.1:{port}; }}")
            for path in paths:
                pattern = re.sub(r"{[a-z_]+}", "[^/]+", path.replace(".", r"\."))
                prefix = "(/t/[^/]+)?" if listener == "public" else "/admin(/t/[^/]+)?"
                pattern = prefix + pattern.removeprefix("/admin")
                servers[listener].append(f'location ~ "^{pattern}$" {{ proxy_pass http://{name}; }}')
    listens = {"public": "listen 443 ssl;", "admin": "listen 127.0.0.1:4445;"}
    blocks = ["server {\n" + "\n".join([listens[each], *lines]) + "\n}" for each, lines in servers.items()]
    headers = "proxy_http_version 1.1;\nproxy_set_header Host $host;\nproxy_set_header X-Forwarded-For $remote_addr;"
    return commands, "\n".join([*upstreams, headers, *blocks])


def _start(
    folder: Path, grantway: list[str], line: str, environment: dict[str, str]
) -> tuple[Node, subprocess.Popen[bytes], Path]:
    """Starts the node of one line of the page on a free port. The node's ``url`` is the one that the page gives it."""
    words = shlex.split(line)
    assert words[:2] == ["grantway", "serve"]
    option = "--port" if words[2] == "public" else "--admin-port"
    port = words[words.index(option) + 1]
    services = tuple(words[words.index("--services") + 1].split(","))
    words[words.index(option) + 1] = "0"
    ready, log = folder / f"{port}.json", folder / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*grantway, *words[1:], "--ready-file", str(ready)], env=environment, stdout=output, stderr=output
        )
    return Node(words[2], services, f"127.0.0.1:{port}"), process, ready


def _wait_for(ready: Path, process: subprocess.Popen[bytes], folder: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError((folder / f"{ready.stem}.log").read_text(encoding="utf-8"))
        time.sleep(0.02)
    document: dict[str, Any] = json.loads(ready.read_text(encoding="utf-8"))
    return document


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def is_absent(answer: requests.Response) -> bool:
    """Whether there is no such path, rather than nothing of that name on it."""
    return answer.status_code == 404 and "No published key has this kid." not in answer.text


def test_every_service_is_run_by_some_node_of_the_page(cluster):
    for service in SERVICES.values():
        for listener, paths in (("public", service.public), ("admin", service.admin)):
            assert not paths or any(
                node.listener == listener and service.name in node.services for node in cluster.nodes
            )


@pytest.mark.parametrize("tenant", ["", f"/t/{TENANT}"])
def test_every_path_is_led_to_a_node_that_runs_it(cluster, tenant):
    with requests.Session() as http:
        for service in SERVICES.values():
            for path in service.public:
                answer = http.get(cluster.issuer + tenant + path, allow_redirects=False, timeout=10)
                assert answer.status_code != 502, f"{path}: {answer.text}"
                assert not is_absent(answer), f"{path}: {answer.text}"
            for path in service.admin:
                if tenant and service.name == "tenants":  # about the whole server
                    continue
                url = cluster.admin_url + "/admin" + tenant + re.sub(r"{[a-z_]+}", "x", path.removeprefix("/admin"))
                answer = http.get(url, timeout=10)
                # 400: a parameter is missing; 401: the token; 405: it is no GET
                assert answer.status_code in (400, 401, 405), f"{url}: {answer.text}"


def test_a_node_has_the_paths_of_its_own_services_alone(cluster):
    with requests.Session() as http:
        for node in cluster.nodes:
            for service in SERVICES.values():
                for path in service.public if node.listener == "public" else service.admin:
                    answer = http.get(
                        node.url + path.replace("{", "").replace("}", ""), allow_redirects=False, timeout=10
                    )
                    assert is_absent(answer) == (service.name not in node.services), f"{node} {path}"


def test_every_node_says_how_it_is_and_which_release(cluster):
    with requests.Session() as http:
        for node in cluster.nodes:
            for path in ("/health/alive", "/health/ready", "/version"):
                assert http.get(node.url + path, timeout=10).status_code == 200


def test_a_whole_code_flow_and_its_administration_go_through_the_services(cluster):
    boss = cluster.run(
        "clients", "create", "--id", "boss", "--grant-type", "client_credentials", "--scope", "grantway.admin"
    )
    metadata = _get(f"{cluster.issuer}/.well-known/openid-configuration")
    boss_token = _post(
        metadata["token_endpoint"],
        {"grant_type": "client_credentials", "scope": "grantway.admin"},
        ("boss", boss["client_secret"]),
    )["access_token"]
    admin = {"Authorization": f"Bearer {boss_token}"}
    user = {"username": "ada", "password": PASSWORD, "claims": {"name": "Ada"}}
    person = _post_json(f"{cluster.admin_url}/admin/users", user, admin)
    client = _post_json(
        f"{cluster.admin_url}/admin/clients",
        {
            "client_id": "shop",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile offline_access",
        },
        admin,
    )
    shop = ("shop", client["client_secret"])

    tokens = _sign_in(cluster, metadata, user, shop)
    claims = _get(metadata["userinfo_endpoint"], {"Authorization": f"Bearer {tokens['access_token']}"})
    assert (claims["sub"], claims["name"]) == (person["sub"], "Ada")
    assert {key["alg"] for key in _get(metadata["jwks_uri"])["keys"]} >= {"ES256", "RS256"}
    fresh = _post(
        metadata["token_endpoint"], {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}, shop
    )
    assert _is_active(metadata, fresh["access_token"], shop)

    sessions = _get(f"{cluster.admin_url}/admin/users/{person['sub']}/sessions", admin)
    assert len(sessions) == 1
    granted = _get(f"{cluster.admin_url}/admin/users/{person['sub']}/authorizations", admin)
    assert [each["client_id"] for each in granted] == ["shop"]
    for path in ("keys", "tenants"):
        assert _get(f"{cluster.admin_url}/admin/{path}", admin)

    # what one service kills is dead at all of them within a second
    change = {"enabled": False}
    answer = requests.patch(f"{cluster.admin_url}/admin/users/{person['sub']}", json=change, headers=admin, timeout=10)
    assert answer.status_code == 200
    deadline = time.monotonic() + 1
    while _is_active(metadata, fresh["access_token"], shop):
        assert time.monotonic() < deadline
    bearer = {"Authorization": f"Bearer {fresh['access_token']}"}
    while requests.get(metadata["userinfo_endpoint"], headers=bearer, timeout=10).status_code != 401:
        assert time.monotonic() < deadline + 0.5  # the other node may hear of it half a second later when all is busy
    assert _read_audit(cluster) == [
        ("tenant.create", "cli"),
        ("client.create", "cli"),
        ("user.create", "client"),
        ("client.create", "client"),
        ("user.update", "client"),
    ]


def _read_audit(cluster: Cluster) -> list[tuple[str, str]]:
    """(action, who) of every administrative change, by whichever node or command."""
    text = Path(cluster.environment["GRANTWAY_LOG__AUDIT_FILE"]).read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return [(line["action"], line["actor"].partition(":")[0]) for line in lines]


def _sign_in(cluster: Cluster, metadata: dict[str, Any], user: dict[str, Any], shop: tuple[str, str]) -> dict[str, Any]:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
    request = {
        "response_type": "code", "client_id": "shop", "redirect_uri": CALLBACK, "state": "xyz-abc-123",
        "scope": "openid profile offline_access", "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    with Person(cluster.issuer, user) as person:
        back = person.authorize(metadata["authorization_endpoint"] + "?" + urlencode(request))
        assert person.seen == ["login", "allow"]
    received = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    assert (received["state"], received["iss"]) == (request["state"], cluster.issuer)
    form = {
        "grant_type": "authorization_code", "code": received["code"],
        "redirect_uri": CALLBACK, "code_verifier": VERIFIER,
    }  # fmt: skip
    return _post(metadata["token_endpoint"], form, shop)


def _is_active(metadata: dict[str, Any], token: str, client: tuple[str, str]) -> bool:
    active: bool = _post(metadata["introspection_endpoint"], {"token": token}, client)["active"]
    return active


def _get(url: str, headers: dict[str, str] | None = None) -> Any:
    answer = requests.get(url, headers=headers, timeout=10)
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text}"
    return answer.json()


def _post(url: str, form: dict[str, str], auth: tuple[str, str]) -> dict[str, Any]:
    answer = requests.post(url, data=form, auth=auth, timeout=10)
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text}"
    document: dict[str, Any] = answer.json()
    return document


def _post_json(url: str, document: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    answer = requests.post(url, json=document, headers=headers, timeout=10)
    assert answer.status_code == 201, f"{url}: {answer.status_code} {answer.text}"
    made: dict[str, Any] = answer.json()
    return made
