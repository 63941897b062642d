"""What an authorization request waits for next: the one place that decides it.

Every page returns to ``next_step`` with one more fact; no page calls another. With ``prompt=none`` the same decision is
made, and a step that would need the person becomes the error that says so (OpenID Connect Core §3.1.2.6).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from grantway.errors import (
    AccountSelectionRequired,
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    UnmetAuthenticationRequirements,
)
from grantway.model import AuthorizationRequest, ClaimsRequest, Client, Consent, Session
from grantway.protocol.claims import is_value_accepted, narrow_claims
from grantway.protocol.scope import intersect_scope
from grantway.protocol.vocabulary import CLAIM_SCOPES

CONSENT_EXEMPT_SCOPE: Final = "consent_exempt_scope"
"""Client metadata: the scopes that are granted without a question."""
NEVER_EXEMPT: Final = frozenset({"offline_access"})
"""Access that goes on without the person takes the person's word (OpenID Connect Core §11)."""


class InteractionState(Struct, frozen=True, kw_only=True):
    """Everything the decision rests on. Instants are milliseconds, as in ``model``."""

    request: AuthorizationRequest
    client: Client
    now: int
    session: Session | None = None
    """The session of this browser the person chose or made. One that has ended or expired counts as none."""
    consent: Consent | None = None
    """What this subject approved for this client before, if the client's fingerprint is still the same."""
    hinted_subject: str | None = None
    """Who has to be logged in, where the one in ``request`` had to be resolved first (pairwise identifiers)."""
    authenticated_at: int | None = None
    account_selected: bool = False
    granted_scope: tuple[str, ...] | None = None
    """What the person allowed on the consent page of this interaction; None: not asked yet."""
    denied: bool = False


class Login(Struct, frozen=True):
    """Ask the person to prove who they are."""


class SelectAccount(Struct, frozen=True):
    """Ask whether to go on with the account that is logged in."""


class AskConsent(Struct, frozen=True):
    """Ask what the client may have. ``new_…``: the part of the request that was never approved before.

    ``new_claims`` are claims asked for by name that no scope of this request covers. Where nothing is new, the person
    is asked to confirm what was approved before. ``exempt_scope`` is granted without a question.
    """

    scope: tuple[str, ...]
    new_scope: tuple[str, ...]
    new_audience: tuple[str, ...] = ()
    new_claims: tuple[str, ...] = ()
    exempt_scope: tuple[str, ...] = ()


class Deny(Struct, frozen=True):
    """Answer ``access_denied``: the person said no."""


class Issue(Struct, frozen=True):
    """Answer with a code for ``scope``, and the claims request cut down to what was granted."""

    scope: tuple[str, ...]
    claims: ClaimsRequest | None = None


Step = Login | SelectAccount | AskConsent | Deny | Issue


def next_step(state: InteractionState) -> Step:
    """Decides what comes next.

    Raises:
        LoginRequired, AccountSelectionRequired, ConsentRequired, InteractionRequired: ``prompt=none``, but the person
            is needed (OpenID Connect Core §3.1.2.6).
        LoginRequired: somebody else logged in than the one the request names (Core §3.1.2.1).
        UnmetAuthenticationRequirements: an essential ``acr`` was not reached (Core §5.5.1.1).
    """
    step = _choose_step(state)
    if "none" not in state.request.prompt:
        return step
    match step:
        case Login():
            raise LoginRequired()
        case SelectAccount():
            raise AccountSelectionRequired()
        case AskConsent(new_scope=(), new_audience=(), new_claims=()):
            raise InteractionRequired()
        case AskConsent():
            raise ConsentRequired()
    return step


def _choose_step(state: InteractionState) -> Step:
    if state.denied:
        return Deny()
    session = _find_live_session(state)
    if session is None:
        return Login()
    hinted_subject = state.hinted_subject or state.request.hinted_subject
    if hinted_subject is not None and hinted_subject != session.subject:
        if state.authenticated_at is None:
            return Login()
        raise LoginRequired("Somebody else logged in than the request asked for.")  # OpenID Connect Core §3.1.2.2
    if needs_authentication(state, session):
        return Login()
    if needs_account_selection(state):
        return SelectAccount()
    if not _is_acr_reached(state.request, session):
        if state.authenticated_at is None:
            return Login()
        raise UnmetAuthenticationRequirements()
    return _choose_consent_step(state, session)


