"""The password grant."""

from __future__ import annotations

from grantway.web.playground.flow import Check, Flow, Step
from grantway.web.playground.flows.steps import CLIENT_PROVES_ITSELF, build_userinfo

_SAME_RULES = Check(
    "The password is checked as on the sign-in page, with the same delays after wrong ones.", "RFC 6749 §4.3.2"
)

PASSWORD = Flow(
    name="password",
    title="Password",
    summary="The client itself asks for user name and password. For clients of old that cannot do otherwise.",
    spec="RFC 6749 §4.3",
    group="Older ways",
    client_id="demo-password",
    grants=("password",),
    endpoints=("token", "userinfo"),
    steps=(
        Step(
            title="Send user name and password",
            explanation="The person has typed both into the client, and has to trust it with everything. OAuth 2.1 has "
            "no such grant any more; no client has it here unless it is registered for it.",
            build=lambda material: material.build_post(
                "token",
                grant_type="password",
                username=material.username,
                password=material.password,
                scope="openid profile",
            ),
            checks=(
                CLIENT_PROVES_ITSELF,
                Check("The client is confidential, and this grant is registered for it.", "RFC 6749 §4.3"),
                _SAME_RULES,
            ),
            members={"access_token": ...},
            keep={"access_token": "access_token"},
            outcome="Tokens, without any consent page: the person was never asked what for.",
        ),
        build_userinfo(),
        Step(
            title="Guess",
            explanation="Somebody tries another name.",
            build=lambda material: material.build_post(
                "token", grant_type="password", username="nobody-of-this-name", password="a guess of mine"
            ),
            checks=(
                _SAME_RULES,
                Check("An unknown person and a wrong password look the same, and take as long.", "RFC 6749 §5.2"),
            ),
            status=400,
            members={"error": "invalid_grant"},
            outcome="Refused.",
        ),
    ),
)
