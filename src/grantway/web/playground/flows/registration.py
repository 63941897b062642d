"""Dynamic client registration, and a client that manages itself."""

from __future__ import annotations

from typing import Any

from grantway.web.playground.flow import Check, Flow, Material, RawRequest, Step, build_basic
from grantway.web.playground.flows.steps import CLIENT_PROVES_ITSELF

_METADATA = {
    "client_name": "A client of the playground",
    "grant_types": ["client_credentials"],
    "token_endpoint_auth_method": "client_secret_basic",
    "scope": "read",
}


def _build_registration(material: Material) -> RawRequest:
    return RawRequest(
        method="POST",
        path=material.paths["registration"],
        headers=(("Authorization", f"Bearer {material.initial_access_token}"),),
        json=_METADATA,
    )


def _build_token_request(material: Material) -> RawRequest:
    return RawRequest(
        method="POST",
        path=material.paths["token"],
        headers=(build_basic(material.values["client_id"], material.values["client_secret"]),),
        form=(("grant_type", "client_credentials"),),
    )


def _build_own(material: Material, method: str, json: Any = None) -> RawRequest:
    """A request to the client's own address, by its registration access token."""
    return RawRequest(
        method=method,
        path=material.paths["client_configuration"].replace("{client_id}", material.values["client_id"]),
        headers=(("Authorization", f"Bearer {material.values['registration_access_token']}"),),
        json=json,
    )


def _build_grab(material: Material) -> RawRequest:
    return _build_own(
        material, "PUT", {**_METADATA, "client_id": material.values["client_id"], "scope": "read grantway.admin"}
    )


REGISTRATION = Flow(
    name="registration",
    title="Dynamic registration",
    summary="A client registers itself, and looks after its own registration.",
    spec="RFC 7591, RFC 7592",
    group="Without a person",
    client_id="",
    endpoints=("registration", "client_configuration", "token"),
    steps=(
        Step(
            title="Register",
            explanation="A new client says what it is. An administrator has handed out an initial access token, which "
            "says how many clients may be registered with it, and what they may be.",
            build=_build_registration,
            checks=(
                Check("The initial access token is good, and not used up.", "RFC 7591 §3"),
                Check("Each member of the metadata is one a client may set itself, and well-formed.", "RFC 7591 §2"),
                Check("Grant types and scope are within the policy of the token.", "RFC 7591 §3.2.2"),
            ),
            status=201,
            members={"client_id": ..., "client_secret": ..., "registration_access_token": ...},
            keep={name: name for name in ("client_id", "client_secret", "registration_access_token")},
            outcome="A client_id and a secret, which the server shows this once; and a registration access token, by "
            "which the client manages itself.",
        ),
        Step(
            title="Be a client",
            explanation="The new client asks for a token, like any other.",
            build=_build_token_request,
            checks=(CLIENT_PROVES_ITSELF,),
            members={"access_token": ...},
            outcome="No worker had to be restarted for it.",
        ),
        Step(
            title="Read the registration",
            explanation="The client asks what the server knows of it.",
            build=lambda material: _build_own(material, "GET"),
            checks=(Check("The registration access token is this client's own.", "RFC 7592 §2"),),
            members={"client_id": ..., "client_name": "A client of the playground"},
            outcome="All of its metadata. The secret is not in it: the server has only a digest.",
        ),
        Step(
            title="Reach for more",
            explanation="The client tries to give itself the scope of an administrator.",
            build=_build_grab,
            checks=(Check("A client changes what it may set itself, within what it was given.", "RFC 7592 §2.2"),),
            status=400,
            members={"error": "invalid_client_metadata"},
            outcome="Refused, and nothing has changed.",
        ),
        Step(
            title="Leave",
            explanation="The client is not needed any more, and deletes itself.",
            build=lambda material: _build_own(material, "DELETE"),
            checks=(Check("The registration access token is this client's own.", "RFC 7592 §2"),),
            status=204,
            outcome="It is gone, and with it every token that it had.",
        ),
        Step(
            title="Be a client once more",
            explanation="Does its secret still work?",
            build=_build_token_request,
            checks=(CLIENT_PROVES_ITSELF,),
            status=401,
            members={"error": "invalid_client"},
            outcome="There is no such client.",
        ),
    ),
)
