"""What ``redis.url`` names: one Redis (or Valkey), one that sentinels watch over, or a cluster."""

from __future__ import annotations

import contextlib
import importlib
from types import ModuleType
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from grantway.errors import ConfigurationError

_FORMS: dict[str, tuple[Literal["single", "sentinel", "cluster"], bool]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("single", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_PORTS = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_PARTS = frozenset(("db", "ssl_ca", "sentinel_username", "sentinel_password"))


class Target(Struct, frozen=True):
    """Where to connect to, and how."""

    form: Literal["single", "sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...]
    options: dict[str, Any]
    """For every connection to Redis itself."""
    service: str = ""
    """What the sentinels call it."""
    sentinel_options: dict[str, Any] = {}


def parse_redis_url(url: str) -> Target:
    """The parts of the URL. A message never repeats it: there may be a password in it.

    Raises:
        ConfigurationError: malformed, or of an unknown kind.
    """
    parts = urlsplit(url)
    if parts.scheme not in _FORMS:
        raise ConfigurationError(f"redis.url: must begin with one of {', '.join(f'{form}://' for form in _FORMS)}")
    form, is_tls = _FORMS[parts.scheme]
    query = dict(parse_qsl(parts.query))
    if unknown := sorted(set(query) - _PARTS):
        raise ConfigurationError(f"redis.url: {unknown[0]!r} is not known; known are {', '.join(sorted(_PARTS))}")
    userinfo, _, netloc = parts.netloc.rpartition("@")
    username, _, password = (unquote(part) for part in userinfo.partition(":"))
    options: dict[str, Any] = {"username": username or None, "password": password or None}
    if is_tls:
        options |= {"ssl": True, "ssl_ca_certs": query.get("ssl_ca")}
    path = unquote(parts.path)
    if parts.scheme == "unix":
        return Target("single", (), {**options, "unix_socket_path": path, "db": _parse_db(query.get("db", ""))})
    hosts = tuple(_parse_host(host, _PORTS[form]) for host in netloc.split(","))
    first, _, rest = path.strip("/").partition("/")
    if form == "sentinel":
        if not first:
            raise ConfigurationError("redis.url: it names no service: redis+sentinel://host:26379/service")
        own = {"username": query.get("sentinel_username"), "password": query.get("sentinel_password")}
        options["db"] = _parse_db(rest or query.get("db", ""))
        return Target("sentinel", hosts, options, first, own)
    if form == "single" and len(hosts) > 1:
        raise ConfigurationError("redis.url: several hosts need redis+sentinel:// or redis+cluster://")
    if form == "single":
        options["db"] = _parse_db(first or query.get("db", ""))
    elif first or "db" in query:
        raise ConfigurationError("redis.url: a cluster has one database, and it has no number")
    return Target(form, hosts, options)


def _parse_db(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ConfigurationError("redis.url: the database is a number: redis://host:6379/0")
    return int(text or 0)


def _parse_host(text: str, port: int) -> tuple[str, int]:
    host, separator, number = text.rpartition(":")
    if not separator or text.endswith("]"):
        host, number = text, str(port)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (number.isascii() and number.isdigit() and 0 < int(number[:6]) < 65536):
        raise ConfigurationError("redis.url: a host is malformed; for example redis://127.0.0.1:6379/0")
    return host, int(number)


def load_redis() -> ModuleType:
    """The package ``redis``. Raises ``ConfigurationError``: it is not installed."""
    try:
        return importlib.import_module("redis.asyncio")
    except ImportError as error:
        raise ConfigurationError("redis.url: needs the package redis. Run: pip install 'grantway[redis]'") from error


def connect(target: Target, *, timeout: float) -> Any:
    """A client of redis-py's. It connects when it is first used, and repeats nothing by itself."""
    package = load_redis()
    common = _build_common(timeout)
    if target.form == "sentinel":
        return _build_sentinel(target, timeout).master_for(target.service)
    if target.form == "cluster":
        from redis.asyncio.cluster import ClusterNode, RedisCluster

        nodes = [ClusterNode(host, port) for host, port in target.hosts]
        return RedisCluster(startup_nodes=nodes, **common, **target.options)
    return package.Redis(**_build_address(target, 0), **common, **target.options)


def connect_listener(target: Target, attempt: int, *, timeout: float) -> Any:
    """A client for a subscription. What is published on one node of a cluster is heard on all, so any will do:
    ``attempt`` says which to try now."""
    if target.form != "cluster":
        return connect(target, timeout=timeout)
    return load_redis().Redis(**_build_address(target, attempt), **_build_common(timeout), **target.options)


async def close(client: Any) -> None:
    """Closes a client, what it asks the sentinels with, and what a cluster's client forgets when it could not learn of
    all nodes. Never fails."""
    sentinels: Any = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    nodes: Any = getattr(client, "nodes_manager", None)
    for each in (client, *(sentinels.sentinels if sentinels is not None else ())):
        with contextlib.suppress(Exception):
            await each.aclose()
    for cache in ("nodes_cache", "startup_nodes") if nodes is not None else ():
        with contextlib.suppress(Exception):
            await nodes.aclose(cache)


def _build_address(target: Target, attempt: int) -> dict[str, Any]:
    if not target.hosts:
        return {}
    host, port = target.hosts[attempt % len(target.hosts)]
    return {"host": host, "port": port}


def _build_common(timeout: float) -> dict[str, Any]:
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),  # its own would wait for seconds while requests wait for it
        "protocol": 2,
    }


def _build_sentinel(target: Target, timeout: float) -> Any:
    from redis.asyncio.sentinel import Sentinel

    common = _build_common(timeout)
    own = {**common, **target.sentinel_options}
    return Sentinel(list(target.hosts), sentinel_kwargs=own, **common, **target.options)  # type: ignore[no-untyped-call]
