"""Steps that several flows share."""

from __future__ import annotations

from typing import Any

from grantway.web.playground.flow import Check, Material, RawRequest, Step

CLIENT_PROVES_ITSELF = Check(
    "The client is who it says: its secret is right, and the client is enabled.", "RFC 6749 §2.3.1"
)
NOTHING_TWICE = Check("No parameter is there twice: which of them would count?", "RFC 6749 §3.1")


def build_sign_in(scope: str, explanation: str = "") -> Step:
    """The authorization request of the code flow, with everything that protects it."""

    def build(material: Material) -> RawRequest:
        return material.build_visit(
            "authorization",
            response_type="code",
            client_id=material.client_id,
            redirect_uri=material.callback,
            scope=scope,
            state=material.remember("state"),
            nonce=material.remember("nonce"),
            code_challenge=material.build_challenge(),
            code_challenge_method="S256",
        )

    return Step(
        title="Send the person to the server",
        explanation=explanation
        or "The client sends the browser to the authorization endpoint. You sign in there and agree; the client never "
        "sees your password. It has made up three secrets for this one request: state, so that it recognises the "
        "answer; nonce, which will be in the ID token; and the code_verifier, of which only a hash is sent now.",
        kind="visit",
        build=build,
        checks=(
            Check("The client exists and is enabled. If not: a page, never a redirect.", "RFC 6749 §4.1.2.1"),
            Check("The redirect_uri is registered, character by character.", "RFC 9700 §2.1"),
            Check("There is a code_challenge, so a stolen code is worth nothing.", "RFC 9700 §2.1.1"),
            Check("The client may ask for this scope.", "RFC 6749 §3.3"),
            NOTHING_TWICE,
        ),
        members={"code": ..., "state": ..., "iss": ...},
        keep={"code": "code"},
        outcome="The browser brought a code. The client has compared state with its own (another site cannot slip it "
        "an answer, RFC 6749 §10.12) and iss with the issuer it asked (RFC 9207 §2.4).",
    )


def redeem_code(material: Material) -> RawRequest:
    return material.build_post(
        "token",
        grant_type="authorization_code",
        code=material.values["code"],
        redirect_uri=material.callback,
        code_verifier=material.values["code_verifier"],
    )


def build_redemption(*members: str) -> Step:
    """The code for tokens."""
    return Step(
        title="Redeem the code",
        explanation="The code went through the browser, so it is no secret. Now the client redeems it directly at the "
        "token endpoint, and shows two things only it has: its own secret and the code_verifier.",
        build=redeem_code,
        checks=(
            CLIENT_PROVES_ITSELF,
            Check("The code is this client's, is a minute old at most, and was not used before.", "RFC 6749 §4.1.3"),
            Check("The redirect_uri is the one of the first request.", "RFC 6749 §4.1.3"),
            Check("The hash of the code_verifier is the code_challenge.", "RFC 7636 §4.6"),
            Check("The person may still sign in, and their permission stands.", "RFC 6749 §5.2"),
        ),
        members=dict.fromkeys(("access_token", *members), ...),
        keep={name: name for name in ("access_token", *members) if name.endswith("_token")},
        outcome="The code is spent. The tokens belong to the permission that you gave a moment ago.",
    )


def build_introspection(
    title: str, explanation: str, token: str = "access_token", client: str | None = None, **members: Any
) -> Step:
    """What the server says about a token of the walk."""
    return Step(
        title=title,
        explanation=explanation,
        build=lambda material: material.build_post("introspection", client=client, token=material.values[token]),
        checks=(
            CLIENT_PROVES_ITSELF,
            Check("The token is whole, of this server, and neither expired nor revoked.", "RFC 7662 §2.2"),
            Check("This client may know: to a stranger every token is inactive.", "RFC 7662 §4"),
        ),
        members=members,
        outcome="Active." if members.get("active") else "Inactive, and the answer says nothing else.",
    )


def build_userinfo(token: str = "access_token") -> Step:
    """Claims about the person."""
    return Step(
        title="Ask who signed in",
        explanation="The UserInfo endpoint is an API like any other: it takes the access token as a bearer token and "
        "answers with claims about the person, as far as the scope goes.",
        build=lambda material: RawRequest(
            method="GET",
            path=material.paths["userinfo"],
            headers=(("Authorization", f"Bearer {material.values[token]}"),),
        ),
        checks=(
            Check("The token is active and was issued to a client for a person.", "RFC 6750 §2.1"),
            Check("Its scope contains openid; each claim needs a scope of its own.", "OpenID Connect Core §5.4"),
        ),
        members={"sub": ...},
        outcome="sub is the person's name for this client, for ever. A client compares it with the one in the ID token "
        "(OpenID Connect Core §5.3.2).",
    )
