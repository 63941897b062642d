"""The admin API's routes for trusted issuers. Paths and JSON of those for JWTs are those Hydra's clients know."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from grantway.admin import trusted_issuers
from grantway.admin.trusted_issuers import StoredIssuer
from grantway.protocol.message import Response
from grantway.protocol.trusted_issuer import Naming, Protocol
from grantway.web.admin_call import (
    PAGING,
    AdminCall,
    QueryParameter,
    Route,
    build_empty,
    build_json,
    format_instant,
)
from grantway.web.admin_wire import Instant

Names = Annotated[list[str], Meta(max_length=100)]


class NewTrustedIssuer(Struct, kw_only=True, forbid_unknown_fields=True):
    """An issuer to be trusted: for one subject or any, for a scope, at some clients or any, with these keys, until a
    day. ``jwk`` is a set of one key. ``subject_is`` says what its subjects are here."""

    issuer: str
    expires_at: Annotated[dt.datetime, Meta(tz=True)]
    scope: Names
    subject: str | UnsetType = UNSET
    allow_any_subject: bool | UnsetType = UNSET
    subject_is: Naming | UnsetType = UNSET
    clients: Names | UnsetType = UNSET
    any_client: bool | UnsetType = UNSET
    jwk: dict[str, Any] | UnsetType = UNSET
    jwks: dict[str, Any] | UnsetType = UNSET
    jwks_uri: str | UnsetType = UNSET
    certificates: Names | UnsetType = UNSET


class PublicKey(Struct, kw_only=True):
    """The first of its keys, as Hydra names one."""

    set: str
    kid: str


class TrustedIssuerView(Struct, kw_only=True):
    """A trusted issuer. ``public_key`` is there if its keys are in ``jwks``."""

    id: str
    issuer: str
    subject: str
    allow_any_subject: bool
    subject_is: Naming
    scope: list[str]
    clients: list[str]
    any_client: bool
    public_key: PublicKey | None
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    certificates: list[str]
    created_at: Instant | None
    expires_at: Instant | None


def show_trusted_issuer(stored: StoredIssuer) -> TrustedIssuerView:
    trusted = stored.trusted
    jwks = dict(trusted.jwks) if trusted.jwks is not None else None
    return TrustedIssuerView(
        id=stored.issuer_id,
        issuer=trusted.issuer,
        subject=trusted.subject or "",
        allow_any_subject=trusted.subject is None,
        subject_is=trusted.subject_is,
        scope=list(trusted.scope),
        clients=list(trusted.clients),
        any_client=trusted.any_client,
        public_key=PublicKey(set=trusted.issuer, kid=jwks["keys"][0]["kid"]) if jwks is not None else None,
        jwks=jwks,
        jwks_uri=trusted.jwks_uri,
        certificates=list(trusted.certificates),
        created_at=format_instant(stored.created_at),
        expires_at=format_instant(stored.expires_at),
    )


async def _list(protocol: Protocol, call: AdminCall) -> Response:
    page = await trusted_issuers.list_trusted_issuers(
        call.runtime,
        call.tenant,
        protocol,
        issuer=call.query.get("issuer"),
        cursor=call.cursor(),
        limit=call.page_size(),
    )
    return call.page(page, [show_trusted_issuer(stored) for stored in page.items])


async def _create(protocol: Protocol, call: AdminCall) -> Response:
    wanted: NewTrustedIssuer = call.body
    document = msgspec.structs.asdict(wanted)
    stored = await trusted_issuers.create_trusted_issuer(
        call.runtime,
        call.tenant,
        protocol,
        {name: value for name, value in document.items() if value is not UNSET and name != "expires_at"},
        expires_at=int(wanted.expires_at.timestamp() * 1000),
        actor=call.actor,
        rights=call.rights,
    )
    location = call.location(stored.issuer_id).encode()
    return build_json(show_trusted_issuer(stored), status=201, headers=((b"location", location),))


async def _get(protocol: Protocol, call: AdminCall) -> Response:
    found = await trusted_issuers.load_trusted_issuer(call.runtime, call.tenant, call.path["id"], protocol)
    return build_json(show_trusted_issuer(found))


async def _delete(protocol: Protocol, call: AdminCall) -> Response:
    await trusted_issuers.delete_trusted_issuer(
        call.runtime, call.tenant, call.path["id"], protocol, actor=call.actor, rights=call.rights
    )
    return build_empty()


Handle = Callable[[Protocol, AdminCall], Awaitable[Response]]


def _build_routes(protocol: Protocol, noun: str) -> tuple[Route, ...]:
    path = f"/admin/trust/grants/{'jwt' if protocol == 'jwt' else 'saml2'}-bearer/issuers"

    def route(method: str, below: str, summary: str, handle: Handle, right: str, **more: Any) -> Route:
        return Route(
            method=method,
            path=path + below,
            summary=summary,
            handler=partial(handle, protocol),
            scope=f"grantway.trusted-issuers.{right}",
            area="trusted-issuers",
            **more,
        )

    exactly = QueryParameter("issuer", "Only those of exactly this issuer.")
    listed = list[TrustedIssuerView]
    return (
        route(
            "GET", "", f"List issuers whose {noun} are trusted", _list, "read", query=(*PAGING, exactly), answer=listed
        ),
        route(
            "POST",
            "",
            f"Trust an issuer's {noun} for a subject or any, a scope and clients, until a day",
            _create,
            "write",
            body=NewTrustedIssuer,
            answer=TrustedIssuerView,
            status=201,
            errors=(409,),
        ),
        route("GET", "/{id}", f"Show an issuer of {noun}", _get, "read", answer=TrustedIssuerView, errors=(404,)),
        route("DELETE", "/{id}", f"Trust an issuer's {noun} no more", _delete, "write", status=204, errors=(404,)),
    )


ROUTES = (*_build_routes("jwt", "JWTs"), *_build_routes("saml", "SAML assertions"))
