"""Proof that the tests of fetched URLs can fail: each mutant breaks one defence, and the named test catches it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from tests.flow import test_fetched_urls as fetched
from tests.flow import test_operators_urls as operators
from tests.operators import OPERATORS

from grantway import egress
from grantway.client_auth import client_assertion
from grantway.egress import Egress, EgressAnswer, Target
from grantway.endpoints import registration
from grantway.errors import InvalidClient, InvalidClientMetadata
from grantway.foreign_keys import ForeignKeys

KEYS, SECTOR, LOGOUT = (
    next(place for place in fetched.PLACES if place[0] == name)
    for name in ("client_assertion", "registration", "end_session")
)
HOOK = ("token_hook", "hooks.token_url")
authority, guarded, neighbour, names = fetched.authority, fetched.guarded, fetched.neighbour, fetched.names

Patch = pytest.MonkeyPatch


def catch(test: Callable[..., Any], **arguments: Any) -> bool:
    """Whether the test fails on its own assertion."""
    try:
        test(**arguments)
    except AssertionError:
        return True
    return False


# -- mutants ----------------------------------------------------------------------------------------------------------
def check_no_target(patch: Patch) -> None:
    patch.setattr(Egress, "_check_target", lambda *_: None)


def take_clients_for_operators(patch: Patch) -> None:
    load = ForeignKeys.load

    async def trusting(self: ForeignKeys, **arguments: Any) -> Any:
        return await load(self, **{**arguments, "is_operators": True})

    patch.setattr(ForeignKeys, "load", trusting)


def post_as_operator(patch: Patch) -> None:
    post = Egress.post

    async def trusting(self: Egress, url: str, **arguments: Any) -> EgressAnswer:
        return await post(self, url, **{**arguments, "is_operators": True})

    patch.setattr(Egress, "post", trusting)


def look_at_the_first_address_only(patch: Patch) -> None:
    check = Egress._check_target
    patch.setattr(Egress, "_check_target", lambda self, target, addresses: check(self, target, addresses[:1]))


def connect_by_name(patch: Patch) -> None:
    patch.setattr(Target, "locate", lambda self, _: f"{self.scheme}://{self.host}:{self.port}{self.path}")


def say_why(patch: Patch) -> None:
    class Telling(InvalidClient):
        def __init__(self, description: str | None = None, *, detail: str | None = None) -> None:
            super().__init__((detail or "").rpartition(":")[2].strip() or description)

    patch.setattr(client_assertion, "InvalidClient", Telling)


def say_why_a_sector_failed(patch: Patch) -> None:
    class Telling(InvalidClientMetadata):
        def __init__(self, description: str | None = None, *, detail: str | None = None) -> None:
            super().__init__((detail or "").rpartition(":")[2].strip() or description)

    patch.setattr(registration, "InvalidClientMetadata", Telling)


def follow_redirects(patch: Patch) -> None:
    exchange = egress._exchange

    async def following(transport: Any, request: Any, url: str, extensions: Any) -> EgressAnswer:
        answer = await exchange(transport, request, url, extensions)
        if "location" not in answer.headers:
            return answer
        return await exchange(transport, request, answer.headers["location"], extensions)

    patch.setattr(egress, "_exchange", following)


def read_without_end(patch: Patch) -> None:
    request = Egress._request

    async def boundless(self: Egress, *arguments: Any, **options: Any) -> EgressAnswer:
        return await request(self, *arguments, **{**options, "max_bytes": 10**9})

    patch.setattr(Egress, "_request", boundless)


FORBIDDEN = {
    "whatever address there is": (check_no_target, KEYS),
    "whatever address there is, of a sector": (check_no_target, SECTOR),
    "a client's keys as if the operator had named them": (take_clients_for_operators, KEYS),
    "a logout address as if the operator had named it": (post_as_operator, LOGOUT),
    "the first address of several": (look_at_the_first_address_only, KEYS),
    "why it failed, to the client": (say_why, KEYS),
    "why it failed, to who registers": (say_why_a_sector_failed, SECTOR),
}


@pytest.mark.threat("T70")
@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_place_that_is_reached_is_noticed(guarded, names, connects, name):
    mutate, place = FORBIDDEN[name]
    with pytest.MonkeyPatch.context() as patch:
        mutate(patch)
        arguments = {"guarded": guarded, "names": names, "connects": connects, "place": place}
        assert catch(fetched.test_no_forbidden_url_is_connected_to_and_nobody_learns_why, **arguments)


@pytest.mark.threat("T72")
def test_a_second_look_at_the_name_is_noticed(guarded, names, connects):
    with pytest.MonkeyPatch.context() as patch:
        connect_by_name(patch)
        arguments = {"guarded": guarded, "names": names, "connects": connects, "place": KEYS}
        assert catch(fetched.test_a_name_that_is_bound_anew_leads_nowhere_else, **arguments)


@pytest.mark.threat("T73")
def test_a_redirect_that_is_followed_is_noticed(neighbour, authority, connects):
    arguments = {"authority": authority, "connects": connects}
    with pytest.MonkeyPatch.context() as patch:
        follow_redirects(patch)
        given = {"neighbour": neighbour, "place": KEYS, "status": 302, **arguments}
        assert catch(fetched.test_no_redirect_is_followed, **given)
        with contextlib.closing(operators.World(HOOK, authority)) as world:
            assert catch(operators.test_its_redirects_are_not_followed, world=world, place=HOOK, connects=connects)


@pytest.mark.threat("T74")
def test_an_answer_that_is_read_without_a_bound_is_noticed(neighbour, authority):
    statement = next(iter(OPERATORS))
    with pytest.MonkeyPatch.context() as patch:
        read_without_end(patch)
        given = {"neighbour": neighbour, "authority": authority, "place": KEYS}
        assert catch(fetched.test_whatever_is_wrong_there_is_told_in_the_same_words, **given)
        with contextlib.closing(operators.World(statement, authority)) as world:
            assert catch(operators.test_nothing_of_what_it_says_gets_into_our_answers, world=world, place=statement)
