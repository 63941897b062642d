"""Discovery (OpenID Connect Discovery §4, RFC 8414 §3) and the JWK Set (RFC 7517 §5).

The document is a fold over the extensions: each states what it adds, nobody edits a list here.
"""
# hot path: bench/ "discovery", "JWKS": both are kept as bytes

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from grantway.errors import StoreUnavailable
from grantway.extension import Call, Endpoint, Runtime
from grantway.model import Entry, Tenant
from grantway.protocol.message import JSON_TYPE, NO_SNIFF, Response
from grantway.scopes import list_advertised


class Discovery(Endpoint):
    """The discovery document (OpenID Connect Discovery §4)."""

    name = "discovery"
    spec = "OpenID Connect Discovery §4"
    path = "/.well-known/openid-configuration"
    methods = ("GET",)
    service = "discovery"
    has_cors = True
    is_answered_when_stale = True

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str, tuple[str, ...]], tuple[tuple[Entry, ...], bytes]] = {}
        """The document of each issuer, with the registered scopes it was made from."""

    async def handle(self, call: Call) -> Response:
        algorithms = tuple(await call.runtime.keys.list_algorithms(call.tenant.tenant))
        scopes = await _load_scopes(call)
        key = (call.tenant.tenant, call.tenant.issuer, algorithms)
        made_from, document = self._documents.get(key, (None, b""))
        if made_from is not scopes:  # a change of any kind makes another tuple
            if len(self._documents) > _MOST_DOCUMENTS:
                self._documents.clear()
            document = msgspec.json.encode(build_metadata(call.runtime, call.tenant, algorithms, scopes))
            self._documents[key] = scopes, document
        return Response(headers=[JSON_TYPE, _cache(call), NO_SNIFF], body=document)


class AuthorizationServerMetadata(Discovery):
    """The same document where RFC 8414 puts it."""

    name = "authorization_server_metadata"
    spec = "RFC 8414 §3"
    path = "/.well-known/oauth-authorization-server"


class JsonWebKeySet(Endpoint):
    """The public signing keys (RFC 7517 §5)."""

    name = "jwks"
    spec = "RFC 7517 §5"
    path = "/.well-known/jwks.json"
    methods = ("GET",)
    service = "keys"
    has_cors = True
    is_answered_when_stale = True

    async def handle(self, call: Call) -> Response:
        document = await call.runtime.keys.build_jwks(call.tenant.tenant)
        return Response(headers=[JSON_TYPE, _cache(call), NO_SNIFF], body=document)

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {"jwks_uri": tenant.issuer + self.path}


_MOST_DOCUMENTS = 10_000  # one a tenant


async def _load_scopes(call: Call) -> tuple[Entry, ...]:
    """The registered scopes, as far as they are known: a server need not advertise all it has (RFC 8414 §2), and must
    not fail to say where its endpoints are."""
    try:
        return await call.runtime.grid.entries(call.tenant.tenant, "scope", or_stale=True)
    except StoreUnavailable:
        return ()


def _cache(call: Call) -> tuple[bytes, bytes]:
    return (b"cache-control", b"public, max-age=%d" % call.runtime.settings.keys.jwks_max_age)


def build_metadata(
    runtime: Runtime, tenant: Tenant, algorithms: tuple[str, ...], scopes: tuple[Entry, ...]
) -> dict[str, Any]:
    """The metadata document: what belongs to no extension, and what each of them states (RFC 8414 §2)."""
    has_pairwise = runtime.settings.tokens.pairwise_salt is not None
    document: dict[str, Any] = {
        "issuer": tenant.issuer,
        "scopes_supported": list_advertised(scopes),
        "subject_types_supported": ["public", "pairwise"] if has_pairwise else ["public"],
        "id_token_signing_alg_values_supported": list(algorithms),
    }
    for extension in runtime.extensions.all:
        _merge(document, extension.discovery(runtime, tenant))
    return document


def _merge(document: dict[str, Any], members: Mapping[str, Any]) -> None:
    for name, value in members.items():
        if isinstance(value, list):
            document[name] = list(dict.fromkeys([*document.get(name, []), *value]))
        else:
            document[name] = value
