"""What the grants for assertions share (RFC 7521 §4.1): whose assertions are trusted, whom they name, and using each
once. Not a grant itself."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from grantway.accounts import find_named_subject
from grantway.errors import InvalidClientMetadata, InvalidGrant, InvalidRequest, InvalidScope
from grantway.extension import Call, Decision, Grant, Runtime, SingleUse
from grantway.grants.client_credentials import FOR_PEOPLE
from grantway.model import Ancestor, Client
from grantway.protocol.client_keys import KEY_METADATA
from grantway.protocol.client_metadata import Metadatum
from grantway.protocol.lifespan import describe_lifespans
from grantway.protocol.message import Parameters
from grantway.protocol.trusted_issuer import (
    CLIENT_METADATA,
    NOT_FOR_BEARERS,
    Protocol,
    Trust,
    build_external_subject,
    build_own_trust,
    build_trust,
    read_trusted_issuer,
)
from grantway.scopes import find_default_scope, find_scope_policy, is_scope_named

TOKEN_PATH = "/oauth2/token"
"""Below the issuer: what an assertion may name as its recipient."""


class Verified(Struct, frozen=True, kw_only=True):
    """An assertion that is right in itself: what is left is whether somebody of that name is here, and spending it."""

    trust: Trust
    subject: str
    assertion_id: str
    expires_at: int
    """After which it will not be accepted again, seconds."""


class AssertionGrant(Grant):
    """A grant whose credential is an assertion somebody else signed."""

    parameters = ("assertion", "scope", "resource", "audience")
    repeatable = ("resource", "audience")
    # A public client is whoever says so: the registry could not limit an issuer to clients.
    requires_confidential_client = True

    def check_client(self, runtime: Runtime, client: Client) -> None:
        signs = self.name in client.grant_types and client.extra.get("self_issued_assertions")
        if signs and not any(client.extra.get(name) for name in (*KEY_METADATA, "assertion_certificates")):
            raise InvalidClientMetadata("self_issued_assertions needs jwks, jwks_uri or assertion_certificates.")

    async def spend(self, call: Call, decision: Decision) -> Decision:
        """Written last, when nothing can be refused any more: nobody uses up an assertion by failing with it.

        Raises:
            InvalidGrant: it was used before (RFC 7523 §3, RFC 7522 §3).
        """
        use = decision.single_use
        if use is None:
            raise InvalidGrant()
        is_first = await call.runtime.store.use_once(
            call.tenant.tenant, use.purpose, use.owner, use.value, expires_at=use.expires_at
        )
        if not is_first:
            raise InvalidGrant(detail=f"the assertion was used before, {use.owner}")
        return decision


def describe_metadata(grant_type: str) -> Mapping[str, Metadatum]:
    """The client metadata of such a grant."""
    return {**describe_lifespans(grant_type, "access"), **KEY_METADATA, **CLIENT_METADATA}


def read_assertion_parameter(parameters: Parameters) -> str:
    """Raises ``InvalidRequest`` without one."""
    assertion = parameters.get("assertion")
    if assertion is None:
        raise InvalidRequest("The parameter assertion is missing.")
    return assertion


async def find_trusts(call: Call, client: Client, protocol: Protocol, issuer: str, subject: str) -> list[Trust]:
    """Who may have signed what says it is from ``issuer`` about ``subject``: the more particular ones first.

    Raises:
        InvalidGrant: nobody whom this client may bring assertions of.
    """
    found = []
    own = build_own_trust(client)
    if own is not None and issuer == own.issuer and own.covers(subject):
        found.append(own)
    for entry in await call.runtime.grid.entries(call.tenant.tenant, "trusted_issuer"):
        document = entry.document
        if document.get("issuer") != issuer or document.get("protocol") != protocol:
            continue
        if entry.expires_at is not None and entry.expires_at <= call.now:
            continue
        trust = build_trust(entry)
        if trust.covers(subject) and read_trusted_issuer(entry).is_good_for(client.client_id):
            found.append(trust)
    if not found:
        raise InvalidGrant(detail=f"{issuer[:100]!r} is not trusted for this client and subject")
    return sorted(found, key=lambda trust: trust.subjects is None)


async def build_decision(
    call: Call, client: Client, parameters: Parameters, verified: Verified, *, purpose: str
) -> Decision:
    """For whom and how much. No refresh token, no ID token (RFC 7521 §4.1).

    Raises:
        InvalidGrant: nobody of that name is here. InvalidScope: there is nothing to grant.
    """
    trust, subject, unfit = verified.trust, None, FOR_PEOPLE
    is_external = trust.subject_is == "external"
    if not (trust.is_clients_own and verified.subject == client.client_id):  # else the client acts for itself
        subject = await _find_subject(call, trust, verified.subject)
        unfit = FOR_PEOPLE if is_external else NOT_FOR_BEARERS
    scope = tuple(value for value in trust.scope if value not in unfit)
    if not is_scope_named(call, client, parameters):
        default_scope = await find_default_scope(call, client)
        if scope and default_scope:
            scope = find_scope_policy(call.runtime, client).select(default_scope, scope)
            if not scope:
                raise InvalidScope(detail="the issuer is trusted for nothing of what the client has by default")
    return Decision(
        client=client,
        subject=subject,
        is_subject_external=is_external,
        scope=scope,
        audience=client.audience,
        ancestors=_build_ancestors(call, client, trust),
        not_after=trust.expires_at,
        single_use=SingleUse(
            purpose, trust.owner, verified.assertion_id.encode("utf-8", "surrogatepass"), verified.expires_at * 1000
        ),
    )


async def _find_subject(call: Call, trust: Trust, name: str) -> str:
    """Raises ``InvalidGrant``. Whether there is one, and enabled, the gate asks."""
    if trust.subject_is == "external":
        subject = build_external_subject(trust.issuer, name)
    else:
        subject = await find_named_subject(call.runtime, call.tenant.tenant, name, by=trust.subject_is)
    if subject is None:
        raise InvalidGrant(detail="nobody of the name in the assertion is here")
    return subject


def _build_ancestors(call: Call, client: Client, trust: Trust) -> tuple[Ancestor, ...]:
    """The token ends with the trust in whoever made it possible, as one that was exchanged ends with its ancestors."""
    if not trust.revocation_key:
        return ()
    return (Ancestor(token_id=trust.revocation_key, client_id=client.client_id, issued_at=call.now),)
