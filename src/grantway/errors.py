"""Every way a request can be refused, one class per error code.

A class carries what the specification fixes: ``code`` (the value of the ``error`` member), ``status`` (HTTP) and
``spec`` (the clause). An instance adds ``description``, which goes out, and ``detail``, which goes to the log only; the
two are never merged.

    GrantwayError
    ├── OAuthError               an answer the protocol defines
    │   ├── InvalidRequest, InvalidClient, InvalidGrant (ReplayDetected), UnauthorizedClient, …
    │   └── TemporarilyUnavailable (StoreUnavailable), ServerError
    ├── NotFound, Conflict, Unprocessable      answers of the administration
    └── ConfigurationError, SchemaError        the server refuses to start
"""

from __future__ import annotations

from typing import ClassVar

# RFC 6749 §5.2: error_description is limited to %x20-21 / %x23-5B / %x5D-7E.
_DESCRIPTION_CHARACTERS = frozenset(chr(c) for c in range(0x20, 0x7F) if chr(c) not in '"\\')


def build_description(text: str) -> str:
    """Returns ``text`` with every character that RFC 6749 §5.2 forbids replaced by ``'`` (quotes) or ``?``."""
    if _DESCRIPTION_CHARACTERS.issuperset(text):
        return text
    return "".join(c if c in _DESCRIPTION_CHARACTERS else ("'" if c == '"' else "?") for c in text)


class GrantwayError(Exception):
    """The root of everything Grantway raises on purpose."""


class OAuthError(GrantwayError):
    """An error the protocol defines an answer for (RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6)."""

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 400
    spec: ClassVar[str] = "RFC 6749 §5.2"
    text: ClassVar[str] = "The request could not be processed."

    def __init__(self, description: str | None = None, *, detail: str | None = None) -> None:
        self.description = build_description(description if description is not None else self.text)
        self.detail = detail
        super().__init__(self.description)


class InvalidRequest(OAuthError):
    code = "invalid_request"
    text = "The request is malformed: a parameter is missing, repeated or invalid."


class MethodNotAllowed(InvalidRequest):
    status = 405
    spec = "RFC 9110 §15.5.6"
    text = "This endpoint does not answer that HTTP method."

    def __init__(self, allowed: tuple[str, ...], description: str | None = None) -> None:
        super().__init__(description)
        self.allowed = allowed


class PayloadTooLarge(InvalidRequest):
    status = 413
    spec = "RFC 9110 §15.5.14"
    text = "The request body is larger than this server accepts."


class RequestHeaderFieldsTooLarge(InvalidRequest):
    status = 431
    spec = "RFC 6585 §5"
    text = "The request line and header are larger than this server accepts."


class UnsupportedMediaType(InvalidRequest):
    status = 415
    spec = "RFC 9110 §15.5.16"
    text = "The request body must be application/x-www-form-urlencoded."


class FetchFailed(InvalidRequest):
    """A document at a URL could not be had. Why is in ``detail``, for the log: told to a client, it would let this
    server look into networks for it."""

    text = "A document that this request needs could not be fetched."


class InvalidClient(OAuthError):
    code = "invalid_client"
    status = 401
    text = "Client authentication failed."


class InvalidGrant(OAuthError):
    code = "invalid_grant"
    text = "The grant is invalid, expired, revoked, or was issued to another client."


class ReplayDetected(InvalidGrant):
    """A single-use credential came back. The pipeline revokes ``authorization_id`` in a transaction of its own."""

    spec = "RFC 6749 §4.1.2"

    def __init__(self, authorization_id: str, *, detail: str | None = None) -> None:
        super().__init__(detail=detail)
        self.authorization_id = authorization_id


class UnauthorizedClient(OAuthError):
    code = "unauthorized_client"
    text = "This client may not use that grant type or response type."


class UnsupportedGrantType(OAuthError):
    code = "unsupported_grant_type"
    text = "The authorization server does not support that grant type."


class InvalidScope(OAuthError):
    code = "invalid_scope"
    text = "The requested scope is invalid, unknown, or exceeds what may be granted."


class InvalidTarget(OAuthError):
    code = "invalid_target"
    spec = "RFC 8707 §2"
    text = "The requested resource is invalid, unknown, or not allowed for this client."


class AccessDenied(OAuthError):
    code = "access_denied"
    status = 403
    spec = "RFC 6749 §4.1.2.1"
    text = "The resource owner or the authorization server denied the request."


class UnsupportedResponseType(OAuthError):
    code = "unsupported_response_type"
    spec = "RFC 6749 §4.1.2.1"
    text = "The authorization server does not support that response type."


class LoginRequired(OAuthError):
    code = "login_required"
    spec = "OpenID Connect Core §3.1.2.6"
    text = "The end-user has to log in."


class ConsentRequired(OAuthError):
    code = "consent_required"
    spec = "OpenID Connect Core §3.1.2.6"
    text = "The end-user has to give consent."


class InteractionRequired(OAuthError):
    code = "interaction_required"
    spec = "OpenID Connect Core §3.1.2.6"
    text = "The end-user has to interact with the authorization server."


