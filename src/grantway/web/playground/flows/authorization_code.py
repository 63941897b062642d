"""The authorization code flow with PKCE."""

from __future__ import annotations

from grantway.web.playground.flow import Check, Flow, Step
from grantway.web.playground.flows.steps import (
    build_introspection,
    build_redemption,
    build_sign_in,
    build_userinfo,
    redeem_code,
)

_REPLAY = Step(
    title="Try the code once more",
    explanation="A code is good once. A second use means that somebody has a copy, and nobody can tell who came "
    "first, so the server refuses it and revokes everything that came from it.",
    build=redeem_code,
    checks=(Check("The code was used before: its tokens are revoked, in all workers.", "RFC 6749 §4.1.2"),),
    status=400,
    members={"error": "invalid_grant"},
    outcome="Refused, and noticed.",
)

AUTHORIZATION_CODE = Flow(
    name="authorization_code",
    title="Authorization code with PKCE",
    summary="A person signs in and lets a client act for them. For web, mobile, desktop and browser applications.",
    spec="RFC 6749 §4.1, RFC 7636, OpenID Connect Core §3.1",
    group="With a person",
    client_id="demo-playground",
    grants=("authorization_code",),
    endpoints=("authorization", "token", "userinfo", "introspection"),
    steps=(
        build_sign_in("openid profile email"),
        build_redemption("id_token"),
        build_userinfo(),
        _REPLAY,
        build_introspection(
            "See what became of the tokens",
            "The access token was good when you asked for the claims. Ask the server about it again.",
            active=False,
        ),
    ),
)
