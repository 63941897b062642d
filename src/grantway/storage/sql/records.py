"""How values become rows and rows values again.

A document holds what no statement looks at. Columns that change later (``generation``, ``ended_at`` …) are the truth;
they are laid over the document when a row is read. Members a document does not know are ignored, so that two versions
of Grantway can work on one database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from grantway.errors import Unprocessable
from grantway.model import (
    Authorization,
    Change,
    ClaimsRequest,
    Client,
    Consent,
    DeviceRequest,
    Entry,
    Interaction,
    Revocation,
    Session,
    SigningKey,
    Subject,
    Task,
    Tenant,
)
from grantway.storage.sql.transaction import Row
from grantway.storage.sql.types import DIGEST_SIZE, IDENTIFIER_LENGTH, TENANT_LENGTH

S = TypeVar("S", bound=Struct)

_encode = msgspec.json.Encoder().encode
_decode_tenant = msgspec.json.Decoder(Tenant).decode
_decode_client = msgspec.json.Decoder(Client).decode
_decode_subject = msgspec.json.Decoder(Subject).decode
_decode_consent = msgspec.json.Decoder(Consent).decode
_decode_interaction = msgspec.json.Decoder(Interaction).decode
_decode_entry = msgspec.json.Decoder(Entry).decode
_decode_task = msgspec.json.Decoder(Task).decode
_decode_device_request = msgspec.json.Decoder(DeviceRequest).decode
_decode_revocation = msgspec.json.Decoder(Revocation).decode
_decode_jwk = msgspec.json.Decoder(dict[str, Any]).decode


class _AuthorizationDocument(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    grant_type: str
    scope: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    nonce: str | None = None
    claims: ClaimsRequest | None = None
    redirect_uri: str | None = None
    code_challenge: str | None = None
    confirmation: Mapping[str, str] | None = None
    token_claims: Mapping[str, Any] = msgspec.field(default_factory=dict)
    id_token_claims: Mapping[str, Any] = msgspec.field(default_factory=dict)


class _SessionDocument(Struct, frozen=True, kw_only=True):
    auth_time: int
    acr: str | None
    amr: tuple[str, ...]
    remembered: bool
    user_agent: str
    address: str


_decode_authorization = msgspec.json.Decoder(_AuthorizationDocument).decode
_decode_session = msgspec.json.Decoder(_SessionDocument).decode


def check_identifiers(limit: int = IDENTIFIER_LENGTH, /, **identifiers: str | None) -> None:
    """Refuses what a column could not hold exactly; nothing is ever cut off.

    Raises:
        Unprocessable: one is empty, too long, or no text a database can store.
    """
    for name, value in identifiers.items():
        if value is None:
            continue
        if not value:
            raise Unprocessable(name, "must not be empty")
        longest = TENANT_LENGTH if name == "tenant" else limit
        if len(value) > longest:
            raise Unprocessable(name, f"must not be longer than {longest} characters")
        if "\x00" in value or not _is_encodable(value):
            raise Unprocessable(name, "contains a character that cannot be stored")


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_digest(name: str, digest: bytes) -> None:
    """Refuses anything but a SHA-256. Raises ``Unprocessable``."""
    if len(digest) != DIGEST_SIZE:
        raise Unprocessable(name, f"must have {DIGEST_SIZE} bytes")


def build_digest(*parts: str | bytes) -> bytes:
    """SHA-256 over the parts, each with its length, so that no two lists give the same input."""
    state = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.digest()


def build_code_digest(authorization: Authorization) -> bytes:
    """The digest to store: that of the code, or one nobody can present a code for."""
    if authorization.code_digest is None:
        return build_digest("no code", authorization.authorization_id)
    check_digest("code_digest", authorization.code_digest)
    if authorization.code_expires_at is None:
        raise Unprocessable("code_expires_at", "a code needs an end")
    return authorization.code_digest


def build_document(value: Struct) -> str:
    return _encode(value).decode()


# -- rows of values ---------------------------------------------------------------------------------------------------


def build_client_row(client: Client) -> dict[str, Any]:
    """The columns of ``client`` but its keys. Raises ``Unprocessable``."""
    check_identifiers(256, client_name=client.client_name or None, owner=client.owner or None)
    return {
        "client_name": client.client_name or None,
        "owner": client.owner or None,
        "enabled": int(client.enabled),
        "version": client.version,
        "document": build_document(client),
    }


def build_subject_row(subject: Subject) -> dict[str, Any]:
    """The columns of ``subject`` but its keys. Raises ``Unprocessable``."""
    check_identifiers(username=subject.username, username_key=subject.username_key)
    return {
        "username_key": subject.username_key,
        "enabled": int(subject.enabled),
        "version": subject.version,
        "document": build_document(subject),
    }


def build_authorization_row(authorization: Authorization) -> dict[str, Any]:
    """All columns. Raises ``Unprocessable``."""
    check_identifiers(
        tenant=authorization.tenant,
        authorization_id=authorization.authorization_id,
        client_id=authorization.client_id,
        subject=authorization.subject,
        session_id=authorization.session_id,
    )
    names = _AuthorizationDocument.__struct_fields__
    document = _AuthorizationDocument(**{name: getattr(authorization, name) for name in names})
    return {
        "tenant": authorization.tenant,
        "authorization_id": authorization.authorization_id,
        "client_id": authorization.client_id,
        "subject": authorization.subject,
        "session_id": authorization.session_id,
        "session_bound": int(authorization.session_bound),
        "code_digest": build_code_digest(authorization),
        "code_expires_at": authorization.code_expires_at,
        "code_redeemed_at": authorization.code_redeemed_at,
        "generation": authorization.generation,
        "rotated_at": authorization.rotated_at,
        "revoked_at": authorization.revoked_at,
        "created_at": authorization.created_at,
        "expires_at": authorization.expires_at,
        "document": build_document(document),
    }


def build_session_row(session: Session) -> dict[str, Any]:
    """All columns. Raises ``Unprocessable``."""
    check_identifiers(tenant=session.tenant, session_id=session.session_id, subject=session.subject)
    check_digest("digest", session.digest)
    names = _SessionDocument.__struct_fields__
    document = _SessionDocument(**{name: getattr(session, name) for name in names})
    return {
        "tenant": session.tenant,
        "session_id": session.session_id,
        "digest": session.digest,
        "subject": session.subject,
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_at,
        "expires_at": session.expires_at,
        "ended_at": session.ended_at,
        "document": build_document(document),
    }


def build_entry_row(entry: Entry) -> dict[str, Any]:
    """All columns. Raises ``Unprocessable``."""
    check_identifiers(tenant=entry.tenant, key=entry.key)
    return {
        "tenant": entry.tenant,
        "kind": entry.kind,
        "key": entry.key,
        "expires_at": entry.expires_at,
        "version": entry.version,
        "document": build_document(entry),
    }


def build_task_row(task: Task) -> dict[str, Any]:
    """All columns. Raises ``Unprocessable``."""
    check_identifiers(tenant=task.tenant, task_id=task.task_id)
    return {
        "tenant": task.tenant,
        "task_id": task.task_id,
        "kind": task.kind,
        "due_at": task.due_at,
        "expires_at": task.expires_at,
        "version": task.version,
        "document": build_document(task),
    }


def build_device_request_row(request: DeviceRequest) -> dict[str, Any]:
    """All columns. Raises ``Unprocessable``."""
    check_identifiers(tenant=request.tenant, client_id=request.client_id)
    check_digest("device_digest", request.device_digest)
    check_digest("user_code_digest", request.user_code_digest)
    return {
        "tenant": request.tenant,
        "device_digest": request.device_digest,
        "user_code_digest": request.user_code_digest,
        "expires_at": request.expires_at,
        "version": request.version,
        "document": build_document(request),
    }


def build_key_row(key: SigningKey) -> dict[str, Any]:
    """All columns. Raises ``Unprocessable``."""
    check_identifiers(tenant=key.tenant, kid=key.kid)
    row: dict[str, Any] = {name: getattr(key, name) for name in SigningKey.__struct_fields__}
    row["public_jwk"] = _encode(key.public_jwk).decode()
    return row


# -- values of rows ---------------------------------------------------------------------------------------------------


def parse_tenant(row: Row) -> Tenant:
    return _decode_tenant(row[0])


def parse_client(row: Row) -> Client:
    return _decode_client(row[0])


def parse_subject(row: Row) -> Subject:
    return _decode_subject(row[0])


def parse_consent(row: Row) -> Consent:
    return _decode_consent(row[0])


def parse_interaction(row: Row) -> Interaction:
    document, version, completed_at = row
    return msgspec.structs.replace(_decode_interaction(document), version=version, completed_at=completed_at)


def parse_entry(row: Row) -> Entry:
    return _decode_entry(row[0])


def parse_task(row: Row) -> Task:
    return _decode_task(row[0])


def parse_device_request(row: Row) -> DeviceRequest:
    return _decode_device_request(row[0])


def parse_authorization(row: Row) -> Authorization:
    """Takes the columns in the order of the table."""
    document = _decode_authorization(row[14])
    return Authorization(
        tenant=row[0],
        authorization_id=row[1],
        client_id=row[2],
        subject=row[3],
        session_id=row[4],
        session_bound=bool(row[5]),
        code_digest=row[6] if row[7] is not None else None,
        code_expires_at=row[7],
        code_redeemed_at=row[8],
        generation=row[9],
        rotated_at=row[10],
        revoked_at=row[11],
        created_at=row[12],
        expires_at=row[13],
        grant_type=document.grant_type,
        scope=document.scope,
        audience=document.audience,
        auth_time=document.auth_time,
        acr=document.acr,
        amr=document.amr,
        nonce=document.nonce,
        claims=document.claims,
        redirect_uri=document.redirect_uri,
        code_challenge=document.code_challenge,
        confirmation=document.confirmation,
        token_claims=document.token_claims,
        id_token_claims=document.id_token_claims,
    )


def parse_session(row: Row) -> Session:
    """Takes the columns in the order of the table."""
    document = _decode_session(row[8])
    return Session(
        tenant=row[0],
        session_id=row[1],
        digest=row[2],
        subject=row[3],
        created_at=row[4],
        last_seen_at=row[5],
        expires_at=row[6],
        ended_at=row[7],
        auth_time=document.auth_time,
        acr=document.acr,
        amr=document.amr,
        remembered=document.remembered,
        user_agent=document.user_agent,
        address=document.address,
    )


def parse_key(row: Row) -> SigningKey:
    """Takes the columns in the order of the table."""
    return SigningKey(
        tenant=row[0],
        kid=row[1],
        alg=row[2],
        state=row[3],
        public_jwk=_decode_jwk(row[4]),
        sealed_private_key=row[5],
        created_at=row[6],
        activated_at=row[7],
        retired_at=row[8],
        remove_at=row[9],
    )


def parse_revocation(row: Row) -> Revocation:
    """Takes the columns in the order of the table."""
    return Revocation(tenant=row[0], kind=row[1], key=row[2], not_before=row[3], keep_until=row[4])


def parse_change(row: Row) -> Change:
    sequence, tenant, kind, key, document = row
    revocation = None if document is None else _decode_revocation(document)
    return Change(sequence=sequence, tenant=tenant, kind=kind, key=key, revocation=revocation)
