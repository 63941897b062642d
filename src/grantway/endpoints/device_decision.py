"""How a person's answer reaches a device (RFC 8628 §3.3): not by a redirect, but by what its next poll finds.

What is allowed becomes an authorization whose code is the device code: the one row that can have it, so that of two who
allow it at once one comes second. What is denied is noted with the device's request. Either way the person sees a page.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from grantway.endpoints.presentation import describe_client, render
from grantway.errors import AccessDenied, Conflict, InvalidRequest, OAuthError, TemporarilyUnavailable
from grantway.events import AuthorizationGranted, AuthorizationRefused
from grantway.extension import Call
from grantway.model import Authorization, AuthorizationRequest, Client, DeviceRequest, Interaction
from grantway.protocol.device import DEVICE_CODE, format_user_code, normalize_user_code
from grantway.protocol.message import Response
from grantway.protocol.sealing import NONCE_SIZE

OVER = "This code is no longer good: it has expired, or somebody has answered already. Let the device show a new one."
_PURPOSE = b"grantway/user-code/v1"
_MOST_TRIES = 16


async def approve_device(
    call: Call, client: Client, authorization: Authorization, interaction: Interaction | None
) -> Response:
    """Stores what the person allowed, and says so.

    Raises:
        InvalidRequest: the code has expired, or was answered by somebody else.
    """
    store, tenant, digest = call.runtime.store, call.tenant.tenant, authorization.code_digest or b""
    waiting = await find_waiting_device(call, await store.load_device_request(tenant, digest))
    if waiting is None:
        raise InvalidRequest(OVER)
    granted = replace(authorization, grant_type=DEVICE_CODE, code_expires_at=waiting.expires_at)
    try:
        is_first = await store.grant_authorization(granted, consent=None, interaction=interaction)
    except Conflict:  # another authorization has this device code
        is_first = False
    if not is_first:
        raise InvalidRequest(OVER)
    after = await store.load_device_request(tenant, digest)
    if after is not None and after.denied_at is not None:  # at the same moment: the no counts, here as at the poll
        await store.revoke_authorization(tenant, granted.authorization_id, now=call.now, keep_until=call.keep_until)
        raise InvalidRequest(OVER)
    call.runtime.events.emit(
        AuthorizationGranted(
            tenant=tenant,
            at=call.now,
            client_id=client.client_id,
            subject=granted.subject or "",
            scope=granted.scope,
            authorization_id=granted.authorization_id,
        )
    )
    return _show_end(call, client, is_allowed=True)


async def refuse_device(call: Call, client: Client, request: AuthorizationRequest, error: OAuthError) -> Response:
    """Notes that the person said no, and says so. Whatever else went wrong is an error page; the device may still be
    answered by another try."""
    call.runtime.events.emit(
        AuthorizationRefused(
            tenant=call.tenant.tenant, at=call.now, client_id=client.client_id, error=error.code, detail=error.detail
        )
    )
    if not isinstance(error, AccessDenied):
        raise error
    await _deny(call, request.device_digest or b"")
    return _show_end(call, client, is_allowed=False)


async def _deny(call: Call, digest: bytes) -> None:
    """Raises ``InvalidRequest``: too late, the device was let in."""
    store, tenant = call.runtime.store, call.tenant.tenant
    for _ in range(_MOST_TRIES):  # the device polls meanwhile
        device = await store.load_device_request(tenant, digest)
        if device is None or device.denied_at is not None:
            return
        if await store.load_authorization_by_code(tenant, digest) is not None:
            raise InvalidRequest(OVER)
        if await store.update_device_request(replace(device, denied_at=call.now)):
            return
    raise TemporarilyUnavailable(detail="the device request changed again and again")


async def find_waiting_device(call: Call, device: DeviceRequest | None) -> DeviceRequest | None:
    """``device``, if it still waits for an answer; None: it is unknown, expired, denied, or was let in."""
    if device is None or device.expires_at <= call.now or device.denied_at is not None:
        return None
    answered = await call.runtime.store.load_authorization_by_code(device.tenant, device.device_digest)
    return device if answered is None else None


def _show_end(call: Call, client: Client, *, is_allowed: bool) -> Response:
    return render(call, "device_done", {"client": describe_client(client), "is_allowed": is_allowed})


# -- the code that was typed ------------------------------------------------------------------------------------------
def seal_user_code(call: Call, device: DeviceRequest, typed: str) -> bytes:
    """The user code, to be kept with the interaction: shown again, yet not to be read in the database."""
    plain = normalize_user_code(typed).encode("ascii")
    nonce = call.runtime.entropy.token_bytes(NONCE_SIZE)
    ring = call.runtime.keys.ring
    return ring.seal_record(plain, purpose=_PURPOSE, identity=device.device_digest, nonce=nonce)


def describe_device(call: Call, request: AuthorizationRequest) -> dict[str, Any] | None:
    """What pages tell of the device that asks; None: it is no device."""
    if request.device_digest is None or request.user_code is None:
        return None
    ring = call.runtime.keys.ring
    plain = ring.open_record(request.user_code, purpose=_PURPOSE, identity=request.device_digest)
    if plain is None:  # the ring has lost the secret meanwhile
        raise InvalidRequest(OVER)
    return {"user_code": format_user_code(plain.decode("ascii"))}
