"""What one process revokes, no worker accepts a second later, whichever process it was and however it was done."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from grantway.admin import clients, sessions, tenants, users
from grantway.extension import Runtime
from grantway.model import DEFAULT_TENANT
from grantway.testing.load import Answer, Connection
from grantway.testing.running_server import (
    INTROSPECT,
    REVOKE,
    TOKEN,
    Family,
    Machine,
    RunningServer,
    stock_client,
    stock_families,
)

BOUND = 1.0
"""Seconds: P7 of the promises."""
ROUNDS = 4
OTHER = "other"


class House(Struct, frozen=True):
    server: RunningServer
    admin_token: str
    by_worker: dict[int, Connection]

    @property
    def connections(self) -> list[Connection]:
        return list(self.by_worker.values())


@pytest.fixture(scope="module")
def house(run_server: Callable[..., RunningServer]) -> Iterator[House]:
    server = run_server(workers=4)

    async def stock(runtime: Runtime) -> Machine:
        await tenants.create_tenant(runtime, OTHER, actor="test")
        return await stock_client(runtime, "admin", scope=("grantway.admin",))

    admin = server.administer(stock)
    by_worker = {pid: connection for pid, (connection,) in server.connect_to_each(1).items()}
    assert len(by_worker) == 4
    answer = next(iter(by_worker.values())).ask("POST", TOKEN, **admin.ask_token())
    yield House(server, answer.document["access_token"], by_worker)
    assert server.stop() == 0


class Target(Struct, frozen=True):
    """Somebody's tokens, good on every worker until they are killed."""

    family: Family
    access_token: str
    refresh_token: str

    @property
    def tokens(self) -> list[str]:
        return [self.access_token, self.refresh_token]


def build_target(house: House, name: str) -> Target:
    async def stock(runtime: Runtime) -> Family:
        machine = await stock_client(runtime, f"client-of-{name}")
        (family,) = await stock_families(runtime, machine, [name], has_session=True)
        return family

    family = house.server.administer(stock)
    answer = house.connections[0].ask("POST", TOKEN, **family.redeem())
    assert answer.status == 200, answer
    target = Target(family, answer.document["access_token"], answer.document["refresh_token"])
    for connection in house.connections:
        assert is_active(connection.ask("POST", INTROSPECT, **family.present(target.access_token)))
    return target


def is_active(answer: Answer) -> bool:
    """A client that was shut out hears 401 instead, a tenant that was shut 404: neither accepts the token."""
    assert answer.status in (200, 401, 404), answer
    return answer.status == 200 and answer.document["active"]


def measure_spread(house: House, ask: Callable[[Connection], Answer], killed_at: float) -> float:
    """Seconds from the acknowledged kill to the last question that a worker answered with "active"."""
    last, waiting = killed_at, house.connections
    while waiting:
        alive = []
        for connection in waiting:
            asked_at = time.monotonic()
            if is_active(ask(connection)):
                assert asked_at - killed_at < BOUND, "a revoked token is accepted"
                last = asked_at
                alive.append(connection)
        waiting = alive
    for connection in house.connections:  # and it stays so
        assert not is_active(ask(connection))
    return last - killed_at


# -- ways to kill: each returns when it was acknowledged ----------------------------------------------------------


def revoke_access(house: House, target: Target, connection: Connection) -> float:
    assert connection.ask("POST", REVOKE, **target.family.present(target.access_token)).status == 200
    return time.monotonic()


def revoke_refresh(house: House, target: Target, connection: Connection) -> float:
    assert connection.ask("POST", REVOKE, **target.family.present(target.refresh_token)).status == 200
    return time.monotonic()


def replay_code(house: House, target: Target, connection: Connection) -> float:
    assert connection.ask("POST", TOKEN, **target.family.redeem()).error == "invalid_grant"
    return time.monotonic()


def administer(house: House, method: str, path: str, document: Any = None) -> float:
    connection = house.server.connect(to_admin=True)
    answer = connection.ask(method, path, document=document, bearer=house.admin_token)
    acknowledged_at = time.monotonic()
    connection.close()
    assert answer.status in (200, 204), answer
    return acknowledged_at


def end_session_by_api(house: House, target: Target, connection: Connection) -> float:
    return administer(house, "DELETE", f"/admin/sessions/{target.family.session_id}")


def disable_user_by_api(house: House, target: Target, connection: Connection) -> float:
    return administer(house, "PATCH", f"/admin/users/{target.family.subject}", {"enabled": False})


