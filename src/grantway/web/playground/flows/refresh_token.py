"""Refresh tokens, their rotation, and what happens to a stolen one."""

from __future__ import annotations

from grantway.web.playground.flow import Check, Flow, Step
from grantway.web.playground.flows.steps import CLIENT_PROVES_ITSELF, build_redemption, build_sign_in


def _build_refresh(
    title: str, explanation: str, token: str, keep: str | None, checks: tuple[Check, ...], outcome: str
) -> Step:
    is_good = keep is not None
    return Step(
        title=title,
        explanation=explanation,
        build=lambda material: material.build_post(
            "token", grant_type="refresh_token", refresh_token=material.values[token]
        ),
        checks=checks,
        status=200 if is_good else 400,
        members={"access_token": ..., "refresh_token": ...} if is_good else {"error": "invalid_grant"},
        keep={keep: "refresh_token"} if keep is not None else {},
        outcome=outcome,
    )


_GOOD = (
    CLIENT_PROVES_ITSELF,
    Check("The refresh token is this client's, the newest of its family, and not expired.", "RFC 6749 §6"),
    Check("The scope is not more than what the person agreed to.", "RFC 6749 §6"),
    Check("The person, the client and the permission are still there.", "RFC 9700 §4.14.2"),
)

REFRESH_TOKEN = Flow(
    name="refresh_token",
    title="Refresh tokens",
    summary="New access tokens without bothering the person, and a theft that is noticed.",
    spec="RFC 6749 §6, RFC 9700 §4.14",
    group="With a person",
    client_id="demo-playground",
    grants=("authorization_code", "refresh_token"),
    endpoints=("authorization", "token"),
    steps=(
        build_sign_in(
            "openid offline_access",
            "First somebody has to sign in. The scope offline_access asks for a refresh token: the client wants to go "
            "on while you are away, and the consent page says so.",
        ),
        build_redemption("refresh_token"),
        _build_refresh(
            "Refresh",
            "The access token lives for an hour. The client swaps its refresh token for a new access token, and gets "
            "a new refresh token, too: each is good once.",
            "refresh_token",
            "second",
            _GOOD,
            "New tokens. The old refresh token is spent; the database changed one number.",
        ),
        _build_refresh(
            "Refresh again", "With the new refresh token, as a client does each hour.", "second", "third", _GOOD,
            "The third generation.",
        ),
        _build_refresh(
            "Be the thief",
            "Somebody found the first refresh token in an old backup and tries it. It was spent two generations ago.",
            "refresh_token",
            None,
            (Check("A spent refresh token ends its whole family: thief and client cannot be told apart.",
                   "RFC 9700 §4.14.2"),),
            "Refused, and everything that came from this sign-in is revoked.",
        ),
        _build_refresh(
            "And the client?",
            "It still has the newest refresh token. Will it work?",
            "third",
            None,
            (Check("The family was revoked: nothing of it is good any more.", "RFC 9700 §4.14.2"),),
            "The client has to send the person to sign in again. The thief has nothing, either.",
        ),
    ),
)  # fmt: skip
