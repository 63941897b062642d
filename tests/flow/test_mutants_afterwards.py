"""Proof that the tests of what is left behind can fail: assertions after a restore, tokens after a new password, what
strangers wrote in the log. Each mutant breaks one defence, and the named test catches it."""

from __future__ import annotations

import pytest
from tests.mutants import is_caught

from grantway.client_auth import client_assertion
from grantway.endpoints import account
from grantway.grants import jwt_bearer, saml2_bearer
from grantway.testing.in_process import InProcessServer
from grantway.web import telemetry

JWT = "flow/test_restored.py::test_a_jwt_from_before_gets_no_token"
SAML = "flow/test_restored.py::test_a_saml_assertion_from_before_gets_no_token"
CLIENT = "flow/test_restored.py::test_a_client_assertion_from_before_proves_nothing"
PASSWORD = "flow/test_account.py::test_what_applications_got_for_the_old_password_ends_with_it"
LOG = "flow/test_leaks.py::test_a_log_for_people_has_no_line_and_no_character_that_somebody_else_wrote"


@pytest.fixture
def server():
    running = InProcessServer()
    yield running
    running.stop()


@pytest.fixture
def arguments(server, username):
    browser = server.browser()
    browser.log_in(username)
    return {JWT: (server, False), SAML: (server,), CLIENT: (server, False), PASSWORD: (server, browser, username)}


@pytest.mark.parametrize("name", [JWT, SAML, CLIENT, PASSWORD])
def test_unmutated_they_pass(arguments, name):
    assert not is_caught(name, *arguments[name])


@pytest.mark.threat("T56")
@pytest.mark.threat("T84")
@pytest.mark.parametrize(
    ("name", "module", "function"),
    [
        (JWT, jwt_bearer, "check_claims"),
        (SAML, saml2_bearer, "check_assertion"),
        (CLIENT, client_assertion, "check_claims"),
    ],
)
def test_taking_an_assertion_from_before_a_restore_is_caught(arguments, monkeypatch, name, module, function):
    check = getattr(module, function)

    def forget(verified, **expected):
        del expected["not_before"]
        return check(verified, **expected)

    monkeypatch.setattr(module, function, forget)
    assert is_caught(name, *arguments[name])


@pytest.mark.threat("T110")
def test_leaving_what_came_from_the_old_password_is_caught(arguments, monkeypatch):
    async def leave(*_, **__):
        return None

    monkeypatch.setattr(account, "end_password_grants", leave)
    assert is_caught(PASSWORD, *arguments[PASSWORD])


@pytest.mark.threat("T98")
def test_writing_whatever_a_value_holds_is_caught(capsys, monkeypatch):
    assert not is_caught(LOG, capsys, "no space:\x1b[2J")
    monkeypatch.setattr(telemetry, "_escape", lambda logger, name, fields: fields)
    assert is_caught(LOG, capsys, "no space:\x1b[2J")
