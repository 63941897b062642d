"""What clients may have of their own about scopes: how they are compared, separated, and asked about.

All of it is for an administrator to say: a client that registers itself must not choose how far what it registered
reaches, nor what people are not asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, get_args

from grantway.extension import Feature, Runtime
from grantway.model import Client
from grantway.protocol.client_metadata import Metadatum, read_choice, read_scope, require
from grantway.protocol.interaction import CONSENT_EXEMPT_SCOPE, NEVER_EXEMPT
from grantway.protocol.scope import RESERVED_PREFIX, ScopeMatching, ScopeSeparators, ScopeStrategy
from grantway.scopes import find_scope_policy


def read_scope_list(name: str, value: Any) -> list[str]:
    """Scopes as a string with spaces or as a list of strings. Raises ``InvalidClientMetadata``."""
    if isinstance(value, list | tuple):
        require(all(isinstance(each, str) and " " not in each for each in value), name, "must be a list of scopes")
        value = " ".join(value)
    return list(read_scope(name, value))


class Scopes(Feature):
    name = "scopes"
    spec = "RFC 6749 §3.3"
    is_replayable = True
    client_metadata: ClassVar[Mapping[str, Metadatum]] = {
        "scope_strategy": Metadatum(
            "What its registered scopes allow besides themselves, instead of scopes.strategy: exact (nothing), "
            "hierarchic (photos: photos.read) or wildcard (photos.*: photos.read).",
            partial(read_choice, choices=get_args(ScopeStrategy)),
        ),
        "scope_matching": Metadatum(
            "Of a request with scopes that it may not have: all (the default) refuses it, any grants the others.",
            partial(read_choice, choices=get_args(ScopeMatching)),
        ),
        "scope_separators": Metadatum(
            "What separates scopes in its requests: space (the default), or comma_and_plus as well.",
            partial(read_choice, choices=get_args(ScopeSeparators)),
        ),
        CONSENT_EXEMPT_SCOPE: Metadatum(
            "Scopes that it is granted without asking people, separated by spaces or a list; never offline_access.",
            read_scope_list,
        ),
    }

    def check_client(self, runtime: Runtime, client: Client) -> None:
        """Whether its scopes can be asked for, and people be left unasked about them."""
        policy = find_scope_policy(runtime, client)
        if policy.separators != "space":
            is_whole = all(policy.spell_out(value) == value for value in client.scope)
            require(is_whole, "scope", "holds a value with a comma or a plus, which separate for this client")
        for value in client.extra.get(CONSENT_EXEMPT_SCOPE, ()):
            is_fit = value not in NEVER_EXEMPT and not value.startswith(RESERVED_PREFIX)
            require(is_fit, CONSENT_EXEMPT_SCOPE, f"must not hold {value[:100]}: people are always asked about it")
            is_own = policy.is_allowed(value, client.scope)
            require(is_own, CONSENT_EXEMPT_SCOPE, "holds a value that is not in scope")
