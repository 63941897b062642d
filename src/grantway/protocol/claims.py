"""What is said about a subject: in the ID token, at userinfo, and under which identifier.

Claims that a scope stands for go to userinfo (OpenID Connect Core §5.4); those the ``claims`` parameter asks for go
where it says (§5.5). A claim without content is left out (§5.3.2).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from grantway.errors import InvalidClientMetadata, ServerError
from grantway.model import ClaimRequest, ClaimsRequest, Client, Subject
from grantway.protocol.redirect_uri import parse_authority, split_scheme
from grantway.protocol.vocabulary import CLAIM_SCOPES, SCOPE_CLAIMS

# OpenID Connect Core §3.1.3.6: at_hash and c_hash use the hash of the ID token's alg; Ed25519 hashes with SHA-512.
_HALF_HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512, "DSA": hashlib.sha512}

ID_TOKEN_CLAIMS: Final = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "sid"}
)
"""What only the server itself may say in an ID token, whatever a subject's own claims are called."""


def select_subject_claims(
    subject: Subject, *, scope: Sequence[str], requested: Mapping[str, ClaimRequest | None]
) -> dict[str, Any]:
    """The subject's claims that ``scope`` covers (Core §5.4), and those ``requested`` by name (Core §5.5.1).

    A claim requested with ``value`` or ``values`` is returned only when it has one of them. Only standard claims can be
    requested: what else an operator stores with an account is nobody's business by default.
    """
    available = {
        "preferred_username": subject.username,
        "updated_at": subject.updated_at // 1000 or None,
        **subject.claims,
    }
    names = [name for value in scope for name in SCOPE_CLAIMS.get(value, ())]
    names += [
        name
        for name, request in requested.items()
        if name in CLAIM_SCOPES and (request is None or is_value_accepted(available.get(name), request))
    ]
    return {name: available[name] for name in names if name in available and not _is_empty(available[name])}


def narrow_claims(
    claims: ClaimsRequest | None, *, requested_scope: Sequence[str], granted_scope: Sequence[str]
) -> ClaimsRequest | None:
    """Drops what was asked for by name but belongs to a scope the person was asked for and did not grant."""
    if claims is None:
        return None
    refused = frozenset(requested_scope) - frozenset(granted_scope)

    def keep(wanted: Mapping[str, ClaimRequest | None]) -> dict[str, ClaimRequest | None]:
        return {name: request for name, request in wanted.items() if CLAIM_SCOPES.get(name) not in refused}

    return ClaimsRequest(userinfo=keep(claims.userinfo), id_token=keep(claims.id_token))


def is_value_accepted(value: Any, request: ClaimRequest) -> bool:
    """Whether ``value`` is one that ``request`` asks for; true when it names none (Core §5.5.1)."""
    wanted = request.values if request.value is None else (request.value, *request.values)
    # `True == 1` in Python, not in JSON.
    return not wanted or any(type(value) is type(other) and value == other for other in wanted)


def build_half_hash(value: str, alg: str) -> str:
    """``at_hash`` or ``c_hash``: base64url of the left half of the value's hash (OpenID Connect Core §3.1.3.6,
    §3.3.2.11)."""
    digest = _HALF_HASHES[alg[-3:]](value.encode("ascii")).digest()
    return _encode(digest[: len(digest) // 2])


def build_pairwise_subject(sector: str, subject: str, salt: str) -> str:
    """An identifier that is the same for one subject in one sector, and tells nothing elsewhere (Core §8.1)."""
    # Keyed and separated, so that no two (sector, subject) pairs run into one another.
    return _encode(hmac.digest(salt.encode(), sector.encode() + b"\0" + subject.encode(), "sha256"))


def find_sector(client: Client) -> str:
    """The sector of a pairwise client: the host of its ``sector_identifier_uri``, or the one host it redirects to.

    Raises:
        InvalidClientMetadata: there are several hosts, or none, and no ``sector_identifier_uri`` (Core §8.1).
    """
    uris = (client.sector_identifier_uri,) if client.sector_identifier_uri else client.redirect_uris
    hosts = {_find_host(uri) for uri in uris}
    host = hosts.pop() if len(hosts) == 1 else None
    if host is None:
        raise InvalidClientMetadata(
            "A pairwise client whose redirect URIs do not all have the same host needs a sector_identifier_uri."
        )
    return host


def choose_subject_identifier(client: Client, subject: str, salt: str | None) -> str:
    """The ``sub`` this client knows ``subject`` by (Core §8).

    Raises:
        ServerError: the client is pairwise and there is no salt to compute with.
        InvalidClientMetadata: see ``find_sector``.
    """
    if client.subject_type != "pairwise":
        return subject
    if not salt:
        raise ServerError(detail=f"client {client.client_id} is pairwise, but tokens.pairwise_salt is not set")
    return build_pairwise_subject(find_sector(client), subject, salt)


def build_id_token_claims(
    *,
    issuer: str,
    client: Client,
    subject_identifier: str,
    now: int,
    ttl: int,
    alg: str,
    nonce: str | None = None,
    auth_time: int | None = None,
    acr: str | None = None,
    amr: Sequence[str] = (),
    session_id: str | None = None,
    access_token: str | None = None,
    code: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The claims of an ID token (Core §2). ``now``, ``ttl`` and ``auth_time`` (see ``model``) are seconds.

    ``auth_time`` is said whenever it is known: that fulfils ``max_age`` and ``require_auth_time`` in every case.
    ``extra`` are the subject's claims that the ``claims`` parameter asked for here.
    """
    claims: dict[str, Any] = {name: value for name, value in (extra or {}).items() if name not in ID_TOKEN_CLAIMS}
    claims |= {
        "iss": issuer,
        "sub": subject_identifier,
        "aud": client.client_id,
        "azp": client.client_id,  # Core §2: allowed also where it equals the only audience; verifiers need no cases
        "iat": now,
        "exp": now + ttl,
    }
    optional = {
        "nonce": nonce,  # Core §3.1.2.1: passed through unmodified
        "auth_time": auth_time,
        "acr": acr,
        "amr": list(amr) or None,
        "sid": session_id,  # OpenID Connect Front-Channel Logout §3
        "at_hash": build_half_hash(access_token, alg) if access_token is not None else None,
        "c_hash": build_half_hash(code, alg) if code is not None else None,
    }
    return claims | {name: value for name, value in optional.items() if value is not None}


def build_userinfo_claims(
    subject: Subject, *, subject_identifier: str, scope: Sequence[str], claims: ClaimsRequest | None
) -> dict[str, Any]:
    """The members of a userinfo answer: ``sub`` as the client knows it, and what was granted (Core §5.3.2)."""
    requested = claims.userinfo if claims is not None else {}
    return {"sub": subject_identifier, **select_subject_claims(subject, scope=scope, requested=requested)}


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | Mapping | Sequence) and len(value) == 0)


def _find_host(uri: str) -> str | None:
    scheme, rest = split_scheme(uri)
    authority = parse_authority(rest) if scheme in ("https", "http") else None
    return authority.host.lower() if authority is not None else None


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
