"""The JSON of the admin API: what comes in and what goes out. No secret, digest or hash has a field here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from grantway.model import Authorization, Session, SigningKey, Subject, Tenant
from grantway.web.admin_call import format_instant

Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Names = Annotated[list[str], Meta(max_length=100)]


class User(Struct, kw_only=True):
    """A user as the admin API shows one."""

    sub: str
    username: str
    enabled: bool
    roles: list[str]
    claims: dict[str, Any]
    has_password: bool
    password_changed_at: Instant | None
    created_at: Instant | None
    updated_at: Instant | None


class NewUser(Struct, kw_only=True, forbid_unknown_fields=True):
    """A user to be created. Without a password the account cannot log in with one."""

    username: Annotated[str, Meta(min_length=1, max_length=255)]
    password: str | None = None
    enabled: bool = True
    roles: Names = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    sub: Annotated[str, Meta(max_length=255)] | None = None


class UserChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What of a user may be changed; a merge patch (RFC 7396) works on this document."""

    username: Annotated[str, Meta(min_length=1, max_length=255)]
    enabled: bool = True
    roles: Names = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)


class PasswordChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """A new password."""

    password: str


class Key(Struct, kw_only=True):
    """A signing key: public half and state. ``remove_at``: when the JWKS stops serving it."""

    kid: str
    alg: str
    state: Literal["next", "active", "retired", "revoked"]
    public_jwk: dict[str, Any]
    created_at: Instant | None
    activated_at: Instant | None
    retired_at: Instant | None
    remove_at: Instant | None


