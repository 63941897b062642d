"""Proof that the tests can fail: each mutant breaks one defence and must be caught by the test that is named."""

from __future__ import annotations

import sys

import pytest
from msgspec.structs import replace
from tests.mutants import is_caught

from grantway.grants.authorization_code import AuthorizationCode
from grantway.protocol import redirect_uri
from grantway.storage.grid import NearCaches
from grantway.storage.sql.store import SqlStore
from grantway.testing.in_process import InProcessServer
from grantway.throttle import Throttle
from grantway.tokens import digest_code

ROW_COUNT = "flow/test_code.py::test_of_parallel_redemptions_one_wins"
BINDING = "flow/test_code.py::test_a_code_is_redeemed_by_its_own_client_alone"
REPLAY = "flow/test_code.py::test_a_replay_by_another_client_harms_nobody"
REVOCATION = "flow/test_revocation.py::test_a_revoked_access_token_is_gone"
FORM = "flow/test_csrf.py::test_a_form_needs_the_token_of_its_own_browser"
AGAIN_DISABLED = "flow/test_again.py::test_a_disabled_client_is_refused_at_once"
AGAIN_REVOKED = "flow/test_again.py::test_a_revoked_token_is_inactive_at_once"
AGAIN_STALE = "flow/test_again.py::test_where_memory_is_too_old_to_trust_nobody_is_answered_from_it"
AGAIN_LIMIT = "flow/test_again.py::test_a_limit_counts_what_is_answered_again"
AGAIN_SECRET = "flow/test_again.py::test_a_secret_is_refused_from_its_end_on"
REDIRECT = "flow/test_redirects.py::test_an_unregistered_redirect_uri_is_never_redirected_to"


@pytest.fixture(scope="module")
def open_server():
    """A server where every form there is can be sent."""
    running = InProcessServer({"interaction.registration": True})
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def browser(open_server):
    browser = open_server.browser()
    browser.log_in()
    return browser


@pytest.fixture
def arguments(server, client, open_server, browser):
    return {
        ROW_COUNT: (server, client),
        BINDING: (server, client),
        REPLAY: (server, client),
        REVOCATION: (server, "opaque", "client_secret_basic"),
        FORM: (open_server, browser),
        REDIRECT: (server, client),
        AGAIN_DISABLED: (server,),
        AGAIN_REVOKED: (server, "opaque"),
    }


@pytest.mark.parametrize(
    "name", [ROW_COUNT, BINDING, REPLAY, REVOCATION, FORM, REDIRECT, AGAIN_DISABLED, AGAIN_REVOKED]
)
def test_unmutated_they_pass(arguments, name):
    assert not is_caught(name, *arguments[name])


@pytest.mark.threat("T21")
def test_dropping_the_row_count_check_is_caught(monkeypatch, arguments):
    real = SqlStore.redeem_code

    async def redeem_code(self, tenant, authorization_id, now):
        await real(self, tenant, authorization_id, now)
        return True

    monkeypatch.setattr(SqlStore, "redeem_code", redeem_code)
    assert is_caught(ROW_COUNT, *arguments[ROW_COUNT])


@pytest.mark.threat("T22")
@pytest.mark.threat("T23")
@pytest.mark.parametrize("name", [BINDING, REPLAY])
def test_dropping_the_client_check_is_caught(monkeypatch, arguments, name):
    real = AuthorizationCode.resolve

    async def resolve(self, call, client, parameters):
        digest = digest_code(parameters.get("code") or "")
        authorization = await call.runtime.store.load_authorization_by_code(call.tenant.tenant, digest)
        owner = replace(client, client_id=authorization.client_id) if authorization else client
        return replace(await real(self, call, owner, parameters), client=client)

    monkeypatch.setattr(AuthorizationCode, "resolve", resolve)
    assert is_caught(name, *arguments[name])


@pytest.mark.threat("T130")
def test_skipping_the_revocation_look_up_is_caught(monkeypatch, arguments):
    async def is_revoked(self, tenant, keys, issued_at, granted=None):
        return False

    monkeypatch.setattr(NearCaches, "is_revoked", is_revoked)
    assert is_caught(REVOCATION, *arguments[REVOCATION])


@pytest.mark.threat("T90")
def test_skipping_the_form_check_is_caught(monkeypatch, arguments):
    from grantway.browser import find_browser

    def check_form(call, form):
        return find_browser(call)

    users = [module for name, module in sys.modules.items() if name.startswith("grantway.endpoints.")]
    patched = [module for module in users if hasattr(module, "check_form")]
    assert len(patched) >= 5
    for module in patched:
        monkeypatch.setattr(module, "check_form", check_form)
    assert is_caught(FORM, *arguments[FORM])


@pytest.mark.threat("T1")
@pytest.mark.threat("T6")
def test_accepting_any_redirect_uri_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(redirect_uri, "is_registered", lambda requested, registered: True)
    assert is_caught(REDIRECT, *arguments[REDIRECT])


@pytest.mark.threat("T130")
def test_answering_again_whoever_was_changed_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(NearCaches, "holds", lambda self, tenant, *clients: True)
    assert is_caught(AGAIN_DISABLED, *arguments[AGAIN_DISABLED])


@pytest.mark.threat("T130")
def test_answering_again_whatever_was_revoked_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(NearCaches, "is_known_revoked", lambda *arguments: False)
    assert is_caught(AGAIN_REVOKED, *arguments[AGAIN_REVOKED])


@pytest.mark.threat("T130")
def test_answering_again_however_old_memory_is_is_caught(monkeypatch, fresh_server):
    monkeypatch.setattr(NearCaches, "_is_fresh", lambda self: True)
    monkeypatch.setattr(NearCaches, "holds", lambda self, tenant, *clients: True)
    assert is_caught(AGAIN_STALE, fresh_server, monkeypatch, "token")


def test_answering_again_beyond_the_end_of_a_secret_is_caught(monkeypatch, fresh_server):
    from grantway.endpoints import token

    monkeypatch.setattr(token, "find_end_of_proof", lambda client, now: 2**63)
    assert is_caught(AGAIN_SECRET, fresh_server)


@pytest.mark.threat("T101")
def test_answering_again_without_counting_is_caught(monkeypatch):
    monkeypatch.setattr(Throttle, "limit_again", lambda *arguments: True)
    assert is_caught(AGAIN_LIMIT, "client")
    assert is_caught(AGAIN_LIMIT, "address")
