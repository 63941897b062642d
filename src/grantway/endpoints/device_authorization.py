"""The device authorization endpoint (RFC 8628 §3.1): a device without a browser asks for codes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from grantway.errors import TemporarilyUnavailable
from grantway.events import DeviceAuthorizationRequested
from grantway.extension import Call, Endpoint, Runtime
from grantway.gate import authenticate_client, check_grant_allowed
from grantway.model import AuthorizationRequest, Client, DeviceRequest, Tenant
from grantway.protocol.device import (
    DEVICE_CODE,
    USER_CODE_PRESETS,
    build_user_code,
    check_device_request,
    digest_user_code,
)
from grantway.protocol.message import Response, build_json_response
from grantway.scopes import find_default_scope, find_scope_policy

VERIFICATION_PATH = "/oauth2/device/verify"
_MOST_TRIES = 5
_RANDOM_SIZE = 16


class DeviceAuthorization(Endpoint):
    name = "device_authorization"
    spec = "RFC 8628 §3.1"
    path = "/oauth2/device/auth"
    methods = ("POST",)
    service = "token"
    has_cors = True  # applications of television sets are web pages
    challenge = b"Basic"
    parameters = ("client_id", "scope", "resource", "audience")

    async def handle(self, call: Call) -> Response:
        runtime, parameters = call.runtime, call.form()
        parameters.check_unique(runtime.extensions.repeatable_parameters)
        client = await authenticate_client(call, parameters)  # RFC 8628 §3.1: as at the token endpoint
        check_grant_allowed(client, DEVICE_CODE)
        device_code, digest = runtime.tokens.generate_device_code()
        policy = find_scope_policy(runtime, client)
        default_scope = await find_default_scope(call, client)
        asked = check_device_request(parameters, client, digest, policy, default_scope)
        for feature in runtime.extensions.features:
            asked = feature.check_authorization_request(call, client, asked, parameters)
        # Last: whoever is refused for another reason costs no row.
        await runtime.throttle.check_device_request(call.tenant.tenant, call.request.address, call.now)
        user_code = await _store(call, client, asked, digest)
        runtime.events.emit(
            DeviceAuthorizationRequested(
                tenant=call.tenant.tenant, at=call.now, client_id=client.client_id, scope=asked.scope
            )
        )
        uri = call.tenant.issuer + VERIFICATION_PATH
        return build_json_response(
            {
                "device_code": device_code,
                "user_code": user_code,
                "verification_uri": uri,
                "verification_uri_complete": f"{uri}?{urlencode({'user_code': user_code})}",
                "expires_in": runtime.settings.device.ttl,
                "interval": runtime.settings.device.interval,
            }
        )

    def discovery(self, runtime: Runtime, tenant: Tenant) -> dict[str, Any]:
        return {"device_authorization_endpoint": tenant.issuer + self.path}  # RFC 8628 §4


async def _store(call: Call, client: Client, asked: AuthorizationRequest, device_digest: bytes) -> str:
    """Stores the request under a user code that no other live one of this issuer has, and returns that code."""
    runtime = call.runtime
    settings = runtime.settings.device
    preset = USER_CODE_PRESETS[client.extra.get("device_user_code", settings.user_code)]
    for _ in range(_MOST_TRIES):
        user_code = build_user_code(preset, runtime.entropy.token_bytes(_RANDOM_SIZE))
        request = DeviceRequest(
            tenant=call.tenant.tenant,
            device_digest=device_digest,
            user_code_digest=digest_user_code(user_code),
            client_id=client.client_id,
            scope=asked.scope,
            audience=asked.audience,
            created_at=call.now,
            expires_at=call.now + settings.ttl * 1000,
            interval=settings.interval,
        )
        if await runtime.store.insert_device_request(request):
            return user_code
    raise TemporarilyUnavailable(detail="every user code that was tried is in use")
