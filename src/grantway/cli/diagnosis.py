"""What ``grantway doctor`` looks at: one function per concern, each giving findings."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from grantway.config import LOOPBACK_HOSTS, Settings, is_loopback_url, iterate_options
from grantway.errors import GrantwayError, SchemaError
from grantway.model import DEFAULT_TENANT, SigningKey

if TYPE_CHECKING:
    from grantway.extension import Runtime

OLD_SECRET_DAYS = 365
MOST_SECRETS = 5
LONGEST_JWT_TTL = 3600
OLDEST_CLOCK = 1_750_000_000
"""Mid 2025, seconds: this version did not exist before."""
# OWASP Password Storage Cheat Sheet: for each number of passes the least memory (KiB) of argon2id.
_LEAST_MEMORY = {1: 47104, 2: 19456, 3: 12288, 4: 9216, 5: 7168}

Level = Literal["ok", "warning", "unsafe"]


class Finding(Struct, frozen=True):
    """One result. ``advice`` says what to do about it; empty when all is well."""

    check: str
    level: Level
    message: str
    advice: str = ""

    def describe(self) -> dict[str, str]:
        described: dict[str, str] = msgspec.to_builtins(self)
        return described


def diagnose(settings: Settings, file: Path | None, environment: Mapping[str, str] | None = None) -> list[Finding]:
    """All findings, in the order of the checks. ``file`` is the settings file, if there is one."""
    environment = os.environ if environment is None else environment
    return [
        *check_issuer(settings),
        *check_listeners(settings),
        *check_insecure_settings(settings),
        *check_secrets(settings, file, environment),
        *check_passwords(settings),
        *check_tokens(settings),
        *check_database_file(settings),
        *check_clock(settings),
        *asyncio.run(check_database(settings)),
    ]


def check_issuer(settings: Settings) -> Iterator[Finding]:
    """RFC 8414 §2: the issuer is an https URL."""
    if settings.issuer.startswith("https://"):
        yield Finding("issuer", "ok", f"{settings.issuer} is an https URL.")
    else:
        yield Finding(
            "issuer", "warning", f"{settings.issuer} is plain http on loopback: good for development only.",
            "Set issuer to the https URL that clients see.",
        )  # fmt: skip


def check_listeners(settings: Settings) -> Iterator[Finding]:
    """Nothing that carries a secret may leave the machine in the clear."""
    serve = settings.serve
    if serve.bind not in LOOPBACK_HOSTS and is_loopback_url(settings.issuer):
        yield Finding(
            "public listener", "unsafe", f"It is bound to {serve.bind} while the issuer is plain http.",
            "Set issuer to an https URL and put a TLS proxy in front, or bind to 127.0.0.1.",
        )  # fmt: skip
    elif serve.bind not in LOOPBACK_HOSTS and not serve.trusted_proxies:
        yield Finding(
            "public listener", "warning", f"It is bound to {serve.bind} and serve.trusted_proxies is empty.",
            "Name the TLS proxy's address in serve.trusted_proxies, or all throttling by address counts the proxy.",
        )  # fmt: skip
    else:
        yield Finding("public listener", "ok", f"It is bound to {serve.bind}.")
    if serve.admin_bind in LOOPBACK_HOSTS:
        yield Finding("admin listener", "ok", f"It is bound to {serve.admin_bind}.")
    else:
        yield Finding(
            "admin listener", "warning", f"It is bound to {serve.admin_bind}, so others can reach it.",
            "Bind it to 127.0.0.1, or let a firewall or a TLS proxy stand in front.",
        )  # fmt: skip


def check_insecure_settings(settings: Settings) -> Iterator[Finding]:
    """Options whose name says what they are."""
    for option in iterate_options():
        if "insecure" in option.path[-1] and _read(settings, option.path):
            level: Level = "warning" if is_loopback_url(settings.issuer) else "unsafe"
            yield Finding(option.dotted, level, f"It is on. {option.description}", f"Set {option.dotted} to false.")


def check_secrets(settings: Settings, file: Path | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """The sealing ring: there, not too old, and readable for its owner alone."""
    ring = settings.secrets.sealing
    if not ring:
        yield Finding(
            "secrets.sealing", "unsafe", "There is no sealing secret: the server cannot start.",
            "Make one with `grantway keys generate-secret` and name its file in GRANTWAY_SECRETS__SEALING_FILE.",
        )  # fmt: skip
    elif len(ring) > MOST_SECRETS:
        yield Finding(
            "secrets.sealing", "warning", f"The ring has {len(ring)} secrets.",
            "Remove old ones when nothing is sealed under them any more: docs/how-to/rotating-keys.md.",
        )  # fmt: skip
    else:
        yield Finding("secrets.sealing", "ok", f"The ring has {len(ring)} secret(s).")
    for option in iterate_options():
        path = environment.get(f"{option.environment_name}_FILE")
        if option.is_secret and path:
            yield from _check_secret_file(option.dotted, Path(path), is_aging=option.path[0] == "secrets")
    if file is not None and _holds_secret(file) and (finding := _check_mode("settings file", file)):
        yield finding


def check_passwords(settings: Settings) -> Iterator[Finding]:
    """OWASP Password Storage: the least cost of argon2id."""
    passwords = settings.passwords
    least = _LEAST_MEMORY[min(passwords.argon2_iterations, max(_LEAST_MEMORY))]
    cost = f"argon2id with {passwords.argon2_memory_kib} KiB and {passwords.argon2_iterations} pass(es)"
    if passwords.argon2_memory_kib < least:
        yield Finding(
            "passwords", "unsafe", f"{cost} is cheaper than recommended.",
            f"Set passwords.argon2_memory_kib to {least} or more, or make more passes.",
        )  # fmt: skip
    else:
        yield Finding("passwords", "ok", f"{cost}.")


def check_tokens(settings: Settings) -> Iterator[Finding]:
    """A JWT that APIs verify by themselves lives on after its revocation."""
    ttl = settings.tokens.jwt_access_token_ttl
    if ttl > LONGEST_JWT_TTL:
        yield Finding(
            "tokens", "warning", f"JWT access tokens live {ttl} s, and APIs may not notice a revocation.",
            "Set tokens.jwt_access_token_ttl to 600, and let clients refresh.",
        )  # fmt: skip
    else:
        yield Finding("tokens", "ok", f"JWT access tokens live {ttl} s.")


def check_database_file(settings: Settings) -> Iterator[Finding]:
    """Whoever can read the file has all personal data; whoever can write it is the administrator."""
    url = settings.database.url
    if not url.startswith("sqlite"):
        return
    path = _find_database_file(url)
    if path is None:
        yield Finding(
            "database", "warning", "It is in memory: everything is lost when the server stops.", "Set database.url."
        )
    elif path.exists():
        finding = _check_mode("database file", path)
        yield finding or Finding("database file", "ok", f"{path} is readable for its owner alone.")
        if path.parent.stat().st_mode & stat.S_IWOTH and not path.parent.stat().st_mode & stat.S_ISVTX:
            yield Finding(
                "database folder", "unsafe", f"Everybody can write in {path.parent.resolve()}.",
                f"chmod o-w {path.parent.resolve()}",
            )  # fmt: skip


def check_clock(settings: Settings) -> Iterator[Finding]:
    """Expiry is decided by the wall clock."""
    now = time.time()
    newest = _find_newest_write(settings)
    if now < OLDEST_CLOCK:
        message = f"It says {time.strftime('%Y-%m-%d', time.gmtime(now))}, which is long past."
    elif newest is not None and newest > now + 60:
        message = f"It is {newest - now:.0f} s behind the last write to the database: it was set back."
    else:
        yield Finding("clock", "ok", f"It says {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now))}.")
        return
    yield Finding("clock", "unsafe", message, "Let NTP keep the clock: until it is right, expired tokens are accepted.")


async def check_database(settings: Settings) -> list[Finding]:
    """The schema is this version's, the issuer is the stored one, the keys can be opened and are not too old."""
    if not settings.secrets.sealing:
        return []
    from grantway.cli.administration import open_runtime

    try:
        async with open_runtime(settings) as runtime:
            return [
                Finding("schema", "ok", "It is the one this version works with."),
                *await asyncio.to_thread(_check_server, settings),
                *await _check_tenant(settings, runtime),
                *await _check_ring(runtime),
            ]
    except SchemaError as error:
        return [Finding("schema", "unsafe", str(error), "Run `grantway migrate up`.")]
    except GrantwayError as error:
        return [Finding("database", "unsafe", str(error), "Check database.url and that the database is running.")]


