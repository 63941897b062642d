"""Clients: registering, changing, their secrets, and shutting them out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from grantway.admin.client_patch import apply_patch
from grantway.admin.effects import VersionConflict, check_version, emit
from grantway.admin.rights import ALL_RIGHTS, Rights
from grantway.clients import (
    collect_powers,
    generate_secret,
    give_secret,
    needs_secret,
    parse_document,
)
from grantway.errors import Conflict, InvalidClientMetadata, NotFound, Unprocessable
from grantway.extension import Runtime
from grantway.model import Client, Page, SelfRegistration
from grantway.protocol.client_metadata import describe_client
from grantway.protocol.lifespan import is_lifespan
from grantway.protocol.registration import follow_administrator
from grantway.scopes import check_registered

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
        client_id = runtime.tokens.generate_name()
    elif not _CLIENT_ID.fullmatch(client_id):
        raise Unprocessable("client_id", "must be 1 to 255 letters, digits and . _ ~ : @ + -, a letter or digit first.")
    if await runtime.store.load_subject(tenant, client_id) is not None:  # RFC 9700 §4.15: whose sub would it be?
        raise Conflict("A user has this identifier.")
    client = await _parse(runtime, tenant, client_id, fields, rights)
    client, plain = await give_secret(runtime, client, client_secret)
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
    revocation = runtime.build_revocation(tenant, "client", client_id, is_disabling=True)
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
    if not needs_secret(old):
        raise InvalidClientMetadata("token_endpoint_auth_method: this client does not authenticate by a secret.")
    secret, plain = generate_secret(runtime, old)
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
    known = runtime.extensions.client_metadata
    extra = {name: value for name, value in old.extra.items() if not is_lifespan(name)}
    for name, value in lifespans.items():
        if value is not None:
            if name not in known:
                raise Unprocessable(name, "belongs to a grant that this server does not have.")
            extra[name] = known[name].read(name, value)
    client = msgspec.structs.replace(old, extra=extra)
    client = await _store(runtime, old, client)
    emit(runtime, tenant, "client.set_lifespans", client_id, actor)
    return client


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


async def _load_for_change(
    runtime: Runtime, tenant: str, client_id: str, expected_version: int | None, rights: Rights
) -> Client:
    client = await load_client(runtime, tenant, client_id)
    check_version(client.version, expected_version)
    rights.check_may_hand_out(collect_powers(runtime, client))
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
    client = await _parse(runtime, old.tenant, old.client_id, fields, rights, old)
    client = msgspec.structs.replace(
        client,
        secrets=old.secrets,
        registration=_follow(old, client),
        version=old.version,
        created_at=old.created_at,
    )
    client, plain = await give_secret(runtime, client, client_secret)
    client = await _store(runtime, old, client, is_disabled=old.enabled and not client.enabled)
    emit(runtime, old.tenant, action, old.client_id, actor)
    return CreatedClient(client=client, client_secret=plain)


def _follow(old: Client, client: Client) -> SelfRegistration | None:
    if old.registration is None:
        return None
    policy = follow_administrator(old.registration.policy, old, client)
    return msgspec.structs.replace(old.registration, policy=policy)


async def _store(runtime: Runtime, old: Client, client: Client, *, is_disabled: bool = False) -> Client:
    client = msgspec.structs.replace(client, updated_at=runtime.clock.now())
    revocation = None
    if is_disabled:
        revocation = runtime.build_revocation(old.tenant, "client", old.client_id, is_disabling=True)
    try:
        return await runtime.store.update_client(client, revocation=revocation)
    except Conflict as error:
        raise VersionConflict("The client was changed by someone else at the same time.") from error


async def _parse(
    runtime: Runtime,
    tenant: str,
    client_id: str,
    fields: Mapping[str, Any],
    rights: Rights,
    old: Client | None = None,
) -> Client:
    client = parse_document(runtime, tenant, client_id, fields, old)
    await check_registered(runtime, client)
    rights.check_may_hand_out((*client.default_scope, *collect_powers(runtime, client)))
    return client


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
