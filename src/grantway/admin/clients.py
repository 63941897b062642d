"""Clients: registering, changing, their secrets, and shutting them out."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from grantway.admin.client_patch import apply_patch
from grantway.admin.effects import VersionConflict, build_identifier, build_revocation, check_version, emit
from grantway.admin.rights import ALL_RIGHTS, Rights
from grantway.errors import Conflict, InvalidClientMetadata, NotFound, Unprocessable
from grantway.extension import Extension, Runtime
from grantway.model import Client, ClientSecret, Page
from grantway.protocol.client_metadata import describe_client, parse_client
from grantway.protocol.lifespan import format_lifespan, is_lifespan, parse_lifespan

SECRET_PREFIX = "gwcs_"
"""Of generated secrets: lets a secret scanner know one that leaked."""
SHORTEST_CHOSEN_SECRET = 16
LONGEST_CHOSEN_SECRET = 256
MOST_OLD_SECRETS = 5

READ_ONLY = ("client_secret_expires_at", "version", "created_at", "updated_at")
"""Members a client's document is shown with; sent back, they are passed over."""

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@+-]{0,254}")


class CreatedClient(Struct, frozen=True, kw_only=True):
    """A client and, if one was made or changed just now, its secret in plain: nobody can read it again."""

    client: Client
    client_secret: str | None = None


