"""Discovery and the signing keys."""

from __future__ import annotations

from grantway.web.playground.flow import Check, Flow, RawRequest, Step

DISCOVERY = Flow(
    name="discovery",
    title="Discovery and keys",
    summary="A client learns all it needs to know from the issuer's address.",
    spec="OpenID Connect Discovery, RFC 8414, RFC 7517",
    group="For APIs",
    client_id="demo-machine",
    endpoints=("discovery", "jwks"),
    steps=(
        Step(
            title="Read the metadata",
            explanation="One document names every endpoint, and what the server understands. A client is configured "
            "with the issuer's address and nothing else.",
            build=lambda material: RawRequest(method="GET", path=material.paths["discovery"]),
            checks=(Check("The client compares issuer with the address it asked.", "RFC 8414 §3.3"),),
            members={"issuer": ..., "jwks_uri": ...},
            outcome="The document is folded from the extensions that this server has.",
        ),
        Step(
            title="Fetch the keys",
            explanation="With these public keys anybody can check the signature of an ID token or of a JWT access "
            "token. The next key is there before it signs anything, so no cache is ever surprised by a rotation.",
            build=lambda material: RawRequest(method="GET", path=material.paths["jwks"]),
            checks=(Check("A token's kid names its key; the algorithm has to be the one expected.", "RFC 7517 §4.5"),),
            members={"keys": ...},
            outcome="Public keys only: members that would be secret are never in here.",
        ),
    ),
)
