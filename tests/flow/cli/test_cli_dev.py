"""``grantway dev`` from outside: its ready file, what it prints, and ``grantway perform`` and ``token`` against it."""

from __future__ import annotations

import base64
import html
import json
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest

from grantway.cli.dev_clients import CLIENTS

STANDARD_CLAIMS = {
    "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
    "website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number",
    "phone_number_verified", "address", "updated_at",
}  # fmt: skip


class Dev:
    """A running development server."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder, self.ready_file, self.out = folder, folder / "ready.json", folder / "out"
        with self.out.open("wb") as out, (folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "grantway", "dev", "--port", "0", "--admin-port", "0", "--ready-file",
                 str(self.ready_file), *arguments],
                cwd=folder, stdout=out, stderr=err,
            )  # fmt: skip
        until = time.monotonic() + 20
        while not self.ready_file.exists():
            assert self.process.poll() is None, (folder / "err").read_text()
            assert time.monotonic() < until
            time.sleep(0.01)
        self.mode = stat.S_IMODE(self.ready_file.stat().st_mode)
        self.ready: dict[str, Any] = json.loads(self.ready_file.read_text())
        self.issuer: str = self.ready["issuer"]

    def client(self, client_id: str) -> dict[str, Any]:
        found: dict[str, Any] = next(each for each in self.ready["clients"] if each["client_id"] == client_id)
        return found

    def credentials(self, client_id: str) -> tuple[str, str]:
        return client_id, self.client(client_id)["client_secret"]

    def read_lines(self) -> list[str]:
        """The curl lines it printed; they come just after the ready file."""
        until = time.monotonic() + 5
        while True:
            lines = [line for line in self.out.read_text().splitlines() if line.startswith("curl ")]
            if len(lines) == 3 or time.monotonic() > until:
                return lines
            time.sleep(0.02)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@pytest.fixture(scope="module")
def dev(tmp_path_factory) -> Iterator[Dev]:
    server = Dev(tmp_path_factory.mktemp("dev"))
    yield server
    assert server.stop() == 0
    assert not server.ready_file.exists()
    assert "Traceback" not in (server.folder / "err").read_text()


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=10) as client:
        yield client


@pytest.fixture
def cli_on_dev(dev):
    """The other commands on the development server's database, with the settings file it wrote."""

    def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "grantway", "--config", ".grantway/grantway.toml", *arguments]
        return subprocess.run(
            command, cwd=dev.folder, input=stdin, capture_output=True, text=True, timeout=30, check=False
        )

    return call


def test_the_ready_file_is_private_and_says_all_a_test_needs(dev):
    assert dev.mode == 0o600
    assert dev.ready["pid"] == dev.process.pid
    assert dev.ready.keys() >= {"issuer", "admin_url", "admin_token", "clients", "users"}
    seeded = {client["client_id"] for client in dev.ready["clients"]}
    assert seeded == CLIENTS.keys()
    assert seeded >= {"demo-web", "demo-spa", "demo-machine", "grantway-admin"}
    for client in dev.ready["clients"]:
        assert client.keys() >= {
            "client_id", "client_secret", "redirect_uris", "grant_types", "response_types", "scope",
            "token_endpoint_auth_method",
        }  # fmt: skip
    assert dev.client("demo-spa")["client_secret"] is None


def test_it_answers_as_soon_as_the_ready_file_is_there(dev, http):
    document = http.get(f"{dev.issuer}/.well-known/openid-configuration").json()
    assert document["issuer"] == dev.issuer
    assert http.get(f"{dev.issuer}/health/ready").status_code == 200
    assert http.get(f"{dev.ready['admin_url']}/health/ready").status_code == 200


def test_the_demo_user_has_every_standard_claim(dev):
    user = dev.ready["users"][0]
    assert user.keys() >= {"username", "password", "sub", "email"}
    assert user["claims"].keys() == STANDARD_CLAIMS
    assert user["claims"]["address"].keys() == {
        "formatted", "street_address", "locality", "region", "postal_code", "country",
    }  # fmt: skip


