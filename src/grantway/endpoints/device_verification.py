"""Where a person types the code that a device shows (RFC 8628 §3.3).

The page only finds out which device asks. Log-in and consent follow through the dispatcher, like those of any other
request, in this browser. A link with the code in it (``verification_uri_complete``) fills in the field and no more: the
person still has to compare the code with the device's, and to send it (RFC 8628 §3.3.1, §5.4).
"""

from __future__ import annotations

from grantway.browser import Browser, check_form, load_session
from grantway.endpoints.device_authorization import VERIFICATION_PATH
from grantway.endpoints.device_decision import find_waiting_device, seal_user_code
from grantway.endpoints.dispatcher import advance, load_flow
from grantway.endpoints.presentation import ask_to_wait, render
from grantway.errors import TooManyRequests
from grantway.events import UserCodeRefused
from grantway.extension import Call, Endpoint
from grantway.model import Client, DeviceRequest
from grantway.protocol.device import (
    DEVICE_CODE,
    build_person_request,
    digest_user_code,
    format_user_code,
    normalize_user_code,
)
from grantway.protocol.message import Response

WRONG_CODE = "That code is wrong, or is no longer good. Compare it with your device, or let it show a new one."


class DeviceVerification(Endpoint):
    name = "device_verification"
    spec = "RFC 8628 §3.3"
    path = VERIFICATION_PATH
    methods = ("GET", "POST")
    service = "authorize"
    is_page = True
    parameters = ("user_code",)

    async def handle(self, call: Call) -> Response:
        if call.request.method == "GET":
            query = call.query()
            query.check_unique()
            return _show(call, query.get("user_code") or "", is_prefilled=True)
        form = call.form()
        form.check_unique()
        browser = check_form(call, form)
        typed = form.get("user_code") or ""
        try:
            found = await _find(call, browser, typed)
        except TooManyRequests as error:
            return ask_to_wait(_show(call, typed, error=error.description, status=429), error)
        if found is None:
            return _show(call, typed, error=WRONG_CODE, status=400)
        client, device = found
        request = build_person_request(device, seal_user_code(call, device, typed))
        return await advance(call, await load_flow(call, client, request, await load_session(call), None))


async def _find(call: Call, browser: Browser, typed: str) -> tuple[Client, DeviceRequest] | None:
    """The device that shows this code, and its client. Counted before it is looked at, so that parallel guesses count;
    None for a code that is unknown, expired, denied or used, and nobody can tell which (RFC 8628 §5.1).

    Raises:
        TooManyRequests: no more codes are taken from here for now.
    """
    runtime, tenant, address = call.runtime, call.tenant.tenant, call.request.address
    await runtime.throttle.check_user_code(tenant, browser.digest, address, call.now)
    stored = await runtime.store.load_device_request_by_user_code(tenant, digest_user_code(typed))
    device = await find_waiting_device(call, stored)
    client = await runtime.grid.client(tenant, device.client_id) if device is not None else None
    if device is None or client is None or not client.enabled or DEVICE_CODE not in client.grant_types:
        runtime.events.emit(UserCodeRefused(tenant=tenant, at=call.now, address=address))
        return None
    await runtime.throttle.take_back_user_code(tenant, browser.digest, address)
    return client, device


def _show(
    call: Call, typed: str, *, is_prefilled: bool = False, error: str | None = None, status: int = 200
) -> Response:
    user_code = format_user_code(normalize_user_code(typed))
    context = {
        "action": call.base + VERIFICATION_PATH,
        "user_code": user_code,
        "is_prefilled": is_prefilled and bool(user_code),
        "error": error,
    }
    return render(call, "device", context, status=status)