def needs_authentication(state: InteractionState, session: Session) -> bool:
    """Whether the person has to log in although ``session`` lives."""
    request = state.request
    if state.authenticated_at is not None:  # they just did, within this very interaction
        return False
    if "login" in request.prompt:  # OpenID Connect Core §3.1.2.3: re-authenticate, whatever the session says
        return True
    max_age = request.max_age if request.max_age is not None else state.client.default_max_age
    # Core §3.1.2.1: max_age=0 is the same as prompt=login. Whole seconds, as the client will count them.
    return max_age is not None and (max_age == 0 or state.now // 1000 - session.auth_time > max_age)


def needs_account_selection(state: InteractionState) -> bool:
    """Whether ``prompt=select_account`` is still open; logging in anew is choosing too (Core §3.1.2.1)."""
    return "select_account" in state.request.prompt and not state.account_selected and state.authenticated_at is None


def is_client_assured(client: Client, redirect_uri: str) -> bool:
    """Whether nobody else can pose as this client: it has a secret, or its answers go to an https origin.

    Any program on a device can open a loopback port or claim a private-use scheme, so a native client's repeated
    request is not answered without the person (RFC 8252 §8.6, RFC 6749 §10.2).
    """
    return not client.is_public or client.application_type != "native" or redirect_uri.startswith("https:")


def find_exempt_scope(client: Client) -> frozenset[str]:
    """Scopes of this client that nobody is asked about: its administrator answers for them."""
    return frozenset(client.extra.get(CONSENT_EXEMPT_SCOPE, ())) - NEVER_EXEMPT


def _find_live_session(state: InteractionState) -> Session | None:
    session = state.session
    if session is None or session.ended_at is not None or session.expires_at <= state.now:
        return None
    return session


def _is_acr_reached(request: AuthorizationRequest, session: Session) -> bool:
    wanted = request.claims.id_token.get("acr") if request.claims is not None else None
    if wanted is None or not wanted.essential:  # Core §5.5.1.1: acr_values and voluntary claims are best effort
        return True
    return session.acr is not None and is_value_accepted(session.acr, wanted)


def _choose_consent_step(state: InteractionState, session: Session) -> Step:
    request = state.request
    if state.granted_scope is not None:
        return _build_issue(request, intersect_scope(request.scope, state.granted_scope))
    exempt = find_exempt_scope(state.client)
    approved, approved_audience = _find_approved(state, session, exempt)
    question = AskConsent(
        scope=request.scope,
        exempt_scope=intersect_scope(request.scope, exempt),
        new_scope=tuple(value for value in request.scope if value not in approved),
        new_audience=tuple(value for value in request.audience if value not in approved_audience),
        new_claims=_find_claims_without_scope(request, approved),
    )
    if "consent" in request.prompt:  # Core §3.1.2.1: ask anew, whatever was approved
        return question
    if request.device_digest is not None:  # RFC 8628 §5.4: whoever sent the code here may hold another's device
        return question
    if state.client.skip_consent:
        return _build_issue(request, request.scope)
    if question.new_scope or question.new_audience or question.new_claims:  # RFC 6749 §4.1: the owner decides
        return question
    if _find_consent(state, session) is None and not question.exempt_scope:
        return question
    if not is_client_assured(state.client, request.redirect_uri):
        return question
    return _build_issue(request, request.scope)


def _find_approved(
    state: InteractionState, session: Session, exempt: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """The scopes and audiences that were approved before, by the person or for all persons by the operator.

    By name: that ``photos`` was approved says nothing about ``photos.read``, whatever the client's strategy.
    """
    consent = _find_consent(state, session)
    if consent is None:
        return exempt, frozenset()
    return exempt.union(consent.scope), frozenset(consent.audience)


def _find_consent(state: InteractionState, session: Session) -> Consent | None:
    """What this very subject approved for this very client; anybody else's approval is none."""
    consent = state.consent
    if state.request.device_digest is not None:  # what was approved before was not approved for this device
        return None
    if consent is None or (consent.subject, consent.client_id) != (session.subject, state.client.client_id):
        return None
    return consent


def _find_claims_without_scope(request: AuthorizationRequest, approved: frozenset[str]) -> tuple[str, ...]:
    """Claims asked for by name whose scope is neither part of the request nor approved before."""
    if request.claims is None:
        return ()
    names = dict.fromkeys([*request.claims.userinfo, *request.claims.id_token])
    covered = approved.union(request.scope)
    return tuple(name for name in names if name in CLAIM_SCOPES and CLAIM_SCOPES[name] not in covered)


def _build_issue(request: AuthorizationRequest, granted: tuple[str, ...]) -> Step:
    # Allowing nothing of what was asked, or not even `openid`, is a no (RFC 6749 §4.1.2.1).
    if request.scope and (not granted or (request.is_openid and "openid" not in granted)):
        return Deny()
    return Issue(granted, narrow_claims(request.claims, requested_scope=request.scope, granted_scope=granted))