def test_the_admin_token_administers_for_a_day(dev, http):
    headers = {"authorization": f"Bearer {dev.ready['admin_token']}"}
    assert http.get(f"{dev.ready['admin_url']}/admin/clients", headers=headers).status_code == 200
    assert http.get(f"{dev.ready['admin_url']}/admin/clients").status_code == 401
    form = {"token": dev.ready["admin_token"]}
    answer = http.post(f"{dev.issuer}/oauth2/introspect", data=form, auth=dev.credentials("grantway-admin")).json()
    assert (answer["active"], answer["scope"]) == (True, "grantway.admin")
    assert answer["exp"] - answer["iat"] == 24 * 3600


def test_the_printed_lines_work_as_they_are_printed(dev):
    answers = []
    for line in dev.read_lines():
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=20, check=True)
        answers.append(json.loads(done.stdout))
    assert len(answers) == 3
    assert answers[0]["access_token"]
    assert (answers[1]["active"], answers[1]["client_id"]) == (True, "demo-machine")
    assert answers[2]["issuer"] == dev.issuer


def test_what_it_prints_names_issuer_and_credentials(dev):
    dev.read_lines()
    printed = dev.out.read_text()
    for text in (dev.issuer, dev.ready["users"][0]["password"], *(dev.credentials("demo-machine"))):
        assert text in printed


