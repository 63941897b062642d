"""Proof that the tests of outgoing requests can fail: each mutant breaks one defence that a named test guards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.mutants import is_caught

from grantway import breaker, egress, foreign_keys, lookups
from grantway.errors import FetchFailed

Break = Callable[[pytest.MonkeyPatch], None]

# what a test that ends in the middle leaves of a connection, as in the tests themselves
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def call_everything_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "is_public_address", lambda _: True)


def look_at_the_first_address_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    check = egress.Egress._check_target
    monkeypatch.setattr(egress.Egress, "_check_target", lambda self, target, found: check(self, target, found[:1]))


def check_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress.Egress, "_check_target", lambda *_: None)


def forget_the_own_host(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = egress.Egress.__init__
    monkeypatch.setattr(egress.Egress, "__init__", lambda self, settings, _, *more: begin(self, settings, "", *more))


def connect_to_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    named = lambda self, _: f"{self.scheme}://{self.host}:{self.port}{self.path}"  # noqa: E731
    monkeypatch.setattr(egress.Target, "locate", named)


def never_leave_a_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker.Breaker, "is_open", lambda *_: False)


def give_a_host_every_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress.Egress, "_find_slots", lambda *_: asyncio.Semaphore(1000))


def take_each_name_for_an_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (egress, lookups):
        monkeypatch.setattr(module, "find_owner", lambda host: host)


def blame_the_host_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    count, is_open = breaker.Breaker.count, breaker.Breaker.is_open
    monkeypatch.setattr(breaker.Breaker, "count", lambda self, _: count(self, "host"))
    monkeypatch.setattr(breaker.Breaker, "is_open", lambda self, _: is_open(self, "host"))


def show_whole_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "show_url", lambda url: url)


def deny_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    check = egress.Egress._check_target

    def forget(self: Any, *arguments: Any) -> None:
        self._denied = ()
        check(self, *arguments)

    monkeypatch.setattr(egress.Egress, "_check_target", forget)


def read_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = egress._exchange
    monkeypatch.setattr(
        egress,
        "_exchange",
        lambda transport, request, *more: exchange(transport, replace(request, max_bytes=2**40), *more),
    )


def have_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    outgoing = egress._Outgoing
    monkeypatch.setattr(egress, "_Outgoing", lambda *arguments: outgoing(*arguments[:-1], 5.0))


def fetch_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(dict):
        def get(self, *_: Any) -> None:
            return None

    begin = foreign_keys.ForeignKeys.__init__

    def forget(self: Any, *arguments: Any) -> None:
        begin(self, *arguments)
        self._loads = Forgetful()

    monkeypatch.setattr(foreign_keys.ForeignKeys, "__init__", forget)


def use_keys_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_keys._Kept, "use", lambda self, _: self.keys)


HERE, HOSTILE, KEYS = "unit/test_egress.py", "unit/test_egress_hostile.py", "unit/test_foreign_keys.py"
MUTANTS: dict[str, tuple[Break, str, tuple[Any, ...]]] = {
    "every address is public": (
        call_everything_public,
        f"{HERE}::test_no_name_leads_there_either_and_one_bad_address_is_enough",
        ("connects", "10.0.0.1"),
    ),
    "only the first address is looked at": (
        look_at_the_first_address_alone,
        f"{HERE}::test_no_name_leads_there_either_and_one_bad_address_is_enough",
        ("connects", "10.0.0.1"),
    ),
    "no target is checked": (
        check_no_target,
        f"{HERE}::test_no_url_of_a_client_leads_into_a_private_network",
        ("connects",),
    ),
    "our own host is like any": (
        forget_the_own_host,
        f"{HERE}::test_a_url_of_a_client_does_not_lead_back_to_this_server",
        ("connects",),
    ),
    "the name is looked up again": (
        connect_to_the_name,
        f"{HERE}::test_a_name_that_points_elsewhere_the_second_time_is_asked_once",
        ("connects",),
    ),
    "a failing host is asked on": (
        never_leave_a_host_alone,
        f"{HOSTILE}::test_a_host_that_fails_again_and_again_is_left_alone_for_a_while",
        (),
    ),
    "one host gets all slots": (
        give_a_host_every_slot,
        f"{HOSTILE}::test_one_host_does_not_use_up_the_slots_of_the_others",
        (),
    ),
    "each name has slots and threads of its own": (
        take_each_name_for_an_owner,
        f"{HOSTILE}::test_an_owner_with_many_hosts_does_not_use_up_the_slots_of_the_others",
        (),
    ),
    "a host is left alone for one document": (
        blame_the_host_for_all,
        f"{HOSTILE}::test_what_one_document_does_is_not_laid_at_the_door_of_its_neighbours",
        (),
    ),
    "the log has whole URLs": (
        show_whole_urls,
        f"{HERE}::test_no_credential_in_a_url_gets_into_the_log",
        ("http://svc:hunter2@127.0.0.1:1/hook?key=hunter2", "http://127.0.0.1:1/hook", True),
    ),
    "no network is denied": (
        deny_no_network,
        f"{HERE}::test_a_denied_network_is_denied_though_it_lies_in_one_that_is_allowed",
        ("connects",),
    ),
    "no bound on what is read": (
        read_everything,
        f"{HOSTILE}::test_an_answer_that_is_too_much_or_wrong_is_refused_and_quickly",
        ("one byte too many",),
    ),
    "no deadline": (
        have_no_deadline,
        f"{HOSTILE}::test_a_slow_host_costs_no_more_than_the_deadline_and_holds_up_nobody",
        (),
    ),
    "a fetch for each who asks": (
        fetch_for_each,
        f"{KEYS}::test_many_at_once_share_one_fetch_and_one_who_leaves_does_not_end_it",
        (),
    ),
    "old keys are good for ever": (
        use_keys_for_ever,
        f"{KEYS}::test_while_it_cannot_be_fetched_the_keys_are_used_on_but_not_for_ever",
        (),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_defence_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch, connects: list[Any]) -> None:
    mutate, test, arguments = MUTANTS[name]
    mutate(monkeypatch)
    with contextlib.suppress(FetchFailed):  # what was to be fetched is not: that is noticed, too
        assert is_caught(test, *(connects if argument == "connects" else argument for argument in arguments))