class AccountSelectionRequired(OAuthError):
    code = "account_selection_required"
    spec = "OpenID Connect Core §3.1.2.6"
    text = "The end-user has to select an account."


class UnmetAuthenticationRequirements(OAuthError):
    code = "unmet_authentication_requirements"
    spec = "OpenID Connect Core Error Code unmet_authentication_requirements"
    text = "The required authentication context could not be reached."


class RequestNotSupported(OAuthError):
    code = "request_not_supported"
    spec = "OpenID Connect Core §3.1.2.6"
    text = "Request objects are not supported."


class RequestUriNotSupported(OAuthError):
    code = "request_uri_not_supported"
    spec = "OpenID Connect Core §3.1.2.6"
    text = "The request_uri parameter is not supported."


class RegistrationNotSupported(OAuthError):
    code = "registration_not_supported"
    spec = "OpenID Connect Core §3.1.2.6"
    text = "The registration parameter is not supported."


class InvalidToken(OAuthError):
    code = "invalid_token"
    status = 401
    spec = "RFC 6750 §3.1"
    text = "The access token is missing, expired, revoked or malformed."


class InsufficientScope(OAuthError):
    code = "insufficient_scope"
    status = 403
    spec = "RFC 6750 §3.1"
    text = "The access token does not carry the scope this request needs."

    def __init__(self, scope: str, description: str | None = None) -> None:
        super().__init__(description)
        self.scope = scope


class InvalidRedirectUri(OAuthError):
    code = "invalid_redirect_uri"
    spec = "RFC 7591 §3.2.2"
    text = "A redirect URI is invalid."


class InvalidClientMetadata(OAuthError):
    code = "invalid_client_metadata"
    spec = "RFC 7591 §3.2.2"
    text = "A field of the client metadata is invalid."


class InvalidSoftwareStatement(OAuthError):
    code = "invalid_software_statement"
    spec = "RFC 7591 §3.2.2"
    text = "The software statement is invalid."


class UnapprovedSoftwareStatement(OAuthError):
    code = "unapproved_software_statement"
    spec = "RFC 7591 §3.2.2"
    text = "The software statement is not one this server accepts."


class RequestForbidden(OAuthError):
    """A form came back that this browser was not shown, or from another site."""

    code = "request_forbidden"
    status = 403
    spec = "OWASP ASVS 5.0 3.5.1"
    text = "The form has expired or was not sent from this site. Go back and try again."


class TooManyRequests(OAuthError):
    code = "temporarily_unavailable"
    status = 429
    spec = "RFC 6585 §4"
    text = "Too many attempts. Wait a moment and try again."

    def __init__(self, retry_after: int, description: str | None = None) -> None:
        super().__init__(description)
        self.retry_after = retry_after


class TemporarilyUnavailable(OAuthError):
    """Answered with Retry-After: the state needed for a sure answer cannot be reached."""

    code = "temporarily_unavailable"
    status = 503
    spec = "RFC 6749 §4.1.2.1"
    text = "The server cannot answer right now. Try again shortly."
    retry_after: int = 1


class StoreUnavailable(TemporarilyUnavailable):
    """The database did not answer, or not in time."""


class ServerError(OAuthError):
    code = "server_error"
    status = 500
    spec = "RFC 6749 §4.1.2.1"
    text = "The server met an unexpected condition."


class AuthorizationPending(OAuthError):
    """Nobody has answered the device's request yet; not a failure."""

    code = "authorization_pending"
    spec = "RFC 8628 §3.5"
    text = "The person has not answered yet. Go on asking."


class SlowDown(OAuthError):
    """As ``AuthorizationPending``, and from now on 5 seconds more have to lie between two polls."""

    code = "slow_down"
    spec = "RFC 8628 §3.5"
    text = "This came too soon. Wait 5 seconds more between requests, from now on."


class ExpiredToken(OAuthError):
    code = "expired_token"
    spec = "RFC 8628 §3.5"
    text = "The device code has expired. Begin a new device authorization."


class DeviceDenied(AccessDenied):
    """The token endpoint says it with 400 (RFC 6749 §5.2)."""

    status = 400
    spec = "RFC 8628 §3.5"
    text = "The person denied the request of this device."


class NotFound(GrantwayError):
    """No such object in this tenant. ``kind`` is the object's noun, ``key`` what was asked for."""

    def __init__(self, kind: str, key: str) -> None:
        self.kind, self.key = kind, key
        super().__init__(f"There is no {kind} {key!r}.")


class Conflict(GrantwayError):
    """The change collides with what is stored: an identifier that is taken, or a version that moved on."""


class Unprocessable(GrantwayError):
    """A value an administrator sent is well-formed but not acceptable. ``field`` names it."""

    def __init__(self, field: str, message: str) -> None:
        self.field, self.message = field, message
        super().__init__(f"{field}: {message}")


class ConfigurationError(GrantwayError):
    """A setting is missing, unknown or unsafe; the server does not start."""


class SchemaError(GrantwayError):
    """The database's schema is not the one this version works with."""
