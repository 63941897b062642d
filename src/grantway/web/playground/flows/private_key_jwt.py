"""A client that authenticates by its private key."""

from __future__ import annotations

from grantway.client_auth.client_assertion import ASSERTION_TYPE
from grantway.web.playground.flow import Check, Flow, Material, RawRequest, Step
from grantway.web.playground.flows.steps import build_introspection


def _build_replay(material: Material) -> RawRequest:
    return RawRequest(
        method="POST",
        path=material.paths["token"],
        form=(
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", material.values["client_assertion"]),
            ("grant_type", "client_credentials"),
        ),
    )


PRIVATE_KEY_JWT = Flow(
    name="private_key_jwt",
    title="private_key_jwt",
    summary="A client proves itself by a key that never leaves it, instead of a secret that travels.",
    spec="RFC 7523 §2.2, OpenID Connect Core §9",
    group="Without a person",
    client_id="demo-key",
    grants=("client_credentials",),
    endpoints=("token", "introspection"),
    steps=(
        Step(
            title="Sign, and ask for a token",
            explanation="The client signs a short JWT about itself with its private key. The server knows the public "
            "half, so there is no secret that could leak from it, from a log or from a proxy.",
            build=lambda material: material.build_post("token", grant_type="client_credentials", scope="read"),
            checks=(
                Check("One of the client's registered keys signed it, by an algorithm of its kind.", "RFC 7523 §3"),
                Check("iss and sub are the client, aud is this server.", "RFC 7523 §3"),
                Check("It is young: exp is near, iat is past.", "RFC 7523 §3"),
                Check("Its jti was never seen before, in no process.", "RFC 7523 §3"),
            ),
            members={"access_token": ...},
            keep={"access_token": "access_token"},
            outcome="A token, as with a secret.",
        ),
        Step(
            title="Replay it",
            explanation="Somebody copied the request from a log and sends it again, a few seconds later.",
            build=_build_replay,
            checks=(Check("An assertion is good once.", "RFC 7523 §3"),),
            status=401,
            members={"error": "invalid_client"},
            outcome="Refused, although the signature is right.",
        ),
        build_introspection(
            "The client goes on",
            "The client itself signs a fresh assertion for each request. Here it introspects its token.",
            active=True,
            client_id="demo-key",
        ),
    ),
)
