"""The hybrid flow, with the answer posted to the client."""

from __future__ import annotations

from grantway.web.playground.flow import Check, Flow, Step
from grantway.web.playground.flows.steps import build_redemption, build_userinfo

HYBRID = Flow(
    name="hybrid",
    title="Hybrid, with form_post",
    summary="A code, and an ID token together with it; posted to the client instead of written into an address.",
    spec="OpenID Connect Core §3.3, OAuth 2.0 Form Post Response Mode",
    group="Older ways",
    client_id="demo-hybrid",
    grants=("authorization_code",),
    endpoints=("authorization", "token", "userinfo"),
    is_on=lambda runtime: "implicit" in runtime.extensions.grant_types,
    steps=(
        Step(
            title="Ask for a code and an ID token",
            explanation="The client wants to know at once who signed in, and redeem a code later. With "
            "response_mode=form_post a page of the server posts the answer, so it is in no address and in no history.",
            kind="visit",
            build=lambda material: material.build_visit(
                "authorization",
                response_type="code id_token",
                response_mode="form_post",
                client_id=material.client_id,
                redirect_uri=material.callback,
                scope="openid profile",
                state=material.remember("state"),
                nonce=material.remember("nonce"),
                code_challenge=material.build_challenge(),
                code_challenge_method="S256",
            ),
            checks=(
                Check("This response_type is registered for the client.", "OAuth 2.0 Multiple Response Types §3"),
                Check("There is a nonce.", "OpenID Connect Core §3.3.2.11"),
                Check("There is a code_challenge, as for every code.", "RFC 9700 §2.1.1"),
            ),
            members={"code": ..., "id_token": ..., "state": ...},
            keep={"code": "code"},
            outcome="The client checks the ID token: its signature, its nonce, and c_hash, the hash of the code. So it "
            "knows that nobody has put another code beside it (OpenID Connect Core §3.3.2.10).",
        ),
        build_redemption("id_token"),
        build_userinfo(),
    ),
)
