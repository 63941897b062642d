"""Every option, once: from one line come its type, default, bounds, text, environment name, CLI help and docs page.

Sources, later ones win: defaults < TOML file < environment (``GRANTWAY_TOKENS__ACCESS_TOKEN_TTL``) < keyword arguments
(which is where the flags of the command line arrive). A secret may come from a file:
``GRANTWAY_SECRETS__SEALING_FILE``. An unknown name is an error with a suggestion, and a secret prints as ``***``.
"""

from __future__ import annotations

import difflib
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

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
        Meta(description="Addresses or networks of proxies whose X-Forwarded-For is believed; others' is ignored."),
    ] = ()
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
        Literal["strict", "grace", "off"],
        Meta(
            description="What using a refresh token does: strict spends it at once, grace gives the same successor "
            "again for a few seconds, off keeps it usable."
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
        int, Meta(ge=1, description="Failed client authentications per client and address in one window.")
    ] = 100
    window: Annotated[Seconds, Meta(description="Length of the window, seconds.")] = 300


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


class AdminSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The admin API."""

    insecure_open: Annotated[
        bool, Meta(description="Answer the admin API without a token; refused on anything but loopback.")
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
    limits: LimitSettings = field(default_factory=LimitSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
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
