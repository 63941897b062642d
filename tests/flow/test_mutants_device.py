"""Proof that the tests of devices can fail: each mutant breaks one defence and is caught by the test that is named."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.mutants import is_caught

from grantway.endpoints import device_decision, device_verification
from grantway.errors import Conflict
from grantway.grants import device_code
from grantway.grants.device_code import DeviceCode
from grantway.protocol import interaction
from grantway.protocol.device import DEVICE_CODE
from grantway.storage.sql.store import SqlStore
from grantway.throttle import Throttle
from grantway.tokens import digest_code

SLOW = "flow/test_device.py::test_each_poll_that_comes_too_soon_adds_five_seconds"
MANY = "flow/test_device.py::test_of_64_polls_after_the_approval_one_gets_tokens_and_they_stay_good"
BINDING = "flow/test_device.py::test_another_clients_device_code_is_as_good_as_none"
KIND = "flow/test_device.py::test_a_device_code_is_no_authorization_code_and_the_other_way_round"
CONFIRMATION = "flow/test_device_pages.py::test_nothing_that_was_allowed_before_lets_a_device_in"
FIRST = "flow/test_device_pages.py::test_of_two_who_allow_it_at_once_one_does"
UNIFORM = "flow/test_device_pages.py::test_nobody_can_tell_why_a_code_is_not_taken"
GUESSES = "flow/test_device_guesses.py::test_a_browser_gets_five_guesses_in_a_window"
REQUESTS = "flow/test_device_guesses.py::test_an_address_gets_codes_for_so_many_devices_in_a_window"

_update, _grant, _resolve = SqlStore.update_device_request, SqlStore.grant_authorization, DeviceCode.resolve
_load, _choose = SqlStore.load_authorization_by_code, interaction._choose_consent_step


async def _update_always(self: Any, request: Any) -> bool:
    await _update(self, request)
    return True


async def _grant_again(self: Any, authorization: Any, **rest: Any) -> bool:
    try:
        return await _grant(self, authorization, **rest)
    except Conflict:
        return await _grant(self, replace(authorization, code_digest=os.urandom(32)), **rest)


async def _resolve_for_anybody(self: Any, call: Any, client: Any, parameters: Any) -> Any:
    digest = digest_code(parameters.get("device_code") or "")
    request = await call.runtime.store.load_device_request(call.tenant.tenant, digest)
    owner = replace(client, client_id=request.client_id) if request is not None else client
    return replace(await _resolve(self, call, owner, parameters), client=client)


async def _load_as_any_kind(self: Any, tenant: str, digest: bytes) -> Any:
    found = await _load(self, tenant, digest)
    return replace(found, grant_type="authorization_code") if found is not None else None


def _choose_as_for_a_browser(state: Any, session: Any) -> Any:
    return _choose(replace(state, request=replace(state.request, device_digest=None)), session)


async def _count_nothing(*_: Any) -> None:
    return None


async def _find_any(_call: Any, device: Any) -> Any:
    return device


def _let_anything_wait(patch: pytest.MonkeyPatch) -> None:
    for module in (device_decision, device_verification):
        patch.setattr(module, "find_waiting_device", _find_any)


MUTANTS: dict[str, tuple[str, str, Callable[[pytest.MonkeyPatch], None]]] = {
    "a poll is never too soon": (
        SLOW, "T122", lambda patch: patch.setattr(device_code, "is_poll_too_soon", lambda *_: False),
    ),
    "who lost the race for a poll goes on": (
        MANY, "T122", lambda patch: patch.setattr(SqlStore, "update_device_request", _update_always),
    ),
    "a device code is anybody's": (
        BINDING, "T122", lambda patch: patch.setattr(DeviceCode, "resolve", _resolve_for_anybody),
    ),
    "a device code is an authorization code": (
        KIND, "T23", lambda patch: patch.setattr(SqlStore, "load_authorization_by_code", _load_as_any_kind),
    ),
    "an earlier approval counts": (
        CONFIRMATION,
        "T121",
        lambda patch: patch.setattr(interaction, "_choose_consent_step", _choose_as_for_a_browser),
    ),
    "two approvals of one code": (
        FIRST, "T121", lambda patch: patch.setattr(SqlStore, "grant_authorization", _grant_again),
    ),
    "a code is taken whatever became of it": (UNIFORM, "T120", _let_anything_wait),
    "guesses are not counted": (
        GUESSES, "T120", lambda patch: patch.setattr(Throttle, "check_user_code", _count_nothing),
    ),
    "devices that ask for codes are not counted": (
        REQUESTS, "T120", lambda patch: patch.setattr(Throttle, "check_device_request", _count_nothing),
    ),
}  # fmt: skip


@pytest.fixture
def arguments(fresh_server: Any) -> dict[str, tuple[Any, ...]]:
    device = fresh_server.register_client(
        client_name="Living Room", token_endpoint_auth_method="none", grant_types=[DEVICE_CODE, "refresh_token"]
    )
    fresh_server.register_user("another")
    return {
        SLOW: (fresh_server, device),
        MANY: (fresh_server, device),
        BINDING: (fresh_server, device),
        KIND: (fresh_server,),
        CONFIRMATION: (fresh_server,),
        FIRST: (fresh_server, device, "another"),
        UNIFORM: (fresh_server,),
        GUESSES: (fresh_server, device),
        REQUESTS: (),
    }


@pytest.mark.parametrize("name", [SLOW, MANY, BINDING, KIND, CONFIRMATION, FIRST, UNIFORM, GUESSES, REQUESTS])
def test_unmutated_they_pass(arguments: dict[str, tuple[Any, ...]], name: str) -> None:
    assert not is_caught(name, *arguments[name])


@pytest.mark.parametrize(
    ("name", "mutate"),
    [
        pytest.param(name, mutate, id=mutant, marks=pytest.mark.threat(threat))
        for mutant, (name, threat, mutate) in MUTANTS.items()
    ],
)
def test_it_is_caught(
    arguments: dict[str, tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    mutate: Callable[[pytest.MonkeyPatch], None],
) -> None:
    mutate(monkeypatch)
    assert is_caught(name, *arguments[name])
