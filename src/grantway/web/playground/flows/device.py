"""The device authorization grant."""

from __future__ import annotations

from grantway.protocol.device import DEVICE_CODE
from grantway.web.playground.flow import Check, Flow, Step
from grantway.web.playground.flows.steps import build_userinfo


def _build_poll(title: str, explanation: str, checks: tuple[Check, ...], outcome: str, *, is_last: bool) -> Step:
    return Step(
        title=title,
        explanation=explanation,
        build=lambda material: material.build_post(
            "token", grant_type=DEVICE_CODE, device_code=material.values["device_code"]
        ),
        checks=checks,
        status=200 if is_last else 400,
        members={"access_token": ...} if is_last else {"error": "authorization_pending"},
        keep={"access_token": "access_token"} if is_last else {},
        outcome=outcome,
    )


DEVICE = Flow(
    name="device",
    title="Device authorization",
    summary="A television without a browser signs somebody in by way of their phone.",
    spec="RFC 8628",
    group="With a person",
    client_id="demo-tv",
    grants=(DEVICE_CODE,),
    endpoints=("device_authorization", "device_verification", "token", "userinfo"),
    steps=(
        Step(
            title="The device asks for codes",
            explanation="The television asks for two codes: a long one for itself, and a short one that it shows on "
            "its screen together with an address.",
            build=lambda material: material.build_post("device_authorization", scope="openid profile offline_access"),
            checks=(
                Check("The client exists, and this grant is registered for it.", "RFC 8628 §3.1"),
                Check("No other waiting device shows the same user code.", "RFC 8628 §6.1"),
            ),
            members={"device_code": ..., "user_code": ..., "verification_uri": ..., "interval": ...},
            keep={"device_code": "device_code", "user_code": "user_code"},
            outcome="The device shows the user code and the address, or both as a QR code.",
        ),
        _build_poll(
            "The device asks whether anybody came",
            "While it waits, the device asks every few seconds.",
            (
                Check("The device code is this client's.", "RFC 8628 §3.4"),
                Check("It does not ask more often than each interval; if it does: slow_down.", "RFC 8628 §3.5"),
            ),
            "Nobody yet: the device waits for an interval and asks again.",
            is_last=False,
        ),
        Step(
            title="You take your phone",
            explanation="You open the address on another device, compare the code with the one on the screen, sign in, "
            "and agree. Be the person: the page opens in another tab. Come back here afterwards.",
            kind="errand",
            build=lambda material: material.build_visit("device_verification", user_code=material.values["user_code"]),
            checks=(
                Check(
                    "Wrong codes are counted, for the browser and the address: nobody guesses them.", "RFC 8628 §5.1"
                ),
                Check("The page shows which client asks, and the code, before anything is allowed.", "RFC 8628 §5.4"),
            ),
            outcome="You have answered. Nothing was sent to the device: it will ask.",
        ),
        _build_poll(
            "The device asks again",
            "The next poll finds your answer. If it says slow_down you were quicker than the interval: wait, and send "
            "it again.",
            (
                Check("The device code was allowed, is not expired, and was not redeemed before.", "RFC 8628 §3.5"),
                Check("You may still sign in.", "RFC 8628 §3.5"),
            ),
            "Tokens. The device code is spent.",
            is_last=True,
        ),
        build_userinfo(),
    ),
)
