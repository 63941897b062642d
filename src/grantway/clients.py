"""Clients: what a document has to fulfil to become one, and their secrets.

What administration and self-registration share. Does not own who may do it, nor what is told about it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from grantway.errors import InvalidClientMetadata, Unprocessable
from grantway.extension import Runtime
from grantway.model import Client, ClientSecret
from grantway.protocol.client_metadata import parse_client
from grantway.protocol.foreign_jwt import HMAC_ALGORITHMS, hmac_key
from grantway.protocol.sealing import encode_base64url

SECRET_PREFIX = "gwcs_"
"""Of generated secrets: lets a secret scanner know one that leaked."""
SHORTEST_CHOSEN_SECRET = 16
LONGEST_CHOSEN_SECRET = 256


def parse_document(
    runtime: Runtime, tenant: str, client_id: str, fields: Mapping[str, Any], old: Client | None = None
) -> Client:
    """A client from its metadata, as far as this server serves it.

    ``old``: the client it was. What an extension declared that has been switched off since stays with it.

    Raises:
        InvalidClientMetadata, InvalidRedirectUri: a field is not acceptable.
    """
    extensions = runtime.extensions
    algorithms = runtime.settings.keys.algorithms
    if fields.get("id_token_signed_response_alg") is None and "RS256" not in algorithms:
        fields = {**fields, "id_token_signed_response_alg": algorithms[0]}
    dormant = {
        name: value for name, value in (old.extra if old else {}).items() if name not in extensions.client_metadata
    }
    fields = {name: value for name, value in fields.items() if name not in dormant or dormant[name] != value}
    client = parse_client(
        fields,
        tenant=tenant,
        client_id=client_id,
        extra_metadata=extensions.client_metadata,
        methods=runtime.list_auth_methods(),
        scope_strategy=runtime.settings.scopes.strategy,
    )
    for name in extensions.missing.keys() & set(client.grant_types):
        raise InvalidClientMetadata(f"grant_types: {name} needs pip install '{extensions.missing[name]}'.")
    _check_served("grant_types", client.grant_types, extensions.grant_types)
    _check_served("id_token_signed_response_alg", (client.id_token_signed_response_alg,), algorithms)
    if client.access_token_signed_response_alg is not None:
        _check_served("access_token_signed_response_alg", (client.access_token_signed_response_alg,), algorithms)
    if client.subject_type == "pairwise" and runtime.settings.tokens.pairwise_salt is None:
        raise InvalidClientMetadata("subject_type: pairwise needs the setting tokens.pairwise_salt.")
    for extension in extensions.all:
        extension.check_client(runtime, client)
    return msgspec.structs.replace(client, extra={**dormant, **client.extra}) if dormant else client


def collect_powers(runtime: Runtime, client: Client) -> list[str]:
    """The rights that go with the client: whoever makes or changes it must hold them."""
    known = runtime.extensions.client_metadata
    return [*client.scope, *(known[name].right for name in client.extra if name in known)]


def _check_served(name: str, values: Sequence[str], known: Collection[str]) -> None:
    for value in values:
        if value not in known:
            raise InvalidClientMetadata(f"{name}: {value[:100]} is not one of {', '.join(known)}.")


def needs_secret(client: Client) -> bool:
    return client.token_endpoint_auth_method.startswith("client_secret_")


async def give_secret(runtime: Runtime, client: Client, chosen: str | None) -> tuple[Client, str | None]:
    """The client with the secrets its authentication method needs, and the new one in plain, if there is one.

    A chosen secret takes the place of all: whoever sets one wants the others gone.
    """
    if not needs_secret(client):
        if chosen is not None:
            raise Unprocessable("client_secret", "a client with this token_endpoint_auth_method has no secret.")
        return msgspec.structs.replace(client, secrets=()), None
    if chosen is not None:
        _check_chosen_secret(chosen)
        _check_secret_signs(client, chosen)
        secret = ClientSecret(
            secret_id=runtime.tokens.generate_name(),
            digest=await runtime.passwords.hash(chosen),
            created_at=runtime.clock.now(),
        )
        return msgspec.structs.replace(client, secrets=(_seal(runtime, client, secret, chosen),)), chosen
    if client.secrets:
        return _keep_secrets(runtime, client), None
    secret, plain = generate_secret(runtime, client)
    return msgspec.structs.replace(client, secrets=(secret,)), plain


def generate_secret(runtime: Runtime, client: Client) -> tuple[ClientSecret, str]:
    """256 bits: as nobody can guess them, a keyed digest is enough to keep them. One that signs is long enough for
    every algorithm."""
    random = runtime.entropy.token_bytes(48 if _signs_by_secret(client) else 32)
    plain = SECRET_PREFIX + encode_base64url(random)
    secret = ClientSecret(
        secret_id=runtime.tokens.generate_name(),
        digest=runtime.keys.hash_secret(plain),
        key_id=runtime.keys.ring_id,
        created_at=runtime.clock.now(),
    )
    return _seal(runtime, client, secret, plain), plain


def _signs_by_secret(client: Client) -> bool:
    return client.token_endpoint_auth_method == "client_secret_jwt"


def _seal(runtime: Runtime, client: Client, secret: ClientSecret, plain: str) -> ClientSecret:
    """A secret is kept itself only where nothing less will do."""
    if not _signs_by_secret(client):
        return secret
    sealed = runtime.keys.seal_secret(client.tenant, client.client_id, secret.secret_id, plain)
    return msgspec.structs.replace(secret, sealed=sealed)


def _keep_secrets(runtime: Runtime, client: Client) -> Client:
    """The client with the secrets it had, which may be no use for a method it had not."""
    if not _signs_by_secret(client):
        secrets = tuple(msgspec.structs.replace(secret, sealed=None) for secret in client.secrets)
        return msgspec.structs.replace(client, secrets=secrets)
    plain = runtime.keys.open_secret(client, client.secrets[0])
    if plain is None:
        raise InvalidClientMetadata(
            "token_endpoint_auth_method: the secret of this client is kept as a digest, and client_secret_jwt needs "
            "the secret itself. Replace the client with its new method and a new client_secret."
        )
    _check_secret_signs(client, plain)
    return client


def _check_secret_signs(client: Client, secret: str) -> None:
    """Whether a secret is long enough for what the client signs by it (RFC 7518 §3.2)."""
    if not _signs_by_secret(client):
        return
    alg = client.extra.get("token_endpoint_auth_signing_alg", HMAC_ALGORITHMS[0])
    try:
        is_long = alg in hmac_key(secret.encode()).algorithms
    except ValueError as error:
        raise Unprocessable("client_secret", f"{error}.") from error
    if not is_long:
        raise Unprocessable("client_secret", f"is too short for {alg}, which needs as many bytes as its hash has.")


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