def delete_client_by_api(house: House, target: Target, connection: Connection) -> float:
    return administer(house, "DELETE", f"/admin/clients/{target.family.machine.client_id}")


def elsewhere(use_case: Callable[[Runtime, Target], Any]) -> Callable[[House, Target, Connection], float]:
    """A kill by a process that serves nobody."""

    def kill(house: House, target: Target, connection: Connection) -> float:
        async def work(runtime: Runtime) -> float:
            await use_case(runtime, target)
            return time.monotonic()

        return house.server.administer(work)

    return kill


async def raise_not_before(runtime: Runtime, target: Target) -> None:
    """What restoring a backup does."""
    tenant = await tenants.load_tenant(runtime, DEFAULT_TENANT)
    await runtime.store.update_tenant(msgspec.structs.replace(tenant, not_before=runtime.clock.now()))


KILLS: dict[str, Callable[[House, Target, Connection], float]] = {
    "a worker revokes the access token": revoke_access,
    "a worker revokes the refresh token": revoke_refresh,
    "a worker sees the code again": replay_code,
    "a worker ends the session": end_session_by_api,
    "a worker disables the user": disable_user_by_api,
    "a worker deletes the client": delete_client_by_api,
    "another process ends the session": elsewhere(
        lambda runtime, target: sessions.end_session(
            runtime, DEFAULT_TENANT, target.family.session_id, actor="test"
        )
    ),
    "another process disables the user": elsewhere(
        lambda runtime, target: users.disable_user(runtime, DEFAULT_TENANT, target.family.subject, actor="test")
    ),
    "another process disables the client": elsewhere(
        lambda runtime, target: clients.disable_client(
            runtime, DEFAULT_TENANT, target.family.machine.client_id, actor="test"
        )
    ),
}  # fmt: skip


@pytest.mark.threat("T30")
@pytest.mark.spec("RFC 7009 §2.1")
@pytest.mark.parametrize("way", KILLS)
def test_what_one_process_kills_no_worker_accepts_a_second_later(house: House, way: str, is_soak: bool) -> None:
    rounds, worst = (100 if is_soak else ROUNDS), 0.0
    for number in range(rounds):
        target = build_target(house, f"{way.replace(' ', '-')}-{number}")
        killed_at = KILLS[way](house, target, house.connections[number % 4])
        spread = measure_spread(
            house, lambda each, at=target: each.ask("POST", INTROSPECT, **at.family.present(at.access_token)), killed_at
        )
        worst = max(worst, spread)
    print(f"{way}: known to all workers after {worst * 1000:.0f} ms at worst ({rounds} rounds)")


@pytest.mark.threat("T110")
def test_a_tenant_shut_by_the_command_line_is_shut_on_every_worker_and_its_tokens_stay_dead(house: House) -> None:
    async def stock(runtime: Runtime) -> Machine:
        return await stock_client(runtime, "machine", tenant=OTHER)

    machine = house.server.administer(stock)
    base = f"/t/{OTHER}"
    token = house.connections[0].ask("POST", base + TOKEN, **machine.ask_token()).document["access_token"]

    def ask(connection: Connection) -> Answer:
        return connection.ask("POST", base + INTROSPECT, form={"token": token}, auth=machine.auth)

    assert all(is_active(ask(connection)) for connection in house.connections)
    assert run_command(house, "tenants", "disable", OTHER)["enabled"] is False
    spread = measure_spread(house, ask, time.monotonic())
    run_command(house, "tenants", "enable", OTHER)
    until = time.monotonic() + 30
    while any(ask(connection).status == 404 for connection in house.connections):
        assert time.monotonic() < until
    assert not any(is_active(ask(connection)) for connection in house.connections)
    print(f"tenant disabled: known to all workers {spread * 1000:.0f} ms after the command ended")


def test_raising_the_instant_before_which_nothing_counts_kills_every_token(house: House) -> None:
    target = build_target(house, "not-before")
    killed_at = elsewhere(raise_not_before)(house, target, house.connections[0])
    spread = measure_spread(
        house, lambda each: each.ask("POST", INTROSPECT, **target.family.present(target.access_token)), killed_at
    )
    print(f"not_before raised: known to all workers after {spread * 1000:.0f} ms")


def run_command(house: House, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "grantway", "--json", *words],
        env=house.server.full_environment, cwd=house.server.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    document: dict[str, Any] = json.loads(done.stdout)
    return document
