"""Every option, once: from one line come its type, default, bounds, text, environment name, CLI help and docs page.

Sources, later ones win: defaults < TOML file < environment (``GRANTWAY_TOKENS__ACCESS_TOKEN_TTL``) < keyword arguments
(which is where the flags of the command line arrive). A secret may come from a file:
``GRANTWAY_SECRETS__SEALING_FILE``. An unknown name is an error with a suggestion, and a secret prints as ``***``.
"""

from __future__ import annotations

import difflib
import ipaddress
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field

from grantway.errors import ConfigurationError

ENVIRONMENT_PREFIX = "GRANTWAY_"


class Secret(str):
    """A string that does not show itself: ``repr`` and ``format`` give ``***``; use ``reveal()`` for the value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    __str__ = __format__ = lambda self, *_: "***"  # type: ignore[assignment]

    def reveal(self) -> str:
        return str.__str__(self)


Seconds = Annotated[int, Meta(ge=1, le=100 * 365 * 86400)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class ServeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Listeners, workers and the limits of a request."""

    bind: Annotated[str, Meta(description="Address of the public listener.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port of the public listener; 0 takes a free one.")] = 4444
    admin_bind: Annotated[str, Meta(description="Address of the admin listener.")] = "127.0.0.1"
    admin_port: Annotated[Port, Meta(description="Port of the admin listener; 0 takes a free one.")] = 4445
    workers: Annotated[int, Meta(ge=1, le=512, description="Worker processes.")] = 1
    services: Annotated[
        tuple[str, ...],
        Meta(
            description="The services this node runs, by the names that `grantway services` lists; it answers 404 for "
            "the paths of the others. Empty: all."
        ),
    ] = ()
    max_body_bytes: Annotated[
        int, Meta(ge=1024, description="Largest request body of a protocol endpoint, refused before it is parsed.")
    ] = 65536
    max_parameters: Annotated[int, Meta(ge=20, description="Most parameters in one query or form.")] = 200
    body_timeout: Annotated[
        Seconds, Meta(description="Absolute deadline for a request's head and for its body, seconds.")
    ] = 10
    shutdown_timeout: Annotated[
        Seconds, Meta(description="How long requests under way may take after SIGTERM, seconds.")
    ] = 30
    drain_delay: Annotated[
        int,
        Meta(
            ge=0,
            le=300,
            description="How long the listeners go on answering after SIGTERM while /health/ready says 503, seconds: "
            "as long as a load balancer takes to notice.",
        ),
    ] = 0
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses or networks of proxies whose X-Forwarded-For and serve.client_certificate_header "
            "are believed; others' are ignored."
        ),
    ] = ()
    client_certificate_header: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9-]*$",
            description="Header in which a proxy of serve.trusted_proxies hands on the client's TLS certificate, in "
            "lower case: client-cert (RFC 9440), or one with a PEM with percent escapes (nginx) or spaces (Apache), or "
            "Envoy's x-forwarded-client-cert. The proxy must overwrite what a client sends in it. Empty: none.",
        ),
    ] = ""
    client_certificate_verify_header: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9-]*$",
            description="Header, in lower case, in which that proxy says SUCCESS (or 0) where a certificate authority "
            "it trusts vouches for the client's certificate. Without it there is no tls_client_auth. Empty: none.",
        ),
    ] = ""
    direct_lane: Annotated[
        bool, Meta(description="Answer protocol requests without ASGI in between; off for comparison only.")
    ] = True
    access_log: Annotated[bool, Meta(description="Write one structured line per request.")] = False


class DatabaseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where authorizations, clients and users are kept."""

    url: Annotated[
        str,
        Meta(
            description="sqlite:///grantway.db, postgresql://user:password@host/database, mariadb://, mysql://, "
            "oracle:// or mssql:// in the same form; sqlite:// keeps everything in memory."
        ),
    ] = "sqlite:///grantway.db"
    listen_url: Annotated[
        Secret | None,
        Meta(
            description="PostgreSQL behind a pooler (database.url with ?pool_mode=transaction): where to listen for "
            "changes, past the pooler. Unset: they are read every database.poll_interval_ms."
        ),
    ] = None
    timeout: Annotated[Seconds, Meta(description="Longest wait for the database before 503, seconds.")] = 5
    poll_interval_ms: Annotated[
        int, Meta(ge=5, le=900, description="How often a worker looks for changes others made, milliseconds.")
    ] = 50
    freshness_bound_ms: Annotated[
        int,
        Meta(ge=100, le=10000, description="Past this age a worker asks the database instead of its memory, ms."),
    ] = 1000


class SecretSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sealing ring: everything sealed, at rest or in a token, is sealed under its newest secret."""

    sealing: Annotated[
        tuple[Secret, ...],
        Meta(description="Secrets of at least 32 characters, newest first; older ones still open what they sealed."),
    ] = ()


class TokenSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Formats and lifetimes; a client's own values win."""

    access_token_format: Annotated[
        Literal["opaque", "jwt"], Meta(description="Format of access tokens: sealed (opaque) or RFC 9068 (jwt).")
    ] = "opaque"
    access_token_ttl: Annotated[Seconds, Meta(description="Lifetime of an opaque access token, seconds.")] = 3600
    jwt_access_token_ttl: Annotated[
        Seconds, Meta(description="Lifetime of a JWT access token, seconds; short, as APIs may verify it offline.")
    ] = 600
    max_token_ttl: Annotated[
        Seconds,
        Meta(
            description="Ceiling of every access and ID token's lifetime, seconds: revocations and retired keys are "
            "kept this long."
        ),
    ] = 86400
    access_token_signed_response_alg: Annotated[
        Literal["ES256", "RS256", "PS256", "EdDSA"], Meta(description="Signature of JWT access tokens.")
    ] = "ES256"
    id_token_ttl: Annotated[Seconds, Meta(description="Lifetime of an ID token, seconds.")] = 3600
    code_ttl: Annotated[
        int, Meta(ge=1, le=600, description="Lifetime of an authorization code, seconds (RFC 9700 asks for short).")
    ] = 60
    refresh_token_rotation: Annotated[
        Literal["strict", "grace", "off", "none"],
        Meta(
            description="What using a refresh token does: strict spends it at once, grace gives the same successor "
            "again for a few seconds, off keeps it usable, none spends it and gives no other."
        ),
    ] = "grace"
    refresh_token_grace: Annotated[
        int, Meta(ge=0, le=300, description="Grace window of a superseded refresh token, seconds.")
    ] = 10
    refresh_token_idle_ttl: Annotated[
        Seconds, Meta(description="A refresh token unused for this long expires, seconds.")
    ] = 30 * 86400
    refresh_token_absolute_ttl: Annotated[
        Seconds,
        Meta(description="An authorization ends this long after it was given, however often it is used, seconds."),
    ] = 365 * 86400
    require_pkce: Annotated[
        bool, Meta(description="Demand PKCE of confidential clients too; public clients always need it.")
    ] = False
    pairwise_salt: Annotated[
        Secret | None,
        Meta(
            description="Salt of pairwise subject identifiers; never change it. Unset: derived from nothing, refused."
        ),
    ] = None


class KeySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signing keys: made, published, used and retired by the server itself."""

    algorithms: Annotated[
        tuple[Literal["ES256", "RS256", "PS256", "EdDSA"], ...],
        Meta(description="Algorithms a key is kept for; RS256 is mandatory in OpenID Connect."),
    ] = ("ES256", "RS256")
    rotate_after: Annotated[Seconds, Meta(description="Age at which the active key is replaced, seconds.")] = 90 * 86400
    jwks_max_age: Annotated[
        Seconds, Meta(description="How long verifiers may cache the JWKS; a key is published this long before use.")
    ] = 300


class InteractionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Log-in, consent and browser sessions."""

    interaction_ttl: Annotated[Seconds, Meta(description="How long a person may take to log in, seconds.")] = 1800
    session_ttl: Annotated[Seconds, Meta(description="A session ends this long after log-in, seconds.")] = 12 * 3600
    session_idle_ttl: Annotated[Seconds, Meta(description="A session unused for this long ends, seconds.")] = 2 * 3600
    remembered_session_ttl: Annotated[
        Seconds, Meta(description="Lifetime of a session with 'stay signed in', idle or not, seconds.")
    ] = 30 * 86400
    registration: Annotated[bool, Meta(description="Let people register an account by themselves.")] = False
    insecure_cookies: Annotated[
        bool,
        Meta(description="Cookies without Secure and __Host-; only for browsers that refuse them on plain loopback."),
    ] = False
    acr: Annotated[str, Meta(description="The acr of a log-in by password.")] = "urn:grantway:acr:password"
    template_directory: Annotated[
        str, Meta(description="Directory with templates that take the place of built-in pages. Empty: none.")
    ] = ""


class PasswordSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Policy (NIST SP 800-63B) and cost of passwords."""

    min_length: Annotated[int, Meta(ge=8, le=256, description="Fewest characters.")] = 8
    max_length: Annotated[int, Meta(ge=64, le=1024, description="Most characters; checked before hashing.")] = 256
    require_uppercase: Annotated[bool, Meta(description="Demand an upper-case letter.")] = False
    require_lowercase: Annotated[bool, Meta(description="Demand a lower-case letter.")] = False
    require_digit: Annotated[bool, Meta(description="Demand a digit.")] = False
    require_symbol: Annotated[bool, Meta(description="Demand a character that is no letter and no digit.")] = False
    argon2_memory_kib: Annotated[int, Meta(ge=7168, le=1048576, description="argon2id memory, KiB.")] = 19456
    argon2_iterations: Annotated[int, Meta(ge=1, le=64, description="argon2id passes.")] = 2
    concurrency: Annotated[
        int, Meta(ge=1, le=64, description="Hashes computed at once in a worker; further ones wait in line.")
    ] = 2
    queue: Annotated[int, Meta(ge=1, le=10000, description="Hashes that may wait; further ones answer 503.")] = 64


class ThrottleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many guesses anyone gets."""

    account_attempts: Annotated[int, Meta(ge=1, description="Failed log-ins per account in one window.")] = 10
    address_attempts: Annotated[int, Meta(ge=1, description="Failed log-ins per address in one window.")] = 60
    client_attempts: Annotated[
        int,
        Meta(
            ge=1,
            description="Failed client authentications per client and address in one window, and wrong tokens at "
            "tokeninfo per address.",
        ),
    ] = 100
    window: Annotated[Seconds, Meta(description="Length of the window, seconds.")] = 300


class ClientAuthSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked of the assertions that clients prove themselves by."""

    lax_assertion_audience: Annotated[
        bool,
        Meta(
            description="Accept client assertions whose aud is the URL of an endpoint where clients authenticate, or a "
            "list, as older libraries send them: another server could have had them made for this one. Off: the issuer "
            "alone. A client's own lax_assertion_audience wins."
        ),
    ] = False
    max_assertion_lifetime: Annotated[
        int,
        Meta(ge=10, le=86400, description="Farthest a client assertion's exp may be from its iat and now, seconds."),
    ] = 300


class LimitSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many requests anyone gets answered: token buckets, off unless a rate is set."""

    client_rate: Annotated[
        int, Meta(ge=0, description="Requests per window of one client, once it has authenticated; 0: no limit.")
    ] = 0
    client_burst: Annotated[
        int, Meta(ge=0, description="How many of them a client may send at once; 0: as many as limits.client_rate.")
    ] = 0
    address_rate: Annotated[
        int,
        Meta(
            ge=0,
            description="Requests per window from one address (IPv6: one /64), discovery and the JWK Set not counted; "
            "0: no limit.",
        ),
    ] = 0
    address_burst: Annotated[
        int, Meta(ge=0, description="How many of them may come at once; 0: as many as limits.address_rate.")
    ] = 0
    account_rate: Annotated[
        int, Meta(ge=0, description="Log-ins per window to one account, right or wrong; 0: no limit.")
    ] = 0
    account_burst: Annotated[
        int, Meta(ge=0, description="How many of them may come at once; 0: as many as limits.account_rate.")
    ] = 0
    window: Annotated[Seconds, Meta(description="The window that the rates are for, seconds.")] = 60
    shared: Annotated[
        Literal["memory", "redis"],
        Meta(description="Where the buckets are: in each worker's memory, or for all workers together in redis.url."),
    ] = "memory"
    nodes: Annotated[
        int,
        Meta(
            ge=1,
            le=10000,
            description="Machines that share the limits: while Redis does not answer, a worker grants its part of each "
            "rate, one of nodes × serve.workers.",
        ),
    ] = 1


class RedisSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Redis or Valkey, for what may be lost: shared rate limits and word of changes."""

    url: Annotated[
        Secret | None,
        Meta(
            description="redis://user:password@host:6379/0, rediss:// (TLS), unix:///path/to/socket, "
            "redis+sentinel://host:26379,host:26379/service or redis+cluster://host:6379,host:6379. Unset: none."
        ),
    ] = None
    prefix: Annotated[
        str, Meta(pattern=r"^[^{}\s]*$", description="What the names of its keys and its channel begin with.")
    ] = "grantway:"
    timeout_ms: Annotated[
        int, Meta(ge=5, le=5000, description="Longest wait for an answer before going on without, milliseconds.")
    ] = 100


class EgressSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests this server makes: to URLs that clients brought, and to URLs of its own settings."""

    timeout: Annotated[
        Seconds, Meta(description="Absolute deadline for an outgoing request, from its start to its end, seconds.")
    ] = 3
    max_concurrency: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="Most outgoing requests of a worker at once to URLs of clients, and as many to URLs of the "
            "settings; further ones wait, within their deadline.",
        ),
    ] = 32
    ports: Annotated[tuple[Port, ...], Meta(description="Ports that URLs of clients may name.")] = (443,)
    ca_file: Annotated[
        str,
        Meta(description="PEM file of certificate authorities that are trusted besides the machine's. Empty: none."),
    ] = ""
    denied_networks: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks that URLs of clients must not reach, whatever else is allowed: your own ones with "
            "public addresses, as 198.51.100.0/24, and parts of egress.insecure_private_networks."
        ),
    ] = ()
    insecure_private_networks: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks that URLs of clients may reach although they are private or this server's own, by "
            "plain http and on any port too, as 127.0.0.0/8. Whoever registers a client can make this server send "
            "requests there: for development and tests."
        ),
    ] = ()
    breaker_failures: Annotated[
        int,
        Meta(
            ge=1,
            description="A host of clients' URLs that could not be reached so often in a row is left alone for a "
            "while, as is one of their URLs that failed so often for another reason.",
        ),
    ] = 5
    breaker_pause: Annotated[Seconds, Meta(description="How long it is left alone, seconds.")] = 30
    jwks_ttl: Annotated[
        Seconds,
        Meta(
            description="How long the keys at a jwks_uri are used before they are fetched again, seconds; less where "
            "their Cache-Control says less, not less than egress.jwks_refresh_interval."
        ),
    ] = 600
    jwks_refresh_interval: Annotated[
        Seconds, Meta(description="An unknown kid has a jwks_uri fetched again, but not sooner than this, seconds.")
    ] = 30
    jwks_stale_ttl: Annotated[
        int,
        Meta(
            ge=0,
            description="How long after that the keys are still used while the jwks_uri cannot be fetched, seconds.",
        ),
    ] = 3600


class DeviceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Devices without a browser of their own (RFC 8628), for clients that registered the grant type."""

    ttl: Annotated[
        int, Meta(ge=60, le=3600, description="How long a device code and its user code are good, seconds.")
    ] = 600
    interval: Annotated[
        int, Meta(ge=1, le=60, description="Least time between two polls of a device, seconds (RFC 8628 §3.2).")
    ] = 5
    user_code: Annotated[
        Literal["letters", "letters-12", "digits", "digits-12"],
        Meta(
            description="Which user codes people type: BCDF-GHJK (letters, 34.6 bits), BCDF-GHJK-LMNP (letters-12, "
            "51.9), 123-456-789 (digits, 29.9) or 1234-5678-9012 (digits-12, 39.9). A client may have another."
        ),
    ] = "letters"
    browser_attempts: Annotated[
        int, Meta(ge=1, description="Wrong user codes from one browser in one throttle.window.")
    ] = 5
    address_attempts: Annotated[
        int, Meta(ge=1, description="Wrong user codes from one address (IPv6: one /64) in one throttle.window.")
    ] = 20
    attempts: Annotated[
        int,
        Meta(
            ge=1,
            description="Wrong user codes from everybody together in one throttle.window, for each tenant; beyond it "
            "no code is taken until the window has passed.",
        ),
    ] = 1000
    requests_per_address: Annotated[
        int,
        Meta(
            ge=1,
            description="Devices that may ask for codes from one address (IPv6: one /64) in one throttle.window. Each "
            "is a row in the database, and a public client's identifier is no secret.",
        ),
    ] = 100


class LogoutSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How clients are told that a session has ended."""

    frontchannel_timeout: Annotated[
        int,
        Meta(
            ge=1,
            le=60,
            description="How long the page after a logout waits for the frames of clients before it goes on, seconds.",
        ),
    ] = 5
    concurrency: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Logout tokens that a worker sends at once, a quarter of them for one session and an eighth "
            "to one client; further ones wait.",
        ),
    ] = 16
    max_attempts: Annotated[
        int, Meta(ge=1, le=100, description="How often a logout token is sent to a client that does not answer.")
    ] = 20
    retry_delay: Annotated[
        Seconds, Meta(description="Wait before the second attempt, seconds; it doubles with each further one.")
    ] = 5
    max_retry_delay: Annotated[Seconds, Meta(description="Longest wait between two attempts, seconds.")] = 3600
    poll_interval: Annotated[
        Seconds,
        Meta(
            description="How often one worker of all looks for what was left undone, by one that died or by a command, "
            "seconds."
        ),
    ] = 5


class AssertionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The grants for assertions that trusted issuers sign: JWTs (RFC 7523) and SAML 2.0 (RFC 7522)."""

    lax_audience: Annotated[
        bool,
        Meta(
            description="Accept JWTs whose aud is the token endpoint's URL, or a list that names other servers beside "
            "this one. Off: the aud must be the issuer and nothing else."
        ),
    ] = False
    jwt_max_lifetime: Annotated[
        int, Meta(ge=1, le=86400, description="The farthest a JWT's exp may be from now and from its iat, seconds.")
    ] = 300
    saml_max_lifetime: Annotated[
        int, Meta(ge=1, le=86400, description="The farthest the end of a SAML assertion may be from now, seconds.")
    ] = 3600
    clock_skew: Annotated[int, Meta(ge=0, le=60, description="How far the clocks of issuers may be off, seconds.")] = 60
    saml_authn_max_age: Annotated[
        int,
        Meta(
            ge=0,
            description="How long ago the person may have signed in at the issuer of a SAML assertion, seconds: it "
            "needs an AuthnStatement then. 0: it is not looked at.",
        ),
    ] = 0
    trust_for_any_client: Annotated[
        bool,
        Meta(
            description="A trusted issuer that is made without a word about clients, as clients of Hydra's API make "
            "them, is good for every client that may use the grant. Off: the clients must be named, or any_client."
        ),
    ] = False


class RegistrationSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Clients that register themselves (RFC 7591): off unless enabled, and only by initial access tokens."""

    enabled: Annotated[bool, Meta(description="Let clients register themselves, by an initial access token.")] = False
    insecure_open: Annotated[
        bool, Meta(description="Let anybody register a client, without an initial access token.")
    ] = False
    grant_types: Annotated[
        tuple[str, ...], Meta(description="Grant types they may have; an initial access token may say otherwise.")
    ] = ("authorization_code", "refresh_token")
    token_endpoint_auth_methods: Annotated[
        tuple[str, ...], Meta(description="How they may authenticate. Empty: in every way the server has.")
    ] = ()
    scope: Annotated[tuple[str, ...], Meta(description="Scopes they may have, and have if they name none.")] = (
        "openid",
        "profile",
        "email",
        "offline_access",
    )
    audience: Annotated[
        tuple[str, ...], Meta(description="Audiences (RFC 8707 resources) that all of them may ask for.")
    ] = ()
    per_address: Annotated[int, Meta(ge=1, description="Registrations from one address in one throttle.window.")] = 20
    software_statement_issuer: Annotated[
        str, Meta(description="Whose software statements (RFC 7591 §2.3) count: their iss. Empty: nobody's.")
    ] = ""
    software_statement_jwks_uri: Annotated[
        str, Meta(description="URL of that issuer's keys; of the operator's choice, so it may be a private address.")
    ] = ""
    require_software_statement: Annotated[
        bool, Meta(description="Register only clients with a software statement.")
    ] = False


class HookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Services of the operator's that are asked before tokens are issued."""

    token_url: Annotated[
        str,
        Meta(description="URL that is asked before tokens are issued (JSON, POST), to change or deny. Empty: none."),
    ] = ""
    refresh_url: Annotated[
        str, Meta(description="The same for refreshed tokens alone, asked before hooks.token_url. Empty: none.")
    ] = ""
    credential_in: Annotated[Literal["header", "cookie"], Meta(description="Where hooks.credential travels.")] = (
        "header"
    )
    credential_name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name of that header or cookie.")
    ] = "Authorization"
    credential: Annotated[
        Secret | None, Meta(description="What proves this server to the hooks, as it is sent. Unset: nothing.")
    ] = None
    timeout_ms: Annotated[
        int, Meta(ge=50, le=30000, description="Longest wait for a hook before 503, milliseconds.")
    ] = 2000


class AdminSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The admin API."""

    insecure_open: Annotated[
        bool, Meta(description="Answer the admin API without a token; refused on anything but loopback.")
    ] = False


class ScopeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How scopes are compared, and which there are."""

    strategy: Annotated[
        Literal["exact", "hierarchic", "wildcard"],
        Meta(
            description="What a registered scope allows besides itself, of clients without a scope_strategy: nothing, "
            "what is below it (photos: photos.read), or what it matches (photos.*: photos.read)."
        ),
    ] = "exact"
    registered_only: Annotated[
        bool, Meta(description="Clients may only register scopes that are standard or in the registry of scopes.")
    ] = False


class CompatSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Flows and endpoints that other servers have of their own. Each is not there unless it is switched on."""

    client_authenticated_user: Annotated[
        bool,
        Meta(
            description="The grant client_authenticated_user (light-oauth2): clients with names_users_by say who it is "
            "that they logged in themselves."
        ),
    ] = False
    bootstrap_tokens: Annotated[
        bool,
        Meta(
            description="The grant bootstrap_token (light-oauth2): long-lived tokens for clients with "
            "bootstrap_token_grant_access_token_lifespan, within tokens.max_token_ttl."
        ),
    ] = False
    tokeninfo: Annotated[
        bool, Meta(description="/oauth2/tokeninfo (Axway): tells whoever presents an access token what it says.")
    ] = False
    insecure_tokeninfo_query: Annotated[
        bool,
        Meta(description="Take the token at /oauth2/tokeninfo from the query too, where logs and histories keep it."),
    ] = False
    dereference: Annotated[
        bool,
        Meta(
            description="/oauth2/dereference (light-oauth2): the client that another names as its dereference_client "
            "gets JWTs for that one's opaque access tokens."
        ),
    ] = False
    signing: Annotated[
        bool,
        Meta(
            description="/oauth2/signing (light-oauth2): clients with may_sign_payloads get data of theirs signed by "
            "this server's keys."
        ),
    ] = False
    token_formats: Annotated[
        bool, Meta(description="The parameter format (Axway) at the token endpoint: json, urlencoded or xml.")
    ] = False
    keys_as_pem: Annotated[
        bool, Meta(description="/oauth2/keys/{kid} (light-oauth2): a published signing key as PEM.")
    ] = False
    introspection_jwt: Annotated[
        bool, Meta(description="Introspection answers as signed JWTs where they are asked for (RFC 9701).")
    ] = False


class MaintenanceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one worker of all does for all: rotating keys, deleting what has ended."""

    interval: Annotated[Seconds, Meta(description="How often it looks for work, seconds.")] = 60
    lease_ttl: Annotated[
        Seconds,
        Meta(description="Another worker takes over from one that gave no sign of life for this long, seconds."),
    ] = 30
    clean_batch: Annotated[
        int, Meta(ge=1, le=10000, description="Rows of each kind that are deleted in one transaction.")
    ] = 200


class LogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The log: structured, one line an event, on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least level written.")] = "info"
    format: Annotated[Literal["json", "text"], Meta(description="json for machines, text for people.")] = "json"
    audit_file: Annotated[
        str,
        Meta(
            description="File to which every administrative change is appended as a line of JSON, by servers and by "
            "commands, whatever the level; it may be rotated. Empty: none."
        ),
    ] = ""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a server."""

    issuer: Annotated[
        str,
        Meta(description="Issuer identifier: the https URL clients see (RFC 8414 §2). http only on loopback."),
    ] = "http://127.0.0.1:4444"
    serve: ServeSettings = field(default_factory=ServeSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    secrets: SecretSettings = field(default_factory=SecretSettings)
    tokens: TokenSettings = field(default_factory=TokenSettings)
    keys: KeySettings = field(default_factory=KeySettings)
    interaction: InteractionSettings = field(default_factory=InteractionSettings)
    passwords: PasswordSettings = field(default_factory=PasswordSettings)
    throttle: ThrottleSettings = field(default_factory=ThrottleSettings)
    client_auth: ClientAuthSettings = field(default_factory=ClientAuthSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    egress: EgressSettings = field(default_factory=EgressSettings)
    device: DeviceSettings = field(default_factory=DeviceSettings)
    logout: LogoutSettings = field(default_factory=LogoutSettings)
    assertions: AssertionSettings = field(default_factory=AssertionSettings)
    registration: RegistrationSettings = field(default_factory=RegistrationSettings)
    hooks: HookSettings = field(default_factory=HookSettings)
    scopes: ScopeSettings = field(default_factory=ScopeSettings)
    compat: CompatSettings = field(default_factory=CompatSettings)
    admin: AdminSettings = field(default_factory=AdminSettings)
    maintenance: MaintenanceSettings = field(default_factory=MaintenanceSettings)
    log: LogSettings = field(default_factory=LogSettings)


class Option(Struct, frozen=True):
    """One option as documentation, command line and environment see it."""

    path: tuple[str, ...]
    type: str
    default: Any
    description: str
    bounds: str
    is_secret: bool

    @property
    def dotted(self) -> str:
        return ".".join(self.path)

    @property
    def environment_name(self) -> str:
        return ENVIRONMENT_PREFIX + "__".join(part.upper() for part in self.path)


def iterate_options(settings_type: type[Struct] = Settings, prefix: tuple[str, ...] = ()) -> Iterator[Option]:
    """Yields every option in the order of definition: the one source of reference page, help and schema."""
    defaults = settings_type()
    hints = typing.get_type_hints(settings_type, include_extras=True)
    for name in settings_type.__struct_fields__:
        path = (*prefix, name)
        default = getattr(defaults, name)
        if isinstance(default, Struct):
            yield from iterate_options(type(default), path)
        else:
            yield _describe(path, hints[name], default)


def load_settings(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Builds settings from a TOML file, the environment and dotted keyword ``overrides`` (``{"serve.port": 0}``).

    Raises:
        ConfigurationError: a name is unknown, a value has the wrong type or is out of bounds, a file cannot be read.
    """
    options = {option.path: option for option in iterate_options()}
    tree: dict[str, Any] = {}
    if file is not None:
        try:
            tree = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"{file}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file}: {error}") from error
        _check_names(tree, options, str(file))
    for path, value in _parse_environment(environment or {}, options):
        _put(tree, path, value)
    for dotted, value in (overrides or {}).items():
        path = tuple(dotted.split("."))
        if path not in options:
            raise ConfigurationError(f"Unknown setting {dotted!r}.{_suggest(dotted, options)}")
        _put(tree, path, value)
    try:
        settings = msgspec.convert(tree, Settings, strict=False, dec_hook=_decode_secret)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"Setting: {error}") from error
    check_settings(settings)
    return settings


def _check_outgoing(settings: Settings) -> None:
    for name in ("denied_networks", "insecure_private_networks"):
        for network in getattr(settings.egress, name):
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ConfigurationError(f"egress.{name}: {error}.") from error
    registration = settings.registration
    for name, text in (
        ("hooks.token_url", settings.hooks.token_url),
        ("hooks.refresh_url", settings.hooks.refresh_url),
        ("registration.software_statement_jwks_uri", registration.software_statement_jwks_uri),
    ):
        url = urlsplit(text)
        if text and (url.scheme not in ("https", "http") or not url.hostname):
            raise ConfigurationError(f"{name}: {text} is not an http or https URL.")
    if bool(registration.software_statement_issuer) != bool(registration.software_statement_jwks_uri):
        raise ConfigurationError("registration.software_statement_issuer and _jwks_uri go together.")
    if registration.require_software_statement and not registration.software_statement_issuer:
        raise ConfigurationError("registration.require_software_statement: no software_statement_issuer is set.")


def check_settings(settings: Settings) -> None:
    """Refuses combinations that would be unsafe.

    Raises:
        ConfigurationError: says which setting, why, and what to do.
    """
    check_issuer(settings.issuer)
    if settings.admin.insecure_open and settings.serve.admin_bind not in LOOPBACK_HOSTS:
        raise ConfigurationError("admin.insecure_open: refused, serve.admin_bind is not a loopback address.")
    if settings.limits.shared == "redis" and settings.redis.url is None:
        raise ConfigurationError("limits.shared: redis.url is not set.")
    _check_outgoing(settings)
    serve = settings.serve
    if serve.client_certificate_verify_header and not serve.client_certificate_header:
        raise ConfigurationError("serve.client_certificate_verify_header: serve.client_certificate_header is not set.")
    if serve.client_certificate_header and not serve.trusted_proxies:
        raise ConfigurationError(
            "serve.client_certificate_header: name the proxy in serve.trusted_proxies; nobody else is believed."
        )
    if serve.client_certificate_header and any(proxy.endswith("/0") for proxy in serve.trusted_proxies):
        raise ConfigurationError(
            "serve.client_certificate_header: serve.trusted_proxies names everybody, and anybody could send it."
        )
    if settings.interaction.insecure_cookies and not is_loopback_url(settings.issuer):
        raise ConfigurationError("interaction.insecure_cookies: refused, the issuer is not on loopback.")
    for secret in settings.secrets.sealing:
        if len(secret) < 32:
            raise ConfigurationError("secrets.sealing: a secret needs at least 32 characters.")
        if len(set(secret.reveal())) < 8:
            raise ConfigurationError("secrets.sealing: this secret can be guessed; generate one.")