async def create_client(
    runtime: Runtime,
    tenant: str,
    document: Mapping[str, Any],
    *,
    client_id: str | None = None,
    client_secret: str | None = None,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> CreatedClient:
    """Registers a client from its metadata (RFC 7591 names and the administrator's own).

    ``client_id`` and ``client_secret`` may also stand in ``document``; left out, they are generated. A public client
    (``token_endpoint_auth_method`` none) has no secret.

    Raises:
        InvalidClientMetadata, InvalidRedirectUri: a field is not acceptable. Unprocessable: the identifier or the
        chosen secret is not. Conflict: the client_id is taken. InsufficientScope: it would be mightier than its maker.
    """
    fields, document_id, document_secret = _take_identity(document)
    client_id = client_id if client_id is not None else document_id
    client_secret = client_secret if client_secret is not None else document_secret
    if client_id is None:
        client_id = build_identifier(runtime)
    elif not _CLIENT_ID.fullmatch(client_id):
        raise Unprocessable("client_id", "must be 1 to 255 letters, digits and . _ ~ : @ + -, a letter or digit first.")
    client = _parse(runtime, tenant, client_id, fields, rights)
    client, plain = await _give_secret(runtime, client, client_secret)
    now = runtime.clock.now()
    client = msgspec.structs.replace(client, created_at=now, updated_at=now)
    await runtime.store.insert_client(client)
    emit(runtime, tenant, "client.create", client_id, actor)
    return CreatedClient(client=client, client_secret=plain)


async def load_client(runtime: Runtime, tenant: str, client_id: str) -> Client:
    """Raises ``NotFound``."""
    client = await runtime.store.load_client(tenant, client_id)
    if client is None:
        raise NotFound("client", client_id)
    return client


async def list_clients(
    runtime: Runtime,
    tenant: str,
    *,
    client_name: str | None = None,
    owner: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page:
    """Clients by client_id, ascending; ``client_name`` and ``owner`` filter by equality."""
    return await runtime.store.list_clients(
        tenant, cursor=cursor, limit=limit, client_name=client_name or None, owner=owner or None
    )


async def replace_client(
    runtime: Runtime,
    tenant: str,
    client_id: str,
    document: Mapping[str, Any],
    *,
    expected_version: int | None = None,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> CreatedClient:
    """Gives the client new metadata: what ``document`` leaves out falls back to its default. The secret stays, unless
    the document has a new one or the client had none and now needs one.

    Raises:
        as ``create_client``; NotFound. VersionConflict: the client moved on.
    """
    old = await _load_for_change(runtime, tenant, client_id, expected_version, rights)
    fields, document_id, client_secret = _take_identity(document)
    if document_id is not None and document_id != client_id:
        raise Unprocessable("client_id", "cannot be changed.")
    return await _replace(runtime, old, fields, client_secret, "client.replace", actor, rights)


async def patch_client(
    runtime: Runtime,
    tenant: str,
    client_id: str,
    operations: Sequence[Any],
    *,
    expected_version: int | None = None,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> CreatedClient:
    """Changes the client by a JSON Patch (RFC 6902).

    Raises:
        as ``replace_client``. Conflict: a ``test`` failed.
    """
    old = await _load_for_change(runtime, tenant, client_id, expected_version, rights)
    patched = apply_patch(describe_client(old), operations)
    fields, _, _ = _take_identity(patched)
    return await _replace(runtime, old, fields, None, "client.patch", actor, rights)


async def delete_client(
    runtime: Runtime,
    tenant: str,
    client_id: str,
    *,
    expected_version: int | None = None,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> None:
    """Deletes the client, its consents and authorizations; its tokens are refused from now on."""
    await _load_for_change(runtime, tenant, client_id, expected_version, rights)
    revocation = build_revocation(runtime, tenant, "client", client_id, is_disabling=True)
    await runtime.store.delete_client(tenant, client_id, revocation=revocation)
    emit(runtime, tenant, "client.delete", client_id, actor)


async def rotate_secret(
    runtime: Runtime,
    tenant: str,
    client_id: str,
    *,
    expected_version: int | None = None,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> CreatedClient:
    """Gives the client a new generated secret. Up to five older ones live on until they are dropped, so that all
    instances of the client can change over.

    Raises:
        NotFound. InvalidClientMetadata: the client does not authenticate by a secret.
    """
    old = await _load_for_change(runtime, tenant, client_id, expected_version, rights)
    if not _needs_secret(old):
        raise InvalidClientMetadata("token_endpoint_auth_method: this client does not authenticate by a secret.")
    secret, plain = _generate_secret(runtime)
    secrets = (secret, *old.secrets[:MOST_OLD_SECRETS])
    client = await _store(runtime, old, msgspec.structs.replace(old, secrets=secrets))
    emit(runtime, tenant, "client.rotate_secret", client_id, actor)
    return CreatedClient(client=client, client_secret=plain)


async def drop_old_secrets(
    runtime: Runtime,
    tenant: str,
    client_id: str,
    *,
    expected_version: int | None = None,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> Client:
    """Leaves the client its newest secret only. Raises ``NotFound``."""
    old = await _load_for_change(runtime, tenant, client_id, expected_version, rights)
    client = await _store(runtime, old, msgspec.structs.replace(old, secrets=old.secrets[:1]))
    emit(runtime, tenant, "client.drop_old_secrets", client_id, actor)
    return client


async def set_lifespans(
    runtime: Runtime,
    tenant: str,
    client_id: str,
    lifespans: Mapping[str, str | None],
    *,
    expected_version: int | None = None,
    actor: str,
    rights: Rights = ALL_RIGHTS,
) -> Client:
    """Gives the client the lifespans of its tokens, by grant and kind (``protocol.lifespan``); those left out or None
    are taken away.

    Raises:
        NotFound. Unprocessable: no grant of this server has a lifespan of that name. InvalidClientMetadata: it is no
        duration.
    """
    old = await _load_for_change(runtime, tenant, client_id, expected_version, rights)
    known = collect_extra_metadata(runtime)
    wanted = {name: value for name, value in lifespans.items() if value is not None}
    for name in wanted:
        if name not in known:
            raise Unprocessable(name, "belongs to a grant that this server does not have.")
    kept = {name: value for name, value in old.extra.items() if not is_lifespan(name)}
    client = msgspec.structs.replace(old, extra={**kept, **_read_lifespans(wanted)})
    client = await _store(runtime, old, client)
    emit(runtime, tenant, "client.set_lifespans", client_id, actor)
    return client


def _read_lifespans(extra: Mapping[str, Any]) -> dict[str, Any]:
    """The extra metadata with lifespans checked and in one form; those that are null count as left out."""
    return {
        name: format_lifespan(parse_lifespan(name, value)) if is_lifespan(name) else value
        for name, value in extra.items()
        if value is not None or not is_lifespan(name)
    }


async def enable_client(
    runtime: Runtime, tenant: str, client_id: str, *, actor: str, rights: Rights = ALL_RIGHTS
) -> Client:
    """Lets the client in again. Tokens that disabling killed stay dead. Raises ``NotFound``."""
    old = await _load_for_change(runtime, tenant, client_id, None, rights)
    client = await _store(runtime, old, msgspec.structs.replace(old, enabled=True))
    emit(runtime, tenant, "client.enable", client_id, actor)
    return client


async def disable_client(
    runtime: Runtime, tenant: str, client_id: str, *, actor: str, rights: Rights = ALL_RIGHTS
) -> Client:
    """Shuts the client out: it gets no token, and those issued until now are refused. Raises ``NotFound``."""
    old = await _load_for_change(runtime, tenant, client_id, None, rights)
    client = await _store(runtime, old, msgspec.structs.replace(old, enabled=False), is_disabled=True)
    emit(runtime, tenant, "client.disable", client_id, actor)
    return client


def collect_extra_metadata(runtime: Runtime) -> dict[str, str]:
    """Client metadata that extensions declare: name to description."""
    extensions = runtime.extensions
    everything: list[Extension] = [
        *extensions.grants.values(),
        *extensions.client_authentications,
        *extensions.authenticators.values(),
        *extensions.features,
        *extensions.endpoints.values(),
    ]
    return {name: text for extension in everything for name, text in extension.client_metadata.items()}


async def _load_for_change(
    runtime: Runtime, tenant: str, client_id: str, expected_version: int | None, rights: Rights
) -> Client:
    client = await load_client(runtime, tenant, client_id)
    check_version(client.version, expected_version)
    rights.check_may_hand_out(client.scope)
    return client


async def _replace(
    runtime: Runtime,
    old: Client,
    fields: Mapping[str, Any],
    client_secret: str | None,
    action: str,
    actor: str,
    rights: Rights,
) -> CreatedClient:
    client = _parse(runtime, old.tenant, old.client_id, fields, rights)
    client = msgspec.structs.replace(client, secrets=old.secrets, version=old.version, created_at=old.created_at)
    client, plain = await _give_secret(runtime, client, client_secret)
    client = await _store(runtime, old, client, is_disabled=old.enabled and not client.enabled)
    emit(runtime, old.tenant, action, old.client_id, actor)
    return CreatedClient(client=client, client_secret=plain)


async def _store(runtime: Runtime, old: Client, client: Client, *, is_disabled: bool = False) -> Client:
    client = msgspec.structs.replace(client, updated_at=runtime.clock.now())
    revocation = None
    if is_disabled:
        revocation = build_revocation(runtime, old.tenant, "client", old.client_id, is_disabling=True)
    try:
        return await runtime.store.update_client(client, revocation=revocation)
    except Conflict as error:
        raise VersionConflict("The client was changed by someone else at the same time.") from error


def _take_identity(document: Mapping[str, Any]) -> tuple[dict[str, Any], str | None, str | None]:
    """Splits a document into metadata, client_id and client_secret. ``null`` counts as left out."""
    fields = {name: value for name, value in document.items() if name not in READ_ONLY}
    identity: list[str | None] = []
    for name in ("client_id", "client_secret"):
        value = fields.pop(name, None)
        if value is not None and not isinstance(value, str):
            raise Unprocessable(name, "must be a string.")
        identity.append(value)
    return fields, identity[0], identity[1]


def _parse(runtime: Runtime, tenant: str, client_id: str, fields: Mapping[str, Any], rights: Rights) -> Client:
    extensions = runtime.extensions
    methods = {method for extension in extensions.client_authentications for method in extension.methods}
    algorithms = runtime.settings.keys.algorithms
    if fields.get("id_token_signed_response_alg") is None and "RS256" not in algorithms:
        fields = {**fields, "id_token_signed_response_alg": algorithms[0]}
    client = parse_client(
        fields, tenant=tenant, client_id=client_id, extra_metadata=collect_extra_metadata(runtime), methods=methods
    )
    client = msgspec.structs.replace(client, extra=_read_lifespans(client.extra))
    _check_served("grant_types", client.grant_types, extensions.grants)
    _check_served("id_token_signed_response_alg", (client.id_token_signed_response_alg,), algorithms)
    if client.access_token_signed_response_alg is not None:
        _check_served("access_token_signed_response_alg", (client.access_token_signed_response_alg,), algorithms)
    if client.subject_type == "pairwise" and runtime.settings.tokens.pairwise_salt is None:
        raise InvalidClientMetadata("subject_type: pairwise needs the setting tokens.pairwise_salt.")
    rights.check_may_hand_out((*client.scope, *client.default_scope))
    return client


def _check_served(name: str, values: Sequence[str], known: Collection[str]) -> None:
    for value in values:
        if value not in known:
            raise InvalidClientMetadata(f"{name}: {value[:100]} is not one of {', '.join(known)}.")


def _needs_secret(client: Client) -> bool:
    return client.token_endpoint_auth_method.startswith("client_secret_")


async def _give_secret(runtime: Runtime, client: Client, chosen: str | None) -> tuple[Client, str | None]:
    """The client with the secrets its authentication method needs, and the new one in plain, if there is one.

    A chosen secret takes the place of all: whoever sets one wants the others gone.
    """
    if not _needs_secret(client):
        if chosen is not None:
            raise Unprocessable("client_secret", "a client with this token_endpoint_auth_method has no secret.")
        return msgspec.structs.replace(client, secrets=()), None
    if chosen is not None:
        _check_chosen_secret(chosen)
        secret = ClientSecret(
            secret_id=build_identifier(runtime),
            digest=await runtime.passwords.hash(chosen),
            created_at=runtime.clock.now(),
        )
        return msgspec.structs.replace(client, secrets=(secret,)), chosen
    if client.secrets:
        return client, None
    secret, plain = _generate_secret(runtime)
    return msgspec.structs.replace(client, secrets=(secret,)), plain


def _generate_secret(runtime: Runtime) -> tuple[ClientSecret, str]:
    """256 bits: as nobody can guess them, a keyed digest is enough to keep them."""
    plain = SECRET_PREFIX + base64.urlsafe_b64encode(runtime.entropy.token_bytes(32)).decode().rstrip("=")
    secret = ClientSecret(
        secret_id=build_identifier(runtime),
        digest=runtime.keys.hash_secret(plain),
        key_id=runtime.keys.ring_id,
        created_at=runtime.clock.now(),
    )
    return secret, plain


def _check_chosen_secret(secret: str) -> None:
    """RFC 6749 Appendix A.2: VSCHAR. The length keeps guessing hopeless and hashing cheap."""
    if not SHORTEST_CHOSEN_SECRET <= len(secret) <= LONGEST_CHOSEN_SECRET:
        raise Unprocessable(
            "client_secret", f"must have {SHORTEST_CHOSEN_SECRET} to {LONGEST_CHOSEN_SECRET} characters."
        )
    if not (secret.isascii() and secret.isprintable()):
        raise Unprocessable("client_secret", "must have printable ASCII characters only (RFC 6749 Appendix A.2).")
    if len(set(secret)) < 6:
        raise Unprocessable("client_secret", "can be guessed; leave it out and one is generated.")
