"""Proof that the playground's tests can fail: each mutant breaks one defence that the named test must notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.mutants import is_caught

from grantway.browser import find_browser
from grantway.registry import BUILTINS
from grantway.web.playground import editing, endpoints
from grantway.web.playground.endpoints import Callback, Flows
from grantway.web.playground.walks import Walks

from .playground import PlaygroundServer, Walker

OWN_BROWSER = "flow/test_playground.py::test_a_walk_is_its_own_browsers"
STATE = "flow/test_playground.py::test_an_answer_is_believed_only_by_the_browser_that_was_sent"
ISSUER = "flow/test_playground.py::test_an_answer_of_another_issuer_is_not_believed"
FORMS = "flow/test_playground.py::test_another_site_cannot_walk"
SERVER = "flow/test_playground.py::test_it_sends_to_its_own_server_and_to_nobody_else"
HOST = "flow/test_playground.py::test_under_another_name_of_the_machine_nothing_is_shown"
TWICE = "flow/test_playground.py::test_pressed_twice_a_step_is_taken_once"
MEMORY = "flow/test_playground.py::test_memory_is_bounded"
ONLY_DEV = "flow/test_playground.py::test_without_grantway_dev_there_is_no_playground"


def _any_walk(self: Walks, walk_id: str, _: bytes) -> Any:
    return self._walks.get(walk_id)


def _any_state(self: Walks, _state: str, _browser: bytes) -> Any:
    return next(reversed(self._walks.values()))


def _keep_all(self: Walks, walk: Any) -> None:
    self._walks[walk.walk_id] = walk


def _change_all(request: Any, form: Any) -> Any:
    return editing.replace(request, path=form.values.get("path", request.path))


class _BuiltInFlows(Flows):
    def __init__(self) -> None:
        super().__init__(endpoints.Playground())


MUTANTS: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "a walk is anybody's": (OWN_BROWSER, lambda patch: patch.setattr(Walks, "find", _any_walk)),
    "state is not compared": (STATE, lambda patch: patch.setattr(Walks, "find_waiting", _any_state)),
    "forms are not checked": (
        FORMS, lambda patch: patch.setattr(endpoints, "check_form", lambda call, _: find_browser(call)),
    ),
    "every host will do": (HOST, lambda patch: patch.setattr(endpoints, "is_own_host", lambda _: True)),
    "a person chooses the path": (SERVER, lambda patch: patch.setattr(endpoints, "apply_changes", _change_all)),
    "walks are kept for ever": (MEMORY, lambda patch: patch.setattr(Walks, "add", _keep_all)),
    "every server has it": (
        ONLY_DEV,
        lambda patch: patch.setattr("grantway.registry.BUILTINS", (*BUILTINS, _BuiltInFlows)),
    ),
}  # fmt: skip


@pytest.fixture
def arguments() -> Any:
    place = PlaygroundServer()
    walker = Walker(place)
    yield {
        OWN_BROWSER: (place, walker),
        STATE: (place, walker),
        FORMS: (walker, "/playground"),
        HOST: (walker, "/playground", "evil.example"),
        SERVER: (walker,),
        MEMORY: (place,),
        ONLY_DEV: (),
    }
    place.stop()


def test_the_named_tests_pass_without_a_mutant(arguments: dict[str, tuple[Any, ...]]) -> None:
    for name, given in arguments.items():
        assert not is_caught(name, *given), name


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_caught(
    mutant: str, arguments: dict[str, tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, mutate = MUTANTS[mutant]
    given = arguments[name]
    mutate(monkeypatch)
    assert is_caught(name, *given), f"{name} did not notice"


def test_a_callback_that_ignores_the_issuer_is_caught(
    arguments: dict[str, tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    walker = arguments[SERVER][0]
    take = Callback._take

    def believe(self: Callback, call: Any, parameters: Any, *, is_fragment: bool) -> Any:
        return take(self, call, {**parameters, "iss": call.tenant.issuer}, is_fragment=is_fragment)

    monkeypatch.setattr(Callback, "_take", believe)
    assert is_caught(ISSUER, walker)


def test_a_step_that_is_not_compared_with_the_forms_is_caught(
    arguments: dict[str, tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    walker = arguments[SERVER][0]
    act = endpoints.WalkPage.act

    async def take_any(self: Any, call: Any, form: Any) -> Any:
        walk = self.playground.walks.find(form.get("id") or "", find_browser(call).digest)
        form.values["position"] = str(walk.position)
        return await act(self, call, form)

    monkeypatch.setattr(endpoints.WalkPage, "act", take_any)
    assert is_caught(TWICE, walker)