class KeyRotation(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which key to replace: one algorithm's, or all. ``force``: even if verifiers may not know the successor yet."""

    alg: str | None = None
    force: bool = False


class AuthorizationView(Struct, kw_only=True):
    """A permission a subject gave a client."""

    authorization_id: str
    client_id: str
    sub: str | None
    grant_type: str
    scope: str
    audience: list[str]
    session_id: str | None
    session_bound: bool
    auth_time: Instant | None
    created_at: Instant | None
    expires_at: Instant | None
    revoked_at: Instant | None


class ConsentRequest(Struct, kw_only=True):
    """What was asked of the subject."""

    challenge: str
    subject: str | None
    client: dict[str, Any]
    login_session_id: str | None
    requested_scope: list[str]
    requested_access_token_audience: list[str]


class ConsentSession(Struct, kw_only=True):
    """An authorization in the words Hydra's clients know."""

    consent_request_id: str
    consent_request: ConsentRequest
    grant_scope: list[str]
    grant_access_token_audience: list[str]
    remember: bool
    handled_at: Instant | None
    expires_at: Instant | None


class SessionView(Struct, kw_only=True):
    """A browser in which a user is logged in."""

    session_id: str
    sub: str
    acr: str | None
    amr: list[str]
    remembered: bool
    user_agent: str
    address: str
    auth_time: Instant | None
    created_at: Instant | None
    last_seen_at: Instant | None
    expires_at: Instant | None
    ended_at: Instant | None


class AdminClient(Struct, kw_only=True):
    """Credentials of the first administrator of a new tenant, shown only once."""

    client_id: str
    client_secret: str | None


class TenantView(Struct, kw_only=True):
    """An issuer on this server."""

    name: str
    issuer: str
    display_name: str
    enabled: bool
    created_at: Instant | None
    updated_at: Instant | None
    admin_client: AdminClient | UnsetType = UNSET


class NewTenant(Struct, kw_only=True, forbid_unknown_fields=True):
    """A tenant to be created, with a client that may administer it if ``with_admin_client``."""

    name: Annotated[str, Meta(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    issuer: str | None = None
    display_name: Annotated[str, Meta(max_length=256)] = ""
    with_admin_client: bool = False


Duration = Annotated[str, Meta(max_length=64, pattern="^([0-9.]+(h|ms|m|s))+$", description="Like 1h30m or 90s.")]


class Lifespans(Struct, kw_only=True, forbid_unknown_fields=True):
    """How long a client's tokens live, by the grant that gives them; null or left out: the client's own values count.
    Those of grants that this server does not have cannot be set."""

    authorization_code_grant_access_token_lifespan: Duration | None = None
    authorization_code_grant_id_token_lifespan: Duration | None = None
    authorization_code_grant_refresh_token_lifespan: Duration | None = None
    client_credentials_grant_access_token_lifespan: Duration | None = None
    device_authorization_grant_access_token_lifespan: Duration | None = None
    device_authorization_grant_id_token_lifespan: Duration | None = None
    device_authorization_grant_refresh_token_lifespan: Duration | None = None
    implicit_grant_access_token_lifespan: Duration | None = None
    implicit_grant_id_token_lifespan: Duration | None = None
    jwt_bearer_grant_access_token_lifespan: Duration | None = None
    refresh_token_grant_access_token_lifespan: Duration | None = None
    refresh_token_grant_id_token_lifespan: Duration | None = None
    refresh_token_grant_refresh_token_lifespan: Duration | None = None


class TenantChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What of a tenant may be changed; a merge patch (RFC 7396) works on this document."""

    display_name: Annotated[str, Meta(max_length=256)] = ""
    enabled: bool = True


class TokenForm(Struct, kw_only=True):
    """A token to look at or to revoke."""

    token: str
    token_type_hint: str | None = None


class IntrospectionForm(TokenForm, kw_only=True):
    """As ``TokenForm``; with ``scope`` the token counts as active only if it carries all of it."""

    scope: str | None = None


class Introspection(Struct, kw_only=True, omit_defaults=True):
    """RFC 7662 §2.2, and what only an administrator sees. Instants in seconds, as on the wire of OAuth."""

    active: Annotated[bool, Meta()]
    scope: str | None = None
    client_id: str | None = None
    username: str | None = None
    token_type: str | None = None
    token_use: Literal["access_token", "refresh_token"] | None = None
    exp: int | None = None
    iat: int | None = None
    nbf: int | None = None
    sub: str | None = None
    aud: list[str] | None = None
    iss: str | None = None
    jti: str | None = None
    sid: str | None = None
    authorization_id: str | None = None
    auth_time: int | None = None
    acr: str | None = None
    cnf: dict[str, str] | None = None


class WorkerView(Struct, kw_only=True):
    """One worker, as it said of itself at ``seen_at``: the one that answers now, others up to a second ago."""

    worker: int
    pid: int
    seen_at: Instant
    grid: dict[str, Any]
    statements: dict[str, int]
    limits: dict[str, dict[str, int]]
    redis: dict[str, Any] | None


class Status(Struct, kw_only=True):
    """How the worker that answered is doing, and every worker of its machine."""

    version: str
    grid: dict[str, Any]
    """Entries, hits, misses and loads by cache; how far the change feed was read, and how old what is in memory is."""
    statements: dict[str, int]
    """How often each SQL statement ran in this worker."""
    limits: dict[str, dict[str, int]]
    """How often each rate limit granted and refused, and how often it had to do without the shared buckets."""
    redis: dict[str, Any] | None
    workers: list[WorkerView]


class Health(Struct, kw_only=True, omit_defaults=True):
    """``ok``, or what is wrong by name."""

    status: str
    errors: dict[str, str] = field(default_factory=dict)


class Version(Struct, kw_only=True):
    """The release that answers."""

    version: str


class FieldError(Struct, kw_only=True):
    """One value that was refused, and why."""

    field: str
    message: str


class Problem(Struct, kw_only=True, omit_defaults=True):
    """RFC 9457. ``error`` is the OAuth error code where there is one."""

    type: str
    title: str
    status: int
    detail: str = ""
    error: str = ""
    errors: list[FieldError] = field(default_factory=list)


def show_user(user: Subject) -> User:
    return User(
        sub=user.subject,
        username=user.username,
        enabled=user.enabled,
        roles=list(user.roles),
        claims=dict(user.claims),
        has_password=user.password is not None,
        password_changed_at=format_instant(user.password_changed_at),
        created_at=format_instant(user.created_at),
        updated_at=format_instant(user.updated_at),
    )


def show_key(key: SigningKey) -> Key:
    return Key(
        kid=key.kid,
        alg=key.alg,
        state=key.state,
        public_jwk=dict(key.public_jwk),
        created_at=format_instant(key.created_at),
        activated_at=format_instant(key.activated_at),
        retired_at=format_instant(key.retired_at),
        remove_at=format_instant(key.remove_at),
    )


def show_authorization(authorization: Authorization) -> AuthorizationView:
    return AuthorizationView(
        authorization_id=authorization.authorization_id,
        client_id=authorization.client_id,
        sub=authorization.subject,
        grant_type=authorization.grant_type,
        scope=" ".join(authorization.scope),
        audience=list(authorization.audience),
        session_id=authorization.session_id,
        session_bound=authorization.session_bound,
        auth_time=format_instant(authorization.auth_time and authorization.auth_time * 1000),
        created_at=format_instant(authorization.created_at),
        expires_at=format_instant(authorization.expires_at),
        revoked_at=format_instant(authorization.revoked_at),
    )


def show_consent_session(authorization: Authorization, client: dict[str, Any]) -> ConsentSession:
    """``client``: the client's document, without secrets."""
    return ConsentSession(
        consent_request_id=authorization.authorization_id,
        consent_request=ConsentRequest(
            challenge=authorization.authorization_id,
            subject=authorization.subject,
            client=client,
            login_session_id=authorization.session_id,
            requested_scope=list(authorization.scope),
            requested_access_token_audience=list(authorization.audience),
        ),
        grant_scope=list(authorization.scope),
        grant_access_token_audience=list(authorization.audience),
        remember=True,
        handled_at=format_instant(authorization.created_at),
        expires_at=format_instant(authorization.expires_at),
    )


def show_session(session: Session) -> SessionView:
    return SessionView(
        session_id=session.session_id,
        sub=session.subject,
        acr=session.acr,
        amr=list(session.amr),
        remembered=session.remembered,
        user_agent=session.user_agent,
        address=session.address,
        auth_time=format_instant(session.auth_time * 1000),
        created_at=format_instant(session.created_at),
        last_seen_at=format_instant(session.last_seen_at),
        expires_at=format_instant(session.expires_at),
        ended_at=format_instant(session.ended_at),
    )


def show_tenant(tenant: Tenant) -> TenantView:
    return TenantView(
        name=tenant.tenant,
        issuer=tenant.issuer,
        display_name=tenant.display_name,
        enabled=tenant.enabled,
        created_at=format_instant(tenant.created_at),
        updated_at=format_instant(tenant.updated_at),
    )
