"""Proof that the tests of logout can fail: each mutant breaks one defence and is caught by the test that is named."""

from __future__ import annotations

import pytest
from tests.leaving import start_all
from tests.mutants import is_caught

from grantway import notices
from grantway.endpoints import leaving, logout
from grantway.extension import Runtime
from grantway.protocol import logout as rules
from grantway.storage.sql.store import SqlStore
from grantway.testing.in_process import InProcessServer

from .test_logout import BYE
from .test_logout_backchannel import SETTINGS, Listener

TOKEN = "flow/test_logout_backchannel.py::test_the_logout_token_says_who_left_and_is_for_one_application_alone"
PAIRWISE = "flow/test_logout_backchannel.py::test_a_pairwise_client_hears_the_name_it_knows"
AGAIN = "flow/test_logout_backchannel.py::test_an_application_that_fails_is_told_again_and_only_that_one"
FINAL = "flow/test_logout_backchannel.py::test_a_refusal_is_final"
ONE = "flow/test_logout_backchannel.py::test_of_many_workers_one_takes_a_notice"
LEFT = "flow/test_logout_backchannel.py::test_what_a_worker_began_and_did_not_finish_another_takes_up"
ASKED = "flow/test_logout.py::test_without_a_hint_the_person_is_asked"
OTHERS = "flow/test_logout.py::test_the_hint_of_another_session_or_person_is_asked_about"
POLICY = "flow/test_logout_frontchannel.py::test_the_policy_allows_those_origins_and_nothing_else_more"
FRAMED = "flow/test_logout_frontchannel.py::test_every_application_of_the_session_is_framed_with_issuer_and_session"
OWN = "flow/test_logout_frontchannel.py::test_nor_does_it_stay_when_the_redirect_uris_move_away"

TURNS = "flow/test_logout_turns.py"
SLOW = f"{TURNS}::test_the_sessions_of_a_slow_application_hold_up_nobody_else"
MANY = f"{TURNS}::test_a_session_of_many_slow_applications_leaves_room_for_others"
UNBEGUN = f"{TURNS}::test_waiting_for_a_turn_uses_up_no_attempt"
LATE = f"{TURNS}::test_what_could_not_be_delivered_in_time_is_told_before_it_is_deleted"
GONE = "flow/test_logout.py::test_a_hint_whose_key_is_gone_is_as_good_as_none"


@pytest.fixture
def start():
    with start_all() as starting:
        yield starting


@pytest.fixture(scope="module")
def server():
    running = InProcessServer(SETTINGS)
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def arguments(server, username, verify):
    """Of each named test; whatever it starts is closed."""
    listeners = []

    def listen(*statuses):
        listeners.append(Listener(*statuses))
        return listeners[-1]

    person = server.run(server.runtime.store.load_subject_by_username("default", username))
    web = server.register_client(post_logout_redirect_uris=[BYE])
    told = (server, person, listen)
    yield {
        TOKEN: (*told, verify, "ES256"), PAIRWISE: (*told, verify), AGAIN: told, FINAL: told, ONE: told, LEFT: told,
        ASKED: (server, web), OTHERS: (server, web, username), POLICY: (server,), FRAMED: (server, verify),
        OWN: (server,),
    }  # fmt: skip
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    "name", [TOKEN, PAIRWISE, AGAIN, FINAL, ONE, LEFT, ASKED, OTHERS, POLICY, FRAMED, OWN],
)  # fmt: skip
def test_unmutated_they_pass(arguments, name):
    assert not is_caught(name, *arguments[name])


@pytest.mark.threat("T131")
@pytest.mark.parametrize("claims", [{"nonce": "n"}, {"aud": "another"}, {"exp": 2**40}, {"sid": "another"}])
def test_a_wrong_claim_in_a_logout_token_is_caught(monkeypatch, arguments, claims):
    real = rules.build_logout_claims
    monkeypatch.setattr(notices, "build_logout_claims", lambda **known: real(**known) | claims)
    assert is_caught(TOKEN, *arguments[TOKEN])


@pytest.mark.threat("T131")
def test_a_logout_token_of_the_type_of_an_id_token_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(notices, "TOKEN_TYPE", "JWT")
    assert is_caught(TOKEN, *arguments[TOKEN])


@pytest.mark.threat("T131")
def test_telling_a_pairwise_client_who_it_is_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(Runtime, "identify", lambda self, client, subject: subject)
    assert is_caught(PAIRWISE, *arguments[PAIRWISE])


