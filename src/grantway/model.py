"""The values everything speaks of: frozen, comparable, without behaviour beyond what follows from their own fields.

Instants are whole milliseconds since the Unix epoch, UTC (``*_at``); durations are seconds (``*_ttl``), and so is the
``auth_time``, which is the claim of that name. Identifiers,
scopes and URIs are compared byte for byte. Every stored value carries its tenant; a single-issuer set-up has the tenant
``default`` and never sees the word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field

DEFAULT_TENANT = "default"
FOREVER = 2**63 - 1
"""The instant that never comes; as a revocation's ``not_before`` it refuses whatever the issue instant."""

RefreshRotation = Literal["strict", "grace", "off", "none"]
TokenFormat = Literal["opaque", "jwt"]
KeyState = Literal["next", "active", "retired", "revoked"]
RevocationKind = Literal["token", "authorization", "authorizations", "session", "subject", "client", "tenant"]
EntryKind = Literal["scope", "trusted_issuer", "initial_access_token"]
TaskKind = Literal["logout"]


class Tenant(Struct, frozen=True, kw_only=True):
    """One issuer with its own keys, clients, users and sessions. ``not_before`` refuses every token issued
    earlier, and every authorization and session begun earlier; it never goes back."""

    tenant: str
    issuer: str
    display_name: str = ""
    enabled: bool = True
    not_before: int = 0
    created_at: int = 0
    updated_at: int = 0


class ClientSecret(Struct, frozen=True, kw_only=True):
    """A client secret at rest.

    A secret Grantway generated has 256 bits and is kept as a keyed BLAKE2b digest (``keyed:`` + hex); one a person
    chose is kept as an argon2id PHC string. The secret itself is never stored in clear.
    """

    secret_id: str
    digest: str
    created_at: int
    expires_at: int | None = None
    enabled: bool = True
    key_id: str = ""
    """Which secret of the ring a keyed digest was made under; empty: it was not noted."""
    sealed: str | None = None
    """The secret itself, sealed under the ring, base64url: only of a client that authenticates by
    ``client_secret_jwt``, whose MAC cannot be checked by a digest (OpenID Connect Core §9)."""


class RegistrationPolicy(Struct, frozen=True, kw_only=True):
    """The most a client can give itself when it registers, and later."""

    grant_types: tuple[str, ...]
    token_endpoint_auth_methods: tuple[str, ...]
    """Empty: all that the server has."""
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    """What every client that registers by it may ask for (RFC 8707); none can choose it."""


class SelfRegistration(Struct, frozen=True, kw_only=True):
    """How a client that registered itself looks after itself (RFC 7592)."""

    token_digest: str
    """Of its registration access token."""
    policy: RegistrationPolicy
    statement: Mapping[str, Any] = {}
    """The metadata that its software statement fixed (RFC 7591 §2.3)."""


