"""The implicit flow: tokens in the browser's address."""

from __future__ import annotations

from grantway.web.playground.flow import Check, Flow, Step
from grantway.web.playground.flows.steps import build_userinfo

IMPLICIT = Flow(
    name="implicit",
    title="Implicit",
    summary="Tokens straight into the browser. New clients take the code flow; this is for those that cannot yet.",
    spec="RFC 6749 §4.2, OpenID Connect Core §3.2",
    group="Older ways",
    client_id="demo-implicit",
    endpoints=("authorization", "userinfo"),
    is_on=lambda runtime: "implicit" in runtime.extensions.grant_types,
    steps=(
        Step(
            title="Ask for tokens at once",
            explanation="The client asks for an ID token and an access token as the answer itself, without a code. "
            "They come in the fragment of the address, so they can end up in the history, and nothing proves who uses "
            "them. No client has this flow unless it is registered for it (RFC 9700 §2.1.2).",
            kind="visit",
            build=lambda material: material.build_visit(
                "authorization",
                response_type="id_token token",
                client_id=material.client_id,
                redirect_uri=material.callback,
                scope="openid profile",
                state=material.remember("state"),
                nonce=material.remember("nonce"),
            ),
            checks=(
                Check("This response_type is registered for the client.", "RFC 6749 §4.2.2.1"),
                Check("The redirect_uri is registered, character by character.", "RFC 9700 §2.1"),
                Check("There is a nonce: without it an ID token could be slipped in.", "OpenID Connect Core §3.2.2.1"),
                Check("No refresh token, whatever the scope.", "RFC 6749 §4.2.2"),
            ),
            members={"access_token": ..., "id_token": ..., "state": ...},
            keep={"access_token": "access_token"},
            outcome="Both tokens. The client checks the signature of the ID token, its nonce, and that at_hash is the "
            "hash of the access token (OpenID Connect Core §3.2.2.9).",
        ),
        build_userinfo(),
    ),
)
