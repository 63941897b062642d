"""Token revocation."""

from __future__ import annotations

from grantway.web.playground.flow import Check, Flow, Step
from grantway.web.playground.flows.client_credentials import TOKEN
from grantway.web.playground.flows.steps import CLIENT_PROVES_ITSELF, build_introspection

_REVOKE = Step(
    title="Revoke it",
    explanation="The client is done, or has lost the token: it tells the server.",
    build=lambda material: material.build_post("revocation", token=material.values["access_token"]),
    checks=(
        CLIENT_PROVES_ITSELF,
        Check("The token is this client's own: nobody revokes another's.", "RFC 7009 §2.1"),
    ),
    outcome="An empty 200. From this answer on no worker accepts the token, and no restart brings it back.",
)

_REVOKE_NONSENSE = Step(
    title="Revoke nonsense",
    explanation="What does the server say about a token that never was?",
    build=lambda material: material.build_post("revocation", token="nonsense"),
    checks=(Check("An unknown token is as good as revoked: no error.", "RFC 7009 §2.2"),),
    outcome="The same 200: a client cannot do anything about it, and a guesser learns nothing.",
)

REVOCATION = Flow(
    name="revocation",
    title="Revocation",
    summary="A client ends a token before its time.",
    spec="RFC 7009",
    group="For APIs",
    client_id="demo-machine",
    grants=("client_credentials",),
    endpoints=("token", "introspection", "revocation"),
    steps=(
        TOKEN,
        build_introspection("It is good", "An API that received this token would be told:", active=True),
        _REVOKE,
        build_introspection("It was good", "The same question, after the revocation.", active=False),
        _REVOKE_NONSENSE,
    ),
)
