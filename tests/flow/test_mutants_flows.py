"""Proof that the tests of front-channel tokens, exchange, passwords, registration and hooks can fail: each mutant
breaks one defence and is caught by the test that is named."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.hook_server import HookServer
from tests.mutants import is_caught

from grantway import gate, issuance
from grantway.endpoints import dispatcher, registration
from grantway.extension import Decision
from grantway.features import token_hook
from grantway.grants import token_exchange
from grantway.grants.password import Password
from grantway.grants.token_exchange import TokenExchange
from grantway.protocol import authorization
from grantway.protocol import registration as rules
from grantway.protocol.client_metadata import FIELDS
from grantway.testing.in_process import InProcessServer
from grantway.throttle import Throttle

from .test_front_channel import register as register_front
from .test_token_exchange import register_api

ANCESTORS = "flow/test_token_exchange.py::test_what_ends_the_old_token_ends_the_new_one"
WIDER = "flow/test_token_exchange.py::test_it_never_has_more_scope"
LONGER = "flow/test_token_exchange.py::test_it_never_lives_longer_than_the_old_one"
STRANGER = "flow/test_token_exchange.py::test_a_token_of_another_client_for_another_audience_is_refused"
ACTOR = "flow/test_token_exchange.py::test_an_actor_token_has_to_be_the_callers_own"
IMPERSONATION = "flow/test_token_exchange.py::test_the_new_token_says_who_acts"
UNREGISTERED = "flow/test_front_channel.py::test_no_client_has_them_unless_it_registered_them"
NONCE = "flow/test_front_channel.py::test_without_a_nonce_there_is_no_id_token_in_the_front_channel"
HASHES = "flow/test_front_channel.py::test_the_id_token_binds_code_and_access_token_and_has_the_nonce"
LOCKED = "flow/test_password.py::test_guesses_are_counted_together_with_those_on_the_log_in_page"
DENIAL = "flow/test_token_hook.py::test_403_denies_and_spends_nothing"
WIDENED = "flow/test_token_hook.py::test_it_cannot_widen_what_a_person_gave"
AGAIN = "flow/test_token_hook.py::test_requests_that_come_again_are_decided_again"
USES = "flow/test_self_registration.py::test_a_token_registers_as_many_clients_as_it_was_made_for"
OTHERS = "flow/test_self_registration.py::test_a_token_manages_its_own_client_alone"
DISABLED = "flow/test_self_registration.py::test_a_disabled_client_cannot_let_itself_in_again"
CLOSED = "flow/test_self_registration.py::test_no_client_gives_itself_what_only_an_administrator_gives"


@pytest.fixture(scope="module")
def house():
    running = InProcessServer({"registration.enabled": True, "registration.per_address": 100_000})
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def hook():
    running = HookServer()
    yield running
    running.stop()


@pytest.fixture
def hooked(hook):
    running = InProcessServer({"hooks.token_url": hook.url, "hooks.timeout_ms": 2000})
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def arguments(server, client, fresh_server, username, verify, hook, hooked, house):
    """What the named tests take."""
    shop = server.register_client(audience=["https://front.example"], scope="openid read write offline_access")
    front = register_front(server)
    machine = hooked.register_client(grant_types=["client_credentials"], scope="read write")
    return {
        ANCESTORS: (server, username, "subject token revoked", "opaque"),
        WIDER: (server, shop, register_api(server)),
        LONGER: (server, shop, register_api(server)),
        STRANGER: (server, shop),
        ACTOR: (server, shop, register_api(server), username),
        IMPERSONATION: (server, shop, register_api(server)),
        UNREGISTERED: (server, client, "token"),
        NONCE: (server, front, "id_token"),
        HASHES: (server, front, verify, "code id_token token"),
        LOCKED: (fresh_server,),
        DENIAL: (hooked, hook),
        WIDENED: (hooked, hook),
        AGAIN: (hooked, hook, machine),
        USES: (house,),
        OTHERS: (house, "GET"),
        DISABLED: (house,),
        CLOSED: (house,),
    }


@pytest.mark.parametrize(
    "name",
    [ANCESTORS, WIDER, LONGER, STRANGER, ACTOR, IMPERSONATION, UNREGISTERED, NONCE, HASHES, LOCKED, DENIAL,
     WIDENED, AGAIN, USES, OTHERS, DISABLED, CLOSED],
)  # fmt: skip
def test_unmutated_they_pass(arguments, name):
    assert not is_caught(name, *arguments[name])


async def _yes(*_: Any) -> bool:
    return True


async def _nothing(*_: Any, **__: Any) -> None:
    return None


def _change_decision(monkeypatch: Any, grant: Any, **changes: Any) -> None:
    real = grant.resolve

    async def resolve(self: Any, *given: Any) -> Decision:
        return replace(await real(self, *given), **changes)

    monkeypatch.setattr(grant, "resolve", resolve)


@pytest.mark.threat("T124")
def test_not_looking_at_ancestors_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(gate, "_are_ancestors_good", _yes)
    assert is_caught(ANCESTORS, *arguments[ANCESTORS])


@pytest.mark.threat("T124")
def test_remembering_no_ancestors_is_caught(monkeypatch, arguments):
    _change_decision(monkeypatch, TokenExchange, ancestors=())
    assert is_caught(ANCESTORS, *arguments[ANCESTORS])


@pytest.mark.threat("T32")
def test_giving_all_of_the_clients_scope_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(token_exchange, "_find_scope", lambda _call, client, _subject: client.scope)
    monkeypatch.setattr(token_exchange, "intersect_scope", lambda _first, second: tuple(second))
    assert is_caught(WIDER, *arguments[WIDER])


@pytest.mark.threat("T124")
def test_a_new_life_for_the_new_token_is_caught(monkeypatch, arguments):
    _change_decision(monkeypatch, TokenExchange, not_after=None)
    assert is_caught(LONGER, *arguments[LONGER])


@pytest.mark.threat("T124")
@pytest.mark.parametrize("name", [STRANGER, ACTOR])
def test_taking_anybodys_token_is_caught(monkeypatch, arguments, name):
    monkeypatch.setattr(token_exchange, "_may_use", lambda *_, **__: True)
    assert is_caught(name, *arguments[name])


@pytest.mark.threat("T124")
def test_leaving_out_who_acts_is_caught(monkeypatch, arguments):
    _change_decision(monkeypatch, TokenExchange, token_claims={})
    assert is_caught(IMPERSONATION, *arguments[IMPERSONATION])


@pytest.mark.threat("T15")
def test_giving_front_channel_tokens_to_everybody_is_caught(monkeypatch, arguments):
    def rule(candidate: Any) -> dict[str, Any]:
        return {"response_type": candidate.parameters.get("response_type")}

    rules = [replace(each, apply=rule) if each.name == "response_type" else each for each in authorization.RULES]
    monkeypatch.setattr(authorization, "RULES", tuple(rules))
    assert is_caught(UNREGISTERED, *arguments[UNREGISTERED])


@pytest.mark.threat("T16")
def test_doing_without_a_nonce_is_caught(monkeypatch, arguments):
    rules = [
        replace(each, apply=lambda candidate: {"nonce": candidate.parameters.get("nonce")})
        if each.name == "nonce"
        else each
        for each in authorization.RULES
    ]
    monkeypatch.setattr(authorization, "RULES", tuple(rules))
    assert is_caught(NONCE, *arguments[NONCE])


def test_an_id_token_that_binds_no_code_is_caught(monkeypatch, arguments):
    real = dispatcher.issue_id_token

    async def issue(call: Any, decision: Any, grant_type: str, *, access_token: Any, code: Any) -> str:
        return await real(call, decision, grant_type, access_token=access_token)

    monkeypatch.setattr(dispatcher, "issue_id_token", issue)
    assert is_caught(HASHES, *arguments[HASHES])


@pytest.mark.threat("T101")
def test_a_password_grant_that_counts_no_guesses_is_caught(monkeypatch, arguments):
    _resolve = Password.resolve

    async def resolve(self: Any, call: Any, client: Any, parameters: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Throttle, "check_login", _nothing)
            return await _resolve(self, call, client, parameters)

    monkeypatch.setattr(Password, "resolve", resolve)
    assert is_caught(LOCKED, *arguments[LOCKED])


def test_going_on_without_the_hooks_yes_is_caught(monkeypatch, arguments):
    async def ask(*given: Any) -> Any:
        return given[-1]

    monkeypatch.setattr(token_hook, "_ask", ask)
    assert is_caught(DENIAL, *arguments[DENIAL])


@pytest.mark.threat("T32")
def test_letting_a_hook_widen_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(issuance, "intersect_scope", lambda first, _second: tuple(first))
    assert is_caught(WIDENED, *arguments[WIDENED])


def test_answering_hooked_requests_again_is_caught(monkeypatch, arguments):
    real = token_hook.TokenHook.shape_decision

    async def shape(self: Any, call: Any, *given: Any) -> Any:
        decision = await real(self, call, *given)
        call.is_replayable = True
        return decision

    monkeypatch.setattr(token_hook.TokenHook, "shape_decision", shape)
    assert is_caught(AGAIN, *arguments[AGAIN])


@pytest.mark.threat("T126")
def test_not_counting_the_uses_of_a_token_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(registration, "spend_initial_access", _nothing)
    assert is_caught(USES, *arguments[USES])


@pytest.mark.threat("T126")
def test_taking_any_registration_token_is_caught(monkeypatch, arguments):
    async def authenticate(call: Any) -> Any:
        client_id = call.request.path.rpartition("/")[2]
        return await call.runtime.store.load_client("default", client_id), "gwrg_x"

    monkeypatch.setattr(registration, "_authenticate", authenticate)
    assert is_caught(OTHERS, *arguments[OTHERS])
    assert is_caught(DISABLED, *arguments[DISABLED])


@pytest.mark.threat("T125")
def test_letting_clients_say_everything_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(rules, "SELF_SERVICE", frozenset(FIELDS))
    assert is_caught(CLOSED, *arguments[CLOSED])