def test_its_files_are_for_their_owner_alone(dev):
    folder = dev.folder / ".grantway"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("grantway.db", "grantway.toml", "secrets.json", "credentials.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name


@pytest.mark.parametrize("arguments", [("--bind", "0.0.0.0"), ("--admin-bind", "::"), ("--bind", "example.com")])
def test_others_than_loopback_are_refused(empty, arguments):
    ran = empty("dev", *arguments)
    assert ran.code == 2
    assert "loopback" in ran.err
    assert not (empty.folder / ".grantway").exists()


def test_memory_cannot_be_shared_by_workers(empty):
    assert empty("dev", "--ephemeral", "--workers", "2").code == 2


def test_a_second_server_on_the_same_data_is_refused(dev, cli_on_dev):
    ran = cli_on_dev("dev", "--port", "0", "--admin-port", "0")
    assert ran.returncode == 1
    assert "Another `grantway dev`" in ran.stderr


def test_a_later_start_prints_the_same_and_the_issuer_follows_the_port(tmp_path):
    first = Dev(tmp_path)
    assert first.stop() == 0
    second = Dev(tmp_path, "--workers", "2")
    try:
        assert second.issuer != first.issuer
        assert httpx2.get(f"{second.issuer}/.well-known/openid-configuration").json()["issuer"] == second.issuer
        for name in ("clients", "users"):
            moved = json.loads(json.dumps(first.ready[name]).replace(first.issuer, second.issuer))
            assert second.ready[name] == moved
        # the playground's walks are in the memory of one process
        assert first.ready["playground_url"] == f"{first.issuer}/playground"
        assert "playground_url" not in second.ready
        assert httpx2.get(f"{second.issuer}/playground").status_code == 404
    finally:
        assert second.stop() == 0


def test_what_was_changed_of_a_demo_client_stays_and_its_way_back_follows_the_port(tmp_path):
    first = Dev(tmp_path)
    headers = {"authorization": f"Bearer {first.ready['admin_token']}"}
    for client_id in ("demo-web", "demo-playground"):
        patch = [{"op": "replace", "path": "/client_name", "value": "Renamed"}]
        url = f"{first.ready['admin_url']}/admin/clients/{client_id}"
        assert httpx2.patch(url, json=patch, headers=headers).status_code == 200
    secret = first.client("demo-playground")["client_secret"]
    assert first.stop() == 0
    second = Dev(tmp_path)
    found = {client["client_id"]: client for client in second.ready["clients"]}
    assert second.stop() == 0
    assert found["demo-web"]["client_name"] == found["demo-playground"]["client_name"] == "Renamed"
    assert found["demo-playground"]["redirect_uris"] == [f"{second.issuer}/playground/callback"]
    assert found["demo-playground"]["client_secret"] == secret


def test_a_key_that_was_not_written_down_is_made_again(tmp_path):
    first = Dev(tmp_path)
    assert first.stop() == 0
    kept = tmp_path / ".grantway" / "credentials.json"
    credentials = json.loads(kept.read_text())
    before = credentials["keys"].pop("demo-key")
    kept.write_text(json.dumps(credentials))
    second = Dev(tmp_path)
    found = next(client for client in second.ready["clients"] if client["client_id"] == "demo-key")
    assert second.stop() == 0
    after = json.loads(kept.read_text())["keys"]["demo-key"]
    assert [key["kid"] for key in found["jwks"]["keys"]] == [after["kid"]] != [before["kid"]]
    assert "d" not in found["jwks"]["keys"][0]


def test_in_memory_nothing_is_written(tmp_path):
    server = Dev(tmp_path, "--ephemeral")
    assert server.stop() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["err", "out"]


def test_a_damaged_file_is_named(empty):
    (empty.folder / ".grantway").mkdir()
    (empty.folder / ".grantway" / "secrets.json").write_text("{")
    ran = empty("dev", "--json")
    assert ran.code == 3
    assert "secrets.json" in ran.error()["message"]


def test_a_client_gets_a_token_for_itself(dev, cli_on_dev):
    client_id, secret = dev.credentials("demo-machine")
    ran = cli_on_dev("perform", "client-credentials", "--client-id", client_id, "--client-secret", secret, "--scope",
                     "read", "--json")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["scope"] == "read"


def test_a_wrong_secret_is_denied(dev, cli_on_dev):
    ran = cli_on_dev(
        "perform", "client-credentials", "--client-id", "demo-machine", "--client-secret", "wrong", "--json"
    )
    assert ran.returncode == 6
    assert json.loads(ran.stderr)["error"] == "invalid_client"


def test_a_token_revoked_by_the_command_line_is_inactive_at_the_server(dev, http, cli_on_dev):
    auth = dev.credentials("demo-machine")
    token = http.post(f"{dev.issuer}/oauth2/token", data={"grant_type": "client_credentials"}, auth=auth).json()
    access = token["access_token"]
    shown = cli_on_dev("token", "introspect", "--json", stdin=access)
    assert json.loads(shown.stdout)["client_id"] == "demo-machine"
    assert cli_on_dev("token", "revoke", "-", stdin=access).returncode == 0
    until = time.monotonic() + 1
    while http.post(f"{dev.issuer}/oauth2/introspect", data={"token": access}, auth=auth).json()["active"]:
        assert time.monotonic() < until, "not seen within a second"
        time.sleep(0.02)


class Person:
    """Somebody with a browser without script. It takes secure cookies on loopback, as browsers do."""

    def __init__(self, http: httpx2.Client, username: str, password: str) -> None:
        self.http, self.username, self.password = http, username, password
        self.cookies: dict[str, str] = {}

    def visit(self, url: str, decision: str = "allow") -> httpx2.Response:
        """Follows redirects and fills forms until an answer that is neither."""
        answer = self._send("GET", url)
        for _ in range(12):
            if answer.is_redirect:
                answer = self._send("GET", urljoin(str(answer.url), answer.headers["location"]))
            elif 'name="password"' in answer.text:
                fields = {"username": self.username, "password": self.password, "action": "login"}
                answer = self._submit(answer, fields)
            elif 'value="allow"' in answer.text:
                answer = self._submit(answer, {"action": decision})
            elif 'name="user_code"' in answer.text:
                answer = self._submit(answer, {"user_code": parse_qs(urlsplit(url).query)["user_code"][0]})
            else:
                return answer
        raise AssertionError("going round in circles")

    def _submit(self, page: httpx2.Response, fields: dict[str, str]) -> httpx2.Response:
        action = re.search(r'<form[^>]*action="([^"]*)"', page.text)
        assert action is not None, page.text
        form: dict[str, Any] = {}
        for tag in re.findall(r"<input[^>]*>", page.text):
            attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
            if attributes.get("type") in ("hidden", "checkbox") and attributes.get("name") != "remember":
                form.setdefault(attributes["name"], []).append(html.unescape(attributes.get("value", "")))
        target = urljoin(str(page.url), html.unescape(action[1]))
        return self._send("POST", target, data={**form, **fields}, headers={"origin": _origin(target)})

    def _send(self, method: str, url: str, headers: dict[str, str] | None = None, **arguments: Any) -> httpx2.Response:
        self.http.cookies.clear()
        sent = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **(headers or {})}
        if urlsplit(url).path == "/callback":
            sent = {}
        answer = self.http.request(method, url, headers=sent, follow_redirects=False, **arguments)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def perform_code_flow(dev: Dev, http: httpx2.Client, client: list[str], decision: str) -> tuple[int, str, str]:
    """Runs the command and is the person at the browser it asks for."""
    process = subprocess.Popen(
        [sys.executable, "-m", "grantway", "--config", ".grantway/grantway.toml", "perform", "authorization-code",
         "--port", "0", "--no-open", "--timeout", "30", "--json", "--scope", "openid email offline_access", *client],
        cwd=dev.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("Open http"), line + process.stderr.read()
    user = dev.ready["users"][0]
    person = Person(http, user["username"], user["password"])
    worker = threading.Thread(target=lambda: person.visit(line.removeprefix("Open ").strip(), decision))
    worker.start()
    out, err = process.communicate(timeout=40)
    worker.join()
    return process.returncode, out, err


@pytest.mark.parametrize("client_id", ["demo-web", "demo-spa"])
@pytest.mark.spec("RFC 8252 §7.3")
def test_a_person_gets_tokens_through_the_browser(dev, http, client_id):
    secret = dev.client(client_id)["client_secret"]
    client = ["--client-id", client_id, *(["--client-secret", secret] if secret else [])]
    code, out, err = perform_code_flow(dev, http, client, "allow")
    assert code == 0, err
    tokens = json.loads(out)
    assert tokens["refresh_token"]
    user = dev.ready["users"][0]
    assert tokens["id_token_claims"]["sub"] == user["sub"]
    payload = tokens["id_token"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=="))["iss"] == dev.issuer
    assert http.get(f"{dev.issuer}/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"}).json()[
        "email"
    ]


def test_a_person_who_says_no_is_a_denial(dev, http):
    dev.ready["users"][0]
    headers = {"authorization": f"Bearer {dev.ready['admin_token']}"}
    client = http.post(
        f"{dev.ready['admin_url']}/admin/clients",
        json={"redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none",
              "grant_types": ["authorization_code", "refresh_token"], "scope": "openid email offline_access"},
        headers=headers,
    ).json()  # fmt: skip
    code, out, err = perform_code_flow(dev, http, ["--client-id", client["client_id"]], "deny")
    assert (code, out) == (6, "")
    assert json.loads(err)["error"] == "access_denied"


@pytest.mark.spec("RFC 8628 §3.5")
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_device_gets_what_a_person_lets_it_have(dev, http, decision):
    process = subprocess.Popen(
        [sys.executable, "-m", "grantway", "--config", ".grantway/grantway.toml", "perform", "device-code",
         "--client-id", "demo-tv", "--scope", "openid email offline_access", "--json"],
        cwd=dev.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    place = process.stderr.readline().removeprefix("Open ").strip()
    assert re.fullmatch(r"or type \w{4}-\w{4} at \S+/oauth2/device/verify\n", process.stderr.readline())
    user = dev.ready["users"][0]
    end = Person(http, user["username"], user["password"]).visit(place, decision)
    assert ("is connected" in end.text) is (decision == "allow")
    out, err = process.communicate(timeout=30)
    if decision == "deny":
        assert (process.returncode, out) == (6, "")
        assert json.loads(err)["error"] == "access_denied"
    else:
        assert process.returncode == 0, err
        tokens = json.loads(out)
        assert tokens["id_token_claims"]["sub"] == user["sub"]
        assert tokens["refresh_token"]


def test_a_client_of_another_kind_is_no_device(cli_on_dev):
    ran = cli_on_dev("perform", "device-code", "--client-id", "demo-spa", "--json")
    assert ran.returncode == 1
    assert "unauthorized_client" in json.loads(ran.stderr)["message"]
