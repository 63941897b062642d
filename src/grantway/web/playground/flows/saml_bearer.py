"""A SAML 2.0 assertion of a trusted issuer for an access token."""

from __future__ import annotations

from grantway.grants.saml2_bearer import GRANT_TYPE
from grantway.web.playground.flow import ASSERTION_TTL, Check, Flow, Material, RawRequest, Step
from grantway.web.playground.flows.steps import CLIENT_PROVES_ITSELF, build_introspection
from grantway.web.playground.signing import build_saml_assertion, sign_saml

_PARTNER = "https://partner.example"


def _sign(material: Material, audience: str) -> str:
    assertion = build_saml_assertion(
        issuer=_PARTNER,
        subject=material.username,
        audience=audience,
        recipient=material.issuer + material.paths["token"],
        assertion_id="_" + material.make_random(),
        now=material.now,
        ttl=ASSERTION_TTL,
    )
    return sign_saml(material.keys[_PARTNER], material.certificates[_PARTNER], assertion)


def _build_first(material: Material) -> RawRequest:
    assertion = material.values["assertion"] = _sign(material, material.issuer)
    return material.build_post("token", grant_type=GRANT_TYPE, assertion=assertion)


def _build_replay(material: Material) -> RawRequest:
    return material.build_post("token", grant_type=GRANT_TYPE, assertion=material.values["assertion"])


def _build_misdirected(material: Material) -> RawRequest:
    return material.build_post("token", grant_type=GRANT_TYPE, assertion=_sign(material, "https://other.example"))


SAML_BEARER = Flow(
    name="saml_bearer",
    title="SAML bearer",
    summary="A partner's SAML assertion about a person is traded for an access token.",
    spec="RFC 7522",
    group="Without a person",
    client_id="demo-saml",
    grants=(GRANT_TYPE,),
    endpoints=("token", "introspection"),
    steps=(
        Step(
            title="Bring the partner's assertion",
            explanation="A company has its people's accounts in a SAML system. That signs an assertion about the "
            "person, in XML; the client brings it here, in base64url, and gets an access token for it.",
            build=_build_first,
            checks=(
                CLIENT_PROVES_ITSELF,
                Check(
                    "A certificate that an administrator pinned signed it; what it says of keys is ignored.",
                    "RFC 7522 §3",
                ),
                Check(
                    "Only what was signed is read: no second assertion, no comment, no document type.", "RFC 7522 §3"
                ),
                Check("Audience and Recipient are this server, and it is not over yet.", "RFC 7522 §3"),
                Check("Its ID was never used before, in no process.", "RFC 7522 §3"),
            ),
            members={"access_token": ..., "scope": "read"},
            keep={"access_token": "access_token"},
            outcome="An access token in the person's name, for no more than the scope the partner is trusted with.",
        ),
        build_introspection("See whose it is", "The token is about the person, not about the client.", active=True),
        Step(
            title="Replay it",
            explanation="The same assertion a second time.",
            build=_build_replay,
            checks=(Check("An assertion is good once.", "RFC 7522 §3"),),
            status=400,
            members={"error": "invalid_grant"},
            outcome="Refused.",
        ),
        Step(
            title="Bring one that is for somebody else",
            explanation="The partner signed this one for another service, which now tries it here.",
            build=_build_misdirected,
            checks=(Check("Audience is this server.", "RFC 7522 §3"),),
            status=400,
            members={"error": "invalid_grant"},
            outcome="Refused, and the answer does not say why.",
        ),
    ),
)
