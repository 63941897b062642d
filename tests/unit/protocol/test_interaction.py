"""What comes next for an authorization request, fact by fact."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from grantway.errors import (
    AccountSelectionRequired,
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    OAuthError,
    UnmetAuthenticationRequirements,
)
from grantway.model import AuthorizationRequest, ClaimRequest, ClaimsRequest, Client, Consent, Session
from grantway.protocol.interaction import (
    AskConsent,
    Deny,
    InteractionState,
    Issue,
    Login,
    SelectAccount,
    is_client_assured,
    next_step,
)

NOW = 1_700_000_000_000
CLIENT = Client(tenant="default", client_id="A", redirect_uris=("https://a.example/cb",), scope=("openid", "email"))
REQUEST = AuthorizationRequest(client_id="A", redirect_uri="https://a.example/cb", scope=("openid", "email"))
SESSION = Session(
    tenant="default",
    session_id="sid",
    digest=b"d",
    subject="ada",
    auth_time=NOW // 1000 - 100,
    acr="1",
    amr=("pwd",),
    remembered=False,
    user_agent="",
    address="",
    created_at=NOW - 100_000,
    last_seen_at=NOW,
    expires_at=NOW + 1,
)
CONSENT = Consent(
    tenant="default",
    subject="ada",
    client_id="A",
    scope=("openid", "email"),
    audience=("https://api.example",),
    client_fingerprint="f",
    created_at=0,
    updated_at=0,
)
ISSUE = Issue(("openid", "email"))
ASK_ALL = AskConsent(("openid", "email"), ("openid", "email"))
CONFIRM = AskConsent(("openid", "email"), ())


def step(request: dict[str, Any] | None = None, client: dict[str, Any] | None = None, **facts: Any) -> Any:
    """The step for a live session with remembered consent, but for what is given."""
    state = InteractionState(
        request=msgspec.structs.replace(REQUEST, **(request or {})),
        client=msgspec.structs.replace(CLIENT, **(client or {})),
        **{"now": NOW, "session": SESSION, "consent": CONSENT, **facts},
    )
    return next_step(state)


def refuse(error: type[OAuthError], request: dict[str, Any] | None = None, **options: Any) -> None:
    """With prompt=none the same state is answered by ``error``."""
    with pytest.raises(OAuthError) as caught:
        step({"prompt": ("none",), **(request or {})}, **options)
    assert type(caught.value) is error


def test_a_session_and_a_remembered_consent_are_enough() -> None:
    assert step() == ISSUE
    assert step({"prompt": ("none",)}) == ISSUE


def test_who_said_no_gets_no_further_question() -> None:
    assert step(denied=True, session=None, granted_scope=("openid", "email")) == Deny()


@pytest.mark.spec("RFC 8628 §5.4")
@pytest.mark.threat("T121")
@pytest.mark.parametrize("client", [{}, {"skip_consent": True}, {"token_endpoint_auth_method": "none"}])
def test_a_device_is_never_let_in_without_a_question(client: dict[str, Any]) -> None:
    device = {"device_digest": b"d", "redirect_uri": ""}
    assert step(device, client=client) == ASK_ALL
    assert step(device, client=client, authenticated_at=NOW, account_selected=True) == ASK_ALL
    assert step(device, client=client, granted_scope=("openid", "email")) == ISSUE
    assert step(device, client=client, denied=True) == Deny()


@pytest.mark.spec("OpenID Connect Core §3.1.2.3")
@pytest.mark.threat("T107")
@pytest.mark.parametrize(
    "session",
    [
        None,
        msgspec.structs.replace(SESSION, expires_at=NOW),
        msgspec.structs.replace(SESSION, ended_at=NOW - 1),
    ],
    ids=["none", "expired", "ended"],
)
def test_without_a_live_session_the_person_logs_in(session: Session | None) -> None:
    facts = {
        "session": session,
        "granted_scope": ("openid", "email"),
        "authenticated_at": NOW,
        "account_selected": True,
    }
    assert step(**facts) == Login()
    assert step(client={"skip_consent": True}, **facts) == Login()
    refuse(LoginRequired, session=session)


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
@pytest.mark.threat("T107")
def test_prompt_login_really_authenticates_again() -> None:
    assert step({"prompt": ("login",)}) == Login()
    assert step({"prompt": ("login",)}, client={"skip_consent": True}) == Login()
    assert step({"prompt": ("login",)}, granted_scope=("openid", "email"), account_selected=True) == Login()
    assert step({"prompt": ("login",)}, authenticated_at=NOW) == ISSUE


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
@pytest.mark.threat("T107")
@pytest.mark.parametrize(
    ("max_age", "default_max_age", "is_fresh"),
    [(100, None, True), (99, None, False), (0, None, False), (None, 100, True), (None, 99, False), (None, 0, False),
     (100, 0, True), (99, 1000, False), (None, None, True)],
)  # fmt: skip
def test_a_log_in_older_than_max_age_is_done_again(
    max_age: int | None, default_max_age: int | None, is_fresh: bool
) -> None:
    request, client = {"max_age": max_age}, {"default_max_age": default_max_age}
    assert step(request, client) == (ISSUE if is_fresh else Login())
    assert step(request, client, authenticated_at=NOW) == ISSUE
    if not is_fresh:
        refuse(LoginRequired, request, client=client)


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
@pytest.mark.threat("T106")
def test_a_hint_of_somebody_else_asks_for_that_somebody() -> None:
    for request, facts in (({"hinted_subject": "eve"}, {}), ({}, {"hinted_subject": "eve"})):
        assert step(request, **facts) == Login()
        refuse(LoginRequired, request, **facts)
        with pytest.raises(LoginRequired, match="Somebody else"):  # logged in just now, and still not eve
            step(request, authenticated_at=NOW, **facts)
    assert step({"hinted_subject": "ada"}) == ISSUE
    assert step({"hinted_subject": "pairwise"}, hinted_subject="ada") == ISSUE


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_select_account_asks_once_and_logging_in_is_choosing() -> None:
    request = {"prompt": ("select_account",)}
    assert step(request) == SelectAccount()
    assert step(request, account_selected=True) == ISSUE
    assert step(request, authenticated_at=NOW) == ISSUE
    assert step({"prompt": ("select_account", "login")}) == Login()
    refuse(AccountSelectionRequired, {"prompt": ("none", "select_account")})


@pytest.mark.spec("OpenID Connect Core §5.5.1.1")
@pytest.mark.threat("T107")
def test_an_essential_acr_is_reached_or_nothing_is_issued() -> None:
    def ask(**fields: Any) -> dict[str, Any]:
        return {"claims": ClaimsRequest(id_token={"acr": ClaimRequest(**fields)})}

    essential = ask(essential=True, values=("2", "3"))
    assert step(essential) == Login()
    refuse(LoginRequired, essential)
    with pytest.raises(UnmetAuthenticationRequirements):
        step(essential, authenticated_at=NOW)
    assert step(essential, session=msgspec.structs.replace(SESSION, acr="3")) == Issue(ISSUE.scope, essential["claims"])
    assert step(ask(essential=True), session=msgspec.structs.replace(SESSION, acr=None)) == Login()
    for voluntary in (ask(values=("2",)), {"claims": ClaimsRequest(id_token={"acr": None})}, {"acr_values": ("2",)}):
        assert step(voluntary).scope == ISSUE.scope


@pytest.mark.spec("RFC 6749 §4.1")
@pytest.mark.threat("T107")
def test_only_what_was_never_approved_is_new() -> None:
    assert step(consent=None) == ASK_ALL
    refuse(ConsentRequired, consent=None)
    some = msgspec.structs.replace(CONSENT, scope=("openid", "read"))
    assert step(consent=some) == AskConsent(("openid", "email"), ("email",))
    refuse(ConsentRequired, consent=some)


@pytest.mark.threat("T108")
@pytest.mark.parametrize("change", [{"subject": "eve"}, {"client_id": "B"}])
def test_anothers_consent_counts_for_nothing(change: dict[str, str]) -> None:
    assert step(consent=msgspec.structs.replace(CONSENT, **change)) == ASK_ALL


@pytest.mark.threat("T107")
def test_consent_covers_audiences_too() -> None:
    assert step({"audience": ("https://api.example",)}) == ISSUE
    request = {"audience": ("https://api.example", "https://other.example")}
    assert step(request) == AskConsent(("openid", "email"), (), ("https://other.example",))
    refuse(ConsentRequired, request)


@pytest.mark.spec("OpenID Connect Core §5.5")
@pytest.mark.threat("T107")
def test_consent_covers_claims_asked_for_by_name_too() -> None:
    claims = ClaimsRequest(
        userinfo={"email": None, "name": None, "acr": None}, id_token={"name": None, "address": None}
    )
    request = {"claims": claims}
    assert step(request) == AskConsent(("openid", "email"), (), (), ("name", "address"))
    refuse(ConsentRequired, request)
    approved = msgspec.structs.replace(CONSENT, scope=("openid", "email", "profile", "address"))
    assert step(request, consent=approved) == Issue(ISSUE.scope, claims)
    assert step(request, granted_scope=("openid", "email")) == Issue(ISSUE.scope, claims)


@pytest.mark.spec("OpenID Connect Core §3.1.2.1")
def test_prompt_consent_asks_whatever_was_approved() -> None:
    request = {"prompt": ("consent",)}
    assert step(request) == CONFIRM
    assert step(request, client={"skip_consent": True}) == CONFIRM
    assert step(request, granted_scope=("openid",)) == Issue(("openid",))


def test_a_client_of_the_house_needs_no_consent() -> None:
    assert step(client={"skip_consent": True}, consent=None) == ISSUE
    assert step({"prompt": ("none",)}, {"skip_consent": True}, consent=None) == ISSUE


def test_a_request_for_no_scope_is_asked_about_too() -> None:
    assert step({"scope": ()}, consent=None) == AskConsent((), ())
    assert step({"scope": ()}) == Issue(())
    assert step({"scope": ()}, consent=None, granted_scope=()) == Issue(())


def test_what_was_granted_is_issued_and_never_more_than_was_asked() -> None:
    assert step(consent=None, granted_scope=("write", "email", "openid")) == ISSUE
    claims = ClaimsRequest(userinfo={"email": None, "name": None})
    granted = step({"claims": claims}, granted_scope=("openid",))
    assert granted == Issue(("openid",), ClaimsRequest(userinfo={"name": None}))


@pytest.mark.spec("RFC 6749 §4.1.2.1")
@pytest.mark.threat("T17")
@pytest.mark.parametrize("granted", [(), ("email",), ("write",)])
def test_granting_nothing_or_dropping_openid_is_a_no(granted: tuple[str, ...]) -> None:
    assert step(granted_scope=granted) == Deny()


def test_plain_oauth_may_be_granted_in_part() -> None:
    assert step({"scope": ("read", "write")}, granted_scope=("read",)) == Issue(("read",))


@pytest.mark.spec("RFC 8252 §8.6")
@pytest.mark.threat("T107")
@pytest.mark.parametrize("redirect_uri", ["com.example.app:/cb", "http://127.0.0.1:51004/cb"])
def test_a_native_client_anybody_can_pose_as_is_never_answered_without_the_person(redirect_uri: str) -> None:
    request = {"redirect_uri": redirect_uri}
    client = {"token_endpoint_auth_method": "none", "application_type": "native"}
    assert step(request, client) == CONFIRM
    refuse(InteractionRequired, request, client=client)
    assert step(request, client, granted_scope=("openid", "email")) == ISSUE
    assert step(request, {**client, "skip_consent": True}) == ISSUE


@pytest.mark.spec("RFC 8252 §8.6")
def test_a_secret_or_an_https_origin_assures_a_client() -> None:
    native = msgspec.structs.replace(CLIENT, application_type="native", token_endpoint_auth_method="none")
    assert is_client_assured(native, "https://a.example/cb")
    assert not is_client_assured(native, "http://127.0.0.1/cb")
    assert is_client_assured(msgspec.structs.replace(native, application_type="web"), "http://127.0.0.1/cb")
    confidential = msgspec.structs.replace(native, token_endpoint_auth_method="client_secret_basic")
    assert is_client_assured(confidential, "com.example.app:/cb")


# -- scopes that nobody is asked about --------------------------------------------------------------------------------


def exempt(*scope: str, **changes: Any) -> Client:
    return msgspec.structs.replace(CLIENT, extra={"consent_exempt_scope": list(scope)}, **changes)


def test_an_exempt_scope_is_not_asked_and_goes_along_with_what_is() -> None:
    state = InteractionState(request=REQUEST, client=exempt("email"), now=NOW, session=SESSION)
    step = next_step(state)
    assert step == AskConsent(("openid", "email"), ("openid",), exempt_scope=("email",))


@pytest.mark.threat("T107")
def test_where_everything_is_exempt_there_is_no_page() -> None:
    client = exempt("openid", "email")
    assert next_step(InteractionState(request=REQUEST, client=client, now=NOW, session=SESSION)) == ISSUE
    silent = msgspec.structs.replace(REQUEST, prompt=("none",))
    assert next_step(InteractionState(request=silent, client=client, now=NOW, session=SESSION)) == ISSUE


@pytest.mark.threat("T107")
@pytest.mark.parametrize(
    ("client", "changes"),
    [
        (exempt("openid", "email"), {"prompt": ("consent",)}),
        (exempt("openid", "email"), {"device_digest": b"d"}),
        (exempt("openid", "email"), {"audience": ("https://api.example",)}),
        (exempt("openid", "email"), {"scope": ("openid", "offline_access")}),
        (exempt("openid", "offline_access"), {"scope": ("openid", "offline_access")}),
        (
            exempt("openid", "email", application_type="native", token_endpoint_auth_method="none"),
            {"redirect_uri": "http://127.0.0.1/cb"},
        ),
    ],
)
def test_an_exemption_takes_away_no_other_reason_to_ask(client: Client, changes: dict[str, Any]) -> None:
    request = msgspec.structs.replace(REQUEST, **changes)
    state = InteractionState(request=request, client=client, now=NOW, session=SESSION)
    assert isinstance(next_step(state), AskConsent)


def test_without_a_request_for_scopes_an_exemption_says_nothing() -> None:
    request = msgspec.structs.replace(REQUEST, scope=())
    state = InteractionState(request=request, client=exempt("email"), now=NOW, session=SESSION)
    assert isinstance(next_step(state), AskConsent)


def test_what_is_exempt_adds_to_what_was_approved() -> None:
    consent = msgspec.structs.replace(CONSENT, scope=("openid",))
    state = InteractionState(request=REQUEST, client=exempt("email"), now=NOW, session=SESSION, consent=consent)
    assert next_step(state) == ISSUE


@pytest.mark.threat("T107")
def test_an_approved_scope_approves_no_other_name_under_any_strategy() -> None:
    client = msgspec.structs.replace(CLIENT, scope=("photos",), extra={"scope_strategy": "hierarchic"})
    request = msgspec.structs.replace(REQUEST, scope=("photos.read",), prompt=("none",))
    consent = msgspec.structs.replace(CONSENT, scope=("photos",))
    state = InteractionState(request=request, client=client, now=NOW, session=SESSION, consent=consent)
    with pytest.raises(ConsentRequired):
        next_step(state)
