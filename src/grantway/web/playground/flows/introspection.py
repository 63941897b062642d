"""Token introspection, as an API uses it."""

from __future__ import annotations

from grantway.web.playground.flow import Check, Flow, Material, RawRequest, Step
from grantway.web.playground.flows.client_credentials import TOKEN
from grantway.web.playground.flows.steps import build_introspection


def _change_a_letter(token: str) -> str:
    return token[:-9] + ("A" if token[-9] != "A" else "B") + token[-8:]


def _build_forgery(material: Material) -> RawRequest:
    return material.build_post("introspection", token=_change_a_letter(material.values["access_token"]))


INTROSPECTION = Flow(
    name="introspection",
    title="Introspection",
    summary="An API asks what a token is good for.",
    spec="RFC 7662",
    group="For APIs",
    client_id="demo-machine",
    grants=("client_credentials",),
    endpoints=("token", "introspection"),
    steps=(
        TOKEN,
        build_introspection(
            "The API asks",
            "The API has received this token with a request. It asks the server who it belongs to and what for, and "
            "then decides itself: is it for me (aud), is the scope enough?",
            active=True,
            client_id="demo-machine",
        ),
        Step(
            title="Forge a token",
            explanation="One letter of the token is changed.",
            build=_build_forgery,
            checks=(Check("The seal of the token is intact. If not, it is as good as unknown.", "RFC 7662 §2.2"),),
            members={"active": False},
            outcome="Inactive. The answer does not say why: a forger learns nothing.",
        ),
        Step(
            title="Ask without saying who you are",
            explanation="Anybody could try tokens here until one is active, if the endpoint were open.",
            build=lambda material: RawRequest(
                method="POST",
                path=material.paths["introspection"],
                form=(("token", material.values["access_token"]),),
            ),
            checks=(Check("Whoever asks has to authenticate.", "RFC 7662 §2.1"),),
            status=401,
            members={"error": "invalid_client"},
            outcome="Refused.",
        ),
    ),
)
