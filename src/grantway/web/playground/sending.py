"""Sends the requests of steps: to this very server, in process, as a client would over HTTP."""

from __future__ import annotations

from msgspec.structs import replace

from grantway.protocol.message import Request
from grantway.server import AuthorizationServer
from grantway.web.playground.flow import Answer, Material, RawRequest
from grantway.web.playground.walks import LONGEST_BODY

OPAQUE_PREFIXES = ("gwat_", "gwrt_")
_MOST_INTROSPECTED = 4


async def send(server: AuthorizationServer, request: RawRequest, address: str) -> Answer:
    """One request, without any cookie of the person who watches. ``address`` is theirs: limits count it."""
    body = request.body
    headers = [
        (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in request.all_headers
    ]
    if body:
        headers.append((b"content-length", str(len(body)).encode()))
    path, _, query = request.target.partition("?")
    response = await server.handle(
        Request(method=request.method, path=path, query=query.encode(), headers=headers, body=body, address=address)
    )
    return Answer(
        status=response.status,
        headers=tuple((_name_header(name), value.decode("latin-1")) for name, value in response.headers),
        body=response.body[:LONGEST_BODY].decode("utf-8", "replace"),
    )


async def introspect_tokens(
    server: AuthorizationServer, material: Material, answer: Answer, address: str
) -> dict[str, Answer]:
    """What introspection says about the opaque tokens among the members of an answer, by the member's name.

    A public client cannot ask: it has nothing to prove itself with.
    """
    if "introspection" not in material.paths or not material.is_confidential:
        return {}
    material = replace(material, values=dict(material.values))  # what is asked on the side leaves no trace in the walk
    known: dict[str, Answer] = {}
    for name, value in answer.members.items():
        if isinstance(value, str) and value.startswith(OPAQUE_PREFIXES) and len(known) < _MOST_INTROSPECTED:
            said = await send(server, material.build_post("introspection", token=value), address)
            if said.members.get("active") is True:
                known[name] = said
    return known


def _name_header(name: bytes) -> str:
    """As people write it: ``content-type`` to ``Content-Type``."""
    return "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))