async def _check_ring(runtime: Runtime) -> list[Finding]:
    """What is sealed under which secret of the ring, in all tenants."""
    from grantway.admin.keys import find_ring_use

    check, use = "sealing ring", await find_ring_use(runtime)
    findings = []
    if use.closed_keys:
        findings.append(
            Finding(
                check, "warning", f"{use.closed_keys} signing key(s) are sealed under a secret that it does not have.",
                "Put their secret back into secrets.sealing; or, if it is lost, `grantway keys revoke` them.",
            )
        )  # fmt: skip
    if use.older_keys:
        findings.append(
            Finding(
                check, "warning", f"{use.older_keys} signing key(s) are sealed under an older secret.",
                "Run `grantway keys reencrypt`.",
            )
        )  # fmt: skip
    if use.older_secrets:
        findings.append(
            Finding(
                check, "warning", f"{use.older_secrets} client secret(s) may need an older secret of the ring.",
                "Keep the older secrets until these clients have authenticated, or give them new secrets.",
            )
        )  # fmt: skip
    return findings or [Finding(check, "ok", "Nothing in the database needs an older secret.")]


def _check_server(settings: Settings) -> list[Finding]:
    """What the database server is set to do, as far as it decides whether an answer holds."""
    from grantway.storage.sql.doubts import find_doubts

    return [Finding("database server", "warning", *doubt) for doubt in find_doubts(settings.database.url)]


