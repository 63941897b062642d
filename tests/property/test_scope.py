"""Scope only ever narrows, from the request to the code, in every state an interaction can be in."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grantway.errors import InvalidScope, OAuthError
from grantway.model import AuthorizationRequest, ClaimRequest, ClaimsRequest, Client, Consent, Session
from grantway.protocol.interaction import (
    AskConsent,
    Deny,
    InteractionState,
    Issue,
    Login,
    SelectAccount,
    find_exempt_scope,
    is_client_assured,
    next_step,
)
from grantway.protocol.scope import (
    BY_NAME,
    ScopePolicy,
    format_scope,
    intersect_scope,
    is_reserved,
    narrow_scope,
    parse_scope,
)

NOW = 1_700_000_000_000
values = st.sampled_from(["openid", "email", "profile", "read", "write", "offline_access"])
scopes = st.lists(values, unique=True, max_size=6).map(tuple)
audiences = st.lists(st.sampled_from(["x", "y"]), unique=True, max_size=2).map(tuple)
prompts = st.one_of(
    st.just(("none",)),
    st.lists(st.sampled_from(["login", "consent", "select_account"]), unique=True, max_size=3).map(tuple),
)
names = st.sampled_from(["ada", "eve"])
claim_requests = st.dictionaries(st.sampled_from(["name", "email", "address", "other"]), st.none(), max_size=3)


@st.composite
def claims_requests(draw: st.DrawFn) -> ClaimsRequest:
    id_token: dict[str, ClaimRequest | None] = dict(draw(claim_requests))
    if draw(st.booleans()):
        id_token["acr"] = ClaimRequest(essential=draw(st.booleans()), value=draw(st.sampled_from(["1", "2", None])))
    return ClaimsRequest(userinfo=draw(claim_requests), id_token=id_token)


requests = st.builds(
    AuthorizationRequest,
    client_id=st.just("A"),
    redirect_uri=st.sampled_from(["https://a.example/cb", "com.example.app:/cb"]),
    scope=scopes,
    audience=audiences,
    prompt=prompts,
    max_age=st.sampled_from([None, 0, 50, 500]),
    hinted_subject=st.none() | names,
    claims=st.none() | claims_requests(),
)
clients = st.builds(
    Client,
    tenant=st.just("default"),
    client_id=st.just("A"),
    application_type=st.sampled_from(["web", "native"]),
    token_endpoint_auth_method=st.sampled_from(["none", "client_secret_basic"]),
    default_max_age=st.sampled_from([None, 0, 50, 500]),
    skip_consent=st.booleans(),
    extra=st.one_of(
        st.just({}), scopes.map(lambda scope: {"consent_exempt_scope": list(scope), "scope_strategy": "hierarchic"})
    ),
)
sessions = st.builds(
    Session,
    tenant=st.just("default"),
    session_id=st.just("sid"),
    digest=st.just(b""),
    subject=names,
    auth_time=st.sampled_from([NOW // 1000, NOW // 1000 - 100]),
    acr=st.sampled_from([None, "1"]),
    amr=st.just(()),
    remembered=st.booleans(),
    user_agent=st.just(""),
    address=st.just(""),
    created_at=st.just(NOW),
    last_seen_at=st.just(NOW),
    expires_at=st.sampled_from([NOW - 1, NOW, NOW + 1]),
    ended_at=st.sampled_from([None, None, NOW]),
)
consents = st.builds(
    Consent,
    tenant=st.just("default"),
    subject=names,
    client_id=st.sampled_from(["A", "B"]),
    scope=scopes,
    audience=audiences,
    client_fingerprint=st.just("f"),
    created_at=st.just(0),
    updated_at=st.just(0),
)
states = st.builds(
    InteractionState,
    request=requests,
    client=clients,
    now=st.just(NOW),
    session=st.none() | sessions,
    consent=st.none() | consents,
    authenticated_at=st.sampled_from([None, NOW]),
    account_selected=st.booleans(),
    granted_scope=st.none() | scopes,
    denied=st.booleans(),
)


@pytest.mark.spec("RFC 6749 §6")
@pytest.mark.threat("T32")
@settings(max_examples=300, deadline=None)
@given(requested=scopes, allowed=scopes)
def test_narrowing_only_narrows(requested: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    with contextlib.suppress(InvalidScope):
        narrowed = narrow_scope(requested, allowed)
        assert set(narrowed) <= set(allowed)
        assert narrowed == (requested or allowed)
        return
    assert not set(requested) <= set(allowed)


@settings(max_examples=200, deadline=None)
@given(first=scopes, second=scopes)
def test_intersecting_only_narrows(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    both = intersect_scope(first, second)
    assert set(both) == set(first) & set(second)
    assert list(both) == [value for value in first if value in both]


@pytest.mark.spec("RFC 6749 §3.3")
@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=40) | st.text('ab "\\\n', max_size=20))
def test_every_scope_is_read_or_refused_and_reads_the_same_again(text: str) -> None:
    with contextlib.suppress(InvalidScope):
        scope = parse_scope(text)
        assert len(set(scope)) == len(scope)
        assert parse_scope(format_scope(scope)) == scope
        assert set(scope) == set(text.split(" ")) - {""}


@pytest.mark.threat("T107")
@settings(max_examples=1500, deadline=None)
@given(state=states)
def test_every_state_has_a_next_step_and_none_issues_too_early(state: InteractionState) -> None:
    request, session = state.request, state.session
    refused: OAuthError | None = None
    try:
        step = next_step(state)
    except OAuthError as error:
        refused = error
    if refused is not None:
        assert "none" in request.prompt or state.authenticated_at is not None
        assert refused.code in {
            "login_required", "consent_required", "interaction_required", "account_selection_required",
            "unmet_authentication_requirements",
        }  # fmt: skip
        return
    assert isinstance(step, Login | SelectAccount | AskConsent | Deny | Issue)
    assert "none" not in request.prompt or isinstance(step, Issue | Deny)
    assert isinstance(step, Deny) or not state.denied
    if not isinstance(step, Issue):
        return
    # Who: a live session, of the subject asked for, as fresh and as strong as asked for.
    assert session is not None
    assert session.ended_at is None
    assert session.expires_at > NOW
    assert request.hinted_subject in (None, session.subject)
    if state.authenticated_at is None:
        assert "login" not in request.prompt
        assert "select_account" not in request.prompt or state.account_selected
        max_age = request.max_age if request.max_age is not None else state.client.default_max_age
        assert max_age is None or (max_age > 0 and NOW // 1000 - session.auth_time <= max_age)
    acr = request.claims.id_token.get("acr") if request.claims else None
    if acr is not None and acr.essential:
        assert session.acr is not None
        assert acr.value in (None, session.acr)
    # What: no more than was asked for, and approved here, or before, or by the operator.
    assert set(step.scope) <= set(request.scope)
    if state.granted_scope is not None:
        assert set(step.scope) <= set(state.granted_scope)
        return
    assert "consent" not in request.prompt
    if state.client.skip_consent:
        return
    exempt = find_exempt_scope(state.client)
    assert "offline_access" not in exempt
    consent = state.consent
    if consent is None or (consent.subject, consent.client_id) != (session.subject, "A"):
        assert step.scope
        assert set(step.scope) <= exempt
        assert not request.audience
    else:
        assert set(step.scope) <= exempt.union(consent.scope)
        assert set(request.audience) <= set(consent.audience)
    assert is_client_assured(state.client, request.redirect_uri)


# -- what a registered scope stands for -------------------------------------------------------------------------------

segments = st.sampled_from(["a", "b", "*", "", "openid", "grantway"])
dotted = st.lists(segments, min_size=1, max_size=5).map(".".join)
registrations = st.lists(dotted, max_size=4).map(tuple)
policies = st.sampled_from([BY_NAME, ScopePolicy("hierarchic"), ScopePolicy("wildcard")])


@pytest.mark.threat("T32")
@settings(max_examples=500, deadline=None)
@given(value=dotted, allowed=registrations)
def test_each_strategy_allows_what_names_do_and_no_more_than_its_segments_say(
    value: str, allowed: tuple[str, ...]
) -> None:
    hierarchic, wildcard = ScopePolicy("hierarchic"), ScopePolicy("wildcard")
    if BY_NAME.covers(allowed, value):
        assert hierarchic.covers(allowed, value)
        assert wildcard.covers(allowed, value)
        return
    found = value.split(".")
    if hierarchic.covers(allowed, value):
        assert any(value.startswith(name + ".") for name in allowed)
    if wildcard.covers(allowed, value):
        pattern = next(each.split(".") for each in allowed if wildcard.covers([each], value))
        assert "*" in pattern
        assert len(pattern) == len(found) or (len(pattern) < len(found) and pattern[-1] == "*")
        assert all(wanted in ("*", part) for wanted, part in zip(pattern, found, strict=False))
    if hierarchic.covers(allowed, value) or wildcard.covers(allowed, value):
        assert all(found)
        assert not is_reserved(value)


@pytest.mark.threat("T32")
@settings(max_examples=500, deadline=None)
@given(policy=policies, most=registrations, middle=registrations, value=dotted)
def test_what_is_selected_from_a_registration_never_allows_more_than_the_registration(
    policy: ScopePolicy, most: tuple[str, ...], middle: tuple[str, ...], value: str
) -> None:
    if policy.covers(policy.select(middle, most), value):
        assert policy.covers(most, value)


@pytest.mark.spec("RFC 6749 §3.3")
@settings(max_examples=300, deadline=None)
@given(strategy=st.sampled_from(["exact", "hierarchic", "wildcard"]), requested=registrations, allowed=registrations)
def test_any_grants_exactly_what_all_would_grant_one_by_one(
    strategy: str, requested: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    policy = ScopePolicy(strategy, "any")  # type: ignore[arg-type]
    requested = tuple(dict.fromkeys(requested))
    each = tuple(value for value in requested if policy.is_allowed(value, allowed))
    if not requested:
        return
    try:
        assert narrow_scope(requested, allowed, policy) == each
    except InvalidScope:
        assert not each


@pytest.mark.threat("T145")
def test_comparing_the_largest_scopes_takes_no_time() -> None:
    """A hundred patterns of many segments against a hundred values: linear in what was sent, whatever the stars."""
    patterns = tuple(".".join(["*"] * 9 + [f"x{i}"]) for i in range(100))
    values = tuple(".".join(["a"] * 9 + [f"y{i}"]) for i in range(100))
    began = time.perf_counter()
    assert ScopePolicy("wildcard").select(values, patterns) == ()
    assert ScopePolicy("wildcard").select((".".join("a" * 1000),), (".".join("*" * 1000) + ".b",)) == ()
    assert time.perf_counter() - began < 1
