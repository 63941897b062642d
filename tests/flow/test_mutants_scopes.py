"""Proof that the tests of scopes can fail: each mutant breaks one defence and is caught by the test that is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.mutants import is_caught

from grantway import gate, server
from grantway.endpoints import dispatcher
from grantway.protocol import interaction, scope
from grantway.protocol.scope import BY_NAME, ScopePolicy
from grantway.testing.in_process import InProcessServer

WILDCARD = ("wildcard", "photos.* mail")
REFRESH = (
    "flow/test_scopes.py::test_a_refreshed_token_has_what_was_given_as_far_as_the_registration_still_stands_for_it"
)
GIVEN = "flow/test_scopes.py::test_what_was_given_was_given_by_name"
PATTERN = "flow/test_scopes.py::test_a_token_never_carries_a_pattern"
RESERVED = "flow/test_scopes.py::test_a_star_is_no_way_to_what_the_server_itself_goes_by"
HOOK = "flow/test_scopes.py::test_what_a_hook_grants_is_within_what_the_registration_stands_for"
EXCHANGE = "flow/test_scopes.py::test_an_exchanged_token_has_the_names_of_the_old_one_that_the_registration_stands_for"
ANY = "flow/test_scopes.py::test_any_grants_what_is_allowed_and_says_what_that_was"
OWN = "flow/test_registered_scopes.py::test_an_exemption_is_the_clients_own"
UNASKED = "flow/test_registered_scopes.py::test_nobody_approved_what_was_exempt"
APPROVED = "flow/test_registered_scopes.py::test_what_was_approved_is_a_name_and_no_pattern"
AGAIN = "flow/test_registered_scopes.py::test_the_same_bytes_get_another_scope_once_there_is_a_default"
PROMPT = "flow/test_registered_scopes.py::test_an_exemption_answers_no_prompt_for_consent_and_no_native_client"

_find_approved = interaction._find_approved


class _AndBelow(frozenset[str]):
    """Names that stand for what is below them, too."""

    def __contains__(self, name: object) -> bool:
        return any(str(name) == each or str(name).startswith(each + ".") for each in self)


def _approve_below(*arguments: Any) -> Any:
    approved, audience = _find_approved(*arguments)
    return _AndBelow(approved), audience


def _take_any(self: ScopePolicy, values: Any, _allowed: Any) -> Any:
    return values


MUTANTS: dict[str, tuple[str, tuple[Any, ...], str, Callable[[pytest.MonkeyPatch], None]]] = {
    "a strategy is ignored when a token is refreshed": (
        REFRESH, (WILDCARD,), "T32", lambda patch: patch.setattr(gate, "find_scope_policy", lambda *_: BY_NAME),
    ),
    "what a client has lost is refreshed": (
        REFRESH, (WILDCARD,), "T32", lambda patch: patch.setattr(ScopePolicy, "select", _take_any),
    ),
    "what a person gave is compared by strategy": (
        GIVEN, (), "T32", lambda patch: patch.setattr(gate, "BY_NAME", ScopePolicy("hierarchic")),
    ),
    "some of a refresh is enough": (
        GIVEN, (), "T32", lambda patch: patch.setattr(gate, "BY_NAME", ScopePolicy(matching="any")),
    ),
    "a pattern is a scope like any other": (
        PATTERN, (), "T32", lambda patch: patch.setattr(ScopePolicy, "is_pattern", lambda *_: False),
    ),
    "a star stands for a right to administer": (
        RESERVED, (), "T135", lambda patch: patch.setattr(scope, "is_reserved", lambda _: False),
    ),
    "a hook grants what it likes": (
        HOOK, ("files", None), "T32", lambda patch: patch.setattr(ScopePolicy, "select", _take_any),
    ),
    "an exchange does not look at the registration": (
        EXCHANGE, (WILDCARD,), "T32", lambda patch: patch.setattr(ScopePolicy, "select", _take_any),
    ),
    "any grants what nobody allowed": (
        ANY, (), "T32", lambda patch: patch.setattr(ScopePolicy, "is_allowed", lambda *_: True),
    ),
    "another client's exemption counts": (
        OWN, (), "T107",
        lambda patch: patch.setattr(interaction, "find_exempt_scope", lambda _: frozenset({"openid", "read"})),
    ),
    "an exemption is remembered as an approval": (
        UNASKED, (), "T108", lambda patch: patch.setattr(dispatcher, "find_exempt_scope", lambda _: frozenset()),
    ),
    "an approval stands for what is below it": (
        APPROVED, (), "T107", lambda patch: patch.setattr(interaction, "_find_approved", _approve_below),
    ),
    "an exempt native client is taken at its word": (
        PROMPT, (), "T107", lambda patch: patch.setattr(interaction, "is_client_assured", lambda *_: True),
    ),
    "an answer is repeated whatever became of the registry": (
        AGAIN, (), "T32", lambda patch: patch.setattr(server, "_are_scopes", lambda *_: True),
    ),
}  # fmt: skip


@pytest.fixture
def running() -> Iterator[InProcessServer]:
    started = InProcessServer()
    started.register_user()
    yield started
    started.stop()


@pytest.mark.parametrize(
    ("name", "arguments", "mutate"),
    [
        pytest.param(name, arguments, mutate, id=mutant, marks=pytest.mark.threat(threat))
        for mutant, (name, arguments, threat, mutate) in MUTANTS.items()
    ],
)
def test_it_is_caught(
    running: InProcessServer,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    arguments: tuple[Any, ...],
    mutate: Callable[[pytest.MonkeyPatch], None],
) -> None:
    given = arguments if name == HOOK else (running, *arguments)
    assert not is_caught(name, *given), "unharmed, it passes"
    mutate(monkeypatch)
    assert is_caught(name, *given)
