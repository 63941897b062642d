"""Logout by the relying party."""

from __future__ import annotations

from grantway.web.playground.flow import Check, Flow, Step
from grantway.web.playground.flows.steps import build_introspection, build_redemption, build_sign_in

_LOGOUT = Step(
    title="Sign out at the server, too",
    explanation="You press “sign out” at the client. It forgets you, and sends the browser to the server, where your "
    "session is. The ID token that it got says which session that was, so nobody has to be asked.",
    kind="visit",
    build=lambda material: material.build_visit(
        "end_session",
        id_token_hint=material.values["id_token"],
        post_logout_redirect_uri=material.callback,
        state=material.remember("state"),
    ),
    checks=(
        Check("The id_token_hint was signed by this server, for this client.", "OpenID Connect RP-Initiated Logout §4"),
        Check("It is of this very session. If not, the person is asked: an image on another site signs nobody out.",
              "OpenID Connect RP-Initiated Logout §2"),
        Check("The post_logout_redirect_uri is registered, character by character.",
              "OpenID Connect RP-Initiated Logout §3"),
    ),
    members={"state": ...},
    outcome="The session is over, and you came back. The server shows its sign-in page from now on.",
)  # fmt: skip

LOGOUT = Flow(
    name="logout",
    title="Logout",
    summary="Signing out at the client ends the session at the server, and what hangs on it.",
    spec="OpenID Connect RP-Initiated Logout 1.0",
    group="With a person",
    client_id="demo-playground",
    grants=("authorization_code",),
    endpoints=("authorization", "token", "end_session", "introspection"),
    steps=(
        build_sign_in("openid email"),
        build_redemption("id_token"),
        build_introspection("Signed in", "As long as your session lasts, so does the token.", active=True),
        _LOGOUT,
        build_introspection(
            "Signed out", "The same token, a moment later. An API that asks now is told:", active=False
        ),
    ),
)
