"""Values for tests of stores: complete, distinct, and with something in every field that could get lost."""

from __future__ import annotations

import hashlib
from typing import Any

from grantway.model import (
    Authorization,
    AuthorizationRequest,
    ClaimRequest,
    ClaimsRequest,
    Client,
    ClientSecret,
    Consent,
    DeviceRequest,
    Entry,
    EntryKind,
    Interaction,
    RegistrationPolicy,
    Revocation,
    RevocationKind,
    SelfRegistration,
    Session,
    SigningKey,
    Subject,
    Task,
    Tenant,
)

NOW = 1_700_000_000_000
HOUR = 3_600_000
TENANT = "default"
OTHER_TENANT = "other"


def build_digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def build_tenant(tenant: str = TENANT, **changes: Any) -> Tenant:
    fields: dict[str, Any] = {"issuer": f"https://{tenant}.example", "created_at": NOW, **changes}
    return Tenant(tenant=tenant, **fields)


def build_client(client_id: str = "shop", tenant: str = TENANT, **changes: Any) -> Client:
    fields: dict[str, Any] = {
        "client_name": "Shop ✓",
        "owner": "team",
        "secrets": (
            ClientSecret(secret_id="1", digest="keyed:00", created_at=NOW, expires_at=NOW + HOUR, sealed="AA"),
        ),
        "redirect_uris": ("https://shop.example/cb",),
        "scope": ("openid", "profile"),
        "metadata": {"a": [1, 2.5, None, {"b": True}], "é": ""},
        "extra": {"other": "x"},
        "registration": SelfRegistration(
            token_digest="keyed:01",
            policy=RegistrationPolicy(
                grant_types=("authorization_code",),
                token_endpoint_auth_methods=(),
                scope=("a",),
                audience=("https://x",),
            ),
            statement={"client_name": "x", "contacts": ["y"]},
        ),
        "created_at": NOW,
        **changes,
    }
    return Client(tenant=tenant, client_id=client_id, **fields)


def build_subject(subject: str = "alice-id", username: str = "alice", tenant: str = TENANT, **changes: Any) -> Subject:
    fields: dict[str, Any] = {
        "username_key": username.casefold(),
        "password": "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA",
        "roles": ("admin",),
        "claims": {"name": "Alice ✓", "address": {"locality": "Wien"}, "email_verified": True},
        "created_at": NOW,
        **changes,
    }
    return Subject(tenant=tenant, subject=subject, username=username, **fields)


def build_authorization(authorization_id: str = "a1", tenant: str = TENANT, **changes: Any) -> Authorization:
    fields: dict[str, Any] = {
        "client_id": "shop",
        "grant_type": "authorization_code",
        "subject": "alice-id",
        "scope": ("openid", "offline_access"),
        "audience": ("https://api.example",),
        "created_at": NOW,
        "expires_at": NOW + 24 * HOUR,
        "auth_time": NOW // 1000,
        "acr": "1",
        "amr": ("pwd",),
        "nonce": "n-0",
        "claims": ClaimsRequest(userinfo={"email": None, "name": ClaimRequest(essential=True)}),
        "redirect_uri": "https://shop.example/cb",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "confirmation": {"jkt": "x"},
        "token_claims": {"role": ["a", 1], "é": {"deep": None}},
        "id_token_claims": {"given_by": "x"},
        "code_digest": build_digest(tenant + authorization_id),
        "code_expires_at": NOW + 60_000,
        **changes,
    }
    return Authorization(tenant=tenant, authorization_id=authorization_id, **fields)


def build_session(session_id: str = "s1", subject: str = "alice-id", tenant: str = TENANT, **changes: Any) -> Session:
    fields: dict[str, Any] = {
        "digest": build_digest(tenant + session_id),
        "auth_time": NOW // 1000,
        "acr": "1",
        "amr": ("pwd",),
        "remembered": False,
        "user_agent": "",
        "address": "127.0.0.1",
        "created_at": NOW,
        "last_seen_at": NOW,
        "expires_at": NOW + HOUR,
        **changes,
    }
    return Session(tenant=tenant, session_id=session_id, subject=subject, **fields)


def build_consent(subject: str = "alice-id", client_id: str = "shop", tenant: str = TENANT, **changes: Any) -> Consent:
    fields: dict[str, Any] = {
        "scope": ("openid",),
        "audience": (),
        "client_fingerprint": "f",
        "created_at": NOW,
        "updated_at": NOW,
        **changes,
    }
    return Consent(tenant=tenant, subject=subject, client_id=client_id, **fields)


def build_interaction(interaction_id: str = "i1", tenant: str = TENANT, **changes: Any) -> Interaction:
    fields: dict[str, Any] = {
        "browser_digest": build_digest("browser"),
        "request": AuthorizationRequest(
            client_id="shop",
            redirect_uri="https://shop.example/cb",
            scope=("openid",),
            state="",
            claims=ClaimsRequest(id_token={"acr": ClaimRequest(values=("1", "2"))}),
        ),
        "created_at": NOW,
        "expires_at": NOW + HOUR,
        **changes,
    }
    return Interaction(tenant=tenant, interaction_id=interaction_id, **fields)


def build_key(kid: str = "k1", tenant: str = TENANT, **changes: Any) -> SigningKey:
    fields: dict[str, Any] = {
        "alg": "ES256",
        "state": "active",
        "public_jwk": {"kty": "EC", "kid": kid},
        "sealed_private_key": b"\x00\xff" + kid.encode(),
        "created_at": NOW,
        **changes,
    }
    return SigningKey(tenant=tenant, kid=kid, **fields)


def build_entry(key: str = "read", kind: EntryKind = "scope", tenant: str = TENANT, **changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "document": {"description": "Read ✓", "deep": [1, 2.5, None, {"b": True}]},
        "created_at": NOW,
        "updated_at": NOW + 1,
        **changes,
    }
    return Entry(tenant=tenant, kind=kind, key=key, **fields)


def build_task(task_id: str = "t1", tenant: str = TENANT, **changes: Any) -> Task:
    fields: dict[str, Any] = {
        "kind": "logout",
        "due_at": NOW,
        "expires_at": NOW + 24 * HOUR,
        "attempts": 2,
        "document": {"session_id": "s1", "clients": [{"client_id": "shop"}]},
        "created_at": NOW,
        **changes,
    }
    return Task(tenant=tenant, task_id=task_id, **fields)


def build_device_request(
    device: str = "d1", user_code: str = "BCDF-GHJK", tenant: str = TENANT, **changes: Any
) -> DeviceRequest:
    fields: dict[str, Any] = {
        "device_digest": build_digest(tenant + device),
        "user_code_digest": build_digest(user_code),
        "client_id": "tv",
        "scope": ("openid",),
        "audience": ("https://api.example",),
        "created_at": NOW,
        "expires_at": NOW + 600_000,
        "interval": 5,
        **changes,
    }
    return DeviceRequest(tenant=tenant, **fields)


def build_revocation(
    key: str, kind: RevocationKind = "token", tenant: str = TENANT, not_before: int = NOW, keep_until: int = NOW + HOUR
) -> Revocation:
    return Revocation(tenant=tenant, kind=kind, key=key, not_before=not_before, keep_until=keep_until)
