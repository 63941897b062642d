"""A device's polls for the tokens that a person lets it have (RFC 8628 §3.4)."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import NoReturn

from msgspec.structs import replace

from grantway.errors import (
    AuthorizationPending,
    DeviceDenied,
    ExpiredToken,
    InvalidGrant,
    InvalidRequest,
    SlowDown,
)
from grantway.extension import Call, Decision
from grantway.grants.redemption import RedeemingGrant, build_decision, check_unspent, is_code_expired
from grantway.model import Client, DeviceRequest
from grantway.protocol.client_metadata import Metadatum, read_choice
from grantway.protocol.device import DEVICE_CODE, SLOW_DOWN_SECONDS, USER_CODE_PRESETS, is_poll_too_soon
from grantway.protocol.lifespan import describe_lifespans
from grantway.protocol.message import Parameters
from grantway.tokens import digest_code

_MOST_TRIES = 16  # of polls that came at the same moment; whoever loses so often came too soon anyway


class DeviceCode(RedeemingGrant):
    name = DEVICE_CODE
    spec = "RFC 8628 §3.4"
    parameters = ("device_code", "resource", "audience")
    repeatable = ("resource", "audience")
    client_metadata = MappingProxyType(
        {
            **describe_lifespans(DEVICE_CODE, "access", "id", "refresh"),
            "device_user_code": Metadatum(
                f"Kind of user codes of its devices, instead of device.user_code: {', '.join(USER_CODE_PRESETS)}.",
                partial(read_choice, choices=tuple(USER_CODE_PRESETS)),
            ),
        }
    )

    async def resolve(self, call: Call, client: Client, parameters: Parameters) -> Decision:
        """What the person answered. Another client's device code is as good as none, and its poll changes nothing."""
        code = parameters.get("device_code")
        if code is None:
            raise InvalidRequest("The parameter device_code is missing.")
        digest, store = digest_code(code), call.runtime.store
        request = await store.load_device_request(call.tenant.tenant, digest)
        if request is not None:
            if request.client_id != client.client_id:
                raise InvalidGrant(detail="another client's device code")
            if call.now < request.expires_at:
                request = await _count_poll(call, request)
            if request.denied_at is not None:
                raise DeviceDenied()
        authorization = await store.load_authorization_by_code(call.tenant.tenant, digest)
        if authorization is None or authorization.grant_type != self.name:
            _tell_unanswered(call, request)
        if authorization.client_id != client.client_id:
            raise InvalidGrant(detail="another client's device code")
        check_unspent(authorization)
        if is_code_expired(call, authorization):
            raise ExpiredToken()
        return build_decision(client, authorization)


async def _count_poll(call: Call, request: DeviceRequest) -> DeviceRequest:
    """Notes the poll, whatever its answer is going to be: of many at once, on whichever nodes, one goes on.

    Raises:
        SlowDown: less than the interval lies between it and the one before (RFC 8628 §3.5).
    """
    store = call.runtime.store
    for _ in range(_MOST_TRIES):
        is_soon = is_poll_too_soon(call.now, request.polled_at, request.interval)
        interval = request.interval + SLOW_DOWN_SECONDS if is_soon else request.interval
        polled = replace(request, polled_at=max(call.now, request.polled_at or 0), interval=interval)
        if await store.update_device_request(polled):
            if is_soon:
                raise SlowDown()
            return polled
        fresh = await store.load_device_request(request.tenant, request.device_digest)
        if fresh is None:
            break
        request = fresh
    raise SlowDown(detail="many polls at the same moment")


def _tell_unanswered(call: Call, request: DeviceRequest | None) -> NoReturn:
    if request is None:
        raise InvalidGrant(detail="unknown device code")
    if request.expires_at <= call.now:
        raise ExpiredToken()
    raise AuthorizationPending()
