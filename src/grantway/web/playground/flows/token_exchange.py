"""Token exchange: an API calls another in the person's name."""

from __future__ import annotations

from grantway.grants.token_exchange import ACCESS_TOKEN, TokenExchange
from grantway.web.playground.flow import Check, Flow, Step
from grantway.web.playground.flows.steps import (
    CLIENT_PROVES_ITSELF,
    build_introspection,
    build_redemption,
    build_sign_in,
)

_API = "demo-exchange"

TOKEN_EXCHANGE = Flow(
    name="token_exchange",
    title="Token exchange",
    summary="An API that was called calls another one, in the same person's name.",
    spec="RFC 8693",
    group="For APIs",
    client_id="demo-playground",
    grants=("authorization_code", TokenExchange.name),
    endpoints=("authorization", "token", "introspection", "revocation"),
    steps=(
        build_sign_in("openid email"),
        build_redemption(),
        Step(
            title="The API exchanges the token",
            explanation="The client has called an API with this token. To answer, the API needs another one, orders. "
            "It must not simply pass the token on: so it exchanges it for one that is for orders alone.",
            build=lambda material: material.build_post(
                "token",
                client=_API,
                grant_type=TokenExchange.name,
                subject_token=material.values["access_token"],
                subject_token_type=ACCESS_TOKEN,
                audience="https://orders.example/",
                scope="openid",
            ),
            checks=(
                CLIENT_PROVES_ITSELF,
                Check("The subject_token is active, and the API may exchange tokens of that client.", "RFC 8693 §2.1"),
                Check("The API may have tokens for this audience.", "RFC 8693 §2.2.2"),
                Check("The new scope is no more than the old one.", "RFC 8693 §2.1"),
            ),
            members={"access_token": ..., "issued_token_type": ACCESS_TOKEN},
            keep={"exchanged": "access_token"},
            outcome="A token with less scope, for one audience. The first one is as it was.",
        ),
        build_introspection(
            "See who acts for whom",
            "sub is still the person; act names the API that acts for them. Each further exchange puts another act "
            "around it (RFC 8693 §4.1).",
            token="exchanged",
            client=_API,
            active=True,
        ),
        Step(
            title="Revoke the first token",
            explanation="The client revokes the token it had.",
            build=lambda material: material.build_post("revocation", token=material.values["access_token"]),
            checks=(
                CLIENT_PROVES_ITSELF,
                Check("The token is this client's own.", "RFC 7009 §2.1"),
            ),
            outcome="An empty 200.",
        ),
        build_introspection(
            "See what became of the other",
            "The exchanged token came from the one that was revoked.",
            token="exchanged",
            client=_API,
            active=False,
        ),
    ),
)