def check_issuer(issuer: str) -> None:
    """Refuses what cannot be the issuer of a server (RFC 8414 §2).

    Raises:
        ConfigurationError: says why.
    """
    if not issuer.startswith("https://") and not is_loopback_url(issuer):
        raise ConfigurationError(f"issuer: {issuer!r} must be an https URL (http is for loopback only).")
    if "?" in issuer or "#" in issuer or issuer.endswith("/"):
        raise ConfigurationError("issuer: must have no query, no fragment and no trailing slash (RFC 8414 §2).")


LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


def is_loopback_url(url: str) -> bool:
    """True for ``http://127.0.0.1[:port]…``, ``http://[::1]…`` and ``http://localhost…``."""
    if not url.startswith("http://"):
        return False
    authority = url[len("http://") :].split("/", 1)[0]
    host = (
        authority[1 : authority.index("]")]
        if authority.startswith("[") and "]" in authority
        else authority.split(":")[0]
    )
    return host in LOOPBACK_HOSTS


def build_schema() -> dict[str, Any]:
    """The JSON Schema of the TOML file."""
    return msgspec.json.schema(
        Settings, schema_hook=lambda type_: {"type": "string", "writeOnly": True} if type_ is Secret else {}
    )


def _decode_secret(type_: type, value: Any) -> Any:
    if type_ is Secret and isinstance(value, str):
        return Secret(str.__str__(value))  # of a Secret, str() would give the three stars
    raise TypeError(f"expected {type_.__name__}")


def _parse_environment(
    environment: Mapping[str, str], options: Mapping[tuple[str, ...], Option]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    by_name = {option.environment_name: option for option in options.values()}
    for name, raw in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name.startswith(ENVIRONMENT_PREFIX + "TEST_"):
            continue
        option, value = by_name.get(name), raw
        if option is None and name.endswith("_FILE") and name[:-5] in by_name:
            option = by_name[name[:-5]]
            try:
                value = Path(raw).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigurationError(f"{name}: {raw}: {error.strerror}") from error
        if option is None:
            raise ConfigurationError(f"Unknown variable {name}.{_suggest(name, by_name)}")
        yield option.path, _parse_list(value) if option.type.startswith("list") else value


def _parse_list(value: str) -> list[str]:
    """Environment lists are separated by commas or line ends."""
    return [part.strip() for part in value.replace("\n", ",").split(",") if part.strip()]


def _check_names(tree: Mapping[str, Any], options: Mapping[tuple[str, ...], Option], where: str) -> None:
    sections = {path[:-1] for path in options if len(path) > 1}
    stack: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((), tree)]
    while stack:
        prefix, level = stack.pop()
        for name, value in level.items():
            path = (*prefix, name)
            if path in sections and isinstance(value, Mapping):
                stack.append((path, value))
            elif path not in options:
                dotted = ".".join(path)
                raise ConfigurationError(f"{where}: unknown setting {dotted!r}.{_suggest(dotted, options)}")


def _suggest(name: str, known: Mapping[Any, Option]) -> str:
    names = [key if isinstance(key, str) else ".".join(key) for key in known]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def _put(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value


def _describe(path: tuple[str, ...], hint: Any, default: Any) -> Option:
    description, bounds = "", []
    while typing.get_origin(hint) is Annotated:
        hint, *metas = typing.get_args(hint)
        for meta in metas:
            description = description or (meta.description or "")
            bounds += [f"≥ {meta.ge}"] if meta.ge is not None else []
            bounds += [f"≤ {meta.le}"] if meta.le is not None else []
    return Option(
        path=path,
        type=_type_name(hint),
        default=default,
        description=description,
        bounds=", ".join(dict.fromkeys(bounds)),
        is_secret="Secret" in str(hint),
    )


def _type_name(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _type_name(args[0])
    if origin is Literal:
        return " | ".join(str(arg) for arg in args)
    if origin is tuple:
        return f"list of {_type_name(args[0])}"
    if origin in (typing.Union, types.UnionType):
        return _type_name(next(arg for arg in args if arg is not type(None)))
    name: str = hint.__name__
    return {"str": "string", "int": "integer", "bool": "boolean", "Secret": "secret"}.get(name, name)
