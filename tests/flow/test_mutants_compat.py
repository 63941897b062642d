"""Proof that the tests of what other servers have can fail: each mutant breaks one defence, and the test named catches
it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.compat import COMPAT
from tests.mutants import is_caught

from grantway import keys
from grantway.accounts import find_named_subject
from grantway.endpoints import dereference, signing, tokeninfo
from grantway.extension import Extension
from grantway.features import introspection_jwt
from grantway.gate import find_access
from grantway.grants import bootstrap_token, client_authenticated_user, form_claims
from grantway.server import AuthorizationServer
from grantway.storage.sql.store import SqlStore
from grantway.testing.in_process import InProcessServer
from grantway.throttle import Throttle
from grantway.tokens import Additions, Tokens

GRANTS, TOKENS = "flow/test_compat_grants.py::test_", "flow/test_compat_tokens.py::test_"
SIGNING, FORMATS = "flow/test_compat_signing.py::test_", "flow/test_compat_formats.py::test_"
UNTRUSTED = GRANTS + "a_client_that_is_not_trusted_with_users_names_nobody"
IMPOSTOR = GRANTS + "nobody_becomes_another_by_choosing_their_identifier_as_a_username"
CLAIMS = GRANTS + "no_field_takes_the_place_of_what_the_server_says_or_reads"
BOUNDED = GRANTS + "claims_are_bounded_in_number_size_and_name"
SAID = GRANTS + "what_an_administrator_says_of_a_client_s_tokens_it_cannot_say_otherwise"
NOBODY = GRANTS + "a_token_of_nobody_says_nothing_about_a_person"
LISTED = GRANTS + "each_is_an_authorization_that_is_listed_and_revoked_and_stands_in_the_audit"
UNBOUNDED = GRANTS + "no_client_has_bootstrap_tokens_without_a_bound_and_none_beyond_the_ceiling"
OFF = GRANTS + "neither_is_there_unless_it_is_switched_on"
QUERY = TOKENS + "a_token_in_the_query_is_refused_unless_that_is_switched_on"
COUNTED = TOKENS + "wrong_tokens_are_counted_by_address_and_good_ones_are_not"
BOUND = TOKENS + "a_bound_token_needs_its_certificate"
NAMED = TOKENS + "nobody_else_learns_whether_a_token_is_good"
LIFETIME = TOKENS + "the_jwt_lives_no_longer_than_the_token"
TIES = TOKENS + "what_ends_the_token_ends_the_jwt"
KEY_BOUND = TOKENS + "the_jwt_of_a_bound_token_is_bound_to_the_same_certificate"
MAY = SIGNING + "only_a_client_that_may_and_that_proves_itself_has_something_signed"
TYP = SIGNING + "a_client_gets_its_data_signed_for_as_long_as_it_says"
RESERVED = SIGNING + "a_payload_does_not_say_what_makes_it_something_else"
REVOKED_KEY = SIGNING + "any_other_kid_is_not_found_a_revoked_one_too"
SAME_BYTES = FORMATS + "the_same_bytes_again_are_answered_in_the_same_form_with_another_token"
SIGNED = FORMATS + "the_answer_is_a_jwt_for_who_asked_and_says_what_the_json_says"
ONCE = "flow/test_refresh.py::test_where_rotation_gives_no_other_a_refresh_token_is_good_once"


@pytest.fixture(scope="module")
def server():
    proxy = {"serve.trusted_proxies": ["192.0.2.0/24"], "serve.client_certificate_header": "client-cert"}
    running = InProcessServer({**COMPAT, **proxy, "tokens.max_token_ttl": 365 * 86400})
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def strict():
    """As ``server``, without what is insecure; and its own, as a key of it is revoked."""
    running = InProcessServer({**COMPAT, "compat.insecure_tokeninfo_query": False})
    running.register_user()
    yield running
    running.stop()


@pytest.fixture
def arguments(server, strict, client, verify, machine, username):
    """Of each named test."""
    portal = server.register_client(grant_types=["client_authenticated_user"], names_users_by="username")
    lifespan = {bootstrap_token.LIFESPAN: "720h"}
    pipeline = server.register_client(grant_types=["bootstrap_token"], scope="read write", **lifespan)
    gateway = server.register_client(grant_types=["client_credentials"])
    shop = server.register_client(audience=["https://api.example"], dereference_client=gateway.client_id)
    signer = server.register_client(grant_types=["client_credentials"], may_sign_payloads=True)
    return {
        UNTRUSTED: (server, client), IMPOSTOR: (server,),
        CLAIMS: (server, portal, pipeline, "client_authenticated_user"),
        BOUNDED: (server, portal, pipeline, {"long": "x" * 4096}), NOBODY: (server, pipeline),
        SAID: (server,), LISTED: (server, pipeline), UNBOUNDED: (server, client), OFF: (server,),
        QUERY: (strict, strict.register_client()), COUNTED: (), BOUND: (server,), NAMED: (server, shop, gateway),
        LIFETIME: (server, shop, gateway), TIES: (server, shop, gateway, username, "the token is revoked"),
        KEY_BOUND: (server, gateway, verify), MAY: (server, signer, client), TYP: (server, signer, verify),
        RESERVED: (server, signer, "sub"), REVOKED_KEY: (strict,), SAME_BYTES: (server, machine),
        SIGNED: (server, client, verify), ONCE: (server, client),
    }  # fmt: skip


NAMES = (
    UNTRUSTED, CLAIMS, BOUNDED, SAID, NOBODY, LISTED, UNBOUNDED, OFF, QUERY, COUNTED, BOUND, NAMED, LIFETIME, TIES,
    KEY_BOUND, MAY, TYP, RESERVED, REVOKED_KEY, SAME_BYTES, SIGNED, ONCE,
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_unmutated_they_pass(arguments, name):
    assert not is_caught(name, *arguments[name])


# -- the grants -------------------------------------------------------------------------------------------------------
def test_trusting_every_client_with_users_is_caught(monkeypatch, arguments):
    real = client_authenticated_user.ClientAuthenticatedUser.resolve

    async def resolve(self, call, client, parameters):
        trusted = replace(client, extra={"names_users_by": "username", **client.extra})
        return await real(self, call, trusted, parameters)

    monkeypatch.setattr(client_authenticated_user.ClientAuthenticatedUser, "resolve", resolve)
    assert is_caught(UNTRUSTED, *arguments[UNTRUSTED])


def test_finding_people_by_the_one_name_or_the_other_is_caught(monkeypatch, arguments):
    async def find(runtime, tenant, name, *, by):
        if await runtime.grid.subject(tenant, name) is not None:
            return name
        return await find_named_subject(runtime, tenant, name, by="username")

    monkeypatch.setattr(client_authenticated_user, "find_named_subject", find)
    assert is_caught(IMPOSTOR, *arguments[IMPOSTOR])


@pytest.mark.parametrize(
    ("name", "value"), [("RESERVED", frozenset()), ("_list_parameters", lambda *extensions: set())]
)
def test_letting_any_field_be_a_claim_is_caught(monkeypatch, arguments, name, value):
    monkeypatch.setattr(form_claims, name, value)
    assert is_caught(CLAIMS, *arguments[CLAIMS])


def test_claims_without_bounds_are_caught(monkeypatch, arguments):
    monkeypatch.setattr(form_claims, "MAX_CLAIMS_SIZE", 10**9)
    assert is_caught(BOUNDED, *arguments[BOUNDED])


def test_claims_in_the_place_of_an_administrator_s_are_caught(monkeypatch, arguments):
    real = bootstrap_token.collect_claims

    def collect(call, grant, client, parameters, **options):
        return real(call, grant, replace(client, extra={}), parameters, **options)

    monkeypatch.setattr(bootstrap_token, "collect_claims", collect)
    assert is_caught(SAID, *arguments[SAID])


def test_claims_about_people_in_a_token_of_nobody_are_caught(monkeypatch, arguments):
    monkeypatch.setattr(bootstrap_token, "ABOUT_PEOPLE", frozenset())
    assert is_caught(NOBODY, *arguments[NOBODY])


def test_a_bootstrap_token_that_is_not_written_down_is_caught(monkeypatch, arguments):
    async def store(call, decision):
        return decision

    monkeypatch.setattr(bootstrap_token, "store_authorization", store)
    assert is_caught(LISTED, *arguments[LISTED])


def test_a_bootstrap_token_that_is_not_audited_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(bootstrap_token.BootstrapToken, "spend", lambda self, call, decision: _store(call, decision))
    assert is_caught(LISTED, *arguments[LISTED])


async def _store(call, decision):
    return await bootstrap_token.store_authorization(call, decision)


def test_bootstrap_tokens_without_a_bound_are_caught(monkeypatch, arguments):
    monkeypatch.setattr(bootstrap_token, "find_lifespans", lambda client, grant_type: {"access": 3600})
    assert is_caught(UNBOUNDED, *arguments[UNBOUNDED])


@pytest.mark.parametrize("grant", [client_authenticated_user.ClientAuthenticatedUser, bootstrap_token.BootstrapToken])
def test_a_grant_that_is_there_uncalled_for_is_caught(monkeypatch, arguments, grant):
    monkeypatch.setattr(grant, "is_enabled", Extension.is_enabled)
    assert is_caught(OFF, *arguments[OFF])


# -- the endpoints ----------------------------------------------------------------------------------------------------
def test_taking_tokens_from_the_query_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(tokeninfo, "_read_token", lambda call: call.request.query.partition(b"=")[2].decode())
    assert is_caught(QUERY, *arguments[QUERY])


def test_not_counting_wrong_tokens_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(Throttle, "count_wrong_token", lambda self, tenant, address: None)
    assert is_caught(COUNTED, *arguments[COUNTED])


def test_not_asking_for_the_key_of_a_bound_token_is_caught(monkeypatch, arguments):
    async def find(call, token):
        return await find_access(call.runtime, call.tenant.tenant, token)

    monkeypatch.setattr(tokeninfo, "find_presented_access", find)
    assert is_caught(BOUND, *arguments[BOUND])


def test_dereferencing_for_anybody_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(dereference, "_is_named", lambda owner, caller: True)
    assert is_caught(NAMED, *arguments[NAMED])


def test_a_jwt_that_outlives_its_token_is_caught(monkeypatch, arguments):
    real = Tokens.issue_access

    async def issue(self, *arguments, **options):
        return await real(self, *arguments, **{**options, "not_after": None})

    monkeypatch.setattr(Tokens, "issue_access", issue)
    assert is_caught(LIFETIME, *arguments[LIFETIME])


@pytest.mark.parametrize(("lost", "name"), [("ancestors", TIES), ("confirmation", KEY_BOUND)])
def test_a_jwt_that_forgets_where_it_comes_from_is_caught(monkeypatch, arguments, lost, name):
    def forget(**known):
        return Additions(**{member: value for member, value in known.items() if member != lost})

    monkeypatch.setattr(dereference, "Additions", forget)
    assert is_caught(name, *arguments[name])


def test_signing_for_any_client_is_caught(monkeypatch, arguments):
    real = signing.authenticate_client

    async def authenticate(call, parameters):
        client = await real(call, parameters)
        return replace(client, extra={**client.extra, "may_sign_payloads": True})

    monkeypatch.setattr(signing, "authenticate_client", authenticate)
    assert is_caught(MAY, *arguments[MAY])


@pytest.mark.parametrize(("name", "value", "test"), [("TYP", "JWT", TYP), ("RESERVED", frozenset(), RESERVED)])
def test_signing_what_can_be_taken_for_a_token_is_caught(monkeypatch, arguments, name, value, test):
    monkeypatch.setattr(signing, name, value)
    assert is_caught(test, *arguments[test])


def test_handing_out_a_revoked_key_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(keys, "_is_published", lambda key, now: True)
    assert is_caught(REVOKED_KEY, *arguments[REVOKED_KEY])


# -- forms of answers, and the policy for refresh tokens --------------------------------------------------------------
def test_answering_again_in_the_usual_form_is_caught(monkeypatch, arguments):
    async def shape(self, endpoint, call, response):
        for feature in self.runtime.extensions.rendering:
            response = await feature.shape_response(call, endpoint, response)
        return response

    monkeypatch.setattr(AuthorizationServer, "_shape", shape)
    assert is_caught(SAME_BYTES, *arguments[SAME_BYTES])


def test_an_introspection_answer_that_could_be_an_id_token_is_caught(monkeypatch, arguments):
    monkeypatch.setattr(introspection_jwt, "TYP", "JWT")
    assert is_caught(SIGNED, *arguments[SIGNED])


def test_keeping_a_refresh_token_that_was_to_be_spent_is_caught(monkeypatch, arguments):
    real = SqlStore.rotate_refresh

    async def rotate(self, *arguments, rotation, **options):
        return await real(self, *arguments, rotation="off" if rotation == "none" else rotation, **options)

    monkeypatch.setattr(SqlStore, "rotate_refresh", rotate)
    assert is_caught(ONCE, *arguments[ONCE])
