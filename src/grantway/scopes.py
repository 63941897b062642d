"""Scopes of a running server: which policy a client has, and what is registered about them.

Owns how the rules of ``protocol.scope`` get their settings, and reading the registry. Does not own keeping it
(``admin.scopes``), nor whether a token may be issued (``gate``).
"""
# hot path: bench/ "client credentials (opaque)"

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from grantway.errors import InvalidClientMetadata
from grantway.extension import Call, Runtime
from grantway.model import Client, Entry
from grantway.protocol.message import Parameters
from grantway.protocol.registered_scope import describe_scope, read_registered_scope
from grantway.protocol.scope import STANDARD_SCOPES, ScopePolicy, choose_scope_policy, is_reserved


def find_scope_policy(runtime: Runtime, client: Client) -> ScopePolicy:
    """How the scopes that this client asks for are compared with those it registered."""
    return choose_scope_policy(client.extra, runtime.settings.scopes.strategy)


async def find_offered_scope(
    call: Call, client: Client, parameters: Parameters, unfit: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """The most that a grant may give of what the client registered: everything, or a default where the request names
    nothing (RFC 6749 §3.3). ``unfit``: what this grant never gives.

    Raises:
        InvalidScope: the ``scope`` parameter is malformed.
    """
    offered = client.scope
    if not is_scope_named(call, client, parameters):
        offered = await find_default_scope(call, client, unfit) or offered
    if unfit.isdisjoint(offered):
        return offered
    return tuple(value for value in offered if value not in unfit)


def is_scope_named(call: Call, client: Client, parameters: Parameters) -> bool:
    """Raises ``InvalidScope``: the ``scope`` parameter is malformed."""
    text = parameters.get("scope")
    return text is not None and bool(find_scope_policy(call.runtime, client).parse(text))


async def find_default_scope(call: Call, client: Client, unfit: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """What the client is given where it names nothing: its own default, or those of the registered scopes that are one
    and that it registered. Empty: it has none."""
    if client.default_scope:
        return client.default_scope
    entries = await load_entries(call)
    call.registered_scopes = entries
    names = tuple(entry.key for entry in entries if entry.document.get("is_default") and entry.key not in unfit)
    if not names:
        return ()
    policy = find_scope_policy(call.runtime, client)
    return policy.name_scope(policy.select(names, client.scope))


async def load_entries(call: Call) -> tuple[Entry, ...]:
    """What administrators registered, by name."""
    grid, tenant = call.runtime.grid, call.tenant.tenant
    known = grid.recall_entries(tenant, "scope")
    return known if known is not None else await grid.entries(tenant, "scope")


async def load_descriptions(call: Call, languages: Sequence[str]) -> Callable[[str], str]:
    """A function from a scope to the text for a person who prefers ``languages``."""
    entries = {entry.key: entry for entry in await load_entries(call)}

    def describe(name: str) -> str:
        entry = entries.get(name)
        return describe_scope(name, read_registered_scope(entry) if entry is not None else None, languages)

    return describe


def list_advertised(entries: Sequence[Entry]) -> list[str]:
    """``scopes_supported`` (RFC 8414 §2): the standard ones, unless they are registered as not advertised, and the
    registered ones that are. ``openid`` always (OpenID Connect Discovery §3)."""
    hidden = {entry.key for entry in entries if not entry.document.get("is_advertised", True)} - {"openid"}
    names = dict.fromkeys([*STANDARD_SCOPES, *(entry.key for entry in entries)])
    return [name for name in names if name not in hidden]


async def check_registered(runtime: Runtime, client: Client) -> None:
    """Under ``scopes.registered_only``, whether everything the client wants to have is a scope that there is.

    Raises:
        InvalidClientMetadata: names the first that is not.
    """
    if not runtime.settings.scopes.registered_only:
        return
    wanted = _list_others(client.scope)
    if not wanted:
        return
    known = {entry.key for entry in await runtime.grid.entries(client.tenant, "scope")}
    for name in wanted:
        if name not in known:
            raise InvalidClientMetadata(f"scope: {name[:100]} is not a registered scope.")


def _list_others(scope: Iterable[str]) -> list[str]:
    return [name for name in scope if not is_reserved(name)]