async def _check_tenant(settings: Settings, runtime: Runtime) -> list[Finding]:
    findings = []
    tenant = await runtime.store.load_tenant(DEFAULT_TENANT)
    if tenant is not None and tenant.issuer != settings.issuer:
        findings.append(
            Finding(
                "issuer", "unsafe", f"The database is {tenant.issuer}'s, the settings say {settings.issuer}.",
                "Set issuer back: every client and every token knows the old one, and no server starts with these "
                "settings. `grantway tenants update default --issuer` makes the change if it is meant.",
            )
        )  # fmt: skip
    keys = await runtime.store.list_keys(DEFAULT_TENANT)
    return findings + [
        await _check_key(alg, keys, settings, runtime.keys.load_signer) for alg in settings.keys.algorithms
    ]


async def _check_key(
    alg: str, keys: tuple[SigningKey, ...], settings: Settings, load_signer: Callable[[str, str], Any]
) -> Finding:
    check = f"signing key {alg}"
    active = next((key for key in keys if key.alg == alg and key.state == "active"), None)
    if active is None:
        return Finding(check, "warning", "There is none yet.", "The server makes one when it starts.")
    try:
        await load_signer(DEFAULT_TENANT, alg)
    except GrantwayError:
        return Finding(
            check, "unsafe", f"{active.kid} cannot be opened with the sealing ring.",
            "Put the secret it was sealed under back into secrets.sealing, or revoke the key.",
        )  # fmt: skip
    days = (time.time() - (active.activated_at or active.created_at) / 1000) / 86400
    if days * 86400 > settings.keys.rotate_after * 1.1:
        return Finding(check, "warning", f"{active.kid} is {days:.0f} days old.", "Run `grantway keys rotate`.")
    return Finding(check, "ok", f"{active.kid} is {days:.0f} days old.")


def _check_secret_file(name: str, path: Path, *, is_aging: bool) -> Iterator[Finding]:
    try:
        days = (time.time() - path.stat().st_mtime) / 86400
    except OSError:
        return
    if finding := _check_mode(f"file of {name}", path):
        yield finding
    if is_aging and days > OLD_SECRET_DAYS:
        yield Finding(
            name, "warning", f"The newest secret in {path} is {days:.0f} days old.",
            "Put a new secret in front of it: `grantway keys generate-secret`.",
        )  # fmt: skip


def _check_mode(check: str, path: Path) -> Finding | None:
    mode = path.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding(check, "unsafe", f"{path} has mode {stat.S_IMODE(mode):04o}.", f"chmod 600 {path}")
    return None


def _holds_secret(file: Path) -> bool:
    import tomllib

    tree = tomllib.loads(file.read_text(encoding="utf-8"))
    return any(_find(tree, option.path) for option in iterate_options() if option.is_secret)


def _find(tree: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _find_newest_write(settings: Settings) -> float | None:
    path = _find_database_file(settings.database.url)
    return path.stat().st_mtime if path is not None and path.is_file() else None


def _find_database_file(url: str) -> Path | None:
    """The file of an SQLite URL; None for one in memory, and for other databases."""
    from grantway.web.serve import is_memory_database

    if not url.startswith("sqlite") or is_memory_database(url):
        return None
    return Path(url.partition("://")[2].removeprefix("/").partition("?")[0])


def _read(settings: Settings, path: tuple[str, ...]) -> Any:
    value: Any = settings
    for part in path:
        value = getattr(value, part)
    return value
