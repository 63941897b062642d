"""Which rows the verbs of the hot flows touch. See ``transaction.Keys``.

The first member of each key is the place of its table in the order in which rows are written everywhere.
"""

from __future__ import annotations

from collections.abc import Hashable

from grantway.model import Authorization, Consent, DeviceRequest, Interaction
from grantway.storage.sql.transaction import Keys

SHORT: Keys = ()
"""Of a read of a row or two."""


def session_key(tenant: str, session_id: str) -> Hashable:
    return (1, tenant, session_id)


def interaction_key(tenant: str, interaction_id: str) -> Hashable:
    return (2, tenant, interaction_id)


def authorization_key(tenant: str, authorization_id: str) -> Hashable:
    return (3, tenant, authorization_id)


def consent_key(tenant: str, subject: str, client_id: str) -> Hashable:
    return (4, tenant, subject, client_id)


def revocation_key(tenant: str, kind: str, key: str) -> Hashable:
    return (5, tenant, kind, key)


def single_use_key(tenant: str, purpose: str, owner: str, value: bytes) -> Hashable:
    return (6, tenant, purpose, owner, value)


def attempt_key(tenant: str, kind: str, key: str) -> Hashable:
    return (7, tenant, kind, key)


def task_key(tenant: str, task_id: str) -> Hashable:
    return (8, tenant, task_id)


def device_request_keys(request: DeviceRequest) -> Keys:
    """Both of its codes: whoever takes its user code, once it has expired, writes its row, too."""
    return ((9, request.tenant, request.device_digest), (10, request.tenant, request.user_code_digest))


def grant_keys(authorization: Authorization, consent: Consent | None, interaction: Interaction | None) -> Keys:
    """Of all that a finished authorization request leaves."""
    tenant, keys = authorization.tenant, []
    if authorization.session_id is not None:
        keys.append(session_key(tenant, authorization.session_id))
    if interaction is not None:
        keys.append(interaction_key(tenant, interaction.interaction_id))
    keys.append(authorization_key(tenant, authorization.authorization_id))
    if consent is not None:
        keys.append(consent_key(tenant, consent.subject, consent.client_id))
    return tuple(keys)


def revoke_keys(tenant: str, authorization_id: str) -> Keys:
    """Of an authorization that is revoked."""
    return (authorization_key(tenant, authorization_id), revocation_key(tenant, "authorization", authorization_id))
