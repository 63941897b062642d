"""The client credentials grant."""

from __future__ import annotations

from grantway.web.playground.flow import Check, Flow, Step
from grantway.web.playground.flows.steps import CLIENT_PROVES_ITSELF, build_introspection

TOKEN = Step(
    title="Ask for a token",
    explanation="A machine wants to call an API in its own name. It proves who it is and gets a token; no browser and "
    "no person are involved.",
    build=lambda material: material.build_post("token", grant_type="client_credentials", scope="read"),
    checks=(
        CLIENT_PROVES_ITSELF,
        Check("The client is confidential, and this grant is registered for it.", "RFC 6749 §4.4"),
        Check("It may ask for this scope.", "RFC 6749 §3.3"),
    ),
    members={"access_token": ..., "token_type": "Bearer", "expires_in": ..., "scope": "read"},
    keep={"access_token": "access_token"},
    outcome="A token. There is no refresh token: the client can ask again at any time (RFC 6749 §4.4.3). Nothing was "
    "written to the database.",
)

_TOO_MUCH = Step(
    title="Ask for too much",
    explanation="The same client wants to administer the server.",
    build=lambda material: material.build_post("token", grant_type="client_credentials", scope="grantway.admin"),
    checks=(Check("A scope that is not the client's is refused, not left out silently.", "RFC 6749 §5.2"),),
    status=400,
    members={"error": "invalid_scope"},
    outcome="Refused.",
)

_WRONG_SECRET = Step(
    title="Be somebody else",
    explanation="And now as a client that does not exist.",
    build=lambda material: material.build_post("token", client="nobody", grant_type="client_credentials"),
    checks=(Check("An unknown client and a wrong secret look the same from outside.", "RFC 6749 §5.2"),),
    status=401,
    members={"error": "invalid_client"},
    outcome="Refused with 401, and a header that says how to authenticate.",
)

CLIENT_CREDENTIALS = Flow(
    name="client_credentials",
    title="Client credentials",
    summary="A machine gets a token for itself.",
    spec="RFC 6749 §4.4",
    group="Without a person",
    client_id="demo-machine",
    grants=("client_credentials",),
    endpoints=("token", "introspection"),
    steps=(
        TOKEN,
        build_introspection(
            "Look inside",
            "The token is opaque: to everybody but the server it is a random string. The server says what is in it.",
            active=True,
            scope="read",
        ),
        _TOO_MUCH,
        _WRONG_SECRET,
    ),
)
