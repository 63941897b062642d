"""kill -9 right after a logout was answered: whoever is started next tells the applications."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from msgspec.structs import replace
from tests.listener import Listener

from grantway.extension import Runtime
from grantway.model import DEFAULT_TENANT
from grantway.protocol.sealing import encode_base64url
from grantway.testing.running_server import Machine, RunningServer, stock_client, stock_families

from .databases import Postgres

SETTINGS = {
    "egress.insecure_private_networks": "127.0.0.0/8",
    "egress.timeout": 1,
    "logout.poll_interval": 1,
    "maintenance.lease_ttl": 2,
    "serve.workers": 2,
}


@pytest.fixture
def listener() -> Iterator[Listener]:
    running = Listener()
    yield running
    running.close()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    missing = Postgres.find_missing()
    if missing is not None and os.environ.get("CI"):
        pytest.fail(f"{missing} CI is set, so this is a failure.", pytrace=False)
    if missing is not None:
        pytest.skip(missing)
    database = Postgres()
    database.start()
    yield database
    database.remove()


async def sign_in(runtime: Runtime, machine: Machine) -> tuple[str, str, str]:
    """(cookie, ID token, sid) of somebody whose session the client knows."""
    secret = os.urandom(32)
    (family,) = await stock_families(runtime, machine, ["ada"], has_session=True)
    session = await runtime.store.load_session(DEFAULT_TENANT, family.session_id)
    assert session is not None
    assert await runtime.store.renew_session(replace(session, digest=hashlib.sha256(secret).digest()))
    claims = {
        "iss": runtime.settings.issuer,
        "sub": "ada",
        "aud": machine.client_id,
        "sid": session.session_id,
        "exp": 0,
    }
    token = await runtime.keys.sign(DEFAULT_TENANT, "RS256", "JWT", claims)
    return f"__Host-grantway_session={encode_base64url(secret)}", token, session.session_id


def check_that_nothing_is_lost(server: RunningServer, listener: Listener, *, is_begun: bool) -> None:
    async def stock(runtime: Runtime) -> tuple[str, str, str]:
        machine = await stock_client(runtime, "shop", extra={"backchannel_logout_uri": listener.uri})
        return await sign_in(runtime, machine)

    cookie, hint, sid = server.administer(stock)
    listener.hold()
    host, port = server.public
    path = f"/oauth2/sessions/logout?id_token_hint={quote(hint)}"
    answer = httpx2.get(f"http://{host}:{port}{path}", headers={"cookie": cookie})
    if is_begun:
        listener.wait(lambda: bool(listener.notices))
    server.kill()
    assert (answer.status_code, "signed out" in answer.text) == (200, True)
    before = len(listener.notices)
    listener.release()
    server.start()
    listener.wait(lambda: len(listener.notices) > before)
    keys = KeySet.import_key_set(
        httpx2.get(f"http://{server.public[0]}:{server.public[1]}/.well-known/jwks.json").json()
    )
    claims = jwt.decode(listener.notices[-1].token, keys, algorithms=["RS256"]).claims
    assert (claims["aud"], claims["sub"], claims["sid"]) == ("shop", "ada", sid)


@pytest.mark.threat("T131")
@pytest.mark.threat("R1")
@pytest.mark.parametrize("is_begun", [False, True], ids=["at once", "while it is being told"])
def test_a_killed_server_tells_them_when_it_is_there_again(
    run_server: Callable[..., RunningServer], listener: Listener, is_begun: bool
) -> None:
    check_that_nothing_is_lost(run_server(settings=SETTINGS), listener, is_begun=is_begun)


@pytest.mark.threat("T131")
def test_on_postgresql_too(run_server: Callable[..., RunningServer], listener: Listener, postgres: Postgres) -> None:
    settings = {**SETTINGS, "database.url": postgres.create()}
    check_that_nothing_is_lost(run_server(settings=settings), listener, is_begun=True)


@pytest.mark.threat("T131")
def test_what_a_command_ended_is_told_by_a_server(run_server: Callable[..., RunningServer], listener: Listener) -> None:
    server = run_server(settings=SETTINGS)

    async def stock(runtime: Runtime) -> str:
        machine = await stock_client(runtime, "shop", extra={"backchannel_logout_uri": listener.uri})
        return (await sign_in(runtime, machine))[2]

    sid = server.administer(stock)
    command = [sys.executable, "-m", "grantway", "sessions", "end", "--", sid]
    subprocess.run(command, env=server.full_environment, check=True, capture_output=True)
    listener.wait(lambda: bool(listener.notices))
