"""What happened: the values handed to audit, metrics and hooks after the answer is on its way.

No event carries a token, a code, a secret, a password or a cookie.
"""

from __future__ import annotations

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened in ``tenant`` at ``at`` (milliseconds since the epoch)."""

    tenant: str
    at: int


class TokenIssued(Event, frozen=True, kw_only=True):
    """The token endpoint answered 200."""

    grant_type: str
    client_id: str
    subject: str | None
    scope: tuple[str, ...]
    authorization_id: str | None


class TokenRequestRefused(Event, frozen=True, kw_only=True):
    grant_type: str
    client_id: str | None
    error: str
    detail: str | None


class TokenIntrospected(Event, frozen=True, kw_only=True):
    client_id: str
    active: bool


class PayloadSigned(Event, frozen=True, kw_only=True):
    """Data of a client's own was signed with the server's key."""

    client_id: str
    token_id: str
    """The ``jti`` of what was signed."""


class TokenRevoked(Event, frozen=True, kw_only=True):
    client_id: str
    kind: str


class ReplayPunished(Event, frozen=True, kw_only=True):
    """A spent code or refresh token came back; its whole authorization was revoked."""

    authorization_id: str
    client_id: str


class AuthorizationGranted(Event, frozen=True, kw_only=True):
    client_id: str
    subject: str
    scope: tuple[str, ...]
    authorization_id: str


class DeviceAuthorizationRequested(Event, frozen=True, kw_only=True):
    """A device got codes and waits for a person (RFC 8628 §3.2)."""

    client_id: str
    scope: tuple[str, ...]


class UserCodeRefused(Event, frozen=True, kw_only=True):
    """Somebody typed a user code that is unknown or no longer good: a mistake, or a guess."""

    address: str


class AuthorizationRefused(Event, frozen=True, kw_only=True):
    client_id: str | None
    error: str
    detail: str | None


class LoginSucceeded(Event, frozen=True, kw_only=True):
    subject: str
    session_id: str
    address: str


class LoginFailed(Event, frozen=True, kw_only=True):
    """``reason`` is for the log; the person is told nothing that would reveal whether the account exists.

    ``username`` is empty where there is no such account: what was typed may be anything, a password included.
    """

    username: str
    reason: str
    address: str


class LoggedOut(Event, frozen=True, kw_only=True):
    subject: str
    session_id: str


class LogoutNotified(Event, frozen=True, kw_only=True):
    """A client was told that a session has ended (OpenID Connect Back-Channel Logout)."""

    client_id: str
    subject: str
    session_id: str


class LogoutNoticeFailed(Event, frozen=True, kw_only=True):
    """A client was not told, and is not going to be: ``reason`` is what came of the last attempt."""

    client_id: str
    subject: str
    session_id: str
    attempts: int
    reason: str


class SubjectRegistered(Event, frozen=True, kw_only=True):
    subject: str


class PasswordChanged(Event, frozen=True, kw_only=True):
    subject: str


class ConsentRevoked(Event, frozen=True, kw_only=True):
    subject: str
    client_id: str


class Administered(Event, frozen=True, kw_only=True):
    """An administrator changed something: ``action`` is e.g. ``client.create``, ``actor`` who asked."""

    action: str
    actor: str
    key: str