class Client(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A registered client: RFC 7591 metadata under its own names, plus what only an administrator may set."""

    tenant: str
    client_id: str
    client_name: str = ""
    enabled: bool = True
    secrets: tuple[ClientSecret, ...] = ()
    token_endpoint_auth_method: str = "client_secret_basic"
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    response_modes: tuple[str, ...] = ("query", "fragment", "form_post")
    application_type: Literal["web", "native"] = "web"
    scope: tuple[str, ...] = ()
    default_scope: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    """The audiences (RFC 8707 resources) this client may ask for."""
    resource_identifiers: tuple[str, ...] = ()
    """The audiences this client *is* the resource server of: it may introspect tokens that name one of them."""
    require_pkce: bool = False
    access_token_format: TokenFormat | None = None
    access_token_signed_response_alg: str | None = None
    id_token_signed_response_alg: str = "RS256"
    subject_type: Literal["public", "pairwise"] = "public"
    sector_identifier_uri: str | None = None
    refresh_token_rotation: RefreshRotation | None = None
    access_token_ttl: int | None = None
    id_token_ttl: int | None = None
    refresh_token_idle_ttl: int | None = None
    refresh_token_absolute_ttl: int | None = None
    default_max_age: int | None = None
    require_auth_time: bool = False
    default_acr_values: tuple[str, ...] = ()
    skip_consent: bool = False
    allowed_cors_origins: tuple[str, ...] = ()
    owner: str = ""
    contacts: tuple[str, ...] = ()
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Client metadata that extensions declare, under their own names."""
    registration: SelfRegistration | None = None
    """Of a client that registered itself; None: an administrator registered it."""
    version: int = 1
    created_at: int = 0
    updated_at: int = 0

    @property
    def is_public(self) -> bool:
        """A client that cannot keep a secret (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method == "none"


class Subject(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person with an account in the built-in user store. ``subject`` is the stable identifier, never reused."""

    tenant: str
    subject: str
    username: str
    username_key: str
    """``username`` normalised (NFKC, case-folded): what uniqueness and log-in compare."""
    password: str | None = None
    """An argon2id PHC string, or None: this account cannot log in with a password."""
    enabled: bool = True
    roles: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Standard claims (OpenID Connect Core §5.1) and others, by name."""
    password_changed_at: int = 0
    version: int = 1
    created_at: int = 0
    updated_at: int = 0


class Session(Struct, frozen=True, kw_only=True):
    """A browser in which a subject is logged in. The cookie holds a random secret, the row its SHA-256."""

    tenant: str
    session_id: str
    """Public identifier: the ``sid`` of ID tokens."""
    digest: bytes
    subject: str
    auth_time: int
    acr: str | None
    amr: tuple[str, ...]
    remembered: bool
    user_agent: str
    address: str
    created_at: int
    last_seen_at: int
    expires_at: int
    ended_at: int | None = None


class ClaimRequest(Struct, frozen=True, omit_defaults=True):
    """How one claim is asked for (OpenID Connect Core §5.5.1)."""

    essential: bool = False
    value: Any = None
    values: tuple[Any, ...] = ()


class ClaimsRequest(Struct, frozen=True, omit_defaults=True):
    """The ``claims`` parameter, checked (OpenID Connect Core §5.5)."""

    userinfo: Mapping[str, ClaimRequest | None] = field(default_factory=dict)
    id_token: Mapping[str, ClaimRequest | None] = field(default_factory=dict)


class AuthorizationRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An authorization request after every rule has passed (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1)."""

    client_id: str
    redirect_uri: str
    redirect_uri_given: bool = True
    response_type: str = "code"
    response_mode: str = "query"
    scope: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    state: str | None = None
    nonce: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str | None = None
    hinted_subject: str | None = None
    """The subject of the ``id_token_hint``, verified."""
    acr_values: tuple[str, ...] = ()
    ui_locales: tuple[str, ...] = ()
    display: str | None = None
    claims: ClaimsRequest | None = None
    code_challenge: str | None = None
    device_digest: bytes | None = None
    """Of a device that asks (RFC 8628 §3.1): SHA-256 of its ``device_code``. It has no ``redirect_uri`` (empty): the
    person's answer ends in a page."""
    user_code: bytes | None = None
    """What the person typed to find it, sealed under the ring, so that it can be shown to them again."""

    @property
    def is_openid(self) -> bool:
        return "openid" in self.scope

    @property
    def answers(self) -> list[str]:
        """What the answer is to have: ``code``, ``token``, ``id_token``."""
        return self.response_type.split(" ")


class Interaction(Struct, frozen=True, kw_only=True):
    """An authorization request that waits for a person.

    It belongs to the browser it began in (``browser_digest``: SHA-256 of that browser's cookie). The facts below are
    set one by one as the person goes through the pages; ``protocol.interaction.next_step`` decides what comes next.
    """

    tenant: str
    interaction_id: str
    browser_digest: bytes
    request: AuthorizationRequest
    created_at: int
    expires_at: int
    session_id: str | None = None
    """The session the person chose or made in this interaction."""
    authenticated_at: int | None = None
    """When the person last proved who they are *within* this interaction (``prompt=login``, ``max_age``)."""
    account_selected: bool = False
    granted_scope: tuple[str, ...] | None = None
    denied: bool = False
    completed_at: int | None = None
    version: int = 1


class Consent(Struct, frozen=True, kw_only=True):
    """Remembered approval: these scopes, of this client, need not be asked again of this subject."""

    tenant: str
    subject: str
    client_id: str
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    client_fingerprint: str
    """Digest of the client's name and redirect URIs: when they change the person is asked anew."""
    created_at: int
    updated_at: int


class Authorization(Struct, frozen=True, kw_only=True, gc=False):
    """The permission a subject gave a client, or one a grant decided. Tokens are sealed; this is what is stored."""

    tenant: str
    authorization_id: str
    client_id: str
    grant_type: str
    subject: str | None
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    created_at: int
    expires_at: int
    """Absolute end: no token that descends from this row outlives it."""
    session_id: str | None = None
    session_bound: bool = True
    """Ends with the session; False once ``offline_access`` was granted (OpenID Connect Core §11)."""
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    nonce: str | None = None
    claims: ClaimsRequest | None = None
    redirect_uri: str | None = None
    """As sent in the authorization request; None when it was left out there (RFC 6749 §4.1.3)."""
    code_challenge: str | None = None
    confirmation: Mapping[str, str] | None = None
    """Sender constraint, ``cnf`` (RFC 7800)."""
    token_claims: Mapping[str, Any] = field(default_factory=dict)
    """Claims that go into every access token that descends from this row, and into its introspection."""
    id_token_claims: Mapping[str, Any] = field(default_factory=dict)
    """Claims that go into its ID tokens."""
    code_digest: bytes | None = None
    code_expires_at: int | None = None
    code_redeemed_at: int | None = None
    generation: int = 0
    rotated_at: int | None = None
    revoked_at: int | None = None


class Ancestor(Struct, frozen=True, array_like=True):
    """A token that another was exchanged for (RFC 8693), or the trusted issuer of an assertion: by what it would be
    revoked. Instants in milliseconds."""

    token_id: str
    client_id: str
    issued_at: int
    subject: str | None = None
    authorization_id: str | None = None
    session_id: str | None = None
    granted_at: int = 0


class Revocation(Struct, frozen=True, kw_only=True):
    """Refuses every token of ``kind``/``key`` issued at or before ``not_before``; dropped after ``keep_until``.

    Of the kind ``authorizations`` (see ``build_authorizations_key``) it is the authorization that must have been given
    at or before ``not_before``, whenever the token was issued.
    """

    tenant: str
    kind: RevocationKind
    key: str
    not_before: int
    keep_until: int


def build_authorizations_key(subject: str | None, client_id: str | None) -> str:
    """The key of a revocation of all authorizations of a subject, to a client, or of the one to the other."""
    key = f"{'' if subject is None else len(subject)}:{subject or ''}{client_id or ''}"
    return key if len(key) <= 255 else hashlib.sha256(key.encode()).hexdigest()


class SigningKey(Struct, frozen=True, kw_only=True):
    """A signing key. The private half is sealed under the ring with (tenant, kid) as associated data."""

    tenant: str
    kid: str
    alg: str
    state: KeyState
    public_jwk: Mapping[str, Any]
    sealed_private_key: bytes
    created_at: int
    activated_at: int | None = None
    retired_at: int | None = None
    remove_at: int | None = None
    """When the last token it can have signed has expired: the JWKS serves it until then."""


class Lease(Struct, frozen=True, kw_only=True):
    """Who does the work ``name`` for all nodes. ``beat`` grows as long as the holder lives."""

    name: str
    holder: str
    beat: int


class Entry(Struct, frozen=True, kw_only=True):
    """One thing that an administrator keeps in a registry of its own: a registered scope, an issuer whose assertions
    are trusted, an initial access token. ``key`` is unique among those of its ``kind``."""

    tenant: str
    kind: EntryKind
    key: str
    document: Mapping[str, Any]
    """What is known of it: plain JSON. Its members are the business of whom the kind belongs to."""
    expires_at: int | None = None
    """When it is deleted; until then whoever reads it compares this with the time. None: it stays."""
    version: int = 1
    created_at: int = 0
    updated_at: int = 0


class Task(Struct, frozen=True, kw_only=True):
    """Work that a commit leaves to be done, even if the process dies right after it.

    Whoever takes it moves ``due_at`` on first, so that nobody else begins it meanwhile, and deletes it when it is done.
    """

    tenant: str
    task_id: str
    kind: TaskKind
    due_at: int
    expires_at: int
    """When it is given up and deleted, done or not."""
    attempts: int = 0
    """How often somebody took it."""
    document: Mapping[str, Any]
    version: int = 1
    created_at: int


class DeviceRequest(Struct, frozen=True, kw_only=True):
    """A device's request that waits for a person with a browser (RFC 8628 §3.2). Of both codes only digests are kept.

    What the person grants becomes an ``Authorization``, whose code is the device code.
    """

    tenant: str
    device_digest: bytes
    """SHA-256 of the ``device_code``."""
    user_code_digest: bytes
    """SHA-256 of the ``user_code`` in its one spelling: no two that live have the same."""
    client_id: str
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    created_at: int
    expires_at: int
    interval: int
    """Seconds that must lie between two polls (RFC 8628 §3.5)."""
    polled_at: int | None = None
    denied_at: int | None = None
    version: int = 1


class Change(Struct, frozen=True, kw_only=True):
    """One entry of the change feed: what near caches have to drop or reload. Of the kind ``entry``, the key is the
    ``Entry.kind``: all entries of that kind are dropped."""

    sequence: int
    tenant: str
    kind: Literal["client", "subject", "key", "tenant", "revocation", "entry"]
    key: str
    revocation: Revocation | None = None


class Page(Struct, frozen=True):
    """One page of a listing. ``cursor`` asks for the next one; None: this was the last."""

    items: tuple[Any, ...]
    cursor: str | None = None
