"""A JWT of a trusted issuer for an access token."""

from __future__ import annotations

from grantway.grants.jwt_bearer import GRANT_TYPE
from grantway.web.playground.flow import Check, Flow, Material, RawRequest, Step
from grantway.web.playground.flows.steps import CLIENT_PROVES_ITSELF, build_introspection

_PARTNER = "https://partner.example"


def _build_first(material: Material) -> RawRequest:
    assertion = material.values["assertion"] = material.sign_assertion(_PARTNER, _PARTNER, material.username)
    return material.build_post("token", grant_type=GRANT_TYPE, assertion=assertion)


def _build_replay(material: Material) -> RawRequest:
    return material.build_post("token", grant_type=GRANT_TYPE, assertion=material.values["assertion"])


def _build_stranger(material: Material) -> RawRequest:
    assertion = material.sign_assertion(_PARTNER, "https://stranger.example", material.username)
    return material.build_post("token", grant_type=GRANT_TYPE, assertion=assertion)


JWT_BEARER = Flow(
    name="jwt_bearer",
    title="JWT bearer",
    summary="A partner's signed word about a person is traded for an access token.",
    spec="RFC 7523 §2.1",
    group="Without a person",
    client_id="demo-bearer",
    grants=(GRANT_TYPE,),
    endpoints=("token", "introspection"),
    steps=(
        Step(
            title="Bring the partner's JWT",
            explanation="The person is signed in at a partner, whom an administrator of this server trusts. The "
            "partner signs a JWT that names the person; the client brings it here.",
            build=_build_first,
            checks=(
                CLIENT_PROVES_ITSELF,
                Check("The issuer is trusted, for this client, and its pinned key signed the JWT.", "RFC 7523 §3"),
                Check("aud is this server; exp is near; nbf and iat are not in the future.", "RFC 7523 §3"),
                Check("Its jti was never used before, in no process.", "RFC 7523 §3"),
                Check("The person is here, and enabled.", "RFC 7523 §3"),
            ),
            members={"access_token": ..., "scope": "read"},
            keep={"access_token": "access_token"},
            outcome="An access token in the person's name, for no more than the scope the partner is trusted with. No "
            "refresh token: the next one takes another JWT (RFC 7521 §4.1).",
        ),
        build_introspection("See whose it is", "The token is about the person, not about the client.", active=True),
        Step(
            title="Replay it",
            explanation="The same JWT a second time.",
            build=_build_replay,
            checks=(Check("An assertion is good once.", "RFC 7523 §3"),),
            status=400,
            members={"error": "invalid_grant"},
            outcome="Refused.",
        ),
        Step(
            title="Be another issuer",
            explanation="A JWT with a good signature, which says that it comes from somewhere else.",
            build=_build_stranger,
            checks=(Check("Nobody is trusted whom no administrator has named.", "RFC 7523 §3"),),
            status=400,
            members={"error": "invalid_grant"},
            outcome="Refused, and the answer does not say why.",
        ),
    ),
)
