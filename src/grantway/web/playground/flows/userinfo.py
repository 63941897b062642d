"""The UserInfo endpoint."""

from __future__ import annotations

from grantway.web.playground.flow import Check, Flow, RawRequest, Step
from grantway.web.playground.flows.steps import build_redemption, build_sign_in, build_userinfo

USERINFO = Flow(
    name="userinfo",
    title="UserInfo",
    summary="Claims about the person who signed in.",
    spec="OpenID Connect Core §5.3",
    group="With a person",
    client_id="demo-playground",
    grants=("authorization_code",),
    endpoints=("authorization", "token", "userinfo"),
    steps=(
        build_sign_in(
            "openid profile email address phone",
            "Each scope stands for a group of claims: profile, email, address, phone. The consent page lets you untick "
            "any of them; try it, and see what is missing later.",
        ),
        build_redemption("id_token"),
        build_userinfo(),
        Step(
            title="Ask without a token",
            explanation="An API that is asked without a token says how to get in.",
            build=lambda material: RawRequest(method="GET", path=material.paths["userinfo"]),
            checks=(Check("Without a token: 401, and a WWW-Authenticate header.", "RFC 6750 §3"),),
            status=401,
            outcome="Refused.",
        ),
    ),
)