@pytest.mark.threat("T131")
@pytest.mark.parametrize(("verdict", "name"), [("told", AGAIN), ("refused", AGAIN), ("again", FINAL)])
def test_misreading_an_answer_is_caught(monkeypatch, arguments, verdict, name):
    real = rules.judge_answer
    monkeypatch.setattr(notices, "judge_answer", lambda status: verdict if real(status) != "told" else real(status))
    assert is_caught(name, *arguments[name])


@pytest.mark.threat("T131")
def test_losing_what_was_not_delivered_is_caught(monkeypatch, arguments):
    real = SqlStore.update_task

    async def update_task(self, task):
        if task.attempts and task.due_at - self._clock.now() > 7000:  # put off, not taken
            return await self.delete_task(task.tenant, task.task_id)
        return await real(self, task)

    monkeypatch.setattr(SqlStore, "update_task", update_task)
    assert is_caught(AGAIN, *arguments[AGAIN])


@pytest.mark.threat("T131")
def test_taking_a_notice_without_looking_who_has_it_is_caught(monkeypatch, arguments):
    real = SqlStore.update_task

    async def update_task(self, task):
        await real(self, task)
        return True

    monkeypatch.setattr(SqlStore, "update_task", update_task)
    assert is_caught(ONE, *arguments[ONE])


@pytest.mark.threat("T131")
def test_a_lease_that_nobody_heeds_is_caught(monkeypatch, arguments):
    real = SqlStore.list_due_tasks

    async def list_due_tasks(self, kind, *, now, limit=100):
        return await real(self, kind, now=now + 3_600_000, limit=limit)

    monkeypatch.setattr(SqlStore, "list_due_tasks", list_due_tasks)
    assert is_caught(LEFT, *arguments[LEFT])


@pytest.mark.threat("T105")
@pytest.mark.parametrize("name", [ASKED, OTHERS])
def test_logging_out_without_asking_is_caught(monkeypatch, arguments, name):
    async def is_proved(call, request, session):
        return True

    monkeypatch.setattr(logout, "_is_proved", is_proved)
    assert is_caught(name, *arguments[name])


@pytest.mark.threat("T96")
@pytest.mark.parametrize("sources", [("https:",), ("https://shop.example",), ()])
def test_a_policy_for_other_origins_is_caught(monkeypatch, arguments, sources):
    monkeypatch.setattr(leaving, "choose_frames", lambda frames: (tuple(frames), sources))
    assert is_caught(POLICY, *arguments[POLICY])


@pytest.mark.threat("T105")
def test_leaving_out_the_session_is_caught(monkeypatch, arguments):
    real = rules.build_frame
    monkeypatch.setattr(leaving, "build_frame", lambda client, **known: real(client, **known | {"session_id": ""}))
    assert is_caught(FRAMED, *arguments[FRAMED])


@pytest.mark.threat("T96")
def test_framing_any_origin_is_caught(monkeypatch, server):
    monkeypatch.setattr(logout, "check_logout_metadata", lambda client: None)
    assert is_caught(OWN, server)


@pytest.mark.threat("T131")
@pytest.mark.parametrize(("constant", "name"), [("_SHARE_OF_CLIENT", SLOW), ("_SHARE_OF_TASK", MANY)])
def test_letting_the_slow_have_all_sends_is_caught(monkeypatch, start, constant, name):
    assert not is_caught(name, start)
    monkeypatch.setattr(notices, constant, 1)
    assert is_caught(name, start)


@pytest.mark.threat("T131")
def test_counting_what_was_not_begun_is_caught(monkeypatch, start):
    assert not is_caught(UNBEGUN, start)
    real = notices.Notices._conclude

    async def conclude(self, task, tried):
        clients = [client["client_id"] for client in task.document["clients"]]
        await real(self, task, dict.fromkeys(clients, "there was no time") | tried)

    monkeypatch.setattr(notices.Notices, "_conclude", conclude)
    assert is_caught(UNBEGUN, start)


@pytest.mark.threat("T131")
def test_giving_up_without_a_word_is_caught(monkeypatch, start):
    assert not is_caught(LATE, start)

    async def give_up(self, task):
        await self._runtime.store.delete_task(task.tenant, task.task_id)

    monkeypatch.setattr(notices.Notices, "_give_up", give_up)
    assert is_caught(LATE, start)


@pytest.mark.threat("T105")
def test_refusing_a_hint_whose_key_is_gone_is_caught(monkeypatch):
    def run():
        running = InProcessServer()
        running.register_user()
        try:
            return is_caught(GONE, running)
        finally:
            running.stop()

    assert not run()
    monkeypatch.setattr(logout, "UnknownHintKey", LookupError)
    assert run()
